// SPDX-License-Identifier: GPL-2.0
/*
 * lines: a plugin of qemu's TCG that counts the cache lines of 64 bytes that the kernel
 * touches in each operation. Like count.c it does not disturb the guest.
 *
 *	-plugin lines.so,begin=ADDRESS,end=ADDRESS,round=ADDRESS,out=FILE
 *
 * Accesses are counted between the execution of the instruction at `begin` and that of
 * the one at `end`, first ones of kernel functions. `round` ends an operation of the CPU
 * that executes it. A line counts once in an operation, however often it is accessed.
 * At `end` FILE gets:
 *
 *	section
 *	rounds CPU N			(how many operations this CPU ended)
 *	line CPU ADDRESS TOUCHED WRITTEN
 *					(in how many operations; the address is that of
 *					the first byte)
 *	use CPU ADDRESS CODE TOUCHED WRITTEN
 *					(the same for four bytes and one instruction; of
 *					a line that few operations touch, only what
 *					touched it first)
 *	code ADDRESS BYTES		(an instruction of those; hexadecimal)
 *
 * Addresses of programs are left out: what a program does with its memory is its own
 * matter, two processes use one address for two things, and buffers that the kernel
 * copies from and to are the same on both sides of a comparison.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

#define LINE_SHIFT	6
#define WORD_SHIFT	2
#define CPUS_MAX	8
/* Who touches a line is noted from its third operation on, for the sake of memory. */
#define FEW		2
#define KERNEL_SPACE	(UINT64_C(1) << 63)
#define INSN_MAX	15

/* One instruction that may access memory; never freed, a translation makes a new one. */
struct insn {
	uint64_t address;
	uint8_t size, data[INSN_MAX];
};

/* A line, or a word and an instruction that accesses it. */
struct use {
	uint64_t at;			/* address >> shift; 0: a free slot */
	const struct insn *insn;	/* of a line: the first that touched it */
	uint64_t touched, written;	/* number of operations */
	uint64_t last_touched, last_written; /* operation, as struct cpu counts them */
};

struct table {
	struct use *use;
	size_t size, used;		/* size: a power of two */
	bool by_insn;
};

/* Each CPU is a thread of its own. Only the end of a section looks at others'. */
struct cpu {
	pthread_mutex_t lock;
	uint64_t operation, rounds;
	struct table lines, words;
} cpus[CPUS_MAX];

static volatile bool is_counting;
static uint64_t begin_at, end_at, round_at;
static FILE *out;

static size_t hash(uint64_t at, const struct insn *insn)
{
	uint64_t x = (at ^ (insn ? insn->address << 20 : 0)) * UINT64_C(0x9e3779b97f4a7c15);

	return x >> 24;
}

/* An instruction may have been translated more than once. */
static bool is_use(const struct table *t, size_t i, uint64_t at, const struct insn *insn)
{
	return t->use[i].at == at &&
	       (!t->by_insn || t->use[i].insn->address == insn->address);
}

static struct use *slot(const struct table *t, uint64_t at, const struct insn *insn)
{
	size_t i = hash(at, t->by_insn ? insn : NULL) & (t->size - 1);

	while (t->use[i].at && !is_use(t, i, at, insn))
		i = (i + 1) & (t->size - 1);
	return &t->use[i];
}

static void table_grow(struct table *t)
{
	struct table larger = *t;

	larger.size = t->size ? 2 * t->size : 1 << 12;
	larger.use = calloc(larger.size, sizeof(*larger.use));
	if (!larger.use)
		abort();
	for (size_t i = 0; i < t->size; i++)
		if (t->use[i].at)
			*slot(&larger, t->use[i].at, t->use[i].insn) = t->use[i];
	free(t->use);
	*t = larger;
}

static const struct use *table_add(struct table *t, uint64_t at, const struct insn *insn,
				   bool is_store, uint64_t operation)
{
	struct use *u;

	if (2 * t->used >= t->size)
		table_grow(t);
	u = slot(t, at, insn);
	if (!u->at) {
		u->at = at;
		u->insn = insn;
		t->used++;
	}
	u->touched += u->last_touched != operation;
	u->last_touched = operation;
	if (is_store) {
		u->written += u->last_written != operation;
		u->last_written = operation;
	}
	return u;
}

static void accessed(unsigned int cpu, uint32_t info, uint64_t address, void *data)
{
	uint64_t last = address + (1 << qemu_plugin_mem_size_shift(info)) - 1;
	bool is_store = qemu_plugin_mem_is_store(info), is_few = true;
	struct cpu *c = &cpus[cpu % CPUS_MAX];

	if (!is_counting || address < KERNEL_SPACE)
		return;
	pthread_mutex_lock(&c->lock);
	for (uint64_t at = address >> LINE_SHIFT; at <= last >> LINE_SHIFT; at++)
		is_few &= table_add(&c->lines, at, data, is_store,
				    c->operation)->touched <= FEW;
	for (uint64_t at = address >> WORD_SHIFT; !is_few && at <= last >> WORD_SHIFT; at++)
		table_add(&c->words, at, data, is_store, c->operation);
	pthread_mutex_unlock(&c->lock);
}

static void table_clear(struct table *t)
{
	free(t->use);
	*t = (struct table){ .by_insn = t->by_insn };
}

static void section_begin(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	for (struct cpu *c = cpus; c < cpus + CPUS_MAX; c++) {
		pthread_mutex_lock(&c->lock);
		table_clear(&c->lines);
		table_clear(&c->words);
		c->rounds = 0;
		/* Not 0, which a new entry has. */
		c->operation = 1;
		pthread_mutex_unlock(&c->lock);
	}
	is_counting = true;
}

static void round_end(unsigned int cpu, void *data)
{
	struct cpu *c = &cpus[cpu % CPUS_MAX];

	(void)data;
	pthread_mutex_lock(&c->lock);
	c->operation++;
	c->rounds++;
	pthread_mutex_unlock(&c->lock);
}

static void use_print(int cpu, uint64_t address, const struct use *u)
{
	fprintf(out, "use %d %" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", cpu, address,
		u->insn->address, u->touched, u->written);
	fprintf(out, "code %" PRIx64 " ", u->insn->address);
	for (int i = 0; i < u->insn->size; i++)
		fprintf(out, "%02x", u->insn->data[i]);
	fprintf(out, "\n");
}

static void uses_print(const struct cpu *c)
{
	int cpu = c - cpus;

	for (const struct use *u = c->lines.use; u < c->lines.use + c->lines.size; u++) {
		if (!u->at)
			continue;
		fprintf(out, "line %d %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", cpu,
			u->at << LINE_SHIFT, u->touched, u->written);
		if (u->touched <= FEW)
			use_print(cpu, u->at << LINE_SHIFT, u);
	}
	for (const struct use *u = c->words.use; u < c->words.use + c->words.size; u++)
		if (u->at)
			use_print(cpu, u->at << WORD_SHIFT, u);
}

static void section_end(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	is_counting = false;
	fprintf(out, "section\n");
	for (struct cpu *c = cpus; c < cpus + CPUS_MAX; c++) {
		pthread_mutex_lock(&c->lock);
		if (c->lines.used) {
			fprintf(out, "rounds %d %" PRIu64 "\n", (int)(c - cpus), c->rounds);
			uses_print(c);
		}
		pthread_mutex_unlock(&c->lock);
	}
	fflush(out);
}

static void insn_watch(struct qemu_plugin_insn *translated)
{
	struct insn *insn = calloc(1, sizeof(*insn));
	size_t size = qemu_plugin_insn_size(translated);

	if (!insn)
		abort();
	insn->address = qemu_plugin_insn_vaddr(translated);
	insn->size = size < INSN_MAX ? size : INSN_MAX;
	memcpy(insn->data, qemu_plugin_insn_data(translated), insn->size);
	qemu_plugin_register_vcpu_mem_cb(translated, accessed, NO_REGISTERS,
					 LOADS_AND_STORES, insn);
}

static void block_translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);

	(void)id;
	if (address < KERNEL_SPACE)
		return;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		insn_watch(qemu_plugin_tb_get_insn(tb, i));
	if (address == begin_at)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, section_begin, NO_REGISTERS, NULL);
	if (address == end_at)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, section_end, NO_REGISTERS, NULL);
	if (address == round_at)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, round_end, NO_REGISTERS, NULL);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "begin=", 6))
			begin_at = strtoull(argv[i] + 6, NULL, 16);
		else if (!strncmp(argv[i], "end=", 4))
			end_at = strtoull(argv[i] + 4, NULL, 16);
		else if (!strncmp(argv[i], "round=", 6))
			round_at = strtoull(argv[i] + 6, NULL, 16);
		else if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	if (!begin_at || !end_at || !round_at || !out) {
		fprintf(stderr, "lines: wants begin=, end=, round= and out=\n");
		return -1;
	}
	for (struct cpu *c = cpus; c < cpus + CPUS_MAX; c++) {
		pthread_mutex_init(&c->lock, NULL);
		c->words.by_insn = true;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	return 0;
}
