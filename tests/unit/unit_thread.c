/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "unit_thread.h"

static void *holder_main(void *arg)
{
	struct holder *holder = arg;
	struct vfiosafe_section sec;

	holder->tid = gettid();
	holder->begin_rc = vfiosafe_begin(holder->view, &sec);
	sem_post(&holder->in);
	sem_wait(&holder->out);
	if (holder->begin_rc == 0 && !holder->never_ends)
		holder->end_rc = vfiosafe_end(&sec);
	return NULL;
}

void hold(struct holder *holder, const struct vfiosafe_view *view)
{
	holder->view = view;
	sem_init(&holder->in, 0, 0);
	sem_init(&holder->out, 0, 0);
	assert_ok(pthread_create(&holder->thread, NULL, holder_main, holder));
	sem_wait(&holder->in);
	assert_ok(holder->begin_rc);
}

int release(struct holder *holder)
{
	sem_post(&holder->out);
	pthread_join(holder->thread, NULL);
	sem_destroy(&holder->in);
	sem_destroy(&holder->out);
	return holder->end_rc;
}

static void *runner_main(void *arg)
{
	struct runner *runner = arg;

	runner->rc = runner->fn();
	return NULL;
}

void run_beside(struct runner *runner, int (*fn)(void))
{
	runner->fn = fn;
	assert_ok(pthread_create(&runner->thread, NULL, runner_main, runner));
}

int run_ended(struct runner *runner)
{
	pthread_join(runner->thread, NULL);
	return runner->rc;
}

int on_another_thread(int (*fn)(void))
{
	struct runner runner;

	run_beside(&runner, fn);
	return run_ended(&runner);
}

unsigned int times_called(enum fake_call call)
{
	unsigned int n;

	pthread_mutex_lock(&bench.k.lock);
	n = bench.k.count[call];
	pthread_mutex_unlock(&bench.k.lock);
	return n;
}
