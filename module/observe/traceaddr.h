/* SPDX-License-Identifier: GPL-2.0 */
/*
 * traceaddr.h - the two ends of a connection in tracepoints
 *
 * Each is there as a socket address, struct sockaddr_in or sockaddr_in6, because the
 * kernel's printk() and trace tools have one format for both (%pISpc:
 * 10.0.0.1:80, [fd00::1]:80), and an IPv6 address alone, which tools read without
 * knowing the family.
 *
 * Context: any.
 */
#ifndef XTCP_OBSERVE_TRACEADDR_H
#define XTCP_OBSERVE_TRACEADDR_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>
#include <net/ipv6.h>

#include "flow.h"

/* Bytes of one end in an event. */
#define XTCP_TRACE_ADDR_LEN	sizeof(struct sockaddr_in6)

/*
 * A socket address and an IPv6 address of one end. @to and @to6 may be unaligned. A
 * listener of both families is at ::.
 */
static inline void xtcp_trace_addr(u8 *to, u8 *to6, const struct xtcp_key *key,
				   __be32 addr, const struct in6_addr *addr6,
				   __be16 port)
{
	struct in6_addr v6 = {};
	union {
		struct sockaddr_in	in;
		struct sockaddr_in6	in6;
	} sa = {};

	if (key->family == AF_INET) {
		sa.in.sin_family = AF_INET;
		sa.in.sin_port = port;
		sa.in.sin_addr.s_addr = addr;
		ipv6_addr_set_v4mapped(addr, &v6);
	} else {
		sa.in6.sin6_family = AF_INET6;
		sa.in6.sin6_port = port;
		if (key->family == AF_INET6)
			v6 = *addr6;
		sa.in6.sin6_addr = v6;
	}
	memcpy(to, &sa, sizeof(sa));
	memcpy(to6, &v6, sizeof(v6));
}

/* This host's end. */
static inline void xtcp_trace_laddr(u8 *to, u8 *to6,
				    const struct xtcp_key *key)
{
	xtcp_trace_addr(to, to6, key, key->laddr, &key->v6.laddr, key->lport);
}

/* The peer's end. */
static inline void xtcp_trace_raddr(u8 *to, u8 *to6,
				    const struct xtcp_key *key)
{
	xtcp_trace_addr(to, to6, key, key->raddr, &key->v6.raddr, key->rport);
}

#endif /* XTCP_OBSERVE_TRACEADDR_H */
