/* SPDX-License-Identifier: MIT */
/*
 * One device through one door of a real kernel: open, read, write, reset, close,
 * and the refusals on the way.
 *
 *      vm_core MODEL ADDRESS cdev|group [SIBLING]
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "uapi.h"

/* What is known of a device model of QEMU. */
struct model {
	const char *name;
	uint64_t reg;	     /* BAR 0: holds what is written */
	uint32_t value;	     /* written there */
	bool inverts;	     /* reads the complement instead */
	bool resets;	     /* has a function reset */
	bool reset_clears;   /* and it changes @reg */
	int fd_only_bar;     /* a BAR that cannot be mapped, or -1 */
};

static const struct model models[] = {
	{ "edu", 0x04, 0x12345678, .inverts = true, .fd_only_bar = -1 },
	/* INTMS masks interrupts: only ever sets bits. */
	{ "nvme", 0x0c, 1, .resets = true, .reset_clears = true, .fd_only_bar = -1 },
	{ "igb", 0x5400, 0x00c0ffee, .resets = true, .reset_clears = true, .fd_only_bar = 2 },
	/* Its pm reset clears nothing in QEMU. */
	{ "e1000e", 0x5400, 0x00c0ffee, .resets = true, .fd_only_bar = 2 },
};

struct test {
	const struct model *model;
	const char *address;
	struct vfiosafe_device_opts opts;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	int reinits;
};

static uint32_t expected(const struct model *m)
{
	return m->inverts ? ~m->value : m->value;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct test *t = ctx;
	int rc = vfiosafe_bar_view(t->bar, &t->view);

	(void)dev;
	t->reinits++;
	return rc < 0 ? rc : vfiosafe_write32(&t->view, t->model->reg, t->model->value);
}

static bool reg_is(struct test *t, uint32_t want)
{
	uint32_t got = 0;

	return vfiosafe_read32(&t->view, t->model->reg, &got) == 0 && got == want;
}

static bool open_and_map(struct test *t)
{
	struct vfiosafe_region region;
	uint32_t by_pread = 0;
	uint64_t off;
	int fd;

	if (!check(vfiosafe_device_open(&t->dev, t->address, &t->opts) == 0, "opens"))
		return false;
	check(vfiosafe_device_state(t->dev) == VFIOSAFE_LIVE &&
		      vfiosafe_device_generation(t->dev) == 1,
	      "starts LIVE in generation 1");
	check(vfiosafe_device_door(t->dev) == t->opts.door, "came through the door asked for");
	check(!vfiosafe_device_fenced(t->dev), "has membarrier");
	check(vfiosafe_region_info(t->dev, 0, &region) == 0 && region.len > 0 &&
		      region.area_count > 0,
	      "says that BAR 0 is mappable");
	if (!check(vfiosafe_bar_map(&t->bar, t->dev, 0, 0, 0, 0) == 0, "maps BAR 0"))
		return false;
	check(reinit(t->dev, t) == 0 && reg_is(t, expected(t->model)),
	      "a register holds what was written");
	fd = vfiosafe_device_fd(t->dev);
	off = (uint64_t)VFIO_PCI_BAR0_REGION_INDEX << 40;
	check(pread(fd, &by_pread, 4, (off_t)(off + t->model->reg)) == 4 &&
		      by_pread == expected(t->model),
	      "the kernel reads the same value there");
	return true;
}

static void unmappable_bar(struct test *t)
{
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t value;

	if (t->model->fd_only_bar < 0)
		return;
	if (!check(vfiosafe_bar_map(&bar, t->dev, (uint32_t)t->model->fd_only_bar, 0, 0, 0) == 0,
		   "accepts a BAR that cannot be mapped"))
		return;
	check(vfiosafe_bar_address(bar) == NULL && vfiosafe_bar_view(bar, &view) == 0 &&
		      vfiosafe_read32(&view, 0, &value) == 0,
	      "reads it through the same accessor");
	check(vfiosafe_read32(&view, vfiosafe_bar_len(bar), &value) == -ERANGE,
	      "refuses an offset behind its end");
	check(vfiosafe_bar_unmap(bar, 1000) == 0, "gives it back");
}

static void refusals(struct test *t)
{
	struct vfiosafe_device_opts other = t->opts;
	struct vfiosafe_device *dev = NULL;

	check(vfiosafe_device_open(&dev, t->address, &t->opts) == -EBUSY,
	      "a second open by the same door is EBUSY");
	other.door = t->opts.door == VFIOSAFE_DOOR_CDEV ? VFIOSAFE_DOOR_GROUP
							: VFIOSAFE_DOOR_CDEV;
	if (access("/dev/iommu", F_OK) == 0)
		check(vfiosafe_device_open(&dev, t->address, &other) == -EBUSY,
		      "a second open by the other door is EBUSY");
	else
		check(vfiosafe_device_open(&dev, t->address, &other) == -EOPNOTSUPP,
		      "the other door is EOPNOTSUPP on this kernel");
	check(vfiosafe_device_open(&dev, "0000:3f:1f.7", &t->opts) == -ENODEV,
	      "a function that does not exist is ENODEV");
	check(vfiosafe_device_open(&dev, "0000:00:00.0", &t->opts) == -ENXIO,
	      "the host bridge, bound to nothing, is ENXIO");
	check(vfiosafe_device_open(&dev, "1:0.0", &t->opts) == -EINVAL,
	      "a malformed address is EINVAL");
}

static void resets(struct test *t)
{
	volatile void *address = vfiosafe_bar_address(t->bar);
	uint64_t generation = vfiosafe_device_generation(t->dev);
	struct vfiosafe_view old = t->view;
	uint32_t value;
	int before = t->reinits;

	if (!t->model->resets) {
		check(vfiosafe_reset(t->dev, NULL) == -EOPNOTSUPP, "has no reset: EOPNOTSUPP");
		check(vfiosafe_device_state(t->dev) == VFIOSAFE_LIVE, "is LIVE all the same");
		return;
	}
	check(vfiosafe_reset(t->dev, NULL) == 0 && t->reinits == before + 1,
	      "resets, and runs reinit");
	check(vfiosafe_device_generation(t->dev) == generation + 1, "is one generation on");
	check(vfiosafe_bar_address(t->bar) == address, "its BAR is at the same address");
	check(vfiosafe_read32(&old, t->model->reg, &value) == -ESTALE, "an old view is ESTALE");
	check(reg_is(t, expected(t->model)), "the register holds what reinit wrote");
}

/* A reset by another holder of the fd, told by mark_lost. */
static void bystander(struct test *t)
{
	volatile void *address = vfiosafe_bar_address(t->bar);
	uint64_t generation = vfiosafe_device_generation(t->dev);
	struct vfiosafe_section sec;
	uint32_t value = 0;
	int fd = dup(vfiosafe_device_fd(t->dev));

	if (!t->model->resets) {
		close(fd);
		return;
	}
	check(vfiosafe_begin(&t->view, &sec) == 0, "a section is open");
	check(ioctl(fd, VFIO_DEVICE_RESET) == 0, "somebody else resets the device");
	close(fd);
	if (t->model->reset_clears)
		check(*(volatile uint32_t *)((volatile uint8_t *)address + t->model->reg) !=
			      expected(t->model),
		      "a raw pointer reads the post-reset value and never knows");
	check(vfiosafe_mark_lost(t->dev, "reset behind us") == 0, "it is marked");
	check(vfiosafe_end(&sec) == -EIO, "the open section ends with EIO");
	check(vfiosafe_read32(&t->view, t->model->reg, &value) == -EIO &&
		      vfiosafe_device_state(t->dev) == VFIOSAFE_FAULT,
	      "the device is in FAULT");
	check(vfiosafe_recover(t->dev, NULL) == 0, "it recovers");
	check(vfiosafe_device_generation(t->dev) == generation + 1 &&
		      vfiosafe_bar_address(t->bar) == address &&
		      reg_is(t, expected(t->model)),
	      "LIVE, one generation on, same address, register programmed");
}

struct stuck {
	struct test *t;
	pthread_barrier_t entered, leave;
	int end;
};

static void *stuck_thread(void *arg)
{
	struct stuck *s = arg;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&s->t->view, &sec);

	pthread_barrier_wait(&s->entered);
	pthread_barrier_wait(&s->leave);
	s->end = rc < 0 ? rc : vfiosafe_end(&sec);
	return NULL;
}

static void deadline(struct test *t)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 50 };
	uint64_t generation = vfiosafe_device_generation(t->dev);
	struct stuck s = { .t = t };
	pthread_t thread;

	if (!t->model->resets)
		return;
	pthread_barrier_init(&s.entered, NULL, 2);
	pthread_barrier_init(&s.leave, NULL, 2);
	pthread_create(&thread, NULL, stuck_thread, &s);
	pthread_barrier_wait(&s.entered);
	check(vfiosafe_reset(t->dev, &opts) == -ETIMEDOUT &&
		      strstr(vfiosafe_error_text(), "thread"),
	      "a section that does not end calls the window off, and is named");
	check(vfiosafe_device_state(t->dev) == VFIOSAFE_LIVE &&
		      vfiosafe_device_generation(t->dev) == generation &&
		      reg_is(t, expected(t->model)),
	      "LIVE in the same generation, nothing lost");
	pthread_barrier_wait(&s.leave);
	pthread_join(thread, NULL);
	check(s.end == 0, "that section ends well");
}

static void child_is_refused(struct test *t)
{
	uint32_t value;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(vfiosafe_read32(&t->view, t->model->reg, &value) == -ENODEV ? 0 : 1);
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child gets ENODEV");
	check(reg_is(t, expected(t->model)), "the parent goes on");
}

static void sibling(struct test *t, const char *address)
{
	struct vfiosafe_device_opts opts = t->opts;
	struct vfiosafe_device *dev = NULL;
	int rc = vfiosafe_device_open(&dev, address, &opts);

	check(rc == -EBUSY || rc == -EPERM, "a sibling of its group is refused by itself");
	opts.iommu_of = t->dev;
	if (!check(vfiosafe_device_open(&dev, address, &opts) == 0, "but opens with iommu_of"))
		return;
	check(vfiosafe_device_close(dev, 1000) == 0, "and closes");
}

static void adopted(struct test *t)
{
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t value = 0;

	if (!check(vfiosafe_device_from_fd(&dev, vfiosafe_device_fd(t->dev), NULL) == 0,
		   "its fd can be adopted"))
		return;
	check(vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0) == 0 &&
		      vfiosafe_bar_view(bar, &view) == 0 &&
		      vfiosafe_read32(&view, t->model->reg, &value) == 0 &&
		      value == expected(t->model),
	      "and reads the same register");
	check(vfiosafe_device_close(dev, 1000) == 0, "the adopted handle closes");
}

static const struct model *find_model(const char *name)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	struct test t = { .opts.size = sizeof(t.opts) };

	if (argc < 4 || !(t.model = find_model(argv[1]))) {
		fprintf(stderr, "usage: vm_core edu|nvme|igb|e1000e ADDRESS cdev|group [SIBLING]\n");
		return 2;
	}
	t.address = argv[2];
	t.opts.door = strcmp(argv[3], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP;
	snprintf(check_prefix, sizeof(check_prefix), "%s/%s: ", argv[1], argv[3]);
	setlinebuf(stdout);
	if (!open_and_map(&t))
		return 1;
	check(vfiosafe_device_set_driver(t.dev, &ops, &t) == 0, "takes a driver");
	unmappable_bar(&t);
	refusals(&t);
	resets(&t);
	bystander(&t);
	deadline(&t);
	child_is_refused(&t);
	adopted(&t);
	if (argc > 4)
		sibling(&t, argv[4]);
	check(vfiosafe_device_close(t.dev, 1000) == 0, "closes");
	check(vfiosafe_device_open(&t.dev, t.address, &t.opts) == 0, "opens again");
	check(vfiosafe_device_close(t.dev, 1000) == 0, "closes again");
	return check_failures ? 1 : 0;
}
