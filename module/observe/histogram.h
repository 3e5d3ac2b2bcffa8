/* SPDX-License-Identifier: GPL-2.0 */
/*
 * histogram.h - how long connections stay in a state and in an accept queue
 */
#ifndef XTCP_OBSERVE_HISTOGRAM_H
#define XTCP_OBSERVE_HISTOGRAM_H

#include <linux/bitops.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/percpu.h>
#include <linux/types.h>

struct net;
struct xtcp_flow;
struct xtcp_net;

/*
 * Bounds 4, 8, 16, ... ms: the age of a socket's state is known in ticks, of 4 ms
 * on Debian's kernels. The last bound is 2.3 h; keepalive ends a dead peer before.
 */
#define XTCP_HISTOGRAM_BOUNDS		22
#define XTCP_HISTOGRAM_BOUND_MS(i)	(4ULL << (i))

/**
 * struct xtcp_histogram - number of times by their length
 * @count: times above the bound before and up to this one; the last is for all times
 *	above the last bound
 * @sum_ms: sum of all times
 */
struct xtcp_histogram {
	unsigned long	count[XTCP_HISTOGRAM_BOUNDS + 1];
	u64		sum_ms;
};

/* On while a namespace has xtcp_histograms 1. */
extern struct static_key_false_deferred xtcp_histograms_key;

/* Do any namespace's connections count their times? A jump that is patched. */
#define xtcp_histograms_any() static_branch_unlikely(&xtcp_histograms_key.key)

/**
 * xtcp_histogram_bucket - the bucket of a time
 * @ms: the time
 *
 * Return: index in @count of struct xtcp_histogram.
 */
static inline unsigned int xtcp_histogram_bucket(u64 ms)
{
	unsigned int above = ms ? fls64((ms - 1) / XTCP_HISTOGRAM_BOUND_MS(0)) : 0;

	return min_t(unsigned int, above, XTCP_HISTOGRAM_BOUNDS);
}

int xtcp_histograms_set(struct xtcp_net *xn, bool on);
void xtcp_histograms_net_exit(struct net *net);
void xtcp_histograms_unload(void);

bool xtcp_histograms_are_on(const struct net *net);
void xtcp_histograms_dwelt(const struct xtcp_net *xn, unsigned int number,
			   const struct xtcp_flow *flow);
bool xtcp_histograms_dwelt_sum(const struct net *net, unsigned int number,
			       struct xtcp_histogram *sum);

#endif /* XTCP_OBSERVE_HISTOGRAM_H */
