/* SPDX-License-Identifier: MIT */
/* Config space: COMMAND, power management, MSI-X; the rest is read-only. */
#include <errno.h>
#include <string.h>

#include "fake_parts.h"

#define COMMAND 0x04
#define COMMAND_BITS 0x0407u
#define PMCSR (FAKE_CAP_PM + 4)

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

uint16_t fake_command(const struct fake_function *fn)
{
	return get16(fn->config + COMMAND);
}

void fake_set_command(struct fake_function *fn, uint16_t command)
{
	put16(fn->config + COMMAND, command);
}

void fake_set_power_state(struct fake_function *fn, unsigned int state)
{
	fn->config[PMCSR] = (uint8_t)(0x08 | state);
}

/* Capabilities: power management, then MSI-X without a table. */
void fake_config_start(struct fake_function *fn)
{
	put16(fn->config, 0x8086);
	put16(fn->config + 2, 0x10d3);
	put16(fn->config + 6, 0x0010);
	fn->config[0x34] = FAKE_CAP_PM;
	fn->config[FAKE_CAP_PM] = 0x01;
	fn->config[FAKE_CAP_PM + 1] = FAKE_CAP_MSIX;
	fn->config[PMCSR] = 0x08;
	fn->config[FAKE_CAP_MSIX] = 0x11;
	/* Table and pending bits in BAR 6, which there is not: none. */
	fn->config[FAKE_CAP_MSIX + 4] = 6;
	fn->config[FAKE_CAP_MSIX + 8] = 6;
}

static void write16(struct fake *fake, struct fake_function *fn, uint64_t at,
		    uint16_t value)
{
	if (at == COMMAND) {
		fake_log_locked(fake, "COMMAND=%04x", value);
		if (fn->decode_stuck && fn->resets > 0)
			value &= (uint16_t)~2u;
		put16(fn->config + at, value & COMMAND_BITS);
	} else if (at == PMCSR) {
		fake_log_locked(fake, "PMCSR=%04x", value);
		if (!fn->pm_stuck)
			put16(fn->config + at, value);
	}
}

/*
 * All-ones while the function does not answer: only what the hardware says. INTx
 * disable in COMMAND is VFIO's own.
 */
static void go_silent(const struct fake *fake, const struct fake_function *fn,
		      uint8_t *buf, size_t len, uint64_t at)
{
	if (fake->sys.now_ns(fake->sys.ctx) >= fn->silent_until)
		return;
	for (size_t i = 0; i < len; i++)
		if ((at + i >= COMMAND && at + i < 8) || at + i >= FAKE_CAP_PM)
			buf[i] = at + i == COMMAND + 1 ? buf[i] | 0xfb : 0xff;
}

ssize_t fake_config_rw(struct fake *fake, struct fake_function *fn, uint8_t *buf,
		       size_t len, uint64_t at, bool write)
{
	if (at + len > sizeof(fn->config))
		return -EINVAL;
	if (write && len == 2) {
		write16(fake, fn, at, get16(buf));
	} else if (!write) {
		memcpy(buf, fn->config + at, len);
		go_silent(fake, fn, buf, len, at);
	}
	return (ssize_t)len;
}
