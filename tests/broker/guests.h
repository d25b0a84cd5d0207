/* SPDX-License-Identifier: MIT */
/* guests.h - what clients of several tests do, and the policies that they do it under. */
#ifndef BROKER_GUESTS_H
#define BROKER_GUESTS_H

#include <errno.h>

#include "rig.h"

#define HOLD VFIOSAFE_SIM_REG_HOLD

#define TWO_DEVICES                                                                       \
	"device sim:reg:a\n"                                                              \
	"device sim:reg:b mode=0666\n"                                                    \
	"client user=40001 device=sim:reg:a bar=0 rights=read,write,reset "               \
	"reset-interval-ms=1\n"                                                           \
	"client user=40002 device=sim:reg:b bar=0 rights=read,write\n"

#define ONE_DEVICE                                                                        \
	"device sim:reg:a dma_shared mode=0666\n"                                         \
	"client user=40001 device=sim:reg:a bar=0 offset=0 length=0x1000 "                \
	"rights=read,write,reset reset-interval-ms=1\n"                                   \
	"client user=40002 device=sim:reg:a bar=0 offset=0x9000 length=0x1000 "           \
	"rights=read,write,calls-only\n"

static struct broker_process broker;

static inline int no_broker(void **state)
{
	(void)state;
	memset(&broker, 0, sizeof(broker));
	return 0;
}

static inline int end_broker(void **state)
{
	(void)state;
	broker_end(&broker);
	return 0;
}

#define with_broker(test) cmocka_unit_test_setup_teardown(test, no_broker, end_broker)

static inline uint32_t read_at(const struct vfiosafe_view *view, uint64_t at)
{
	uint32_t value = 0;

	must(vfiosafe_read32(view, at, &value) == 0);
	return value;
}

/* What it leaves is not all-zero, and its reader sees that. */
static inline void writes_and_stays(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);

	must(read_at(&view, VFIOSAFE_SIM_REG_ID) == VFIOSAFE_SIM_ID);
	must(read_at(&view, HOLD) == 0);
	must(vfiosafe_write32(&view, HOLD, 0x12345678) == 0);
	must(read_at(&view, HOLD) == 0x12345678);
	guest_is_there(guest);
	guest_waits(guest);
	must(vfiosafe_device_close(dev, 10000) == 0);
}

static inline void finds_nothing(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);

	must(read_at(&view, HOLD) == 0);
	must(read_at(&view, VFIOSAFE_SIM_REG_ID) == VFIOSAFE_SIM_ID);
}

#endif
