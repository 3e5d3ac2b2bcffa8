// SPDX-License-Identifier: GPL-2.0
/*
 * structops: congestion controls that are BPF programs (module xtcp_cc_bpf), with the example
 * of congestion.rst: what decides the window, what happens when a program goes or another
 * one takes its name, and what the verifier refuses. Run by `make programs`.
 */
/* vm: uses=lane/xtcp_bpf uses=lane/aimd uses=lane/half uses=lane/writes uses=lane/creds uses=lane/sleeps uses=lane/kfunc uses=lane/lacks uses=lane/most newest */
#include "lib/xtcp_test.h"
#include "lib/module.h"

#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/wait.h>

#define MODULE "xtcp_cc_bpf"
#define MSS 1000
#define RTT_MS 100

FIXTURE(structops)
{
	struct peer peer;
};

/* Return: what xtcp_bpf says: 0 or an errno. */
static int bpf(const char *verb, const char *name)
{
	char command[160];
	int status;

	snprintf(command, sizeof(command), "cd /xtcp/selftests/lane && ./xtcp_bpf %s %s 2>&1",
		 verb, name);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

FIXTURE_SETUP(structops)
{
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
	ASSERT_EQ(0, module_load_other(MODULE, ""));
}

FIXTURE_TEARDOWN(structops)
{
	int err;

	peer_close_at(WHERE(_metadata), &self->peer);
	bpf("unload", "aimd");
	/* A map is freed after a grace period. */
	for (int n = 0; (err = module_unload_other(MODULE)) == EAGAIN && n < 100; n++)
		sleep_ms(100);
	EXPECT_EQ(0, err);
}

static bool is_available(const char *name)
{
	static char text[256];

	return !sysctl_read("/proc/sys/net/ipv4/xtcp_available_congestion_control", text,
			    sizeof(text)) && strstr(text, name);
}

static int rule_set(int fd, const char *name)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)) ? errno : 0;
}

static void open_conn(struct peer *p, struct conn *c)
{
	flight_open(p, c, "aimd", .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = RTT_MS);
}

/* As many segments leave; all but the first are SACKed, and it is repaired. */
static void lose_first(struct conn *c, int *next, int segs)
{
	flight_write(c, segs);
	peer_mark(c->peer);
	flight_expect_all(c, *next, *next + segs - 1);
	peer_sleep_until(c->peer, RTT_MS);
	flight_sack(c, *next, { *next + 1, *next + segs });
	flight_expect(c, *next);
	peer_mark_last(c->peer);
	peer_sleep_until(c->peer, RTT_MS);
	*next += segs;
	flight_ack(c, *next);
}

static void deliver(struct conn *c, int *next, int segs)
{
	flight_write(c, segs);
	peer_mark(c->peer);
	flight_expect_all(c, *next, *next + segs - 1);
	peer_sleep_until(c->peer, RTT_MS);
	*next += segs;
	flight_ack(c, *next);
}

static void abort_conn(struct conn *c)
{
	conn_send(c, .flags = RST);
	close(c->fd);
	close(c->lfd);
}

/* 10 - 10 / 4 is 8, rounded; a window of 8 opens by two. */
TEST_F(structops, program_decides_the_window)
{
	struct conn c;
	int next = 0;

	EXPECT_FALSE(is_available("aimd"));
	ASSERT_EQ(0, bpf("load", "aimd"));
	EXPECT_TRUE(is_available("aimd"));
	open_conn(&self->peer, &c);
	lose_first(&c, &next, 10);
	EXPECT_EQ(7, conn_info(&c).cwnd);
	deliver(&c, &next, 7);
	EXPECT_EQ(9, conn_info(&c).cwnd);
	abort_conn(&c);
}

/* Without its program a connection goes on as with Reno; a new program takes it over. */
TEST_F(structops, program_is_replaced_in_use)
{
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, bpf("load", "aimd"));
	open_conn(&self->peer, &c);
	/* Somebody else's. */
	EXPECT_EQ(EEXIST, bpf("load", "half"));
	EXPECT_EQ(EAGAIN, module_unload_other(MODULE));
	ASSERT_EQ(0, bpf("unload", "aimd"));
	EXPECT_EQ(ENOENT, bpf("unload", "aimd"));
	EXPECT_EQ(EAGAIN, module_unload_other(MODULE));
	lose_first(&c, &next, 10);
	EXPECT_EQ(5, conn_info(&c).cwnd);
	deliver(&c, &next, 5);
	EXPECT_EQ(6, conn_info(&c).cwnd);
	/* Of the same name; keeps two quarters and opens by two. */
	ASSERT_EQ(0, bpf("load", "half"));
	deliver(&c, &next, 6);
	EXPECT_EQ(8, conn_info(&c).cwnd);
	lose_first(&c, &next, 8);
	EXPECT_EQ(4, conn_info(&c).cwnd);
	abort_conn(&c);
}

/*
 * A reduction does not raise the window, and no number of deliveries opens it. What was
 * delivered meanwhile opens it by one segment in all once another rule decides.
 */
TEST_F(structops, program_that_answers_u32_max)
{
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, bpf("load", "most"));
	open_conn(&self->peer, &c);
	lose_first(&c, &next, 10);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	EXPECT_EQ(10, conn_info(&c).ssthresh);
	for (int i = 0; i < 3; i++)
		deliver(&c, &next, 10);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	/* Reno: one for the thirty, one for these ten. */
	ASSERT_EQ(0, bpf("unload", "aimd"));
	deliver(&c, &next, 10);
	EXPECT_EQ(12, conn_info(&c).cwnd);
	abort_conn(&c);
}

/*
 * The verifier: a program writes its state only, and nothing at the same place of another
 * struct; it does not sleep, and calls no kfunc. A rule has both required programs.
 */
TEST_F(structops, what_is_refused)
{
	struct conn c;

	EXPECT_EQ(EACCES, bpf("load", "writes"));
	EXPECT_EQ(EACCES, bpf("load", "creds"));
	EXPECT_EQ(EINVAL, bpf("load", "sleeps"));
	EXPECT_EQ(EINVAL, bpf("load", "kfunc"));
	EXPECT_EQ(EINVAL, bpf("load", "lacks"));
	EXPECT_FALSE(is_available("aimd"));
	conn_open(&self->peer, &c);
	EXPECT_EQ(ENOENT, rule_set(c.fd, "aimd"));
	abort_conn(&c);
}

TEST_HARNESS_MAIN
