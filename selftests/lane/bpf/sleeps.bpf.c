// SPDX-License-Identifier: GPL-2.0
/* sleeps: a rule that may sleep, which is refused. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct xtcp_bpf_conn {
	__u32	cwnd;
} __attribute__((preserve_access_index));

struct xtcp_bpf_congestion {
	__u32	(*grow)(struct xtcp_bpf_conn *conn, __u32 segs);
	__u32	(*ssthresh)(struct xtcp_bpf_conn *conn, __u32 flight);
	void	(*init)(struct xtcp_bpf_conn *conn);
	char	name[16];
};

char _license[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(sleeps_grow, struct xtcp_bpf_conn *conn, __u32 segs)
{
	return 1;
}

SEC("struct_ops")
__u32 BPF_PROG(sleeps_ssthresh, struct xtcp_bpf_conn *conn, __u32 flight)
{
	return flight;
}

SEC("struct_ops.s")
void BPF_PROG(sleeps_init, struct xtcp_bpf_conn *conn)
{
}

SEC(".struct_ops")
struct xtcp_bpf_congestion aimd = {
	.grow		= (void *)sleeps_grow,
	.ssthresh	= (void *)sleeps_ssthresh,
	.init		= (void *)sleeps_init,
	.name		= "aimd",
};
