/* SPDX-License-Identifier: MIT */
/*
 * vfiosafe.h - everything a userspace driver needs.
 *
 *      static int nic_reinit(struct vfiosafe_device *dev, void *ctx)
 *      {
 *              struct nic *nic = ctx;          // same code as at first start
 *              return vfiosafe_bar_view(nic->bar, &nic->regs) ?: nic_program(nic);
 *      }
 *
 *      vfiosafe_device_open(&dev, "0000:01:00.0", NULL);
 *      vfiosafe_bar_map(&nic->bar, dev, 0, 0, 0, 0);
 *      vfiosafe_device_set_driver(dev, &(struct vfiosafe_driver_ops){
 *                      .size = sizeof(struct vfiosafe_driver_ops),
 *                      .reinit = nic_reinit }, nic);
 *      nic_reinit(dev, nic);
 *
 *      for (;;) {
 *              rc = vfiosafe_read32(&nic->regs, RDH, &head);
 *              if (rc == 0)
 *                      use(head);              // read in one generation
 *              else if ((rc = vfiosafe_wait(dev, deadline)) != 0)
 *                      return rc;
 *      }
 *
 * and from any thread, at any time: vfiosafe_reset(dev, NULL).
 *
 * Threads: every call may be made from any thread, without registering, unless
 * its comment says otherwise. Signals: no call is async-signal-safe unless its
 * comment says so. Fork: a forked child may not use handles of its parent; it
 * gets -ENODEV. After exec nothing is left. The library starts no thread, installs
 * no signal handler, reads no environment variable and prints nothing.
 */
#ifndef VFIOSAFE_VFIOSAFE_H
#define VFIOSAFE_VFIOSAFE_H

#include <vfiosafe/agent.h>
#include <vfiosafe/api.h>
#include <vfiosafe/bar.h>
#include <vfiosafe/config.h>
#include <vfiosafe/copy.h>
#include <vfiosafe/device.h>
#include <vfiosafe/dma.h>
#include <vfiosafe/dmabuf.h>
#include <vfiosafe/driver.h>
#include <vfiosafe/error.h>
#include <vfiosafe/event.h>
#include <vfiosafe/fault.h>
#include <vfiosafe/irq.h>
#include <vfiosafe/log.h>
#include <vfiosafe/mmio.h>
#include <vfiosafe/p2p.h>
#include <vfiosafe/plan.h>
#include <vfiosafe/poll.h>
#include <vfiosafe/power.h>
#include <vfiosafe/probe.h>
#include <vfiosafe/region.h>
#include <vfiosafe/section.h>
#include <vfiosafe/set.h>
#include <vfiosafe/share.h>
#include <vfiosafe/state.h>
#include <vfiosafe/version.h>
#include <vfiosafe/view.h>
#include <vfiosafe/window.h>

#endif
