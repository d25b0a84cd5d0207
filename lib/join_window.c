/* SPDX-License-Identifier: MIT */
/*
 * A window as a client sees it. The owner's messages say that there is something to be
 * looked at, and which window is meant; where the device stands is read from the word.
 */
#include <errno.h>
#include <stdio.h>

#include "epoch.h"
#include "error.h"
#include "join_inside.h"
#include "window.h"

/* Until sections have ended, or a full socket has room, look again after: */
#define LOOK_MIN_NS 50000
#define LOOK_MAX_NS 1000000

/* Acquire: with the gate that was found open before comes the generation it is open for. */
static bool is_up(const struct vfiosafe_device *dev, uint64_t word)
{
	return __atomic_load_n(&dev->join->synced, __ATOMIC_ACQUIRE) ==
	       vsf_word_generation(word);
}

int vsf_join_is_back(const struct vfiosafe_device *dev, uint64_t word)
{
	if (!dev->join || is_up(dev, word))
		return 0;
	return vsf_fail_static(EAGAIN, "the device was reset, and the driver of this process "
				       "has not been told yet: vfiosafe_agent_dispatch(), or "
				       "vfiosafe_wait()");
}

enum vfiosafe_state vsf_join_state(const struct vfiosafe_device *dev)
{
	uint64_t word = vsf_device_word(dev);
	enum vfiosafe_state state = vsf_word_state(word), gate = vsf_gate_state(dev);

	if (vsf_is_gone(dev))
		return VFIOSAFE_GONE;
	if (state != VFIOSAFE_LIVE || gate != VFIOSAFE_LIVE)
		return state != VFIOSAFE_LIVE ? state : gate;
	return is_up(dev, word) ? VFIOSAFE_LIVE : VFIOSAFE_REINIT;
}

bool vsf_join_is_busy(const struct vfiosafe_device *dev)
{
	return dev->join && __atomic_load_n(&dev->join->busy, __ATOMIC_ACQUIRE);
}

int64_t vsf_join_deadline(const struct vfiosafe_device *dev)
{
	return __atomic_load_n(&dev->join->deadline, __ATOMIC_RELAXED);
}

static void set_busy(struct vfiosafe_device *dev, bool busy)
{
	/* Under the lock of who changes the callbacks. */
	pthread_mutex_lock(&dev->lock);
	__atomic_store_n(&dev->join->busy, busy, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&dev->lock);
}

void vsf_join_close_gate(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	if (join->phase != VSF_JOIN_OPEN)
		return;
	set_busy(dev, true);
	/* One that a fault has closed stays what it is. */
	(void)vsf_gate_move(dev->words, dev->sys, VFIOSAFE_LIVE, VFIOSAFE_QUIESCE);
	join->phase = VSF_JOIN_CLOSING;
	join->barrier = false;
	join->round = 0;
}

static void look_again(struct vfiosafe_device *dev)
{
	unsigned int round = dev->join->round++;
	int64_t ns = round < 5 ? (int64_t)LOOK_MIN_NS << round : LOOK_MAX_NS;

	(void)vsf_sys(dev->sys, timer_set, dev->join->timer_fd, vsf_now(dev->sys) + ns);
}

bool vsf_join_drained(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;
	pid_t tid;

	if (join->phase != VSF_JOIN_CLOSING)
		return true;
	/* (B) of epoch.h; the word, or the gate, was changed before. */
	if (!join->barrier)
		join->barrier = vsf_epoch_barrier(dev->sys, dev->fenced) >= 0;
	if (join->barrier && vsf_drained(dev, &tid)) {
		join->phase = VSF_JOIN_CLOSED;
		return true;
	}
	look_again(dev);
	return false;
}

void vsf_join_say_closed(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	if (join->told_open)
		vsf_event_put(dev, VFIOSAFE_EVENT_WINDOW_CLOSED, join->over_result,
			      VFIOSAFE_CAUSE_NONE, 1);
	join->told_open = false;
	__atomic_store_n(&join->deadline, VFIOSAFE_FOREVER, __ATOMIC_RELAXED);
	if (join->phase == VSF_JOIN_OPEN)
		set_busy(dev, false);
}

static bool may_quiesce(const struct vfiosafe_device *dev, uint64_t word)
{
	const struct vsf_join *join = dev->join;

	return !join->recover && !join->quiesced && vsf_word_state(word) == VFIOSAFE_QUIESCE &&
	       vsf_gate_state(dev) == VFIOSAFE_QUIESCE &&
	       vsf_word_generation(word) == join->synced;
}

static void refuse(struct vsf_join *join, int rc)
{
	struct vsf_msg *answer = &join->answer;

	answer->type = VSF_MSG_VETO;
	answer->result = rc == -ETIME ? -ETIMEDOUT : rc > -4096 ? rc : -EINVAL;
	if (rc == -ETIME)
		snprintf(answer->text, sizeof(answer->text),
			 "its quiesce callback returned after the deadline");
	else
		snprintf(answer->text, sizeof(answer->text), "its quiesce callback vetoed (%d)",
			 rc);
}

/*
 * No section is open, and none begins. A word that is LIVE again says that the window is
 * over: it is not answered any more.
 */
static void answer(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;
	uint64_t word = vsf_device_word(dev);
	int rc = 0;

	if (vsf_word_state(word) == VFIOSAFE_LIVE)
		return;
	if (may_quiesce(dev, word)) {
		rc = vsf_callback_under(dev, VSF_QUIESCE, word, join->deadline);
		/* Late is late, but it has stopped the queues: resume has to run. */
		join->quiesced = rc == 0 || rc == -ETIME;
	}
	join->answer = (struct vsf_msg){ .type = VSF_MSG_READY, .window = join->asked };
	if (rc < 0)
		refuse(join, rc);
	join->answered = true;
	join->owes_answer = true;
}

/* What the socket had no room for; a failure shows as a hang-up. */
static void send_owed(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	if (join->owes_answer)
		join->owes_answer = vsf_join_send(dev, join->sock, &join->answer) == -EAGAIN;
	if (join->owes_back)
		join->owes_back = vsf_join_send(dev, join->sock, &join->back) == -EAGAIN;
	if (join->owes_answer || join->owes_back)
		look_again(dev);
}

void vsf_join_step(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	if (vsf_is_gone(dev))
		return;
	if (vsf_join_drained(dev) && join->asked && !join->answered)
		answer(dev);
	if (!join->asked && vsf_device_state(dev) == VFIOSAFE_LIVE)
		vsf_join_come_back(dev);
	else if (!join->asked)
		vsf_join_say_closed(dev);
	send_owed(dev);
}

/* The device is in FAULT: told once. */
static void say_lost(struct vfiosafe_device *dev, enum vfiosafe_cause cause)
{
	struct vsf_join *join = dev->join;
	uint64_t word = vsf_device_word(dev);

	if (vsf_word_state(word) != VFIOSAFE_FAULT || join->lost_word == word)
		return;
	join->lost_word = word;
	join->quiesced = false;
	__atomic_store_n(&dev->cause, cause, __ATOMIC_RELAXED);
	vsf_event_put(dev, VFIOSAFE_EVENT_FAULT, 0, cause, 1);
	vsf_callback_lost(dev, cause);
}

static void prepare(struct vfiosafe_device *dev, const struct vsf_msg *msg)
{
	struct vsf_join *join = dev->join;

	/* One that this client was told of is not asked about again. */
	if (msg->window <= join->window)
		return;
	join->window = join->asked = msg->window;
	join->recover = msg->flags & VSF_PREPARE_RECOVER;
	join->answered = join->owes_answer = false;
	vsf_join_close_gate(dev);
	vsf_join_say_closed(dev);
	__atomic_store_n(&join->deadline, vsf_deadline(dev->sys, msg->ms), __ATOMIC_RELAXED);
	say_lost(dev, join->cause ? join->cause : VFIOSAFE_CAUSE_MARKED);
	vsf_event_put(dev, VFIOSAFE_EVENT_WINDOW_OPENED, 0, (enum vfiosafe_cause)msg->cause, 1);
	join->told_open = true;
	join->over_result = -ECANCELED;
}

static void state(struct vfiosafe_device *dev, const struct vsf_msg *msg)
{
	struct vsf_join *join = dev->join;

	join->cause = (enum vfiosafe_cause)msg->cause;
	if (msg->window > join->window)
		join->window = msg->window;
	if (join->asked && msg->window >= join->asked) {
		join->asked = 0;
		join->owes_answer = false;
		join->over_result = msg->result;
	}
	say_lost(dev, join->cause);
	/* Those that wait for the word: nothing of this process's need have moved. */
	vsf_words_ring(dev->words, dev->sys);
	if (vsf_device_state(dev) == VFIOSAFE_GONE)
		(void)vsf_gate_end(dev->words, dev->sys, VFIOSAFE_GONE);
}

static void answered(struct vfiosafe_device *dev, const struct vsf_msg *msg)
{
	struct vsf_join_ask *ask = &dev->join->ask;

	pthread_mutex_lock(&dev->lock);
	if (ask->users > 0 && !ask->done && ask->id == msg->id) {
		ask->result = msg->result;
		vsf_join_text(ask->text, sizeof(ask->text), msg->text);
		ask->done = true;
	}
	pthread_mutex_unlock(&dev->lock);
}

void vsf_join_handle(struct vfiosafe_device *dev, const struct vsf_msg *msg)
{
	char why[128];

	switch (msg->type) {
	case VSF_MSG_PREPARE:
		prepare(dev, msg);
		break;
	case VSF_MSG_STATE:
		state(dev, msg);
		break;
	case VSF_MSG_ANSWER:
		answered(dev, msg);
		break;
	case VSF_MSG_REFUSED:
		vsf_join_cut(dev, msg->text);
		break;
	default:
		snprintf(why, sizeof(why), "it sent a %s after its welcome",
			 vsf_wire_name(msg->type));
		vsf_join_cut(dev, why);
		break;
	}
}
