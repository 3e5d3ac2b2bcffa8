// SPDX-License-Identifier: GPL-2.0
/*
 * stateless.c - TIME-WAIT without a record (xtcp_tw_stateless)
 *
 * A TIME-WAIT record acknowledges the peer's FIN if it comes again, and keeps old
 * segments out of the next connection of the 4-tuple (RFC 9293 3.6.1, 3.4.1). On the
 * native wire both can be done without memory:
 *
 *  1. The end that closes first, the closer, puts a token on its FIN (token.c).
 *  2. Its peer repeats the token on its segments without payload, so on its FIN and
 *     on each repetition of it.
 *  3. If the peer's FIN has a token from which the closer could answer that FIN
 *     again, the closer keeps no record. In all other cases it keeps one.
 *  4. The FIN of no connection with a token of ours is acknowledged. The token names
 *     RCV.NXT, below which the program had read everything when it was made, and
 *     fits a FIN with that sequence number only. So the ACK is true whatever became of
 *     the connection.
 *  5. Both ends have timestamps, which keep old segments out of the next connection
 *     (RFC 7323 5): the offset of our clock is the same for all connections of a
 *     4-tuple. Besides, both ends check that their next ISNs are above their old
 *     numbers (xtcp_isn_is_behind()). The peer's echo says that its check passed.
 *
 * Documentation/wire.rst has the format, design.rst what is given up.
 *
 * Context: functions with a socket: socket lock. The others need no locks: softirq, or process for
 * a segment of the backlog.
 */
#include "close/stateless.h"

#include <linux/skbuff.h>

#include "clock.h"
#include "isn.h"
#include "net/family.h"
#include "net/reply.h"
#include "net/wire.h"
#include "observe/stats.h"
#include "tcb.h"
#include "token.h"

static u64 stateless_identity(const struct net *net, const struct xtcp_flow *flow)
{
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, flow);
	return xtcp_isn_identity(net, xtcp_family_get(flow->family), &key);
}

/* The answer without a record can use neither a firewall mark nor a bound device. */
static bool stateless_is_reachable(const struct xtcp_flow *flow, u32 mark)
{
	return !mark && !READ_ONCE(flow->ifindex);
}

/*
 * A cookie stays valid after its connection's end. While a record exists, a late copy of
 * the segment with the cookie creates no connection.
 */
static bool stateless_may_offer(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return XTCP_KNOB(sock_net(sk), tw_stateless) &&
	       xs->flow.wire == XTCP_WIRE_NATIVE && xs->ts_ok && !xs->cookie_held &&
	       !xtcp_2msl_stops_copies(xs) && !inet_test_bit(TRANSPARENT, sk) &&
	       stateless_is_reachable(&xs->flow, READ_ONCE(sk->sk_mark)) &&
	       xtcp_2msl_ms(xs) <= XTCP_TOKEN_2MSL_MS;
}

/* Do our next ISNs lie above the numbers that we have used? */
static bool stateless_consents(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return xtcp_isn_is_behind(stateless_identity(sock_net(sk), &xs->flow),
				  seq_add(xs->write_seq, 1));
}

/**
 * xtcp_stateless_closing - decide whether our FIN has a token
 * @sk: locked, in the state that close() or shutdown() has led to, before the FIN
 *	is sent
 *
 * In FIN-WAIT-1 we close first and may offer a token of our own. In LAST-ACK we
 * repeat the peer's or not; that is decided once, because the peer keeps no record
 * if our first FIN has the token.
 */
void xtcp_stateless_closing(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (sk->sk_state == XTCP_FIN_WAIT_1 && stateless_may_offer(sk))
		xs->token_role = XTCP_TOKEN_OFFERED;
	else if (sk->sk_state == XTCP_LAST_ACK &&
		 xs->token_role == XTCP_TOKEN_HELD && !stateless_consents(sk))
		xs->token_role = XTCP_TOKEN_NONE;
}

/**
 * xtcp_stateless_keep - store the token of the peer, which closes first
 * @sk: locked; the peer's FIN has just arrived in order
 * @token: its token, XTCP_TOKEN_LEN bytes
 */
void xtcp_stateless_keep(struct sock *sk, const u8 *token)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (WARN_ON_ONCE(xs->nr_sacks))
		return;
	memcpy(xs->token, token, sizeof(xs->token));
	xs->token_role = XTCP_TOKEN_HELD;
}

/**
 * xtcp_stateless_is_told - could the peer's FIN be answered without a record
 * @net: namespace
 * @flow: connection, in FIN-WAIT-2
 * @mark: fwmark of its segments
 * @snd_nxt: SND.NXT
 * @seg: the peer's FIN, at RCV.NXT
 *
 * Return: true if it could, now and as long as the FIN may be repeated.
 */
bool xtcp_stateless_is_told(const struct net *net, const struct xtcp_flow *flow,
			    u32 mark, seq_t snd_nxt, const struct xtcp_seg *seg)
{
	const u8 *token = seg->opt.token;
	u64 identity;

	if (!token || !seg->opt.has_ts || seg->len || seg->ack != snd_nxt ||
	    !stateless_is_reachable(flow, mark))
		return false;
	identity = stateless_identity(net, flow);
	return xtcp_token_is_ours(net, identity, seg->ack, seg->seq, token) &&
	       xtcp_token_left_ms(identity, xtcp_now_ms(), token) >=
	       2 * XTCP_TOKEN_2MSL_MS &&
	       xtcp_isn_is_behind(identity, snd_nxt);
}

/**
 * xtcp_stateless_may_forget - will the peer's FIN make a record needless
 * @sk: locked, any state
 * @seg: FIN with a token, which has passed the checks of 3.10.7.4
 *
 * Return: true if it will; the caller then sets XTCP_TOKEN_ECHOED when the FIN has
 * been accepted, and xtcp_timewait_enter() will not create a record.
 */
bool xtcp_stateless_may_forget(const struct sock *sk, const struct xtcp_seg *seg)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	return sk->sk_state == XTCP_FIN_WAIT_2 && seg->seq == xs->rcv_nxt &&
	       xtcp_stateless_is_told(sock_net(sk), &xs->flow,
				      READ_ONCE(sk->sk_mark), xs->snd_nxt, seg);
}

/**
 * xtcp_stateless_judge - check the token of a segment of no connection
 * @net: namespace, with keys
 * @key: connection, as seen from here
 * @seg: segment with a token and ACK, without SYN and RST
 *
 * A token fits a FIN at RCV.NXT, and the peer's ACKs just before and behind it.
 *
 * Return: what it says.
 */
enum xtcp_token_verdict xtcp_stateless_judge(const struct net *net,
					     const struct xtcp_key *key,
					     const struct xtcp_seg *seg)
{
	u64 identity = xtcp_isn_identity(net, xtcp_family_get(key->family), key);
	const u8 *token = seg->opt.token;

	if (seg->len || !seg->opt.has_ts ||
	    !xtcp_token_left_ms(identity, xtcp_now_ms(), token))
		return XTCP_TOKEN_WRONG;
	if (xtcp_token_is_ours(net, identity, seg->ack, seg->seq, token))
		return seg->flags & XTCP_FIN ? XTCP_TOKEN_FIN :
					       XTCP_TOKEN_BEFORE_FIN;
	if (!(seg->flags & XTCP_FIN) &&
	    xtcp_token_is_ours(net, identity, seg->ack, seq_sub(seg->seq, 1), token))
		return XTCP_TOKEN_AFTER_FIN;
	return XTCP_TOKEN_WRONG;
}

/**
 * xtcp_stateless_answer - acknowledge the peer's FIN from its token
 * @net: namespace
 * @skb: segment whose token is ours; stays the caller's
 * @spare: @skb if the ACK may be built in it: then it is consumed; or NULL
 * @key: its connection, as seen from here
 * @seg: its parsed header
 *
 * <SEQ=SEG.ACK><ACK=SEG.SEQ+SEG.LEN><CTL=ACK>, with the DSCP that the connection had.
 */
void xtcp_stateless_answer(struct net *net, const struct sk_buff *skb,
			   struct sk_buff *spare, const struct xtcp_key *key,
			   const struct xtcp_seg *seg)
{
	u64 identity = xtcp_isn_identity(net, xtcp_family_get(key->family), key);
	struct xtcp_bare bare = {
		.seq	= seg->ack,
		.ack	= seg->end,
		.flags	= XTCP_ACK,
		.opt	= {
			.has_ts	= 1,
			.tsval	= xtcp_now_ms() +
				  xtcp_token_ts_offset(identity, seg->opt.token),
			.tsecr	= seg->opt.tsval,
		},
	};
	struct xtcp_reply reply;

	XTCP_INC(net, TOKEN_ACK);
	xtcp_reply_init(net, &reply, skb, key, NULL);
	reply.tos = xtcp_token_tos(seg->opt.token);
	reply.spare = spare;
	xtcp_reply_send(net, &reply, &bare);
}
