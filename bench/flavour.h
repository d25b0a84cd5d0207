/* SPDX-License-Identifier: MIT */
/*
 * flavour.h - one liburcu flavour under common names. The file that
 * includes this is compiled once per flavour, with FLAVOUR=memb, bp or qsbr.
 *
 * QSBR's lock and unlock are empty; in exchange a thread has to say now and then
 * that it holds nothing. After each section is when a library could say it.
 */
#ifndef BENCH_FLAVOUR_H
#define BENCH_FLAVOUR_H

#if defined(FLAVOUR_memb)
#include <urcu/urcu-memb.h>
#define FLAVOUR memb
#elif defined(FLAVOUR_bp)
#include <urcu/urcu-bp.h>
#define FLAVOUR bp
#elif defined(FLAVOUR_qsbr)
#include <urcu/urcu-qsbr.h>
#define FLAVOUR qsbr
#else
#error "which flavour?"
#endif

#define FLAVOUR_JOIN3(a, b, c) a##b##c
#define FLAVOUR_EXPAND(a, b, c) FLAVOUR_JOIN3(a, b, c)
#define FLAVOUR_ID(prefix, suffix) FLAVOUR_EXPAND(prefix, FLAVOUR, suffix)
#define FLAVOUR_CALL(call) FLAVOUR_ID(urcu_, call)()
#define FLAVOUR_TEXT2(x) #x
#define FLAVOUR_TEXT1(x) FLAVOUR_TEXT2(x)
#define FLAVOUR_NAME FLAVOUR_TEXT1(FLAVOUR)

static inline void flavour_enter(void)
{
	FLAVOUR_CALL(_read_lock);
}

static inline void flavour_leave(void)
{
	FLAVOUR_CALL(_read_unlock);
#if defined(FLAVOUR_qsbr)
	urcu_qsbr_quiescent_state();
#endif
}

/* bp registers a thread at its first lock. */
static inline void flavour_thread_begin(void)
{
#if !defined(FLAVOUR_bp)
	FLAVOUR_CALL(_register_thread);
#endif
}

static inline void flavour_thread_end(void)
{
#if !defined(FLAVOUR_bp)
	FLAVOUR_CALL(_unregister_thread);
#endif
}

static inline void flavour_synchronize(void)
{
	FLAVOUR_CALL(_synchronize_rcu);
}

/* Before a thread sleeps, and after. */
static inline void flavour_rest(void)
{
#if defined(FLAVOUR_qsbr)
	urcu_qsbr_thread_offline();
#endif
}

static inline void flavour_wake(void)
{
#if defined(FLAVOUR_qsbr)
	urcu_qsbr_thread_online();
#endif
}

#endif
