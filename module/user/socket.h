/* SPDX-License-Identifier: GPL-2.0 */
/*
 * socket.h - the socket as the kernel's socket layer sees it
 */
#ifndef XTCP_USER_SOCKET_H
#define XTCP_USER_SOCKET_H

#include <linux/types.h>
#include <net/sock.h>

/* Of the whole machine; net.ipv4.xtcp_max_orphans and xtcp_mem. */
extern int xtcp_socket_orphans_max;
extern long xtcp_socket_memory_limit[3];

int xtcp_socket_init(void);
void xtcp_socket_exit(void);

bool xtcp_socket_orphans_exceed(const struct sock *sk);

#endif /* XTCP_USER_SOCKET_H */
