/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prerouting.h - drop SYNs before routing while there are too many
 */
#ifndef XTCP_NET_PREROUTING_H
#define XTCP_NET_PREROUTING_H

struct net;

int xtcp_prerouting_add(struct net *net);
void xtcp_prerouting_del(struct net *net);

#endif /* XTCP_NET_PREROUTING_H */
