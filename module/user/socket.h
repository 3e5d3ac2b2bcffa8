/* SPDX-License-Identifier: GPL-2.0 */
/*
 * socket.h - the socket as the kernel's socket layer sees it
 */
#ifndef XTCP_USER_SOCKET_H
#define XTCP_USER_SOCKET_H

#include <linux/types.h>
#include <net/sock.h>

/* Limits of the host; net.ipv4.xtcp_mem. */
extern long xtcp_socket_memory_limit[3];

void xtcp_socket_limits_init(void);
int xtcp_socket_init(void);
void xtcp_socket_exit(void);

#endif /* XTCP_USER_SOCKET_H */
