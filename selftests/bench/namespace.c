// SPDX-License-Identifier: GPL-2.0
/*
 * namespace: what xtcp adds to a network namespace in which nobody uses it. In column
 * stock the module is not loaded.
 */
#define _GNU_SOURCE
#include "lib/due.h"

#include <fcntl.h>
#include <sched.h>

#include "lib/module.h"

#define BATCH 32
#define SETTLE_MS 5000
/* Grace periods and work items of a batch's end take less. */
#define END_MS 2000

struct crowd {
	int first;			/* the namespace in which the step began */
	int ns[BATCH];
	int n;
};

static struct crowd *crowd_open(void)
{
	static struct crowd crowd;

	if (bench_is_stock() == (module_users() >= 0))
		must(!(bench_is_stock() ? module_unload() : module_load()), "the module");
	crowd.first = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(crowd.first >= 0, "/proc/self/ns/net: %s", strerror(errno));
	return &crowd;
}

static void namespace_create(void *arg)
{
	struct crowd *c = arg;

	must(!unshare(CLONE_NEWNET), "unshare: %s", strerror(errno));
	c->ns[c->n] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(c->ns[c->n] >= 0, "/proc/self/ns/net: %s", strerror(errno));
	c->n++;
}

static void crowd_create(struct crowd *c)
{
	while (c->n < BATCH)
		namespace_create(c);
	netns_enter(HERE, c->first);
}

static void crowd_close(struct crowd *c)
{
	netns_enter(HERE, c->first);
	while (c->n)
		close(c->ns[--c->n]);
}

static void crowd_end(void *arg)
{
	crowd_close(arg);
	sleep_ms(SETTLE_MS);
}

static void step_create(void)
{
	bench_value("create", bench_cost_between(namespace_create, crowd_end, crowd_open(),
						 BATCH));
}

static double percpu_used(void)
{
	double kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	must(f, "/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		sscanf(line, "Percpu: %lf", &kib);
	fclose(f);
	return kib * 1024;
}

static double bytes_used(void)
{
	return memory_used() + percpu_used();
}

/* The first batch fills what slabs and per-CPU chunks have left. */
static void step_memory(void)
{
	struct crowd *c = crowd_open();
	struct crowd warm = *c;
	double before;

	crowd_create(&warm);
	before = bytes_used();
	crowd_create(c);
	bench_value("memory", (bytes_used() - before) / BATCH);
	bench_value_above_stock("memory.more", "memory", "memory");
	crowd_close(c);
	crowd_end(&warm);
}

/* Namespaces end in work items; the time is what these take from this process. */
static void step_destroy(void)
{
	struct crowd *c = crowd_open();
	double ticks, work;

	crowd_create(c);
	crowd_end(c);
	crowd_create(c);
	ticks = due_taken_ns(now_ns() + END_MS * NSEC_PER_MSEC);
	bench_profile_begin();
	crowd_close(c);
	work = due_taken_ns(now_ns() + END_MS * NSEC_PER_MSEC);
	bench_profile_end(BATCH);
	bench_value("destroy", (work - ticks) / BATCH);
}

static const struct bench_step steps[] = {
	{ "create", step_create },
	{ "memory", step_memory },
	{ "destroy", step_destroy },
};

static const struct bench_row rows[] = {
	{ "create", "a namespace is created", "instr", "1.03" },
	{ "memory", "its memory", "bytes", NULL },
	{ "memory.more", "what xtcp adds to it", "bytes", "=8192" },
	{ "destroy", "it ends", "instr", "1.03" },
};

BENCH_MAIN("namespace", steps, rows)
