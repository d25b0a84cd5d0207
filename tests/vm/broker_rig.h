/* SPDX-License-Identifier: MIT */
/* broker_rig.h - what both programs on the broker share. */
#ifndef VM_BROKER_RIG_H
#define VM_BROKER_RIG_H

#include "../broker/rig.h"

#define LEFT 0x12345680u /* in a register, by who was there before */

static struct broker_process broker;
static const char *door;

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

#endif
