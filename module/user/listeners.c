// SPDX-License-Identifier: GPL-2.0
/*
 * listeners.c - /proc/net/xtcp_listen: each listener and its two queues
 *
 * One line for each listener: the length, limit and peak of its queues, and
 * what it had to refuse. The columns are numbers except for the address;
 * Documentation/counters.rst explains them. New columns are added at the end.
 *
 * Context: process. The reader is that of user/procfs.c; as in /proc/net/xtcp
 * each line shows the moment when it is read.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "compat.h"
#include "open/listen.h"
#include "tcb.h"
#include "user/procfs.h"

static void queues_show(struct seq_file *m, const struct sock *sk,
			const struct xtcp_listener *ls)
{
	seq_printf(m, " %d %u %d", atomic_read(&ls->qlen),
		   xtcp_listen_syn_limit(ls), atomic_read(&ls->qlen_peak));
	seq_printf(m, " %u %u %u", READ_ONCE(sk->sk_ack_backlog),
		   READ_ONCE(sk->sk_max_ack_backlog),
		   READ_ONCE(ls->accept_peak));
}

static void counts_show(struct seq_file *m, const struct xtcp_listener *ls)
{
	struct xtcp_listener_counts sum;

	xtcp_listen_counts_sum(ls, &sum);
	seq_printf(m, " %lu %lu %lu %lu %lu %lu", sum.syn_overflows,
		   sum.accept_overflows, sum.drops, sum.cookies_sent,
		   sum.cookies_accepted, sum.cookies_failed);
}

static void listeners_header_show(struct seq_file *m)
{
	seq_puts(m, "address port device syn_now syn_limit syn_peak");
	seq_puts(m, " accept_now accept_limit accept_peak");
	seq_puts(m, " syn_overflows accept_overflows drops");
	seq_puts(m, " cookies_sent cookies_accepted cookies_failed");
	seq_puts(m, " uid inode wire\n");
}

/* Called under RCU, because a closing listener frees its queues. */
static int listener_show(struct seq_file *m, struct sock *sk)
{
	const struct xtcp_listener *ls = xtcp_listener_of(sk);
	struct xtcp_key key;

	if (!ls)
		return SEQ_SKIP;
	xtcp_procfs_listener_key(sk, &key);
	xtcp_procfs_addr(m, &key);
	seq_printf(m, " %u %d", ntohs(key.lport),
		   READ_ONCE(sk->sk_bound_dev_if));
	queues_show(m, sk, ls);
	counts_show(m, ls);
	seq_printf(m, " %u %lu %s\n", xtcp_procfs_uid(m, sk), sock_i_ino(sk),
		   xtcp_procfs_wire(key.wire));
	return 0;
}

static int listeners_show(struct seq_file *m, void *v)
{
	int err;

	if (v == SEQ_START_TOKEN) {
		listeners_header_show(m);
		return 0;
	}
	rcu_read_lock();
	err = listener_show(m, xtcp_flow_sk(v));
	rcu_read_unlock();
	return err;
}

static const struct seq_operations listeners_seq_ops = {
	.start	= xtcp_procfs_start,
	.next	= xtcp_procfs_next,
	.stop	= xtcp_procfs_stop,
	.show	= listeners_show,
};

static int listeners_open(struct inode *inode, struct file *file)
{
	return xtcp_procfs_open(inode, file, &listeners_seq_ops, AF_UNSPEC,
				true);
}

const struct proc_ops xtcp_listeners_proc_ops = {
	.proc_open	= listeners_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};
