/* SPDX-License-Identifier: MIT */
/* A kernel without the feature: what it says, and what the library makes of that. */
#include "dmabuf_rig.h"
#include "uapi.h"

static int ask(int fd, uint32_t flags)
{
	uint8_t room[sizeof(struct vfio_device_feature) + 32] = { 0 };
	struct vfio_device_feature head = { .argsz = sizeof(room),
					    .flags = flags | VFIO_DEVICE_FEATURE_DMA_BUF };

	memcpy(room, &head, sizeof(head));
	return ioctl(fd, VFIO_DEVICE_FEATURE, room) < 0 ? -errno : 0;
}

/* 77: it is not absent, and there is nothing to be tested here. */
int dmabuf_absent(char **addresses, enum vfiosafe_door door)
{
	struct device d = { .address = addresses[0] };
	int rc;

	snprintf(check_prefix, sizeof(check_prefix), "absent/%s: ", door_name(door));
	if (!device_open(&d, door, 0))
		return 1;
	rc = ask(vfiosafe_device_fd(d.dev),
		 VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET);
	if (rc == 0) {
		device_close(&d);
		return 77;
	}
	check(rc == -ENOTTY, "the probe says %s (%d)", strerrorname_np(-rc), rc);
	rc = ask(vfiosafe_device_fd(d.dev), VFIO_DEVICE_FEATURE_GET);
	check(rc == -ENOTTY, "the feature, too: %s (%d)", strerrorname_np(-rc), rc);
	rc = export(&d, 0, PAGE);
	check(rc == -EOPNOTSUPP && strstr(vfiosafe_error_text(), "Linux 6.19"),
	      "an export: %s (%d)", vfiosafe_error_text(), rc);
	check(export(&d, 16, PAGE) == -EINVAL, "what is wrong by itself is said first");
	check(vfiosafe_dmabuf_list(d.dev, NULL, 0) == 0, "there is no buffer");
	device_close(&d);
	return check_failures ? 1 : 0;
}
