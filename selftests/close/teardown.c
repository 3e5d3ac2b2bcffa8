// SPDX-License-Identifier: GPL-2.0
/*
 * teardown: namespaces and the module go away while connections close. Sockets keep
 * the module until their connection is over; records that only wait keep nothing.
 *
 * Unloads the module and loads it again.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <sys/wait.h>

PEER_FIXTURE(teardown);

/* After the last repetition of an orphan's FIN. */
#define ORPHANS_GONE_MS 110000

static void leave_record(struct peer *p, enum conn_state st, int kport)
{
	struct conn c;

	conn_to_state(p, &c, st, .kport = kport, .orphan = true);
	if (c.lfd >= 0)
		close(c.lfd);
}

TEST_F(teardown, records_do_not_hold_the_module)
{
	struct peer *p = &self->peer;
	int unloaded, left, loaded;
	struct conn c;

	NOT_ON_STOCK();
	module_await_idle(WHERE(_metadata));
	for (int i = 0; i < 5; i++) {
		leave_record(p, ST_TIME_WAIT, 6000 + i);
		leave_record(p, ST_ORPHAN_FIN_WAIT_2, 7000 + i);
	}
	/* And in the timing wheel: computed waits. */
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	for (int i = 0; i < 5; i++) {
		conn_to_state(p, &c, ST_TIME_WAIT, .kport = 8000 + i, .rtt_ms = 800 + 11 * i,
			      .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
		close(c.fd);
		close(c.lfd);
	}
	EXPECT_EQ(10, proc_rows(p->family, ROW_TIME_WAIT));
	EXPECT_EQ(5, proc_rows(p->family, ROW_FIN_WAIT_2));
	/* The last socket's memory is freed a moment after the socket. */
	sleep_ms(100);
	EXPECT_EQ(0, module_users());
	unloaded = module_unload();
	left = access("/proc/net/xtcp", F_OK);
	/* Their time comes, and nothing happens. */
	sleep_ms(70000);
	loaded = module_load();
	EXPECT_EQ(0, unloaded);
	EXPECT_EQ(-1, left);
	EXPECT_EQ(0, loaded);
	EXPECT_EQ(0, proc_rows(p->family, 0));
}

static void expect_hold(struct __test_metadata *_metadata, struct peer *p,
			enum conn_state st)
{
	NOT_ON_STOCK();
	module_await_idle(WHERE(_metadata));
	leave_record(p, st, 6000);
	peer_drain(p, 100);
	EXPECT_EQ(1, module_users());
	EXPECT_EQ(EWOULDBLOCK, module_unload());
	ASSERT_EQ(0, access("/proc/net/xtcp", F_OK));
	EXPECT_EQ(1, proc_rows(p->family, 0));
	peer_drain(p, ORPHANS_GONE_MS);
	EXPECT_EQ(0, module_users());
	EXPECT_EQ(0, proc_rows(p->family, 0));
}

TEST_F(teardown, orphan_in_fin_wait_1_holds_the_module)
{
	expect_hold(_metadata, &self->peer, ST_FIN_WAIT_1);
}

TEST_F(teardown, orphan_in_closing_holds_the_module)
{
	expect_hold(_metadata, &self->peer, ST_CLOSING);
}

TEST_F(teardown, orphan_in_last_ack_holds_the_module)
{
	expect_hold(_metadata, &self->peer, ST_LAST_ACK);
}

/*
 * A process in a namespace of its own brings connections into every state and dies: it
 * was the last user of all of them.
 */
static void die_with_everything(struct __test_metadata *_metadata)
{
	static struct peer p;
	struct conn c;

	peer_open_at(WHERE(_metadata), &p, NULL);
	for (enum conn_state st = ST_LISTEN; st < ST_COUNT; st++) {
		conn_to_state(&p, &c, st, .kport = 6000 + st,
			      .orphan = st == ST_CLOSING || st == ST_LAST_ACK);
		conn_expect_state(&c, st);
	}
	/* Data that is unread, out of order, or unacknowledged. */
	conn_open(&p, &c, .kport = 7000);
	conn_send(&c, .flags = PSH | ACK, .data = "unread");
	conn_expect(&c, .flags = ACK);
	conn_open(&p, &c, .kport = 7001);
	conn_send(&c, .flags = PSH | ACK, .seq = 100, .data = "ahead");
	conn_expect(&c, .flags = ACK);
	conn_open(&p, &c, .kport = 7002);
	send(c.fd, "unacknowledged", 14, 0);
}

TEST_F(teardown, namespace_dies_with_every_state_in_it)
{
	NOT_ON_STOCK();
	module_await_idle(WHERE(_metadata));
	child_run(_metadata, die_with_everything);
	/* Orphans retransmit; then the namespace goes, and its records with it. */
	EXPECT_LT(0, module_users());
	/* The RTO of one is longer, and doubles although no route is left. */
	sleep_ms(ORPHANS_GONE_MS + 20000);
	EXPECT_EQ(0, module_users());
	/* Long after the last timer that could have been armed. */
	sleep_ms(200000);
}

/* Writes until the buffer is full. */
static void fill(int fd)
{
	static char text[65536];
	int size = 8 << 20;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	while (send(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

/*
 * A closed window holds back more data than xtcp_mem allows to all sockets together:
 * the orphan is reset.
 */
TEST_F(teardown, ctr_TCPAbortOnMemory)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn kept, c;
	char limit[64];
	int log;

	NOT_ON_STOCK();
	sleep_ms(KLOG_QUIET_MS);
	conn_open(p, &kept, .kport = 6000, .wnd = 0);
	fill(kept.fd);
	conn_open(p, &c, .kport = 6001, .wnd = 0);
	fill(c.fd);
	p->leave_unread = true;
	peer_drain(p, 0);
	/* Short of memory, but within the limit: data of a dead program is still delivered. */
	knob_mem_set(WHERE(_metadata), "1 1 100000000", limit);
	close(kept.fd);
	knob_mem_set(WHERE(_metadata), limit, NULL);
	conn_expect_state(&kept, ST_FIN_WAIT_1);
	log = klog_open(_metadata);
	counters_begin(&before);
	counters_ignore(&before, "TCPWinProbe", "TCPMemoryPressures", NULL);
	knob_mem_set(WHERE(_metadata), "1 1 1", limit);
	close(c.fd);
	knob_mem_set(WHERE(_metadata), limit, NULL);
	conn_expect_state(&c, ST_CLOSED);
	while (p->last.sport != 6001 || !(p->last.flags & RST))
		ASSERT_NE(NULL, peer_read(p, now_ns() + 10 * NSEC_PER_MSEC));
	EXPECT_EQ(c.kern_iss + 1, p->last.seq);
	EXPECT_EQ(1, klog_lines(log, "xtcp: no memory for an orphan (xtcp_mem)"));
	conn_expect_state(&kept, ST_FIN_WAIT_1);
	conn_send(&kept, .flags = RST);
	counters_expect(_metadata, &before, "OutRsts", 1, "CurrEstab", -1,
			"TCPAbortOnMemory", 1, NULL);
}

/*
 * At a timeout, too: memory may become short later. An orphan that holds little is not what the
 * memory is short of.
 */
TEST_F(teardown, ctr_TCPAbortOnMemory_at_a_timeout)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn small, c;
	char limit[64];

	NOT_ON_STOCK();
	conn_open(p, &small, .kport = 6000, .wnd = 0);
	ASSERT_EQ(4, send(small.fd, "text", 4, 0));
	conn_open(p, &c, .kport = 6001, .wnd = 0);
	fill(c.fd);
	close(c.fd);
	close(small.fd);
	p->leave_unread = true;
	/* Each has sent a probe. */
	peer_drain(p, 250);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_expect_state(&small, ST_FIN_WAIT_1);
	counters_begin(&before);
	counters_ignore(&before, "TCPWinProbe", "TCPMemoryPressures", NULL);
	knob_mem_set(WHERE(_metadata), "1 1 1", limit);
	/* The timeouts of both. */
	sleep_ms(500);
	knob_mem_set(WHERE(_metadata), limit, NULL);
	conn_expect_state(&c, ST_CLOSED);
	while (p->last.sport != 6001 || !(p->last.flags & RST))
		ASSERT_NE(NULL, peer_read(p, now_ns() + 10 * NSEC_PER_MSEC));
	conn_expect_state(&small, ST_FIN_WAIT_1);
	counters_expect(_metadata, &before, "OutRsts", 1, "TCPAbortOnMemory", 1, NULL);
	conn_send(&small, .flags = RST);
}

TEST_HARNESS_MAIN
