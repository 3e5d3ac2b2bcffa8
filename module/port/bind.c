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
#include <linux/sched.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <uapi/linux/xtcp.h>

#include "port/conflict.h"
#include "port/ephemeral.h"
#include "port/port.h"
#include "shadow.h"

/*
 * Get the shadow that a socket needs on the TCP wire: that of its bucket @port, or
 * a new one if the bucket has none or does not exist yet. The address is the full
 * one, because an IPv6 bucket knows only a digest: the kernel has not been asked about this
 * address if the bucket's shadow is at another one.
 */
static struct xtcp_shadow *bind_shadow(struct sock *sk, struct xtcp_port *port,
				       const struct xtcp_claim *claim, u16 num)
{
	u8 class = port ? port->class : xtcp_port_class(sk);
	struct xtcp_shadow_place place = {
		.ifindex	= port ? xtcp_tcp_port(port)->ifindex : claim->ifindex,
		.num		= num,
		.reuse		= class & XTCP_PORT_REUSE,
		.alone		= !claim->reuse_ok,
	};
	struct xtcp_shadow *shadow = xtcp_port_shadow(port);
	struct xtcp_key at = { };

	xtcp_family_of(sk)->addr->bound(sk, &at);
	if (shadow && xtcp_family_is_ipv6(at.family) &&
	    !xtcp_shadow_covers6(shadow, &at.v6.laddr))
		return ERR_PTR(-EADDRINUSE);
	if (shadow)
		return xtcp_shadow_get(shadow);
	place.family = at.family;
	place.laddr = at.laddr;
	place.laddr6 = at.v6.laddr;
	return xtcp_shadow_open(sock_net(sk), &place);
}

/* bind_shadow(), and make the shadow a listener if @sk becomes one. */
static struct xtcp_shadow *bind_hold(struct sock *sk, struct xtcp_port *port,
				     const struct xtcp_claim *claim, u16 num)
{
	struct xtcp_shadow *shadow = bind_shadow(sk, port, claim, num);
	int err;

	if (IS_ERR(shadow) || !claim->listens || xtcp_sk(sk)->port_listens)
		return shadow;
	err = xtcp_shadow_listen(shadow);
	if (!err)
		return shadow;
	xtcp_shadow_put(shadow);
	return ERR_PTR(err);
}

/*
 * The bucket of the port for the device that @sk is bound to, or NULL. On the TCP wire that may be
 * another one than @sk has, if SO_BINDTODEVICE was set after bind(): the old shadow holds the
 * port on the old device alone.
 */
static struct xtcp_port *bind_bucket(const struct sock *sk, const struct xtcp_claim *claim,
				     struct xtcp_port_chain *chain, u16 num, u8 class)
{
	struct xtcp_port *own = xtcp_sk(sk)->port;

	if (own && (!claim->wire || xtcp_tcp_port(own)->ifindex == claim->ifindex))
		return own;
	return xtcp_port_find(chain, num, claim->at, claim->ifindex, class);
}

/* Take port @num, with the chain locked, if the kernel's rules allow it, too. */
static int bind_take(struct sock *sk, const struct xtcp_claim *claim,
		     struct xtcp_port_chain *chain, u16 num, struct xtcp_port **spare)
{
	struct xtcp_shadow *shadow = NULL;
	u8 class = xtcp_port_class(sk);
	struct xtcp_port *port;

	port = bind_bucket(sk, claim, chain, num, class);
	if (!port && !*spare)
		return -ENOMEM;
	if (claim->wire) {
		shadow = bind_hold(sk, port, claim, num);
		if (IS_ERR(shadow))
			return PTR_ERR(shadow);
	}
	if (!port)
		port = xtcp_port_get(sock_net(sk), chain, num, claim->at,
				     claim->ifindex, class, spare);
	xtcp_port_give_shadow(port, &shadow);
	if (!xtcp_sk(sk)->port)
		xtcp_port_owner_add(sk, port);
	else if (unlikely(xtcp_sk(sk)->port != port))
		xtcp_port_owner_move(chain, sk, port);
	xtcp_shadow_put(shadow);
	return 0;
}

/*
 * bind() to one port; also listen() for a socket that has the port. xtcp's own
 * rules decide first, then, on the TCP wire, the kernel's.
 */
static int bind_try(struct sock *sk, const struct xtcp_claim *claim, u16 num,
		    struct xtcp_port **spare)
{
	struct xtcp_port_chain *chain = xtcp_port_chain_lock(sock_net(sk), num);
	int err = -EADDRINUSE;

	if (!xtcp_claim_conflicts(claim, chain, num))
		err = bind_take(sk, claim, chain, num, spare);
	if (!err) {
		/*
		 * The class has SO_REUSEPORT also after the socket has cleared it. For a listener
		 * the option counts as it is now, as in the kernel's TCP.
		 */
		if (claim->listens && xtcp_sk(sk)->port->class & XTCP_PORT_REUSEPORT &&
		    !sk->sk_reuseport)
			xtcp_port_set_stray(xtcp_sk(sk)->port);
		xtcp_port_set_shared(chain, xtcp_sk(sk)->port, false);
		xtcp_port_set_listens(sk, claim->listens);
		inet_sk(sk)->inet_num = num;
	}
	xtcp_port_chain_unlock(chain);
	return err;
}

static int bind_scan(struct sock *sk, const struct xtcp_claim *claim,
		     struct xtcp_port **spare)
{
	struct xtcp_port_range range;
	int err = -EADDRINUSE;
	u32 i;
	u16 num;

	xtcp_port_range_bind(&range, sk);
	for (i = 0; i <= range.count && err == -EADDRINUSE; i++) {
		num = xtcp_port_range_nth(&range, i);
		if (!inet_is_local_reserved_port(sock_net(sk), num))
			err = bind_try(sk, claim, num, spare);
		cond_resched();
	}
	return err;
}

/*
 * Take any port that nobody else uses. If there is none left and
 * net.ipv4.ip_autobind_reuse allows it, take one that SO_REUSEADDR shares.
 */
static int bind_any(struct sock *sk, struct xtcp_claim *claim, struct xtcp_port **spare)
{
	int err = bind_scan(sk, claim, spare);

	if (err != -EADDRINUSE ||
	    !READ_ONCE(sock_net(sk)->ipv4.sysctl_ip_autobind_reuse))
		return err;
	claim->reuse_ok = true;
	return bind_scan(sk, claim, spare);
}

/**
 * xtcp_port_prepare - do what must sleep before a socket takes a port
 * @sk: socket; its wire is final
 *
 * bind(), listen() and connect() do it themselves. A BPF program that may bind the
 * socket can't.
 *
 * Context: socket lock, process.
 * Return: 0 or -errno.
 */
int xtcp_port_prepare(struct sock *sk)
{
	if (xtcp_sk(sk)->flow.wire != XTCP_WIRE_TCP)
		return 0;
	return xtcp_shadow_prepare(sock_net(sk));
}

/*
 * Move @sk to the bucket of @class. If it may not, or without memory, it stays where it is, as
 * a stray.
 */
static void owner_reclass(struct sock *sk, struct xtcp_port_chain *chain, u8 class,
			  struct xtcp_port **spare)
{
	struct xtcp_port *old = xtcp_sk(sk)->port;
	struct xtcp_port *port;

	port = xtcp_port_get(sock_net(sk), chain, old->num,
			     xtcp_port_bind_addr(old), xtcp_port_ifindex(old),
			     class, spare);
	if (xtcp_port_may_move(old, port))
		xtcp_port_owner_move(chain, sk, port);
	else
		xtcp_port_set_stray(old);
}

/**
 * xtcp_port_options_changed - the program has set SO_REUSEADDR or SO_REUSEPORT
 * @sk: socket; may hold no port
 *
 * The next check of its port, and the kernel's TCP, see SO_REUSEADDR as it is now.
 *
 * Context: socket lock, process.
 */
void xtcp_port_options_changed(struct sock *sk)
{
	struct xtcp_port *old = xtcp_sk(sk)->port;
	struct xtcp_port *spare = NULL;
	struct xtcp_port_chain *chain;
	u8 class;

	xtcp_assert_owned(sk);
	if (!old)
		return;
	class = (old->class & ~XTCP_PORT_REUSE) |
		(xtcp_port_class(sk) & XTCP_PORT_REUSE);
	if (class != old->class)
		spare = xtcp_port_alloc(class, GFP_KERNEL);
	chain = xtcp_port_chain_lock(sock_net(sk), old->num);
	if (old->class & XTCP_PORT_REUSEPORT && !sk->sk_reuseport &&
	    !xtcp_sk(sk)->port_moved)
		old->cleared = true;
	if (class != old->class)
		owner_reclass(sk, chain, class, &spare);
	xtcp_port_chain_unlock(chain);
	xtcp_port_free(spare);
}

static int bind_port(struct sock *sk, u16 num, bool listens)
{
	struct xtcp_port *spare;
	struct xtcp_claim claim;
	int err = xtcp_port_prepare(sk);

	if (err)
		return err;
	spare = xtcp_port_alloc(xtcp_port_class(sk), GFP_KERNEL);
	xtcp_claim_init(&claim, sk);
	claim.listens = listens;
	if (num) {
		claim.by_number = true;
		claim.reuse_ok = true;
		err = bind_try(sk, &claim, num, &spare);
	} else {
		err = bind_any(sk, &claim, &spare);
	}
	xtcp_port_free(spare);
	return err;
}

/* bind_port() in atomic context, after xtcp_port_prepare(). */
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
	claim.reuse_ok = true;
	err = bind_try(sk, &claim, num, &spare);
	xtcp_port_free(spare);
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
	struct xtcp_port_chain *chain;

	if (!inet_sk(sk)->inet_num)
		return;
	chain = xtcp_port_chain_lock(sock_net(sk), inet_sk(sk)->inet_num);
	xtcp_port_set_listens(sk, false);
	xtcp_port_chain_unlock(chain);
}
