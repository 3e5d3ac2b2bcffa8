// SPDX-License-Identifier: GPL-2.0
/*
 * synqueue: half-open connections: how many a listener keeps, how long, and at what
 * cost. RFC 9293 3.10.7.2 and 3.10.7.4 (SYN-RECEIVED), RFC 4987 3 (backlog,
 * SYN-RECEIVED timer), RFC 6298 5.5 (backoff).
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(synqueue);

/* Limits of the queue show only where cookies are off. */
static void no_cookies(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, knob_set("syncookies", 0));
}

static int half_open_rows(void)
{
	return proc_rows(AF_INET, ROW_SYN_RECEIVED);
}

static void make_half_open(struct peer *p, struct conn *c, int n, int lfd)
{
	for (int i = 0; i < n; i++)
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
}

/* A SYN of an unknown peer that is not answered. */
static void syn_is_dropped(struct peer *p, struct conn *c, int lfd)
{
	conn_start(p, c, .lfd = lfd);
	conn_send(c, .flags = SYN);
	peer_expect_silence(p, 20);
}

static void queue_holds(struct __test_metadata *_metadata, struct peer *p, int lfd, int n)
{
	struct counters before;
	struct conn c[12], late;

	make_half_open(p, c, n, lfd);
	EXPECT_EQ(n, half_open_rows());
	counters_take(&before);
	syn_is_dropped(p, &late, lfd);
	EXPECT_EQ(n, half_open_rows());
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1,
			"TCPReqQFullDrop", 1, NULL);
	/* One that leaves makes room. */
	conn_send(&c[0], .flags = RST);
	conn_send(&late, .flags = SYN, .seq = 0);
	conn_expect(&late, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(n, half_open_rows());
}

TEST_F(synqueue, lc_30_one_more_than_the_backlog_fits)
{
	no_cookies(_metadata);
	queue_holds(_metadata, &self->peer, peer_listen(&self->peer, KERNEL_PORT, 3), 4);
}

TEST_F(synqueue, lc_30_somaxconn_caps_the_backlog)
{
	no_cookies(_metadata);
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "2"));
	queue_holds(_metadata, &self->peer, peer_listen(&self->peer, KERNEL_PORT, 1000), 3);
}

TEST_F(synqueue, lc_30_each_listener_has_its_own_queue)
{
	struct peer *p = &self->peer;
	struct conn c[2], other;
	int lfd;

	no_cookies(_metadata);
	lfd = peer_listen(p, KERNEL_PORT, 1);
	make_half_open(p, c, 2, lfd);
	syn_is_dropped(p, &other, lfd);
	conn_to_state(p, &other, ST_HALF_OPEN, .kport = 5001, .backlog = 1);
}

TEST_F(synqueue, lc_30_last_quarter_is_for_known_peers)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[7], late;
	int lfd;

	no_cookies(_metadata);
	ASSERT_EQ(0, knob_set("max_syn_backlog", 8));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	make_half_open(p, c, 7, lfd);
	counters_take(&before);
	syn_is_dropped(p, &late, lfd);
	/* Not because the queue is full: no such counter moves. */
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1, NULL);
}

/*
 * A connection in TIME-WAIT proves a known peer. No metrics of it are saved, because
 * they would prove the peer, too.
 */
TEST_F(synqueue, lc_30_time_wait_proves_a_peer)
{
	struct peer *p = &self->peer;
	struct conn c[7], again;
	int lfd;

	no_cookies(_metadata);
	ASSERT_EQ(0, knob_set("no_metrics_save", 1));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	conn_to_state(p, &again, ST_TIME_WAIT, .lfd = lfd);
	ASSERT_EQ(0, knob_set("max_syn_backlog", 8));
	make_half_open(p, c, 7, lfd);
	conn_send(&again, .flags = SYN, .seq = 100000);
	peer_expect(p, .flags = SYN | ACK, .ack = again.peer_iss + 100001,
		    .dport = again.pport);
	EXPECT_EQ(8, half_open_rows());
}

/* So do saved metrics, at another port and without a record of the old connection. */
TEST_F(synqueue, lc_30_saved_metrics_prove_a_peer)
{
	struct peer *p = &self->peer;
	struct conn c[7], late, old;
	int lfd;

	no_cookies(_metadata);
	ASSERT_EQ(0, knob_set("no_metrics_save", 0));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	conn_to_state(p, &old, ST_TIME_WAIT, .lfd = lfd);
	sleep_ms(61000);
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_TIME_WAIT));
	ASSERT_EQ(0, knob_set("max_syn_backlog", 8));
	make_half_open(p, c, 7, lfd);
	conn_start(p, &late, .lfd = lfd);
	conn_send(&late, .flags = SYN);
	conn_expect(&late, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(8, half_open_rows());
}

TEST_F(synqueue, knob_max_syn_backlog)
{
	struct peer *p = &self->peer;
	struct conn c[4], late;
	int lfd;

	EXPECT_LE(128, knob_get("max_syn_backlog"));
	no_cookies(_metadata);
	/* Three quarters of 4 are 3. With more than 3 records, the rest is for known peers. */
	ASSERT_EQ(0, knob_set("max_syn_backlog", 4));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	make_half_open(p, c, 4, lfd);
	syn_is_dropped(p, &late, lfd);
	/* With cookies on it is no limit. */
	ASSERT_EQ(0, knob_set("syncookies", 1));
	conn_send(&late, .flags = SYN, .seq = 0);
	conn_expect(&late, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(5, half_open_rows());
}

/* The kernel's TCP takes the write, too, and then accepts no SYN at all. */
TEST_F(synqueue, knob_max_syn_backlog_below_1_is_1)
{
	struct peer *p = &self->peer;
	struct conn c[2], late;
	int lfd;

	NOT_ON_STOCK();
	no_cookies(_metadata);
	ASSERT_EQ(0, knob_set("max_syn_backlog", -5));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	/* As with 1 in Linux: one more than the limit. */
	make_half_open(p, c, 2, lfd);
	syn_is_dropped(p, &late, lfd);
}

/* One of many hosts, 192.0.2.1 and so on. */
static struct ipaddr unknown_peer(int i)
{
	char text[24];

	snprintf(text, sizeof(text), "192.0.%d.%d", 2 + i / 256, i % 256);
	return ipaddr(text);
}

TEST_F(synqueue, lc_40_flood_is_bounded_and_passes)
{
	struct ipaddr from;
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	for (int i = 0; i < 400; i++) {
		from = unknown_peer(i);
		peer_send(p, .flags = SYN, .seq = i, .src = from, .sport = 1024 + i);
		peer_expect(p, .flags = SYN | ACK, .ack = i + 1, .dst = from,
			    .dport = 1024 + i);
		ASSERT_GE(17, half_open_rows());
	}
	EXPECT_EQ(17, half_open_rows());
	peer_mark(p);
	/* The flood does not keep a client out. */
	conn_open(p, &c, .lfd = lfd);
	ASSERT_EQ(2, send(c.fd, "in", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "in");
	conn_send(&c, .flags = RST);
	/* Nor does it last: after 63 s nothing is left of it. */
	peer_drain(p, stock_mode() ? 75000 : 63100);
	EXPECT_EQ(0, half_open_rows());
	peer_expect_silence_until(p, 130000);
}

/* Records from before the flood stay, with and without cookies. */
static void flood_evicts_nobody(struct __test_metadata *_metadata, struct peer *p)
{
	struct ipaddr from;
	struct counters before;
	struct conn c[3];
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	make_half_open(p, c, 3, lfd);
	for (int i = 0; i < 300; i++) {
		from = unknown_peer(i);
		peer_send(p, .flags = SYN, .seq = i, .src = from, .sport = 1024 + i);
	}
	peer_drain(p, 20);
	counters_begin(&before);
	for (int i = 0; i < 3; i++) {
		conn_send(&c[i], .flags = ACK);
		conn_expect_state(&c[i], ST_ESTABLISHED);
	}
	/* By their records, not by a cookie that they might have got. */
	counters_expect(_metadata, &before, "PassiveOpens", 3, "CurrEstab", 3, NULL);
	close(lfd);
	p->leave_unread = true;
}

TEST_F(synqueue, rfc4987_flood_evicts_no_record)
{
	flood_evicts_nobody(_metadata, &self->peer);
}

TEST_F(synqueue, rfc4987_flood_evicts_no_record_without_cookies)
{
	no_cookies(_metadata);
	flood_evicts_nobody(_metadata, &self->peer);
}

/*
 * Five records in a queue of backlog 8 are more than half. At 7 s all are old, so the first one
 * is given up after two retransmissions. The four that remain are no more than half: they get
 * five retransmissions.
 */
TEST_F(synqueue, lc_41_old_entries_make_room)
{
	static const int later_ms[] = { 7000, 15000, 31000 };
	struct peer *p = &self->peer;
	struct conn c[5];
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 8);
	peer_mark(p);
	for (int i = 0; i < 5; i++) {
		peer_sleep_until(p, 200 * i);
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
	}
	for (int i = 0; i < 5; i++)
		conn_expect(&c[i], .flags = SYN | ACK, .seq = 0, .at_ms = 1000 + 200 * i);
	for (int i = 0; i < 5; i++)
		conn_expect(&c[i], .flags = SYN | ACK, .seq = 0, .at_ms = 3000 + 200 * i);
	conn_expect_move(&c[0], ST_HALF_OPEN, ST_CLOSED, 7000);
	/*
	 * Timers of the kernel's TCP are too coarse to tell the others apart from here
	 * on.
	 */
	if (stock_mode()) {
		EXPECT_EQ(4 * 3, peer_drain(p, 80000));
		return;
	}
	for (size_t n = 0; n < ARRAY_SIZE(later_ms); n++)
		for (int i = 1; i < 5; i++)
			conn_expect(&c[i], .flags = SYN | ACK, .seq = 0,
				    .at_ms = later_ms[n] + 200 * i);
	conn_expect_move(&c[1], ST_HALF_OPEN, ST_CLOSED, 63200);
	peer_expect_silence(p, 70000);
	EXPECT_EQ(0, half_open_rows());
}

/* The same two old ones beside four young ones get their third retry. */
TEST_F(synqueue, lc_41_young_majority_spares_the_old)
{
	struct peer *p = &self->peer;
	struct conn old[2], young[4];
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 8);
	peer_mark(p);
	make_half_open(p, &old[0], 1, lfd);
	peer_sleep_until(p, 400);
	make_half_open(p, &old[1], 1, lfd);
	for (int s = 1; s <= 3; s += 2)
		for (int i = 0; i < 2; i++)
			conn_expect(&old[i], .flags = SYN | ACK,
				    .at_ms = 1000 * s + 400 * i);
	peer_sleep_until(p, 6800);
	make_half_open(p, young, 4, lfd);
	for (int i = 0; i < 2; i++)
		conn_expect(&old[i], .flags = SYN | ACK, .at_ms = 7000 + 400 * i);
	EXPECT_EQ(6, half_open_rows());
	close(lfd);
}

static void record_ends_after(struct __test_metadata *_metadata, struct peer *p, int retries,
			      void (*prepare)(int fd))
{
	struct conn c;

	conn_start(p, &c, .prepare = prepare);
	peer_mark(p);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .at_ms = 0);
	for (int n = 1; n <= retries; n++)
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 1000 * ((1 << n) - 1));
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 1000 * ((2 << retries) - 1));
	peer_expect_silence(p, 200000);
}

TEST_F(synqueue, lc_42_no_retry_is_1s)
{
	ASSERT_EQ(0, knob_set("synack_retries", 0));
	record_ends_after(_metadata, &self->peer, 0, NULL);
}

TEST_F(synqueue, lc_42_one_retry_is_3s)
{
	ASSERT_EQ(0, knob_set("synack_retries", 1));
	record_ends_after(_metadata, &self->peer, 1, NULL);
}

TEST_F(synqueue, knob_synack_retries)
{
	EXPECT_EQ(5, knob_get("synack_retries"));
	ASSERT_EQ(0, knob_set("synack_retries", 3));
	record_ends_after(_metadata, &self->peer, 3, NULL);
}

/* As far as the knob goes: no step is longer than 120 s. */
TEST_F_TIMEOUT(synqueue, lc_15_synack_retries_255, 40000)
{
	struct peer *p = &self->peer;
	int64_t delay_ms = 1000;
	struct conn c;

	/* Linux shifts its delay out of the word at the 64th. */
	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("synack_retries", 255));
	conn_to_state(p, &c, ST_HALF_OPEN);
	for (int i = 0; i < 255; i++) {
		peer_mark_last(p);
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = delay_ms);
		delay_ms = delay_ms * 2 > 120000 ? 120000 : delay_ms * 2;
	}
	peer_mark_last(p);
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 120000);
	peer_expect_silence(p, 130000);
}

/*
 * The knob is read when the time is up, so a change affects records that wait already.
 */
TEST_F(synqueue, knob_synack_retries_changed_meanwhile)
{
	struct peer *p = &self->peer;
	struct conn c;

	peer_mark(p);
	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_expect(&c, .flags = SYN | ACK, .at_ms = 1000);
	ASSERT_EQ(0, knob_set("synack_retries", 1));
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 3000);
	peer_expect_silence(p, 70000);
}

/* A repeated SYN is answered, and prolongs nothing. */
TEST_F(synqueue, lc_13_same_syn_does_not_restart_the_backoff)
{
	static const int at_ms[] = { 1000, 3000, 7000, 15000, 31000 };
	struct peer *p = &self->peer;
	struct conn c;

	/* Linux restarts the wait. */
	NOT_ON_STOCK();
	peer_mark(p);
	conn_to_state(p, &c, ST_HALF_OPEN);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++) {
		peer_sleep_until(p, at_ms[i] - 400);
		conn_send(&c, .flags = SYN, .seq = 0);
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = at_ms[i] - 400);
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = at_ms[i]);
	}
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 63000);
}

static void one_retry(int fd)
{
	setsockopt(fd, IPPROTO_TCP, 7 /* TCP_SYNCNT */, &(int){ 1 }, sizeof(int));
}

TEST_F(synqueue, lc_42_syncnt_of_the_listener)
{
	record_ends_after(_metadata, &self->peer, 1, one_retry);
}

TEST_F(synqueue, lc_44_half_open_rows_tell_a_flood)
{
	struct peer *p = &self->peer;
	char look[128];
	struct proc_row row;
	struct ipaddr from;

	peer_listen(p, KERNEL_PORT, 64);
	for (int i = 1; i <= 20; i++) {
		from = unknown_peer(i);
		peer_send(p, .flags = SYN, .seq = i, .src = from, .sport = 1024 + 7 * i);
		peer_expect(p, .flags = SYN | ACK, .ack = i + 1, .dst = from,
			    .dport = 1024 + 7 * i);
	}
	EXPECT_EQ(20, half_open_rows());
	for (int i = 1; i <= 20; i++) {
		from = unknown_peer(i);
		ASSERT_TRUE(proc_row_find(&row, AF_INET, KERNEL_PORT, 1024 + 7 * i, NULL));
		EXPECT_TRUE(ipaddr_equal(&from, &row.remote));
		EXPECT_EQ(ROW_SYN_RECEIVED, row.st);
		EXPECT_EQ(1, row.timer);
		EXPECT_FALSE(row.full);
	}
	/* What a monitoring script would look for: column 4. */
	snprintf(look, sizeof(look), "test $(awk '$4 == \"03\"' %s | wc -l) = 20",
		 proc_path(AF_INET));
	EXPECT_EQ(0, system(look));
}

/* Sockets in use, and their memory in pages, of the stack under test. */
static int protocol_column(int column)
{
	FILE *f = fopen("/proc/net/protocols", "re");
	bool v6 = socket_family(AF_INET) == AF_INET6;
	const char *name = stock_mode() ? v6 ? "TCPv6" : "TCP" : v6 ? "XTCPv6" : "XTCP";
	char line[256], proto[16];
	int v[3], found = -1;

	while (f && found < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%15s %d %d %d", proto, &v[0], &v[1], &v[2]) == 4 &&
		    !strcmp(proto, name))
			found = v[column];
	if (f)
		fclose(f);
	return found;
}

TEST_F(synqueue, lc_45_no_socket_and_no_buffer_at_the_syn)
{
	struct peer *p = &self->peer;
	int sockets, pages, lfd;
	struct conn c[12];

	lfd = peer_listen(p, KERNEL_PORT, 64);
	sockets = protocol_column(1);
	pages = protocol_column(2);
	ASSERT_LE(0, sockets);
	make_half_open(p, c, 12, lfd);
	EXPECT_EQ(sockets, protocol_column(1));
	EXPECT_EQ(pages, protocol_column(2));
	/* The third segment makes a socket. */
	conn_send(&c[0], .flags = ACK);
	EXPECT_EQ(sockets + 1, protocol_column(1));
}

TEST_F(synqueue, lc_46_children_are_reset_with_their_listener)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[3];
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	make_half_open(p, c, 3, lfd);
	for (int i = 0; i < 3; i++) {
		conn_send(&c[i], .flags = ACK);
		conn_expect_state(&c[i], ST_ESTABLISHED);
	}
	counters_take(&before);
	counters_ignore(&before, "TCPAbortOnClose", NULL);
	close(lfd);
	for (int i = 0; i < 3; i++)
		conn_expect(&c[i], .flags = RST | ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(0, proc_rows(p->family, 0));
	counters_expect(_metadata, &before, "CurrEstab", -3, "OutSegs", 3,
			"OutRsts", 3, "EstabResets", 3, NULL);
	/* The port is free for the next listener. */
	lfd = peer_listen(p, KERNEL_PORT, 16);
	conn_open(p, &c[0], .lfd = lfd);
}

TEST_F(synqueue, lc_46_half_open_vanish_with_their_listener)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[2];
	int lfd, held;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	make_half_open(p, c, 2, lfd);
	counters_take(&before);
	close(lfd);
	peer_expect_silence(p, 3000);
	EXPECT_EQ(0, proc_rows(p->family, 0));
	held = peer_hold(p, KERNEL_PORT);
	conn_send(&c[0], .flags = ACK);
	conn_expect(&c[0], .flags = RST, .seq = 1);
	conn_send(&c[1], .flags = ACK | PSH, .data = "text");
	conn_expect(&c[1], .flags = RST, .seq = 1);
	counters_expect(_metadata, &before, "InSegs", 2, "OutSegs", 2, "OutRsts", 2, NULL);
	close(held);
	peer_listen(p, KERNEL_PORT, 16);
	peer_expect_silence(p, 70000);
}

/* shutdown(RD) makes it a socket that may listen again. */
TEST_F(synqueue, lc_46_shutdown_ends_listening)
{
	struct peer *p = &self->peer;
	struct conn child, half;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	conn_to_state(p, &child, ST_HALF_OPEN, .lfd = lfd);
	conn_send(&child, .flags = ACK);
	conn_to_state(p, &half, ST_HALF_OPEN, .lfd = lfd);
	ASSERT_EQ(0, socket_shutdown(lfd, SHUT_RD));
	conn_expect(&child, .flags = RST | ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(EINVAL, socket_accept(lfd));
	conn_send(&half, .flags = ACK);
	conn_expect(&half, .flags = RST, .seq = 1);
	EXPECT_EQ(0, proc_rows(p->family, 0));
	ASSERT_EQ(0, socket_listen(lfd, 16));
	conn_open(p, &half, .lfd = lfd);
}

TEST_F(synqueue, rfc4987_half_open_takes_96_bytes_at_most)
{
	struct conn c;
	long size;

	NOT_ON_STOCK();
	conn_to_state(&self->peer, &c, ST_HALF_OPEN);
	size = cache_object_size("xtcp_halfopen");
	EXPECT_LT(0, size);
	EXPECT_GE(96, size);
}

/* RFC 4987 3.3: the timer is the listener's, and does not depend on the load. */
TEST_F(synqueue, rfc4987_two_listeners_two_timers)
{
	struct peer *p = &self->peer;
	struct conn a, b;

	peer_mark(p);
	conn_to_state(p, &a, ST_HALF_OPEN, .kport = 5000, .prepare = one_retry);
	peer_sleep_until(p, 400);
	conn_to_state(p, &b, ST_HALF_OPEN, .kport = 5001);
	conn_expect(&a, .flags = SYN | ACK, .at_ms = 1000);
	conn_expect(&b, .flags = SYN | ACK, .at_ms = 1400);
	conn_expect_move(&a, ST_HALF_OPEN, ST_CLOSED, 3000);
	conn_expect(&b, .flags = SYN | ACK, .at_ms = 3400);
	conn_expect_state(&b, ST_HALF_OPEN);
	close(b.lfd);
}

TEST_HARNESS_MAIN
