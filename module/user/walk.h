/* SPDX-License-Identifier: GPL-2.0 */
/*
 * walk.h - a walk through all listeners and connections, for /proc and sock_diag
 */
#ifndef XTCP_USER_WALK_H
#define XTCP_USER_WALK_H

#include <linux/types.h>

#include "flow.h"

#define XTCP_WALK_BATCH		16	/* flows referenced at a time */
#define XTCP_WALK_TABLES	8	/* tables that one walk may see, besides the last */

/**
 * struct xtcp_walk_mark - how far a table has been walked
 * @table: the table; of size 0 if there is none yet
 * @bucket: the buckets before it have been visited
 * @order: of @flow, within the bucket
 * @flow: the last flow of @bucket that was visited, only to compare; NULL if
 *	none
 */
struct xtcp_walk_mark {
	struct xtcp_flow_table	table;
	u32			bucket;
	u64			order;
	const struct xtcp_flow	*flow;
};

/**
 * struct xtcp_walk - a walk through all listeners and connections
 * @net: namespace
 * @listeners_only: leave out connections
 * @part: listeners, connections or the end
 * @full: @mark's bucket has more flows than the batch
 * @nr: flows in @batch
 * @at: index of the current flow
 * @nr_old: tables in @old
 * @mark: how far this table has been walked; the batch is behind it
 * @old: how far the tables before it were walked
 * @batch: flows of one bucket, in order
 * @batch.flow: flow, referenced
 * @batch.order: of the flow, by @mark's seed
 *
 * The caller owns the walk. Between two calls it may pause, and holds no
 * reference then.
 */
struct xtcp_walk {
	struct net		*net;
	bool			listeners_only;
	bool			full;
	u8			part;
	u8			nr;
	u8			at;
	u8			nr_old;
	struct xtcp_walk_mark	mark;
	struct xtcp_walk_mark	old[XTCP_WALK_TABLES];
	struct {
		struct xtcp_flow	*flow;
		u64			order;
	} batch[XTCP_WALK_BATCH];
};

void xtcp_walk_begin(struct xtcp_walk *walk, struct net *net,
		     bool listeners_only);
struct xtcp_flow *xtcp_walk_current(struct xtcp_walk *walk);
struct xtcp_flow *xtcp_walk_next(struct xtcp_walk *walk);
void xtcp_walk_pause(struct xtcp_walk *walk);

#endif /* XTCP_USER_WALK_H */
