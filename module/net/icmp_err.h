/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp_err.h - an ICMP error quotes one of our segments
 *
 * Not icmp.h: the kernel has a net/icmp.h, and its folders are searched first.
 */
#ifndef XTCP_NET_ICMP_ERR_H
#define XTCP_NET_ICMP_ERR_H

#include <linux/types.h>

#include "net/seq.h"

struct inet6_skb_parm;
struct sk_buff;
struct tcphdr;

/* What an ICMP message is about. */
enum xtcp_icmp_what {
	XTCP_ICMP_NONE,		/* no error to TCP */
	XTCP_ICMP_ERROR,
	XTCP_ICMP_TOO_BIG,
	XTCP_ICMP_REDIRECT,
};

/**
 * struct xtcp_icmp - one message, taken apart by its family
 * @skb: the message; skb->data at the quoted IP header
 * @th: quoted header; only ports and sequence number are sure to be there
 * @seq: quoted sequence number
 * @info: what ICMP passes along, host order: MTU or pointer
 * @err: errno for the user, of XTCP_ICMP_ERROR
 * @peer_at: offset of the peer's address in the quoted IP header
 * @origin: which ICMP, SO_EE_ORIGIN_*
 * @type, @code: the message's own
 * @what: what it is about
 * @ttl: hops left, for IP_MINTTL and IPV6_MINHOPCOUNT
 * @hard: no use in trying again (RFC 1122 4.2.3.9); else it may pass
 * @no_path: the path is broken, rather than the host unwilling (RFC 6069)
 * @no_way: no path to the peer, so that waiting for its ACK is idle (LC-105)
 */
struct xtcp_icmp {
	struct sk_buff		*skb;
	const struct tcphdr	*th;
	seq_t			seq;
	u32			info;
	int			err;
	u16			peer_at;
	u8			origin;
	u8			type;
	u8			code;
	enum xtcp_icmp_what	what;
	u8			ttl;
	bool			hard;
	bool			no_path;
	bool			no_way;
};

int xtcp_icmpv4_err(struct sk_buff *skb, u32 info);
int xtcp_icmpv6_err(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type,
		    u8 code, int offset, __be32 info);

#endif /* XTCP_NET_ICMP_ERR_H */
