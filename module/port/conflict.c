// SPDX-License-Identifier: GPL-2.0
/*
 * conflict.c - who may share a port with whom
 *
 * Stock's rules, which users know by their EADDRINUSE:
 *
 *  - bind() and listen() must not overlap in address and device with anyone
 *    who doesn't want to share. SO_REUSEADDR on both sides shares unless the
 *    other listens; SO_REUSEPORT on both sides shares between sockets of one
 *    user; for a time-wait record its socket's options go on counting.
 *  - connect() without a port takes one that nobody asked for by number, and
 *    shares it with other connects: only the 4-tuple has to be new.
 *
 * What others' sockets say of themselves (address, device, sharing options) is
 * read without their locks: as in stock, a setsockopt() during the check counts
 * or doesn't.
 *
 * Chain lock.
 */
#include "port/conflict.h"

#include <linux/lockdep.h>

#include "net/device.h"

/**
 * xtcp_claim_init - what a socket would have of a port
 * @claim: filled in; any port, not shared with a crowd
 * @sk: socket, locked
 */
void xtcp_claim_init(struct xtcp_claim *claim, const struct sock *sk)
{
	*claim = (struct xtcp_claim) {
		.sk		= sk,
		.at		= xtcp_place_of_sk(sk),
		.ifindex	= READ_ONCE(sk->sk_bound_dev_if),
		.uid		= sk_uid(sk),
		.wire		= xtcp_port_wire_class(xtcp_sk(sk)->flow.wire),
		.reuse		= sk->sk_reuse,
		.reuseport	= sk->sk_reuseport,
	};
}

/* @port_too: both have SO_REUSEPORT, and the user is the same. */
static bool claim_may_share(const struct xtcp_claim *claim, bool reuse,
			    bool listens, bool port_too)
{
	if (claim->reuse && reuse && !listens)
		return claim->crowd && (claim->by_number || !port_too);
	return claim->by_number && port_too;
}

static bool claim_meets_owner(const struct xtcp_claim *claim, struct sock *other)
{
	bool port_too;

	if (other == claim->sk ||
	    !xtcp_places_overlap(claim->at, xtcp_place_of_sk(other)) ||
	    !xtcp_device_overlaps(sock_net(other), claim->ifindex,
				  READ_ONCE(other->sk_bound_dev_if)))
		return false;
	port_too = claim->reuseport && other->sk_reuseport &&
		   uid_eq(claim->uid, sk_uid(other));
	return !claim_may_share(claim, other->sk_reuse,
				xtcp_sk(other)->port_listens, port_too);
}

/* Buckets of the native wire have no device: a record meets any there. */
static bool timewait_is_apart(const struct xtcp_claim *claim,
			      struct xtcp_port *port)
{
	const struct xtcp_tcp_port *tcp = xtcp_tcp_port(port);

	return tcp && !xtcp_device_overlaps(sock_net(claim->sk), claim->ifindex,
					    tcp->ifindex);
}

static bool claim_meets_timewait(const struct xtcp_claim *claim,
				 struct xtcp_port *port)
{
	return port->tw && xtcp_places_overlap(claim->at, port->at) &&
	       !timewait_is_apart(claim, port) &&
	       !claim_may_share(claim, port->class & XTCP_PORT_REUSE, false,
				claim->reuseport &&
				port->class & XTCP_PORT_REUSEPORT);
}

/**
 * xtcp_claim_conflicts - is somebody at that port who doesn't want to share
 * @claim: what is wanted
 * @chain: of the port, locked
 * @num: port
 *
 * Return: is there.
 */
bool xtcp_claim_conflicts(const struct xtcp_claim *claim,
			  const struct xtcp_port_chain *chain, u16 num)
{
	struct xtcp_port *port;
	struct sock *other;

	lockdep_assert_held(&chain->lock);
	for (port = chain->first; port; port = port->next) {
		if (port->num != num ||
		    (port->class & XTCP_PORT_TCP_WIRE) != claim->wire)
			continue;
		if (claim_meets_timewait(claim, port))
			return true;
		sk_for_each_bound(other, &port->owners)
			if (claim_meets_owner(claim, other))
				return true;
	}
	return false;
}

/**
 * xtcp_port_is_private - did somebody ask for this port by number
 * @chain: of the port, locked
 * @num: port
 * @class: whose wire counts
 *
 * Return: did he, at whatever address.
 */
bool xtcp_port_is_private(const struct xtcp_port_chain *chain, u16 num,
			  u8 class)
{
	const struct xtcp_port *port;

	for (port = chain->first; port; port = port->next)
		if (port->num == num && !port->shared &&
		    !((port->class ^ class) & XTCP_PORT_TCP_WIRE))
			return true;
	return false;
}
