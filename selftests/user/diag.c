// SPDX-License-Identifier: GPL-2.0
/*
 * diag: the message of sock_diag about a socket of protocol 253 in each state, its attributes, and
 * the lookup of a single socket. As sock_diag of the kernel's TCP, which passes what is not about
 * xtcp alone. diagdump.c has dumps, diagdestroy.c ends.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "lib/sockdiag.h"

#include <net/if.h>
#include <netinet/ip.h>

PEER_FIXTURE(diag);

static int lookup(struct __test_metadata *_metadata, int family,
		  const struct inet_diag_sockid *id, struct diag_row *row)
{
	struct diag_request r = diag_request(SOCK_DIAG_BY_FAMILY, 0, family);
	int fd = diag_open(_metadata), err;

	r.req.id = *id;
	err = diag_ask(fd, &r, row);
	close(fd);
	return err;
}

/* A dump for its state has it, and one for all others but LISTEN has nothing. */
static void expect_only(struct __test_metadata *_metadata, struct conn *c, int state)
{
	struct diag_row row, other[ROWS_MAX];

	ASSERT_EQ(1, diag_dump(c->peer, STATE(state), other));
	row = other[0];
	diag_expect_row(c, &row, state);
	EXPECT_EQ(0, diag_dump(c->peer, ALL_STATES & ~STATE(state) & ~STATE(ROW_LISTEN), other));
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
	struct diag_row rows[ROWS_MAX], *row = rows;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MARK, 0x51));
	/* IP_TOS sets the priority, too. */
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_TOS, 0x20));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_PRIORITY, 3));
	conn_send(&c, .flags = PSH | ACK, .data = "seven by");
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	ASSERT_EQ(1, diag_dump(&self->peer, STATE(ROW_ESTABLISHED), rows));
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
	ASSERT_EQ(1, diag_dump(&self->peer, STATE(ROW_FIN_WAIT_1), rows));
	EXPECT_EQ(2, row->shutdown);
	EXPECT_EQ(1, row->msg.idiag_wqueue);
	EXPECT_EQ(1, row->msg.idiag_timer);
	self->peer.leave_unread = true;
}

/* The one row of a state, of which ss -o prints the timer. */
static void expect_timer(struct __test_metadata *_metadata, const struct peer *p, int state,
			 int timer, int retrans, int expires_ms)
{
	struct diag_row rows[ROWS_MAX];

	ASSERT_EQ(1, diag_dump(p, STATE(state), rows));
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
	struct diag_row rows[ROWS_MAX];
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0));
	conn_send(&c, .len = 5);
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(tells ? 5 : 0, rows[0].msg.idiag_timer);
	EXPECT_LE(tells ? 20 : 0, rows[0].msg.idiag_expires);
	EXPECT_GE(tells ? 200 : 0, rows[0].msg.idiag_expires);
	EXPECT_EQ(0, rows[0].msg.idiag_retrans);
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = DELAYED_ACK_MS);
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(0, rows[0].msg.idiag_timer);
	conn_write(&c, 5);
	conn_expect(&c, .seq = 1, .len = 5);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0));
	conn_send(&c, .len = 5, .ack = 1);
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(1, rows[0].msg.idiag_timer);
	p->leave_unread = true;
}

/* What ss -m prints: memory of what is written and not sent, then of what is not read. */
TEST_F(diag, diag_meminfo)
{
	struct peer *p = &self->peer;
	struct diag_row rows[ROWS_MAX], *row = rows;
	struct conn c, d;

	conn_open(p, &c, .wnd = 0);
	conn_write(&c, 500);
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
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
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_LT(500, (int)row->meminfo.idiag_rmem);
	EXPECT_EQ(socket_meminfo(d.fd, SK_MEMINFO_RMEM_ALLOC), row->meminfo.idiag_rmem);
	EXPECT_EQ(0, (int)row->meminfo.idiag_wmem);
	EXPECT_EQ(socket_meminfo(d.fd, SK_MEMINFO_FWD_ALLOC), row->meminfo.idiag_fmem);
}

/* What has left TCP and waits in the queue of the device. */
TEST_F(diag, diag_meminfo_in_the_device)
{
	struct peer *p = &self->peer;
	struct diag_row rows[ROWS_MAX];
	struct conn c;

	link_set_single_segments(WHERE(_metadata), "tun0");
	conn_open(p, &c);
	shaper_set(WHERE(_metadata), "tun0", 8000, 1 << 20);
	conn_write(&c, 10000);
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_LT(1000, (int)rows[0].meminfo.idiag_tmem);
	EXPECT_EQ(socket_meminfo(c.fd, SK_MEMINFO_WMEM_ALLOC), rows[0].meminfo.idiag_tmem);
	p->leave_unread = true;
}

/* As the kernel's TCP, but that xtcp's sockets are no inet_connection_sock. */
TEST_F(diag, diag_socket_options)
{
	struct diag_row rows[ROWS_MAX], *row = rows;
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	conn_open(p, &c);
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
	EXPECT_EQ(1, row->sockopt.mc_loop + 0);
	/* That of IPv4. */
	EXPECT_EQ(p->family == AF_INET && !test_is_mapped(), row->sockopt.mc_all + 0);
	EXPECT_EQ(0, row->sockopt.defer_connect + 0);
	EXPECT_EQ(stock_mode(), row->sockopt.is_icsk + 0);
	if (p->family == AF_INET && !test_is_mapped()) {
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0));
		ASSERT_EQ(1, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
		EXPECT_EQ(0, row->sockopt.mc_loop + 0);
		EXPECT_EQ(1, row->sockopt.mc_all + 0);
	}
	/* The first write of this one is to be its connect(). */
	ASSERT_EQ(0, knob_set("fastopen", 5));
	fd = socket_new(-1);
	ASSERT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
	ASSERT_EQ(0, socket_connect(fd, "10.0.0.2", 80));
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_SYN_SENT), rows));
	EXPECT_EQ(1, row->sockopt.defer_connect + 0);
	close(fd);
}

/* Attributes come if they are asked for, the mark for the administrator alone. */
TEST_F(diag, diag_no_attributes)
{
	struct diag_request r;
	struct diag_row rows[ROWS_MAX], *row = rows;
	struct conn c;
	int fd;

	conn_open(&self->peer, &c);
	r = diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, diag_family(&self->peer));
	r.req.idiag_ext = 0;
	r.req.idiag_states = STATE(ROW_ESTABLISHED);
	ASSERT_TRUE(diag_load());
	ASSERT_EQ(0, seteuid(65534));
	fd = diag_open(_metadata);
	ASSERT_EQ(1, diag_dump_by(fd, &r, rows));
	ASSERT_EQ(0, seteuid(0));
	diag_expect_row(&c, row, ROW_ESTABLISHED);
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
	struct diag_row rows[ROWS_MAX];
	struct conn c[3];
	int lfd, fd;

	lfd = peer_listen(p, KERNEL_PORT, 8);
	for (int i = 0; i < 3; i++) {
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
		conn_send(&c[i], .flags = ACK);
	}
	ASSERT_EQ(3, diag_dump(p, STATE(ROW_ESTABLISHED), rows));
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
	struct diag_row rows[ROWS_MAX];
	struct diag_request r;
	struct conn c;
	int lfd, fd;

	lfd = peer_listen(p, 7000, 5);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd, .kport = 7000);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_LISTEN), rows));
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
	r = diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, diag_family(p));
	r.req.id.idiag_dport = htons(c.pport);
	EXPECT_EQ(1, diag_dump_by(fd, &r, rows));
	r.req.id.idiag_dport = 0;
	r.req.id.idiag_sport = htons(7000);
	EXPECT_EQ(2, diag_dump_by(fd, &r, rows));
	r.req.id.idiag_sport = htons(7001);
	EXPECT_EQ(0, diag_dump_by(fd, &r, rows));
	close(fd);
}

/* Two listeners at one port: the device of a lookup tells which. */
TEST_F(diag, diag_listener_of_a_device)
{
	struct peer *p = &self->peer;
	struct inet_diag_sockid id = { .idiag_cookie = NO_COOKIE };
	struct diag_row row;
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
	diag_address(id.idiag_src, &p->kernel, diag_family(p));
	for (int i = 0; i < 2; i++) {
		id.idiag_if = if_nametoindex("tun0");
		ASSERT_EQ(0, lookup(_metadata, diag_family(p), &id, &row));
		EXPECT_EQ(socket_inode(fd[1]), row.msg.idiag_inode);
		EXPECT_EQ(id.idiag_if, row.msg.id.idiag_if);
		id.idiag_if = 0;
		ASSERT_EQ(0, lookup(_metadata, diag_family(p), &id, &row));
		EXPECT_EQ(socket_inode(fd[0]), row.msg.idiag_inode);
		EXPECT_EQ(0, row.msg.id.idiag_if);
	}
	close(fd[0]);
	EXPECT_EQ(ENOENT, lookup(_metadata, diag_family(p), &id, &row));
}

TEST_HARNESS_MAIN
