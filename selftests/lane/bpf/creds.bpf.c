// SPDX-License-Identifier: GPL-2.0
/*
 * creds: a rule that writes its task's capabilities, at offsets that state[] has in struct
 * xtcp_bpf_conn. The verifier refuses it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct xtcp_bpf_conn {
	__u32	cwnd;
} __attribute__((preserve_access_index));

typedef struct {
	__u64	val;
} kernel_cap_t;

struct cred {
	kernel_cap_t	cap_effective;
} __attribute__((preserve_access_index));

struct task_struct {
	const struct cred	*cred;
} __attribute__((preserve_access_index));

struct xtcp_bpf_congestion {
	__u32	(*grow)(struct xtcp_bpf_conn *conn, __u32 segs);
	__u32	(*ssthresh)(struct xtcp_bpf_conn *conn, __u32 flight);
	void	(*init)(struct xtcp_bpf_conn *conn);
	char	name[16];
};

char _license[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(creds_grow, struct xtcp_bpf_conn *conn, __u32 segs)
{
	return 1;
}

SEC("struct_ops")
__u32 BPF_PROG(creds_ssthresh, struct xtcp_bpf_conn *conn, __u32 flight)
{
	return flight;
}

SEC("struct_ops")
void BPF_PROG(creds_init, struct xtcp_bpf_conn *conn)
{
	struct cred *cred = (struct cred *)bpf_get_current_task_btf()->cred;

	if (cred)
		cred->cap_effective.val = ~0ULL;
}

SEC(".struct_ops")
struct xtcp_bpf_congestion aimd = {
	.grow		= (void *)creds_grow,
	.ssthresh	= (void *)creds_ssthresh,
	.init		= (void *)creds_init,
	.name		= "aimd",
};
