// SPDX-License-Identifier: GPL-2.0
/*
 * options: which TCP options are understood, where they may stand, and the effect of a
 * broken list. RFC 9293 3.1, 3.2, 3.7.1 (MUST-4..7, 14-16, 64, 65, 67-69), RFC 7323
 * 2.2 (window scale), RFC 6691 (MSS and options).
 */
/* vm: wires families short still=rfc7323_5_5_paws_after_a_long_silence */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>

PEER_FIXTURE(options);

/* Sends a SYN with these options to an existing listener. */
#define syn_with(p, c, ...) \
	do { \
		conn_start(p, c, .kport = p->next_port + 10000); \
		conn_send(c, .flags = SYN, .opt = OPT(__VA_ARGS__)); \
		(c)->peer_opt = OPT(__VA_ARGS__); \
	} while (0)

/* Completes the connection and has the kernel send three full segments. */
static void expect_segment_size(struct __test_metadata *_metadata, struct conn *c,
				int size)
{

	conn_send(c, .flags = ACK);
	conn_accept(c);
	conn_write(c, 3 * size);
	for (int i = 0; i < 3; i++)
		conn_expect(c, .len = size, .pattern = i * size, .mss = ABSENT);
	conn_send(c, .flags = ACK);
}

TEST_F(options, rfc9293_must_04_eol_nop_mss)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_NOP, OPT_NOP, OPT_MSS(1000), OPT_EOL);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_segment_size(_metadata, &c, 1000);
}

TEST_F(options, rfc9293_must_05_options_on_any_segment)
{
	struct peer *p = &self->peer;
	struct optbytes odd = OPT(OPT_NOP, 200, 6, 1, 2, 3, 4, OPT_EOL);
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "abc", .opt = odd);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 4, .within_ms = 210);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "x");
	conn_send(&c, .flags = ACK, .opt = odd);
	conn_send(&c, .flags = FIN | ACK, .opt = odd);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 5, .within_ms = 210);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	conn_send(&c, .flags = RST, .opt = odd);
	conn_expect_state(&c, ST_CLOSED);
	/* x was acknowledged: nothing is sent again. */
	peer_expect_silence(p, 2000);
}

TEST_F(options, rfc9293_must_06_unknown_options_are_skipped)
{
	static const uint8_t kinds[] = { 6, 7, 9, 14, 15, 27, 28, 30, 34, 69, 128, 254, 255 };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct conn c;

		syn_with(p, &c, kinds[i], 2, kinds[i], 5, 9, 9, 9, OPT_MSS(700),
			 kinds[i], 16, 2, 4, 255, 255, 3, 3, 14, 8, 10, 0, 0, 0, 0, 0,
			 OPT_SACKOK);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 1, .ts = 0,
			    .wscale = ABSENT);
		expect_segment_size(_metadata, &c, 700);
	}
}

TEST_F(options, rfc9293_must_07_broken_length_ends_the_list)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Options before the fault count, those behind it do not. */
	syn_with(p, &c, OPT_MSS(800), 200, 0, OPT_SACKOK);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 0);
	expect_segment_size(_metadata, &c, 800);
	syn_with(p, &c, OPT_MSS(801), 200, 1, OPT_SACKOK);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 0);
	expect_segment_size(_metadata, &c, 801);
	syn_with(p, &c, OPT_MSS(802), OPT_SACKOK, 200, 4, 1);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 1);
	expect_segment_size(_metadata, &c, 802);
	syn_with(p, &c, OPT_SACKOK, 200, 40, OPT_MSS(803));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 1);
	expect_segment_size(_metadata, &c, mss_default());
	/* A kind in the very last byte has no length. */
	syn_with(p, &c, OPT_MSS(804), OPT_NOP, OPT_NOP, OPT_NOP, 2);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_segment_size(_metadata, &c, 804);
}

TEST_F(options, rfc9293_must_07_known_options_of_wrong_length)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, 2, 3, 5, 2, 5, 5, 5, 5, 3, 2, 4, 3, 0, 8, 9, 0, 0, 0, 0, 0, 0, 0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 0, .ts = 0,
		    .wscale = ABSENT);
	expect_segment_size(_metadata, &c, mss_default());
}

TEST_F(options, rfc9293_must_14_mss_is_sent)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_MSS(1460));
	conn_expect(&c, .flags = SYN | ACK, .mss = 1460);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .mss = 1460);
	close(c.fd);
}

TEST_F(options, rfc9293_must_15_no_mss_is_536)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_NOP);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_segment_size(_metadata, &c, mss_default());
}

TEST_F(options, rfc9293_must_15_no_mss_in_synack_is_536)
{
	struct peer *p = &self->peer;
	int mss = mss_default();
	struct conn c;

	conn_open(p, &c, .active = true, .no_opt = true);
	conn_write(&c, 2 * mss);
	conn_expect(&c, .len = mss, .pattern = 0);
	conn_expect(&c, .len = mss, .pattern = mss);
}

TEST_F(options, rfc9293_must_16_effective_mss_is_less_the_options)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Timestamps take 12 of the 1000 (RFC 6691). */
	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_NOP, OPT_NOP, OPT_TS(1, 0)));
	ASSERT_TRUE(c.ts);
	conn_write(&c, 2 * 988);
	conn_expect(&c, .len = 988, .pattern = 0, .ts = 1);
	conn_expect(&c, .len = 988, .pattern = 988, .ts = 1);
}

TEST_F(options, rfc9293_must_16_path_limits_a_large_mss)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_MSS(9000));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_segment_size(_metadata, &c, 1460);
}

static struct optbytes shifted(int pad, struct optbytes known)
{
	struct optbytes o = { .len = pad + known.len, .b = { 1, 1, 1, 1 } };

	memcpy(o.b + pad, known.b, known.len);
	return o;
}

TEST_F(options, rfc9293_must_64_any_alignment)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int pad = 0; pad < 4; pad++) {
		uint32_t tsval;

		conn_start(p, &c, .opt = OPT(OPT_MSS(900), OPT_WSCALE(3), OPT_TS(0, 0),
					     OPT_SACKOK), .kport = 7000 + pad);
		conn_send(&c, .flags = SYN,
			  .opt = shifted(pad, OPT(OPT_MSS(900), OPT_WSCALE(3),
						  OPT_TS(c.tsval_base, 0), OPT_SACKOK)));
		tsval = conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 1,
				    .ts = 1, .tsecr = c.tsval_base)->opt.tsval;
		ASSERT_LE(0, p->last.opt.wscale);
		conn_send(&c, .flags = ACK);
		conn_accept(&c);
		/* Timestamps on data, shifted; the echo shows that they were read. */
		conn_send(&c, .flags = ACK | PSH, .data = "t",
			  .opt = shifted(pad, OPT(OPT_TS(c.tsval_base + 1000, tsval))));
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 2, .ts = 1,
			    .tsecr = c.tsval_base + 1000, .within_ms = 210);
	}
}

TEST_F(options, rfc9293_must_65_mss_counts_on_syn_only)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	conn_send(&c, .flags = ACK, .opt = OPT(OPT_MSS(200)));
	conn_send(&c, .flags = ACK | PSH, .data = "x", .opt = OPT(OPT_MSS(200)));
	conn_expect(&c, .flags = ACK, .mss = ABSENT, .within_ms = 210);
	conn_write(&c, 2 * 1000);
	conn_expect(&c, .len = 1000, .pattern = 0, .mss = ABSENT);
	conn_expect(&c, .len = 1000, .pattern = 1000, .mss = ABSENT);
}

TEST_F(options, rfc9293_must_67_mss_follows_the_mtu)
{
	static const int mtus[] = { 1400, 1260, 1006, 576, 296 };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(mtus); i++) {
		struct conn c;

		/* With a smaller MTU there is no IPv6. */
		if (p->family == AF_INET6 && mtu_of(mtus[i]) < 1280)
			break;

		link_set_mtu(WHERE(_metadata), "tun0", mtus[i]);
		syn_with(p, &c, OPT_MSS(1460));
		conn_expect(&c, .flags = SYN | ACK, .mss = mtus[i] - 40);
		/* Nothing larger than the MTU arrives either. */
		expect_segment_size(_metadata, &c, mtus[i] - 40);
		conn_start(p, &c, .active = true);
		conn_expect(&c, .flags = SYN, .mss = mtus[i] - 40);
		close(c.fd);
	}
}

TEST_F(options, rfc9293_must_68_kinds_0_and_1_have_no_length)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Read as kind and length, 1 1 would loop and 1 4 would hide the MSS. */
	syn_with(p, &c, OPT_NOP, OPT_NOP, OPT_SACKOK, OPT_NOP, OPT_MSS(650),
		 OPT_NOP, OPT_NOP, OPT_NOP);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 1);
	expect_segment_size(_metadata, &c, 650);
}

TEST_F(options, rfc9293_must_69_nothing_counts_after_eol)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_MSS(600), OPT_EOL, OPT_SACKOK, OPT_WSCALE(7), OPT_MSS(100));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .sackok = 0, .wscale = ABSENT);
	expect_segment_size(_metadata, &c, 600);
}

static bool has_eol(const struct segment *s)
{
	const uint8_t *p = s->data - s->opt.len;

	for (int i = 0; i < s->opt.len; i += p[i] == 1 ? 1 : p[i + 1])
		if (!p[i])
			return true;
	return false;
}

/*
 * What is behind EOL would have to be zero. Whichever options xtcp sends, they and NOPs fill all
 * words, so that it sends no EOL; and a list that is broken fails each test.
 */
TEST_F(options, rfc9293_must_69_own_lists_have_no_eol)
{
	static const char *const knobs[] = { "sack", "timestamps", "window_scaling" };
	struct peer *p = &self->peer;

	for (int which = 0; which < 8; which++) {
		struct conn c;

		for (int i = 0; i < 3; i++)
			ASSERT_EQ(0, knob_set(knobs[i], which >> i & 1));
		conn_start(p, &c, .active = true);
		EXPECT_FALSE(has_eol(conn_expect(&c, .flags = SYN, .sackok = which & 1,
						 .ts = which >> 1 & 1,
						 .wscale = which & 4 ? 7 : ABSENT)));
		close(c.fd);
		syn_with(p, &c, OPT_MSS(1000), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7));
		EXPECT_FALSE(has_eol(conn_expect(&c, .flags = SYN | ACK, .ack = 1,
						 .sackok = which & 1, .ts = which >> 1 & 1,
						 .wscale = which & 4 ? 7 : ABSENT)));
		conn_send(&c, .flags = RST, .seq = 1);
	}
}

TEST_F(options, mss_of_zero_is_none)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_MSS(0));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_segment_size(_metadata, &c, mss_default());
}

/* Small segments cost the sender most: xtcp_min_snd_mss is the lower limit. */
TEST_F(options, mss_of_one_is_min_snd_mss)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_MSS(1));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_segment_size(_metadata, &c, 48);
}

TEST_F(options, mss_of_65535_is_what_the_path_takes)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn_with(p, &c, OPT_MSS(65535));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_segment_size(_metadata, &c, 1460);
}

TEST_F(options, rfc7323_wscale_on_syn_only)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Agreed: the peer's 20 with shift 7 is 2560; in its SYN it was 20. */
	conn_open(p, &c, .wnd = 20, .opt = OPT(OPT_MSS(1000), OPT_NOP, OPT_WSCALE(7)));
	conn_send(&c, .flags = ACK, .opt = OPT(OPT_NOP, OPT_WSCALE(14)));
	conn_write(&c, 4000);
	conn_expect(&c, .len = 1000, .pattern = 0, .wscale = ABSENT);
	conn_expect(&c, .len = 1000, .pattern = 1000, .wscale = ABSENT);
	/* The rest of 2560 may come or not (silly windows); never more. */
	peer_drain(p, 150);
	EXPECT_GE(2560, p->last.seq + p->last.len - (c.kern_iss + 1));
}

TEST_F(options, rfc7323_syn_windows_are_not_scaled)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* 1500 in the SYN is 1500, whatever the shift; no later ACK changes it. */
	conn_start(p, &c, .active = true, .wnd = 1500,
		   .opt = OPT(OPT_MSS(1000), OPT_NOP, OPT_WSCALE(7)));
	conn_expect(&c, .flags = SYN);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_write(&c, 4000);
	ASSERT_LT(0, peer_drain(p, 150));
	EXPECT_LT(0, p->last.len);
	EXPECT_GE(1500, p->last.seq + p->last.len - (c.kern_iss + 1));
}

TEST_F(options, rfc7323_shift_above_14_is_14)
{
	static const int shifts[] = { 15, 16, 31, 255 };
	struct peer *p = &self->peer;

	for (size_t s = 0; s < ARRAY_SIZE(shifts); s++) {
		struct conn c;
		uint32_t sent;

		conn_open(p, &c, .wnd = 1, .kport = 6000 + s,
			  .opt = OPT(OPT_MSS(1000), OPT_NOP, OPT_WSCALE(shifts[s])));
		setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 200000 }, sizeof(int));
		for (int i = 0; i < 40; i++)
			conn_write(&c, 1000);
		/* Ten segments at first. */
		peer_drain(p, 20);
		sent = p->last.seq + p->last.len - (c.kern_iss + 1);
		conn_send(&c, .flags = ACK, .ack = 1 + sent);
		/* Then cwnd allows twenty, the window of one times 2^14 sixteen. */
		peer_drain(p, 20);
		EXPECT_LE(16000, p->last.seq + p->last.len - (c.kern_iss + 1 + sent));
		EXPECT_GE(16384, p->last.seq + p->last.len - (c.kern_iss + 1 + sent));
		conn_send(&c, .flags = RST);
	}
}

TEST_F(options, rfc7323_timestamps_need_both)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The kernel offered it, the peer did not: it is not used. */
	conn_to_state(p, &c, ST_SYN_SENT);
	ASSERT_TRUE(c.kern_opt.ts);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .ts = 0, .opt_len = 0);
	/* An option that comes all the same is skipped. */
	conn_send(&c, .flags = ACK | PSH, .data = "abc",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(5, 5)));
	conn_expect(&c, .flags = ACK, .ack = 4, .ts = 0, .within_ms = 210);
}

#define TS_OPTIONS OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0))

/* A timestamp that is so much older than the peer's last one. */
#define OLD_TS(c, by) OPT(OPT_NOP, OPT_NOP, \
	OPT_TS((c)->tsval_base - (by), (c)->ts_recent))

TEST_F(options, rfc7323_paws_drops_what_is_old)
{
	struct peer *p = &self->peer;
	struct counters before;
	char buf[8];
	struct conn c;

	conn_open(p, &c, .opt = TS_OPTIONS);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "old", .opt = OLD_TS(&c, 1000));
	c.peer_nxt = c.peer_iss + 1;
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .ts = 1);
	EXPECT_EQ(-1, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "PAWSEstab", 1,
			NULL);
	/* A SYN is a SYN, however old. */
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 1, .opt = OLD_TS(&c, 1000));
	c.peer_nxt = c.peer_iss + 1;
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .ts = 1);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "InErrs", 1,
			"TCPSYNChallenge", 1, "TCPChallengeACK", 1, NULL);
	/* Later the same data is accepted. */
	conn_send(&c, .flags = ACK | PSH, .data = "new");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 4, .within_ms = 210);
	EXPECT_EQ(3, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
}

/*
 * 5.3 R1: an ACK that a later segment has overtaken is no duplicate; a FIN that old, or an ACK
 * older than an RTO, is.
 */
TEST_F(options, rfc7323_paws_spares_an_overtaken_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .opt = TS_OPTIONS);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .opt = OLD_TS(&c, 150));
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 1, "TCPPureAcks", 1, NULL);
	conn_send(&c, .flags = ACK, .opt = OLD_TS(&c, 1000));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_send(&c, .flags = FIN | ACK, .seq = 1, .opt = OLD_TS(&c, 150));
	c.peer_nxt = c.peer_iss + 1;
	peer_drain(p, 20);
	EXPECT_EQ(2, counter_moved(&before, "PAWSEstab"));
	conn_expect_state(&c, ST_ESTABLISHED);
}

/*
 * An old ACK from before payload that has come since is late, and harmless. Its sender would take
 * an answer for a duplicate ACK, so there is none. What has payload is answered.
 */
TEST_F(options, rfc7323_ctr_PAWSOldAck)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	if (stock_mode() && !kernel_is_since(7, 3))
		SKIP(return, "not in older kernels");
	conn_open(p, &c, .opt = TS_OPTIONS);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
	counters_take(&before);
	for (int seq = 1; seq < 4; seq++)
		conn_send(&c, .flags = ACK, .seq = seq, .opt = OLD_TS(&c, 1000));
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 3, "PAWSOldAck", 3, NULL);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "abc", .opt = OLD_TS(&c, 1000));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 4);
	EXPECT_EQ(1, counter_moved(&before, "PAWSEstab"));
	EXPECT_EQ(3, counter_moved(&before, "PAWSOldAck"));
	sleep_ms(1000);
	conn_send(&c, .flags = FIN | ACK, .seq = 2, .opt = OLD_TS(&c, 1000));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 4);
	EXPECT_EQ(2, counter_moved(&before, "PAWSEstab"));
	conn_send(&c, .flags = RST, .seq = 4);
}

/* A pure ACK that would not open the window is overtaken, too; even 1.2 RTOs ago. */
TEST_F(options, rfc7323_paws_spares_an_overtaken_ack_of_a_smaller_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .opt = TS_OPTIONS, .wnd = 60000);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .wnd = 50000, .opt = OLD_TS(&c, 3));
	conn_send(&c, .flags = ACK, .wnd = 60000, .opt = OLD_TS(&c, 220));
	peer_expect_silence(p, 20);
	EXPECT_EQ(0, counter_moved(&before, "PAWSEstab"));
	/* One that would open it, or close it, may be of another lap. */
	conn_send(&c, .flags = ACK, .wnd = 65000, .opt = OLD_TS(&c, 3));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(1, counter_moved(&before, "PAWSEstab"));
	sleep_ms(1000);
	conn_send(&c, .flags = ACK, .wnd = 0, .opt = OLD_TS(&c, 3));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(2, counter_moved(&before, "PAWSEstab"));
}

/*
 * An ACK from ahead of lost payload has set SND.WL1. An older one below it changes no window, so it
 * is overtaken, whatever window it has.
 */
TEST_F(options, rfc7323_paws_spares_an_overtaken_ack_below_wl1)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .opt = TS_OPTIONS, .wnd = 60000);
	conn_send(&c, .flags = ACK, .seq = 6, .wnd = 60000);
	c.peer_nxt = c.peer_iss + 1;
	counters_take(&before);
	conn_send(&c, .flags = ACK, .wnd = 65000, .opt = OLD_TS(&c, 3));
	conn_send(&c, .flags = ACK, .wnd = 50000, .opt = OLD_TS(&c, 3));
	peer_expect_silence(p, 20);
	EXPECT_EQ(0, counter_moved(&before, "PAWSEstab"));
}

/* Two segments that leave a peer at once may have read its clock in the other order. */
TEST_F(options, rfc7323_paws_spares_one_tick)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t newest;
	struct conn c;
	char buf[8];

	conn_open(p, &c, .opt = TS_OPTIONS);
	counters_take(&before);
	newest = c.tsval_base + 500;
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "a",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(newest, c.ts_recent)));
	conn_expect(&c, .flags = ACK, .ack = 2, .tsecr = newest, .within_ms = 210);
	conn_send(&c, .flags = ACK | PSH, .seq = 2, .data = "b",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(newest - 1, c.ts_recent)));
	/* What is echoed does not go back. */
	conn_expect(&c, .flags = ACK, .ack = 3, .tsecr = newest, .within_ms = 210);
	EXPECT_EQ(2, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(0, counter_moved(&before, "PAWSEstab"));
	conn_send(&c, .flags = ACK | PSH, .seq = 3, .data = "c",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(newest - 2, c.ts_recent)));
	conn_expect(&c, .flags = ACK, .ack = 3, .within_ms = 210);
	EXPECT_EQ(1, counter_moved(&before, "PAWSEstab"));
	conn_send(&c, .flags = RST, .seq = 3);
}

/*
 * A peer whose clock ticks once in a microsecond (Linux with features tcp_usec_ts) has been
 * silent for 40 minutes: its timestamp has wrapped, and looks old.
 */
TEST_F_TIMEOUT(options, rfc7323_5_5_paws_after_a_long_silence, 3000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	sleep_ms(2400 * 1000);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .data = "late",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base + 2400000000u,
							c.ts_recent)));
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	EXPECT_EQ(kernel_is_since(6, 7) || !stock_mode() ? 0 : 1,
		  counter_moved(&before, "PAWSEstab"));
}

TEST_F(options, rfc7323_paws_spares_rst)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The kernel's TCP does so only once the last timestamp is a minute old. */
	NOT_ON_STOCK();
	conn_open(p, &c, .opt = TS_OPTIONS);
	conn_send(&c, .flags = RST, .opt = OLD_TS(&c, 1000));
	conn_expect_state(&c, ST_CLOSED);
	conn_to_state(p, &c, ST_HALF_OPEN, .opt = TS_OPTIONS, .kport = 6000);
	conn_send(&c, .flags = RST, .opt = OLD_TS(&c, 1000));
	conn_expect_state(&c, ST_CLOSED);
}

/*
 * A system may send TSval 0 in its SYN and its clock afterwards, which may be past the
 * middle of its lap: 0 is no timestamp that others could be older than.
 */
#define TS_ZERO_SYN OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(0, 0))
#define LATE_TS(c) OPT(OPT_NOP, OPT_NOP, OPT_TS(0x90000000u, (c)->kern_opt.tsval))

static void expect_late_taken(struct __test_metadata *_metadata, struct conn *c)
{
	conn_send(c, .flags = ACK | PSH, .data = "late", .opt = LATE_TS(c));
	program_reads(_metadata, c->fd, "late");
	peer_drain(c->peer, 210);
	/* From now on there is a timestamp to compare with. */
	conn_send(c, .flags = ACK | PSH, .data = "old",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(0x8fff0000u, c->kern_opt.tsval)));
	c->peer_nxt -= 3;
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .tsecr = 0x90000000u);
	EXPECT_EQ(EAGAIN, socket_receive(c->fd));
}

TEST_F(options, rfc7323_paws_tsval_zero_of_a_caller)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The third segment has the clock already, or only the data has. */
	for (int i = 0; i < 2; i++) {
		conn_start(p, &c, .kport = 6000 + i, .opt = TS_ZERO_SYN);
		conn_send(&c, .flags = SYN, .seq = 0, .opt = TS_ZERO_SYN);
		conn_learn(&c, peer_expect(p, .sport = c.kport, .dport = c.pport,
					   .flags = SYN | ACK, .ts = 1));
		if (i)
			conn_send(&c, .flags = ACK, .opt = LATE_TS(&c));
		else
			conn_send(&c, .flags = ACK,
				  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(0, c.kern_opt.tsval)));
		c.fd = conn_accept(&c);
		expect_late_taken(_metadata, &c);
	}
}

TEST_F(options, rfc7323_paws_tsval_zero_of_a_server)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .active = true, .opt = TS_ZERO_SYN);
	conn_learn(&c, peer_expect(p, .sport = ANYWHERE, .dport = c.pport, .flags = SYN));
	conn_send(&c, .flags = SYN | ACK, .seq = 0, .ack = 1,
		  .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(0, c.kern_opt.tsval)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	expect_late_taken(_metadata, &c);
}

TEST_F(options, rfc7323_paws_tsval_zero_in_time_wait)
{
	struct peer *p = &self->peer;
	struct conn c;

	/*
	 * All that it sent had TSval 0; its repeated FIN has the clock, or a new SYN
	 * has.
	 */
	conn_start(p, &c, .opt = TS_ZERO_SYN);
	conn_send(&c, .flags = SYN, .seq = 0, .opt = TS_ZERO_SYN);
	conn_learn(&c, peer_expect(p, .sport = c.kport, .dport = c.pport,
				   .flags = SYN | ACK, .ts = 1));
	c.tsval_base = 0;
	conn_send(&c, .flags = ACK, .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(0, 0)));
	c.fd = conn_accept(&c);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	conn_send(&c, .flags = FIN | ACK, .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(0, 0)));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
	peer_send(p, .sport = c.pport, .dport = c.kport, .flags = SYN, .seq = c.peer_iss + 100000,
		  .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(0x90000000u, 0)));
	peer_expect(p, .sport = c.kport, .dport = c.pport, .flags = SYN | ACK,
		    .ack = c.peer_iss + 100001);
}

TEST_F(options, rfc7323_segment_without_timestamp_is_taken)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = TS_OPTIONS);
	conn_send(&c, .flags = ACK | PSH, .data = "bare", .no_opt = true);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .ts = 1, .within_ms = 210);
}

TEST_F(options, rfc7323_echo_is_of_the_segment_that_advanced)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = TS_OPTIONS);
	/* Out of order: its timestamp must not be echoed before the hole is filled. */
	conn_send(&c, .flags = ACK | PSH, .seq = 11, .len = 10,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base + 500, c.ts_recent)));
	conn_expect(&c, .flags = ACK, .ack = 1, .ts = 1);
	EXPECT_GT(100, p->last.opt.tsecr - c.tsval_base);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .len = 10,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base + 501, c.ts_recent)));
	conn_expect(&c, .flags = ACK, .ack = 21, .ts = 1, .tsecr = c.tsval_base + 501);
}

/* Else its sender could make PAWS refuse the peer's next segments. */
TEST_F(options, rfc7323_invalid_ack_brings_no_timestamp)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = TS_OPTIONS);
	conn_send(&c, .flags = ACK, .ack = 10000,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base + 100000, c.ts_recent)));
	/* Linux 7.2 answers, 6.12 does not. */
	if (!stock_mode()) {
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .ts = 1);
		EXPECT_GT(1000, p->last.opt.tsecr - c.tsval_base);
	}
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_expect(&c, .flags = ACK, .ack = 5, .ts = 1, .within_ms = 210);
	EXPECT_GT(1000, p->last.opt.tsecr - c.tsval_base);
}

/*
 * A rule of INPUT shortens the field with the IP header's length. IP, and xtcp, still take the TCP
 * header from where it is: the bytes at its new place name port 9, which is not xtcp's.
 */
TEST_F(options, a_rule_changes_the_length_of_the_ip_header)
{
	struct peer *p = &self->peer;
	struct conn c;

	if (p->family == AF_INET6)
		return;		/* an IPv6 header has no such field */
	shell_run(WHERE(_metadata), "nft 'table ip t { chain i { type filter hook input priority 0; "
				    "@nh,0,8 set 0x45; }; }'");
	conn_start(p, &c);
	conn_send(&c, .flags = SYN, .opt = OPT(OPT_MSS(1000)),
		  .ip_opt = OPT(0x5e, 12, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = RST, .seq = 1);
}

TEST_F(options, knob_timestamps)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("timestamps", 0));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .ts = 0, .sackok = 1);
	close(c.fd);
	syn_with(p, &c, OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0));
	conn_expect(&c, .flags = SYN | ACK, .ts = 0);
}

TEST_F(options, knob_window_scaling)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("window_scaling", 0));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .wscale = ABSENT, .ts = 1);
	close(c.fd);
	syn_with(p, &c, OPT_MSS(1460), OPT_NOP, OPT_WSCALE(7));
	conn_expect(&c, .flags = SYN | ACK, .wscale = ABSENT);
}

TEST_F(options, knob_sack)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("sack", 0));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .sackok = 0, .ts = 1);
	close(c.fd);
	syn_with(p, &c, OPT_MSS(1460), OPT_SACKOK);
	conn_expect(&c, .flags = SYN | ACK, .sackok = 0);
}

TEST_HARNESS_MAIN
