/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "error.h"
#include "sys.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* A client that could shrink it would kill the others; one that could write, fool them. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

static size_t page_len(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int map(const struct vfiosafe_sys *sys, void **page, int fd, int prot)
{
	int rc;

	*page = NULL;
	rc = vsf_sys(sys, mmap, page, page_len(), prot, MAP_SHARED, fd, 0);
	if (rc < 0)
		return vsf_fail(-rc, "cannot map the control page: %s", strerror(-rc));
	return 0;
}

int vsf_control_new(const struct vfiosafe_sys *sys, struct vsf_control **out, int *out_fd)
{
	int fd = vsf_sys(sys, sealable, "vfiosafe-control", page_len());
	struct vsf_control *page;
	void *at;
	int rc;

	if (fd < 0)
		return vsf_fail(-fd, "no memory for a control page: %s", strerror(-fd));
	rc = map(sys, &at, fd, PROT_READ | PROT_WRITE);
	if (rc < 0)
		goto err;
	page = at;
	page->magic = VSF_CONTROL_MAGIC;
	page->version = VSF_CONTROL_VERSION;
	/* After the one mapping that may write. */
	rc = vsf_sys(sys, seal, fd, SEALS);
	if (rc < 0) {
		rc = vsf_fail(-rc, "cannot seal the control page: %s", strerror(-rc));
		goto err_map;
	}
	*out = page;
	*out_fd = fd;
	return 0;
err_map:
	vsf_control_free(sys, page);
err:
	vsf_sys(sys, close, fd);
	return rc;
}

int vsf_control_map(const struct vfiosafe_sys *sys, const struct vsf_control **out, int fd)
{
	const struct vsf_control *page;
	unsigned int seals;
	uint64_t len;
	void *at;
	int rc = vsf_sys(sys, sealed, fd, &seals, &len);

	if (rc < 0 || (seals & SEALS) != SEALS || len < page_len())
		return vsf_fail(EPROTO, "what came as the control page is not sealed memory of "
					"a page");
	rc = map(sys, &at, fd, PROT_READ);
	if (rc < 0)
		return rc;
	page = at;
	if (page->magic != VSF_CONTROL_MAGIC || page->version != VSF_CONTROL_VERSION) {
		vsf_control_free(sys, page);
		return vsf_fail(EPROTO, "what came as the control page is something else");
	}
	*out = page;
	return 0;
}

void vsf_control_free(const struct vfiosafe_sys *sys, const struct vsf_control *page)
{
	vsf_sys(sys, munmap, (void *)(uintptr_t)page, page_len());
}
