// SPDX-License-Identifier: GPL-2.0
/* kfunc: a rule that calls a kfunc, although a harmless one, which is refused. */
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

__ksym void bpf_rcu_read_lock(void);
__ksym void bpf_rcu_read_unlock(void);

char _license[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(kfunc_grow, struct xtcp_bpf_conn *conn, __u32 segs)
{
	return 1;
}

SEC("struct_ops")
__u32 BPF_PROG(kfunc_ssthresh, struct xtcp_bpf_conn *conn, __u32 flight)
{
	return flight;
}

SEC("struct_ops")
void BPF_PROG(kfunc_init, struct xtcp_bpf_conn *conn)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
}

SEC(".struct_ops")
struct xtcp_bpf_congestion aimd = {
	.grow		= (void *)kfunc_grow,
	.ssthresh	= (void *)kfunc_ssthresh,
	.init		= (void *)kfunc_init,
	.name		= "aimd",
};
