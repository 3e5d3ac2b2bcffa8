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

#include "observe/stats.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/rtt.h"

/* Counted up and down on any CPU, so the count of one CPU may be negative. */
DEFINE_PER_CPU(int, xtcp_orphans);

atomic_t xtcp_orphans_peak = ATOMIC_INIT(0);

int xtcp_orphans_max;

/*
 * Returns true if there are too many orphans to keep @sk, which is counted already.
 *
 * The limit is xtcp_max_orphans, for all namespaces together. It is half of that for
 * an orphan that has sent nothing for two maximal RTOs, and for one whose peer ICMP
 * reported as unreachable; a quarter if both are true. These orphans therefore end
 * first.
 */
static bool orphans_exceed(const struct sock *sk)
{
	int most = READ_ONCE(xtcp_orphans_max);
	unsigned int shift = 0;
	int orphans = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		orphans += READ_ONCE(per_cpu(xtcp_orphans, cpu));
	/* Below a quarter of the limit no orphan is one too many. */
	if (likely(orphans << 2 <= most)) {
		xtcp_peak_raise(&xtcp_orphans_peak, orphans);
		return false;
	}

	if (xtcp_now_ns() - xtcp_sk(sk)->last_snd_ns >
	    2ULL * xtcp_rtt_rto_max_us(xtcp_sk(sk)) * NSEC_PER_USEC)
		shift++;
	if (READ_ONCE(sk->sk_err_soft))
		shift++;
	if (orphans << shift > most)
		return true;
	xtcp_peak_raise(&xtcp_orphans_peak, orphans);
	return false;
}

/**
 * xtcp_orphans_must_end - are there too many orphans, or is too much memory in
 * use, to keep this one
 * @sk: orphan, locked
 *
 * Return: true if the orphan has to end: XTCP_ENDING_NO_MEMORY
 */
bool xtcp_orphans_must_end(const struct sock *sk)
{
	xtcp_assert_owned(sk);
	return orphans_exceed(sk) ||
	       (sk->sk_wmem_queued > SOCK_MIN_SNDBUF &&
		sk_memory_allocated(sk) > sk_prot_mem_limits(sk, 2));
}
