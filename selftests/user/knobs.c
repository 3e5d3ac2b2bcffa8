// SPDX-License-Identifier: GPL-2.0
/*
 * knobs: net.ipv4.xtcp_*. Most have a counterpart net.ipv4.tcp_* of the kernel in the same
 * guest: a value written to both must be taken or refused by both and read alike, and
 * the defaults must agree; a few are xtcp's own. What a knob does is tested with the
 * feature; here only effects that a SYN shows.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

FIXTURE(knobs) {
	int ns;
};

FIXTURE_SETUP(knobs)
{
	self->ns = netns_new(WHERE(_metadata));
}

FIXTURE_TEARDOWN(knobs)
{
}

PEER_FIXTURE(knob_effect);

#define ALL_OPTIONS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, \
			OPT_WSCALE(7))

static const char *path_of(const char *stack, const char *knob)
{
	static char path[2][96];
	static int n;

	n ^= 1;
	snprintf(path[n], sizeof(path[n]), "/proc/sys/net/ipv4/%s_%s", stack, knob);
	return path[n];
}

#define VALUE_MAX 128

/* Bytes that write() takes of a text, or its negative errno. */
static ssize_t bytes_taken(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, text, strlen(text));

	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

/*
 * Three sizes of a buffer: the last depends on the low watermark of memory, which the
 * kernel raises for a while when memory is fragmented. The kernel's TCP computed it at
 * boot, when the memory of the initial file system did not count yet; xtcp when it was
 * loaded.
 */
static bool is_same_buffer(const char *stocks, const char *ours)
{
	/* Newer kernels than 6.12 go up to 32 MiB where xtcp stays at 6. */
	const long limit = 6L << 20;
	long a[3], b[3];

	return sscanf(stocks, "%ld %ld %ld", &a[0], &a[1], &a[2]) == 3 &&
	       sscanf(ours, "%ld %ld %ld", &b[0], &b[1], &b[2]) == 3 &&
	       a[0] == b[0] && a[1] == b[1] &&
	       ((a[2] >= b[2] - b[2] / 4 && b[2] >= a[2] - a[2] / 4) ||
		(a[2] > limit && b[2] == limit));
}

/* xtcp's file, and the kernel's, which lacks some on 6.1. */
static void expect_alike(struct __test_metadata *_metadata, const char *knob)
{
	char ours[VALUE_MAX], stocks[VALUE_MAX];

	if (sysctl_read(path_of("tcp", knob), stocks, sizeof(stocks)) == ENOENT) {
		TH_LOG("not compared: the kernel has no tcp_%s", knob);
		return;
	}
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), ours, sizeof(ours)));
	if (!is_same_buffer(stocks, ours))
		EXPECT_STREQ(stocks, ours);
}

/* Malformed values of many kinds. */
static const char *const values[] = {
	"0", "1", "2", "3", "5", "47", "127", "128", "255", "256", "-1", "-5",
	"65535", "65536", "2147483647", "2147483648", "4294967295",
	"4294967296", "99999999999999999999", "8589934", "8589935", "1000000000",
	" 9", "9 ", "+4", "0x10", "010", "7x", "x", "", " ", "1 2", "1.5",
	"4096 8192 16384", "4095 8192 16384", "5000 5001", "4096 -1 1",
	"1 1 1", "0 1 1", "4096 16384 4194304",
};

static void write_both(struct __test_metadata *_metadata, const char *knob, const char *value)
{
	int ours = sysctl_write(path_of("xtcp", knob), value);
	int stocks;

	/* Accurate ECN, which the kernel has from 7.0 on. */
	if (!strcmp(knob, "ecn") && (!strcmp(value, "3") || !strcmp(value, "5"))) {
		EXPECT_EQ(0, ours);
		sysctl_write(path_of("tcp", knob), "1");
		sysctl_write(path_of("xtcp", knob), "1");
		return;
	}
	/* 6.1 takes a value by which it then shifts an int. */
	if (!strcmp(knob, "tso_rtt_log") && atoi(value) > 31 && atoi(value) < 256) {
		EXPECT_EQ(EINVAL, ours);
		return;
	}
	stocks = sysctl_write(path_of("tcp", knob), value);
	if (stocks == ENOENT) {
		TH_LOG("not compared: the kernel has no tcp_%s", knob);
		return;
	}
	EXPECT_EQ(stocks, ours) TH_LOG("writing '%s'", value);
	expect_alike(_metadata, knob);
}

/* A refused value leaves the old one; the error is EINVAL. */
static void expect_refused(struct __test_metadata *_metadata, const char *knob, const char *value)
{
	char before[VALUE_MAX], after[VALUE_MAX];

	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), before, sizeof(before)));
	EXPECT_EQ(EINVAL, sysctl_write(path_of("xtcp", knob), value));
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), after, sizeof(after)));
	EXPECT_STREQ(before, after);
}

/* Another namespace begins with the default, and this one keeps its own. */
static void expect_of_a_netns(struct __test_metadata *_metadata, int ns, const char *knob,
			      const char *initial, const char *another)
{
	char changed[VALUE_MAX], value[VALUE_MAX];
	int other;

	ASSERT_EQ(0, sysctl_write(path_of("xtcp", knob),
				  strchr(initial, '\t') ? "4097 4098 4099" : another));
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), changed, sizeof(changed)));
	ASSERT_STRNE(initial, changed);
	other = netns_new(WHERE(_metadata));
	EXPECT_EQ(0, sysctl_read(path_of("xtcp", knob), value, sizeof(value)));
	EXPECT_STREQ(initial, value);
	netns_enter(WHERE(_metadata), ns);
	EXPECT_EQ(0, sysctl_read(path_of("xtcp", knob), value, sizeof(value)));
	EXPECT_STREQ(changed, value);
	close(other);
}

static void knob_is_like_stocks(struct __test_metadata *_metadata, int ns,
				const char *knob, const char *initial, const char *refused,
				const char *another)
{
	char before[VALUE_MAX];
	struct stat st;

	if (stock_mode())
		SKIP(return, "compares xtcp's knob with stock's");
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), before, sizeof(before)));
	if (initial)
		EXPECT_STREQ(initial, before);
	expect_alike(_metadata, knob);
	ASSERT_EQ(0, stat(path_of("xtcp", knob), &st));
	EXPECT_EQ(0644, st.st_mode & 0777);
	expect_refused(_metadata, knob, refused);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		write_both(_metadata, knob, values[i]);
	expect_of_a_netns(_metadata, ns, knob, before, another);
}

/* Default NULL: it depends on the machine's memory, and equals the kernel's. */
#define KNOB(name, initial, refused) KNOB_RANGE(name, initial, refused, "100")
/* Another value that differs from the default is given where 100 does not. */
#define KNOB_RANGE(name, initial, refused, another) \
	TEST_F(knobs, knob_##name) \
	{ \
		knob_is_like_stocks(_metadata, self->ns, #name, initial, refused, another); \
	}

KNOB(syncookies, "1", "256")
KNOB(max_syn_backlog, NULL, "x")
KNOB(synack_retries, "5", "256")
KNOB(syn_retries, "6", "0")
KNOB(abort_on_overflow, "0", "256")
KNOB(retries1, "3", "256")
KNOB(retries2, "15", "-1")
KNOB(orphan_retries, "0", "256")
KNOB(keepalive_time, "7200", "x")
KNOB(keepalive_intvl, "75", "99999999999")
KNOB(keepalive_probes, "9", "256")
KNOB(fin_timeout, "60", "x")
KNOB(fastopen, "1", "x")
KNOB(fastopen_blackhole_timeout_sec, "0", "-1")
KNOB(max_tw_buckets, NULL, "2147483648")
KNOB(rfc1337, "0", "256")
KNOB(timestamps, "1", "256")
KNOB(window_scaling, "1", "256")
KNOB(sack, "1", "256")
KNOB(rmem, NULL, "4095 8192 16384")
KNOB(wmem, NULL, "0 8192 16384")

KNOB(slow_start_after_idle, "1", "256")
KNOB(dsack, "1", "256")
KNOB(early_demux, "1", "256")
KNOB(stdurg, "0", "256")
KNOB_RANGE(autocorking, "1", "2", "0")
KNOB(limit_output_bytes, NULL, "x")
KNOB(min_tso_segs, "2", "0")
KNOB_RANGE(reflect_tos, "0", "2", "1")
KNOB_RANGE(l3mdev_accept, "0", "2", "1")
KNOB_RANGE(tso_rtt_log, "9", "32", "5")
KNOB(tso_win_divisor, "3", "256")
KNOB(moderate_rcvbuf, "1", "256")
KNOB(comp_sack_nr, "44", "256")
KNOB(comp_sack_delay_ns, "1000000", "x")
KNOB(recovery, "1", "256")
KNOB(frto, "2", "256")
KNOB_RANGE(ecn, "2", "6", "1")
KNOB_RANGE(ecn_option, "2", "4", "0")
KNOB_RANGE(ecn_option_beacon, "3", "4", "0")
KNOB_RANGE(ecn_fallback, "1", "2", "0")
KNOB(mtu_probing, "0", "256")
KNOB(base_mss, "1024", "x")
KNOB(mtu_probe_floor, "48", "47")
KNOB(probe_threshold, "8", "x")
KNOB(probe_interval, "600", "-1")
KNOB(pacing_ss_ratio, "200", "1001")
KNOB(pacing_ca_ratio, "120", "-1")
KNOB(notsent_lowat, "4294967295", "-1")
KNOB(max_reordering, "300", "0")
KNOB_RANGE(plb_enabled, "0", "2", "1")
KNOB(plb_cong_thresh, "128", "257")
KNOB_RANGE(plb_idle_rehash_rounds, "3", "32", "5")
KNOB_RANGE(plb_rehash_rounds, "12", "32", "5")
KNOB(plb_suspend_rto_sec, "60", "256")
KNOB(no_metrics_save, "0", "256")
KNOB_RANGE(no_ssthresh_metrics_save, "1", "2", "0")

/* The other knob limits it. */
TEST_F(knobs, knob_reordering)
{
	NOT_ON_STOCK();
	knob_is_like_stocks(_metadata, self->ns, "reordering", "3", "301", "100");
	EXPECT_EQ(0, knob_set("max_reordering", 1000));
	EXPECT_EQ(0, knob_set("reordering", 1000));
	EXPECT_EQ(EINVAL, knob_set("reordering", 1001));
}

/* Linux has it since 6.19, with another default: knobs.rst. */
TEST_F(knobs, knob_comp_sack_rtt_percent)
{
	NOT_ON_STOCK();
	EXPECT_EQ(5, knob_get("comp_sack_rtt_percent"));
	expect_refused(_metadata, "comp_sack_rtt_percent", "0");
	expect_refused(_metadata, "comp_sack_rtt_percent", "1001");
	expect_of_a_netns(_metadata, self->ns, "comp_sack_rtt_percent", "5", "100");
}

TEST_F(knobs, knob_early_retrans)
{
	NOT_ON_STOCK();
	EXPECT_EQ(3, knob_get("early_retrans"));
	expect_alike(_metadata, "early_retrans");
	expect_refused(_metadata, "early_retrans", "5");
	expect_refused(_metadata, "early_retrans", "-1");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		write_both(_metadata, "early_retrans", values[i]);
	expect_of_a_netns(_metadata, self->ns, "early_retrans", "3", "0");
}
KNOB(workaround_signed_windows, "0", "256")
KNOB_RANGE(shrink_window, "0", "2", "1")
KNOB(rto_min_us, "200000", "0")

/* Its ends are told by hand: kernels before 6.15 have no such knob to compare with. */
TEST_F(knobs, knob_rto_max_ms)
{
	knob_is_like_stocks(_metadata, self->ns, "rto_max_ms", "120000", "999", "5000");
	expect_refused(_metadata, "rto_max_ms", "120001");
	EXPECT_EQ(0, knob_set("rto_max_ms", 120000));
	EXPECT_EQ(120000, knob_get("rto_max_ms"));
	EXPECT_EQ(0, knob_set("rto_max_ms", 1000));
	EXPECT_EQ(1000, knob_get("rto_max_ms"));
}

KNOB(thin_linear_timeouts, "0", "256")
KNOB(retrans_collapse, "1", "256")
KNOB(pingpong_thresh, "1", "0")
KNOB(min_rtt_wlen, "300", "86401")
KNOB(invalid_ratelimit, "500", "x")
KNOB(challenge_ack_limit, "2147483647", "2147483648")
KNOB(min_snd_mss, "48", "47")

/* The kernel's default is 4 where it has the knob; 0 is what all others do. */
TEST_F(knobs, knob_syn_linear_timeouts)
{
	NOT_ON_STOCK();
	EXPECT_EQ(0, knob_get("syn_linear_timeouts"));
	sysctl_write(path_of("tcp", "syn_linear_timeouts"), "0");
	knob_is_like_stocks(_metadata, self->ns, "syn_linear_timeouts", "0", "128", "100");
}

TEST_F(knobs, knob_tw_reuse)
{
	NOT_ON_STOCK();
	EXPECT_EQ(2, knob_get("tw_reuse"));
	expect_alike(_metadata, "tw_reuse");
	expect_refused(_metadata, "tw_reuse", "3");
	expect_refused(_metadata, "tw_reuse", "-1");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		write_both(_metadata, "tw_reuse", values[i]);
	expect_of_a_netns(_metadata, self->ns, "tw_reuse", "2", "0");
}

TEST_F(knobs, knob_migrate_req)
{
	NOT_ON_STOCK();
	EXPECT_EQ(0, knob_get("migrate_req"));
	expect_alike(_metadata, "migrate_req");
	expect_refused(_metadata, "migrate_req", "2");
	expect_refused(_metadata, "migrate_req", "-1");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		write_both(_metadata, "migrate_req", values[i]);
	expect_of_a_netns(_metadata, self->ns, "migrate_req", "0", "1");
}

/* Those that the kernel does not have. */
static void knob_is_ours(struct __test_metadata *_metadata, int ns, const char *knob,
			 const char *initial, const char *const *refused, const char *largest)
{
	char before[VALUE_MAX];

	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), before, sizeof(before)));
	EXPECT_STREQ(initial, before);
	for (; *refused; refused++)
		expect_refused(_metadata, knob, *refused);
	expect_of_a_netns(_metadata, ns, knob, initial, "7");
	EXPECT_EQ(0, knob_set_text(knob, largest));
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), before, sizeof(before)));
	EXPECT_STREQ(largest, before);
}

#define GATE_KNOB(name, initial, largest, ...) \
	TEST_F(knobs, knob_##name) \
	{ \
		static const char *const refused[] = { "-1", "x", "1.5", "2147483648", \
						       ##__VA_ARGS__, NULL }; \
		NOT_ON_STOCK(); \
		knob_is_ours(_metadata, self->ns, #name, initial, refused, largest); \
	}

GATE_KNOB(syn_per_source_limit, "0", "2147483647")
GATE_KNOB(syn_per_source_prefix, "32", "32", "0", "33")
GATE_KNOB(syn_per_source_prefix6, "64", "128", "0", "129")
GATE_KNOB(synack_ratelimit, "0", "2147483647")
GATE_KNOB(rst_ratelimit, "0", "2147483647")

/* 0 and 1, of one namespace. */
TEST_F(knobs, knob_histograms)
{
	static const char *const values[] = { "1", "1", "0", "0", "1" };

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(0, knob_set_text("histograms", values[i]));
		EXPECT_EQ(values[i][0] - '0', knob_get("histograms"));
	}
	expect_refused(_metadata, "histograms", "2");
	expect_refused(_metadata, "histograms", "-1");
	expect_refused(_metadata, "histograms", "x");
	expect_of_a_netns(_metadata, self->ns, "histograms", "0", "1");
}

/* --- of the whole machine ------------------------------------------------ */

/* Only the first namespace may write them. */
static void knob_is_the_machines(struct __test_metadata *_metadata, int ns, const char *knob,
				 const char *another, const char *refused)
{
	int first = open("/proc/1/ns/net", O_RDONLY);
	char initial[VALUE_MAX], value[VALUE_MAX];
	struct stat st;

	ASSERT_LE(0, first);
	ASSERT_EQ(0, stat(path_of("xtcp", knob), &st));
	EXPECT_EQ(0444, st.st_mode & 0777);
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EACCES, sysctl_write(path_of("xtcp", knob), another));
	ASSERT_EQ(0, seteuid(0));
	netns_enter(WHERE(_metadata), first);
	ASSERT_EQ(0, stat(path_of("xtcp", knob), &st));
	EXPECT_EQ(0644, st.st_mode & 0777);
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), initial, sizeof(initial)));
	expect_refused(_metadata, knob, refused);
	EXPECT_EQ(0, sysctl_write(path_of("xtcp", knob), another));
	netns_enter(WHERE(_metadata), ns);
	EXPECT_EQ(0, sysctl_read(path_of("xtcp", knob), value, sizeof(value)));
	EXPECT_STREQ(another, value);
	netns_enter(WHERE(_metadata), first);
	EXPECT_EQ(0, sysctl_write(path_of("xtcp", knob), initial));
	close(first);
}

TEST_F(knobs, knob_max_orphans)
{
	NOT_ON_STOCK();
	knob_is_the_machines(_metadata, self->ns, "max_orphans", "77", "2147483648");
	/* Back in the first namespace, with the default. */
	expect_alike(_metadata, "max_orphans");
}

TEST_F(knobs, knob_mem)
{
	long low, pressure, max, stocks;
	char value[VALUE_MAX];

	NOT_ON_STOCK();
	knob_is_the_machines(_metadata, self->ns, "mem", "1000\t2000\t3000", "x");
	/*
	 * The kernel computes its own at boot, when another amount of memory is free.
	 */
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", "mem"), value, sizeof(value)));
	ASSERT_EQ(3, sscanf(value, "%ld %ld %ld", &low, &pressure, &max));
	EXPECT_EQ(pressure / 4 * 3, low);
	EXPECT_EQ(low * 2, max);
	ASSERT_EQ(0, sysctl_read(path_of("tcp", "mem"), value, sizeof(value)));
	ASSERT_EQ(2, sscanf(value, "%ld %ld", &low, &stocks));
	EXPECT_LE(stocks / 2, pressure);
	EXPECT_GE(stocks * 2, pressure);
}

/* --- without a counterpart ---------------------------------------------- */

/* Nothing outside of the range is taken; its @highest is. */
static void expect_upper_end(struct __test_metadata *_metadata, const char *knob,
			     const char *highest, const char *above)
{
	char value[VALUE_MAX];

	expect_refused(_metadata, knob, "-1");
	expect_refused(_metadata, knob, above);
	expect_refused(_metadata, knob, "x");
	EXPECT_EQ(0, sysctl_write(path_of("xtcp", knob), highest));
	EXPECT_EQ(0, sysctl_read(path_of("xtcp", knob), value, sizeof(value)));
	EXPECT_STREQ(highest, value);
}

static void knob_is_new(struct __test_metadata *_metadata, int ns, const char *knob,
			const char *initial, const char *highest, const char *above)
{
	char value[VALUE_MAX];

	if (stock_mode())
		SKIP(return, "xtcp's own");
	ASSERT_NE(0, access(path_of("tcp", knob), F_OK));
	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), value, sizeof(value)));
	EXPECT_STREQ(initial, value);
	expect_upper_end(_metadata, knob, highest, above);
	EXPECT_EQ(0, sysctl_write(path_of("xtcp", knob), "0"));
	expect_of_a_netns(_metadata, ns, knob, initial, strcmp(initial, "0") ? "0" : "1");
}

#define NEW_KNOB(name, initial, highest, above) \
	TEST_F(knobs, knob_##name) \
	{ \
		knob_is_new(_metadata, self->ns, #name, initial, highest, above); \
	}

NEW_KNOB(icmp_soft_abort, "1", "1", "2")
NEW_KNOB(tw_recycle, "0", "1", "2")
NEW_KNOB(tw_stateless, "0", "1", "2")
NEW_KNOB(user_timeout, "0", "2147483647", "2147483648")
NEW_KNOB(attached_fin_timeout, "0", "2147483647", "2147483648")

/* A knob whose range does not begin at 0. */
static void knob_has_range(struct __test_metadata *_metadata, int ns, const char *knob,
			   const char *initial, const char *lowest, const char *highest,
			   const char *above)
{
	char value[VALUE_MAX];

	ASSERT_EQ(0, sysctl_read(path_of("xtcp", knob), value, sizeof(value)));
	EXPECT_STREQ(initial, value);
	expect_refused(_metadata, knob, "0");
	expect_upper_end(_metadata, knob, highest, above);
	EXPECT_EQ(0, sysctl_write(path_of("xtcp", knob), lowest));
	expect_of_a_netns(_metadata, ns, knob, initial, "2");
}

TEST_F(knobs, knob_tw_timeout)
{
	NOT_ON_STOCK();
	knob_has_range(_metadata, self->ns, "tw_timeout", "60", "1", "600", "601");
}

TEST_F(knobs, knob_tw_reuse_delay)
{
	NOT_ON_STOCK();
	knob_has_range(_metadata, self->ns, "tw_reuse_delay", "1000", "1", "60000", "60001");
}

/* Two IP protocol numbers, and no other. */
TEST_F(knobs, knob_wire)
{
	NOT_ON_STOCK();
	EXPECT_EQ(stream_wire(), knob_get("wire"));
	EXPECT_EQ(0, knob_set("wire", 6));
	EXPECT_EQ(6, knob_get("wire"));
	EXPECT_EQ(0, knob_set("wire", 253));
	EXPECT_EQ(EINVAL, knob_set("wire", 5));
	EXPECT_EQ(EINVAL, knob_set("wire", 17));
	EXPECT_EQ(EINVAL, knob_set("wire", 0));
	EXPECT_EQ(EINVAL, knob_set("wire", 254));
	EXPECT_EQ(EINVAL, knob_set("wire", -3));
	EXPECT_EQ(EINVAL, knob_set_text("wire", "native"));
	EXPECT_EQ(253, knob_get("wire"));
}

/*
 * Two groups, by the rules of the kernel's ping_group_range: a value written to both
 * is taken or refused by both, and reads alike.
 */
TEST_F(knobs, knob_gid_range)
{
	static const char stocks[] = "/proc/sys/net/ipv4/ping_group_range";
	static const char *const texts[] = {
		"0 0", "5 9", "9 5", "0 2147483647", "0 2147483648", "7", "-1 3",
		"x", "3 x", "", "1 2 3", "100\t200", "4294967295 4294967295",
	};
	const char *ours = path_of("xtcp", "gid_range");
	char value[VALUE_MAX], theirs[VALUE_MAX];

	NOT_ON_STOCK();
	ASSERT_EQ(0, sysctl_read(ours, value, sizeof(value)));
	EXPECT_STREQ("1\t0", value);
	for (size_t i = 0; i < ARRAY_SIZE(texts) + ARRAY_SIZE(values); i++) {
		const char *text = i < ARRAY_SIZE(texts) ? texts[i] :
							   values[i - ARRAY_SIZE(texts)];

		EXPECT_EQ(bytes_taken(stocks, text), bytes_taken(ours, text))
			TH_LOG("\"%s\"", text);
		ASSERT_EQ(0, sysctl_read(stocks, theirs, sizeof(theirs)));
		ASSERT_EQ(0, sysctl_read(ours, value, sizeof(value)));
		EXPECT_STREQ(theirs, value)
			TH_LOG("\"%s\"", text);
	}
	/* A new namespace has the default, whatever its parent has. */
	ASSERT_EQ(0, sysctl_write(ours, "5 9"));
	netns_new(WHERE(_metadata));
	ASSERT_EQ(0, sysctl_read(ours, value, sizeof(value)));
	EXPECT_STREQ("1\t0", value);
}

/* --- names -------------------------------------------------------------- */

static void text_is(struct __test_metadata *_metadata, const char *knob, const char *text)
{
	char value[VALUE_MAX];

	ASSERT_EQ(0, sysctl_read(path_of(stock_mode() ? "tcp" : "xtcp", knob), value,
				 sizeof(value)));
	EXPECT_STREQ(text, value) TH_LOG("%s", knob);
}

TEST_F(knobs, knob_congestion_control)
{
	int other;

	text_is(_metadata, "congestion_control", "cubic");
	EXPECT_EQ(0, knob_set_text("congestion_control", "reno"));
	text_is(_metadata, "congestion_control", "reno");
	EXPECT_EQ(ENOENT, knob_set_text("congestion_control", "nonesuch"));
	EXPECT_EQ(ENOENT, knob_set_text("congestion_control", "\n"));
	EXPECT_EQ(ENOENT, knob_set_text("congestion_control", "reno cubic"));
	EXPECT_EQ(ENOENT, knob_set_text("congestion_control", "a_name_too_long_for_any_rule"));
	text_is(_metadata, "congestion_control", "reno");
	/* A new namespace inherits the first one's value, not its parent's. */
	other = netns_new(WHERE(_metadata));
	text_is(_metadata, "congestion_control", "cubic");
	netns_enter_first(WHERE(_metadata));
	EXPECT_EQ(0, knob_set_text("congestion_control", "reno"));
	close(netns_new(WHERE(_metadata)));
	text_is(_metadata, "congestion_control", "reno");
	netns_enter_first(WHERE(_metadata));
	EXPECT_EQ(0, knob_set_text("congestion_control", "cubic"));
	netns_enter(WHERE(_metadata), other);
	text_is(_metadata, "congestion_control", "cubic");
	close(other);
}

TEST_F(knobs, knob_available_congestion_control)
{
	const char *path = path_of(stock_mode() ? "tcp" : "xtcp", "available_congestion_control");
	struct stat st;

	text_is(_metadata, "available_congestion_control", "reno cubic");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0444, st.st_mode & 0777);
	netns_enter_first(WHERE(_metadata));
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0444, st.st_mode & 0777);
}

TEST_F(knobs, knob_allowed_congestion_control)
{
	const char *path = path_of(stock_mode() ? "tcp" : "xtcp", "allowed_congestion_control");
	struct stat st;

	/* Of the whole system: read-only except in the first namespace. */
	text_is(_metadata, "allowed_congestion_control", "reno cubic");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0444, st.st_mode & 0777);
	netns_enter_first(WHERE(_metadata));
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0644, st.st_mode & 0777);
	EXPECT_EQ(ENOENT, knob_set_text("allowed_congestion_control", "reno nonesuch"));
	text_is(_metadata, "allowed_congestion_control", "reno cubic");
	EXPECT_EQ(0, knob_set_text("allowed_congestion_control", "reno"));
	text_is(_metadata, "allowed_congestion_control", "reno");
	/* Not allowed: not as another namespace's default either. */
	netns_enter(WHERE(_metadata), self->ns);
	text_is(_metadata, "allowed_congestion_control", "reno");
	EXPECT_EQ(0, knob_set_text("congestion_control", "reno"));
	EXPECT_EQ(EPERM, knob_set_text("congestion_control", "cubic"));
	/* The first namespace's default becomes allowed. */
	netns_enter_first(WHERE(_metadata));
	EXPECT_EQ(0, knob_set_text("congestion_control", "cubic"));
	text_is(_metadata, "allowed_congestion_control", "reno cubic");
	/* The first empty name ends the list. */
	EXPECT_EQ(0, knob_set_text("allowed_congestion_control", "cubic  nonesuch"));
	text_is(_metadata, "allowed_congestion_control", "cubic");
	EXPECT_EQ(0, knob_set_text("allowed_congestion_control", "reno cubic"));
}

/* The flight recorder: xtcp has it alone. */
TEST_F(knobs, knob_recorder)
{
	static const char *const refused[] = { "3", "-1", "255", "256", "x", "0x1x" };

	NOT_ON_STOCK();
	EXPECT_EQ(0, knob_get("recorder"));
	EXPECT_EQ(0, knob_set("recorder", 2));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		expect_refused(_metadata, "recorder", refused[i]);
	EXPECT_EQ(2, knob_get("recorder"));
	expect_of_a_netns(_metadata, self->ns, "recorder", "0", "1");
	/* To and fro: the code is patched once and later. */
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(0, knob_set("recorder", i % 3));
	EXPECT_EQ(0, knob_get("recorder"));
}

#define KEY_A	"00112233-44556677-8899aabb-ccddeeff"
#define KEY_B	"01020304-05060708-090a0b0c-0d0e0f10"

TEST_F(knobs, knob_fastopen_key)
{
	char text[128];

	ASSERT_EQ(0, knob_get_text("fastopen_key", text, sizeof(text)));
	EXPECT_STREQ("00000000-00000000-00000000-00000000", text);
	/* A write of nothing makes this no key. */
	EXPECT_EQ(stock_mode() ? 0 : EINVAL, knob_set_text("fastopen_key", ""));
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_A));
	ASSERT_EQ(0, knob_get_text("fastopen_key", text, sizeof(text)));
	EXPECT_STREQ(KEY_A, text);
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_B "," KEY_A));
	ASSERT_EQ(0, knob_get_text("fastopen_key", text, sizeof(text)));
	EXPECT_STREQ(KEY_B "," KEY_A, text);
	/* 73 bytes are read, as in Linux: two keys have 71. */
	ASSERT_EQ(0, knob_set_text("fastopen_key", "  " KEY_A "," KEY_B));
	ASSERT_EQ(0, knob_get_text("fastopen_key", text, sizeof(text)));
	EXPECT_STREQ(KEY_A "," KEY_B, text);
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_B "," KEY_A));
	EXPECT_EQ(EINVAL, knob_set_text("fastopen_key", "1-2-3"));
	EXPECT_EQ(EINVAL, knob_set_text("fastopen_key", KEY_A ",zz"));
	ASSERT_EQ(0, knob_get_text("fastopen_key", text, sizeof(text)));
	EXPECT_STREQ(KEY_B "," KEY_A, text);
}

/* Is there a test knob_NAME in this program? */
static bool has_test(const struct __test_metadata *first, const char *knob)
{
	for (const struct __test_metadata *t = first; t; t = t->next)
		if (!strncmp(t->name, "knob_", 5) && !strcmp(t->name + 5, knob))
			return true;
	return false;
}

/* What each does is tested elsewhere: scripts/lint knobs. */
TEST_F(knobs, knob_all_have_a_test)
{
	DIR *dir = opendir("/proc/sys/net/ipv4");
	struct dirent *entry;
	int found = 0;

	NOT_ON_STOCK();
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "xtcp_", 5))
			continue;
		EXPECT_TRUE(has_test(_metadata->fixture->tests, entry->d_name + 5))
			TH_LOG("no test of %s", entry->d_name);
		found++;
	}
	closedir(dir);
	EXPECT_LT(0, found);
}

/* A knob of the kernel has a twin, or its reason in the table of Documentation/knobs.rst. */
TEST_F(knobs, knob_of_the_kernel_has_a_twin)
{
	static const char *const without[] = {
		"adv_win_scale", "app_win", "available_ulp", "backlog_ack_defer",
		"child_ehash_entries", "comp_sack_slack_ns", "ehash_entries", "fack", "fwmark_accept",
		"low_latency", "rcvbuf_low_rtt",
	};
	struct dirent *entry;
	DIR *dir;

	NOT_ON_STOCK();
	/* Some only the first namespace has. */
	netns_enter_first(WHERE(_metadata));
	dir = opendir("/proc/sys/net/ipv4");
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name + strlen("tcp_");
		size_t i;

		if (strncmp(entry->d_name, "tcp_", 4))
			continue;
		for (i = 0; i < ARRAY_SIZE(without); i++)
			if (!strcmp(name, without[i]))
				break;
		if (access(path_of("xtcp", name), F_OK)) {
			EXPECT_GT(ARRAY_SIZE(without), i)
				TH_LOG("no twin of tcp_%s", name);
		} else {
			EXPECT_EQ(ARRAY_SIZE(without), i)
				TH_LOG("tcp_%s has a twin", name);
		}
	}
	closedir(dir);
}

/* Writing needs to own the namespace. */
TEST_F(knobs, knob_needs_privilege)
{
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EACCES, knob_set("syn_retries", 3));
	EXPECT_EQ(6, knob_get("syn_retries"));
	ASSERT_EQ(0, seteuid(0));
}

/* --- what a SYN shows of them ------------------------------------------- */

struct offer {
	const char *knob;
	int value;
	int ts, wscale, sackok;		/* 1: offered, and agreed to */
};

static const struct offer offers[] = {
	{ "timestamps", 0, 0, 1, 1 },
	{ "timestamps", 2, 1, 1, 1 },
	{ "timestamps", 7, 1, 1, 1 },
	{ "window_scaling", 0, 1, 0, 1 },
	{ "window_scaling", 9, 1, 1, 1 },
	{ "sack", 0, 1, 1, 0 },
	{ "sack", 200, 1, 1, 1 },
};

static void expect_offer(struct __test_metadata *_metadata, const struct offer *o,
			 const struct segment *seg)
{
	EXPECT_EQ(o->ts, seg->opt.ts);
	EXPECT_EQ(o->wscale, seg->opt.wscale >= 0);
	EXPECT_EQ(o->sackok, seg->opt.sackok);
}

static void offer_is_so(struct __test_metadata *_metadata, struct peer *p, const char *knob)
{
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
		if (strcmp(offers[i].knob, knob))
			continue;
		TH_LOG("%s %d", knob, offers[i].value);
		ASSERT_EQ(0, knob_set(knob, offers[i].value));
		conn_to_state(p, &c, ST_SYN_SENT);
		expect_offer(_metadata, &offers[i], &p->last);
		close(c.fd);
		conn_to_state(p, &c, ST_HALF_OPEN, .opt = ALL_OPTIONS, .kport = 5000 + i);
		expect_offer(_metadata, &offers[i], &p->last);
		close(c.lfd);
	}
}

TEST_F(knob_effect, knob_timestamps_offered_or_not)
{
	offer_is_so(_metadata, &self->peer, "timestamps");
}

TEST_F(knob_effect, knob_window_scaling_offered_or_not)
{
	offer_is_so(_metadata, &self->peer, "window_scaling");
}

TEST_F(knob_effect, knob_sack_offered_or_not)
{
	offer_is_so(_metadata, &self->peer, "sack");
}

/* 2 means no random offset: all connections share one clock. */
TEST_F(knob_effect, knob_timestamps_2_is_a_plain_clock)
{
	struct peer *p = &self->peer;
	uint32_t first;
	struct conn c;

	ASSERT_EQ(0, knob_set("timestamps", 2));
	conn_to_state(p, &c, ST_SYN_SENT);
	first = p->last.opt.tsval;
	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_GE(20, p->last.opt.tsval - first);
	ASSERT_EQ(0, knob_set("timestamps", 1));
	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_LT(1000, p->last.opt.tsval - first);
	p->leave_unread = true;
}

/* The scale is what the largest buffer needs, rmem's or SO_RCVBUF's (2). */
TEST_F(knob_effect, knob_rmem_default_and_window)
{
	struct peer *p = &self->peer;
	int val = 0, fd;
	socklen_t len = sizeof(val);
	struct conn c;

	ASSERT_EQ(0, knob_set_text("rmem", "4096 20000 40000"));
	fd = stream_socket(AF_INET);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &val, &len));
	EXPECT_EQ(20000, val);
	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_GE(20000, p->last.wnd);
	EXPECT_EQ(2, p->last.opt.wscale);
	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 6291456"));
	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_EQ(7, p->last.opt.wscale);
	p->leave_unread = true;
}

TEST_F(knob_effect, knob_wmem_default)
{
	int val = 0, fd;
	socklen_t len = sizeof(val);

	ASSERT_EQ(0, knob_set_text("wmem", "4096 50000 60000"));
	fd = stream_socket(AF_INET);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &val, &len));
	EXPECT_EQ(50000, val);
}

TEST_HARNESS_MAIN
