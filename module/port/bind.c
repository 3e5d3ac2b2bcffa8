// SPDX-License-Identifier: GPL-2.0
/*
 * bind.c - bind() and listen() take a port
 *
 * RFC 9293 3.9.1.1 (local socket). A claim is checked against xtcp's own
 * sockets first (conflict.c). On the TCP wire the kernel's TCP must then accept
 * a shadow of the port (shadow.c).
 *
 * Context: socket lock, process.
 */
#include "port/bucket.h"

#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <uapi/linux/xtcp.h>

#include "port/conflict.h"
#include "port/ephemeral.h"
#include "port/port.h"
#include "shadow.h"

/* Take port @num by xtcp's own rules. */
static int bind_claim(struct sock *sk, const struct xtcp_claim *claim, u16 num,
		      bool listens, struct xtcp_port **spare)
{
	struct xtcp_port_chain *chain = xtcp_port_chain_lock(sock_net(sk), num);
	struct xtcp_port *port;
	int err = -EADDRINUSE;

	if (xtcp_claim_conflicts(claim, chain, num))
		goto unlock;
	if (!xtcp_sk(sk)->port) {
		err = -ENOMEM;
		port = xtcp_port_get(sock_net(sk), chain, num, claim->at,
				     claim->ifindex, xtcp_port_class(sk),
				     spare);
		if (!port)
			goto unlock;
		xtcp_port_owner_add(sk, port);
	}
	xtcp_port_set_shared(chain, xtcp_sk(sk)->port, false);
	xtcp_port_set_listens(sk, listens);
	inet_sk(sk)->inet_num = num;
	err = 0;
unlock:
	xtcp_port_chain_unlock(chain);
	return err;
}

/*
 * Give the port bucket @tcp a shadow, unless it has one. @at is the owner's
 * full bind address, because an IPv6 bucket knows only the address digest.
 */
static int port_hold(struct net *net, struct xtcp_tcp_port *tcp,
		     const struct xtcp_key *at)
{
	const struct xtcp_port *port = &tcp->port;
	struct xtcp_shadow_place place = {
		.family		= at->family,
		.laddr		= at->laddr,
		.laddr6		= at->v6.laddr,
		.ifindex	= tcp->ifindex,
		.num		= port->num,
		.reuse		= port->class & XTCP_PORT_REUSE,
		.reuseport	= port->class & XTCP_PORT_REUSEPORT,
	};
	struct xtcp_port_chain *chain;
	struct xtcp_shadow *shadow;

	lockdep_assert_held(&xtcp_net(net)->shadows->making);
	if (tcp->shadow)
		return 0;
	shadow = xtcp_shadow_open(net, &place);
	if (IS_ERR(shadow))
		return PTR_ERR(shadow);
	/* xtcp_port_inherit_shadow() may have set one meanwhile. */
	chain = xtcp_port_chain_lock(net, port->num);
	if (!tcp->shadow)
		swap(tcp->shadow, shadow);
	xtcp_port_chain_unlock(chain);
	xtcp_shadow_put(shadow);
	return 0;
}

static int bind_hold(struct sock *sk, bool listens)
{
	struct mutex *making = &xtcp_net(sock_net(sk))->shadows->making;
	struct xtcp_port *port = xtcp_sk(sk)->port;
	struct xtcp_key at = { };
	int err;

	xtcp_family_of(sk)->addr->bound(sk, &at);
	mutex_lock(making);
	err = port_hold(sock_net(sk), xtcp_tcp_port(port), &at);
	mutex_unlock(making);
	if (!err && listens)
		err = xtcp_shadow_listen(xtcp_port_shadow(port));
	return err;
}

/* bind() to one port; also listen() for a socket that has the port. */
static int bind_try(struct sock *sk, const struct xtcp_claim *claim, u16 num,
		    bool listens, struct xtcp_port **spare)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool had_port = xs->port;
	struct xtcp_port_chain *chain;
	int err;

	err = bind_claim(sk, claim, num, listens, spare);
	if (err || !claim->wire)
		return err;
	err = bind_hold(sk, listens);
	if (!err)
		return 0;
	chain = xtcp_port_chain_lock(sock_net(sk), num);
	xtcp_port_set_listens(sk, false);
	if (!had_port) {
		xtcp_port_owner_del(chain, sk);
		inet_sk(sk)->inet_num = 0;
	}
	xtcp_port_chain_unlock(chain);
	if (!*spare)
		*spare = xtcp_port_alloc(xtcp_port_class(sk), GFP_KERNEL);
	return err;
}

static int bind_scan(struct sock *sk, const struct xtcp_claim *claim,
		     bool listens, struct xtcp_port **spare)
{
	struct xtcp_port_range range;
	int err = -EADDRINUSE;
	u32 i;
	u16 num;

	xtcp_port_range_bind(&range, sk);
	for (i = 0; i <= range.count && err == -EADDRINUSE; i++) {
		num = xtcp_port_range_nth(&range, i);
		if (!inet_is_local_reserved_port(sock_net(sk), num))
			err = bind_try(sk, claim, num, listens, spare);
		cond_resched();
	}
	return err;
}

/*
 * Take any port that nobody else uses. If there is none left and
 * net.ipv4.ip_autobind_reuse allows it, take one that SO_REUSEADDR shares.
 */
static int bind_any(struct sock *sk, struct xtcp_claim *claim, bool listens,
		    struct xtcp_port **spare)
{
	int err = bind_scan(sk, claim, listens, spare);

	if (err != -EADDRINUSE ||
	    !READ_ONCE(sock_net(sk)->ipv4.sysctl_ip_autobind_reuse))
		return err;
	claim->crowd = true;
	return bind_scan(sk, claim, listens, spare);
}

static int bind_port(struct sock *sk, u16 num, bool listens)
{
	struct xtcp_port *spare = xtcp_port_alloc(xtcp_port_class(sk), GFP_KERNEL);
	struct xtcp_claim claim;
	int err;

	xtcp_claim_init(&claim, sk);
	if (num) {
		claim.by_number = true;
		claim.crowd = true;
		err = bind_try(sk, &claim, num, listens, &spare);
	} else {
		err = bind_any(sk, &claim, listens, &spare);
	}
	xtcp_port_free(spare);
	return err;
}

/* bind_port() in atomic context; xtcp_port_settle() opens the shadow. */
static int bind_atomic(struct sock *sk, u16 num)
{
	struct xtcp_port *spare;
	struct xtcp_claim claim;
	int err;

	if (!num)
		return -EADDRINUSE;
	spare = xtcp_port_alloc(xtcp_port_class(sk), GFP_ATOMIC);
	xtcp_claim_init(&claim, sk);
	claim.by_number = true;
	claim.crowd = true;
	err = bind_claim(sk, &claim, num, false, &spare);
	xtcp_port_free(spare);
	return err;
}

/**
 * xtcp_port_settle - complete a bind() that a BPF program may have made
 * @sk: socket; with or without a port
 *
 * On the TCP wire the port needs a shadow. Opening one sleeps, so it could not
 * be done in the program's RCU section.
 *
 * Context: socket lock, process.
 * Return: 0; -EADDRINUSE or -ENOMEM, and the socket has no port any more.
 */
int xtcp_port_settle(struct sock *sk)
{
	int err;

	if (!xtcp_sk(sk)->port || xtcp_sk(sk)->flow.wire != XTCP_WIRE_TCP)
		return 0;
	err = bind_hold(sk, false);
	if (!err)
		return 0;
	xtcp_port_release(sk);
	inet_sk(sk)->inet_sport = 0;
	sk->sk_userlocks &= ~SOCK_BINDPORT_LOCK;
	return err;
}

/**
 * xtcp_port_bind - get_port of struct proto: bind(2)
 * @sk: socket; inet_rcv_saddr is the address to bind to
 * @port: port, or 0 for any
 *
 * Context: socket lock, process. Does not sleep while xs->filtering is set.
 * Return: 0 with inet_num set; -EADDRINUSE; -ENOMEM.
 */
int xtcp_port_bind(struct sock *sk, unsigned short port)
{
	if (unlikely(xtcp_sk(sk)->filtering))
		return bind_atomic(sk, port);
	return bind_port(sk, port, false);
}

/**
 * xtcp_port_listen - take or keep a port for listen(2)
 * @sk: socket; gets any free port if it has none
 *
 * Two sockets with SO_REUSEADDR may be bound to the same address, but only one
 * of them may listen. So the conflict check is repeated, as for a listener.
 *
 * Context: socket lock, process.
 * Return: 0 with inet_num and inet_sport set; -EADDRINUSE; -ENOMEM.
 */
int xtcp_port_listen(struct sock *sk)
{
	struct inet_sock *inet = inet_sk(sk);
	int err = bind_port(sk, inet->inet_num, true);

	if (!err)
		inet->inet_sport = htons(inet->inet_num);
	return err;
}

/**
 * xtcp_port_unlisten - note that a socket listens no longer
 * @sk: socket; may keep its port
 *
 * Context: socket lock, process.
 */
void xtcp_port_unlisten(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_shadow *shadow = NULL;
	struct xtcp_port_chain *chain;

	if (!inet_sk(sk)->inet_num)
		return;
	chain = xtcp_port_chain_lock(sock_net(sk), inet_sk(sk)->inet_num);
	if (xs->port_listens)
		shadow = xtcp_port_shadow(xs->port);
	xtcp_port_set_listens(sk, false);
	xtcp_port_chain_unlock(chain);
	if (shadow)
		xtcp_shadow_unlisten(shadow);
}
