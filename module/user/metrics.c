// SPDX-License-Identifier: GPL-2.0
/*
 * metrics.c - /proc/net/xtcp_metrics: all counters, gauges and histograms of a namespace
 *
 * The format is OpenMetrics text 1.0, which Prometheus and its relatives read.
 * Documentation/metrics.rst explains each metric. Names and labels are an interface.
 *
 * A metric's samples must stand together, so the file consists of sections: one for
 * each metric or for some that belong together. A section with rows shows one row of the
 * lifecycle table, or one listener, at a time: what a read() holds does not grow with
 * their number. Rows at 0 are left out.
 *
 * The number of connections in a state follows from the counts of the lifecycle table:
 * those that entered it less those that left it. So no connection is visited.
 *
 * Context: process. Sums are read without a lock: connections that change their state
 * meanwhile may be counted twice or not at all.
 */
#include <linux/err.h>
#include <linux/math64.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <net/sock.h>

#include "lifecycle.h"
#include "netns.h"
#include "observe/histogram.h"
#include "observe/memory.h"
#include "observe/stats.h"
#include "open/listen.h"
#include "proto.h"
#include "tcb.h"
#include "transfer/orphans.h"
#include "user/procfs.h"
#include "user/socket.h"

/**
 * struct metrics_reader - an open file
 * @net: the namespace; held while the file is open
 * @pos: position of the file's reader, to notice that it seeks
 * @section: index of the section
 * @row: 0 for the section's head, then its rows from 1
 * @walk: the listener of @row, if the section has listeners; holds nothing between two
 *	reads
 * @opener: what the opener may see
 * @sum: the counters of all CPUs, while their section is written
 */
struct metrics_reader {
	struct net		*net;
	loff_t			pos;
	unsigned int		section;
	unsigned int		row;
	struct xtcp_walk	walk;
	struct xtcp_opener	opener;
	struct xtcp_mib		sum;
};

/* --- parts of a metric */

static void head_show(struct seq_file *m, const char *name, const char *type,
		      const char *help)
{
	seq_printf(m, "# HELP xtcp_%s %s\n# TYPE xtcp_%s %s\n", name, help, name, type);
}

static void gauge_show(struct seq_file *m, const char *name, const char *help, u64 value)
{
	head_show(m, name, "gauge", help);
	seq_printf(m, "xtcp_%s %llu\n", name, value);
}

static void seconds_show(struct seq_file *m, u64 ms)
{
	u32 rest;
	u64 s = div_u64_rem(ms, MSEC_PER_SEC, &rest);

	seq_printf(m, "%llu.%03u", s, rest);
}

/* The labels of a histogram: its row's or its listener's. */
typedef void labels_fn(struct seq_file *m, const void *of);

/* Buckets are cumulative, and the last one counts all. */
static void histogram_show(struct seq_file *m, const char *name,
			   const struct xtcp_histogram *h, labels_fn *labels, const void *of)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i <= XTCP_HISTOGRAM_BOUNDS; i++) {
		sum += h->count[i];
		seq_printf(m, "xtcp_%s_bucket{", name);
		labels(m, of);
		seq_puts(m, ",le=\"");
		if (i < XTCP_HISTOGRAM_BOUNDS)
			seconds_show(m, XTCP_HISTOGRAM_BOUND_MS(i));
		else
			seq_puts(m, "+Inf");
		seq_printf(m, "\"} %lu\n", sum);
	}
	seq_printf(m, "xtcp_%s_sum{", name);
	labels(m, of);
	seq_puts(m, "} ");
	seconds_show(m, h->sum_ms);
	seq_printf(m, "\nxtcp_%s_count{", name);
	labels(m, of);
	seq_printf(m, "} %lu\n", sum);
}

/* --- the namespace and the machine */

static void build_show(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "build_info", "gauge", "The module's version. The value is 1.");
	seq_puts(m, "xtcp_build_info{version=\"" __stringify(XTCP_VERSION) "\"} 1\n");
}

static void events_show(struct seq_file *m, struct metrics_reader *reader)
{
	struct xtcp_mib *sum = &reader->sum;
	unsigned int i;

	head_show(m, "events", "counter",
		  "Counters of /proc/net/xtcp_snmp and xtcp_netstat, by their names there.");
	xtcp_stats_sum(reader->net, sum);
	for (i = 0; i < XTCP_MIB_NR; i++) {
		if (i != XTCP_MIB_CURR_ESTAB)
			seq_printf(m, "xtcp_events_total{name=\"%s\"} %lu\n",
				   xtcp_stats_name(i), sum->item[i]);
	}
}

/* The states of RFC 9293, and the records of each. */
static const struct {
	u8	state;
	u8	record;
} shown_states[] = {
	{ .state = XTCP_SYN_SENT },
	{ .state = XTCP_SYN_RECEIVED },
	{ .state = XTCP_ESTABLISHED },
	{ .state = XTCP_FIN_WAIT_1 },
	{ .state = XTCP_FIN_WAIT_2, .record = XTCP_ORPHAN_FIN_WAIT_2 },
	{ .state = XTCP_CLOSE_WAIT },
	{ .state = XTCP_CLOSING },
	{ .state = XTCP_LAST_ACK },
	{ .state = XTCP_TIME_WAIT },
};

/* Connections that a cookie opens leave SYN-RECEIVED and never entered it. */
static int listeners_count(struct metrics_reader *reader, unsigned long *half_open)
{
	const struct xtcp_listener *ls;
	struct xtcp_flow *flow;
	int listeners = 0;

	*half_open = 0;
	xtcp_walk_begin(&reader->walk, reader->net, true);
	flow = xtcp_walk_current(&reader->walk);
	while (!IS_ERR_OR_NULL(flow)) {
		rcu_read_lock();
		ls = xtcp_listener_of(xtcp_flow_sk(flow));
		if (ls) {
			listeners++;
			*half_open += max(atomic_read(&ls->qlen), 0);
		}
		rcu_read_unlock();
		flow = xtcp_walk_next(&reader->walk);
	}
	xtcp_walk_pause(&reader->walk);
	return listeners;
}

static void metrics_connections_show(struct seq_file *m, struct metrics_reader *reader)
{
	unsigned long half_open;
	unsigned int i;
	s64 number;

	head_show(m, "connections", "gauge", "Listeners and connections by state.");
	seq_printf(m, "xtcp_connections{state=\"LISTEN\"} %d\n",
		   listeners_count(reader, &half_open));
	for (i = 0; i < ARRAY_SIZE(shown_states); i++) {
		number = xtcp_lifecycle_population(reader->net, shown_states[i].state);
		if (shown_states[i].record)
			number += xtcp_lifecycle_population(reader->net,
							    shown_states[i].record);
		if (shown_states[i].state == XTCP_SYN_RECEIVED)
			number += half_open;
		seq_printf(m, "xtcp_connections{state=\"%s\"} %lld\n",
			   xtcp_state_name(shown_states[i].state), max(number, 0LL));
	}
}

static void limits_show(struct seq_file *m, struct metrics_reader *reader)
{
	struct xtcp_net *xn = xtcp_net(reader->net);
	int memory = proto_memory_allocated(&xtcp_prot);

	gauge_show(m, "time_wait_records",
		   "Records of TIME-WAIT, and of FIN-WAIT-2 without a socket.",
		   max(atomic_read(&xn->tw_count), 0));
	gauge_show(m, "time_wait_records_limit", "Their limit, xtcp_max_tw_buckets.",
		   max(READ_ONCE(xn->knobs.max_tw_buckets), 0));
	gauge_show(m, "time_wait_records_peak", "The most that there have been.",
		   atomic_read(&xn->tw_peak));
	gauge_show(m, "orphans", "Orphans of the whole machine.",
		   xtcp_orphans_count());
	gauge_show(m, "orphans_limit", "Their limit, xtcp_max_orphans.",
		   max(READ_ONCE(xtcp_orphans_max), 0));
	gauge_show(m, "orphans_peak", "The most since the module was loaded, roughly counted.",
		   atomic_read(&xtcp_orphans_peak));
	gauge_show(m, "memory_bytes", "Memory of the sockets' queues, of the whole machine.",
		   (u64)memory << PAGE_SHIFT);
	gauge_show(m, "memory_limit_bytes", "Its limit, the third number of xtcp_mem.",
		   min_t(u64, max(READ_ONCE(xtcp_socket_memory_limit[2]), 0L),
			 U64_MAX >> PAGE_SHIFT) << PAGE_SHIFT);
	/* xtcp_memory_peak misses what has not fallen yet. */
	gauge_show(m, "memory_peak_bytes", "The most since the module was loaded.",
		   (u64)max(atomic_read(&xtcp_memory_peak), memory) << PAGE_SHIFT);
}

/* --- the rows of the lifecycle table */

static void transitions_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "transitions", "counter",
		  "Events of connections, by state, event and next state.");
}

static void row_labels(struct seq_file *m, const void *of)
{
	const struct xtcp_lifecycle_row *row = of;

	seq_printf(m, "from=\"%s\",event=\"%s\",to=\"%s\"", row->from, row->event, row->to);
}

static int transition_show(struct seq_file *m, const struct net *net,
			   const struct xtcp_lifecycle_row *row)
{
	if (!row->count)
		return SEQ_SKIP;
	seq_puts(m, "xtcp_transitions_total{");
	row_labels(m, row);
	seq_printf(m, "} %llu\n", row->count);
	return 0;
}

static void dwelt_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "state_seconds", "histogram",
		  "Time in a state, by what ended it; while xtcp_histograms is 1.");
	seq_puts(m, "# UNIT xtcp_state_seconds seconds\n");
}

static bool histogram_is_empty(const struct xtcp_histogram *h)
{
	return !memchr_inv(h->count, 0, sizeof(h->count));
}

static int dwelt_show(struct seq_file *m, const struct net *net,
		      const struct xtcp_lifecycle_row *row)
{
	struct xtcp_histogram sum;

	if (!row->dwelt || !xtcp_histograms_dwelt_sum(net, row->dwelt, &sum) ||
	    histogram_is_empty(&sum))
		return SEQ_SKIP;
	histogram_show(m, "state_seconds", &sum, row_labels, row);
	return 0;
}

/* --- listeners; called under RCU, because a closing listener frees its queues */

static void listener_labels(struct seq_file *m, const void *of)
{
	const struct sock *sk = of;
	struct xtcp_key key;

	xtcp_procfs_listener_key(sk, &key);
	seq_puts(m, "address=\"");
	xtcp_procfs_addr(m, &key);
	seq_printf(m, "\",port=\"%u\",device=\"%d\",wire=\"%s\",inode=\"%lu\"",
		   ntohs(key.lport), READ_ONCE(sk->sk_bound_dev_if),
		   xtcp_procfs_wire(key.wire), sock_i_ino((struct sock *)sk));
}

/* A sample with one more label. */
static void listener_sample(struct seq_file *m, const char *name, const struct sock *sk,
			    const char *label, unsigned long value)
{
	seq_printf(m, "xtcp_listener_%s{", name);
	listener_labels(m, sk);
	seq_printf(m, "%s} %lu\n", label, value);
}

#define SYN_QUEUE	",queue=\"syn\""
#define ACCEPT_QUEUE	",queue=\"accept\""

static void queue_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "listener_queue", "gauge", "Connections in a queue of a listener.");
}

static void queue_show(struct seq_file *m, const struct sock *sk,
		       const struct xtcp_listener *ls)
{
	listener_sample(m, "queue", sk, SYN_QUEUE, max(atomic_read(&ls->qlen), 0));
	listener_sample(m, "queue", sk, ACCEPT_QUEUE, READ_ONCE(sk->sk_ack_backlog));
}

static void queue_limit_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "listener_queue_limit", "gauge",
		  "A queue is full when it is longer than this.");
}

static void queue_limit_show(struct seq_file *m, const struct sock *sk,
			     const struct xtcp_listener *ls)
{
	listener_sample(m, "queue_limit", sk, SYN_QUEUE, xtcp_listen_syn_limit(ls));
	listener_sample(m, "queue_limit", sk, ACCEPT_QUEUE,
			READ_ONCE(sk->sk_max_ack_backlog));
}

static void queue_peak_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "listener_queue_peak", "gauge", "The longest that a queue has been.");
}

static void queue_peak_show(struct seq_file *m, const struct sock *sk,
			    const struct xtcp_listener *ls)
{
	listener_sample(m, "queue_peak", sk, SYN_QUEUE, atomic_read(&ls->qlen_peak));
	listener_sample(m, "queue_peak", sk, ACCEPT_QUEUE, READ_ONCE(ls->accept_peak));
}

static void overflows_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "listener_overflows", "counter",
		  "SYNs and third segments that found a queue full.");
}

static void overflows_show(struct seq_file *m, const struct sock *sk,
			   const struct xtcp_listener *ls)
{
	struct xtcp_listener_counts sum;

	xtcp_listen_counts_sum(ls, &sum);
	listener_sample(m, "overflows_total", sk, SYN_QUEUE, sum.syn_overflows);
	listener_sample(m, "overflows_total", sk, ACCEPT_QUEUE, sum.accept_overflows);
}

static void drops_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "listener_drops", "counter", "SYNs and third segments dropped.");
}

static void drops_show(struct seq_file *m, const struct sock *sk,
		       const struct xtcp_listener *ls)
{
	struct xtcp_listener_counts sum;

	xtcp_listen_counts_sum(ls, &sum);
	listener_sample(m, "drops_total", sk, "", sum.drops);
}

static void cookies_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "listener_cookies", "counter", "SYN cookies sent and returned.");
}

static void cookies_show(struct seq_file *m, const struct sock *sk,
			 const struct xtcp_listener *ls)
{
	struct xtcp_listener_counts sum;

	xtcp_listen_counts_sum(ls, &sum);
	listener_sample(m, "cookies_total", sk, ",result=\"sent\"", sum.cookies_sent);
	listener_sample(m, "cookies_total", sk, ",result=\"accepted\"",
			sum.cookies_accepted);
	listener_sample(m, "cookies_total", sk, ",result=\"failed\"", sum.cookies_failed);
}

static void waits_head(struct seq_file *m, struct metrics_reader *reader)
{
	head_show(m, "listener_accept_wait_seconds", "histogram",
		  "Time in the accept queue until accept(); while xtcp_histograms is 1.");
	seq_puts(m, "# UNIT xtcp_listener_accept_wait_seconds seconds\n");
}

static void waits_show(struct seq_file *m, const struct sock *sk,
		       const struct xtcp_listener *ls)
{
	/* Pairs with open/acceptqueue.c. */
	const struct xtcp_histogram *waits = smp_load_acquire(&ls->waits);
	struct xtcp_histogram copy;
	unsigned int i;

	if (!waits)
		return;
	for (i = 0; i <= XTCP_HISTOGRAM_BOUNDS; i++)
		copy.count[i] = READ_ONCE(waits->count[i]);
	copy.sum_ms = READ_ONCE(waits->sum_ms);
	histogram_show(m, "listener_accept_wait_seconds", &copy, listener_labels, sk);
}

static void eof_show(struct seq_file *m, struct metrics_reader *reader)
{
	seq_puts(m, "# EOF\n");
}

/* --- the file */

/* One of @row and @listener, or neither: there is only a head. */
static const struct {
	void	(*head)(struct seq_file *m, struct metrics_reader *reader);
	int	(*row)(struct seq_file *m, const struct net *net,
		       const struct xtcp_lifecycle_row *row);
	void	(*listener)(struct seq_file *m, const struct sock *sk,
			    const struct xtcp_listener *ls);
} sections[] = {
	{ .head = build_show },
	{ .head = events_show },
	{ .head = metrics_connections_show },
	{ .head = limits_show },
	{ .head = transitions_head, .row = transition_show },
	{ .head = dwelt_head, .row = dwelt_show },
	{ .head = queue_head, .listener = queue_show },
	{ .head = queue_limit_head, .listener = queue_limit_show },
	{ .head = queue_peak_head, .listener = queue_peak_show },
	{ .head = overflows_head, .listener = overflows_show },
	{ .head = drops_head, .listener = drops_show },
	{ .head = cookies_head, .listener = cookies_show },
	{ .head = waits_head, .listener = waits_show },
	{ .head = eof_show },
};

static void section_begin(struct metrics_reader *reader, unsigned int section)
{
	reader->section = section;
	reader->row = 0;
	xtcp_walk_begin(&reader->walk, reader->net, true);
}

static bool section_has_row(struct metrics_reader *reader, struct xtcp_flow *flow)
{
	if (sections[reader->section].listener)
		return flow;
	return sections[reader->section].row &&
	       reader->row <= xtcp_lifecycle_rows();
}

/* Returns the reader if there is something to show, NULL at the end, or ERR_PTR(). */
static void *reader_current(struct metrics_reader *reader)
{
	struct xtcp_flow *flow = NULL;

	while (reader->section < ARRAY_SIZE(sections)) {
		if (!reader->row)
			return reader;
		if (sections[reader->section].listener)
			flow = xtcp_walk_current(&reader->walk);
		if (IS_ERR(flow))
			return ERR_CAST(flow);
		if (section_has_row(reader, flow))
			return reader;
		section_begin(reader, reader->section + 1);
	}
	return NULL;
}

static void *reader_next(struct metrics_reader *reader)
{
	if (reader->row++ && sections[reader->section].listener)
		xtcp_walk_next(&reader->walk);
	reader->pos++;
	return reader_current(reader);
}

static void *metrics_start(struct seq_file *m, loff_t *pos)
{
	struct metrics_reader *reader = m->private;
	void *v;

	if (*pos && *pos == reader->pos)
		return reader_current(reader);
	/* The first read, or one of a reader that seeks: from the beginning. */
	reader->pos = 0;
	section_begin(reader, 0);
	v = reader_current(reader);
	while (!IS_ERR_OR_NULL(v) && reader->pos < *pos)
		v = reader_next(reader);
	return v;
}

static void *metrics_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return reader_next(v);
}

static void metrics_stop(struct seq_file *m, void *v)
{
	struct metrics_reader *reader = m->private;

	xtcp_walk_pause(&reader->walk);
}

static int row_show(struct seq_file *m, struct metrics_reader *reader)
{
	struct xtcp_lifecycle_row row;

	if (!xtcp_lifecycle_row_get(reader->net, reader->row - 1, &row) || !row.from)
		return SEQ_SKIP;
	if (row.secret && !xtcp_procfs_is_admin(m, reader->net, &reader->opener))
		return SEQ_SKIP;
	return sections[reader->section].row(m, reader->net, &row);
}

static int metrics_show(struct seq_file *m, void *v)
{
	struct metrics_reader *reader = v;
	const struct xtcp_listener *ls;
	const struct sock *sk;

	if (!reader->row) {
		sections[reader->section].head(m, reader);
		return 0;
	}
	if (sections[reader->section].row)
		return row_show(m, reader);
	sk = xtcp_flow_sk(xtcp_walk_current(&reader->walk));
	rcu_read_lock();
	ls = xtcp_listener_of(sk);
	if (ls)
		sections[reader->section].listener(m, sk, ls);
	rcu_read_unlock();
	return 0;
}

static const struct seq_operations metrics_seq_ops = {
	.start	= metrics_start,
	.next	= metrics_next,
	.stop	= metrics_stop,
	.show	= metrics_show,
};

static int metrics_open(struct inode *inode, struct file *file)
{
	struct metrics_reader *reader;

	reader = xtcp_procfs_open_private(inode, file, &metrics_seq_ops, sizeof(*reader));
	if (IS_ERR(reader))
		return PTR_ERR(reader);
	reader->net = pde_data(inode);
	return 0;
}

const struct proc_ops xtcp_metrics_proc_ops = {
	.proc_open	= metrics_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};
