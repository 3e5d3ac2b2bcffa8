// SPDX-License-Identifier: GPL-2.0
/* inside: see inside.h. */
#define _GNU_SOURCE
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module.h"

#define MODULE "xtcp_inside"

/* Without scripts/check.mk there is no module. */
#ifndef INSIDE_SUM
#define INSIDE_SUM 0
#endif

extern char **environ;

struct inside {
	char *memory;
	size_t size, mapped;		/* of the caller; with what this file needs */
	int fd;				/* -1: outside */
};

/* The kernel tells root where its functions are; 0: not this one. */
static unsigned long kernel_symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long at, found = 0;
	char line[256], type, symbol[128];

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %c %127s", &at, &type, symbol) == 3 && !strcmp(symbol, name))
			found = at;
	if (f)
		fclose(f);
	return found;
}

static int device_open(void)
{
	char params[64];

	if (getenv("XTCP_TEST_OUTSIDE") || access("/xtcp/" MODULE ".ko", F_OK))
		return -1;
	snprintf(params, sizeof(params), "lookup=%#lx", kernel_symbol("kallsyms_lookup_name"));
	if (module_load_other(MODULE, params))
		return -1;
	return open("/dev/" INSIDE_DEVICE, O_RDWR | O_CLOEXEC);
}

struct inside *inside_open_at(struct where at, size_t size)
{
	struct inside *in = calloc(1, sizeof(*in));

	check(in, at, "no memory");
	in->size = (size + 4095) & ~4095UL;
	in->mapped = in->size + INSIDE_PROCESSES * INSIDE_SCRATCH;
	in->fd = device_open();
	in->memory = mmap(NULL, in->mapped, PROT_READ | PROT_WRITE,
			  MAP_SHARED | (in->fd < 0 ? MAP_ANONYMOUS : 0), in->fd, 0);
	check(in->memory != MAP_FAILED, at, "mmap: %s", strerror(errno));
	return in;
}

void *inside_memory(struct inside *in)
{
	return in->memory;
}

static void copy_environment(struct inside_call *call)
{
	size_t n = 0;

	for (char **e = environ; *e; e++)
		if (!strncmp(*e, "XTCP_TEST_", 10) && n + strlen(*e) + 2 <= sizeof(call->env)) {
			strcpy(call->env + n, *e);
			n += strlen(*e) + 1;
		}
}

void inside_run_at(struct where at, struct inside *in, int number, int go, int done)
{
	struct inside_call call = {
		.sum = INSIDE_SUM,
		.memory = (unsigned long)in->memory,
		.scratch = (unsigned long)in->memory + in->size + number * INSIDE_SCRATCH,
		.number = number, .go = go, .done = done,
	};

	check(number < INSIDE_PROCESSES, at, "%d processes", number + 1);
	if (in->fd < 0) {
		inside_main(in->memory, number, go, done);
		return;
	}
	copy_environment(&call);
	check(!ioctl(in->fd, INSIDE_RUN, &call), at, "inside: %s",
	      call.said[0] ? call.said :
	      errno == ESTALE ? MODULE ".ko is of other sources: make modules" : strerror(errno));
}

void inside_close(struct inside *in)
{
	munmap(in->memory, in->mapped);
	if (in->fd >= 0) {
		close(in->fd);
		module_unload_other(MODULE);
	}
	free(in);
}
