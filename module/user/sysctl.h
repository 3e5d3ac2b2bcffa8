/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sysctl.h - net.ipv4.xtcp_*
 */
#ifndef XTCP_USER_SYSCTL_H
#define XTCP_USER_SYSCTL_H

#include <linux/uidgid.h>

struct net;

void xtcp_sysctl_gid_range(const struct net *net, kgid_t range[2]);
unsigned int xtcp_sysctl_hash_entries(void);
int xtcp_sysctl_net_init(struct net *net);
void xtcp_sysctl_net_exit(struct net *net);

#endif /* XTCP_USER_SYSCTL_H */
