/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel.h - as much of a kernel as the module's parsers need in a program
 *
 * scripts/fuzz makes each <linux/...> and <net/...> that the module's sources
 * include a file which includes this one. Types that are only pointed to, or only
 * lie beside used ones, are empty or opaque here; what is used behaves as in the
 * kernel.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/xtcp.h>

typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16, __be16, __sum16;
typedef uint32_t u32, __u32, __be32, __wsum;
typedef uint64_t u64, __u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64, ktime_t;
typedef unsigned int __poll_t, gfp_t;

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
#define MSEC_PER_SEC	1000U
#define ____cacheline_aligned_in_smp __attribute__((aligned(64)))
#define static_assert(x, ...)	_Static_assert(x, #x)
#define BUILD_BUG_ON(x)		_Static_assert(!(x), #x)
#define IS_ENABLED(x)		0
#define U32_MAX			UINT32_MAX
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define upper_32_bits(n)	((u32)((u64)(n) >> 32))
#define lower_32_bits(n)	((u32)(n))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define sizeof_field(t, m)	sizeof(((t *)0)->m)
#define __same_type(a, b)	__builtin_types_compatible_p(__typeof__(a), __typeof__(b))
#define offsetofend(t, m)	(offsetof(t, m) + sizeof_field(t, m))
#define struct_group(name, ...)	union { struct { __VA_ARGS__ }; struct { __VA_ARGS__ } name; }
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define ALIGN(n, a)		(((n) + (a) - 1) / (a) * (a))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define rounddown(n, d)		((n) - (n) % (d))
#define roundup(n, d)		(DIV_ROUND_UP(n, d) * (d))
#define NSEC_PER_USEC		1000L
#define NSEC_PER_MSEC		1000000L
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define clamp(v, low, high)	min(max(v, low), high)
#define READ_ONCE(x)		(x)
/* Programs of the fuzzer have one thread. */
#define data_race(x)		(x)
#define WRITE_ONCE(x, v)	((x) = (v))
#define smp_load_acquire(p)	(*(p))
#define smp_store_release(p, v)	(*(p) = (v))
#define rcu_dereference_sched(p) (p)
#define rcu_dereference_check(p, held) (p)
#define rcu_access_pointer(p)	(p)
#define smp_rmb()		do { } while (0)
#define smp_wmb()		do { } while (0)
#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)
#define this_cpu_inc(x)		((x)++)
#define this_cpu_add(x, n)	((x) += (n))

/* --- bytes in order ---------------------------------------------------- */

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

static inline void put_unaligned_be16(u16 v, void *p)
{
	u8 b[2] = { v >> 8, v };

	memcpy(p, b, sizeof(b));
}

static inline void put_unaligned_be32(u32 v, void *p)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
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

#define INET_DSCP_MASK	0xfc

/* As include/net/inet_ecn.h numbers them. */
enum { INET_ECN_NOT_ECT, INET_ECN_ECT_1, INET_ECN_ECT_0, INET_ECN_CE, INET_ECN_MASK = 3 };

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

/* --- lists and trees ------------------------------------------------------- */

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_empty(const struct list_head *list)
{
	return list->next == list;
}

static inline void list_add(struct list_head *entry, struct list_head *after)
{
	entry->prev = after;
	entry->next = after->next;
	after->next->prev = entry;
	after->next = entry;
}

static inline void list_add_tail(struct list_head *entry, struct list_head *list)
{
	list_add(entry, list->prev);
}

/* One thread: the order of the stores does not matter. */
#define list_del_init_careful(entry) list_del_init(entry)

static inline void list_del_init(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	INIT_LIST_HEAD(entry);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)

/* Stable, as the kernel's. An insertion sort is enough for the lists of a fuzzer. */
static inline void list_sort(void *priv, struct list_head *list,
			     int (*cmp)(void *priv, const struct list_head *a,
					const struct list_head *b))
{
	struct list_head *entry, *next, *after;

	for (entry = list->next; entry != list; entry = next) {
		next = entry->next;
		after = entry->prev;
		while (after != list && cmp(priv, after, entry) > 0)
			after = after->prev;
		if (after == entry->prev)
			continue;
		list_del_init(entry);
		list_add(entry, after);
	}
}

/* The kernel's tree is balanced; the order of its nodes is the same. */
struct rb_node {
	struct rb_node *rb_parent, *rb_left, *rb_right;
};

struct rb_root {
	struct rb_node *rb_node;
};

/* The link that points to @node. */
static inline struct rb_node **rb_place(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *parent = node->rb_parent;

	if (!parent)
		return &root->rb_node;
	return parent->rb_left == node ? &parent->rb_left : &parent->rb_right;
}

static inline void rb_link_node(struct rb_node *node, struct rb_node *parent,
				struct rb_node **place)
{
	node->rb_parent = parent;
	node->rb_left = NULL;
	node->rb_right = NULL;
	*place = node;
}

static inline struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *node = root->rb_node;

	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

static inline struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *node = root->rb_node;

	while (node && node->rb_right)
		node = node->rb_right;
	return node;
}

static inline struct rb_node *rb_next(const struct rb_node *node)
{
	struct rb_node *next = node->rb_right;

	if (next) {
		while (next->rb_left)
			next = next->rb_left;
		return next;
	}
	for (next = node->rb_parent; next && next->rb_right == node; next = next->rb_parent)
		node = next;
	return next;
}

static inline struct rb_node *rb_prev(const struct rb_node *node)
{
	struct rb_node *prev = node->rb_left;

	if (prev) {
		while (prev->rb_right)
			prev = prev->rb_right;
		return prev;
	}
	for (prev = node->rb_parent; prev && prev->rb_left == node; prev = prev->rb_parent)
		node = prev;
	return prev;
}

/* Unbalanced: the left subtree goes below the successor. */
static inline void rb_erase(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *heir = node->rb_right ? node->rb_right : node->rb_left;

	if (node->rb_left && node->rb_right) {
		struct rb_node *next = rb_next(node);

		next->rb_left = node->rb_left;
		next->rb_left->rb_parent = next;
	}
	*rb_place(node, root) = heir;
	if (heir)
		heir->rb_parent = node->rb_parent;
}

/* A linear skb; the bytes behind its end belong to other objects. */
struct sk_buff {
	struct rb_node	 rbnode;
	struct list_head tcp_tsorted_anchor;
	u8		*data;
	unsigned int	len;
	char		cb[48] __aligned(8);
};

static inline bool pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return len <= skb->len;
}

#define rb_to_skb(node)		container_of(node, struct sk_buff, rbnode)
#define rb_to_skb_or_null(node)						\
({									\
	struct rb_node *__node = (node);				\
	__node ? rb_to_skb(__node) : NULL;				\
})
#define skb_rb_first(root)	rb_to_skb_or_null(rb_first(root))
#define skb_rb_last(root)	rb_to_skb_or_null(rb_last(root))
#define skb_rb_next(skb)	rb_to_skb_or_null(rb_next(&(skb)->rbnode))
#define skb_rb_prev(skb)	rb_to_skb_or_null(rb_prev(&(skb)->rbnode))

/* --- opaque --------------------------------------------------------------- */

typedef struct { int counter; } atomic_t, refcount_t;

static inline int atomic_read(const atomic_t *v)
{
	return v->counter;
}

/* There is one thread. */
static inline bool atomic_try_cmpxchg(atomic_t *v, int *old, int new)
{
	if (v->counter != *old) {
		*old = v->counter;
		return false;
	}
	v->counter = new;
	return true;
}

/* No parser asks a static key. */
#define DECLARE_STATIC_KEY_FALSE(name)	extern int name

typedef struct { int lock; } spinlock_t;
typedef struct { int lock; } seqlock_t;
typedef struct { gid_t val; } kgid_t;

struct hlist_head {
	void *first;
};

struct hlist_node {
	void *next, **pprev;
};

struct rcu_head {
	void *next, *func;
};

struct rhash_head {
	struct rhash_head *next;
};

/* Its two ends are in different cache lines, as in the kernel. */
struct rhashtable { void *tbl; char opaque[120]; int nelems; };
struct rhltable { int opaque; };
struct work_struct { int opaque; };
struct sk_buff_head { int opaque; };
struct mutex { int opaque; };
struct llist_head { void *first; };
struct llist_node { void *next; };
struct delayed_work { int opaque; };
struct hrtimer { int opaque; };
struct msghdr { int opaque; };

struct net_generic {
	void *ptr[1];
};

struct user_namespace {
	int			none;
};

static struct user_namespace init_user_ns;

struct net {
	u64			net_cookie;
	struct user_namespace	*user_ns;
	struct net_generic	*gen;
};

#define AF_INET		2
#define AF_INET6	10

struct in6_addr {
	u32	word[4];
};

static inline bool ipv6_addr_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

#define TASK_COMM_LEN	16

enum sock_flags { SOCK_DEAD };

struct sock {
	struct net	*sk_net;
	void		*sk_socket;
	unsigned long	sk_flags;
	u8		sk_state;
	refcount_t	sk_refcnt;
	struct rb_root	tcp_rtx_queue;
};

static inline bool sock_flag(const struct sock *sk, enum sock_flags flag)
{
	return sk->sk_flags >> flag & 1;
}

/* Of the kernel's sizes: tcb.h stores its own fields there. */
struct inet_cork {
	u64		word[7];
};

struct flowi {
	u64		word[11];
};

struct inet_cork_full {
	struct inet_cork base;
	struct flowi	fl;
};

struct inet_sock {
	struct sock		sk;
	struct inet_cork_full	cork;
};

static inline struct net *sock_net(const struct sock *sk)
{
	return sk->sk_net;
}

static inline void sock_owned_by_me(const struct sock *sk)
{
}

static inline bool net_eq(const struct net *a, const struct net *b)
{
	return a == b;
}

static inline void smp_acquire__after_ctrl_dep(void)
{
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	return r->counter ? ++r->counter : 0;
}

static inline void refcount_set(refcount_t *r, int n)
{
	r->counter = n;
}

int inet_recv_error(struct sock *sk, struct msghdr *msg, int len);

#define DEFINE_SPINLOCK(x)	spinlock_t x
#define spin_lock_bh(x)		((void)(x))
#define spin_unlock_bh(x)	((void)(x))
#define inet_test_bit(nr, sk)	0

/* --- time and chance: the program's ---------------------------------------- */

typedef struct { u64 key[2]; } siphash_key_t;

/* SipHash's constant "somepseudorandomlygeneratedbytes" and its round. */
#define SIPHASH_CONST_0		0x736f6d6570736575ULL
#define SIPHASH_CONST_1		0x646f72616e646f6dULL
#define SIPHASH_CONST_2		0x6c7967656e657261ULL
#define SIPHASH_CONST_3		0x7465646279746573ULL

#define div_u64(n, d)		((u64)(n) / (u32)(d))

#define rol64(x, n)		((x) << (n) | (x) >> (64 - (n)))

#define SIPHASH_PERMUTATION(a, b, c, d)					\
	do {								\
		(a) += (b); (b) = rol64(b, 13) ^ (a); (a) = rol64(a, 32); \
		(c) += (d); (d) = rol64(d, 16) ^ (c);			\
		(a) += (d); (d) = rol64(d, 21) ^ (a);			\
		(c) += (b); (b) = rol64(b, 17) ^ (c); (c) = rol64(c, 32); \
	} while (0)

s64 ktime_get_seconds(void);
u64 ktime_get_ns(void);
void get_random_bytes(void *p, size_t len);
u64 siphash_3u32(u32 a, u32 b, u32 c, const siphash_key_t *key);
u64 siphash_2u64(u64 a, u64 b, const siphash_key_t *key);
u64 siphash_3u64(u64 a, u64 b, u64 c, const siphash_key_t *key);

/* A check of the oracle: its failure is a bug, whatever the input was. */
#define MUST(x)								\
	do {								\
		if (!(x)) {						\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();					\
		}							\
	} while (0)

#define DEBUG_NET_WARN_ON_ONCE(x)	MUST(!(x))

#endif /* FUZZ_KERNEL_H */
