/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netns.h - per-namespace state of xtcp
 */
#ifndef XTCP_NETNS_H
#define XTCP_NETNS_H

#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/mutex.h>
#include <linux/rhashtable-types.h>
#include <linux/seqlock.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
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
struct xtcp_fastkeys;
struct xtcp_gate;
struct xtcp_histogram;
struct xtcp_hostcache;
struct xtcp_mib;
struct xtcp_obituaries;
struct xtcp_port_chain;
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
	XTCP_SECRET_PATH,
	XTCP_SECRET_TOKEN,
	XTCP_SECRETS
};

/**
 * struct xtcp_knobs - net.ipv4.xtcp_*, as written; Documentation/knobs.rst
 *
 * Read with READ_ONCE(), because a knob may change at any time. Where the knob of
 * the kernel's TCP accepts values beyond the documented range, so does ours, and
 * readers clamp it. Those that each segment reads are in the first cache line.
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
	u8	tw_stateless;		/* 0, 1: our FIN has a token */
	u8	tw_recycle;		/* 0, 1: TIME-WAIT for 3.5 RTO */
	u8	rfc1337;		/* 0, 1: no RST ends TIME-WAIT */
	u8	retries1;		/* 0..255 */
	u8	retries2;		/* 0..255 */
	u8	orphan_retries;		/* 0..255; 0 means 8 */
	u8	keepalive_probes;	/* 0..255 */
	u8	timestamps;		/* 0 off, 1 offset, 2 plain */
	u8	window_scaling;		/* 0, 1 */
	u8	sack;			/* 0, 1 */
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
	u8	stdurg;			/* 0, 1: urgent pointers as in RFC 1122 */
	u8	ecn;			/* enum xtcp_ecn_knob */
	u8	mtu_probing;		/* 0 off, 1 in a black hole, 2 on */
	u8	ecn_fallback;		/* 0, 1: a SYN sent again asks no more */
	u8	early_demux;		/* 0, 1 */
	u8	workaround_signed_windows; /* 0, 1: 32767 bytes if unscaled */
	u8	icmp_soft_abort;	/* 0, 1: soft ICMP errors end SYN-SENT */
	int	limit_output_bytes;	/* bytes of memory in qdisc and driver */
	int	rto_min_us;		/* least RTO, microseconds */
	int	pacing_ss_ratio;	/* % of a window a round trip, slow start */
	int	pacing_ca_ratio;	/* % of it later */
	unsigned int notsent_lowat;	/* bytes */
	int	reordering;		/* segments */
	int	max_reordering;		/* segments */
	kgid_t	gid_range[2];		/* groups that may open sockets; gid_lock */
	unsigned long comp_sack_delay_ns; /* ns */
	int	invalid_ratelimit;	/* jiffies, as the kernel's; 0: none */
	int	challenge_ack_limit;	/* per second; INT_MAX: no limit */
	int	min_snd_mss;		/* bytes, before options */
	int	base_mss;		/* bytes, where an MTU search begins */
	int	mtu_probe_floor;	/* bytes, least size that a search assumes to pass */
	int	probe_threshold;	/* bytes, size of the smallest search range */
	unsigned int probe_interval;	/* s from the beginning of an MTU search to the next */
	int	user_timeout;		/* ms; 0: none */
	int	attached_fin_timeout;	/* s; 0: none */
	int	rto_max_ms;		/* largest timeout, 1000..120000 ms */
	u8	thin_linear_timeouts;	/* 0, 1: thin streams don't back off */
	u8	retrans_collapse;	/* 0, 1: join small segments to send them again */
	u8	pingpong_thresh;	/* answers, 1..255 */
	u8	shrink_window;		/* 0, 1: take an offered window back */
	int	comp_sack_rtt_percent;	/* % of a round trip, 1..1000 */
	int	min_rtt_wlen;		/* s, 0..86400 */
	u8	recorder;		/* enum xtcp_recorder_mode */
	u8	plb_enabled;		/* 0, 1: leave congested paths */
	u8	plb_idle_rehash_rounds;	/* 0..31; 0: never for that */
	u8	plb_rehash_rounds;	/* 0..31 */
	u8	plb_suspend_rto_sec;	/* s without it after a timeout */
	int	plb_cong_thresh;	/* 0..256 = all segments of a round */
	u8	no_metrics_save;	/* 0, 1: the host cache learns no metrics */
	u8	no_ssthresh_metrics_save; /* 0, 1: no thresholds */
	int	fastopen;		/* bits: TFO_* of net/tcp.h */
	int	fastopen_blackhole_timeout_sec; /* s; 0: none */
	int	max_syn_backlog;	/* half-open records; 3/4 is the limit without cookies */
	int	syn_per_source_limit;	/* half-open records; 0: no limit */
	int	synack_ratelimit;	/* per second; 0: no limit */
	int	rst_ratelimit;		/* per second; 0: no limit */
	int	max_tw_buckets;		/* TIME-WAIT and FIN-WAIT-2 records */
	int	tw_timeout;		/* s of TIME-WAIT, 1..600 */
	int	tw_reuse_delay;		/* ms of TIME-WAIT before reuse */
	int	fin_timeout;		/* jiffies, as the kernel's */
	int	keepalive_time;		/* jiffies */
	int	keepalive_intvl;	/* jiffies */
	const struct xtcp_congestion_ops *congestion_control; /* new sockets */
	int	rmem[3];		/* bytes: min, default, max */
	int	wmem[3];		/* bytes: min, default, max */
	u8	histograms;		/* 0, 1: count times in states and queues */
	u8	ecn_option;		/* enum xtcp_ecn_option_knob */
	u8	ecn_option_beacon;	/* 0..3 options in a round trip; 0: no such */
};

/* A value of xtcp_timestamps: TSval with an offset for each 4-tuple. */
#define XTCP_TIMESTAMPS_OFFSET	1

/**
 * struct xtcp_net - xtcp in one network namespace
 * @net: the namespace
 * @ready: @flows, @listeners, @listen_table, @hostcache, @ports and @tcp_ports exist:
 *	there has been a socket
 * @demux: early demux is on for IPv4; net/demux.c
 * @demux6: early demux is on for IPv6
 * @demux_closed: early demux has ended with the namespace
 * @demux_asked: segments have asked for early demux, for IPv4, for IPv6
 * @rebound: a connection has got another device since it was opened; flow.c
 * @borrowed: kernel code has had sockets that don't keep the namespace; user/kill.c
 * @inroute: input route cache of IPv4; NULL: off, each segment is routed
 * @inroute6: input route cache of IPv6
 * @mib: counters, per CPU
 * @lifecycle: counts of the lifecycle table's rows, per CPU
 * @gate: rate limits and verdicts for SYNs; open/gate.c
 * @tcp_ports: a bit for each port number that is in use on the TCP wire
 * @listen_at: entries of @listen_table at an address; @listen_any: at the wildcard
 * @ports: port buckets, hashed by port number
 * @shadows: whether entries of the kernel's bind table may hold them, too; shadow.c
 * @timewaits: delay lines of TIME-WAIT records; close/timewait.c
 * @flows: flow table: sockets, half-open and TIME-WAIT records
 * @listen_lock: guards writers of @listeners and @listen_table
 * @tw_count: number of TIME-WAIT and FIN-WAIT-2 records
 * @tw_peak: highest @tw_count ever
 * @replaces: how often a flow has begun to replace another one in @flows; flow.c
 * @challenge_s: second of CLOCK_MONOTONIC that @challenges belongs to
 * @challenges: challenge ACKs that may still be sent in that second; a race
 *	between CPUs may send one more, as in Linux
 * @listeners: sockets in LISTEN, RCU; for the files of /proc
 * @hostcache: metrics and cookies of peers; hostcache.c
 * @secrets: keys of hashes that peers must not be able to guess; isn.c
 * @listen_table: table in which SYNs find listeners; lookup.c
 * @sysctl: registered table
 * @ready_lock: serialises writers of @ready
 * @demux_lock: serialises writers of @demux, @demux6, @demux_closed and @inroute
 * @demux_work: work item that starts it for them
 * @ends: last messages of sockets, by sock_diag; user/diag.c
 * @ends_work: work item that sends them
 * @ends_missed: bits of the multicast groups for which @ends was full
 * @dwelt: histograms of the lifecycle table's rows, per CPU; NULL until the knob
 *	histograms is first set; observe/histogram.c
 * @obituaries: of connections, NULL: the knob recorder was never set;
 *	observe/recorder.c
 * @fast_keys: keys of the cookies of fast open, RCU; NULL: none drawn yet
 * @fast_pauses: how often a black hole has stopped connect()'s fast open in a row
 * @fast_paused: when it did so last, jiffies
 * @gid_lock: guards @knobs.gid_range, whose two words must be read together
 * @knobs: net.ipv4.xtcp_*
 *
 * By use: each segment reads the first cache line and @flows.tbl; a SYN or connect()
 * reads the rest of the second group. Then come the fields that connections write.
 */
struct xtcp_net {
	struct net			*net;
	bool				ready;
	bool				demux;
	bool				demux6;
	bool				demux_closed;
	bool				demux_asked[2];
	bool				rebound;
	bool				borrowed;
	struct xtcp_inroute __percpu	*inroute;
	struct xtcp_inroute6 __percpu	*inroute6;
	struct xtcp_mib __percpu	*mib;
	u64 __percpu			*lifecycle;
	struct xtcp_gate		*gate;
	unsigned long			*tcp_ports;

	u32				listen_at;
	u32				listen_any;
	struct xtcp_port_chain		*ports;
	struct xtcp_shadows		*shadows;
	struct xtcp_timewaits		*timewaits;
	struct rhashtable		flows;

	spinlock_t			listen_lock;	/* writers */
	atomic_t			tw_count;
	atomic_t			tw_peak;
	atomic_t			replaces;
	u32				challenge_s;
	u32				challenges;
	struct hlist_head		*listeners;
	struct xtcp_hostcache		*hostcache;

	siphash_key_t			secrets[XTCP_SECRETS];
	struct rhltable			listen_table;
	struct ctl_table_header		*sysctl;
	struct mutex			ready_lock;	/* makers */
	struct mutex			demux_lock;	/* makers */
	struct work_struct		demux_work;
	struct sk_buff_head		ends;
	struct work_struct		ends_work;
	unsigned long			ends_missed;
	struct xtcp_histogram __percpu	*dwelt;
	struct xtcp_obituaries		*obituaries;
	struct xtcp_fastkeys __rcu	*fast_keys;
	atomic_t			fast_pauses;
	unsigned long			fast_paused;
	seqlock_t			gid_lock;
	struct xtcp_knobs		knobs ____cacheline_aligned_in_smp;
};

/*
 * What each segment reads, but for @flows.tbl, fills one line, and the knobs that
 * segments of a connection read another; the memory is of a kmalloc() cache, which aligns
 * it. Counters that connections write are in lines of neither.
 */
static_assert(offsetofend(struct xtcp_net, tcp_ports) <= 64);
static_assert(offsetofend(struct xtcp_knobs, reordering) <= 64);
static_assert(offsetof(struct xtcp_net, flows.tbl) / 64 !=
	      offsetof(struct xtcp_net, flows.nelems) / 64);
static_assert(offsetof(struct xtcp_net, tw_count) / 64 !=
	      offsetof(struct xtcp_net, flows.tbl) / 64);
static_assert(offsetof(struct xtcp_net, tw_count) / 64 !=
	      offsetof(struct xtcp_net, knobs) / 64);

extern unsigned int xtcp_net_id;

int xtcp_net_prepare(struct net *net);

/**
 * xtcp_net_is_ready - does a namespace have its large tables
 * @xn: namespace
 *
 * Most namespaces never have an xtcp socket; the first one creates the tables. Code
 * that serves a socket or record need not ask. A netfilter hook has to, though it is
 * registered after that: nothing else orders its reads of the tables behind that of the hook.
 *
 * Context: any.
 * Return: true if it has them, for its whole lifetime.
 */
static inline bool xtcp_net_is_ready(const struct xtcp_net *xn)
{
	/* Pairs with xtcp_net_prepare(): the tables are complete. */
	return smp_load_acquire(&xn->ready);
}

/**
 * xtcp_net_may_log - may events of a network namespace be written to the kernel's log
 * @net: namespace
 *
 * Any user can make network namespaces in a user namespace, and could fill the machine's log.
 *
 * Context: any.
 * Return: true if it belongs to the first user namespace.
 */
static inline bool xtcp_net_may_log(const struct net *net)
{
	return net->user_ns == &init_user_ns;
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
