/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <vfiosafe/vfiosafe.h>

#include "log.h"

/* One write, so that lines of two processes do not mix. */
void log_event(int priority, const char *event, const char *fmt, ...)
{
	char line[2048];
	size_t room = sizeof(line) - 1, len;
	va_list args;
	int n;

	n = snprintf(line, room, "<%d>event=%s ", priority, event);
	len = n > 0 ? (size_t)n : 0;
	va_start(args, fmt);
	n = vsnprintf(line + len, room - len, fmt, args);
	va_end(args);
	len += n > 0 ? (size_t)n : 0;
	if (len >= room)
		len = room - 1;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody to tell */
}

const char *log_quote(char buf[LOG_QUOTED], const char *text)
{
	char *to = buf, *end = buf + LOG_QUOTED - 3;

	*to++ = '"';
	for (; *text && to < end; text++) {
		if (*text == '"' || *text == '\\')
			*to++ = '\\';
		*to++ = *text;
		if (iscntrl((unsigned char)*text))
			to[-1] = '?';
	}
	*to++ = '"';
	*to = '\0';
	return buf;
}

static void from_library(void *ctx, enum vfiosafe_log_level level, const char *text)
{
	static const int priority[] = { [VFIOSAFE_LOG_ERROR] = LOG_ERR,
					[VFIOSAFE_LOG_WARN] = LOG_WARNING,
					[VFIOSAFE_LOG_INFO] = LOG_INFO,
					[VFIOSAFE_LOG_DEBUG] = LOG_DEBUG };
	char quoted[LOG_QUOTED];

	(void)ctx;
	log_event(priority[level], "library", "text=%s", log_quote(quoted, text));
}

void log_library(void)
{
	vfiosafe_log_set(from_library, NULL, VFIOSAFE_LOG_INFO);
}
