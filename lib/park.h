/* SPDX-License-Identifier: MIT */
/*
 * A device that is put out of reach on purpose, and fetched back: D3hot, low power,
 * memory decode off. Everyone has left it before, as for a reset.
 *
 *      QUIESCE --park--> RESETTING ......... RESETTING --wake--> LIVE    state kept
 *                        (no window open)                  \---> REINIT  state lost
 */
#ifndef VSF_PARK_H
#define VSF_PARK_H

#include "error.h"
#include "window.h"

/* One of VFIO_DEVICE_FEATURE_LOW_POWER_*. */
int vsf_low_power(const struct vsf_run *run, uint32_t which);

/* Was it said that state was lost, since the last window or in this one? */
bool vsf_is_marked(struct vfiosafe_device *dev);

/* Or did a touch of a BAR that is away close the gate? */
bool vsf_is_lost(struct vfiosafe_device *dev);

/* Into FAULT. Nothing is undone: no resume for what was lost, no bus mastering. */
int vsf_say_lost(struct vsf_run *run);

#endif
