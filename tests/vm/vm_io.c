/* SPDX-License-Identifier: MIT */
/*
 * DMA memory and interrupts of a real kernel: device models move bytes between mapped
 * buffers and interrupt through eventfds, before and after windows.
 *
 *      vm_io edu|nvme ADDRESS cdev|group
 */
#include "io_rig.h"

int main(int argc, char **argv)
{
	struct io io = { .opts.size = sizeof(io.opts) };

	if (argc < 4) {
		fprintf(stderr, "usage: vm_io edu|nvme ADDRESS cdev|group\n");
		return 2;
	}
	io.address = argv[2];
	io.opts.door =
		strcmp(argv[3], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP;
	setlinebuf(stdout);
	return strcmp(argv[1], "edu") == 0 ? io_edu(&io) : io_nvme(&io);
}
