/* SPDX-License-Identifier: MIT */
/* wire.h - what lies between two of the model "sim:nic". */
#ifndef VSIM_WIRE_H
#define VSIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VSIM_FRAME 2048u
#define VSIM_WIRE_FRAMES 256u /* on their way, in one direction */

struct vsim_frame {
	size_t len;
	uint8_t data[VSIM_FRAME];
};

/* One end of a wire. Leaf locks: may be called with sim->lock. */
struct vsim_plug;

/* @number: of the wire; 0: what is sent comes back. -EBUSY if it has two ends already */
int vsim_wire_plug(struct vsim_plug **plug, uint32_t number);
void vsim_wire_unplug(struct vsim_plug *plug);
/* false: it is full, or has no other end: the frame is lost */
bool vsim_wire_put(struct vsim_plug *plug, const struct vsim_frame *frame);
/* false: nothing has arrived */
bool vsim_wire_get(struct vsim_plug *plug, struct vsim_frame *frame);
/* how many had arrived, and are lost */
unsigned int vsim_wire_flush(struct vsim_plug *plug);

#endif
