// SPDX-License-Identifier: GPL-2.0
/*
 * lengths: setsockopt() and getsockopt() of each option of TCP, with buffers of each length
 * up to 64 bytes and with bad addresses, on the kernel's TCP and on xtcp beside it, by
 * root and by a user without privileges. What they return must be equal, except where
 * the table of differences gives a reason; a difference that is gone must leave that table.
 * The kernel's TCP changes with time: the table is of 6.12, as that of matrix.c.
 */
/* vm: families debug */
#include "lib/xtcp_test.h"
#include "lib/tcpoption.h"

#ifndef IPPROTO_XTCP
#define IPPROTO_XTCP 253
#endif
#define LEN_MAX 64
#define FIRST TCP_NODELAY
#define LAST TCP_IS_MPTCP
#define NOBODY 65534

enum { SET = 1, GET = 2, VALUE = 4 };

/* A socket of each stack: new, in LISTEN, and connected to another one. */
enum { NEW, LISTENING, CONNECTED, STATES };

static const char *const state_names[STATES] = { "new", "listening", "connected" };

static struct difference {
	int first, last;
	int calls;		/* SET, GET; VALUE: what a successful GET returns */
	const char *why;
	bool root_only;
	bool seen;
} differences[] = {
	{ TCP_MAXSEG, TCP_MAXSEG, VALUE, "stock's is lower by timestamps, or by the peer's window" },
	{ TCP_WINDOW_CLAMP, TCP_WINDOW_CLAMP, VALUE, "stock shows what it chose itself" },
	{ TCP_INFO, TCP_INFO, VALUE, "tcpinfo.c compares it" },
	{ TCP_MD5SIG, TCP_MD5SIG, SET, "no signatures" },
	{ TCP_REPAIR, TCP_REPAIR, SET | VALUE, "no repair mode", .root_only = true },
	{ TCP_TIMESTAMP, TCP_TIMESTAMP, VALUE, "another clock" },
	{ TCP_FASTOPEN_KEY, TCP_FASTOPEN_KEY, SET | GET | VALUE, "a connection has no key" },
	{ TCP_MD5SIG_EXT, TCP_MD5SIG_EXT, SET, "no signatures" },
	{ TCP_ZEROCOPY_RECEIVE, TCP_ZEROCOPY_RECEIVE, GET, "not there" },
	{ TCP_AO_REPAIR, TCP_AO_REPAIR, SET | GET, "stock asks for privileges first" },
};

static bool is_excused(int option, int call)
{
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
	int netns;
	int asked, differ;
};

FIXTURE_SETUP(lengths)
{
	self->netns = netns_new(WHERE(_metadata));
	trio_open(_metadata, &self->stock, IPPROTO_TCP);
	trio_open(_metadata, &self->ours, IPPROTO_XTCP);
}

FIXTURE_TEARDOWN(lengths)
{
	trio_close(&self->ours);
	trio_close(&self->stock);
	close(self->netns);
}

static void complain(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
		     const char *call, int state, int option, int len, int stock, int ours)
{
	self->differ++;
	TH_LOG("%s of option %d, %s, length %d: stock %d, xtcp %d", call, option,
	       state_names[state], len, stock, ours);
}

/* @value at the beginning, and zeroes. */
static int set(int fd, int option, int value, int len)
{
	static uint8_t buf[LEN_MAX];

	memcpy(buf, &value, sizeof(value));
	return setsockopt(fd, IPPROTO_TCP, option, buf, len) ? errno : 0;
}

static int get(int fd, int option, uint8_t *buf, int *len)
{
	socklen_t size = *len;
	int err;

	memset(buf, 0x5a, LEN_MAX);
	err = getsockopt(fd, IPPROTO_TCP, option, buf, &size) ? errno : 0;
	*len = size;
	return err;
}

static void compare_set(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int state, int option, int value, int len)
{
	int stock = set(self->stock.fd[state], option, value, len);
	int ours = set(self->ours.fd[state], option, value, len);

	self->asked++;
	if (stock != ours && !is_excused(option, SET))
		complain(self, _metadata, "setsockopt", state, option, len, stock, ours);
}

static void compare_get(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int state, int option, int len)
{
	uint8_t theirs[LEN_MAX], our[LEN_MAX];
	int their_len = len, our_len = len;
	int stock = get(self->stock.fd[state], option, theirs, &their_len);
	int ours = get(self->ours.fd[state], option, our, &our_len);

	self->asked++;
	if (stock != ours || their_len != our_len) {
		if (!is_excused(option, GET))
			complain(self, _metadata, "getsockopt", state, option, len,
				 stock ?: their_len, ours ?: our_len);
	} else if (memcmp(theirs, our, LEN_MAX) && !is_excused(option, VALUE | GET)) {
		complain(self, _metadata, "value", state, option, len, theirs[0], our[0]);
	}
}

static void compare_bad(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int state, int option)
{
	const int fds[] = { self->stock.fd[state], self->ours.fd[state] };
	int err[2][3];

	for (int i = 0; i < 2; i++) {
		socklen_t len = 4;

		err[i][0] = errno_of(setsockopt(fds[i], IPPROTO_TCP, option, (void *)8, 4));
		err[i][1] = errno_of(getsockopt(fds[i], IPPROTO_TCP, option, (void *)8, &len));
		err[i][2] = errno_of(getsockopt(fds[i], IPPROTO_TCP, option, &len, (void *)8));
	}
	for (int i = 0; i < 3; i++) {
		self->asked++;
		if (err[0][i] != err[1][i] && !is_excused(option, i ? GET : SET))
			complain(self, _metadata, "bad address", state, option, i, err[0][i],
				 err[1][i]);
	}
}

static void compare_all(FIXTURE_DATA(lengths) *self, struct __test_metadata *_metadata,
			int first_state)
{
	static const int values[] = { 1, 0, -1, 2, 3, 1 << 30 };

	for (int state = first_state; state < STATES; state++)
		for (int option = FIRST; option <= LAST; option++) {
			/* What a listener refuses depends on no length. */
			for (int len = 0; state != LISTENING && len <= LEN_MAX; len++) {
				compare_set(self, _metadata, state, option, 1, len);
				compare_get(self, _metadata, state, option, len);
			}
			for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
				compare_set(self, _metadata, state, option, values[i], 4);
				compare_get(self, _metadata, state, option, 4);
			}
			compare_bad(self, _metadata, state, option);
		}
	TH_LOG("%d calls on each", self->asked);
	EXPECT_EQ(0, self->differ);
}

TEST_F(lengths, answers_as_on_stock)
{
	compare_all(self, _metadata, NEW);
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		EXPECT_TRUE(differences[i].seen)
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
