// SPDX-License-Identifier: GPL-2.0
/* writes: a rule that writes the window, which the verifier refuses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct xtcp_bpf_conn {
	__u32	cwnd;
} __attribute__((preserve_access_index));

struct xtcp_bpf_congestion {
	__u32	(*grow)(struct xtcp_bpf_conn *conn, __u32 segs);
	__u32	(*ssthresh)(struct xtcp_bpf_conn *conn, __u32 flight);
	char	name[16];
};

char _license[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(writes_grow, struct xtcp_bpf_conn *conn, __u32 segs)
{
	conn->cwnd = 1000;
	return 1;
}

SEC("struct_ops")
__u32 BPF_PROG(writes_ssthresh, struct xtcp_bpf_conn *conn, __u32 flight)
{
	return flight;
}

SEC(".struct_ops")
struct xtcp_bpf_congestion aimd = {
	.grow		= (void *)writes_grow,
	.ssthresh	= (void *)writes_ssthresh,
	.name		= "aimd",
};
