/* SPDX-License-Identifier: MIT */
/*
 * error.h - what a negative return value means, and why it happened.
 *
 * Every call returns 0 or a positive result, or a negative errno; errno itself
 * is neither read nor promised. What the codes mean for the caller:
 *
 *   -EAGAIN       a reset window is open; vfiosafe_wait(), then go on
 *   -ESTALE       the device was reset since the view was taken: re-synchronise
 *                 the state that belongs to the view, then renew the view
 *   -EIO          the device is in FAULT; vfiosafe_recover() brings it back
 *   -ENODEV       the device is gone for good (or this is a forked child)
 *   -EOWNERDEAD   the process that owns the device died
 *   -EDEADLK      the call waits for sections to end and was made inside one,
 *                 or inside a callback that the waited-for window runs
 *   -ERANGE       offset or length outside the mapped part of the BAR
 *   -ECANCELED    called off, nothing was lost: a callback or a client refused
 *   -EINVAL       misuse: unaligned offset, unknown flag, no size in a struct
 *   -EBUSY        somebody else holds it, or wants it back; the text says who
 *   -ETIMEDOUT    the deadline passed; the text says what was waited for
 *   -EOPNOTSUPP   this kernel or device cannot do it; the text says what can
 *   -EPERM        not granted
 *
 * Others are said at the calls. A pointer may be NULL only where its comment says so; not
 * every call looks.
 *
 * If several apply to an access, the first of this order is reported:
 * gone, FAULT, window open, stale.
 */
#ifndef VFIOSAFE_ERROR_H
#define VFIOSAFE_ERROR_H

#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

/**
 * vfiosafe_error_text - cause of, and way out of, this thread's last failure
 *
 * Set by every call of this library that fails; a call that succeeds leaves it
 * alone. One line, without a trailing newline; never NULL.
 *
 * Return: text owned by the calling thread, valid until its next failing call.
 * Context: any thread; not signal-safe.
 */
VFIOSAFE_API const char *vfiosafe_error_text(void);

VFIOSAFE_END_DECLS

#endif
