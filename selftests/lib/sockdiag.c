// SPDX-License-Identifier: GPL-2.0
/* sockdiag: see sockdiag.h. */
#define _GNU_SOURCE
#include "sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conn.h"
#include "netns.h"
#include "peer.h"

bool diag_load(void)
{
	bool loaded;
	int fd;

	if (stock_mode())
		return !system("modprobe -q tcp_diag");
	if (!access("/sys/module/xtcp_diag", F_OK))
		return true;
	if (system("modprobe -q inet_diag"))
		return false;
	fd = open("/xtcp/xtcp_diag.ko", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	loaded = !syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return loaded;
}

int diag_open_at(struct where at)
{
	int fd;

	check(diag_load(), at, "the module that answers sock_diag is not loaded");
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	check(fd >= 0, at, "socket of sock_diag: %s", strerror(errno));
	return fd;
}

struct diag_request diag_request(int type, int flags, int family)
{
	return (struct diag_request){
		.nlh = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct inet_diag_req_v2)),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
			.nlmsg_seq = 77,
		},
		.req = {
			.sdiag_family = family,
			.sdiag_protocol = stream_proto(),
			.idiag_ext = 0xff,	/* all attributes */
			.idiag_states = ALL_STATES,
			.id.idiag_cookie = NO_COOKIE,
		},
	};
}

int diag_family(const struct peer *p)
{
	return p->family == AF_INET ? socket_family(AF_INET) : AF_INET6;
}

void diag_address(__be32 *to, const struct ipaddr *a, int family)
{
	memset(to, 0, 16);
	if (a->family == AF_INET6) {
		memcpy(to, &a->v6, 16);
	} else if (family == AF_INET6) {
		to[2] = htonl(0xffff);
		to[3] = a->v4.s_addr;
	} else {
		to[0] = a->v4.s_addr;
	}
}

static void attributes_read(struct diag_row *row, const struct nlmsghdr *nlh)
{
	int left = nlh->nlmsg_len - NLMSG_LENGTH(sizeof(row->msg)), len;
	const struct nlattr *a = (const void *)((const char *)NLMSG_DATA(nlh) + sizeof(row->msg));
	const void *data;

	row->protocol = row->shutdown = row->tos = row->mark = -1;
	row->tclass = row->classid = -1;
	for (; left >= (int)sizeof(*a) && a->nla_len; left -= NLA_ALIGN(a->nla_len),
	     a = (const void *)((const char *)a + NLA_ALIGN(a->nla_len))) {
		data = a + 1;
		len = a->nla_len - sizeof(*a);
		switch (a->nla_type) {
		case INET_DIAG_PROTOCOL: row->protocol = *(const uint8_t *)data; break;
		case INET_DIAG_SHUTDOWN: row->shutdown = *(const uint8_t *)data; break;
		case INET_DIAG_TOS: row->tos = *(const uint8_t *)data; break;
		case INET_DIAG_TCLASS: row->tclass = *(const uint8_t *)data; break;
		case INET_DIAG_MARK: row->mark = *(const int *)data; break;
		case INET_DIAG_CLASS_ID: row->classid = *(const int *)data; break;
		case INET_DIAG_MEMINFO:
			row->meminfo_len = len;
			memcpy(&row->meminfo, data, sizeof(row->meminfo));
			break;
		case INET_DIAG_SKMEMINFO: row->skmeminfo_len = len; break;
		case INET_DIAG_CGROUP_ID: row->cgroup_len = len; break;
		case INET_DIAG_SOCKOPT:
			memcpy(&row->sockopt, data, sizeof(row->sockopt));
			break;
		case INET_DIAG_CONG:
			memcpy(row->cong, data, len < 15 ? len : 15);
			break;
		case INET_DIAG_INFO:
			row->info_len = len;
			memcpy(&row->info, data, len < (int)sizeof(row->info) ? len :
			       (int)sizeof(row->info));
			break;
		}
	}
}

int diag_parse(const char *buf, int len, struct diag_row *rows, int *n)
{
	const struct nlmsghdr *nlh;
	int err;

	for (nlh = (const void *)buf; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
			err = *(const int *)NLMSG_DATA(nlh);
			return err ? err : 1;
		}
		if (*n < ROWS_MAX) {
			memset(&rows[*n], 0, sizeof(rows[*n]));
			memcpy(&rows[*n].msg, NLMSG_DATA(nlh), sizeof(rows[*n].msg));
			attributes_read(&rows[*n], nlh);
		}
		++*n;
	}
	return 0;
}

int diag_dump_by(int fd, const struct diag_request *r, struct diag_row *rows)
{
	static char buf[65536];
	int n = 0, done = 0, len;

	if (send(fd, r, r->nlh.nlmsg_len, 0) < 0)
		return -errno;
	while (!done) {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len <= 0)
			return -errno;
		done = diag_parse(buf, len, rows, &n);
	}
	return done < 0 ? done : n;
}

int diag_dump_at(struct where at, const struct peer *p, unsigned int states,
		 struct diag_row *rows)
{
	struct diag_request r = diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, diag_family(p));
	int fd = diag_open_at(at), n;

	r.req.idiag_states = states;
	n = diag_dump_by(fd, &r, rows);
	close(fd);
	return n;
}

int diag_ask(int fd, const struct diag_request *r, struct diag_row *row)
{
	static char buf[8192];
	int n = 0, len, err;

	if (send(fd, r, r->nlh.nlmsg_len, 0) < 0)
		return errno;
	len = recv(fd, buf, sizeof(buf), 0);
	if (len < 0)
		return errno;
	err = diag_parse(buf, len, row, &n);
	return err < 0 ? -err : 0;
}

static bool is_address(const __be32 *shown, const struct ipaddr *a, int family)
{
	__be32 want[4];

	diag_address(want, a, family);
	return !memcmp(want, shown, sizeof(want));
}

void diag_expect_row_at(struct where at, const struct conn *c, const struct diag_row *row,
			int state)
{
	const struct inet_diag_sockid *id = &row->msg.id;
	const struct peer *p = c->peer;
	int family = diag_family(p), protocol = stock_mode() ? -1 : p->wire;

	check(row->msg.idiag_state == state, at, "a row in state %d; expected %d",
	      row->msg.idiag_state, state);
	check(row->msg.idiag_family == family, at, "a row of family %d; expected %d",
	      row->msg.idiag_family, family);
	check(ntohs(id->idiag_sport) == c->kport && ntohs(id->idiag_dport) == c->pport, at,
	      "a row with ports %d and %d; expected %d and %d", ntohs(id->idiag_sport),
	      ntohs(id->idiag_dport), c->kport, c->pport);
	check(is_address(id->idiag_src, &p->kernel, family), at, "a row with another source");
	check(is_address(id->idiag_dst, &p->addr, family), at, "a row with another destination");
	check(row->protocol == protocol, at, "a row of protocol %d; expected %d", row->protocol,
	      protocol);
}
