// SPDX-License-Identifier: GPL-2.0
/*
 * orphans.c - how many sockets without a program there may be
 *
 * close/close.c counts a socket from close() to its end. It and the engine's
 * timeouts ask here whether the resources of the host allow to keep one more.
 *
 * Each CPU counts for itself. All counts are summed only near a limit, because the
 * sum costs a cache miss for each CPU, and each close() of an open connection asks.
 *
 * Context: socket lock. A sum over all CPUs may miss concurrent changes.
 */
#include "transfer/orphans.h"

#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/net.h>
#include <net/sock.h>

#include "clock.h"
#include "netns.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/rtt.h"

struct percpu_counter xtcp_orphans;

atomic_t xtcp_orphans_peak = ATOMIC_INIT(0);

int xtcp_orphans_max;

/**
 * xtcp_orphans_init - begin to count
 *
 * Return: 0 or -ENOMEM.
 */
int __init xtcp_orphans_init(void)
{
	return percpu_counter_init(&xtcp_orphans, 0, GFP_KERNEL);
}

/**
 * xtcp_orphans_exit - no socket is left
 */
void xtcp_orphans_exit(void)
{
	percpu_counter_destroy(&xtcp_orphans);
}

/**
 * xtcp_orphans_count - number of orphans, in all namespaces together
 *
 * It also counts for the peak. Context: any.
 * Return: the sum over all CPUs; it may miss concurrent changes.
 */
int xtcp_orphans_count(void)
{
	int orphans = (int)percpu_counter_sum_positive(&xtcp_orphans);

	xtcp_peak_raise(&xtcp_orphans_peak, orphans);
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

	/* Below a quarter of the limit no orphan is one too many. */
	if (likely(percpu_counter_compare(&xtcp_orphans, most >> 2) <= 0)) {
		xtcp_peak_raise(&xtcp_orphans_peak,
				(int)percpu_counter_read_positive(&xtcp_orphans));
		return false;
	}
	return xtcp_orphans_count() << (begins ? 0 : orphan_shift(sk)) > most;
}

static bool memory_is_short(const struct sock *sk)
{
	return sk->sk_wmem_queued > SOCK_MIN_SNDBUF &&
	       sk_memory_allocated(sk) > sk_prot_mem_limits(sk, 2);
}

/*
 * As in Linux the log has a line for each of the two. @begins as in orphans_exceed().
 */
static bool host_lacks_resources(const struct sock *sk, bool begins)
{
	bool too_many = orphans_exceed(sk, begins);
	bool is_short = memory_is_short(sk);

	if (likely(!too_many && !is_short))
		return false;
	if (xtcp_net_may_log(sock_net(sk))) {
		if (too_many)
			net_info_ratelimited("xtcp: too many orphans (xtcp_max_orphans)\n");
		if (is_short)
			net_info_ratelimited("xtcp: no memory for an orphan (xtcp_mem)\n");
	}
	return true;
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
	return host_lacks_resources(sk, false);
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
	return host_lacks_resources(sk, true);
}
