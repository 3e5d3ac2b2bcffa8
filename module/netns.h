/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netns.h - per-namespace state of xtcp
 */
#ifndef XTCP_NETNS_H
#define XTCP_NETNS_H

#include <linux/mutex.h>
#include <linux/rhashtable-types.h>
#include <linux/seqlock.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <net/inet_timewait_sock.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

/* That header's macros for its own fields; here these are names of knobs. */
#undef tw_reuse
#undef tw_timeout

struct ctl_table_header;
struct xtcp_inroute;
struct xtcp_inroute6;
struct xtcp_congestion_ops;
struct xtcp_gate;
struct xtcp_mib;
struct xtcp_shadows;
struct xtcp_timewaits;

/*
 * What a key of a namespace is used for. A separate key for each use: a hash
 * that a peer sees in one use tells it nothing about the others.
 */
enum xtcp_secret {
	XTCP_SECRET_IDENTITY,
	XTCP_SECRET_PORT,
	XTCP_SECRET_LISTENER,
	XTCP_SECRET_SOURCE,
	XTCP_SECRETS
};

/**
 * struct xtcp_knobs - net.ipv4.xtcp_*, as written; Documentation/knobs.rst
 *
 * Read with READ_ONCE(), because a knob may change at any time. Where the knob of
 * the kernel's TCP accepts values beyond the documented range, so does ours, and
 * readers clamp it.
 */
struct xtcp_knobs {
	u8	syncookies;		/* 0 off, 1 when full, 2 always */
	u8	syn_per_source_prefix;	/* 1..32 bits, IPv4 */
	u8	syn_per_source_prefix6;	/* 1..128 bits, IPv6 */
	u8	synack_retries;		/* 0..255 */
	u8	syn_retries;		/* 1..127 */
	u8	abort_on_overflow;	/* 0, 1 */
	u8	migrate_req;		/* 0, 1 */
	u8	reflect_tos;		/* 0, 1 */
	u8	l3mdev_accept;		/* 0, 1: unbound sockets are for VRFs, too */
	u8	tw_reuse;		/* 0 off, 1 all, 2 loopback */
	u8	tw_recycle;		/* 0, 1: TIME-WAIT for 3.5 RTO */
	u8	rfc1337;		/* 0, 1: no RST ends TIME-WAIT */
	u8	retries1;		/* 0..255 */
	u8	retries2;		/* 0..255 */
	u8	orphan_retries;		/* 0..255; 0 means 8 */
	u8	keepalive_probes;	/* 0..255 */
	u8	timestamps;		/* 0 off, 1 offset, 2 plain */
	u8	window_scaling;		/* 0, 1 */
	u8	sack;			/* 0, 1 */
	kgid_t	gid_range[2];		/* groups that may open sockets; gid_lock */
	u8	wire;			/* IP protocol number of new sockets */
	u8	syn_linear_timeouts;	/* SYNs 1 s apart before backing off */
	u8	slow_start_after_idle;	/* 0, 1 */
	u8	dsack;			/* 0, 1 */
	u8	comp_sack_nr;		/* ACKs */
	u8	moderate_rcvbuf;	/* 0, 1: receive buffers grow */
	u8	recovery;		/* bits: 1 RACK, 2, 4: rack.c */
	u8	early_retrans;		/* 3, 4: loss probes */
	u8	frto;			/* 0 off */
	u8	autocorking;		/* 0, 1: gather short writes */
	u8	min_tso_segs;		/* segments in an skb, at the least */
	u8	tso_rtt_log;		/* 0..31: short paths, longer bursts */
	u8	tso_win_divisor;	/* 0: any; part of a window to wait for */
	int	limit_output_bytes;	/* bytes of memory in qdisc and driver */
	u8	stdurg;			/* 0, 1: urgent pointers as in RFC 1122 */
	u8	ecn;			/* 0 off, 1 ask and answer, 2 answer */
	u8	mtu_probing;		/* 0 off, 1 in a black hole, 2 on */
	u8	ecn_fallback;		/* 0, 1: a SYN sent again asks no more */
	int	reordering;		/* segments */
	int	max_reordering;		/* segments */
	u8	early_demux;		/* 0, 1 */
	u8	workaround_signed_windows; /* 0, 1: 32767 bytes if unscaled */
	u8	icmp_soft_abort;	/* 0, 1: soft ICMP errors end SYN-SENT */
	unsigned long comp_sack_delay_ns; /* ns */
	int	rto_min_us;		/* least RTO, microseconds */
	int	invalid_ratelimit;	/* jiffies, as the kernel's; 0: none */
	int	challenge_ack_limit;	/* per second; INT_MAX: no limit */
	int	min_snd_mss;		/* bytes, before options */
	int	base_mss;		/* bytes, where an MTU search begins */
	int	mtu_probe_floor;	/* bytes, where an MTU search ends */
	int	probe_threshold;	/* bytes, size of the smallest search range */
	int	pacing_ss_ratio;	/* % of a window a round trip, slow start */
	int	pacing_ca_ratio;	/* % of it later */
	unsigned int notsent_lowat;	/* bytes */
	unsigned int probe_interval;	/* s between two MTU searches */
	int	user_timeout;		/* ms; 0: none */
	int	attached_fin_timeout;	/* s; 0: none */
	int	max_syn_backlog;	/* half-open records */
	int	syn_per_source_limit;	/* half-open records; 0: no limit */
	int	synack_ratelimit;	/* per second; 0: no limit */
	int	rst_ratelimit;		/* per second; 0: no limit */
	int	max_tw_buckets;		/* TIME-WAIT records */
	int	tw_timeout;		/* s of TIME-WAIT, 1..600 */
	int	tw_reuse_delay;		/* ms of TIME-WAIT before reuse */
	int	fin_timeout;		/* jiffies, as the kernel's */
	int	keepalive_time;		/* jiffies */
	int	keepalive_intvl;	/* jiffies */
	const struct xtcp_congestion_ops *congestion_control; /* new sockets */
	int	rmem[3];		/* bytes: min, default, max */
	int	wmem[3];		/* bytes: min, default, max */
};

#define XTCP_LISTEN_BUCKETS	256	/* power of two */
#define XTCP_PORT_BUCKETS	4096	/* power of two */

struct xtcp_port;
struct xtcp_port_crowd;

/**
 * struct xtcp_port_chain - port buckets whose numbers hash to the same chain
 * @lock: guards the chain and its buckets; softirqs off
 * @nr: number of buckets
 * @crowded: there are many buckets, hashed by number and address in @crowd
 * @first: list of all buckets, if there are few
 * @crowd: hash table of the buckets, if there are many; port/bucket.c
 */
struct xtcp_port_chain {
	spinlock_t			lock;	/* softirqs off */
	u32				nr:31,
					crowded:1;
	union {
		struct xtcp_port	*first;
		struct xtcp_port_crowd	*crowd;
	};
};

/**
 * struct xtcp_net - xtcp in one network namespace
 * @net: the namespace
 * @secrets: keys of hashes that peers must not be able to guess; isn.c
 * @ready: @secrets, @flows, @listeners, @listen_table, @ports and @tcp_ports exist:
 *	there has been a socket
 * @ready_lock: serialises writers of @ready
 * @flows: flow table: sockets, half-open and TIME-WAIT records
 * @listen_lock: guards writers of @listeners and @listen_table
 * @listeners: sockets in LISTEN, RCU; for the files of /proc
 * @listen_table: table in which SYNs find listeners; lookup.c
 * @listen_at: entries of @listen_table at an address; @listen_any: at the wildcard
 * @ports: port buckets, hashed by port number
 * @tcp_ports: a bit for each port number that is in use on the TCP wire
 * @shadows: whether entries of the kernel's bind table may hold them, too; shadow.c
 * @timewaits: delay lines of TIME-WAIT records; close/timewait.c
 * @tw_count: number of TIME-WAIT records
 * @challenge_s: second of CLOCK_MONOTONIC that @challenges belongs to
 * @challenges: challenge ACKs that may still be sent in that second; a race
 *	between CPUs may send one more, as in Linux
 * @gate: rate limits and verdicts for SYNs; open/gate.c
 * @demux_lock: serialises writers of @demux, @demux6, @demux_closed, @inroute and
 *	@inroute6
 * @demux: early demux is on for IPv4; net/demux.c
 * @demux6: early demux is on for IPv6
 * @demux_closed: early demux has ended with the namespace
 * @demux_asked: segments have asked for early demux, for IPv4, for IPv6
 * @demux_work: work item that starts it for them
 * @inroute: input route cache of IPv4; NULL: off, each segment is routed
 * @inroute6: input route cache of IPv6
 * @gid_lock: guards @knobs.gid_range, whose two words must be read together
 * @knobs: net.ipv4.xtcp_*
 * @mib: counters, per CPU
 * @lifecycle: counts of the lifecycle table's rows, per CPU
 * @sysctl: registered table
 */
struct xtcp_net {
	struct net			*net;
	siphash_key_t			secrets[XTCP_SECRETS];
	bool				ready;
	struct mutex			ready_lock;	/* makers */
	struct rhashtable		flows;
	spinlock_t			listen_lock;	/* writers */
	struct hlist_head		*listeners;
	struct rhltable			listen_table;
	u32				listen_at;
	u32				listen_any;
	struct xtcp_port_chain		*ports;
	unsigned long			*tcp_ports;
	struct xtcp_shadows		*shadows;
	struct xtcp_timewaits		*timewaits;
	atomic_t			tw_count;
	u32				challenge_s;
	u32				challenges;
	struct xtcp_gate		*gate;
	struct mutex			demux_lock;	/* makers */
	bool				demux;
	bool				demux6;
	bool				demux_closed;
	bool				demux_asked[2];
	struct work_struct		demux_work;
	struct xtcp_inroute __percpu	*inroute;
	struct xtcp_inroute6 __percpu	*inroute6;
	seqlock_t			gid_lock;
	struct xtcp_knobs		knobs;
	struct xtcp_mib __percpu	*mib;
	u64 __percpu			*lifecycle;
	struct ctl_table_header		*sysctl;
};

extern unsigned int xtcp_net_id;

int xtcp_net_prepare(struct net *net);

/**
 * xtcp_net_is_ready - does a namespace have its large tables
 * @xn: namespace
 *
 * Most namespaces never have an xtcp socket; the first one creates the tables. Code
 * that serves a socket or record need not ask.
 *
 * Context: any.
 * Return: true if it has them, for its whole lifetime.
 */
static inline bool xtcp_net_is_ready(const struct xtcp_net *xn)
{
	/* Pairs with xtcp_net_prepare(): the tables are complete. */
	return smp_load_acquire(&xn->ready);
}

/*
 * Same as net_generic(), which on a preemptible kernel makes two function calls
 * for rcu_read_lock(). This is called several times for each segment, so disable
 * preemption instead, which is an RCU read-side section as well.
 */
static inline struct xtcp_net *xtcp_net(const struct net *net)
{
	struct xtcp_net *xn;

	preempt_disable();
	xn = rcu_dereference_sched(net->gen)->ptr[xtcp_net_id];
	preempt_enable();
	return xn;
}

/* For callers already in an RCU read-side section, of any kind. */
static inline struct xtcp_net *xtcp_net_rcu(const struct net *net)
{
	return rcu_dereference_check(net->gen, rcu_read_lock_any_held())->ptr[xtcp_net_id];
}

#define XTCP_KNOB(net, name)	READ_ONCE(xtcp_net(net)->knobs.name)

#endif /* XTCP_NETNS_H */
