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
		.at		= xtcp_bind_addr_of_sk(sk),
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
	    !xtcp_bind_addrs_overlap(claim->at, xtcp_bind_addr_of_sk(other)) ||
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

/*
 * None of a bucket's owners can object, by the options that they had when they
 * came. As in stock, one who changes them later still counts as he was: so a
 * port that ten thousand sockets share is taken without a look at each.
 */
static bool claim_suits_owners(const struct xtcp_claim *claim,
			       const struct xtcp_port *port)
{
	bool port_too = claim->reuseport && port->class & XTCP_PORT_REUSEPORT;
	const struct sock *first = xtcp_port_first_owner(port);

	if (!first)
		return true;
	/* Of one of several users it would have to be asked which. */
	if (port_too && (port->mixed || !claim->by_number))
		return false;
	port_too = port_too && uid_eq(claim->uid, sk_uid(first));
	return claim_may_share(claim, port->class & XTCP_PORT_REUSE,
			       port->listeners, port_too);
}

static bool claim_meets_owners(const struct xtcp_claim *claim,
			       const struct xtcp_port *port)
{
	struct sock *other;

	if (claim_suits_owners(claim, port))
		return false;
	sk_for_each_bound(other, &port->owners)
		if (claim_meets_owner(claim, other))
			return true;
	return false;
}

static bool claim_meets_timewait(const struct xtcp_claim *claim,
				 struct xtcp_port *port)
{
	return port->tw &&
	       xtcp_bind_addrs_overlap(claim->at, xtcp_port_bind_addr(port)) &&
	       !timewait_is_apart(claim, port) &&
	       !claim_may_share(claim, port->class & XTCP_PORT_REUSE, false,
				claim->reuseport &&
				port->class & XTCP_PORT_REUSEPORT);
}

/* @port: first of a list, which may have buckets of other numbers. */
static bool claim_meets(const struct xtcp_claim *claim,
			struct xtcp_port *port, u16 num)
{
	for (; port; port = port->next)
		if (port->num == num &&
		    (port->class & XTCP_PORT_TCP_WIRE) == claim->wire &&
		    (claim_meets_timewait(claim, port) ||
		     claim_meets_owners(claim, port)))
			return true;
	return false;
}

/**
 * xtcp_claim_conflicts - is somebody at that port who doesn't want to share
 * @claim: what is wanted
 * @chain: of the port, locked
 * @num: port
 *
 * A claim to one address looks there and at the wildcard, one to any address
 * everywhere.
 *
 * Return: true if there is.
 */
bool xtcp_claim_conflicts(const struct xtcp_claim *claim,
			  const struct xtcp_port_chain *chain, u16 num)
{
	unsigned int i, n = xtcp_port_lists(chain, num);

	lockdep_assert_held(&chain->lock);
	if (claim->at.laddr && n > 1)
		return claim_meets(claim,
				   xtcp_port_list_at(chain, num,
						     claim->at.laddr), num) ||
		       claim_meets(claim, xtcp_port_list_at(chain, num, 0),
				   num);
	for (i = 0; i < n; i++)
		if (claim_meets(claim, xtcp_port_list(chain, num, i), num))
			return true;
	return false;
}
