/* SPDX-License-Identifier: MIT */
/*
 * log.h - one line for each event, on stderr: "<6>event=accepted device=... pid=...".
 * <N> is the priority as syslog(3) and systemd have it.
 */
#ifndef VFIOSAFED_LOG_H
#define VFIOSAFED_LOG_H

#include <stddef.h>
#include <syslog.h>

#define LOG_QUOTED 512

/* @fmt makes " key=value" pairs; text of others goes through log_quote(). */
void log_event(int priority, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "text", on one line whatever is in it; into @buf, which it returns. */
const char *log_quote(char buf[LOG_QUOTED], const char *text);

/* What the library says, as event=library. */
void log_library(void);

#endif
