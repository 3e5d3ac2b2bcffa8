// SPDX-License-Identifier: GPL-2.0
/*
 * diagfile.c - /proc/net/xtcp_diag: all sockets as messages of sock_diag
 *
 * A stream as netlink would send it in answer to a dump with all attributes:
 * messages, and NLMSG_DONE at the end. `ss` reads it unmodified, on a machine
 * without the module xtcp_diag as well:
 *
 *	TCPDIAG_FILE=/proc/net/xtcp_diag ss -tinop
 *
 * Nothing is ended by that: for `ss -K` see user/sockdiag.c.
 *
 * Context: process. The reader is that of user/procfs.c.
 */
#include <linux/capability.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <net/netlink.h>

#include "flow.h"
#include "user/diag.h"
#include "user/procfs.h"

/* In place of a flow: the message that ends the stream. */
static char done_token;

/* The walk's end is passed once as the last message. */
static void *end_to_done(struct xtcp_reader *reader, void *v)
{
	if (v || reader->ended)
		return v;
	reader->ended = true;
	return &done_token;
}

static void *diag_start(struct seq_file *m, loff_t *pos)
{
	struct xtcp_reader *reader = m->private;

	/* A buffer that was too small for the last message. */
	if (reader->ended && *pos == reader->line)
		return &done_token;
	if (reader->ended && *pos == reader->line + 1)
		return NULL;
	reader->ended = false;
	return end_to_done(reader, xtcp_procfs_start(m, pos));
}

static void *diag_next(struct seq_file *m, void *v, loff_t *pos)
{
	if (v == &done_token) {
		++*pos;
		return NULL;
	}
	return end_to_done(m->private, xtcp_procfs_next(m, v, pos));
}

static void done_show(struct seq_file *m)
{
	struct {
		struct nlmsghdr	nlh;
		int		err;
	} done = {
		.nlh.nlmsg_len		= sizeof(done),
		.nlh.nlmsg_type		= NLMSG_DONE,
		.nlh.nlmsg_flags	= NLM_F_MULTI,
	};

	static_assert(sizeof(done) == NLMSG_ALIGN(sizeof(done)));
	seq_write(m, &done, sizeof(done));
}

static int flow_show(struct seq_file *m, struct xtcp_flow *flow)
{
	const struct xtcp_reader *file = m->private;
	struct xtcp_diag_reader reader = {
		.user_ns	= seq_user_ns(m),
		.flags		= NLM_F_MULTI,
		.ext		= 0xff,
		.net_admin	= file->net_admin,
	};
	struct xtcp_diag_row row;
	struct sk_buff *skb;
	int err;

	if (!xtcp_diag_row(flow, reader.user_ns, &row))
		return SEQ_SKIP;
	skb = nlmsg_new(XTCP_DIAG_MSG_MAX, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	err = xtcp_diag_put(skb, flow, &row, &reader);
	if (!err)
		seq_write(m, skb->data, skb->len);
	nlmsg_free(skb);
	return err;
}

static int diag_show(struct seq_file *m, void *v)
{
	if (v == SEQ_START_TOKEN)
		return SEQ_SKIP;
	if (v != &done_token)
		return flow_show(m, v);
	done_show(m);
	return 0;
}

static const struct seq_operations diag_seq_ops = {
	.start	= diag_start,
	.next	= diag_next,
	.stop	= xtcp_procfs_stop,
	.show	= diag_show,
};

/* The capability is asked for once, as for a dump of sock_diag: each refusal may be audited. */
static int diag_open(struct inode *inode, struct file *file)
{
	int err = xtcp_procfs_open(inode, file, &diag_seq_ops, AF_UNSPEC, false);
	const struct seq_file *m = file->private_data;
	struct xtcp_reader *reader;

	if (err)
		return err;
	reader = m->private;
	reader->net_admin = file_ns_capable(file, reader->net->user_ns, CAP_NET_ADMIN);
	return 0;
}

const struct proc_ops xtcp_diagfile_proc_ops = {
	.proc_open	= diag_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};
