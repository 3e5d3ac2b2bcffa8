/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * xtcp.h - what user programs need to speak to xtcp
 *
 * An xtcp socket is an ordinary stream socket:
 *
 *	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_XTCP);
 *
 * EACCES: no group of the caller lies in net.ipv4.xtcp_gid_range, and it has no
 * CAP_NET_ADMIN. EPROTONOSUPPORT: the module is not loaded.
 *
 * Level IPPROTO_TCP takes the TCP_* options that programs already set.
 * Level IPPROTO_XTCP takes the options below.
 */
#ifndef _UAPI_LINUX_XTCP_H
#define _UAPI_LINUX_XTCP_H

/**
 * IPPROTO_XTCP - IP protocol number and socket protocol of xtcp
 *
 * One of the two numbers that RFC 3692 keeps for experiments.
 */
#define IPPROTO_XTCP	253

/**
 * XTCP_WIRE - IP protocol number that carries the socket's segments
 *
 * int, 253 (native) or 6 (plain TCP). To be set before bind(), connect() and
 * listen(); default: the knob net.ipv4.xtcp_wire. Errors: EINVAL for another
 * number or a socket that is already bound.
 */
#define XTCP_WIRE	1

#define XTCP_WIRE_TCP		6	/* IP protocol 6 */
#define XTCP_WIRE_NATIVE	253	/* IP protocol 253 */

/**
 * XTCP_SYNCOOKIES - when this listener answers SYNs with cookies
 *
 * int: one of the values below, in place of the knob net.ipv4.xtcp_syncookies.
 * Taken at any time; it acts while the socket listens, from the next SYN on.
 * Reading it gives the value in force: what was set, else the knob's. What
 * accept() returns does not inherit it. Errors: EINVAL for another number.
 */
#define XTCP_SYNCOOKIES	2

#define XTCP_SYNCOOKIES_NEVER		0	/* full SYN queue: SYNs are lost */
#define XTCP_SYNCOOKIES_WHEN_FULL	1	/* while the SYN queue is full */
#define XTCP_SYNCOOKIES_ALWAYS		2	/* no SYN is queued */

/**
 * XTCP_TW_TIMEOUT - length of TIME-WAIT, in seconds
 *
 * int, 1 to 600; default: the knob net.ipv4.xtcp_tw_timeout, which
 * getsockopt() tells until the option is set. To be set before the connection
 * comes to TIME-WAIT. Accepted sockets begin with their listener's. Errors:
 * EINVAL for another number. RFC 9293 3.6.1 (2MSL).
 */
#define XTCP_TW_TIMEOUT	3

#endif /* _UAPI_LINUX_XTCP_H */
