/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>

#include "device.h"
#include "error.h"
#include "fault.h"
#include "section.h"

int vsf_state_error(uint64_t device_word, uint64_t gate_word)
{
	enum vfiosafe_state device = vsf_word_state(device_word);
	enum vfiosafe_state gate = vsf_word_state(gate_word);

	if (gate == VSF_GATE_OWNER_DEAD)
		return vsf_fail_static(EOWNERDEAD, "the process that owns the device has "
						   "ended: close the device");
	if (device == VFIOSAFE_GONE || gate == VFIOSAFE_GONE)
		return vsf_fail_static(ENODEV, "the device is gone, or this is a forked "
					       "child of the process that opened it");
	if (device == VFIOSAFE_FAULT || gate == VFIOSAFE_FAULT)
		return vsf_fail_static(EIO, "the device is in FAULT; vfiosafe_recover() "
					    "brings it back");
	if (device != VFIOSAFE_LIVE || gate != VFIOSAFE_LIVE)
		return vsf_fail_static(EAGAIN, "a window is open, or the device is parked "
					       "(power.h); vfiosafe_wait() sleeps until it "
					       "is over");
	return 0;
}

static bool is_whole(uint64_t word)
{
	return vsf_word_state(word) == VFIOSAFE_LIVE ||
	       vsf_word_state(word) == VFIOSAFE_QUIESCE;
}

/*
 * A callback of a client: the owner may begin a window, or call one off, and has to wait
 * for that callback before it resets.
 */
static bool still_waits(uint64_t before, uint64_t now)
{
	return vsf_word_generation(before) == vsf_word_generation(now) &&
	       is_whole(before) && is_whole(now);
}

bool vsf_passes(const struct vsf_thread *self, const uint64_t *word, uint64_t device,
		uint64_t gate)
{
	enum vfiosafe_state state = vsf_word_state(gate);
	bool client = state == VFIOSAFE_QUIESCE || state == VFIOSAFE_REINIT;

	if (self->pass_word != word || self->pass_gate != gate)
		return false;
	if (client)
		return still_waits(self->pass_value, device);
	return state == VFIOSAFE_LIVE && self->pass_value == device;
}

/* Is the view that of the generation, here and in the owner, that will be LIVE? */
static bool is_of(const struct vsf_pair *pair, uint64_t device, uint64_t gate)
{
	return vsf_word_generation(pair->device_value & ~VSF_FENCED) ==
		       vsf_word_generation(device) &&
	       vsf_word_generation(pair->gate_value) == vsf_word_generation(gate);
}

/* A word that an access which began under @value may find at its end. */
static bool still(uint64_t word, uint64_t value, enum vsf_look look)
{
	return word == value ||
	       (look == VSF_AFTER && vsf_word_state(word) == VFIOSAFE_QUIESCE &&
		vsf_word_generation(word) == vsf_word_generation(value));
}

int vsf_pair_judge(const struct vsf_thread *self, const struct vsf_pair *pair,
		   enum vsf_look look)
{
	uint64_t value = pair->device_value & ~VSF_FENCED;
	uint64_t device, gate;
	int rc;

	/* Between (1) and (2) of epoch.h where there is no membarrier. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	device = __atomic_load_n(pair->device_word, __ATOMIC_ACQUIRE);
	gate = __atomic_load_n(pair->gate_word, __ATOMIC_ACQUIRE);
	if (still(device, value, look) && still(gate, pair->gate_value, look))
		return 0;
	if (vsf_passes(self, pair->device_word, device, gate))
		return is_of(pair, device, gate)
			       ? 0
			       : vsf_fail_static(ESTALE, "this view is of an earlier "
							 "generation; renew it before it is "
							 "used in reinit");
	rc = vsf_state_error(device, gate);
	if (rc < 0)
		return rc;
	return vsf_fail_static(ESTALE, "the device was reset since this view was taken; "
				       "re-synchronise, then renew it");
}

struct vfiosafe_device *vsf_fault_hold(const struct vsf_pair *pair, int rc)
{
	struct vfiosafe_device *dev;

	if (rc != -EIO)
		return NULL;
	dev = vsf_words_of(pair->gate_word)->dev;
	vsf_count_inside(dev, 1);
	return dev;
}

void vsf_fault_noticed(struct vfiosafe_device *held)
{
	if (!held)
		return;
	if (vsf_depth() == 0)
		vsf_fault_collect(held);
	vsf_count_inside(held, -1);
}

static struct vsf_pair section_pair(const struct vfiosafe_section *sec)
{
	return (struct vsf_pair){ sec->device_word, sec->gate_word, sec->device_value,
				  sec->gate_value };
}

static int begin_refused(struct vfiosafe_section *sec, int rc)
{
	sec->slot = NULL;
	return rc;
}

/* The words are not what the view says. */
static __attribute__((cold, noinline)) int begin_slow(struct vfiosafe_section *sec)
{
	struct vsf_pair pair = section_pair(sec);
	int rc = vsf_pair_judge(vsf_self, &pair, VSF_BEFORE);
	struct vfiosafe_device *held;

	if (rc == 0)
		return 0;
	held = vsf_fault_hold(&pair, rc);
	vsf_top = sec->slot;
	vsf_slot_clear(sec->slot);
	vsf_fault_noticed(held);
	return begin_refused(sec, rc);
}

static int never_taken(void)
{
	return vsf_fail_static(EINVAL, "this view was never taken: vfiosafe_bar_view()");
}

static int begin_first(const struct vfiosafe_view *view, struct vfiosafe_section *sec,
		       size_t limit);

/* @limit: how many slots may be in use before. */
static inline __attribute__((always_inline)) int
begin(const struct vfiosafe_view *view, struct vfiosafe_section *sec, size_t limit)
{
	const uint64_t **slot = vsf_top;
	struct vsf_pair pair;

	if (vsf_unlikely(!slot || slot >= vsf_self->slot + limit))
		return begin_first(view, sec, limit);
	pair.device_word = vsf_view_load(view, device_word);
	pair.gate_word = vsf_view_load(view, gate_word);
	pair.device_value = vsf_view_load(view, device_value);
	pair.gate_value = vsf_view_load(view, gate_value);
	sec->device_word = pair.device_word;
	sec->gate_word = pair.gate_word;
	sec->device_value = pair.device_value;
	sec->gate_value = pair.gate_value;
	sec->base = vsf_view_load(view, base);
	sec->slot = slot;
	if (vsf_unlikely(!pair.device_word))
		return begin_refused(sec, never_taken());
	vsf_slot_set(slot, pair.device_word);
	vsf_top = slot + 1;
	if (vsf_unlikely(!vsf_pair_holds(&pair)))
		return begin_slow(sec);
	return 0;
}

/* This thread has no record yet, or too many sections. */
static __attribute__((cold, noinline)) int
begin_first(const struct vfiosafe_view *view, struct vfiosafe_section *sec, size_t limit)
{
	struct vsf_thread *self;
	int rc = vsf_thread_get(&self);

	if (rc == 0 && vsf_depth() >= limit)
		rc = vsf_fail_static(E2BIG, "sections are nested too deeply, or one is "
					    "begun and never ended");
	return rc < 0 ? begin_refused(sec, rc) : begin(view, sec, limit);
}

VFIOSAFE_API int vfiosafe_begin(const struct vfiosafe_view *view,
				struct vfiosafe_section *sec)
{
	return begin(view, sec, VFIOSAFE_SECTION_DEPTH);
}

int vsf_begin_access(const struct vfiosafe_view *view, struct vfiosafe_section *sec)
{
	return begin(view, sec, VFIOSAFE_SECTION_DEPTH + 1);
}

static bool is_open_here(const struct vfiosafe_section *sec)
{
	return vsf_self && sec->slot >= vsf_self->slot && sec->slot < vsf_top &&
	       __atomic_load_n(sec->slot, __ATOMIC_RELAXED) == sec->device_word;
}

int vsf_section_look(const struct vfiosafe_section *sec)
{
	struct vsf_pair pair = section_pair(sec);

	if (!is_open_here(sec))
		return vsf_fail_static(EINVAL, "this section is not open on this thread");
	vsf_after_device_load();
	return vsf_pair_holds(&pair) ? 0 : vsf_pair_judge(vsf_self, &pair, VSF_AFTER);
}

/* Sections that do not end in the order in which they began. */
static void close_out_of_order(const uint64_t **slot)
{
	vsf_slot_clear(slot);
	while (vsf_depth() > 0 && !__atomic_load_n(vsf_top - 1, __ATOMIC_RELAXED))
		vsf_top--;
	/*
	 * A hole is left below an open section: count one slot too many, so that
	 * the topmost section does not end on the fast path, but here, and trims.
	 */
	for (slot = vsf_self->slot; slot < vsf_top; slot++) {
		if (!__atomic_load_n(slot, __ATOMIC_RELAXED)) {
			vsf_top++;
			break;
		}
	}
}

static __attribute__((cold, noinline)) int end_slow(struct vfiosafe_section *sec)
{
	struct vsf_pair pair = section_pair(sec);
	struct vfiosafe_device *held;
	int rc;

	if (!is_open_here(sec))
		return vsf_fail_static(EINVAL, "this section is not open on this thread");
	rc = vsf_pair_judge(vsf_self, &pair, VSF_AFTER);
	held = vsf_fault_hold(&pair, rc);
	close_out_of_order(sec->slot);
	sec->slot = NULL;
	vsf_fault_noticed(held);
	return rc;
}

/* Numbers, not pointers: both may be NULL. */
static inline bool is_last(const uint64_t **slot)
{
	return (uintptr_t)vsf_top == (uintptr_t)slot + sizeof(*slot);
}

VFIOSAFE_API int vfiosafe_end(struct vfiosafe_section *sec)
{
	struct vsf_pair pair = section_pair(sec);

	vsf_after_device_load();
	vsf_after_device_store();
	if (vsf_unlikely(!is_last(sec->slot) || !vsf_pair_holds(&pair)))
		return end_slow(sec);
	vsf_top = sec->slot;
	vsf_slot_clear(sec->slot);
	sec->slot = NULL;
	return 0;
}

VFIOSAFE_API int vfiosafe_check_slow(const struct vfiosafe_section *sec)
{
	struct vsf_pair pair = section_pair(sec);

	if (!is_open_here(sec))
		return vsf_fail_static(EINVAL, "this section is not open on this thread");
	return vsf_pair_judge(vsf_self, &pair, VSF_BEFORE);
}
