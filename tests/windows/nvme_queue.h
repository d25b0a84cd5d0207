/* SPDX-License-Identifier: MIT */
/* nvme_queue.h - what the two files of nvme_mini.h share. */
#ifndef NVME_QUEUE_H
#define NVME_QUEUE_H

#include "nvme_mini.h"

/* Is there a completion? In a section or callback. */
bool nvme_queue_answered(const struct nvme *nvme);

/* Wakes the thread that waits for one. */
void nvme_queue_kick(struct nvme *nvme);

#endif
