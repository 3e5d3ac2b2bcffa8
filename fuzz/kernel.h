/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel.h - as much of a kernel as the module's parsers need in a program
 *
 * scripts/fuzz makes each <linux/...> and <net/...> that the module's sources
 * include a file which includes this one. What is only pointed to, or only
 * lies beside what is used, is here as an empty or opaque type; what is used
 * behaves as the kernel's does.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/xtcp.h>

typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16, __be16, __sum16;
typedef uint32_t u32, __u32, __be32, __wsum;
typedef uint64_t u64, __u64;
typedef int32_t s32;
typedef int64_t s64, ktime_t;
typedef unsigned int __poll_t;

#define __bitwise
#define __force
#define __percpu
#define __rcu
#define __user
#define __packed		__attribute__((packed))
#define __aligned(n)		__attribute__((aligned(n)))
#define noinline		__attribute__((noinline))
#define __must_check
#define unlikely(x)		(x)
#define likely(x)		(x)
#define static_assert(x, ...)	_Static_assert(x, #x)
#define BUILD_BUG_ON(x)		_Static_assert(!(x), #x)
#define IS_ENABLED(x)		0
#define KERNEL_VERSION(a, b, c)	(((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE	KERNEL_VERSION(99, 0, 0)
#define U32_MAX			UINT32_MAX
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define sizeof_field(t, m)	sizeof(((t *)0)->m)
#define NSEC_PER_MSEC		1000000L
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define clamp(v, low, high)	min(max(v, low), high)
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, v)	((x) = (v))
#define smp_load_acquire(p)	(*(p))
#define smp_store_release(p, v)	(*(p) = (v))
#define rcu_dereference_sched(p) (p)
#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)

/* --- octets in order ---------------------------------------------------- */

#define cpu_to_be16(x)		__builtin_bswap16(x)
#define cpu_to_be32(x)		__builtin_bswap32(x)
#define htonl(x)		__builtin_bswap32(x)

#define get_unaligned(p)						\
({									\
	struct {							\
		__typeof__(*(p)) v;					\
	} __packed const *__v = (const void *)(p);			\
	__v->v;								\
})

static inline u16 get_unaligned_be16(const void *p)
{
	u16 v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline u32 get_unaligned_be32(const void *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline u64 get_unaligned_be64(const void *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void put_unaligned_be64(u64 v, void *p)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

/* --- what a segment is ---------------------------------------------------- */

struct tcphdr {
	__be16	source;
	__be16	dest;
	__be32	seq;
	__be32	ack_seq;
	u16	res1:4,
		doff:4,
		fin:1,
		syn:1,
		rst:1,
		psh:1,
		ack:1,
		urg:1,
		ece:1,
		cwr:1;
	__be16	window;
	__sum16	check;
	__be16	urg_ptr;
};

struct inet_skb_parm {
	char	opaque[24];
};

/* One linear piece; what lies behind its end is somebody else's. */
struct sk_buff {
	u8		*data;
	unsigned int	len;
	char		cb[48] __aligned(8);
};

static inline bool pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return len <= skb->len;
}

/* As include/net/tcp_states.h numbers them. */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	TCP_NEW_SYN_RECV,
};

/* --- opaque --------------------------------------------------------------- */

typedef struct { int counter; } atomic_t, refcount_t;
typedef struct { int lock; } spinlock_t;

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_head {
	void *first;
};

struct hlist_node {
	void *next, **pprev;
};

struct rb_node {
	void *left, *right;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct rcu_head {
	void *next, *func;
};

struct rhash_head {
	struct rhash_head *next;
};

struct rhashtable { int opaque; };
struct work_struct { int opaque; };
struct mutex { int opaque; };
struct llist_head { void *first; };
struct delayed_work { int opaque; };
struct hrtimer { int opaque; };
struct msghdr { int opaque; };

struct net_generic {
	void *ptr[1];
};

struct net {
	u64			net_cookie;
	struct net_generic	*gen;
};

struct sock {
	struct net	*sk_net;
	u8		sk_state;
};

struct inet_sock {
	struct sock	sk;
};

static inline struct net *sock_net(const struct sock *sk)
{
	return sk->sk_net;
}

int inet_recv_error(struct sock *sk, struct msghdr *msg, int len);

#define DEFINE_SPINLOCK(x)	spinlock_t x
#define spin_lock_bh(x)		((void)(x))
#define spin_unlock_bh(x)	((void)(x))
#define inet_test_bit(nr, sk)	0

/* --- time and chance: the program's ---------------------------------------- */

typedef struct { u64 key[2]; } siphash_key_t;

s64 ktime_get_seconds(void);
u64 ktime_get_ns(void);
void get_random_bytes(void *p, size_t len);
u64 siphash_1u64(u64 a, const siphash_key_t *key);
u64 siphash_2u64(u64 a, u64 b, const siphash_key_t *key);

/* What must hold, whatever came in. */
#define MUST(x)								\
	do {								\
		if (!(x)) {						\
			__builtin_printf("%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();					\
		}							\
	} while (0)

#endif /* FUZZ_KERNEL_H */
