// SPDX-License-Identifier: GPL-2.0
/*
 * halfopen: the cost of a half-open connection among a thousand and among a million,
 * and their memory.
 *
 * A record with six retries sends SYN-ACKs at 0, 1, 3, 7, 15, 31, 63 s and expires
 * at 127 s. So in a crowd that began at 2 s and was complete before 46 s nothing
 * happens from 109 to 127 s: then the cost of single steps can be measured in it.
 *
 *	0 s		AHEAD records, a pause, then the crowd
 *	110 s		a batch is added: what inserting costs
 *	111 s		its SYN-ACKs are sent again
 *	127 s		those AHEAD expire, the crowd being still there
 */
/* vm: mem=3G timeout=5000 */
#include "lib/due.h"
#include "lib/flood.h"

#define FEW 1000
#define MANY 1000000
#define AHEAD FLOOD_BATCH
#define AHEAD_MS 2000
#define CROWD_MS 46000
#define QUIET_MS 110000
#define SETTLE_MS 5000
#define RESEND_MS 1000
#define RETRIES 6
#define LIFE_MS 127000

/* Instructions for one record of a batch, injecting included. */
static double batch_cost(struct flood *f)
{
	int64_t before;

	flood_load(f);
	before = now_ns();
	while (f->next < FLOOD_BATCH)
		flood_inject(f);
	return (double)(now_ns() - before) / FLOOD_BATCH;
}

/* The mean cost of all records but the first, their resent SYN-ACKs included. */
static void crowd_insert(struct flood *f, int records)
{
	for (int n = 0; n < records; n += FLOOD_BATCH)
		batch_cost(f);
}

struct costs {
	double insert, resend, expire;
	double memory;
};

static void crowd_measure(struct costs *costs, int records)
{
	struct flood *f = flood_open();
	double injector = flood_injector_cost(f), used_before;
	int64_t start;

	flood_listen(FLOOD_LIMITLESS, FLOOD_LIMITLESS, 0);
	must(!knob_set("synack_retries", RETRIES), "synack_retries");
	flood_sink();
	sleep_ms(SETTLE_MS);
	used_before = memory_used();
	start = now_ns();
	batch_cost(f);
	sleep_until_ns(start + AHEAD_MS * NSEC_PER_MSEC);
	crowd_insert(f, records - AHEAD - FLOOD_BATCH);
	must(now_ns() - start < CROWD_MS * NSEC_PER_MSEC, "the crowd took %lld ms",
	     (long long)((now_ns() - start) / NSEC_PER_MSEC));
	sleep_until_ns(start + QUIET_MS * NSEC_PER_MSEC);
	costs->insert = batch_cost(f) - injector;
	costs->memory = memory_used() - used_before;
	costs->resend = due_cost(start + (QUIET_MS + RESEND_MS) * NSEC_PER_MSEC,
				 FLOOD_BATCH);
	/*
	 * Timers of 32 s in the kernel's TCP are late by some 300 ms, each by another
	 * time.
	 */
	if (!bench_is_stock())
		costs->expire = due_cost(start + LIFE_MS * NSEC_PER_MSEC, AHEAD);
}

static double slab_bytes(void)
{
	const char *cache = bench_is_stock() ? "request_sock_TCP" : "xtcp_halfopen";
	struct bench_slab slab;

	must(bench_slab_read(cache, &slab), "no cache %s", cache);
	return slab.size;
}

static void step_few(void)
{
	struct costs c;

	crowd_measure(&c, FEW);
	bench_value("few.slab", slab_bytes());
	bench_value("few.insert", c.insert);
	bench_value("few.resend", c.resend);
	bench_value_xtcp("few.expire", c.expire);
}

static void step_many(void)
{
	struct costs few, many;

	crowd_measure(&few, FEW);
	crowd_measure(&many, bench_many(MANY));
	bench_value("many.insert", many.insert);
	bench_value("many.insert_flat", many.insert / few.insert);
	bench_value("many.resend", many.resend);
	bench_value("many.resend_flat", many.resend / few.resend);
	bench_value("many.expire", many.expire);
	bench_value("many.expire_flat", many.expire / few.expire);
	bench_value("many.memory", many.memory / (1 << 20));
}

static const struct bench_step steps[] = {
	{ "few", step_few },
	{ "many", step_many, .xtcp_only = true },
};

static const struct bench_row rows[] = {
	{ "few.slab", "a record in its slab", "bytes", "=96" },
	{ "few.insert", "one more, the 1,000th", "instr", NULL },
	{ "few.resend", "SYN-ACK again, of 1,000", "instr", NULL },
	{ "few.expire", "its end, of 1,000", "instr", NULL },
	{ "many.insert", "one more, the 1,000,000th", "instr", NULL },
	{ "many.insert_flat", "that by the 1,000th", "ratio", "=1.10" },
	{ "many.resend", "SYN-ACK again, of 1,000,000", "instr", NULL },
	{ "many.resend_flat", "that by one of 1,000", "ratio", "=1.10" },
	{ "many.expire", "its end, of 1,000,000", "instr", NULL },
	{ "many.expire_flat", "that by one of 1,000", "ratio", "=1.10" },
	{ "many.memory", "memory of 1,000,000", "MiB", "=128" },
};

BENCH_MAIN("halfopen", steps, rows)
