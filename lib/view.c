/* SPDX-License-Identifier: MIT */
/* Taking and renewing a view. */
#include "device.h"
#include "epoch.h"
#include "join.h"
#include "section.h"

/* One atomic store per word: other threads may be reading the view (view.h). */
#define renew(view, member, value) \
	__atomic_store_n(&(view)->member, (value), __ATOMIC_RELAXED)

bool vsf_beside_callback(const struct vfiosafe_device *dev, uint64_t word)
{
	return vsf_self && vsf_passes(vsf_self, dev->word, word, vsf_gate_word(dev));
}

int vsf_device_view(struct vfiosafe_device *dev, struct vfiosafe_view *view)
{
	uint64_t word = vsf_device_word(dev);
	uint64_t gate = __atomic_load_n(&dev->words->gate, __ATOMIC_ACQUIRE);

	/* Beside a callback: the view that will hold once the device is LIVE. */
	if (!vsf_beside_callback(dev, word)) {
		int rc = vsf_state_error(word, gate);

		if (rc == 0)
			rc = vsf_join_is_back(dev, word);
		if (rc < 0)
			return rc;
	}
	word = vsf_word(vsf_word_generation(word), VFIOSAFE_LIVE);
	gate = vsf_word(vsf_word_generation(gate), VFIOSAFE_LIVE);
	renew(view, device_word, dev->word);
	renew(view, gate_word, &dev->words->gate);
	renew(view, gate_value, gate);
	renew(view, device_value, dev->fenced ? word | VSF_FENCED : word);
	return 0;
}

VFIOSAFE_API int vfiosafe_bar_view(struct vfiosafe_bar *bar, struct vfiosafe_view *view)
{
	bool fast = bar->whole && bar->len % 8 == 0 && vsf_may_be_fast(bar->dev);
	struct vfiosafe_view now;
	int rc = vsf_device_view(bar->dev, &now);

	if (rc < 0)
		return rc;
	renew(view, device_word, now.device_word);
	renew(view, gate_word, now.gate_word);
	renew(view, base, bar->whole ? bar->base : NULL);
	renew(view, len, fast ? bar->len : 0);
	renew(view, bar, bar);
	renew(view, reserved, 0);
	renew(view, gate_value, now.gate_value);
	renew(view, device_value, now.device_value);
	return 0;
}

VFIOSAFE_API volatile void *vfiosafe_bar_address(const struct vfiosafe_bar *bar)
{
	return bar->whole ? bar->base : NULL;
}

VFIOSAFE_API uint64_t vfiosafe_bar_len(const struct vfiosafe_bar *bar)
{
	return bar->len;
}
