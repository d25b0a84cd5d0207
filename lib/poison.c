/* SPDX-License-Identifier: MIT */
/* Values that a read asks about: all-ones, and what the driver names besides. */
#include <errno.h>

#include "device.h"
#include "error.h"

#define load(word) __atomic_load_n((word), __ATOMIC_RELAXED)

static bool is_poison(const struct vfiosafe_device *dev, uint64_t value, uint64_t ones)
{
	unsigned int n = __atomic_load_n(&dev->probe.poisons, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < n; i++)
		if (value == (load(&dev->probe.poison[i]) & ones))
			return true;
	return false;
}

bool vsf_is_odd(const struct vfiosafe_device *dev, uint64_t value, unsigned int width)
{
	uint64_t ones = UINT64_MAX >> (64 - 8 * width);

	return value == ones || is_poison(dev, value, ones);
}

bool vsf_may_be_fast(struct vfiosafe_device *dev)
{
	if (__atomic_load_n(&dev->probe.poisons, __ATOMIC_SEQ_CST) > 0)
		return false;
	/* Full, against vfiosafe_set_poison(): one of the two sees the other. */
	__atomic_store_n(&dev->probe.fast_view, true, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&dev->probe.poisons, __ATOMIC_SEQ_CST) == 0;
}

VFIOSAFE_API int vfiosafe_set_poison(struct vfiosafe_device *dev, const uint64_t *values,
				     unsigned int n)
{
	struct vsf_probe *probe = &dev->probe;
	bool was_none;

	if (n > VFIOSAFE_POISON_MAX || (n > 0 && !values))
		return vsf_fail(EINVAL, "%u poison values; up to %u can be named", n,
				VFIOSAFE_POISON_MAX);
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	pthread_mutex_lock(&dev->lock);
	was_none = probe->poisons == 0;
	for (unsigned int i = 0; i < n; i++)
		__atomic_store_n(&probe->poison[i], values[i], __ATOMIC_RELAXED);
	__atomic_store_n(&probe->poisons, n, __ATOMIC_SEQ_CST);
	if (was_none && __atomic_load_n(&probe->fast_view, __ATOMIC_SEQ_CST))
		__atomic_store_n(&probe->poisons, 0, __ATOMIC_SEQ_CST);
	else
		was_none = false;
	pthread_mutex_unlock(&dev->lock);
	if (was_none && n > 0)
		return vsf_fail(
			EBUSY,
			"a view of %s was taken already, and its reads do not ask "
			"about poison: name it before the first view",
			dev->address);
	return 0;
}
