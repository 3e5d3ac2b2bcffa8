// SPDX-License-Identifier: GPL-2.0
/*
 * diagdestroy: SOCK_DESTROY of protocol 253, whom it finds and who may ask, and the messages of
 * sock_diag about sockets that have ended. The kernel's TCP passes what is not about xtcp alone.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "lib/sockdiag.h"

#include <sys/wait.h>

PEER_FIXTURE(diagdestroy);

static int destroy(struct __test_metadata *_metadata, int family,
		   const struct inet_diag_sockid *id)
{
	struct diag_request r = diag_request(SOCK_DESTROY, NLM_F_ACK, family);
	int fd = diag_open(_metadata), err;
	struct diag_row row;

	r.req.id = *id;
	err = diag_ask(fd, &r, &row);
	close(fd);
	return err;
}

/* The program gets ECONNABORTED, the peer a RST; a second time there is nothing. */
TEST_F(diagdestroy, diag_destroy_connection)
{
	struct diag_row rows[ROWS_MAX];
	struct conn c, other;

	conn_open(&self->peer, &c);
	conn_open(&self->peer, &other, .kport = 6000);
	ASSERT_EQ(2, diag_dump(&self->peer, STATE(ROW_ESTABLISHED), rows));
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
static int ends_read(int fd, struct diag_row *rows)
{
	static char buf[8192];
	int n = 0, len;

	/* The kernel sends its own from a worker. */
	usleep(20000);
	for (;;) {
		len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0)
			return n;
		diag_parse(buf, len, rows, &n);
	}
}

/* Once, when the connection is over, and not when the program closes. */
TEST_F(diagdestroy, diag_end_is_announced)
{
	struct diag_row rows[ROWS_MAX];
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
		diag_expect_row(&c, rows, ROW_CLOSE);
	EXPECT_LE(160, rows[0].info_len);
	EXPECT_EQ(8, rows[0].info.tcpi_bytes_received);
	EXPECT_EQ(0, ends_read(fd, rows));
	close(fd);
}

/* A listener, a connection that the peer ends, and one that is closed in order. */
TEST_F(diagdestroy, diag_ends_announced)
{
	struct diag_row rows[ROWS_MAX];
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
	struct diag_row rows[ROWS_MAX];
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, st);
	ASSERT_EQ(1, diag_dump(p, STATE(state), rows));
	rows[0].msg.id.idiag_cookie[1] ^= 1;
	EXPECT_EQ(ENOENT, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	rows[0].msg.id.idiag_cookie[1] ^= 1;
	EXPECT_EQ(0, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	EXPECT_EQ(0, proc_rows(p->family, state));
	EXPECT_EQ(ENOENT, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	peer_expect_silence(p, 70000);
}

TEST_F(diagdestroy, diag_destroy_half_open)
{
	record_destroyed(_metadata, &self->peer, ST_HALF_OPEN, ROW_SYN_RECEIVED);
}

TEST_F(diagdestroy, diag_destroy_time_wait)
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
	struct diag_row rows[ROWS_MAX];
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
	ASSERT_EQ(1, diag_dump(p, STATE(ROW_FIN_WAIT_2), rows));
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

TEST_F(diagdestroy, diag_destroy_of_a_cookie_stays_with_it) { destroy_meanwhile(_metadata, &self->peer, true); }
TEST_F(diagdestroy, diag_destroy_of_ends_follows) { destroy_meanwhile(_metadata, &self->peer, false); }

/* Of a SO_REUSEPORT group the cookie names one. */
TEST_F(diagdestroy, diag_destroy_listener)
{
	struct diag_row rows[ROWS_MAX];
	int fd[2];

	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 5000));
		ASSERT_EQ(0, socket_listen(fd[i], 1));
	}
	ASSERT_EQ(2, diag_dump(&self->peer, STATE(ROW_LISTEN), rows));
	NOT_ON_STOCK();		/* a lookup there finds any of the group */
	for (int i = 0; i < 2; i++) {
		int mine = rows[i].msg.idiag_inode == socket_inode(fd[0]) ? fd[0] : fd[1];

		EXPECT_EQ(0, destroy(_metadata, rows[i].msg.idiag_family, &rows[i].msg.id));
		EXPECT_EQ(ECONNABORTED, socket_error(mine));
		EXPECT_EQ(1 - i, proc_rows(AF_INET, ROW_LISTEN));
		EXPECT_EQ(ENOENT, destroy(_metadata, rows[i].msg.idiag_family, &rows[i].msg.id));
	}
}

/* The same port on both wires: each has its row, and one dies alone. */
TEST_F(diagdestroy, diag_destroy_one_wire)
{
	static const int wires[] = { XTCP_WIRE_NATIVE, XTCP_WIRE_TCP };
	struct diag_row rows[ROWS_MAX];
	int fd[2];

	NOT_ON_STOCK();
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], IPPROTO_XTCP, XTCP_WIRE, wires[i]));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 5000));
		ASSERT_EQ(0, socket_listen(fd[i], 1));
	}
	ASSERT_EQ(2, diag_dump(&self->peer, STATE(ROW_LISTEN), rows));
	if (rows[0].protocol != XTCP_WIRE_TCP)
		rows[0] = rows[1];
	EXPECT_EQ(XTCP_WIRE_TCP, rows[0].protocol);
	EXPECT_EQ(socket_inode(fd[1]), rows[0].msg.idiag_inode);
	EXPECT_EQ(0, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	EXPECT_EQ(ECONNABORTED, socket_error(fd[1]));
	EXPECT_EQ(0, socket_error(fd[0]));
	ASSERT_EQ(1, diag_dump(&self->peer, STATE(ROW_LISTEN), rows));
	EXPECT_EQ(XTCP_WIRE_NATIVE, rows[0].protocol);
}

TEST_F(diagdestroy, diag_destroy_needs_privilege)
{
	struct diag_row rows[ROWS_MAX];
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, diag_dump(&self->peer, STATE(ROW_ESTABLISHED), rows));
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EPERM, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	ASSERT_EQ(0, seteuid(0));
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(diagdestroy, diag_stays_in_its_namespace)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY), other;
	struct diag_row rows[ROWS_MAX];
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, diag_dump(&self->peer, STATE(ROW_ESTABLISHED), rows));
	other = netns_new(WHERE(_metadata));
	EXPECT_EQ(0, diag_dump(&self->peer, ALL_STATES, rows + 1));
	EXPECT_EQ(ENOENT, destroy(_metadata, rows[0].msg.idiag_family, &rows[0].msg.id));
	netns_enter(WHERE(_metadata), home);
	close(other);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_HARNESS_MAIN
