/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - tracepoints of a connection's events
 *
 *   xtcp:xtcp_state	a change of state (RFC 9293 3.3.2), and the event that caused it
 *   xtcp:xtcp_rcv	a segment was received; only its checksum was checked
 *   xtcp:xtcp_send	a segment is passed to IP, header complete
 *   xtcp:xtcp_reset	a RST was sent or accepted, and why
 *   xtcp:xtcp_syn	the gate's verdict on a SYN for a listener
 *   xtcp:xtcp_ack	an ACK was processed: windows and scoreboard after it
 *   xtcp:xtcp_retransmit a segment was sent again, or a probe, and why
 *   xtcp:xtcp_dead	a connection has ended; observe/recorder.c
 *
 * Fields are in host order. laddr and lport are this host's side in both
 * directions. Addresses are socket addresses of their family, ports included;
 * lport and rport are for filters.
 *
 * Context: any; nothing here sleeps or takes a lock.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xtcp

#if !defined(XTCP_OBSERVE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XTCP_OBSERVE_TRACE_H

#include <linux/tcp.h>
#include <linux/tracepoint.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "compat.h"
#include "flow.h"
#include "lifecycle.h"
#include "net/wire.h"
#include "observe/recorder.h"
#include "observe/traceaddr.h"
#include "tcb.h"

/* User space tools resolve numbers in a format by these. */
TRACE_DEFINE_ENUM(XTCP_HALF_OPEN);
TRACE_DEFINE_ENUM(XTCP_ORPHAN_FIN_WAIT_2);
TRACE_DEFINE_ENUM(XTCP_RECOVERY_NONE);
TRACE_DEFINE_ENUM(XTCP_RECOVERY_DISORDER);
TRACE_DEFINE_ENUM(XTCP_RECOVERY_REDUCTION);
TRACE_DEFINE_ENUM(XTCP_RECOVERY_FAST);
TRACE_DEFINE_ENUM(XTCP_RECOVERY_LOSS);

#define xtcp_show_state(state)						\
	__print_symbolic(state,						\
		{ TCP_ESTABLISHED,		"ESTABLISHED" },	\
		{ TCP_SYN_SENT,			"SYN-SENT" },		\
		{ TCP_SYN_RECV,			"SYN-RECEIVED" },	\
		{ TCP_FIN_WAIT1,		"FIN-WAIT-1" },		\
		{ TCP_FIN_WAIT2,		"FIN-WAIT-2" },		\
		{ TCP_TIME_WAIT,		"TIME-WAIT" },		\
		{ TCP_CLOSE,			"CLOSED" },		\
		{ TCP_CLOSE_WAIT,		"CLOSE-WAIT" },		\
		{ TCP_LAST_ACK,			"LAST-ACK" },		\
		{ TCP_LISTEN,			"LISTEN" },		\
		{ TCP_CLOSING,			"CLOSING" },		\
		{ XTCP_HALF_OPEN,		"SYN-RECEIVED(record)" }, \
		{ XTCP_ORPHAN_FIN_WAIT_2,	"FIN-WAIT-2(record)" })

#define xtcp_show_flags(flags)						\
	__print_flags(flags, "|",					\
		{ 0x01, "FIN" }, { 0x02, "SYN" }, { 0x04, "RST" },	\
		{ 0x08, "PSH" }, { 0x10, "ACK" }, { 0x20, "URG" },	\
		{ 0x40, "ECE" }, { 0x80, "CWR" })

/*
 * The two ends, in each event. laddr and raddr are socket addresses, for printk() and for
 * programs; laddr_v6 and raddr_v6 are addresses alone, IPv4 as ::ffff:10.0.0.1, for
 * bpftrace's ntop(), as in the kernel's events of TCP.
 */
#define XTCP_TRACE_ENDS							\
		__field(unsigned int, netns)				\
		__array(u8, laddr, XTCP_TRACE_ADDR_LEN)			\
		__array(u8, raddr, XTCP_TRACE_ADDR_LEN)			\
		__array(u8, laddr_v6, sizeof(struct in6_addr))		\
		__array(u8, raddr_v6, sizeof(struct in6_addr))		\
		__field(u16, lport)					\
		__field(u16, rport)					\
		__field(u8, wire)

#define XTCP_TRACE_ENDS_ASSIGN(net, key)				\
		do {							\
			__entry->netns = (net)->ns.inum;		\
			xtcp_trace_laddr(__entry->laddr,		\
					 __entry->laddr_v6, key);	\
			xtcp_trace_raddr(__entry->raddr,		\
					 __entry->raddr_v6, key);	\
			__entry->lport = ntohs((key)->lport);		\
			__entry->rport = ntohs((key)->rport);		\
			__entry->wire = (key)->wire;			\
		} while (0)

/* Common fields of the two segment events. */
#define XTCP_TRACE_SEGMENT_FIELDS					\
		XTCP_TRACE_ENDS						\
		__field(u32, seq)					\
		__field(u32, ack)					\
		__field(u32, len)					\
		__field(u16, wnd)					\
		__field(u8, flags)

#define XTCP_TRACE_SEGMENT_FORMAT					\
	"netns=%u wire=%u %pISpc %pISpc seq=%u ack=%u len=%u wnd=%u flags=%s"

#define XTCP_TRACE_SEGMENT_ARGS						\
		  __entry->netns, __entry->wire,			\
		  __entry->laddr, __entry->raddr,			\
		  __entry->seq, __entry->ack, __entry->len,		\
		  __entry->wnd, xtcp_show_flags(__entry->flags)

/**
 * trace_xtcp_state - a connection received an event
 * @net: the namespace
 * @key: the connection, or the ends of a listener
 * @flow: tells connections apart; only its address is used
 * @from: enum xtcp_state before
 * @event: name of the event, as in /proc/net/xtcp_lifecycle
 * @to: enum xtcp_state after
 */
TRACE_EVENT(xtcp_state,

	TP_PROTO(const struct net *net, const struct xtcp_key *key,
		 const void *flow, u8 from, const char *event, u8 to),

	TP_ARGS(net, key, flow, from, event, to),

	TP_STRUCT__entry(
		__field(const void *, flow)
		XTCP_TRACE_ENDS
		__field(u8, from)
		__field(u8, to)
		__string(event, event)
	),

	TP_fast_assign(
		__entry->flow = flow;
		XTCP_TRACE_ENDS_ASSIGN(net, key);
		__entry->from = from;
		__entry->to = to;
		XTCP_ASSIGN_STR(event, event);
	),

	TP_printk("flow=%p netns=%u wire=%u %pISpc %pISpc %s -> %s on %s",
		  __entry->flow, __entry->netns, __entry->wire,
		  __entry->laddr, __entry->raddr,
		  xtcp_show_state(__entry->from), xtcp_show_state(__entry->to),
		  __get_str(event))
);

/**
 * trace_xtcp_rcv - a segment was received, its checksum is correct
 * @net: the namespace
 * @key: its connection, as seen from here
 * @seg: its parsed header
 */
TRACE_EVENT(xtcp_rcv,

	TP_PROTO(const struct net *net, const struct xtcp_key *key,
		 const struct xtcp_seg *seg),

	TP_ARGS(net, key, seg),

	TP_STRUCT__entry(XTCP_TRACE_SEGMENT_FIELDS),

	TP_fast_assign(
		XTCP_TRACE_ENDS_ASSIGN(net, key);
		__entry->seq = seq_raw(seg->seq);
		__entry->ack = seg->flags & XTCP_ACK ? seq_raw(seg->ack) : 0;
		__entry->len = seg->len;
		__entry->wnd = seg->wnd;
		__entry->flags = seg->flags;
	),

	TP_printk(XTCP_TRACE_SEGMENT_FORMAT, XTCP_TRACE_SEGMENT_ARGS)
);

/**
 * trace_xtcp_send - a segment is passed to IP
 * @net: the namespace
 * @key: its connection, as seen from here
 * @th: its header, complete
 * @len: bytes of payload
 */
TRACE_EVENT(xtcp_send,

	TP_PROTO(const struct net *net, const struct xtcp_key *key,
		 const struct tcphdr *th, unsigned int len),

	TP_ARGS(net, key, th, len),

	TP_STRUCT__entry(XTCP_TRACE_SEGMENT_FIELDS),

	TP_fast_assign(
		XTCP_TRACE_ENDS_ASSIGN(net, key);
		__entry->seq = ntohl(th->seq);
		__entry->ack = ntohl(th->ack_seq);
		__entry->len = len;
		__entry->wnd = ntohs(th->window);
		__entry->flags = ((const u8 *)th)[13];
	),

	TP_printk(XTCP_TRACE_SEGMENT_FORMAT, XTCP_TRACE_SEGMENT_ARGS)
);

/**
 * trace_xtcp_reset - a RST was sent or accepted
 * @net: the namespace
 * @key: the connection, as seen from here
 * @sent: true if sent by us, false if by the peer
 * @reason: a word or two, such as "no connection"
 */
TRACE_EVENT(xtcp_reset,

	TP_PROTO(const struct net *net, const struct xtcp_key *key, bool sent,
		 const char *reason),

	TP_ARGS(net, key, sent, reason),

	TP_STRUCT__entry(
		XTCP_TRACE_ENDS
		__field(bool, sent)
		__string(reason, reason)
	),

	TP_fast_assign(
		XTCP_TRACE_ENDS_ASSIGN(net, key);
		__entry->sent = sent;
		XTCP_ASSIGN_STR(reason, reason);
	),

	TP_printk("netns=%u wire=%u %pISpc %pISpc %s: %s",
		  __entry->netns, __entry->wire,
		  __entry->laddr, __entry->raddr,
		  __entry->sent ? "sent" : "received",
		  __get_str(reason))
);

/**
 * trace_xtcp_syn - the gate's verdict on a SYN for a listener
 * @key: the connection that it would open, as seen from here
 * @lsk: the listener
 * @syn: half-open records in its SYN queue
 * @syn_limit: the SYN queue is full when it has more records than this
 * @verdict: a few words, such as "cookie"
 * @early: dropped before routing
 *
 * Fields: listener: its struct sock; syn, syn_limit, accept, accept_limit:
 * lengths and limits of its queues just before, each full when longer than its
 * limit.
 */
TRACE_EVENT(xtcp_syn,

	TP_PROTO(const struct xtcp_key *key, const struct sock *lsk, u32 syn,
		 u32 syn_limit, const char *verdict, bool early),

	TP_ARGS(key, lsk, syn, syn_limit, verdict, early),

	TP_STRUCT__entry(
		__field(const void *, listener)
		XTCP_TRACE_ENDS
		__field(u32, syn)
		__field(u32, syn_limit)
		__field(u32, accept)
		__field(u32, accept_limit)
		__string(verdict, verdict)
		__field(bool, early)
	),

	TP_fast_assign(
		__entry->listener = lsk;
		XTCP_TRACE_ENDS_ASSIGN(sock_net(lsk), key);
		__entry->syn = syn;
		__entry->syn_limit = syn_limit;
		__entry->accept = READ_ONCE(lsk->sk_ack_backlog);
		__entry->accept_limit = READ_ONCE(lsk->sk_max_ack_backlog);
		XTCP_ASSIGN_STR(verdict, verdict);
		__entry->early = early;
	),

	TP_printk("listener=%p netns=%u wire=%u %pISpc %pISpc syn=%u/%u accept=%u/%u %s%s",
		  __entry->listener, __entry->netns, __entry->wire,
		  __entry->laddr, __entry->raddr,
		  __entry->syn, __entry->syn_limit,
		  __entry->accept, __entry->accept_limit,
		  __get_str(verdict),
		  __entry->early ? ", before routing" : "")
);

/* The names of tcp_info's tcpi_ca_state, as ss and Linux's documents spell them. */
#define xtcp_show_recovery(recovery)					\
	__print_symbolic(recovery,					\
		{ XTCP_RECOVERY_NONE,		"open" },		\
		{ XTCP_RECOVERY_DISORDER,	"disorder" },		\
		{ XTCP_RECOVERY_REDUCTION,	"cwr" },		\
		{ XTCP_RECOVERY_FAST,		"recovery" },		\
		{ XTCP_RECOVERY_LOSS,		"loss" })

/**
 * trace_xtcp_ack - an ACK was processed
 * @sk: the socket, locked
 * @key: its connection
 * @ack: SEG.ACK
 *
 * Fields: una, nxt: SND.UNA and SND.NXT after it; wnd: SND.WND, bytes; cwnd,
 * ssthresh, inflight, sacked, lost, retrans: segments, and ssthresh is 2^31-1 for
 * none, as in tcp_info; srtt, rto: us; pacing: bytes per second, 2^64-1 for no
 * limit; delivered: segments since the beginning.
 */
TRACE_EVENT(xtcp_ack,

	TP_PROTO(const struct sock *sk, const struct xtcp_key *key, u32 ack),

	TP_ARGS(sk, key, ack),

	TP_STRUCT__entry(
		XTCP_TRACE_ENDS
		__field(u8, recovery)
		__field(u32, ack)
		__field(u32, una)
		__field(u32, nxt)
		__field(u32, wnd)
		__field(u32, cwnd)
		__field(u32, ssthresh)
		__field(u32, inflight)
		__field(u32, sacked)
		__field(u32, lost)
		__field(u32, retrans)
		__field(u32, delivered)
		__field(u32, srtt)
		__field(u32, rto)
		__field(u64, pacing)
	),

	TP_fast_assign(
		const struct xtcp_sock *xs = xtcp_sk(sk);

		XTCP_TRACE_ENDS_ASSIGN(sock_net(sk), key);
		__entry->recovery = xs->recovery;
		__entry->ack = ack;
		__entry->una = seq_raw(xs->snd_una);
		__entry->nxt = seq_raw(xs->snd_nxt);
		__entry->wnd = xs->snd_wnd;
		__entry->cwnd = xs->cwnd;
		__entry->ssthresh = min_t(u32, xs->ssthresh, INT_MAX);
		__entry->inflight = xs->in_flight;
		__entry->sacked = xs->sacked_out;
		__entry->lost = xs->lost_out;
		__entry->retrans = xs->retrans_out;
		__entry->delivered = xs->delivered;
		__entry->srtt = xs->rtt.srtt_us >> 3;
		__entry->rto = xs->rtt.rto_us;
		__entry->pacing = READ_ONCE(sk->sk_pacing_rate);
	),

	TP_printk("netns=%u wire=%u %pISpc %pISpc ack=%u una=%u nxt=%u wnd=%u cwnd=%u ssthresh=%u inflight=%u sacked=%u lost=%u retrans=%u delivered=%u srtt=%u rto=%u pacing=%llu %s",
		  __entry->netns, __entry->wire,
		  __entry->laddr, __entry->raddr,
		  __entry->ack, __entry->una, __entry->nxt, __entry->wnd,
		  __entry->cwnd, __entry->ssthresh, __entry->inflight,
		  __entry->sacked, __entry->lost, __entry->retrans,
		  __entry->delivered, __entry->srtt, __entry->rto,
		  __entry->pacing, xtcp_show_recovery(__entry->recovery))
);

/**
 * trace_xtcp_retransmit - a segment was sent again, or a probe
 * @net: the namespace
 * @key: the connection
 * @seq: SEG.SEQ
 * @len: bytes of payload
 * @times: how often it was sent again, this time included; for a SYN-ACK,
 *	how often its timer has expired
 * @waited_us: since it was sent last; for a probe, since the peer's last segment;
 *	for a SYN-ACK 0, because a half-open record does not keep that time
 * @reason: SYN, SYN-ACK, RTO, loss-probe, RACK, duplicate-ACKs, slow-start,
 *	window-probe or keepalive
 */
TRACE_EVENT(xtcp_retransmit,

	TP_PROTO(const struct net *net, const struct xtcp_key *key, u32 seq,
		 u32 len, u8 times, u64 waited_us, const char *reason),

	TP_ARGS(net, key, seq, len, times, waited_us, reason),

	TP_STRUCT__entry(
		XTCP_TRACE_ENDS
		__field(u8, times)
		__field(u32, seq)
		__field(u32, len)
		__field(u64, waited_us)
		__string(reason, reason)
	),

	TP_fast_assign(
		XTCP_TRACE_ENDS_ASSIGN(net, key);
		__entry->times = times;
		__entry->seq = seq;
		__entry->len = len;
		__entry->waited_us = waited_us;
		XTCP_ASSIGN_STR(reason, reason);
	),

	TP_printk("netns=%u wire=%u %pISpc %pISpc seq=%u len=%u times=%u waited_us=%llu %s",
		  __entry->netns, __entry->wire,
		  __entry->laddr, __entry->raddr,
		  __entry->seq, __entry->len, __entry->times,
		  __entry->waited_us, __get_str(reason))
);

/**
 * trace_xtcp_dead - a connection has ended while the recorder was on
 * @net: the namespace
 * @o: its obituary
 * @rows: its rows as text
 *
 * Fields: those of /proc/net/xtcp_dead. errno is positive, 0 for none; ended and age are
 * in ns, program is empty if it is not known.
 */
TRACE_EVENT(xtcp_dead,

	TP_PROTO(const struct net *net, const struct xtcp_obituary *o,
		 const char *rows),

	TP_ARGS(net, o, rows),

	TP_STRUCT__entry(
		XTCP_TRACE_ENDS
		__field(u8, state)
		__field(u64, number)
		__field(u64, ended)
		__field(u64, age)
		__field(u64, acked)
		__field(u64, received)
		__field(u32, uid)
		__field(u32, unacked)
		__field(u32, srtt_us)
		__field(u32, cwnd)
		__field(u32, retrans)
		__field(int, errno)
		__field(u16, rtos)
		__field(u16, probes)
		__field(u16, keepalives)
		__field(u16, delacks)
		__array(char, program, TASK_COMM_LEN)
		__string(event, xtcp_event_name(xtcp_obituary_last(o)->event))
		__string(reset, xtcp_obituary_reset(o->record.cause))
		__string(rows, rows)
	),

	TP_fast_assign(
		XTCP_TRACE_ENDS_ASSIGN(net, &o->key);
		__entry->state = xtcp_obituary_last(o)->from;
		__entry->number = o->number;
		__entry->ended = o->ended_ns;
		__entry->age = o->age_ns;
		__entry->acked = o->acked;
		__entry->received = o->received;
		__entry->uid = from_kuid(&init_user_ns, o->uid);
		__entry->unacked = o->unacked;
		__entry->srtt_us = o->srtt_us;
		__entry->cwnd = o->cwnd_segs;
		__entry->retrans = o->retrans;
		__entry->errno = o->err;
		__entry->rtos = o->record.fired[XTCP_FIRED_RETRANSMISSION];
		__entry->probes = o->record.fired[XTCP_FIRED_PERSIST];
		__entry->keepalives = o->record.fired[XTCP_FIRED_KEEPALIVE];
		__entry->delacks = o->record.fired[XTCP_FIRED_DELAYED_ACK];
		memcpy(__entry->program, o->record.comm, TASK_COMM_LEN);
		XTCP_ASSIGN_STR(event, xtcp_event_name(xtcp_obituary_last(o)->event));
		XTCP_ASSIGN_STR(reset, xtcp_obituary_reset(o->record.cause));
		XTCP_ASSIGN_STR(rows, rows);
	),

	TP_printk("netns=%u wire=%u %pISpc %pISpc number=%llu uid=%u program=%s ended=%llu age=%llu state=%s event=%s errno=%d reset=%s acked=%llu received=%llu unacked=%u srtt_us=%u cwnd=%u retrans=%u rtos=%u probes=%u keepalives=%u delacks=%u rows=%s",
		  __entry->netns, __entry->wire,
		  __entry->laddr, __entry->raddr,
		  __entry->number, __entry->uid, __entry->program,
		  __entry->ended, __entry->age,
		  xtcp_show_state(__entry->state), __get_str(event),
		  __entry->errno, __get_str(reset),
		  __entry->acked, __entry->received, __entry->unacked,
		  __entry->srtt_us, __entry->cwnd, __entry->retrans,
		  __entry->rtos, __entry->probes, __entry->keepalives,
		  __entry->delacks, __get_str(rows))
);

#endif /* XTCP_OBSERVE_TRACE_H */

/*
 * Relative to -I module of Kbuild, so that it does not depend on the location
 * of the build tree.
 */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH observe
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
