// SPDX-License-Identifier: GPL-2.0
/* stream: see stream.h. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "context.h"
#include "flow.h"

/*
 * One round of a multiplicative mix for each word of eight bytes: cheap and aperiodic.
 */
static uint64_t pattern_word(uint64_t index)
{
	uint64_t x = (index + 1) * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

uint8_t pattern_byte(uint64_t offset)
{
	return pattern_word(offset / 8) >> (offset % 8 * 8);
}

void pattern_fill(void *buf, size_t len, uint64_t offset)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; ) {
		uint64_t word = pattern_word((offset + i) / 8);
		unsigned int skip = (offset + i) % 8;

		for (word >>= skip * 8; skip < 8 && i < len; skip++, word >>= 8)
			p[i++] = word;
	}
}

ssize_t pattern_check(const void *buf, size_t len, uint64_t offset)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < len; ) {
		uint64_t word = pattern_word((offset + i) / 8);
		unsigned int skip = (offset + i) % 8;

		for (word >>= skip * 8; skip < 8 && i < len; skip++, word >>= 8)
			if (p[i++] != (uint8_t)word)
				return i - 1;
	}
	return -1;
}

void fd_nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void stream_expect_text_at(struct where at, int fd, const char *text)
{
	ssize_t len = strlen(text);
	char buf[256];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	check(n >= 0, at, "recv: %s (expected \"%s\")", strerror(errno), text);
	check(n == len && !memcmp(buf, text, n), at,
	      "read \"%.*s\" (expected \"%s\")", (int)n, buf, text);
}

static bool flow_send(struct where at, struct flow *f)
{
	uint8_t buf[16384];
	uint64_t n = f->len - f->sent;
	ssize_t r;

	if (n > sizeof(buf))
		n = sizeof(buf);
	if (!n)
		return false;
	pattern_fill(buf, n, f->sent + f->salt);
	r = send(f->from, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0 && errno == EAGAIN)
		return false;
	check(r > 0, at, "send after %llu bytes: %s",
	      (unsigned long long)f->sent, strerror(errno));
	f->sent += r;
	return true;
}

static bool flow_receive(struct where at, struct flow *f)
{
	uint8_t buf[16384];
	uint64_t n = f->len - f->got;
	ssize_t r, wrong;

	if (!n)
		return false;
	r = recv(f->to, buf, n < sizeof(buf) ? n : sizeof(buf), MSG_DONTWAIT);
	if (r < 0 && errno == EAGAIN)
		return false;
	check(r > 0, at, "recv after %llu bytes: %s",
	      (unsigned long long)f->got, r ? strerror(errno) : "end of stream");
	wrong = pattern_check(buf, r, f->got + f->salt);
	check(wrong < 0, at, "byte %llu of the stream is wrong",
	      (unsigned long long)f->got + wrong);
	f->got += r;
	return true;
}

void flows_run_by_poll(struct where at, struct flow *f, int n, int stall_ms)
{
	for (;;) {
		struct pollfd pfd[4];
		bool moved = false, done = true;
		int fds = 0;

		for (int i = 0; i < n; i++) {
			moved |= flow_send(at, &f[i]);
			moved |= flow_receive(at, &f[i]);
			done &= f[i].got == f[i].len && f[i].sent == f[i].len;
			if (f[i].sent < f[i].len)
				pfd[fds++] = (struct pollfd){ f[i].from, POLLOUT, 0 };
			if (f[i].got < f[i].len)
				pfd[fds++] = (struct pollfd){ f[i].to, POLLIN, 0 };
		}
		if (done)
			return;
		if (moved)
			continue;
		check(poll(pfd, fds, stall_ms) > 0, at,
		      "stalled for %d ms: %llu of %llu bytes sent, %llu received",
		      stall_ms, (unsigned long long)f[0].sent,
		      (unsigned long long)f[0].len, (unsigned long long)f[0].got);
	}
}

static void flows_run(struct where at, struct flow *f, int n, int stall_ms)
{
	enum context context = context_of_run(at);

	switch (context) {
	case CONTEXT_URING:
	case CONTEXT_URING_FIXED:
		flows_run_by_ring(at, f, n, stall_ms, context == CONTEXT_URING_FIXED);
		break;
	case CONTEXT_FORK:
		flows_run_by_fork(at, f, n, stall_ms);
		break;
	case CONTEXT_THREADS:
		flows_run_by_threads(at, f, n, stall_ms);
		break;
	default:
		flows_run_by_poll(at, f, n, stall_ms);
	}
}

void stream_transfer_at(struct where at, int from, int to, uint64_t len,
			int stall_ms)
{
	struct flow f = { .from = from, .to = to, .len = len };

	flows_run(at, &f, 1, stall_ms);
}

void stream_exchange_at(struct where at, int a, int b, uint64_t len,
			int stall_ms)
{
	struct flow f[] = {
		{ .from = a, .to = b, .len = len },
		{ .from = b, .to = a, .len = len, .salt = 1ULL << 40 },
	};

	flows_run(at, f, 2, stall_ms);
}
