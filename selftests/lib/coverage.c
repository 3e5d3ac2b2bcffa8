// SPDX-License-Identifier: GPL-2.0
/* coverage: see coverage.h. */
#include "coverage.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define KCOV		"/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_TRACE_PC	0
#define STEPS_MAX	(1 << 20)
#define FUNCTIONS_MAX	4096

static struct function {
	uint64_t begin;
	bool entered;
	char name[64];
} function[FUNCTIONS_MAX];
static int functions;

/* The first word is the number of those that follow, each an address in the code. */
static uint64_t *trace;

static int by_begin(const void *a, const void *b)
{
	const struct function *f = a, *g = b;

	return f->begin < g->begin ? -1 : f->begin > g->begin;
}

/* Symbols of the padding before functions, which exist where functions are traced. */
static bool is_function(char type, const char *name)
{
	return (type == 't' || type == 'T') && strncmp(name, "__pfx_", 6);
}

static void functions_read(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	struct function *fn = function;
	char line[256], type;

	while (f && functions < FUNCTIONS_MAX && fgets(line, sizeof(line), f))
		if (strstr(line, "[xtcp]") &&
		    sscanf(line, "%lx %c %63s", &fn->begin, &type, fn->name) == 3 &&
		    is_function(type, fn->name))
			fn = &function[++functions];
	if (f)
		fclose(f);
	qsort(function, functions, sizeof(*function), by_begin);
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

void coverage_begin(void)
{
	int fd;

	if (!getenv("XTCP_COVERAGE"))
		return;
	functions_read();
	fd = open(KCOV, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, KCOV_INIT_TRACE, STEPS_MAX))
		fail(KCOV);
	trace = mmap(NULL, STEPS_MAX * sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (trace == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		fail(KCOV);
}

/* The function that an address is in; NULL if it is not xtcp's. */
static struct function *function_of(uint64_t place)
{
	int low = 0, high = functions;

	while (low < high) {
		int middle = (low + high) / 2;

		if (function[middle].begin <= place)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &function[low - 1] : NULL;
}

void coverage_gather(void)
{
	uint64_t n;

	if (!trace)
		return;
	n = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
	for (uint64_t i = 1; i <= n; i++) {
		struct function *fn = function_of(trace[i]);

		if (fn)
			fn->entered = true;
	}
	__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
}

void coverage_report(void)
{
	if (!trace)
		return;
	coverage_gather();
	for (int i = 0; i < functions; i++)
		printf("# %sentered %s\n", function[i].entered ? "" : "not ", function[i].name);
}
