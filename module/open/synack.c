// SPDX-License-Identifier: GPL-2.0
/*
 * synack.c - what a half-open record sends: SYN-ACKs and ACKs
 *
 * RFC 9293 3.10.7.2 and 3.10.7.4, the options of RFC 7323, RFC 7413 and RFC 9768. synqueue.c
 * decides when a SYN-ACK is sent again.
 *
 * Context: softirq, RCU read-side section; the listener is not locked.
 */
#include "open/synack.h"

#include <linux/math64.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "clock.h"
#include "compat.h"
#include "fastq.h"
#include "listener.h"
#include "net/family.h"
#include "net/reply.h"
#include "netns.h"
#include "observe/stats.h"
#include "observe/trace.h"
#include "open/cookie.h"
#include "open/synqueue.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/congestion.h"
#include "transfer/window.h"

/**
 * xtcp_synack_reply - addresses, mark etc. for an answer of a record
 * @ho: record
 * @reply: filled in
 */
void xtcp_synack_reply(const struct xtcp_halfopen *ho, struct xtcp_reply *reply)
{
	xtcp_key_from_flow(&reply->key, &ho->flow);
	reply->sk = ho->ls->sk;
	reply->spare = NULL;
	reply->dst = NULL;
	reply->dst_held = false;
	reply->formed = true;
	reply->owned = false;
	reply->transparent = false;
	reply->extended = false;
	reply->has_iss = true;
	reply->iss = ho->iss;
	reply->oif = ho->flow.ifindex;
	reply->mark = xtcp_synqueue_mark(ho);
	reply->tos = READ_ONCE(ho->tos) & ~INET_ECN_MASK;
}

static void fill_ts(const struct xtcp_halfopen *ho, struct xtcp_options *opt, u64 now_ns)
{
	opt->has_ts = ho->ts_ok;
	opt->tsval = (u32)div_u64(now_ns, NSEC_PER_MSEC) +
		     xtcp_synqueue_ts_offset(ho);
	opt->tsecr = ho->ts_recent;
}

static void put_cookie(const struct xtcp_halfopen *ho, const struct xtcp_cookie *cookie,
		       struct xtcp_options *opt)
{
	/* On the TCP wire, no option that only xtcp knows. */
	if (ho->flow.wire == XTCP_WIRE_NATIVE)
		opt->cookie = cookie->option;
	opt->has_ts = ho->ts_ok;
	opt->tsval = cookie->tsval;
	opt->tsecr = ho->ts_recent;
	if (!opt->has_ts) {
		opt->has_wscale = 0;
		opt->sack_perm = 0;
	}
}

/*
 * Accept Accurate ECN, unless the path seems to drop such SYN-ACKs. The first has an option, in
 * @option, if there is room; a native cookie leaves none. @flags: ACE may be used.
 */
static noinline void accept_accurate(const struct xtcp_halfopen *ho, struct xtcp_bare *bare,
				     bool flags, u8 *option)
{
	u8 ace = xtcp_accecn_reflect(xtcp_synqueue_codepoint(ho));

	if (!flags || xtcp_synqueue_is_bare_again(ho))
		return;
	bare->flags |= (u8)(ace << 6);
	bare->offset = ace >> 2;
	if (!option || !XTCP_KNOB(sock_net(ho->ls->sk), ecn_option))
		return;
	bare->opt.accecn_len = xtcp_accecn_first_option(option, XTCP_OPT_MAX -
						xtcp_options_size(&bare->opt));
	bare->opt.accecn = option;
}

/* Accept ECN of RFC 3168. With DCTCP the SYN-ACK is ECT, too (RFC 8257 3.6). */
static void accept_classic(const struct xtcp_halfopen *ho, struct xtcp_bare *bare,
			   struct xtcp_reply *reply)
{
	bare->flags |= XTCP_ECE;
	if (xtcp_congestion_wants_ecn(xtcp_sk(ho->ls->sk)))
		reply->tos |= INET_ECN_ECT_0;
}

/**
 * xtcp_synack_send - send a SYN-ACK
 * @ho: record; with @cookie: a record on the stack
 * @cookie: cookies to send, or NULL
 * @answer: option of fast open, or NULL; not beside @cookie
 * @spare: the SYN's skb if it has just arrived, or NULL; consumed
 *
 * With a cookie and without timestamps, the SYN-ACK offers window scale, SACK
 * and ECN only in the lossless cookie: the third segment of a client that ignores
 * that option could not tell us that they are in use.
 *
 * Context: RCU read-side section.
 * Return: 0 or -errno, such as -EHOSTUNREACH when there is no route.
 */
int xtcp_synack_send(struct xtcp_halfopen *ho, const struct xtcp_cookie *cookie,
		     const struct xtcp_fastcookie *answer, struct sk_buff *spare)
{
	const struct xtcp_family *af = xtcp_family_get(ho->flow.family);
	u8 accecn[XTCP_ACCECN_OPTION_MAX] __uninitialized;
	struct xtcp_bare bare = {
		.seq	= ho->iss,
		.ack	= seq_add(ho->irs, 1),
		.flags	= XTCP_SYN | XTCP_ACK,
	};
	u16 wnd = READ_ONCE(ho->rcv_wnd);
	struct xtcp_reply reply;

	xtcp_synack_reply(ho, &reply);
	reply.spare = spare;
	/*
	 * Cookies are not charged to the listener, as in Linux: in a flood the
	 * CPUs would contend for its counter.
	 */
	reply.owned = !cookie;
	reply.extended = true;
	if (af->route->reply(sock_net(ho->ls->sk), &reply)) {
		kfree_skb_reason(spare, SKB_DROP_REASON_IP_OUTNOROUTES);
		return -EHOSTUNREACH;
	}
	bare.opt.mss = xtcp_maxseg_limit(xtcp_sk(ho->ls->sk),
					 min_t(u32, dst_metric_advmss(reply.dst), U16_MAX));
	bare.wnd = xtcp_window_syn_ack(ho->ls->sk, reply.dst, bare.opt.mss,
				       ho->ts_ok, wnd);
	/* A later one offers no more, not even by another route. */
	if (wnd != bare.wnd)
		WRITE_ONCE(ho->rcv_wnd, bare.wnd);
	bare.opt.has_wscale = ho->wscale_ok;
	bare.opt.wscale = ho->rcv_wscale;
	bare.opt.sack_perm = ho->sack_ok;
	if (cookie)
		put_cookie(ho, cookie, &bare.opt);
	else
		fill_ts(ho, &bare.opt, spare ? xtcp_synqueue_created_ns(ho) : xtcp_now_ns());
	if (unlikely(answer)) {
		bare.opt.has_fastopen = 1;
		bare.opt.fastopen_exp = answer->exp;
		bare.opt.fastopen_len = answer->len;
		bare.opt.fastopen = answer->cookie;
	}
	if (unlikely(ho->accecn_ok))
		accept_accurate(ho, &bare, !cookie || ho->ts_ok, spare ? accecn : NULL);
	else if (ho->ecn_ok && (!cookie || ho->ts_ok))
		accept_classic(ho, &bare, &reply);
	return xtcp_reply_send(sock_net(ho->ls->sk), &reply, &bare);
}

static noinline void trace_resent(const struct xtcp_halfopen *ho)
{
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &ho->flow);
	trace_xtcp_retransmit(sock_net(ho->ls->sk), &key, seq_raw(ho->iss), 0,
			      READ_ONCE(ho->timeouts), 0, "SYN-ACK");
}

/**
 * xtcp_synack_resend - send the SYN-ACK of a record again
 * @ho: record
 *
 * Context: softirq, RCU read-side section.
 */
void xtcp_synack_resend(struct xtcp_halfopen *ho)
{
	if (xtcp_synack_send(ho, NULL, NULL, NULL))
		return;
	XTCP_INC(sock_net(ho->ls->sk), RETRANS_SEGS);
	XTCP_INC(sock_net(ho->ls->sk), SYN_RETRANS);
	if (trace_xtcp_retransmit_enabled())
		trace_resent(ho);
}

/**
 * xtcp_synack_send_ack - answer an unexpected segment with an ACK of the SYN
 * @ho: record
 * @skb: the segment; as in Linux, the answer has its DSCP
 *
 * RFC 9293 3.10.7.4, first check.
 *
 * Context: softirq, RCU read-side section.
 */
void xtcp_synack_send_ack(const struct xtcp_halfopen *ho, const struct sk_buff *skb)
{
	struct xtcp_bare bare = {
		.seq	= seq_add(ho->iss, 1),
		.ack	= seq_add(ho->irs, 1),
		.wnd	= READ_ONCE(ho->rcv_wnd) >> (ho->wscale_ok ? ho->rcv_wscale : 0),
		.flags	= XTCP_ACK,
	};
	struct net *net = sock_net(ho->ls->sk);
	struct xtcp_reply reply;

	/* The first value of an ACE field, 5: no marks. */
	if (unlikely(ho->accecn_ok)) {
		bare.flags |= XTCP_ECE;
		bare.offset = XTCP_OFFSET_AE;
	}
	fill_ts(ho, &bare.opt, xtcp_now_ns());
	xtcp_synack_reply(ho, &reply);
	reply.tos = xtcp_family_get(ho->flow.family)->packet->dscp(skb);
	xtcp_reply_reflect_mark(net, &reply, skb);
	xtcp_reply_send(net, &reply, &bare);
}
