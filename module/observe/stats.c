// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - the counters and their sums
 *
 * One array for each CPU and netns, so that counting is one instruction on
 * memory that no other CPU writes. A counter never goes back to 0. CurrEstab is
 * a gauge: a CPU's part may be negative, and only the sum is meaningful.
 *
 * Context: XTCP_INC() and the other macros in any; sums in process context,
 * without a lock, so that a sum may miss concurrent changes.
 */
#include "observe/stats.h"

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/string.h>

/**
 * xtcp_stats_net_init - allocate the counters of a netns, all 0
 * @net: the namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_stats_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	xn->mib = alloc_percpu_gfp(struct xtcp_mib, GFP_KERNEL_ACCOUNT);
	return xn->mib ? 0 : -ENOMEM;
}

/**
 * xtcp_stats_net_exit - free the counters of a netns
 * @net: the namespace, in which nothing counts any more
 */
void xtcp_stats_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	free_percpu(xn->mib);
	xn->mib = NULL;
}

static const char * const names[XTCP_MIB_NR] = {
#define X(symbol, name) [XTCP_MIB_##symbol] = name,
	XTCP_MIB_TCP(X)
	XTCP_MIB_EXT(X)
#undef X
};

/**
 * xtcp_stats_name - name of a counter in /proc
 * @item: counter
 *
 * Return: static string.
 */
const char *xtcp_stats_name(enum xtcp_mib_item item)
{
	return names[item];
}

/**
 * xtcp_stats_sum - sum the counters of all CPUs
 * @net: the namespace
 * @sum: result
 */
void xtcp_stats_sum(const struct net *net, struct xtcp_mib *sum)
{
	const struct xtcp_net *xn = xtcp_net(net);
	unsigned int i;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct xtcp_mib *mib = per_cpu_ptr(xn->mib, cpu);

		for (i = 0; i < XTCP_MIB_NR; i++)
			sum->item[i] += READ_ONCE(mib->item[i]);
	}
}
