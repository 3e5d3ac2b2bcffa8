/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - tracepoints of a connection's events
 *
 *   xtcp:xtcp_state	an event of a connection (RFC 9293 3.3.2); from == to
 *			for events that don't change the state
 *   xtcp:xtcp_rcv	a segment was received; only its checksum was checked
 *   xtcp:xtcp_send	a segment is passed to IP, header complete
 *   xtcp:xtcp_reset	a RST was sent or accepted, and why
 *   xtcp:xtcp_syn	the gate's verdict on a SYN for a listener
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
#include "observe/traceaddr.h"

/* User space tools resolve numbers in a format by these. */
TRACE_DEFINE_ENUM(XTCP_HALF_OPEN);
TRACE_DEFINE_ENUM(XTCP_ORPHAN_FIN_WAIT_2);

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

/* Common fields of the two segment events. */
#define XTCP_TRACE_SEGMENT_FIELDS					\
		__field(unsigned int, netns)				\
		__array(u8, laddr, XTCP_TRACE_ADDR_LEN)		\
		__array(u8, raddr, XTCP_TRACE_ADDR_LEN)		\
		__field(u16, lport)					\
		__field(u16, rport)					\
		__field(u32, seq)					\
		__field(u32, ack)					\
		__field(u32, len)					\
		__field(u16, wnd)					\
		__field(u8, wire)					\
		__field(u8, flags)

#define XTCP_TRACE_SEGMENT_KEY(net, key)				\
		do {							\
			__entry->netns = (net)->ns.inum;		\
			xtcp_trace_laddr(__entry->laddr, key);		\
			xtcp_trace_raddr(__entry->raddr, key);		\
			__entry->lport = ntohs((key)->lport);		\
			__entry->rport = ntohs((key)->rport);		\
			__entry->wire = (key)->wire;			\
		} while (0)

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
		__field(unsigned int, netns)
		__array(u8, laddr, XTCP_TRACE_ADDR_LEN)
		__array(u8, raddr, XTCP_TRACE_ADDR_LEN)
		__field(u16, lport)
		__field(u16, rport)
		__field(u8, wire)
		__field(u8, from)
		__field(u8, to)
		__string(event, event)
	),

	TP_fast_assign(
		__entry->flow = flow;
		__entry->netns = net->ns.inum;
		xtcp_trace_laddr(__entry->laddr, key);
		xtcp_trace_raddr(__entry->raddr, key);
		__entry->lport = ntohs(key->lport);
		__entry->rport = ntohs(key->rport);
		__entry->wire = key->wire;
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
		XTCP_TRACE_SEGMENT_KEY(net, key);
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
		XTCP_TRACE_SEGMENT_KEY(net, key);
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
		__field(unsigned int, netns)
		__array(u8, laddr, XTCP_TRACE_ADDR_LEN)
		__array(u8, raddr, XTCP_TRACE_ADDR_LEN)
		__field(u16, lport)
		__field(u16, rport)
		__field(u8, wire)
		__field(bool, sent)
		__string(reason, reason)
	),

	TP_fast_assign(
		__entry->netns = net->ns.inum;
		xtcp_trace_laddr(__entry->laddr, key);
		xtcp_trace_raddr(__entry->raddr, key);
		__entry->lport = ntohs(key->lport);
		__entry->rport = ntohs(key->rport);
		__entry->wire = key->wire;
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
		__field(unsigned int, netns)
		__array(u8, laddr, XTCP_TRACE_ADDR_LEN)
		__array(u8, raddr, XTCP_TRACE_ADDR_LEN)
		__field(u16, lport)
		__field(u16, rport)
		__field(u8, wire)
		__field(u32, syn)
		__field(u32, syn_limit)
		__field(u32, accept)
		__field(u32, accept_limit)
		__string(verdict, verdict)
		__field(bool, early)
	),

	TP_fast_assign(
		__entry->listener = lsk;
		__entry->netns = sock_net(lsk)->ns.inum;
		xtcp_trace_laddr(__entry->laddr, key);
		xtcp_trace_raddr(__entry->raddr, key);
		__entry->lport = ntohs(key->lport);
		__entry->rport = ntohs(key->rport);
		__entry->wire = key->wire;
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
