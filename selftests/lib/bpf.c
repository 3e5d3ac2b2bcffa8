// SPDX-License-Identifier: GPL-2.0
/* bpf: see bpf.h. */
#include "bpf.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int bpf_load_at(struct where at, enum bpf_prog_type type, enum bpf_attach_type attach,
		const struct bpf_insn *code, int count)
{
	static char log[4096];
	union bpf_attr attr = {
		.prog_type = type,
		.expected_attach_type = attach,
		.insns = (uintptr_t)code,
		.insn_cnt = count,
		.license = (uintptr_t)"GPL",
		.log_buf = (uintptr_t)log,
		.log_size = sizeof(log),
		.log_level = 1,
	};
	int program = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	check(program >= 0, at, "the program is refused: %s: %s", strerror(errno), log);
	return program;
}
