// SPDX-License-Identifier: GPL-2.0
/*
 * xdp_pass: a program for XDP that passes every packet.
 *
 *   xdp_pass DEVICE [driver]
 *
 * It is one for generic XDP: the stack copies an skb for it if the skb isn't linear or lacks
 * headroom. With "driver" it is one for the driver, which runs it before there is an skb. Returns
 * when the program is attached, and prints the process id of a child that holds it until it is
 * killed.
 */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int main(int argc, char **argv)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)code,
		.insn_cnt = sizeof(code) / sizeof(*code),
		.license = (uintptr_t)"GPL",
	};
	union bpf_attr link = {
		.link_create = { .attach_type = BPF_XDP, .flags = XDP_FLAGS_SKB_MODE },
	};
	pid_t child;

	if (argc == 3 && !strcmp(argv[2], "driver"))
		link.link_create.flags = XDP_FLAGS_DRV_MODE;
	else if (argc != 2)
		return 2;
	close_range(3, ~0U, 0);
	link.link_create.prog_fd = bpf(BPF_PROG_LOAD, &load);
	link.link_create.target_ifindex = if_nametoindex(argv[1]);
	if (bpf(BPF_LINK_CREATE, &link) < 0) {
		perror("xdp_pass");
		return 1;
	}
	child = fork();
	if (child) {
		printf("%d\n", (int)child);
		return child < 0;
	}
	if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		return 1;
	pause();
	return 0;
}
