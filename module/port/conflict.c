// SPDX-License-Identifier: GPL-2.0
/*
 * conflict.c - which sockets and records may share a port
 *
 * The rules are those of the kernel's TCP, because programs rely on its
 * EADDRINUSE:
 *  - bind() and listen() fail if address and device overlap with those of a
 *    holder that does not share the port. SO_REUSEADDR on both sides shares it
 *    unless the other one listens; SO_REUSEPORT on both sides shares it between
 *    sockets of one user. A TIME-WAIT record keeps its socket's options.
 *  - connect() without a port takes one that no socket bound explicitly, and
 *    shares it with other connections: only the 4-tuple must be new.
 *
 * SO_REUSEADDR counts as it is at the time of the check, not as it was at the time of
 * the other socket's bind(). Before Linux 6.8 xtcp is not told of a setsockopt() of SO_REUSEADDR:
 * there the option counts as it was at bind(), unless owners are checked one by one, as for
 * listen(). The kernel's TCP of those releases does the same.
 *
 * Address, device and sharing options of other sockets are read without their
 * locks. As in the kernel's TCP, a setsockopt() during the check may or may not
 * be seen.
 *
 * Context: chain lock.
 */
#include "port/conflict.h"

#include <linux/lockdep.h>
#include <linux/rcupdate.h>

#include "compat.h"
#include "net/device.h"

/*
 * Does the socket have a SO_REUSEPORT group of its own? SO_ATTACH_REUSEPORT_EBPF
 * or _CBPF gave it one before it listened. It can't join another one, so as in
 * the kernel's TCP it shares no port. A listener that was shut down has left its group.
 */
static bool has_own_group(const struct sock *sk)
{
	return rcu_access_pointer(sk->sk_reuseport_cb);
}

/**
 * xtcp_claim_init - fill in a claim from a socket's address and options
 * @claim: filled in; for any port, not to be shared by SO_REUSEADDR
 * @sk: socket, locked
 */
void xtcp_claim_init(struct xtcp_claim *claim, const struct sock *sk)
{
	xtcp_assert_owned(sk);
	*claim = (struct xtcp_claim) {
		.sk		= sk,
		.at		= xtcp_bind_addr_of_sk(sk),
		.ifindex	= READ_ONCE(sk->sk_bound_dev_if),
		.uid		= sk_uid(sk),
		.wire		= xtcp_port_wire_class(xtcp_sk(sk)->flow.wire),
		.reuse		= sk->sk_reuse,
		.reuseport	= sk->sk_reuseport && !has_own_group(sk),
	};
}

/* @reuseport: both have SO_REUSEPORT and belong to the same user. */
static bool claim_may_share(const struct xtcp_claim *claim, bool reuse,
			    bool listens, bool reuseport)
{
	if (claim->reuse && reuse && !listens)
		return claim->reuse_ok && (claim->by_number || !reuseport);
	return claim->by_number && reuseport;
}

static bool claim_meets_owner(const struct xtcp_claim *claim, struct sock *other)
{
	bool reuseport;

	if (other == claim->sk ||
	    !xtcp_bind_addrs_overlap(claim->at, xtcp_bind_addr_of_sk(other)) ||
	    !xtcp_device_overlaps(sock_net(other), xtcp_sk(other)->flow.wire, claim->ifindex,
				  READ_ONCE(other->sk_bound_dev_if)))
		return false;
	reuseport = claim->reuseport && other->sk_reuseport &&
		    uid_eq(claim->uid, sk_uid(other));
	return !claim_may_share(claim, other->sk_reuse,
				xtcp_sk(other)->port_listens, reuseport);
}

/* Native buckets have no device, so their records conflict with any device. */
static bool timewait_is_apart(const struct xtcp_claim *claim,
			      struct xtcp_port *port)
{
	const struct xtcp_large_port *tcp = xtcp_tcp_port(port);

	return tcp && !xtcp_device_overlaps(sock_net(claim->sk), XTCP_WIRE_TCP, claim->ifindex,
					    tcp->ifindex);
}

/*
 * Check a bucket's owners together, by its class: true if none of them can object. So
 * a port that ten thousand sockets share is taken without a look at each. The class
 * says whether they have SO_REUSEADDR, and whether they had SO_REUSEPORT when they were
 * added, unless a stray is among them. As in the kernel's TCP, an owner that has cleared
 * SO_REUSEPORT since then objects to a wildcard that includes its address only.
 */
static bool claim_suits_owners(const struct xtcp_claim *claim,
			       const struct xtcp_port *port)
{
	bool reuseport = claim->reuseport && port->class & XTCP_PORT_REUSEPORT;

	if (hlist_empty(&port->owners))
		return true;
	if (port->stray)
		return false;
	/* Owners of several users must be checked one by one. */
	if (reuseport && (port->mixed || !claim->by_number))
		return false;
	if (reuseport && port->cleared &&
	    !xtcp_bind_addr_covers(xtcp_port_bind_addr(port), claim->at))
		return false;
	reuseport = reuseport && uid_eq(claim->uid, xtcp_port_uid(port));
	if (!XTCP_SEES_REUSEADDR && claim->listens && !reuseport)
		return false;
	return claim_may_share(claim, port->class & XTCP_PORT_REUSE,
			       port->listeners, reuseport);
}

static bool claim_meets_owners(const struct xtcp_claim *claim,
			       const struct xtcp_port *port)
{
	struct sock *other;

	/* Thousands may share a port at another address. */
	if (!xtcp_bind_addrs_overlap(claim->at, xtcp_port_bind_addr(port)) ||
	    claim_suits_owners(claim, port))
		return false;
	sk_for_each_bound(other, &port->owners)
		if (claim_meets_owner(claim, other))
			return true;
	return false;
}

/*
 * As in Linux everybody shares by SO_REUSEPORT with a record; but if its socket had cleared the
 * option, only the user of the bucket does.
 */
static bool claim_meets_timewait(const struct xtcp_claim *claim,
				 struct xtcp_port *port)
{
	bool reuseport = claim->reuseport && port->class & XTCP_PORT_REUSEPORT &&
			 (!port->tw_cleared || uid_eq(claim->uid, xtcp_port_uid(port)));

	return port->tw &&
	       xtcp_bind_addrs_overlap(claim->at, xtcp_port_bind_addr(port)) &&
	       !timewait_is_apart(claim, port) &&
	       !claim_may_share(claim, port->class & XTCP_PORT_REUSE, false, reuseport);
}

/* @port: first bucket of a list, which may also hold other numbers' buckets. */
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
 * xtcp_claim_conflicts - check a claim against all holders of a port
 * @claim: the claim
 * @chain: chain of @num, locked
 * @num: port
 *
 * A claim to one address is compared with the buckets at that address and at
 * the wildcard, a claim to any address with all.
 *
 * Return: true if a holder of the port does not share it.
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
