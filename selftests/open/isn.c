// SPDX-License-Identifier: GPL-2.0
/*
 * isn: initial sequence numbers. RFC 9293 3.4.1, RFC 6528: ISN = M + F(4-tuple,
 * secret), M a clock. And the offsets of timestamps, RFC 7323 5.4.
 *
 * Unloads the module and loads it again.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(isn);

/* Linux's clock and ours: a step each 64 ns. RFC 9293: at least one in 4 us. */
#define STEP_NS 64

struct sample {
	uint32_t isn, tsval;
	int64_t when_ns;
};

struct tuple {
	struct ipaddr src, dst;
	int sport, dport;
};

/* A listener's answer to a SYN; the connection is reset at once. */
static struct sample passive(struct peer *p, struct tuple t)
{
	struct sample s;

	peer_send(p, .flags = SYN, .seq = 77, .src = t.src, .dst = t.dst,
		  .sport = t.sport, .dport = t.dport,
		  .opt = OPT(OPT_MSS(1460), OPT_TS(7, 0)));
	peer_expect(p, .flags = SYN | ACK, .ack = 78, .src = t.dst, .dst = t.src,
		    .sport = t.dport, .dport = t.sport);
	s = (struct sample){ p->last.seq, p->last.opt.tsval, p->last.when_ns };
	peer_send(p, .flags = RST, .seq = 78, .src = t.src, .dst = t.dst,
		  .sport = t.sport, .dport = t.dport);
	return s;
}

/* A SYN from a fixed port; the connect is given up at once. */
static struct sample active(struct peer *p, int pport, int kport)
{
	struct sample s;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .pport = pport, .kport = kport);
	s = (struct sample){ .isn = c.kern_iss, .when_ns = p->last.when_ns };
	close(c.fd);
	return s;
}

/* F alone: the ISN less the clock's part. */
static uint32_t hash_part(struct sample s)
{
	return s.isn - (uint32_t)(s.when_ns / STEP_NS);
}

/* Further apart than two samples' clock readings can be: 1 ms is 2^14 steps, and 4 ms are 2^16. */
static bool is_far(uint32_t a, uint32_t b)
{
	uint32_t d = a - b;

	return d > 1U << 16 && d < -(1U << 16);
}

/* The clock's part: at most 3 ms off the time that has passed. */
static void expect_clock(struct __test_metadata *_metadata, struct sample a,
			 struct sample b)
{
	uint32_t steps = (b.when_ns - a.when_ns) / STEP_NS;
	int32_t off = b.isn - a.isn - steps;

	EXPECT_GE(3000000 / STEP_NS, off);
	EXPECT_LE(-3000000 / STEP_NS, off);
}

static const int pauses_ms[] = { 1, 4, 100, 1000, 20000, 270000 };

TEST_F(isn, rfc9293_must_08_clock_of_connects)
{
	struct peer *p = &self->peer;
	struct sample last = active(p, 2000, 3000), now;

	for (size_t i = 0; i < ARRAY_SIZE(pauses_ms); i++) {
		sleep_ms(pauses_ms[i]);
		now = active(p, 2000, 3000);
		expect_clock(_metadata, last, now);
		last = now;
	}
}

TEST_F(isn, rfc9293_must_08_clock_of_listeners)
{
	struct peer *p = &self->peer;
	struct tuple t = { p->addr, p->kernel, 2000, KERNEL_PORT };
	struct sample last, now;

	peer_listen(p, KERNEL_PORT, 16);
	last = passive(p, t);
	for (size_t i = 0; i < ARRAY_SIZE(pauses_ms); i++) {
		sleep_ms(pauses_ms[i]);
		now = passive(p, t);
		expect_clock(_metadata, last, now);
		last = now;
	}
}

/* One direction of a 4-tuple, whichever side opens: one number space. */
TEST_F(isn, rfc6528_same_tuple_same_space)
{
	struct peer *p = &self->peer;
	struct sample a = active(p, 2000, KERNEL_PORT), b;

	peer_listen(p, KERNEL_PORT, 16);
	b = passive(p, (struct tuple){ p->addr, p->kernel, 2000, KERNEL_PORT });
	expect_clock(_metadata, a, b);
}

#define N 128

/*
 * Values of N connections look random: no bit is constant, and neither the values
 * nor the steps from one port to the next repeat more often than by chance.
 */
static void expect_random(struct __test_metadata *_metadata, const uint32_t *f)
{
	uint32_t ones = 0, zeroes = 0, step;
	int near = 0, same_step = 0;

	for (int i = 0; i < N; i++) {
		ones |= f[i];
		zeroes |= ~f[i];
	}
	EXPECT_EQ(UINT32_MAX, ones);
	EXPECT_EQ(UINT32_MAX, zeroes);
	for (int i = 1; i < N; i++) {
		step = f[i] - f[i - 1];
		near += !is_far(f[i], f[i - 1]);
		for (int j = 1; j < i; j++)
			same_step += !is_far(step, f[j] - f[j - 1]);
	}
	/* By chance 1 in 32768 each: 0.004 of 127, 0.25 of 8001. */
	EXPECT_GE(3, near);
	EXPECT_GE(8, same_step);
}

/* An observer of many connections knows F of each of them. */
TEST_F(isn, rfc9293_must_09_hash_is_not_computable_outside)
{
	struct peer *p = &self->peer;
	uint32_t f[N];

	peer_listen(p, KERNEL_PORT, 16);
	for (int i = 0; i < N; i++)
		f[i] = hash_part(passive(p, (struct tuple){
			p->addr, p->kernel, 2000 + i, KERNEL_PORT }));
	expect_random(_metadata, f);
}

TEST_F(isn, rfc9293_shld_01_clock_plus_hash_of_the_tuple)
{
	struct ipaddr other = ipaddr("10.0.0.9"), own = ipaddr("10.0.0.11");
	struct peer *p = &self->peer;
	struct tuple base = { p->addr, p->kernel, 2000, KERNEL_PORT };
	struct tuple changed[4] = { base, base, base, base };
	uint32_t f;

	changed[0].src = other;
	changed[1].dst = own;
	changed[2].sport++;
	changed[3].dport++;
	address_add(WHERE(_metadata), "tun0", &own, 24);
	p->kernel = ipaddr("0.0.0.0");
	peer_listen(p, KERNEL_PORT, 16);
	peer_listen(p, KERNEL_PORT + 1, 16);
	p->kernel = base.dst;
	f = hash_part(passive(p, base));
	/* Each of the four is in the hash, ... */
	for (int i = 0; i < 4; i++)
		EXPECT_TRUE(is_far(f, hash_part(passive(p, changed[i]))));
	/* ... and nothing else. */
	EXPECT_FALSE(is_far(f, hash_part(passive(p, base))));
}

/* The offset alone: TSval less the clock's part. */
static uint32_t offset_part(struct sample s)
{
	return s.tsval - (uint32_t)(s.when_ns / NSEC_PER_MSEC);
}

/* Further apart than a second of the timestamp clock. */
static bool is_far_ms(uint32_t a, uint32_t b)
{
	uint32_t d = a - b;

	return d > 1000 && d < -1000U;
}

/* By chance neither differs for one in 2^37. */
static bool differs(struct sample a, struct sample b)
{
	return is_far(hash_part(a), hash_part(b)) ||
	       is_far_ms(offset_part(a), offset_part(b));
}

/*
 * Who has an address that ends as the victim's learns nothing about the victim, whose cookies
 * are of this hash, too.
 */
TEST_F(isn, rfc9293_shld_01_each_byte_of_the_tuple)
{
	struct peer *p = &self->peer;
	struct tuple base = { p->addr, p->kernel, 2000, KERNEL_PORT }, changed;
	int size = p->family == AF_INET6 ? 16 : 4;
	struct sample s;

	p->kernel = ipaddr("0.0.0.0");
	peer_listen(p, KERNEL_PORT, 16);
	for (int bit = 0; bit < 16; bit++)
		peer_listen(p, KERNEL_PORT ^ 1 << bit, 16);
	p->kernel = base.dst;
	s = passive(p, base);
	for (int i = 0; i < size; i++) {
		changed = base;
		changed.src.v6.s6_addr[i] ^= 4;
		EXPECT_TRUE(differs(s, passive(p, changed)))
			TH_LOG("byte %d of the peer's address", i);
		changed = base;
		changed.dst.v6.s6_addr[i] ^= 4;
		address_add(WHERE(_metadata), "tun0", &changed.dst, 8 * size);
		EXPECT_TRUE(differs(s, passive(p, changed)))
			TH_LOG("byte %d of our address", i);
	}
	for (int bit = 0; bit < 16; bit++) {
		changed = base;
		changed.sport ^= 1 << bit;
		EXPECT_TRUE(differs(s, passive(p, changed)))
			TH_LOG("bit %d of the peer's port", bit);
		changed = base;
		changed.dport ^= 1 << bit;
		EXPECT_TRUE(differs(s, passive(p, changed)))
			TH_LOG("bit %d of our port", bit);
	}
	EXPECT_FALSE(differs(s, passive(p, base)));
}

/* A new listener on the same port continues the number space. */
TEST_F(isn, rfc6528_listener_is_no_part_of_it)
{
	struct peer *p = &self->peer;
	struct tuple t = { p->addr, p->kernel, 2000, KERNEL_PORT };
	struct sample a;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	a = passive(p, t);
	close(lfd);
	lfd = peer_listen(p, KERNEL_PORT, 16);
	expect_clock(_metadata, a, passive(p, t));
}

/*
 * LC-23, RFC 6528 3: the next connection begins above the last one's numbers, so that
 * a segment of the old one is not taken for one of the new.
 */
TEST_F(isn, rfc6528_next_incarnation_begins_higher)
{
	struct peer *p = &self->peer;
	struct sample a, b;

	for (int i = 0; i < 20; i++) {
		a = active(p, 2000, 3000);
		sleep_ms(17 * i);
		b = active(p, 2000, 3000);
		EXPECT_TRUE(seq_before(a.isn, b.isn));
	}
}

/* The offset of one connection tells nothing of the others', nor does the ISN. */
TEST_F(isn, rfc7323_5_4_timestamp_offsets_are_uncorrelated)
{
	struct peer *p = &self->peer;
	uint32_t f[N];
	int as_isn = 0;

	peer_listen(p, KERNEL_PORT, 16);
	for (int i = 0; i < N; i++) {
		struct sample s = passive(p, (struct tuple){
			p->addr, p->kernel, 2000 + i, KERNEL_PORT });

		f[i] = offset_part(s);
		as_isn += !is_far(f[i], hash_part(s));
	}
	/* By chance 1 in 32768 each, as in expect_random(). */
	EXPECT_GE(3, as_isn);
	expect_random(_metadata, f);
}

/* One 4-tuple, twice: ISN and timestamp offset have nothing in common. */
static void expect_strangers(struct __test_metadata *_metadata, struct sample a,
			     struct sample b)
{
	EXPECT_TRUE(is_far(hash_part(a), hash_part(b)));
	EXPECT_TRUE(is_far_ms(offset_part(a), offset_part(b)));
}

/*
 * RFC 6528 3: the key is secret, so the numbers that a peer of one namespace sees must
 * not predict those of another namespace.
 */
TEST_F(isn, rfc6528_each_namespace_has_its_own_space)
{
	struct peer *p = &self->peer;
	struct tuple t = { p->addr, p->kernel, 2000, KERNEL_PORT };
	struct sample a, b, again;
	struct peer other;

	/* The kernel's TCP has one key for all namespaces. */
	NOT_ON_STOCK();
	peer_listen(p, KERNEL_PORT, 16);
	a = passive(p, t);
	again = passive(p, t);
	EXPECT_FALSE(is_far(hash_part(a), hash_part(again)));
	EXPECT_FALSE(is_far_ms(offset_part(a), offset_part(again)));
	peer_open_at(WHERE(_metadata), &other, NULL);
	peer_listen(&other, KERNEL_PORT, 16);
	b = passive(&other, t);
	peer_close_at(WHERE(_metadata), &other);
	expect_strangers(_metadata, a, b);
}

/* Keys are drawn at random, not built in: the next load has others. */
TEST_F(isn, rfc6528_key_is_drawn_at_load)
{
	struct peer *p = &self->peer;
	struct tuple t = { p->addr, p->kernel, 2000, KERNEL_PORT };
	int lfd, unloaded, loaded;
	struct sample a;

	NOT_ON_STOCK();
	lfd = peer_listen(p, KERNEL_PORT, 16);
	a = passive(p, t);
	close(lfd);
	module_await_idle(WHERE(_metadata));
	unloaded = module_unload();
	loaded = module_load();
	ASSERT_EQ(0, unloaded);
	ASSERT_EQ(0, loaded);
	ASSERT_EQ(0, knob_set("wire", stream_wire()));
	peer_listen(p, KERNEL_PORT, 16);
	expect_strangers(_metadata, a, passive(p, t));
}

TEST_HARNESS_MAIN
