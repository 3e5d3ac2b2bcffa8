// SPDX-License-Identifier: GPL-2.0
/*
 * bucket.c - the table of port buckets
 *
 * A struct xtcp_port (port bucket) stands for a local port in use at one local
 * address. It lists the sockets that hold the port, whether they got it by
 * bind(), listen(), connect() or from their listener, and counts the TIME-WAIT
 * records of their connections. It is freed when it has neither. A client's
 * TIME-WAIT record is usually the only holder of its bucket; so a bucket is
 * small, and a port whose records had different sharing options has one bucket
 * for each combination (class).
 *
 * A chain links the buckets of several port numbers in one list while they are
 * few. A user may bind one number at millions of addresses (127.0.0.0/8), which
 * would slow down every port of the chain. So beyond %CHAIN_SHORT buckets the
 * chain becomes crowded: each of its numbers gets a hash table by address, with
 * a random factor, which grows. It goes back to a list when the chain is empty.
 *
 * The two wires have separate ports. Ports of the TCP wire are shared with the
 * kernel's TCP, which sees each of them as a shadow (shadow.c).
 *
 * Locks: a chain's lock protects its buckets, their owners and counts, and
 * xs->port and xs->port_listens of the owners. It is taken with softirqs off,
 * under the socket lock, one chain at a time. The flow table may be changed
 * under it.
 *
 * Context: any, under the lock of the chain. Creation and removal of a namespace's table, and of
 * the caches: process.
 */
#include "port/bucket.h"

#include <linux/bitmap.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/inet_sock.h>

#include "lockname.h"
#include "port/port.h"
#include "shadow.h"

/* Buckets in a list before the chain becomes crowded. */
#define CHAIN_SHORT		16
/* Most port numbers in one chain. */
#define CHAIN_NUMBERS		((U16_MAX + 1) / XTCP_PORT_SHARED)
/* Most bits of a table; length of a list to grow at; bits added. */
#define TABLE_BITS_MAX		12
#define TABLE_LIST_LEN		4
#define TABLE_GROWTH		2

/**
 * struct port_table - hash table of the buckets of one port number
 * @lists: buckets by local address
 * @one: the only list, while @bits is 0
 * @bits: binary logarithm of the number of lists
 * @nr: buckets
 * @nr_tcp: buckets of the TCP wire
 * @nr_private: buckets that are not shared, of the native and the TCP wire
 */
struct port_table {
	struct xtcp_port	**lists;
	struct xtcp_port	*one;
	u32			bits;
	u32			nr;
	u32			nr_tcp;
	u32			nr_private[2];
};

struct xtcp_port_crowd {
	struct port_table	table[CHAIN_NUMBERS];
};

/* Factor of the hash by address; odd. */
static u64 laddr_factor __ro_after_init;

static struct kmem_cache *port_cache __ro_after_init;
static struct kmem_cache *large_port_cache __ro_after_init;

/* Is a bucket of this class a struct xtcp_large_port? */
static bool port_is_large(u8 class)
{
	return class & (XTCP_PORT_TCP_WIRE | XTCP_PORT_REUSEPORT);
}

/**
 * xtcp_port_alloc - allocate a bucket for xtcp_port_get()
 * @class: XTCP_PORT_*, the bucket's class
 * @gfp: allocation flags
 *
 * Return: the bucket, or NULL.
 */
struct xtcp_port *xtcp_port_alloc(u8 class, gfp_t gfp)
{
	struct xtcp_large_port *large;
	struct xtcp_port *port;

	if (likely(!port_is_large(class))) {
		port = kmem_cache_alloc(port_cache, gfp);
		if (port)
			port->class = class;
		return port;
	}
	large = kmem_cache_alloc(large_port_cache, gfp);
	if (!large)
		return NULL;
	large->port.class = class;
	large->shadow = NULL;
	return &large->port;
}

/* May the kernel's TCP share the port, if its socket has SO_REUSEADDR? */
static bool port_is_shareable(const struct xtcp_port *port)
{
	return port->class & XTCP_PORT_REUSE && !port->stray;
}

/**
 * xtcp_port_set_stray - an owner's options are no longer those of the bucket's class
 * @port: bucket
 *
 * Then each owner is checked by itself. The kernel's TCP, which can't, does not share the
 * port.
 *
 * Context: chain lock.
 */
void xtcp_port_set_stray(struct xtcp_port *port)
{
	if (port_is_shareable(port) && xtcp_port_shadow(port))
		xtcp_shadow_hold(xtcp_port_shadow(port), false);
	port->stray = true;
}

/**
 * xtcp_port_free - free a bucket and release its shadow
 * @port: bucket that is in no chain; may be NULL
 */
void xtcp_port_free(struct xtcp_port *port)
{
	if (!port)
		return;
	if (xtcp_port_shadow(port))
		xtcp_shadow_drop(xtcp_port_shadow(port), port_is_shareable(port));
	if (port_is_large(port->class))
		kmem_cache_free(large_port_cache,
				container_of(port, struct xtcp_large_port, port));
	else
		kmem_cache_free(port_cache, port);
}

/**
 * xtcp_port_give_shadow - give a bucket a shadow, unless it has one
 * @port: bucket
 * @shadow: shadow, or a pointer to NULL; set to NULL if the bucket took over the
 *	reference
 *
 * Context: chain lock.
 */
void xtcp_port_give_shadow(struct xtcp_port *port, struct xtcp_shadow **shadow)
{
	struct xtcp_large_port *tcp = xtcp_tcp_port(port);

	if (tcp && !tcp->shadow && *shadow) {
		swap(tcp->shadow, *shadow);
		xtcp_shadow_hold(tcp->shadow, port_is_shareable(port));
	}
}

/**
 * xtcp_port_inherit_shadow - let a new bucket share an older one's shadow
 * @port: bucket
 * @from: bucket of the listener, for a child's; of the socket, for a TIME-WAIT
 *	record's; may be NULL
 *
 * Not if the older one's shadow holds the port on one device, and @port is not for that one alone.
 *
 * Context: chain lock.
 */
void xtcp_port_inherit_shadow(struct xtcp_port *port, struct xtcp_port *from)
{
	struct xtcp_shadow *shadow = xtcp_port_shadow(from);
	int ifindex = shadow ? xtcp_port_ifindex(from) : 0;

	if (unlikely(ifindex && ifindex != xtcp_port_ifindex(port)))
		return;
	shadow = xtcp_shadow_get(shadow);
	xtcp_port_give_shadow(port, &shadow);
	xtcp_shadow_put(shadow);
}

static struct port_table *table_of(const struct xtcp_port_chain *chain, u16 num)
{
	return &chain->crowd->table[num / XTCP_PORT_SHARED];
}

/* Multiply-shift: addresses can't be chosen to make long lists. */
static struct xtcp_port **table_list(const struct port_table *table,
				     __be32 laddr)
{
	u64 product = (__force u32)laddr * laddr_factor;

	return &table->lists[table->bits ? product >> (64 - table->bits) : 0];
}

/* Head of the list with @num's buckets at @laddr, and possibly with others. */
static struct xtcp_port **list_at(struct xtcp_port_chain *chain, u16 num,
				  __be32 laddr)
{
	return likely(!chain->crowded) ?
	       &chain->first : table_list(table_of(chain, num), laddr);
}

/**
 * xtcp_port_list_at - find the list of a port's buckets at an address
 * @chain: chain of @num, locked
 * @num: port
 * @laddr: as in struct xtcp_bind_addr
 *
 * Return: the first bucket of the list, or NULL. The list may hold other
 * buckets, too.
 */
struct xtcp_port *xtcp_port_list_at(const struct xtcp_port_chain *chain,
				    u16 num, __be32 laddr)
{
	lockdep_assert_held(&chain->lock);
	return likely(!chain->crowded) ?
	       chain->first : *table_list(table_of(chain, num), laddr);
}

/**
 * xtcp_port_lists - number of lists that hold a port's buckets
 * @chain: chain of @num, locked
 * @num: port
 *
 * Return: at least 1.
 */
unsigned int xtcp_port_lists(const struct xtcp_port_chain *chain, u16 num)
{
	lockdep_assert_held(&chain->lock);
	return likely(!chain->crowded) ? 1 : 1U << table_of(chain, num)->bits;
}

/**
 * xtcp_port_list - one of the lists that hold a port's buckets
 * @chain: chain of @num, locked
 * @num: port
 * @i: index, below xtcp_port_lists()
 *
 * Return: the first bucket of the list, or NULL. The list may hold other
 * buckets, too.
 */
struct xtcp_port *xtcp_port_list(const struct xtcp_port_chain *chain, u16 num,
				 unsigned int i)
{
	lockdep_assert_held(&chain->lock);
	return likely(!chain->crowded) ?
	       chain->first : table_of(chain, num)->lists[i];
}

static bool class_is_tcp(u8 class)
{
	return class & XTCP_PORT_TCP_WIRE;
}

/* Count @port in (@by is 1) or out (-1). */
static void table_count(struct port_table *table, const struct xtcp_port *port,
			int by)
{
	bool tcp = class_is_tcp(port->class);

	table->nr += by;
	if (tcp)
		table->nr_tcp += by;
	if (!port->shared)
		table->nr_private[tcp] += by;
}

static void table_link(struct port_table *table, struct xtcp_port *port)
{
	struct xtcp_port **list = table_list(table, port->laddr);

	port->next = *list;
	*list = port;
}

/* Unlink all buckets of a table and return them as one list. */
static struct xtcp_port *table_empty(struct port_table *table)
{
	struct xtcp_port *all = NULL, *port;
	unsigned int i;

	for (i = 0; i < 1U << table->bits; i++) {
		while ((port = table->lists[i])) {
			table->lists[i] = port->next;
			port->next = all;
			all = port;
		}
	}
	return all;
}

static void table_free_lists(struct port_table *table)
{
	if (table->lists != &table->one)
		kfree(table->lists);
}

/* Without memory the table keeps its size and the lists get longer. */
static void table_grow(struct port_table *table)
{
	u32 bits = min(table->bits + TABLE_GROWTH, (u32)TABLE_BITS_MAX);
	struct xtcp_port **lists, *all, *port;

	if (table->nr <= TABLE_LIST_LEN << table->bits || bits == table->bits)
		return;
	lists = kcalloc(1U << bits, sizeof(*lists),
			GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	if (!lists)
		return;
	all = table_empty(table);
	table_free_lists(table);
	table->lists = lists;
	table->bits = bits;
	while ((port = all)) {
		all = port->next;
		table_link(table, port);
	}
}

static void crowd_add(struct xtcp_port_chain *chain, struct xtcp_port *port)
{
	struct port_table *table = table_of(chain, port->num);

	table_count(table, port, 1);
	table_link(table, port);
	table_grow(table);
}

/* Turn a long list into tables. Without memory the list gets longer. */
static noinline void chain_crowd(struct xtcp_port_chain *chain)
{
	struct xtcp_port *all = chain->first, *port;
	struct xtcp_port_crowd *crowd;
	unsigned int i;

	crowd = kzalloc(sizeof(*crowd),
			GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	if (!crowd)
		return;
	for (i = 0; i < CHAIN_NUMBERS; i++)
		crowd->table[i].lists = &crowd->table[i].one;
	chain->crowd = crowd;
	chain->crowded = true;
	while ((port = all)) {
		all = port->next;
		crowd_add(chain, port);
	}
}

/* Go back to a list; the chain is empty. */
static noinline void chain_uncrowd(struct xtcp_port_chain *chain)
{
	unsigned int i;

	for (i = 0; i < CHAIN_NUMBERS; i++)
		table_free_lists(&chain->crowd->table[i]);
	kfree(chain->crowd);
	chain->first = NULL;
	chain->crowded = false;
}

static void chain_add(struct xtcp_port_chain *chain, struct xtcp_port *port)
{
	if (unlikely(++chain->nr > CHAIN_SHORT && !chain->crowded))
		chain_crowd(chain);
	if (unlikely(chain->crowded)) {
		crowd_add(chain, port);
		return;
	}
	port->next = chain->first;
	chain->first = port;
}

static void chain_del(struct xtcp_port_chain *chain, struct xtcp_port *port)
{
	struct xtcp_port **link = list_at(chain, port->num, port->laddr);

	while (*link != port)
		link = &(*link)->next;
	*link = port->next;
	chain->nr--;
	if (likely(!chain->crowded))
		return;
	table_count(table_of(chain, port->num), port, -1);
	if (!chain->nr)
		chain_uncrowd(chain);
}

/**
 * xtcp_port_is_private - check for an explicit bind of a port
 * @chain: chain of @num, locked
 * @num: port
 * @class: only its wire counts
 *
 * Return: true if a socket bound this port explicitly, at any address.
 */
bool xtcp_port_is_private(const struct xtcp_port_chain *chain, u16 num,
			  u8 class)
{
	const struct xtcp_port *port;

	lockdep_assert_held(&chain->lock);
	if (unlikely(chain->crowded))
		return table_of(chain, num)->nr_private[class_is_tcp(class)];
	for (port = chain->first; port; port = port->next)
		if (port->num == num && !port->shared &&
		    class_is_tcp(port->class) == class_is_tcp(class))
			return true;
	return false;
}

/**
 * xtcp_port_set_shared - set whether connect() may share a bucket's port
 * @chain: the bucket's chain, locked
 * @port: bucket
 * @shared: true if connect() may take the port, too
 */
void xtcp_port_set_shared(struct xtcp_port_chain *chain, struct xtcp_port *port,
			  bool shared)
{
	lockdep_assert_held(&chain->lock);
	if (unlikely(chain->crowded))
		table_count(table_of(chain, port->num), port, -1);
	port->shared = shared;
	if (unlikely(chain->crowded))
		table_count(table_of(chain, port->num), port, 1);
}

/**
 * xtcp_port_find - find the bucket of a port, address and class
 * @chain: chain of @num, locked
 * @num: port
 * @at: local address
 * @ifindex: device, 0 for any; compared on the TCP wire only
 * @class: XTCP_PORT_*
 *
 * Return: the bucket, or NULL.
 */
struct xtcp_port *xtcp_port_find(const struct xtcp_port_chain *chain, u16 num,
				 struct xtcp_bind_addr at, int ifindex, u8 class)
{
	struct xtcp_port *port;

	lockdep_assert_held(&chain->lock);
	for (port = xtcp_port_list_at(chain, num, at.laddr); port;
	     port = port->next)
		if (port->num == num && port->class == class &&
		    xtcp_bind_addrs_equal(xtcp_port_bind_addr(port), at) &&
		    (!class_is_tcp(class) ||
		     xtcp_tcp_port(port)->ifindex == ifindex))
			return port;
	return NULL;
}

/* True if the TCP wire has a bucket with that port, at any address. */
static bool num_is_held(const struct xtcp_port_chain *chain, u16 num)
{
	const struct xtcp_port *port;

	if (unlikely(chain->crowded))
		return table_of(chain, num)->nr_tcp;
	for (port = chain->first; port; port = port->next)
		if (port->num == num && class_is_tcp(port->class))
			return true;
	return false;
}

/**
 * xtcp_port_get - find the bucket, or create it from a spare one
 * @net: namespace
 * @chain: chain of @num, locked
 * @num: port
 * @at: local address
 * @ifindex: device, 0 for any; compared on the TCP wire only
 * @class: XTCP_PORT_*
 * @spare: bucket of @class from xtcp_port_alloc(), or a pointer to NULL; set to
 *	NULL when it was used
 *
 * Return: the bucket; NULL if there is none and no spare one.
 */
struct xtcp_port *xtcp_port_get(struct net *net, struct xtcp_port_chain *chain,
				u16 num, struct xtcp_bind_addr at, int ifindex,
				u8 class, struct xtcp_port **spare)
{
	struct xtcp_port *port = xtcp_port_find(chain, num, at, ifindex, class);

	if (port || !*spare)
		return port;
	port = *spare;
	*spare = NULL;
	*port = (struct xtcp_port) {
		.laddr	= at.laddr,
		.family	= at.family,
		.num	= num,
		.class	= class,
		.shared	= true,
	};
	chain_add(chain, port);
	if (class_is_tcp(class)) {
		xtcp_tcp_port(port)->ifindex = ifindex;
		set_bit(num, xtcp_net(net)->tcp_ports);
	}
	return port;
}

/**
 * xtcp_port_put - free a bucket that has no holder any more
 * @net: namespace
 * @chain: the bucket's chain, locked
 * @port: bucket; stays if it still has owners or TIME-WAIT records
 */
void xtcp_port_put(struct net *net, struct xtcp_port_chain *chain,
		   struct xtcp_port *port)
{
	lockdep_assert_held(&chain->lock);
	if (!hlist_empty(&port->owners) || port->tw)
		return;
	chain_del(chain, port);
	if (class_is_tcp(port->class) && !num_is_held(chain, port->num))
		clear_bit(port->num, xtcp_net(net)->tcp_ports);
	xtcp_port_free(port);
}

/* The users of the owners decide who may join them by SO_REUSEPORT. */
static void bucket_note_user(struct xtcp_port *port, const struct sock *sk)
{
	struct xtcp_large_port *large =
		container_of(port, struct xtcp_large_port, port);

	if (hlist_empty(&port->owners)) {
		large->uid = sk_uid(sk);
		port->mixed = false;
	} else if (!uid_eq(sk_uid(sk), large->uid)) {
		port->mixed = true;
	}
}

/**
 * xtcp_port_note_cleared - a socket without SO_REUSEPORT leaves a TIME-WAIT record
 * @port: bucket with XTCP_PORT_REUSEPORT that the record will hold, its chain locked
 * @sk: the socket
 */
void xtcp_port_note_cleared(struct xtcp_port *port, const struct sock *sk)
{
	if (hlist_empty(&port->owners) && !port->tw_cleared)
		container_of(port, struct xtcp_large_port, port)->uid = sk_uid(sk);
	port->tw_cleared = true;
}

/**
 * xtcp_port_owner_add - make a socket an owner of a port bucket
 * @sk: socket without a bucket
 * @port: bucket, its chain locked
 */
void xtcp_port_owner_add(struct sock *sk, struct xtcp_port *port)
{
	if (port->class & XTCP_PORT_REUSEPORT)
		bucket_note_user(port, sk);
	sk_add_bind_node(sk, &port->owners);
	xtcp_sk(sk)->port = port;
	xtcp_sk(sk)->port_moved = false;
}

static void bucket_unlisten(struct xtcp_port *port)
{
	if (xtcp_port_shadow(port))
		xtcp_shadow_unlisten(xtcp_port_shadow(port));
}

/**
 * xtcp_port_set_listens - count a socket as a listener at its port, or not
 * @sk: socket; if it has no bucket nothing is counted
 * @listens: true if it listens; its shadow has been told (xtcp_shadow_listen())
 *
 * Context: chain lock.
 */
void xtcp_port_set_listens(struct sock *sk, bool listens)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->port) {
		if (xs->port_listens && !listens)
			bucket_unlisten(xs->port);
		xs->port->listeners += listens - xs->port_listens;
	}
	xs->port_listens = listens;
}

/**
 * xtcp_port_owner_del - remove a socket from its port bucket
 * @chain: chain of the port, locked
 * @sk: socket with a bucket, which may be freed
 */
void xtcp_port_owner_del(struct xtcp_port_chain *chain, struct sock *sk)
{
	struct xtcp_port *port = xtcp_sk(sk)->port;

	lockdep_assert_held(&chain->lock);
	xtcp_port_set_listens(sk, false);
	__sk_del_bind_node(sk);
	xtcp_sk(sk)->port = NULL;
	xtcp_port_put(sock_net(sk), chain, port);
}

/**
 * xtcp_port_owner_move - a socket keeps its number, in another bucket
 * @chain: of the port, locked
 * @sk: socket with a bucket
 * @port: bucket that it moves to, of the same number and wire; if @sk listens, with
 *	the shadow of its old one, or without
 */
void xtcp_port_owner_move(struct xtcp_port_chain *chain, struct sock *sk,
			  struct xtcp_port *port)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_port *old = xs->port;
	bool moved = port->laddr && (!old->laddr || xs->port_moved);
	bool listens = xs->port_listens;

	xtcp_port_inherit_shadow(port, old);
	xtcp_port_set_shared(chain, port, port->shared && old->shared);
	if (port->class & XTCP_PORT_REUSEPORT && !moved)
		port->cleared |= old->cleared;
	if (old->stray &&
	    (xtcp_port_class(sk) ^ port->class) & (XTCP_PORT_REUSE | XTCP_PORT_REUSEPORT))
		xtcp_port_set_stray(port);
	/* The shadow has a listener all the time. */
	old->listeners -= listens;
	xs->port_listens = false;
	xtcp_port_owner_del(chain, sk);
	xtcp_port_owner_add(sk, port);
	port->listeners += listens;
	xs->port_listens = listens;
	xs->port_moved = moved;
}

/**
 * xtcp_port_number - set a socket's local port in all three fields
 * @sk: socket
 * @num: port, or 0
 */
void xtcp_port_number(struct sock *sk, u16 num)
{
	inet_sk(sk)->inet_num = num;
	inet_sk(sk)->inet_sport = htons(num);
	xtcp_sk(sk)->flow.lport = htons(num);
}

/**
 * xtcp_port_init - create the caches of buckets, when the module is loaded
 *
 * Return: 0 or -ENOMEM.
 */
int __init xtcp_port_init(void)
{
	laddr_factor = get_random_u64() | 1;
	port_cache = kmem_cache_create("xtcp_port", sizeof(struct xtcp_port),
				       0, SLAB_ACCOUNT | SLAB_NO_MERGE, NULL);
	large_port_cache = kmem_cache_create("xtcp_large_port",
					     sizeof(struct xtcp_large_port), 0,
					     SLAB_ACCOUNT | SLAB_NO_MERGE, NULL);
	if (port_cache && large_port_cache)
		return 0;
	xtcp_port_exit();
	return -ENOMEM;
}

/**
 * xtcp_port_exit - destroy the caches of buckets
 *
 * Context: module unload; no namespace is left.
 */
void xtcp_port_exit(void)
{
	kmem_cache_destroy(large_port_cache);
	kmem_cache_destroy(port_cache);
}

/**
 * xtcp_port_net_init - create the chains of a namespace
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_port_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	unsigned int i;

	xn->ports = kvmalloc_array(XTCP_PORT_CHAINS, sizeof(*xn->ports),
				   GFP_KERNEL_ACCOUNT);
	xn->tcp_ports = bitmap_zalloc(U16_MAX + 1, GFP_KERNEL_ACCOUNT);
	if (!xn->ports || !xn->tcp_ports) {
		kvfree(xn->ports);
		bitmap_free(xn->tcp_ports);
		return -ENOMEM;
	}
	for (i = 0; i < XTCP_PORT_CHAINS; i++) {
		spin_lock_init(&xn->ports[i].lock);
		xtcp_lock_name(&xn->ports[i].lock, "xtcp_chain");
		xn->ports[i].nr = 0;
		xn->ports[i].crowded = false;
		xn->ports[i].first = NULL;
	}
	return 0;
}

/**
 * xtcp_port_net_exit - undo xtcp_port_net_init()
 * @net: namespace without sockets and records
 */
void xtcp_port_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	unsigned int i;

	for (i = 0; i < XTCP_PORT_CHAINS; i++)
		WARN_ON_ONCE(xn->ports[i].nr);
	kvfree(xn->ports);
	bitmap_free(xn->tcp_ports);
}
