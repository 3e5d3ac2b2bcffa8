/* SPDX-License-Identifier: GPL-2.0 */
/*
 * socket: the calls of a program, each of which returns 0 or its errno, with
 * addresses as text. IPv4; "" is any address.
 */
#ifndef SELFTESTS_LIB_SOCKET_H
#define SELFTESTS_LIB_SOCKET_H

/* A non-blocking stream socket of that protocol; -1: of the stack under test. */
int socket_new(int protocol);
int socket_bind(int fd, const char *addr, int port);
int socket_connect(int fd, const char *addr, int port);
int socket_disconnect(int fd);		/* connect() to AF_UNSPEC */
int socket_listen(int fd, int backlog);
/* The new socket is closed again. */
int socket_accept(int fd);
int socket_send(int fd);		/* one octet */
int socket_receive(int fd);
int socket_shutdown(int fd, int how);
/* close() with a RST instead of a FIN. */
void socket_abort(int fd);
/* The port it is bound to; 0: none. */
int socket_port(int fd);

#endif
