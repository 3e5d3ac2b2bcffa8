// SPDX-License-Identifier: GPL-2.0
/*
 * flood: the cost of one segment of a flood, for several settings of the listener.
 * The kernel's answers are queued in the device and read between batches.
 */
/* vm: families */
#include "lib/flood.h"

/* The flood on the TCP wire; rows whose names end in _6. */
static struct flood *wire_6_open(void)
{
	struct flood *f = flood_open();

	flood_go_tcp(f);
	return f;
}

static void rst_closed(struct flood *f, const char *row)
{
	f->port = FLOOD_CLOSED_PORT;
	flood_expect(f, RST | ACK);
	bench_value(row, flood_cost(f));
}

static void step_rst_closed(void)
{
	rst_closed(flood_open(), "rst_closed");
}

/* A port that nobody holds is the kernel's TCP's. */
static void step_rst_closed_6(void)
{
	struct flood *f = wire_6_open();

	flood_bind(FLOOD_CLOSED_PORT);
	rst_closed(f, "rst_closed_6");
}

static void bad_csum(struct flood *f, const char *row)
{
	flood_listen(FLOOD_LIMITLESS, FLOOD_LIMITLESS, 0);
	f->wrong = BAD_TCP_CSUM;
	flood_expect(f, 0);
	bench_value(row, flood_cost(f));
}

static void step_bad_csum(void)
{
	bad_csum(flood_open(), "bad_csum");
}

static void step_bad_csum_6(void)
{
	bad_csum(wire_6_open(), "bad_csum_6");
}

static void cookie(struct flood *f, const char *row)
{
	flood_listen(128, FLOOD_LIMITLESS, 2);
	flood_expect(f, SYN | ACK);
	bench_value(row, flood_cost(f));
}

static void cookie_full(struct flood *f, const char *row)
{
	flood_listen(128, FLOOD_LIMITLESS, 1);
	flood_batch(f);
	flood_expect(f, SYN | ACK);
	bench_value(row, flood_cost(f));
}

/*
 * The cost of an answer as such: that of the RST by which the kernel's TCP answers the
 * same SYN, for either side. The share of a cheaper answer is negative.
 */
static void step_cookie(void)
{
	cookie(flood_open(), "cookie");
	bench_value_above_stock("cookie.share", "cookie", "rst_closed");
	bench_value_difference("cookie.own_share", "cookie", "rst_closed");
}

static void step_cookie_6(void)
{
	cookie(wire_6_open(), "cookie_6");
}

static void step_cookie_full(void)
{
	cookie_full(flood_open(), "cookie_full");
	bench_value_above_stock("cookie_full.share", "cookie_full", "rst_closed");
	bench_value_difference("cookie_full.own_share", "cookie_full", "rst_closed");
}

static void step_cookie_full_6(void)
{
	cookie_full(wire_6_open(), "cookie_full_6");
}

/*
 * Two limits. The kernel's TCP checks them in two places: listen()'s backlog at once;
 * max_syn_backlog, whose last quarter is for known peers, after allocation and
 * routing.
 */
static void full_drop(struct flood *f, const char *row)
{
	flood_listen(FLOOD_LIMITLESS, 128, 0);
	flood_batch(f);
	flood_expect(f, 0);
	bench_value(row, flood_cost(f));
}

static void step_full_drop(void)
{
	full_drop(flood_open(), "full_drop");
	bench_value_difference("full_drop.share", "full_drop", "bad_csum");
}

static void step_full_drop_6(void)
{
	full_drop(wire_6_open(), "full_drop_6");
}

static void step_full_drop_early(void)
{
	struct flood *f = flood_open();

	flood_listen(128, FLOOD_LIMITLESS, 0);
	flood_batch(f);
	flood_expect(f, 0);
	bench_value("full_drop_early", flood_cost(f));
	bench_value_difference("full_drop_early.share", "full_drop_early", "bad_csum");
}

static void rst_forged(struct flood *f, const char *row)
{
	flood_listen(128, FLOOD_LIMITLESS, 2);
	flood_batch(f);
	f->flags = ACK;
	flood_expect(f, RST);
	bench_value(row, flood_cost(f));
}

static void step_rst_forged(void)
{
	rst_forged(flood_open(), "rst_forged");
}

static void step_rst_forged_6(void)
{
	rst_forged(wire_6_open(), "rst_forged_6");
}

static void half_open(struct flood *f, const char *row)
{
	flood_listen(FLOOD_LIMITLESS, FLOOD_LIMITLESS, 0);
	flood_expect(f, SYN | ACK);
	bench_value(row, flood_cost(f));
}

static void step_half_open(void)
{
	half_open(flood_open(), "half_open");
}

static void step_half_open_6(void)
{
	half_open(wire_6_open(), "half_open_6");
}

#define STEP(name) { #name, step_##name }, { #name "_6", step_##name##_6 }

/* The rows that others are divided by come first. */
static const struct bench_step steps[] = {
	STEP(rst_closed),
	STEP(bad_csum),
	STEP(cookie),
	STEP(cookie_full),
	STEP(full_drop),
	{ "full_drop_early", step_full_drop_early },
	STEP(rst_forged),
	STEP(half_open),
};

static const struct bench_row rows[] = {
	{ "rst_closed", "SYN to a closed port, a RST", "instr", "0.70" },
	{ "rst_closed_6", "SYN to a closed port of xtcp, TCP wire", "instr", "0.70" },
	{ "bad_csum", "SYN with a wrong checksum", "instr", NULL },
	{ "bad_csum_6", "SYN with a wrong checksum, TCP wire", "instr", NULL },
	{ "cookie", "SYN, cookies always", "instr", "0.50" },
	{ "cookie_6", "SYN, cookies always, TCP wire", "instr", "0.55" },
	{ "cookie.share", "without what stock's RST costs", "instr", NULL },
	{ "cookie.own_share", "without what a RST of its own costs", "instr", "0.40" },
	{ "cookie_full", "SYN, cookies as the queue is full", "instr", "0.50" },
	{ "cookie_full_6", "SYN, cookies as the queue is full, TCP wire", "instr", "0.55" },
	{ "cookie_full.share", "without what stock's RST costs", "instr", NULL },
	{ "cookie_full.own_share", "without what a RST of its own costs", "instr", "0.40" },
	{ "full_drop", "SYN, max_syn_backlog reached", "instr", "0.40" },
	{ "full_drop.share", "without a bad checksum's drop", "instr", NULL },
	{ "full_drop_early", "SYN, listen()'s backlog reached", "instr", NULL },
	{ "full_drop_early.share", "without a bad checksum's drop", "instr", NULL },
	{ "full_drop_6", "SYN, max_syn_backlog reached, TCP wire", "instr", "0.40" },
	{ "rst_forged", "ACK with a forged cookie, a RST", "instr", "0.70" },
	{ "rst_forged_6", "ACK with a forged cookie, a RST, TCP wire", "instr", "0.70" },
	{ "half_open", "SYN, a half-open record, no cookies", "instr", "0.60" },
	{ "half_open_6", "SYN, a half-open record, TCP wire", "instr", "0.60" },
};

BENCH_MAIN("flood", steps, rows)
