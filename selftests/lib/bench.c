// SPDX-License-Identifier: GPL-2.0
/*
 * bench: see bench.h. For programs of selftests/bench only: it defines their
 * check_fail(), and xtcp_test.h that of tests.
 */
#include "bench.h"

#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROWS_MAX 128
#define BATCHES_MAX 10
#define UNSTABLE 0.005
/* The batch that is profiled: it is always measured, and comes after one-time work. */
#define PROFILED 2
/* linux/membarrier.h: it is not called for anything else. */
#define MEMBARRIER_QUERY 0
/* Namespaces are removed in the background; waiting costs nothing in virtual time. */
#define SETTLE_MS 5000

enum { STOCK, XTCP, SIDES };
static const char *const side_name[] = { "stock", "xtcp" };

/* Shared with the processes in which steps run. */
static struct table {
	double value[ROWS_MAX][SIDES];
	bool known[ROWS_MAX][SIDES];
	double varies[ROWS_MAX][SIDES];	/* per cent */
} *table;

static const struct bench_row *row;
static int n_rows;
static const char *program, *step;
static int side;
static bool is_unprofiled, counts_lines;
/* By how much values of this process's step may vary, in per cent. */
static double varies;
static int profile_parts = 1;
static int64_t waited_ns;

void check_fail(struct where at, const char *fmt, ...)
{
	va_list ap;

	printf("@@ failed\t%s/%s\t%s\t%s:%d: ", program, step, side_name[side],
	       at.file, at.line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

bool check_is_over(struct __test_metadata *test)
{
	return !test;
}

bool bench_is_stock(void)
{
	return side == STOCK;
}

int bench_proto(void)
{
	return side == STOCK ? IPPROTO_TCP : IPPROTO_XTCP;
}

static int row_index(const char *name)
{
	for (int i = 0; i < n_rows; i++)
		if (!strcmp(row[i].name, name))
			return i;
	must(false, "no row %s", name);
	return -1;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

void bench_value(const char *name, double value)
{
	int i = row_index(name);

	table->value[i][side] = value;
	table->known[i][side] = true;
	table->varies[i][side] = larger(table->varies[i][side], varies);
}

/* The values that this side of the step stores from now on vary by that much: they are marked. */
static void vary(double percent)
{
	varies = larger(varies, percent);
}

void bench_value_xtcp(const char *name, double value)
{
	if (!bench_is_stock())
		bench_value(name, value);
}

static void difference(const char *name, const char *minuend, const char *subtrahend,
		       int subtrahend_side)
{
	int a = row_index(minuend), b = row_index(subtrahend);

	if (!table->known[a][side] || !table->known[b][subtrahend_side])
		return;
	vary(larger(table->varies[a][side], table->varies[b][subtrahend_side]));
	bench_value(name, table->value[a][side] - table->value[b][subtrahend_side]);
}

void bench_value_difference(const char *name, const char *minuend,
			    const char *subtrahend)
{
	difference(name, minuend, subtrahend, side);
}

void bench_value_above_stock(const char *name, const char *minuend,
			     const char *subtrahend)
{
	difference(name, minuend, subtrahend, STOCK);
}

/* Within a round: waits for a timer, for at most @ms. The waiting is not counted. */
static void wait_uncounted(int64_t ms)
{
	int64_t before = now_ns();

	sleep_ms(ms);
	waited_ns += now_ns() - before;
}

void bench_flight(int from, int to, char *data, int len, int write_size, int read_size)
{
	int sent = 0, got = 0;

	while (got < len) {
		ssize_t n = 0;
		int most;

		while (sent < len) {
			most = len - sent < write_size ? len - sent : write_size;
			n = send(from, data, most, MSG_DONTWAIT);
			if (n <= 0)
				break;
			sent += n;
		}
		must(n >= 0 || errno == EAGAIN, "send: %s", strerror(errno));
		n = recv(to, data, read_size, MSG_DONTWAIT);
		if (n > 0)
			got += n;
		else
			must(errno == EAGAIN, "recv: %s", strerror(errno));
		/* Nothing is on its way: a timer has to come first. */
		if (n < 0)
			wait_uncounted(1);
	}
}

/*
 * The profiler (scripts/bench.d) sees the guest's instructions, not its
 * data: two system calls that nothing else makes are its switch.
 */
void bench_profile_begin(void)
{
	syscall(SYS_sched_get_priority_max, 0);
}

void bench_profile_end(int rounds)
{
	syscall(SYS_sched_get_priority_min, 0);
	printf("@@ section\t%s/%s\t%s\t%d\n", program, step, side_name[side],
	       rounds * profile_parts);
	fflush(stdout);
}

void bench_profile_parts(int parts)
{
	profile_parts = parts;
}

void bench_profile_round(void)
{
	if (counts_lines)
		syscall(SYS_membarrier, MEMBARRIER_QUERY, 0, 0);
}

void bench_profile_off(bool off)
{
	is_unprofiled = off;
}

static double batch_cost(void (*round)(void *arg), void *arg, int rounds)
{
	int64_t before = now_ns();

	waited_ns = 0;
	for (int i = 0; i < rounds; i++) {
		round(arg);
		bench_profile_round();
	}
	return (double)(now_ns() - before - waited_ns) / rounds;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of_last(const double *cost, int n, int last)
{
	double sorted[BATCHES_MAX];

	memcpy(sorted, cost + n - last, last * sizeof(*cost));
	qsort(sorted, last, sizeof(*sorted), by_value);
	return sorted[last / 2];
}

/* How far the last ones of @n are apart, divided by the least of them. */
static double spread_of_last(const double *cost, int n, int last)
{
	double least = cost[n - 1], most = cost[n - 1];

	for (int i = n - last; i < n - 1; i++) {
		least = cost[i] < least ? cost[i] : least;
		most = larger(most, cost[i]);
	}
	return (most - least) / least;
}

static bool is_stable(const double *cost, int n)
{
	return n >= 3 && spread_of_last(cost, n, 3) < UNSTABLE;
}

double bench_cost_between(void (*round)(void *arg), void (*between)(void *arg),
			  void *arg, int rounds)
{
	double cost[BATCHES_MAX];
	int n = 0;

	batch_cost(round, arg, rounds);
	if (between)
		between(arg);
	while (n < BATCHES_MAX && !is_stable(cost, n)) {
		if (n == PROFILED && !is_unprofiled)
			bench_profile_begin();
		cost[n] = batch_cost(round, arg, rounds);
		if (n == PROFILED && !is_unprofiled)
			bench_profile_end(rounds);
		if (between)
			between(arg);
		n++;
	}
	if (is_stable(cost, n))
		return median_of_last(cost, n, 3);
	vary(100 * spread_of_last(cost, n, n));
	return median_of_last(cost, n, n);
}

int bench_many(int many)
{
	const char *env = getenv("XTCP_BENCH_MANY");

	return env && *env ? atoi(env) : many;
}

bool bench_slab_read(const char *cache, struct bench_slab *slab)
{
	char line[512], name[64];
	FILE *f = fopen("/proc/slabinfo", "r");
	bool found = false;

	must(f, "/proc/slabinfo: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%63s %ld %ld %ld %ld %ld", name,
			       &slab->active, &slab->objects, &slab->size,
			       &slab->per_slab, &slab->pages) == 6 &&
			!strcmp(name, cache);
	fclose(f);
	return found;
}

/* One side of one step; a step that fails leaves no values, and a message. */
static void step_run(const struct bench_step *s, int of_side)
{
	int status;
	pid_t pid;

	step = s->name;
	side = of_side;
	/* Work that the step before has left must not be charged to this one. */
	sleep_ms(SETTLE_MS);
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		if (side == STOCK)
			setenv("XTCP_TEST_STOCK", "1", 1);
		else
			unsetenv("XTCP_TEST_STOCK");
		s->run();
		fflush(stdout);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		printf("@@ failed\t%s/%s\t%s\tsignal %d\n", program, step,
		       side_name[side], WTERMSIG(status));
}

static void step_print(const struct bench_step *s)
{
	for (int i = 0; i < n_rows; i++) {
		if (strncmp(row[i].name, s->name, strlen(s->name)) ||
		    !strchr(".", row[i].name[strlen(s->name)]))
			continue;
		printf("@@ row\t%s/%s\t%s\t%s\t%s", program, row[i].name,
		       row[i].what, row[i].unit, row[i].goal ?: "");
		for (int j = 0; j < SIDES; j++) {
			if (table->known[i][j])
				printf("\t%.6g", table->value[i][j]);
			else
				printf("\t-");
		}
		printf("\t%.3g\n", larger(table->varies[i][STOCK], table->varies[i][XTCP]));
	}
	fflush(stdout);
}

static bool step_is_wanted(const struct bench_step *s, int argc, char **argv)
{
	char name[128];
	regex_t re;
	bool wanted = argc < 2;

	snprintf(name, sizeof(name), "%s/%s", program, s->name);
	for (int i = 1; i < argc && !wanted; i++) {
		must(!regcomp(&re, argv[i], REG_EXTENDED | REG_NOSUB),
		     "%s is no regular expression", argv[i]);
		wanted = !regexec(&re, name, 0, NULL, 0);
		regfree(&re);
	}
	return wanted;
}

int bench_main(const char *prog, const struct bench_step *steps, int n_steps,
	       const struct bench_row *rows, int number, int argc, char **argv)
{
	program = prog;
	row = rows;
	n_rows = number;
	counts_lines = getenv("XTCP_BENCH_LINES");
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(table != MAP_FAILED && n_rows <= ROWS_MAX, "no table");
	for (int i = 0; i < n_steps; i++) {
		if (argc == 2 && !strcmp(argv[1], "--list")) {
			printf("%s/%s\n", program, steps[i].name);
			continue;
		}
		if (!step_is_wanted(&steps[i], argc, argv))
			continue;
		for (int s = steps[i].xtcp_only ? XTCP : STOCK; s < SIDES; s++)
			step_run(&steps[i], s);
		step_print(&steps[i]);
	}
	return 0;
}
