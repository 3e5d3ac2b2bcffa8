// SPDX-License-Identifier: GPL-2.0
/*
 * algorithms.c - the congestion controls that exist, built in or in modules
 *
 * A list of struct xtcp_congestion_ops: Reno and CUBIC, and those that modules have
 * registered. Each has a bit: may users without CAP_NET_ADMIN choose it.
 *
 * Birth and death of one in a module. Each socket that uses it and each namespace
 * whose default it is holds a reference to the module, so it is unloaded when nobody
 * uses it any more. Its exit function takes it out of the list and waits for a grace
 * period, because the following use it without a reference, in an RCU read-side
 * section:
 *  - code that has found it in the list, or as a namespace's default, and is about to take
 *    a reference, which fails once unloading has begun;
 *  - the softirq that copies a listener: it takes the child's reference;
 *  - readers of a socket's or of a namespace's algorithm's name.
 *
 * Locks: algorithms_lock for changes of the list and of the bits, and for the default of a
 * namespace. Readers: RCU.
 *
 * Context: process, unless a function says otherwise.
 */
#include "transfer/algorithms.h"

#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/jhash.h>
#include <linux/kmod.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "netns.h"

/**
 * struct algorithm - an entry of the list
 * @link: in @algorithms
 * @ops: the algorithm
 * @key: hash of its name, as in the route's metric "congctl"
 * @allowed: users without CAP_NET_ADMIN may choose it
 * @named: scratch of xtcp_algorithms_allow_only()
 */
struct algorithm {
	struct list_head		link;
	const struct xtcp_congestion_ops *ops;
	u32				key;
	bool				allowed;
	bool				named;
};

/* In the order of xtcp_available_congestion_control. */
static LIST_HEAD(algorithms);
static DEFINE_SPINLOCK(algorithms_lock);

static struct algorithm built_in[] = {
	{ .ops = &xtcp_reno, .allowed = true },
	{ .ops = &xtcp_cubic, .allowed = true },
};

DEFINE_STATIC_KEY_FALSE(xtcp_algorithms_extended);

static struct algorithm *find(const char *name)
{
	struct algorithm *alg;

	list_for_each_entry_rcu(alg, &algorithms, link,
				lockdep_is_held(&algorithms_lock))
		if (!strcmp(alg->ops->name, name))
			return alg;
	return NULL;
}

/* As the kernel computes it for the metric. */
static u32 key_of(const struct xtcp_congestion_ops *ops)
{
	char name[XTCP_CONGESTION_NAME_MAX] = { };

	strscpy(name, ops->name, sizeof(name));
	return jhash(name, sizeof(name), strlen(name));
}

/**
 * xtcp_algorithms_load - list those that are built in
 *
 * Context: process, while the module is loaded; nobody reads the list yet.
 */
void __init xtcp_algorithms_load(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(built_in); i++) {
		built_in[i].key = key_of(built_in[i].ops);
		list_add_tail_rcu(&built_in[i].link, &algorithms);
	}
}

/* --- names and knobs ------------------------------------------------------ */

/**
 * xtcp_algorithms_list - write names in one line
 * @line: XTCP_CONGESTION_LIST_MAX bytes, filled; a name that does not fit is left out
 * @allowed_only: only those that unprivileged users may choose
 */
void xtcp_algorithms_list(char *line, bool allowed_only)
{
	struct algorithm *alg;
	size_t at = 0;

	*line = 0;
	rcu_read_lock();
	list_for_each_entry_rcu(alg, &algorithms, link) {
		size_t len = strlen(alg->ops->name) + !!at;

		if (at + len >= XTCP_CONGESTION_LIST_MAX ||
		    (allowed_only && !READ_ONCE(alg->allowed)))
			continue;
		at += scnprintf(line + at, XTCP_CONGESTION_LIST_MAX - at,
				"%s%s", at ? " " : "", alg->ops->name);
	}
	rcu_read_unlock();
}

/* Marks those that @names has; false if one of them is unknown. */
static bool mark_named(const char *names)
{
	char name[XTCP_CONGESTION_NAME_MAX];
	struct algorithm *alg;
	size_t len;

	list_for_each_entry(alg, &algorithms, link)
		alg->named = false;
	while ((len = strchrnul(names, ' ') - names)) {
		if (len >= sizeof(name))
			return false;
		memcpy(name, names, len);
		name[len] = 0;
		alg = find(name);
		if (!alg)
			return false;
		alg->named = true;
		names += len + (names[len] == ' ');
	}
	return true;
}

/**
 * xtcp_algorithms_allow_only - write xtcp_allowed_congestion_control
 * @names: separated by single blanks; as in Linux an empty name ends the list
 *
 * Return: 0; -ENOENT when a name is unknown, and nothing has changed
 */
int xtcp_algorithms_allow_only(const char *names)
{
	struct algorithm *alg;
	int err = 0;

	spin_lock(&algorithms_lock);
	if (mark_named(names)) {
		list_for_each_entry(alg, &algorithms, link)
			WRITE_ONCE(alg->allowed, alg->named);
	} else {
		err = -ENOENT;
	}
	spin_unlock(&algorithms_lock);
	return err;
}

/**
 * xtcp_algorithms_autoload - load the module of an algorithm that is not there
 * @name: its name
 *
 * As in Linux, for callers with CAP_NET_ADMIN in the first user namespace.
 *
 * Context: process, sleeps; without a socket's lock.
 */
void xtcp_algorithms_autoload(const char *name)
{
	bool there;

	rcu_read_lock();
	there = find(name);
	rcu_read_unlock();
	if (!there && capable(CAP_NET_ADMIN))
		request_module("xtcp_cc_%s", name);
}

/**
 * xtcp_algorithms_default_set - write xtcp_congestion_control
 * @xn: the namespace
 * @name: name of the algorithm
 *
 * As in Linux another namespace than the first may only choose what is allowed; and
 * what is chosen as the default is allowed from then on.
 *
 * Return: 0; -ENOENT, -EPERM; -EBUSY when its module is being unloaded
 */
int xtcp_algorithms_default_set(struct xtcp_net *xn, const char *name)
{
	const struct xtcp_congestion_ops *old = NULL;
	struct algorithm *alg;
	int err = 0;

	xtcp_algorithms_autoload(name);
	spin_lock(&algorithms_lock);
	alg = find(name);
	if (!alg) {
		err = -ENOENT;
	} else if (!net_eq(xn->net, &init_net) && !alg->allowed) {
		err = -EPERM;
	} else if (!xtcp_algorithms_hold(alg->ops)) {
		err = -EBUSY;
	} else {
		old = xn->knobs.congestion_control;
		WRITE_ONCE(xn->knobs.congestion_control, alg->ops);
		WRITE_ONCE(alg->allowed, true);
	}
	spin_unlock(&algorithms_lock);
	if (old)
		xtcp_algorithms_put(old);
	return err;
}

/**
 * xtcp_algorithms_default_name - read xtcp_congestion_control
 * @xn: the namespace
 * @name: XTCP_CONGESTION_NAME_MAX bytes, filled
 */
void xtcp_algorithms_default_name(struct xtcp_net *xn, char *name)
{
	rcu_read_lock();
	strscpy(name, READ_ONCE(xn->knobs.congestion_control)->name,
		XTCP_CONGESTION_NAME_MAX);
	rcu_read_unlock();
}

/**
 * xtcp_algorithms_net_init - take over the default of the first namespace
 * @net: the namespace; the first one itself gets CUBIC
 */
void xtcp_algorithms_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	xn->knobs.congestion_control = net_eq(net, &init_net) ?
		&xtcp_cubic : xtcp_algorithms_get_default(&init_net);
}

/**
 * xtcp_algorithms_net_exit - drop the default's reference
 * @net: the namespace; its knobs are gone
 */
void xtcp_algorithms_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	const struct xtcp_congestion_ops *ops = xn->knobs.congestion_control;

	WRITE_ONCE(xn->knobs.congestion_control, &xtcp_cubic);
	xtcp_algorithms_put(ops);
}

/* --- references ------------------------------------------------------------ */

/**
 * xtcp_algorithms_get - find an algorithm by its name
 * @name: such as "cubic"
 * @current_ops: what the socket has: may be asked for again by anybody
 * @privileged: the user may choose any
 * @ops: set to it; with a reference, unless it is @current_ops
 *
 * Context: any.
 * Return: 0; -ENOENT, -EPERM; -EBUSY when its module is being unloaded
 */
int xtcp_algorithms_get(const char *name,
			const struct xtcp_congestion_ops *current_ops,
			bool privileged, const struct xtcp_congestion_ops **ops)
{
	struct algorithm *alg;
	int err = 0;

	rcu_read_lock();
	alg = find(name);
	if (!alg)
		err = -ENOENT;
	else if (alg->ops == current_ops)
		*ops = current_ops;
	else if (!READ_ONCE(alg->allowed) && !privileged)
		err = -EPERM;
	else if (!xtcp_algorithms_hold(alg->ops))
		err = -EBUSY;
	else
		*ops = alg->ops;
	rcu_read_unlock();
	return err;
}

/**
 * xtcp_algorithms_get_key - find an algorithm by the route's metric "congctl"
 * @key: the metric
 *
 * Context: any.
 * Return: the algorithm, with a reference; NULL if xtcp does not have it
 */
const struct xtcp_congestion_ops *xtcp_algorithms_get_key(u32 key)
{
	const struct xtcp_congestion_ops *ops = NULL;
	struct algorithm *alg;

	rcu_read_lock();
	list_for_each_entry_rcu(alg, &algorithms, link)
		if (alg->key == key && xtcp_algorithms_hold(alg->ops)) {
			ops = alg->ops;
			break;
		}
	rcu_read_unlock();
	return ops;
}

/**
 * xtcp_algorithms_get_default - the default of a namespace
 * @net: the namespace
 *
 * Context: any.
 * Return: the algorithm, with a reference; CUBIC if its module is being unloaded
 */
const struct xtcp_congestion_ops *xtcp_algorithms_get_default(const struct net *net)
{
	const struct xtcp_congestion_ops *ops;

	rcu_read_lock();
	ops = XTCP_KNOB(net, congestion_control);
	if (!xtcp_algorithms_hold(ops))
		ops = &xtcp_cubic;
	rcu_read_unlock();
	return ops;
}

/* --- modules ---------------------------------------------------------------- */

static bool is_extended(const struct xtcp_congestion_ops *ops)
{
	return ops->acked || (ops->flags & ~XTCP_CONGESTION_UNRESTRICTED);
}

/* A name that TCP_CONGESTION can have and the lists can show. */
static bool name_is_valid(const char *name)
{
	size_t len = strnlen(name, XTCP_CONGESTION_NAME_MAX), i;

	if (!len || len == XTCP_CONGESTION_NAME_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (!isgraph(name[i]))
			return false;
	return true;
}

static int ops_validate(const struct xtcp_congestion_ops *ops)
{
	const u32 known = XTCP_CONGESTION_UNRESTRICTED | XTCP_CONGESTION_CONTROLS |
			  XTCP_CONGESTION_RATES | XTCP_CONGESTION_PACES |
			  XTCP_CONGESTION_ECN | XTCP_CONGESTION_ECT1;
	bool controls = ops->flags & XTCP_CONGESTION_CONTROLS;

	if (ops->abi != XTCP_CONGESTION_ABI)
		return -ENOEXEC;
	if (!ops->owner || (ops->flags & ~known) || !name_is_valid(ops->name) ||
	    ops->state_size > XTCP_CONGESTION_STATE_MAX)
		return -EINVAL;
	if (!controls && (!ops->grow || !ops->ssthresh))
		return -EINVAL;
	if ((ops->flags & (XTCP_CONGESTION_CONTROLS | XTCP_CONGESTION_RATES)) &&
	    !ops->acked)
		return -EINVAL;
	if (ops->lost && !(ops->flags & XTCP_CONGESTION_RATES))
		return -EINVAL;
	return 0;
}

/**
 * xtcp_congestion_register - add a congestion control
 * @ops: the algorithm; part of the caller's module, which unregisters it before it is
 *	unloaded
 *
 * Call it last in the module's init function, because sockets may use @ops at once.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOEXEC when @ops is of another XTCP_CONGESTION_ABI; -EINVAL when it has
 * no owner, an invalid name, unknown flags, a too large state, or lacks a required
 * function; -EBUSY when the name is taken; -ENOMEM
 */
int xtcp_congestion_register(const struct xtcp_congestion_ops *ops)
{
	struct algorithm *alg;
	int err = ops_validate(ops);

	if (err)
		return err;
	alg = kzalloc(sizeof(*alg), GFP_KERNEL);
	if (!alg)
		return -ENOMEM;
	alg->ops = ops;
	alg->key = key_of(ops);
	alg->allowed = ops->flags & XTCP_CONGESTION_UNRESTRICTED;
	/* Before the first socket can have it. */
	if (is_extended(ops))
		static_branch_inc(&xtcp_algorithms_extended);
	spin_lock(&algorithms_lock);
	/* Not -EEXIST: modprobe takes that for a module that is loaded already. */
	if (find(ops->name))
		err = -EBUSY;
	else
		list_add_tail_rcu(&alg->link, &algorithms);
	spin_unlock(&algorithms_lock);
	if (err) {
		if (is_extended(ops))
			static_branch_dec(&xtcp_algorithms_extended);
		kfree(alg);
	}
	return err;
}
EXPORT_SYMBOL_GPL(xtcp_congestion_register);

/**
 * xtcp_congestion_unregister - remove a congestion control
 * @ops: registered; no socket uses it: each of them would hold the module
 *
 * Context: process, in the module's exit function; waits for a grace period.
 */
void xtcp_congestion_unregister(const struct xtcp_congestion_ops *ops)
{
	struct algorithm *alg;

	spin_lock(&algorithms_lock);
	alg = find(ops->name);
	if (alg && alg->ops == ops)
		list_del_rcu(&alg->link);
	else
		alg = NULL;
	spin_unlock(&algorithms_lock);
	if (WARN_ON_ONCE(!alg))
		return;
	/* Sockets read the list under RCU. */
	synchronize_rcu();
	if (is_extended(ops))
		static_branch_dec(&xtcp_algorithms_extended);
	kfree(alg);
}
EXPORT_SYMBOL_GPL(xtcp_congestion_unregister);
