// SPDX-License-Identifier: GPL-2.0
/*
 * histogram.c - how long connections stay in a state and in an accept queue
 *
 * A row of the lifecycle table that changes the state has a histogram of the time
 * that connections had been in the state before. The rows' histograms are per CPU and
 * namespace, like the counters, but large (192 bytes a row) and needed by few: they are
 * allocated when xtcp_histograms is first set to 1 and kept until the namespace ends,
 * so that counts never go back. While no namespace has it set, a static key keeps the
 * code out of the way. A listener's histogram belongs to open/acceptqueue.c.
 *
 * Root of a container may set the knob of its namespace, and each change of the key
 * patches code on all CPUs. So the key goes off a second after the last namespace.
 *
 * Context: counting in any; knob and sums in process context. Sums are read without a
 * lock and may miss concurrent changes.
 */
#include "observe/histogram.h"

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "flow.h"
#include "lifecycle.h"
#include "netns.h"

DEFINE_STATIC_KEY_DEFERRED_FALSE(xtcp_histograms_key, HZ);

/* Serialises writers of the knobs. */
static DEFINE_MUTEX(set_lock);

/**
 * xtcp_histograms_set - write the knob xtcp_histograms
 * @xn: namespace
 * @on: the value
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int xtcp_histograms_set(struct xtcp_net *xn, bool on)
{
	struct xtcp_histogram __percpu *dwelt = NULL;

	/* Without the lock: what a memory cgroup holds up must not hold up other namespaces. */
	if (on && !READ_ONCE(xn->dwelt)) {
		dwelt = __alloc_percpu_gfp(xtcp_lifecycle_histograms * sizeof(*dwelt),
					   __alignof__(*dwelt), GFP_KERNEL_ACCOUNT);
		if (!dwelt)
			return -ENOMEM;
	}
	mutex_lock(&set_lock);
	if (!xn->dwelt) {
		/* Pairs with xtcp_histograms_dwelt_sum(): it is zeroed. */
		smp_store_release(&xn->dwelt, dwelt);
		dwelt = NULL;
	}
	if (on != xn->knobs.histograms) {
		/* Pairs with xtcp_histograms_dwelt(): @dwelt is there before the knob. */
		smp_store_release(&xn->knobs.histograms, on);
		if (on)
			static_branch_deferred_inc(&xtcp_histograms_key);
		else
			static_branch_slow_dec_deferred(&xtcp_histograms_key);
	}
	mutex_unlock(&set_lock);
	free_percpu(dwelt);
	return 0;
}

/**
 * xtcp_histograms_net_exit - free the histograms of a namespace
 * @net: the namespace, whose connections and knobs are gone
 */
void xtcp_histograms_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	if (xn->knobs.histograms)
		static_branch_slow_dec_deferred(&xtcp_histograms_key);
	free_percpu(xn->dwelt);
}

/**
 * xtcp_histograms_unload - wait for the work item of the key
 */
void xtcp_histograms_unload(void)
{
	static_key_deferred_flush(&xtcp_histograms_key);
}

/**
 * xtcp_histograms_are_on - does a namespace count times
 * @net: the namespace
 *
 * Return: the knob xtcp_histograms.
 */
bool xtcp_histograms_are_on(const struct net *net)
{
	return READ_ONCE(xtcp_net(net)->knobs.histograms);
}

/**
 * xtcp_histograms_dwelt - count the time that a connection has been in its state
 * @xn: its namespace
 * @number: of the row that ends this time, from 1; 0: the row has no histogram
 * @flow: the connection, still in the state
 */
void xtcp_histograms_dwelt(const struct xtcp_net *xn, unsigned int number,
			   const struct xtcp_flow *flow)
{
	struct xtcp_histogram __percpu *row;
	u64 ms;

	/* Pairs with xtcp_histograms_set(). */
	if (!number || !smp_load_acquire(&xn->knobs.histograms))
		return;
	row = READ_ONCE(xn->dwelt) + number - 1;
	ms = xtcp_flow_age_ms(flow);
	this_cpu_inc(row->count[xtcp_histogram_bucket(ms)]);
	this_cpu_add(row->sum_ms, ms);
}

/**
 * xtcp_histograms_dwelt_sum - sum the histogram of a row over all CPUs
 * @net: the namespace
 * @number: of the row, from 1
 * @sum: filled in
 *
 * Return: false if the namespace has no histograms.
 */
bool xtcp_histograms_dwelt_sum(const struct net *net, unsigned int number,
			       struct xtcp_histogram *sum)
{
	/* Pairs with xtcp_histograms_set(). */
	struct xtcp_histogram __percpu *dwelt = smp_load_acquire(&xtcp_net(net)->dwelt);
	unsigned int i;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	if (!dwelt)
		return false;
	for_each_possible_cpu(cpu) {
		const struct xtcp_histogram *row = per_cpu_ptr(dwelt, cpu) + number - 1;

		for (i = 0; i <= XTCP_HISTOGRAM_BOUNDS; i++)
			sum->count[i] += READ_ONCE(row->count[i]);
		sum->sum_ms += READ_ONCE(row->sum_ms);
	}
	return true;
}
