/* SPDX-License-Identifier: MIT */
/* Resets that clients ask for: made here, in steps, by whoever dispatches. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "share_parts.h"
#include "window.h"

/* Between two looks at those whose reset another window makes, for each of their fds. */
#define FOLLOW_NS 1000

#define TIMEOUT_MS 10000
/* No client keeps the others out for longer. */
#define TIMEOUT_MAX_MS 60000

bool vsf_client_in_turn(struct vsf_client *client)
{
	int64_t now = vsf_now(client->share->dev->sys);

	if (now < client->next_ask)
		return false;
	client->next_ask = now + client->interval;
	return true;
}

/* With this thread's text, if @result is not 0. */
static void done(struct vsf_client *client, int result)
{
	struct vsf_asked *asked = &client->asked;

	cds_list_del_init(&client->asking);
	if (client->state == VSF_CLIENT_OVER)
		vsf_client_untidy(client);
	asked->done = true;
	asked->result = result;
	if (result < 0)
		snprintf(asked->text, sizeof(asked->text), "%.95s", vfiosafe_error_text());
}

static int send_answer(struct vsf_client *client, uint64_t id, int result, const char *text)
{
	struct vsf_msg msg = { .type = VSF_MSG_ANSWER, .id = id, .result = result };

	snprintf(msg.text, sizeof(msg.text), "%.95s", text);
	return vsf_client_send(client, client->sock, &msg, NULL, 0);
}

int vsf_client_answer(struct vsf_client *client)
{
	struct vsf_asked *asked = &client->asked;
	int rc = asked->done ? send_answer(client, asked->id, asked->result, asked->text) : 0;

	if (rc == 0 && asked->done)
		memset(asked, 0, sizeof(*asked));
	return rc;
}

int vsf_share_ask(struct vsf_client *client, const struct vsf_msg *msg)
{
	struct vsf_asked *asked = &client->asked;
	int64_t wait = client->next_ask - vsf_now(client->share->dev->sys);

	if (client->state != VSF_CLIENT_JOINED)
		return vsf_fail(EPROTO, "an ASK before it was welcomed");
	if (asked->kind)
		return send_answer(client, msg->id, -EBUSY, "the last one is not answered yet") <
				       0
			       ? vsf_fail(EPROTO, "it asks, and does not read the answers")
			       : 0;
	asked->kind = (enum vsf_ask)msg->kind;
	asked->id = msg->id;
	asked->ms = msg->ms ? msg->ms : TIMEOUT_MS;
	if (asked->ms > TIMEOUT_MAX_MS)
		asked->ms = TIMEOUT_MAX_MS;
	if (!(client->rights & VFIOSAFE_GRANT_RESET))
		done(client, vsf_fail(EPERM, "the grant does not allow to ask for resets"));
	else if (!vsf_client_in_turn(client))
		done(client, vsf_fail(EBUSY, "the grant allows the next reset in %lld ms",
				      (long long)(wait / 1000000 + 1)));
	if (asked->done)
		return 0;
	cds_list_add_tail(&client->asking, &client->share->asking);
	/* Who reads this may be a call that waits for votes, and the dispatcher asleep. */
	vsf_share_wake(client->share, vsf_now(client->share->dev->sys));
	return 0;
}

static int begin(struct vsf_client *client)
{
	struct vsf_asked *asked = &client->asked;
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = asked->ms };
	struct vsf_wish wish = { .kind = asked->kind == VSF_ASK_RECOVER ? VSF_KIND_RECOVER
									: VSF_KIND_RESET };

	return vsf_window_begin(&asked->win, client->share->dev, &opts, wish,
				"a reset for a client");
}

/* True: over, with *@result. */
static bool step(struct vsf_client *client, int *result)
{
	struct vsf_asked *asked = &client->asked;

	if (!asked->win) {
		*result = begin(client);
		if (*result < 0) {
			*result = *result == -EALREADY ? 0 : *result;
			return true;
		}
	}
	if (!vsf_window_step(asked->win, result))
		return false;
	vsf_window_free(asked->win);
	asked->win = NULL;
	return true;
}

/* Who joined the window of another has nothing to do before that is over. */
static void place(struct vsf_client *client)
{
	struct vsf_share *share = client->share;
	int64_t at = vsf_now(share->dev->sys) + FOLLOW_NS * (int64_t)share->fds;

	if (client->asked.win->leads) {
		cds_list_move(&client->asking, &share->asking);
		return;
	}
	cds_list_move(&client->asking, &share->following);
	if (at < share->follow_at)
		share->follow_at = at;
}

/*
 * Of each in @list; with the lock, but not over the step. Meanwhile nobody is freed, or
 * taken off the list, but here; whoever comes is put at its end. To its head go those that
 * stay in it.
 */
static void step_each(struct cds_list_head *list)
{
	struct vsf_client *client, *next;

	cds_list_for_each_entry_safe(client, next, list, asking) {
		pthread_mutex_t *lock = &client->share->lock;
		int result;
		bool over;

		pthread_mutex_unlock(lock);
		over = step(client, &result);
		pthread_mutex_lock(lock);
		if (over) {
			done(client, result);
			vsf_client_flush(client);
		} else {
			place(client);
		}
	}
}

void vsf_share_drive(struct vsf_share *share)
{
	pthread_mutex_lock(&share->lock);
	step_each(&share->asking);
	if (share->follow_at <= vsf_now(share->dev->sys)) {
		share->follow_at = VFIOSAFE_FOREVER;
		step_each(&share->following);
	}
	pthread_mutex_unlock(&share->lock);
	vsf_clients_reap(share);
}

/* The device is GONE, and nobody dispatches. */
static void drop_each(struct cds_list_head *list)
{
	struct vsf_client *client, *next;

	cds_list_for_each_entry_safe(client, next, list, asking) {
		pthread_mutex_t *lock = &client->share->lock;
		struct vfiosafe_window *win = client->asked.win;

		client->asked.win = NULL;
		pthread_mutex_unlock(lock);
		vsf_window_free(win);
		pthread_mutex_lock(lock);
		done(client, vsf_state_error(0, 0));
	}
}

void vsf_share_drop(struct vsf_share *share)
{
	pthread_mutex_lock(&share->lock);
	drop_each(&share->asking);
	drop_each(&share->following);
	pthread_mutex_unlock(&share->lock);
}
