// SPDX-License-Identifier: GPL-2.0
/*
 * bpf.c - module xtcp_cc_bpf: congestion controls that are BPF programs
 *
 * A kind of struct_ops, struct xtcp_bpf_congestion, like the kernel's struct
 * tcp_congestion_ops. A map of that kind names its rule; the rule can then be chosen like
 * any other. This module stands between: it shows a program a part of what struct
 * xtcp_congestion_view has, in struct xtcp_bpf_conn, and takes back the four words of
 * state. A program may call the helpers that the kernel lets any program call, which gives it
 * pointers to other structs, too; it reads them, and writes nothing but these words. So the worst
 * that it can do is to answer badly; xtcp bounds the windows. It must not call kfuncs, of which
 * some write to any socket as if it were one of the kernel's TCP. It must not sleep, because it
 * runs under RCU and often in softirq.
 *
 * A rule stays registered until this module is unloaded, because sockets may still use it.
 * Without a program, because its map is gone, it behaves as Reno (RFC 5681); a new map of
 * the same name takes it over, with its connections.
 *
 * The module must have BTF, because the kernel reads the layout of the structs from it. kbuild
 * makes that with pahole if the kernel's headers have a vmlinux; without it the module loads, and
 * the kernel knows no struct_ops of that name.
 *
 * Context: the functions of the ops: socket lock, RCU. Maps come and go in process context,
 * under bpf_rules_lock.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/filter.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/xtcp_congestion.h>

#define STATE_WORDS	4

/* Names stay until this module is unloaded. */
#define RULES_MAX	64

/**
 * struct xtcp_bpf_conn - a connection as a program sees it
 * @cwnd: congestion window, segments
 * @ssthresh: slow start threshold, segments; U32_MAX: none yet
 * @pipe: segments in the network (RFC 6675)
 * @lost_out: segments in flight that are believed lost; 0: the reduction is for a CE mark
 * @mss: payload of a full segment, bytes
 * @srtt_us: smoothed round trip time, microseconds; 0: not measured yet
 * @min_rtt_us: least round trip time of the last minutes, microseconds; U32_MAX: not measured yet
 * @delivered: segments delivered since the connection opened; wraps
 * @lost: losses since the connection opened; wraps
 * @phase: enum xtcp_congestion_phase
 * @state: the program's; zeroed when the connection begins to use the rule. The only part
 *	that a program may write
 */
struct xtcp_bpf_conn {
	u32	cwnd;
	u32	ssthresh;
	u32	pipe;
	u32	lost_out;
	u32	mss;
	u32	srtt_us;
	u32	min_rtt_us;
	u32	delivered;
	u32	lost;
	u32	phase;
	u64	state[STATE_WORDS];
};

/**
 * struct xtcp_bpf_congestion - a rule in BPF
 * @grow: @segs segments were delivered in congestion avoidance: the number of segments
 *	whose delivery opens the window by one, at least 1. Required
 * @ssthresh: as in struct xtcp_congestion_ops. Required
 * @rtt: a round trip was measured, in microseconds
 * @init: the connection begins to use the rule
 * @name: of the rule, for TCP_CONGESTION
 */
struct xtcp_bpf_congestion {
	u32	(*grow)(struct xtcp_bpf_conn *conn, u32 segs);
	u32	(*ssthresh)(struct xtcp_bpf_conn *conn, u32 flight);
	void	(*rtt)(struct xtcp_bpf_conn *conn, u32 rtt_us);
	void	(*init)(struct xtcp_bpf_conn *conn);
	char	name[XTCP_CONGESTION_NAME_MAX];
};

/* A name, and the map that has it now; NULL: none. */
struct rule {
	struct xtcp_congestion_ops ops;
	const struct xtcp_bpf_congestion __rcu *program;
	struct list_head link;
};

static LIST_HEAD(rules);
static unsigned int rules_nr;
static DEFINE_MUTEX(bpf_rules_lock);	/* rules, rules_nr, and writes of rule.program */

/* struct xtcp_bpf_conn in the module's BTF; NULL until a program has asked for one. */
static const struct btf_type *conn_type;

/* --- a connection ------------------------------------------------------- */

static const struct xtcp_bpf_congestion *program_of(const struct xtcp_sock *xs)
{
	const struct xtcp_congestion_ops *ops = xtcp_congestion_rule(xs);

	return rcu_dereference(container_of_const(ops, struct rule, ops)->program);
}

static void conn_show(struct xtcp_sock *xs, struct xtcp_bpf_conn *conn)
{
	struct xtcp_congestion_view view;

	xtcp_congestion_look(xs, &view);
	*conn = (struct xtcp_bpf_conn){
		.cwnd		= view.cwnd,
		.ssthresh	= view.ssthresh,
		.pipe		= view.pipe,
		.lost_out	= view.lost_out,
		.mss		= view.mss,
		.srtt_us	= view.srtt_us,
		.min_rtt_us	= view.min_rtt_us,
		.delivered	= view.delivered,
		.lost		= view.lost,
		.phase		= view.phase,
	};
	memcpy(conn->state, xtcp_congestion_state(xs), sizeof(conn->state));
}

static void conn_take(struct xtcp_sock *xs, const struct xtcp_bpf_conn *conn)
{
	memcpy(xtcp_congestion_state(xs), conn->state, sizeof(conn->state));
}

static void rule_grow(struct xtcp_sock *xs, u32 segs)
{
	const struct xtcp_bpf_congestion *program;
	struct xtcp_bpf_conn conn;
	u32 per_segment;

	segs = xtcp_congestion_slow_start(xs, segs);
	if (!segs)
		return;
	conn_show(xs, &conn);
	per_segment = conn.cwnd;
	rcu_read_lock();
	program = program_of(xs);
	if (program) {
		per_segment = max(program->grow(&conn, segs), 1U);
		conn_take(xs, &conn);
	}
	rcu_read_unlock();
	xtcp_congestion_avoidance(xs, per_segment, segs);
}

static u32 rule_ssthresh(struct xtcp_sock *xs, u32 flight)
{
	const struct xtcp_bpf_congestion *program;
	struct xtcp_bpf_conn conn;
	u32 ssthresh;

	conn_show(xs, &conn);
	ssthresh = min(flight, conn.cwnd) / 2;
	rcu_read_lock();
	program = program_of(xs);
	if (program) {
		ssthresh = program->ssthresh(&conn, flight);
		conn_take(xs, &conn);
	}
	rcu_read_unlock();
	return ssthresh;
}

static void rule_rtt(struct xtcp_sock *xs, u32 rtt_us)
{
	const struct xtcp_bpf_congestion *program;
	struct xtcp_bpf_conn conn;

	rcu_read_lock();
	program = program_of(xs);
	if (program && program->rtt) {
		conn_show(xs, &conn);
		program->rtt(&conn, rtt_us);
		conn_take(xs, &conn);
	}
	rcu_read_unlock();
}

static void rule_init(struct xtcp_sock *xs)
{
	const struct xtcp_bpf_congestion *program;
	struct xtcp_bpf_conn conn;

	rcu_read_lock();
	program = program_of(xs);
	if (program && program->init) {
		conn_show(xs, &conn);
		program->init(&conn);
		conn_take(xs, &conn);
	}
	rcu_read_unlock();
}

/* --- programs and maps -------------------------------------------------- */

/*
 * Which arguments may be read: all. The first of each function is the connection, and the
 * only way to one; the kernel exports no other way to find out its type.
 */
static bool program_may_access(int off, int size, enum bpf_access_type type,
			       const struct bpf_prog *prog,
			       struct bpf_insn_access_aux *info)
{
	if (!bpf_tracing_btf_ctx_access(off, size, type, prog, info))
		return false;
	if (!off)
		WRITE_ONCE(conn_type, btf_type_by_id(info->btf, info->btf_id));
	return true;
}

/*
 * A write through a pointer. The verifier asks for each pointer that it trusts, such as
 * bpf_get_current_task_btf()'s and what that leads to: the type decides first. A pointer that
 * was kept in a map is not trusted, and leads to where the structure was in an earlier call;
 * not every verifier has refused the write before it asks.
 */
static int program_may_write(struct bpf_verifier_log *log, const struct bpf_reg_state *reg,
			     int off, int size)
{
	if (type_flag(reg->type) & PTR_UNTRUSTED ||
	    btf_type_by_id(reg->btf, reg->btf_id) != READ_ONCE(conn_type)) {
		bpf_log(log, "only struct xtcp_bpf_conn may be written\n");
		return -EACCES;
	}
	if (off >= (int)offsetof(struct xtcp_bpf_conn, state) &&
	    off + size <= (int)offsetofend(struct xtcp_bpf_conn, state))
		return 0;
	bpf_log(log, "only state[] may be written, not byte %d\n", off);
	return -EACCES;
}

static const struct bpf_func_proto *program_helper(enum bpf_func_id id,
						   const struct bpf_prog *prog)
{
	return bpf_base_func_proto(id, prog);
}

static const struct bpf_verifier_ops program_verifier = {
	.get_func_proto		= program_helper,
	.is_valid_access	= program_may_access,
	.btf_struct_access	= program_may_write,
};

static int map_init(struct btf *btf)
{
	return 0;
}

/*
 * Refuse a program that may sleep: it would hold up a grace period as long as it likes. Refuse one
 * that calls kfuncs, which the verifier has listed by now: it lets any struct_ops program call
 * those that the kernel's TCP has for its own congestion controls, and asks no other function of
 * this module about them.
 */
static int map_check_member(const struct btf_type *t, const struct btf_member *member,
			    const struct bpf_prog *prog)
{
	return prog->sleepable || prog->aux->kfunc_tab ? -EINVAL : 0;
}

/* Members that are no functions. Return: 1: taken; 0: the kernel's own rules */
static int map_init_member(const struct btf_type *t, const struct btf_member *member,
			   void *kdata, const void *udata)
{
	const struct xtcp_bpf_congestion *from = udata;
	struct xtcp_bpf_congestion *to = kdata;

	if (__btf_member_bit_offset(t, member) / BITS_PER_BYTE !=
	    offsetof(struct xtcp_bpf_congestion, name))
		return 0;
	/* xtcp_congestion_register() checks the name. */
	return strscpy(to->name, from->name) > 0 ? 1 : -EINVAL;
}

static int map_validate(void *kdata)
{
	const struct xtcp_bpf_congestion *program = kdata;

	return program->grow && program->ssthresh ? 0 : -EINVAL;
}

/* A new name; bpf_rules_lock is held. Return: -ENOSPC if there are too many */
static int rule_add(const struct xtcp_bpf_congestion *program)
{
	struct rule *rule;
	int err;

	if (rules_nr == RULES_MAX)
		return -ENOSPC;
	rule = kzalloc(sizeof(*rule), GFP_KERNEL_ACCOUNT);
	if (!rule)
		return -ENOMEM;
	rule->ops = (struct xtcp_congestion_ops){
		.abi		= XTCP_CONGESTION_ABI,
		.owner		= THIS_MODULE,
		.state_size	= sizeof_field(struct xtcp_bpf_conn, state),
		.grow		= rule_grow,
		.ssthresh	= rule_ssthresh,
		.rtt		= rule_rtt,
		.init		= rule_init,
	};
	strscpy(rule->ops.name, program->name);
	RCU_INIT_POINTER(rule->program, program);
	err = xtcp_congestion_register(&rule->ops);
	if (err) {
		kfree(rule);
		return err;
	}
	list_add_tail(&rule->link, &rules);
	rules_nr++;
	return 0;
}

/* The rule of that name, or NULL; bpf_rules_lock is held. */
static struct rule *rule_find(const char *name)
{
	struct rule *rule;

	list_for_each_entry(rule, &rules, link) {
		if (!strcmp(rule->ops.name, name))
			return rule;
	}
	return NULL;
}

/* A map has all its programs. Return: -EEXIST if another one has the name */
static int map_reg(void *kdata, struct bpf_link *link)
{
	const struct xtcp_bpf_congestion *program = kdata;
	struct rule *rule;
	int err = 0;

	mutex_lock(&bpf_rules_lock);
	rule = rule_find(program->name);
	if (!rule)
		err = rule_add(program);
	else if (rcu_access_pointer(rule->program))
		err = -EEXIST;
	else
		rcu_assign_pointer(rule->program, program);
	mutex_unlock(&bpf_rules_lock);
	return err;
}

static void map_unreg(void *kdata, struct bpf_link *link)
{
	const struct xtcp_bpf_congestion *program = kdata;
	struct rule *rule;

	mutex_lock(&bpf_rules_lock);
	rule = rule_find(program->name);
	if (rule && rcu_access_pointer(rule->program) == program)
		RCU_INIT_POINTER(rule->program, NULL);
	mutex_unlock(&bpf_rules_lock);
	/* Connections may be in it. */
	synchronize_rcu();
}

/* A link changes its map for one of the same name. */
static int map_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	const struct xtcp_bpf_congestion *program = kdata, *old = old_kdata;
	struct rule *rule;
	int err = -EINVAL;

	mutex_lock(&bpf_rules_lock);
	rule = rule_find(program->name);
	if (rule && rcu_access_pointer(rule->program) == old) {
		rcu_assign_pointer(rule->program, program);
		err = 0;
	}
	mutex_unlock(&bpf_rules_lock);
	synchronize_rcu();
	return err;
}

/* What the kernel looks at for control flow integrity; never called. */
static u32 stub_number(struct xtcp_bpf_conn *conn, u32 number)
{
	return 0;
}

static void stub_rtt(struct xtcp_bpf_conn *conn, u32 rtt_us)
{
}

static void stub_init(struct xtcp_bpf_conn *conn)
{
}

static struct xtcp_bpf_congestion stubs = {
	.grow		= stub_number,
	.ssthresh	= stub_number,
	.rtt		= stub_rtt,
	.init		= stub_init,
};

static struct bpf_struct_ops kind = {
	.verifier_ops	= &program_verifier,
	.init		= map_init,
	.check_member	= map_check_member,
	.init_member	= map_init_member,
	.validate	= map_validate,
	.reg		= map_reg,
	.unreg		= map_unreg,
	.update		= map_update,
	.cfi_stubs	= &stubs,
	.owner		= THIS_MODULE,
	.name		= "xtcp_bpf_congestion",
};

static int __init bpf_load(void)
{
	return register_bpf_struct_ops(&kind, xtcp_bpf_congestion);
}

/* Each map and each socket holds the module: none is left. */
static void __exit bpf_unload(void)
{
	struct rule *rule, *next;

	list_for_each_entry_safe(rule, next, &rules, link) {
		xtcp_congestion_unregister(&rule->ops);
		kfree(rule);
	}
}

module_init(bpf_load);
module_exit(bpf_unload);

MODULE_LICENSE("GPL");
MODULE_VERSION(__stringify(XTCP_VERSION));
MODULE_DESCRIPTION("xtcp: congestion controls in BPF");
