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
 * comment says so. What only tells something known (a name, a length, an address)
 * may be called in sections and callbacks too. Fork: a forked child may not use
 * handles of its parent, nor open or join a device if its parent had used the
 * library before: -ENODEV. After exec nothing is left. Unasked, the library starts
 * no thread and installs no signal handler; it reads no environment variable and
 * prints nothing.
 *
 * Not included here: sys.h, the calls of the kernel, to be replaced in tests; sim.h,
 * simulated devices (-lvfiosafe_sim).
 */
#ifndef VFIOSAFE_VFIOSAFE_H
#define VFIOSAFE_VFIOSAFE_H

#include <vfiosafe/agent.h> /* answer the processes that share a device */
#include <vfiosafe/api.h>
#include <vfiosafe/bar.h>    /* map a BAR */
#include <vfiosafe/config.h> /* config space */
#include <vfiosafe/copy.h>   /* many bytes */
#include <vfiosafe/device.h> /* open, adopt, close */
#include <vfiosafe/dma.h>    /* memory for the device */
#include <vfiosafe/dmabuf.h> /* a BAR for other devices */
#include <vfiosafe/driver.h> /* callbacks around a window */
#include <vfiosafe/error.h>  /* what the codes mean; the text */
#include <vfiosafe/event.h>  /* AER, release requests, windows */
#include <vfiosafe/fault.h>  /* SIGBUS */
#include <vfiosafe/irq.h>    /* interrupts */
#include <vfiosafe/log.h>
#include <vfiosafe/mmio.h>    /* one register */
#include <vfiosafe/p2p.h>     /* DMA from device to device */
#include <vfiosafe/plan.h>    /* what would a reset hit? */
#include <vfiosafe/poll.h>    /* until a register says so */
#include <vfiosafe/power.h>   /* sleep, decode, bus mastering */
#include <vfiosafe/probe.h>   /* is it there? sentinel, poison */
#include <vfiosafe/region.h>  /* size and mappable parts */
#include <vfiosafe/section.h> /* many accesses */
#include <vfiosafe/set.h>     /* hot resets, SR-IOV */
#include <vfiosafe/share.h>   /* several processes */
#include <vfiosafe/state.h>   /* states, vfiosafe_wait() */
#include <vfiosafe/version.h>
#include <vfiosafe/view.h>   /* the right to touch a BAR */
#include <vfiosafe/window.h> /* resets */

#endif
