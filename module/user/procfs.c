// SPDX-License-Identifier: GPL-2.0
/*
 * procfs.c - the files of xtcp in /proc/net
 *
 *	xtcp		connections, byte for byte in the format of tcp
 *	xtcp6		those of IPv6 sockets, in the format of tcp6
 *	xtcp_age	the same connections, how long each has been in its state,
 *			and what it waits for; user/waiting.c
 *	xtcp_snmp	line Tcp, in the format of snmp (RFC 4022 names)
 *	xtcp_netstat	line TcpExt, in the format of netstat
 *	xtcp_lifecycle	the rows of the lifecycle table and their counts; some need
 *			CAP_NET_ADMIN
 *	xtcp_listen	listeners and their queues; user/listeners.c
 *	xtcp_metrics	all numbers, for Prometheus; user/metrics.c
 *	xtcp_dead	connections that have ended; user/dead.c
 *	xtcp_hostcache	metrics of former connections; user/hosts.c
 *	xtcp_diag	the connections as messages of sock_diag; user/diagfile.c
 *	xtcp_kill	ends connections; user/killfile.c
 *
 * A reader of xtcp, xtcp6, xtcp_age, xtcp_listen or xtcp_diag walks through the
 * tables bucket by bucket (user/walk.c). During a read() it holds references to at most
 * XTCP_WALK_BATCH flows; between two reads it keeps its position and nothing else:
 * no reference, no lock, no memory that grows with the rows. A row shows the moment
 * when it is read. A flow that exists the whole time is shown exactly once, however
 * small the reads are, unless the table is resized more than XTCP_WALK_TABLES times
 * meanwhile, or another flow of its chain is replaced just then
 * (Documentation/locking.rst); a flow that is added or removed, at most once.
 *
 * Context: process; objects are read without their locks, so that fields of a
 * row may be one segment apart.
 */
#include "user/procfs.h"

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/inet.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "clock.h"
#include "close/timewait.h"
#include "compat.h"
#include "flow.h"
#include "lifecycle.h"
#include "listener.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/fastopen.h"
#include "open/synqueue.h"
#include "tcb.h"
#include "user/row.h"
#include "user/waiting.h"

/* Bytes of a line without its newline; programs seek by it. */
#define ROW_WIDTH	149

/* Hundredths of a second until @deadline_ns, 0 when it is past. */
static unsigned long centis_left(u64 deadline_ns, u64 now_ns)
{
	if (deadline_ns <= now_ns)
		return 0;
	return div_u64(deadline_ns - now_ns, NSEC_PER_SEC / 100);
}

/**
 * xtcp_procfs_uid - owner of a socket, in the reader's user namespace
 * @m: the file
 * @sk: socket
 *
 * Return: uid
 */
unsigned int xtcp_procfs_uid(struct seq_file *m, const struct sock *sk)
{
	return from_kuid_munged(seq_user_ns(m), xtcp_row_owner(sk));
}

/* IPv4-mapped address, by which an IPv6 socket shows an IPv4 one. */
static struct in6_addr addr_to_mapped(__be32 addr)
{
	struct in6_addr mapped;

	ipv6_addr_set_v4mapped(addr, &mapped);
	return mapped;
}

static void addr6_show(struct seq_file *m, const struct in6_addr *addr,
		       __be16 port)
{
	seq_printf(m, " %08X%08X%08X%08X:%04X",
		   (__force u32)addr->s6_addr32[0],
		   (__force u32)addr->s6_addr32[1],
		   (__force u32)addr->s6_addr32[2],
		   (__force u32)addr->s6_addr32[3], ntohs(port));
}

static void addresses_show(struct seq_file *m, unsigned long sl, u8 family,
			   const struct xtcp_key *key)
{
	struct xtcp_addrs6 addrs = key->v6;

	seq_printf(m, "%4lu:", sl);
	if (family == AF_INET) {
		seq_printf(m, " %08X:%04X %08X:%04X",
			   (__force u32)key->laddr, ntohs(key->lport),
			   (__force u32)key->raddr, ntohs(key->rport));
		return;
	}
	if (key->family == AF_INET) {
		addrs.laddr = addr_to_mapped(key->laddr);
		addrs.raddr = addr_to_mapped(key->raddr);
	}
	addr6_show(m, &addrs.laddr, key->lport);
	addr6_show(m, &addrs.raddr, key->rport);
}

static void record_addresses_show(struct seq_file *m, unsigned long sl,
				  const struct xtcp_flow *flow)
{
	struct xtcp_key key;

	xtcp_key_from_flow(&key, flow);
	addresses_show(m, sl, xtcp_row_family(flow), &key);
}

/* Addresses of a socket, which may be set before and after its connection. */
static void sk_key(const struct sock *sk, struct xtcp_key *key)
{
	const struct inet_sock *inet = inet_sk(sk);

	*key = (struct xtcp_key) {
		.laddr	= inet->inet_rcv_saddr,
		.raddr	= inet->inet_daddr,
		.lport	= inet->inet_sport,
		.rport	= inet->inet_dport,
		.dif	= READ_ONCE(sk->sk_bound_dev_if),
		.family	= sk->sk_family,
	};
#if IS_ENABLED(CONFIG_IPV6)
	key->v6.laddr = sk->sk_v6_rcv_saddr;
	key->v6.raddr = sk->sk_v6_daddr;
#endif
}

/**
 * xtcp_procfs_addr - show a local address in the format of xtcp_kill
 * @m: the file
 * @key: its local address is shown, without the port
 */
void xtcp_procfs_addr(struct seq_file *m, const struct xtcp_key *key)
{
	if (xtcp_family_is_ipv6(key->family))
		seq_printf(m, "[%pI6c]", &key->v6.laddr);
	else
		seq_printf(m, "%pI4", &key->laddr);
}

/**
 * xtcp_procfs_listener_key - what a listener is bound to
 * @sk: listener
 * @key: set: local address and port, family, wire
 */
void xtcp_procfs_listener_key(const struct sock *sk, struct xtcp_key *key)
{
	xtcp_key_from_flow(key, &xtcp_sk(sk)->flow);
	/* It listens in both families: shown as the any address of its own. */
	if (key->family == AF_UNSPEC) {
		key->family = sk->sk_family;
		key->v6.laddr = (struct in6_addr){};
	}
}

/**
 * xtcp_procfs_addr_parse - read an address in that format
 * @word: "10.0.0.2", or "[fd00::2]", and nothing else
 * @addr: set for IPv4
 * @addr6: set for IPv6
 * @family: set
 *
 * Return: true if it is one.
 */
bool xtcp_procfs_addr_parse(const char *word, __be32 *addr, struct in6_addr *addr6,
			    u8 *family)
{
	const char *end;

	*family = AF_INET;
	if (*word != '[')
		return in4_pton(word, -1, (u8 *)addr, '\0', NULL);
	*family = AF_INET6;
	return IS_ENABLED(CONFIG_IPV6) &&
	       in6_pton(word + 1, -1, addr6->s6_addr, ']', &end) &&
	       !strcmp(end, "]");
}

/**
 * xtcp_procfs_wire - name of a wire, as in xtcp_kill
 * @wire: XTCP_WIRE_*
 *
 * Return: the name.
 */
const char *xtcp_procfs_wire(u8 wire)
{
	return wire == XTCP_WIRE_TCP ? "tcp" : "native";
}

static int halfopen_show(struct seq_file *m, unsigned long sl,
			 const struct xtcp_halfopen *ho)
{
	unsigned long when = centis_left(READ_ONCE(ho->delay.expires_ns),
					 xtcp_now_ns());
	unsigned int uid;

	/*
	 * A closing listener first ends its records and is freed after a grace
	 * period. So while the record is found alive within this section, the
	 * listener is valid.
	 */
	rcu_read_lock();
	if (READ_ONCE(ho->flow.state) != XTCP_HALF_OPEN) {
		rcu_read_unlock();
		return SEQ_SKIP;
	}
	uid = xtcp_procfs_uid(m, ho->ls->sk);
	rcu_read_unlock();

	record_addresses_show(m, sl, &ho->flow);
	seq_printf(m, " %02X %08X:%08X %02X:%08lX %08X %5u %8d %u %d %pK",
		   XTCP_SYN_RECEIVED, 0, 0, XTCP_TR_RETRANSMIT, when,
		   READ_ONCE(ho->timeouts), uid, 0, 0, 0, ho);
	return 0;
}

static int timewait_show(struct seq_file *m, unsigned long sl,
			 const struct xtcp_timewait *tw)
{
	u8 state = READ_ONCE(tw->flow.state);

	if (state == XTCP_CLOSED)
		return SEQ_SKIP;
	if (state == XTCP_ORPHAN_FIN_WAIT_2)
		state = XTCP_FIN_WAIT_2;

	record_addresses_show(m, sl, &tw->flow);
	seq_printf(m, " %02X %08X:%08X %02X:%08lX %08X %5d %8d %d %d %pK",
		   state, 0, 0, XTCP_TR_RECORD,
		   centis_left(READ_ONCE(tw->delay.expires_ns), xtcp_now_ns()),
		   0, 0, 0, 0, refcount_read(&tw->flow.ref) - 1, tw);
	return 0;
}

static int ssthresh_shown(const struct xtcp_sock *xs, int state)
{
	u32 ssthresh = READ_ONCE(xs->ssthresh);

	if (state == XTCP_LISTEN)
		return xtcp_fastopen_limit(&xs->inet.sk);	/* as in Linux */
	return ssthresh > INT_MAX ? -1 : (int)ssthresh;
}

static int sock_show(struct seq_file *m, unsigned long sl, struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	/* Pairs with state_set() of lifecycle.c: what is read below is as new as the state. */
	int state = smp_load_acquire(&sk->sk_state);
	struct xtcp_key key;
	u32 tx_queue = 0, rx_queue;
	u64 deadline_ns;
	int tr;

	if (state == XTCP_CLOSED)
		return SEQ_SKIP;

	if (state == XTCP_LISTEN)
		rx_queue = READ_ONCE(sk->sk_ack_backlog);
	else
		xtcp_row_queues(xs, &tx_queue, &rx_queue);
	tr = xtcp_row_timer(xs, &deadline_ns);

	sk_key(sk, &key);
	addresses_show(m, sl, sk->sk_family, &key);
	seq_printf(m, " %02X %08X:%08X %02X:%08lX %08X %5u %8d %lu %d %pK",
		   state, tx_queue, rx_queue, tr,
		   tr ? centis_left(deadline_ns, xtcp_now_ns()) : 0,
		   READ_ONCE(xs->retransmit.in_row), xtcp_procfs_uid(m, sk),
		   READ_ONCE(xs->probe.out), sock_i_ino(sk),
		   /* Without the walk's, and those of a listener's queues and of its table. */
		   refcount_read(&sk->sk_refcnt) - 1 - (state == XTCP_LISTEN ? 2 : 0), sk);
	seq_printf(m, " %lu %lu %u %u %d",
		   READ_ONCE(xs->rtt.rto_us) / (USEC_PER_SEC / 100),
		   READ_ONCE(xs->ack.ato_ms) / (MSEC_PER_SEC / 100),
		   /* Bit-fields, whose neighbours may be written meanwhile. */
		   data_race(xs->ack.quickack << 1 | xs->ack.pingpong),
		   READ_ONCE(xs->cwnd), ssthresh_shown(xs, state));
	return 0;
}

static int flow_show(struct seq_file *m, unsigned long sl,
		     struct xtcp_flow *flow)
{
	switch (flow->kind) {
	case XTCP_KIND_HALFOPEN:
		return halfopen_show(m, sl, container_of(flow,
						struct xtcp_halfopen, flow));
	case XTCP_KIND_TIMEWAIT:
		return timewait_show(m, sl, container_of(flow,
						struct xtcp_timewait, flow));
	default:
		return sock_show(m, sl, xtcp_flow_sk(flow));
	}
}

/* First flow, from @flow on, that the file shows. */
static struct xtcp_flow *reader_seek(struct xtcp_reader *reader,
				     struct xtcp_flow *flow)
{
	while (!IS_ERR_OR_NULL(flow) && reader->family != AF_UNSPEC &&
	       xtcp_row_family(flow) != reader->family)
		flow = xtcp_walk_next(&reader->walk);
	return flow;
}

static void reader_rewind(struct xtcp_reader *reader)
{
	xtcp_walk_begin(&reader->walk, reader->net, reader->listeners_only);
	reader->line = 1;
}

static struct xtcp_flow *reader_current(struct xtcp_reader *reader)
{
	return reader_seek(reader, xtcp_walk_current(&reader->walk));
}

static struct xtcp_flow *reader_next(struct xtcp_reader *reader)
{
	reader->line++;
	return reader_seek(reader, xtcp_walk_next(&reader->walk));
}

/* From the first row forward: only for a reader that seeks. */
static struct xtcp_flow *reader_go_to(struct xtcp_reader *reader, loff_t line)
{
	struct xtcp_flow *flow;

	reader_rewind(reader);
	flow = reader_current(reader);
	while (!IS_ERR_OR_NULL(flow) && reader->line < line)
		flow = reader_next(reader);
	return flow;
}

/**
 * xtcp_procfs_start - seq_operations.start of a file with rows of flows
 * @m: the file; private is its struct xtcp_reader
 * @pos: line; 0 is the header
 *
 * Return: SEQ_START_TOKEN; a struct xtcp_flow, referenced until .stop; NULL at
 * the end; or ERR_PTR().
 */
void *xtcp_procfs_start(struct seq_file *m, loff_t *pos)
{
	struct xtcp_reader *reader = m->private;

	if (*pos == 0) {
		reader_rewind(reader);
		return SEQ_START_TOKEN;
	}
	return *pos == reader->line ? reader_current(reader) :
				      reader_go_to(reader, *pos);
}

/**
 * xtcp_procfs_next - seq_operations.next of a file with rows of flows
 * @m: the file
 * @v: flow of the line before
 * @pos: incremented
 *
 * Return: as xtcp_procfs_start().
 */
void *xtcp_procfs_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct xtcp_reader *reader = m->private;

	++*pos;
	return v == SEQ_START_TOKEN ? reader_current(reader) :
				      reader_next(reader);
}

/**
 * xtcp_procfs_stop - seq_operations.stop of a file with rows of flows
 * @m: the file
 * @v: flow after the last one shown
 *
 * From here to the next start nothing is held.
 */
void xtcp_procfs_stop(struct seq_file *m, void *v)
{
	struct xtcp_reader *reader = m->private;

	xtcp_walk_pause(&reader->walk);
}

static void procfs_header_show(struct seq_file *m, bool ipv4)
{
	seq_puts(m, ipv4 ? "  sl  local_address rem_address  " :
			     "  sl  local_address                         remote_address                       ");
	seq_puts(m, " st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode");
}

static int procfs_connections_show(struct seq_file *m, void *v)
{
	const struct xtcp_reader *reader = m->private;
	bool ipv4 = reader->family == AF_INET;
	int err = 0;

	if (ipv4)
		seq_setwidth(m, ROW_WIDTH);
	if (v == SEQ_START_TOKEN)
		procfs_header_show(m, ipv4);
	else
		err = flow_show(m, reader->line - 1, v);
	if (!err && ipv4)
		seq_pad(m, '\n');
	else if (!err)
		seq_putc(m, '\n');
	return err;
}

static const struct seq_operations connections_seq_ops = {
	.start	= xtcp_procfs_start,
	.next	= xtcp_procfs_next,
	.stop	= xtcp_procfs_stop,
	.show	= procfs_connections_show,
};

/* Address and port of one end, in the format of xtcp_kill. */
static void end_show(struct seq_file *m, struct net *net,
		     const struct xtcp_key *key, int ifindex)
{
	struct net_device *dev;

	xtcp_procfs_addr(m, key);
	if (ifindex) {
		rcu_read_lock();
		dev = dev_get_by_index_rcu(net, ifindex);
		if (dev)
			seq_printf(m, "%%%s", dev->name);
		else
			seq_printf(m, "%%%d", ifindex);
		rcu_read_unlock();
	}
	seq_printf(m, ":%u ", ntohs(key->lport));
}

/**
 * xtcp_procfs_ends - show both ends in the format of xtcp_kill
 * @m: the file
 * @net: the namespace
 * @key: connection; the device that it is bound to follows its local address
 *
 * Each end is followed by a blank.
 */
void xtcp_procfs_ends(struct seq_file *m, struct net *net, const struct xtcp_key *key)
{
	struct xtcp_key peer = *key;

	peer.laddr = key->raddr;
	peer.lport = key->rport;
	peer.v6.laddr = key->v6.raddr;
	end_show(m, net, key, key->dif);
	end_show(m, net, &peer, 0);
}

static void age_show(struct seq_file *m, const struct xtcp_key *key, u8 state,
		     u64 age_ms, unsigned int uid, unsigned long inode)
{
	const struct xtcp_reader *reader = m->private;
	u32 ms;

	xtcp_procfs_ends(m, reader->net, key);
	age_ms = div_u64_rem(age_ms, MSEC_PER_SEC, &ms);
	seq_printf(m, "%s %llu.%03u %u %lu %s", xtcp_state_name(state),
		   age_ms, ms, uid, inode, xtcp_procfs_wire(key->wire));
}

static void record_age_show(struct seq_file *m, const struct xtcp_flow *flow,
			    u8 state, u64 age_ms, unsigned int uid)
{
	struct xtcp_key key;

	xtcp_key_from_flow(&key, flow);
	age_show(m, &key, state, age_ms, uid, 0);
}

static int halfopen_age_show(struct seq_file *m,
			     const struct xtcp_halfopen *ho)
{
	unsigned int uid;

	/* As in halfopen_show(). */
	rcu_read_lock();
	if (READ_ONCE(ho->flow.state) != XTCP_HALF_OPEN) {
		rcu_read_unlock();
		return SEQ_SKIP;
	}
	uid = xtcp_procfs_uid(m, ho->ls->sk);
	record_age_show(m, &ho->flow, XTCP_HALF_OPEN,
			xtcp_flow_age_ms(&ho->flow), uid);
	xtcp_waiting_halfopen_show(m, ho, ho->ls->sk);
	rcu_read_unlock();
	seq_putc(m, '\n');
	return 0;
}

static int timewait_age_show(struct seq_file *m, const struct xtcp_timewait *tw)
{
	u8 state = READ_ONCE(tw->flow.state);

	if (state == XTCP_CLOSED)
		return SEQ_SKIP;
	record_age_show(m, &tw->flow, state, xtcp_flow_age_ms(&tw->flow), 0);
	xtcp_waiting_timewait_show(m, state, READ_ONCE(tw->delay.expires_ns));
	seq_putc(m, '\n');
	return 0;
}

static int sock_age_show(struct seq_file *m, struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	/* Pairs with state_set() of lifecycle.c. */
	u8 state = smp_load_acquire(&sk->sk_state);
	struct xtcp_key key;

	if (state == XTCP_CLOSED)
		return SEQ_SKIP;
	sk_key(sk, &key);
	key.wire = READ_ONCE(xs->flow.wire);
	key.family = xs->flow.family ?: sk->sk_family;
	if (!key.rport)
		key.v6.raddr = (struct in6_addr){};
	age_show(m, &key, state, xtcp_flow_age_ms(&xs->flow),
		 xtcp_procfs_uid(m, sk), sock_i_ino(sk));
	xtcp_waiting_sock_show(m, sk, state);
	seq_putc(m, '\n');
	return 0;
}

static int ages_show(struct seq_file *m, void *v)
{
	struct xtcp_flow *flow;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "local remote state seconds uid inode wire waiting timer ms\n");
		return 0;
	}
	flow = v;
	switch (flow->kind) {
	case XTCP_KIND_HALFOPEN:
		return halfopen_age_show(m, container_of(flow,
						struct xtcp_halfopen, flow));
	case XTCP_KIND_TIMEWAIT:
		return timewait_age_show(m, container_of(flow,
						struct xtcp_timewait, flow));
	default:
		return sock_age_show(m, xtcp_flow_sk(flow));
	}
}

static const struct seq_operations ages_seq_ops = {
	.start	= xtcp_procfs_start,
	.next	= xtcp_procfs_next,
	.stop	= xtcp_procfs_stop,
	.show	= ages_show,
};

/**
 * xtcp_procfs_hold - open a file: its namespace lives until xtcp_procfs_release_hold()
 * @inode: its data is the namespace
 *
 * As for files of proc_create_net(). Without this reference the end of the namespace would wait for
 * a reader or writer that waits for memory, and all other namespaces that end would wait as well.
 *
 * Return: 0, or -ENXIO if the namespace ends.
 */
int xtcp_procfs_hold(const struct inode *inode)
{
	return maybe_get_net(pde_data(inode)) ? 0 : -ENXIO;
}

/**
 * xtcp_procfs_release_hold - undo xtcp_procfs_hold()
 * @inode: its data is the namespace
 */
void xtcp_procfs_release_hold(const struct inode *inode)
{
	put_net(pde_data(inode));
}

/**
 * xtcp_procfs_open_private - open a file of rows that holds its namespace
 * @inode: its data is the namespace
 * @file: file to be opened; xtcp_procfs_release() closes it
 * @ops: functions that print the rows
 * @size: bytes of the reader's own data
 *
 * Return: this data, zeroed; or an ERR_PTR of -ENXIO or -ENOMEM.
 */
void *xtcp_procfs_open_private(const struct inode *inode, struct file *file,
			       const struct seq_operations *ops, int size)
{
	int err = xtcp_procfs_hold(inode);
	void *reader;

	if (err)
		return ERR_PTR(err);
	reader = __seq_open_private(file, ops, size);
	if (reader)
		return reader;
	xtcp_procfs_release_hold(inode);
	return ERR_PTR(-ENOMEM);
}

/**
 * xtcp_procfs_release - close a file of xtcp_procfs_open_private()
 * @inode: its data is the namespace
 * @file: the file
 *
 * Return: 0.
 */
int xtcp_procfs_release(struct inode *inode, struct file *file)
{
	int err = seq_release_private(inode, file);

	xtcp_procfs_release_hold(inode);
	return err;
}

/**
 * xtcp_procfs_open - open a file with rows of flows
 * @inode: its data is the namespace
 * @file: file to be opened
 * @ops: with xtcp_procfs_start(), _next() and _stop()
 * @family: family of the sockets to be shown; AF_UNSPEC for all
 * @listeners_only: leave out connections
 *
 * Return: 0, -ENXIO or -ENOMEM.
 */
int xtcp_procfs_open(struct inode *inode, struct file *file,
		     const struct seq_operations *ops, u8 family,
		     bool listeners_only)
{
	struct xtcp_reader *reader;

	reader = xtcp_procfs_open_private(inode, file, ops, sizeof(*reader));
	if (IS_ERR(reader))
		return PTR_ERR(reader);
	reader->net = pde_data(inode);
	reader->family = family;
	reader->listeners_only = listeners_only;
	reader_rewind(reader);
	return 0;
}

static int connections_open(struct inode *inode, struct file *file)
{
	return xtcp_procfs_open(inode, file, &connections_seq_ops, AF_INET,
				false);
}

static int connections6_open(struct inode *inode, struct file *file)
{
	return xtcp_procfs_open(inode, file, &connections_seq_ops, AF_INET6,
				false);
}

static int ages_open(struct inode *inode, struct file *file)
{
	return xtcp_procfs_open(inode, file, &ages_seq_ops, AF_UNSPEC, false);
}

static const struct proc_ops connections_proc_ops = {
	.proc_open	= connections_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};

static const struct proc_ops connections6_proc_ops = {
	.proc_open	= connections6_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};

static const struct proc_ops ages_proc_ops = {
	.proc_open	= ages_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= xtcp_procfs_release,
};

/* MIB_TCP_NR: index of the first counter of line TcpExt. */
enum {
#define X(symbol, name) MIB_TCP_##symbol,
	XTCP_MIB_TCP(X)
#undef X
	MIB_TCP_NR
};

static struct xtcp_mib *mib_sum(const struct net *net)
{
	struct xtcp_mib *sum = kmalloc(sizeof(*sum), GFP_KERNEL);

	if (sum)
		xtcp_stats_sum(net, sum);
	return sum;
}

static void mib_names_show(struct seq_file *m, unsigned int first,
			   unsigned int end)
{
	while (first < end)
		seq_printf(m, " %s", xtcp_stats_name(first++));
}

static void mib_values_show(struct seq_file *m, const struct xtcp_mib *sum,
			    unsigned int first, unsigned int end)
{
	/* Counted down on another CPU than up: meanwhile the sum of a gauge may be below 0. */
	for (; first < end; first++)
		seq_printf(m, " %lu", first == XTCP_MIB_CURR_ESTAB ?
			   max_t(long, sum->item[first], 0) : sum->item[first]);
}

/*
 * The constants are RFC 4022's: 1 is "other", as the kernel's TCP has it; 200
 * ms and 120 s are the bounds of the RTO; -1 means no limit of connections.
 */
static int snmp_show(struct seq_file *m, void *v)
{
	struct xtcp_mib *sum = mib_sum(m->private);

	if (!sum)
		return -ENOMEM;

	seq_puts(m, "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn");
	mib_names_show(m, 0, MIB_TCP_NR);
	seq_puts(m, "\nTcp: 1 200 120000 -1");
	mib_values_show(m, sum, 0, MIB_TCP_NR);
	seq_putc(m, '\n');
	kfree(sum);
	return 0;
}

static int netstat_show(struct seq_file *m, void *v)
{
	struct xtcp_mib *sum = mib_sum(m->private);

	if (!sum)
		return -ENOMEM;

	seq_puts(m, "TcpExt:");
	mib_names_show(m, MIB_TCP_NR, XTCP_MIB_NR);
	seq_puts(m, "\nTcpExt:");
	mib_values_show(m, sum, MIB_TCP_NR, XTCP_MIB_NR);
	seq_putc(m, '\n');
	kfree(sum);
	return 0;
}

/**
 * xtcp_procfs_is_admin - has the opener of a file CAP_NET_ADMIN?
 * @m: the file
 * @net: its namespace
 * @opener: zeroed when the file is opened; keeps the answer
 *
 * The opener, not the reader: a setuid program that inherits the file must not see more. The
 * capability is asked for once, because each refusal may be audited, and not before it
 * matters.
 *
 * Context: process, under the file's own lock.
 * Return: true or false
 */
bool xtcp_procfs_is_admin(const struct seq_file *m, const struct net *net,
			  struct xtcp_opener *opener)
{
	if (!opener->asked)
		opener->net_admin = file_ns_capable(m->file, net->user_ns, CAP_NET_ADMIN);
	opener->asked = true;
	return opener->net_admin;
}

/**
 * struct lifecycle_reader - an open xtcp_lifecycle
 * @p: the namespace; first, for seq_file_net()
 * @opener: what the opener may see
 */
struct lifecycle_reader {
	struct seq_net_private	p;
	struct xtcp_opener	opener;
};

/*
 * A record of the seq_file for each row: a file of one record is printed again for each
 * larger buffer.
 */
static void *lifecycle_start(struct seq_file *m, loff_t *pos)
{
	if (!*pos)
		return SEQ_START_TOKEN;
	return *pos <= xtcp_lifecycle_rows() ? pos : NULL;
}

static void *lifecycle_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return lifecycle_start(m, pos);
}

static void lifecycle_stop(struct seq_file *m, void *v)
{
}

static int lifecycle_show(struct seq_file *m, void *v)
{
	struct lifecycle_reader *reader = m->private;
	struct net *net = seq_file_net(m);
	struct xtcp_lifecycle_row row;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "from event to count\n");
		return 0;
	}
	if (!xtcp_lifecycle_row_get(net, *(loff_t *)v - 1, &row) || !row.from)
		return SEQ_SKIP;
	if (row.secret && !xtcp_procfs_is_admin(m, net, &reader->opener))
		return SEQ_SKIP;
	seq_printf(m, "%s %s %s %llu\n", row.from, row.event, row.to, row.count);
	return 0;
}

static const struct seq_operations lifecycle_seq_ops = {
	.start	= lifecycle_start,
	.next	= lifecycle_next,
	.stop	= lifecycle_stop,
	.show	= lifecycle_show,
};

/* A file of a namespace: with operations of its own, or with the kernel's for a single text. */
struct procfs_file {
	const char		*name;
	umode_t			mode;
	const struct proc_ops	*ops;
	int			(*show)(struct seq_file *m, void *v);
};

static const struct procfs_file procfs_files[] = {
	{ .name = "xtcp", .mode = 0444, .ops = &connections_proc_ops },
	{ .name = "xtcp6", .mode = 0444, .ops = &connections6_proc_ops },
	{ .name = "xtcp_age", .mode = 0444, .ops = &ages_proc_ops },
	{ .name = "xtcp_snmp", .mode = 0444, .show = snmp_show },
	{ .name = "xtcp_netstat", .mode = 0444, .show = netstat_show },
	{ .name = "xtcp_listen", .mode = 0444, .ops = &xtcp_listeners_proc_ops },
	{ .name = "xtcp_metrics", .mode = 0444, .ops = &xtcp_metrics_proc_ops },
	{ .name = "xtcp_diag", .mode = 0444, .ops = &xtcp_diagfile_proc_ops },
	{ .name = "xtcp_dead", .mode = 0644, .ops = &xtcp_dead_proc_ops },
	{ .name = "xtcp_hostcache", .mode = 0644, .ops = &xtcp_hosts_proc_ops },
	{ .name = "xtcp_kill", .mode = 0200, .ops = &xtcp_killfile_proc_ops },
};

static bool procfs_create(struct net *net, const struct procfs_file *f)
{
	if (f->show)
		return proc_create_net_single(f->name, f->mode, net->proc_net, f->show, NULL);
	return proc_create_data(f->name, f->mode, net->proc_net, f->ops, net);
}

/* Remove the first @nr files. Waits for readers and writers inside a call. */
static void procfs_remove(struct net *net, unsigned int nr)
{
	while (nr--)
		remove_proc_entry(procfs_files[nr].name, net->proc_net);
}

/**
 * xtcp_procfs_net_init - create xtcp's files in /proc/net of a netns
 * @net: the namespace, with its tables and counters ready
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_procfs_net_init(struct net *net)
{
	unsigned int nr;

	for (nr = 0; nr < ARRAY_SIZE(procfs_files); nr++)
		if (!procfs_create(net, &procfs_files[nr]))
			goto undo;
	if (!proc_create_net("xtcp_lifecycle", 0444, net->proc_net, &lifecycle_seq_ops,
			     sizeof(struct lifecycle_reader)))
		goto undo;
	return 0;
undo:
	procfs_remove(net, nr);
	return -ENOMEM;
}

/**
 * xtcp_procfs_net_exit - remove the files
 * @net: the namespace
 *
 * Waits for readers and writers inside a call, and closes open files.
 */
void xtcp_procfs_net_exit(struct net *net)
{
	remove_proc_entry("xtcp_lifecycle", net->proc_net);
	procfs_remove(net, ARRAY_SIZE(procfs_files));
}
