/* SPDX-License-Identifier: MIT */
/* The plan's words for a reset that was refused. */
#include <errno.h>
#include <stdio.h>

#include "error.h"
#include "plan.h"

/* What blocks a function reset, in @block; false if nothing that is known. */
static bool find_block(struct vfiosafe_device *dev, struct vsf_plan_block *block)
{
	struct vsf_plan plan = { .spare = block, .hot_rc = VSF_PLAN_NOT_ASKED };

	vsf_plan_init(&plan, dev);
	vsf_plan_ask_address(&plan);
	vsf_plan_ask_methods(&plan);
	return vsf_plan_conclude_first(&plan) == 0 && plan.blocks;
}

const char *vsf_plan_hint(struct vfiosafe_device *dev, char *buf, size_t len)
{
	struct vsf_plan_block block = { 0 };

	buf[0] = '\0';
	if (find_block(dev, &block))
		snprintf(buf, len, "; %s; %s", block.pub.text, block.pub.remedy);
	return buf;
}

int vsf_plan_refuse_known(struct vfiosafe_device *dev)
{
	struct vsf_plan_block block = { 0 };

	if (!find_block(dev, &block))
		return 0;
	return vsf_fail(EOPNOTSUPP, "%s; %s", block.pub.text, block.pub.remedy);
}

/* Refused as if all were well: it is somebody else's doing. */
int vsf_plan_refuse(struct vfiosafe_device *dev, int err)
{
	struct vsf_plan_block block = { 0 };

	if (find_block(dev, &block))
		return vsf_fail(err, "%s; %s", block.pub.text, block.pub.remedy);
	if (err == EOPNOTSUPP)
		return vsf_fail(err,
				"%s has no working reset method; vfiosafe_reset_plan() "
				"says what else there is",
				dev->address);
	return vsf_fail(
		err,
		"%s stayed locked until the deadline: an unbind, another reset or "
		"a reader of sriov_numvfs holds it; try again, or see by "
		"vfiosafe_reset_plan() who has it open",
		dev->address);
}
