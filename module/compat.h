/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - differences between kernel versions
 *
 * The module is written for the newest kernel's interface; this file provides it
 * on older kernels. No other file tests LINUX_VERSION_CODE. Each entry names the
 * version with the change, so that it can be removed with the last older kernel.
 * Stable releases backport helpers: if the name is a macro, its definition is
 * tested; else the replacement is a macro, which may hide a backported function.
 */
#ifndef XTCP_COMPAT_H
#define XTCP_COMPAT_H

#include <linux/bpf-cgroup.h>
#include <linux/hrtimer.h>
#include <linux/ipv6.h>
#include <linux/local_lock.h>
#include <linux/memcontrol.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/sysctl.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <net/dst.h>
#include <net/inet_common.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/inet_sock.h>
#include <net/inet_timewait_sock.h>
#include <net/net_namespace.h>
#include <net/sock.h>

/*
 * linux/bpf-cgroup.h: programs of a cgroup that see a connect() can change the
 * address's length as well since 6.7
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define XTCP_CGROUP_CONNECT4(sk, uaddr, len)				\
	((void)(len), BPF_CGROUP_RUN_PROG_INET4_CONNECT(sk, uaddr))
#define XTCP_CGROUP_CONNECT6(sk, uaddr, len)				\
	((void)(len), BPF_CGROUP_RUN_PROG_INET6_CONNECT(sk, uaddr))
#else
#define XTCP_CGROUP_CONNECT4(sk, uaddr, len)				\
	BPF_CGROUP_RUN_PROG_INET4_CONNECT(sk, uaddr, len)
#define XTCP_CGROUP_CONNECT6(sk, uaddr, len)				\
	BPF_CGROUP_RUN_PROG_INET6_CONNECT(sk, uaddr, len)
#endif

/* linux/hrtimer.h: one call sets up clock, mode and function since 6.13 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define hrtimer_setup(timer, fn, clock, mode)				\
	do {								\
		struct hrtimer *__timer = (timer);			\
									\
		hrtimer_init(__timer, clock, mode);			\
		__timer->function = (fn);				\
	} while (0)
#endif

/*
 * linux/inet_diag.h: a handler names its module since 6.9; before, a lock kept it
 * from being unregistered during a call
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define XTCP_DIAG_OWNER
#else
#define XTCP_DIAG_OWNER	.owner = THIS_MODULE,
#endif

/* linux/inet_diag.h: a filter is passed with the data of its dump since 6.18 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define XTCP_DIAG_FILTER(dump, sk)					\
	inet_diag_bc_sk((dump)->inet_diag_nla_bc, sk)
#else
#define XTCP_DIAG_FILTER(dump, sk)	inet_diag_bc_sk(dump, sk)
#endif

/*
 * linux/local_lock.h: softirqs that are off need not exclude each other with
 * PREEMPT_RT, so what they share on a CPU has a lock since 6.11
 */
#ifndef local_lock_nested_bh
#define local_lock_nested_bh(lock)	((void)(lock))
#define local_unlock_nested_bh(lock)	((void)(lock))
#endif

/* linux/socket.h: before 6.5 sendfile() marks all pages of a batch but the last one */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define XTCP_MSG_MORE	(MSG_MORE | MSG_SENDPAGE_NOTLAST)
#else
#define XTCP_MSG_MORE	MSG_MORE
#endif

/* linux/net.h: sendfile() tells the end of its data since 6.5 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define XTCP_PROTO_OPS_SPLICE_EOF(fn)
#else
#define XTCP_PROTO_OPS_SPLICE_EOF(fn)	.splice_eof = fn,
#endif

/*
 * linux/skbuff.h: sendmsg() can take references to pages since 6.5; before,
 * sendfile() has its data copied. skb_splice_from_iter() has no allocation flags
 * since 6.17.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#ifndef MSG_SPLICE_PAGES
#define MSG_SPLICE_PAGES	0
#define MSG_NO_SHARED_FRAGS	0
#endif
#define XTCP_SPLICE_FROM_ITER(skb, iter, max, gfp)	(-EMSGSIZE)
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define XTCP_SPLICE_FROM_ITER(skb, iter, max, gfp)			\
	skb_splice_from_iter(skb, iter, max, gfp)
#else
#define XTCP_SPLICE_FROM_ITER(skb, iter, max, gfp)			\
	skb_splice_from_iter(skb, iter, max)
#endif

/*
 * uapi/linux/net_tstamp.h: a socket can ask for some kinds of stamps and leave
 * out others that another socket asked for since 6.12
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#define XTCP_STAMP_IS_WANTED(flags, kind)	true
#else
#define XTCP_STAMP_IS_WANTED(flags, kind)				\
	(!((flags) & SOF_TIMESTAMPING_OPT_RX_FILTER) || ((flags) & (kind)))
#endif

/*
 * linux/slab.h: a flag forbids merging a cache with others since 6.5. Before, a
 * cache that kmemleak ignores is not merged either; our kernels before 6.5 have no
 * kmemleak.
 */
#ifndef SLAB_NO_MERGE
#define SLAB_NO_MERGE	SLAB_NOLEAKTRACE
#endif

/*
 * linux/slab.h: since 6.12 a SLAB_TYPESAFE_BY_RCU cache can place the free pointer
 * inside of a free object. Before, it was behind the object, which made objects
 * larger; there a record is freed after a grace period instead, with an rcu_head
 * in a part of it that is free by then.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
static inline struct kmem_cache *
xtcp_record_cache(const char *name, unsigned int size, unsigned int free_part)
{
	return kmem_cache_create(name, size, 0, SLAB_NO_MERGE | SLAB_ACCOUNT,
				 NULL);
}

static inline void xtcp_record_free(struct kmem_cache *cache, void *record,
				    struct rcu_head *head,
				    rcu_callback_t free_rcu)
{
	call_rcu(head, free_rcu);
}
#else
static inline struct kmem_cache *
xtcp_record_cache(const char *name, unsigned int size, unsigned int free_part)
{
	struct kmem_cache_args args = {
		.use_freeptr_offset	= true,
		.freeptr_offset		= free_part,
	};

	return kmem_cache_create(name, size, &args,
				 SLAB_NO_MERGE | SLAB_ACCOUNT |
				 SLAB_TYPESAFE_BY_RCU);
}

static inline void xtcp_record_free(struct kmem_cache *cache, void *record,
				    struct rcu_head *head,
				    rcu_callback_t free_rcu)
{
	kmem_cache_free(cache, record);
}
#endif

/*
 * linux/socket.h: timestamps for a control message are ktime_t since 7.3, and since an update of
 * 7.2. As for XTCP_CORK6_SIZE below, no version is asked.
 */
#define xtcp_scm_stamp(time)	\
	_Generic(((struct scm_timestamping_internal *)NULL)->ts[0], \
		 ktime_t: (time), \
		 struct timespec64: ktime_to_timespec64(time))

/* linux/workqueue.h: the work queue whose items are bound to no CPU has this name since 6.17 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define system_dfl_wq	system_unbound_wq
#endif

/* linux/socket.h: addresses of any length have a type of their own since 6.19 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#define sockaddr_unsized	sockaddr
#endif

/* linux/sysctl.h: a handler may not write to its table since 6.11 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define XTCP_CTL_CONST
#else
#define XTCP_CTL_CONST	const
#endif

/* linux/tcp.h: names of Accurate ECN since 7.0 */
#ifndef TCPI_ECN_MODE_ACCECN
#define TCPI_ECN_MODE_DISABLED		0
#define TCPI_ECN_MODE_RFC3168		1
#define TCPI_ECN_MODE_ACCECN		2
#define TCPI_ECN_MODE_PENDING		3
#define TCP_ACCECN_OPT_NOT_SEEN		0
#define TCP_ACCECN_OPT_EMPTY_SEEN	1
#define TCP_ACCECN_OPT_COUNTER_SEEN	2
#define TCP_ACCECN_OPT_FAIL_SEEN	3
#define TCP_ACCECN_ACE_FAIL_SEND	BIT(0)
#define TCP_ACCECN_ACE_FAIL_RECV	BIT(1)
#define TCP_ACCECN_OPT_FAIL_SEND	BIT(2)
#define TCP_ACCECN_OPT_FAIL_RECV	BIT(3)
#endif

/* linux/tracepoint.h: the string's source is named once since 6.10 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define XTCP_ASSIGN_STR(dst, src)	__assign_str(dst, src)
#else
#define XTCP_ASSIGN_STR(dst, src)	__assign_str(dst)
#endif

/*
 * linux/skbuff.h: payload may be in the memory of a device, which the CPU cannot read, since
 * 6.12
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
static inline bool skb_frags_readable(const struct sk_buff *skb)
{
	return true;
}
#endif

/* linux/unaligned.h: was an architecture's header before 6.12 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

/*
 * net/dst.h: a route's device, which may change while it is looked at, is read
 * through a function since 6.17
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define dst_dev(dst)	READ_ONCE((dst)->dev)
#endif

/* net/dropreason-core.h: three reasons of TCP's are known since 6.3 and 6.9 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define SKB_DROP_REASON_TCP_MINTTL	SKB_DROP_REASON_NOT_SPECIFIED
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define SKB_DROP_REASON_TCP_ABORT_ON_DATA	SKB_DROP_REASON_NOT_SPECIFIED
#define SKB_DROP_REASON_SECURITY_HOOK		SKB_DROP_REASON_NOT_SPECIFIED
#endif

/*
 * net/dropreason-core.h: an old ACK with an old timestamp has a reason of its own since some
 * version after 6.12
 */
#ifndef XTCP_HEADER_HAS_PAWS_ACK
#define SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK	SKB_DROP_REASON_TCP_RFC7323_PAWS
#endif

/* net/gso.h: segmentation has a header of its own since 6.5 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#endif

/* net/sock.h: since 6.18 the field exists with memory cgroups only */
static inline struct mem_cgroup *xtcp_memcg_of(const struct sock *sk)
{
#ifdef CONFIG_MEMCG
	return sk->sk_memcg;
#else
	return NULL;
#endif
}

/*
 * net/af_inet.c: since 6.18 accept() moves the socket to the memory cgroup of its caller. Before,
 * the protocol has to do it, with functions of which mm/ exports the parts only.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0) && defined(CONFIG_MEMCG)
static inline bool xtcp_memcg_is_ours_to_take(void)
{
	return mem_cgroup_sockets_enabled;
}

/* @sk, without a cgroup and a charge, gets that of the caller. Process context. */
static inline void xtcp_memcg_take(struct sock *sk)
{
	struct mem_cgroup *memcg;
	bool charges;

	rcu_read_lock();
	memcg = mem_cgroup_from_task(current);
	charges = memcg->css.parent;	/* The root has no limit. */
	if (!cgroup_subsys_on_dfl(memory_cgrp_subsys))
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0) || defined(CONFIG_MEMCG_V1)
		charges &= memcg->tcpmem_active;
#else
		charges = false;
#endif
	if (charges && css_tryget(&memcg->css))
		sk->sk_memcg = memcg;
	rcu_read_unlock();
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	/* The socket itself was allocated in softirq. */
	kmem_cache_charge(sk, GFP_KERNEL | __GFP_NOFAIL);
#endif
}
#else
static inline bool xtcp_memcg_is_ours_to_take(void)
{
	return false;
}

static inline void xtcp_memcg_take(struct sock *sk)
{
}
#endif

/*
 * linux/sched/mm.h: what a softirq allocates for @sk is charged to its cgroup until
 * xtcp_memcg_leave(). A child that was not accepted yet has none: then it is charged to that of
 * its listener if the caller has entered this one. In a softirq the active cgroup is a variable of
 * the CPU. On PREEMPT_RT another softirq may preempt this one and leave the wrong cgroup behind, so
 * nothing is charged.
 */
static inline struct mem_cgroup *xtcp_memcg_enter(const struct sock *sk)
{
	struct mem_cgroup *memcg = xtcp_memcg_of(sk), *before;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !in_task())
		return NULL;
	before = set_active_memcg(memcg);
	if (!memcg)
		set_active_memcg(before);
	return before;
}

static inline void xtcp_memcg_leave(struct mem_cgroup *before)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) || in_task())
		set_active_memcg(before);
}

/*
 * net/inet_common.h: inet_recv_error() puts the length of the address into @msg
 * itself since proto.recvmsg() has no pointer to it, see there
 */
static inline int xtcp_recv_error(struct sock *sk, struct msghdr *msg, int len)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
	return inet_recv_error(sk, msg, len, &msg->msg_namelen);
#else
	return inet_recv_error(sk, msg, len);
#endif
}

/*
 * net/inet_hashtables.h: lookups of the kernel's TCP need only the namespace since
 * 6.18
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define xtcp_kernel_tcp_established(net, ...)				\
	__inet_lookup_established(net, (net)->ipv4.tcp_death_row.hashinfo, \
				  __VA_ARGS__)
#define xtcp_kernel_tcp_listener(net, ...)					\
	__inet_lookup_listener(net, (net)->ipv4.tcp_death_row.hashinfo,	\
			       __VA_ARGS__)
#define xtcp_kernel_tcp6_established(net, ...)				\
	__inet6_lookup_established(net, (net)->ipv4.tcp_death_row.hashinfo, \
				   __VA_ARGS__)
#define xtcp_kernel_tcp6_listener(net, ...)					\
	inet6_lookup_listener(net, (net)->ipv4.tcp_death_row.hashinfo,	\
			      __VA_ARGS__)
#else
#define xtcp_kernel_tcp_established(net, ...)				\
	__inet_lookup_established(net, __VA_ARGS__)
#define xtcp_kernel_tcp_listener(net, ...)					\
	__inet_lookup_listener(net, __VA_ARGS__)
#define xtcp_kernel_tcp6_established(net, ...)				\
	__inet6_lookup_established(net, __VA_ARGS__)
#define xtcp_kernel_tcp6_listener(net, ...)					\
	inet6_lookup_listener(net, __VA_ARGS__)
#endif

/*
 * net/inet_hashtables.h: how sockets, and sockets in TIME-WAIT, are linked in the
 * kernel's bind table: since 6.8 in one list of the bucket for port and address,
 * before in a list of each of the two buckets. The locks of both chains are held;
 * xtcp_bind_any(), whether @test is true of a socket at the port, needs the port's.
 * @test must be false where @elsewhere is true, which depends on the address alone:
 * since 6.8 a bucket of such an address costs a single look. If all others are in the
 * two chains @at of the table by port and address, only these are searched; NULL: any may be.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
static inline bool xtcp_bind_any(const struct inet_bind_bucket *tb,
				 struct inet_bind_hashbucket *const *at,
				 bool (*elsewhere)(const struct sock *sk,
						   const void *arg),
				 bool (*test)(const struct sock *sk,
					      const void *arg),
				 const void *arg)
{
	struct sock *sk;

	sk_for_each_bound(sk, &tb->owners)
		if (test(sk, arg))
			return true;
	return false;
}

static inline void xtcp_bind_sock_add(struct sock *sk,
				      struct inet_bind_bucket *tb,
				      struct inet_bind2_bucket *tb2)
{
	sk_add_bind_node(sk, &tb->owners);
	sk_add_bind2_node(sk, &tb2->owners);
}

static inline void xtcp_bind_sock_del(struct sock *sk)
{
	__sk_del_bind_node(sk);
	__sk_del_bind2_node(sk);
}

static inline void xtcp_bind_timewait_add(struct sock *sk,
					  struct inet_bind_bucket *tb,
					  struct inet_bind2_bucket *tb2)
{
	sk_add_bind_node(sk, &tb->owners);
	hlist_add_head(&inet_twsk(sk)->tw_bind2_node, &tb2->deathrow);
}

static inline void xtcp_bind_timewait_del(struct sock *sk)
{
	__sk_del_bind_node(sk);
	__hlist_del(&inet_twsk(sk)->tw_bind2_node);
}
#else
static inline bool xtcp_bind2_any(const struct inet_bind2_bucket *tb2,
				  bool (*elsewhere)(const struct sock *sk,
						    const void *arg),
				  bool (*test)(const struct sock *sk,
					       const void *arg),
				  const void *arg)
{
	struct sock *sk;

	sk_for_each_bound(sk, &tb2->owners) {
		if (elsewhere(sk, arg))
			break;
		if (test(sk, arg))
			return true;
	}
	return false;
}

static inline bool xtcp_bind_chain_any(const struct inet_bind_bucket *tb,
				       struct inet_bind_hashbucket *chain,
				       bool (*elsewhere)(const struct sock *sk,
							 const void *arg),
				       bool (*test)(const struct sock *sk,
						    const void *arg),
				       const void *arg)
{
	struct inet_bind2_bucket *tb2;
	bool any = false;

	spin_lock(&chain->lock);
	inet_bind_bucket_for_each(tb2, &chain->chain) {
		any = tb2->port == tb->port && tb2->l3mdev == tb->l3mdev &&
		      net_eq(ib2_net(tb2), ib_net(tb)) &&
		      xtcp_bind2_any(tb2, elsewhere, test, arg);
		if (any)
			break;
	}
	spin_unlock(&chain->lock);
	return any;
}

static inline bool xtcp_bind_any(const struct inet_bind_bucket *tb,
				 struct inet_bind_hashbucket *const *at,
				 bool (*elsewhere)(const struct sock *sk,
						   const void *arg),
				 bool (*test)(const struct sock *sk,
					      const void *arg),
				 const void *arg)
{
	struct inet_bind2_bucket *tb2;

	if (at)
		return xtcp_bind_chain_any(tb, at[0], elsewhere, test, arg) ||
		       xtcp_bind_chain_any(tb, at[1], elsewhere, test, arg);
	hlist_for_each_entry(tb2, &tb->bhash2, bhash_node)
		if (xtcp_bind2_any(tb2, elsewhere, test, arg))
			return true;
	return false;
}

static inline void xtcp_bind_sock_add(struct sock *sk,
				      struct inet_bind_bucket *tb,
				      struct inet_bind2_bucket *tb2)
{
	sk_add_bind_node(sk, &tb2->owners);
}

static inline void xtcp_bind_sock_del(struct sock *sk)
{
	__sk_del_bind_node(sk);
}

static inline void xtcp_bind_timewait_add(struct sock *sk,
					  struct inet_bind_bucket *tb,
					  struct inet_bind2_bucket *tb2)
{
	sk_add_bind_node(sk, &tb2->owners);
}

static inline void xtcp_bind_timewait_del(struct sock *sk)
{
	__sk_del_bind_node(sk);
}
#endif

/*
 * net/ipv4/inet_connection_sock.c: how much of a socket in TIME-WAIT at an IPv4
 * address the walkers of the bind table read. On 6.8 to 6.12 all that is read is
 * in struct sock_common and ends there. Before, a link is behind it; since 6.18 a
 * flag (SOCK_CONNECT_BIND). Where that is unknown it is the whole.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0) || \
	defined(SOCK_CONNECT_BIND)
#define XTCP_BIND_ENTRY_LEN	sizeof(struct inet_timewait_sock)
#else
#define XTCP_BIND_ENTRY_LEN	offsetofend(struct sock_common, skc_net)
#endif

/*
 * net/inet_hashtables.h, net/addrconf.h: inet_put_port() and inet_rcv_saddr_equal() are not
 * exported since 7.3, and since an update of 7.2. A pointer to the first one is; the second one
 * compares the addresses that two sockets are bound to, of which one may be a wildcard.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define xtcp_kernel_put_port(sk)		inet_put_port(sk)
#define xtcp_kernel_saddr_equal(sk, other)	inet_rcv_saddr_equal(sk, other, true)
#else
#define xtcp_kernel_put_port(sk)		tcp_prot.put_port(sk)

static inline bool xtcp_kernel_saddr4_equal(const struct sock *sk, const struct sock *other)
{
	return !ipv6_only_sock(other) &&
	       (sk->sk_rcv_saddr == other->sk_rcv_saddr || !sk->sk_rcv_saddr ||
		!other->sk_rcv_saddr);
}

static inline bool xtcp_kernel_saddr_equal(const struct sock *sk, const struct sock *other)
{
#if IS_ENABLED(CONFIG_IPV6)
	const struct in6_addr *addr = &sk->sk_v6_rcv_saddr, *addr2 = inet6_rcv_saddr(other);
	bool is_v4 = sk->sk_family == AF_INET6 && ipv6_addr_v4mapped(addr);
	bool other_is_v4 = !addr2 || ipv6_addr_v4mapped(addr2);

	if (sk->sk_family == AF_INET6 && !(is_v4 && other_is_v4)) {
		if (ipv6_addr_any(addr))
			return !ipv6_only_sock(sk) || !other_is_v4;
		if (addr2 && ipv6_addr_any(addr2))
			return !ipv6_only_sock(other) || !is_v4;
		return addr2 && ipv6_addr_equal(addr, addr2);
	}
#endif
	return xtcp_kernel_saddr4_equal(sk, other);
}
#endif

/*
 * net/inet_sock.h: since 7.3, and an update of 7.2, the cork of IPv6's datagrams is in that of
 * IPv4, and was in struct ipv6_pinfo. Updates of other series may follow, so no version is asked.
 */
#if IS_ENABLED(CONFIG_IPV6)
#define XTCP_CORK6_SIZE	\
	(sizeof(struct inet_cork_full) == sizeof(struct inet_cork) + sizeof(struct flowi) ? \
	 0 : sizeof(struct inet6_cork))
#else
#define XTCP_CORK6_SIZE		0
#endif

/*
 * net/inet_sock.h: the socket's flags are bits of a word since 6.6, and were
 * bitfields before
 */
#ifndef inet_test_bit
#define XTCP_INET_BIND_ADDRESS_NO_PORT	bind_address_no_port
#define XTCP_INET_DEFER_CONNECT		defer_connect
#define XTCP_INET_FREEBIND		freebind
#define XTCP_INET_HDRINCL		hdrincl
#define XTCP_INET_MC_ALL		mc_all
#define XTCP_INET_MC_LOOP		mc_loop
#define XTCP_INET_RECVERR		recverr
#define XTCP_INET_RECVERR_RFC4884	recverr_rfc4884
#define XTCP_INET_TRANSPARENT		transparent
#define inet_test_bit(nr, sk)		(inet_sk(sk)->XTCP_INET_##nr)
#define inet_set_bit(nr, sk)		(inet_sk(sk)->XTCP_INET_##nr = 1)
#define inet_clear_bit(nr, sk)		(inet_sk(sk)->XTCP_INET_##nr = 0)
#endif

/*
 * net/rps.h, and before 6.9 linux/netdevice.h: Receive Flow Steering records the flow of a
 * socket's last segment; recv() then tells on which CPU its program runs. The key
 * says whether it is on, and costs other hosts nothing.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#include <net/rps.h>
#endif
#ifdef CONFIG_RPS
#define XTCP_RFS_SAVE(sk, skb)						\
	do {								\
		if (static_branch_unlikely(&rfs_needed))		\
			sock_rps_save_rxhash(sk, skb);			\
	} while (0)
#else
#define XTCP_RFS_SAVE(sk, skb)	do { } while (0)
#endif

/*
 * uapi/linux/tcp.h: TCP_IS_MPTCP since 6.9, TCP_RTO_MAX_MS since 6.15, the two others
 * since 6.19. xtcp has them on every kernel.
 */
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP		43
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS		44
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US		45
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US	46
#endif

/*
 * uapi/linux/tcp.h: a child of a fast open is marked since some version after 6.12. xtcp does so on
 * every kernel.
 */
#ifndef TCPI_OPT_TFO_CHILD
#define TCPI_OPT_TFO_CHILD	128
#endif

/*
 * uapi/linux/inet_diag.h: the timer of a delayed ACK has a number since some version after 6.12;
 * the ss of older distributions calls it "unknown".
 */
#ifdef XTCP_HEADER_HAS_TIMER_DELACK
#define XTCP_DIAG_SHOWS_DELAYED_ACK	true
#else
#define XTCP_DIAG_SHOWS_DELAYED_ACK	false
#endif

/* uapi/linux/snmp.h: sent packets are counted apart from their bytes since 6.7 */
#ifdef XTCP_HEADER_HAS_OUTREQUESTS
#define XTCP_IP6_COUNT_OUT(net, idev, len)				\
	IP6_INC_STATS(net, idev, IPSTATS_MIB_OUTREQUESTS)
#else
#define XTCP_IP6_COUNT_OUT(net, idev, len)				\
	IP6_UPD_PO_STATS(net, idev, IPSTATS_MIB_OUT, len)
#endif

/* linux/filter.h: from 6.17 to 7.0 the filter says by an argument why it drops an skb */
#ifdef XTCP_HEADER_HAS_FILTER_REASON
#define xtcp_filter(sk, skb, cap) ({					\
	enum skb_drop_reason xtcp_filter_reason;			\
									\
	sk_filter_trim_cap(sk, skb, cap, &xtcp_filter_reason);		\
})
#else
#define xtcp_filter(sk, skb, cap)	sk_filter_trim_cap(sk, skb, cap)
#endif

/* net/ip.h: a socket may have a port range of its own since 6.3 */
#ifdef XTCP_HEADER_HAS_SK_PORT_RANGE
#define xtcp_sk_port_range(sk, low, high) inet_sk_get_local_port_range(sk, low, high)
#else
#define xtcp_sk_port_range(sk, low, high)				\
	inet_get_local_port_range(sock_net(sk), low, high)
#endif

/* net/ip6_route.h: the source address may be one of a VRF since 6.11 */
#ifdef XTCP_HEADER_HAS_SADDR_OF_L3MDEV
#define xtcp_route6_saddr(net, from, daddr, prefs, saddr)		\
	ip6_route_get_saddr(net, from, daddr, prefs, 0, saddr)
#else
#define xtcp_route6_saddr(net, from, daddr, prefs, saddr)		\
	ip6_route_get_saddr(net, from, daddr, prefs, saddr)
#endif

/* net/flow.h: with several paths, each connect() without a port draws one since 6.16 */
#ifdef FLOWI_FLAG_ANY_SPORT
#define XTCP_FLOW_ANY_SPORT	FLOWI_FLAG_ANY_SPORT
#else
#define XTCP_FLOW_ANY_SPORT	0
#endif

/*
 * net/ipv6.h: over IPv6 the flow hash of TCP chooses among several paths since 7.3, so a
 * socket with a new hash also looks up its route again
 */
#ifdef XTCP_HEADER_HAS_ECMP_SET_MP_HASH
#define xtcp_ipv6_path_by_hash(net, fl6, hash)	ip6_ecmp_set_mp_hash(net, fl6, hash)
#define xtcp_rethink_txhash(sk)		__sk_rethink_txhash_reset_dst(sk)
#else
#define xtcp_ipv6_path_by_hash(net, fl6, hash)	do { } while (0)
#define xtcp_rethink_txhash(sk)		sk_rethink_txhash(sk)
#endif

/*
 * linux/ipv6.h: IPv6's flags of a socket are bits of the same word since 6.7.
 * net/inet_sock.h: the list of its labels has moved there since 6.19.
 */
#if IS_ENABLED(CONFIG_IPV6)
#ifndef inet6_test_bit
#define XTCP_INET6_AUTOFLOWLABEL	autoflowlabel
#define XTCP_INET6_AUTOFLOWLABEL_SET	autoflowlabel_set
#define XTCP_INET6_RECVERR6		recverr
#define XTCP_INET6_RECVERR6_RFC4884	recverr_rfc4884
#define XTCP_INET6_REPFLOW		repflow
#define XTCP_INET6_SNDFLOW		sndflow
#define inet6_test_bit(nr, sk)		(inet6_sk(sk)->XTCP_INET6_##nr)
#define inet6_assign_bit(nr, sk, val)	(inet6_sk(sk)->XTCP_INET6_##nr = (val))
#endif

#ifdef XTCP_HEADER_HAS_INET_FL_LIST
#define xtcp_ipv6_fl_list_clear(sk)					\
	RCU_INIT_POINTER(inet_sk(sk)->ipv6_fl_list, NULL)
#else
#define xtcp_ipv6_fl_list_clear(sk)					\
	RCU_INIT_POINTER(inet6_sk(sk)->ipv6_fl_list, NULL)
#endif

/* net/sock.h: struct proto has the offset of a socket's IPv6 part since 6.6 */
#ifdef XTCP_HEADER_HAS_PINFO_OFFSET
#define XTCP_PROTO_IPV6_OFFSET(prot, offset)				\
	((prot)->ipv6_pinfo_offset = (offset))
#else
#define XTCP_PROTO_IPV6_OFFSET(prot, offset)	do { } while (0)
#endif
#endif /* CONFIG_IPV6 */

/*
 * net/net_namespace.h: the table's size is an argument since 6.6. Before, the
 * table ended with an empty row; xtcp's tables have one row more than their size.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define register_net_sysctl_sz(net, path, table, size)			\
	register_net_sysctl(net, path, table)
#endif

/*
 * net/proto_memory.h: memory pressure and limits of a protocol; part of
 * net/sock.h before 6.10
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#include <net/proto_memory.h>
#endif

/* net/sock.h: on newer kernels a socket may be free of the limit of its protocol (xtcp_mem) */
#ifdef XTCP_HEADER_HAS_BYPASS_PROT_MEM
#define xtcp_bypasses_memory_limit(sk)	((sk)->sk_bypass_prot_mem)
#else
#define xtcp_bypasses_memory_limit(sk)	((void)(sk), false)
#endif

/*
 * net/sock.h: on newer kernels sk_under_memory_pressure() also counts an event of the socket's
 * memory cgroup and wakes who waits for it. This asks the same, and counts nothing.
 */
#if defined(XTCP_HEADER_HAS_SOCK_THROTTLED) && defined(CONFIG_MEMCG)
static inline bool xtcp_memcg_lacks_memory(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG_V1
	if (memcg && !cgroup_subsys_on_dfl(memory_cgrp_subsys))
		return !!memcg->tcpmem_pressure;
#endif
	for (; memcg; memcg = parent_mem_cgroup(memcg))
		if (time_before64(get_jiffies_64(), mem_cgroup_get_socket_pressure(memcg)))
			return true;
	return false;
}

static inline bool xtcp_lacks_memory(const struct sock *sk)
{
	return (mem_cgroup_sockets_enabled && xtcp_memcg_lacks_memory(xtcp_memcg_of(sk))) ||
	       (!xtcp_bypasses_memory_limit(sk) && READ_ONCE(*sk->sk_prot->memory_pressure));
}
#else
#define xtcp_lacks_memory(sk)		sk_under_memory_pressure(sk)
#endif

/*
 * net/sock.h: proto.accept() has its arguments in a struct since 6.10.
 * Defines @name for struct proto from
 * struct sock *fn(struct sock *sk, int flags, int *err, int *is_empty).
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define XTCP_DEFINE_PROTO_ACCEPT(name, fn)				\
static struct sock *name(struct sock *sk, int flags, int *err, bool kern) \
{									\
	int is_empty;							\
									\
	return fn(sk, flags, err, &is_empty);				\
}
#else
#define XTCP_DEFINE_PROTO_ACCEPT(name, fn)				\
static struct sock *name(struct sock *sk, struct proto_accept_arg *arg)	\
{									\
	return fn(sk, arg->flags, &arg->err, &arg->is_empty);		\
}
#endif

/*
 * linux/net.h: since 6.8 a protocol may handle options of SOL_SOCKET itself, and
 * so support SO_ZEROCOPY. linux/skbuff.h: pages may be a device's since 6.16.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define XTCP_HAS_ZEROCOPY
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define xtcp_zerocopy_notice(sk, bytes, old)				\
	msg_zerocopy_realloc(sk, bytes, old)
#define xtcp_zerocopy_iter(sk, skb, msg, bytes, notice)		\
	skb_zerocopy_iter_stream(sk, skb, msg, bytes, notice)
#else
#define xtcp_zerocopy_notice(sk, bytes, old)				\
	msg_zerocopy_realloc(sk, bytes, old, false)
#define xtcp_zerocopy_iter(sk, skb, msg, bytes, notice)		\
	skb_zerocopy_iter_stream(sk, skb, msg, bytes, notice, NULL)
#endif
#endif

/*
 * net/socket.c: likewise xtcp sees SO_TIMESTAMPING and SO_REUSEADDR since 6.8.
 * linux/net_tstamp.h: one flag of the former is known since 6.2.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define XTCP_SEES_TIMESTAMPING	false
#define XTCP_SEES_REUSEADDR	false
#else
#define XTCP_SEES_TIMESTAMPING	true
#define XTCP_SEES_REUSEADDR	true
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define SOF_TIMESTAMPING_OPT_ID_TCP	BIT(16)
#endif

/*
 * net/core/skbuff.c: since 6.15 __skb_tstamp_tx() looks into the control block of the
 * kernel's TCP for whether an acknowledgment is to be reported.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define XTCP_CB_ASK_STAMP_ACK(skb)	do { } while (0)
#else
#define XTCP_CB_ASK_STAMP_ACK(skb)					\
	(TCP_SKB_CB(skb)->txstamp_ack = TSTAMP_ACK_SK)
#endif

/* net/sock.h: a control message can choose a datagram's key since 6.13 */
#ifdef SOCKCM_FLAG_TS_OPT_ID
#define XTCP_CMSG_HAS_KEY(sockc)					\
	((sockc).tsflags & SOCKCM_FLAG_TS_OPT_ID)
#else
#define XTCP_CMSG_HAS_KEY(sockc)	false
#endif

/* net/sock.h: a control message can name a device's memory that has the payload, since 6.16. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define XTCP_CMSG_HAS_DMABUF(sockc)	false
#else
#define XTCP_CMSG_HAS_DMABUF(sockc)	((sockc).dmabuf_id)
#endif

/* net/ipv4/tcp_ipv4.c: the default of tcp_limit_output_bytes, since 6.16. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define XTCP_LIMIT_OUTPUT_BYTES		1048576
#else
#define XTCP_LIMIT_OUTPUT_BYTES		4194304
#endif

/*
 * net/af_inet.c: accept() has its arguments in a struct since 6.10.
 * Defines @name for struct proto_ops: inet_accept(), and then @finish(sk) for
 * the new socket.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define XTCP_DEFINE_ACCEPT(name, finish)					\
static int name(struct socket *sock, struct socket *newsock, int flags,	\
		bool kern)						\
{									\
	int err = inet_accept(sock, newsock, flags, kern);		\
									\
	if (!err)							\
		finish(newsock->sk);					\
	return err;							\
}
#else
#define XTCP_DEFINE_ACCEPT(name, finish)					\
static int name(struct socket *sock, struct socket *newsock,		\
		struct proto_accept_arg *arg)				\
{									\
	int err = inet_accept(sock, newsock, arg);			\
									\
	if (!err)							\
		finish(newsock->sk);					\
	return err;							\
}
#endif

/*
 * net/sock.h: proto.ioctl() stores its result in kernel memory since 6.5.
 * Defines @name for struct proto from
 * int fn(struct sock *sk, int cmd, int *karg), which returns 0 if *karg is set.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define XTCP_DEFINE_PROTO_IOCTL(name, fn)				\
static int name(struct sock *sk, int cmd, unsigned long arg)		\
{									\
	int karg = 0;							\
	int err = fn(sk, cmd, &karg);					\
									\
	return err ? err : put_user(karg, (int __user *)arg);		\
}
#else
#define XTCP_DEFINE_PROTO_IOCTL(name, fn)				\
static int name(struct sock *sk, int cmd, int *karg)			\
{									\
	return fn(sk, cmd, karg);					\
}
#endif

/*
 * net/sock.h: proto.recvmsg() lost its address length after 7.0.
 * Defines @name for struct proto from
 * int fn(struct sock *sk, struct msghdr *msg, size_t len, int flags).
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define XTCP_DEFINE_PROTO_RECVMSG(name, fn)				\
static int name(struct sock *sk, struct msghdr *msg, size_t len,	\
		int flags, int *addr_len)				\
{									\
	int ret;							\
									\
	msg->msg_namelen = 0;						\
	ret = fn(sk, msg, len, flags);					\
	*addr_len = msg->msg_namelen;					\
	return ret;							\
}
#else
#define XTCP_DEFINE_PROTO_RECVMSG(name, fn)				\
static int name(struct sock *sk, struct msghdr *msg, size_t len,	\
		int flags)						\
{									\
	return fn(sk, msg, len, flags);					\
}
#endif

/* net/sock.h: an inode's number has 64 bits since 7.0; /proc prints a long */
#define sock_i_ino(sk)	((unsigned long)sock_i_ino(sk))

/* net/sock.h: the owner is read through a function since 6.17 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define sk_uid(sk)	READ_ONCE((sk)->sk_uid)
#endif

#endif /* XTCP_COMPAT_H */
