// SPDX-License-Identifier: GPL-2.0
/*
 * dead.c - /proc/net/xtcp_dead: obituaries of connections
 *
 * A line for each connection that has ended while net.ipv4.xtcp_recorder was not 0
 * (observe/recorder.c), the oldest first. The first line names the columns. A write
 * of anything clears the file.
 *
 * Everyone who may read the other files of the namespace may read this one: they show the
 * same of living connections. The name of the program is the exception: /proc can hide
 * processes of other users (hidepid), so only the owner and CAP_NET_ADMIN see it.
 *
 * Context: process. Each obituary is copied, so that no lock is held while it is shown.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/math64.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/string_helpers.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "lifecycle.h"
#include "observe/recorder.h"
#include "user/procfs.h"

/**
 * struct dead_reader - an open file
 * @net: the namespace
 * @opener: what the opener may see
 * @obituary: of the current line
 * @rows: its rows as text
 */
struct dead_reader {
	struct net		*net;
	struct xtcp_opener	opener;
	struct xtcp_obituary	obituary;
	char			rows[XTCP_RECORDER_TEXT];
};

/* A line's position is the number of its obituary, the header's 0. */
static void *dead_start(struct seq_file *m, loff_t *pos)
{
	struct dead_reader *reader = m->private;

	if (*pos == 0)
		return SEQ_START_TOKEN;
	if (!xtcp_recorder_read(reader->net, *pos, &reader->obituary))
		return NULL;
	*pos = reader->obituary.number;
	return &reader->obituary;
}

static void *dead_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return dead_start(m, pos);
}

static void dead_stop(struct seq_file *m, void *v)
{
}

static bool may_see_program(const struct seq_file *m, struct dead_reader *reader)
{
	return uid_eq(m->file->f_cred->euid, reader->obituary.uid) ||
	       xtcp_procfs_is_admin(m, reader->net, &reader->opener);
}

/*
 * A program chooses its name. Blanks and backslashes are escaped as in /proc/mounts, and so is
 * all that a terminal or a parser could take for more than a word.
 */
static void program_show(struct seq_file *m, struct dead_reader *reader)
{
	const char *comm = reader->obituary.record.comm;

	if (*comm && may_see_program(m, reader))
		seq_escape_mem(m, comm, strlen(comm),
			       ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, " \\");
	else
		seq_putc(m, '-');
}

static void seconds_show(struct seq_file *m, u64 ns)
{
	u32 rest;
	u64 s = div_u64_rem(div_u64(ns, NSEC_PER_USEC), USEC_PER_SEC, &rest);

	seq_printf(m, " %llu.%06u", s, rest);
}

static void obituary_show(struct seq_file *m, struct dead_reader *reader)
{
	const struct xtcp_obituary *o = &reader->obituary;
	const struct xtcp_recorder_row *last = xtcp_obituary_last(o);

	seq_printf(m, "%llu", o->number);
	seconds_show(m, o->ended_ns);
	seq_putc(m, ' ');
	xtcp_procfs_ends(m, reader->net, &o->key);
	seq_printf(m, "%s %u ", xtcp_procfs_wire(o->key.wire),
		   from_kuid_munged(seq_user_ns(m), o->uid));
	program_show(m, reader);
	seconds_show(m, o->age_ns);
	seq_printf(m, " %s %s %d %s %llu %llu %u %u %u %u %u %u %u %u ",
		   xtcp_state_name(last->from), xtcp_event_name(last->event), o->err,
		   xtcp_obituary_reset(o->record.cause), o->acked, o->received,
		   o->unacked, o->srtt_us, o->cwnd_segs, o->retrans,
		   o->record.fired[XTCP_FIRED_RETRANSMISSION],
		   o->record.fired[XTCP_FIRED_PERSIST],
		   o->record.fired[XTCP_FIRED_KEEPALIVE],
		   o->record.fired[XTCP_FIRED_DELAYED_ACK]);
	xtcp_recorder_rows_print(o, reader->rows, sizeof(reader->rows));
	seq_puts(m, reader->rows);
	seq_putc(m, '\n');
}

static int dead_show(struct seq_file *m, void *v)
{
	if (v == SEQ_START_TOKEN)
		seq_puts(m, "number ended local remote wire uid program seconds state event errno reset acked received unacked srtt_us cwnd retrans rtos probes keepalives delacks rows\n");
	else
		obituary_show(m, m->private);
	return 0;
}

static const struct seq_operations dead_seq_ops = {
	.start	= dead_start,
	.next	= dead_next,
	.stop	= dead_stop,
	.show	= dead_show,
};

static int dead_open(struct inode *inode, struct file *file)
{
	struct dead_reader *reader;

	reader = xtcp_procfs_open_private(inode, file, &dead_seq_ops, sizeof(*reader));
	if (IS_ERR(reader))
		return PTR_ERR(reader);
	reader->net = pde_data(inode);
	return 0;
}

static ssize_t dead_write(struct file *file, const char __user *buf, size_t len,
			  loff_t *pos)
{
	struct net *net = pde_data(file_inode(file));

	/* The opener's capability, as in killfile.c. */
	if (!file_ns_capable(file, net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	xtcp_recorder_clear(net);
	return len;
}

const struct proc_ops xtcp_dead_proc_ops = {
	.proc_open	= dead_open,
	.proc_read_iter	= seq_read_iter,
	.proc_write	= dead_write,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};
