// SPDX-License-Identifier: GPL-2.0
/*
 * lossy: whole transfers between two namespaces over a path that loses, duplicates,
 * reorders, damages and delays packets, every byte compared; and across the wrap of
 * sequence numbers. LC-25, 50, 52, 55, 100.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>
#include <sys/wait.h>

PAIR_FIXTURE(lossy);
PEER_FIXTURE(wrap);

#define PORT 7000
#define STALL_MS 3000000		/* RTOs in a row at 30 % loss, up to 120 s each */

/* Both directions suffer the same; that many bytes each way at once. */
static void exchange_whole(struct __test_metadata *_metadata, struct pair *pr,
			   const struct netem *netem, uint64_t bytes)
{
	struct counters before;
	int client, server;

	/* By chance 16 RTOs in a row may bring nothing: one connection in a thousand. */
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(pr, s);
		ASSERT_EQ(0, knob_set("retries2", 30));
	}
	pair_connected(pr, PORT, &client, &server);
	pair_netem(pr, CLIENT, netem);
	pair_netem(pr, SERVER, netem);
	pair_enter(pr, CLIENT);
	counters_take(&before);
	stream_exchange(_metadata, client, server, bytes, STALL_MS);
	/* The path did something, and xtcp noticed. */
	if (netem->loss)
		EXPECT_LT(0, counter_moved(&before, "RetransSegs"));
	if (netem->reorder)
		EXPECT_LT(0, counter_moved(&before, "TCPOFOQueue"));
	if (netem->duplicate)
		EXPECT_LT(0, counter_moved(&before, "DelayedACKLost"));
	if (netem->corrupt)
		EXPECT_LT(0, counter_moved(&before, "InErrs"));
	close(client);
	close(server);
}

/* The same, and segments are lost or late one by one, not as large skbs. */
static void exchange(struct __test_metadata *_metadata, struct pair *pr,
		     const struct netem *netem, uint64_t bytes)
{
	for (int side = CLIENT; side <= SERVER; side++) {
		pair_enter(pr, side);
		link_set_single_segments(WHERE(_metadata), pair_device[side]);
	}
	exchange_whole(_metadata, pr, netem, bytes);
}

#define LOSSY_TEST(name, bytes, ...) \
	TEST_F_TIMEOUT(lossy, name, 4000) \
	{ \
		exchange(_metadata, &self->pair, &(struct netem){ __VA_ARGS__ }, bytes); \
	}

LOSSY_TEST(lc_100_nothing_happens, 2 << 20, .delay_ms = 0)
LOSSY_TEST(lc_100_delay, 1 << 20, .delay_ms = 50)
LOSSY_TEST(lc_100_jitter, 400000, .delay_ms = 20, .jitter_ms = 10)
LOSSY_TEST(lc_100_loss_1, 2 << 20, .loss = 1, .delay_ms = 5)
LOSSY_TEST(lc_100_loss_10, 300000, .loss = 10, .delay_ms = 5)
LOSSY_TEST(lc_100_loss_30, 100000, .loss = 30, .delay_ms = 5)
LOSSY_TEST(lc_100_duplicates, 400000, .duplicate = 10, .delay_ms = 5)
LOSSY_TEST(lc_100_reorder_25, 400000, .reorder = 25, .delay_ms = 10)
LOSSY_TEST(lc_100_corrupt, 400000, .corrupt = 5, .delay_ms = 5)
LOSSY_TEST(lc_100_all_of_it, 400000, .loss = 10, .duplicate = 5, .reorder = 25,
	   .corrupt = 5, .delay_ms = 10)

/* Large skbs, lost and late as a whole. */
TEST_F_TIMEOUT(lossy, lc_100_large_skbs, 4000)
{
	exchange_whole(_metadata, &self->pair,
		       &(struct netem){ .loss = 5, .duplicate = 5, .reorder = 20, .delay_ms = 5 },
		       8 << 20);
}

static void knobs_off(struct __test_metadata *_metadata, struct pair *pr,
		      const char *const *names)
{
	for (; *names; names++) {
		for (int side = CLIENT; side <= SERVER; side++) {
			pair_enter(pr, side);
			ASSERT_EQ(0, knob_set(*names, 0));
		}
	}
}

TEST_F_TIMEOUT(lossy, lc_100_without_sack, 4000)
{
	knobs_off(_metadata, &self->pair, (const char *const[]){ "sack", NULL });
	exchange(_metadata, &self->pair,
		 &(struct netem){ .loss = 10, .reorder = 10, .delay_ms = 5 }, 200000);
}

TEST_F_TIMEOUT(lossy, lc_100_without_any_option, 4000)
{
	knobs_off(_metadata, &self->pair,
		  (const char *const[]){ "sack", "timestamps", "window_scaling", NULL });
	exchange(_metadata, &self->pair,
		 &(struct netem){ .loss = 10, .reorder = 10, .delay_ms = 5 }, 200000);
}

TEST_F_TIMEOUT(lossy, knob_timestamps_without, 4000)
{
	struct pair *pr = &self->pair;
	int client, server;

	knobs_off(_metadata, pr, (const char *const[]){ "timestamps", NULL });
	pair_connected(pr, PORT, &client, &server);
	EXPECT_EQ(0, socket_tcp_info(_metadata, client).tcpi_options & TCPI_OPT_TIMESTAMPS);
	pair_netem(pr, CLIENT, &(struct netem){ .loss = 5, .delay_ms = 5 });
	stream_exchange(_metadata, client, server, 200000, STALL_MS);
}

TEST_F_TIMEOUT(lossy, lc_100_one_direction, 4000)
{
	struct pair *pr = &self->pair;
	struct counters before;
	int client, server;

	/* Only ACKs are lost: little data has to be sent again. */
	pair_connected(pr, PORT, &client, &server);
	pair_netem(pr, SERVER, &(struct netem){ .loss = 30, .delay_ms = 5 });
	pair_enter(pr, CLIENT);
	counters_take(&before);
	stream_transfer(_metadata, client, server, 500000, STALL_MS);
	EXPECT_GT(35, counter_moved(&before, "RetransSegs"));
}

TEST_F(lossy, lc_55_both_ways_at_once)
{
	struct counters before;
	struct pair *pr = &self->pair;
	int client, server;
	long long out, data;

	pair_connected(pr, PORT, &client, &server);
	pair_enter(pr, CLIENT);
	counters_take(&before);
	stream_exchange(_metadata, client, server, 500000, 5000);
	out = counter_moved(&before, "OutSegs");
	data = counter_moved(&before, "TCPOrigDataSent");
	/* ACKs ride on data: far fewer than one pure ACK for every two segments. */
	EXPECT_LT(0, data);
	EXPECT_GT(data + data / 10, out);
	EXPECT_EQ(0, counter_moved(&before, "RetransSegs"));
}

TEST_F_TIMEOUT(lossy, lc_100_path_that_comes_back, 4000)
{
	struct pair *pr = &self->pair;
	int client, server;
	char c = 'x';

	/* No packet passes for five minutes; then all goes on. */
	pair_connected(pr, PORT, &client, &server);
	stream_transfer(_metadata, client, server, 100000, 5000);
	pair_netem(pr, CLIENT, &(struct netem){ .loss = 100 });
	ASSERT_EQ(1, send(client, &c, 1, 0));
	sleep_ms(300000);
	pair_netem(pr, CLIENT, &(struct netem){ .delay_ms = 1 });
	sleep_ms(130000);
	ASSERT_EQ(1, recv(server, &c, 1, MSG_DONTWAIT));
	stream_exchange(_metadata, client, server, 100000, 5000);
}

/* --- LC-25: the end of the sequence space -------------------------------- */

#define CHUNK 1000
#define CHUNKS 40

TEST_F(wrap, lc_25_peers_numbers_wrap)
{
	struct peer *p = &self->peer;
	static uint8_t buf[CHUNK * CHUNKS];
	struct conn c;

	conn_open(p, &c, .peer_iss = 0xffffffffu - CHUNK * CHUNKS / 2 + 7);
	for (int i = 0; i < CHUNKS; i += 2) {
		/*
		 * Swapped in pairs, so that the wrap lies in the tree of out-of-order
		 * data, too.
		 */
		conn_send(&c, .seq = 1 + (i + 1) * CHUNK, .len = CHUNK);
		conn_expect(&c, .flags = ACK, .ack = 1 + i * CHUNK);
		conn_send(&c, .seq = 1 + i * CHUNK, .len = CHUNK);
		conn_expect(&c, .flags = ACK, .ack = 1 + (i + 2) * CHUNK);
	}
	ASSERT_EQ(sizeof(buf), recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(-1, pattern_check(buf, sizeof(buf), 0));
	peer_drain(p, 5);			/* a window update */
	/* A number one lap below is old. */
	c.peer_nxt = c.peer_iss + 1 + CHUNK * CHUNKS;
	conn_send(&c, .seq = 1, .len = CHUNK);
	conn_expect(&c, .flags = ACK, .ack = 1 + CHUNK * CHUNKS);
	EXPECT_EQ(-1, recv(c.fd, buf, sizeof(buf), 0));
}

TEST_F(wrap, lc_25_sack_across_the_wrap)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .peer_iss = 0xffffffffu - 149, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	conn_send(&c, .seq = 101, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 101, 201 }});
	conn_send(&c, .seq = 301, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 301, 401 }, { 101, 201 }});
	conn_send(&c, .seq = 1, .len = 300);
	conn_expect(&c, .flags = ACK, .ack = 401);
	conn_send(&c, .seq = 101, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 401, .sacks = 1, .sack = {{ 101, 201 }});
}

TEST_F_TIMEOUT(wrap, lc_25_own_numbers_wrap, 2000)
{
	struct peer *p = &self->peer;
	static uint8_t text[CHUNK * 20];
	int64_t start = now_ns();
	uint32_t to_go;
	struct conn c;

	/*
	 * The ISN of a 4-tuple grows by one each 64 ns: so the time when it will lie
	 * just below 2^32 is known.
	 */
	conn_open(p, &c, .active = true, .pport = 41000, .kport = 42000);
	to_go = 0u - 75000 - c.kern_iss;
	conn_send(&c, .flags = RST);
	close(c.fd);
	sleep_until_ns(start + to_go * 64LL);
	conn_open(p, &c, .active = true, .pport = 41000, .kport = 42000,
		  .opt = OPT(OPT_MSS(CHUNK)));
	/* 75,000 are 4.8 ms: that close, but before the wrap. */
	ASSERT_LE(0u - 80000, c.kern_iss);
	pattern_fill(text, sizeof(text), 0);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
	for (int64_t at = 1; at < 100000; at += sizeof(text)) {
		ASSERT_EQ((ssize_t)sizeof(text), send(c.fd, text, sizeof(text), 0));
		for (int i = 0; i < 20; i++) {
			conn_expect(&c, .seq = at + i * CHUNK, .len = CHUNK,
				    .pattern = i * CHUNK);
			if (i % 5 == 4)
				conn_send(&c, .flags = ACK);
		}
	}
	EXPECT_GT(100000u, c.kern_nxt);
	/* And a loss beyond it is repaired. */
	ASSERT_EQ(CHUNK, send(c.fd, text, CHUNK, 0));
	conn_expect(&c, .seq = 100001, .len = CHUNK);
	conn_expect(&c, .seq = 100001, .len = CHUNK, .within_ms = 500);
	conn_send(&c, .flags = ACK);
}

TEST_HARNESS_MAIN
