/* SPDX-License-Identifier: GPL-2.0 */
/*
 * socket.h - the socket as the kernel's socket layer sees it
 */
#ifndef XTCP_USER_SOCKET_H
#define XTCP_USER_SOCKET_H

#include <linux/types.h>

struct proto;
struct sock;

/* sk->sk_prot of every xtcp socket; accept() children share it. */
extern struct proto xtcp_prot;

int xtcp_socket_init(void);
void xtcp_socket_exit(void);

bool xtcp_socket_orphans_exceed(const struct sock *sk);

#endif /* XTCP_USER_SOCKET_H */
