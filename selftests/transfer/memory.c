// SPDX-License-Identifier: GPL-2.0
/*
 * memory: a receiver that has offered more than it can hold. Out-of-order data goes
 * first, then new data is refused; acknowledged data stays. RFC 2018 8, RFC 9293
 * 3.10.7.4.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/tcp.h>

PEER_FIXTURE(memory);

#define SEG 1000
#define WITH_SACK OPT(OPT_MSS(1460), OPT_SACKOK)

/* 64 KiB were offered; then the program makes its buffer a twentieth of that. */
static void open_shrunk(struct __test_metadata *_metadata, struct peer *p,
			struct conn *c, enum conn_state st)
{
	conn_open(p, c, .opt = WITH_SACK);
	if (st != ST_ESTABLISHED)
		conn_advance(c, st, false);
	conn_send(c, .flags = ACK, .ack = 1, .len = SEG);
	conn_expect(c, .flags = ACK, .ack = 1 + SEG);
	ASSERT_EQ(0, socket_set(c->fd, SOL_SOCKET, SO_RCVBUF, 4096));
}

static void expect_pattern(struct __test_metadata *_metadata, struct conn *c, int64_t len)
{
	static uint8_t buf[65536];

	ASSERT_EQ(len, recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT));
	ASSERT_EQ(-1, pattern_check(buf, len, 0));
}

/* In order until a segment is refused; returns the last acknowledged number. */
static int64_t fill_until_refused(struct __test_metadata *_metadata, struct conn *c)
{
	int64_t ack = 1 + SEG;

	for (int i = 1; i < 40; i++) {
		conn_send(c, .flags = ACK, .seq = 1 + i * SEG, .ack = 1, .len = SEG);
		conn_expect(c, .flags = ACK, .within_ms = 210);
		if (c->peer->last.ack - c->peer_iss == ack)
			return ack;
		ack = c->peer->last.ack - c->peer_iss;
	}
	peer_fail(WHERE(_metadata), c->peer, "nothing was refused");
}

static void refuses_in(struct __test_metadata *_metadata, struct peer *p,
		       enum conn_state st)
{
	const char *name = conn_state_name(st);
	struct counters before;
	long long rows;
	int64_t ack;
	struct conn c;

	open_shrunk(_metadata, p, &c, st);
	rows = lifecycle_count(name, "MEMORY-PRESSURE", name);
	counters_take(&before);
	ack = fill_until_refused(_metadata, &c);
	EXPECT_EQ(1, counter_moved(&before, "TCPRcvQDrop"));
	EXPECT_LE(1, counter_moved(&before, "RcvPruned"));
	EXPECT_LE(1, counter_moved(&before, "PruneCalled"));
	conn_expect_state(&c, st);
	if (!stock_mode())
		EXPECT_EQ(rows + 1, lifecycle_count(name, "MEMORY-PRESSURE", name));
	/* All acknowledged data is there; then there is space again. */
	expect_pattern(_metadata, &c, ack - 1);
	peer_drain(p, 5);
	conn_send(&c, .flags = ACK, .seq = ack, .ack = 1, .len = SEG);
	conn_expect(&c, .flags = ACK, .ack = ack + SEG, .within_ms = 210);
	conn_send(&c, .flags = RST, .seq = ack + SEG);
}

/*
 * Once a segment was refused the window is closed, so that its sender probes instead of taking
 * the refusal for a loss, and giving up. Reading opens it.
 */
TEST_F(memory, refusal_closes_the_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t ack;
	struct conn c;

	open_shrunk(_metadata, p, &c, ST_ESTABLISHED);
	ack = fill_until_refused(_metadata, &c);
	EXPECT_EQ(0, p->last.wnd);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .seq = ack, .ack = 1, .len = SEG);
	conn_expect(&c, .flags = ACK, .ack = ack, .wnd = 0, .len = 0);
	EXPECT_EQ(1, counter_moved(&before, "TCPZeroWindowDrop"));
	/* What was on its way when the window closed gets no window either. */
	conn_send(&c, .flags = ACK, .seq = ack + SEG, .ack = 1, .len = SEG);
	conn_expect(&c, .flags = ACK, .ack = ack, .wnd = 0, .len = 0);
	expect_pattern(_metadata, &c, ack - 1);
	conn_expect(&c, .flags = ACK, .ack = ack, .len = 0);
	EXPECT_LE(SEG, p->last.wnd);
	conn_send(&c, .flags = ACK, .seq = ack, .ack = 1, .len = SEG);
	conn_expect(&c, .flags = ACK, .ack = ack + SEG, .within_ms = 210);
	conn_send(&c, .flags = RST, .seq = ack + SEG);
}

TEST_F(memory, sm_es_memory_pressure)
{
	refuses_in(_metadata, &self->peer, ST_ESTABLISHED);
}

TEST_F(memory, sm_f1_memory_pressure)
{
	refuses_in(_metadata, &self->peer, ST_FIN_WAIT_1);
}

TEST_F(memory, sm_f2_memory_pressure)
{
	refuses_in(_metadata, &self->peer, ST_FIN_WAIT_2);
}

/*
 * A connection whose receive buffer is full, though its window is open; the counters begin
 * then. Another connection shows how much the buffer takes.
 */
static void open_refusing(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
			  struct counters *before)
{
	int64_t end;

	open_shrunk(_metadata, p, c, ST_ESTABLISHED);
	end = fill_until_refused(_metadata, c);
	conn_send(c, .flags = RST, .seq = end);
	close(c->lfd);
	open_shrunk(_metadata, p, c, ST_ESTABLISHED);
	for (int64_t seq = 1 + SEG; seq < end; seq += SEG) {
		conn_send(c, .flags = ACK, .seq = seq, .ack = 1, .len = SEG);
		conn_expect(c, .flags = ACK, .ack = seq + SEG, .within_ms = 210);
	}
	EXPECT_LT(0, p->last.wnd);
	counters_begin(before);
	counters_ignore(before, "TCPRcvCollapsed", "TCPWantZeroWindowAdv", NULL);
}

TEST_F(memory, ctr_TCPRcvQDrop)
{
	struct counters before;
	struct conn c;

	open_refusing(_metadata, &self->peer, &c, &before);
	counters_ignore(&before, "RcvPruned", "PruneCalled", NULL);
	conn_send(&c, .seq = c.peer->last.ack - c.peer_iss, .len = SEG);
	conn_expect(&c, .flags = ACK);
	counters_expect(_metadata, &before, "TCPRcvQDrop", 1, "TCPToZeroWindowAdv",
			!stock_mode(), NULL);
}

TEST_F(memory, ctr_RcvPruned)
{
	struct counters before;
	struct conn c;

	open_refusing(_metadata, &self->peer, &c, &before);
	conn_send(&c, .seq = c.peer->last.ack - c.peer_iss, .len = SEG);
	conn_expect(&c, .flags = ACK);
	counters_expect(_metadata, &before, "TCPRcvQDrop", 1, "RcvPruned", 1,
			"PruneCalled", 1, "TCPToZeroWindowAdv",
			!stock_mode(), NULL);
}

TEST_F(memory, ctr_TCPOFODrop)
{
	NOT_ON_STOCK();		/* which does not answer */
	struct counters before;
	struct conn c;

	/* The buffer is full of data in order: nothing else can make space. */
	open_refusing(_metadata, &self->peer, &c, &before);
	conn_send(&c, .seq = c.peer->last.ack - c.peer_iss + 2 * SEG, .len = SEG);
	conn_expect(&c, .flags = ACK);
	counters_expect(_metadata, &before, "TCPOFODrop", 1, "RcvPruned", 1,
			"PruneCalled", 1, NULL);
	EXPECT_EQ(0, c.peer->last.opt.sacks);
}

TEST_F(memory, ctr_OfoPruned)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int i;

	/*
	 * The last segments come first: they are dropped for those nearer to the hole,
	 * and so are their SACK blocks.
	 */
	open_shrunk(_metadata, p, &c, ST_ESTABLISHED);
	counters_take(&before);
	for (i = 39; i > 2 && !counter_moved(&before, "OfoPruned"); i--) {
		conn_send(&c, .seq = 1 + i * SEG, .len = SEG);
		conn_expect(&c, .flags = ACK, .ack = 1 + SEG);
	}
	EXPECT_EQ(1, counter_moved(&before, "OfoPruned"));
	/* Not for a segment that would be the last of all. */
	conn_send(&c, .seq = 1 + 45 * SEG, .len = SEG);
	conn_expect(&c, .flags = ACK, .ack = 1 + SEG);
	for (i = 46; i < 60 && !counter_moved(&before, "TCPOFODrop"); i++) {
		conn_send(&c, .seq = 1 + i * SEG, .len = SEG);
		conn_expect(&c, .flags = ACK, .ack = 1 + SEG);
	}
	EXPECT_EQ(1, counter_moved(&before, "TCPOFODrop"));
	EXPECT_EQ(1, counter_moved(&before, "OfoPruned"));
	/* The peer keeps everything and sends it again: nothing is lost or mixed up. */
	for (i = 1; i < 5; i++) {
		conn_send(&c, .seq = 1 + i * SEG, .len = SEG);
		conn_expect(&c, .flags = ACK, .within_ms = 210);
	}
	EXPECT_LE((uint32_t)(c.peer_iss + 1 + 2 * SEG), p->last.ack);
	expect_pattern(_metadata, &c, p->last.ack - c.peer_iss - 1);
	peer_drain(p, 5);
}

TEST_F(memory, ctr_TCPRcvCollapsed)
{
	struct counters before;
	int64_t ack;
	struct conn c;

	/* Queued segments are copied together before anything is refused. */
	open_shrunk(_metadata, &self->peer, &c, ST_ESTABLISHED);
	counters_take(&before);
	ack = fill_until_refused(_metadata, &c);
	EXPECT_EQ(5, counter_moved(&before, "TCPRcvCollapsed"));
	expect_pattern(_metadata, &c, ack - 1);
	peer_drain(&self->peer, 5);
}

static void small_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUF, 65536);
}

/*
 * Pairs of bytes above a hole, too few for a page of memory: to copy each pair into one would
 * take more memory than it frees, and nobody would count it.
 */
TEST_F(memory, collapsing_takes_no_memory)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK, .prepare = small_buffer);
	counters_take(&before);
	for (int i = 0; i < 400 && !counter_moved(&before, "TCPOFODrop"); i++) {
		/* The second byte first, so that they are not joined as they arrive. */
		conn_send(&c, .seq = 11 + i * 3, .len = 1);
		conn_send(&c, .seq = 10 + i * 3, .len = 1);
		peer_drain(p, 0);
	}
	EXPECT_LE(1, counter_moved(&before, "TCPOFODrop"));
	EXPECT_GE(socket_meminfo(c.fd, SK_MEMINFO_RCVBUF) + 4096,
		  socket_meminfo(c.fd, SK_MEMINFO_RMEM_ALLOC));
	/* What has arrived is reserved. */
	EXPECT_LE(0, socket_meminfo(c.fd, SK_MEMINFO_FWD_ALLOC));
	peer_drain(p, 300);
}

/* The memory that it takes is reserved. SK_MEMINFO_FWD_ALLOC is a signed number. */
TEST_F(memory, a_fin_without_payload_is_charged)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 2);
	EXPECT_LT(0, socket_meminfo(c.fd, SK_MEMINFO_RMEM_ALLOC));
	EXPECT_LE(0, socket_meminfo(c.fd, SK_MEMINFO_FWD_ALLOC));
}

TEST_F(memory, ctr_PruneCalled)
{
	struct counters before;
	struct conn c;

	open_refusing(_metadata, &self->peer, &c, &before);
	conn_send(&c, .seq = c.peer->last.ack - c.peer_iss, .len = SEG);
	conn_expect(&c, .flags = ACK);
	EXPECT_EQ(1, counter_moved(&before, "PruneCalled"));
}

static void huge_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 400 << 20);
}

/*
 * One socket that may have more than all of them together should. The limit applies
 * until the socket is gone.
 */
TEST_F(memory, ctr_TCPMemoryPressures_ctr_TCPMemoryPressuresChrono)
{
	NOT_ON_STOCK();		/* whose limit is another */
	struct peer *p = &self->peer;
	struct counters before;
	int64_t since_ms = 0;
	struct conn c;
	char buf[4096];

	link_set_mtu(WHERE(_metadata), "tun0", 65000);
	conn_open(p, &c, .prepare = huge_buffer,
		  .opt = OPT(OPT_MSS(64960), OPT_NOP, OPT_WSCALE(7)));
	counters_take(&before);
	for (int i = 0; i < 4000 && !counter_moved(&before, "TCPMemoryPressures"); i++) {
		since_ms = now_ms();
		conn_send(&c, .len = 60000);
		peer_drain(p, 0);
	}
	EXPECT_EQ(1, counter_moved(&before, "TCPMemoryPressures"));
	/* Under pressure it still works: the program reads, data arrives. */
	ASSERT_EQ((ssize_t)sizeof(buf), recv(c.fd, buf, sizeof(buf), 0));
	sleep_ms(500);
	EXPECT_EQ(0, counter_moved(&before, "TCPMemoryPressuresChrono"));
	peer_drain(p, 5);
	conn_send(&c, .flags = RST, .seq = p->last.ack - c.peer_iss);
	peer_drain(p, 5);
	close(c.fd);
	EXPECT_LE(490, counter_moved(&before, "TCPMemoryPressuresChrono"));
	EXPECT_GE(now_ms() - since_ms + 10, counter_moved(&before, "TCPMemoryPressuresChrono"));
	EXPECT_EQ(1, counter_moved(&before, "TCPMemoryPressures"));
}

/* The sum of two buffers, each as large as an int can hold, does not fit into one. */
TEST_F(memory, backlog_of_large_buffers)
{
	struct counters before;
	static char buf[65536];
	ssize_t n, all = 0;
	struct holder h;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUFFORCE, INT_MAX));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_SNDBUFFORCE, INT_MAX));
	conn_send(&c, .flags = ACK | PSH, .len = 1);
	counters_take(&before);
	holder_hold(_metadata, &h, c.fd);
	for (int i = 0; i < 40; i++)
		conn_send(&c, .flags = ACK, .len = 1400);
	holder_release(&h);
	while ((n = recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		all += n;
	EXPECT_EQ(1 + 40 * 1400, all);
	EXPECT_EQ(0, counter_moved(&before, "TCPBacklogDrop"));
	self->peer.leave_unread = true;
}

TEST_HARNESS_MAIN
