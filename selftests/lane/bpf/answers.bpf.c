// SPDX-License-Identifier: GPL-2.0
/* answers: a rule that answers everything with ANSWER, as scripts/check.mk defines it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct xtcp_bpf_conn;

struct xtcp_bpf_congestion {
	__u32	(*grow)(struct xtcp_bpf_conn *conn, __u32 segs);
	__u32	(*ssthresh)(struct xtcp_bpf_conn *conn, __u32 flight);
	char	name[16];
};

char _license[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(answers_grow, struct xtcp_bpf_conn *conn, __u32 segs)
{
	return ANSWER;
}

SEC("struct_ops")
__u32 BPF_PROG(answers_ssthresh, struct xtcp_bpf_conn *conn, __u32 flight)
{
	return ANSWER;
}

SEC(".struct_ops")
struct xtcp_bpf_congestion aimd = {
	.grow		= (void *)answers_grow,
	.ssthresh	= (void *)answers_ssthresh,
	.name		= "aimd",
};
