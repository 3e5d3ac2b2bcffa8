// SPDX-License-Identifier: GPL-2.0
/*
 * aimd.bpf.c - a congestion control for xtcp as a BPF program
 *
 *   ACK	cwnd += 2 for each window
 *   loss	cwnd -= cwnd / 4
 *
 * The structs are those of module/congestion/bpf.c; libbpf compares them with the module's
 * BTF by the names of their members.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#ifndef KEPT_QUARTERS
#define KEPT_QUARTERS	3	/* of the window, after a loss */
#endif

struct xtcp_bpf_conn {
	__u32	cwnd;
	__u64	state[4];
} __attribute__((preserve_access_index));

struct xtcp_bpf_congestion {
	__u32	(*grow)(struct xtcp_bpf_conn *conn, __u32 segs);
	__u32	(*ssthresh)(struct xtcp_bpf_conn *conn, __u32 flight);
	char	name[16];
};

char _license[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(aimd_grow, struct xtcp_bpf_conn *conn, __u32 segs)
{
	return conn->cwnd / 2;
}

SEC("struct_ops")
__u32 BPF_PROG(aimd_ssthresh, struct xtcp_bpf_conn *conn, __u32 flight)
{
	conn->state[0]++;
	return conn->cwnd * KEPT_QUARTERS / 4;
}

SEC(".struct_ops")
struct xtcp_bpf_congestion aimd = {
	.grow		= (void *)aimd_grow,
	.ssthresh	= (void *)aimd_ssthresh,
	.name		= "aimd",
};
