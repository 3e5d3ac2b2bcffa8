// SPDX-License-Identifier: GPL-2.0
/*
 * orphans.c - how many sockets without a program there may be
 *
 * close/close.c counts a socket from close() to its end. It and the engine's
 * timeouts ask here whether the resources of the host allow to keep one more.
 *
 * Context: socket lock. A sum over all CPUs may miss concurrent changes.
 */
#include "transfer/orphans.h"

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <net/sock.h>

#include "clock.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/rtt.h"

/* Counted up and down on any CPU, so the count of one CPU may be negative. */
DEFINE_PER_CPU(int, xtcp_orphans);

atomic_t xtcp_orphans_peak = ATOMIC_INIT(0);

int xtcp_orphans_max;

/**
 * xtcp_orphans_count - number of orphans, in all namespaces together
 *
 * Context: any.
 * Return: the sum over all CPUs; it may miss concurrent changes, and be below 0 then.
 */
int xtcp_orphans_count(void)
{
	int orphans = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		orphans += READ_ONCE(per_cpu(xtcp_orphans, cpu));
	return orphans;
}

/*
 * For an orphan that has sent nothing for two maximal RTOs, or whose peer ICMP
 * reported as unreachable, the limit is half as high; if both are true, a quarter.
 * These orphans therefore end first.
 */
static unsigned int orphan_shift(const struct sock *sk)
{
	unsigned int shift = 0;

	if (xtcp_now_ns() - xtcp_sk(sk)->last_snd_ns >
	    2ULL * xtcp_rtt_rto_max_us(xtcp_sk(sk)) * NSEC_PER_USEC)
		shift++;
	if (READ_ONCE(sk->sk_err_soft))
		shift++;
	return shift;
}

/*
 * Returns true if there are too many orphans to keep @sk, which is counted already:
 * more than xtcp_max_orphans, in all namespaces together. @begins: it was closed just
 * now, and counts once.
 */
static bool orphans_exceed(const struct sock *sk, bool begins)
{
	int most = READ_ONCE(xtcp_orphans_max);
	int orphans = xtcp_orphans_count();

	/* Below a quarter of the limit no orphan is one too many. */
	if (likely(orphans << 2 <= most)) {
		xtcp_peak_raise(&xtcp_orphans_peak, orphans);
		return false;
	}

	if (orphans << (begins ? 0 : orphan_shift(sk)) > most)
		return true;
	xtcp_peak_raise(&xtcp_orphans_peak, orphans);
	return false;
}

static bool memory_is_short(const struct sock *sk)
{
	return sk->sk_wmem_queued > SOCK_MIN_SNDBUF &&
	       sk_memory_allocated(sk) > sk_prot_mem_limits(sk, 2);
}

/**
 * xtcp_orphans_must_end - are there too many orphans, or is too much memory in
 * use, to keep this one any longer
 * @sk: orphan, locked; its timeout is due
 *
 * Return: true if the orphan has to end: XTCP_ENDING_NO_MEMORY
 */
bool xtcp_orphans_must_end(const struct sock *sk)
{
	xtcp_assert_owned(sk);
	return orphans_exceed(sk, false) || memory_is_short(sk);
}

/**
 * xtcp_orphans_has_no_room - are there too many orphans, or is too much memory in
 * use, for a new one
 * @sk: orphan, locked; its program has closed it just now
 *
 * Return: true if the orphan has to end: XTCP_ENDING_NO_MEMORY
 */
bool xtcp_orphans_has_no_room(const struct sock *sk)
{
	xtcp_assert_owned(sk);
	return orphans_exceed(sk, true) || memory_is_short(sk);
}
