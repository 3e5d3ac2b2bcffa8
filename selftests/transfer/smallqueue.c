// SPDX-License-Identifier: GPL-2.0
/*
 * smallqueue: no socket fills the queues of its own host. A token bucket on the
 * client's device lets little leave; SO_MEMINFO shows the bytes of a socket that wait
 * there.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>

PAIR_FIXTURE(smallqueue);
PEER_FIXTURE(acks);

#define PORT 7000
#define RATE 1000000		/* bytes a second */
#define BYTES 2000000
#define SKB_MAX 3000		/* memory of an skb of one segment */

static uint32_t not_left(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len);
	return info[SK_MEMINFO_WMEM_ALLOC];
}

/*
 * A connection that has measured a fast path, which then is slow: so pacing does not
 * limit it.
 */
static void fast_then_shaped(struct __test_metadata *_metadata, struct pair *pr, uint32_t rate,
			     int *client, int *server)
{
	pair_enter(pr, SERVER);
	link_set_single_segments(WHERE(_metadata), "veth1");
	pair_enter(pr, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	pair_connected(pr, PORT, client, server);
	stream_transfer(_metadata, *client, *server, 2000000, 10000);
	pair_enter(pr, CLIENT);
	shaper_set(WHERE(_metadata), "veth0", rate, 100 << 20);
}

/* The most bytes that waited while BYTES were transferred; *ms: the time. */
static uint32_t transfer_most(struct __test_metadata *_metadata, int from, int to, int64_t *ms)
{
	static uint8_t buf[65536];
	int64_t begin = now_ms();
	uint32_t most = 0;
	int sent = 0, got = 0;

	while (got < BYTES) {
		struct pollfd fds[] = {
			{ to, POLLIN, 0 }, { sent < BYTES ? from : -1, POLLOUT, 0 },
		};
		ssize_t n;

		ASSERT_LT(0, poll(fds, 2, 10000));
		n = sent < BYTES ? send(from, buf, sizeof(buf), MSG_DONTWAIT) : 0;
		sent += n > 0 ? n : 0;
		if (not_left(from) > most)
			most = not_left(from);
		while ((n = recv(to, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			got += n;
	}
	*ms = now_ms() - begin;
	return most;
}

static uint32_t after_one_write(struct __test_metadata *_metadata, struct pair *pr, int limit)
{
	static uint8_t text[200000];
	int client, server;
	uint32_t most;

	fast_then_shaped(_metadata, pr, RATE, &client, &server);
	EXPECT_EQ(0, knob_set("limit_output_bytes", limit));
	ASSERT_LT(0, send(client, text, sizeof(text), MSG_DONTWAIT));
	most = not_left(client);
	/* Late segments may reach a port that nobody holds any more. */
	pr->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
	return most;
}

/* The limit, and beyond it the skb that reached it, and the first time one more. */
TEST_F(smallqueue, knob_limit_output_bytes)
{
	uint32_t most = after_one_write(_metadata, &self->pair, 20000);

	EXPECT_LT(20000, most);
	EXPECT_GE(20000 + 2 * SKB_MAX, most);
}

/* Two skbs are always allowed, and the first time one more. Linux allows less. */
TEST_F(smallqueue, knob_limit_output_bytes_0)
{
	uint32_t most = after_one_write(_metadata, &self->pair, 0);

	EXPECT_LT(stock_mode() ? 0 : 2 * SKB_MAX, most);
	EXPECT_GE(3 * SKB_MAX, most);
}

/* Less than nothing is no limit. */
TEST_F(smallqueue, knob_limit_output_bytes_below_0)
{
	EXPECT_LT(40000, after_one_write(_metadata, &self->pair, -1));
}

TEST_F(smallqueue, knob_limit_output_bytes_default)
{
	EXPECT_LT(40000, after_one_write(_metadata, &self->pair, 1 << 20));
}

/* It also limits what is paced, of which as much as 200 kB may stand there for a millisecond. */
TEST_F(smallqueue, knob_limit_output_bytes_of_a_paced_connection)
{
	static uint8_t text[200000];
	uint32_t most = 0;
	int client, server;

	if (stock_mode() && !kernel_is_since(7, 3))
		SKIP(return, "not in older kernels");
	fast_then_shaped(_metadata, &self->pair, RATE, &client, &server);
	EXPECT_EQ(0, socket_set(client, SOL_SOCKET, SO_MAX_PACING_RATE, 200 * RATE));
	EXPECT_EQ(0, knob_set("limit_output_bytes", 20000));
	ASSERT_LT(0, send(client, text, sizeof(text), MSG_DONTWAIT));
	for (int ms = 0; ms < 10; ms++, sleep_ms(1))
		if (not_left(client) > most)
			most = not_left(client);
	EXPECT_LT(15000, most);
	EXPECT_GE(20000 + 2 * SKB_MAX, most);
	self->pair.stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
}

/* With pacing, as much as leaves in a millisecond: two skbs, at this rate. */
TEST_F(smallqueue, what_is_paced_stands_for_a_millisecond)
{
	int client, server;
	int64_t ms;

	fast_then_shaped(_metadata, &self->pair, RATE, &client, &server);
	EXPECT_EQ(0, socket_set(client, SOL_SOCKET, SO_MAX_PACING_RATE, RATE));
	EXPECT_GE(4 * SKB_MAX, transfer_most(_metadata, client, server, &ms));
	/* And the device was never idle: 2 s, and the headers' 5 %. */
	EXPECT_GE(2150, ms);
	/* A last ACK may reach a port that is the kernel's again on the TCP wire. */
	self->pair.stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
}

/*
 * The device takes large skbs. The rate of the pacing, given or that of the connection, allows
 * two segments in an skb.
 */
static void large_transfer(struct __test_metadata *_metadata, struct pair *pr, int pacing_rate)
{
	int client, server;
	int64_t ms;

	/* On a shorter path bursts are large at any rate. */
	pair_netem(pr, SERVER, &(struct netem){ .delay_ms = 20 });
	pair_connected(pr, PORT, &client, &server);
	pair_enter(pr, CLIENT);
	shaper_set(WHERE(_metadata), "veth0", RATE, 100 << 20);
	if (pacing_rate)
		ASSERT_EQ(0, socket_set(client, SOL_SOCKET, SO_MAX_PACING_RATE, pacing_rate));
	/* Two skbs of two segments: the token bucket makes four skbs of them, larger on 6.1. */
	EXPECT_GE(5 * SKB_MAX, transfer_most(_metadata, client, server, &ms));
	/* And the device was never idle: 2 s, and the headers' 5 %. */
	EXPECT_GE(2150, ms);
	pr->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
}

/* Of the 64 kB that an unsent skb may hold, only what is to be sent next counts. */
TEST_F(smallqueue, large_skb_counts_as_what_is_sent_of_it)
{
	large_transfer(_metadata, &self->pair, 0);
}

TEST_F(smallqueue, large_paced_skb_counts_as_what_is_sent_of_it)
{
	large_transfer(_metadata, &self->pair, 2 * RATE);
}

/* Reads so many bytes; no more come. */
static void read_all(struct __test_metadata *_metadata, int fd, int bytes)
{
	static uint8_t buf[65536];

	while (bytes > 0) {
		struct pollfd in = { fd, POLLIN, 0 };
		ssize_t n;

		ASSERT_EQ(1, poll(&in, 1, 20000));
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		ASSERT_LT(0, n);
		bytes -= n;
	}
	EXPECT_EQ(0, bytes);
}

static uint64_t ten_short_writes(struct __test_metadata *_metadata, struct pair *pr,
				 uint64_t *corked)
{
	struct counters before, after;
	static uint8_t text[1400];
	int client, server;

	fast_then_shaped(_metadata, pr, 1000, &client, &server);
	socket_set(client, IPPROTO_TCP, TCP_NODELAY, 1);
	/* It leaves, and nothing else for a second. */
	ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), 0));
	counters_take(&before);
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(10, send(client, text, 10, 0));
	sleep_ms(10000);
	counters_take(&after);
	for (int left = sizeof(text) + 100; left; ) {
		ssize_t n = recv(server, text, sizeof(text), MSG_DONTWAIT);

		ASSERT_LT(0, n);
		left -= n;
	}
	*corked = counter_get(&after, "TCPAutoCorking") - counter_get(&before, "TCPAutoCorking");
	close(client);
	close(server);
	return counter_get(&after, "TCPOrigDataSent") - counter_get(&before, "TCPOrigDataSent");
}

TEST_F(smallqueue, ctr_TCPAutoCorking)
{
	uint64_t corked;

	/* The first ones leave, until some wait there; the others as one. */
	EXPECT_GE(5, ten_short_writes(_metadata, &self->pair, &corked));
	EXPECT_LE(1, corked);
}

/* The end of a record: nothing can be put into the same segment, so nothing is awaited. */
TEST_F(smallqueue, records_are_not_corked)
{
	struct counters before;
	static uint8_t text[1400];
	int client, server;

	fast_then_shaped(_metadata, &self->pair, 1000, &client, &server);
	socket_set(client, IPPROTO_TCP, TCP_NODELAY, 1);
	/* It leaves, and nothing else for a second. */
	ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), 0));
	counters_take(&before);
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(10, send(client, text, 10, MSG_EOR));
	/* All ten have gone to the device by now. */
	EXPECT_EQ(10, counter_moved(&before, "TCPOrigDataSent"));
	EXPECT_EQ(0, counter_moved(&before, "TCPAutoCorking"));
	read_all(_metadata, server, sizeof(text) + 100);
	close(client);
	close(server);
}

TEST_F(smallqueue, knob_autocorking_off)
{
	uint64_t corked;

	pair_enter(&self->pair, CLIENT);
	EXPECT_EQ(0, knob_set("autocorking", 0));
	EXPECT_EQ(10, ten_short_writes(_metadata, &self->pair, &corked));
	EXPECT_EQ(0, corked);
}

/*
 * A device needs a second for each segment: the retransmission and probe timers expire
 * long before the segment has left. A second copy would wait behind the first. A
 * segment that a timeout has marked lost is sent when its first copy has left, unless
 * its ACK has come by then: once, because the ACK may take 1 ms.
 */
TEST_F(smallqueue, ctr_TCPSpuriousRtxHostQueues)
{
	struct pair *pr = &self->pair;
	struct counters before;
	static uint8_t text[1400];
	int client, server;

	fast_then_shaped(_metadata, pr, 1500, &client, &server);
	counters_take(&before);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), MSG_DONTWAIT));
	read_all(_metadata, server, 3 * sizeof(text));
	sleep_ms(3000);
	EXPECT_GE(1, counter_moved(&before, "RetransSegs"));
	EXPECT_EQ(5, counter_moved(&before, "TCPSpuriousRtxHostQueues"));
	/* And it goes on. */
	ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), MSG_DONTWAIT));
	read_all(_metadata, server, sizeof(text));
	pr->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
}

/* Each timeout of a segment that stands there doubles the next, as if it had gone. */
TEST_F(smallqueue, rfc6298_5_5_backs_off_while_a_copy_is_here)
{
	struct pair *pr = &self->pair;
	struct counters before, after;
	static uint8_t text[1400];
	int client, server;
	uint64_t timeouts;

	fast_then_shaped(_metadata, pr, 250, &client, &server);
	counters_take(&before);
	/* The second takes six seconds. */
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), MSG_DONTWAIT));
	sleep_ms(4000);
	counters_take(&after);
	timeouts = counter_get(&after, "TCPTimeouts") - counter_get(&before, "TCPTimeouts");
	EXPECT_LE(2, timeouts);
	EXPECT_GE(5, timeouts);
	read_all(_metadata, server, 2 * sizeof(text));
	pr->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
}

/*
 * The host holds the copy of a lost segment for seconds, and refuses each new segment. xtcp waits
 * for the copy to leave, and does not try new ones without a pause.
 */
TEST_F(smallqueue, refused_beside_a_copy)
{
	struct pair *pr = &self->pair;
	struct counters before;
	int client, server, other[2];
	char buf[8];

	pair_connected(pr, PORT, &client, &server);
	pair_connected(pr, PORT + 1, &other[0], &other[1]);
	ASSERT_EQ(0, setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)));
	ASSERT_EQ(3, send(client, "one", 3, 0));
	sleep_ms(100);
	ASSERT_EQ(3, recv(server, buf, sizeof(buf), 0));
	/* One packet leaves at once, then 12 bytes a second. Two more have room. */
	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("autocorking", 0));
	shell_run(WHERE(_metadata), pr->family == AF_INET6 ?
		  "tc qdisc add dev veth0 root tbf rate 100bit burst 90 limit 210" :
		  "tc qdisc add dev veth0 root tbf rate 100bit burst 90 limit 170");
	ASSERT_EQ(3, send(client, "two", 3, 0));
	sleep_ms(100);
	ASSERT_EQ(3, recv(server, buf, sizeof(buf), 0));
	ASSERT_EQ(5, send(client, "three", 5, 0));
	/* The retransmission timer marks it lost, while it is here. */
	sleep_ms(1500);
	ASSERT_EQ(3, send(other[0], "two", 3, 0));
	sleep_ms(10);
	counters_take(&before);
	ASSERT_EQ(4, send(client, "four", 4, 0));
	sleep_ms(1000);
	EXPECT_GE(50, counter_moved(&before, "TCPSpuriousRtxHostQueues"));
	shell_run(WHERE(_metadata), "tc qdisc del dev veth0 root");
	close(client);
	close(server);
	close(other[0]);
	close(other[1]);
}

/*
 * The route's MTU is less than xtcp_min_snd_mss needs, so IP divides each segment. A queue
 * that refuses some of the fragments may have taken those of other segments of the same skb.
 * The peer acknowledges these together with one that was in flight, so they must not count
 * as unsent.
 */
TEST_F(smallqueue, refused_fragments)
{
	const struct route_metrics small = {
		.value = { [RTAX_MTU] = 68, [RTAX_LOCK] = 1 << RTAX_MTU },
	};
	struct pair *pr = &self->pair;
	int client, server, got = 0;
	char buf[4000] = "";

	/* There the connection waits until it is given up. */
	NOT_ON_STOCK();
	/* IPv6 has no such MTU. */
	if (pr->family == AF_INET6)
		return;
	pair_netem(pr, CLIENT, &(struct netem){ .delay_ms = 5 });
	route_add_metrics(WHERE(_metadata), &pr->addr[SERVER], 32, "veth0", &small);
	pair_connected(pr, PORT, &client, &server);
	/* The congestion window grows, and the burst that may be sent at once. */
	stream_transfer(_metadata, client, server, 10000, 1000);
	pair_netem(pr, CLIENT, &(struct netem){ .delay_ms = 5, .limit = 7 });
	ASSERT_EQ(0, setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)));
	ASSERT_EQ(0, setsockopt(server, IPPROTO_TCP, TCP_QUICKACK, &(int){ 0 }, sizeof(int)));
	ASSERT_EQ(1, send(client, buf, 1, 0));
	ASSERT_EQ(4000, send(client, buf, 4000, 0));
	while (got < 4001) {
		ASSERT_EQ(1, poll(&(struct pollfd){ server, POLLIN }, 1, 3000))
			TH_LOG("after %d bytes", got);
		got += recv(server, buf, sizeof(buf), 0);
	}
	close(client);
	close(server);
}

/*
 * The writer waits until little is unsent. The device sends a segment in a millisecond, and no ACK
 * comes for a second: xtcp wakes the writer as segments leave the host, and not before.
 */
TEST_F(smallqueue, wakes_a_writer_with_little_unsent)
{
	struct pair *pr = &self->pair;
	static uint8_t text[30000];
	struct pollfd out;
	int64_t begin_ms;
	int client, server;

	NOT_ON_STOCK();		/* waits for an ACK */
	fast_then_shaped(_metadata, pr, RATE, &client, &server);
	pair_netem(pr, SERVER, &(struct netem){ .delay_ms = 1000 });
	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("limit_output_bytes", 0));
	ASSERT_EQ(0, socket_set(client, SOL_SOCKET, SO_SNDBUF, 1 << 20));
	ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), MSG_DONTWAIT));
	ASSERT_EQ(0, socket_set(client, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 10000));
	out = (struct pollfd){ client, POLLOUT, 0 };
	ASSERT_EQ(0, poll(&out, 1, 0));
	begin_ms = now_ms();
	ASSERT_EQ(1, poll(&out, 1, 5000));
	EXPECT_LE(15, now_ms() - begin_ms);
	EXPECT_GE(30, now_ms() - begin_ms);
	EXPECT_GT(5000, socket_count(client, SIOCOUTQNSD));
	read_all(_metadata, server, sizeof(text));
	pr->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
}

/* --- our ACKs ------------------------------------------------------------ */

#define ACKS 10
#define TEXT_LEN 100

/*
 * A segment of 1400 bytes has left a device that sends 1600 bytes at once, and then 10 in a
 * millisecond. It is in flight.
 */
static void one_in_flight(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	conn_open(p, c, .opt = OPT(OPT_MSS(1400), OPT_SACKOK));
	socket_set(c->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	shaper_set(WHERE(_metadata), "tun0", 10000, 100 << 20);
	/* The first write for which the device is too slow is not corked. */
	for (int i = 0; i < 2; i++)
		conn_write(c, c->seg_len);
	conn_write(c, 10);
	flight_expect(c, 0);
	flight_expect(c, 1, .within_ms = 150);
	conn_expect(c, .len = 10);
	conn_send(c, .flags = ACK);
	sleep_ms(200);
	conn_write(c, c->seg_len);
	conn_expect(c, .len = c->seg_len);
	EXPECT_EQ(0, not_left(c->fd));
}

/* In the beginning each segment is acknowledged at once. Returns how many ACKs wait. */
static int acks_wait(struct conn *c)
{
	int64_t acked = conn_kern_nxt(c) - c->seg_len;

	for (int i = 0; i < ACKS; i++)
		conn_send(c, .flags = ACK, .ack = acked, .len = TEXT_LEN);
	return ACKS - peer_drain(c->peer, 0);
}

/* They carry none of the connection's data: as in Linux, two bytes each. */
TEST_F(acks, count_as_two_bytes)
{
	struct peer *p = &self->peer;
	struct conn c;
	int waiting;

	one_in_flight(_metadata, p, &c);
	waiting = acks_wait(&c);
	EXPECT_LE(2, waiting);
	EXPECT_EQ(2 * waiting, not_left(c.fd));
	conn_send(&c, .flags = RST);
	EXPECT_EQ(waiting, peer_drain(p, 2000));
}

/* A short write waits for what has not left, but not for ACKs. */
TEST_F(acks, do_not_cork_a_write)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	one_in_flight(_metadata, p, &c);
	EXPECT_LE(2, acks_wait(&c));
	counters_take(&before);
	conn_write(&c, 10);
	EXPECT_EQ(1, counter_moved(&before, "TCPOrigDataSent"));
	EXPECT_EQ(0, counter_moved(&before, "TCPAutoCorking"));
	conn_send(&c, .flags = RST);
	peer_drain(p, 2000);
}

TEST_HARNESS_MAIN
