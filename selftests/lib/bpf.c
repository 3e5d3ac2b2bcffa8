// SPDX-License-Identifier: GPL-2.0
/* bpf: see bpf.h. */
#include "bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(struct where at, union bpf_attr *attr, const struct bpf_insn *code, int count)
{
	static char log[4096];
	int program;

	attr->insns = (uintptr_t)code;
	attr->insn_cnt = count;
	attr->license = (uintptr_t)"GPL";
	attr->log_buf = (uintptr_t)log;
	attr->log_size = sizeof(log);
	attr->log_level = 1;
	program = syscall(SYS_bpf, BPF_PROG_LOAD, attr, sizeof(*attr));
	check(program >= 0, at, "the program is refused: %s: %s", strerror(errno), log);
	return program;
}

int bpf_load_at(struct where at, enum bpf_prog_type type, enum bpf_attach_type attach,
		const struct bpf_insn *code, int count)
{
	union bpf_attr attr = { .prog_type = type, .expected_attach_type = attach };

	return load(at, &attr, code, count);
}

/* --- security modules --------------------------------------------------- */

/* Bytes that follow the head of a type. */
static size_t btf_rest(const struct btf_type *type)
{
	size_t members = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case 19: /* BTF_KIND_ENUM64, since Linux 6.0 */
		return members * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return members * sizeof(struct btf_enum);
	default:
		return 0;
	}
}

/* The type behind @type, or the first one if that is NULL; NULL: there is none. */
static const struct btf_type *btf_next(const char *btf, const struct btf_type *type)
{
	const struct btf_header *header = (const void *)btf;
	const char *types = btf + header->hdr_len + header->type_off;
	const char *next = type ? (const char *)(type + 1) + btf_rest(type) : types;

	return next < types + header->type_len ? (const void *)next : NULL;
}

static const char *btf_text(const char *btf, uint32_t offset)
{
	const struct btf_header *header = (const void *)btf;

	return btf + header->hdr_len + header->str_off + offset;
}

/* The first type of a kind with that name, and its number; NULL: there is none. */
static const struct btf_type *btf_named(const char *btf, uint32_t kind, const char *name,
					 int *id)
{
	const struct btf_type *type = NULL;

	for (*id = 1; (type = btf_next(btf, type)); ++*id)
		if (BTF_INFO_KIND(type->info) == kind &&
		    !strcmp(btf_text(btf, type->name_off), name))
			return type;
	return NULL;
}

static const struct btf_type *btf_numbered(const char *btf, int id)
{
	const struct btf_type *type = NULL;

	while (id-- && (type = btf_next(btf, type)))
		;
	return type;
}

/* Bits in front of a member, also one of a part without a name; -1: there is none. */
static int btf_bits_before(const char *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *member = (const void *)(type + 1);
	int count = BTF_INFO_VLEN(type->info), kind = BTF_INFO_KIND(type->info), bits;

	if (kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION)
		return -1;
	for (; count--; member++) {
		bits = BTF_MEMBER_BIT_OFFSET(member->offset);
		if (!strcmp(btf_text(btf, member->name_off), name))
			return bits;
		if (member->name_off)
			continue;
		type = btf_numbered(btf, member->type);
		if (btf_bits_before(btf, type, name) >= 0)
			return bits + btf_bits_before(btf, type, name);
	}
	return -1;
}

/* The kernel's types as a whole; NULL: it has none. */
static char *btf_of_kernel(void)
{
	FILE *f = fopen("/sys/kernel/btf/vmlinux", "r");
	struct stat st;
	char *btf;

	if (!f)
		return NULL;
	btf = fstat(fileno(f), &st) ? NULL : malloc(st.st_size);
	if (btf && fread(btf, st.st_size, 1, f) != 1) {
		free(btf);
		btf = NULL;
	}
	fclose(f);
	return btf;
}

int bpf_lsm_at(struct where at, const char *name, const struct bpf_insn *code, int count)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_LSM,
				.expected_attach_type = BPF_LSM_MAC };
	char function[64], *btf = btf_of_kernel();
	union bpf_attr link = { };
	bool there;
	int fd, id;

	if (!btf)
		return -1;
	snprintf(function, sizeof(function), "bpf_lsm_%s", name);
	there = btf_named(btf, BTF_KIND_FUNC, function, &id);
	free(btf);
	if (!there)
		return -1;
	attr.attach_btf_id = id;
	link.raw_tracepoint.prog_fd = load(at, &attr, code, count);
	fd = syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &link, sizeof(link));
	check(fd >= 0, at, "%s takes no program: %s", function, strerror(errno));
	close(link.raw_tracepoint.prog_fd);
	return fd;
}

int bpf_offset_at(struct where at, const char *name, const char *member)
{
	char *btf = btf_of_kernel();
	const struct btf_type *type;
	int id, bits;

	check(btf, at, "the kernel has no BTF");
	type = btf_named(btf, BTF_KIND_STRUCT, name, &id);
	bits = type ? btf_bits_before(btf, type, member) : -1;
	free(btf);
	check(bits >= 0, at, "the kernel's struct %s has no %s", name, member);
	return bits / 8;
}
