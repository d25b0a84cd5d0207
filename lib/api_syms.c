/* SPDX-License-Identifier: MIT */
/* The inline functions of the public headers once more, as symbols, for FFI. */
#include <vfiosafe/api.h>

#undef VFIOSAFE_INLINE
#define VFIOSAFE_INLINE VFIOSAFE_API

#include <vfiosafe/version.h>

/* A prototype first, as for any function that is not static. */
#include <vfiosafe/view.h>
struct vfiosafe_section;
VFIOSAFE_API volatile void *vfiosafe_ptr(const struct vfiosafe_section *sec);
VFIOSAFE_API int vfiosafe_check(const struct vfiosafe_section *sec);

#include <vfiosafe/section.h>

VFIOSAFE_API const char *vfiosafe_version(void)
{
	return VFIOSAFE_VERSION_STRING;
}
