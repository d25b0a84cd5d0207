/* SPDX-License-Identifier: MIT */
/* INTx, MSI and MSI-X: SET_IRQS by the kernel's rules, and a device that interrupts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake_parts.h"
#include "uapi.h"

#define NONE (-1)
#define MSIX_CONTROL_HIGH (FAKE_CAP_MSIX + 3)

void fake_vectors_start(struct fake_function *fn)
{
	fn->irq = (struct fake_vectors){ .count = { 1, 4, 8 }, .kind = NONE };
	for (int i = 0; i < FAKE_VECTORS; i++)
		fn->irq.fd[i] = -1;
}

static void set_one(struct fake_vectors *irq, uint32_t vector, int fd)
{
	if (irq->fd[vector] >= 0)
		close(irq->fd[vector]);
	irq->fd[vector] = fd;
}

void fake_vectors_off(struct fake_function *fn)
{
	for (uint32_t i = 0; i < FAKE_VECTORS; i++)
		set_one(&fn->irq, i, -1);
	fn->irq.kind = NONE;
	fn->irq.allocated = 0;
	fn->irq.lost = fn->irq.masked = false;
	fn->config[MSIX_CONTROL_HIGH] &= 0x7f;
}

/* The kernel holds the eventfd itself, whatever becomes of the number. */
static int take(int fd, int *own)
{
	char path[32], text[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (*own < 0)
		return -EBADF;
	if (readlink(path, text, sizeof(text) - 1) > 0 &&
	    strcmp(text, "anon_inode:[eventfd]") == 0)
		return 0;
	close(*own);
	return -EINVAL;
}

static int get_info(const struct fake_vectors *irq, struct vfio_irq_info *info)
{
	if (info->argsz < sizeof(*info))
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = irq->count[info->index];
	if (info->index == VFIO_PCI_INTX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info->index != VFIO_PCI_MSIX_IRQ_INDEX || !irq->grows)
		info->flags |= VFIO_IRQ_INFO_NORESIZE;
	return 0;
}

/* One vector: what was there goes first, whatever comes of the new one. */
static int set_vector(struct fake_vectors *irq, uint32_t vector, int fd)
{
	int own = -1, rc;

	set_one(irq, vector, -1);
	if (fd < 0)
		return 0;
	if (vector >= irq->allocated) {
		if (!irq->grows || irq->kind != VFIO_PCI_MSIX_IRQ_INDEX)
			return -EINVAL;
		irq->allocated = vector + 1;
	}
	rc = take(fd, &own);
	irq->fd[vector] = rc < 0 ? -1 : own;
	return rc;
}

static int set_block(struct fake_vectors *irq, const struct vfio_irq_set *set)
{
	const int32_t *fds = (const int32_t *)(const void *)set->data;
	uint32_t i = 0;
	int rc = 0;

	for (; i < set->count && rc == 0; i++)
		rc = set_vector(irq, set->start + i, fds[i]);
	for (; rc < 0 && i > 0; i--)
		set_one(irq, set->start + i - 1, -1);
	return rc;
}

static int msi_eventfds(struct fake_function *fn, const struct vfio_irq_set *set)
{
	struct fake_vectors *irq = &fn->irq;
	uint32_t want = set->start + set->count;
	int rc;

	if (irq->kind == (int)set->index)
		return set_block(irq, set);
	if (irq->available && irq->available < want)
		return (int)irq->available;
	irq->kind = (int)set->index;
	irq->allocated = want;
	if (set->index == VFIO_PCI_MSIX_IRQ_INDEX)
		fn->config[MSIX_CONTROL_HIGH] |= 0x80;
	rc = set_block(irq, set);
	if (rc < 0)
		fake_vectors_off(fn);
	return rc;
}

static void signal_all(const struct fake_vectors *irq, const struct vfio_irq_set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (irq->fd[set->start + i] >= 0)
			vfiosafe_sys_default()->event_write(NULL,
							    irq->fd[set->start + i]);
}

static int msi(struct fake_function *fn, const struct vfio_irq_set *set)
{
	struct fake_vectors *irq = &fn->irq;
	bool mine = irq->kind == (int)set->index;

	if (!(set->flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return -ENOTTY;
	if (!mine && irq->kind != NONE)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return msi_eventfds(fn, set);
	if (!mine)
		return -EINVAL;
	if (set->count == 0)
		fake_vectors_off(fn);
	else
		signal_all(irq, set);
	return 0;
}

static void raise_intx(struct fake_vectors *irq)
{
	irq->masked = true;
	if (irq->fd[0] >= 0)
		vfiosafe_sys_default()->event_write(NULL, irq->fd[0]);
}

static int intx_eventfd(struct fake_vectors *irq, const struct vfio_irq_set *set)
{
	int32_t fd;
	int own = -1, rc;

	memcpy(&fd, set->data, sizeof(fd));
	rc = fd < 0 ? 0 : take(fd, &own);
	if (rc < 0)
		return rc;
	if (irq->kind == NONE && irq->no_line) {
		if (own >= 0)
			close(own);
		return -ENODEV;
	}
	set_one(irq, 0, own);
	if (irq->kind == NONE)
		irq->masked = false;
	irq->kind = VFIO_PCI_INTX_IRQ_INDEX;
	if (irq->pending && !irq->masked)
		raise_intx(irq);
	return 0;
}

static int intx(struct fake_function *fn, const struct vfio_irq_set *set)
{
	struct fake_vectors *irq = &fn->irq;
	bool mine = irq->kind == VFIO_PCI_INTX_IRQ_INDEX;

	if (!mine && irq->kind != NONE)
		return -EINVAL;
	if ((set->flags & VFIO_IRQ_SET_ACTION_TRIGGER) && set->count == 1 &&
	    (set->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return intx_eventfd(irq, set);
	if (!mine || (set->count != 1 && !(set->flags & VFIO_IRQ_SET_ACTION_TRIGGER)))
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_ACTION_MASK) {
		irq->masked = true;
	} else if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		/* What is pending stays masked, and is signalled again. */
		if (irq->masked && irq->pending)
			raise_intx(irq);
		else
			irq->masked = false;
	} else if (set->count == 0) {
		fake_vectors_off(fn);
	} else {
		signal_all(irq, set);
	}
	return 0;
}

static void note(struct fake *fake, const struct vfio_irq_set *set)
{
	static const char *const names[] = { "INTX", "MSI", "MSIX" };
	const char *name = names[set->index];

	if (set->flags & VFIO_IRQ_SET_ACTION_MASK)
		fake_log_locked(fake, "%s-mask", name);
	else if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK)
		fake_log_locked(fake, "%s-unmask", name);
	else if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		fake_log_locked(fake, "%s=%u", name, set->start + set->count);
	else
		fake_log_locked(fake, "%s%s", name, set->count ? "!" : "=off");
}

static int set_irqs(struct fake *fake, struct fake_function *fn,
		    const struct vfio_irq_set *set)
{
	uint32_t has = fn->irq.count[set->index];
	size_t data = set->flags & VFIO_IRQ_SET_DATA_EVENTFD ? sizeof(int32_t) : 0;

	if (set->argsz < sizeof(*set) + set->count * data || set->start >= has ||
	    set->count > has - set->start)
		return -EINVAL;
	note(fake, set);
	return set->index == VFIO_PCI_INTX_IRQ_INDEX ? intx(fn, set) : msi(fn, set);
}

int fake_vectors_ioctl(struct fake *fake, struct fake_function *fn, unsigned long request,
		       void *arg)
{
	const struct vfio_irq_set *set = arg;
	struct vfio_irq_info *info = arg;

	if (request == VFIO_DEVICE_GET_IRQ_INFO && info->index < FAKE_VECTOR_KINDS)
		return get_info(&fn->irq, info);
	if (request == VFIO_DEVICE_SET_IRQS && set->index < FAKE_VECTOR_KINDS)
		return set_irqs(fake, fn, set);
	return -ENOSYS;
}

static bool interrupt(struct fake_function *fn, uint32_t vector)
{
	struct fake_vectors *irq = &fn->irq;

	if (irq->kind == VFIO_PCI_INTX_IRQ_INDEX) {
		irq->pending = true;
		if (irq->masked)
			return false;
		raise_intx(irq);
		return irq->fd[0] >= 0;
	}
	/* A message is a write to memory. */
	if (irq->kind == NONE || irq->lost || !(fake_command(fn) & 4) ||
	    irq->fd[vector] < 0)
		return false;
	return vfiosafe_sys_default()->event_write(NULL, irq->fd[vector]) == 0;
}

bool fake_interrupt(struct fake *fake, struct fake_function *fn, uint32_t vector)
{
	bool heard;

	pthread_mutex_lock(&fake->lock);
	heard = interrupt(fn, vector);
	pthread_mutex_unlock(&fake->lock);
	return heard;
}
