// SPDX-License-Identifier: GPL-2.0
/*
 * hosts.c - /proc/net/xtcp_hostcache: the host cache of a namespace
 *
 * As `ip tcp_metrics` for the kernel's TCP. A line for each peer; xtcp(7) explains the
 * columns. New columns are added at the end. What is written flushes entries: "flush" all of
 * them, a peer's address, in the format of the first column, that peer's.
 *
 * The reader keeps its position, the number of a chain, between two reads; a chain is shown
 * in an RCU read-side section.
 *
 * Context: process.
 */
#include <linux/capability.h>
#include <linux/inet.h>
#include <linux/jiffies.h>
#include <linux/proc_fs.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "hostcache.h"
#include "net/family.h"
#include "netns.h"
#include "user/procfs.h"

/* An address in brackets, and the end of the line. */
#define LINE_MAX_LEN	(INET6_ADDRSTRLEN + 4)

static void host_show(struct seq_file *m, const struct xtcp_host *host)
{
	const struct xtcp_host_metrics *metrics = &host->metrics;
	struct xtcp_key local = { .family = host->family }, remote = local;
	unsigned long saved;
	u64 age_ms;

	if (xtcp_family_is_ipv6(host->family)) {
		local.v6 = host->addrs;
		remote.v6.laddr = host->addrs.raddr;
	} else {
		local.addrs = host->addrs4;
		remote.laddr = local.raddr;
	}
	xtcp_procfs_addr(m, &remote);
	seq_putc(m, ' ');
	xtcp_procfs_addr(m, &local);
	/* It may be saved again meanwhile. */
	saved = READ_ONCE(host->saved);
	age_ms = jiffies64_to_msecs(jiffies - saved);
	seq_printf(m, " %s %llu", xtcp_procfs_wire(host->wire), age_ms);
	seq_printf(m, " %u %u %u %u %u", READ_ONCE(metrics->rtt_us) >> 3,
		   READ_ONCE(metrics->rttvar_us) >> 2, READ_ONCE(metrics->threshold),
		   READ_ONCE(metrics->window), READ_ONCE(metrics->reordering));
	seq_printf(m, " %u %d\n", READ_ONCE(host->fast_mss),
		   READ_ONCE(host->fast_cookie.len));
}

static int hosts_show(struct seq_file *m, void *v)
{
	const struct xtcp_host *host;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "remote local wire age_ms rtt_us rttvar_us ssthresh cwnd");
		seq_puts(m, " reordering fast_mss fast_cookie\n");
		return 0;
	}
	rcu_read_lock();
	hlist_for_each_entry_rcu(host, (const struct hlist_head *)v, node)
		host_show(m, host);
	rcu_read_unlock();
	return 0;
}

/* Position 0 is the header, position n the n-th chain; empty ones are skipped. */
static void *hosts_at(struct seq_file *m, loff_t *pos)
{
	struct net *const *reader = m->private;
	struct xtcp_net *xn = xtcp_net(*reader);

	if (!*pos)
		return SEQ_START_TOKEN;
	if (!xtcp_net_is_ready(xn))
		return NULL;
	for (; *pos <= XTCP_HOSTCACHE_CHAINS; ++*pos)
		if (!hlist_empty(&xn->hostcache->chains[*pos - 1]))
			return &xn->hostcache->chains[*pos - 1];
	return NULL;
}

static void *hosts_start(struct seq_file *m, loff_t *pos)
{
	return hosts_at(m, pos);
}

static void *hosts_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return hosts_at(m, pos);
}

static void hosts_stop(struct seq_file *m, void *v)
{
}

static const struct seq_operations hosts_seq_ops = {
	.start	= hosts_start,
	.next	= hosts_next,
	.stop	= hosts_stop,
	.show	= hosts_show,
};

static int hosts_open(struct inode *inode, struct file *file)
{
	struct net **reader;

	reader = xtcp_procfs_open_private(inode, file, &hosts_seq_ops, sizeof(*reader));
	if (IS_ERR(reader))
		return PTR_ERR(reader);
	*reader = pde_data(inode);
	return 0;
}

static int hosts_flush(struct net *net, char *line)
{
	bool ready = xtcp_net_is_ready(xtcp_net(net));
	struct xtcp_key key = { };

	if (!strcmp(line, "flush")) {
		if (ready)
			xtcp_hostcache_flush(net, NULL);
		return 0;
	}
	if (!xtcp_procfs_addr_parse(line, &key.raddr, &key.v6.raddr, &key.family))
		return -EINVAL;
	return ready && xtcp_hostcache_flush(net, &key) ? 0 : -ENOENT;
}

static ssize_t hosts_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct net *net = pde_data(file_inode(file));
	char line[LINE_MAX_LEN];
	int err;

	/* Of the opener: a setuid program must not be tricked into writing. */
	if (!file_ns_capable(file, net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = '\0';
	if (strlen(line) != len)
		return -EINVAL;
	if (len && line[len - 1] == '\n')
		line[len - 1] = '\0';
	err = hosts_flush(net, line);
	return err ?: len;
}

const struct proc_ops xtcp_hosts_proc_ops = {
	.proc_open	= hosts_open,
	.proc_read_iter	= seq_read_iter,
	.proc_write	= hosts_write,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};
