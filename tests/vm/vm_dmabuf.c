/* SPDX-License-Identifier: MIT */
/*
 * BARs of a real kernel's devices as dma-bufs: exported, refused, written by the DMA
 * engines of other devices, taken away and brought back.
 *
 *      vm_dmabuf absent cdev|group ADDRESS     77: the kernel has the feature
 *      vm_dmabuf models cdev|group ADDRESS...
 *      vm_dmabuf kernel cdev|group EDU ADDRESS...
 *      vm_dmabuf engines cdev|group EDU DISPLAY DISK DISK
 *      vm_dmabuf windows cdev|group ROUNDS DISK DISK
 *      vm_dmabuf ends cdev|group DISK DISK
 *      vm_dmabuf foreign cdev|group DISK DISK
 *      vm_dmabuf import cdev|group ADDRESS
 */
#include "dmabuf_rig.h"

static const struct {
	const char *name;
	int arguments; /* at least */
	int (*run)(char **addresses, enum vfiosafe_door door);
} parts[] = {
	{ "absent", 1, dmabuf_absent },	  { "models", 1, dmabuf_models },
	{ "kernel", 2, dmabuf_kernel },	  { "engines", 4, dmabuf_engines },
	{ "windows", 3, dmabuf_windows }, { "ends", 2, dmabuf_ends },
	{ "foreign", 2, dmabuf_foreign }, { "import", 1, dmabuf_import },
};

int main(int argc, char **argv)
{
	enum vfiosafe_door door;

	setlinebuf(stdout);
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]) && argc > 2; i++) {
		if (strcmp(argv[1], parts[i].name) != 0 || argc - 3 < parts[i].arguments)
			continue;
		door = strcmp(argv[2], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV :
						      VFIOSAFE_DOOR_GROUP;
		return parts[i].run(argv + 3, door);
	}
	fprintf(stderr, "usage: vm_dmabuf PART cdev|group ADDRESS...\n");
	return 2;
}
