// SPDX-License-Identifier: GPL-2.0
/*
 * bbr: BBR version 3, the module xtcp_cc_bbr, on a path whose rate and round trip time are
 * known: the model that it finds, the states that it passes through, and what it does when
 * the program has little to send. TCP_CC_INFO tells the state by its gains.
 */
/* vm: timeout=300 */
#include "lib/xtcp_test.h"
#include "lib/module.h"

#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <poll.h>

#define MODULE "xtcp_cc_bbr"
#define DELAY_MS 20
#define RATE_MBIT 5
/* Payload bytes per second. */
#define RATE (RATE_MBIT * 1e6 / 8 * 1448 / 1514)

/* Gains times 256, of the draft's table in 5.6.1. */
#define STARTUP_PACING 709
#define DRAIN_PACING 128
#define DOWN_PACING 230
#define UP_PACING 320
#define UP_CWND 576
#define PROBE_RTT_CWND 128

FIXTURE(bbr)
{
	struct pair pair;
};

FIXTURE_SETUP(bbr)
{
	if (stock_mode())
		SKIP(return, "the kernel's is version 1");
	pair_open_at(WHERE(_metadata), &self->pair, NULL);
	ASSERT_EQ(0, module_load_other(MODULE, ""));
}

FIXTURE_TEARDOWN(bbr)
{
	int err = EAGAIN;

	if (stock_mode())
		return;
	pair_close_at(WHERE(_metadata), &self->pair);
	for (int n = 0; err == EAGAIN && n < 300; n++) {
		err = module_unload_other(MODULE);
		if (err)
			sleep_ms(1000);
	}
	EXPECT_EQ(0, err);
}

struct flow {
	struct __test_metadata *test;
	int from, to;
	int64_t start_ms;
	size_t bytes;
};

static struct tcp_bbr_info info_of(const struct flow *f)
{
	struct __test_metadata *_metadata = f->test;
	union tcp_cc_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	EXPECT_EQ(0, getsockopt(f->from, IPPROTO_TCP, TCP_CC_INFO, &info, &len));
	EXPECT_EQ(sizeof(info.bbr), len);
	return info.bbr;
}

static double bw_of(const struct tcp_bbr_info *info)
{
	return info->bbr_bw_lo + info->bbr_bw_hi * 4294967296.0;
}

static void flow_open(struct __test_metadata *_metadata, struct pair *pr,
		      struct netem netem, struct flow *f)
{
	netem.delay_ms = DELAY_MS;
	netem.rate_mbit = RATE_MBIT;
	netem.seed = 3;
	pair_enter(pr, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	pair_netem(pr, CLIENT, &netem);
	pair_netem(pr, SERVER, &(struct netem){ .delay_ms = DELAY_MS });
	*f = (struct flow){ .test = _metadata };
	pair_connected(pr, 5000, &f->from, &f->to);
	ASSERT_EQ(0, setsockopt(f->from, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3));
	f->start_ms = now_ms();
}

/* The program writes as much as it may until then. */
static void flow_run(struct flow *f, int64_t until_ms)
{
	static uint8_t buf[65536];
	ssize_t n;

	while (now_ms() - f->start_ms < until_ms) {
		struct pollfd pfd[] = { { f->to, POLLIN, 0 }, { f->from, POLLOUT, 0 } };

		poll(pfd, 2, 5);
		while (send(f->from, buf, sizeof(buf), MSG_NOSIGNAL) > 0)
			;
		while ((n = recv(f->to, buf, sizeof(buf), 0)) > 0)
			f->bytes += n;
	}
}

static void flow_close(struct flow *f)
{
	socket_abort(f->from);
	close(f->to);
}

TEST_F(bbr, the_model_of_a_path)
{
	int first_probe_ms = 0, drains = 0, ups = 0, downs = 0, probes = 0, started = 0;
	struct tcp_bbr_info info;
	uint32_t srtt_us;
	struct flow f;

	/* A buffer of a second: whatever waits there, BBR has put there. */
	flow_open(_metadata, &self->pair, (struct netem){ .limit = 500 }, &f);
	EXPECT_EQ(STARTUP_PACING, info_of(&f).bbr_pacing_gain);
	EXPECT_EQ(512, info_of(&f).bbr_cwnd_gain);
	for (int ms = 10; ms <= 8000; ms += 10) {
		flow_run(&f, ms);
		info = info_of(&f);
		started += info.bbr_pacing_gain == STARTUP_PACING;
		drains += info.bbr_pacing_gain == DRAIN_PACING;
		downs += info.bbr_pacing_gain == DOWN_PACING;
		ups += info.bbr_pacing_gain == UP_PACING && info.bbr_cwnd_gain == UP_CWND;
		if (info.bbr_cwnd_gain != PROBE_RTT_CWND)
			continue;
		if (!probes++)
			first_probe_ms = ms;
	}
	srtt_us = socket_info_at(WHERE(_metadata), f.from).srtt_us;
	TH_LOG("in 10 ms: startup %d, drain %d, down %d, up %d, probe_rtt %d, from %d ms",
	       started, drains, downs, ups, probes, first_probe_ms);
	TH_LOG("%.0f of %.0f bytes/s, min_rtt %u us, srtt %u us, %.0f delivered", bw_of(&info),
	       RATE, info.bbr_min_rtt, srtt_us, f.bytes / 8.0);
	/* 5.3.1: the rate doubles each round; three rounds without growth end it. */
	EXPECT_GE(70, started);
	EXPECT_LE(1, drains);
	EXPECT_LE(1, downs);
	EXPECT_LE(1, ups);
	/* 5.3.4: 200 ms and a round, 5 s after the least round trip time was measured. */
	EXPECT_LE(5000, first_probe_ms);
	EXPECT_GE(6000, first_probe_ms);
	EXPECT_LE(15, probes);
	EXPECT_GE(50, probes);
	EXPECT_LE(0.95 * RATE, bw_of(&info));
	EXPECT_GE(1.05 * RATE, bw_of(&info));
	EXPECT_LE(2000 * DELAY_MS, (int)info.bbr_min_rtt);
	EXPECT_GE(2000 * DELAY_MS + 8000, (int)info.bbr_min_rtt);
	/* CUBIC would fill the second. */
	EXPECT_GE(2 * 2000 * DELAY_MS + 20000, (int)srtt_us);
	EXPECT_LE(0.9 * RATE * 8, f.bytes);
	flow_close(&f);
}

TEST_F(bbr, a_program_that_pauses_is_no_slow_path)
{
	struct tcp_bbr_info info;
	struct flow f;

	flow_open(_metadata, &self->pair, (struct netem){ .limit = 500 }, &f);
	flow_run(&f, 2000);
	/* All that is queued arrives; then a segment each 100 ms. */
	for (int i = 0; i < 30; i++) {
		uint8_t buf[65536];

		sleep_ms(100);
		while (recv(f.to, buf, sizeof(buf), 0) > 0)
			;
		if (i > 5)
			ASSERT_EQ(1000, send(f.from, buf, 1000, MSG_NOSIGNAL));
	}
	info = info_of(&f);
	TH_LOG("%.0f of %.0f bytes/s", bw_of(&info), RATE);
	EXPECT_LE(0.9 * RATE, bw_of(&info));
	flow_close(&f);
}

/* 2 % is what it tolerates; CUBIC gets a fraction of that rate. */
TEST_F(bbr, losses_do_not_stop_it)
{
	struct flow f;

	flow_open(_metadata, &self->pair, (struct netem){ .limit = 100, .loss = 1 }, &f);
	flow_run(&f, 4000);
	TH_LOG("%.0f of %.0f bytes/s", f.bytes / 4.0, RATE);
	EXPECT_LE(0.8 * RATE * 4, f.bytes);
	flow_close(&f);
}

TEST_HARNESS_MAIN
