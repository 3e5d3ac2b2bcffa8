/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tcb.h - the TCB (Transmission Control Block, RFC 9293 3.3.1) of a socket
 *
 * Fields keep the RFC's names: SND.UNA is snd_una. All are guarded by the socket
 * lock unless noted otherwise. Fields that are read without it (poll, /proc,
 * TCP_INFO) are written with WRITE_ONCE(), but for those that only user/waiting.c
 * reads.
 *
 * A new connection, whether of connect() or of a listener, starts with the fields of the
 * groups zero_* at 0: xtcp_begin() clears each group as a whole, and disconnect does, too.
 * Put a new field into the group of the cache line in which it is used, unless something
 * else sets it for each connection, or it belongs to the socket. There are several groups
 * because fields that are used together share a cache line.
 *
 * The fields of one mechanism are a part: a struct in a header of tcb/. If it is in none of
 * these groups, the mechanism's own file initializes it (but sockopt: socket() zeroes it,
 * and a child keeps its listener's):
 *
 *   part		file			what it is
 *   ack		transfer/ack.c		when to acknowledge
 *   autotune		transfer/autotune.c	size of the receive buffer
 *   ecn		transfer/ecn.c		Explicit Congestion Notification
 *   measured, meter	transfer/meter.c	statistics for TCP_INFO
 *   mtu		transfer/mtuprobe.c	search for the path's MTU
 *   probe		transfer/probe.c	probes of a silent peer
 *   prr		transfer/prr.c		reduction of the window
 *   rack		transfer/rack.c		loss detection by time
 *   retransmit		transfer/retransmit.c	retransmission timeouts
 *   rtt		transfer/rtt.c		round trip time and timeout
 *   sockopt		user/sockopt.c		options that the program has set
 *   undo		transfer/undo.c		is a reduction unfounded
 *   urgent		transfer/urgent.c	urgent data
 *
 * Other files read a part, and most call a function of its file to change it.
 * Exceptions: output.c and probe.c write retransmit.refused, probed and attempted; begin.c,
 * connect.c and acceptqueue.c give ack and retransmit what the handshake has shown; accecn.c
 * writes ecn.seen; the files of loss recovery (congestion.c, lossprobe.c, recovery.c, undo.c),
 * rtt.c and send.c write to prr, rack, undo and mtu.probe; deadlines.h and timers.c have
 * retransmit.waiting and brief; congestion.c sets sockopt.congestion_chosen and
 * congestion_locked, and close.c sockopt.user_mss; a child has a copy of its listener's
 * sockopt.rare (rare.c); socket.c clears ecn.accurate and sockopt.rare at the end.
 *
 * These stay in struct xtcp_sock:
 * - sequence numbers and windows (RFC 9293 3.3.1), what the opening negotiates, and
 *   timestamps: all stages use them;
 * - the congestion window, the segments in flight and the scoreboard: each segment
 *   changes them together. congestion.c alone writes cwnd and ssthresh;
 * - deadlines and queues;
 * - counters for TCP_INFO, because the file that sees an event counts it;
 * - single bits and bytes of a mechanism, which as a struct would cost padding.
 */
#ifndef XTCP_TCB_H
#define XTCP_TCB_H

#include <linux/build_bug.h>
#include <linux/ipv6.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/stddef.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/net_debug.h>

#include "delayline.h"
#include "flow.h"
#include "lifecycle.h"
#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb/ack.h"
#include "tcb/autotune.h"
#include "tcb/ecn.h"
#include "tcb/meter.h"
#include "tcb/mtuprobe.h"
#include "tcb/probe.h"
#include "tcb/prr.h"
#include "tcb/rack.h"
#include "tcb/retransmit.h"
#include "tcb/rtt.h"
#include "tcb/sockopt.h"
#include "tcb/undo.h"
#include "tcb/urgent.h"
#include "token.h"

struct xtcp_congestion_ops;
struct xtcp_family;
struct xtcp_fastconnect;
struct xtcp_fastcookie;
struct xtcp_fastq;
struct xtcp_listener;
struct xtcp_port;
struct xtcp_recorder;

/* Deadlines of a socket; deadlines.h sets and clears them. */
enum xtcp_timer {
	XTCP_TIMER_RETRANSMIT,	/* RFC 6298: oldest unacknowledged segment */
	XTCP_TIMER_PERSIST,	/* RFC 9293 3.8.6.1: zero window */
	XTCP_TIMER_DELAYED_ACK,	/* RFC 9293 3.8.6.3 */
	XTCP_TIMER_KEEPALIVE,	/* RFC 9293 3.8.4 */
	XTCP_TIMER_FIN_WAIT_2,	/* limits the wait for the peer's FIN */
	XTCP_TIMER_PACE,	/* the next burst, or the end of a large write, is due */
	XTCP_TIMERS
};

/* Phases of loss recovery, transfer/recovery.c; in the order of trouble. */
enum xtcp_recovery {
	XTCP_RECOVERY_NONE,	/* nothing is wrong */
	XTCP_RECOVERY_DISORDER,	/* something is missing, and may still come */
	XTCP_RECOVERY_REDUCTION, /* CE mark, or a full queue of this host */
	XTCP_RECOVERY_FAST,	/* ACKs showed a loss */
	XTCP_RECOVERY_LOSS,	/* the retransmission timer fired */
};

/* Bits of struct xtcp_sock::deferred: deferred work, done by release_cb. */
#define XTCP_DEFER_TIMERS	0	/* the wheel entry has expired */
#define XTCP_DEFER_MTU		1	/* a router announced a smaller MTU */
#define XTCP_DEFER_ACK		2	/* xtcp_ack_deferred() */
#define XTCP_DEFER_SEND		3	/* xtcp_smallqueue_resume() */
/* The limit of transfer/smallqueue.c is reached. */
#define XTCP_THROTTLED		4
#define XTCP_RESUMING		5
/* A write of fast open makes the connection; sendmsg() has not returned yet. */
#define XTCP_FAST_WRITING	6

#define XTCP_NAGLE_OFF		0x1	/* TCP_NODELAY */
#define XTCP_NAGLE_CORK		0x2	/* TCP_CORK */
#define XTCP_NAGLE_PUSH		0x4	/* send the queued data once */
#define XTCP_NAGLE_LARGE	0x8	/* the last SEND had many segments */
#define XTCP_NAGLE_TAIL		0x10	/* the end of such a SEND waits, or has waited */
#define XTCP_NAGLE_BURST	0x20	/* pacing has held the next burst */

/**
 * struct xtcp_sock - an xtcp socket
 * @inet: the kernel's part, first
 * @flow: its entry in the flow table
 * @af: address family operations
 * @listener: LISTEN: queues, owned by open/listen.c
 * @queued_since: in an accept queue: since when, jiffies; 0: not measured
 * @recorder: other states: its last events, observe/recorder.c; NULL: not recorded, or
 *	it was a listener
 * @accept_link: before accept(): link in the listener's accept queue
 * @cookie: with @cookie_held: the peer's lossless cookie, open/echo.c
 * @meter: statistics for TCP_INFO, valid while @accept_link and @cookie, with which
 *	it shares memory, are not in use
 * @port: port bucket that the socket holds, or NULL; port/, chain lock
 * @port_listens: the socket listens on @port; port/, chain lock
 * @port_moved: connect() has moved it to @port from the bucket of the wildcard; port/, chain lock
 * @echoes: number of times that an ACK with @cookie was repeated
 * @cookie_child: a returned SYN cookie created it, open/acceptqueue.c
 * @token_role: enum xtcp_token_role, close/stateless.c
 * @fast_held: @fastq is valid
 * @fast_sending: @fast_option is valid, to be sent with the SYN or SYN-ACK
 * @fast_tried: our SYN had the option of fast open, or data; open/fastconnect.c
 * @fast_child: a SYN with the option of fast open created it, open/acceptqueue.c
 * @fast_taken: the data of a SYN was acknowledged, by us or by the peer
 * @fast_checks: the first use of fast open after a pause: is the path good again
 * @fast_fail: enum tcp_fastopen_client_fail, why a SYN's data was of no use
 *
 * Send sequence space, RFC 9293 3.3.1:
 * @snd_una: oldest unacknowledged
 * @snd_nxt: next to be sent
 * @write_seq: after the last byte (or FIN) queued by the program
 * @snd_wnd: bytes the peer allows from @snd_una on, scaled
 * @snd_wl1: SEG.SEQ of the segment that last updated @snd_wnd
 * @snd_wnd_max: largest @snd_wnd ever seen
 * @iss: initial send sequence number
 * @snd_sml: end of the last segment sent that was smaller than the MSS
 * @pushed_seq: end of the data last marked with PSH
 *
 * Receive sequence space:
 * @rcv_nxt: next expected
 * @rcv_wup: @rcv_nxt when the window was last advertised
 * @rcv_wnd: bytes advertised from @rcv_wup on
 * @rcv_taken_back: bytes beyond these that an earlier advertisement had
 * @copied_seq: next byte that the program reads
 * @irs: initial receive sequence number
 *
 * @urgent: urgent data, sent and received, transfer/urgent.c
 *
 * Receive buffer, transfer/autotune.c:
 * @autotune: what sizes it
 * @rcv_share: 256ths of an skb's memory that are payload
 *
 * Negotiated at the opening:
 * @snd_wscale: shift of windows received, @rcv_wscale: of windows sent
 * @wscale_ok, @ts_ok, @sack_ok: both sides sent the option
 * @cookie_held: @cookie must be sent: only a SYN-ACK has arrived from the server
 * @advmss: the MSS we announced, bytes
 * @peer_mss: the MSS the peer announced, or the default, bytes; at most TCP_MAXSEG as of
 *	the opening
 * @mss: payload of a full segment, bytes (effective send MSS less options,
 *	MUST-16)
 * @pmtu: path MTU from which @mss was computed, bytes
 *
 * Timestamps, RFC 7323:
 * @ts_offset: added to the clock in TSval
 * @ts_recent: TS.Recent
 * @ts_recent_s: when it was set, seconds of CLOCK_MONOTONIC
 *
 * @rtt: round trip time and timeout, RFC 6298; transfer/rtt.c
 *
 * Congestion control, RFC 5681; segments:
 * @cwnd, @ssthresh: window and threshold; ssthresh U32_MAX: none yet
 * @cwnd_cnt: ACKs counted towards the next segment in congestion avoidance
 * @congestion: congestion control, @congestion_state its private data, or
 *	@congestion_memory if that needs more; congestion.c
 * @cwnd_full: SND.NXT when @cwnd was last used up
 * @in_flight: segments sent and not acknowledged cumulatively
 * @bare_out: @in_flight is 1: our SYN or FIN, without an skb
 * @sacked_out: of @in_flight, received by the peer: SACKed or, without SACK, the
 *	number of duplicate ACKs
 * @lost_out: of @in_flight, believed lost; @retrans_out: retransmitted since
 * @recover: RFC 6582: highest sequence number sent when recovery began
 * @recovery: phase
 *
 * Scoreboard, transfer/scoreboard.c:
 * @sent_order: segments in flight, by the time of their last transmission
 * @sacked_end: after the highest SACKed segment, if @sacked_out
 * @to_resend: of @lost_out, those that wait for retransmission
 * @resend_seq: none of them lies below it
 * @holes_seq: all holes below it are known to be lost, if losses are detected by
 *	counting SACK blocks
 * @lost: number of losses, including lost retransmissions
 * @reordering: number of segments above a hole after which it counts as lost
 * @reord_seen: reordering has been seen
 *
 * Reduction of the window and undo, transfer/prr.c and undo.c:
 * @prior_cwnd, @prior_ssthresh: before the reduction; segments
 * @prr: progress of the reduction
 * @undo: what shows whether it was unfounded
 * @dsack_segs: number of duplicates ever reported by D-SACK
 *
 * @ecn: Explicit Congestion Notification, RFC 3168; transfer/ecn.c
 *
 * Pacing, transfer/pacing.c:
 * @pace_due: time of the next burst, 32 bits of CLOCK_MONOTONIC in ticks of 64 ns; valid
 *	if pacing and @paced
 *
 * Packetization layer path MTU discovery, RFC 4821; transfer/mtuprobe.c:
 * @mtu: search for the path's MTU; @mtu_searched_s: its start, seconds of
 *	CLOCK_MONOTONIC
 * @mtu_pending: path MTU that a router announced last, bytes; with XTCP_DEFER_MTU it
 *	has not been applied yet. @mtu_quoted: sequence number of the packet that it has dropped
 *
 * RACK and TLP, RFC 8985; transfer/rack.c and lossprobe.c:
 * @rack: loss detection by time
 * @probe_out: a loss probe is in flight; unlike @probe, which counts probes of
 *	a window or of an idle peer
 * @probe_seq: TLP.end_seq, if @probe_out; @probe_resent: the loss probe was a
 *	retransmission
 * @frto: RFC 5682 is checking whether the timeout was spurious
 *
 * Timers; CLOCK_MONOTONIC ns, timers.c:
 * @wheel_entry: wheel entry, expires at the earliest deadline or before
 * @wheel_cpu: CPU of the wheel
 * @deadline_ns: by enum xtcp_timer; 0: not set
 * @retransmit: retransmission timeouts, transfer/retransmit.c
 * @probe: probes of a silent peer, transfer/probe.c
 * @retrans_stamp_ns: since when an answer is missing: time of the last ACK of new
 *	data, of the first send after nothing was in flight, or of the first
 *	window probe. R2 and the user timeout count from here. 0: none is missing
 *
 * Acknowledging:
 * @ack: when to acknowledge, transfer/ack.c
 * @oow_ack_ms: last answer to an invalid segment, low 32 bits of ms; 0: none
 * @last_rcv_ns: when the handling of the last segment began that passed the checks of RFC 9293
 *	3.10.7.4: of one that has waited in the backlog, later than it arrived; during
 *	processing, of the current segment
 * @last_snd_ns: last transmission of data, for the restart after idle
 *
 * Out of order, RFC 9293 SHLD-31:
 * @ofo_queue: skbs by sequence number
 * @sacks: blocks to report, latest first; @nr_sacks of them (RFC 2018 4)
 * @token: instead of @sacks, after the peer's FIN, when nothing can be out of order
 *	any more: the peer's token if @token_role is XTCP_TOKEN_HELD
 * @opener: instead of @sacks, in LISTEN and in a child that is being made: comm of the
 *	program that called listen()
 * @fastq: instead of the last two @sacks, with @fast_held; xtcp_held_fastq(): in CLOSED and
 *	LISTEN the queue of fast-open children that TCP_FASTOPEN has made; in a child until
 *	its SYN-ACK is acknowledged, the queue that counts it. fastq.c
 * @fast_option: option of fast open, on the stack of the caller that sends the SYN
 * @fast_request: with @fast_sending in CLOSED: the write that is about to connect
 * @dsack: duplicate to report once, if @dsack_pending (RFC 2883)
 * @rcv_collapsed: copying saves no memory in the receive queue (prune.c) until
 *	the program reads
 * @ofo_collapsed: copying saves none in @ofo_queue until the queue changes
 *
 * Socket options:
 * @sockopt: those that the program sets by setsockopt(); the comment at the top has the
 *	exceptions
 * @window_clamp: largest receive window, bytes; TCP_WINDOW_CLAMP, or the route's
 * @nagle: XTCP_NAGLE_*
 *
 * For TCP_INFO, as Linux counts:
 * @delivered, @delivered_ce: segments, our SYN included; of them with ECE
 * @data_segs_in, @data_segs_out: segments with payload; @rcv_ooo: out of order
 * @segs_in, @segs_out: all segments; retransmissions and pure ACKs included
 * @bytes_acked: bytes acknowledged, the FIN included, and the SYN of connect(),
 *	as in Linux
 * @bytes_received: bytes received in order, the FIN included, the SYN not
 * @bytes_retrans: bytes retransmitted
 * @total_retrans: segments retransmitted
 *
 * @measured: the rest of the statistics of transfer/meter.c
 *
 * @filtering: BPF programs that may bind the socket are running, in an RCU
 *	read-side section
 *
 * @state_since: when the current state began, jiffies
 * @deferred: XTCP_DEFER_*, XTCP_THROTTLED, XTCP_RESUMING, XTCP_FAST_WRITING, atomic
 *	bits
 * @resume_link: link in a list of smallqueue.c, with XTCP_RESUMING, which a socket in an
 *	accept queue does not have (xtcp_smallqueue_drained)
 * @fin_queued: our FIN is in the send queue or was sent
 */
struct xtcp_sock {
	union {
		struct inet_sock	inet;
		/* See "The space of cork" below. */
		struct {
			u8	before_cork[offsetof(struct inet_sock, cork)];

			union {
				struct xtcp_sack_block sacks[XTCP_SACK_MAX];
				u8	token[XTCP_TOKEN_LEN];
				struct {
					char	opener[TASK_COMM_LEN];
					struct xtcp_fastq *fastq;
					union {
						const struct xtcp_fastcookie *fast_option;
						struct xtcp_fastconnect *fast_request;
					};
				};
			};
			unsigned long state_since;
			struct xtcp_port *port;
			struct xtcp_sack_block dsack;
			u32	prior_cwnd;
			u32	prior_ssthresh;
			struct xtcp_prr prr;
			struct xtcp_undo undo;
			u32	mtu_searched_s;
			struct_group(zero_rare,
				u64	bytes_retrans;
				u32	dsack_segs;
				u32	rcv_ooo;
				u32	total_retrans;
				u32	oow_ack_ms;
			);
			u16	wheel_cpu;
			u16	mtu_pending;
			seq_t	resend_seq;
			seq_t	holes_seq;
			seq_t	probe_seq;
			seq_t	iss;
			union {
				seq_t	irs;
				seq_t	sacked_end;
			};
			union {
				struct llist_node resume_link;
				unsigned long queued_since;
			};
		};
	};
	struct xtcp_flow		flow;
	const struct xtcp_family	*af;
	union {
		struct xtcp_listener	*listener;
		struct xtcp_recorder	*recorder;
	};
	union {
		struct list_head	accept_link;
		u8			cookie[XTCP_COOKIE_LEN];
		struct xtcp_meter	meter;
	};
	const struct xtcp_congestion_ops *congestion;
	union {
		u64			congestion_state[5];
		void			*congestion_memory;
	};
	u8				port_listens:1,
					port_moved:1;
	u8				rcv_share;
	u8				snd_wscale:4,
					rcv_wscale:4;
	u8				nagle;

	seq_t		snd_una;
	seq_t		snd_nxt;
	seq_t		write_seq;
	struct_group(zero_window,
		u32	snd_wnd;
		seq_t	snd_wl1;
		u32	snd_wnd_max;
	);
	seq_t		snd_sml;
	seq_t		pushed_seq;

	seq_t		rcv_nxt;
	seq_t		rcv_wup;
	u32		rcv_wnd;
	seq_t		copied_seq;
	struct_group(zero_bits,
		struct xtcp_urgent urgent;
		u8	nr_sacks:3,
			echoes:3,
			token_role:2;
		u8	cookie_child:1,
			fast_held:1,
			fast_sending:1,
			fast_tried:1,
			fast_taken:1,
			fast_checks:1,
			fast_fail:2;
		u8	wscale_ok:1,
			ts_ok:1,
			sack_ok:1,
			fin_queued:1,
			dsack_pending:1,
			cookie_held:1,
			rcv_collapsed:1,
			ofo_collapsed:1;
		u8	paced:1,
			filtering:1,
			reord_seen:1,
			probe_out:1,
			probe_resent:1,
			frto:1,
			bare_out:1,
			fast_child:1;
	);
	u16		advmss;
	u16		peer_mss;
	struct xtcp_sockopt sockopt;
	struct xtcp_autotune autotune;
	u32		mss;
	u32		pmtu;
	u32		rcv_taken_back;
	u32		ts_offset;
	struct_group(zero_path,
		struct xtcp_mtu_search mtu;
		u32	ts_recent;
		u32	ts_recent_s;
	);

	struct xtcp_rtt	rtt;

	u32		cwnd;
	u32		ssthresh;
	u32		cwnd_cnt;
	seq_t		cwnd_full;
	struct_group(zero_flight,
		u32	in_flight;
		u32	sacked_out;
		u32	lost_out;
		u32	retrans_out;
		seq_t	recover;
		u8	recovery;
		struct xtcp_ecn	ecn;
		struct xtcp_probe probe;
		struct xtcp_retransmit retransmit;
		u32	lost;
		u32	pace_due;
	);
	u32		reordering;
	u32		window_clamp;
	struct xtcp_rack rack;
	struct list_head sent_order;

	u64		retrans_stamp_ns;
	u64		deadline_ns[XTCP_TIMERS];
	struct xtcp_delay wheel_entry;
	unsigned long	deferred;

	struct xtcp_ack	ack;
	u64		last_rcv_ns;
	u64		last_snd_ns;

	struct rb_root	ofo_queue;

	struct_group(zero_counts,
		struct xtcp_measured measured;
		u64	bytes_acked;
		u64	bytes_received;
		u32	delivered;
		u32	delivered_ce;
		u32	data_segs_in;
		u32	data_segs_out;
		u32	segs_in;
		u32	segs_out;
		u32	to_resend;
		seq_t	mtu_quoted;
	);
};

/*
 * The space of cork
 *
 * inet_sock.cork belongs to the protocol of a socket: datagrams are assembled in
 * its first part, and the kernel's TCP keeps a flow for route lookups in its second
 * part. xtcp needs neither, and calls no function of the kernel that does
 * (ip_append_data(), inet_sk_rebuild_header(), ...). This is the only field of the
 * kernel's part in which xtcp stores something else than the kernel does. The space
 * saves 144 bytes of each socket; a socket's slab object is then 1,664 bytes instead
 * of 1,792 on 6.12. A round trip and a bulk transfer without losses touch no field in its first
 * two lines, so these stay out of the cache: Documentation/layout.rst.
 *
 * A kernel that moves, shrinks, or extends cork for a new use does not compile.
 */
static_assert(__same_type(struct inet_cork_full, ((struct inet_sock *)NULL)->cork));
static_assert(__same_type(struct inet_cork, ((struct inet_cork_full *)NULL)->base));
static_assert(__same_type(struct flowi, ((struct inet_cork_full *)NULL)->fl));
static_assert(sizeof(struct inet_cork_full) ==
	      sizeof(struct inet_cork) + sizeof(struct flowi) + XTCP_CORK6_SIZE);
static_assert(offsetof(struct xtcp_sock, sacks) ==
	      offsetof(struct inet_sock, cork));
static_assert(offsetofend(struct xtcp_sock, resume_link) <=
	      offsetofend(struct inet_sock, cork));

#if IS_ENABLED(CONFIG_IPV6)
/**
 * struct xtcp_sock6 - an xtcp socket of AF_INET6
 * @xs: the socket
 * @pinfo: IPv6's part; kernels before 6.6 expect it at the end
 */
struct xtcp_sock6 {
	struct xtcp_sock	xs;
	struct ipv6_pinfo	pinfo;
};
#endif

static inline struct xtcp_sock *xtcp_sk(const struct sock *sk)
{
	return (struct xtcp_sock *)sk;
}

static inline struct sock *xtcp_to_sk(struct xtcp_sock *xs)
{
	return &xs->inet.sk;
}

/**
 * xtcp_assert_owned - check that the caller has locked a socket
 * @sk: socket
 *
 * The caller must own the socket lock, or hold its spinlock in softirq. Does
 * nothing without lockdep.
 */
static inline void xtcp_assert_owned(const struct sock *sk)
{
	sock_owned_by_me(sk);
}

/*
 * Fields that share their memory with another one. A kernel with CONFIG_DEBUG_NET warns if
 * the other one is there; others read the field and nothing else. observe/recorder.h has
 * the one of @recorder.
 */

/* The peer's ISN; until the peer has SACKed a segment; then @sacked_end takes its memory. */
static inline seq_t xtcp_irs(const struct xtcp_sock *xs)
{
	DEBUG_NET_WARN_ON_ONCE(xs->sacked_out && xs->sack_ok);
	return xs->irs;
}

/* End of the highest SACKed segment; while there is one. */
static inline seq_t xtcp_sacked_end(const struct xtcp_sock *xs)
{
	DEBUG_NET_WARN_ON_ONCE(!xs->sacked_out || !xs->sack_ok);
	return xs->sacked_end;
}

/* The queue of fast-open children; with @fast_held. */
static inline struct xtcp_fastq *xtcp_held_fastq(const struct xtcp_sock *xs)
{
	DEBUG_NET_WARN_ON_ONCE(!xs->fast_held);
	return xs->fastq;
}

/**
 * xtcp_awaits_accept - is a connection in a listener's accept queue
 * @sk: not a listener; with the socket lock, the answer stays true or false
 *
 * accept() gives a child its struct socket after it has left the queue, so true may
 * also mean that accept() is about to return it.
 *
 * Return: true if it is
 */
static inline bool xtcp_awaits_accept(const struct sock *sk)
{
	const struct socket *sock = READ_ONCE(sk->sk_socket);

	/*
	 * Pairs with smp_wmb() in xtcp_close_orphan(): an orphan has no socket either. And with
	 * the lock in sock_graft(), which accept() takes after the child has left the queue:
	 * a CPU that sees the socket does not see the links of the queue.
	 */
	smp_rmb();
	return !sock && !sock_flag(sk, SOCK_DEAD);
}

/* TCP_USER_TIMEOUT in ms; if not set, the knob xtcp_user_timeout; 0: none. */
static inline u32 xtcp_user_timeout_ms(const struct xtcp_sock *xs)
{
	return READ_ONCE(xs->sockopt.user_timeout_ms) ?:
	       XTCP_KNOB(sock_net(&xs->inet.sk), user_timeout);
}

/* @mss, or TCP_MAXSEG if that is set and less; bytes. */
static inline u32 xtcp_maxseg_limit(const struct xtcp_sock *xs, u32 mss)
{
	u16 most = READ_ONCE(xs->sockopt.user_mss);

	return most ? min_t(u32, mss, most) : mss;
}

/* 2MSL in ms: XTCP_TW_TIMEOUT; if not set, the knob xtcp_tw_timeout. */
static inline u32 xtcp_2msl_ms(const struct xtcp_sock *xs)
{
	return (XTCP_SOCKOPT_RARE(xs, tw_timeout_s) ?:
		XTCP_KNOB(sock_net(&xs->inet.sk), tw_timeout)) * MSEC_PER_SEC;
}

/*
 * Did a segment with a cookie open the connection, of a SYN or of fast open? A copy of it could
 * open another one and deliver its payload again, and only the record of TIME-WAIT stops it.
 * Not at the client of a fast open: it has sent that segment, and a copy of it opens nothing here.
 */
static inline bool xtcp_2msl_stops_copies(const struct xtcp_sock *xs)
{
	return xs->cookie_child || (xs->fast_taken && !xs->fast_tried);
}

/* TCP_NOTSENT_LOWAT in bytes; if not set, the knob xtcp_notsent_lowat. */
static inline u32 xtcp_notsent_lowat(const struct xtcp_sock *xs)
{
	return READ_ONCE(xs->sockopt.notsent_lowat) ?:
	       XTCP_KNOB(sock_net(&xs->inet.sk), notsent_lowat);
}

/**
 * xtcp_flow_sk - the socket of a flow
 * @flow: of kind XTCP_KIND_SOCKET
 *
 * Return: the socket; no reference is taken.
 */
static inline struct sock *xtcp_flow_sk(const struct xtcp_flow *flow)
{
	return (struct sock *)container_of(flow, struct xtcp_sock, flow);
}

/**
 * xtcp_flow_addrs6 - the IPv6 addresses of a connection
 * @flow: of family AF_INET6
 *
 * Return: for a socket, the kernel's sk_v6_daddr and sk_v6_rcv_saddr; for a record,
 * the memory behind it.
 */
static inline struct xtcp_addrs6 *
xtcp_flow_addrs6(const struct xtcp_flow *flow)
{
#if IS_ENABLED(CONFIG_IPV6)
	static_assert(offsetof(struct sock, sk_v6_rcv_saddr) -
		      offsetof(struct sock, sk_v6_daddr) ==
		      offsetof(struct xtcp_addrs6, laddr));

	if (flow->kind == XTCP_KIND_SOCKET)
		return (struct xtcp_addrs6 *)&xtcp_flow_sk(flow)->sk_v6_daddr;
#endif
	return (struct xtcp_addrs6 *)((u8 *)flow + XTCP_RECORD_LEN);
}

/**
 * xtcp_key_from_flow - make the key under which a flow is found
 * @key: filled in; @key->dif is the device the flow is bound to
 * @flow: connection
 *
 * Hot, used for each segment that is sent: inlined, and only the needed fields are
 * set.
 */
static inline void xtcp_key_from_flow(struct xtcp_key *key,
				      const struct xtcp_flow *flow)
{
	key->addrs = flow->addrs;
	key->ports = flow->ports;
	key->dif = READ_ONCE(flow->ifindex);
	key->sdif = 0;
	key->bound_only = false;
	key->family = flow->family;
	key->wire = flow->wire;
	if (xtcp_family_is_ipv6(flow->family))
		key->v6 = *xtcp_flow_addrs6(flow);
}

/**
 * xtcp_flow_init - set kind, addresses and ports of a new flow
 * @flow: in no table; @state and @ref are not set
 * @kind: kind of flow
 * @key: connection; @key->dif is the device it is bound to, 0 for any
 */
static inline void xtcp_flow_init(struct xtcp_flow *flow, enum xtcp_kind kind,
				  const struct xtcp_key *key)
{
	flow->laddr = key->laddr;
	flow->raddr = key->raddr;
	flow->lport = key->lport;
	flow->rport = key->rport;
	flow->ifindex = key->dif;
	flow->kind = kind;
	flow->mapped = 0;
	flow->source_bits = 0;
	flow->family = key->family;
	flow->wire = key->wire;
	if (xtcp_family_is_ipv6(key->family))
		*xtcp_flow_addrs6(flow) = key->v6;
}

static inline bool xtcp_flow_names_equal(const struct xtcp_flow *flow,
					 const struct xtcp_key *key)
{
	const struct xtcp_addrs6 *addrs;

	if (flow->ports != key->ports || flow->wire != key->wire ||
	    flow->family != key->family ||
	    !xtcp_device_matches(READ_ONCE(flow->ifindex), key))
		return false;
	if (!xtcp_family_is_ipv6(flow->family))
		return flow->addrs == key->addrs;
	addrs = xtcp_flow_addrs6(flow);
	return ipv6_addr_equal(&addrs->raddr, &key->v6.raddr) &&
	       ipv6_addr_equal(&addrs->laddr, &key->v6.laddr);
}

/**
 * xtcp_flow_is_named - is this the connection of a segment
 * @flow: connection
 * @key: of the segment; address digests are not used
 *
 * To check a single connection: comparing full IPv6 addresses at once is cheaper
 * than comparing the digests first.
 *
 * A reader without a reference calls it again when it has one.
 *
 * Return: true if it is.
 */
static inline bool xtcp_flow_is_named(const struct xtcp_flow *flow,
				      const struct xtcp_key *key)
{
	/* The memory may become another flow meanwhile. */
	return data_race(xtcp_flow_names_equal(flow, key));
}

/**
 * xtcp_flow_get - take a reference, unless there is none any more
 * @flow: found under RCU
 *
 * The caller's later reads are ordered after the count, so that it can check
 * whether the memory was reused for another flow.
 *
 * Return: true if a reference was taken; false if the flow is being freed.
 */
static inline bool xtcp_flow_get(struct xtcp_flow *flow)
{
	refcount_t *ref = xtcp_flow_kind_rcu(flow) == XTCP_KIND_SOCKET ?
			  &xtcp_flow_sk(flow)->sk_refcnt : &flow->ref;

	if (!refcount_inc_not_zero(ref))
		return false;
	/*
	 * Pairs with the barrier before the count is set: in sk_clone_lock() and
	 * sock_init_data(), or xtcp_flow_hold_new().
	 */
	smp_acquire__after_ctrl_dep();
	return true;
}

static inline bool xtcp_state_in(const struct sock *sk, u32 states)
{
	return XTCP_STATEF(READ_ONCE(sk->sk_state)) & states;
}

/**
 * xtcp_lifecycle_usual - report an event that usually keeps the state
 * @sk: socket, locked
 * @event: event
 *
 * Fast path of xtcp_lifecycle_sk() for events of each call and each segment: the
 * row keeps the state.
 */
static inline void xtcp_lifecycle_usual(struct sock *sk, enum xtcp_event event)
{
	u16 row = xtcp_lifecycle_stays[xtcp_sk(sk)->flow.state][event];

	xtcp_assert_owned(sk);
	if (likely(row))
		this_cpu_inc(xtcp_net(sock_net(sk))->lifecycle[row - 1]);
	else
		xtcp_lifecycle_sk(sk, event);
}

#endif /* XTCP_TCB_H */
