/* SPDX-License-Identifier: MIT */
/*
 * Plans of real devices, each beside what the kernel then does: a plan that says
 * "possible" is followed by a reset that works, one that names a block by one that
 * is refused, and its remedy is run as it is printed.
 *
 *      vm_plan cdev|group EDU NVME IGB E1000E E1000E_SIBLING
 */
#include "plan_rig.h"

/* BAR 0 of nvme: INTMS only ever sets bits, and a reset clears them. */
static bool register_keeps(bool store)
{
	off_t at = ((off_t)VFIO_PCI_BAR0_REGION_INDEX << 40) + 0x0c;
	int fd = vfiosafe_device_fd(dev);
	uint32_t value = 1;

	if (store && pwrite(fd, &value, 4, at) != 4)
		return false;
	value = 0;
	return pread(fd, &value, 4, at) == 4 && value == 1;
}

static void a_function_with_a_reset_of_its_own(const char *nvme)
{
	if (!open_device("nvme", nvme))
		return;
	check(register_keeps(true), "holds a value");
	if (!ask(VFIOSAFE_METHOD_AUTO))
		return;
	check(plan->method == VFIOSAFE_METHOD_FUNCTION && plan->possible &&
		      strncmp(plan->methods, "flr", 3) == 0 && plan->function_count == 1 &&
		      strcmp(plan->functions->address, nvme) == 0 &&
		      strcmp(plan->functions->driver, "vfio-pci") == 0 &&
		      plan->functions->owner == VFIOSAFE_OWNER_THIS &&
		      plan->functions->holders == 0,
	      "is reset alone, by flr, and is ours");
	check(plan->unknown[0] == '\0', "leaves nothing unknown");
	ask(VFIOSAFE_METHOD_HOT);
	check(register_keeps(false) && vfiosafe_device_generation(dev) == 1,
	      "was not touched by its plans");
	check(vfiosafe_reset(dev, NULL) == 0 && !register_keeps(false), "is reset");
	close_device();
}

static void methods_taken_away(const char *nvme)
{
	if (!open_device("nvme without methods", nvme))
		return;
	check(register_keeps(true) && put(nvme, "reset_method", "\n"),
	      "holds a value, and loses its methods");
	ask(VFIOSAFE_METHOD_FUNCTION);
	check(blocked_by(VFIOSAFE_BLOCK_NO_METHOD) && plan->function_reset &&
		      plan->methods_known,
	      "is said to have lost them");
	check(vfiosafe_reset(dev, NULL) == -EOPNOTSUPP &&
		      vfiosafe_device_state(dev) == VFIOSAFE_LIVE &&
		      vfiosafe_device_generation(dev) == 1 && register_keeps(false),
	      "is refused a reset beforehand, and goes on as it was");
	check(ioctl(vfiosafe_device_fd(dev), VFIO_DEVICE_RESET) < 0 && errno == ENOTTY,
	      "is not reset by the kernel either");
	if (plan->blocks)
		check(system(plan->blocks->remedy) == 0, "gets them back by the remedy");
	ask(VFIOSAFE_METHOD_FUNCTION);
	check(plan->possible && vfiosafe_reset(dev, NULL) == 0, "is reset again");
	close_device();
}

static void asleep(const char *igb)
{
	int64_t deadline = now_us() + 10000000;
	char status[32];

	if (!open_device("igb asleep", igb))
		return;
	check(vfiosafe_low_power_enter(dev, false, NULL) == 0, "goes to sleep");
	do
		runtime_status(igb, status, sizeof(status));
	while (strcmp(status, "suspended") != 0 && now_us() < deadline);
	check(strcmp(status, "suspended") == 0, "sleeps (runtime status: %s)", status);
	ask(VFIOSAFE_METHOD_AUTO);
	check(plan->method == VFIOSAFE_METHOD_FUNCTION && plan->possible, "can be reset");
	ask(VFIOSAFE_METHOD_HOT);
	check(blocked_by(VFIOSAFE_BLOCK_UNKNOWN),
	      "is not asked what a hot reset would hit");
	runtime_status(igb, status, sizeof(status));
	check(strcmp(status, "suspended") == 0, "sleeps on (runtime status: %s)", status);
	check(vfiosafe_low_power_exit(dev, NULL) == 0, "wakes up");
	ask(VFIOSAFE_METHOD_HOT);
	check(plan->possible, "is asked when it is awake");
	close_device();
}

static void nothing_resets_it(const char *edu)
{
	if (!open_device("edu", edu))
		return;
	ask(VFIOSAFE_METHOD_AUTO);
	check(plan->method == VFIOSAFE_METHOD_NONE &&
		      blocked_by(VFIOSAFE_BLOCK_NO_METHOD),
	      "has no reset of any kind");
	ask(VFIOSAFE_METHOD_HOT);
	check(blocked_by(VFIOSAFE_BLOCK_NO_METHOD) && hot_reset() == -ENODEV,
	      "has no hot reset on the root bus, and the kernel says so too");
	check(vfiosafe_reset(dev, NULL) == -EOPNOTSUPP, "is refused a reset");
	printf("# %s\n", vfiosafe_error_text());
	close_device();
}

static void functions_of_one_bus(const char *first, const char *second)
{
	if (!open_device("e1000e", first))
		return;
	ask(VFIOSAFE_METHOD_AUTO);
	check(plan->method == VFIOSAFE_METHOD_FUNCTION && plan->function_count == 1,
	      "can be reset alone");
	ask(VFIOSAFE_METHOD_HOT);
	check(plan->function_count == 2 && function(second) &&
		      function(second)->role == VFIOSAFE_ROLE_SIBLING &&
		      function(second)->owner == VFIOSAFE_OWNER_OURS &&
		      function(second)->group == plan->functions->group,
	      "shares a hot reset with a function of its group, which is ours");
	check(plan->possible && hot_reset() == 0, "is hot-reset, as its plan says");
	check(put(second, "driver/unbind", second), "loses its sibling's driver");
	ask(VFIOSAFE_METHOD_HOT);
	check(blocked_by(VFIOSAFE_BLOCK_DRIVER) &&
		      plan->blocks->function == function(second) &&
		      function(second)->owner == VFIOSAFE_OWNER_UNBOUND,
	      "is blocked by a sibling without a driver");
	check(hot_reset() == -EINVAL, "is not hot-reset by the kernel then");
	if (plan->blocks)
		check(system(plan->blocks->remedy) == 0, "gets it back by the remedy");
	ask(VFIOSAFE_METHOD_HOT);
	check(plan->possible && hot_reset() == 0, "is hot-reset again");
	close_device();
}

static void a_second_process_with_our_device(const char *nvme)
{
	const struct vfiosafe_plan_function *self;
	pid_t pid;

	if (!open_device("nvme in two processes", nvme))
		return;
	pid = holder(NULL, vfiosafe_device_fd(dev));
	if (!check(pid > 0, "is inherited by a child, without its group"))
		return;
	ask(VFIOSAFE_METHOD_AUTO);
	self = plan->functions;
	check(self->owner == VFIOSAFE_OWNER_THIS && self->holders == 1 &&
		      self->pid == pid && strcmp(self->comm, "vm_plan") == 0,
	      "is ours, and open in the child");
	end(pid);
	ask(VFIOSAFE_METHOD_AUTO);
	check(plan->functions->holders == 0, "is ours alone when the child is gone");
	close_device();
}

static void an_adopted_fd(const char *nvme)
{
	struct vfiosafe_device *owner;

	if (!open_device("adopted nvme", nvme))
		return;
	owner = dev;
	check(vfiosafe_device_from_fd(&dev, vfiosafe_device_fd(owner), NULL) == 0,
	      "is adopted without an address");
	ask(VFIOSAFE_METHOD_AUTO);
	check(strcmp(plan->address, nvme) == 0 && strncmp(plan->methods, "flr", 3) == 0,
	      "is named by the kernel");
	close_device();
	dev = owner;
	close_device();
}

/* The first virtual function, by its group or its node. */
static void held_by_another_process(const char *path)
{
	const struct vfiosafe_plan_function *vf = plan->functions->next;
	pid_t pid = holder(path, -1);
	char address[24];

	snprintf(address, sizeof(address), "%s", vf->address);
	if (!check(pid > 0, "has its first VF open in another process"))
		return;
	ask(VFIOSAFE_METHOD_FUNCTION);
	vf = function(address);
	check(vf && vf->owner == VFIOSAFE_OWNER_PROCESS && vf->pid == pid &&
		      strcmp(vf->comm, "vm_plan") == 0 && plan->functions->holders == 0,
	      "shows which process that is");
	end(pid);
}

static void virtual_functions(void)
{
	const struct vfiosafe_plan_function *vf = plan->functions->next;
	char path[64], node[64];
	bool has_node;

	if (!check(plan->method == VFIOSAFE_METHOD_FUNCTION && plan->possible &&
			   plan->function_count == 3 && vf->role == VFIOSAFE_ROLE_VF &&
			   vf->owner == VFIOSAFE_OWNER_FREE &&
			   strcmp(vf->driver, "vfio-pci") == 0 && vf->group >= 0 &&
			   vf->group != plan->functions->group,
		   "takes both down with a function reset"))
		return;
	snprintf(path, sizeof(path), "/dev/vfio/%d", vf->group);
	has_node = node_of(vf->address, node, sizeof(node));
	held_by_another_process(path);
	if (has_node)
		held_by_another_process(node);
}

static void a_physical_function(const char *igb)
{
	if (!open_device("igb", igb))
		return;
	ask(VFIOSAFE_METHOD_HOT);
	check(plan->possible && plan->function_count == 1 && hot_reset() == 0,
	      "is alone on its bus, and hot-reset");
	check(put(igb, "sriov_numvfs", "2"), "enables two virtual functions");
	ask(VFIOSAFE_METHOD_AUTO);
	virtual_functions();
	ask(VFIOSAFE_METHOD_HOT);
	check(blocked_by(VFIOSAFE_BLOCK_VFS) && hot_reset() == -EINVAL,
	      "is refused a hot reset, by its plan and by the kernel");
	check(put(igb, "sriov_numvfs", "0"), "disables them");
	ask(VFIOSAFE_METHOD_HOT);
	check(plan->possible && plan->function_count == 1 && hot_reset() == 0,
	      "is hot-reset again");
	close_device();
}

static bool is_released(void)
{
	struct pollfd p = { .fd = vfiosafe_event_fd(dev), .events = POLLIN };
	struct vfiosafe_event event;

	while (poll(&p, 1, 10000) == 1)
		if (vfiosafe_event_read(dev, &event, 1, sizeof(event)) == 1 &&
		    event.type == VFIOSAFE_EVENT_RELEASE)
			return true;
	return false;
}

static void a_device_that_is_wanted_back(const char *nvme)
{
	char command[64];
	int status = 1;
	pid_t pid;

	if (!open_device("nvme wanted back", nvme))
		return;
	pid = fork();
	if (pid == 0) {
		close_all_but(-1, -1);
		_exit(put(nvme, "driver/unbind", nvme) ? 0 : 1);
	}
	check(pid > 0 && is_released(), "is told so");
	ask(VFIOSAFE_METHOD_AUTO);
	check(blocked_by(VFIOSAFE_BLOCK_RELEASE) && vfiosafe_reset(dev, NULL) == -EBUSY,
	      "is not reset any more");
	close_device();
	check(waitpid(pid, &status, 0) == pid && status == 0, "is given back by a close");
	snprintf(command, sizeof(command), "vm-bind %s", nvme);
	check(system(command) == 0, "is bound again");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 7) {
		fprintf(stderr,
			"usage: vm_plan cdev|group EDU NVME IGB E1000E SIBLING\n");
		return 2;
	}
	opts.door =
		strcmp(argv[1], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP;
	nothing_resets_it(argv[2]);
	a_function_with_a_reset_of_its_own(argv[3]);
	methods_taken_away(argv[3]);
	a_second_process_with_our_device(argv[3]);
	an_adopted_fd(argv[3]);
	a_device_that_is_wanted_back(argv[3]);
	functions_of_one_bus(argv[5], argv[6]);
	a_physical_function(argv[4]);
	asleep(argv[4]);
	return check_failures != 0;
}
