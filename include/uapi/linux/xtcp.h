/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * xtcp.h - constants for programs that use xtcp sockets
 *
 * An xtcp socket is an ordinary stream socket:
 *
 *	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_XTCP);
 *
 * EACCES: no group of the caller is in net.ipv4.xtcp_gid_range, and the caller has
 * no CAP_NET_ADMIN. EPROTONOSUPPORT: the module is not loaded.
 *
 * Level IPPROTO_TCP has the TCP_* options that programs already use. Level
 * IPPROTO_XTCP has the options below.
 */
#ifndef _UAPI_LINUX_XTCP_H
#define _UAPI_LINUX_XTCP_H

/**
 * IPPROTO_XTCP - IP protocol number and socket protocol of xtcp
 *
 * One of the two numbers that RFC 3692 reserves for experiments.
 */
#define IPPROTO_XTCP	253

/**
 * XTCP_WIRE - IP protocol number that carries the socket's segments
 *
 * int, 253 (native) or 6 (plain TCP). Set it before bind(), connect() and
 * listen(). Default: the knob net.ipv4.xtcp_wire. Errors: EINVAL for another
 * number or a socket that is already bound.
 */
#define XTCP_WIRE	1

#define XTCP_WIRE_TCP		6	/* IP protocol 6 */
#define XTCP_WIRE_NATIVE	253	/* IP protocol 253 */

/**
 * XTCP_SYNCOOKIES - when this listener answers SYNs with cookies
 *
 * int: one of the values below, in place of the knob net.ipv4.xtcp_syncookies.
 * It can be set at any time; it acts while the socket listens, from the next SYN
 * on. getsockopt() returns the value in force: the one that was set, else the
 * knob's. Accepted sockets do not inherit it. Errors: EINVAL for another number.
 * XTCP_SYNCOOKIES_ALWAYS has exceptions: a SYN over a TIME-WAIT, and one that fast
 * open accepts.
 */
#define XTCP_SYNCOOKIES	2

#define XTCP_SYNCOOKIES_NEVER		0	/* full SYN queue: SYNs are dropped */
#define XTCP_SYNCOOKIES_WHEN_FULL	1	/* while the SYN queue is full */
#define XTCP_SYNCOOKIES_ALWAYS		2	/* for each SYN; exceptions above */

/**
 * XTCP_TW_TIMEOUT - length of TIME-WAIT, in seconds
 *
 * int, 1 to 600. Default: the knob net.ipv4.xtcp_tw_timeout, whose value
 * getsockopt() returns until the option is set. Set it before the connection
 * enters TIME-WAIT. Accepted sockets inherit it. Errors: EINVAL for another
 * number; EPERM for more than the knob's value without CAP_NET_ADMIN, because a
 * TIME-WAIT keeps its port from all users. RFC 9293 3.6.1 (2MSL).
 */
#define XTCP_TW_TIMEOUT	3

#endif /* _UAPI_LINUX_XTCP_H */
