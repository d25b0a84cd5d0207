/* SPDX-License-Identifier: MIT */
/*
 * config.h - the PCI config space of a device, between its windows.
 *
 * Values are little-endian in the device, the CPU's here; @at is the offset in bytes,
 * a multiple of the width. Reads and writes are guarded like those of a BAR: they see
 * the device in the generation of now, or fail.
 *
 * A write that takes the device away is made as the window that it is, and returns
 * what that returns (-EDEADLK in a callback, too):
 *
 *   COMMAND, memory decode (bit 1) changed     vfiosafe_set_decode()
 *   PMCSR, power state changed                 vfiosafe_set_power()
 *   FLR, of PCI Express or Advanced Features   vfiosafe_reset(); the kernel runs the
 *                                              same function for both, and tells only
 *                                              a reset's caller what came of it
 *
 * The other bits of COMMAND take effect before that, and come back after a reset; those
 * of the other registers are not written, nor is what a wider write covers beside them.
 * A bit for FLR that the device does not have is written as any other, and the kernel
 * ignores it.
 *
 * Of a parked device (power.h) nothing is read: -EAGAIN, and it goes on sleeping. Where
 * decode is off, COMMAND may be written.
 *
 * Return of each: 0; -ENODEV, -EIO, -EAGAIN as in error.h; -ERANGE beyond the config
 * space; -EINVAL for an unaligned @at; other errors of the kernel. If that is EIO, the
 * device goes to FAULT.
 * Context: any thread, sections (but for the writes above) and callbacks included. May
 * block while somebody else resets the device.
 */
#ifndef VFIOSAFE_CONFIG_H
#define VFIOSAFE_CONFIG_H

#include <stdint.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

/** vfiosafe_config_read8 - guarded read of 8 bits; see the head of config.h */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_config_read8(struct vfiosafe_device *dev, uint16_t at, uint8_t *value);
/** vfiosafe_config_read16 - guarded read of 16 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_config_read16(struct vfiosafe_device *dev, uint16_t at, uint16_t *value);
/** vfiosafe_config_read32 - guarded read of 32 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_config_read32(struct vfiosafe_device *dev, uint16_t at, uint32_t *value);

/** vfiosafe_config_write8 - guarded write of 8 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_config_write8(struct vfiosafe_device *dev, uint16_t at, uint8_t value);
/** vfiosafe_config_write16 - guarded write of 16 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_config_write16(struct vfiosafe_device *dev, uint16_t at, uint16_t value);
/** vfiosafe_config_write32 - guarded write of 32 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_config_write32(struct vfiosafe_device *dev, uint16_t at, uint32_t value);

/**
 * vfiosafe_config_find - where a capability lies
 * @id: as in the PCI specification: 1 power management, 5 MSI, 0x10 PCI Express, ...
 * @at: written on success only
 *
 * Return: 0; -ENOENT if the device has none; otherwise as the reads.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_config_find(struct vfiosafe_device *dev, uint8_t id, uint16_t *at);

VFIOSAFE_END_DECLS

#endif
