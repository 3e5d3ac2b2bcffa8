/* SPDX-License-Identifier: GPL-2.0 */
/*
 * proto.h - which sockets are xtcp's
 */
#ifndef XTCP_PROTO_H
#define XTCP_PROTO_H

#include <linux/types.h>
#include <net/sock.h>

/*
 * sk->sk_prot of every xtcp socket, by its family; accept() children share it;
 * user/socket.c.
 */
extern struct proto xtcp_prot;
#if IS_ENABLED(CONFIG_IPV6)
extern struct proto xtcp6_prot;
#endif

/* Is a socket of any protocol one of ours? */
static inline bool xtcp_socket_is_ours(const struct sock *sk)
{
	const struct proto *prot = READ_ONCE(sk->sk_prot);

#if IS_ENABLED(CONFIG_IPV6)
	if (prot == &xtcp6_prot)
		return true;
#endif
	return prot == &xtcp_prot;
}

#endif /* XTCP_PROTO_H */
