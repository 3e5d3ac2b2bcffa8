// SPDX-License-Identifier: GPL-2.0
/*
 * mix: two connections, whose ends write and read by all calls that there are, drawn at
 * random, with all flags, while options, knobs and devices change.
 *
 * Each byte that a call gives is compared with that of its position in the stream; lib/marks
 * says what becomes of urgent bytes. Pages of MSG_ZEROCOPY get other bytes once their notice
 * has come, and not before. At the end both ends read the end of the stream, each notice has
 * come, and no connection is left.
 *
 * A call that waits has a timeout, after which it returns what it has, or EAGAIN. Losses are
 * not so many that a connection is given up: any other error is a failure, and so are 400 s
 * in which no byte moves.
 *
 *	XTCP_FUZZ_SEED=N	the first seed [1]
 *	XTCP_FUZZ_ROUNDS=N	seeds [10]; if it is 1, each call and each change is printed
 *	XTCP_FUZZ_SHRINK=1	xtcp_shrink_window changes, too
 */
/* vm: wires v6 mapped timeout=600 grows=XTCP_FUZZ_ROUNDS:10 */
#include "lib/xtcp_test.h"

#include "lib/marks.h"
#include "lib/shuffle.h"

#include <linux/errqueue.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define TALKS 2
#define STEPS 300
#define FIRST_PORT 6000
#define BYTES_MAX 60000			/* of one call */
#define UNREAD_MAX (1 << 19)		/* bytes of one direction that are written and not read */
/* A pointer to an urgent byte that is further away than 16 bits names another one. */
#define POINTER_MAX 60000
#define AFTERWARDS 30000		/* bytes */
#define STALL_MS 400000			/* more than three intervals of any timer: 120 s */
/*
 * After a timeout of two minutes a receiver whose buffer is smaller than a segment may get only
 * some hundred bytes for each further one.
 */
#define CALM_MS 1800000			/* until then the streams may end with any settings */
#define SETTLE_MS 7200000
#define GONE_MS 200000			/* TIME-WAIT, and what comes before it */
#define PIPE_MAX 30000			/* bytes that a pipe takes in any case */
#define LENT 6				/* buffers of MSG_ZEROCOPY at a time */

static const struct shuffle_knob knobs[] = {
	{ "sack", { "0", "1" } },
	{ "dsack", { "0", "1" } },
	{ "timestamps", { "0", "1", "2" } },
	{ "window_scaling", { "0", "1" } },
	{ "recovery", { "0", "1", "2", "4", "7" } },
	{ "reordering", { "1", "3", "300" } },
	{ "early_retrans", { "0", "3", "4" } },
	{ "frto", { "0", "2" } },
	{ "retrans_collapse", { "0", "1" } },
	{ "thin_linear_timeouts", { "0", "1" } },
	{ "slow_start_after_idle", { "0", "1" } },
	{ "rto_min_us", { "1000", "200000" } },
	{ "autocorking", { "0", "1" } },
	{ "limit_output_bytes", { "0", "4096", "1048576" } },
	{ "min_tso_segs", { "1", "2", "16" } },
	{ "tso_win_divisor", { "0", "1", "3" } },
	/* With 0 no write succeeds. */
	{ "notsent_lowat", { "1", "20000", "4294967295" } },
	{ "comp_sack_delay_ns", { "0", "1000000" } },
	{ "comp_sack_nr", { "0", "44", "255" } },
	{ "rmem", { "4096 4096 4096", "4096 131072 6291456" } },
	{ "wmem", { "4096 4096 4096", "4096 16384 4194304" } },
	{ "moderate_rcvbuf", { "0", "1" } },
	{ "mtu_probing", { "0", "1", "2" } },
	{ "pingpong_thresh", { "1", "255" } },
	{ "ecn", { "0", "1", "2", "3" } },
	{ "workaround_signed_windows", { "0", "1" } },
	{ "early_demux", { "0", "1" } },
	/* The last: only with XTCP_FUZZ_SHRINK. */
	{ "shrink_window", { "0", "1" } },
};

static const struct shuffle_option options[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 2, { 0, 1 }, 0 },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, 2, { 0, 1 }, 0 },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, 3, { 0, 1, 2 }, 1 },
	{ "TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 2, { 0, 1 }, 0 },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 4, { 1, 3000, 32767, INT_MAX },
	  INT_MAX },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 4, { 0, 88, 536, 1400 }, 0 },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4, { 0, 1, 20000, -1 }, -1 },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 2, { 1, 7200 }, 7200 },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 2, { 1, 75 }, 75 },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 1, { 127 }, 127 },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 2, { 0, 1 }, 0 },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 5, { 0, 5000, 30000, 1 << 18, 1 << 20 }, 1 << 20 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 5, { 0, 5000, 30000, 1 << 18, 1 << 20 }, 1 << 20 },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 5, { 0, 1, 2000, 100000, INT_MAX }, 1 },
	{ "SO_PEEK_OFF", SOL_SOCKET, SO_PEEK_OFF, 4, { -1, 0, 1, 3000 }, -1 },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 3, { 100000, 2000000, -1 }, -1 },
};

static const uint32_t offloads[] = {
	ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_SSG, ETHTOOL_STXCSUM,
};

/* A buffer that the kernel reads until the notice of that call has come. */
struct lent {
	uint8_t *mem;
	bool out;
	uint32_t call;
};

/* One end of a connection. */
struct end {
	int fd;
	int pipe[2];
	int file;			/* the stream that this end writes, where it needs a file */
	struct marked written;
	uint64_t goal;			/* bytes that are to be written in all */
	struct marks_reader reader;	/* of what the other end writes */
	struct lent lent[LENT];
	bool lends;			/* SO_ZEROCOPY */
	uint32_t calls;			/* of MSG_ZEROCOPY that will have a notice */
	bool shut;			/* it has sent the end of its stream */
	bool ended;			/* it has read the end of the other one's */
};

/* One seed. */
struct round {
	struct pair pair;
	struct end end[TALKS][2];
	struct shuffle shuffle;
	bool moved;			/* something was written or read since that was cleared */
	int calls;
};

#define note(r, ...) shuffle_note(&(r)->shuffle, __VA_ARGS__)

static void round_print(struct round *r)
{
	shuffle_print(&r->shuffle);
	pair_print(&r->pair);
	for (int i = 0; i < TALKS; i++) {
		for (enum side s = CLIENT; s <= SERVER; s++) {
			const struct end *e = &r->end[i][s];

			printf("#   connection %d, %s: %llu of %llu bytes written, %d urgent, %llu to %llu read%s%s\n",
			       i, pair_side[s], (unsigned long long)e->written.sent,
			       (unsigned long long)e->goal, e->written.marks,
			       (unsigned long long)e->reader.low,
			       (unsigned long long)e->reader.high,
			       e->shut ? ", shut" : "", e->ended ? ", end read" : "");
		}
	}
}

/* As check(); a failure shows the last calls and changes, and the connections. */
#define round_check(r, cond, ...) \
	do { \
		if (!(cond)) { \
			round_print(r); \
			check_fail(WHERE((r)->pair.test), __VA_ARGS__); \
		} \
	} while (0)

/* One end in a call: who it is, in a note. */
struct caller {
	struct round *r;
	struct end *e;			/* this end */
	const struct end *other;
	char who[40];
};

#define caller_note(c, fmt, ...) note((c)->r, "%s: " fmt, (c)->who, ##__VA_ARGS__)

static struct caller caller_of(struct round *r, int i, enum side side)
{
	struct caller c = { .r = r, .e = &r->end[i][side], .other = &r->end[i][!side] };

	snprintf(c.who, sizeof(c.who), "%d %s", i, pair_side[side]);
	return c;
}

static size_t draw_len(void)
{
	switch (draw(4)) {
	case 0:
		return 1 + draw(20);
	case 1:
		return 1 + draw(2000);
	case 2:
		return 1 + draw(12000);
	default:
		return 1 + draw(BYTES_MAX);
	}
}

/* --- writing --------------------------------------------------------------------- */

/* What a call wrote, or errno; urgent if that was asked for. */
static void wrote(const struct caller *c, const char *what, ssize_t n, size_t len, int flags)
{
	int err = errno;

	c->r->calls++;
	caller_note(c, "%s %zu%s%s%s: %zd%s%s", what, len, flags & MSG_OOB ? " OOB" : "",
		    flags & MSG_MORE ? " MORE" : "", flags & MSG_DONTWAIT ? " DONTWAIT" : "", n,
		    n < 0 ? " " : "", n < 0 ? strerror(err) : "");
	round_check(c->r, n != 0 && n <= (ssize_t)len, "%s: %s %zu returns %zd", c->who, what, len,
		    n);
	/* ENOBUFS: too many notices wait. */
	round_check(c->r, n > 0 || err == EAGAIN || (err == ENOBUFS && flags & MSG_ZEROCOPY),
		    "%s: %s: %s", c->who, what, strerror(err));
	if (n < 0)
		return;
	c->r->moved = true;
	marks_sent(&c->e->written, n, flags & MSG_OOB);
}

static int draw_write_flags(void)
{
	return MSG_NOSIGNAL | (chance(50) ? MSG_DONTWAIT : 0) | (chance(20) ? MSG_MORE : 0) |
	       (chance(5) ? MSG_EOR : 0);
}

static uint8_t text[BYTES_MAX];

static void call_send(const struct caller *c, size_t len)
{
	int flags = draw_write_flags();

	marks_fill(&c->e->written, text, len, c->e->written.sent);
	wrote(c, "send", send(c->e->fd, text, len, flags), len, flags);
}

static void call_write(const struct caller *c, size_t len)
{
	marks_fill(&c->e->written, text, len, c->e->written.sent);
	wrote(c, "write", write(c->e->fd, text, len), len, 0);
}

static void call_send_urgent(const struct caller *c, size_t len)
{
	/* A write that sleeps would make further bytes urgent, nobody knows which. */
	int flags = MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT | (chance(10) ? MSG_MORE : 0);
	int unacked = socket_count(c->e->fd, SIOCOUTQ);

	if (chance(70))
		len = 1;
	if (unacked < 0 || unacked + len > POINTER_MAX || !marks_may_add(&c->e->written, len))
		return;
	/* A partial write: its last byte is urgent, too. */
	if (len > 1 && !marks_may_add(&c->e->written, 1))
		return;
	marks_fill(&c->e->written, text, len, c->e->written.sent);
	wrote(c, "send", send(c->e->fd, text, len, flags), len, flags);
}

/* Divides a buffer at random. */
static int divide(struct iovec iov[3], void *buf, size_t len)
{
	size_t a = draw(len + 1), b = a + draw(len + 1 - a);

	iov[0] = (struct iovec){ buf, a };
	iov[1] = (struct iovec){ buf + a, b - a };
	iov[2] = (struct iovec){ buf + b, len - b };
	return 3;
}

static void call_writev(const struct caller *c, size_t len)
{
	struct iovec iov[3];

	marks_fill(&c->e->written, text, len, c->e->written.sent);
	divide(iov, text, len);
	wrote(c, "writev", writev(c->e->fd, iov, 3), len, 0);
}

static void call_sendmsg(const struct caller *c, size_t len)
{
	int flags = draw_write_flags();
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	marks_fill(&c->e->written, text, len, c->e->written.sent);
	divide(iov, text, len);
	wrote(c, "sendmsg", sendmsg(c->e->fd, &msg, flags), len, flags);
}

/* Two messages; the second one only after all of the first. */
static void call_sendmmsg(const struct caller *c, size_t len)
{
	int flags = draw_write_flags(), messages;
	struct iovec iov[2] = { { text, len / 2 }, { text + len / 2, len - len / 2 } };
	struct mmsghdr m[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	ssize_t n = 0;

	if (len < 2)
		return;
	marks_fill(&c->e->written, text, len, c->e->written.sent);
	messages = sendmmsg(c->e->fd, m, 2, flags);
	for (int i = 0; i < messages; i++)
		n += m[i].msg_len;
	wrote(c, "sendmmsg", messages < 0 ? messages : n, len, flags);
}

/*
 * The file has the next bytes at their position in the stream. So no page ever changes to
 * which the socket refers.
 */
static void file_grow(const struct caller *c, size_t len)
{
	marks_fill(&c->e->written, text, len, c->e->written.sent);
	round_check(c->r, pwrite(c->e->file, text, len, c->e->written.sent) == (ssize_t)len,
		    "pwrite: %s", strerror(errno));
}

static void call_sendfile(const struct caller *c, size_t len)
{
	off_t at = c->e->written.sent;

	file_grow(c, len);
	wrote(c, "sendfile", sendfile(c->e->fd, c->e->file, &at, len), len, 0);
}

static void call_splice_in(const struct caller *c, size_t len)
{
	unsigned int flags = (chance(50) ? SPLICE_F_NONBLOCK : 0) |
			     (chance(30) ? SPLICE_F_MORE : 0);
	loff_t at = c->e->written.sent;
	ssize_t n, left;

	file_grow(c, len);
	if (chance(50))
		n = write(c->e->pipe[1], text, len < PIPE_MAX ? len : PIPE_MAX);
	else
		n = splice(c->e->file, &at, c->e->pipe[1], NULL, len, SPLICE_F_NONBLOCK);
	round_check(c->r, n > 0, "into a pipe: %s", strerror(errno));
	len = n;
	n = splice(c->e->pipe[0], NULL, c->e->fd, NULL, len, flags);
	wrote(c, "splice", n, len, (flags & SPLICE_F_MORE ? MSG_MORE : 0) |
	      (flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0));
	left = n < 0 ? len : len - n;
	round_check(c->r, !left || read(c->e->pipe[0], text, left) == left,
		    "%zd bytes are not in the pipe", left);
}

/* The notices: the kernel has no more to do with these buffers. */
static void lent_return(const struct caller *c)
{
	char control[256];

	for (;;) {
		struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
		struct sock_extended_err *ee;
		struct cmsghdr *cmsg;
		uint32_t calls, found = 0;

		if (recvmsg(c->e->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		cmsg = CMSG_FIRSTHDR(&msg);
		round_check(c->r, cmsg, "%s: an error without a message", c->who);
		ee = (struct sock_extended_err *)CMSG_DATA(cmsg);
		round_check(c->r, ee->ee_origin == SO_EE_ORIGIN_ZEROCOPY && !ee->ee_errno,
			    "%s: an error, %s", c->who, strerror(ee->ee_errno));
		caller_note(c, "notice %u to %u", ee->ee_info, ee->ee_data);
		calls = ee->ee_data - ee->ee_info + 1;
		for (int i = 0; i < LENT; i++) {
			struct lent *lent = &c->e->lent[i];

			if (!lent->out || lent->call - ee->ee_info >= calls)
				continue;
			memset(lent->mem, 0xee, BYTES_MAX);
			lent->out = false;
			found++;
		}
		round_check(c->r, found == calls,
			    "%s: a notice of calls %u to %u, of which %u wait", c->who,
			    ee->ee_info, ee->ee_data, found);
	}
}

static void call_zerocopy(const struct caller *c, size_t len)
{
	int flags = draw_write_flags() | MSG_ZEROCOPY;
	struct lent *lent = c->e->lent;
	ssize_t n;

	while (lent < c->e->lent + LENT && lent->out)
		lent++;
	if (lent == c->e->lent + LENT)
		return;
	marks_fill(&c->e->written, lent->mem, len, c->e->written.sent);
	n = send(c->e->fd, lent->mem, len, flags);
	if (n > 0 && c->e->lends) {
		lent->out = true;
		lent->call = c->e->calls++;
	}
	wrote(c, "zerocopy", n, len, flags);
	/* Without SO_ZEROCOPY, and when nothing was sent, the kernel has kept no page. */
	if (!lent->out)
		memset(lent->mem, 0xee, len);
}

static const struct {
	void (*call)(const struct caller *c, size_t len);
	int weight;
} writes[] = {
	{ call_send, 25 }, { call_write, 10 }, { call_writev, 10 }, { call_sendmsg, 10 },
	{ call_sendmmsg, 5 },
	{ call_send_urgent, 10 }, { call_sendfile, 10 }, { call_splice_in, 10 },
	{ call_zerocopy, 10 },
};

static void end_write(const struct caller *c, size_t len)
{
	int n = draw(100), i = 0;

	while (n >= writes[i].weight)
		n -= writes[i++].weight;
	if (!c->e->shut)
		writes[i].call(c, len < BYTES_MAX ? len : BYTES_MAX);
}

/* --- reading --------------------------------------------------------------------- */

/* Return: true if a call read something; false after EAGAIN and at the end of the stream. */
static bool has_read(const struct caller *c, const char *what, ssize_t n, size_t len, int flags)
{
	int err = errno;

	c->r->calls++;
	caller_note(c, "%s %zu%s%s%s%s: %zd%s%s", what, len, flags & MSG_PEEK ? " PEEK" : "",
		    flags & MSG_TRUNC ? " TRUNC" : "", flags & MSG_WAITALL ? " WAITALL" : "",
		    flags & MSG_DONTWAIT ? " DONTWAIT" : "", n, n < 0 ? " " : "",
		    n < 0 ? strerror(err) : "");
	round_check(c->r, n >= 0 || err == EAGAIN, "%s: %s: %s", c->who, what, strerror(err));
	round_check(c->r, n <= (ssize_t)len, "%s: %s %zu returns %zd", c->who, what, len, n);
	if (n < 0 || flags & MSG_PEEK)
		return n > 0;
	if (n > 0) {
		round_check(c->r, !c->e->ended, "%s: bytes behind the end of the stream", c->who);
		c->r->moved = true;
		return true;
	}
	round_check(c->r, c->other->shut && marks_is_end(&c->other->written, &c->e->reader),
		    "%s: the end of the stream after %llu of %llu bytes", c->who,
		    (unsigned long long)c->e->reader.high,
		    (unsigned long long)c->other->written.sent);
	c->r->moved |= !c->e->ended;
	c->e->ended = true;
	return false;
}

static void compare(const struct caller *c, const uint8_t *buf, size_t n)
{
	uint64_t low = c->e->reader.low;

	round_check(c->r, marks_read(&c->other->written, &c->e->reader, buf, n),
		    "%s: wrong bytes among %zu from %llu of %llu on", c->who, n,
		    (unsigned long long)low, (unsigned long long)c->other->written.sent);
}

static int draw_read_flags(void)
{
	return (chance(60) ? MSG_DONTWAIT : 0) | (chance(20) ? MSG_WAITALL : 0);
}

static void call_recv(const struct caller *c, size_t len)
{
	int flags = draw_read_flags();
	ssize_t n = recv(c->e->fd, text, len, flags);

	if (has_read(c, "recv", n, len, flags))
		compare(c, text, n);
}

static void call_skip(const struct caller *c, size_t len)
{
	int flags = draw_read_flags() | MSG_TRUNC;
	ssize_t n = recv(c->e->fd, NULL, len, flags);

	if (has_read(c, "recv", n, len, flags))
		round_check(c->r, marks_skipped(&c->other->written, &c->e->reader, n),
			    "%s: more bytes than were written", c->who);
}

static void call_readv(const struct caller *c, size_t len)
{
	struct iovec iov[3];
	ssize_t n;

	divide(iov, text, len);
	n = readv(c->e->fd, iov, 3);
	if (has_read(c, "readv", n, len, 0))
		compare(c, text, n);
}

/* With the number of bytes that are left, if TCP_INQ is set. */
static void call_recvmsg(const struct caller *c, size_t len)
{
	int flags = draw_read_flags(), left = 0;
	char control[256];
	struct iovec iov[3];
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 3,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	ssize_t n;

	divide(iov, text, len);
	n = recvmsg(c->e->fd, &msg, flags);
	if (!has_read(c, "recvmsg", n, len, flags))
		return;
	compare(c, text, n);
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == IPPROTO_TCP && cmsg->cmsg_type == TCP_CM_INQ)
		left = *(int *)CMSG_DATA(cmsg);
	/* 1: the end of the stream. */
	round_check(c->r, left >= 0 &&
		    c->e->reader.low + left <= c->other->written.sent + c->other->shut,
		    "%s: TCP_INQ %d", c->who, left);
}

static void call_peek(const struct caller *c, size_t len)
{
	int flags = draw_read_flags() | MSG_PEEK, offset = -1, after = -1;
	socklen_t size = sizeof(int);
	ssize_t n;

	getsockopt(c->e->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &size);
	n = recv(c->e->fd, text, len, flags);
	if (!has_read(c, "recv", n, len, flags))
		return;
	round_check(c->r, marks_peeked(&c->other->written, &c->e->reader, text, n,
				       offset > 0 ? offset : 0),
		    "%s: wrong bytes among %zd, %d behind %llu", c->who, n, offset,
		    (unsigned long long)c->e->reader.low);
	if (offset < 0)
		return;
	getsockopt(c->e->fd, SOL_SOCKET, SO_PEEK_OFF, &after, &size);
	round_check(c->r, after == offset + n, "%s: SO_PEEK_OFF %d after %zd bytes at %d", c->who,
		    after, n, offset);
}

static void call_recv_urgent(const struct caller *c, size_t len)
{
	int flags = MSG_OOB | (chance(20) ? MSG_PEEK : 0) | (chance(50) ? MSG_DONTWAIT : 0);
	uint8_t byte = 0;
	ssize_t n = recv(c->e->fd, &byte, 1, flags);
	int err = errno;

	c->r->calls++;
	caller_note(c, "recv OOB%s: %zd%s%s", flags & MSG_PEEK ? " PEEK" : "", n,
		    n < 0 ? " " : "", n < 0 ? strerror(err) : "");
	/* None was sent, it was read, or is part of the stream; only its pointer has come. */
	round_check(c->r, n >= 0 || err == EINVAL || err == EAGAIN, "%s: recv OOB: %s", c->who,
		    strerror(err));
	/* Linux may take a byte of a header for an urgent one that has not come. */
	round_check(c->r, n <= 0 || stock_mode() ||
		    marks_urgent(&c->other->written, &c->e->reader, byte, flags & MSG_PEEK),
		    "%s: a wrong urgent byte, %u", c->who, byte);
	c->r->moved |= n > 0 && !(flags & MSG_PEEK);
}

static void call_splice_out(const struct caller *c, size_t len)
{
	ssize_t n = splice(c->e->fd, NULL, c->e->pipe[1], NULL, len,
			   chance(50) ? SPLICE_F_NONBLOCK : 0);

	/* In Linux an urgent byte, too. */
	if (!n && stock_mode())
		return;
	if (!has_read(c, "splice", n, len, 0))
		return;
	round_check(c->r, read(c->e->pipe[0], text, n) == n, "the pipe has other than %zd bytes",
		    n);
	compare(c, text, n);
}

/* What a program can ask about the queues. */
static void call_ask(const struct caller *c, size_t len)
{
	int unread = socket_count(c->e->fd, SIOCINQ), unacked = socket_count(c->e->fd, SIOCOUTQ);
	int unsent = socket_count(c->e->fd, SIOCOUTQNSD), is_at = 0;
	struct tcp_info info;
	socklen_t size = sizeof(info);

	caller_note(c, "SIOCINQ %d, SIOCOUTQ %d, SIOCOUTQNSD %d", unread, unacked, unsent);
	round_check(c->r, unread >= 0 && c->e->reader.low + unread <= c->other->written.sent +
		    c->other->shut, "%s: SIOCINQ %d", c->who, unread);
	round_check(c->r, unacked >= 0 && unacked <= c->e->written.sent + c->e->shut,
		    "%s: SIOCOUTQ %d", c->who, unacked);
	round_check(c->r, unsent >= 0 && unsent <= unacked, "%s: SIOCOUTQNSD %d, SIOCOUTQ %d",
		    c->who, unsent, unacked);
	ioctl(c->e->fd, SIOCATMARK, &is_at);
	round_check(c->r, !is_at || marks_is_at(&c->other->written, &c->e->reader),
		    "%s: SIOCATMARK where no urgent byte is", c->who);
	getsockopt(c->e->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
}

static const struct {
	void (*call)(const struct caller *c, size_t len);
	int weight;
} reads[] = {
	{ call_recv, 30 }, { call_skip, 10 }, { call_readv, 10 }, { call_recvmsg, 10 },
	{ call_peek, 15 }, { call_recv_urgent, 10 }, { call_splice_out, 10 }, { call_ask, 5 },
};

static void end_read(const struct caller *c)
{
	int n = draw(100), i = 0;

	while (n >= reads[i].weight)
		n -= reads[i++].weight;
	reads[i].call(c, draw_len());
	lent_return(c);
}

/* --- settings -------------------------------------------------------------------- */

static void timeout_set(int fd, int which)
{
	static const long us[] = { 1000, 30000, 300000 };
	long value = us[draw(ARRAY_SIZE(us))];
	struct timeval tv = { .tv_usec = value };

	setsockopt(fd, SOL_SOCKET, which, &tv, sizeof(tv));
}

static void inline_set(const struct caller *c, bool on)
{
	caller_note(c, "SO_OOBINLINE %d", on);
	socket_set(c->e->fd, SOL_SOCKET, SO_OOBINLINE, on);
	c->e->reader.skips |= !on;
	c->e->reader.inlines |= on;
}

static void socket_tune(const struct caller *c)
{
	static const char *const algorithms[] = { "reno", "cubic" };
	const char *algorithm = algorithms[draw(ARRAY_SIZE(algorithms))];

	switch (draw(20)) {
	case 0:
		timeout_set(c->e->fd, SO_RCVTIMEO);
		timeout_set(c->e->fd, SO_SNDTIMEO);
		break;
	case 1:
		if (chance(10))
			inline_set(c, chance(50));
		break;
	case 2:
		caller_note(c, "%s", algorithm);
		setsockopt(c->e->fd, IPPROTO_TCP, TCP_CONGESTION, algorithm, strlen(algorithm));
		break;
	case 3:
		socket_set(c->e->fd, IPPROTO_TCP, TCP_INQ, chance(50));
		break;
	case 4:
		fcntl(c->e->fd, F_SETFL, chance(50) ? O_NONBLOCK : 0);
		break;
	case 5:
		caller_note(c, "IP_MTU_DISCOVER");
		socket_set_ip(c->e->fd, IP_MTU_DISCOVER, draw(IP_PMTUDISC_DO + 1));
		break;
	default:
		shuffle_option(&c->r->shuffle, c->e->fd, options, ARRAY_SIZE(options), c->who);
	}
}

/* Of both devices: neither may be sent what it does not take. */
static void mtu_tune(struct round *r)
{
	static const int mtus[] = { 1500, 1260, 9000, 576 };
	int mtu = shuffle_mtu(&r->shuffle, "both", mtus, ARRAY_SIZE(mtus));

	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(&r->pair, s);
		link_set_mtu(WHERE(r->pair.test), pair_device[s], mtu);
	}
}

static void offload_tune(struct round *r, enum side side)
{
	uint32_t which = offloads[draw(ARRAY_SIZE(offloads))];
	bool on = chance(50);

	note(r, "%s: offload %u %s", pair_side[side], which, on ? "on" : "off");
	link_set_offload(WHERE(r->pair.test), pair_device[side], which, on);
}

static void queue_tune(struct round *r, enum side side)
{
	struct netem netem = {
		.delay_ms = draw(15),
		.jitter_ms = chance(30) ? draw(10) : 0,
		.loss = chance(60) ? draw(8) : 0,
		.duplicate = chance(50) ? draw(5) : 0,
		.corrupt = chance(30) ? 1 : 0,
		/* In virtual time Linux never stops to send again what a full queue refuses. */
		.limit = chance(20) && !stock_mode() ? 5 : 1000,
		.seed = 1 + draw(1 << 30),
	};

	/* A packet is reordered by leaving without the delay. */
	if (netem.delay_ms && chance(40))
		netem.reorder = draw(30);
	switch (draw(6)) {
	case 0:
		note(r, "%s: fq", pair_side[side]);
		fq_set(WHERE(r->pair.test), pair_device[side]);
		break;
	case 1:
		note(r, "%s: pfifo", pair_side[side]);
		pfifo_set(WHERE(r->pair.test), pair_device[side], 1000);
		break;
	default:
		note(r, "%s: delay %.0f+-%.0f ms, lost %.0f %%, twice %.0f, early %.0f, bad %.0f, limit %d",
		     pair_side[side], netem.delay_ms, netem.jitter_ms, netem.loss,
		     netem.duplicate, netem.reorder, netem.corrupt, netem.limit);
		pair_netem(&r->pair, side, &netem);
	}
}

static void settings_tune(struct round *r)
{
	static const uint32_t sizes[] = { 1500, 4000, 65536 };
	enum side side = draw(2);

	pair_enter(&r->pair, side);
	if (chance(20))
		shuffle_knob(&r->shuffle, pair_side[side]);
	if (chance(6))
		queue_tune(r, side);
	if (chance(3))
		offload_tune(r, side);
	if (chance(2))
		shuffle_gso(&r->shuffle, &r->pair, side, sizes, ARRAY_SIZE(sizes));
	if (chance(2))
		mtu_tune(r);
}

static void settings_restore(struct round *r)
{
	struct where at = WHERE(r->pair.test);

	note(r, "all settings are as they were");
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_device_restore(&r->pair, s);
		for (int i = 0; i < ARRAY_SIZE(offloads); i++)
			link_set_offload(at, pair_device[s], offloads[i],
					 offloads[i] != ETHTOOL_SGRO);
		shuffle_end(&r->shuffle);
		for (int i = 0; i < TALKS; i++)
			shuffle_options_end(r->end[i][s].fd, options, ARRAY_SIZE(options));
	}
}

/* --- one seed ---------------------------------------------------------------------- */

static void end_begin(struct round *r, int i, enum side side, int seed)
{
	struct caller c = caller_of(r, i, side);
	struct end *e = c.e;

	e->written.salt = (((uint64_t)seed * TALKS + i) * 2 + side) << 32;
	e->file = memfd_create("stream", MFD_CLOEXEC);
	round_check(r, e->file >= 0 && !pipe2(e->pipe, O_CLOEXEC), "memfd, pipe: %s",
		    strerror(errno));
	for (int n = 0; n < LENT; n++) {
		e->lent[n].mem = mmap(NULL, BYTES_MAX, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		round_check(r, e->lent[n].mem != MAP_FAILED, "mmap: %s", strerror(errno));
	}
	fcntl(e->fd, F_SETFL, 0);
	timeout_set(e->fd, SO_RCVTIMEO);
	timeout_set(e->fd, SO_SNDTIMEO);
	inline_set(&c, chance(40));
	e->lends = chance(70) && !socket_set(e->fd, SOL_SOCKET, SO_ZEROCOPY, 1);
}

static void round_begin(struct round *r, struct where at, int seed, bool speaks)
{
	bool shrinks = draw_from_environment("XTCP_FUZZ_SHRINK", 0);

	memset(r, 0, sizeof(*r));
	pair_open_at(at, &r->pair, NULL);
	draw_seed(seed);
	r->shuffle.speaks = speaks;
	shuffle_begin(at, &r->shuffle, knobs, ARRAY_SIZE(knobs) - !shrinks);
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(&r->pair, s);
		for (int n = draw(8); n > 0; n--)
			shuffle_knob(&r->shuffle, pair_side[s]);
		if (chance(30))
			offload_tune(r, s);
	}
	for (int i = 0; i < TALKS; i++) {
		pair_connected_at(at, &r->pair, FIRST_PORT + i, &r->end[i][CLIENT].fd,
				  &r->end[i][SERVER].fd);
		for (enum side s = CLIENT; s <= SERVER; s++)
			end_begin(r, i, s, seed);
	}
}

static void talk_step(struct round *r, int i)
{
	enum side side = chance(65) ? CLIENT : SERVER;
	struct caller writer = caller_of(r, i, side), reader = caller_of(r, i, !side);
	struct caller any = chance(50) ? writer : reader;

	if (chance(15))
		socket_tune(&any);
	if (writer.e->written.sent - reader.e->reader.low < UNREAD_MAX)
		end_write(&writer, draw_len());
	for (int n = draw(3); n > 0; n--)
		end_read(&reader);
	if (chance(20))
		end_read(&writer);
}

static bool end_is_over(const struct end *e)
{
	for (int i = 0; i < LENT; i++)
		if (e->lent[i].out)
			return false;
	return e->shut && e->ended;
}

/* Return: true once both streams have ended. */
static bool end_finish(const struct caller *c)
{
	struct end *e = c->e;

	if (!e->ended)
		end_read(c);
	lent_return(c);
	if (e->written.sent < e->goal) {
		end_write(c, e->goal - e->written.sent);
	} else if (!e->shut) {
		caller_note(c, "shutdown");
		round_check(c->r, !shutdown(e->fd, SHUT_WR), "shutdown: %s", strerror(errno));
		e->shut = true;
		c->r->moved = true;
	}
	return end_is_over(e);
}

static void talks_finish(struct round *r, bool is_calm)
{
	int64_t began_ms = now_ms(), moved_ms = began_ms, pause_ms = 1;
	bool over;

	for (int i = 0; i < TALKS; i++)
		for (enum side s = CLIENT; s <= SERVER; s++)
			r->end[i][s].goal = r->end[i][s].written.sent + draw(AFTERWARDS);
	do {
		over = true;
		r->moved = false;
		for (int i = 0; i < TALKS; i++) {
			for (enum side s = CLIENT; s <= SERVER; s++) {
				struct caller c = caller_of(r, i, s);

				over &= end_finish(&c);
			}
		}
		if (r->moved) {
			moved_ms = now_ms();
			pause_ms = 1;
		} else {
			sleep_ms(pause_ms);
			pause_ms = pause_ms < 500 ? pause_ms * 2 : 1000;
		}
		round_check(r, now_ms() - moved_ms < STALL_MS, "stalled for %d ms", STALL_MS);
		round_check(r, now_ms() - began_ms < SETTLE_MS, "it takes too long");
		if (!is_calm && (over || now_ms() - began_ms > CALM_MS)) {
			settings_restore(r);
			is_calm = true;
		}
	} while (!over);
}

static void end_close(struct end *e)
{
	close(e->fd);
	close(e->file);
	close(e->pipe[0]);
	close(e->pipe[1]);
	for (int n = 0; n < LENT; n++)
		munmap(e->lent[n].mem, BYTES_MAX);
}

static void round_play(struct round *r)
{
	static const int pauses_ms[] = { 0, 0, 0, 1, 5, 40 };
	bool is_calm = chance(50);

	for (r->shuffle.step = 0; r->shuffle.step < STEPS; r->shuffle.step++) {
		settings_tune(r);
		for (int i = 0; i < TALKS; i++)
			talk_step(r, i);
		sleep_ms(pauses_ms[draw(ARRAY_SIZE(pauses_ms))]);
	}
	/* The streams have to end whether or not the settings are the usual ones. */
	if (is_calm)
		settings_restore(r);
	talks_finish(r, is_calm);
}

static void round_end(struct round *r, struct where at)
{
	for (int i = 0; i < TALKS; i++)
		for (enum side s = CLIENT; s <= SERVER; s++)
			end_close(&r->end[i][s]);
	pair_expect_gone_at(at, &r->pair, GONE_MS);
	pair_close_at(at, &r->pair);
	close(r->pair.ns[CLIENT]);
	close(r->pair.ns[SERVER]);
}

FIXTURE(mix) {
};

FIXTURE_SETUP(mix)
{
}

FIXTURE_TEARDOWN(mix)
{
}

TEST_F_TIMEOUT(mix, each_call_moves_the_right_bytes, 100000000)
{
	int first = draw_from_environment("XTCP_FUZZ_SEED", 1);
	int rounds = draw_from_environment("XTCP_FUZZ_ROUNDS", 10);
	static struct round round;
	uint64_t bytes = 0;
	int calls = 0;

	for (int seed = first; seed < first + rounds; seed++) {
		TH_LOG("XTCP_FUZZ_SEED=%d", seed);
		round_begin(&round, WHERE(_metadata), seed, rounds == 1);
		round_play(&round);
		for (int i = 0; i < TALKS; i++)
			bytes += round.end[i][CLIENT].written.sent +
				 round.end[i][SERVER].written.sent;
		calls += round.calls;
		round_end(&round, WHERE(_metadata));
	}
	TH_LOG("%d calls, %llu bytes", calls, (unsigned long long)bytes);
}

TEST_HARNESS_MAIN
