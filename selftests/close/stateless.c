// SPDX-License-Identifier: GPL-2.0
/*
 * stateless: TIME-WAIT without a record (xtcp_tw_stateless): the token on the FIN of the
 * end that closes first, when the end needs no record, and when it keeps one all the
 * same. RFC 9293 3.4.1, 3.6.1; RFC 6191, 7323 5. The format is Documentation/wire.rst's.
 * LC-117.
 */
/* vm: families */
#include "lib/xtcp_test.h"

#include <net/if.h>

#include <netinet/tcp.h>

#include "token.h"

PEER_FIXTURE(stateless);
PAIR_FIXTURE(stateless_pair);
PEER_FIXTURE(stateless_tcp);
FIXTURE_VARIANT_ADD(stateless_tcp, tcp) { .setup = { .wire = XTCP_WIRE_TCP } };

#define FRESH_MS 60000
#define ISN_STEP_NS 64		/* of the clock in ISNs */

static uint32_t token_time(const uint8_t *t)
{
	return t[0] << 16 | t[1] << 8 | t[2];
}

/* An IPv6 socket with an IPv4 connection keeps 0. */
static void set_dscp(struct __test_metadata *_metadata, struct conn *c)
{
	bool v6 = c->peer->family == AF_INET6;

	if (test_is_mapped())
		return;
	ASSERT_EQ(0, socket_set(c->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				v6 ? IPV6_TCLASS : IP_TOS, 0x28));
}

/* --- the token of a FIN ------------------------------------------------- */

TEST_F(stateless, lc_117_fin_has_a_token)
{
	struct peer *p = &self->peer;
	const struct segment *fin;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	conn_open(p, &c, .opt = STAMPS);
	set_dscp(_metadata, &c);
	close(c.fd);
	fin = conn_expect(&c, .flags = FIN | ACK, .opt_len = TOKEN_OPT_LEN, .token = 1);
	EXPECT_EQ(((fin->opt.tsval + LIFE_MS) / UNIT_MS) & 0xffffff,
		  token_time(fin->opt.token));
	EXPECT_EQ(test_is_mapped() ? 0 : 0x28, fin->opt.token[3]);
}

TEST_F(stateless, plain_stamps_are_marked)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ASSERT_EQ(0, knob_set("timestamps", 2));
	closed_first(p, &c, ST_FIN_WAIT_2, token);
	EXPECT_EQ(((p->last.opt.tsval + LIFE_MS) / UNIT_MS) & 0xffffff, token_time(token));
	EXPECT_EQ(1, token[3] & 3);
	ends(_metadata, &c, token);
	/* The answer keeps the old clock. */
	ASSERT_EQ(0, knob_set("timestamps", 1));
	/* Until a ms has just begun: the answer has the same. */
	sleep_until_ns((now_ns() / NSEC_PER_MSEC + 1000) * NSEC_PER_MSEC);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2,
		    .tsval = now_ns() / NSEC_PER_MSEC);
}

static void no_token(struct __test_metadata *_metadata, struct peer *p, const char *what,
		     bool no_stamps, void (*prepare)(int fd))
{
	struct conn c;

	peer_note(p, "%s", what);
	if (no_stamps)
		conn_open(p, &c, .active = true, .prepare = prepare);
	else
		conn_open(p, &c, .active = true, .prepare = prepare, .opt = STAMPS);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .token = 0);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .token = 0);
	conn_expect_state(&c, ST_TIME_WAIT);
}

static void prepare_mark(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_MARK, &(int){ 7 }, sizeof(int));
}

static void prepare_transparent(int fd)
{
	setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &(int){ 1 }, sizeof(int));
	setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &(int){ 1 }, sizeof(int));
}

static void prepare_device(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5);
}

static void prepare_2msl(int fd)
{
	setsockopt(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, &(int){ 69 }, sizeof(int));
}

TEST_F(stateless, who_gets_no_token)
{
	struct peer *p = &self->peer;

	EXPECT_EQ(0, knob_get("tw_stateless"));
	no_token(_metadata, p, "by default", false, NULL);
	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	no_token(_metadata, p, "without timestamps", true, NULL);
	no_token(_metadata, p, "with a mark", false, prepare_mark);
	no_token(_metadata, p, "bound to a device", false, prepare_device);
	no_token(_metadata, p, "transparent", false, prepare_transparent);
	no_token(_metadata, p, "a long 2MSL of its own", false, prepare_2msl);
	ASSERT_EQ(0, knob_set("tw_timeout", 69));
	no_token(_metadata, p, "a long 2MSL", false, NULL);
	EXPECT_EQ(EINVAL, knob_set("tw_stateless", 2));
}

TEST_F(stateless, longest_2msl_with_a_token)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	ASSERT_EQ(0, knob_set("tw_timeout", 68));
	conn_open(p, &c, .active = true, .opt = STAMPS);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .opt_len = TOKEN_OPT_LEN, .token = 1);
}

/* Another TCP would not understand it; and what it sends under the same ExID is no token. */
TEST_F(stateless_tcp, no_token_on_the_tcp_wire)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	no_token(_metadata, p, "on the TCP wire", false, socket_set_wire_tcp);
	conn_open(p, &c, .prepare = socket_set_wire_tcp, .opt = STAMPS);
	conn_send(&c, .flags = FIN | ACK, .opt = told(&c, foreign));
	conn_expect(&c, .flags = ACK, .ack = 2, .token = 0, .within_ms = DELAYED_ACK_MS);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .ack = 2, .token = 0);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
}

static uint64_t rotate(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

/* SipHash-2-4 of three words and their length, with a key of zeros. */
static uint64_t siphash_without_key(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t v[] = { 0x736f6d6570736575, 0x646f72616e646f6d,
			 0x6c7967656e657261, 0x7465646279746573 };
	uint64_t words[] = { a, b, c, 24ULL << 56 };

	for (int i = 0; i < 4; i++) {
		v[3] ^= words[i];
		sip_rounds(v, 2);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t number(const uint8_t *b, int bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | *b++;
	return n;
}

/*
 * A peer knows all that is under the MAC: its numbers, and what ISN and TSval are without the
 * clocks. Only the key keeps it from forging a token. Its words are those of module/token.c.
 */
TEST_F(stateless, token_needs_the_key)
{
	struct peer *p = &self->peer;
	int64_t from_ns = now_ns(), until_ns;
	uint8_t token[TOKEN_LEN];
	uint64_t state, mac;
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_2, token);
	until_ns = now_ns();
	state = number(token, 4);
	mac = number(token + 4, 8);
	for (int64_t t = from_ns; t <= until_ns; t += ISN_STEP_NS) {
		uint32_t low = c.kern_iss - t / ISN_STEP_NS;

		for (int ms = 0; ms < 2; ms++) {
			uint32_t high = c.kern_opt.tsval - t / NSEC_PER_MSEC - ms;

			EXPECT_NE(mac, siphash_without_key((uint64_t)high << 32 | low,
							   state << 32 | (c.kern_iss + 2),
							   c.peer_iss + 1));
		}
	}
}

static void payload_and_fin(struct __test_metadata *_metadata, struct peer *p, int text,
			 int64_t token)
{
	struct conn c;

	conn_open(p, &c, .opt = STAMPS);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	conn_write(&c, text < 0 ? c.seg_len + text : text);
	close(c.fd);
	conn_expect(&c, .flags = FIN | PSH | ACK, .len = text < 0 ? c.seg_len + text : text,
		    .token = token);
	conn_send(&c, .flags = RST);
	close(c.lfd);
}

TEST_F(stateless, token_beside_text)
{
	struct peer *p = &self->peer;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	payload_and_fin(_metadata, p, 10, 1);
	payload_and_fin(_metadata, p, -16, 1);
	payload_and_fin(_metadata, p, -15, 0);
	payload_and_fin(_metadata, p, -1, 0);
}

TEST_F(stateless, no_token_above_a_hole)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	conn_open(p, &c, .opt = STAMPS);
	conn_send(&c, .flags = ACK, .seq = 11, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = { { 11, 21 } });
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK, .ack = 1, .sacks = 1, .token = 0,
		    .sack = { { 11, 21 } });
	conn_send(&c, .flags = ACK, .seq = 1, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 21);
	conn_send(&c, .flags = FIN | ACK, .seq = 21);
	conn_expect(&c, .flags = ACK, .ack = 22);
	conn_expect_state(&c, ST_TIME_WAIT);
}

TEST_F(stateless, no_token_while_payload_is_unread)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	conn_open(p, &c, .opt = STAMPS);
	conn_send(&c, .flags = PSH | ACK, .data = "text");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK, .ack = 5, .token = 0);
	program_reads(_metadata, c.fd, "text");
	/* By the loss probe or the timer. */
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 5, .token = 1, .within_ms = 1100);
	conn_send(&c, .flags = FIN | ACK, .ack = 2, .opt = told(&c, p->last.opt.token));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 6);
	conn_expect_state(&c, ST_CLOSED);
}

/* --- no record ------------------------------------------------------------ */

TEST_F(stateless, lc_117_ctr_XtcpTokenTW_closer_keeps_nothing)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct counters before;
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_2, token);
	counters_begin(&before);
	ends(_metadata, &c, token);
	EXPECT_EQ(0, proc_rows(p->family, ROW_TIME_WAIT));
	EXPECT_EQ(1, lifecycle_count("TIME-WAIT", "TIME-WAIT-TOKEN", "CLOSED"));
	program_reads_end(_metadata, c.fd);
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, "XtcpTokenTW", 1, NULL);
	peer_expect_silence(p, 100000);
}

/* The record of an orphan in FIN-WAIT-2 ends with the peer's FIN. */
TEST_F(stateless, lc_117_orphan_record_ends_with_the_fin)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct counters before;
	struct conn c;

	closed_first(p, &c, ST_ORPHAN_FIN_WAIT_2, token);
	sleep_ms(1000);
	counters_begin(&before);
	ends(_metadata, &c, token);
	counters_expect(_metadata, &before, "XtcpTokenTW", 1, NULL);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
}

static void fin_again_is_acked(struct __test_metadata *_metadata, struct peer *p, bool active)
{
	uint8_t token[TOKEN_LEN];
	struct counters before;
	struct optbytes opt;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	conn_open(p, &c, .active = active, .opt = STAMPS);
	set_dscp(_metadata, &c);
	conn_advance(&c, ST_FIN_WAIT_2, false);
	take_token(_metadata, p, token);
	ends(_metadata, &c, token);
	counters_begin(&before);
	for (int i = 0; i < 10; i++) {
		uint32_t stamp = p->last.opt.tsval;

		if (i == 5 && !active)
			close(c.lfd);
		sleep_ms(100 * i);
		opt = told(&c, token);
		conn_send(&c, .flags = FIN | ACK, .seq = 1, .ack = 2, .opt = opt);
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .wnd = 0, .token = 0,
			    .tos = test_is_mapped() ? 0 : 0x28,
			    .tsecr = (uint32_t)opt.b[4] << 24 | opt.b[5] << 16 |
				     opt.b[6] << 8 | opt.b[7]);
		/* The clock of the connection runs on. */
		EXPECT_GE(10, p->last.opt.tsval - stamp - 100 * i);
	}
	counters_expect(_metadata, &before, "XtcpTokenAck", 10, NULL);
	peer_expect_silence(p, 1000);
}

TEST_F(stateless, lc_117_ctr_XtcpTokenAck_by_a_server)
{
	fin_again_is_acked(_metadata, &self->peer, false);
}

TEST_F(stateless, lc_117_ctr_XtcpTokenAck_by_a_client)
{
	fin_again_is_acked(_metadata, &self->peer, true);
}

TEST_F(stateless, port_is_free_at_once)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c, next;

	ended(p, &c, token, .active = true, .kport = 41000, .pport = 80);
	close(c.fd);
	conn_open(p, &next, .active = true, .kport = 41000, .pport = 80, .opt = STAMPS);
	conn_expect_state(&next, ST_ESTABLISHED);
}

/* --- a record all the same ------------------------------------------------ */

static void keeps(struct conn *c, struct optbytes opt)
{
	conn_send(c, .flags = FIN | ACK, .opt = opt);
	conn_expect(c, .flags = ACK, .seq = 2, .ack = conn_peer_nxt(c));
	conn_expect_state(c, ST_TIME_WAIT);
}

TEST_F(stateless, no_echo_keeps_a_record)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_2, token);
	keeps(&c, conn_spec(&c).opt);
	/* A record answers by itself. */
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
	closed_first(p, &c, ST_ORPHAN_FIN_WAIT_2, token, .lfd = c.lfd);
	keeps(&c, conn_spec(&c).opt);
}

TEST_F(stateless, wrong_echo_keeps_a_record)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct counters before;
	struct conn c = { .lfd = -1 };

	counters_begin(&before);
	for (int i = 0; i < 2; i++) {
		int st = i ? ST_ORPHAN_FIN_WAIT_2 : ST_FIN_WAIT_2;

		closed_first(p, &c, st, token, .lfd = c.lfd);
		token[TOKEN_LEN - 1] ^= 1;
		keeps(&c, told(&c, token));
		closed_first(p, &c, st, token, .lfd = c.lfd);
		token[2] ^= 1;
		keeps(&c, told(&c, token));
	}
	EXPECT_EQ(0, counter_moved(&before, "XtcpTokenTW"));
}

TEST_F(stateless, text_after_our_fin_keeps_a_record)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_2, token);
	conn_send(&c, .flags = PSH | ACK, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "x");
	keeps(&c, told(&c, token));

	/* And a FIN with text. */
	closed_first(p, &c, ST_FIN_WAIT_2, token, .lfd = c.lfd);
	conn_send(&c, .flags = FIN | PSH | ACK, .data = "x", .opt = told(&c, token));
	conn_expect(&c, .flags = ACK, .ack = 3);
	conn_expect_state(&c, ST_TIME_WAIT);
	/* A FIN behind a hole has lost its token when the hole is filled. */
	closed_first(p, &c, ST_FIN_WAIT_2, token, .lfd = c.lfd);
	conn_send(&c, .flags = FIN | ACK, .seq = 2, .opt = told(&c, token));
	conn_expect(&c, .flags = ACK, .ack = 1);
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 3);
	conn_expect_state(&c, ST_TIME_WAIT);
}

TEST_F(stateless, half_close_of_a_minute_keeps_a_record)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_2, token);
	sleep_ms(FRESH_MS - UNIT_MS - 10);
	ends(_metadata, &c, token);
	closed_first(p, &c, ST_FIN_WAIT_2, token, .lfd = c.lfd);
	sleep_ms(FRESH_MS + UNIT_MS);
	keeps(&c, told(&c, token));
}

TEST_F(stateless, simultaneous_close_keeps_a_record)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_1, token);
	/* Each end offers a token of its own; neither repeats the other's. */
	conn_send(&c, .flags = FIN | ACK, .ack = 1, .opt = told(&c, foreign));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .token = 0);
	conn_expect_state(&c, ST_CLOSING);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
}

TEST_F(stateless, max_tw_buckets_0)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ASSERT_EQ(0, knob_set("max_tw_buckets", 0));
	closed_first(p, &c, ST_FIN_WAIT_2, token);
	/* No echo, and no record: a FIN with the token is acknowledged all the same. */
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_CLOSED);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_send(&c, .flags = FIN | ACK, .seq = 1, .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
}

/* --- the ISN clock ---------------------------------------------------------- */

static enum conn_state age_and_close(struct __test_metadata *_metadata, struct peer *p,
				     int64_t age_ms)
{
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	conn_open(p, &c, .active = true, .opt = STAMPS);
	sleep_ms(age_ms);
	conn_advance(&c, ST_FIN_WAIT_2, false);
	take_token(_metadata, p, token);
	conn_send(&c, .flags = FIN | ACK, .opt = told(&c, token));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	return conn_state(&c);
}

/* A lap of the clock is 274.9 s; in its second half it runs towards the old numbers. */
TEST_F_TIMEOUT(stateless, isn_clock_laps, 3600)
{
	struct peer *p = &self->peer;

	EXPECT_EQ(ST_CLOSED, age_and_close(_metadata, p, 100000));
	EXPECT_EQ(ST_CLOSED, age_and_close(_metadata, p, 137300));
	EXPECT_EQ(ST_TIME_WAIT, age_and_close(_metadata, p, 137600));
	EXPECT_EQ(ST_TIME_WAIT, age_and_close(_metadata, p, 240000));
	EXPECT_EQ(ST_TIME_WAIT, age_and_close(_metadata, p, 274500));
	EXPECT_EQ(ST_CLOSED, age_and_close(_metadata, p, 275000));
}

/* A megabyte is 67 ms of the clock: who sends it faster overtakes the clock. */
static void fast(struct __test_metadata *_metadata, struct pair *pr, enum side sender,
		 int64_t wait_ms, int rows)
{
	static char text[1 << 20];
	size_t seen = 0;
	int fd[2];

	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	pair_connected(pr, 5000, &fd[CLIENT], &fd[SERVER]);
	for (size_t sent = 0; sent < sizeof(text) || seen < sent;) {
		ssize_t n = send(fd[sender], text, sizeof(text) - sent, MSG_DONTWAIT);

		sent += n > 0 ? n : 0;
		n = recv(fd[!sender], text, sizeof(text), MSG_DONTWAIT);
		seen += n > 0 ? n : 0;
	}
	sleep_ms(wait_ms);
	close(fd[CLIENT]);
	sleep_ms(5);
	close(fd[SERVER]);
	sleep_ms(5);
	pair_enter(pr, CLIENT);
	EXPECT_EQ(rows, proc_rows(pr->family, ROW_TIME_WAIT));
	pair_enter(pr, SERVER);
	EXPECT_EQ(0, proc_rows(pr->family, ROW_LAST_ACK));
}

TEST_F(stateless_pair, fast_closer_keeps_a_record)
{
	fast(_metadata, &self->pair, CLIENT, 0, 1);
}

TEST_F(stateless_pair, fast_closer_after_a_rest_does_not)
{
	fast(_metadata, &self->pair, CLIENT, 100, 0);
}

TEST_F(stateless_pair, fast_peer_does_not_consent)
{
	fast(_metadata, &self->pair, SERVER, 0, 1);
}

TEST_F(stateless_pair, fast_peer_after_a_rest_does)
{
	fast(_metadata, &self->pair, SERVER, 100, 0);
}

/* --- both ends ---------------------------------------------------------------- */

TEST_F(stateless_pair, last_ack_lost)
{
	struct pair *pr = &self->pair;
	int fd[2];

	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	pair_connected(pr, 5000, &fd[CLIENT], &fd[SERVER]);
	close(fd[CLIENT]);
	sleep_ms(50);
	pair_netem(pr, CLIENT, &(struct netem){ .loss = 100 });
	close(fd[SERVER]);
	sleep_ms(100);
	pair_enter(pr, CLIENT);
	EXPECT_EQ(0, proc_rows(pr->family, 0));
	pair_enter(pr, SERVER);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_LAST_ACK));
	pair_netem(pr, CLIENT, &(struct netem){ 0 });
	sleep_ms(1000);
	pair_enter(pr, SERVER);
	EXPECT_EQ(0, proc_rows(pr->family, ROW_LAST_ACK));
	pair_enter(pr, CLIENT);
	EXPECT_EQ(0, proc_rows(pr->family, 0));
}

/*
 * One connection after the other from 20 ports, without waiting and without
 * xtcp_tw_reuse. Each carries its number both ways.
 */
TEST_F(stateless_pair, lc_117_a_thousand_in_a_row)
{
	struct pair *pr = &self->pair;
	struct counters now;
	int lfd = pair_listen(pr, 80, 16);

	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	ASSERT_EQ(0, knob_set("tw_reuse", 0));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40019"));
	for (uint32_t i = 0; i < 1000; i++)
		pair_talk(pr, lfd, 80, i);
	pair_enter(pr, CLIENT);
	counters_take(&now);
	EXPECT_EQ(1000, counter_get(&now, "ActiveOpens"));
	EXPECT_EQ(1000, counter_get(&now, "XtcpTokenTW"));
	EXPECT_EQ(0, counter_get(&now, "TWRecycled"));
	EXPECT_EQ(0, proc_rows(pr->family, ROW_TIME_WAIT));
}

/*
 * Losses, duplicates and reordering: each byte arrives, no connection is reset, and no
 * end is left waiting.
 */
TEST_F_TIMEOUT(stateless_pair, lossy, 4000)
{
	static const struct netem netem = {
		.delay_ms = 2, .jitter_ms = 2, .loss = 20, .duplicate = 10, .seed = 1,
	};
	struct pair *pr = &self->pair;
	int lfd, fd, child;
	uint32_t said;

	pair_enter(pr, SERVER);
	lfd = pair_listen(pr, 80, 16);
	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	ASSERT_EQ(0, knob_set("tw_reuse", 0));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40019"));
	/* All SYNs of a connect() must not be lost, by chance: Linux 6.1 has no seed. */
	ASSERT_EQ(0, knob_set("syn_retries", 12));
	pair_netem(pr, CLIENT, &netem);
	pair_netem(pr, SERVER, &netem);
	for (uint32_t i = 0; i < 100; i++) {
		struct pollfd pfd = { .events = POLLIN };

		fd = pair_connect(pr, 80);
		ASSERT_EQ(sizeof(i), send(fd, &i, sizeof(i), 0));
		pfd.fd = lfd;
		ASSERT_EQ(1, poll(&pfd, 1, 1000000));
		child = accept(lfd, NULL, NULL);
		ASSERT_LE(0, child);
		pfd.fd = child;
		ASSERT_EQ(1, poll(&pfd, 1, 1000000));
		ASSERT_EQ(sizeof(said), recv(child, &said, sizeof(said), 0));
		ASSERT_EQ(i, said);
		close(fd);
		ASSERT_EQ(1, poll(&pfd, 1, 1000000));
		ASSERT_EQ(0, recv(child, &said, sizeof(said), 0));
		program_lingers(child, 100);
		ASSERT_EQ(0, close(child));
	}
	/* A FIN may be lost many times in a row. */
	pair_enter(pr, SERVER);
	for (int i = 0; i < 300 && proc_rows(pr->family, ROW_LAST_ACK); i++)
		sleep_ms(1000);
	EXPECT_EQ(0, proc_rows(pr->family, ROW_LAST_ACK));
}

TEST_HARNESS_MAIN
