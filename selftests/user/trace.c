// SPDX-License-Identifier: GPL-2.0
/*
 * trace: a connection's events in the tracepoints xtcp:* and the counts in
 * /proc/net/xtcp_lifecycle; the kernel's tracepoints of sockets and drops. WISH-14 (why and by
 * whom it was reset) and WISH-15 (counts of each transition).
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/filter.h>
#include <linux/tcp.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define TRACING "/tmp/xtcp-tracing"
#define BUFFER TRACING "/instances/xtcp-test"

FIXTURE(trace) {
	struct peer peer;
};

/* "netns == N": orphans of earlier tests continue in theirs. */
static const char *own_netns(char *buf, size_t size, const char *rest)
{
	struct stat st;

	snprintf(buf, size, "netns == %lu%s",
		 stat("/proc/self/ns/net", &st) ? 0UL : (unsigned long)st.st_ino, rest);
	return buf;
}

/* A buffer of this test's own, for all events of xtcp in its namespace. */
FIXTURE_SETUP(trace)
{
	char filter[64];

	peer_open_at(WHERE(_metadata), &self->peer, NULL);
	if (stock_mode())
		return;
	mkdir(TRACING, 0700);
	if (mount("tracefs", TRACING, "tracefs", 0, NULL))
		ASSERT_EQ(EBUSY, errno);
	rmdir(BUFFER);
	ASSERT_EQ(0, mkdir(BUFFER, 0700)) TH_LOG("%s", strerror(errno));
	file_write(_metadata, BUFFER "/events/xtcp/filter", own_netns(filter, sizeof(filter), ""));
	file_write(_metadata, BUFFER "/events/xtcp/enable", "1");
}

FIXTURE_TEARDOWN(trace)
{
	if (!stock_mode()) {
		file_write(_metadata, BUFFER "/events/xtcp/enable", "0");
		EXPECT_EQ(0, rmdir(BUFFER));
		EXPECT_EQ(0, umount(TRACING));
	}
	peer_close_at(WHERE(_metadata), &self->peer);
}

#define LINES 200

struct lines {
	int n;
	char event[LINES][32];		/* "xtcp_state" */
	char text[LINES][320];		/* its text, without its numbers */
};

/* The text from where it is the same in each run: behind "wire=253 " or "wire=6 ". */
static const char *from_addresses(const char *text)
{
	char name[16];
	const char *wire;

	snprintf(name, sizeof(name), "wire=%d ", stream_wire());
	wire = strstr(text, name);
	return wire ? wire + strlen(name) : text;
}

/* Reads the trace of so far, and clears it. */
static void take(struct __test_metadata *_metadata, struct lines *l)
{
	char line[512], *colon, *event;
	FILE *f = fopen(BUFFER "/trace", "r");

	ASSERT_NE(NULL, f);
	l->n = 0;
	while (fgets(line, sizeof(line), f) && l->n < LINES) {
		event = strstr(line, ": xtcp_");
		if (*line == '#' || !event)
			continue;
		event += 2;
		colon = strchr(event, ':');
		ASSERT_NE(NULL, colon);
		*colon = '\0';
		line[strcspn(line, "\n")] = '\0';
		colon[2 + strcspn(colon + 2, "\n")] = '\0';
		snprintf(l->event[l->n], sizeof(l->event[0]), "%s", event);
		snprintf(l->text[l->n++], sizeof(l->text[0]), "%s", from_addresses(colon + 2));
	}
	fclose(f);
	file_write(_metadata, BUFFER "/trace", "");
}

/* Text written for IPv4, in the family of the test run. */
static const char *in_family(const char *text, char *buf, size_t size)
{
	static const char *const names[][2] = {
		{ "10.0.0.1:", "[fd00:a::1]:" },
		{ "10.0.0.2:", "[fd00:a::2]:" },
		{ "0.0.0.0:", "[::]:" },
	};
	size_t n = 0;

	if (test_family() == AF_INET)
		return text;
	while (*text && n < size - 1) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (!strncmp(text, names[i][0], strlen(names[i][0]))) {
				n += snprintf(buf + n, size - n, "%s", names[i][1]);
				text += strlen(names[i][0]);
			}
		buf[n++] = *text++;
	}
	buf[n] = '\0';
	return buf;
}

/* These are all lines of that event, in this order. */
static void expect_lines(struct __test_metadata *_metadata, const struct lines *l,
			 const char *event, const char *const *want)
{
	char buf[256];

	for (int i = 0; i < l->n; i++) {
		if (strcmp(l->event[i], event))
			continue;
		if (!*want) {
			EXPECT_STREQ("nothing more", l->text[i]);
			continue;
		}
		EXPECT_STREQ(in_family(*want++, buf, sizeof(buf)), l->text[i]);
	}
	EXPECT_EQ(NULL, *want);
}

#define expect_events(l, event, ...) \
	expect_lines(_metadata, l, event, (const char *const[]){ __VA_ARGS__, NULL })

/* --- tracepoints ---------------------------------------------------------- */

TEST_F(trace, trace_events_are_there)
{
	static const char *const events[] = {
		"xtcp_state", "xtcp_rcv", "xtcp_send", "xtcp_reset", "xtcp_syn",
		"xtcp_ack", "xtcp_retransmit",
	};
	char path[128], format[4096];
	ssize_t n;
	int fd;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), TRACING "/events/xtcp/%s/format", events[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd) TH_LOG("%s", path);
		n = read(fd, format, sizeof(format) - 1);
		ASSERT_LT(0, n);
		format[n] = '\0';
		EXPECT_NE(NULL, strstr(format, "netns"));
		EXPECT_NE(NULL, strstr(format, "laddr"));
		EXPECT_NE(NULL, strstr(format, "rport"));
		close(fd);
	}
}

/* Every step of a server's connection that the client closes. */
TEST_F(trace, wish_14_each_state_change_is_traced)
{
	static struct lines l;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c);
	conn_advance(&c, ST_LAST_ACK, false);
	conn_send(&c, .flags = ACK);
	take(_metadata, &l);
	expect_events(&l, "xtcp_state",
		      "10.0.0.1:5000 0.0.0.0:0 CLOSED -> LISTEN on passive-OPEN",
		      "10.0.0.1:5000 10.0.0.2:40000 LISTEN -> SYN-RECEIVED(record) on rcv-SYN",
		      "10.0.0.1:5000 10.0.0.2:40000 SYN-RECEIVED(record) -> ESTABLISHED on rcv-ACK-of-SYN",
		      "10.0.0.1:5000 10.0.0.2:40000 ESTABLISHED -> CLOSE-WAIT on rcv-FIN",
		      "10.0.0.1:5000 10.0.0.2:40000 CLOSE-WAIT -> LAST-ACK on SHUTDOWN-SEND",
		      "10.0.0.1:5000 10.0.0.2:40000 LAST-ACK -> CLOSED on rcv-ACK-of-FIN");
}

/* And of a client's that closes first; TIME-WAIT ends after a minute. */
TEST_F(trace, wish_14_active_open_to_time_wait)
{
	static struct lines l;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c, .active = true, .kport = 5100);
	conn_advance(&c, ST_TIME_WAIT, false);
	peer_expect_silence(&self->peer, 61000);
	take(_metadata, &l);
	expect_events(&l, "xtcp_state",
		      "10.0.0.1:5100 10.0.0.2:40000 CLOSED -> SYN-SENT on active-OPEN",
		      "10.0.0.1:5100 10.0.0.2:40000 SYN-SENT -> ESTABLISHED on rcv-SYN,ACK",
		      "10.0.0.1:5100 10.0.0.2:40000 ESTABLISHED -> FIN-WAIT-1 on SHUTDOWN-SEND",
		      "10.0.0.1:5100 10.0.0.2:40000 FIN-WAIT-1 -> FIN-WAIT-2 on rcv-ACK-of-FIN",
		      "10.0.0.1:5100 10.0.0.2:40000 FIN-WAIT-2 -> TIME-WAIT on rcv-FIN",
		      "10.0.0.1:5100 10.0.0.2:40000 TIME-WAIT -> CLOSED on TIME-WAIT-TIMEOUT");
}

TEST_F(trace, trace_segments_both_ways)
{
	static struct lines l;
	char want[8][160];
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c, .peer_iss = 1000);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
	/* A segment with a bad checksum is not traced. */
	conn_send(&c, .flags = ACK | PSH, .data = "abc", .bad_csum = true);
	take(_metadata, &l);
#define SAYS(i, ...) (snprintf(want[i], sizeof(want[i]), \
	"10.0.0.1:5000 10.0.0.2:40000 " __VA_ARGS__), want[i])
	expect_events(&l, "xtcp_rcv",
		      SAYS(0, "seq=1000 ack=0 len=0 wnd=65535 flags=SYN"),
		      SAYS(1, "seq=1001 ack=%u len=0 wnd=65535 flags=ACK", c.kern_iss + 1),
		      SAYS(2, "seq=1001 ack=%u len=3 wnd=65535 flags=PSH|ACK", c.kern_iss + 1));
	expect_events(&l, "xtcp_send",
		      SAYS(3, "seq=%u ack=1001 len=0 wnd=64240 flags=SYN|ACK", c.kern_iss),
		      SAYS(4, "seq=%u ack=1004 len=0 wnd=%u flags=ACK", c.kern_iss + 1,
			   self->peer.last.wnd));
#undef SAYS
}

/* The reason has the name of the counter that moved with it. */
TEST_F(trace, wish_14_resets_have_reasons)
{
	struct peer *p = &self->peer;
	static struct lines l;
	struct conn c;

	NOT_ON_STOCK();
	peer_hold(p, 7);
	peer_send(p, .flags = SYN, .seq = 1000, .dport = 7);
	peer_expect(p, .flags = RST | ACK, .ack = 1001, .sport = 7);
	take(_metadata, &l);
	expect_events(&l, "xtcp_reset",
		      "10.0.0.1:7 10.0.0.2:40000 sent: XtcpResetSentNoConnection");

	conn_open(p, &c, .pport = 40001);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 4);
	close(c.lfd);
	take(_metadata, &l);
	expect_events(&l, "xtcp_reset",
		      "10.0.0.1:5000 10.0.0.2:40001 sent: XtcpResetSentUnreadText");

	conn_open(p, &c, .pport = 40002);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	close(c.lfd);
	take(_metadata, &l);
	expect_events(&l, "xtcp_reset",
		      "10.0.0.1:5000 10.0.0.2:40002 received: XtcpResetRecvOpen");
}

/* --- what is sent again, and what is acknowledged --------------------------- */

#define RTT_MS 100
#define MSS 1000

/* The lines of an event, in order: expect_resent() takes one after another. */
struct resents {
	struct lines l;
	int next;
};

static void resents_take(struct __test_metadata *_metadata, struct resents *r)
{
	take(_metadata, &r->l);
	r->next = 0;
}

/*
 * The next line of xtcp_retransmit says: @reason, segment of @len bytes at @at (relative
 * to the ISN), sent again @times, after about @ms.
 */
static void expect_resent(struct __test_metadata *_metadata, struct resents *r,
			  const struct conn *c, const char *reason, int at, unsigned int len,
			  unsigned int times, unsigned int ms)
{
	unsigned int seq, got_len, got_times;
	unsigned long long us;
	char why[32];

	while (r->next < r->l.n && strcmp(r->l.event[r->next], "xtcp_retransmit"))
		r->next++;
	ASSERT_GT(r->l.n, r->next) TH_LOG("no line of %s", reason);
	ASSERT_EQ(5, sscanf(strstr(r->l.text[r->next], "seq="),
			    "seq=%u len=%u times=%u waited_us=%llu %31s", &seq, &got_len,
			    &got_times, &us, why)) TH_LOG("%s", r->l.text[r->next]);
	r->next++;
	EXPECT_STREQ(reason, why);
	EXPECT_EQ(at, (int)(seq - c->kern_iss)) TH_LOG("%s", reason);
	EXPECT_EQ(len, got_len) TH_LOG("%s", reason);
	EXPECT_EQ(times, got_times) TH_LOG("%s", reason);
	/* The clock of a debug kernel has ticks of 10 ms, and timers wait for two of them. */
	EXPECT_LE(ms, (us + 999) / 1000) TH_LOG("%s: %llu us", reason, us);
	EXPECT_GE(ms + 50, us / 1000) TH_LOG("%s: %llu us", reason, us);
}

static void expect_no_more_resent(struct __test_metadata *_metadata, struct resents *r)
{
	for (; r->next < r->l.n; r->next++)
		EXPECT_STRNE("xtcp_retransmit", r->l.event[r->next])
			TH_LOG("%s", r->l.text[r->next]);
}

/* Our SYN, a record's SYN-ACK. */
TEST_F(trace, trace_resent_syns)
{
	struct peer *p = &self->peer;
	static struct resents r;
	struct conn c, d;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_SENT, .active = true);
	peer_mark(p);
	conn_expect(&c, .flags = SYN, .within_ms = 1100);
	conn_expect(&c, .flags = SYN, .within_ms = 2200);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &c, "SYN", 0, 0, 1, 1000);
	expect_resent(_metadata, &r, &c, "SYN", 0, 0, 2, 2000);
	expect_no_more_resent(_metadata, &r);
	conn_send(&c, .flags = RST | ACK, .ack = 1);

	conn_to_state(p, &d, ST_HALF_OPEN, .pport = 40001);
	conn_expect(&d, .flags = SYN | ACK, .within_ms = 1100);
	conn_send(&d, .flags = SYN, .seq = 0);
	conn_expect(&d, .flags = SYN | ACK, .within_ms = 100);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &d, "SYN-ACK", 0, 0, 1, 0);
	expect_resent(_metadata, &r, &d, "SYN-ACK", 0, 0, 1, 0);
	expect_no_more_resent(_metadata, &r);
	conn_send(&d, .flags = RST);
}

/* The last of three is unanswered: the probe, the timeout, then the rest of the flight. */
TEST_F(trace, trace_resent_by_timers)
{
	struct peer *p = &self->peer;
	static struct resents r;
	struct conn c;

	NOT_ON_STOCK();
	flight_start(p, &c, 3, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = RTT_MS);
	flight_expect(&c, 2, .within_ms = 250);
	flight_expect(&c, 0, .within_ms = 350);
	flight_ack(&c, 1);
	flight_expect(&c, 1, .within_ms = 10);
	flight_expect(&c, 2, .within_ms = 100);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &c, "loss-probe", 1 + 2 * MSS, MSS, 1, 2 * RTT_MS);
	expect_resent(_metadata, &r, &c, "RTO", 1, MSS, 1, 2 * RTT_MS + 300);
	expect_resent(_metadata, &r, &c, "slow-start", 1 + MSS, MSS, 1, 2 * RTT_MS + 300);
	/* Sent with the other; the queue of the device holds it until it is due. */
	expect_resent(_metadata, &r, &c, "slow-start", 1 + 2 * MSS, MSS, 2, 300);
	expect_no_more_resent(_metadata, &r);
	conn_send(&c, .flags = RST);
}

/* A hole below what arrived: by time, or by counting. */
TEST_F(trace, trace_resent_by_acks)
{
	struct peer *p = &self->peer;
	static struct resents r;
	struct conn c, d;

	NOT_ON_STOCK();
	flight_start(p, &c, 8, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = RTT_MS);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 1, 8 });
	flight_expect(&c, 0, .within_ms = 10);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &c, "RACK", 1, MSS, 1, RTT_MS);
	expect_no_more_resent(_metadata, &r);
	conn_send(&c, .flags = RST);

	ASSERT_EQ(0, knob_set("recovery", 0));
	flight_start(p, &d, 8, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = RTT_MS,
		     .kport = 5001);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&d, 0, { 1, 8 });
	flight_expect(&d, 0, .within_ms = 10);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &d, "duplicate-ACKs", 1, MSS, 1, RTT_MS);
	expect_no_more_resent(_metadata, &r);
	conn_send(&d, .flags = RST);
}

/* Without SACK, RACK finds nothing, although xtcp_recovery allows it: three duplicate ACKs do. */
TEST_F(trace, trace_resent_without_sack)
{
	struct peer *p = &self->peer;
	static struct resents r;
	struct conn c;

	NOT_ON_STOCK();
	flight_start(p, &c, 8, .opt = OPT(OPT_MSS(MSS)), .rtt_ms = RTT_MS);
	peer_sleep_until(p, RTT_MS);
	for (int i = 0; i < 3; i++)
		flight_ack(&c, 0);
	flight_expect(&c, 0, .within_ms = 10);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &c, "duplicate-ACKs", 1, MSS, 1, RTT_MS);
	expect_no_more_resent(_metadata, &r);
	conn_send(&c, .flags = RST);
}

/* Probes have no payload, and a sequence number that the peer has received. */
TEST_F(trace, trace_probes)
{
	struct peer *p = &self->peer;
	static struct resents r;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 1));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPINTVL, 2));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	conn_expect(&c, .flags = ACK, .seq = 0, .within_ms = 1100);
	conn_expect(&c, .flags = ACK, .seq = 0, .within_ms = 2100);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &c, "keepalive", 0, 0, 1, 1000);
	expect_resent(_metadata, &r, &c, "keepalive", 0, 0, 2, 3000);
	expect_no_more_resent(_metadata, &r);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_KEEPALIVE, 0));

	c.wnd = 0;
	conn_send(&c, .flags = ACK);
	conn_write(&c, 5);
	conn_expect(&c, .flags = ACK, .seq = 0, .within_ms = 300);
	resents_take(_metadata, &r);
	expect_resent(_metadata, &r, &c, "window-probe", 0, 0, 1, 200);
	expect_no_more_resent(_metadata, &r);
	conn_send(&c, .flags = RST);
}

/* The text of the last line of xtcp_ack, behind the addresses. */
static const char *last_ack(const struct lines *l)
{
	const char *text = "no line";

	for (int i = 0; i < l->n; i++)
		if (!strcmp(l->event[i], "xtcp_ack"))
			text = strstr(l->text[i], "ack=");
	return text;
}

/* Windows and scoreboard after each ACK; compared with tcp_info of the same moment. */
TEST_F(trace, trace_acks)
{
	struct peer *p = &self->peer;
	static struct lines l;
	struct tcp_info info;
	char want[320];
	struct conn c;

	NOT_ON_STOCK();
	flight_start(p, &c, 10, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = RTT_MS);
	peer_sleep_until(p, RTT_MS);
	take(_metadata, &l);
#define SAY(una, sacked, lost, resent, recovery) \
	snprintf(want, sizeof(want), "ack=%u una=%u nxt=%u wnd=65535 cwnd=%u ssthresh=%d " \
		  "inflight=%u sacked=%u lost=%u retrans=%u delivered=%u srtt=%u rto=%u " \
		  "pacing=%llu %s", c.kern_iss + (una), c.kern_iss + (una), \
		  c.kern_iss + 1 + 10 * MSS, info.tcpi_snd_cwnd, (int)info.tcpi_snd_ssthresh, \
		  info.tcpi_unacked, sacked, lost, resent, info.tcpi_delivered, \
		  info.tcpi_rtt, info.tcpi_rto, (unsigned long long)info.tcpi_pacing_rate, recovery)
	flight_ack(&c, 2);
	take(_metadata, &l);
	info = conn_tcp_info(&c);
	EXPECT_EQ(8, info.tcpi_unacked);
	SAY(1 + 2 * MSS, 0, 0, 0, "open");
	EXPECT_STREQ(want, last_ack(&l));

	flight_sack(&c, 2, { 4, 10 });
	flight_expect(&c, 2, .within_ms = 10);
	flight_expect(&c, 3, .within_ms = 10);
	take(_metadata, &l);
	info = conn_tcp_info(&c);
	SAY(1 + 2 * MSS, 6, 2, 2, "recovery");
	EXPECT_STREQ(want, last_ack(&l));

	/* An older ACK that was overtaken is processed, too. */
	flight_ack(&c, 10);
	flight_ack(&c, 3);
	take(_metadata, &l);
	EXPECT_EQ(0, strncmp(last_ack(&l), "ack=", 4));
	EXPECT_EQ(c.kern_iss + 1 + 3 * MSS, (uint32_t)strtoul(last_ack(&l) + 4, NULL, 10));
	EXPECT_NE(NULL, strstr(last_ack(&l), " inflight=0 "));
#undef SAY
	conn_send(&c, .flags = RST);
}

/* For each SYN: the contents of the listener's queues, and the verdict. */
TEST_F(trace, trace_verdicts_on_syns)
{
	struct peer *p = &self->peer;
	struct conn c[4], late;
	static struct lines l;
	int lfd;

	NOT_ON_STOCK();
	lfd = peer_listen(p, 5000, 1);
	conn_to_state(p, &c[0], ST_HALF_OPEN, .lfd = lfd, .pport = 41000);
	conn_to_state(p, &c[1], ST_HALF_OPEN, .lfd = lfd, .pport = 41001);
	conn_start(p, &late, .lfd = lfd, .pport = 41002);
	conn_send(&late, .flags = SYN);
	conn_expect(&late, .flags = SYN | ACK);
	ASSERT_EQ(0, knob_set("syncookies", 0));
	conn_send(&late, .flags = SYN, .seq = 0);
	conn_send(&c[0], .flags = ACK);
	conn_send(&c[1], .flags = ACK);
	conn_send(&late, .flags = SYN, .seq = 0);
	ASSERT_EQ(0, knob_set("max_syn_backlog", 1));
	ASSERT_EQ(0, socket_listen(lfd, 5));
	conn_to_state(p, &c[2], ST_HALF_OPEN, .lfd = lfd, .pport = 41003);
	conn_to_state(p, &c[3], ST_HALF_OPEN, .lfd = lfd, .pport = 41004);
	conn_send(&late, .flags = SYN, .seq = 0);
	peer_expect_silence(p, 20);
	take(_metadata, &l);
	expect_events(&l, "xtcp_syn",
		      "10.0.0.1:5000 10.0.0.2:41000 syn=0/1 accept=0/1 queued",
		      "10.0.0.1:5000 10.0.0.2:41001 syn=1/1 accept=0/1 queued",
		      "10.0.0.1:5000 10.0.0.2:41002 syn=2/1 accept=0/1 cookie",
		      "10.0.0.1:5000 10.0.0.2:41002 syn=2/1 accept=0/1 dropped, SYN queue full",
		      "10.0.0.1:5000 10.0.0.2:41002 syn=0/1 accept=2/1 dropped, accept queue full",
		      "10.0.0.1:5000 10.0.0.2:41003 syn=0/1 accept=2/5 queued",
		      "10.0.0.1:5000 10.0.0.2:41004 syn=1/1 accept=2/5 queued",
		      "10.0.0.1:5000 10.0.0.2:41002 syn=2/1 accept=2/5 dropped, rest kept for known peers");
	close(lfd);
	p->leave_unread = true;
}

/* The verdicts of a limit. */
TEST_F(trace, trace_verdicts_of_limits)
{
	struct peer *p = &self->peer;
	static struct lines l;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 1));
	ASSERT_EQ(0, knob_set("synack_ratelimit", 2));
	lfd = peer_listen(p, KERNEL_PORT, 5);
	second_begin();
	for (int i = 0; i < 2; i++)
		peer_send(p, .flags = SYN, .sport = 40000 + i);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	for (int i = 2; i < 4; i++)
		peer_send(p, .flags = SYN, .sport = 40000 + i);
	EXPECT_EQ(2, peer_drain(p, 10));
	take(_metadata, &l);
	expect_events(&l, "xtcp_syn",
		      "10.0.0.1:5000 10.0.0.2:40000 syn=0/5 accept=0/5 queued",
		      "10.0.0.1:5000 10.0.0.2:40001 syn=1/5 accept=0/5 dropped, too many of its source",
		      "10.0.0.1:5000 10.0.0.2:40002 syn=1/5 accept=0/5 cookie",
		      "10.0.0.1:5000 10.0.0.2:40003 syn=1/5 accept=0/5 dropped, rate limit");
	close(lfd);
}

/* Switched off, nothing is written. */
TEST_F(trace, trace_can_be_switched_off)
{
	static struct lines l;
	struct conn c;

	NOT_ON_STOCK();
	file_write(_metadata, BUFFER "/events/xtcp/xtcp_rcv/enable", "0");
	file_write(_metadata, BUFFER "/events/xtcp/xtcp_send/enable", "0");
	conn_open(&self->peer, &c);
	take(_metadata, &l);
	/* Three states, the ACK of our SYN-ACK, a verdict. */
	EXPECT_EQ(5, l.n);
	file_write(_metadata, BUFFER "/events/xtcp/enable", "0");
	conn_send(&c, .flags = RST);
	take(_metadata, &l);
	EXPECT_EQ(0, l.n);
}

/* A filter on a field, as people use them. */
TEST_F(trace, trace_filter_by_port)
{
	struct peer *p = &self->peer;
	char filter[64], want[64];
	static struct lines l;
	struct conn c, d;

	NOT_ON_STOCK();
	snprintf(want, sizeof(want), "%s ", end_text("10.0.0.1", 5001));
	file_write(_metadata, BUFFER "/events/xtcp/enable", "0");
	file_write(_metadata, BUFFER "/events/xtcp/xtcp_state/filter",
	    own_netns(filter, sizeof(filter), " && lport == 5001"));
	file_write(_metadata, BUFFER "/events/xtcp/xtcp_state/enable", "1");
	conn_open(p, &c, .kport = 5000);
	conn_open(p, &d, .kport = 5001);
	take(_metadata, &l);
	EXPECT_EQ(3, l.n);
	for (int i = 0; i < l.n; i++)
		EXPECT_EQ(0, strncmp(l.text[i], want, strlen(want)));
}

/* --- counts --------------------------------------------------------------- */

/* Sum of all counts of events that change the state. */
static long long moves(struct __test_metadata *_metadata)
{
	FILE *f = fopen("/proc/net/xtcp_lifecycle", "r");
	char from[64], event[64], to[64];
	long long n, sum = 0;
	char line[256];

	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	while (fgets(line, sizeof(line), f)) {
		ASSERT_EQ(4, sscanf(line, "%63s %63s %63s %lld", from, event, to, &n));
		if (strcmp(from, to))
			sum += n;
	}
	fclose(f);
	return sum;
}

#define expect_taken(n, from, event, to) \
	EXPECT_EQ(n, lifecycle_count(from, event, to))

TEST_F(trace, wish_15_lifecycle_counts_each_transition)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	EXPECT_EQ(0, moves(_metadata));
	/* Three servers' connections, one of them reset. */
	for (int i = 0; i < 3; i++) {
		conn_open(p, &c, .kport = 5000 + i);
		if (i == 2) {
			conn_send(&c, .flags = RST);
			continue;
		}
		conn_advance(&c, ST_LAST_ACK, false);
		conn_send(&c, .flags = ACK);
	}
	/* A client's. */
	conn_open(p, &c, .active = true);
	conn_advance(&c, ST_TIME_WAIT, false);
	expect_taken(3, "CLOSED", "passive-OPEN", "LISTEN");
	expect_taken(3, "LISTEN", "rcv-SYN", "SYN-RECEIVED");
	expect_taken(3, "SYN-RECEIVED", "rcv-ACK-of-SYN", "ESTABLISHED");
	expect_taken(1, "ESTABLISHED", "rcv-RST", "CLOSED");
	expect_taken(2, "ESTABLISHED", "rcv-FIN", "CLOSE-WAIT");
	expect_taken(2, "CLOSE-WAIT", "SHUTDOWN-SEND", "LAST-ACK");
	expect_taken(2, "LAST-ACK", "rcv-ACK-of-FIN", "CLOSED");
	expect_taken(1, "CLOSED", "active-OPEN", "SYN-SENT");
	expect_taken(1, "SYN-SENT", "rcv-SYN,ACK", "ESTABLISHED");
	expect_taken(1, "ESTABLISHED", "SHUTDOWN-SEND", "FIN-WAIT-1");
	expect_taken(1, "FIN-WAIT-1", "rcv-ACK-of-FIN", "FIN-WAIT-2");
	expect_taken(1, "FIN-WAIT-2", "rcv-FIN", "TIME-WAIT");
	EXPECT_EQ(21, moves(_metadata));
	/* The last one when its minute is over. */
	peer_expect_silence(p, 61000);
	expect_taken(1, "TIME-WAIT", "TIME-WAIT-TIMEOUT", "CLOSED");
	EXPECT_EQ(22, moves(_metadata));
}

/* Each namespace counts for itself. */
TEST_F(trace, wish_15_lifecycle_is_of_a_namespace)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c);
	EXPECT_EQ(3, moves(_metadata));
	netns_new(WHERE(_metadata));
	EXPECT_EQ(0, moves(_metadata));
}

/* --- sock:inet_sock_set_state ----------------------------------------------- */

PEER_FIXTURE(changes);

#define SET_STATE "/events/sock/inet_sock_set_state/"

/*
 * Traces the sockets of the stack under test that have this port, or none, until
 * changes_expect().
 */
static void changes_watch(struct __test_metadata *_metadata, int port)
{
	char filter[80];

	mkdir(TRACING, 0700);
	if (mount("tracefs", TRACING, "tracefs", 0, NULL))
		ASSERT_EQ(EBUSY, errno);
	rmdir(BUFFER);
	ASSERT_EQ(0, mkdir(BUFFER, 0700)) TH_LOG("%s", strerror(errno));
	snprintf(filter, sizeof(filter), "protocol == %d && (sport == %d || sport == 0)",
		 stock_mode() ? IPPROTO_TCP : IPPROTO_XTCP, port);
	file_write(_metadata, BUFFER SET_STATE "filter", filter);
	file_write(_metadata, BUFFER SET_STATE "enable", "1");
}

/* These are all changes since, in this order: "CLOSE > SYN_SENT". */
static void changes_compare(struct __test_metadata *_metadata, const char *const *want)
{
	FILE *f = fopen(BUFFER "/trace", "r");
	char line[512], old[32], new[32], got[80];
	const char *states;

	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		states = strstr(line, "oldstate=");
		if (*line == '#' || !states)
			continue;
		ASSERT_EQ(2, sscanf(states, "oldstate=TCP_%31s newstate=TCP_%31s", old, new))
			TH_LOG("%s", line);
		snprintf(got, sizeof(got), "%s > %s", old, new);
		EXPECT_STREQ(*want ? *want : "nothing more", got);
		want += !!*want;
	}
	fclose(f);
	EXPECT_EQ(NULL, *want) TH_LOG("%s", *want);
	file_write(_metadata, BUFFER SET_STATE "enable", "0");
	EXPECT_EQ(0, rmdir(BUFFER));
	EXPECT_EQ(0, umount(TRACING));
}

#define changes_expect(...) \
	changes_compare(_metadata, (const char *const[]){ __VA_ARGS__, NULL })

/* A record takes over in TIME-WAIT: the socket is closed, and was in no other state before. */
TEST_F(changes, sock_states_of_a_client_that_closes_first)
{
	struct conn c;

	changes_watch(_metadata, 5100);
	conn_open(&self->peer, &c, .active = true, .kport = 5100);
	conn_advance(&c, ST_TIME_WAIT, false);
	changes_expect("CLOSE > SYN_SENT", "SYN_SENT > ESTABLISHED",
		       "ESTABLISHED > FIN_WAIT1", "FIN_WAIT1 > FIN_WAIT2", "FIN_WAIT2 > CLOSE");
}

/* In FIN-WAIT-2 it does if the program has closed the socket. */
TEST_F(changes, sock_states_of_an_orphan)
{
	struct conn c;

	changes_watch(_metadata, 5100);
	conn_to_state(&self->peer, &c, ST_ORPHAN_FIN_WAIT_2, .active = true, .kport = 5100);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	conn_expect_state(&c, ST_TIME_WAIT);
	changes_expect("CLOSE > SYN_SENT", "SYN_SENT > ESTABLISHED",
		       "ESTABLISHED > FIN_WAIT1", "FIN_WAIT1 > FIN_WAIT2", "FIN_WAIT2 > CLOSE");
}

TEST_F(changes, sock_states_of_a_simultaneous_close)
{
	struct conn c;

	changes_watch(_metadata, 5100);
	conn_to_state(&self->peer, &c, ST_CLOSING, .active = true, .kport = 5100);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_TIME_WAIT);
	changes_expect("CLOSE > SYN_SENT", "SYN_SENT > ESTABLISHED",
		       "ESTABLISHED > FIN_WAIT1", "FIN_WAIT1 > CLOSING", "CLOSING > CLOSE");
}

/* The half-open record is not reported, either: its child is. */
TEST_F(changes, sock_states_of_a_server)
{
	struct conn c;

	changes_watch(_metadata, 5100);
	conn_open(&self->peer, &c, .kport = 5100);
	conn_advance(&c, ST_LAST_ACK, false);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
	changes_expect("CLOSE > LISTEN", "LISTEN > SYN_RECV", "SYN_RECV > ESTABLISHED",
		       "ESTABLISHED > CLOSE_WAIT", "CLOSE_WAIT > LAST_ACK", "LAST_ACK > CLOSE");
}

/* --- skb:kfree_skb --------------------------------------------------------- */

PAIR_FIXTURE(drops);
PEER_FIXTURE(drops_by_hand);

/* Traces everything that is dropped by any code, until drops_of_xtcp(). */
static void drops_watch(struct __test_metadata *_metadata)
{
	mkdir(TRACING, 0700);
	if (mount("tracefs", TRACING, "tracefs", 0, NULL))
		ASSERT_EQ(EBUSY, errno);
	rmdir(BUFFER);
	ASSERT_EQ(0, mkdir(BUFFER, 0700)) TH_LOG("%s", strerror(errno));
	file_write(_metadata, BUFFER "/events/skb/kfree_skb/enable", "1");
}

/*
 * Return: true if xtcp dropped that segment. Before 6.4 the event has a number for the
 * location: there each IPv4 packet counts. Sockets of earlier tests in namespaces
 * without a route are left out.
 */
static bool is_drop_of_xtcp(const char *line)
{
	if (!strstr(line, "kfree_skb:") || strstr(line, "IP_OUTNOROUTES"))
		return false;
	return strstr(line, "[xtcp]") ||
	       (!strstr(line, "+0x") && strstr(line, "protocol=2048 "));
}

/* The number of segments that xtcp has dropped since for that reason; NULL: for any. */
static int drops_of_xtcp(struct __test_metadata *_metadata, const char *reason)
{
	FILE *f = fopen(BUFFER "/trace", "r");
	char line[512];
	int n = 0;

	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		if (is_drop_of_xtcp(line) && (!reason || strstr(line, reason))) {
			if (!reason)
				TH_LOG("%s", line);
			n++;
		}
	fclose(f);
	return n;
}

static void drops_forget(struct __test_metadata *_metadata)
{
	file_write(_metadata, BUFFER "/events/skb/kfree_skb/enable", "0");
	EXPECT_EQ(0, rmdir(BUFFER));
	EXPECT_EQ(0, umount(TRACING));
}

/* A normal connection causes no drop events. */
TEST_F(drops, accepted_segments_are_no_drops)
{
	struct pair *pr = &self->pair;
	int client, server;

	NOT_ON_STOCK();
	drops_watch(_metadata);
	pair_connected(pr, 5000, &client, &server);
	stream_transfer(_metadata, server, client, 1000000, 5000);
	stream_transfer(_metadata, client, server, 1000000, 5000);
	sleep_ms(1000);
	close(server);
	sleep_ms(100);
	close(client);
	sleep_ms(3000);
	EXPECT_EQ(0, drops_of_xtcp(_metadata, NULL));
	drops_forget(_metadata);
}

/* Other segments' drops have a reason. */
TEST_F(drops_by_hand, drops_have_a_reason)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	drops_watch(_metadata);
	conn_open(p, &c);
	conn_send(&c, .flags = ACK, .len = 100);
	conn_expect(&c, .flags = ACK, .within_ms = 300);
	EXPECT_EQ(0, drops_of_xtcp(_metadata, NULL));
	conn_send(&c, .flags = ACK, .bad_csum = true, .len = 10);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_CSUM"));
	conn_send(&c, .flags = ACK, .seq = 1, .len = 100);
	conn_expect(&c, .flags = ACK);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_OLD_DATA") +
		     drops_of_xtcp(_metadata, "TCP_INVALID_SEQUENCE"));
	conn_send(&c, .flags = ACK, .seq = 1000000, .len = 10);
	EXPECT_EQ(2, drops_of_xtcp(_metadata, "TCP_OLD_DATA") +
		     drops_of_xtcp(_metadata, "TCP_INVALID_SEQUENCE"));
	conn_send(&c, .flags = 0, .seq = 101);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_FLAGS"));
	conn_send(&c, .flags = RST, .seq = 101);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_RESET"));
	p->leave_unread = true;
	drops_forget(_metadata);
}

/* The same before the third segment, for which a record stands. */
TEST_F(drops_by_hand, drops_of_a_half_open_have_a_reason)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	drops_watch(_metadata);
	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK, .seq = 1000000);
	conn_expect(&c, .flags = ACK);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_INVALID_SEQUENCE"));
	conn_send(&c, .flags = 0);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_FLAGS"));
	/* A RST in the window ends nothing; one at RCV.NXT does. */
	conn_send(&c, .flags = RST, .seq = 101);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_RESET"));
	conn_send(&c, .flags = RST);
	EXPECT_EQ(2, drops_of_xtcp(_metadata, "TCP_RESET"));
	conn_to_state(p, &c, ST_HALF_OPEN, .kport = KERNEL_PORT + 1);
	conn_send(&c, .flags = SYN);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_INVALID_SYN"));
	p->leave_unread = true;
	drops_forget(_metadata);
}

static void small_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUF, 8192);
}

/* At the edge of the window, open or closed. */
TEST_F(drops_by_hand, drops_at_the_window_have_a_reason)
{
	struct peer *p = &self->peer;
	int64_t room;
	struct conn c;

	NOT_ON_STOCK();
	drops_watch(_metadata);
	conn_open(p, &c, .prepare = small_buffer);
	conn_send(&c, .flags = ACK, .len = 100);
	conn_expect(&c, .flags = ACK, .within_ms = 300);
	conn_send(&c, .flags = ACK, .seq = conn_edge(&c), .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 101);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_OVERWINDOW"));
	while ((room = conn_edge(&c) - conn_peer_nxt(&c)) > 0) {
		conn_send(&c, .flags = ACK, .len = room < 1000 ? room : 1000);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 300);
	}
	EXPECT_EQ(0, drops_of_xtcp(_metadata, "TCP_ZEROWINDOW"));
	conn_send(&c, .flags = ACK, .seq = conn_edge(&c), .len = 10);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_ZEROWINDOW"));
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_OVERWINDOW"));
	p->leave_unread = true;
	drops_forget(_metadata);
}

static void refuse_all(struct __test_metadata *_metadata, int fd)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { .len = 1, .filter = code };

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
}

TEST_F(drops_by_hand, drops_by_the_socket_have_a_reason)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	drops_watch(_metadata);
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_MINTTL, 65));
	conn_send(&c, .flags = ACK, .len = 10);
	/* Older kernels have no name for it. */
	EXPECT_EQ(kernel_is_since(6, 3), drops_of_xtcp(_metadata, "TCP_MINTTL"));
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_MINTTL, 0));
	refuse_all(_metadata, c.fd);
	conn_send(&c, .flags = ACK, .seq = 1, .len = 10);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "SOCKET_FILTER"));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_DETACH_FILTER, 0));
	p->leave_unread = true;
	drops_forget(_metadata);
}

/* By the checks of RFC 9293 3.10.7.4, and the one of SHLD-3. */
TEST_F(drops_by_hand, drops_by_the_checks_have_a_reason)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	drops_watch(_metadata);
	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0)));
	conn_send(&c, .flags = ACK, .seq = 1, .len = 10,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base - 100000, 0)));
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_RFC7323_PAWS"));
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1000);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_ACK_UNSENT_DATA"));
	conn_send(&c, .flags = ACK, .seq = 1, .ack = -100000);
	EXPECT_EQ(1, drops_of_xtcp(_metadata, "TCP_TOO_OLD_ACK"));
	close(c.fd);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	EXPECT_EQ(kernel_is_since(6, 9), drops_of_xtcp(_metadata, "TCP_ABORT_ON_DATA"));
	p->leave_unread = true;
	drops_forget(_metadata);
}

TEST_HARNESS_MAIN
