/* SPDX-License-Identifier: MIT */
/* Config space: COMMAND, power management, MSI-X, FLR; the rest is read-only. */
#include <errno.h>
#include <string.h>

#include "fake_parts.h"

#define COMMAND 0x04
#define COMMAND_BITS 0x0407u
#define PMCSR FAKE_PMCSR
#define PM_STATE 3u
#define PM_NO_SOFT_RESET 8u

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
	fn->config[PMCSR] = (uint8_t)(PM_NO_SOFT_RESET | state);
}

void fake_lose_in_d3hot(struct fake_function *fn)
{
	fn->config[PMCSR] &= (uint8_t)~PM_NO_SOFT_RESET;
}

static void put_flr(struct fake_function *fn)
{
	fn->config[FAKE_CAP_MSIX + 1] = FAKE_CAP_EXP;
	fn->config[FAKE_CAP_EXP] = 0x10;
	fn->config[FAKE_CAP_EXP + 1] = FAKE_CAP_AF;
	fn->config[FAKE_CAP_EXP + 7] = 0x10; /* DEVCAP: function level reset */
	fn->config[FAKE_CAP_AF] = 0x13;
	fn->config[FAKE_CAP_AF + 2] = 6;
	fn->config[FAKE_CAP_AF + 3] = 3; /* the same, and transactions pending */
}

/* Capabilities: power management, then MSI-X without a table, then those with FLR. */
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
	put_flr(fn);
}

static void write_pmcsr(struct fake *fake, struct fake_function *fn, uint16_t value)
{
	unsigned int from = fn->config[PMCSR] & PM_STATE, to = value & PM_STATE;

	fake_log_locked(fake, "PMCSR=%04x", value);
	if (fn->pm_stuck)
		return;
	fn->config[PMCSR] = (uint8_t)((fn->config[PMCSR] & PM_NO_SOFT_RESET) | to);
	if (to == PM_STATE)
		fake_dmabuf_revoke(fake, fn);
	else
		fake_dmabuf_unrevoke(fake, fn);
	if (from != PM_STATE || to != 0 || (fn->config[PMCSR] & PM_NO_SOFT_RESET))
		return;
	fn->naps++;
	memset(fn->memory, 0, 0x10000);
	put16(fn->config + COMMAND, 2);
}

static void write16(struct fake *fake, struct fake_function *fn, uint64_t at,
		    uint16_t value)
{
	if (at == COMMAND) {
		fake_log_locked(fake, "COMMAND=%04x", value);
		if (fn->decode_stuck && fn->resets > 0)
			value &= (uint16_t)~2u;
		put16(fn->config + at, value & COMMAND_BITS);
		if (value & 2)
			fake_dmabuf_unrevoke(fake, fn);
		else
			fake_dmabuf_revoke(fake, fn);
	} else if (at == PMCSR) {
		write_pmcsr(fake, fn, value);
	} else {
		fake_log_locked(fake, "c+%llx=%04x", (unsigned long long)at, value);
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
	} else if (write) {
		fake_log_locked(fake, "c+%llx:%zu", (unsigned long long)at, len);
		memcpy(fn->config + at, buf, len);
	} else {
		memcpy(buf, fn->config + at, len);
		go_silent(fake, fn, buf, len, at);
	}
	return (ssize_t)len;
}
