/* SPDX-License-Identifier: GPL-2.0 */
/*
 * socket: a program's calls, each of which returns 0 or its errno. Addresses are text,
 * as for ipaddr(); "" is any address.
 */
#ifndef SELFTESTS_LIB_SOCKET_H
#define SELFTESTS_LIB_SOCKET_H

#include <errno.h>
#include <stdbool.h>

#include "check.h"
#include "segment.h"

/* The errno of a call that returned @ret, or 0. */
static inline int errno_of(long ret)
{
	return ret < 0 ? errno : 0;
}

/* A non-blocking stream socket of that protocol; -1: of the stack under test. */
int socket_new(int protocol);
int socket_bind(int fd, const char *addr, int port);
/*
 * Return: true if the kernel's TCP recognizes the wildcard in this family. Until 6.8
 * "::ffff:0.0.0.0" was an address like others to it, and clashed with none.
 */
bool stock_knows_wildcard(void);
/* SO_REUSEADDR and SO_REUSEPORT, those that @options names. */
enum { REUSEADDR = 1, REUSEPORT = 2 };
void socket_share(int fd, int options);
/* A socket for the TCP wire, of xtcp or of the kernel's TCP, with those options. */
enum tcp_stack { OURS, STOCKS };
int socket_of_stack(enum tcp_stack stack, int options);
int socket_connect(int fd, const char *addr, int port);
/* The same until it is decided, for 100 ms at most. */
int socket_connect_end(int fd, const char *addr, int port);
int socket_disconnect(int fd);		/* connect() to AF_UNSPEC */
int socket_listen(int fd, int backlog);
/* The new socket is closed again. */
int socket_accept(int fd);
int socket_send(int fd);		/* one byte */
int socket_receive(int fd);
int socket_shutdown(int fd, int how);
/* What an ioctl that counts bytes returns, SIOCINQ say; a negative errno if it fails. */
int socket_count(int fd, unsigned long request);
/* close() with a RST instead of a FIN. */
void socket_abort(int fd);
/* getsockname() or getpeername(). */
typedef int (*socket_name_call)(int, struct sockaddr *, socklen_t *);
int socket_name(int fd, socket_name_call call);
/* @addr NULL: no address, which is also :: for an IPv6 socket over IPv4. */
void socket_expect_name(struct where at, int fd, socket_name_call call,
			const struct ipaddr *addr, int port);
/* Compares an address that a call returned. */
void socket_expect_address(struct where at, const struct sockaddr_storage *sa, socklen_t len,
			   const struct ipaddr *addr, int port);
/* The inode number as in the files of /proc/net; 0: none. */
unsigned long socket_inode(int fd);
/* The port it is bound to; 0: none. */
int socket_port(int fd);
/*
 * setsockopt() of an IPv4 option, IP_TTL, IP_TOS, IP_MINTTL, IP_MTU_DISCOVER, IP_RECVERR,
 * IP_RECVERR_RFC4884 or IP_PKTINFO, or over IPv6 of its equivalent.
 */
int socket_set_ip(int fd, int option, int value);
/* XTCP_WIRE of a socket of xtcp: the TCP wire. */
void socket_set_wire_tcp(int fd);
/* A value of SO_MEMINFO: SK_MEMINFO_*. It is read without the socket lock. */
int socket_meminfo(int fd, int which);

#endif
