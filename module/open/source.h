/* SPDX-License-Identifier: GPL-2.0 */
/*
 * source.h - count the half-open connections of each source
 */
#ifndef XTCP_OPEN_SOURCE_H
#define XTCP_OPEN_SOURCE_H

#include <linux/types.h>

struct net;
struct xtcp_flow;
struct xtcp_key;

int xtcp_source_net_prepare(struct net *net);
void xtcp_source_net_exit(struct net *net);

bool xtcp_source_is_over(struct net *net, const struct xtcp_key *key);
void xtcp_source_add(struct net *net, struct xtcp_flow *flow);
void xtcp_source_del(struct net *net, const struct xtcp_flow *flow);

#endif /* XTCP_OPEN_SOURCE_H */
