/* SPDX-License-Identifier: MIT */
/*
 * The reset of a device that several processes share, as a model for spin. What its
 * parts are in the library, and what it leaves out: docs/reset-protocol.md. How it is
 * run: tests/model/check, which defines
 *
 *	WINDOWS		how many windows the owner makes
 *	MAPS, CALLS	which clients there are
 *	DEVICE		MAPS maps the device's fd; else a dma-buf, which can be revoked
 *	KILL		its grant allows that a reset by force kills it
 *	FORCE		a window may have the policy force
 *	CRASH_OWNER, CRASH_MAPS, CRASH_CALLS	may be killed, at any step
 *	RUDE		MAPS may hang up and go on; LEAVE: it may close the device
 *	VETO, REFUSE	a client refuses; the kernel refuses the reset
 *	LOSS		the owner finds at any time that state was lost
 *	LATE		an answer on the calls socket may come too late
 *	EXCL		a window may be one of those in which nothing is lost
 *	UNMAP		MAPS unmaps a BAR, for which it closes its own gate
 *
 * and at most one BUG_..., each a mistake that spin has to find.
 */
#define M 0
#define C 1

/* States of the word; of a gate LIVE, QUIESCE, REINIT, FAULT and DEAD. */
#define LIVE 1
#define QUIESCE 2
#define RESETTING 3
#define REINIT 4
#define FAULT 5
#define DEAD 6

mtype = { HELLO, READY, REFUSES, BYE, WELCOME, PREPARE, STATE };
/* Of a client, in the owner's eyes. */
#define JOINED 1
#define HUNGUP 2 /* but not known to be dead, and it has a mapping */
#define LEFT 3
#define COMES 4
#define ASKED 1
#define AGREED 2
#define VETOED 3

/* A value that is not of the device, or an error. */
#define BAD 255

/* The word, in the control page: written in one store, so always in one step here. */
byte word = LIVE, gen = 1;

/* The device: the generation of its state, whatever the words say. */
byte device = 1;

/* The owner. */
bit owner = 1;	  /* it lives */
byte window = 0;  /* a window is open: 1 EXCLUSIVE, 2 any other */
byte win = 0;	  /* its number, and of the last that is over */
byte over = 0;
bit forced = 0;   /* it goes on over somebody */
bit clock = 0;	  /* its deadline may pass; else nobody is that late */
bit lost = 0;	  /* lost_mark */
bit totell = 0;   /* a window is over, or state was lost; vsf_share_tell() is to come */
bit finished = 0; /* no more windows */
byte oslot = 0;	  /* of the section in which it accesses for CALLS */
bit poison = 0;	  /* over its BARs */

/* Its list of clients. */
byte joined[2], vote[2];
byte owes_prepare[2]; /* of which window */
bit owes_state[2];

/* The clients. */
bit alive[2] = 1;
byte gate[2] = DEAD; /* until it has joined */
byte mine[2];	     /* the generation that its driver's state is of */
byte slot[2];	     /* 0; 1 in the store buffer of its CPU; 2 seen by all */
bit mapped = 1;	     /* M's mapping reaches the device */
bit inflight = 0;    /* M's load has been issued */
bit hup_client[2];   /* it closed its end */
bit hup_owner[2];    /* it was cut off */
bit killed = 0;	     /* SIGKILL is under way to M */
byte shut = 0;	     /* UNMAP: who closed M's gate. 1 the window, 2 the unmap */

/* Said of the past: only assertions read these. */
byte declared = 1; /* the newest generation that was LIVE */
bit in[2], oin;	   /* a section is open: begun well, not ended */
bit passed[2];	   /* a reset by force went over it, and it has not answered since */

#ifndef ROOM
#define ROOM 2
#endif
chan to_client[2] = [ROOM] of { mtype, byte, byte, byte }; /* window, word, generation */
chan to_owner[2] = [2] of { mtype, byte };		/* window */
chan question = [1] of { byte, byte };			/* number, generation */
chan answer = [1] of { byte, byte };			/* number, device's generation */

#define is_out(i) ((joined[i] == JOINED || joined[i] == HUNGUP) && vote[i] == ASKED)
#define looks_live(g) (word == LIVE && gen == (g))
#define still(g) ((word == LIVE || word == QUIESCE) && gen == (g))
#ifdef COARSE
#define still_or_seen(g) still(g)
#else
#define still_or_seen(g) true /* it was looked at one step before */
#endif
#define gate_still(i) (gate[i] == LIVE || gate[i] == QUIESCE)

/* (B) of lib/epoch.h. */
#ifdef BUG_NO_BARRIER
#define barrier(s) skip
#else
#define barrier(s) atomic { if :: s == 1 -> s = 2 :: else fi }
#endif

/* C1, for stores that reach the device. */
#define store_by_map(g) assert(device == (g) || (passed[M] && word != LIVE))

/* ---------------------------------------------------------------- the owner */

/* STATE carries the word of the moment in which it is sent. */
#ifdef BUG_STALE_STATE
byte told_word, told_gen;
#else
#define told_word word
#define told_gen gen
#endif

inline tell_all()
{
	owes_state[M] = (joined[M] == JOINED);
	owes_state[C] = (joined[C] == JOINED);
}

/* vsf_share_prepare(), for one client. */
inline ask(i)
{
	if
	:: joined[i] == JOINED || joined[i] == HUNGUP ->
		vote[i] = ASKED; owes_state[i] = 0;
		owes_prepare[i] = (joined[i] == JOINED -> win : 0)
	:: else
	fi
}

/* vsf_share_force(), for one client. A revocation waits for loads that are under way. */
inline pass_over(i)
{
	if
	:: is_out(i) && i == C -> hup_owner[C] = 1; joined[C] = LEFT; passed[C] = 1
#ifdef DEVICE
	:: is_out(i) && i == M -> passed[M] = 1;
#ifdef KILL
		killed = 1
#endif
#else
	:: is_out(i) && i == M -> passed[M] = 1; mapped = 0; hup_owner[M] = 1; joined[M] = LEFT
#endif
	:: else
	fi
}

/* C4: nobody who may reach the device is in a section; who is was passed over. */
#define left_alone(i) \
	(in[i] && alive[i] && !passed[i] && (joined[i] == JOINED || joined[i] == HUNGUP))
#define c4_holds \
	(!left_alone(M) && !left_alone(C) && !(in[M] && alive[M] && mapped && !passed[M]) && \
	 !(oin && !poison))

#define straggles(i) (i == M && passed[M] && vote[M] == ASKED && alive[M] && mapped)

#ifdef BUG_VOTE_IGNORED
#define all_agree 1
#else
#define all_agree (!is_out(M) && !is_out(C))
#endif
#define refused ((joined[M] == JOINED && vote[M] == VETOED) || \
		 (joined[C] == JOINED && vote[C] == VETOED))

/* The thread that leads the windows. */
active proctype leader()
{
	byte n = 0;
	bit force = 0, from_fault = 0;
	{
	do
	:: atomic {
		if
		:: n == WINDOWS -> finished = 1; break
		:: n < WINDOWS -> n++
		fi;
		/* vsf_run_start(): the run and the word in one step, under dev->lock. */
		if
#ifdef EXCL
		:: word == LIVE -> window = 1; word = QUIESCE; goto unchanged
#endif
#ifdef FORCE
		:: force = 1
#endif
		:: force = 0
		fi;
		if :: clock = 1
#ifndef RUDE
		   :: clock = 0
#endif
		fi;
		window = 2; win++; lost = 0; from_fault = (word == FAULT);
#ifndef BUG_WORD_AFTER_PREPARE
		if :: word == LIVE -> word = QUIESCE :: else fi
#endif
	}
	barrier(oslot);
	atomic { ask(M); ask(C) }
#ifdef BUG_WORD_AFTER_PREPARE
	/* vsf_share_votes() comes first, as late as it can be. */
	atomic { all_agree || clock;
	if :: word == LIVE -> word = QUIESCE :: else fi }
#endif
	/* poll_drain() */
	if
	:: atomic { all_agree && oslot != 2 && !(refused && !force) -> skip }
	:: atomic { refused && !force -> goto called_off }
	:: atomic { clock && (is_out(M) || is_out(C) || oslot == 2) ->
		if
		:: !force -> goto called_off
		:: else
		fi }
		atomic { !inflight -> pass_over(M); pass_over(C); forced = 1 }
	fi;
	/* The owner's quiesce callback; vsf_run_commit() */
	atomic { word = RESETTING; lost = 0; poison = poison || forced }
	if
	:: atomic { assert(c4_holds); device = gen + 1 }
#ifdef REFUSE
	:: atomic { !forced && !from_fault -> goto called_off }
#endif
	fi;
	atomic { word = REINIT; gen = gen + 1 }
#ifdef BUG_LIVE_BEFORE_READY
	atomic { word = LIVE; totell = 1 }
#endif
	/* poll_stragglers() */
	if
#ifndef BUG_STRAGGLER_FORGOTTEN
	:: atomic { oslot != 2 && !straggles(M) -> skip }
	:: atomic { forced && clock && (oslot == 2 || straggles(M)) -> word = FAULT; goto done }
#else
	:: skip
#endif
	fi;
	/* vsf_run_finish(): BARs back, the reinit callback, LIVE */
	atomic {
		poison = 0;
		if
		:: lost -> word = FAULT
		:: else -> word = LIVE; declared = gen
		fi
	}
	goto done;
called_off:
	atomic {
		if
		:: !lost && !from_fault -> word = LIVE
		:: else -> word = FAULT
		fi;
		goto done
	}
unchanged:
	/* Of EXCLUSIVE: only the owner's own sections are waited for. */
	barrier(oslot);
	atomic { oslot != 2 -> if :: word == QUIESCE && !lost -> word = LIVE
				  :: else -> word = FAULT fi };
done:	/* vsf_run_over() */
	atomic { over = (window == 2 -> win : over); window = 0; forced = 0; force = 0; from_fault = 0; totell = 1;
#ifdef BUG_STALE_STATE
		told_word = word; told_gen = gen
#endif
	}
	od
	} unless { atomic { !owner -> n = 0; force = 0; from_fault = 0 } }
}

/* A vote counts for the window that is open, from a client that was asked in it. */
#ifdef BUG_OLD_VOTE_COUNTS
#define is_current(i, w) (window == 2 && vote[i] == ASKED)
#else
#define is_current(i, w) \
	(window == 2 && vote[i] == ASKED && !owes_prepare[i] && (w) == win)
#endif

/* One message of a client, or one thing that it is owed. */
#define serve(i) \
	:: atomic { joined[i] == 0 && to_owner[i] ? [HELLO, _] && window != 2 -> \
		to_owner[i] ? HELLO, _; welcome(i) } \
	:: atomic { joined[i] == JOINED && to_owner[i] ? [READY, _] -> \
		to_owner[i] ? READY, w; \
		if :: is_current(i, w) -> vote[i] = AGREED; passed[i] = 0 :: else fi; w = 0 } \
	:: atomic { joined[i] == JOINED && to_owner[i] ? [REFUSES, _] -> \
		to_owner[i] ? REFUSES, w; \
		if :: is_current(i, w) -> vote[i] = VETOED; passed[i] = 0 :: else fi; w = 0 } \
	:: atomic { joined[i] == JOINED && to_owner[i] ? [BYE, _] -> \
		to_owner[i] ? BYE, _; good_bye(i) } \
	:: atomic { joined[i] == JOINED && owes_prepare[i] && nfull(to_client[i]) -> \
		to_client[i] ! PREPARE, owes_prepare[i], 0, 0; owes_prepare[i] = 0 } \
	:: atomic { joined[i] == JOINED && owes_state[i] && nfull(to_client[i]) -> \
		to_client[i] ! STATE, over, told_word, told_gen; owes_state[i] = 0 }

/* HELLO: JOINED is marked before the word is read. */
inline welcome(i)
{
#ifdef BUG_JOINER_NOT_ASKED
	to_client[i] ! WELCOME, 0, word, gen; joined[i] = COMES
#else
	joined[i] = JOINED; to_client[i] ! WELCOME, 0, word, gen
#endif
}

inline good_bye(i)
{
#ifndef BUG_BYE_IGNORED
	joined[i] = LEFT
#else
	skip
#endif
}

/* vsf_share_dispatch() */
active proctype owner_agent()
{
	byte w;
	{
end:	do
	serve(M)
	serve(C)
#ifdef BUG_JOINER_NOT_ASKED
	:: atomic { joined[M] == COMES -> joined[M] = JOINED }
#endif
	:: atomic { totell -> totell = 0; tell_all();
		if :: window != 2 -> owes_prepare[M] = 0; owes_prepare[C] = 0 :: else fi }
	/* Death, and hang-ups. */
#ifndef BUG_DEATH_NOT_COUNTED
	:: atomic { (joined[M] == JOINED || joined[M] == HUNGUP) && !alive[M] -> joined[M] = LEFT }
#endif
	:: atomic { joined[C] == JOINED && hup_client[C] -> joined[C] = LEFT }
	:: atomic { joined[M] == JOINED && alive[M] && hup_client[M] && len(to_owner[M]) == 0 ->
#ifdef BUG_HANGUP_IS_DEATH
		joined[M] = LEFT
#else
		joined[M] = HUNGUP
#endif
	}
	od
	} unless { atomic { !owner -> w = 0 } }
}

#ifdef CALLS
/*
 * Carries out what CALLS asks for: in a section of the owner's, without a lock. The
 * generation is compared when the slot is set.
 */
active proctype owner_access()
{
	byte id, g, value;
	{
end:	do
	:: atomic { joined[C] != LEFT && len(question) > 0 -> question ? id, g; oslot = 1 }
		if
#ifdef BUG_CALL_NOT_COMPARED
		:: atomic { word == LIVE -> oin = 1 }
#else
		:: atomic { looks_live(g) -> oin = 1 }
#endif
			atomic {
				if
				:: poison -> value = BAD
				:: else -> value = device; assert(device == g)
				fi
			}
		:: atomic { else -> value = BAD }
		fi;
		atomic {
			if :: !still(g) -> value = BAD :: else fi;
			oslot = 0; oin = 0
		}
endsend:	atomic { answer ! id, value; id = 0; g = 0; value = 0 }
	od
	} unless { atomic { !owner -> id = 0; g = 0; value = 0 } }
}
#endif

#ifdef LOSS
/* vsf_device_fault(), on any thread, once. */
active proctype loss()
{
	if
	:: atomic { owner ->
		if
		:: word == LIVE -> word = FAULT; totell = 1
		:: word == QUIESCE -> word = FAULT; lost = 1
		:: word == RESETTING || word == REINIT -> lost = 1
		:: else
		fi }
	:: finished || !owner
	fi
}
#endif

/* --------------------------------------------------------------- the clients */


/* The agent of a client: lib/join.c, join_window.c. */
proctype agent(byte i)
{
	byte w, s, g, drains = 0;
#ifdef BUG_COMPARES_WITH_PREPARE
	byte last = 0;
#endif
	{
	if
	:: atomic { owner && nfull(to_owner[i]) -> to_owner[i] ! HELLO, 0 }
	:: !owner -> goto end
	fi;
	if
	:: atomic { to_client[i] ? WELCOME, _, s, g ->
		if
		:: s == LIVE -> mine[i] = g; gate[i] = LIVE
		:: else -> mine[i] = 0; gate[i] = QUIESCE; shut = (i == M -> 1 : shut)
		fi; s = 0; g = 0 }
	:: !owner -> goto end
	fi;
endloop: do
	:: atomic { to_client[i] ? PREPARE, w, _, _ ->
		drains = w; w = 0;
#ifdef BUG_COMPARES_WITH_PREPARE
		last = gen;
#endif
		if :: gate[i] == LIVE || gate[i] == QUIESCE -> gate[i] = QUIESCE
		   :: else fi;
		if :: i == M -> shut = shut | 1 :: else fi }
		barrier(slot[i])
	/* vsf_drained(), polled; then the quiesce callback. */
#ifdef BUG_READY_BEFORE_DRAINED
	:: atomic { drains -> goto quiesced }
#else
	:: atomic { drains && slot[i] != 2 -> goto quiesced }
#endif
	:: atomic { to_client[i] ? STATE, w, s, g ->
#ifdef BUG_ANY_STATE_ENDS_DRAIN
		drains = 0;
#else
		if :: w >= drains -> drains = 0 :: else fi;
#endif
		w = 0;
#ifndef BUG_STALE_STATE
		/* It says that there is something to see: where, says the page. */
		s = word; g = gen;
#endif
		if
		:: s == LIVE && gate[i] == QUIESCE && !drains -> s = 0; goto reopen
		/* After a SIGBUS: it was cut off, and will hear of it. */
		:: else -> s = 0; g = 0
		fi }
	:: atomic { !owner || hup_owner[i] || hup_client[i] ->
		gate[i] = DEAD; drains = 0; goto end }
#ifdef LEAVE
	:: atomic { i == M -> gate[i] = DEAD; drains = 0; goto leave }
#endif
	od;

quiesced:
	/* A store in the callback, in the state in which it was let through. */
	if
	:: atomic { i == M && word == QUIESCE && gen == mine[M] }
		atomic { if :: mapped -> store_by_map(mine[M]) :: else fi }
	:: atomic { else }
	fi;
	if
	:: atomic { owner && nfull(to_owner[i]) -> to_owner[i] ! READY, drains; drains = 0; goto endloop }
#ifdef VETO
	:: atomic { owner && nfull(to_owner[i]) && word == QUIESCE -> to_owner[i] ! REFUSES, drains; drains = 0; goto endloop }
#endif
	:: atomic { !owner || hup_owner[i] || hup_client[i] -> drains = 0; goto endloop }
	fi;

reopen:	/* The word is LIVE, in generation g. */
	slot[i] != 2;
	if
	/* Called off, for this client. */
#ifdef BUG_COMPARES_WITH_PREPARE
	:: atomic { mine[i] != g && last == g -> g = 0; goto open }
#endif
	:: atomic { mine[i] == g || mine[i] == 0 -> mine[i] = g; g = 0; goto open }
	:: atomic { mine[i] != g && mine[i] != 0 && !looks_live(g) -> g = 0; goto endloop }
	:: atomic { mine[i] != g && mine[i] != 0 && looks_live(g) && gate[i] != QUIESCE -> g = 0; goto endloop }
	:: atomic { mine[i] != g && mine[i] != 0 && looks_live(g) && gate[i] == QUIESCE -> gate[i] = REINIT }
#ifdef BUG_GATE_BEFORE_REINIT
		gate[i] = LIVE;
#endif
		/* The reinit callback, also if a window opens meanwhile: that waits for it. */
		if
		:: atomic { still(g) }
			atomic { if :: i == M && mapped -> store_by_map(g) :: else fi }
			atomic { mine[i] = g; g = 0; goto open }
		/* It failed because the device went away: another STATE will come. */
		:: atomic { !still(g) -> g = 0;
#ifdef BUG_REINIT_FAILS_FOR_GOOD
			gate[i] = FAULT; goto endloop
#else
			gate[i] = QUIESCE; goto endloop
#endif
			}
		fi
	fi;
open:	atomic {
		if
		:: gate[i] == FAULT
		:: gate[i] != FAULT && i == M -> shut = shut & 2; gate[M] = (shut -> QUIESCE : LIVE)
		:: gate[i] != FAULT && i == C -> gate[i] = LIVE
		fi;
		goto endloop
	}
leave:
#ifdef LEAVE
	/* vfiosafe_device_close() */
	barrier(slot[i]);
	atomic { slot[i] != 2 -> mapped = 0 }
	if
	:: atomic { owner && nfull(to_owner[i]) -> to_owner[i] ! BYE, 0 }
	:: !owner || hup_owner[i]
	fi;
	hup_client[i] = 1;
#endif
end:	skip
	} unless { atomic { !alive[i] -> w = 0; s = 0; g = 0; drains = 0 } }
}

#ifdef MAPS
/* A thread of the client that maps: sections of one access, with views old and new. */
active proctype data_maps()
{
	byte view = 0, seen = 0, value = 0;
	{
endl:	do
#ifdef COARSE
	:: atomic { word == LIVE && gate[M] == LIVE && view != gen -> view = gen }
#else
	:: atomic { word == LIVE && gate[M] != DEAD && view != gen -> seen = gen }
		atomic { if :: gate[M] == LIVE -> view = seen :: else fi; seen = 0 }
#endif
	:: atomic { view && gate[M] != DEAD -> slot[M] = 1 }
		if
		:: atomic { !looks_live(view) -> slot[M] = 0 }
#ifdef COARSE
		:: atomic { looks_live(view) && gate[M] == LIVE -> in[M] = 1; goto access }
		:: atomic { looks_live(view) && gate[M] != LIVE -> slot[M] = 0 }
#else
		:: atomic { looks_live(view) -> skip }
			if
			:: atomic { gate[M] != LIVE -> slot[M] = 0 }
			:: atomic { gate[M] == LIVE -> in[M] = 1; goto access }
			fi
#endif
		fi
	:: atomic { finished || !owner -> break }
	od;
	goto end;
access:
	if
	:: atomic { mapped -> assert(mine[M] == view && declared >= view || passed[M]);
		value = device; inflight = 1 }
		atomic { inflight = 0; if :: value != device -> value = BAD :: else fi }
	:: atomic { mapped -> assert(mine[M] == view && declared >= view || passed[M]);
		store_by_map(view); value = device }
	/* It was revoked: SIGBUS, whose handler closes the gate. */
#ifdef BUG_FAULT_ONLY_IF_LIVE
	:: atomic { !mapped -> value = BAD; gate[M] = (gate[M] == LIVE -> FAULT : gate[M]) }
#else
	:: atomic { !mapped -> value = BAD; gate[M] = (gate[M] != DEAD -> FAULT : DEAD) }
#endif
	fi;
#ifdef BUG_NO_SECOND_LOOK
	atomic { assert(value == view); value = 0; in[M] = 0; slot[M] = 0 }
	goto endl;
#endif
	/* vfiosafe_end(): C1, if it says that all is well. */
#ifndef COARSE
	if
	:: atomic { !still(view) -> value = 0; in[M] = 0; slot[M] = 0; goto endl }
	:: atomic { still(view) -> skip }
	fi;
#endif
	atomic {
		if
		:: gate_still(M) && still_or_seen(view) -> assert(value == view)
		:: else
		fi;
		value = 0; in[M] = 0; slot[M] = 0; goto endl
	}
end:	view = 0
	} unless { atomic { !alive[M] -> view = 0; seen = 0; value = 0 } }
}
#endif

#ifdef CALLS
/*
 * A thread of the client that has its accesses carried out by the owner. Its looks at
 * word and gate are one step: MAPS has them apart.
 */
active proctype data_calls()
{
	byte view = 0, value = 0, id = 0, other = 0;
	{
endl:	do
	:: atomic { word == LIVE && gate[C] == LIVE && view != gen -> view = gen }
	:: atomic { view && gate[C] != DEAD -> slot[C] = 1 }
		if
		:: atomic { looks_live(view) && gate[C] == LIVE -> in[C] = 1; goto access }
		:: atomic { else -> slot[C] = 0 }
		fi
	:: atomic { finished || !owner -> break }
	od;
	goto end;
access:
	if
	:: atomic { nfull(question) && !hup_owner[C] ->
		assert(mine[C] == view && declared >= view);
#ifdef LATE
		id = (id + 1) % 3;
#endif
		question ! id, view }
	:: atomic { !owner || hup_owner[C] || hup_client[C] -> value = BAD; goto look }
#ifdef LATE
	:: atomic { value = BAD; goto look }
#endif
	fi;
	do
	:: atomic { answer ? other, value ->
		if
#ifdef BUG_ANSWER_NOT_NUMBERED
		:: other = 0; break
#else
		:: other == id -> other = 0; break
		:: other != id -> other = 0; value = 0
#endif
		fi }
	:: atomic { !owner || hup_owner[C] || hup_client[C] -> value = BAD; break }
#ifdef LATE
	:: atomic { value = BAD; break }
#endif
	od;
look:	atomic {
		if
		:: value != BAD && still(view) && gate_still(C) -> assert(value == view)
		:: else
		fi;
		value = 0; in[C] = 0; slot[C] = 0; goto endl
	}
end:	view = 0
	} unless { atomic { !alive[C] -> view = 0; value = 0; id = 0; other = 0 } }
}
#endif

#ifdef UNMAP
/* vfiosafe_bar_unmap() on a thread of MAPS: keeps its own process out, for a moment. */
active proctype unmap()
{
	{
	if
	:: atomic { gate[M] == LIVE || gate[M] == QUIESCE -> gate[M] = QUIESCE; shut = shut | 2 }
		barrier(slot[M]);
		atomic { slot[M] != 2 || gate[M] == DEAD -> shut = shut & 1;
#ifdef BUG_UNMAP_OPENS_GATE
			if :: gate[M] == QUIESCE -> gate[M] = LIVE :: else fi
#else
			if :: gate[M] == QUIESCE && !shut -> gate[M] = LIVE :: else fi
#endif
		}
	:: atomic { finished || !owner }
	fi
	} unless { !alive[M] }
}
#endif

/* ------------------------------------------------------------------- deaths */

inline kill(i)
{
	alive[i] = 0; slot[i] = 0; in[i] = 0; hup_client[i] = 1; gate[i] = DEAD; mine[i] = 0;
	do :: len(to_client[i]) > 0 -> to_client[i] ? _, _, _, _ :: else -> break od;
	if :: i == M -> inflight = 0; mapped = 0; shut = 0; killed = 0 :: else fi
}

/* What only it knew is forgotten, so that there are fewer states. */
inline kill_owner()
{
	owner = 0; oslot = 0; oin = 0; totell = 0; poison = 0; window = 0; win = 0; over = 0;
	forced = 0; clock = 0; lost = 0; finished = 0;
	vote[M] = 0; vote[C] = 0; owes_prepare[M] = 0; owes_prepare[C] = 0;
	owes_state[M] = 0; owes_state[C] = 0;
	do :: len(to_owner[M]) > 0 -> to_owner[M] ? _, _ :: else -> break od;
	do :: len(to_owner[C]) > 0 -> to_owner[C] ? _, _ :: else -> break od
}

/* Who is killed, and when: at any step, or never. */
active proctype killer()
{
	do
#ifdef CRASH_MAPS
	:: atomic { alive[M] -> kill(M) }
#endif
#ifdef CRASH_CALLS
	:: atomic { alive[C] -> kill(C) }
#endif
#ifdef CRASH_OWNER
	:: atomic { owner -> kill_owner() }
#endif
#ifdef RUDE
	:: atomic { alive[M] && !hup_client[M] && joined[M] -> hup_client[M] = 1 }
#endif
	:: break
	od
}

/* What the kernel does by and by. */
active proctype kernel()
{
end:	do
	:: atomic { killed && alive[M] -> kill(M) }
	/*
	 * The owner's fds are closed. A device that nobody holds is reset; a dma-buf is
	 * revoked first, which waits for loads that are under way.
	 */
#ifndef DEVICE
	:: atomic { !owner && device && !inflight -> mapped = 0; device = 0 }
#else
	:: atomic { !owner && device && !alive[M] -> device = 0 }
#endif
	od
}

/* Nothing moves any more: all is as it should be, or somebody waits for ever. */
#define is_member(i) (alive[i] && joined[i] == JOINED && !hup_client[i])
#define is_back(i) (!is_member(i) || word != LIVE || gate[i] == LIVE && mine[i] == gen)
#define knows(i) (!alive[i] || gate[i] == DEAD)

active proctype end_of_it()
{
	timeout ->
	assert(!owner || finished && window == 0);
	assert(!owner || is_back(M) && is_back(C));
	assert(owner || knows(M) && knows(C))
}

init
{
	atomic {
#ifdef MAPS
		run agent(M);
#else
		alive[M] = 0; mapped = 0;
#endif
#ifdef CALLS
		run agent(C)
#else
		alive[C] = 0
#endif
	}
}
