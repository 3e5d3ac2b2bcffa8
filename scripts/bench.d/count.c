// SPDX-License-Identifier: GPL-2.0
/*
 * count: a plugin of qemu's TCG that counts how often each block of the guest's
 * code is executed. It does not disturb the guest: no probe, no interrupt, no
 * additional instruction.
 *
 *	-plugin count.so,begin=ADDRESS,end=ADDRESS,out=FILE
 *
 * Blocks are always counted. When the instruction at the address `begin` is
 * executed (the first of a kernel function) the counts are saved; at `end` the
 * differences since then are written to FILE:
 *
 *	section
 *	ADDRESS INSTRUCTIONS TIMES	(a block: hexadecimal address, number of
 *	...				instructions, number of executions)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

/* A translated block. It is never freed; a new translation makes a new one. */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t instructions;
	uint64_t times, times_before;
};

static struct block *blocks;
static uint64_t begin_at, end_at;
static FILE *out;

/* No locking in the callbacks: the guest has one CPU, which is one thread. */
static void section_begin(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	for (struct block *b = blocks; b; b = b->next)
		b->times_before = b->times;
}

static void section_end(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	fprintf(out, "section\n");
	for (struct block *b = blocks; b; b = b->next)
		if (b->times != b->times_before)
			fprintf(out, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", b->address,
				b->instructions, b->times - b->times_before);
	fflush(out);
}

static void block_translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof(*b));

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->instructions = qemu_plugin_tb_n_insns(tb);
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &b->times, 1);
	if (b->address == begin_at)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, section_begin, NO_REGISTERS, NULL);
	if (b->address == end_at)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, section_end, NO_REGISTERS, NULL);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "begin=", 6))
			begin_at = strtoull(argv[i] + 6, NULL, 16);
		else if (!strncmp(argv[i], "end=", 4))
			end_at = strtoull(argv[i] + 4, NULL, 16);
		else if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	if (!begin_at || !end_at || !out) {
		fprintf(stderr, "count: wants begin=, end= and out=\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	return 0;
}
