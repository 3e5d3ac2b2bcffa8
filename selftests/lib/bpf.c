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

/* The number of a kernel's function among its types; 0: there is none. */
static int btf_function(const char *btf, const char *name)
{
	const struct btf_header *header = (const void *)btf;
	const char *types = btf + header->hdr_len + header->type_off;
	const char *strings = btf + header->hdr_len + header->str_off;
	const struct btf_type *type;
	int id = 1;

	for (size_t at = 0; at < header->type_len; at += sizeof(*type) + btf_rest(type), id++) {
		type = (const void *)(types + at);
		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
		    !strcmp(strings + type->name_off, name))
			return id;
	}
	return 0;
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
	int fd;

	if (!btf)
		return -1;
	snprintf(function, sizeof(function), "bpf_lsm_%s", name);
	attr.attach_btf_id = btf_function(btf, function);
	free(btf);
	if (!attr.attach_btf_id)
		return -1;
	link.raw_tracepoint.prog_fd = load(at, &attr, code, count);
	fd = syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &link, sizeof(link));
	check(fd >= 0, at, "%s takes no program: %s", function, strerror(errno));
	close(link.raw_tracepoint.prog_fd);
	return fd;
}
