/* SPDX-License-Identifier: MIT */
/*
 * Clients around a window of the owner.
 *
 *      leader                               client
 *      word = QUIESCE, published  (1)       PREPARE read           (a)
 *      PREPARE sent               (2)       gate closed            (b)
 *      own sections have ended    (3)       sections have ended    (c)
 *      READY of all are there     (4)       READY sent             (d)
 *      commit                     (5)
 *
 * (2) comes after (1), so a client that has read PREPARE sees the word, and whoever opens
 * a section there after (b) turns back. (4) comes after each (d), which comes after (c).
 * Under share->lock a client is either JOINED before (2), and asked, or it waits for its
 * welcome until the window is over. Whoever says nothing is in the way until the deadline;
 * whoever has died has agreed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "share.h"
#include "share_parts.h"
#include "window.h"

static uint32_t cause_of(const struct vsf_run *run)
{
	if (!vsf_kind_resets(run->wish.kind))
		return VFIOSAFE_CAUSE_POWER;
	return run->from_fault ? VFIOSAFE_CAUSE_RECOVER : VFIOSAFE_CAUSE_RESET;
}

void vsf_share_prepare(struct vsf_run *run)
{
	struct vsf_share *share = vsf_share_of(run->dev);
	struct vsf_client *client;

	if (!share || run->wish.kind == VSF_KIND_EXCLUSIVE || vsf_words_forked(run->dev->words))
		return;
	pthread_mutex_lock(&share->lock);
	share->window = run->id;
	share->deadline = run->deadline;
	share->cause = cause_of(run);
	share->flags = run->from_fault ? VSF_PREPARE_RECOVER : 0;
	share->veto[0] = '\0';
	share->force = run->force;
	cds_list_for_each_entry(client, &share->clients, all) {
		/* Of a device that is parked they have agreed to keep out. */
		bool ask = !run->from_parked && (client->state == VSF_CLIENT_JOINED ||
						 client->state == VSF_CLIENT_LEFT);

		client->vote = ask ? VSF_VOTE_ASKED : VSF_VOTE_NONE;
		client->owes_prepare = ask && client->state == VSF_CLIENT_JOINED;
		/* They are told where the device stands when this one is over. */
		if (client->owes_prepare)
			client->owes_state = false;
		vsf_client_flush(client);
	}
	pthread_mutex_unlock(&share->lock);
	vsf_clients_reap(share);
}

/*
 * An access that the owner carries out for it keeps the reset from the device, also when
 * the client has ended since.
 */
static bool agrees(const struct vsf_client *client)
{
	return client->calls_open == 0 &&
	       (client->state == VSF_CLIENT_OVER || client->vote != VSF_VOTE_ASKED);
}

/*
 * Who is in the way; NULL: nobody. Asked after each message: the list is a ring, and its
 * head is moved to before who was found, where the next look begins. So n clients that
 * agree one after the other cost two rounds, not n.
 */
static const struct vsf_client *in_the_way(struct vsf_share *share)
{
	struct vsf_client *client;

	cds_list_for_each_entry(client, &share->clients, all) {
		if (agrees(client))
			continue;
		cds_list_del(&share->clients);
		cds_list_add_tail(&share->clients, &client->all);
		return client;
	}
	return NULL;
}

static struct vsf_share *share_of_run(const struct vsf_run *run)
{
	return vsf_words_forked(run->dev->words) ? NULL : vsf_share_of(run->dev);
}

/* With the lock. */
static int count_votes(struct vsf_share *share, const struct vsf_run *run)
{
	/* Shared since it began: its clients have the window's word from the first. */
	if (share->window != run->id)
		return 0;
	if (share->veto[0])
		return vsf_fail(ECANCELED, "%s", share->veto);
	return in_the_way(share) ? -EAGAIN : 0;
}

int vsf_share_votes(struct vsf_run *run)
{
	struct vsf_share *share = share_of_run(run);
	int rc;

	if (!share)
		return 0;
	pthread_mutex_lock(&share->lock);
	vsf_clients_read(share);
	rc = count_votes(share, run);
	pthread_mutex_unlock(&share->lock);
	vsf_clients_reap(share);
	return rc;
}

int vsf_share_stragglers(struct vsf_run *run)
{
	return vsf_share_votes(run);
}

static const char *what_it_did(const struct vsf_client *client)
{
	/* Whatever it owes: only that can keep a window from going on without it. */
	if (client->state == VSF_CLIENT_OVER)
		return "has ended, and has an access under way";
	if (client->state == VSF_CLIENT_LEFT)
		return "has left without giving its mapping of the device back, and has not "
		       "ended";
	if (client->killed)
		return "was killed, and has not ended";
	if (client->owes_prepare)
		return "does not read its socket";
	if (client->vote == VSF_VOTE_ASKED)
		return "did not answer by the deadline";
	return "has an access under way";
}

int vsf_share_refuse(struct vsf_run *run, int err)
{
	struct vsf_share *share = share_of_run(run);
	const struct vsf_client *client;
	char name[64];
	int rc = 0;

	if (!share)
		return 0;
	pthread_mutex_lock(&share->lock);
	client = share->window == run->id ? in_the_way(share) : NULL;
	if (client)
		rc = vsf_fail(err, "%s: %s %s", run->dev->address,
			      vsf_client_name(client, name, sizeof(name)),
			      what_it_did(client));
	pthread_mutex_unlock(&share->lock);
	return rc;
}

/* Only its end takes the device out of its memory. */
static void kill_client(struct vsf_client *client)
{
	if (!(client->rights & VFIOSAFE_GRANT_KILL) || client->pidfd < 0)
		return;
	client->killed = vsf_sys(client->share->dev->sys, kill, client->pidfd) == 0;
}

void vsf_share_force(struct vsf_run *run)
{
	struct vsf_share *share = share_of_run(run);
	struct vsf_client *client;

	if (!share)
		return;
	pthread_mutex_lock(&share->lock);
	cds_list_for_each_entry(client, &share->clients, all) {
		if (share->window != run->id || client->vote != VSF_VOTE_ASKED)
			continue;
		if (client->may_map)
			kill_client(client);
		else
			vsf_client_cut(client, -ETIMEDOUT, "it did not answer, and a reset by "
							   "force went on without it");
	}
	pthread_mutex_unlock(&share->lock);
	vsf_clients_reap(share);
}

/* The clients' turn to look; those that came meanwhile are let in. */
static void tell_all(struct vsf_share *share)
{
	struct vsf_client *client;

	cds_list_for_each_entry(client, &share->clients, all) {
		client->vote = VSF_VOTE_NONE;
		client->owes_prepare = false;
		/* WELCOME says it too, and is the first that a client is told. */
		if (client->state == VSF_CLIENT_JOINED && client->greeted > 0)
			client->owes_state = true;
		if (client->state == VSF_CLIENT_WAITING)
			client->state = VSF_CLIENT_JOINED;
		vsf_client_flush(client);
	}
}

void vsf_share_over(struct vfiosafe_device *dev, uint64_t window, int result)
{
	struct vsf_share *share = vsf_words_forked(dev->words) ? NULL : vsf_share_of(dev);

	if (!share)
		return;
	pthread_mutex_lock(&share->lock);
	if (share->window == window) {
		share->window = 0;
		share->last_window = window;
		share->last_result = result;
	}
	if (!cds_list_empty(&share->following)) {
		share->follow_at = vsf_now(dev->sys);
		vsf_share_wake(share, share->follow_at);
	}
	/* Has the next begun? Then they are asked already, and told at its end. */
	if (share->window == 0)
		tell_all(share);
	/* Should that fail: a successor adds to what it finds. */
	(void)vsf_ledger_generation(dev->sys, &share->ledger,
				    vsf_word_generation(vsf_device_word(dev)));
	pthread_mutex_unlock(&share->lock);
	vsf_clients_reap(share);
}

void vsf_share_tell(struct vfiosafe_device *dev)
{
	vsf_share_over(dev, UINT64_MAX, 0);
}

static void note_veto(struct vsf_client *client, const struct vsf_msg *msg)
{
	struct vsf_share *share = client->share;
	char name[64];

	if (share->veto[0])
		return;
	snprintf(share->veto, sizeof(share->veto), "%s: %s vetoed: %s (%s)",
		 share->dev->address, vsf_client_name(client, name, sizeof(name)),
		 msg->text[0] ? msg->text : "no reason given", strerror(-msg->result));
}

int vsf_share_vote(struct vsf_client *client, const struct vsf_msg *msg)
{
	const struct vsf_share *share = client->share;

	if (client->open_questions == 0 || msg->window > client->last_question ||
	    msg->window == 0)
		return vsf_fail(EPROTO, "a %s for a window that it was not asked about",
				vsf_wire_name(msg->type));
	client->open_questions--;
	/* Of a window that is over: it was late. */
	if (msg->window != share->window || client->vote != VSF_VOTE_ASKED)
		return 0;
	/* It has left the device all the same: by force its no does not count. */
	if (msg->type == VSF_MSG_VETO && !share->force)
		note_veto(client, msg);
	else
		client->vote = VSF_VOTE_READY;
	return 0;
}
