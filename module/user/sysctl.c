// SPDX-License-Identifier: GPL-2.0
/*
 * sysctl.c - the knobs net.ipv4.xtcp_*: names, ranges, defaults
 *
 * A knob that the kernel's TCP has, too, has the name, unit and range of that
 * tcp_* knob, the kernel's own handler, so that it refuses and accepts the same
 * values, and the same default unless Documentation/knobs.rst says otherwise.
 * Where the handler accepts values outside of the documented range, the code
 * that reads the knob uses the nearest meaningful value.
 *
 * xtcp_max_orphans, xtcp_mem and xtcp_allowed_congestion_control have one value
 * for the whole host, which only the first netns may write.
 *
 * A new netns starts with the defaults, not with its parent's values; only the
 * two buffer knobs and xtcp_congestion_control are copied from the first netns,
 * as in the kernel's TCP.
 *
 * Context: process. Writers race with each other and with readers on single
 * words; readers use READ_ONCE(). The two words of gid_range have a seqlock, gid_lock.
 */
#include "user/sysctl.h"

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/sysctl.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <net/tcp.h>
#include <linux/xtcp_congestion.h>
#include <uapi/linux/xtcp.h>

#include "close/timewait.h"
#include "compat.h"
#include "netns.h"
#include "observe/histogram.h"
#include "observe/recorder.h"
#include "open/fastopen.h"
#include "open/source.h"
#include "transfer/accecn.h"
#include "transfer/algorithms.h"
#include "transfer/orphans.h"
#include "transfer/rtt.h"
#include "user/socket.h"

/* Bounds; rows without one are bounded by the knob's type. */
static int syn_retries_max = 127;	/* also the maximum of TCP_SYNCNT */
static int tw_reuse_delay_max = 60000;	/* ms */
static int tw_timeout_max = XTCP_TIME_WAIT_S_MAX;
static int rmem_min = 4096;		/* bytes; less would leave no window */
static int rto_max_min = XTCP_RTO_MAX_MIN_US / USEC_PER_MSEC;
static int rto_max_max = XTCP_RTO_MAX_US / USEC_PER_MSEC;
static int snd_mss_min = 48;		/* bytes: all options, and 8 */
static int snd_mss_max = 65535;
static int ecn_max = XTCP_ECN_KNOBS - 1;
static int ecn_option_max = XTCP_ECN_OPTION_KNOBS - 1;
static int day_s = 24 * 3600;		/* seconds */
static unsigned int probe_interval_max = U32_MAX / HZ;	/* s; kernel's TCP */
static int source_prefix_max = 32;	/* bits of an IPv4 address */
static int source_prefix6_max = 128;	/* bits of an IPv6 address */
static int tso_rtt_log_max = 31;
static int plb_rounds_max = 31;
static int plb_cong_thresh_max = XTCP_PLB_ONE;

/* Of each of the two; as in the kernel's ping_group_range. */
static unsigned long gid_min[] = { 0, 0 };
static unsigned long gid_max[] = { U32_MAX - 1, U32_MAX - 1 };

static unsigned int recorder_max = XTCP_RECORDER_MODES - 1;
static unsigned int wire_min = XTCP_WIRE_TCP;
static unsigned int wire_max = XTCP_WIRE_NATIVE;

/*
 * .data holds the offset in struct xtcp_knobs until the table of a netns is
 * made from this one.
 */
#define KNOB(field)	((void *)offsetof(struct xtcp_knobs, field))

/* A row whose knob has the size of @type, which its handler expects. */
#define KNOB_ROW(field, type, handle, min, max)				\
	{								\
		.procname	= "xtcp_" #field,			\
		.data		= KNOB(field),				\
		.maxlen		= sizeof(type) +			\
				  BUILD_BUG_ON_ZERO(sizeof(type) !=	\
					sizeof_field(struct xtcp_knobs, field)), \
		.mode		= 0644,					\
		.proc_handler	= handle,				\
		.extra1		= min,					\
		.extra2		= max,					\
	}

#define KNOB_U8(field, min, max)	KNOB_ROW(field, u8, proc_dou8vec_minmax, min, max)
#define KNOB_INT(field)			KNOB_ROW(field, int, proc_dointvec, NULL, NULL)
#define KNOB_INT_RANGE(field, min, max)	KNOB_ROW(field, int, proc_dointvec_minmax, min, max)
#define KNOB_UINT(field)		KNOB_ROW(field, unsigned int, proc_douintvec, NULL, NULL)
#define KNOB_UINT_MAX(field, max)	\
	KNOB_ROW(field, unsigned int, proc_douintvec_minmax, NULL, max)
#define KNOB_ULONG(field)		\
	KNOB_ROW(field, unsigned long, proc_doulongvec_minmax, NULL, NULL)
#define KNOB_SIZES(field, min)		KNOB_ROW(field, int[3], proc_dointvec_minmax, min, NULL)
/* Seconds, or milliseconds, in /proc; jiffies in memory. */
#define KNOB_SECONDS(field)		KNOB_ROW(field, int, proc_dointvec_jiffies, NULL, NULL)
#define KNOB_MS(field)			KNOB_ROW(field, int, proc_dointvec_ms_jiffies, NULL, NULL)
/* An int that its own handler puts to use. */
#define KNOB_HANDLED(field, handle, min) KNOB_ROW(field, int, handle, min, NULL)

/* --- names instead of numbers --- */

static int congestion_control_handle(XTCP_CTL_CONST struct ctl_table *ctl,
				     int write, void *buffer, size_t *lenp,
				     loff_t *ppos)
{
	struct xtcp_net *xn = container_of(ctl->data, struct xtcp_net,
					   knobs.congestion_control);
	char name[XTCP_CONGESTION_NAME_MAX];
	struct ctl_table string = { .data = name, .maxlen = sizeof(name) };
	int err;

	xtcp_algorithms_default_name(xn, name);
	err = proc_dostring(&string, write, buffer, lenp, ppos);
	return write && !err ? xtcp_algorithms_default_set(xn, name) : err;
}

/*
 * The list of all algorithms, which is read-only, or of those that users may choose, which may be
 * written.
 */
static int congestion_list(int write, void *buffer, size_t *lenp, loff_t *ppos,
			   bool allowed_only)
{
	struct ctl_table string = {
		.data	= kmalloc(XTCP_CONGESTION_LIST_MAX, GFP_USER),
		.maxlen	= XTCP_CONGESTION_LIST_MAX,
	};
	int err;

	if (!string.data)
		return -ENOMEM;
	xtcp_algorithms_list(string.data, allowed_only);
	err = proc_dostring(&string, write, buffer, lenp, ppos);
	if (write && !err)
		err = xtcp_algorithms_allow_only(string.data);
	kfree(string.data);
	return err;
}

static int congestion_available_handle(XTCP_CTL_CONST struct ctl_table *ctl,
				       int write, void *buffer, size_t *lenp,
				       loff_t *ppos)
{
	return write ? -EPERM : congestion_list(write, buffer, lenp, ppos, false);
}

static int congestion_allowed_handle(XTCP_CTL_CONST struct ctl_table *ctl,
				     int write, void *buffer, size_t *lenp,
				     loff_t *ppos)
{
	return congestion_list(write, buffer, lenp, ppos, true);
}

/* The table of sources is allocated when the limit is first set. */
static int syn_per_source_limit_handle(XTCP_CTL_CONST struct ctl_table *ctl,
				       int write, void *buffer, size_t *lenp,
				       loff_t *ppos)
{
	struct xtcp_net *xn = container_of(ctl->data, struct xtcp_net,
					   knobs.syn_per_source_limit);
	int err = write ? xtcp_source_net_prepare(xn->net) : 0;

	return err ?: proc_dointvec_minmax(ctl, write, buffer, lenp, ppos);
}

/* Four words of eight hexadecimal digits, for each key; a comma between two keys. */
#define FASTKEY_WORDS	(XTCP_FASTKEY_LEN / sizeof(u32))
#define FASTKEY_TEXT	(XTCP_FASTKEY_LEN * 2 + FASTKEY_WORDS)	/* with what follows it */

static void fastkey_print(char *text, const u8 *key)
{
	sprintf(text, "%08x-%08x-%08x-%08x", get_unaligned_le32(key),
		get_unaligned_le32(key + 4), get_unaligned_le32(key + 8),
		get_unaligned_le32(key + 12));
}

static bool fastkey_scan(const char *text, u8 *key)
{
	u32 word[FASTKEY_WORDS];
	unsigned int i;

	if (sscanf(text, "%x-%x-%x-%x", word, word + 1, word + 2, word + 3) !=
	    FASTKEY_WORDS)
		return false;
	for (i = 0; i < FASTKEY_WORDS; i++)
		put_unaligned_le32(word[i], key + i * sizeof(u32));
	return true;
}

static int fastopen_key_set(struct net *net, char *text)
{
	u8 keys[XTCP_FASTKEYS * XTCP_FASTKEY_LEN];
	char *second = strchr(text, ',');

	if (second)
		*second++ = 0;
	if (!fastkey_scan(text, keys) ||
	    (second && !fastkey_scan(second, keys + XTCP_FASTKEY_LEN)))
		return -EINVAL;
	return xtcp_fastopen_keys_set(net, NULL, keys, second ? 2 : 1);
}

/* Zeros before the first key is drawn or written. */
static int fastopen_key_handle(XTCP_CTL_CONST struct ctl_table *ctl, int write,
			       void *buffer, size_t *lenp, loff_t *ppos)
{
	struct xtcp_net *xn = container_of(ctl->data, struct xtcp_net, knobs.fastopen);
	char text[XTCP_FASTKEYS * FASTKEY_TEXT + 2];
	struct ctl_table string = { .data = text, .maxlen = sizeof(text) };
	u8 keys[XTCP_FASTKEYS * XTCP_FASTKEY_LEN] = { };
	unsigned int nr = xtcp_fastopen_keys_get(xn->net, NULL, keys);
	int err;

	fastkey_print(text, keys);
	if (nr > 1) {
		text[FASTKEY_TEXT - 1] = ',';
		fastkey_print(text + FASTKEY_TEXT, keys + XTCP_FASTKEY_LEN);
	}
	/* A write that brings no text must not leave these zeros. */
	if (write)
		text[0] = '\0';
	err = proc_dostring(&string, write, buffer, lenp, ppos);
	if (write && !err)
		err = fastopen_key_set(xn->net, text);
	memzero_explicit(keys, sizeof(keys));
	memzero_explicit(text, sizeof(text));
	return err;
}

/* Each write ends a pause, and forgets how many there were. */
static int fastopen_blackhole_handle(XTCP_CTL_CONST struct ctl_table *ctl, int write,
				     void *buffer, size_t *lenp, loff_t *ppos)
{
	struct xtcp_net *xn = container_of(ctl->data, struct xtcp_net,
					   knobs.fastopen_blackhole_timeout_sec);
	int err = proc_dointvec_minmax(ctl, write, buffer, lenp, ppos);

	if (write && !err)
		atomic_set(&xn->fast_pauses, 0);
	return err;
}

/* Two values, and none of those between. */
static int wire_handle(XTCP_CTL_CONST struct ctl_table *ctl, int write,
		       void *buffer, size_t *lenp, loff_t *ppos)
{
	u8 wire = READ_ONCE(*(u8 *)ctl->data);
	struct ctl_table number = {
		.data	= &wire,
		.maxlen	= sizeof(wire),
		.extra1	= &wire_min,
		.extra2	= &wire_max,
	};
	int err = proc_dou8vec_minmax(&number, write, buffer, lenp, ppos);

	if (!write || err)
		return err;
	if (wire != XTCP_WIRE_TCP && wire != XTCP_WIRE_NATIVE)
		return -EINVAL;
	WRITE_ONCE(*(u8 *)ctl->data, wire);
	return 0;
}

/* Read or write *@value, 0 to *@most, which the caller then puts to use. */
static int small_handle(u8 *value, void *most, int write, void *buffer, size_t *lenp,
			loff_t *ppos)
{
	struct ctl_table number = {
		.data	= value,
		.maxlen	= sizeof(*value),
		.extra1	= SYSCTL_ZERO,
		.extra2	= most,
	};

	return proc_dou8vec_minmax(&number, write, buffer, lenp, ppos);
}

/* Memory is allocated when it is first set. */
static int histograms_handle(XTCP_CTL_CONST struct ctl_table *ctl, int write,
			     void *buffer, size_t *lenp, loff_t *ppos)
{
	struct xtcp_net *xn = container_of(ctl->data, struct xtcp_net,
					   knobs.histograms);
	u8 on = READ_ONCE(xn->knobs.histograms);
	int err = small_handle(&on, SYSCTL_ONE, write, buffer, lenp, ppos);

	return write && !err ? xtcp_histograms_set(xn, on) : err;
}

/* The ring is allocated when the recorder is first switched on. */
static int recorder_handle(XTCP_CTL_CONST struct ctl_table *ctl, int write,
			   void *buffer, size_t *lenp, loff_t *ppos)
{
	struct xtcp_net *xn = container_of(ctl->data, struct xtcp_net,
					   knobs.recorder);
	u8 mode = READ_ONCE(xn->knobs.recorder);
	int err = small_handle(&mode, &recorder_max, write, buffer, lenp, ppos);

	return write && !err ? xtcp_recorder_set(xn->net, mode) : err;
}

/* A range that contains no group. */
static void gid_range_empty(kgid_t range[2])
{
	range[0] = make_kgid(&init_user_ns, 1);
	range[1] = make_kgid(&init_user_ns, 0);
}

/**
 * xtcp_sysctl_gid_range - read the knob gid_range
 * @net: namespace
 * @range: set to the lowest and the highest group that may create sockets
 */
void xtcp_sysctl_gid_range(const struct net *net, kgid_t range[2])
{
	struct xtcp_net *xn = xtcp_net(net);
	unsigned int seq;

	do {
		seq = read_seqbegin(&xn->gid_lock);
		range[0] = xn->knobs.gid_range[0];
		range[1] = xn->knobs.gid_range[1];
	} while (read_seqretry(&xn->gid_lock, seq));
}

static int gid_range_set(struct xtcp_net *xn, const unsigned long number[2])
{
	struct user_namespace *user_ns = current_user_ns();
	kgid_t range[2] = { make_kgid(user_ns, number[0]),
			    make_kgid(user_ns, number[1]) };

	if (!gid_valid(range[0]) || !gid_valid(range[1]))
		return -EINVAL;
	if (number[1] < number[0] || gid_lt(range[1], range[0]))
		gid_range_empty(range);
	write_seqlock(&xn->gid_lock);
	xn->knobs.gid_range[0] = range[0];
	xn->knobs.gid_range[1] = range[1];
	write_sequnlock(&xn->gid_lock);
	return 0;
}

/* Two groups, as numbers in the user namespace of the reader or writer. */
static int gid_range_handle(XTCP_CTL_CONST struct ctl_table *ctl, int write,
			    void *buffer, size_t *lenp, loff_t *ppos)
{
	struct xtcp_net *xn = container_of(ctl->data, struct xtcp_net,
					   knobs.gid_range);
	unsigned long number[2];
	struct ctl_table numbers = {
		.data	= number,
		.maxlen	= sizeof(number),
		.mode	= ctl->mode,
		.extra1	= gid_min,
		.extra2	= gid_max,
	};
	kgid_t range[2];
	int err;

	xtcp_sysctl_gid_range(xn->net, range);
	number[0] = from_kgid_munged(current_user_ns(), range[0]);
	number[1] = from_kgid_munged(current_user_ns(), range[1]);
	err = proc_doulongvec_minmax(&numbers, write, buffer, lenp, ppos);
	return write && !err ? gid_range_set(xn, number) : err;
}

/* Of the whole system: may be written in the first namespace only. */
#define KNOB_OF_SYSTEM	((void *)-1L)

#define KNOB_TEXT(name, field, perm, handle)				\
	{								\
		.procname	= "xtcp_" name,				\
		.data		= field,				\
		.mode		= perm,					\
		.proc_handler	= handle,				\
	}

static const struct ctl_table xtcp_knob_rows[] = {
	KNOB_U8(syncookies, NULL, NULL),
	KNOB_INT(max_syn_backlog),
	KNOB_HANDLED(syn_per_source_limit, syn_per_source_limit_handle, SYSCTL_ZERO),
	KNOB_U8(syn_per_source_prefix, SYSCTL_ONE, &source_prefix_max),
	KNOB_U8(syn_per_source_prefix6, SYSCTL_ONE, &source_prefix6_max),
	KNOB_INT_RANGE(synack_ratelimit, SYSCTL_ZERO, NULL),
	KNOB_INT_RANGE(rst_ratelimit, SYSCTL_ZERO, NULL),
	KNOB_U8(synack_retries, NULL, NULL),
	KNOB_U8(abort_on_overflow, NULL, NULL),
	KNOB_U8(migrate_req, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_U8(reflect_tos, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_U8(l3mdev_accept, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_U8(syn_retries, SYSCTL_ONE, &syn_retries_max),	/* with 0 no timer would run */
	KNOB_U8(retries1, NULL, NULL),
	KNOB_U8(retries2, NULL, NULL),
	KNOB_U8(orphan_retries, NULL, NULL),
	KNOB_SECONDS(keepalive_time),
	KNOB_SECONDS(keepalive_intvl),
	KNOB_U8(keepalive_probes, NULL, NULL),
	KNOB_SECONDS(fin_timeout),
	KNOB_U8(tw_reuse, SYSCTL_ZERO, SYSCTL_TWO),
	KNOB_INT_RANGE(tw_reuse_delay, SYSCTL_ONE, &tw_reuse_delay_max),
	KNOB_U8(tw_stateless, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_U8(tw_recycle, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_INT_RANGE(tw_timeout, SYSCTL_ONE, &tw_timeout_max),
	KNOB_U8(rfc1337, NULL, NULL),
	KNOB_INT(max_tw_buckets),
	KNOB_U8(timestamps, NULL, NULL),
	KNOB_U8(window_scaling, NULL, NULL),
	KNOB_U8(sack, NULL, NULL),
	KNOB_SIZES(rmem, &rmem_min),
	KNOB_SIZES(wmem, SYSCTL_ONE),
	KNOB_TEXT("wire", KNOB(wire), 0644, wire_handle),
	KNOB_TEXT("gid_range", KNOB(gid_range), 0644, gid_range_handle),
	KNOB_TEXT("histograms", KNOB(histograms), 0644, histograms_handle),
	KNOB_TEXT("recorder", KNOB(recorder), 0644, recorder_handle),
	KNOB_U8(syn_linear_timeouts, SYSCTL_ZERO, &syn_retries_max),
	KNOB_U8(slow_start_after_idle, NULL, NULL),
	KNOB_U8(dsack, NULL, NULL),
	KNOB_U8(moderate_rcvbuf, NULL, NULL),
	KNOB_ULONG(comp_sack_delay_ns),
	KNOB_U8(comp_sack_nr, NULL, NULL),
	KNOB_U8(recovery, NULL, NULL),
	KNOB_U8(early_retrans, SYSCTL_ZERO, SYSCTL_FOUR),
	KNOB_U8(frto, NULL, NULL),
	KNOB_U8(ecn, SYSCTL_ZERO, &ecn_max),
	KNOB_U8(ecn_fallback, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_U8(ecn_option, SYSCTL_ZERO, &ecn_option_max),
	KNOB_U8(ecn_option_beacon, SYSCTL_ZERO, SYSCTL_THREE),
	KNOB_INT_RANGE(reordering, SYSCTL_ONE, KNOB(max_reordering)),
	KNOB_INT_RANGE(max_reordering, SYSCTL_ONE, NULL),
	KNOB_U8(early_demux, NULL, NULL),
	KNOB_U8(stdurg, NULL, NULL),
	KNOB_U8(autocorking, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_INT(limit_output_bytes),
	KNOB_U8(min_tso_segs, SYSCTL_ONE, NULL),
	KNOB_U8(tso_rtt_log, NULL, &tso_rtt_log_max),
	KNOB_U8(tso_win_divisor, NULL, NULL),
	KNOB_U8(workaround_signed_windows, NULL, NULL),
	KNOB_U8(shrink_window, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_U8(icmp_soft_abort, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_INT_RANGE(rto_min_us, SYSCTL_ONE, NULL),
	KNOB_INT_RANGE(rto_max_ms, &rto_max_min, &rto_max_max),
	KNOB_U8(thin_linear_timeouts, NULL, NULL),
	KNOB_U8(retrans_collapse, NULL, NULL),
	KNOB_U8(pingpong_thresh, SYSCTL_ONE, NULL),
	KNOB_INT_RANGE(comp_sack_rtt_percent, SYSCTL_ONE, SYSCTL_ONE_THOUSAND),
	KNOB_INT_RANGE(min_rtt_wlen, SYSCTL_ZERO, &day_s),
	KNOB_MS(invalid_ratelimit),
	KNOB_INT(challenge_ack_limit),
	KNOB_INT_RANGE(min_snd_mss, &snd_mss_min, &snd_mss_max),
	KNOB_U8(mtu_probing, NULL, NULL),
	KNOB_INT(base_mss),
	KNOB_INT_RANGE(mtu_probe_floor, &snd_mss_min, &snd_mss_max),
	KNOB_INT(probe_threshold),
	KNOB_UINT_MAX(probe_interval, &probe_interval_max),
	KNOB_INT_RANGE(pacing_ss_ratio, SYSCTL_ZERO, SYSCTL_ONE_THOUSAND),
	KNOB_INT_RANGE(pacing_ca_ratio, SYSCTL_ZERO, SYSCTL_ONE_THOUSAND),
	KNOB_UINT(notsent_lowat),
	KNOB_INT_RANGE(user_timeout, SYSCTL_ZERO, NULL),
	KNOB_INT_RANGE(attached_fin_timeout, SYSCTL_ZERO, NULL),
	KNOB_U8(plb_enabled, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_U8(plb_idle_rehash_rounds, NULL, &plb_rounds_max),
	KNOB_U8(plb_rehash_rounds, NULL, &plb_rounds_max),
	KNOB_U8(plb_suspend_rto_sec, NULL, NULL),
	KNOB_INT_RANGE(plb_cong_thresh, SYSCTL_ZERO, &plb_cong_thresh_max),
	KNOB_U8(no_metrics_save, NULL, NULL),
	KNOB_U8(no_ssthresh_metrics_save, SYSCTL_ZERO, SYSCTL_ONE),
	KNOB_INT(fastopen),
	KNOB_TEXT("fastopen_key", KNOB(fastopen), 0600, fastopen_key_handle),
	KNOB_HANDLED(fastopen_blackhole_timeout_sec, fastopen_blackhole_handle, SYSCTL_ZERO),
	KNOB_TEXT("congestion_control", KNOB(congestion_control), 0644,
		  congestion_control_handle),
	KNOB_TEXT("available_congestion_control", KNOB_OF_SYSTEM, 0444,
		  congestion_available_handle),
	KNOB_TEXT("allowed_congestion_control", KNOB_OF_SYSTEM, 0644,
		  congestion_allowed_handle),
};

/* One value for all namespaces: .data is its address. */
static const struct ctl_table xtcp_machine_rows[] = {
	{
		.procname	= "xtcp_max_orphans",
		.data		= &xtcp_orphans_max,
		.maxlen		= sizeof(xtcp_orphans_max),
		.mode		= 0644,
		.proc_handler	= proc_dointvec,
	},
	{
		.procname	= "xtcp_mem",
		.data		= &xtcp_socket_memory_limit,
		.maxlen		= sizeof(xtcp_socket_memory_limit),
		.mode		= 0644,
		.proc_handler	= proc_doulongvec_minmax,
	},
};

#define KNOBS		ARRAY_SIZE(xtcp_knob_rows)
#define MACHINE_KNOBS	ARRAY_SIZE(xtcp_machine_rows)

/**
 * xtcp_sysctl_hash_entries - size of the kernel TCP's connection hash
 *
 * The kernel's TCP derives defaults from it: an entry for every 128 KiB of
 * memory, rounded up to a power of two, at most 2^19. xtcp's own table grows as
 * needed, so only the number is computed here. The kernel uses the pages
 * present at boot, xtcp the pages managed now, which are a little fewer. The
 * results differ only if memory is just above a power of two.
 *
 * Return: entries.
 */
unsigned int xtcp_sysctl_hash_entries(void)
{
	unsigned long pages_per_entry = (128 * 1024) >> PAGE_SHIFT ? : 1;
	unsigned long entries = totalram_pages() / pages_per_entry;

	entries = roundup_pow_of_two(max(entries, 1UL));
	return min(entries, 1UL << 19);
}

/*
 * Maximum of auto-tuned buffers: 1/128 of low memory, but at most 6 MiB to
 * receive and 4 MiB to send, and at least the defaults.
 */
static void sizes_default(struct xtcp_knobs *knobs)
{
	unsigned long share = nr_free_buffer_pages() << (PAGE_SHIFT - 7);
	unsigned long wmem_max = min(share, 4UL << 20);
	unsigned long rmem_max = min(share, 6UL << 20);

	knobs->wmem[0] = 4096;
	knobs->wmem[1] = 16 * 1024;
	knobs->wmem[2] = max(wmem_max, 64UL * 1024);

	knobs->rmem[0] = 4096;
	knobs->rmem[1] = 131072;
	knobs->rmem[2] = max(rmem_max, 131072UL);
}

static void knobs_default(struct net *net)
{
	struct xtcp_knobs *knobs = &xtcp_net(net)->knobs;
	unsigned int hash = xtcp_sysctl_hash_entries();

	*knobs = (struct xtcp_knobs) {
		.syncookies		= 1,
		.synack_retries		= 5,		/* ends after 63 s */
		.syn_retries		= 6,		/* ends after 127 s */
		.abort_on_overflow	= 0,
		.tw_reuse		= 2,		/* loopback only */
		.tw_reuse_delay		= 1000,
		.tw_timeout		= XTCP_TIME_WAIT_S,
		.retries1		= 3,
		.retries2		= 15,		/* 924.6 s at least */
		.orphan_retries		= 0,		/* means 8 */
		.keepalive_probes	= 9,
		.timestamps		= 1,
		.window_scaling		= 1,
		.sack			= 1,
		.wire			= XTCP_WIRE_NATIVE,
		.slow_start_after_idle	= 1,
		.dsack			= 1,
		.moderate_rcvbuf	= 1,
		.comp_sack_delay_ns	= NSEC_PER_MSEC,
		.comp_sack_nr		= 44,
		.comp_sack_rtt_percent	= 5,
		.retrans_collapse	= 1,
		.pingpong_thresh	= 1,
		.min_rtt_wlen		= 300,
		.recovery		= 1,		/* RACK */
		.early_retrans		= 3,		/* loss probes */
		.frto			= 2,
		.ecn			= XTCP_ECN_ANSWER,
		.ecn_option		= XTCP_ECN_OPTION_ALWAYS,
		.ecn_option_beacon	= 3,
		.ecn_fallback		= 1,
		.reordering		= 3,
		.max_reordering		= 300,
		.early_demux		= 1,
		.autocorking		= 1,
		.limit_output_bytes	= XTCP_LIMIT_OUTPUT_BYTES,
		.min_tso_segs		= 2,
		.tso_rtt_log		= 9,
		.tso_win_divisor	= 3,
		.icmp_soft_abort	= 1,
		.rto_min_us		= XTCP_RTO_MIN_US,
		.rto_max_ms		= XTCP_RTO_MAX_US / USEC_PER_MSEC,
		.invalid_ratelimit	= HZ / 2,
		.challenge_ack_limit	= INT_MAX,
		.min_snd_mss		= 48,
		.base_mss		= 1024,
		.mtu_probe_floor	= 48,
		.probe_threshold	= 8,
		.probe_interval		= 600,
		.pacing_ss_ratio	= 200,
		.pacing_ca_ratio	= 120,
		.notsent_lowat		= UINT_MAX,
		.no_ssthresh_metrics_save = 1,
		.plb_idle_rehash_rounds	= 3,
		.plb_rehash_rounds	= 12,
		.plb_suspend_rto_sec	= 60,
		.plb_cong_thresh	= XTCP_PLB_ONE / 2,
		.fastopen		= TFO_CLIENT_ENABLE,
		.max_syn_backlog	= max(128U, hash / 128),
		.syn_per_source_prefix	= 32,
		.syn_per_source_prefix6	= 64,
		.max_tw_buckets		= hash / 2,
		.fin_timeout		= 60 * HZ,
		.keepalive_time		= 7200 * HZ,
		.keepalive_intvl	= 75 * HZ,
	};

	xtcp_algorithms_net_init(net);
	gid_range_empty(knobs->gid_range);
	if (net_eq(net, &init_net)) {
		sizes_default(knobs);
	} else {
		const struct xtcp_knobs *first = &xtcp_net(&init_net)->knobs;

		memcpy(knobs->rmem, first->rmem, sizeof(knobs->rmem));
		memcpy(knobs->wmem, first->wmem, sizeof(knobs->wmem));
	}
}

/* Turn the offsets of a row into addresses in this netns. */
static void row_localize(struct ctl_table *row, struct net *net)
{
	void *knobs = &xtcp_net(net)->knobs;

	if (row->extra2 && (unsigned long)row->extra2 < sizeof(struct xtcp_knobs))
		row->extra2 = knobs + (unsigned long)row->extra2;
	if (row->data != KNOB_OF_SYSTEM)
		row->data = knobs + (unsigned long)row->data;
	else if (!net_eq(net, &init_net))
		row->mode &= ~0222;
}

/**
 * xtcp_sysctl_net_init - set the knobs of a netns to defaults and register them
 * @net: the namespace; the first netns is initialized first
 *
 * On a kernel without sysctl the defaults stay.
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_sysctl_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	struct ctl_table *table;
	unsigned int i;

	seqlock_init(&xn->gid_lock);
	knobs_default(net);
	if (!IS_ENABLED(CONFIG_SYSCTL))
		return 0;

	/* One more row than registered: the empty one at which 6.1 stops. */
	table = kcalloc(KNOBS + MACHINE_KNOBS + 1, sizeof(*table),
			GFP_KERNEL_ACCOUNT);
	if (!table)
		goto no_memory;

	for (i = 0; i < KNOBS; i++) {
		table[i] = xtcp_knob_rows[i];
		row_localize(&table[i], net);
	}
	for (i = 0; i < MACHINE_KNOBS; i++) {
		table[KNOBS + i] = xtcp_machine_rows[i];
		if (!net_eq(net, &init_net))
			table[KNOBS + i].mode = 0444;
	}

	xn->sysctl = register_net_sysctl_sz(net, "net/ipv4", table,
					    KNOBS + MACHINE_KNOBS);
	if (!xn->sysctl) {
		kfree(table);
		goto no_memory;
	}
	return 0;

no_memory:
	xtcp_algorithms_net_exit(net);
	return -ENOMEM;
}

/**
 * xtcp_sysctl_net_exit - remove the knobs of a netns
 * @net: the namespace
 *
 * Waits for concurrent readers and writers.
 */
void xtcp_sysctl_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	const struct ctl_table *table;

	if (xn->sysctl) {
		table = xn->sysctl->ctl_table_arg;
		unregister_net_sysctl_table(xn->sysctl);
		xn->sysctl = NULL;
		kfree(table);
	}
	xtcp_algorithms_net_exit(net);
}
