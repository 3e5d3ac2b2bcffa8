// SPDX-License-Identifier: GPL-2.0
/*
 * dead: the flight recorder: what /proc/net/xtcp_dead and the tracepoint xtcp_dead tell
 * of a connection that ended in each way, who may read and clear it, and its limits.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/capability.h>
#include <linux/icmp.h>
#include <netinet/tcp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEAD "/proc/net/xtcp_dead"
#define RING 256
#define NOBODY 65534

FIXTURE(dead) {
	struct peer peer;
};

FIXTURE_SETUP(dead)
{
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
	if (!stock_mode())
		ASSERT_EQ(0, knob_set("recorder", 1));
}

FIXTURE_TEARDOWN(dead)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

struct obituary {
	long long number;
	double ended, seconds;
	char local[64], remote[64], wire[8], program[64], state[24], event[32], reset[40];
	unsigned int uid;
	int err;
	long long acked, received;
	unsigned int unacked, srtt_us, cwnd, retrans, rtos, probes, keepalives, delacks;
	char rows[2400];
};

static bool parse(char *line, struct obituary *o)
{
	return sscanf(line,
		      "%lld %lf %63s %63s %7s %u %63s %lf %23s %31s %d %39s %lld %lld %u %u %u %u %u %u %u %u %2399s",
		      &o->number, &o->ended, o->local, o->remote, o->wire, &o->uid,
		      o->program, &o->seconds, o->state, o->event, &o->err, o->reset,
		      &o->acked, &o->received, &o->unacked, &o->srtt_us, &o->cwnd,
		      &o->retrans, &o->rtos, &o->probes, &o->keepalives, &o->delacks,
		      o->rows) == 23;
}

/* The number of lines behind the header; the last one in @o, the first in @first. */
static int obituaries(struct __test_metadata *_metadata, struct obituary *o,
		      struct obituary *first)
{
	static char line[4096];
	FILE *f = fopen(DEAD, "r");
	int n = 0;

	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("number ended local remote wire uid program seconds state event errno reset acked received unacked srtt_us cwnd retrans rtos probes keepalives delacks rows\n",
		     line);
	while (fgets(line, sizeof(line), f)) {
		ASSERT_EQ(true, parse(line, o)) TH_LOG("%s", line);
		if (!n++ && first)
			*first = *o;
	}
	fclose(f);
	return n;
}

/* The rows without their times. */
static const char *story(const struct obituary *o)
{
	static char text[2400];
	const char *row = o->rows;
	size_t n = 0;

	while (row) {
		const char *end = strchr(row, ';');

		row = strchr(row, '/') + 1;
		n += snprintf(text + n, sizeof(text) - n, "%.*s%s",
			      end ? (int)(end - row) : (int)strlen(row), row, end ? ";" : "");
		row = end ? end + 1 : NULL;
	}
	return text;
}

/* What an obituary must say; fields that are not given are 0. */
struct want {
	const char *state, *event, *reset, *story;
	int err;
	unsigned int rtos, probes, keepalives;
};

/* There is exactly one, of @c. */
static struct obituary expect_dead(struct __test_metadata *_metadata, const struct conn *c,
				   const struct want *w)
{
	struct obituary o = {};

	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_EQ(1, o.number);
	EXPECT_STREQ(end_text("10.0.0.1", c->kport), o.local);
	EXPECT_STREQ(end_text("10.0.0.2", c->pport), o.remote);
	EXPECT_STREQ(stream_wire() == XTCP_WIRE_TCP ? "tcp" : "native", o.wire);
	EXPECT_EQ(0, o.uid);
	EXPECT_STREQ("dead", o.program);
	EXPECT_STREQ(w->state, o.state);
	EXPECT_STREQ(w->event, o.event);
	EXPECT_STREQ(w->reset ?: "-", o.reset);
	EXPECT_EQ(w->err, o.err);
	EXPECT_EQ(w->rtos, o.rtos);
	EXPECT_EQ(w->probes, o.probes);
	EXPECT_EQ(w->keepalives, o.keepalives);
	EXPECT_STREQ(w->story, story(&o));
	return o;
}

#define EXPECT_DEAD(c, ...) \
	expect_dead(_metadata, c, &(struct want){ __VA_ARGS__ })

#define OPENED "active-OPEN/CLOSED/SYN-SENT/1/-;rcv-SYN,ACK/SYN-SENT/ESTABLISHED/1/-;"
#define ACCEPTED "rcv-ACK-of-SYN/SYN-RECEIVED/ESTABLISHED/1/-;"

/* Also the numbers of a connection that was in use. */
TEST_F(dead, dead_reset_by_peer)
{
	struct peer *p = &self->peer;
	struct timespec now;
	struct obituary o;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true, .rtt_ms = 40);
	EXPECT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .flags = PSH | ACK, .data = "abc");
	conn_send(&c, .flags = PSH | ACK, .data = "hello");
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(7, send(c.fd, "defghij", 7, 0));
	conn_expect(&c, .flags = PSH | ACK, .data = "defghij");
	sleep_ms(100);
	clock_gettime(CLOCK_REALTIME, &now);
	conn_send(&c, .flags = RST);
	o = EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "rcv-RST", .err = ECONNRESET,
			.reset = "XtcpResetRecvOpen",
			.story = OPENED "rcv-RST/ESTABLISHED/CLOSED/1/XtcpResetRecvOpen");
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	/* The SYN counts, as in TCP_INFO. */
	EXPECT_EQ(4, o.acked);
	EXPECT_EQ(5, o.received);
	EXPECT_EQ(7, o.unacked);
	EXPECT_LE(20000, o.srtt_us);
	EXPECT_GE(42000, o.srtt_us);
	EXPECT_EQ(10, o.cwnd);
	EXPECT_EQ(0, o.retrans);
	EXPECT_LE(0.14, o.seconds);
	EXPECT_GE(0.6, o.seconds);
	EXPECT_LE(now.tv_sec, o.ended);
	EXPECT_GE(now.tv_sec + 2, o.ended);
}

TEST_F(dead, dead_child_is_of_the_program_that_listens)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	conn_send(&c, .flags = RST);
	EXPECT_DEAD(&c, .state = "CLOSE-WAIT", .event = "rcv-RST", .err = EPIPE,
		    .reset = "XtcpResetRecvOpen",
		    .story = ACCEPTED "rcv-FIN/ESTABLISHED/CLOSE-WAIT/1/-;"
			     "rcv-RST/CLOSE-WAIT/CLOSED/1/XtcpResetRecvOpen");
}

/* Both keep something in the socket while it waits for accept(). */
TEST_F(dead, dead_while_histograms_are_on)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("histograms", 1));
	conn_open(p, &c);
	conn_send(&c, .flags = RST);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "rcv-RST", .err = ECONNRESET,
		    .reset = "XtcpResetRecvOpen",
		    .story = ACCEPTED "rcv-RST/ESTABLISHED/CLOSED/1/XtcpResetRecvOpen");
}

TEST_F(dead, dead_refused)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_SENT);
	conn_send(&c, .flags = RST | ACK, .seq = 0, .ack = 1);
	EXPECT_DEAD(&c, .state = "SYN-SENT", .event = "rcv-RST", .err = ECONNREFUSED,
		    .reset = "XtcpResetRecvOpening",
		    .story = "active-OPEN/CLOSED/SYN-SENT/1/-;"
			     "rcv-RST/SYN-SENT/CLOSED/1/XtcpResetRecvOpening");
}

TEST_F(dead, dead_icmp)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	EXPECT_DEAD(&c, .state = "SYN-SENT", .event = "ICMP-hard-error", .err = ECONNREFUSED,
		    .story = "active-OPEN/CLOSED/SYN-SENT/1/-;"
			     "ICMP-hard-error/SYN-SENT/CLOSED/1/-");
}

/* Timeouts in a row share a row, which has the time of the last one. */
TEST_F(dead, dead_connect_without_answer)
{
	struct peer *p = &self->peer;
	struct obituary o;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("syn_retries", 2));
	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_EQ(2, peer_drain(p, 10000));
	o = EXPECT_DEAD(&c, .state = "SYN-SENT", .event = "RETRANSMISSION-GIVE-UP",
			.err = ETIMEDOUT, .rtos = 3,
			.story = "active-OPEN/CLOSED/SYN-SENT/1/-;"
				 "RETRANSMISSION-TIMEOUT/SYN-SENT/SYN-SENT/2/-;"
				 "RETRANSMISSION-GIVE-UP/SYN-SENT/CLOSED/1/-");
	EXPECT_EQ(2, o.retrans);
	EXPECT_EQ(0, o.unacked);
	EXPECT_EQ(7, (int)o.seconds);
	EXPECT_EQ(0, strncmp(o.rows, "0.000000/", 9)) TH_LOG("%s", o.rows);
	EXPECT_NE(NULL, strstr(o.rows, ";3.00")) TH_LOG("%s", o.rows);
	EXPECT_NE(NULL, strstr(o.rows, ";7.00")) TH_LOG("%s", o.rows);
}

TEST_F(dead, dead_data_without_answer)
{
	struct peer *p = &self->peer;
	struct obituary o;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("retries2", 3));
	conn_open(p, &c, .active = true);
	EXPECT_EQ(4, send(c.fd, "lost", 4, 0));
	peer_drain(p, 60000);
	o = EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "RETRANSMISSION-GIVE-UP",
			.err = ETIMEDOUT, .rtos = 4,
			.story = OPENED "RETRANSMISSION-TIMEOUT/ESTABLISHED/ESTABLISHED/3/-;"
				 "RETRANSMISSION-GIVE-UP/ESTABLISHED/CLOSED/1/-");
	EXPECT_EQ(4, o.unacked);
	EXPECT_LE(3, o.retrans);
}

TEST_F(dead, dead_user_timeout)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 500));
	EXPECT_EQ(4, send(c.fd, "lost", 4, 0));
	peer_drain(p, 10000);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "USER-TIMEOUT", .err = ETIMEDOUT,
		    .rtos = 1,
		    .story = OPENED "RETRANSMISSION-TIMEOUT/ESTABLISHED/ESTABLISHED/1/-;"
			     "USER-TIMEOUT/ESTABLISHED/CLOSED/1/-");
}

TEST_F(dead, dead_keepalive)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 5));
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPINTVL, 1));
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPCNT, 2));
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	peer_drain(p, 20000);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "KEEPALIVE-GIVE-UP", .err = ETIMEDOUT,
		    .reset = "XtcpResetSentKeepalive", .keepalives = 3,
		    .story = OPENED "KEEPALIVE-TIMEOUT/ESTABLISHED/ESTABLISHED/2/-;"
			     "KEEPALIVE-GIVE-UP/ESTABLISHED/CLOSED/1/XtcpResetSentKeepalive");
}

/* The peer's window stays closed: probes, then the end by the user timeout. */
TEST_F(dead, dead_zero_window)
{
	struct peer *p = &self->peer;
	struct obituary o = {};
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true, .wnd = 0);
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000));
	EXPECT_EQ(4, send(c.fd, "lost", 4, 0));
	peer_drain(p, 10000);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_STREQ("USER-TIMEOUT", o.event);
	EXPECT_EQ(ETIMEDOUT, o.err);
	EXPECT_EQ(4, o.unacked);
	EXPECT_LE(1, o.probes);
	EXPECT_NE(NULL, strstr(o.rows, "/PERSIST-TIMEOUT/ESTABLISHED/ESTABLISHED/"));
}

TEST_F(dead, dead_close_with_unread_data)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	conn_send(&c, .flags = PSH | ACK, .data = "unread");
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "ABORT",
		    .reset = "XtcpResetSentUnreadText",
		    .story = OPENED "ABORT/ESTABLISHED/CLOSED/1/XtcpResetSentUnreadText");
}

TEST_F(dead, dead_linger)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	program_lingers(c.fd, 0);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "ABORT",
		    .reset = "XtcpResetSentLinger",
		    .story = OPENED "ABORT/ESTABLISHED/CLOSED/1/XtcpResetSentLinger");
}

TEST_F(dead, dead_disconnect)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	EXPECT_EQ(0, connect(c.fd, &none, sizeof(none)));
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "ABORT", .err = ECONNRESET,
		    .reset = "XtcpResetSentDisconnect",
		    .story = OPENED "ABORT/ESTABLISHED/CLOSED/1/XtcpResetSentDisconnect");
}

TEST_F(dead, dead_close_before_an_answer)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_SENT);
	close(c.fd);
	EXPECT_DEAD(&c, .state = "SYN-SENT", .event = "CLOSE",
		    .story = "active-OPEN/CLOSED/SYN-SENT/1/-;CLOSE/SYN-SENT/CLOSED/1/-");
}

TEST_F(dead, dead_data_after_close)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK);
	conn_send(&c, .flags = PSH | ACK, .data = "late");
	conn_expect(&c, .flags = RST);
	EXPECT_DEAD(&c, .state = "FIN-WAIT-2", .event = "rcv-text-after-CLOSE",
		    .err = ECONNRESET, .reset = "XtcpResetSentTextAfterClose",
		    .story = OPENED "CLOSE/ESTABLISHED/FIN-WAIT-1/1/-;"
			     "rcv-ACK-of-FIN/FIN-WAIT-1/FIN-WAIT-2/1/-;"
			     "rcv-text-after-CLOSE/FIN-WAIT-2/CLOSED/1/XtcpResetSentTextAfterClose");
}

TEST_F(dead, dead_killed)
{
	struct peer *p = &self->peer;
	struct conn c;
	char line[200];

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	snprintf(line, sizeof(line), "%s ", end_text("10.0.0.1", c.kport));
	strcat(line, end_text("10.0.0.2", c.pport));
	strcat(line, "\n");
	file_write(_metadata, "/proc/net/xtcp_kill", line);
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "KILL", .err = ECONNABORTED,
		    .reset = "XtcpResetSentKilled",
		    .story = OPENED "KILL/ESTABLISHED/CLOSED/1/XtcpResetSentKilled");
}

/* More orphans than xtcp_max_orphans, which the first namespace has. */
TEST_F(dead, dead_for_want_of_memory)
{
	struct peer *p = &self->peer;
	char before[32];
	struct conn c;
	int own;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	own = open("/proc/self/ns/net", O_RDONLY);
	netns_enter_first(WHERE(_metadata));
	ASSERT_EQ(0, knob_get_text("max_orphans", before, sizeof(before)));
	ASSERT_EQ(0, knob_set("max_orphans", 0));
	close(c.fd);
	EXPECT_EQ(0, knob_set_text("max_orphans", before));
	netns_enter(WHERE(_metadata), own);
	conn_expect(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_DEAD(&c, .state = "FIN-WAIT-1", .event = "NO-MEMORY",
		    .reset = "XtcpResetSentNoMemory",
		    .story = OPENED "CLOSE/ESTABLISHED/FIN-WAIT-1/1/-;"
			     "NO-MEMORY/FIN-WAIT-1/CLOSED/1/XtcpResetSentNoMemory");
}

TEST_F(dead, dead_child_of_a_closed_listener)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_start(p, &c);
	conn_send(&c, .flags = SYN, .opt = OPT(OPT_MSS(1460)));
	conn_learn(&c, peer_expect(p, .flags = SYN | ACK));
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1);
	close(c.lfd);
	peer_expect(p, .flags = RST | ACK);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "ABORT",
		    .reset = "XtcpResetSentListenerClosed",
		    .story = ACCEPTED "ABORT/ESTABLISHED/CLOSED/1/XtcpResetSentListenerClosed");
}

/* --- orderly ends ---------------------------------------------------------- */

static void close_in_order(struct peer *p, struct conn *c)
{
	conn_open(p, c);
	conn_send(c, .flags = FIN | ACK);
	conn_expect(c, .flags = ACK);
	close(c->fd);
	conn_expect(c, .flags = FIN | ACK);
	conn_send(c, .flags = ACK);
}

TEST_F(dead, dead_orderly_close_only_if_all)
{
	struct peer *p = &self->peer;
	struct obituary o;
	struct conn c;

	NOT_ON_STOCK();
	close_in_order(p, &c);
	close(c.lfd);
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
	ASSERT_EQ(0, knob_set("recorder", 2));
	close_in_order(p, &c);
	EXPECT_DEAD(&c, .state = "LAST-ACK", .event = "rcv-ACK-of-FIN",
		    .story = ACCEPTED "rcv-FIN/ESTABLISHED/CLOSE-WAIT/1/-;"
			     "CLOSE/CLOSE-WAIT/LAST-ACK/1/-;"
			     "rcv-ACK-of-FIN/LAST-ACK/CLOSED/1/-");
}

/* A record continues the connection; the socket's part has ended. */
TEST_F(dead, dead_record_takes_over)
{
	struct peer *p = &self->peer;
	struct obituary o;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .active = true);
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
	ASSERT_EQ(0, knob_set("recorder", 2));
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .active = true);
	EXPECT_DEAD(&c, .state = "FIN-WAIT-2", .event = "ORPHAN-RECORD",
		    .story = OPENED "CLOSE/ESTABLISHED/FIN-WAIT-1/1/-;"
			     "rcv-ACK-of-FIN/FIN-WAIT-1/FIN-WAIT-2/1/-;"
			     "ORPHAN-RECORD/FIN-WAIT-2/FIN-WAIT-2/1/-");
}

/* Neither a listener nor a half-open record, or a flood would fill the ring. */
TEST_F(dead, dead_without_half_open_records)
{
	struct peer *p = &self->peer;
	struct obituary o;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("recorder", 2));
	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	close(c.lfd);
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
}

/* --- rows ------------------------------------------------------------------ */

/* Two of the peer's invalid segments take turns: a row for each, in the order of the last. */
TEST_F(dead, dead_repeated_events)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	conn_send(&c, .flags = SYN | ACK, .seq = 1);
	for (int i = 0; i < 40; i++) {
		conn_send(&c, .flags = RST, .seq = -1000);
		if (i < 39)
			conn_send(&c, .flags = ACK, .seq = 1, .ack = 5000);
	}
	peer_drain(p, 100);
	conn_send(&c, .flags = RST, .seq = 1);
	EXPECT_DEAD(&c, .state = "ESTABLISHED", .event = "rcv-RST", .err = ECONNRESET,
		    .reset = "XtcpResetRecvOpen",
		    .story = OPENED
		    "rcv-SYN,ACK/ESTABLISHED/ESTABLISHED/1/-;"
		    "rcv-ACK-above-SND.NXT/ESTABLISHED/ESTABLISHED/39/-;"
		    "rcv-RST-outside-window/ESTABLISHED/ESTABLISHED/40/-;"
		    "rcv-RST/ESTABLISHED/CLOSED/1/XtcpResetRecvOpen");
}

/* Five kinds of invalid segments, again in each state. */
static void five_kinds(struct conn *c, int ack)
{
	conn_send(c, .flags = RST, .seq = -1000);
	conn_send(c, .flags = ACK, .seq = 1, .ack = 5000);
	conn_send(c, .flags = SYN, .seq = 1);
	conn_send(c, .flags = RST, .seq = 100);
	conn_send(c, .flags = ACK, .seq = -1000, .ack = ack);
	peer_drain(c->peer, 100);
}

/* Their rows, without the first two. */
#define LAST_THREE(state, times) \
	"rcv-SYN/" state "/" state "/" times "/-;" \
	"rcv-RST-in-window/" state "/" state "/" times "/-;" \
	"rcv-outside-window/" state "/" state "/" times "/-;"
#define FIVE_KINDS(state, times) \
	"rcv-RST-outside-window/" state "/" state "/" times "/-;" \
	"rcv-ACK-above-SND.NXT/" state "/" state "/" times "/-;" \
	LAST_THREE(state, times)

/* The last 16 of 20. */
TEST_F(dead, dead_last_rows)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	five_kinds(&c, 1);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	five_kinds(&c, 1);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 2);
	five_kinds(&c, 2);
	/* A second time: nothing is pushed out. */
	five_kinds(&c, 2);
	conn_send(&c, .flags = RST, .seq = 1);
	EXPECT_DEAD(&c, .state = "FIN-WAIT-2", .event = "rcv-RST", .err = ECONNRESET,
		    .reset = "XtcpResetRecvClosing",
		    .story = LAST_THREE("ESTABLISHED", "1")
		    "SHUTDOWN-SEND/ESTABLISHED/FIN-WAIT-1/1/-;"
		    FIVE_KINDS("FIN-WAIT-1", "1")
		    "rcv-ACK-of-FIN/FIN-WAIT-1/FIN-WAIT-2/1/-;"
		    FIVE_KINDS("FIN-WAIT-2", "2")
		    "rcv-RST/FIN-WAIT-2/CLOSED/1/XtcpResetRecvClosing");
}

/* Recording begins with the first event or RST; neither program nor age is known. */
TEST_F(dead, dead_switched_on_late)
{
	struct peer *p = &self->peer;
	struct obituary o = {};
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("recorder", 0));
	conn_open(p, &c, .active = true);
	sleep_ms(1000);
	ASSERT_EQ(0, knob_set("recorder", 1));
	conn_send(&c, .flags = RST);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_STREQ("-", o.program);
	EXPECT_EQ(0, (int)o.seconds);
	EXPECT_STREQ("rcv-RST/ESTABLISHED/CLOSED/1/XtcpResetRecvOpen", story(&o));
}

/* The obituaries stay; a connection that was being recorded gets none. */
TEST_F(dead, dead_switched_off)
{
	struct peer *p = &self->peer;
	struct obituary o = {};
	struct conn c, d;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	conn_open(p, &d, .active = true);
	conn_send(&c, .flags = RST);
	ASSERT_EQ(0, knob_set("recorder", 0));
	conn_send(&d, .flags = RST);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_STREQ(end_text("10.0.0.1", c.kport), o.local);
	/* The record was freed. */
	EXPECT_EQ(0, cache_objects("xtcp_recorder"));
}

/* --- the file -------------------------------------------------------------- */

/* A closed port of this host refuses. */
static void be_refused(struct __test_metadata *_metadata, int times)
{
	/* On the TCP wire xtcp answers for the ports that its sockets hold. */
	int holder = socket_new(-1);

	ASSERT_LE(0, holder);
	ASSERT_EQ(0, socket_bind(holder, "127.0.0.1", 9));
	while (times--) {
		int fd = socket_new(-1);

		ASSERT_LE(0, fd);
		ASSERT_NE(0, socket_connect(fd, "127.0.0.1", 9));
		close(fd);
	}
	close(holder);
}

TEST_F(dead, dead_ring_ctr_XtcpObituaries_ctr_XtcpObituariesMissed)
{
	struct obituary first = {}, o = {};
	struct counters before;

	NOT_ON_STOCK();
	counters_take(&before);
	be_refused(_metadata, RING);
	EXPECT_EQ(RING, obituaries(_metadata, &o, &first));
	EXPECT_EQ(1, first.number);
	EXPECT_EQ(0, counter_moved(&before, "XtcpObituariesMissed"));
	be_refused(_metadata, 44);
	EXPECT_EQ(RING, obituaries(_metadata, &o, &first));
	EXPECT_EQ(45, first.number);
	EXPECT_EQ(300, o.number);
	EXPECT_EQ(300, counter_moved(&before, "XtcpObituaries"));
	EXPECT_EQ(44, counter_moved(&before, "XtcpObituariesMissed"));
}

/* A small read continues where it was, although the ring goes on. */
TEST_F(dead, dead_read_while_it_goes_on)
{
	static char text[1 << 16];
	struct obituary o = {};
	size_t n = 0;
	char *line;
	int fd;

	NOT_ON_STOCK();
	be_refused(_metadata, RING);
	fd = open(DEAD, O_RDONLY);
	ASSERT_LE(0, fd);
	n = read(fd, text, 600);
	ASSERT_EQ(600, n);
	be_refused(_metadata, 100);
	while (n < sizeof(text) - 1 && read(fd, text + n, 1) == 1)
		n++;
	close(fd);
	line = strrchr(text, '\n');
	ASSERT_NE(NULL, line);
	*line = '\0';
	line = strrchr(text, '\n') + 1;
	ASSERT_EQ(true, parse(line, &o)) TH_LOG("%s", line);
	EXPECT_LE(RING, o.number);
}

TEST_F(dead, dead_clear)
{
	struct obituary o = {};

	NOT_ON_STOCK();
	be_refused(_metadata, 3);
	EXPECT_EQ(3, obituaries(_metadata, &o, NULL));
	file_write(_metadata, DEAD, "x");
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
	/* Numbers go on. */
	be_refused(_metadata, 1);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_EQ(4, o.number);
}

/* Exit status of a child that runs @what. */
static int in_child(struct __test_metadata *_metadata, int (*what)(void))
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(what());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(true, WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* 0, or the errno of clearing. */
static int clear(void)
{
	int fd = open(DEAD, O_WRONLY);

	if (fd < 0)
		return errno;
	return write(fd, "x", 1) == 1 ? 0 : errno;
}

static int clear_without_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return 255;
	data[0].effective &= ~(1U << CAP_NET_ADMIN);
	data[0].permitted &= ~(1U << CAP_NET_ADMIN);
	if (syscall(SYS_capset, &head, data))
		return 255;
	return clear();
}

static int clear_as_nobody(void)
{
	return setuid(NOBODY) ? 255 : clear();
}

TEST_F(dead, dead_clear_needs_privilege)
{
	struct obituary o = {};
	int fd;

	NOT_ON_STOCK();
	be_refused(_metadata, 1);
	EXPECT_EQ(EPERM, in_child(_metadata, clear_without_capability));
	EXPECT_EQ(EACCES, in_child(_metadata, clear_as_nobody));
	ASSERT_EQ(0, chmod(DEAD, 0666));
	fd = proc_open_as_nobody(DEAD, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EPERM, errno);
	close(fd);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_EQ(0, in_child(_metadata, clear));
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
}

/* Everybody reads the line, as those of xtcp_age; the program's name not everybody. */
TEST_F(dead, dead_program_of_another_user)
{
	struct peer *p = &self->peer;
	struct obituary o = {}, first = {};
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true);
	ASSERT_EQ(0, fchown(c.fd, NOBODY, 0));
	conn_send(&c, .flags = RST);
	conn_open(p, &c, .active = true);
	conn_send(&c, .flags = RST);
	EXPECT_EQ(2, obituaries(_metadata, &o, &first));
	EXPECT_EQ(NOBODY, first.uid);
	EXPECT_STREQ("dead", first.program);
	EXPECT_STREQ("dead", o.program);
	ASSERT_EQ(0, seteuid(NOBODY));
	EXPECT_EQ(2, obituaries(_metadata, &o, &first));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_STREQ("dead", first.program);
	EXPECT_EQ(0, o.uid);
	EXPECT_STREQ("-", o.program);
}

TEST_F(dead, dead_program_is_a_word)
{
	struct obituary o = {};

	NOT_ON_STOCK();
	file_write(_metadata, "/proc/self/comm", "a b\\\r\033\302\240");
	be_refused(_metadata, 1);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_STREQ("a\\040b\\134\\015\\033\\302\\240", o.program);
}

/* Another namespace has its own knob and file. */
TEST_F(dead, dead_of_a_namespace)
{
	struct obituary o = {};
	int own;

	NOT_ON_STOCK();
	own = open("/proc/self/ns/net", O_RDONLY);
	be_refused(_metadata, 2);
	netns_new(WHERE(_metadata));
	EXPECT_EQ(0, knob_get("recorder"));
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
	be_refused(_metadata, 1);
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
	ASSERT_EQ(0, knob_set("recorder", 1));
	be_refused(_metadata, 1);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	EXPECT_EQ(1, o.number);
	netns_enter(WHERE(_metadata), own);
	EXPECT_EQ(2, obituaries(_metadata, &o, NULL));
}

TEST_F(dead, dead_unload_with_obituaries)
{
	int unloaded, loaded;
	struct obituary o;

	NOT_ON_STOCK();
	be_refused(_metadata, 3);
	module_await_idle(WHERE(_metadata));
	sleep_ms(100);
	unloaded = module_unload();
	loaded = module_load();
	EXPECT_EQ(0, unloaded);
	EXPECT_EQ(0, loaded);
	EXPECT_EQ(0, knob_get("recorder"));
	EXPECT_EQ(0, obituaries(_metadata, &o, NULL));
}

/* --- the tracepoint -------------------------------------------------------- */

#define TRACING "/tmp/xtcp-tracing"
#define BUFFER TRACING "/instances/xtcp-dead"

static void tracing_start(struct __test_metadata *_metadata)
{
	char filter[64];
	struct stat st;

	ASSERT_EQ(0, stat("/proc/self/ns/net", &st));
	snprintf(filter, sizeof(filter), "netns == %lu", (unsigned long)st.st_ino);
	mkdir(TRACING, 0700);
	if (mount("tracefs", TRACING, "tracefs", 0, NULL))
		ASSERT_EQ(EBUSY, errno);
	rmdir(BUFFER);
	ASSERT_EQ(0, mkdir(BUFFER, 0700)) TH_LOG("%s", strerror(errno));
	file_write(_metadata, BUFFER "/events/xtcp/xtcp_dead/filter", filter);
	file_write(_metadata, BUFFER "/events/xtcp/xtcp_dead/enable", "1");
}

static void tracing_stop(struct __test_metadata *_metadata)
{
	file_write(_metadata, BUFFER "/events/xtcp/xtcp_dead/enable", "0");
	EXPECT_EQ(0, rmdir(BUFFER));
	EXPECT_EQ(0, umount(TRACING));
}

/* It says what the line says. */
TEST_F(dead, dead_tracepoint)
{
	struct peer *p = &self->peer;
	static char line[8192], want[8192];
	struct obituary o = {};
	const char *text = NULL;
	char ends[160];
	struct conn c;
	FILE *f;

	NOT_ON_STOCK();
	tracing_start(_metadata);
	conn_open(p, &c, .active = true);
	conn_send(&c, .flags = RST);
	f = fopen(BUFFER "/trace", "r");
	ASSERT_NE(NULL, f);
	while (!text && fgets(line, sizeof(line), f))
		text = strstr(line, ": xtcp_dead: ");
	fclose(f);
	tracing_stop(_metadata);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(1, obituaries(_metadata, &o, NULL));
	snprintf(ends, sizeof(ends), "wire=%d %s ", stream_wire(), o.local);
	strcat(ends, o.remote);
	EXPECT_NE(NULL, strstr(text, ends)) TH_LOG("%s", text);
	EXPECT_NE(NULL, strstr(text, " number=1 uid=0 program=dead ")) TH_LOG("%s", text);
	snprintf(want, sizeof(want),
		 " state=ESTABLISHED event=rcv-RST errno=%d reset=XtcpResetRecvOpen acked=%lld received=%lld unacked=0 srtt_us=%u cwnd=%u retrans=0 rtos=0 probes=0 keepalives=0 delacks=0 rows=%s\n",
		 ECONNRESET, o.acked, o.received, o.srtt_us, o.cwnd, o.rows);
	text = strstr(text, " state=");
	EXPECT_STREQ(want, text);
}

TEST_HARNESS_MAIN
