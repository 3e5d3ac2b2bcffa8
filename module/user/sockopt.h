/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sockopt.h - setsockopt() and getsockopt() below SOL_SOCKET
 */
#ifndef XTCP_USER_SOCKOPT_H
#define XTCP_USER_SOCKOPT_H

#include <linux/sockptr.h>

struct sock;
struct socket;

int xtcp_setsockopt_any(struct socket *sock, int level, int optname,
			sockptr_t optval, unsigned int optlen);
int xtcp_setsockopt(struct sock *sk, int level, int optname, sockptr_t optval,
		    unsigned int optlen);
int xtcp_getsockopt(struct sock *sk, int level, int optname,
		    char __user *optval, int __user *optlen);

#endif /* XTCP_USER_SOCKOPT_H */
