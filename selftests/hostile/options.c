// SPDX-License-Identifier: GPL-2.0
/*
 * options: every kind of option with every kind of wrong length, truncated at every
 * byte, and lists of noise. RFC 9293 3.1 (MUST-5, 6, 7, 68): no crash, no loop, and
 * the segment counts with the options in front of the fault.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>

PEER_FIXTURE(bad_options);

/*
 * The kernel's TCP first looks for signatures (RFC 2385, 5925) while one would fit
 * into the bytes left, and drops a segment that has one unasked or whose list breaks
 * before that. xtcp has no signatures and takes the segment.
 */
static bool stock_drops(const struct optbytes *o)
{
	int i = 0;

	while (stock_mode() && o->len - i >= 5 && o->b[i]) {
		if (o->b[i] == 1) {
			i++;
			continue;
		}
		if (o->b[i] == 19 || o->b[i] == 29)
			return true;
		if (o->b[i + 1] < 2 || o->b[i + 1] > o->len - i)
			return true;
		i += o->b[i + 1];
	}
	return false;
}

/* A SYN with these options makes a half-open record; a RST ends it. */
static void syn_survives(struct peer *p, const struct optbytes *opt, uint32_t seq)
{
	uint32_t iss;

	peer_send(p, .flags = SYN, .seq = seq, .opt = *opt);
	iss = peer_expect(p, .flags = SYN | ACK, .ack = seq + 1)->seq;
	peer_send(p, .flags = RST | ACK, .seq = seq + 1, .ack = iss + 1);
}

/* Text with these options is delivered as if there were none. */
static void text_survives(struct __test_metadata *_metadata, struct conn *c,
			  const struct optbytes *opt)
{
	char byte;

	conn_send(c, .flags = ACK | PSH, .len = 1, .opt = *opt, .no_opt = true);
	ASSERT_EQ(1, recv(c->fd, &byte, 1, MSG_DONTWAIT)) {
		peer_trace_print(c->peer);
	}
	EXPECT_EQ(pattern_byte(conn_peer_nxt(c) - 2), (uint8_t)byte);
	/* Some data is acknowledged at once, some later: by number, not by time. */
	peer_drain(c->peer, 0);
}

static const uint8_t lengths[] = {
	0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 16, 18, 20, 34, 38, 39, 40, 41, 128, 255,
};

/* Kind, length, then bytes that look like options themselves. */
static struct optbytes one_option(int kind, int length, int size)
{
	struct optbytes o = { .len = size };

	memset(o.b, 0xff, sizeof(o.b));
	o.b[0] = kind;
	if (size > 1)
		o.b[1] = length;
	for (int i = 2; i < size; i++)
		o.b[i] = i % 3 ? 2 : 8;
	return o;
}

/*
 * Begins the trace anew with a note. False if the kernel's TCP drops such options
 * early.
 */
#define to_try(p, o, ...) \
	(!stock_drops(o) && ((p)->trace_n = 0, peer_note(p, __VA_ARGS__), true))

TEST_F_TIMEOUT(bad_options, rfc9293_must_07_each_kind_and_length_on_syn, 3600)
{
	struct peer *p = &self->peer;
	uint32_t seq = 1;

	peer_listen(p, KERNEL_PORT, 16);
	for (int kind = 0; kind < 256; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
			struct optbytes o = one_option(kind, lengths[i], 40);

			if (to_try(p, &o, "kind %d length %d", kind, lengths[i]))
				syn_survives(p, &o, seq += 100);
		}
	}
}

TEST_F_TIMEOUT(bad_options, rfc9293_must_07_each_kind_and_length_on_text, 3600)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	for (int kind = 0; kind < 256; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
			struct optbytes o = one_option(kind, lengths[i], 40);

			if (to_try(p, &o, "kind %d length %d", kind, lengths[i]))
				text_survives(_metadata, &c, &o);
		}
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	p->leave_unread = true;
}

/* What a SYN's list says: the options that are whole and in front of its end or its fault. */
struct said {
	int mss, wscale;	/* -1: nothing */
	bool sackok, ts;
};

static struct said said(const struct optbytes *o)
{
	struct said said = { .mss = -1, .wscale = -1 };

	for (int i = 0; i < o->len && o->b[i]; i += o->b[i] == 1 ? 1 : o->b[i + 1]) {
		const uint8_t *b = o->b + i;

		if (b[0] == 1)
			continue;
		if (i + 1 == o->len || b[1] < 2 || i + b[1] > o->len)
			break;
		if (b[0] == 2 && b[1] == 4)
			said.mss = b[2] << 8 | b[3];
		if (b[0] == 3 && b[1] == 3)
			said.wscale = b[2] < 14 ? b[2] : 14;
		said.sackok |= b[0] == 4 && b[1] == 2;
		said.ts |= b[0] == 8 && b[1] == 10;
	}
	return said;
}

/* A connection whose SYN has these options, and perhaps payload, heeds what they say. */
static void syn_counts(struct peer *p, int lfd, const struct optbytes *opt,
		       const uint8_t *payload, int len)
{
	struct __test_metadata *_metadata = p->test;
	struct said say = said(opt);
	int mss = say.mss > 0 ? say.mss : mss_default();
	const struct segment *s;
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int fd;

	peer_send(p, .flags = SYN, .seq = 1, .sport = ++p->port, .opt = *opt,
		  .data = payload, .len = len);
	s = peer_expect(p, .flags = SYN | ACK, .ack = 2);
	EXPECT_EQ(say.sackok, s->opt.sackok);
	EXPECT_EQ(say.ts, s->opt.ts);
	EXPECT_EQ(say.wscale >= 0, s->opt.wscale >= 0);
	if (say.ts)
		peer_send(p, .flags = ACK, .seq = 2, .ack = s->seq + 1,
			  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(78, s->opt.tsval)));
	else
		peer_send(p, .flags = ACK, .seq = 2, .ack = s->seq + 1);
	fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	if (mss > 1460)
		mss = 1460;
	EXPECT_EQ(mss - 12 * say.ts, info.tcpi_snd_mss);
	EXPECT_EQ(say.wscale > 0 ? say.wscale : 0, +info.tcpi_snd_wscale);
	socket_abort(fd);
	peer_expect(p, .flags = RST | ACK, .ack = 2);
}

/*
 * The header ends within an option: bytes fill it up to there, or it has NOPs in front and
 * payload begins with the rest of the option. Nobody may read that beyond the header.
 */
TEST_F(bad_options, rfc9293_must_07_cut_at_every_byte)
{
	struct optbytes good = OPT(OPT_MSS(1200), OPT_SACKOK, OPT_TS(77, 0), OPT_NOP,
				   OPT_WSCALE(5), 254, 6, 0xf9, 0x89, 1, 2,
				   OPT_SACK1(10, 20), OPT_NOP);
	static const uint8_t fills[] = { 0, 1, 0xff };
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);

	for (int len = 0; len <= good.len; len++) {
		int pad = -len & 3;
		struct optbytes o = { .len = len + pad };

		memcpy(o.b, good.b, len);
		for (size_t i = 0; i < ARRAY_SIZE(fills); i++) {
			p->trace_n = 0;
			peer_note(p, "%d bytes, then %d", len, fills[i]);
			memset(o.b + len, fills[i], pad);
			syn_counts(p, lfd, &o, NULL, 0);
		}
		p->trace_n = 0;
		peer_note(p, "%d bytes, the others are payload", len);
		memset(o.b, 1, pad);
		memcpy(o.b + pad, good.b, len);
		syn_counts(p, lfd, &o, good.b + len, good.len - len);
	}
}

TEST_F(bad_options, sack_blocks_of_wrong_size_or_sense)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1000, send(c.fd, (uint8_t[1000]){ 0 }, 1000, 0));
	for (int i = 0; i < 5; i++)
		conn_expect(&c, .seq = 1 + 1000 * i, .len = 1000);
	for (int len = 2; len <= 40; len++) {
		struct optbytes o = one_option(5, len, 40);

		conn_send(&c, .flags = ACK, .opt = o, .ack = 1);
	}
	/* Blocks backwards, empty, before SND.UNA, beyond SND.NXT, across the wrap. */
	for (int i = 0; i < 6; i++) {
		static const int64_t edges[6][2] = {
			{ 3001, 2001 }, { 2001, 2001 }, { -5000, -4000 },
			{ 5001, 90001 }, { 100000, 200000 }, { 2001, 0x80000000LL },
		};
		uint32_t l = c.kern_iss + edges[i][0], r = c.kern_iss + edges[i][1];

		conn_send(&c, .flags = ACK, .opt = OPT(OPT_SACK1(l, r)), .ack = 1);
	}
	/* The connection continues, whichever of these five are retransmitted. */
	peer_drain(p, 0);
	conn_send(&c, .flags = ACK);
	peer_drain(p, 100);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK | PSH, .data = "on");
	conn_expect(&c, .flags = ACK, .seq = 5001, .ack = 3, .within_ms = 210);
}

static uint32_t next_noise(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static struct optbytes noise(uint32_t *state)
{
	static const uint8_t kinds[] = { 0, 1, 2, 3, 4, 5, 8, 34, 253, 254 };
	struct optbytes o = { .len = 4 * (1 + next_noise(state) % 10) };

	for (int i = 0; i < o.len; i++) {
		uint32_t r = next_noise(state);

		/* Half of the bytes are plausible, so that deeper code is reached. */
		if (r & 1)
			o.b[i] = r >> 8;
		else
			o.b[i] = r & 2 ? kinds[(r >> 8) % ARRAY_SIZE(kinds)] :
				 (r >> 8) % 12;
	}
	return o;
}

TEST_F_TIMEOUT(bad_options, noise_on_syn, 3600)
{
	uint32_t state = 0x2545f491, seq = 1;
	struct peer *p = &self->peer;

	peer_listen(p, KERNEL_PORT, 16);
	for (int i = 0; i < 3000; i++) {
		struct optbytes o = noise(&state);

		if (to_try(p, &o, "list %d of the noise", i))
			syn_survives(p, &o, seq += 100);
	}
}

TEST_F_TIMEOUT(bad_options, noise_on_text, 3600)
{
	struct peer *p = &self->peer;
	uint32_t state = 0x9e3779b9;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	for (int i = 0; i < 3000; i++) {
		struct optbytes o = noise(&state);

		if (to_try(p, &o, "list %d of the noise", i))
			text_survives(_metadata, &c, &o);
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	p->leave_unread = true;
}

TEST_F_TIMEOUT(bad_options, noise_for_everyone, 3600)
{
	uint32_t state = 0x12345678;
	struct peer *p = &self->peer;
	struct conn c[ST_COUNT];

	/*
	 * Whole headers of noise for a connection in each state, which has to survive if it is
	 * synchronized.
	 */
	for (int st = ST_LISTEN; st < ST_COUNT; st++)
		conn_to_state(p, &c[st], st, .kport = 6000 + st);
	for (int i = 0; i < 4000; i++) {
		struct conn *to = &c[ST_LISTEN + i % (ST_COUNT - 1)];
		uint32_t r = next_noise(&state);

		conn_send(to, .flags = r & 0xff, .reserved = r >> 8,
			  .seq = (int32_t)next_noise(&state),
			  .ack = (int32_t)next_noise(&state),
			  .wnd = r >> 12 & 0xffff, .urg = next_noise(&state),
			  .doff = r >> 28, .len = r >> 20 & 31, .opt = noise(&state));
		peer_drain(p, 0);
	}
	p->trace_n = 0;
	peer_drain(p, 10);
	for (int st = ST_ESTABLISHED; st <= ST_LAST_ACK; st++)
		conn_expect_state(&c[st], st);
	/* A new connection works as always. */
	for (int st = ST_LISTEN; st < ST_COUNT; st++) {
		close(c[st].fd);
		close(c[st].lfd);
	}
	peer_drain(p, 300000);
	conn_open(p, &c[0], .kport = 9000);
	conn_send(&c[0], .flags = ACK | PSH, .data = "well");
	conn_expect(&c[0], .flags = ACK, .ack = 5, .within_ms = 210);
}

TEST_HARNESS_MAIN
