/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kill.h - the administrator ends connections
 */
#ifndef XTCP_USER_KILL_H
#define XTCP_USER_KILL_H

#include <linux/types.h>

struct net;
struct xtcp_flow;
struct xtcp_key;

int xtcp_kill_flow(struct net *net, struct xtcp_flow *flow, bool only);
void xtcp_kill_sockets(struct net *net);
int xtcp_kill_key(struct net *net, const struct xtcp_key *key,
		  const unsigned long *inode);

#endif /* XTCP_USER_KILL_H */
