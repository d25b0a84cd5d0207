/* SPDX-License-Identifier: MIT */
/*
 * A program as a user of the installed library writes it: opens the simulated
 * device, reads a register, resets the device, reads the register again.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#define TIMEOUT_MS 5000

static int failed(const char *what, int rc)
{
	fprintf(stderr, "%s: %s (%s)\n", what, strerror(rc < 0 ? -rc : rc),
		vfiosafe_error_text());
	return 1;
}

static int expect_id(const struct vfiosafe_view *view)
{
	uint32_t id = 0;
	int rc = vfiosafe_read32(view, VFIOSAFE_SIM_REG_ID, &id);

	if (rc < 0)
		return failed("read the id", rc);
	if (id != VFIOSAFE_SIM_ID) {
		fprintf(stderr, "id is 0x%08x\n", (unsigned int)id);
		return 1;
	}
	return 0;
}

/* The inline functions, as compiled into this program. */
static int expect_id_in_a_section(const struct vfiosafe_view *view)
{
	struct vfiosafe_section sec;
	volatile uint32_t *regs;
	uint32_t id;
	int rc = vfiosafe_begin(view, &sec);

	if (rc < 0)
		return failed("begin", rc);
	regs = (volatile uint32_t *)vfiosafe_ptr(&sec);
	id = regs[VFIOSAFE_SIM_REG_ID / sizeof(*regs)];
	rc = vfiosafe_check(&sec);
	if (rc < 0)
		failed("check", rc);
	rc = vfiosafe_end(&sec);
	if (rc < 0)
		return failed("end", rc);
	return id == VFIOSAFE_SIM_ID ? 0 : failed("id in a section", EBADMSG);
}

static int use(struct vfiosafe_device *dev)
{
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t id;
	int rc = vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0);

	if (rc < 0)
		return failed("map", rc);
	rc = vfiosafe_bar_view(bar, &view);
	if (rc < 0)
		return failed("view", rc);
	if (expect_id(&view) || expect_id_in_a_section(&view))
		return 1;
	rc = vfiosafe_reset(dev, NULL);
	if (rc < 0)
		return failed("reset", rc);
	rc = vfiosafe_read32(&view, VFIOSAFE_SIM_REG_ID, &id);
	if (rc != -ESTALE)
		return failed("a view of before the reset is still good", rc);
	rc = vfiosafe_bar_view(bar, &view);
	if (rc < 0)
		return failed("view after the reset", rc);
	return expect_id(&view) || expect_id_in_a_section(&view);
}

int main(void)
{
	struct vfiosafe_device_opts opts;
	struct vfiosafe_device *dev;
	struct vfiosafe_sim *sim;
	int status;
	int rc;

	if (strcmp(vfiosafe_version(), VFIOSAFE_VERSION_STRING) != 0)
		return failed("library and headers differ in version", EINVAL);
	rc = vfiosafe_sim_open(&sim, "sim:reg", NULL);
	if (rc < 0)
		return failed("open the simulation", rc);
	memset(&opts, 0, sizeof(opts));
	opts.size = sizeof(opts);
	opts.sys = vfiosafe_sim_sys(sim);
	rc = vfiosafe_device_from_fd(&dev, vfiosafe_sim_device_fd(sim), &opts);
	if (rc < 0)
		return failed("open the device", rc);
	status = use(dev);
	rc = vfiosafe_device_close(dev, TIMEOUT_MS);
	if (rc < 0)
		return failed("close the device", rc);
	vfiosafe_sim_close(sim);
	return status;
}
