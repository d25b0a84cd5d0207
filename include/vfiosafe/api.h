/* SPDX-License-Identifier: MIT */
/*
 * api.h - decorations that every public header uses, and nothing else.
 */
#ifndef VFIOSAFE_API_H
#define VFIOSAFE_API_H

#ifdef __cplusplus
#define VFIOSAFE_BEGIN_DECLS extern "C" {
#define VFIOSAFE_END_DECLS }
#else
#define VFIOSAFE_BEGIN_DECLS
#define VFIOSAFE_END_DECLS
#endif

/* Exported only if the symbol map agrees: both are needed. */
#define VFIOSAFE_API __attribute__((visibility("default")))

/* Every call that can fail: the return value is the only sign of it. */
#define VFIOSAFE_MUST_CHECK __attribute__((warn_unused_result))

/*
 * Inline functions of the public headers. Each exists as a real symbol too,
 * so that languages that cannot include C may call it: lib/api_syms.c
 * compiles the headers once with this macro empty.
 */
#ifndef VFIOSAFE_INLINE
#define VFIOSAFE_INLINE static inline
#endif

#endif
