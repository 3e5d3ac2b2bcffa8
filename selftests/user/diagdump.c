// SPDX-License-Identifier: GPL-2.0
/*
 * diagdump: dumps of sock_diag of protocol 253, and /proc/net/xtcp_diag, which has the same
 * messages: filters, bad requests, readers that go away, and a table that changes meanwhile. The
 * kernel's TCP passes what is not about xtcp alone.
 */
/* vm: wires families */
#include "procfile.h"
#include "lib/sockdiag.h"

PEER_FIXTURE(diagdump);

/* A filter: the remote address is within @addr/@prefix, whatever the port. */
static void filter_by(struct diag_request *r, int op, int family, const struct ipaddr *addr,
		      int prefix, int port)
{
	struct {
		struct nlattr nla;
		struct inet_diag_bc_op op;
		struct inet_diag_hostcond cond;
		__be32 addr[4];
	} filter = { };
	int words = family == AF_INET ? 1 : 4;
	int len = sizeof(filter.op) + sizeof(filter.cond) + 4 * words;

	filter.nla.nla_type = INET_DIAG_REQ_BYTECODE;
	filter.nla.nla_len = sizeof(filter.nla) + len;
	filter.op.code = op;
	filter.op.yes = len;
	filter.op.no = len + 4;		/* rejects */
	filter.cond.family = family;
	filter.cond.prefix_len = prefix;
	filter.cond.port = port;
	diag_address(filter.addr, addr, family);
	memcpy(r->more, &filter, filter.nla.nla_len);
	r->nlh.nlmsg_len = NLMSG_LENGTH(sizeof(r->req)) + filter.nla.nla_len;
}

static void filtered(struct __test_metadata *_metadata, struct peer *p, enum conn_state st)
{
	int family = diag_family(p), whole = family == AF_INET ? 32 : 128, fd;
	struct ipaddr other = ipaddr("10.0.0.7");
	struct diag_row rows[ROWS_MAX];
	struct diag_request r;
	struct conn c;

	conn_to_state(p, &c, st);
	p->leave_unread = true;
	fd = diag_open(_metadata);
	r = diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
	r.req.idiag_states &= ~STATE(ROW_LISTEN);
	filter_by(&r, INET_DIAG_BC_D_COND, family, &p->addr, whole, -1);
	EXPECT_EQ(1, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &p->addr, whole, c.pport);
	EXPECT_EQ(1, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &p->addr, whole, c.pport + 1);
	EXPECT_EQ(0, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &other, whole, -1);
	EXPECT_EQ(0, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &other, whole - 8, -1);
	EXPECT_EQ(1, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_S_COND, family, &p->kernel, whole, c.kport);
	EXPECT_EQ(1, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_S_COND, family, &p->addr, whole, -1);
	EXPECT_EQ(0, diag_dump_by(fd, &r, rows));
	close(fd);
}

TEST_F(diagdump, diag_filter_socket) { filtered(_metadata, &self->peer, ST_ESTABLISHED); }
TEST_F(diagdump, diag_filter_half_open) { filtered(_metadata, &self->peer, ST_HALF_OPEN); }
TEST_F(diagdump, diag_filter_time_wait) { filtered(_metadata, &self->peer, ST_TIME_WAIT); }

TEST_F(diagdump, diag_bad_requests)
{
	struct peer *p = &self->peer;
	struct diag_row rows[ROWS_MAX];
	struct diag_request good, r;
	struct nlattr *nla;
	struct conn c;
	int fd;

	conn_open(p, &c);
	fd = diag_open(_metadata);
	good = diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, diag_family(p));
	/* Every length that is too short for a request. */
	for (int len = sizeof(r.nlh) + 2; len < NLMSG_LENGTH(sizeof(r.req)); len++) {
		r = good;
		r.nlh.nlmsg_len = len;
		EXPECT_EQ(-EINVAL, diag_dump_by(fd, &r, rows));
		r.nlh.nlmsg_type = SOCK_DESTROY;
		r.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
		EXPECT_EQ(EINVAL, diag_ask(fd, &r, rows));
	}
	/* A filter that jumps out of itself, and one that is cut off. */
	r = good;
	filter_by(&r, INET_DIAG_BC_D_COND, diag_family(p), &p->addr, 24, -1);
	((struct inet_diag_bc_op *)(r.more + sizeof(*nla)))->yes += 8;
	EXPECT_EQ(-EINVAL, diag_dump_by(fd, &r, rows));
	filter_by(&r, 99, diag_family(p), &p->addr, 24, -1);
	EXPECT_EQ(-EINVAL, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, diag_family(p), &p->addr, 24, -1);
	nla = (void *)r.more;
	nla->nla_len -= 4;
	r.nlh.nlmsg_len -= 4;
	EXPECT_EQ(-EINVAL, diag_dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, diag_family(p), &p->addr, 200, -1);
	EXPECT_EQ(-EINVAL, diag_dump_by(fd, &r, rows));
	/* A protocol of the wrong size; an attribute that nobody knows is ignored. */
	r = good;
	*nla = (struct nlattr){ sizeof(*nla) + 1, INET_DIAG_REQ_PROTOCOL };
	r.nlh.nlmsg_len += 8;
	memcpy(r.more, nla, sizeof(*nla));
	EXPECT_EQ(-EINVAL, diag_dump_by(fd, &r, rows));
	((struct nlattr *)r.more)->nla_type = 999;
	EXPECT_EQ(2, diag_dump_by(fd, &r, rows));
	/* No state is asked for. */
	r = good;
	r.req.idiag_states = 0;
	EXPECT_EQ(0, diag_dump_by(fd, &r, rows));
	EXPECT_EQ(2, diag_dump_by(fd, &good, rows));
	close(fd);
}

/* One part of a dump is read, and the reader goes away. */
TEST_F(diagdump, diag_reader_goes_away)
{
	struct peer *p = &self->peer;
	static char buf[512];
	struct diag_request r;
	struct conn c;
	int fd;

	conn_open(p, &c);
	r = diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, diag_family(p));
	for (int i = 0; i < 200; i++)
		peer_send(p, .flags = SYN, .seq = i, .sport = 20000 + i);
	p->leave_unread = true;
	for (int i = 0; i < 100; i++) {
		fd = diag_open(_metadata);
		ASSERT_EQ(r.nlh.nlmsg_len, send(fd, &r, r.nlh.nlmsg_len, 0));
		if (i % 2)
			ASSERT_LT(0, recv(fd, buf, sizeof(buf), 0));
		close(fd);
	}
}

/* Messages with that remote port in a part of a dump; *done at its end. */
static int count_port(const char *buf, int len, int port, bool *done)
{
	const struct nlmsghdr *nlh;
	int n = 0;

	for (nlh = (const void *)buf; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
		if (nlh->nlmsg_type == NLMSG_DONE)
			*done = true;
		else
			n += ntohs(((struct inet_diag_msg *)NLMSG_DATA(nlh))->id.idiag_dport) == port;
	}
	return n;
}

/*
 * While a dump is read in parts, the hash table is replaced several times by a larger
 * one. Each connection that stays has one message.
 */
TEST_F(diagdump, diag_growing_table_without_duplicates)
{
	static char buf[32768];
	struct peer *p = &self->peer;
	int fd, len, seen = 0, extra = 0;
	bool done = false;
	struct diag_request r;

	NOT_ON_STOCK();
	records_begin(_metadata, p);
	fd = diag_open(_metadata);
	r = diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, diag_family(p));
	ASSERT_EQ(r.nlh.nlmsg_len, send(fd, &r, r.nlh.nlmsg_len, 0));
	while (!done) {
		len = recv(fd, buf, 4096, 0);
		ASSERT_LT(0, len);
		seen += count_port(buf, len, STAYING_PORT, &done);
		records_grow(p, &extra);
	}
	close(fd);
	EXPECT_EQ(STAYING, seen);
}

/* /proc/net/xtcp_diag: the messages of a dump, however small the reads are. */
TEST_F(diagdump, diag_proc_stream)
{
	static const size_t steps[] = { 16, 1, 100, 65536 };
	static char buf[65536];
	struct diag_row rows[ROWS_MAX];
	struct peer *p = &self->peer;
	int fd, n, seen, one_each;
	struct conn c, d, e;
	size_t got;

	NOT_ON_STOCK();
	conn_open(p, &c);
	conn_to_state(p, &d, ST_HALF_OPEN, .lfd = c.lfd);
	conn_to_state(p, &e, ST_TIME_WAIT, .kport = 5001);
	p->leave_unread = true;
	fd = open("/proc/thread-self/net/xtcp_diag", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
		for (got = 0; (n = read(fd, buf + got, steps[i])) > 0; got += n)
			;
		ASSERT_EQ(0, n);
		seen = 0;
		ASSERT_EQ(1, diag_parse(buf, got, rows, &seen));
		/* Two listeners, and one of each of these. */
		ASSERT_EQ(5, seen);
		one_each = 0;
		for (int k = 0; k < seen; k++) {
			one_each ^= 1 << rows[k].msg.idiag_state;
			if (rows[k].msg.idiag_state == ROW_ESTABLISHED) {
				diag_expect_row(&c, &rows[k], ROW_ESTABLISHED);
				EXPECT_STREQ("cubic", rows[k].cong);
				EXPECT_EQ(0, rows[k].mark);
			} else if (rows[k].msg.idiag_state == ROW_SYN_RECEIVED) {
				diag_expect_row(&d, &rows[k], ROW_SYN_RECEIVED);
			} else if (rows[k].msg.idiag_state == ROW_TIME_WAIT) {
				diag_expect_row(&e, &rows[k], ROW_TIME_WAIT);
			}
		}
		EXPECT_EQ(1 << ROW_ESTABLISHED | 1 << ROW_SYN_RECEIVED | 1 << ROW_TIME_WAIT, one_each);
	}
	close(fd);
}

/* The mark of the only connection, or -1, as it stands in a file that was opened already. */
static int mark_in(struct __test_metadata *_metadata, int fd)
{
	struct diag_row rows[ROWS_MAX];
	static char buf[65536];
	int n, seen = 0;
	size_t got;

	ASSERT_LE(0, fd);
	for (got = 0; (n = read(fd, buf + got, sizeof(buf) - got)) > 0; got += n)
		;
	close(fd);
	ASSERT_EQ(1, diag_parse(buf, got, rows, &seen));
	for (int k = 0; k < seen; k++)
		if (rows[k].msg.idiag_state == ROW_ESTABLISHED)
			return rows[k].mark;
	return INT_MIN;
}

/* As in a dump, the mark is for the administrator alone: the one who opened the file. */
TEST_F(diagdump, diag_proc_mark)
{
	static const char file[] = "/proc/thread-self/net/xtcp_diag";
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MARK, 0x51));
	EXPECT_EQ(0x51, mark_in(_metadata, open(file, O_RDONLY | O_CLOEXEC)));
	EXPECT_EQ(-1, mark_in(_metadata, proc_open_as_nobody(file, O_RDONLY)));
}

TEST_HARNESS_MAIN
