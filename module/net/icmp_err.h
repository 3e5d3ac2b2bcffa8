/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp_err.h - an ICMP error that quotes one of our segments, parsed
 *
 * The name isn't icmp.h, because the kernel has a net/icmp.h, and the compiler
 * searches its folders first.
 */
#ifndef XTCP_NET_ICMP_ERR_H
#define XTCP_NET_ICMP_ERR_H

#include <linux/types.h>

#include "net/seq.h"

struct inet6_skb_parm;
struct sk_buff;
struct tcphdr;

/* What an ICMP message means for TCP. */
enum xtcp_icmp_what {
	XTCP_ICMP_NONE,		/* no error for TCP */
	XTCP_ICMP_ERROR,
	XTCP_ICMP_TOO_BIG,
	XTCP_ICMP_REDIRECT,
};

/**
 * struct xtcp_icmp - an ICMP error, parsed by its family
 * @skb: the message; skb->data at the quoted IP header
 * @th: quoted TCP header; only its ports and sequence number are there for
 *	certain
 * @seq: quoted sequence number
 * @info: MTU or pointer of the message, host order
 * @err: errno for the user, of XTCP_ICMP_ERROR
 * @peer_at: offset of the peer's address in the quoted IP header
 * @quote_len: RFC 4884: bytes of the quoted packet, behind which the message goes on;
 *	0: the message doesn't say
 * @origin: ICMP or ICMPv6, SO_EE_ORIGIN_*
 * @type: ICMP type
 * @code: ICMP code
 * @what: what the message means for TCP
 * @ttl: TTL or hop limit, for IP_MINTTL and IPV6_MINHOPCOUNT
 * @hard: the error is permanent (RFC 1122 4.2.3.9); else it may be temporary
 * @undoes_backoff: the path is broken, so the timeout need not be doubled (RFC 6069); false: the
 *	host refuses
 * @ends_half_open: no path leads to the peer, so a half-open record is removed (LC-105)
 */
struct xtcp_icmp {
	struct sk_buff		*skb;
	const struct tcphdr	*th;
	seq_t			seq;
	u32			info;
	int			err;
	u16			peer_at;
	u16			quote_len;
	u8			origin;
	u8			type;
	u8			code;
	enum xtcp_icmp_what	what;
	u8			ttl;
	bool			hard;
	bool			undoes_backoff;
	bool			ends_half_open;
};

int xtcp_icmpv4_err(struct sk_buff *skb, u32 info);
int xtcp_icmpv6_err(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type,
		    u8 code, int offset, __be32 info);

#endif /* XTCP_NET_ICMP_ERR_H */
