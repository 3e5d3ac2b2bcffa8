// SPDX-License-Identifier: GPL-2.0
/* lacks: a rule without ssthresh(), which is required. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct xtcp_bpf_conn;

struct xtcp_bpf_congestion {
	__u32	(*grow)(struct xtcp_bpf_conn *conn, __u32 segs);
	char	name[16];
};

char _license[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(lacks_grow, struct xtcp_bpf_conn *conn, __u32 segs)
{
	return segs;
}

SEC(".struct_ops")
struct xtcp_bpf_congestion aimd = {
	.grow		= (void *)lacks_grow,
	.name		= "aimd",
};
