/* SPDX-License-Identifier: GPL-2.0 */
/* algorithms.h - the congestion controls that exist, built in or in modules */
#ifndef XTCP_TRANSFER_ALGORITHMS_H
#define XTCP_TRANSFER_ALGORITHMS_H

#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/module.h>
#include <linux/types.h>
#include <linux/xtcp_congestion.h>

struct net;
struct xtcp_net;

#define XTCP_CONGESTION_LIST_MAX	2048	/* bytes: all names in one line; as in Linux */

extern const struct xtcp_congestion_ops xtcp_reno;
extern const struct xtcp_congestion_ops xtcp_cubic;

/*
 * An algorithm is registered that does more than grow(), rtt() and ssthresh(): only then
 * segments pay for looking at flags of their connection's algorithm.
 */
DECLARE_STATIC_KEY_FALSE(xtcp_algorithms_extended);

void xtcp_algorithms_load(void);

/* Names and knobs. */
void xtcp_algorithms_list(char *line, bool allowed_only);
int xtcp_algorithms_allow_only(const char *names);
void xtcp_algorithms_autoload(const char *name);
int xtcp_algorithms_default_set(struct xtcp_net *xn, const char *name);
void xtcp_algorithms_default_name(struct xtcp_net *xn, char *name);
void xtcp_algorithms_net_init(struct net *net);
void xtcp_algorithms_net_exit(struct net *net);

/* With a reference. */
int xtcp_algorithms_get(const char *name,
			const struct xtcp_congestion_ops *current_ops,
			bool privileged, const struct xtcp_congestion_ops **ops);
const struct xtcp_congestion_ops *xtcp_algorithms_get_key(u32 key);
const struct xtcp_congestion_ops *xtcp_algorithms_get_default(const struct net *net);

/**
 * xtcp_algorithms_hold - take a reference for a socket or a namespace
 * @ops: algorithm, found in this RCU read-side section
 *
 * Those that are built in have no owner: a socket holds xtcp itself anyway.
 *
 * Return: true if a reference was taken; false if the module is being unloaded
 */
static inline bool xtcp_algorithms_hold(const struct xtcp_congestion_ops *ops)
{
	return likely(!ops->owner) || try_module_get(ops->owner);
}

/**
 * xtcp_algorithms_put - drop a reference
 * @ops: algorithm; after the next grace period it may be gone
 */
static inline void xtcp_algorithms_put(const struct xtcp_congestion_ops *ops)
{
	if (unlikely(ops->owner))
		module_put(ops->owner);
}

#endif /* XTCP_TRANSFER_ALGORITHMS_H */
