/* SPDX-License-Identifier: GPL-2.0 */
/*
 * procfs.h - /proc/net/xtcp, xtcp_snmp, xtcp_netstat, xtcp_lifecycle
 */
#ifndef XTCP_USER_PROCFS_H
#define XTCP_USER_PROCFS_H

struct net;

int xtcp_procfs_net_init(struct net *net);
void xtcp_procfs_net_exit(struct net *net);

#endif /* XTCP_USER_PROCFS_H */
