// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp_cc_test: congestion controls that selftests/transfer/algorithms.c loads, among
 * them invalid ones. mode= says which.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/xtcp_congestion.h>

static char *mode = "calm";
module_param(mode, charp, 0400);

/* What ssthresh() returns, and grow() opens the window to, or by one for. */
static uint value = 10;
module_param(value, uint, 0600);

/* How long unloading takes. */
static uint exit_ms;
module_param(exit_ms, uint, 0400);

/* Larger than what fits in the TCB; all of it is written. */
struct state {
	u8	fill[1000];
};

static bool state_was_zeroed = true;
module_param(state_was_zeroed, bool, 0400);

static void test_init(struct xtcp_sock *xs)
{
	struct state *s = xtcp_congestion_state(xs);

	if (memchr_inv(s, 0, sizeof(*s)))
		state_was_zeroed = false;
	memset(s, 0xa5, sizeof(*s));
}

static void test_grow(struct xtcp_sock *xs, u32 segs)
{
	/* Neither is allowed: without effect. */
	xtcp_congestion_set_window(xs, 1);
	xtcp_congestion_set_pacing(xs, 1);
	xtcp_congestion_avoidance(xs, 0, 0);
	xtcp_congestion_open_to(xs, value);
}

static void test_count(struct xtcp_sock *xs, u32 segs)
{
	xtcp_congestion_avoidance(xs, value, segs);
}

static u32 test_ssthresh(struct xtcp_sock *xs, u32 flight)
{
	return value;
}

static void test_acked(struct xtcp_sock *xs,
		       const struct xtcp_congestion_sample *sample)
{
	xtcp_congestion_set_window(xs, value);
	xtcp_congestion_set_pacing(xs, value == U32_MAX ? U64_MAX : value);
}

/* Calls of lost(), and the last one: bytes, segments, tx_pipe, lost, app_limited. */
static uint losses;
module_param(losses, uint, 0400);
static uint last_loss[5];
module_param_array(last_loss, uint, NULL, 0400);

static void test_lost(struct xtcp_sock *xs, const struct xtcp_congestion_loss *loss)
{
	losses++;
	last_loss[0] = loss->end - loss->seq;
	last_loss[1] = loss->segs;
	last_loss[2] = loss->tx_pipe;
	last_loss[3] = loss->lost;
	last_loss[4] = loss->app_limited;
}

static void test_watch(struct xtcp_sock *xs, const struct xtcp_congestion_sample *sample)
{
}

static struct xtcp_congestion_ops ops = {
	.abi		= XTCP_CONGESTION_ABI,
	.name		= "test",
	.owner		= THIS_MODULE,
	.state_size	= sizeof(struct state),
	.init		= test_init,
	.grow		= test_grow,
	.ssthresh	= test_ssthresh,
};

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static int __init test_load(void)
{
	if (is("abi"))
		ops.abi++;
	else if (is("owner"))
		ops.owner = NULL;
	else if (is("name_empty"))
		ops.name[0] = 0;
	else if (is("name_long"))
		memset(ops.name, 'x', sizeof(ops.name));
	else if (is("name_blank"))
		strscpy(ops.name, "a b", sizeof(ops.name));
	else if (is("name_taken"))
		strscpy(ops.name, "cubic", sizeof(ops.name));
	else if (is("state"))
		ops.state_size = XTCP_CONGESTION_STATE_MAX + 1;
	else if (is("flags"))
		ops.flags = BIT(31);
	else if (is("no_grow"))
		ops.grow = NULL;
	else if (is("no_ssthresh"))
		ops.ssthresh = NULL;
	else if (is("no_acked"))
		ops.flags = XTCP_CONGESTION_CONTROLS;
	else if (is("no_acked_rates"))
		ops.flags = XTCP_CONGESTION_RATES;
	else if (is("open"))
		ops.flags = XTCP_CONGESTION_UNRESTRICTED;
	else if (is("l4s"))
		ops.flags = XTCP_CONGESTION_ECN | XTCP_CONGESTION_ECT1;
	else if (is("ect1"))
		ops.flags = XTCP_CONGESTION_ECT1;

	if (is("counts"))
		ops.grow = test_count;
	if (is("losses") || is("lost_without_rates")) {
		ops.flags = is("losses") ? XTCP_CONGESTION_RATES : 0;
		ops.acked = test_watch;
		ops.lost = test_lost;
	}
	if (is("controls")) {
		ops.flags = XTCP_CONGESTION_CONTROLS | XTCP_CONGESTION_RATES |
			    XTCP_CONGESTION_PACES;
		ops.grow = NULL;
		ops.ssthresh = NULL;
		ops.acked = test_acked;
	}
	return xtcp_congestion_register(&ops);
}

static void __exit test_unload(void)
{
	msleep(exit_ms);
	xtcp_congestion_unregister(&ops);
}

module_init(test_load);
module_exit(test_unload);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("xtcp: congestion controls for tests");
