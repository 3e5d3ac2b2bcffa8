/* SPDX-License-Identifier: GPL-2.0 */
/*
 * proto.h - struct proto of the sockets
 */
#ifndef XTCP_PROTO_H
#define XTCP_PROTO_H

#include <net/sock.h>

/*
 * sk->sk_prot of every xtcp socket, by its family; accept() children share it;
 * user/socket.c.
 */
extern struct proto xtcp_prot;
#if IS_ENABLED(CONFIG_IPV6)
extern struct proto xtcp6_prot;
#endif

#endif /* XTCP_PROTO_H */
