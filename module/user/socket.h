/* SPDX-License-Identifier: GPL-2.0 */
/*
 * socket.h - the socket as the kernel's socket layer sees it
 */
#ifndef XTCP_USER_SOCKET_H
#define XTCP_USER_SOCKET_H

#include <linux/types.h>
#include <net/sock.h>

/* sk->sk_prot of every xtcp socket, by its family; accept() children share it. */
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

/* Of the whole machine; net.ipv4.xtcp_max_orphans and xtcp_mem. */
extern int xtcp_socket_orphans_max;
extern long xtcp_socket_memory_limit[3];

int xtcp_socket_init(void);
void xtcp_socket_exit(void);

bool xtcp_socket_orphans_exceed(const struct sock *sk);

#endif /* XTCP_USER_SOCKET_H */
