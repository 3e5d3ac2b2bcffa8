/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bpf: programs of a few instructions, for the kernel's hooks. The macros have the names of
 * the kernel's own (linux/filter.h there, which programs can't include).
 */
#ifndef SELFTESTS_LIB_BPF_H
#define SELFTESTS_LIB_BPF_H

#include <linux/bpf.h>

#include "check.h"

#define BPF_INSN(...) ((struct bpf_insn){ __VA_ARGS__ })
#define BPF_MOV64_IMM(dst, n) \
	BPF_INSN(.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (dst), .imm = (n))
#define BPF_MOV64_REG(dst, src) \
	BPF_INSN(.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (dst), .src_reg = (src))
#define BPF_ADD64_IMM(dst, n) \
	BPF_INSN(.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (dst), .imm = (n))
/* Two instructions, for 64 bits. */
#define BPF_LD_IMM64(dst, n) \
	BPF_INSN(.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = (dst), .imm = (__u32)(n)), \
	BPF_INSN(.imm = (__u64)(n) >> 32)
/* The same, for a map. */
#define BPF_LD_MAP_FD(dst, fd) \
	BPF_INSN(.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = (dst), \
		 .src_reg = BPF_PSEUDO_MAP_FD, .imm = (fd)), \
	BPF_INSN(.imm = 0)
#define BPF_LDX_MEM(size, dst, src, offset) \
	BPF_INSN(.code = BPF_LDX | BPF_MEM | (size), .dst_reg = (dst), .src_reg = (src), \
		 .off = (offset))
#define BPF_STX_MEM(size, dst, src, offset) \
	BPF_INSN(.code = BPF_STX | BPF_MEM | (size), .dst_reg = (dst), .src_reg = (src), \
		 .off = (offset))
#define BPF_JMP_IMM(op, dst, n, skip) \
	BPF_INSN(.code = BPF_JMP | (op) | BPF_K, .dst_reg = (dst), .imm = (n), .off = (skip))
#define BPF_JMP_REG(op, dst, src, skip) \
	BPF_INSN(.code = BPF_JMP | (op) | BPF_X, .dst_reg = (dst), .src_reg = (src), \
		 .off = (skip))
#define BPF_EMIT_CALL(helper) BPF_INSN(.code = BPF_JMP | BPF_CALL, .imm = (helper))
#define BPF_EXIT_INSN() BPF_INSN(.code = BPF_JMP | BPF_EXIT)

/*
 * Return: a file descriptor of the program. If the verifier refuses it, the test fails with
 * the verifier's log. @attach: 0 for types that don't ask for one.
 */
int bpf_load_at(struct where at, enum bpf_prog_type type, enum bpf_attach_type attach,
		const struct bpf_insn *code, int count);
#define bpf_load(md, ...) bpf_load_at(WHERE(md), __VA_ARGS__)

/*
 * A security module of one hook: a program that runs at the kernel's function bpf_lsm_NAME, and
 * whose result is that of the hook. Return: a file descriptor, which keeps it there; -1 if this
 * kernel has no BTF, or no such hook.
 */
int bpf_lsm_at(struct where at, const char *name, const struct bpf_insn *code, int count);
#define bpf_lsm(md, ...) bpf_lsm_at(WHERE(md), __VA_ARGS__)

/* The offset of a member in a struct of a kernel with BTF, in bytes. */
int bpf_offset_at(struct where at, const char *name, const char *member);
#define bpf_offset(md, ...) bpf_offset_at(WHERE(md), __VA_ARGS__)

#endif
