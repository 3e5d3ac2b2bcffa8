// SPDX-License-Identifier: GPL-2.0
/*
 * migrate: a listener of a SO_REUSEPORT group closes. Its queued connections are
 * reset, or with xtcp_migrate_req continue with another listener of the group. (In
 * stock mode: tcp_migrate_req.)
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/filter.h>

PEER_FIXTURE(migrate);

/* A group of which the first one is given every SYN. */
static void group(struct __test_metadata *_metadata, int *fd, int n, int backlog)
{
	struct sock_filter first[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { .len = 1, .filter = first };

	for (int i = 0; i < n; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", KERNEL_PORT));
		ASSERT_EQ(0, socket_listen(fd[i], backlog));
	}
	ASSERT_EQ(0, setsockopt(fd[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
				sizeof(prog)));
}

static void establish(struct peer *p, struct conn *c, int lfd)
{
	conn_to_state(p, c, ST_HALF_OPEN, .lfd = lfd);
	conn_send(c, .flags = ACK);
	conn_expect_state(c, ST_ESTABLISHED);
}

/* The first of two listeners, which may hand over, has a connection in its queue. */
static void establish_in_group(struct __test_metadata *_metadata, struct peer *p,
			       struct conn *c, int *fd)
{
	ASSERT_EQ(0, knob_set("migrate_req", 1));
	group(_metadata, fd, 2, 16);
	establish(p, c, fd[0]);
}

/* A listener with a connection and a half-open record is closed: it resets the former. */
static void close_with_children(struct peer *p, int lfd, struct conn *child, struct conn *half,
				struct counters *before)
{
	establish(p, child, lfd);
	conn_to_state(p, half, ST_HALF_OPEN, .lfd = lfd);
	counters_take(before);
	counters_ignore(before, "TCPAbortOnClose", NULL);
	close(lfd);
	conn_expect(child, .flags = RST | ACK, .seq = 1, .ack = 1);
}

static int half_open_rows(void)
{
	return proc_rows(AF_INET, ROW_SYN_RECEIVED);
}

TEST_F(migrate, knob_migrate_req)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn child, half;
	int fd[2];

	EXPECT_EQ(0, knob_get("migrate_req"));
	group(_metadata, fd, 2, 16);
	close_with_children(p, fd[0], &child, &half, &before);
	/* The kernel's TCP removes the record at its next timeout. */
	if (!stock_mode())
		EXPECT_EQ(0, half_open_rows());
	conn_send(&half, .flags = ACK);
	conn_expect(&half, .flags = RST, .seq = 1);
	EXPECT_EQ(0, socket_poll(fd[1]));
	counters_expect(_metadata, &before, "CurrEstab", -1, "EstabResets", 1,
			"InSegs", 1, "OutSegs", 2, "OutRsts", 2, NULL);
	EXPECT_EQ(EINVAL, knob_set("migrate_req", 2));
	EXPECT_EQ(0, knob_set("migrate_req", 1));
}

TEST_F(migrate, ctr_TCPMigrateReqSuccess)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	char buf[8];
	int fd[2];

	establish_in_group(_metadata, p, &c, fd);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	EXPECT_EQ(0, socket_poll(fd[1]));
	counters_take(&before);
	close(fd[0]);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "TCPMigrateReqSuccess", 1, NULL);
	EXPECT_EQ(POLLIN, socket_poll(fd[1]));
	c.lfd = fd[1];
	conn_accept(&c);
	EXPECT_EQ(4, recv(c.fd, buf, sizeof(buf), 0));
	conn_expect_state(&c, ST_ESTABLISHED);
	ASSERT_EQ(2, send(c.fd, "ok", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "ok");
}

/* It is of the group in which it began to listen, even if the option is cleared by then. */
TEST_F(migrate, lc_46_the_option_is_cleared_before_the_close)
{
	struct peer *p = &self->peer;
	struct conn c, half;
	int fd[2];

	establish_in_group(_metadata, p, &c, fd);
	conn_to_state(p, &half, ST_HALF_OPEN, .lfd = fd[0]);
	ASSERT_EQ(0, socket_set(fd[0], SOL_SOCKET, SO_REUSEPORT, 0));
	close(fd[0]);
	c.lfd = fd[1];
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&half, .flags = ACK);
	half.lfd = fd[1];
	conn_accept(&half);
	conn_expect_state(&half, ST_ESTABLISHED);
}

/* A listener that was shut down keeps its place in the group, and may listen again. */
TEST_F(migrate, lc_46_shut_down_and_listening_again)
{
	struct peer *p = &self->peer;
	struct conn c, next;
	int fd[2];

	establish_in_group(_metadata, p, &c, fd);
	ASSERT_EQ(0, shutdown(fd[0], SHUT_RD));
	c.lfd = fd[1];
	conn_accept(&c);
	ASSERT_EQ(0, socket_listen(fd[0], 16));
	close(fd[1]);
	conn_open(p, &next, .lfd = fd[0]);
}

/* The last one of a group has no successor. */
TEST_F(migrate, ctr_TCPMigrateReqFailure)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn child, half;
	int fd[1], other;

	ASSERT_EQ(0, knob_set("migrate_req", 1));
	group(_metadata, fd, 1, 16);
	/* A listener that would have taken the SYN, but shares no group with it. */
	other = socket_new(-1);
	ASSERT_EQ(0, socket_set(other, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_EQ(0, socket_bind(other, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(other, 16));
	close_with_children(p, fd[0], &child, &half, &before);
	EXPECT_EQ(0, socket_poll(other));
	/* In the kernel's TCP the record fails later, when it is needed. */
	counters_expect(_metadata, &before, "CurrEstab", -1, "EstabResets", 1,
			"OutSegs", 1, "OutRsts", 1, "TCPMigrateReqFailure",
			stock_mode() ? 1 : 2, NULL);
	conn_send(&half, .flags = ACK);
	conn_expect(&half, .flags = RST, .seq = 1);
}

TEST_F(migrate, lc_46_half_open_goes_on_with_another)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd[2];

	ASSERT_EQ(0, knob_set("migrate_req", 1));
	group(_metadata, fd, 2, 16);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = fd[0]);
	close(fd[0]);
	EXPECT_EQ(1, half_open_rows());
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	c.lfd = fd[1];
	conn_accept(&c);
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* It waits as if nothing had happened: each SYN-ACK, and the end, at its time. */
TEST_F(migrate, lc_15_timers_go_on_with_another)
{
	struct peer *p = &self->peer;
	struct conn c[3];
	int fd[2];

	ASSERT_EQ(0, knob_set("migrate_req", 1));
	group(_metadata, fd, 2, 16);
	peer_mark(p);
	for (int i = 0; i < 2; i++) {
		peer_sleep_until(p, 300 * i);
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = fd[0]);
	}
	conn_expect(&c[0], .flags = SYN | ACK, .seq = 0, .at_ms = 1000);
	conn_expect(&c[1], .flags = SYN | ACK, .seq = 0, .at_ms = 1300);
	peer_sleep_until(p, 1500);
	conn_to_state(p, &c[2], ST_HALF_OPEN, .lfd = fd[0]);
	peer_sleep_until(p, 1700);
	/* Waits of 2 s and 1 s, the shorter one in between. */
	close(fd[0]);
	conn_expect(&c[2], .flags = SYN | ACK, .seq = 0, .at_ms = 2500);
	conn_expect(&c[0], .flags = SYN | ACK, .seq = 0, .at_ms = 3000);
	conn_expect(&c[1], .flags = SYN | ACK, .seq = 0, .at_ms = 3300);
	conn_expect(&c[2], .flags = SYN | ACK, .seq = 0, .at_ms = 4500);
	conn_expect(&c[0], .flags = SYN | ACK, .seq = 0, .at_ms = 7000);
	conn_send(&c[1], .flags = RST);
	conn_send(&c[2], .flags = RST);
	conn_expect(&c[0], .flags = SYN | ACK, .seq = 0, .at_ms = 15000);
	conn_expect(&c[0], .flags = SYN | ACK, .seq = 0, .at_ms = 31000);
	conn_expect_move(&c[0], ST_HALF_OPEN, ST_CLOSED, 63000);
	peer_expect_silence(p, 100000);
}

/* From one to the next to the next; and then none is left. */
TEST_F(migrate, lc_46_handed_on_until_no_listener_is_left)
{
	struct peer *p = &self->peer;
	struct conn c, child;
	int fd[3];

	ASSERT_EQ(0, knob_set("migrate_req", 1));
	group(_metadata, fd, 3, 16);
	peer_mark(p);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = fd[0]);
	establish(p, &child, fd[0]);
	close(fd[0]);
	peer_sleep_until(p, 100);
	close(fd[1]);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 1000);
	EXPECT_EQ(POLLIN, socket_poll(fd[2]));
	close(fd[2]);
	conn_expect(&child, .flags = RST | ACK, .seq = 1, .ack = 1);
	if (!stock_mode())
		EXPECT_EQ(0, half_open_rows());
	peer_hold(p, KERNEL_PORT);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	peer_expect_silence(p, 70000);
}

/* Inherited connections are taken even where a SYN would not be. */
TEST_F(migrate, lc_31_full_queues_take_what_moves)
{
	struct peer *p = &self->peer;
	struct conn c[3], half[3], late;
	int fd[2];

	ASSERT_EQ(0, knob_set("migrate_req", 1));
	ASSERT_EQ(0, knob_set("syncookies", 0));
	group(_metadata, fd, 2, 16);
	for (int i = 0; i < 3; i++) {
		establish(p, &c[i], fd[0]);
		conn_to_state(p, &half[i], ST_HALF_OPEN, .lfd = fd[0]);
	}
	ASSERT_EQ(0, socket_listen(fd[1], 1));
	close(fd[0]);
	peer_expect_silence(p, 20);
	EXPECT_EQ(3, half_open_rows());
	/* Now both queues are overfull. */
	conn_start(p, &late, .lfd = fd[1]);
	conn_send(&late, .flags = SYN);
	conn_send(&half[0], .flags = ACK);
	peer_expect_silence(p, 20);
	for (int i = 0; i < 3; i++) {
		c[i].lfd = fd[1];
		conn_accept(&c[i]);
	}
	EXPECT_EQ(EAGAIN, socket_accept(fd[1]));
	/* Records of the kernel's TCP move only when a segment finds them. */
	if (stock_mode())
		return;
	/* With room again, and with the right counts: 2 fit, a third does not. */
	for (int i = 0; i < 3; i++)
		conn_send(&half[i], .flags = RST);
	for (int i = 0; i < 2; i++)
		conn_to_state(p, &half[i], ST_HALF_OPEN, .lfd = fd[1]);
	conn_send(&late, .flags = SYN, .seq = 0);
	peer_expect_silence(p, 20);
	EXPECT_EQ(2, half_open_rows());
}

/* Old records stay old: they count for the shorter retries of a full queue. */
TEST_F(migrate, lc_41_age_goes_along)
{
	struct peer *p = &self->peer;
	struct conn c[5];
	int fd[2];

	/* The kernel's TCP counts a moved record as young until its timer expires. */
	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("migrate_req", 1));
	group(_metadata, fd, 2, 8);
	peer_mark(p);
	for (int i = 0; i < 5; i++) {
		peer_sleep_until(p, 100 * i);
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = fd[0]);
	}
	for (int i = 0; i < 5; i++)
		conn_expect(&c[i], .flags = SYN | ACK, .at_ms = 1000 + 100 * i);
	close(fd[0]);
	for (int i = 0; i < 5; i++)
		conn_expect(&c[i], .flags = SYN | ACK, .at_ms = 3000 + 100 * i);
	conn_expect_move(&c[0], ST_HALF_OPEN, ST_CLOSED, 7000);
	p->leave_unread = true;
}

/*
 * A TIME-WAIT record that is the predecessor of a moved record is hashed again after
 * it.
 */
TEST_F(migrate, rfc9293_may_02_time_wait_behind_a_moved_record)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd[2];

	ASSERT_EQ(0, knob_set("migrate_req", 1));
	group(_metadata, fd, 2, 16);
	conn_to_state(p, &c, ST_TIME_WAIT, .lfd = fd[0]);
	conn_send(&c, .flags = SYN, .seq = 100000);
	peer_expect(p, .flags = SYN | ACK, .ack = c.peer_iss + 100001, .dport = c.pport);
	close(fd[0]);
	EXPECT_EQ(1, half_open_rows());
	conn_send(&c, .flags = RST, .seq = 100001);
	EXPECT_EQ(0, half_open_rows());
	if (!stock_mode())
		conn_expect_state(&c, ST_TIME_WAIT);
}

/* shutdown(RD) hands over as close() does. */
TEST_F(migrate, lc_46_shutdown_hands_over)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd[2];

	establish_in_group(_metadata, p, &c, fd);
	ASSERT_EQ(0, socket_shutdown(fd[0], SHUT_RD));
	c.lfd = fd[1];
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* A connection that was reset in the queue is reported by accept(). */
TEST_F(migrate, sm_queued_child_is_reset_and_moves)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd[2];

	establish_in_group(_metadata, p, &c, fd);
	conn_send(&c, .flags = RST);
	close(fd[0]);
	c.lfd = fd[1];
	conn_accept(&c);
	EXPECT_EQ(ECONNRESET, socket_receive(c.fd));
}

TEST_HARNESS_MAIN
