// SPDX-License-Identifier: GPL-2.0
/*
 * flood: the cost of one segment of a flood, for several settings of the listener.
 * The kernel's answers are queued in the device and read between batches.
 */
/* vm: families */
#include "lib/flood.h"

static void step_rst_closed(void)
{
	struct flood *f = flood_open();

	f->port = FLOOD_CLOSED_PORT;
	flood_expect(f, RST | ACK);
	bench_value("rst_closed", flood_cost(f));
}

static void step_bad_csum(void)
{
	struct flood *f = flood_open();

	flood_listen(FLOOD_LIMITLESS, FLOOD_LIMITLESS, 0);
	f->wrong = BAD_TCP_CSUM;
	flood_expect(f, 0);
	bench_value("bad_csum", flood_cost(f));
}

/*
 * The cost of an answer as such: that of the RST by which the kernel's TCP answers the
 * same SYN, for either side. The share of a cheaper answer is negative.
 */
static void cookie_values(const char *whole, const char *share, const char *own_share,
			  struct flood *f)
{
	flood_expect(f, SYN | ACK);
	bench_value(whole, flood_cost(f));
	bench_value_above_stock(share, whole, "rst_closed");
	bench_value_difference(own_share, whole, "rst_closed");
}

static void step_cookie(void)
{
	struct flood *f = flood_open();

	flood_listen(128, FLOOD_LIMITLESS, 2);
	cookie_values("cookie", "cookie.share", "cookie.own_share", f);
}

static void step_cookie_full(void)
{
	struct flood *f = flood_open();

	flood_listen(128, FLOOD_LIMITLESS, 1);
	flood_batch(f);
	cookie_values("cookie_full", "cookie_full.share", "cookie_full.own_share", f);
}

static void drop_values(const char *whole, const char *share, struct flood *f)
{
	flood_batch(f);
	flood_expect(f, 0);
	bench_value(whole, flood_cost(f));
	bench_value_difference(share, whole, "bad_csum");
}

/*
 * Two limits. The kernel's TCP checks them in two places: listen()'s backlog at once;
 * max_syn_backlog, whose last quarter is for known peers, after allocation and
 * routing.
 */
static void step_full_drop(void)
{
	struct flood *f = flood_open();

	flood_listen(FLOOD_LIMITLESS, 128, 0);
	drop_values("full_drop", "full_drop.share", f);
}

static void step_full_drop_early(void)
{
	struct flood *f = flood_open();

	flood_listen(128, FLOOD_LIMITLESS, 0);
	drop_values("full_drop_early", "full_drop_early.share", f);
}

static void step_rst_forged(void)
{
	struct flood *f = flood_open();

	flood_listen(128, FLOOD_LIMITLESS, 2);
	flood_batch(f);
	f->flags = ACK;
	flood_expect(f, RST);
	bench_value("rst_forged", flood_cost(f));
}

static void step_half_open(void)
{
	struct flood *f = flood_open();

	flood_listen(FLOOD_LIMITLESS, FLOOD_LIMITLESS, 0);
	flood_expect(f, SYN | ACK);
	bench_value("half_open", flood_cost(f));
}

/* The rows that others are divided by come first. */
static const struct bench_step steps[] = {
	{ "rst_closed", step_rst_closed },
	{ "bad_csum", step_bad_csum },
	{ "cookie", step_cookie },
	{ "cookie_full", step_cookie_full },
	{ "full_drop", step_full_drop },
	{ "full_drop_early", step_full_drop_early },
	{ "rst_forged", step_rst_forged },
	{ "half_open", step_half_open },
};

static const struct bench_row rows[] = {
	{ "rst_closed", "SYN to a closed port, a RST", "instr", "0.70" },
	{ "bad_csum", "SYN with a wrong checksum", "instr", NULL },
	{ "cookie", "SYN, cookies always", "instr", "0.60" },
	{ "cookie.share", "without what stock's RST costs", "instr", "0.40" },
	{ "cookie.own_share", "without what a RST of its own costs", "instr", NULL },
	{ "cookie_full", "SYN, cookies as the queue is full", "instr", "0.60" },
	{ "cookie_full.share", "without what stock's RST costs", "instr", "0.40" },
	{ "cookie_full.own_share", "without what a RST of its own costs", "instr", NULL },
	{ "full_drop", "SYN, max_syn_backlog reached", "instr", "0.40" },
	{ "full_drop.share", "without a bad checksum's drop", "instr", NULL },
	{ "full_drop_early", "SYN, listen()'s backlog reached", "instr", NULL },
	{ "full_drop_early.share", "without a bad checksum's drop", "instr", NULL },
	{ "rst_forged", "ACK with a forged cookie, a RST", "instr", "0.70" },
	{ "half_open", "SYN, a half-open record, no cookies", "instr", "0.65" },
};

BENCH_MAIN("flood", steps, rows)
