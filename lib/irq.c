/* SPDX-License-Identifier: MIT */
/* Enabling and disabling interrupts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "uapi.h"

#define MSIX_ENABLE 0x8000 /* of the capability's control word */

const char *vsf_irq_name(uint32_t kind)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X" };

	return kind < VSF_IRQ_KINDS ? names[kind] : "?";
}

void vsf_irqs_init(struct vfiosafe_device *dev)
{
	pthread_mutex_init(&dev->irqs.lock, NULL);
}

static void set_free(const struct vfiosafe_device *dev, struct vfio_irq_set *set)
{
	for (uint32_t i = 0; set && i < set->count; i++)
		if (vsf_irq_fds(set)[i] >= 0)
			vsf_sys(dev->sys, close, vsf_irq_fds(set)[i]);
	free(set);
}

void vsf_irqs_free(struct vfiosafe_device *dev)
{
	set_free(dev, dev->irqs.set);
	pthread_mutex_destroy(&dev->irqs.lock);
}

int vsf_irq_refuse(const struct vfiosafe_device *dev)
{
	uint64_t word = vsf_device_word(dev);

	if (vsf_beside_callback(dev, word))
		return 0;
	return vsf_state_error(word,
			       __atomic_load_n(&dev->words->gate, __ATOMIC_ACQUIRE));
}

int vsf_irq_enter(struct vfiosafe_device *dev, enum vfiosafe_irq_kind kind,
		  const char *slow)
{
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	if (slow && vsf_depth() > 0)
		return vsf_fail(EDEADLK, "%s inside a section: it takes milliseconds",
				slow);
	if (dev->join)
		return vsf_join_refuse(dev, slow ? slow : "vfiosafe_irq_mask or _trigger");
	if ((unsigned int)kind >= VSF_IRQ_KINDS)
		return vsf_fail(EINVAL,
				"there is no kind %d of interrupts: INTX, MSI or MSIX",
				(int)kind);
	vsf_count_inside(dev, 1);
	pthread_mutex_lock(&dev->irqs.lock);
	return 0;
}

int vsf_irq_leave(struct vfiosafe_device *dev, int rc)
{
	pthread_mutex_unlock(&dev->irqs.lock);
	/* A close may have taken the fd away in the middle of it. */
	if (rc < 0 && vsf_device_state(dev) == VFIOSAFE_GONE)
		rc = vsf_state_error(0, 0);
	vsf_count_inside(dev, -1);
	return rc;
}

VFIOSAFE_API int vfiosafe_irq_count(struct vfiosafe_device *dev,
				    enum vfiosafe_irq_kind kind, uint32_t *count)
{
	const struct vsf_irq_info *info;
	int rc = vsf_irq_enter(dev, kind, "vfiosafe_irq_count");

	if (rc < 0)
		return rc;
	/* The kernel asks the device: not one that is out of reach. */
	if (!dev->irqs.info[kind].known)
		rc = vsf_irq_refuse(dev);
	if (rc == 0)
		rc = vsf_irq_info(dev, kind, &info);
	if (rc == 0)
		*count = info->count;
	return vsf_irq_leave(dev, rc);
}

/* In the kernel, and in our books. */
static int forget(struct vfiosafe_device *dev)
{
	struct vsf_irqs *irqs = &dev->irqs;
	int rc = irqs->set && !irqs->off ? vsf_irq_off(dev, irqs->set->index) : 0;

	if (rc < 0)
		return vsf_fail(-rc, "disabling %s of %s failed: %s",
				vsf_irq_name(irqs->set->index), dev->address,
				strerror(-rc));
	set_free(dev, irqs->set);
	irqs->set = NULL;
	irqs->off = irqs->carried = irqs->masked = false;
	return 0;
}

static int refuse_enabled(const struct vfiosafe_device *dev, uint32_t kind)
{
	const struct vfio_irq_set *set = dev->irqs.set;

	if (set->index == kind)
		return vsf_fail(EBUSY,
				"%s: %s is enabled already, with %u vectors: "
				"vfiosafe_irq_disable() first, or change one by "
				"vfiosafe_irq_set_fd()",
				dev->address, vsf_irq_name(kind), set->count);
	return vsf_fail(EBUSY,
			"%s: %s is enabled, and one kind can be: "
			"vfiosafe_irq_disable() it first",
			dev->address, vsf_irq_name(set->index));
}

int vsf_irq_refuse_vector(const struct vfiosafe_device *dev, uint32_t kind,
			  uint32_t count)
{
	return vsf_fail(ERANGE, "%s has %u %s vectors", dev->address, count,
			vsf_irq_name(kind));
}

/*
 * MSI-X of another holder of an adopted fd: the kernel would replace its eventfds
 * without a word. (Another kind it refuses by itself; MSI it does not show.)
 */
static bool others_have_msix(const struct vfiosafe_device *dev)
{
	uint16_t control;
	int cap = vsf_config_find_cap(dev, VSF_PCI_CAP_MSIX);

	return cap > 0 && vsf_config_read16(dev, (uint16_t)(cap + 2), &control) == 0 &&
	       (control & MSIX_ENABLE);
}

static int check_enable(struct vfiosafe_device *dev, uint32_t kind, uint32_t vectors,
			const int *eventfds)
{
	const struct vsf_irq_info *info;
	int rc = vsf_irq_info(dev, kind, &info);

	if (rc < 0)
		return rc;
	if (dev->door == VFIOSAFE_DOOR_FD && !dev->irqs.set && others_have_msix(dev))
		return vsf_fail(EBUSY, "%s: whoever opened it has enabled MSI-X",
				dev->address);
	if (info->count == 0)
		return vsf_fail(EOPNOTSUPP, "%s has no %s", dev->address,
				vsf_irq_name(kind));
	if (vectors > info->count)
		return vsf_irq_refuse_vector(dev, kind, info->count);
	if (vectors == 0 || !eventfds)
		return vsf_fail(EINVAL,
				"no vectors to enable: vfiosafe_irq_disable() is for "
				"none");
	return 0;
}

int vsf_irq_duplicate(const struct vfiosafe_device *dev, int fd, uint32_t vector,
		      int32_t *own)
{
	if (fd < 0) {
		*own = -1;
		return 0;
	}
	*own = vsf_sys(dev->sys, dup, fd);
	if (*own >= 0)
		return 0;
	return vsf_fail(-*own, "eventfd %d, of vector %u, cannot be duplicated: %s", fd,
			vector, strerror(-*own));
}

static int duplicate_all(const struct vfiosafe_device *dev, struct vfio_irq_set *set,
			 const int *eventfds)
{
	int rc = 0;

	for (uint32_t i = 0; i < set->count && rc == 0; i++)
		rc = vsf_irq_duplicate(dev, eventfds[i], i, &vsf_irq_fds(set)[i]);
	return rc;
}

static int enable(struct vfiosafe_device *dev, uint32_t kind, uint32_t vectors,
		  const int *eventfds)
{
	struct vsf_irqs *irqs = &dev->irqs;
	struct vfio_irq_set *set = vsf_irq_set_new(kind, vectors);
	int rc;

	if (!set)
		return -ENOMEM;
	rc = duplicate_all(dev, set, eventfds);
	/* Carried over, and said anew by the reinit callback. */
	if (rc == 0 && irqs->set)
		rc = forget(dev);
	if (rc == 0) {
		rc = vsf_irq_arm(dev, set);
		if (rc != 0)
			rc = vsf_irq_arm_failed(dev, set, rc);
	}
	if (rc < 0)
		set_free(dev, set);
	else
		irqs->set = set;
	return rc;
}

VFIOSAFE_API int vfiosafe_irq_enable(struct vfiosafe_device *dev,
				     enum vfiosafe_irq_kind kind, uint32_t vectors,
				     const int *eventfds)
{
	int rc = vsf_irq_enter(dev, kind, "vfiosafe_irq_enable");
	bool anew;

	if (rc < 0)
		return rc;
	anew = dev->irqs.carried && vsf_device_state(dev) == VFIOSAFE_REINIT;
	rc = vsf_irq_refuse(dev);
	if (rc == 0 && dev->irqs.set && !anew)
		rc = refuse_enabled(dev, kind);
	if (rc == 0)
		rc = check_enable(dev, kind, vectors, eventfds);
	if (rc == 0)
		rc = enable(dev, kind, vectors, eventfds);
	return vsf_irq_leave(dev, rc);
}

VFIOSAFE_API int vfiosafe_irq_disable(struct vfiosafe_device *dev,
				      enum vfiosafe_irq_kind kind)
{
	int rc = vsf_irq_enter(dev, kind, "vfiosafe_irq_disable");

	if (rc < 0)
		return rc;
	rc = vsf_irq_refuse(dev);
	if (rc == -EIO)
		rc = 0;
	if (rc == 0 && dev->irqs.set && dev->irqs.set->index != (uint32_t)kind)
		rc = vsf_fail(EINVAL, "%s: %s is not enabled, %s is", dev->address,
			      vsf_irq_name(kind), vsf_irq_name(dev->irqs.set->index));
	if (rc == 0)
		rc = forget(dev);
	return vsf_irq_leave(dev, rc);
}
