/* SPDX-License-Identifier: MIT */
/*
 * raw.h - read before the driver's and the job's files when they are compiled a second
 * time: the same code on plain pointers. Registers are loaded and stored whatever the
 * device does, nobody is told of a reset; who makes one programs the controller again
 * afterwards, as a careful program would. What remains of the library is not the guard:
 * the opening of the device, its mapping, DMA memory, interrupts.
 */
#ifndef NVME_RAW_H
#define NVME_RAW_H

#include <vfiosafe/vfiosafe.h>

struct job;
struct job_options;
struct job_result;

void raw_job_run(const struct job_options *options, struct job_result *result);

int raw_begin(const struct vfiosafe_view *view, struct vfiosafe_section *sec);
int raw_end(struct vfiosafe_section *sec);
int raw_bar_view(struct vfiosafe_bar *bar, struct vfiosafe_view *view);
int raw_read32(const struct vfiosafe_view *view, uint64_t offset, uint32_t *value);
int raw_write32(const struct vfiosafe_view *view, uint64_t offset, uint32_t value);
int raw_read64(const struct vfiosafe_view *view, uint64_t offset, uint64_t *value);
int raw_write64(const struct vfiosafe_view *view, uint64_t offset, uint64_t value);
int raw_poll32(const struct vfiosafe_view *view, uint64_t offset, uint32_t mask,
	       uint32_t want, int64_t deadline_ns, uint32_t *value);
int raw_set_driver(struct vfiosafe_device *dev, const struct vfiosafe_driver_ops *ops,
		   void *ctx);
int raw_device_open(struct job *job);
int raw_reset(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts);
int raw_set_power(struct vfiosafe_device *dev, enum vfiosafe_power power,
		  const struct vfiosafe_reset_opts *opts);
uint64_t raw_generation(const struct vfiosafe_device *dev);
int raw_nothing(struct vfiosafe_device *dev, ...);
int raw_no_handler(void);

#ifndef NVME_RAW_ITSELF /* not in raw.c, which has these functions */
#define vfiosafe_begin raw_begin
#define vfiosafe_end raw_end
#define vfiosafe_bar_view raw_bar_view
#define vfiosafe_read32 raw_read32
#define vfiosafe_write32 raw_write32
#define vfiosafe_read64_lo_hi raw_read64
#define vfiosafe_write64_lo_hi raw_write64
#define vfiosafe_poll32 raw_poll32
#define vfiosafe_device_set_driver raw_set_driver
#define vfiosafe_reset raw_reset
#define vfiosafe_set_power raw_set_power
#define vfiosafe_device_generation raw_generation
#define vfiosafe_wait raw_nothing
#define vfiosafe_probe raw_nothing
#define vfiosafe_recover raw_nothing
#define vfiosafe_mark_lost raw_nothing
#define vfiosafe_set_sentinel raw_nothing
#define vfiosafe_sigbus_install raw_no_handler
#define job_device_open raw_device_open

/* What both have in one program. */
#define nvme_open raw_nvme_open
#define nvme_close raw_nvme_close
#define nvme_program raw_nvme_program
#define nvme_disable raw_nvme_disable
#define nvme_identify raw_nvme_identify
#define nvme_new_request raw_nvme_new_request
#define nvme_submit raw_nvme_submit
#define nvme_poll raw_nvme_poll
#define nvme_completed raw_nvme_completed
#define nvme_release raw_nvme_release
#define nvme_sleep raw_nvme_sleep
#define nvme_reset_ops raw_nvme_reset_ops
#define nvme_queue_alloc raw_nvme_queue_alloc
#define nvme_queue_renew raw_nvme_queue_renew
#define nvme_queue_put raw_nvme_queue_put
#define nvme_queue_take raw_nvme_queue_take
#define nvme_queue_ring raw_nvme_queue_ring
#define nvme_queue_missing raw_nvme_queue_missing
#define job_run raw_job_run
#define strikes_start raw_strikes_start
#define strikes_stop raw_strikes_stop
#define strike_gap_ms raw_strike_gap_ms
#define strike_choose raw_strike_choose
#endif

#endif
