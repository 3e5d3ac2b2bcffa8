// SPDX-License-Identifier: GPL-2.0
/* streamcontext: transfers by io_uring, two processes, or threads; see flow.h. */
#define _GNU_SOURCE
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring.h"
#include "stream.h"

/* Return: the former flags. */
static int fd_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return flags;
}

/* --- io_uring ----------------------------------------------------------------- */

/* The buffer of a ring, divided: each of two flows has some parts to send, and one to receive. */
#define PARTS 4
#define PART (RING_BUFFER / 2 / PARTS)
#define RECEIVED (PARTS - 1)

struct ring_flow {
	struct flow *f;
	uint8_t *part[PARTS];
	bool busy[PARTS];	/* the kernel uses that part */
	bool sending;		/* one call at a time: two might be served in another order */
	int calls;
	int flags[2];
};

static bool no_zerocopy;

/* user_data: which flow, and which part. */
static void queue_send(struct where at, struct ring *r, struct ring_flow *rf, int which, bool fixed)
{
	uint64_t n = rf->f->len - rf->f->sent;
	bool zc = fixed && !no_zerocopy && rf->calls % 2;
	int part = 0;

	while (part < RECEIVED && rf->busy[part])
		part++;
	if (!n || rf->sending || part == RECEIVED)
		return;
	n = n < PART ? n : PART;
	pattern_fill(rf->part[part], n, rf->f->sent + rf->f->salt);
	rf->busy[part] = rf->sending = true;
	rf->calls++;
	ring_queue_at(at, r, &(struct io_uring_sqe){
		.opcode = !fixed ? IORING_OP_SEND : zc ? IORING_OP_SEND_ZC : IORING_OP_WRITE_FIXED,
		.ioprio = zc ? IORING_RECVSEND_FIXED_BUF : 0,
		.fd = rf->f->from, .addr = (uintptr_t)rf->part[part], .len = n,
		.user_data = which * PARTS + part,
	});
}

static void queue_receive(struct where at, struct ring *r, struct ring_flow *rf, int which,
			  bool fixed)
{
	uint64_t n = rf->f->len - rf->f->got;

	if (!n || rf->busy[RECEIVED])
		return;
	rf->busy[RECEIVED] = true;
	ring_queue_at(at, r, &(struct io_uring_sqe){
		.opcode = fixed ? IORING_OP_READ_FIXED : IORING_OP_RECV,
		.fd = rf->f->to, .addr = (uintptr_t)rf->part[RECEIVED], .len = n < PART ? n : PART,
		.user_data = which * PARTS + RECEIVED,
	});
}

static void received(struct where at, struct ring_flow *rf, int res)
{
	ssize_t wrong;

	check(res > 0, at, "receive after %llu bytes: %s", (unsigned long long)rf->f->got,
	      res ? strerror(-res) : "end of stream");
	wrong = pattern_check(rf->part[RECEIVED], res, rf->f->got + rf->f->salt);
	check(wrong < 0, at, "byte %llu of the stream is wrong",
	      (unsigned long long)rf->f->got + wrong);
	rf->f->got += res;
	rf->busy[RECEIVED] = false;
}

/* A part of a call without a copy is the kernel's until the notice. */
static void completed(struct where at, struct ring_flow *rf, int part, struct ring_result one)
{
	if (part == RECEIVED) {
		received(at, rf, one.res);
		return;
	}
	rf->busy[part] = one.flags & IORING_CQE_F_MORE;
	if (one.flags & IORING_CQE_F_NOTIF)
		return;
	rf->sending = false;
	if (one.res == -EOPNOTSUPP && !no_zerocopy) {
		no_zerocopy = true;
		return;
	}
	check(one.res > 0, at, "send after %llu bytes: %s", (unsigned long long)rf->f->sent,
	      strerror(-one.res));
	rf->f->sent += one.res;
}

static bool is_busy(const struct ring_flow *rf)
{
	return rf->busy[0] || rf->busy[1] || rf->busy[2] || rf->busy[RECEIVED];
}

void flows_run_by_ring(struct where at, struct flow *f, int n, int stall_ms, bool fixed)
{
	struct ring_flow rf[2] = { };
	struct ring r;
	bool busy;

	ring_open_at(at, &r);
	for (int i = 0; i < n; i++) {
		rf[i].f = &f[i];
		for (int part = 0; part < PARTS; part++)
			rf[i].part[part] = r.buffer + (i * PARTS + part) * PART;
		rf[i].flags[0] = fd_block(f[i].from);
		rf[i].flags[1] = fd_block(f[i].to);
	}
	do {
		struct ring_result one;

		busy = false;
		for (int i = 0; i < n; i++) {
			queue_send(at, &r, &rf[i], i, fixed);
			queue_receive(at, &r, &rf[i], i, fixed);
			busy |= is_busy(&rf[i]);
		}
		if (!busy)
			break;
		one = ring_take_within_at(at, &r, stall_ms);
		completed(at, &rf[one.call / PARTS], one.call % PARTS, one);
	} while (busy);
	/* In reverse: the second flow has the first one's sockets, which do not block by now. */
	for (int i = n - 1; i >= 0; i--) {
		fcntl(f[i].to, F_SETFL, rf[i].flags[1]);
		fcntl(f[i].from, F_SETFL, rf[i].flags[0]);
	}
	pattern_fill(r.buffer, RING_BUFFER, 0);
	ring_close_at(at, &r);
}

/* --- two processes ------------------------------------------------------------ */

void flows_run_by_fork(struct where at, struct flow *f, int n, int stall_ms)
{
	pid_t sender = fork();
	int status;

	check(sender >= 0, at, "fork: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		*(sender ? &f[i].sent : &f[i].got) = f[i].len;
	if (!sender)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	flows_run_by_poll(at, f, n, stall_ms);
	if (!sender)
		_exit(0);
	check(waitpid(sender, &status, 0) == sender && !status, at, "the sender has failed");
}

/* --- threads ------------------------------------------------------------------ */

#define SENDERS 4
#define CHUNK 16384

struct sender {
	const struct flow *f;
	uint64_t len, sent, got;	/* got: of what it has sent */
	int number, stall_ms;
	int err;
	pthread_t thread;
};

/* The sender's number, and six bits of the pattern of what this sender sends. */
static uint8_t tagged(const struct sender *s, uint64_t offset)
{
	return s->number << 6 | (pattern_byte(offset + s->f->salt) & 63);
}

/* Two of the four block, and two poll. They divide what they send into other lengths. */
static void *send_all(void *arg)
{
	struct sender *s = arg;
	bool blocks = s->number < SENDERS / 2;
	uint8_t buf[CHUNK];

	while (s->sent < s->len) {
		uint64_t n = 1 + (s->sent * 7 + s->number * 4099) % CHUNK;
		struct pollfd pfd = { s->f->from, POLLOUT, 0 };
		ssize_t r;

		if (n > s->len - s->sent)
			n = s->len - s->sent;
		for (uint64_t i = 0; i < n; i++)
			buf[i] = tagged(s, s->sent + i);
		r = send(s->f->from, buf, n, (blocks ? 0 : MSG_DONTWAIT) | MSG_NOSIGNAL);
		if (r > 0) {
			s->sent += r;
		} else if (errno != EAGAIN || poll(&pfd, 1, s->stall_ms) <= 0) {
			__atomic_store_n(&s->err, errno, __ATOMIC_RELAXED);
			break;
		}
	}
	return NULL;
}

/* Return: true if something came. */
static bool receive_tagged(struct where at, struct flow *f, struct sender *senders)
{
	uint64_t left = f->len - f->got;
	uint8_t buf[CHUNK];
	ssize_t n;

	if (!left)
		return false;
	n = recv(f->to, buf, left < CHUNK ? left : CHUNK, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	check(n > 0, at, "recv after %llu bytes: %s", (unsigned long long)f->got,
	      n ? strerror(errno) : "end of stream");
	for (ssize_t i = 0; i < n; i++) {
		struct sender *s = &senders[buf[i] >> 6];

		check(s->got < s->len && buf[i] == tagged(s, s->got), at,
		      "byte %llu of thread %d is wrong", (unsigned long long)s->got, s->number);
		s->got++;
	}
	f->got += n;
	return true;
}

/* Until all has come, from each thread its share. */
static void receive_all(struct where at, struct flow *f, int n, struct sender (*senders)[SENDERS],
			int stall_ms)
{
	for (;;) {
		bool moved = false;
		struct pollfd pfd[2];
		int fds = 0;

		for (int i = 0; i < n; i++) {
			moved |= receive_tagged(at, &f[i], senders[i]);
			if (f[i].got < f[i].len)
				pfd[fds++] = (struct pollfd){ f[i].to, POLLIN, 0 };
		}
		if (!fds)
			return;
		if (moved || poll(pfd, fds, stall_ms) > 0)
			continue;
		for (int i = 0; i < n * SENDERS; i++)
			check(!senders[i / SENDERS][i % SENDERS].err, at, "send of thread %d: %s",
			      i % SENDERS, strerror(senders[i / SENDERS][i % SENDERS].err));
		check(false, at, "stalled for %d ms: %llu of %llu bytes received", stall_ms,
		      (unsigned long long)f[0].got, (unsigned long long)f[0].len);
	}
}

void flows_run_by_threads(struct where at, struct flow *f, int n, int stall_ms)
{
	struct sender senders[2][SENDERS] = { };
	int flags[2];

	for (int i = 0; i < n; i++)
		flags[i] = fd_block(f[i].from);
	for (int i = 0; i < n; i++) {
		for (int t = 0; t < SENDERS; t++) {
			senders[i][t] = (struct sender){
				.f = &f[i], .number = t, .stall_ms = stall_ms,
				.len = f[i].len / SENDERS + (t ? 0 : f[i].len % SENDERS),
			};
			check(!pthread_create(&senders[i][t].thread, NULL, send_all,
					      &senders[i][t]), at, "no thread");
		}
	}
	receive_all(at, f, n, senders, stall_ms);
	for (int i = 0; i < n; i++) {
		for (int t = 0; t < SENDERS; t++)
			pthread_join(senders[i][t].thread, NULL);
		f[i].sent = f[i].len;
		fcntl(f[i].from, F_SETFL, flags[i]);
	}
}
