/* SPDX-License-Identifier: MIT */
/*
 * A physical function of igb and one of its virtual functions on a real kernel.
 *
 *      vm_sriov cdev|group ROUNDS PF VF
 */
#include "set_rig.h"

static const uint8_t secret[16] = { 0xc0, 0xff, 0xee };
static const char *pf, *vf;

static bool open_both(void)
{
	snprintf(check_prefix, sizeof(check_prefix), "igb with VFs by %s ", door_name());
	if (!card_open(0, pf))
		return false;
	check(vfiosafe_vf_token_set(cards[0].dev, secret) == 0, "takes a VF token");
	opts.iommu_of = cards[0].dev;
	check(vfiosafe_device_open(&cards[1].dev, vf, &opts) == -EACCES &&
		      strstr(vfiosafe_error_text(), "vfiosafe_vf_token_set()"),
	      "opens no virtual function without it");
	opts.vf_token = secret;
	return card_open_at(1, vf, VTEITR0, 0x1230);
}

static void no_hot_reset(void)
{
	struct vfiosafe_set *set = NULL;
	int rc = vfiosafe_set_of(&set, cards[0].dev);

	printf("# %s\n", vfiosafe_error_text());
	check(rc == -EBUSY && strstr(vfiosafe_error_text(), "sriov_numvfs"),
	      "is refused a hot reset, and says why");
	vfiosafe_set_free(set);
}

static unsigned long count(size_t member)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < 4; i++) {
		const unsigned long *of_card =
			(const unsigned long *)((const char *)&cards[i / 2] + member);

		sum += of_card[i % 2];
	}
	return sum;
}

static void storm(unsigned int rounds)
{
	uint64_t generation = vfiosafe_device_generation(cards[1].dev);
	unsigned int good = 0;

	start_readers();
	for (unsigned int i = 0; i < rounds; i++) {
		let_them_read();
		if (vfiosafe_reset(cards[0].dev, NULL) == 0)
			good++;
		else
			printf("# %s\n", vfiosafe_error_text());
	}
	end_readers();
	printf("# %lu reads, %lu wrong, %lu errors\n",
	       count(offsetof(struct card, reads)), count(offsetof(struct card, wrong)),
	       count(offsetof(struct card, errors)));
	check(good == rounds, "is reset %u of %u times", good, rounds);
	check(count(offsetof(struct card, wrong)) == 0,
	      "delivers no wrong value of either");
	check(count(offsetof(struct card, errors)) == 0, "tells readers only to wait");
	/* QEMU's reset of the PF takes the VF away for a while, and keeps its registers.
	 */
	check(cards[1].reinits >= rounds &&
		      vfiosafe_device_generation(cards[1].dev) == generation + rounds,
	      "programs the virtual function anew each time");
}

/* What the virtual function's user sees if nobody tells him. */
static void behind_the_library(void)
{
	int rc;

	start_readers();
	let_them_read();
	rc = ioctl(vfiosafe_device_fd(cards[0].dev), VFIO_DEVICE_RESET);
	let_them_read();
	end_readers();
	printf("# %lu wrong values of the virtual function after a reset by hand\n",
	       cards[1].wrong[0] + cards[1].wrong[1]);
	check(rc == 0 && cards[1].wrong[0] + cards[1].wrong[1] > 0,
	      "gives wrong values after a reset made by hand");
	check(vfiosafe_mark_lost(cards[0].dev, "a reset by hand") == 0 &&
		      vfiosafe_mark_lost(cards[1].dev, "a reset by hand") == 0 &&
		      vfiosafe_recover(cards[0].dev, NULL) == 0 &&
		      both_are(VFIOSAFE_LIVE) && card_value(&cards[1]) == cards[1].value,
	      "is recovered with its virtual function");
}

/* A reset of the virtual function alone is no matter of the physical one's. */
static void vf_alone(void)
{
	unsigned int before = cards[0].reinits;

	check(vfiosafe_reset(cards[1].dev, NULL) == 0 && cards[0].reinits == before &&
		      card_value(&cards[1]) == cards[1].value,
	      "resets the virtual function alone");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 5) {
		fprintf(stderr, "usage: vm_sriov cdev|group ROUNDS PF VF\n");
		return 2;
	}
	opts.door =
		strcmp(argv[1], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP;
	counting = *vfiosafe_sys_default();
	counting.ioctl = count_ioctl;
	opts.sys = &counting;
	pf = argv[3];
	vf = argv[4];
	if (open_both()) {
		no_hot_reset();
		storm((unsigned int)atoi(argv[2]));
		behind_the_library();
		vf_alone();
	}
	card_close(1);
	card_close(0);
	return check_failures != 0;
}
