/* SPDX-License-Identifier: GPL-2.0 */
/*
 * procfs.h - the files of xtcp in /proc/net
 */
#ifndef XTCP_USER_PROCFS_H
#define XTCP_USER_PROCFS_H

#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/types.h>

#include "user/walk.h"

struct file;
struct inode;
struct net;
struct xtcp_key;
struct sock;

/**
 * struct xtcp_reader - an open file with rows of flows
 * @net: the namespace; held while the file is open
 * @walk: position in the tables; holds nothing between two reads
 * @line: line of the row at @walk; 0 is the header
 * @family: family of the sockets to be shown; AF_UNSPEC for all
 * @listeners_only: leave out connections
 * @ended: xtcp_diag: the last message has been written
 * @net_admin: xtcp_diag: its opener has CAP_NET_ADMIN
 *
 * Protected by the file's own lock.
 */
struct xtcp_reader {
	struct net		*net;
	struct xtcp_walk	walk;
	loff_t			line;
	u8			family;
	bool			listeners_only;
	bool			ended;
	bool			net_admin;
};

/**
 * struct xtcp_opener - what the opener of a file may see
 * @asked: @net_admin is known
 * @net_admin: it has CAP_NET_ADMIN
 */
struct xtcp_opener {
	bool			asked;
	bool			net_admin;
};

bool xtcp_procfs_is_admin(const struct seq_file *m, const struct net *net,
			  struct xtcp_opener *opener);
int xtcp_procfs_hold(const struct inode *inode);
void xtcp_procfs_release_hold(const struct inode *inode);
void *xtcp_procfs_open_private(const struct inode *inode, struct file *file,
			       const struct seq_operations *ops, int size);
int xtcp_procfs_release(struct inode *inode, struct file *file);
int xtcp_procfs_open(struct inode *inode, struct file *file,
		     const struct seq_operations *ops, u8 family,
		     bool listeners_only);
void *xtcp_procfs_start(struct seq_file *m, loff_t *pos);
void *xtcp_procfs_next(struct seq_file *m, void *v, loff_t *pos);
void xtcp_procfs_stop(struct seq_file *m, void *v);

bool xtcp_procfs_addr_parse(const char *word, __be32 *addr, struct in6_addr *addr6,
			    u8 *family);
void xtcp_procfs_addr(struct seq_file *m, const struct xtcp_key *key);
void xtcp_procfs_listener_key(const struct sock *sk, struct xtcp_key *key);
void xtcp_procfs_ends(struct seq_file *m, struct net *net, const struct xtcp_key *key);
const char *xtcp_procfs_wire(u8 wire);
unsigned int xtcp_procfs_uid(struct seq_file *m, const struct sock *sk);

extern const struct proc_ops xtcp_dead_proc_ops;
extern const struct proc_ops xtcp_diagfile_proc_ops;
extern const struct proc_ops xtcp_hosts_proc_ops;
extern const struct proc_ops xtcp_killfile_proc_ops;
extern const struct proc_ops xtcp_listeners_proc_ops;
extern const struct proc_ops xtcp_metrics_proc_ops;

/* Without /proc the files above are not compiled (Kbuild). */
#ifdef CONFIG_PROC_FS
int xtcp_procfs_net_init(struct net *net);
void xtcp_procfs_net_exit(struct net *net);
#else
static inline int xtcp_procfs_net_init(struct net *net)
{
	return 0;
}

static inline void xtcp_procfs_net_exit(struct net *net)
{
}
#endif

#endif /* XTCP_USER_PROCFS_H */
