// SPDX-License-Identifier: GPL-2.0
/*
 * hostcache: what a connection learns from former connections to the same peer (RFC 9040,
 * Linux's tcp_metrics), and /proc/net/xtcp_hostcache, which shows and flushes it.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <sys/stat.h>
#include <sys/syscall.h>

FIXTURE(hostcache)
{
	struct peer peer;
};

/* Tests of other things begin with this off on the kernel's TCP. */
FIXTURE_SETUP(hostcache)
{
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
	if (stock_mode())
		ASSERT_EQ(0, knob_set("no_metrics_save", 0));
}

FIXTURE_TEARDOWN(hostcache)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

#define MSS 1000
#define PLAIN OPT(OPT_MSS(MSS))
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)
#define FILE_NAME "/proc/net/xtcp_hostcache"
#define HEADER "remote local wire age_ms rtt_us rttvar_us ssthresh cwnd reordering" \
	" fast_mss fast_cookie\n"
/* The kernel's TCP rounds its RTO down to ticks of 4 ms. */
#define SLACK_MS 20

/*
 * A handshake of 300 ms, and a FIN whose ACK comes at once and takes an eighth of it away:
 * 262.5 ms. The next RTO is three times that.
 */
#define NEXT_RTO_MS 787
#define EXPECT_NEXT_RTO(ms) do { \
		int ms_ = (ms); \
\
		EXPECT_LE(NEXT_RTO_MS - 10, ms_); \
		EXPECT_GE(NEXT_RTO_MS + SLACK_MS, ms_); \
	} while (0)
#define EXPECT_USUAL_RTO(ms) EXPECT_GE(200 + SLACK_MS, ms)

/* Sets metrics of the route to the peer. */
#define route(p, ...) \
	route_add_metrics(WHERE((p)->test), &(p)->addr, 32, "tun0", \
			  &(struct route_metrics){ __VA_ARGS__ })

/* The peer is 10.0.0.n or fd00:a::n from now on. */
static void to_peer(struct peer *p, int n)
{
	if (p->family == AF_INET6)
		p->addr.v6.s6_addr[15] = n;
	else
		p->addr.v4.s_addr = htonl(0x0a000000 + n);
}

static int rto_ms(const struct conn *c)
{
	return conn_info(c).rto_us / 1000;
}

/* It ends in order, closed by the kernel first. */
static void end(struct conn *c)
{
	conn_advance(c, ST_TIME_WAIT, false);
	close(c->fd);
	close(c->lfd);
}

static void open_and_end(struct peer *p, int64_t rtt_ms)
{
	struct conn c;

	conn_open(p, &c, .opt = PLAIN, .rtt_ms = rtt_ms);
	end(&c);
}

/* RTO of a new connection whose handshake takes no time. */
static int next_rto_ms(struct peer *p)
{
	struct conn c;
	int ms;

	conn_open(p, &c, .opt = PLAIN);
	ms = rto_ms(&c);
	conn_send(&c, .flags = RST, .seq = 1);
	close(c.fd);
	close(c.lfd);
	return ms;
}

struct row {
	char remote[64], local[64], wire[16];
	unsigned int age_ms, rtt_us, rttvar_us, ssthresh, cwnd, reordering, mss;
	int cookie;
};

/* Every line has the one format. Return: number of lines; the first is in @row. */
static int rows_read(struct __test_metadata *_metadata, struct row *row)
{
	FILE *f = fopen(FILE_NAME, "re");
	char line[512];
	int n = 0, at;
	struct row r;

	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	ASSERT_STREQ(HEADER, line);
	while (fgets(line, sizeof(line), f)) {
		at = 0;
		ASSERT_EQ(11, sscanf(line, "%63s %63s %15s %u %u %u %u %u %u %u %d%n",
				     r.remote, r.local, r.wire, &r.age_ms, &r.rtt_us,
				     &r.rttvar_us, &r.ssthresh, &r.cwnd, &r.reordering,
				     &r.mss, &r.cookie, &at));
		ASSERT_STREQ("\n", line + at);
		if (!n++ && row)
			*row = r;
	}
	fclose(f);
	return n;
}

/* What "ip tcp_metrics" prints of a peer: names and values, of which some are left out. */
static void stock_row_read(struct __test_metadata *_metadata, const char *remote, struct row *row)
{
	char command[128], word[64];
	FILE *f;

	snprintf(command, sizeof(command), "ip tcp_metrics show %s", remote);
	f = popen(command, "r");
	ASSERT_NE(NULL, f);
	while (fscanf(f, "%63s", word) == 1) {
		unsigned int *value = !strcmp(word, "rtt") ? &row->rtt_us :
				      !strcmp(word, "rttvar") ? &row->rttvar_us :
				      !strcmp(word, "ssthresh") ? &row->ssthresh :
				      !strcmp(word, "cwnd") ? &row->cwnd :
				      !strcmp(word, "reordering") ? &row->reordering : NULL;

		if (value)
			ASSERT_EQ(1, fscanf(f, "%u", value));
	}
	pclose(f);
}

/* The metrics that are saved of peer @n (to_peer()), on the kernel's TCP, too. */
static struct row row_of(struct __test_metadata *_metadata, struct peer *p, int n)
{
	struct row row = { 0 };
	char remote[64];

	snprintf(remote, sizeof(remote), p->family == AF_INET6 ? "fd00:a::%d" : "10.0.0.%d", n);
	if (stock_mode()) {
		stock_row_read(_metadata, remote, &row);
		return row;
	}
	ASSERT_EQ(1, rows_read(_metadata, &row));
	return row;
}

/* Return: 0, or the errno of open() or write(). */
static int say(const char *text)
{
	int fd = open(FILE_NAME, O_WRONLY), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno;
	close(fd);
	return err;
}

/* --- what is learned ------------------------------------------------------ */

/* RTO = RTT + max(2 * RTT, 200 ms) until the first data has been timed. */
TEST_F(hostcache, rfc9040_rtt_begins_the_next_connection)
{
	struct peer *p = &self->peer;
	struct conn c;
	int rto;

	open_and_end(p, 300);
	conn_open(p, &c, .opt = PLAIN);
	EXPECT_NEXT_RTO(rto_ms(&c));
	rto = rto_ms(&c);
	conn_write(&c, MSS);
	conn_expect(&c, .seq = 1, .len = MSS);
	peer_mark_last(p);
	conn_expect(&c, .seq = 1, .len = MSS, .at_ms = rto);
	conn_send(&c, .flags = ACK);
	/* The retransmission tells no RTT; the next segment does. */
	conn_write(&c, MSS);
	conn_expect(&c, .seq = 1 + MSS, .len = MSS);
	conn_send(&c, .flags = ACK);
	EXPECT_USUAL_RTO(rto_ms(&c));
}

/* The same by connect(), and of a connection that the peer closed first. */
TEST_F(hostcache, rfc9040_rtt_of_an_active_open)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .opt = PLAIN, .rtt_ms = 300);
	conn_advance(&c, ST_LAST_ACK, false);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
	close(c.fd);
	conn_open(p, &c, .active = true, .opt = PLAIN);
	EXPECT_NEXT_RTO(rto_ms(&c));
}

/* An orphan in FIN-WAIT-2 becomes a record, and has learned what it could. */
TEST_F(hostcache, rfc9040_rtt_of_an_orphan)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .opt = PLAIN, .rtt_ms = 300);
	close(c.lfd);
	EXPECT_NEXT_RTO(next_rto_ms(p));
}

/* A longer RTT counts at once, a shorter one by an eighth: 262.5 - (262.5 - 87.5) / 8. */
TEST_F(hostcache, rfc9040_rtt_is_smoothed)
{
	struct peer *p = &self->peer;
	int ms;

	open_and_end(p, 300);
	open_and_end(p, 100);
	ms = next_rto_ms(p);
	EXPECT_LE(710, ms);
	EXPECT_GE(740, ms);
	open_and_end(p, 400);
	ms = next_rto_ms(p);
	EXPECT_LE(1035, ms);
	EXPECT_GE(1070, ms);
}

#define EXPECT_ABOUT_MS(ms, us) do { \
		unsigned int us_ = (us); \
\
		EXPECT_LE((ms) * 1000 - 1000, (int)us_); \
		EXPECT_GE((ms) * 1000 + 3000, (int)us_); \
	} while (0)

/*
 * The deviation is that of the connection, or half of the distance of the two RTTs if that is
 * more. A larger one counts at once, a smaller one by a quarter. A handshake of 275 ms and a FIN
 * whose ACK comes at once have a deviation of 275 / 2 + (275 - 275 / 2) / 8 / 4 = 142 ms.
 */
TEST_F(hostcache, rfc9040_rttvar)
{
	static const struct { int handshake_ms, rtt_ms, rttvar_ms; } steps[] = {
		{ 300, 262, 262 },	/* nothing was known: 0 and 0; 525 / 2 */
		{ 100, 240, 240 },	/* (262 - 87) / 2 * 2 = 175; 262 - (262 - 175) / 4 */
		{ 275, 240, 216 },	/* the same RTT: 142; 240 - (240 - 142) / 4 */
		{ 800, 700, 459 },	/* (700 - 240) / 2 * 2 = 459 */
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct row row;

		peer_note(p, "%d ms", steps[i].handshake_ms);
		open_and_end(p, steps[i].handshake_ms);
		row = row_of(_metadata, p, 2);
		EXPECT_ABOUT_MS(steps[i].rtt_ms, row.rtt_us);
		EXPECT_ABOUT_MS(steps[i].rttvar_ms, row.rttvar_us);
	}
}

/* A connection that was reset has learned nothing. */
TEST_F(hostcache, rfc9040_reset_saves_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = PLAIN, .rtt_ms = 300);
	conn_send(&c, .flags = RST, .seq = 1);
	close(c.fd);
	close(c.lfd);
	EXPECT_USUAL_RTO(next_rto_ms(p));
}

/* Our FIN is sent again and its ACK tells no RTT: the saved one is not trusted. */
TEST_F(hostcache, rfc9040_no_rtt_forgets_the_old_one)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_and_end(p, 300);
	EXPECT_NEXT_RTO(next_rto_ms(p));
	conn_to_state(p, &c, ST_FIN_WAIT_1, .opt = PLAIN);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .within_ms = 1000);
	conn_send(&c, .flags = FIN | ACK, .ack = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	close(c.fd);
	close(c.lfd);
	EXPECT_USUAL_RTO(next_rto_ms(p));
}

/* What TCP_TX_DELAY adds is in a connection's RTT, but not in that of the next one. */
TEST_F(hostcache, delay_of_a_program_is_not_learned)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .opt = PLAIN, .rtt_ms = 300);
	socket_set(c.fd, IPPROTO_TCP, TCP_TX_DELAY, 1000);
	end(&c);
	EXPECT_EQ(0, rows_read(_metadata, NULL));
	EXPECT_USUAL_RTO(next_rto_ms(p));
}

/* Another peer's entry is another one. */
TEST_F(hostcache, rfc9040_entry_of_each_peer)
{
	struct peer *p = &self->peer;
	struct ipaddr first = p->addr;
	int first_ms, other_ms;

	open_and_end(p, 300);
	to_peer(p, 3);
	other_ms = next_rto_ms(p);
	p->addr = first;
	first_ms = next_rto_ms(p);
	EXPECT_USUAL_RTO(other_ms);
	EXPECT_NEXT_RTO(first_ms);
}

TEST_F(hostcache, knob_no_metrics_save)
{
	struct peer *p = &self->peer;

	EXPECT_EQ(0, knob_get("no_metrics_save"));
	ASSERT_EQ(0, knob_set("no_metrics_save", 1));
	open_and_end(p, 300);
	EXPECT_USUAL_RTO(next_rto_ms(p));
	ASSERT_EQ(0, knob_set("no_metrics_save", 0));
	open_and_end(p, 300);
	/* What is saved is used, even if nothing is added to it. */
	ASSERT_EQ(0, knob_set("no_metrics_save", 1));
	open_and_end(p, 500);
	EXPECT_NEXT_RTO(next_rto_ms(p));
}

/* Metrics of an hour ago are not used. */
TEST_F_TIMEOUT(hostcache, rfc9040_metrics_expire, 36000)
{
	struct peer *p = &self->peer;

	open_and_end(p, 300);
	sleep_ms(3590 * 1000);
	EXPECT_NEXT_RTO(next_rto_ms(p));
	sleep_ms(20 * 1000);
	EXPECT_USUAL_RTO(next_rto_ms(p));
}

/*
 * Eight segments are lost; after the timeout the window opens to ssthresh, and beyond it, for
 * so many round trips. Return: what the connection had before it ended.
 */
static struct socket_info lose_and_end_after(struct __test_metadata *_metadata, struct peer *p,
					     int rounds)
{
	struct socket_info info;
	struct conn c;
	int n = 8;

	/* Nobody may take the timeout for a spurious one. */
	EXPECT_EQ(0, knob_set("frto", 0));
	flight_open(p, &c, "reno", .opt = PLAIN);
	flight_write(&c, n);
	flight_expect_all(&c, 0, n - 1);
	flight_expect(&c, 0, .within_ms = 1000);
	flight_ack(&c, n);
	/* To congestion avoidance, in which cwnd is what the path takes. */
	for (int k = 0; k < rounds; k++) {
		int window = conn_info(&c).cwnd;

		flight_write(&c, window);
		flight_expect_all(&c, n, n + window - 1);
		n += window;
		flight_ack(&c, n);
	}
	info = conn_info(&c);
	EXPECT_LE((int)info.ssthresh, (int)info.cwnd);
	end(&c);
	return info;
}

static struct socket_info lose_and_end(struct __test_metadata *_metadata, struct peer *p)
{
	return lose_and_end_after(_metadata, p, 6);
}

static unsigned int next_ssthresh(struct peer *p)
{
	struct conn c;
	unsigned int segs;

	conn_open(p, &c, .opt = PLAIN);
	segs = conn_info(&c).ssthresh;
	conn_send(&c, .flags = RST, .seq = 1);
	close(c.fd);
	close(c.lfd);
	return segs;
}

TEST_F(hostcache, knob_no_ssthresh_metrics_save)
{
	struct peer *p = &self->peer;
	int threshold;

	EXPECT_EQ(1, knob_get("no_ssthresh_metrics_save"));
	lose_and_end(_metadata, p);
	EXPECT_LE(0x7fffffffU, next_ssthresh(p));
	ASSERT_EQ(0, knob_set("no_ssthresh_metrics_save", 0));
	EXPECT_LE(0x7fffffffU, next_ssthresh(p));
	threshold = lose_and_end(_metadata, p).ssthresh;
	EXPECT_LE(2, threshold);
	EXPECT_GE(8, threshold);
	EXPECT_LE(threshold, (int)next_ssthresh(p));
	EXPECT_GE(threshold + 2, (int)next_ssthresh(p));
	/* The knob is for both directions. */
	ASSERT_EQ(0, knob_set("no_ssthresh_metrics_save", 1));
	EXPECT_LE(0x7fffffffU, next_ssthresh(p));
}

/*
 * @windows windows leave in the first slow start; then the connection ends. With @loss four
 * segments are lost before, so that it ends below ssthresh. Return: what it had before it ended.
 */
static struct socket_info start_and_end(struct __test_metadata *_metadata, struct peer *p,
					int windows, bool loss)
{
	struct socket_info info;
	struct conn c;
	int n = 0;

	/* Not with what was saved. */
	ASSERT_EQ(0, knob_set("no_ssthresh_metrics_save", 1));
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	ASSERT_EQ(0, knob_set("frto", 0));
	flight_open(p, &c, "cubic", .opt = PLAIN);
	for (int k = 0; k < windows; k++) {
		int window = conn_info(&c).cwnd;

		flight_write(&c, window);
		flight_expect_all(&c, n, n + window - 1);
		n += window;
		flight_ack(&c, n);
	}
	if (loss) {
		flight_write(&c, 4);
		flight_expect_all(&c, n, n + 3);
		flight_expect(&c, n, .within_ms = 1000);
		flight_ack(&c, n + 4);
		peer_drain(p, 5);
	}
	info = conn_info(&c);
	ASSERT_EQ(0, knob_set("no_ssthresh_metrics_save", 0));
	end(&c);
	return info;
}

/*
 * The saved ssthresh. After congestion avoidance it is half of cwnd, or ssthresh if that is more,
 * whatever was known. Connections that end in another phase only raise a known value: to half of
 * cwnd in the first slow start, to ssthresh if the window is below it. cwnd: see the next test.
 */
TEST_F(hostcache, rfc9040_ssthresh)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct row row;
	int cwnd;

	/* Nothing is known: only congestion avoidance tells a threshold. */
	info = start_and_end(_metadata, p, 1, false);
	EXPECT_EQ(20, (int)info.cwnd);
	row = row_of(_metadata, p, 2);
	EXPECT_EQ(0, (int)row.ssthresh);
	EXPECT_EQ(20, (int)row.cwnd);
	info = start_and_end(_metadata, p, 1, true);
	EXPECT_EQ(14, (int)info.ssthresh);
	EXPECT_GT(14, (int)info.cwnd);
	row = row_of(_metadata, p, 2);
	EXPECT_EQ(0, (int)row.ssthresh);
	EXPECT_EQ((20 + 14) / 2, (int)row.cwnd);

	cwnd = row.cwnd;
	info = lose_and_end_after(_metadata, p, 14);
	EXPECT_LT(info.ssthresh, info.cwnd / 2);
	row = row_of(_metadata, p, 2);
	EXPECT_EQ(info.cwnd / 2, row.ssthresh);
	EXPECT_EQ((cwnd + (int)info.cwnd) / 2, (int)row.cwnd);

	/* The next connection began with that. */
	cwnd = row.cwnd;
	info = lose_and_end_after(_metadata, p, 2);
	EXPECT_GT(info.ssthresh, info.cwnd / 2);
	EXPECT_GT(row.ssthresh, info.ssthresh);
	row = row_of(_metadata, p, 2);
	EXPECT_EQ(info.ssthresh, row.ssthresh);
	EXPECT_EQ((cwnd + (int)info.cwnd) / 2, (int)row.cwnd);

	/* Both of the others raise it, to 7 and to 10, and do not lower it. */
	cwnd = row.cwnd;
	info = start_and_end(_metadata, p, 0, true);
	EXPECT_EQ(7, (int)info.ssthresh);
	row = row_of(_metadata, p, 2);
	EXPECT_EQ(7, (int)row.ssthresh);
	EXPECT_EQ((cwnd + 7) / 2, (int)row.cwnd);
	start_and_end(_metadata, p, 1, false);
	row = row_of(_metadata, p, 2);
	EXPECT_EQ(10, (int)row.ssthresh);
	EXPECT_EQ(20, (int)row.cwnd);
	start_and_end(_metadata, p, 0, true);
	EXPECT_EQ(10, (int)row_of(_metadata, p, 2).ssthresh);
	start_and_end(_metadata, p, 0, false);
	EXPECT_EQ(10, (int)row_of(_metadata, p, 2).ssthresh);
}

/*
 * Of a connection in slow start the largest window counts. Otherwise it is the mean of the old
 * value and that of the connection: of cwnd or, before the window has recovered, of ssthresh.
 */
TEST_F(hostcache, rfc9040_cwnd)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct row row;
	struct conn c;
	int window;

	NOT_ON_STOCK();
	flight_open(p, &c, "reno", .opt = PLAIN);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9);
	flight_ack(&c, 10);
	window = conn_info(&c).cwnd;
	EXPECT_LT(10, window);
	end(&c);
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_EQ(window, (int)row.cwnd);
	open_and_end(p, 100);
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_EQ(window, (int)row.cwnd);

	info = lose_and_end(_metadata, p);
	window = (window + (int)info.cwnd) / 2;
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_EQ(window, (int)row.cwnd);

	flight_open(p, &c, "cubic", .opt = PLAIN);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9);
	flight_ack(&c, 10);
	flight_write(&c, 4);
	flight_expect_all(&c, 10, 13);
	flight_expect(&c, 10, .within_ms = 1000);
	flight_ack(&c, 14);
	info = conn_info(&c);
	EXPECT_LT(info.cwnd, info.ssthresh);
	end(&c);
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_EQ((window + (int)info.ssthresh) / 2, (int)row.cwnd);
}

/*
 * The peer gets eight segments in another order, later loses four, and the connection ends
 * before the window has recovered. Return: the reordering that it has seen.
 */
static unsigned int reorder_lose_and_end(struct __test_metadata *_metadata, struct peer *p,
					 int rtt_ms)
{
	unsigned int seen;
	struct conn c;

	/* Neither RACK nor a probe nor F-RTO acts before the test does. */
	ASSERT_EQ(0, knob_set("recovery", 0));
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	ASSERT_EQ(0, knob_set("frto", 0));
	flight_open(p, &c, "cubic", .opt = WITH_SACK, .rtt_ms = rtt_ms);
	flight_write(&c, 8);
	flight_expect_all(&c, 0, 7);
	flight_sack(&c, 0, { 7, 8 });
	flight_ack(&c, 8);
	seen = conn_tcp_info(&c).tcpi_reordering;
	EXPECT_LT(4, (int)seen);
	flight_write(&c, 4);
	flight_expect_all(&c, 8, 11);
	flight_expect(&c, 8, .within_ms = 1000);
	flight_ack(&c, 12);
	peer_drain(p, 5);
	EXPECT_LT(conn_info(&c).cwnd, conn_info(&c).ssthresh);
	end(&c);
	return seen;
}

/* As in Linux, reordering is saved of a connection that ends below ssthresh only. */
TEST_F(hostcache, rfc9040_reordering)
{
	struct peer *p = &self->peer;
	unsigned int seen;
	struct conn c;

	seen = reorder_lose_and_end(_metadata, p, 0);
	conn_open(p, &c, .opt = WITH_SACK);
	EXPECT_EQ(seen, conn_tcp_info(&c).tcpi_reordering);
	/* Not more than the knob allows now. */
	if (stock_mode())
		return;
	conn_send(&c, .flags = RST, .seq = 1);
	close(c.fd);
	close(c.lfd);
	ASSERT_EQ(0, knob_set("reordering", 2));
	ASSERT_EQ(0, knob_set("max_reordering", 3));
	conn_open(p, &c, .opt = WITH_SACK);
	EXPECT_EQ(3, (int)conn_tcp_info(&c).tcpi_reordering);
}

static void thin(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1);
}

/*
 * The SYN was repeated, so no round trip was measured, but one is known: the first timeout is by
 * that, the linear ones behind it are the least.
 */
TEST_F(hostcache, rtt_known_and_a_lost_syn)
{
	struct peer *p = &self->peer;
	struct conn c;
	int rto_ms;

	open_and_end(p, 300);
	peer_mark(p);
	conn_to_state(p, &c, ST_SYN_SENT, .prepare = thin);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	ASSERT_EQ(4, send(c.fd, "thin", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "thin");
	peer_mark_last(p);
	rto_ms = conn_tcp_info(&c).tcpi_rto / 1000;
	EXPECT_GE(1000, rto_ms);
	EXPECT_EQ(250000, (int)conn_tcp_info(&c).tcpi_rttvar);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "thin", .at_ms = rto_ms);
	for (int i = 0; i < 3; i++) {
		peer_mark_last(p);
		conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "thin", .at_ms = 200);
	}
	conn_send(&c, .flags = RST);
}

/* --- routes ---------------------------------------------------------------- */

/* In eighths of a millisecond. A locked metric is neither saved nor taken. */
TEST_F(hostcache, rtt_lock_of_the_route_wins)
{
	struct peer *p = &self->peer;

	NOT_ON_STOCK();		/* it takes what the route had when the entry was made */
	open_and_end(p, 300);
	route(p, .value[RTAX_RTT] = 8 * 500, .value[RTAX_LOCK] = 1 << RTAX_RTT);
	EXPECT_LE(1500, next_rto_ms(p));
	EXPECT_GE(1500 + SLACK_MS, next_rto_ms(p));
	open_and_end(p, 700);
	route(p, .value[RTAX_MTU] = mtu_of(1400));
	EXPECT_NEXT_RTO(next_rto_ms(p));
}

/* One that is not locked is where the entry begins: 500 - (500 - 87.5) / 8. */
TEST_F(hostcache, rtt_of_the_route_is_the_first)
{
	struct peer *p = &self->peer;
	int ms;

	route(p, .value[RTAX_RTT] = 8 * 500);
	EXPECT_USUAL_RTO(next_rto_ms(p));
	open_and_end(p, 100);
	ms = next_rto_ms(p);
	EXPECT_LE(1325, ms);
	EXPECT_GE(1365, ms);
}

/* 600 s is more than an entry can hold: it begins with 2^32 us / 8, less an eighth of that. */
TEST_F(hostcache, rtt_of_the_route_is_bounded)
{
	struct peer *p = &self->peer;
	struct row row;

	NOT_ON_STOCK();
	route(p, .value[RTAX_RTT] = 8 * 600000);
	open_and_end(p, 100);
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_LT(469000000, row.rtt_us);
	EXPECT_GT(471000000, row.rtt_us);
}

/* A lock is of one metric: the others come from the cache. */
TEST_F(hostcache, ssthresh_with_a_lock_of_the_rtt)
{
	struct peer *p = &self->peer;
	int threshold;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("no_ssthresh_metrics_save", 0));
	threshold = lose_and_end(_metadata, p).ssthresh;
	route(p, .value[RTAX_RTT] = 8 * 500, .value[RTAX_LOCK] = 1 << RTAX_RTT);
	EXPECT_LE(threshold, (int)next_ssthresh(p));
	EXPECT_GE(threshold + 2, (int)next_ssthresh(p));
}

TEST_F(hostcache, ssthresh_lock_of_the_route_wins)
{
	struct peer *p = &self->peer;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("no_ssthresh_metrics_save", 0));
	lose_and_end(_metadata, p);
	route(p, .value[RTAX_SSTHRESH] = 33, .value[RTAX_LOCK] = 1 << RTAX_SSTHRESH);
	EXPECT_EQ(33, (int)next_ssthresh(p));
}

/* An entry begins with the route's metrics. What of them is locked stays, the others change. */
TEST_F(hostcache, rfc9040_locked_metrics_are_not_saved)
{
	static const int locks[] = {
		0, RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH, RTAX_CWND, RTAX_REORDERING,
	};
	struct peer *p = &self->peer;

	ASSERT_EQ(0, knob_set("no_ssthresh_metrics_save", 0));
	for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
		struct row row;

		peer_note(p, "lock of metric %d", locks[i]);
		to_peer(p, 3 + i);
		/* Times are in eighths and quarters of a millisecond. */
		route(p, .value[RTAX_RTT] = 8 * 50, .value[RTAX_RTTVAR] = 4 * 10,
		      .value[RTAX_SSTHRESH] = 2, .value[RTAX_CWND] = 20,
		      .value[RTAX_REORDERING] = 4,
		      .value[RTAX_LOCK] = locks[i] ? 1 << locks[i] : 0);
		reorder_lose_and_end(_metadata, p, 100);
		row = row_of(_metadata, p, 3 + i);
		EXPECT_EQ(locks[i] == RTAX_RTT, row.rtt_us == 50000);
		EXPECT_EQ(locks[i] == RTAX_RTTVAR, row.rttvar_us == 10000);
		EXPECT_EQ(locks[i] == RTAX_SSTHRESH, row.ssthresh == 2);
		EXPECT_EQ(locks[i] == RTAX_CWND, row.cwnd == 20);
		EXPECT_EQ(locks[i] == RTAX_REORDERING, row.reordering == 4);
		if (!stock_mode())
			ASSERT_EQ(0, say("flush"));
	}
}

/* --- the file --------------------------------------------------------------- */

TEST_F(hostcache, proc_hostcache)
{
	struct peer *p = &self->peer;
	struct row row;

	NOT_ON_STOCK();
	EXPECT_EQ(0, rows_read(_metadata, NULL));
	open_and_end(p, 300);
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_STREQ(p->family == AF_INET6 ? "[fd00:a::2]" : "10.0.0.2", row.remote);
	EXPECT_STREQ(p->family == AF_INET6 ? "[fd00:a::1]" : "10.0.0.1", row.local);
	EXPECT_STREQ(stream_wire() == XTCP_WIRE_TCP ? "tcp" : "native", row.wire);
	EXPECT_GE(1000, (int)row.age_ms);
	EXPECT_LE(260000, (int)row.rtt_us);
	EXPECT_GE(310000, (int)row.rtt_us);
	EXPECT_LE(100000, (int)row.rttvar_us);
	EXPECT_EQ(0, (int)row.ssthresh);
	EXPECT_EQ(10, (int)row.cwnd);
	EXPECT_EQ(0, (int)row.reordering);
	EXPECT_EQ(0, (int)row.mss);
	EXPECT_EQ(0, row.cookie);
	sleep_ms(5000);
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_LE(5000, (int)row.age_ms);
	EXPECT_GE(6000, (int)row.age_ms);
}

TEST_F(hostcache, proc_hostcache_flush)
{
	struct peer *p = &self->peer;
	struct ipaddr first = p->addr;
	char name[80];
	struct row row;

	NOT_ON_STOCK();
	open_and_end(p, 300);
	to_peer(p, 3);
	open_and_end(p, 300);
	EXPECT_EQ(2, rows_read(_metadata, NULL));
	EXPECT_EQ(0, say(p->family == AF_INET6 ? "[fd00:a::3]\n" : "10.0.0.3\n"));
	ASSERT_EQ(1, rows_read(_metadata, &row));
	EXPECT_EQ(ENOENT, say(p->family == AF_INET6 ? "[fd00:a::3]" : "10.0.0.3"));
	snprintf(name, sizeof(name), "%s", row.remote);
	EXPECT_USUAL_RTO(next_rto_ms(p));
	p->addr = first;
	EXPECT_NEXT_RTO(next_rto_ms(p));
	EXPECT_EQ(0, say(name));
	EXPECT_EQ(0, rows_read(_metadata, NULL));
	EXPECT_USUAL_RTO(next_rto_ms(p));
	open_and_end(p, 300);
	EXPECT_EQ(1, rows_read(_metadata, NULL));
	EXPECT_EQ(0, say("flush\n"));
	EXPECT_EQ(0, rows_read(_metadata, NULL));
	EXPECT_EQ(0, say("flush"));
}

TEST_F(hostcache, proc_hostcache_refuses)
{
	static const char *const bad[] = {
		"\n", " ", "flush ", "flushx", "flush\n\n", "10.0.0", "10.0.0.2 10.0.0.1",
		"10.0.0.2/24", "10.0.0.256", "[fd00:a::2", "fd00:a::2", "[]", "[fd00:a::2]x",
		"all", "0123456789012345678901234567890123456789012345678901234567890123456789",
	};
	struct peer *p = &self->peer;
	int fd;

	NOT_ON_STOCK();
	open_and_end(p, 300);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(EINVAL, say(bad[i]))
			TH_LOG("'%s'", bad[i]);
	}
	fd = open(FILE_NAME, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, "flush\0x", 7));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, syscall(SYS_write, fd, NULL, 5));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EACCES, say("flush"));
	EXPECT_EQ(1, rows_read(_metadata, NULL));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(1, rows_read(_metadata, NULL));
	/* Even if the file's mode would allow it. */
	ASSERT_EQ(0, chmod(FILE_NAME, 0666));
	fd = proc_open_as_nobody(FILE_NAME, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, "flush", 5));
	EXPECT_EQ(EPERM, errno);
	close(fd);
	EXPECT_EQ(1, rows_read(_metadata, NULL));
}

/* Each namespace has its own, even before its first socket. */
TEST_F(hostcache, proc_hostcache_of_a_namespace)
{
	struct peer *p = &self->peer;
	int here = open("/proc/self/ns/net", O_RDONLY), other;

	NOT_ON_STOCK();
	open_and_end(p, 300);
	other = netns_new(WHERE(_metadata));
	EXPECT_EQ(0, rows_read(_metadata, NULL));
	EXPECT_EQ(0, say("flush"));
	EXPECT_EQ(ENOENT, say("10.0.0.2"));
	netns_enter(WHERE(_metadata), here);
	EXPECT_EQ(1, rows_read(_metadata, NULL));
	close(other);
	close(here);
}

/* Many peers: the newest are known, and the memory is bounded (open/fastconnect). */
TEST_F(hostcache, proc_hostcache_of_many)
{
	struct peer *p = &self->peer;
	struct ipaddr first = p->addr;
	int rows;

	NOT_ON_STOCK();
	for (int i = 0; i < 200; i++) {
		to_peer(p, 3 + i);
		open_and_end(p, 0);
	}
	rows = rows_read(_metadata, NULL);
	/* A chain has six places; 200 peers in 1024 chains fill none. */
	EXPECT_EQ(200, rows);
	p->addr = first;
	EXPECT_EQ(0, say("flush"));
	EXPECT_EQ(0, rows_read(_metadata, NULL));
}

TEST_HARNESS_MAIN
