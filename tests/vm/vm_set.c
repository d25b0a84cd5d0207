/* SPDX-License-Identifier: MIT */
/*
 * Hot resets of sets on a real kernel.
 *
 *      vm_set pair cdev|group ROUNDS FIRST SECOND   two functions of one bus
 *      vm_set slow cdev|group FUNCTION              behind a link that stays down
 */
#include "set_rig.h"

#define SYSFS "/sys/bus/pci/devices/"

static const char *first, *second;

static bool put(const char *address, const char *file, const char *text)
{
	char path[128];
	bool good;
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s/%s", address, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

static unsigned long count_wrong(void)
{
	unsigned long wrong = 0;

	for (unsigned int i = 0; i < 4; i++)
		wrong += cards[i / 2].wrong[i % 2];
	return wrong;
}

static void print_readers(unsigned int rounds)
{
	unsigned long reads = 0, wrong = count_wrong(), errors = 0;

	for (unsigned int i = 0; i < 4; i++) {
		reads += cards[i / 2].reads[i % 2];
		errors += cards[i / 2].errors[i % 2];
	}
	printf("# %lu reads, %lu wrong, %lu errors; %u hot resets, %u EBUSY\n", reads, wrong,
	       errors, hot_resets, hot_busy);
	check(wrong == 0, "delivers no wrong value over %u hot resets by %s", rounds,
	      door_name());
	check(errors == 0, "tells readers nothing but that they have to wait");
}

static void storm(struct vfiosafe_set *set, unsigned int rounds)
{
	uint64_t generation = vfiosafe_device_generation(cards[1].dev);
	unsigned int good = 0;

	hot_resets = hot_busy = 0;
	start_readers();
	for (unsigned int i = 0; i < rounds; i++) {
		let_them_read();
		if (vfiosafe_set_reset(set, NULL) == 0)
			good++;
		else
			print_members(set);
	}
	end_readers();
	print_readers(rounds);
	check(good == rounds && hot_resets == rounds, "makes %u of %u hot resets", good,
	      rounds);
	check(hot_busy == 0, "has drained its own readers: no EBUSY");
	check(cards[0].reinits >= rounds && cards[1].reinits >= rounds &&
		      vfiosafe_device_generation(cards[1].dev) == generation + rounds,
	      "programs both functions anew each time");
	check(cards[0].cleared >= rounds && cards[1].cleared >= rounds,
	      "finds the register of both lost each time");
}

/* Readers that never say "wrong" would prove nothing. */
static void behind_the_library(struct vfiosafe_set *set)
{
	unsigned int tries = 0;
	int rc;

	start_readers();
	let_them_read();
	__atomic_store_n(&hold_preads, true, __ATOMIC_RELAXED);
	do
		rc = ioctl(vfiosafe_device_fd(cards[0].dev), VFIO_DEVICE_PCI_HOT_RESET,
			   hot_arg);
	while (rc < 0 && ++tries < 10000);
	__atomic_store_n(&hold_preads, false, __ATOMIC_RELAXED);
	let_them_read();
	end_readers();
	printf("# %lu wrong values after it, refused %u times\n", count_wrong(), tries);
	check(rc == 0 && count_wrong() > 0, "sees wrong values after a reset made by hand");
	check(vfiosafe_mark_lost(cards[0].dev, "a reset by hand") == 0 &&
		      vfiosafe_mark_lost(cards[1].dev, "a reset by hand") == 0 &&
		      vfiosafe_set_reset(set, NULL) == 0 && both_are(VFIOSAFE_LIVE) &&
		      card_value(&cards[0]) == cards[0].value,
	      "is recovered as a set");
}

/* A program of which the library knows nothing, on a fd that it inherited. */
static pid_t foreign_reader(int fd)
{
	pid_t pid = fork();
	uint32_t value;

	if (pid != 0)
		return pid;
	for (;;)
		(void)!pread(fd, &value, sizeof(value), RAL0);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void beside_foreign_preads(struct vfiosafe_set *set, unsigned int rounds)
{
	pid_t pid = foreign_reader(vfiosafe_device_fd(cards[1].dev));
	unsigned int good = 0;

	hot_busy = 0;
	for (unsigned int i = 0; i < rounds; i++)
		good += vfiosafe_set_reset(set, NULL) == 0;
	end(pid);
	printf("# %u EBUSY in %u hot resets\n", hot_busy, rounds);
	check(good == rounds, "makes %u of %u hot resets beside preads of another process",
	      good, rounds);
}

static int veto(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	return -EPERM;
}

static void called_off(struct vfiosafe_set *set)
{
	struct vfiosafe_driver_ops ops = card_ops;
	uint64_t before = vfiosafe_device_generation(cards[0].dev);

	ops.quiesce = veto;
	hot_resets = 0;
	check(vfiosafe_device_set_driver(cards[1].dev, &ops, &cards[1]) == 0 &&
		      vfiosafe_set_reset(set, NULL) == -ECANCELED,
	      "is called off by a veto of the second");
	print_members(set);
	check(both_are(VFIOSAFE_LIVE) && hot_resets == 0 && cards[0].resumes == 1 &&
		      vfiosafe_device_generation(cards[0].dev) == before &&
		      card_value(&cards[0]) == cards[0].value &&
		      card_value(&cards[1]) == cards[1].value,
	      "is as it was then, both functions");
	check(vfiosafe_device_set_driver(cards[1].dev, &card_ops, &cards[1]) == 0,
	      "has its driver again");
}

static void falls_back(void)
{
	struct vfiosafe_reset_opts may = { .size = sizeof(may), .allow_hot = true };
	unsigned int reinits = cards[1].reinits;

	check(put(first, "reset_method", "\n"), "loses the methods of the first");
	check(vfiosafe_reset(cards[0].dev, NULL) == -EOPNOTSUPP, "is refused a reset");
	check(vfiosafe_reset(cards[0].dev, &may) == 0 && both_are(VFIOSAFE_LIVE) &&
		      vfiosafe_reset_method(cards[0].dev) == VFIOSAFE_METHOD_HOT &&
		      cards[1].reinits == reinits + 1,
	      "is hot-reset where its caller allows that");
	check(put(first, "reset_method", "default"), "gets the methods back");
	check(vfiosafe_reset(cards[0].dev, &may) == 0 &&
		      vfiosafe_reset_method(cards[0].dev) == VFIOSAFE_METHOD_FUNCTION &&
		      cards[1].reinits == reinits + 1,
	      "is reset by itself again");
}

/* Refused with these words, both by what makes a set and by what resets it. */
static void refused(struct vfiosafe_set *set, const char *what, const char *word,
		    const char *other)
{
	struct vfiosafe_set *anew = NULL;
	bool said;
	int rc = set ? vfiosafe_set_reset(set, NULL) : vfiosafe_set_of(&anew, cards[0].dev);

	said = strstr(vfiosafe_error_text(), word) && strstr(vfiosafe_error_text(), other);
	printf("# %s\n", vfiosafe_error_text());
	check(rc == -EBUSY && said && vfiosafe_device_state(cards[0].dev) == VFIOSAFE_LIVE &&
		      card_value(&cards[0]) == cards[0].value,
	      "is refused, and names it: %s", what);
	vfiosafe_set_free(anew);
}

static void sibling_elsewhere(struct vfiosafe_set *set)
{
	char command[96];

	vfiosafe_set_free(set);
	card_close(1);
	refused(NULL, "a sibling that is not open", second, "opts.iommu_of");
	check(put(second, "driver/unbind", second), "unbinds the sibling");
	refused(NULL, "a sibling without a driver", second, "driver_override");
	snprintf(command, sizeof(command), "vm-bind %s", second);
	check(system(command) == 0, "binds it again");
}

/* Both opened by us; the child keeps the second when we close it. */
static void held_outside(struct vfiosafe_set *set)
{
	char who[48];
	pid_t pid;

	vfiosafe_set_free(set);
	pid = foreign_reader(vfiosafe_device_fd(cards[1].dev));
	card_close(1);
	snprintf(who, sizeof(who), "process %d (vm_set)", (int)pid);
	refused(NULL, "a sibling that another process holds", second, who);
	end(pid);
}

static struct vfiosafe_set *open_pair(void)
{
	struct vfiosafe_set *set = NULL;

	snprintf(check_prefix, sizeof(check_prefix), "e1000e set by %s ", door_name());
	if (!card_open(0, first) || !card_open(1, second))
		return NULL;
	check(vfiosafe_set_of(&set, cards[0].dev) == 0 &&
		      strcmp(vfiosafe_set_members(set)->address, first) == 0 &&
		      strcmp(vfiosafe_set_members(set)->next->address, second) == 0,
	      "is both functions");
	return set;
}

static void no_driver(struct vfiosafe_set *set)
{
	check(vfiosafe_device_set_driver(cards[1].dev, NULL, NULL) == 0, "loses a driver");
	refused(set, "a member without one", second, "reinit");
	check(vfiosafe_device_set_driver(cards[1].dev, &card_ops, &cards[1]) == 0,
	      "gets it back");
}

static void incomplete(void)
{
	struct vfiosafe_set *set = NULL;

	check(vfiosafe_set_new(&set, &cards[0].dev, 1) == -EBUSY &&
		      strstr(vfiosafe_error_text(), second),
	      "is no set without its second function");
}

static void pair(unsigned int rounds)
{
	struct vfiosafe_set *set = open_pair();

	if (!set)
		return;
	storm(set, rounds);
	behind_the_library(set);
	beside_foreign_preads(set, 20);
	called_off(set);
	falls_back();
	no_driver(set);
	incomplete();
	sibling_elsewhere(set);
	card_close(0);
	set = open_pair();
	if (!set)
		return;
	held_outside(set);
	if (card_open(1, second) && vfiosafe_set_of(&set, cards[0].dev) == 0) {
		check(vfiosafe_set_reset(set, NULL) == 0, "is reset again");
		vfiosafe_set_free(set);
	}
	card_close(1);
	card_close(0);
}

/* The kernel waits in vain for the link, which the registers did not survive. */
static void slow(const char *address)
{
	struct vfiosafe_set *set = NULL;
	int rc;

	snprintf(check_prefix, sizeof(check_prefix), "slow link by %s ", door_name());
	if (!card_open(0, address) ||
	    !check(vfiosafe_set_of(&set, cards[0].dev) == 0, "is a set of one"))
		return;
	rc = vfiosafe_set_reset(set, NULL);
	print_members(set);
	check(rc == -EIO && vfiosafe_device_state(cards[0].dev) == VFIOSAFE_FAULT &&
		      vfiosafe_device_cause(cards[0].dev) == VFIOSAFE_CAUSE_RESET_FAILED &&
		      strstr(vfiosafe_set_members(set)->text, strerror(ENOTTY)),
	      "reports the reset that failed, and is in FAULT");
	check(vfiosafe_recover(cards[0].dev, NULL) == 0 &&
		      vfiosafe_reset_method(cards[0].dev) == VFIOSAFE_METHOD_FUNCTION &&
		      cards[0].reinits == 1 && card_value(&cards[0]) == cards[0].value,
	      "is recovered by a function reset");
	vfiosafe_set_free(set);
	card_close(0);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4) {
		fprintf(stderr, "usage: vm_set pair cdev|group ROUNDS FIRST SECOND\n"
				"       vm_set slow cdev|group FUNCTION\n");
		return 2;
	}
	opts.door =
		strcmp(argv[2], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP;
	counting = *vfiosafe_sys_default();
	counting.ioctl = count_ioctl;
	opts.sys = &counting;
	if (strcmp(argv[1], "slow") == 0) {
		slow(argv[3]);
	} else if (argc == 6) {
		first = argv[4];
		second = argv[5];
		pair((unsigned int)atoi(argv[3]));
	}
	return check_failures != 0;
}
