/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "door.h"
#include "error.h"

/* Reads @min to @max hexadecimal digits; NULL if there are fewer. */
static const char *hex(const char *s, int min, int max, unsigned int *value)
{
	int n = 0;

	*value = 0;
	for (; n < max && isxdigit((unsigned char)*s); n++, s++)
		*value = *value * 16 + (unsigned int)(isdigit((unsigned char)*s)
							      ? *s - '0'
							      : tolower(*s) - 'a' + 10);
	return n >= min ? s : NULL;
}

static const char *expect(const char *s, char c)
{
	return s && *s == c ? s + 1 : NULL;
}

bool vsf_address_canonical(const char *address, char *canonical, size_t len)
{
	unsigned int domain, bus, slot, function;
	const char *s = address;

	/* Domains have four digits; those that a VMD bridge makes have more. */
	if (s)
		s = expect(hex(s, 4, 8, &domain), ':');
	if (s)
		s = expect(hex(s, 2, 2, &bus), ':');
	if (s)
		s = expect(hex(s, 2, 2, &slot), '.');
	if (s)
		s = hex(s, 1, 1, &function);
	if (!s || *s || slot > 0x1f || function > 7)
		return false;
	snprintf(canonical, len, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

int vsf_address_parse(const char *address, char *canonical, size_t len)
{
	if (vsf_address_canonical(address, canonical, len))
		return 0;
	return vsf_fail(EINVAL,
			"\"%.40s\"%s is not a PCI address; it looks like 0000:01:00.0, as lspci -D "
			"prints it (domain:bus:device.function, device at most 1f, function at "
			"most 7)",
			address ? address : "(null)",
			address && strlen(address) > 40 ? "..." : "");
}
