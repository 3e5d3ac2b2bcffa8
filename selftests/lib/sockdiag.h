/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sockdiag: requests of sock_diag for the stack under test, and the rows that answer them. The
 * messages of /proc/net/xtcp_diag are such rows, too.
 */
#ifndef SELFTESTS_LIB_SOCKDIAG_H
#define SELFTESTS_LIB_SOCKDIAG_H

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include "check.h"
#include "segment.h"

struct conn;
struct peer;

#define ALL_STATES	0xfff
#define STATE(row)	(1u << (row))	/* of ROW_... */
#define NO_COOKIE	{ INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE }

/* Those who read rows have room for so many; more are counted. */
#define ROWS_MAX	16

struct diag_row {
	struct inet_diag_msg msg;
	struct tcp_info info;
	char cong[16];
	int protocol, shutdown, tos, mark;	/* -1: no such attribute */
	int tclass, classid;
	int info_len, meminfo_len, skmeminfo_len, cgroup_len;
	struct inet_diag_sockopt sockopt;
	struct inet_diag_meminfo meminfo;
};

struct diag_request {
	struct nlmsghdr nlh;
	struct inet_diag_req_v2 req;
	char more[256];			/* attributes: a filter */
};

/* Loads the module that answers. Return: false if that fails. */
bool diag_load(void);
/* A socket for requests. The module is loaded first. */
#define diag_open(md) diag_open_at(WHERE(md))
int diag_open_at(struct where at);

/* For all attributes of sockets in any state. */
struct diag_request diag_request(int type, int flags, int family);
/* Family of the rows of @p's sockets: an IPv6 socket shows IPv4 in mapped addresses. */
int diag_family(const struct peer *p);
/* Writes @a to 16 bytes, as a row of that family has it. */
void diag_address(__be32 *to, const struct ipaddr *a, int family);

/*
 * The messages of a buffer, added to the *n @rows. Return: 1 at NLMSG_DONE, 0 if there is
 * more to read, or a negative errno.
 */
int diag_parse(const char *buf, int len, struct diag_row *rows, int *n);
/* Rows of the dump that @r asks for, or a negative errno. */
int diag_dump_by(int fd, const struct diag_request *r, struct diag_row *rows);
/* The same of a new socket: all rows in one of these states. */
#define diag_dump(p, states, rows) diag_dump_at(WHERE((p)->test), p, states, rows)
int diag_dump_at(struct where at, const struct peer *p, unsigned int states,
		 struct diag_row *rows);
/* A request that has a single answer. Return: 0 or the errno. */
int diag_ask(int fd, const struct diag_request *r, struct diag_row *row);

/* The row is this connection's, in that state. */
#define diag_expect_row(c, row, state) \
	diag_expect_row_at(WHERE((c)->peer->test), c, row, state)
void diag_expect_row_at(struct where at, const struct conn *c, const struct diag_row *row,
			int state);

#endif
