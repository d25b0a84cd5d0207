/* SPDX-License-Identifier: MIT */
/* The secret between the driver of a physical function and those of its virtual ones. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "door.h"
#include "error.h"
#include "join.h"
#include "uapi.h"

#define TOKEN_LEN 16

/* Groups of 4, 2, 2, 2 and 6 bytes, in their order. */
static void print_uuid(char *to, size_t room, const uint8_t *uuid)
{
	size_t used = 0;

	for (int i = 0; i < TOKEN_LEN; i++)
		used += (size_t)snprintf(to + used, room - used, "%s%02x",
					 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
					 uuid[i]);
}

const char *vsf_token_name(const struct vsf_open *req, char name[VSF_TOKEN_NAME_LEN])
{
	int used;

	if (!req->vf_token)
		return req->address;
	used = snprintf(name, VSF_TOKEN_NAME_LEN, "%s vf_token=", req->address);
	print_uuid(name + used, VSF_TOKEN_NAME_LEN - (size_t)used, req->vf_token);
	return name;
}

int vsf_refuse_token(const struct vsf_open *req)
{
	return vsf_fail(
		EACCES,
		"%s is a virtual function, and wants the VF token of its physical "
		"function%s",
		req->address,
		req->vf_token ? ", which opts.vf_token is not"
			      : ": opts.vf_token, as its driver set it by "
				"vfiosafe_vf_token_set()");
}

static int set_token(const struct vfiosafe_device *pf, const uint8_t *token)
{
	/* clang takes no struct in which something follows a flexible array */
	union {
		struct vfio_device_feature head;
		uint8_t room[sizeof(struct vfio_device_feature) + TOKEN_LEN];
	} arg = { .head = { .argsz = sizeof(arg),
			    .flags = VFIO_DEVICE_FEATURE_SET |
				     VFIO_DEVICE_FEATURE_PCI_VF_TOKEN } };

	memcpy(arg.head.data, token, TOKEN_LEN);
	return vsf_sys(pf->sys, ioctl, pf->fd, VFIO_DEVICE_FEATURE, &arg);
}

VFIOSAFE_API int vfiosafe_vf_token_set(struct vfiosafe_device *pf,
				       const uint8_t token[16])
{
	int rc = vsf_refuse_inside(pf, "vfiosafe_vf_token_set");

	if (rc == 0)
		rc = vsf_join_refuse(pf, "vfiosafe_vf_token_set");
	if (rc < 0)
		return rc;
	if (vsf_words_forked(pf->words) || vsf_device_state(pf) == VFIOSAFE_GONE)
		return vsf_state_error(0, 0);
	rc = set_token(pf, token);
	if (rc == -ENOTTY)
		return vsf_fail(EOPNOTSUPP,
				"%s has no virtual functions that VFIO may turn on: it "
				"has no SR-IOV, or vfio_pci was loaded without "
				"enable_sriov=1",
				pf->address);
	return rc < 0 ? vsf_fail(-rc, "%s takes no VF token: %s", pf->address,
				 strerror(-rc))
		      : 0;
}
