/* SPDX-License-Identifier: MIT */
/*
 * Two functions of one bus as vm_set drives them: a register of each that a hot reset
 * clears and the driver writes again, and readers that know what it has to say.
 */
#ifndef VM_SET_RIG_H
#define VM_SET_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vfiosafe/sys.h>

#include "check.h"
#include "uapi.h"

#define RAL0 0x5400 /* of e1000e and igb */
#define VTEITR0 0x1680 /* of a virtual function of igb */

/* A function, its driver, and two readers: one by a mapping, one by the kernel. */
struct card {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar[2];
	uint64_t at;	/* of the register */
	uint32_t value; /* ... and what the driver writes to it */
	unsigned int reinits, resumes;
	unsigned int cleared; /* times that the register was found lost */

	pthread_t reader[2];
	unsigned long reads[2];	 /* atomic; values that were delivered */
	unsigned long wrong[2];	 /* of these */
	unsigned long errors[2]; /* other than what a window may give */
};

static struct card cards[2];
static struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
static struct vfiosafe_sys counting; /* the real kernel, with two calls counted */
static unsigned int hot_resets, hot_busy; /* made; refused by EBUSY */
static _Alignas(struct vfio_pci_hot_reset) char hot_arg[64]; /* of the last one */
static bool stop_readers;
static bool hold_preads; /* readers by the kernel wait, for they take a lock that resets try */

static inline int count_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	int rc = vfiosafe_sys_default()->ioctl(ctx, fd, request, arg);

	if (request == VFIO_DEVICE_PCI_HOT_RESET) {
		memcpy(hot_arg, arg, ((const struct vfio_pci_hot_reset *)arg)->argsz);
		hot_resets += rc == 0;
		hot_busy += rc == -EBUSY;
	}
	return rc;
}

/* The register of @card as it is; all-ones if that is not known. */
static inline uint32_t card_value(const struct card *card)
{
	struct vfiosafe_view view;
	uint32_t value;

	if (vfiosafe_bar_view(card->bar[0], &view) < 0 ||
	    vfiosafe_read32(&view, card->at, &value) < 0)
		return UINT32_MAX;
	return value;
}

static inline int card_program(struct card *card)
{
	struct vfiosafe_view view;
	uint32_t value = 0;
	int rc = vfiosafe_bar_view(card->bar[0], &view);

	if (rc == 0)
		rc = vfiosafe_write32(&view, card->at, card->value);
	if (rc == 0)
		rc = vfiosafe_read32(&view, card->at, &value);
	return rc ? rc : value == card->value ? 0 : -EILSEQ;
}

static inline int card_reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct card *card = ctx;

	(void)dev;
	card->reinits++;
	card->cleared += card_value(card) != card->value;
	return card_program(card);
}

static inline int card_resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	((struct card *)ctx)->resumes++;
	return 0;
}

static const struct vfiosafe_driver_ops card_ops = {
	.size = sizeof(card_ops),
	.resume = card_resume,
	.reinit = card_reinit,
};

static inline const char *door_name(void)
{
	return opts.door == VFIOSAFE_DOOR_CDEV ? "cdev" : "group";
}

/* The second in the context of the first. */
static inline bool card_open_at(unsigned int n, const char *address, uint64_t at,
				uint32_t value)
{
	struct card *card = &cards[n];
	int rc;

	memset(card, 0, sizeof(*card));
	card->at = at;
	card->value = value;
	opts.iommu_of = n > 0 ? cards[0].dev : NULL;
	rc = vfiosafe_device_open(&card->dev, address, &opts);
	if (rc == 0)
		rc = vfiosafe_bar_map(&card->bar[0], card->dev, 0, 0, 0, 0);
	if (rc == 0)
		rc = vfiosafe_bar_map(&card->bar[1], card->dev, 0, 0, 0,
				      VFIOSAFE_BAR_NO_MMAP);
	if (rc == 0)
		rc = vfiosafe_device_set_driver(card->dev, &card_ops, card);
	if (rc == 0)
		rc = card_program(card);
	return check(rc == 0, "opens function %u by %s", n, door_name());
}

static inline bool card_open(unsigned int n, const char *address)
{
	return card_open_at(n, address, RAL0, 0xc0ffee00 + n);
}

static inline void card_close(unsigned int n)
{
	if (cards[n].dev)
		check(vfiosafe_device_close(cards[n].dev, 5000) == 0, "closes function %u",
		      n);
	cards[n].dev = NULL;
}

static inline bool both_are(enum vfiosafe_state state)
{
	return vfiosafe_device_state(cards[0].dev) == state &&
	       vfiosafe_device_state(cards[1].dev) == state;
}

static inline void read_on(struct card *card, unsigned int which,
			   struct vfiosafe_view *view)
{
	uint32_t value = 0;
	int rc = vfiosafe_read32(view, card->at, &value);

	if (rc == 0) {
		__atomic_fetch_add(&card->reads[which], 1, __ATOMIC_RELAXED);
		card->wrong[which] += value != card->value;
		return;
	}
	if (rc != -EAGAIN && rc != -ESTALE)
		card->errors[which]++;
	if (vfiosafe_wait(card->dev, vfiosafe_deadline_in_ms(1000)) == 0)
		rc = vfiosafe_bar_view(card->bar[which], view);
	if (rc < 0 && rc != -EAGAIN && rc != -ESTALE)
		card->errors[which]++;
}

struct reader {
	struct card *card;
	unsigned int which;
};

static inline void *reader_main(void *arg)
{
	struct reader reader = *(struct reader *)arg;
	struct vfiosafe_view view;

	free(arg);
	if (vfiosafe_bar_view(reader.card->bar[reader.which], &view) < 0)
		reader.card->errors[reader.which]++;
	while (!__atomic_load_n(&stop_readers, __ATOMIC_RELAXED)) {
		if (reader.which == 1 && __atomic_load_n(&hold_preads, __ATOMIC_RELAXED))
			sched_yield();
		else
			read_on(reader.card, reader.which, &view);
	}
	return NULL;
}

static inline void start_readers(void)
{
	stop_readers = false;
	for (unsigned int i = 0; i < 4; i++) {
		struct reader *reader = malloc(sizeof(*reader));

		*reader = (struct reader){ &cards[i / 2], i % 2 };
		pthread_create(&cards[i / 2].reader[i % 2], NULL, reader_main, reader);
	}
}

static inline void end_readers(void)
{
	__atomic_store_n(&stop_readers, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(cards[i / 2].reader[i % 2], NULL);
}

static inline unsigned long reads_of(unsigned int i)
{
	return __atomic_load_n(&cards[i / 2].reads[i % 2], __ATOMIC_RELAXED);
}

/* Each reader has got something since. */
static inline void let_them_read(void)
{
	unsigned long before[4];

	for (unsigned int i = 0; i < 4; i++)
		before[i] = reads_of(i);
	for (unsigned int i = 0; i < 4; i++)
		while (reads_of(i) == before[i])
			sched_yield();
}

static inline void print_members(const struct vfiosafe_set *set)
{
	const struct vfiosafe_set_member *m = vfiosafe_set_members(set);

	for (; m; m = m->next)
		printf("# %s: %d %s\n", m->address, m->result, m->text);
}

#endif
