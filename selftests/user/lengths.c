// SPDX-License-Identifier: GPL-2.0
/*
 * lengths: setsockopt() and getsockopt() of each option of TCP, and of those of other levels
 * that xtcp handles itself, with buffers of each length up to 64 bytes and with bad addresses, on
 * the kernel's TCP and on xtcp beside it, by root and by a user without privileges. What they
 * return must be equal, except where the table of differences gives a reason; a difference that
 * is gone must leave that table. The kernel's TCP changes with time: the table is of 6.12, as that
 * of matrix.c. Options that 6.12 does not have must behave as any option that is an int.
 *
 * The checks of a debug kernel find what is read or written beside a buffer.
 */
/* vm: families newest slow */
#include "lib/xtcp_test.h"
#include "lib/module.h"
#include "lib/tcpoption.h"

#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>

#define LEN_MAX 64
#define MODPROBE "/proc/sys/kernel/modprobe"
#define FIRST TCP_NODELAY
#define LAST TCP_DELACK_MAX_US
#define NOBODY 65534

/* Of SOL_SOCKET; Debian 12's headers do not have all of them. */
#ifndef SO_TXREHASH
#define SO_TXREHASH 74
#endif

enum { SET = 1, GET = 2, VALUE = 4 };

/* A socket of each stack: new, in LISTEN, and connected to another one. */
enum { NEW, LISTENING, CONNECTED, STATES };

static const char *const state_names[STATES] = { "new", "listening", "connected" };

static struct difference {
	int first, last;
	int calls;		/* SET, GET; VALUE: what a successful GET returns */
	const char *why;
	bool root_only;
	bool by_config;		/* not with each configuration of the kernel */
	bool seen;
} differences[] = {
	{ TCP_WINDOW_CLAMP, TCP_WINDOW_CLAMP, VALUE, "stock shows what it chose itself" },
	{ TCP_INFO, TCP_INFO, VALUE, "tcpinfo.c compares it" },
	{ TCP_MD5SIG, TCP_MD5SIG, SET, "no signatures", .by_config = true },
	{ TCP_REPAIR, TCP_REPAIR, SET | VALUE, "no repair mode", .root_only = true },
	{ TCP_TIMESTAMP, TCP_TIMESTAMP, VALUE, "another clock" },
	{ TCP_FASTOPEN_KEY, TCP_FASTOPEN_KEY, SET | GET | VALUE, "a connection has no key" },
	{ TCP_MD5SIG_EXT, TCP_MD5SIG_EXT, SET, "no signatures", .by_config = true },
	{ TCP_ZEROCOPY_RECEIVE, TCP_ZEROCOPY_RECEIVE, GET, "not there" },
	{ TCP_AO_REPAIR, TCP_AO_REPAIR, SET | GET, "stock asks for privileges first" },
	{ TCP_RTO_MAX_MS, TCP_DELACK_MAX_US, SET | GET, "newer than 6.12" },
	{ TCP_TX_DELAY, TCP_TX_DELAY, SET | GET, "its range is newer than 6.12" },
};

/* Other kernels differ from the table: there the calls must do no harm. */
static bool is_the_tables_kernel(void)
{
	return kernel_is_since(6, 12) && !kernel_is_since(6, 13);
}

static bool is_excused(int level, int option, int call)
{
	if (!is_the_tables_kernel())
		return true;
	if (level != SOL_TCP)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		struct difference *d = &differences[i];

		if (option < d->first || option > d->last || !(d->calls & call) ||
		    (d->root_only && geteuid()))
			continue;
		return d->seen = true;
	}
	return false;
}

struct trio {
	int fd[STATES];
	int lfd, other;
};

static void trio_open(struct __test_metadata *_metadata, struct trio *t, int proto)
{
	t->fd[NEW] = socket_new(proto);
	t->fd[LISTENING] = socket_new(proto);
	t->fd[CONNECTED] = socket_new(proto);
	t->lfd = socket_new(proto);
	ASSERT_EQ(0, socket_bind(t->lfd, "127.0.0.1", 5000));
	ASSERT_EQ(0, listen(t->lfd, 1));
	ASSERT_EQ(0, socket_bind(t->fd[LISTENING], "127.0.0.1", 5001));
	ASSERT_EQ(0, listen(t->fd[LISTENING], 1));
	ASSERT_EQ(0, socket_connect_end(t->fd[CONNECTED], "127.0.0.1", 5000));
	t->other = accept(t->lfd, NULL, NULL);
	ASSERT_LE(0, t->other);
}

static void trio_close(struct trio *t)
{
	for (int i = 0; i < STATES; i++)
		socket_abort(t->fd[i]);
	socket_abort(t->other);
	close(t->lfd);
}

FIXTURE(lengths) {
	struct trio stock, ours;
	char modprobe[256];
	int netns;
	int asked, differ;
};

FIXTURE_SETUP(lengths)
{
	if (stock_mode())
		SKIP(return, "the kernel's TCP is compared anyway");
	/* No module has the names that stand for congestion controls and protocols here. */
	ASSERT_EQ(0, sysctl_read(MODPROBE, self->modprobe, sizeof(self->modprobe)));
	ASSERT_EQ(0, sysctl_write(MODPROBE, ""));
	self->netns = netns_new(WHERE(_metadata));
	trio_open(_metadata, &self->stock, IPPROTO_TCP);
	trio_open(_metadata, &self->ours, IPPROTO_XTCP);
}

FIXTURE_TEARDOWN(lengths)
{
	if (stock_mode())
		return;
	trio_close(&self->ours);
	trio_close(&self->stock);
	close(self->netns);
	ASSERT_EQ(0, sysctl_write(MODPROBE, self->modprobe));
}

static void complain(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
		     const char *call, int state, int level, int option, int len, int stock,
		     int ours)
{
	self->differ++;
	TH_LOG("%s of level %d, option %d, %s, length %d: stock %d, xtcp %d", call, level, option,
	       state_names[state], len, stock, ours);
}

/* @value at the beginning, and zeroes. */
static int set(int fd, int level, int option, int value, int len)
{
	static uint8_t buf[LEN_MAX];

	memcpy(buf, &value, sizeof(value));
	return setsockopt(fd, level, option, buf, len) ? errno : 0;
}

static int get(int fd, int level, int option, uint8_t *buf, int *len)
{
	socklen_t size = *len;
	int err;

	memset(buf, 0x5a, LEN_MAX);
	err = getsockopt(fd, level, option, buf, &size) ? errno : 0;
	*len = size;
	return err;
}

static void compare_set(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int state, int level, int option, int value, int len)
{
	int stock = set(self->stock.fd[state], level, option, value, len);
	int ours = set(self->ours.fd[state], level, option, value, len);

	self->asked++;
	if (stock != ours && !is_excused(level, option, SET))
		complain(self, _metadata, "setsockopt", state, level, option, len, stock, ours);
}

static void compare_get(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int state, int level, int option, int len)
{
	uint8_t theirs[LEN_MAX], our[LEN_MAX];
	int their_len = len, our_len = len;
	int stock = get(self->stock.fd[state], level, option, theirs, &their_len);
	int ours = get(self->ours.fd[state], level, option, our, &our_len);

	self->asked++;
	if (stock != ours || their_len != our_len) {
		if (!is_excused(level, option, GET))
			complain(self, _metadata, "getsockopt", state, level, option, len,
				 stock ?: their_len, ours ?: our_len);
	} else if (memcmp(theirs, our, LEN_MAX) && !is_excused(level, option, VALUE | GET)) {
		complain(self, _metadata, "value", state, level, option, len, theirs[0], our[0]);
	}
}

/* setsockopt() of a bad address, getsockopt() to one, getsockopt() of a bad length. */
static void bad_calls(int fd, int level, int option, int err[3])
{
	socklen_t len = 4;

	err[0] = errno_of(setsockopt(fd, level, option, (void *)8, 4));
	err[1] = errno_of(getsockopt(fd, level, option, (void *)8, &len));
	err[2] = errno_of(getsockopt(fd, level, option, &len, (void *)8));
}

static void compare_bad(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int state, int level, int option)
{
	int stock[3], ours[3];

	bad_calls(self->stock.fd[state], level, option, stock);
	bad_calls(self->ours.fd[state], level, option, ours);
	for (int i = 0; i < 3; i++) {
		self->asked++;
		if (stock[i] != ours[i] && !is_excused(level, option, i ? GET : SET))
			complain(self, _metadata, "bad address", state, level, option, i, stock[i],
				 ours[i]);
	}
}

static void compare_option(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			   int state, int level, int option)
{
	static const int values[] = { 1, 0, -1, 2, 3, 1 << 30 };

	/* What a listener refuses depends on no length. */
	for (int len = 0; state != LISTENING && len <= LEN_MAX; len++) {
		compare_set(self, _metadata, state, level, option, 1, len);
		compare_get(self, _metadata, state, level, option, len);
	}
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		compare_set(self, _metadata, state, level, option, values[i], 4);
		compare_get(self, _metadata, state, level, option, 4);
	}
	compare_bad(self, _metadata, state, level, option);
}

/* Those of TCP, and those of SOL_SOCKET of which xtcp does not leave the value to the kernel. */
static void compare_all(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int first_state)
{
	static const int of_socket[] = {
		SO_ZEROCOPY, SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_NEW, SO_TXREHASH,
	};

	for (int state = first_state; state < STATES; state++) {
		for (int option = FIRST; option <= LAST; option++)
			compare_option(self, _metadata, state, SOL_TCP, option);
		for (size_t i = 0; i < ARRAY_SIZE(of_socket); i++)
			compare_option(self, _metadata, state, SOL_SOCKET, of_socket[i]);
	}
	TH_LOG("%d calls on each", self->asked);
	EXPECT_EQ(0, self->differ);
}

/* --- options without a counterpart ------------------------------------------ */

/* Each value is an int, of which @good is taken and @bad refused. */
static const struct int_option {
	int level, option;
	int good, bad;
} int_options[] = {
	{ IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_TCP, 7 },
	{ IPPROTO_XTCP, XTCP_SYNCOOKIES, XTCP_SYNCOOKIES_ALWAYS, 3 },
	{ IPPROTO_XTCP, XTCP_TW_TIMEOUT, 30, 601 },
	{ SOL_TCP, TCP_RTO_MAX_MS, 5000, 999 },
	{ SOL_TCP, TCP_RTO_MIN_US, 100000, 300000 },
	{ SOL_TCP, TCP_DELACK_MAX_US, 40000, 300000 },
};

/* All lengths, and bad addresses; @fd is a new socket. */
static void check_int(struct __test_metadata *_metadata, int fd, const struct int_option *o)
{
	uint8_t want[LEN_MAX], got[LEN_MAX];
	int err[3];

	for (int len = 0; len <= LEN_MAX; len++) {
		bool whole = len >= (int)sizeof(int);
		int got_len = len;

		EXPECT_EQ(whole ? 0 : EINVAL, set(fd, o->level, o->option, o->good, len))
			TH_LOG("level %d, option %d, length %d", o->level, o->option, len);
		EXPECT_EQ(EINVAL, set(fd, o->level, o->option, o->bad, len))
			TH_LOG("level %d, option %d, length %d", o->level, o->option, len);
		/* Of a short buffer the beginning; behind it nothing is written. */
		ASSERT_EQ(0, set(fd, o->level, o->option, o->good, sizeof(int)));
		memset(want, 0x5a, sizeof(want));
		memcpy(want, &o->good, whole ? sizeof(int) : len);
		EXPECT_EQ(0, get(fd, o->level, o->option, got, &got_len));
		EXPECT_EQ(whole ? (int)sizeof(int) : len, got_len);
		EXPECT_EQ(0, memcmp(want, got, sizeof(got)))
			TH_LOG("level %d, option %d, length %d", o->level, o->option, len);
	}
	bad_calls(fd, o->level, o->option, err);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(EFAULT, err[i]);
	EXPECT_EQ(EINVAL, errno_of(getsockopt(fd, o->level, o->option, got,
					      &(socklen_t){ -1 })));
}

static void check_ints(struct __test_metadata *_metadata)
{
	int fd = socket_new(IPPROTO_XTCP);

	for (size_t i = 0; i < ARRAY_SIZE(int_options); i++)
		check_int(_metadata, fd, &int_options[i]);
	/* A number that is no option. */
	for (int len = 0; len <= LEN_MAX; len++) {
		uint8_t buf[LEN_MAX];
		int size = len;

		EXPECT_EQ(len < (int)sizeof(int) ? EINVAL : ENOPROTOOPT,
			  set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT + 1, 1, len));
		EXPECT_EQ(ENOPROTOOPT, get(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT + 1, buf, &size));
	}
	close(fd);
}

TEST_F(lengths, opt_ints_that_stock_lacks)
{
	check_ints(_metadata);
}

/* Connection tracking answers, which knows neither socket, or is not there. */
TEST_F(lengths, opt_so_original_dst)
{
	static const int wire = XTCP_WIRE_TCP;
	int fd[2] = { socket_new(IPPROTO_TCP), socket_new(IPPROTO_XTCP) };
	int err[2][3];

	if (system("modprobe -q nf_conntrack"))
		TH_LOG("no connection tracking");
	ASSERT_EQ(0, setsockopt(fd[1], IPPROTO_XTCP, XTCP_WIRE, &wire, sizeof(wire)));
	for (int i = 0; i < 2; i++) {
		int level = i ? SOL_IPV6 : SOL_IP;
		int option = i ? IP6T_SO_ORIGINAL_DST : SO_ORIGINAL_DST;

		for (int len = 0; len <= LEN_MAX; len++) {
			uint8_t buf[2][LEN_MAX];
			int size[2] = { len, len };

			EXPECT_EQ(get(fd[0], level, option, buf[0], &size[0]),
				  get(fd[1], level, option, buf[1], &size[1]))
				TH_LOG("level %d, length %d", level, len);
			EXPECT_EQ(size[0], size[1]);
			EXPECT_EQ(0, memcmp(buf[0], buf[1], LEN_MAX));
			EXPECT_EQ(set(fd[0], level, option, 1, len),
				  set(fd[1], level, option, 1, len));
		}
		bad_calls(fd[0], level, option, err[0]);
		bad_calls(fd[1], level, option, err[1]);
		EXPECT_EQ(0, memcmp(err[0], err[1], sizeof(err[0])));
	}
	close(fd[0]);
	close(fd[1]);
}

/* --- all of TCP's ------------------------------------------------------------- */

TEST_F(lengths, answers_as_on_stock)
{
	compare_all(self, _metadata, NEW);
	for (size_t i = 0; is_the_tables_kernel() && i < ARRAY_SIZE(differences); i++) {
		EXPECT_TRUE(differences[i].seen || differences[i].by_config)
			TH_LOG("not seen any more: option %d", differences[i].first);
	}
}

TEST_F(lengths, answers_a_user_as_on_stock)
{
	ASSERT_EQ(0, seteuid(NOBODY));
	compare_all(self, _metadata, CONNECTED);
	ASSERT_EQ(0, seteuid(0));
}

TEST_HARNESS_MAIN
