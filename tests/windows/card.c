/* SPDX-License-Identifier: MIT */
/* card.c - the models by name, and what the cards have in common. */
#include <endian.h>
#include <string.h>

#include "rig.h"

static const struct card *const cards[] = { &card_nvme, &card_igb, &card_e1000e,
					    &card_sim_nvme, &card_sim_reg };

const struct card *card_find(const char *name)
{
	for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++)
		if (strcmp(cards[i]->name, name) == 0)
			return cards[i];
	return NULL;
}

int card_end(struct rig *rig, struct vfiosafe_section *sec)
{
	return __atomic_load_n(&rig->sentinel, __ATOMIC_ACQUIRE)
		       ? vfiosafe_end_checked(sec)
		       : vfiosafe_end(sec);
}

HARDWARE uint32_t card_load32(const volatile void *regs, uint32_t offset)
{
	const volatile uint8_t *base = regs;

	return le32toh(*(const volatile uint32_t *)(base + offset));
}

HARDWARE void card_store32(volatile void *regs, uint32_t offset, uint32_t value)
{
	volatile uint8_t *base = regs;

	*(volatile uint32_t *)(base + offset) = htole32(value);
}
