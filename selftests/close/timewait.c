// SPDX-License-Identifier: GPL-2.0
/*
 * timewait: TIME-WAIT: how long it is, what restarts it, what ends it early, who may
 * use the 4-tuple again, and how many records may wait. RFC 9293 3.6.1, 3.10.7.4; RFC
 * 1337; RFC 6191; xtcp_tw_reuse, xtcp_max_tw_buckets.
 */
/* vm: wires mapped families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(timewait);

#define MSL2_MS 60000
/*
 * By then a record is gone; the timing wheel of the kernel's TCP may be late by an
 * eighth.
 */
#define GONE_MS (MSL2_MS + (stock_mode() ? 7500 : 2))
#define NEW_ISN_GAP 65537	/* above the last number of the old connection */

#define STAMPS(val) OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(val, 0))
#define SCALED OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(7))

/* The peer's timestamp that the kernel echoed last, in the ACK of its FIN. */
static uint32_t last_stamp(const struct conn *c)
{
	return c->peer->last.opt.tsecr;
}

TEST_F(timewait, lc_76_lasts_60s)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* xtcp_fin_timeout is for FIN-WAIT-2 alone. */
	ASSERT_EQ(0, knob_set("fin_timeout", 5));
	conn_to_state(p, &c, ST_FIN_WAIT_2);
	counters_begin(&before);
	peer_mark(p);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, MSL2_MS);
	counters_expect(_metadata, &before, "TW", 1, NULL);
	peer_expect_silence(p, 1000);
}

TEST_F(timewait, rfc9293_must_13_lingers_2msl)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Through CLOSING as well. */
	conn_to_state(p, &c, ST_CLOSING);
	peer_mark(p);
	conn_send(&c, .flags = ACK);
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, MSL2_MS);
}

TEST_F(timewait, lc_77_fin_again_restarts_it)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT);
	for (int i = 0; i < 3; i++) {
		sleep_ms(30000);
		peer_mark(p);
		conn_send(&c, .flags = FIN | ACK, .seq = 1);
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .at_ms = 0);
	}
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, MSL2_MS);
}

PAIR_FIXTURE(timewait_pair);

TEST_F(timewait_pair, lc_77_last_ack_finishes)
{
	struct pair *pr = &self->pair;
	int fd[2];

	/* The client's last ACK is lost, and the server repeats its FIN. */
	pair_connected(pr, 5000, &fd[CLIENT], &fd[SERVER]);
	close(fd[CLIENT]);
	sleep_ms(50);
	pair_netem(pr, CLIENT, &(struct netem){ .loss = 100 });
	close(fd[SERVER]);
	sleep_ms(100);
	pair_enter(pr, SERVER);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_LAST_ACK));
	pair_netem(pr, CLIENT, &(struct netem){ 0 });
	sleep_ms(1000);
	pair_enter(pr, SERVER);
	EXPECT_EQ(0, proc_rows(pr->family, ROW_LAST_ACK));
	EXPECT_EQ(0, proc_rows(pr->family, ROW_TIME_WAIT));
	pair_enter(pr, CLIENT);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_TIME_WAIT));
}

TEST_F(timewait, lc_78_fin_after_2msl_meets_rst)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT, .active = true);
	sleep_ms(GONE_MS);
	peer_hold(p, c.kport);
	counters_begin(&before);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = RST, .seq = 2);
	counters_expect(_metadata, &before, "OutRsts", 1, NULL);
}

TEST_F(timewait, lc_79_late_text)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = PSH | ACK, .data = "late");
	conn_expect(&c, .flags = ACK, .ack = 5);
	program_reads(_metadata, c.fd, "late");
	conn_advance(&c, ST_TIME_WAIT, false);
	counters_begin(&before);
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .data = "late", .ack = 1);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 6);
	program_reads_end(_metadata, c.fd);
	conn_expect_state(&c, ST_TIME_WAIT);
	counters_expect(_metadata, &before, NULL);
}

TEST_F(timewait, ctr_TCPACKSkippedTimeWait)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Segments without data or FIN: one answer in half a second. */
	conn_to_state(p, &c, ST_TIME_WAIT);
	counters_take(&before);
	for (int i = 0; i < 5; i++)
		conn_send(&c, .flags = ACK, .seq = -1000);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	peer_expect_silence(p, 100);
	counters_expect(_metadata, &before, "InSegs", 5, "OutSegs", 1,
			"TCPACKSkippedTimeWait", 4, NULL);
	sleep_ms(450);
	conn_send(&c, .flags = ACK, .seq = -1000);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
}

TEST_F(timewait, ctr_TCPACKSkippedFinWait2)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2);
	counters_take(&before);
	for (int i = 0; i < 5; i++)
		conn_send(&c, .flags = ACK, .seq = -1000);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 1);
	peer_expect_silence(p, 100);
	counters_expect(_metadata, &before, "InSegs", 5, "OutSegs", 1,
			"TCPACKSkippedFinWait2", 4, NULL);
}

/* bind() to the port alone, as by a server that restarts. */
static int rebind(struct peer *p, int port, bool reuse)
{
	int fd = socket_new(-1), err;

	if (reuse)
		program_reuses(fd);
	err = socket_bind(fd, "", port);
	close(fd);
	return err;
}

TEST_F(timewait, lc_88_only_the_4tuple_is_taken)
{
	struct peer *p = &self->peer;
	struct conn c, other;

	conn_to_state(p, &c, ST_TIME_WAIT);
	/* The listener still accepts. */
	conn_open(p, &other, .lfd = c.lfd);
	conn_expect_state(&other, ST_ESTABLISHED);
	close(c.lfd);
	socket_abort(other.fd);
	conn_expect(&other, .flags = RST | ACK);
	close(c.fd);
	/* Only the record holds the port now. */
	conn_expect_state(&c, ST_TIME_WAIT);
	EXPECT_EQ(EADDRINUSE, rebind(p, c.kport, false));
	EXPECT_EQ(0, rebind(p, c.kport, true));
	sleep_ms(GONE_MS);
	EXPECT_EQ(0, rebind(p, c.kport, false));
}

/* From an explicit port, or from any; SO_REUSEADDR for the bind. */
static int call_from(int from, const char *addr, int port, int *fd)
{
	int err;

	*fd = socket_new(-1);
	program_reuses(*fd);
	err = socket_bind(*fd, "", from);
	return err ? err : socket_connect(*fd, addr, port);
}

static int call(const char *addr, int port, int *fd)
{
	*fd = socket_new(-1);
	return socket_connect(*fd, addr, port);
}

TEST_F(timewait, lc_89_ports_run_out_for_one_destination)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40003"));
	for (int i = 0; i < 4; i++)
		conn_to_state(p, &c, ST_TIME_WAIT, .active = true, .pport = 80);
	EXPECT_EQ(4, proc_rows(p->family, ROW_TIME_WAIT));
	EXPECT_EQ(EADDRNOTAVAIL, call("10.0.0.2", 80, &fd));
	close(fd);
	/* Another port of the peer is another destination, and so is another host. */
	EXPECT_EQ(EINPROGRESS, call("10.0.0.2", 81, &fd));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 81);
	close(fd);
	EXPECT_EQ(EINPROGRESS, call("10.0.0.3", 80, &fd));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80,
		    .dst = ipaddr("10.0.0.3"));
	close(fd);
	/* The records expire in time. */
	sleep_ms(GONE_MS);
	EXPECT_EQ(EINPROGRESS, call("10.0.0.2", 80, &fd));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80);
}

static void prepare_reuse(int fd)
{
	program_reuses(fd);
}

/*
 * A connection from the only port, closed by the kernel. The kernel's TCP of these
 * releases counts a record's age in whole seconds: so begin after one.
 */
static void use_only_port(struct __test_metadata *_metadata, struct peer *p,
			  struct conn *c, bool stamps)
{
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	sleep_until_ns((now_ns() / NSEC_PER_SEC + 1) * NSEC_PER_SEC + 100 * NSEC_PER_MSEC);
	if (stamps)
		conn_to_state(p, c, ST_TIME_WAIT, .active = true, .pport = 80,
			      .opt = STAMPS(1000), .prepare = prepare_reuse);
	else
		conn_to_state(p, c, ST_TIME_WAIT, .active = true, .pport = 80,
			      .prepare = prepare_reuse);
	ASSERT_EQ(40000, c->kport);
}

TEST_F(timewait, lc_90_ctr_TWRecycled_when_connect_reuses_an_old_record)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c, again;
	int fd;

	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	use_only_port(_metadata, p, &c, true);
	counters_begin(&before);
	counters_ignore(&before, "XtcpNoPortLeft", NULL);
	/* Too young: late segments may be of the same second. */
	sleep_ms(140);
	EXPECT_EQ(EADDRNOTAVAIL, call("10.0.0.2", 80, &fd));
	close(fd);
	sleep_ms(1560);
	EXPECT_EQ(EINPROGRESS, call("10.0.0.2", 80, &fd));
	peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80,
		    .seq = (uint32_t)(c.kern_nxt + NEW_ISN_GAP), .ts = 1);
	/* Time advances, so that the peer can tell old from new. */
	EXPECT_LT(0, (int32_t)(p->last.opt.tsval - c.ts_recent));
	EXPECT_EQ(0, proc_rows(p->family, ROW_TIME_WAIT));
	EXPECT_EQ(1, proc_rows(p->family, ROW_SYN_SENT));
	counters_expect(_metadata, &before, "TWRecycled", 1, "ActiveOpens", 1, NULL);
	if (!stock_mode())
		EXPECT_EQ(1, lifecycle_count("TIME-WAIT", "TIME-WAIT-REUSE", "CLOSED"));
	/* The new connection lives. */
	again = c;
	again.fd = fd;
	again.peer_iss = again.peer_nxt = c.peer_nxt + 70000;
	again.kern_iss = again.kern_nxt = 0;
	conn_learn(&again, &p->last);
	conn_send(&again, .flags = SYN | ACK);
	conn_expect(&again, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&again, ST_ESTABLISHED);
}

/*
 * Routes may depend on the port, and none leads anywhere from this one: the connection does not
 * begin, and TIME-WAIT goes on. In Linux it has ended by then.
 */
TEST_F(timewait, lc_90_failed_connect_ends_no_record)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int fd;

	if (p->family == AF_INET6) {
		TH_LOG("not tested: over IPv6 the route that was found without a port stays");
		return;
	}
	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	use_only_port(_metadata, p, &c, true);
	sleep_ms(5000);
	if (system("ip rule add sport 40000 pref 10 unreachable"))
		SKIP(return, "a kernel with one routing table");
	counters_begin(&before);
	EXPECT_EQ(ENETUNREACH, call("10.0.0.2", 80, &fd));
	close(fd);
	EXPECT_EQ(!stock_mode(), proc_rows(socket_family(p->family), ROW_TIME_WAIT));
	ASSERT_EQ(0, system("ip rule del pref 10"));
	if (stock_mode())
		return;
	counters_expect(_metadata, &before, NULL);
	conn_send(&c, .flags = FIN | ACK, .seq = conn_peer_nxt(&c) - 1);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .ts = 1);
	/* The answer to the FIN has begun 2MSL anew. */
	sleep_ms(MSL2_MS - 1000);
	EXPECT_EQ(1, proc_rows(socket_family(p->family), ROW_TIME_WAIT));
	sleep_ms(2000);
	EXPECT_EQ(0, proc_rows(socket_family(p->family), ROW_TIME_WAIT));
}

/* With that mode and the old connection's timestamps: may the record be reused? */
static void expect_reuse(struct __test_metadata *_metadata, struct peer *p,
			 int mode, bool stamps, bool reused)
{
	struct conn c;
	int fd;

	ASSERT_EQ(0, knob_set("tw_reuse", mode));
	use_only_port(_metadata, p, &c, stamps);
	sleep_ms(5000);
	EXPECT_EQ(reused ? EINPROGRESS : EADDRNOTAVAIL, call("10.0.0.2", 80, &fd));
	if (reused)
		peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80);
	EXPECT_EQ(!reused, proc_rows(p->family, ROW_TIME_WAIT));
}

TEST_F(timewait, lc_90_not_without_timestamps)
{
	expect_reuse(_metadata, &self->peer, 1, false, false);
}

TEST_F(timewait, knob_tw_reuse_1_is_any)
{
	expect_reuse(_metadata, &self->peer, 1, true, true);
}

TEST_F(timewait, knob_tw_reuse_0_is_none)
{
	expect_reuse(_metadata, &self->peer, 0, true, false);
}

TEST_F(timewait, knob_tw_reuse_2_is_not_this)
{
	expect_reuse(_metadata, &self->peer, 2, true, false);
}

/* An explicit bind takes the record over, whatever the knobs say. */
TEST_F(timewait, lc_90_a_bound_port_is_reused_at_any_age)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	ASSERT_EQ(0, knob_set("tw_reuse", 0));
	use_only_port(_metadata, p, &c, true);
	EXPECT_EQ(EINPROGRESS, call_from(40000, "10.0.0.2", 80, &fd));
	peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80,
		    .seq = (uint32_t)(c.kern_nxt + NEW_ISN_GAP), .ts = 1);
	EXPECT_EQ(0, proc_rows(p->family, ROW_TIME_WAIT));
}

TEST_F(timewait, lc_90_a_bound_port_needs_timestamps)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	use_only_port(_metadata, p, &c, false);
	sleep_ms(5000);
	EXPECT_EQ(EADDRNOTAVAIL, call_from(40000, "10.0.0.2", 80, &fd));
	conn_expect_state(&c, ST_TIME_WAIT);
}

/* The peer may still send to an orphan in FIN-WAIT-2. */
TEST_F(timewait, lc_95_an_orphan_is_not_reused)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .active = true, .pport = 80,
		      .opt = STAMPS(1000), .prepare = prepare_reuse);
	sleep_ms(5000);
	EXPECT_EQ(EADDRNOTAVAIL, call_from(40000, "10.0.0.2", 80, &fd));
	EXPECT_EQ(EADDRNOTAVAIL, call("10.0.0.2", 80, &fd));
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

/* The age that counts is that of TIME-WAIT, in milliseconds. */
TEST_F(timewait, knob_tw_reuse_delay_20)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	ASSERT_EQ(0, knob_set("tw_reuse_delay", 20));
	use_only_port(_metadata, p, &c, true);
	peer_mark_last(p);
	peer_sleep_until(p, 18);
	EXPECT_EQ(EADDRNOTAVAIL, call("10.0.0.2", 80, &fd));
	close(fd);
	peer_sleep_until(p, 22);
	EXPECT_EQ(EINPROGRESS, call("10.0.0.2", 80, &fd));
	peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80);
}

TEST_F(timewait, wish_02_ctr_XtcpNoPortLeft)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int fd;

	NOT_ON_STOCK();
	use_only_port(_metadata, p, &c, true);
	counters_take(&before);
	EXPECT_EQ(EADDRNOTAVAIL, call("10.0.0.2", 80, &fd));
	close(fd);
	counters_expect(_metadata, &before, "XtcpNoPortLeft", 1, NULL);
}

/* Both ends in this namespace, over loopback. */
TEST_F(timewait, knob_tw_reuse_2_is_loopback)
{
	int lfd = socket_new(-1), fd, child;

	EXPECT_EQ(2, knob_get("tw_reuse"));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	ASSERT_EQ(0, socket_bind(lfd, "127.0.0.1", 80));
	ASSERT_EQ(0, socket_listen(lfd, 4));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(EINPROGRESS, call("127.0.0.1", 80, &fd));
		sleep_ms(5);
		child = accept(lfd, NULL, NULL);
		ASSERT_LE(0, child);
		close(fd);
		sleep_ms(5);
		close(child);
		sleep_ms(2000);
		EXPECT_EQ(1, proc_rows(AF_INET, ROW_TIME_WAIT));
	}
}

/* Range of ports that are all in use: connected, over loopback. */
#define BUSY 300

struct busy {
	int listener, fd[BUSY], child[BUSY];
};

static void busy_connect(struct __test_metadata *_metadata, struct busy *b, int i)
{
	ASSERT_EQ(EINPROGRESS, call("127.0.0.1", 80, &b->fd[i]));
	sleep_ms(1);
	b->child[i] = accept(b->listener, NULL, NULL);
	ASSERT_LE(0, b->child[i]);
}

static int busy_close(struct busy *b, int i)
{
	int port = socket_port(b->fd[i]);

	close(b->fd[i]);
	sleep_ms(5);
	close(b->child[i]);
	sleep_ms(5);
	return port;
}

static void expect_no_port(struct __test_metadata *_metadata)
{
	int fd;

	EXPECT_EQ(EADDRNOTAVAIL, call("127.0.0.1", 80, &fd));
	close(fd);
}

/* The only port of many that is free, or may be reused, is found at once. */
TEST_F(timewait, lc_90_the_one_port_is_found)
{
	static const int which[] = { 7, 150, 293 };
	static struct busy b;
	int port;

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40299"));
	b.listener = socket_new(-1);
	ASSERT_EQ(0, socket_bind(b.listener, "127.0.0.1", 80));
	ASSERT_EQ(0, socket_listen(b.listener, 4));
	for (int i = 0; i < BUSY; i++)
		busy_connect(_metadata, &b, i);
	expect_no_port(_metadata);
	for (int i = 0; i < 3; i++) {
		port = busy_close(&b, which[i]);
		EXPECT_EQ(1, proc_rows(AF_INET, ROW_TIME_WAIT));
		sleep_ms(2000);
		ASSERT_EQ(0, knob_set("tw_reuse", 0));
		expect_no_port(_metadata);
		ASSERT_EQ(0, knob_set("tw_reuse", 2));
		busy_connect(_metadata, &b, which[i]);
		EXPECT_EQ(port, socket_port(b.fd[which[i]]));
		expect_no_port(_metadata);
	}
	ASSERT_EQ(0, knob_set("tw_reuse", 0));
	port = busy_close(&b, which[0]);
	expect_no_port(_metadata);
	sleep_ms(GONE_MS);
	busy_connect(_metadata, &b, which[0]);
	EXPECT_EQ(port, socket_port(b.fd[which[0]]));
}

TEST_F(timewait, knob_tw_reuse_range)
{
	EXPECT_EQ(2, knob_get("tw_reuse"));
	EXPECT_EQ(EINVAL, knob_set("tw_reuse", 3));
	EXPECT_EQ(EINVAL, knob_set("tw_reuse", -1));
	EXPECT_EQ(EINVAL, knob_set_text("tw_reuse", "x"));
	EXPECT_EQ(2, knob_get("tw_reuse"));
}

TEST_F(timewait, lc_92_no_room_to_wait)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn first, c;
	int log;

	sleep_ms(KLOG_QUIET_MS);
	ASSERT_EQ(0, knob_set("max_tw_buckets", 1));
	conn_to_state(p, &first, ST_TIME_WAIT);
	conn_to_state(p, &c, ST_FIN_WAIT_2, .kport = 6000);
	log = klog_open(_metadata);
	counters_begin(&before);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "TCPTimeWaitOverflow", 1, NULL);
	/* The kernel's TCP only counts. */
	EXPECT_EQ(!stock_mode(),
		  klog_lines(log, "xtcp: no room for TIME-WAIT (xtcp_max_tw_buckets)"));
	/* The program sees a normal end all the same. */
	program_reads_end(_metadata, c.fd);
	EXPECT_EQ(0, socket_error(c.fd));
	/* The last ACK was lost: no record knows the connection any more. */
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&first, ST_TIME_WAIT);
	/* An expired record makes room. */
	sleep_ms(GONE_MS);
	conn_to_state(p, &c, ST_TIME_WAIT, .kport = 6001);
}

/* A user may own the namespace, and could fill the machine's log. */
TEST_F(timewait, lc_92_no_line_in_a_user_namespace)
{
	NOT_ON_STOCK();		/* has no such line */
	struct counters before;
	struct peer inner;
	struct conn c;
	int log;

	sleep_ms(KLOG_QUIET_MS);
	log = klog_open(_metadata);	/* afterwards it may not read the log */
	user_namespace_enter(WHERE(_metadata));
	peer_open_at(WHERE(_metadata), &inner, NULL);
	ASSERT_EQ(0, knob_set("max_tw_buckets", 0));
	conn_to_state(&inner, &c, ST_FIN_WAIT_2);
	counters_take(&before);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	EXPECT_EQ(1, counter_moved(&before, "TCPTimeWaitOverflow"));
	EXPECT_EQ(0, klog_lines(log, "no room for TIME-WAIT"));
	peer_close_at(WHERE(_metadata), &inner);
}

TEST_F(timewait, knob_max_tw_buckets_0)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Less than none is none, too; on the kernel's TCP it is no limit. */
	for (int max = 0; max >= (stock_mode() ? 0 : -1); max--) {
		ASSERT_EQ(0, knob_set("max_tw_buckets", max));
		conn_to_state(p, &c, ST_CLOSING, .kport = 5000 - max);
		counters_begin(&before);
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_CLOSED);
		counters_expect(_metadata, &before, "TCPTimeWaitOverflow", 1, NULL);
		/* An orphan in FIN-WAIT-2 needs a record as well. */
		conn_to_state(p, &c, ST_FIN_WAIT_1, .kport = 6000 - max, .orphan = true);
		counters_begin(&before);
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_CLOSED);
		counters_expect(_metadata, &before, "TCPTimeWaitOverflow", 1, NULL);
		conn_send(&c, .flags = FIN | ACK);
		conn_expect(&c, .flags = RST, .seq = 2);
	}
}

/* A SYN for the 4-tuple of a record. */
struct revival {
	int64_t offset;		/* of its number, from the last one of the old connection */
	bool old_stamps;	/* agreed on in the old connection */
	int stamp;		/* of the SYN's timestamp, from the last one seen; STAMP_NONE */
	bool opens;
	bool paws;		/* it is refused for its age */
	bool not_stock;
};

#define STAMP_NONE INT_MIN

static void try_revival(struct __test_metadata *_metadata, struct peer *p,
			const struct revival *r)
{
	struct counters before;
	struct conn c;
	uint32_t seq;

	if (r->not_stock)
		NOT_ON_STOCK();
	if (r->old_stamps)
		conn_to_state(p, &c, ST_TIME_WAIT, .opt = STAMPS(1000));
	else
		conn_to_state(p, &c, ST_TIME_WAIT);
	sleep_ms(10);
	seq = c.peer_nxt + r->offset;
	counters_begin(&before);
	if (r->stamp == STAMP_NONE)
		peer_send(p, .flags = SYN, .seq = seq, .sport = c.pport, .dport = c.kport,
			  .opt = OPT(OPT_MSS(1460)));
	else
		peer_send(p, .flags = SYN, .seq = seq, .sport = c.pport, .dport = c.kport,
			  .opt = STAMPS(last_stamp(&c) + r->stamp));
	if (!r->opens) {
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
		conn_expect_state(&c, ST_TIME_WAIT);
		counters_expect(_metadata, &before, "PAWSEstab", r->paws, NULL);
		return;
	}
	conn_expect(&c, .flags = SYN | ACK, .seq = 2 + NEW_ISN_GAP);
	EXPECT_EQ(seq + 1, p->last.ack);
	conn_expect_state(&c, ST_HALF_OPEN);
	peer_send(p, .flags = ACK, .seq = seq + 1, .ack = p->last.seq + 1,
		  .sport = c.pport, .dport = c.kport);
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "PassiveOpens", 1, "CurrEstab", 1, NULL);
}

#define REVIVAL(name, ...) \
	TEST_F(timewait, name) \
	{ \
		try_revival(_metadata, &self->peer, &(struct revival){ __VA_ARGS__ }); \
	}

/* No timestamps at all: the number decides. */
REVIVAL(lc_93_higher_number_opens, .offset = 1, .stamp = STAMP_NONE, .opens = true)
REVIVAL(lc_93_same_number_does_not, .offset = 0, .stamp = STAMP_NONE)
REVIVAL(lc_93_lower_number_does_not, .offset = -1000, .stamp = STAMP_NONE)
REVIVAL(rfc9293_may_02_syn_reopens, .offset = 1000000, .stamp = STAMP_NONE, .opens = true)
/* RFC 6191 2, first list: timestamps before and now. */
REVIVAL(rfc6191_newer_stamp_opens, .offset = -1000, .old_stamps = true,
	.stamp = 1, .opens = true)
REVIVAL(rfc6191_equal_stamp_and_higher_number_opens, .offset = 1000,
	.old_stamps = true, .stamp = 0, .opens = true)
REVIVAL(rfc6191_equal_stamp_and_lower_number_does_not, .offset = -1000,
	.old_stamps = true, .stamp = 0)
REVIVAL(rfc6191_older_stamp_does_not, .offset = 1000, .old_stamps = true,
	.stamp = -1, .paws = true)
/* No timestamps now. */
REVIVAL(rfc6191_no_stamp_and_higher_number_opens, .offset = 1000,
	.old_stamps = true, .stamp = STAMP_NONE, .opens = true)
REVIVAL(rfc6191_no_stamp_and_lower_number_does_not, .offset = -1000,
	.old_stamps = true, .stamp = STAMP_NONE)
/* None before; Linux compares the number alone. */
REVIVAL(rfc6191_first_stamp_opens, .offset = -1000, .stamp = 12345,
	.opens = true, .not_stock = true)
REVIVAL(rfc9293_shld_04_stamps_shorten_it, .offset = -100000, .old_stamps = true,
	.stamp = 1000, .opens = true)

/* Without xtcp_timestamps the new connection would have none: the number decides. */
TEST_F(timewait, rfc6191_first_stamp_does_not_without_timestamps)
{
	ASSERT_EQ(0, knob_set("timestamps", 0));
	try_revival(_metadata, &self->peer,
		    &(struct revival){ .offset = -1000, .stamp = 12345 });
}

/*
 * The peer of a TIME-WAIT record has proved its address: it gets a half-open record where others
 * would get a cookie, or nothing.
 */
TEST_F(timewait, lc_93_a_record_and_no_cookie)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	counters_begin(&before);
	peer_send(p, .flags = SYN, .seq = c.peer_nxt + 100000, .sport = c.pport, .dport = c.kport,
		  .opt = OPT(OPT_MSS(1460)));
	conn_expect(&c, .flags = SYN | ACK, .seq = 2 + NEW_ISN_GAP);
	conn_expect_state(&c, ST_HALF_OPEN);
	counters_expect(_metadata, &before, NULL);
}

TEST_F(timewait, lc_93_although_the_syn_queue_is_full)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c, other;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	conn_to_state(p, &c, ST_TIME_WAIT, .backlog = 1);
	for (int i = 0; i < 2; i++)
		conn_to_state(p, &other, ST_HALF_OPEN, .lfd = c.lfd);
	counters_begin(&before);
	peer_send(p, .flags = SYN, .sport = 50000, .dport = c.kport, .opt = OPT(OPT_MSS(1460)));
	peer_expect_silence(p, 20);
	counters_ignore(&before, "TCPTimeouts", NULL);
	counters_expect(_metadata, &before, "TCPReqQFullDrop", 1, "ListenDrops", 1, NULL);
	counters_begin(&before);
	peer_send(p, .flags = SYN, .seq = c.peer_nxt + 100000, .sport = c.pport, .dport = c.kport,
		  .opt = OPT(OPT_MSS(1460)));
	conn_expect(&c, .flags = SYN | ACK, .seq = 2 + NEW_ISN_GAP);
	conn_expect_state(&c, ST_HALF_OPEN);
	counters_expect(_metadata, &before, NULL);
}

TEST_F(timewait, lc_93_no_listener)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* A new SYN, but the port has no listener. */
	conn_to_state(p, &c, ST_TIME_WAIT, .active = true);
	conn_send(&c, .flags = SYN, .seq = 1000);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
}

TEST_F(timewait, rfc1337_rst_ends_it)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* xtcp_rfc1337 = 0 is the default, as in Linux. */
	conn_to_state(p, &c, ST_TIME_WAIT);
	counters_take(&before);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "InSegs", 1, NULL);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = RST, .seq = 2);
}

TEST_F(timewait, knob_rfc1337)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("rfc1337", 1));
	conn_to_state(p, &c, ST_TIME_WAIT);
	sleep_ms(1000);
	counters_take(&before);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_TIME_WAIT);
	counters_expect(_metadata, &before, "InSegs", 1, NULL);
	if (!stock_mode())
		EXPECT_EQ(1, lifecycle_count("TIME-WAIT", "rcv-RST-ignored", "TIME-WAIT"));
	/* It neither ended nor prolonged TIME-WAIT. */
	sleep_ms(GONE_MS - 1000);
	conn_expect_state(&c, ST_CLOSED);
	/* The knob is for TIME-WAIT: FIN-WAIT-2 still ends, record or not. */
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .kport = 6000);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(timewait, rfc1337_other_rst_does_not)
{
	static const int64_t seqs[] = { 1, 3, -100, 100000 };
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT);
	sleep_ms(1000);
	for (size_t i = 0; i < ARRAY_SIZE(seqs); i++)
		conn_send(&c, .flags = RST, .seq = seqs[i]);
	peer_expect_silence(p, 100);
	conn_expect_state(&c, ST_TIME_WAIT);
	/* Nor do they prolong it: 2MSL counts from its start. */
	sleep_ms(GONE_MS - 1100);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(timewait, rfc7323_paws_in_time_wait)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT, .opt = STAMPS(1000));
	sleep_ms(10);
	counters_begin(&before);
	conn_send(&c, .flags = FIN | ACK, .seq = 1,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(last_stamp(&c) - 5000, 0)));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .ts = 1,
		    .tsecr = last_stamp(&c));
	counters_expect(_metadata, &before, "PAWSEstab", 1, NULL);
}

TEST_F(timewait, lc_115_one_row_for_each_close)
{
	struct peer *p = &self->peer;
	struct conn c;

	/*
	 * The closing side's rows: one for each connection closed in the last minute.
	 */
	for (int i = 0; i < 10; i++) {
		conn_to_state(p, &c, ST_TIME_WAIT, .kport = 6000 + i);
		close(c.fd);
		close(c.lfd);
		sleep_ms(10000);
		/* The oldest is 60 s old and gone; in the kernel's TCP later. */
		if (!stock_mode())
			EXPECT_EQ(i < 5 ? i + 1 : 5, proc_rows(p->family, ROW_TIME_WAIT));
	}
}

/* The record announces the window as the connection did, in units of its scale. */
TEST_F(timewait, rfc7323_2_window_of_a_record_is_scaled)
{
	struct peer *p = &self->peer;
	struct conn c;
	int wnd;

	conn_to_state(p, &c, ST_TIME_WAIT, .opt = SCALED);
	ASSERT_LT(0, c.kern_wscale);
	wnd = p->last.wnd;	/* of the ACK of the FIN */
	EXPECT_LT(0, wnd);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .wnd = wnd);
}

/* What is in the window of an orphan's record is so by its scale. */
TEST_F(timewait, rfc5961_3_2_rst_in_the_scaled_window_of_a_record)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t wnd;

	NOT_ON_STOCK();		/* where any RST in the window ends it */
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .opt = SCALED);
	ASSERT_LT(0, c.kern_wscale);
	wnd = (int64_t)p->last.wnd << c.kern_wscale;	/* of our FIN */
	ASSERT_LT(40000, wnd);
	conn_send(&c, .flags = RST, .seq = 1 + wnd + 1);
	peer_expect_silence(p, 20);
	conn_send(&c, .flags = RST, .seq = 1 + 30000);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 1);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
	conn_send(&c, .flags = RST, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
}

/* An old SYN is of a peer that still lives: TIME-WAIT begins anew, as in Linux. */
TEST_F(timewait, rfc6191_an_old_syn_restarts_it)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT, .opt = STAMPS(1000));
	sleep_ms(30000);
	peer_mark(p);
	peer_send(p, .flags = SYN, .seq = c.peer_nxt + 1000, .sport = c.pport, .dport = c.kport,
		  .opt = STAMPS(last_stamp(&c) - 5000));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, MSL2_MS);
}

/* One that may be new, with a number below, does not prolong it: anybody could. */
TEST_F(timewait, rfc6191_a_syn_that_may_be_new_restarts_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT);
	sleep_ms(10000);
	peer_send(p, .flags = SYN, .seq = c.peer_nxt - 1000, .sport = c.pport, .dport = c.kport,
		  .opt = OPT(OPT_MSS(1460)));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	sleep_ms(GONE_MS - 10000);
	conn_expect_state(&c, ST_CLOSED);
}

/* A record takes the timestamps of the FIN and of ACKs behind it: a SYN before them is old. */
TEST_F(timewait, rfc7323_4_3_a_record_takes_timestamps)
{
	struct peer *p = &self->peer;
	uint32_t stamp;
	struct conn c;

	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .opt = STAMPS(1000));
	stamp = c.tsval_base + 50000;
	conn_send(&c, .flags = FIN | ACK,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(stamp, c.ts_recent)));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .tsecr = stamp);
	conn_send(&c, .flags = ACK,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(stamp + 1000, c.ts_recent)));
	peer_expect_silence(p, 20);
	peer_send(p, .flags = SYN, .seq = c.peer_nxt + 1000, .sport = c.pport, .dport = c.kport,
		  .opt = STAMPS(stamp + 500));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .tsecr = stamp + 1000);
	conn_expect_state(&c, ST_TIME_WAIT);
}

TEST_HARNESS_MAIN
