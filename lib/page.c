/* SPDX-License-Identifier: MIT */
/* Memory that a forked child finds empty. */
#include <sys/mman.h>
#include <unistd.h>

#include "sys.h"

int vsf_page_new(const struct vfiosafe_sys *sys, void **page)
{
	size_t len = (size_t)sysconf(_SC_PAGESIZE);
	void *p = NULL;
	int rc = vsf_sys(sys, mmap, &p, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (rc < 0)
		return rc;
	rc = vsf_sys(sys, madvise, p, len, MADV_WIPEONFORK);
	if (rc < 0)
		vsf_page_free(sys, p);
	else
		*page = p;
	return rc;
}

void vsf_page_free(const struct vfiosafe_sys *sys, void *page)
{
	vsf_sys(sys, munmap, page, (size_t)sysconf(_SC_PAGESIZE));
}
