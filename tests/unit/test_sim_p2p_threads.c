/* SPDX-License-Identifier: MIT */
/*
 * Two simulated devices that import from each other, each with a thread that resets it
 * and one that has it write into the other one's BAR.
 */
#include "sim_p2p_rig.h"

#define ROUNDS 150
#define SLOT(n) (64 + 8 * (n)) /* in the other's memory: one word for each round */

/* A device that writes: its P2P DMA, and who may stop it. */
struct writer {
	struct side side; /* first: what callbacks get */
	struct writer *other;
	struct vfiosafe_dmabuf *buf; /* its memory, exported */
	struct vfiosafe_p2p *map;    /* the other's, imported */
	uint64_t iova;
	pthread_mutex_t lock; /* held while its DMA is under way */
	bool stopped;	      /* by p2p_stop or quiesce, until p2p_start */
	uint64_t odd;	      /* what should not have been */
};

static struct writer w[2];
static bool stop;
static uint64_t done; /* transfers */

static void stop_p2p(struct writer *writer, bool stopped)
{
	pthread_mutex_lock(&writer->lock);
	writer->stopped = stopped;
	pthread_mutex_unlock(&writer->lock);
}

/*
 * What was begun before the window ends here. Neither resume nor reinit lets it go on:
 * p2p_start does, after them.
 */
static int on_quiesce(struct vfiosafe_device *dev, void *ctx)
{
	struct writer *writer = ctx;
	uint32_t value = VFIOSAFE_SIM_DMA_START;
	int rc = 0;

	(void)dev;
	pthread_mutex_lock(&writer->lock);
	writer->stopped = true;
	while (rc == 0 && value == VFIOSAFE_SIM_DMA_START)
		rc = vfiosafe_read32(&writer->side.view, VFIOSAFE_SIM_REG_DMA, &value);
	pthread_mutex_unlock(&writer->lock);
	return rc;
}

static int on_reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct writer *writer = ctx;
	int rc;

	pthread_mutex_lock(&writer->lock);
	rc = side_reinit(dev, &writer->side);
	pthread_mutex_unlock(&writer->lock);
	return rc;
}

static int on_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	(void)dev;
	(void)map;
	stop_p2p(ctx, true);
	return 0;
}

static int on_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct writer *writer = ctx;

	(void)dev;
	if (vfiosafe_p2p_iova(map) != writer->iova)
		__atomic_add_fetch(&writer->odd, 1, __ATOMIC_RELAXED);
	stop_p2p(writer, false);
	return 0;
}

static void unexpected(struct writer *writer, int rc)
{
	fprintf(stderr, "# %s: %d, %s\n", vfiosafe_sim_address(writer->side.sim), rc,
		vfiosafe_error_text());
	__atomic_add_fetch(&writer->odd, 1, __ATOMIC_RELAXED);
}

/*
 * A word there and back. No window of the other one can come in between, since its
 * p2p_stop waits for us; one of our own may.
 */
static void one_transfer(struct writer *writer, uint32_t n)
{
	uint64_t iova = writer->iova + SLOT(n % 512);
	int rc = side_complement(&writer->side, iova);

	/* An own window came: quiesce is waiting for us. */
	if (rc == -EAGAIN || rc == -ESTALE)
		return;
	if (rc == 0)
		rc = side_complement(&writer->side, iova);
	if (rc == 0)
		__atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
	else if (rc != -EAGAIN && rc != -ESTALE)
		unexpected(writer, rc);
}

static void *write_on(void *arg)
{
	struct writer *writer = arg;

	for (uint32_t n = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++) {
		pthread_mutex_lock(&writer->lock);
		if (!writer->stopped)
			one_transfer(writer, n);
		pthread_mutex_unlock(&writer->lock);
		sched_yield();
	}
	return NULL;
}

static bool window(struct vfiosafe_device *dev, unsigned int n)
{
	int rc;

	switch (n % 4) {
	case 0:
		rc = vfiosafe_set_decode(dev, false, NULL);
		return rc == 0 && vfiosafe_set_decode(dev, true, NULL) == 0;
	case 1:
		rc = vfiosafe_set_power(dev, VFIOSAFE_D3HOT, NULL);
		return rc == 0 && vfiosafe_set_power(dev, VFIOSAFE_D0, NULL) == 0;
	default:
		return vfiosafe_reset(dev, NULL) == 0;
	}
}

/* Some, unless the other device is in a window all the time. */
static void let_transfer(void)
{
	uint64_t before = __atomic_load_n(&done, __ATOMIC_RELAXED);
	int64_t end = now_us() + 2000;

	while (__atomic_load_n(&done, __ATOMIC_RELAXED) < before + 4 && now_us() < end)
		sched_yield();
}

static void *reset_on(void *arg)
{
	struct writer *writer = arg;

	for (unsigned int n = 0; n < ROUNDS; n++)
		if (window(writer->side.dev, n))
			let_transfer();
		else
			unexpected(writer, 0);
	return NULL;
}

static void open_writer(struct writer *writer, enum vfiosafe_door door)
{
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
						 .quiesce = on_quiesce,
						 .reinit = on_reinit,
						 .p2p_stop = on_stop,
						 .p2p_start = on_start };
	const struct vfiosafe_area all = { MEM, LEN };

	memset(writer, 0, sizeof(*writer));
	pthread_mutex_init(&writer->lock, NULL);
	side_open(&writer->side, door, VFIOSAFE_SIM_ALL_KINDS, &ops);
	assert_int_equal(
		vfiosafe_dmabuf_export(&writer->buf, writer->side.bar, &all, 1, 0), 0);
}

static void run_all(void)
{
	pthread_t writers[2], resetters[2];

	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&writers[i], NULL, write_on, &w[i]), 0);
		assert_int_equal(pthread_create(&resetters[i], NULL, reset_on, &w[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(resetters[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
}

/* A word that was cut off on its way back is ones; there are no others. */
static void check_memory(struct side *side)
{
	uint64_t *want = side->want, word;

	side_renew(side);
	for (unsigned int i = SLOT(0) / 8; i < SLOT(512) / 8; i++) {
		assert_int_equal(vfiosafe_read64(&side->view, MEM + 8 * i, &word), 0);
		assert_true(word == 0 || word == UINT64_MAX);
		want[i] = word;
	}
	side_check(side);
}

static void look_at(struct writer *writer)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(writer->side.sim, &counts);
	assert_int_equal(writer->odd, 0);
	assert_int_equal(counts.dma_faults, 0);
	assert_int_equal(counts.maps_left, 0);
	assert_int_equal(vfiosafe_p2p_state(writer->map), VFIOSAFE_P2P_MAPPED);
	assert_true(vfiosafe_p2p_iova(writer->map) == writer->iova);
	check_memory(&writer->other->side);
	p2p_complement(&writer->side, &writer->other->side, writer->iova, MEM);
}

static void two_that_import_from_each_other_are_reset_at_the_same_time(void **state)
{
	enum vfiosafe_door door = (enum vfiosafe_door)(uintptr_t)*state;
	unsigned int fds = open_fds();

	done = 0;

	for (int i = 0; i < 2; i++)
		open_writer(&w[i], door);
	for (int i = 0; i < 2; i++) {
		w[i].other = &w[!i];
		assert_int_equal(vfiosafe_p2p_map(&w[i].map, w[i].side.dev, w[!i].buf,
						  NULL, &w[i].iova),
				 0);
	}
	run_all();
	assert_true(done > 0);
	printf("# %llu transfers\n", (unsigned long long)done);
	for (int i = 0; i < 2; i++)
		look_at(&w[i]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(vfiosafe_p2p_unmap(w[i].map), 0);
	for (int i = 0; i < 2; i++) {
		side_close(&w[i].side);
		pthread_mutex_destroy(&w[i].lock);
	}
	assert_int_equal(open_fds(), fds);
}

#define DOOR(test, suffix, by)                                                           \
	{                                                                                \
		.name = #test suffix, .test_func = test,                                 \
		.initial_state = (void *)(uintptr_t)(by)                                 \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DOOR(two_that_import_from_each_other_are_reset_at_the_same_time,
		     " (cdev)", VFIOSAFE_DOOR_CDEV),
		DOOR(two_that_import_from_each_other_are_reset_at_the_same_time,
		     " (group)", VFIOSAFE_DOOR_GROUP),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
