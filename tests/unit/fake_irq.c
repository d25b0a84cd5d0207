/* SPDX-License-Identifier: MIT */
/* What a function can report by eventfds: ERR and REQ. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fake_parts.h"
#include "uapi.h"

void fake_irqs_start(struct fake_function *fn)
{
	for (int i = 0; i < FAKE_IRQS; i++)
		fn->irq_fd[i] = -1;
	fn->irqs[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	fn->irqs[VFIO_PCI_REQ_IRQ_INDEX] = 1;
}

static void disarm(struct fake_function *fn, unsigned int irq)
{
	if (fn->irq_fd[irq] >= 0)
		close(fn->irq_fd[irq]);
	fn->irq_fd[irq] = -1;
}

void fake_irqs_off(struct fake_function *fn)
{
	for (unsigned int i = 0; i < FAKE_IRQS; i++)
		disarm(fn, i);
}

static bool is_event(unsigned int irq)
{
	return irq == VFIO_PCI_ERR_IRQ_INDEX || irq == VFIO_PCI_REQ_IRQ_INDEX;
}

static int get_info(const struct fake_function *fn, struct vfio_irq_info *info)
{
	if (info->argsz < sizeof(*info) || info->index >= FAKE_IRQS ||
	    (fn->knows_no_events && is_event(info->index)))
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = fn->irqs[info->index];
	return 0;
}

/* The kernel holds the eventfd itself, whatever becomes of the number. */
static int arm(struct fake_function *fn, unsigned int irq, int fd)
{
	int own = -1;

	if (fd >= 0) {
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (own < 0)
			return -EBADF;
	}
	disarm(fn, irq);
	fn->irq_fd[irq] = own;
	return 0;
}

static int set_event(struct fake *fake, struct fake_function *fn,
		     const struct vfio_irq_set *set)
{
	int32_t fd = -1;

	if (set->flags == (VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE) &&
	    set->count == 0) {
		fake_log_locked(fake, "IRQ%u=off", set->index);
		return arm(fn, set->index, -1);
	}
	if (set->flags != (VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD) ||
	    set->count != 1 || set->argsz < sizeof(*set) + sizeof(fd))
		return -EINVAL;
	memcpy(&fd, set->data, sizeof(fd));
	fake_log_locked(fake, "IRQ%u=%s", set->index, fd < 0 ? "none" : "on");
	return arm(fn, set->index, fd);
}

static int set_irqs(struct fake *fake, struct fake_function *fn,
		    const struct vfio_irq_set *set)
{
	if (set->argsz < sizeof(*set) || set->index >= FAKE_IRQS || set->start != 0 ||
	    set->count > fn->irqs[set->index] || fn->irqs[set->index] == 0)
		return -EINVAL;
	return is_event(set->index) ? set_event(fake, fn, set) : -ENOTTY;
}

int fake_irq_ioctl(struct fake *fake, struct fake_function *fn, unsigned long request,
		   void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_IRQ_INFO:
		return get_info(fn, arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(fake, fn, arg);
	default:
		return -ENOTTY;
	}
}

bool fake_signal(const struct fake_function *fn, unsigned int irq)
{
	return fn->irq_fd[irq] >= 0 &&
	       vfiosafe_sys_default()->event_write(NULL, fn->irq_fd[irq]) == 0;
}
