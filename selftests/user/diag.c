// SPDX-License-Identifier: GPL-2.0
/*
 * diag: sock_diag of protocol 253 and /proc/net/xtcp_diag: the message of each state,
 * its attributes, filters, single lookups, SOCK_DESTROY, bad requests, and a dump
 * while the table changes. As sock_diag of the kernel's TCP, which passes what is not
 * about xtcp alone.
 */
/* vm: wires families */
#include "procfile.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/ip.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/tcp.h>
#include <net/if.h>

PEER_FIXTURE(diag);

#define ALL_STATES	0xfff
#define STATE(row)	(1u << (row))
#define ALL_ATTRIBUTES	0xff
#define NO_COOKIE	{ INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE }
#define ROWS_MAX	16

struct row {
	struct inet_diag_msg msg;
	struct tcp_info info;
	char cong[16];
	int protocol, shutdown, tos, mark;	/* -1: no such attribute */
	int tclass, classid;
	int info_len, meminfo_len, skmeminfo_len, cgroup_len;
	struct inet_diag_sockopt sockopt;
	struct inet_diag_meminfo meminfo;
};

struct request {
	struct nlmsghdr nlh;
	struct inet_diag_req_v2 req;
	char more[256];
};

static bool load(void)
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

static int diag_open(struct __test_metadata *_metadata)
{
	int fd;

	ASSERT_TRUE(load());
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ASSERT_LE(0, fd);
	return fd;
}

static struct request request(int type, int flags, int family)
{
	return (struct request){
		.nlh = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct inet_diag_req_v2)),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
			.nlmsg_seq = 77,
		},
		.req = {
			.sdiag_family = family,
			.sdiag_protocol = stream_proto(),
			.idiag_ext = ALL_ATTRIBUTES,
			.idiag_states = ALL_STATES,
			.id.idiag_cookie = NO_COOKIE,
		},
	};
}

/* Family of the socket's row: an IPv6 socket shows IPv4 in mapped addresses. */
static int family_of(const struct peer *p)
{
	return p->family == AF_INET ? socket_family(AF_INET) : AF_INET6;
}

static void address_set_at(__be32 *to, const struct ipaddr *a, int family)
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

static void attributes_read(struct row *row, const struct nlmsghdr *nlh)
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

/*
 * Messages of a buffer. Returns 1 at NLMSG_DONE, 0 if there is more to read, or a
 * negative errno.
 */
static int messages_read(const char *buf, int len, struct row *rows, int *n)
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

/* Rows of a dump, or a negative errno. */
static int dump_by(int fd, struct request *r, struct row *rows)
{
	static char buf[65536];
	int n = 0, done = 0, len;

	if (send(fd, r, r->nlh.nlmsg_len, 0) < 0)
		return -errno;
	while (!done) {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len <= 0)
			return -errno;
		done = messages_read(buf, len, rows, &n);
	}
	return done < 0 ? done : n;
}

static int dump(struct __test_metadata *_metadata, const struct peer *p, unsigned int states,
		struct row *rows)
{
	struct request r = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family_of(p));
	int fd = diag_open(_metadata), n;

	r.req.idiag_states = states;
	n = dump_by(fd, &r, rows);
	close(fd);
	return n;
}

/* A request that has a single answer: 0 or the errno. */
static int ask(int fd, struct request *r, struct row *row)
{
	static char buf[8192];
	int n = 0, len, err;

	if (send(fd, r, r->nlh.nlmsg_len, 0) < 0)
		return errno;
	len = recv(fd, buf, sizeof(buf), 0);
	if (len < 0)
		return errno;
	err = messages_read(buf, len, row, &n);
	return err < 0 ? -err : 0;
}

static int lookup(struct __test_metadata *_metadata, int family,
		  const struct inet_diag_sockid *id, struct row *row)
{
	struct request r = request(SOCK_DIAG_BY_FAMILY, 0, family);
	int fd = diag_open(_metadata), err;

	r.req.id = *id;
	err = ask(fd, &r, row);
	close(fd);
	return err;
}

static int destroy(struct __test_metadata *_metadata, int family,
		   const struct inet_diag_sockid *id)
{
	struct request r = request(SOCK_DESTROY, NLM_F_ACK, family);
	int fd = diag_open(_metadata), err;
	struct row row;

	r.req.id = *id;
	err = ask(fd, &r, &row);
	close(fd);
	return err;
}

static void expect_row_of(struct __test_metadata *_metadata, const struct conn *c,
			  const struct row *row, int state)
{
	const struct peer *p = c->peer;
	struct inet_diag_sockid want;

	EXPECT_EQ(state, row->msg.idiag_state);
	EXPECT_EQ(family_of(p), row->msg.idiag_family);
	EXPECT_EQ(c->kport, ntohs(row->msg.id.idiag_sport));
	EXPECT_EQ(c->pport, ntohs(row->msg.id.idiag_dport));
	address_set_at(want.idiag_src, &p->kernel, family_of(p));
	address_set_at(want.idiag_dst, &p->addr, family_of(p));
	EXPECT_EQ(0, memcmp(want.idiag_src, row->msg.id.idiag_src, 16));
	EXPECT_EQ(0, memcmp(want.idiag_dst, row->msg.id.idiag_dst, 16));
	EXPECT_EQ(stock_mode() ? -1 : p->wire, row->protocol);
}

/* A dump for its state has it, and one for all others but LISTEN has nothing. */
static void expect_only(struct __test_metadata *_metadata, struct conn *c, int state)
{
	struct row row, other[ROWS_MAX];

	ASSERT_EQ(1, dump(_metadata, c->peer, STATE(state), other));
	row = other[0];
	expect_row_of(_metadata, c, &row, state);
	EXPECT_EQ(0, dump(_metadata, c->peer, ALL_STATES & ~STATE(state) & ~STATE(ROW_LISTEN),
			  other));
	/* The single lookup has the same message, by cookie and without. */
	EXPECT_EQ(0, lookup(_metadata, row.msg.idiag_family, &row.msg.id, other));
	EXPECT_EQ(0, memcmp(&row.msg.id, &other[0].msg.id, sizeof(row.msg.id)));
	EXPECT_EQ(state, other[0].msg.idiag_state);
	row.msg.id.idiag_cookie[0] ^= 1;
	EXPECT_EQ(ENOENT, lookup(_metadata, row.msg.idiag_family, &row.msg.id, other));
	row.msg.id.idiag_cookie[0] = row.msg.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	EXPECT_EQ(0, lookup(_metadata, row.msg.idiag_family, &row.msg.id, other));
	row.msg.id.idiag_dport ^= htons(1);
	EXPECT_EQ(ENOENT, lookup(_metadata, row.msg.idiag_family, &row.msg.id, other));
}

static void state_shown(struct __test_metadata *_metadata, struct peer *p, enum conn_state st,
			int state)
{
	struct conn c;

	conn_to_state(p, &c, st);
	expect_only(_metadata, &c, state);
	p->leave_unread = true;
}

#define SHOWN(st, row) \
	TEST_F(diag, diag_shows_##st) \
	{ \
		state_shown(_metadata, &self->peer, ST_##st, row); \
	}

SHOWN(SYN_SENT, ROW_SYN_SENT)
SHOWN(SYN_RECEIVED, ROW_SYN_RECEIVED)
SHOWN(HALF_OPEN, ROW_SYN_RECEIVED)
SHOWN(ESTABLISHED, ROW_ESTABLISHED)
SHOWN(FIN_WAIT_1, ROW_FIN_WAIT_1)
SHOWN(FIN_WAIT_2, ROW_FIN_WAIT_2)
SHOWN(CLOSE_WAIT, ROW_CLOSE_WAIT)
SHOWN(CLOSING, ROW_CLOSING)
SHOWN(LAST_ACK, ROW_LAST_ACK)
SHOWN(TIME_WAIT, ROW_TIME_WAIT)
SHOWN(ORPHAN_FIN_WAIT_2, ROW_FIN_WAIT_2)

TEST_F(diag, diag_attributes)
{
	struct row rows[ROWS_MAX], *row = rows;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MARK, 0x51));
	/* IP_TOS sets the priority, too. */
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_TOS, 0x20));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_PRIORITY, 3));
	conn_send(&c, .flags = PSH | ACK, .data = "seven by");
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	ASSERT_EQ(1, dump(_metadata, &self->peer, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(8, row->msg.idiag_rqueue);
	EXPECT_EQ(0, row->msg.idiag_wqueue);
	EXPECT_EQ(0, row->msg.idiag_uid);
	EXPECT_EQ(socket_inode(c.fd), row->msg.idiag_inode);
	EXPECT_EQ(0, row->shutdown);
	EXPECT_EQ(0x51, row->mark);
	EXPECT_EQ(0x20, self->peer.family == AF_INET ? row->tos : row->tclass);
	EXPECT_EQ(3, row->classid);
	EXPECT_STREQ("cubic", row->cong);
	EXPECT_EQ(sizeof(struct inet_diag_meminfo), row->meminfo_len);
	EXPECT_LE(9 * 4, row->skmeminfo_len);
	EXPECT_EQ(8, row->cgroup_len);
	EXPECT_LE(160, row->info_len);
	EXPECT_EQ(ROW_ESTABLISHED, row->info.tcpi_state);
	EXPECT_EQ(conn_info(&c).snd_mss, row->info.tcpi_snd_mss);
	EXPECT_EQ(8, row->info.tcpi_bytes_received);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK);
	ASSERT_EQ(1, dump(_metadata, &self->peer, STATE(ROW_FIN_WAIT_1), rows));
	EXPECT_EQ(2, row->shutdown);
	EXPECT_EQ(1, row->msg.idiag_wqueue);
	EXPECT_EQ(1, row->msg.idiag_timer);
	self->peer.leave_unread = true;
}

/* The one row of a state, of which ss -o prints the timer. */
static void expect_timer(struct __test_metadata *_metadata, const struct peer *p, int state,
			 int timer, int retrans, int expires_ms)
{
	struct row rows[ROWS_MAX];

	ASSERT_EQ(1, dump(_metadata, p, STATE(state), rows));
	EXPECT_EQ(timer, rows[0].msg.idiag_timer);
	EXPECT_EQ(retrans, rows[0].msg.idiag_retrans);
	/* The clock of the kernel's timers is coarser. */
	EXPECT_GE(expires_ms + (stock_mode() ? 40 : 0), (int)rows[0].msg.idiag_expires);
	EXPECT_LE(expires_ms - 10, (int)rows[0].msg.idiag_expires);
}

/* The first SYN-ACK has been sent again after a second. */
TEST_F(diag, diag_timer_half_open)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	expect_timer(_metadata, p, ROW_SYN_RECEIVED, 1, 0, 1000);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .within_ms = 1100);
	expect_timer(_metadata, p, ROW_SYN_RECEIVED, 1, 1, 2000);
	conn_send(&c, .flags = RST);
}

TEST_F(diag, diag_timer_time_wait)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT);
	expect_timer(_metadata, p, ROW_TIME_WAIT, 3, 0, 60000);
	sleep_ms(10000);
	expect_timer(_metadata, p, ROW_TIME_WAIT, 3, 0, 50000);
}

/* Two timeouts of a segment; keepalive; the probe of a closed window. */
TEST_F(diag, diag_timer_socket)
{
	struct peer *p = &self->peer;
	int rto_ms;
	struct conn c;

	NOT_ON_STOCK();		/* its timers are coarser */
	conn_open(p, &c);
	rto_ms = conn_info(&c).rto_us / 1000;
	conn_write(&c, 5);
	conn_expect(&c, .seq = 1, .len = 5);
	peer_mark_last(p);
	expect_timer(_metadata, p, ROW_ESTABLISHED, 1, 0, rto_ms);
	conn_expect(&c, .seq = 1, .len = 5, .at_ms = rto_ms);
	conn_expect(&c, .seq = 1, .len = 5, .at_ms = 3 * rto_ms);
	expect_timer(_metadata, p, ROW_ESTABLISHED, 1, 2, 4 * rto_ms);
	conn_send(&c, .flags = ACK, .ack = 6);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 10));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPINTVL, 3));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	expect_timer(_metadata, p, ROW_ESTABLISHED, 2, 0, 10000);
	conn_expect(&c, .flags = ACK, .seq = 5, .within_ms = 10100);
	conn_expect(&c, .flags = ACK, .seq = 5, .within_ms = 3100);
	expect_timer(_metadata, p, ROW_ESTABLISHED, 2, 2, 3000);
}

/* A delayed ACK, when no other timer runs; older kernels do not tell, and their ss has no name. */
TEST_F(diag, diag_timer_delayed_ack)
{
	bool tells = kernel_is_since(7, 3);
	struct peer *p = &self->peer;
	struct row rows[ROWS_MAX];
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0));
	conn_send(&c, .len = 5);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(tells ? 5 : 0, rows[0].msg.idiag_timer);
	EXPECT_LE(tells ? 20 : 0, rows[0].msg.idiag_expires);
	EXPECT_GE(tells ? 200 : 0, rows[0].msg.idiag_expires);
	EXPECT_EQ(0, rows[0].msg.idiag_retrans);
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = DELAYED_ACK_MS);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(0, rows[0].msg.idiag_timer);
	conn_write(&c, 5);
	conn_expect(&c, .seq = 1, .len = 5);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0));
	conn_send(&c, .len = 5, .ack = 1);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(1, rows[0].msg.idiag_timer);
	p->leave_unread = true;
}

/* What ss -m prints: memory of what is written and not sent, then of what is not read. */
TEST_F(diag, diag_meminfo)
{
	struct peer *p = &self->peer;
	struct row rows[ROWS_MAX], *row = rows;
	struct conn c, d;

	conn_open(p, &c, .wnd = 0);
	conn_write(&c, 500);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(0, (int)row->meminfo.idiag_rmem);
	EXPECT_LT(500, (int)row->meminfo.idiag_wmem);
	EXPECT_GT(4096, (int)row->meminfo.idiag_wmem);
	EXPECT_EQ(socket_meminfo(c.fd, SK_MEMINFO_WMEM_QUEUED), row->meminfo.idiag_wmem);
	EXPECT_EQ(socket_meminfo(c.fd, SK_MEMINFO_FWD_ALLOC), row->meminfo.idiag_fmem);
	/* Whole pages are taken in advance. */
	EXPECT_EQ(0, (int)((row->meminfo.idiag_wmem + row->meminfo.idiag_fmem) % 4096));
	EXPECT_LT(0, (int)row->meminfo.idiag_fmem);
	EXPECT_EQ(0, (int)row->meminfo.idiag_tmem);
	socket_abort(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1);

	conn_open(p, &d, .kport = 5001);
	conn_send(&d, .flags = ACK | PSH, .len = 500);
	peer_drain(p, DELAYED_ACK_MS);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_LT(500, (int)row->meminfo.idiag_rmem);
	EXPECT_EQ(socket_meminfo(d.fd, SK_MEMINFO_RMEM_ALLOC), row->meminfo.idiag_rmem);
	EXPECT_EQ(0, (int)row->meminfo.idiag_wmem);
	EXPECT_EQ(socket_meminfo(d.fd, SK_MEMINFO_FWD_ALLOC), row->meminfo.idiag_fmem);
}

/* What has left TCP and waits in the queue of the device. */
TEST_F(diag, diag_meminfo_in_the_device)
{
	struct peer *p = &self->peer;
	struct row rows[ROWS_MAX];
	struct conn c;

	link_set_single_segments(WHERE(_metadata), "tun0");
	conn_open(p, &c);
	shaper_set(WHERE(_metadata), "tun0", 8000, 1 << 20);
	conn_write(&c, 10000);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_LT(1000, (int)rows[0].meminfo.idiag_tmem);
	EXPECT_EQ(socket_meminfo(c.fd, SK_MEMINFO_WMEM_ALLOC), rows[0].meminfo.idiag_tmem);
	p->leave_unread = true;
}

/* As the kernel's TCP, but that xtcp's sockets are no inet_connection_sock. */
TEST_F(diag, diag_socket_options)
{
	struct row rows[ROWS_MAX], *row = rows;
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	conn_open(p, &c);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(1, row->sockopt.mc_loop + 0);
	/* That of IPv4. */
	EXPECT_EQ(p->family == AF_INET && !test_is_mapped(), row->sockopt.mc_all + 0);
	EXPECT_EQ(0, row->sockopt.defer_connect + 0);
	EXPECT_EQ(stock_mode(), row->sockopt.is_icsk + 0);
	if (p->family == AF_INET && !test_is_mapped()) {
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0));
		ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
		EXPECT_EQ(0, row->sockopt.mc_loop + 0);
		EXPECT_EQ(1, row->sockopt.mc_all + 0);
	}
	/* The first write of this one is to be its connect(). */
	ASSERT_EQ(0, knob_set("fastopen", 5));
	fd = socket_new(-1);
	ASSERT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
	ASSERT_EQ(0, socket_connect(fd, "10.0.0.2", 80));
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_SYN_SENT), rows));
	EXPECT_EQ(1, row->sockopt.defer_connect + 0);
	close(fd);
}

/* Attributes come if they are asked for, the mark for the administrator alone. */
TEST_F(diag, diag_no_attributes)
{
	struct request r;
	struct row rows[ROWS_MAX], *row = rows;
	struct conn c;
	int fd;

	conn_open(&self->peer, &c);
	r = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family_of(&self->peer));
	r.req.idiag_ext = 0;
	r.req.idiag_states = STATE(ROW_ESTABLISHED);
	ASSERT_TRUE(load());
	ASSERT_EQ(0, seteuid(65534));
	fd = diag_open(_metadata);
	ASSERT_EQ(1, dump_by(fd, &r, rows));
	ASSERT_EQ(0, seteuid(0));
	expect_row_of(_metadata, &c, row, ROW_ESTABLISHED);
	EXPECT_EQ(-1, row->mark);
	EXPECT_EQ(-1, row->tos);
	EXPECT_EQ(-1, row->classid);
	EXPECT_STREQ("", row->cong);
	EXPECT_EQ(0, row->info_len);
	EXPECT_EQ(0, row->meminfo_len);
	EXPECT_EQ(0, row->skmeminfo_len);
	EXPECT_EQ(0, row->shutdown);
	close(fd);
}

/*
 * A connection that waits for accept() has measured nothing. Its links in the queue share
 * memory with the measurements, and are addresses of the kernel.
 */
TEST_F(diag, diag_before_accept)
{
	struct peer *p = &self->peer;
	struct row rows[ROWS_MAX];
	struct conn c[3];
	int lfd, fd;

	lfd = peer_listen(p, KERNEL_PORT, 8);
	for (int i = 0; i < 3; i++) {
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
		conn_send(&c[i], .flags = ACK);
	}
	ASSERT_EQ(3, dump(_metadata, p, STATE(ROW_ESTABLISHED), rows));
	for (int i = 0; i < 3; i++) {
		ASSERT_LE((int)offsetof(struct tcp_info, tcpi_delivered), rows[i].info_len);
		EXPECT_EQ(0, rows[i].info.tcpi_busy_time);
		EXPECT_EQ(0, rows[i].info.tcpi_rwnd_limited);
		EXPECT_EQ(0, rows[i].info.tcpi_sndbuf_limited);
		EXPECT_EQ(0, rows[i].info.tcpi_delivery_rate);
	}
	for (int i = 0; i < 3; i++) {
		fd = accept(lfd, NULL, NULL);
		ASSERT_LE(0, fd);
		close(fd);
	}
	p->leave_unread = true;
}

TEST_F(diag, diag_listener)
{
	struct peer *p = &self->peer;
	struct row rows[ROWS_MAX];
	struct request r;
	struct conn c;
	int lfd, fd;

	lfd = peer_listen(p, 7000, 5);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd, .kport = 7000);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_LISTEN), rows));
	EXPECT_EQ(ROW_LISTEN, rows[0].msg.idiag_state);
	EXPECT_EQ(7000, ntohs(rows[0].msg.id.idiag_sport));
	EXPECT_EQ(0, rows[0].msg.id.idiag_dport);
	EXPECT_EQ(0, rows[0].msg.id.idiag_dst[0]);
	EXPECT_EQ(1, rows[0].msg.idiag_rqueue);
	EXPECT_EQ(5, rows[0].msg.idiag_wqueue);
	EXPECT_EQ(socket_inode(lfd), rows[0].msg.idiag_inode);
	EXPECT_EQ(stock_mode() ? -1 : p->wire, rows[0].protocol);
	/* Whose dump is for a remote port has no listener. */
	fd = diag_open(_metadata);
	r = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family_of(p));
	r.req.id.idiag_dport = htons(c.pport);
	EXPECT_EQ(1, dump_by(fd, &r, rows));
	r.req.id.idiag_dport = 0;
	r.req.id.idiag_sport = htons(7000);
	EXPECT_EQ(2, dump_by(fd, &r, rows));
	r.req.id.idiag_sport = htons(7001);
	EXPECT_EQ(0, dump_by(fd, &r, rows));
	close(fd);
}

/* A filter: the remote address is within @addr/@prefix, whatever the port. */
static void filter_by(struct request *r, int op, int family, const struct ipaddr *addr,
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
	address_set_at(filter.addr, addr, family);
	memcpy(r->more, &filter, filter.nla.nla_len);
	r->nlh.nlmsg_len = NLMSG_LENGTH(sizeof(r->req)) + filter.nla.nla_len;
}

static void filtered(struct __test_metadata *_metadata, struct peer *p, enum conn_state st)
{
	int family = family_of(p), whole = family == AF_INET ? 32 : 128, fd;
	struct ipaddr other = ipaddr("10.0.0.7");
	struct row rows[ROWS_MAX];
	struct request r;
	struct conn c;

	conn_to_state(p, &c, st);
	p->leave_unread = true;
	fd = diag_open(_metadata);
	r = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
	r.req.idiag_states &= ~STATE(ROW_LISTEN);
	filter_by(&r, INET_DIAG_BC_D_COND, family, &p->addr, whole, -1);
	EXPECT_EQ(1, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &p->addr, whole, c.pport);
	EXPECT_EQ(1, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &p->addr, whole, c.pport + 1);
	EXPECT_EQ(0, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &other, whole, -1);
	EXPECT_EQ(0, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family, &other, whole - 8, -1);
	EXPECT_EQ(1, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_S_COND, family, &p->kernel, whole, c.kport);
	EXPECT_EQ(1, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_S_COND, family, &p->addr, whole, -1);
	EXPECT_EQ(0, dump_by(fd, &r, rows));
	close(fd);
}

TEST_F(diag, diag_filter_socket) { filtered(_metadata, &self->peer, ST_ESTABLISHED); }
TEST_F(diag, diag_filter_half_open) { filtered(_metadata, &self->peer, ST_HALF_OPEN); }
TEST_F(diag, diag_filter_time_wait) { filtered(_metadata, &self->peer, ST_TIME_WAIT); }

/* The program gets ECONNABORTED, the peer a RST; a second time there is nothing. */
TEST_F(diag, diag_destroy_connection)
{
	struct row rows[ROWS_MAX];
	struct conn c, other;

	conn_open(&self->peer, &c);
	conn_open(&self->peer, &other, .kport = 6000);
	ASSERT_EQ(2, dump(_metadata, &self->peer, STATE(ROW_ESTABLISHED), rows));
	if (ntohs(rows[0].msg.id.idiag_sport) != c.kport)
		rows[0] = rows[1];
	EXPECT_EQ(0, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
	EXPECT_EQ(ECONNABORTED, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	conn_expect_state(&other, ST_ESTABLISHED);
	EXPECT_EQ(ENOENT, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
}

/* The groups of TCP, in which sockets are announced when they have ended. */
static int listen_for_ends(struct __test_metadata *_metadata)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1 << (SKNLGRP_INET_TCP_DESTROY - 1) |
			     1 << (SKNLGRP_INET6_TCP_DESTROY - 1),
	};
	int fd = diag_open(_metadata);

	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

/* The messages that have come: their number. */
static int ends_read(int fd, struct row *rows)
{
	static char buf[8192];
	int n = 0, len;

	/* The kernel sends its own from a worker. */
	usleep(20000);
	for (;;) {
		len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0)
			return n;
		messages_read(buf, len, rows, &n);
	}
}

/* Once, when the connection is over, and not when the program closes. */
TEST_F(diag, diag_end_is_announced)
{
	struct row rows[ROWS_MAX];
	struct conn c;
	int fd = listen_for_ends(_metadata);

	conn_open(&self->peer, &c);
	conn_send(&c, .flags = PSH | ACK, .data = "seven by");
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	ASSERT_EQ(1, ends_read(fd, rows));
	EXPECT_EQ(stock_mode() ? IPPROTO_TCP : self->peer.wire, rows[0].protocol);
	if (!stock_mode())
		expect_row_of(_metadata, &c, rows, ROW_CLOSE);
	EXPECT_LE(160, rows[0].info_len);
	EXPECT_EQ(8, rows[0].info.tcpi_bytes_received);
	EXPECT_EQ(0, ends_read(fd, rows));
	close(fd);
}

/* A listener, a connection that the peer ends, and one that is closed in order. */
TEST_F(diag, diag_ends_announced)
{
	struct row rows[ROWS_MAX];
	struct conn c;
	int fd = listen_for_ends(_metadata), lfd;

	lfd = peer_listen(&self->peer, 7000, 5);
	conn_to_state(&self->peer, &c, ST_ESTABLISHED, .lfd = lfd, .kport = 7000);
	EXPECT_EQ(0, ends_read(fd, rows));
	close(lfd);
	ASSERT_EQ(1, ends_read(fd, rows));
	EXPECT_EQ(7000, ntohs(rows[0].msg.id.idiag_sport));
	EXPECT_EQ(0, rows[0].msg.id.idiag_dport);
	conn_send(&c, .flags = RST | ACK);
	/* The program still has it. */
	EXPECT_EQ(0, ends_read(fd, rows));
	close(c.fd);
	ASSERT_EQ(1, ends_read(fd, rows));
	EXPECT_EQ(c.pport, ntohs(rows[0].msg.id.idiag_dport));
	close(fd);
}

static void record_destroyed(struct __test_metadata *_metadata, struct peer *p,
			     enum conn_state st, int state)
{
	struct row rows[ROWS_MAX];
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, st);
	ASSERT_EQ(1, dump(_metadata, p, STATE(state), rows));
	rows[0].msg.id.idiag_cookie[1] ^= 1;
	EXPECT_EQ(ENOENT, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	rows[0].msg.id.idiag_cookie[1] ^= 1;
	EXPECT_EQ(0, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	EXPECT_EQ(0, proc_rows(p->family, state));
	EXPECT_EQ(ENOENT, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	peer_expect_silence(p, 70000);
}

TEST_F(diag, diag_destroy_half_open)
{
	record_destroyed(_metadata, &self->peer, ST_HALF_OPEN, ROW_SYN_RECEIVED);
}

TEST_F(diag, diag_destroy_time_wait)
{
	record_destroyed(_metadata, &self->peer, ST_TIME_WAIT, ROW_TIME_WAIT);
}

/*
 * The request has found a socket, and waits for the call that owns it. When that call ends, the
 * peer's FIN replaces the socket by a TIME-WAIT record. A cookie names the socket: what comes
 * after it, this record or another connection with the same ends, lives on.
 */
static void destroy_meanwhile(struct __test_metadata *_metadata, struct peer *p, bool by_cookie)
{
	struct row rows[ROWS_MAX];
	struct holder h;
	struct conn c;
	int status;
	pid_t pid;

	NOT_ON_STOCK();
	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(1, dump(_metadata, p, STATE(ROW_FIN_WAIT_2), rows));
	if (!by_cookie)
		memset(rows[0].msg.id.idiag_cookie, 0xff, sizeof(rows[0].msg.id.idiag_cookie));
	holder_hold(_metadata, &h, c.fd);
	conn_send(&c, .flags = FIN | ACK);
	pid = fork();
	if (!pid)
		_exit(destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	sleep_ms(10);
	holder_release(&h);
	conn_expect(&c, .flags = ACK, .ack = 3);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(by_cookie ? ENOENT : 0, WEXITSTATUS(status));
	EXPECT_EQ(by_cookie, proc_rows(p->family, ROW_TIME_WAIT));
	close(c.fd);
}

TEST_F(diag, diag_destroy_of_a_cookie_stays_with_it) { destroy_meanwhile(_metadata, &self->peer, true); }
TEST_F(diag, diag_destroy_of_ends_follows) { destroy_meanwhile(_metadata, &self->peer, false); }

/* Of a SO_REUSEPORT group the cookie names one. */
TEST_F(diag, diag_destroy_listener)
{
	struct row rows[ROWS_MAX];
	int fd[2];

	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 5000));
		ASSERT_EQ(0, socket_listen(fd[i], 1));
	}
	ASSERT_EQ(2, dump(_metadata, &self->peer, STATE(ROW_LISTEN), rows));
	NOT_ON_STOCK();		/* a lookup there finds any of the group */
	for (int i = 0; i < 2; i++) {
		int mine = rows[i].msg.idiag_inode == socket_inode(fd[0]) ? fd[0] : fd[1];

		EXPECT_EQ(0, destroy(_metadata, rows[i].msg.idiag_family, &rows[i].msg.id));
		EXPECT_EQ(ECONNABORTED, socket_error(mine));
		EXPECT_EQ(1 - i, proc_rows(AF_INET, ROW_LISTEN));
		EXPECT_EQ(ENOENT, destroy(_metadata, rows[i].msg.idiag_family, &rows[i].msg.id));
	}
}

/* Two listeners at one port: the device of a lookup tells which. */
TEST_F(diag, diag_listener_of_a_device)
{
	struct peer *p = &self->peer;
	struct inet_diag_sockid id = { .idiag_cookie = NO_COOKIE };
	struct row row;
	int fd[2];

	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		if (i)
			ASSERT_EQ(0, setsockopt(fd[i], SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 5000));
		ASSERT_EQ(0, socket_listen(fd[i], 1));
	}
	id.idiag_sport = htons(5000);
	address_set_at(id.idiag_src, &p->kernel, family_of(p));
	for (int i = 0; i < 2; i++) {
		id.idiag_if = if_nametoindex("tun0");
		ASSERT_EQ(0, lookup(_metadata, family_of(p), &id, &row));
		EXPECT_EQ(socket_inode(fd[1]), row.msg.idiag_inode);
		EXPECT_EQ(id.idiag_if, row.msg.id.idiag_if);
		id.idiag_if = 0;
		ASSERT_EQ(0, lookup(_metadata, family_of(p), &id, &row));
		EXPECT_EQ(socket_inode(fd[0]), row.msg.idiag_inode);
		EXPECT_EQ(0, row.msg.id.idiag_if);
	}
	close(fd[0]);
	EXPECT_EQ(ENOENT, lookup(_metadata, family_of(p), &id, &row));
}

/* The same port on both wires: each has its row, and one dies alone. */
TEST_F(diag, diag_destroy_one_wire)
{
	static const int wires[] = { XTCP_WIRE_NATIVE, XTCP_WIRE_TCP };
	struct row rows[ROWS_MAX];
	int fd[2];

	NOT_ON_STOCK();
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], IPPROTO_XTCP, XTCP_WIRE, wires[i]));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 5000));
		ASSERT_EQ(0, socket_listen(fd[i], 1));
	}
	ASSERT_EQ(2, dump(_metadata, &self->peer, STATE(ROW_LISTEN), rows));
	if (rows[0].protocol != XTCP_WIRE_TCP)
		rows[0] = rows[1];
	EXPECT_EQ(XTCP_WIRE_TCP, rows[0].protocol);
	EXPECT_EQ(socket_inode(fd[1]), rows[0].msg.idiag_inode);
	EXPECT_EQ(0, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	EXPECT_EQ(ECONNABORTED, socket_error(fd[1]));
	EXPECT_EQ(0, socket_error(fd[0]));
	ASSERT_EQ(1, dump(_metadata, &self->peer, STATE(ROW_LISTEN), rows));
	EXPECT_EQ(XTCP_WIRE_NATIVE, rows[0].protocol);
}

TEST_F(diag, diag_destroy_needs_privilege)
{
	struct row rows[ROWS_MAX];
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, dump(_metadata, &self->peer, STATE(ROW_ESTABLISHED), rows));
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EPERM, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	ASSERT_EQ(0, seteuid(0));
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(diag, diag_stays_in_its_namespace)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY), other;
	struct row rows[ROWS_MAX];
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, dump(_metadata, &self->peer, STATE(ROW_ESTABLISHED), rows));
	other = netns_new(WHERE(_metadata));
	EXPECT_EQ(0, dump(_metadata, &self->peer, ALL_STATES, rows + 1));
	EXPECT_EQ(ENOENT, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	netns_enter(WHERE(_metadata), home);
	close(other);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(diag, diag_bad_requests)
{
	struct peer *p = &self->peer;
	struct row rows[ROWS_MAX];
	struct request good, r;
	struct nlattr *nla;
	struct conn c;
	int fd;

	conn_open(p, &c);
	fd = diag_open(_metadata);
	good = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family_of(p));
	/* Every length that is too short for a request. */
	for (int len = sizeof(r.nlh) + 2; len < NLMSG_LENGTH(sizeof(r.req)); len++) {
		r = good;
		r.nlh.nlmsg_len = len;
		EXPECT_EQ(-EINVAL, dump_by(fd, &r, rows));
		r.nlh.nlmsg_type = SOCK_DESTROY;
		r.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
		EXPECT_EQ(EINVAL, ask(fd, &r, rows));
	}
	/* A filter that jumps out of itself, and one that is cut off. */
	r = good;
	filter_by(&r, INET_DIAG_BC_D_COND, family_of(p), &p->addr, 24, -1);
	((struct inet_diag_bc_op *)(r.more + sizeof(*nla)))->yes += 8;
	EXPECT_EQ(-EINVAL, dump_by(fd, &r, rows));
	filter_by(&r, 99, family_of(p), &p->addr, 24, -1);
	EXPECT_EQ(-EINVAL, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family_of(p), &p->addr, 24, -1);
	nla = (void *)r.more;
	nla->nla_len -= 4;
	r.nlh.nlmsg_len -= 4;
	EXPECT_EQ(-EINVAL, dump_by(fd, &r, rows));
	filter_by(&r, INET_DIAG_BC_D_COND, family_of(p), &p->addr, 200, -1);
	EXPECT_EQ(-EINVAL, dump_by(fd, &r, rows));
	/* A protocol of the wrong size; an attribute that nobody knows is ignored. */
	r = good;
	*nla = (struct nlattr){ sizeof(*nla) + 1, INET_DIAG_REQ_PROTOCOL };
	r.nlh.nlmsg_len += 8;
	memcpy(r.more, nla, sizeof(*nla));
	EXPECT_EQ(-EINVAL, dump_by(fd, &r, rows));
	((struct nlattr *)r.more)->nla_type = 999;
	EXPECT_EQ(2, dump_by(fd, &r, rows));
	/* No state is asked for. */
	r = good;
	r.req.idiag_states = 0;
	EXPECT_EQ(0, dump_by(fd, &r, rows));
	EXPECT_EQ(2, dump_by(fd, &good, rows));
	close(fd);
}

/* One part of a dump is read, and the reader goes away. */
TEST_F(diag, diag_reader_goes_away)
{
	struct peer *p = &self->peer;
	static char buf[512];
	struct request r;
	struct conn c;
	int fd;

	conn_open(p, &c);
	r = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family_of(p));
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
TEST_F(diag, diag_growing_table_without_duplicates)
{
	static char buf[32768];
	struct peer *p = &self->peer;
	int fd, len, seen = 0, extra = 0;
	bool done = false;
	struct request r;

	NOT_ON_STOCK();
	records_begin(_metadata, p);
	fd = diag_open(_metadata);
	r = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family_of(p));
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
TEST_F(diag, diag_proc_stream)
{
	static const size_t steps[] = { 16, 1, 100, 65536 };
	static char buf[65536];
	struct row rows[ROWS_MAX];
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
		ASSERT_EQ(1, messages_read(buf, got, rows, &seen));
		/* Two listeners, and one of each of these. */
		ASSERT_EQ(5, seen);
		one_each = 0;
		for (int k = 0; k < seen; k++) {
			one_each ^= 1 << rows[k].msg.idiag_state;
			if (rows[k].msg.idiag_state == ROW_ESTABLISHED) {
				expect_row_of(_metadata, &c, &rows[k], ROW_ESTABLISHED);
				EXPECT_STREQ("cubic", rows[k].cong);
				EXPECT_EQ(0, rows[k].mark);
			} else if (rows[k].msg.idiag_state == ROW_SYN_RECEIVED) {
				expect_row_of(_metadata, &d, &rows[k], ROW_SYN_RECEIVED);
			} else if (rows[k].msg.idiag_state == ROW_TIME_WAIT) {
				expect_row_of(_metadata, &e, &rows[k], ROW_TIME_WAIT);
			}
		}
		EXPECT_EQ(1 << ROW_ESTABLISHED | 1 << ROW_SYN_RECEIVED | 1 << ROW_TIME_WAIT, one_each);
	}
	close(fd);
}

/* The mark of the only connection, or -1, as it stands in a file that was opened already. */
static int mark_in(struct __test_metadata *_metadata, int fd)
{
	struct row rows[ROWS_MAX];
	static char buf[65536];
	int n, seen = 0;
	size_t got;

	ASSERT_LE(0, fd);
	for (got = 0; (n = read(fd, buf + got, sizeof(buf) - got)) > 0; got += n)
		;
	close(fd);
	ASSERT_EQ(1, messages_read(buf, got, rows, &seen));
	for (int k = 0; k < seen; k++)
		if (rows[k].msg.idiag_state == ROW_ESTABLISHED)
			return rows[k].mark;
	return INT_MIN;
}

/* As in a dump, the mark is for the administrator alone: the one who opened the file. */
TEST_F(diag, diag_proc_mark)
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
