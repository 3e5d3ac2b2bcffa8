// SPDX-License-Identifier: GPL-2.0
/*
 * reason: why a RST was sent, and what a received RST has ended. Each counter
 * XtcpReset... is provoked by the case of its name, and no other of them moves. RFC
 * 9293 3.5.2 and 3.10.7.1 (sending), 3.5.3 (receiving).
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <netinet/tcp.h>

PEER_FIXTURE(reason);

#define SENT "XtcpResetSent"
#define RECEIVED "XtcpResetRecv"

static bool is_named(const struct counter *c, const char *prefix)
{
	return !strncmp(c->name, prefix, strlen(prefix));
}

static long long sum_of(const struct counters *counters, const char *prefix)
{
	long long sum = 0;

	for (int i = 0; i < counters->n; i++)
		if (is_named(&counters->c[i], prefix))
			sum += counters->c[i].value;
	return sum;
}

/*
 * Only the counter of this reason has moved since, by one; and every RST that was sent
 * here has a reason.
 */
static void expect_reason(struct __test_metadata *_metadata,
			  const struct counters *before, const char *name)
{
	static struct counters now;
	bool found = false;

	counters_take(&now);
	ASSERT_EQ(before->n, now.n);
	for (int i = 0; i < now.n; i++) {
		const struct counter *c = &now.c[i];
		bool is_it = !strcmp(c->name, name);

		if (!is_named(c, SENT) && !is_named(c, RECEIVED))
			continue;
		found |= is_it;
		EXPECT_EQ(before->c[i].value + is_it, c->value)
			TH_LOG("%s, where %s was to move", c->name, name);
	}
	EXPECT_TRUE(found) TH_LOG("there is no %s", name);
	EXPECT_EQ(counter_get(&now, "OutRsts"), sum_of(&now, SENT));
}

/* The body has p and takes the counters just before the provocation. */
#define REASON(test, counter) \
	static void provoke_##test(struct __test_metadata *_metadata, \
				   struct peer *p, struct counters *before); \
	TEST_F(reason, test) \
	{ \
		static struct counters before; \
		\
		NOT_ON_STOCK(); \
		provoke_##test(_metadata, &self->peer, &before); \
		expect_reason(_metadata, &before, counter); \
	} \
	static void provoke_##test(struct __test_metadata *_metadata, \
				   struct peer *p, struct counters *before)

/* --- sent --------------------------------------------------------------- */

REASON(ctr_XtcpResetSentNoConnection, "XtcpResetSentNoConnection")
{
	(void)_metadata;
	peer_hold(p, KERNEL_PORT);
	counters_take(before);
	peer_send(p, .flags = SYN, .seq = 1000);
	peer_expect(p, .flags = RST | ACK, .seq = 0, .ack = 1001);
	/* A RST is never answered. */
	peer_send(p, .flags = RST, .seq = 1000);
	peer_send(p, .flags = RST | ACK, .seq = 1000, .ack = 1);
	peer_expect_silence(p, 20);
}

REASON(ctr_XtcpResetSentNoHandshake, "XtcpResetSentNoHandshake")
{
	(void)_metadata;
	peer_listen(p, KERNEL_PORT, 16);
	counters_take(before);
	peer_send(p, .flags = ACK, .seq = 1000, .ack = 77);
	peer_expect(p, .flags = RST, .seq = 77);
}

static void expect_rst_of_bad_ack(struct conn *c, enum conn_state st, int64_t flags,
				  struct counters *before)
{
	counters_take(before);
	conn_send(c, .flags = flags, .seq = conn_peer_nxt(c), .ack = 1000);
	conn_expect(c, .flags = RST, .seq = 1000);
	conn_expect_state(c, st);
}

REASON(ctr_XtcpResetSentBadAck, "XtcpResetSentBadAck")
{
	struct conn c;

	(void)_metadata;
	conn_to_state(p, &c, ST_SYN_SENT);
	expect_rst_of_bad_ack(&c, ST_SYN_SENT, SYN | ACK, before);
	/* The peer's old connection is gone now: the SYN is repeated soon. */
	conn_expect(&c, .flags = SYN, .seq = 0, .within_ms = 10);
}

REASON(ctr_XtcpResetSentBadAck_half_open, "XtcpResetSentBadAck")
{
	struct conn c;

	(void)_metadata;
	conn_to_state(p, &c, ST_HALF_OPEN);
	expect_rst_of_bad_ack(&c, ST_HALF_OPEN, ACK, before);
}

REASON(ctr_XtcpResetSentBadAck_simultaneous_open, "XtcpResetSentBadAck")
{
	struct conn c;

	(void)_metadata;
	conn_to_state(p, &c, ST_SYN_RECEIVED);
	expect_rst_of_bad_ack(&c, ST_SYN_RECEIVED, ACK, before);
}

REASON(ctr_XtcpResetSentSynInWindow, "XtcpResetSentSynInWindow")
{
	struct conn c;

	(void)_metadata;
	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_take(before);
	conn_send(&c, .flags = SYN, .seq = 100);
	conn_expect(&c, .flags = RST | ACK, .seq = -c.kern_iss, .ack = 101);
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentAcceptOverflow, "XtcpResetSentAcceptOverflow")
{
	struct conn c, first[2];
	int lfd;

	ASSERT_EQ(0, knob_set("abort_on_overflow", 1));
	lfd = peer_listen(p, KERNEL_PORT, 1);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		conn_to_state(p, &first[i], ST_HALF_OPEN, .lfd = lfd);
		conn_send(&first[i], .flags = ACK);
	}
	counters_take(before);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentListenerClosed, "XtcpResetSentListenerClosed")
{
	struct conn c;

	(void)_metadata;
	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK);
	counters_take(before);
	close(c.lfd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	c.lfd = -1;
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentTextAfterClose, "XtcpResetSentTextAfterClose")
{
	struct conn c;

	(void)_metadata;
	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
	counters_take(before);
	conn_send(&c, .flags = ACK | PSH, .data = "late");
	conn_expect(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentTextAfterClose_to_a_record, "XtcpResetSentTextAfterClose")
{
	struct conn c;

	(void)_metadata;
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2);
	counters_take(before);
	conn_send(&c, .flags = ACK | PSH, .data = "late");
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentUnreadText, "XtcpResetSentUnreadText")
{
	struct conn c;

	(void)_metadata;
	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "unread");
	conn_expect(&c, .flags = ACK, .ack = 7, .within_ms = 210);
	counters_take(before);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 7);
	c.fd = -1;
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentLinger, "XtcpResetSentLinger")
{
	struct conn c;

	(void)_metadata;
	conn_open(p, &c);
	counters_take(before);
	socket_abort(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	c.fd = -1;
	conn_expect_state(&c, ST_CLOSED);
}

/* A negative TCP_LINGER2: no FIN-WAIT-2. */
REASON(ctr_XtcpResetSentLinger_in_fin_wait_2, "XtcpResetSentLinger")
{
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_LINGER2, -1));
	counters_take(before);
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST | ACK, .seq = 2, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentDisconnect, "XtcpResetSentDisconnect")
{
	struct conn c;

	conn_open(p, &c);
	counters_take(before);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentKeepalive, "XtcpResetSentKeepalive")
{
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 1));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPINTVL, 1));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPCNT, 1));
	counters_take(before);
	peer_mark(p);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	conn_expect(&c, .flags = ACK, .seq = 0, .at_ms = 1000);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1, .at_ms = 2000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

REASON(ctr_XtcpResetSentKilled, "XtcpResetSentKilled")
{
	struct conn c;
	char line[160];

	conn_open(p, &c);
	snprintf(line, sizeof(line), "%s %s\n", end_text("10.0.0.1", c.kport),
		 end_text("10.0.0.2", c.pport));
	counters_take(before);
	EXPECT_EQ(0, sysctl_write("/proc/net/xtcp_kill", line));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
}

/* The knob of the first namespace. NULL: the default of the kernel's TCP. */
static void limit_orphans(struct __test_metadata *_metadata, const char *value)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY);
	int first = open("/proc/1/ns/net", O_RDONLY);
	char stocks[32];

	netns_enter(WHERE(_metadata), first);
	EXPECT_EQ(0, sysctl_read("/proc/sys/net/ipv4/tcp_max_orphans", stocks, sizeof(stocks)));
	EXPECT_EQ(0, sysctl_write("/proc/sys/net/ipv4/xtcp_max_orphans",
				  value ? value : stocks));
	netns_enter(WHERE(_metadata), home);
	close(first);
	close(home);
}

/* The first orphan above xtcp_max_orphans is reset. */
REASON(ctr_XtcpResetSentNoMemory, "XtcpResetSentNoMemory")
{
	struct conn c;

	conn_open(p, &c);
	counters_take(before);
	limit_orphans(_metadata, "0");
	close(c.fd);
	limit_orphans(_metadata, NULL);
	c.fd = -1;
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = RST | ACK, .seq = 2, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
}

/* --- taken -------------------------------------------------------------- */

static const struct {
	enum conn_state st;
	const char *counter;
	int err;
} taken[] = {
	{ ST_SYN_SENT, "XtcpResetRecvOpening", ECONNREFUSED },
	{ ST_HALF_OPEN, "XtcpResetRecvOpening", 0 },
	{ ST_SYN_RECEIVED, "XtcpResetRecvOpening", ECONNREFUSED },
	{ ST_ESTABLISHED, "XtcpResetRecvOpen", ECONNRESET },
	{ ST_CLOSE_WAIT, "XtcpResetRecvOpen", EPIPE },
	{ ST_FIN_WAIT_1, "XtcpResetRecvClosing", ECONNRESET },
	{ ST_FIN_WAIT_2, "XtcpResetRecvClosing", ECONNRESET },
	{ ST_CLOSING, "XtcpResetRecvClosing", ECONNRESET },
	{ ST_LAST_ACK, "XtcpResetRecvClosing", ECONNRESET },
	{ ST_ORPHAN_FIN_WAIT_2, "XtcpResetRecvClosing", 0 },
	{ ST_TIME_WAIT, "XtcpResetRecvTimeWait", 0 },
};

static void take_in(struct __test_metadata *_metadata, struct peer *p,
		    const char *counter)
{
	static struct counters before;
	struct conn c;
	int n = 0;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		if (strcmp(counter, taken[i].counter))
			continue;
		peer_note(p, "in %s", conn_state_name(taken[i].st));
		conn_to_state(p, &c, taken[i].st);
		counters_take(&before);
		conn_send(&c, .flags = RST | ACK);
		if (c.lfd >= 0)
			close(c.lfd);
		c.lfd = -1;
		conn_expect_state(&c, ST_CLOSED);
		if (c.fd >= 0)
			EXPECT_EQ(taken[i].err, socket_error(c.fd));
		expect_reason(_metadata, &before, counter);
		/* Frees the port for the next listener. */
		if (c.fd >= 0)
			close(c.fd);
		n++;
	}
	EXPECT_LT(0, n);
	/* A RST outside of the window does not count. */
	conn_open(p, &c);
	conn_send(&c, .flags = RST, .seq = 1000000);
	peer_expect_silence(p, 20);
	counters_take(&before);
	EXPECT_EQ(n, sum_of(&before, RECEIVED));
}

TEST_F(reason, ctr_XtcpResetRecvOpening)
{
	take_in(_metadata, &self->peer, "XtcpResetRecvOpening");
}

TEST_F(reason, ctr_XtcpResetRecvOpen)
{
	take_in(_metadata, &self->peer, "XtcpResetRecvOpen");
}

TEST_F(reason, ctr_XtcpResetRecvClosing)
{
	take_in(_metadata, &self->peer, "XtcpResetRecvClosing");
}

TEST_F(reason, ctr_XtcpResetRecvTimeWait)
{
	take_in(_metadata, &self->peer, "XtcpResetRecvTimeWait");
}

TEST_HARNESS_MAIN
