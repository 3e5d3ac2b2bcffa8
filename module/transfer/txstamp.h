/* SPDX-License-Identifier: GPL-2.0 */
/* txstamp.h - timestamps of sent data: SO_TIMESTAMPING with SOF_TIMESTAMPING_TX_* */
#ifndef XTCP_TRANSFER_TXSTAMP_H
#define XTCP_TRANSFER_TXSTAMP_H

#include <linux/net_tstamp.h>
#include <linux/types.h>
#include <net/sock.h>

#include "net/wire.h"

struct sk_buff;

/* Flags of SO_TIMESTAMPING that make send() look further. */
#define XTCP_TXSTAMP_FLAGS \
	(SOF_TIMESTAMPING_TX_RECORD_MASK | SOF_TIMESTAMPING_OPT_ID)

/* Not locked. */
bool xtcp_txstamp_is_allowed(const struct sock *sk, u32 flags);

/* Socket lock. */
void xtcp_txstamp_begin(struct sock *sk);
void xtcp_txstamp_request(struct sock *sk, u32 flags);
void xtcp_txstamp_split(struct sk_buff *skb, struct sk_buff *rest);
void xtcp_txstamp_move(struct sk_buff *from, struct sk_buff *to);
struct sk_buff *xtcp_txstamp_clone(struct sock *sk, struct sk_buff *skb, gfp_t gfp);
u32 xtcp_txstamp_bound(const struct sock *sk, const struct sk_buff *skb,
		       u32 len);
void xtcp_txstamp_acked(struct sock *sk, struct sk_buff *skb);

/**
 * xtcp_txstamp_is_wanted - check whether a call of send() asks for timestamps
 * @sk: the socket, locked or not
 *
 * Return: true if the socket does; a control message may ask, too
 */
static inline bool xtcp_txstamp_is_wanted(const struct sock *sk)
{
	return unlikely(READ_ONCE(sk->sk_tsflags) & XTCP_TXSTAMP_FLAGS);
}

/* True if the time of a byte of @skb is to be reported. */
static inline bool xtcp_txstamp_is_on(const struct sk_buff *skb)
{
	return unlikely(xtcp_cb(skb)->marks & XTCP_MARK_STAMP);
}

#endif /* XTCP_TRANSFER_TXSTAMP_H */
