/* SPDX-License-Identifier: GPL-2.0 */
/*
 * procfs.h - /proc/net/xtcp, xtcp_age, xtcp_listen, xtcp_snmp, xtcp_netstat,
 * xtcp_lifecycle, xtcp_kill
 */
#ifndef XTCP_USER_PROCFS_H
#define XTCP_USER_PROCFS_H

struct net;
struct seq_file;
struct xtcp_key;
struct sock;

int xtcp_procfs_net_init(struct net *net);
void xtcp_procfs_net_exit(struct net *net);
void xtcp_procfs_addr(struct seq_file *m, const struct xtcp_key *key);
unsigned int xtcp_procfs_uid(struct seq_file *m, const struct sock *sk);

/* user/listeners.c: /proc/net/xtcp_listen */
int xtcp_listeners_net_init(struct net *net);
void xtcp_listeners_net_exit(struct net *net);

/* user/kill.c: /proc/net/xtcp_kill */
int xtcp_kill_net_init(struct net *net);
void xtcp_kill_net_exit(struct net *net);

#endif /* XTCP_USER_PROCFS_H */
