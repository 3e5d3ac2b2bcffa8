/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bench: measures the work of an operation, on the kernel's TCP and on xtcp, in one
 * guest.
 *
 * The guest's clock advances one nanosecond per instruction and does not advance
 * otherwise while there is work. So the difference of two readings is a number of
 * instructions, of program and kernel together, however busy the host is.
 *
 * A program of selftests/bench is a table of steps and one of rows, and
 * bench_main(). Each step runs twice, once per side, in a process of its own and a
 * namespace that it makes; the values that it stores under a row's name become a
 * line of the table that scripts/bench prints.
 */
#ifndef SELFTESTS_LIB_BENCH_H
#define SELFTESTS_LIB_BENCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "netns.h"
#include "pair.h"
#include "proc.h"
#include "segment.h"

/* A field that a table's line leaves out is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* The library's functions take the calling test: there is none here. */
#define HERE WHERE(NULL)
/* A condition without which the number means nothing; the program ends. */
#define must(cond, ...) check((cond), HERE, __VA_ARGS__)

struct bench_step {
	const char *name;
	void (*run)(void);
	bool xtcp_only;			/* there is nothing to compare with */
};

struct bench_row {
	const char *name;		/* begins with the name of its step */
	const char *what;		/* printed beside the numbers */
	const char *unit;
	/*
	 * "0.75": xtcp's value divided by stock's is to be no larger; "=96": xtcp's
	 * value is; NULL: the number is for information.
	 */
	const char *goal;
};

/* Which side this process is, and its protocol number for socket(). */
bool bench_is_stock(void);
int bench_proto(void);

/* The value of a row for this side. */
void bench_value(const char *row, double value);
/*
 * The same, not on the kernel's TCP: its timers would blur what is due at one moment.
 */
void bench_value_xtcp(const char *row, double value);
/* The difference of two other rows' values, if this run has both. */
void bench_value_difference(const char *row, const char *minuend,
			    const char *subtrahend);

/* The same, but the value on the kernel's TCP is subtracted on both sides. */
void bench_value_above_stock(const char *row, const char *minuend,
			     const char *subtrahend);

/* One byte across; inlined, for the calls are counted. */
static inline void bench_byte(int from, int to)
{
	char c = 'x';

	must(send(from, &c, 1, 0) == 1, "send: %s", strerror(errno));
	must(recv(to, &c, 1, 0) == 1, "recv: %s", strerror(errno));
}

/*
 * @len bytes of @data go from one socket to the other, in writes of at most
 * @write_size and reads of at most @read_size, until all of them have been read.
 */
void bench_flight(int from, int to, char *data, int len, int write_size, int read_size);

/*
 * Instructions for one call of @round(@arg), which is called @rounds times a batch:
 * one batch to warm up, then batches until the last three differ by less than half a
 * per cent, at most ten; the median of the three. @between(@arg), if not NULL, is
 * called after each batch and is not counted.
 */
double bench_cost_between(void (*round)(void *arg), void (*between)(void *arg),
			  void *arg, int rounds);
static inline double bench_cost(void (*round)(void *arg), void *arg, int rounds)
{
	return bench_cost_between(round, NULL, arg, rounds);
}

/*
 * For a step that reads the clock itself: the profile of this step shows what runs
 * between the two.
 */
void bench_profile_begin(void);
/* A measurement that only serves to be subtracted is not profiled. */
void bench_profile_off(bool off);
void bench_profile_end(int rounds);
/* A round is that many of what the step's rows count: KiB, say. */
void bench_profile_parts(int parts);
/* Within a profile of its own: a round has ended. Tells which cache lines are its. */
void bench_profile_round(void);

/* The size of a crowd: @many, or the number in XTCP_BENCH_MANY. */
int bench_many(int many);

/* Objects and their size in the slab cache @cache, from slabinfo. */
struct bench_slab {
	long active, objects, size, per_slab, pages;
};
/* Return: false if there is no such cache, or it is merged with others. */
bool bench_slab_read(const char *cache, struct bench_slab *slab);

/* Patterns "name" or "name/step" on the command line; none means all. */
int bench_main(const char *program, const struct bench_step *steps, int n_steps,
	       const struct bench_row *rows, int n_rows, int argc, char **argv);

#define BENCH_MAIN(program, steps, rows) \
	int main(int argc, char **argv) \
	{ \
		return bench_main(program, steps, sizeof(steps) / sizeof((steps)[0]), \
				  rows, sizeof(rows) / sizeof((rows)[0]), argc, argv); \
	}

#endif
