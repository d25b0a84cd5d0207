/* SPDX-License-Identifier: MIT */
/* PCI config space through the device fd. */
#ifndef VSF_CONFIG_H
#define VSF_CONFIG_H

#include "device.h"

#define VSF_PCI_COMMAND 0x04
#define VSF_PCI_COMMAND_MEMORY 0x2
#define VSF_PCI_COMMAND_MASTER 0x4
#define VSF_PCI_COMMAND_INTX_OFF 0x400
#define VSF_PCI_CAP_PM 0x01
#define VSF_PCI_CAP_EXP 0x10
#define VSF_PCI_CAP_AF 0x13
#define VSF_PCI_CAP_MSIX 0x11
#define VSF_PCI_PM_STATE 0x3 /* of PMCSR */

/* 0 or -errno; a short transfer is -EIO. */
int vsf_config_read(const struct vfiosafe_device *dev, uint16_t at, void *buf, size_t len);
int vsf_config_read16(const struct vfiosafe_device *dev, uint16_t at, uint16_t *value);
int vsf_config_write16(const struct vfiosafe_device *dev, uint16_t at, uint16_t value);

/* command.c: bits of COMMAND off and on, kept across resets; between windows. */
int vsf_command_change(struct vfiosafe_device *dev, uint16_t off, uint16_t on);

/* Offset of a capability, 0 if there is none, or -errno; follows at most 48 links. */
int vsf_config_find_cap(const struct vfiosafe_device *dev, uint8_t id);

/* At open: where the capabilities lie that windows go by. 0 or -errno. */
int vsf_config_learn(struct vfiosafe_device *dev);

/*
 * COMMAND and STATUS, which the kernel reads from the hardware. True if the
 * device answers: all-ones is what a bus says in its place.
 */
bool vsf_config_answers(const struct vfiosafe_device *dev);

/* PMCSR of a device that has it. -ENXIO: all-ones, as of one that does not answer. */
int vsf_config_pmcsr(const struct vfiosafe_device *dev, uint16_t *pmcsr);

/* D-state of PMCSR, 0 to 3; 0 for a device without the capability. */
int vsf_config_power_state(const struct vfiosafe_device *dev);
int vsf_config_to_d0(const struct vfiosafe_device *dev);

#endif
