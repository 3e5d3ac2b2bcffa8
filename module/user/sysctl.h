/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sysctl.h - net.ipv4.xtcp_*
 */
#ifndef XTCP_USER_SYSCTL_H
#define XTCP_USER_SYSCTL_H

struct net;

unsigned int xtcp_sysctl_hash_entries(void);
int xtcp_sysctl_net_init(struct net *net);
void xtcp_sysctl_net_exit(struct net *net);

#endif /* XTCP_USER_SYSCTL_H */
