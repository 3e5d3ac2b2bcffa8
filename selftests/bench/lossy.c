// SPDX-License-Identifier: GPL-2.0
/* vm: mem=1G timeout=1800 clock */
/*
 * lossy: the time that 8 MiB take over a path of 20 ms each way that loses, reorders
 * or duplicates segments by a fixed pattern, the same for both sides; ten patterns
 * each, their median, the worst, and the median of the ratios of xtcp's times to
 * those of the kernel's TCP. Times are the guest's clock, which counts instructions
 * besides the path; these are few here.
 *
 * Both ends are the stack under test. Segments leave one by one, because netem would
 * drop the large ones of the kernel's TCP as a whole; the receive buffer is 4 MiB on
 * both, so that the congestion window decides.
 */
#include "lib/bench.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define PORT 5000
#define TOTAL (8 << 20)
#define DELAY_MS 20
#define PATTERNS 10
#define PATTERNS_MANY 60
#define RCVBUF (4 << 20)
#define STALL_MS 300000

static const char *const device[] = { [CLIENT] = "veth0", [SERVER] = "veth1" };

static void nonblocking(int fd)
{
	must(!fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK: %s", strerror(errno));
}

static void connected(struct pair *pair, int *client, int *server)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pair->addr[SERVER], PORT, &sa);
	int rcvbuf = RCVBUF, listener;

	netns_enter(HERE, pair->ns[SERVER]);
	listener = socket(AF_INET, SOCK_STREAM, bench_proto());
	must(listener >= 0 && !bind(listener, (void *)&sa, len) && !listen(listener, 1),
	     "listener: %s", strerror(errno));
	must(!setsockopt(listener, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)),
	     "SO_RCVBUFFORCE: %s", strerror(errno));
	netns_enter(HERE, pair->ns[CLIENT]);
	*client = socket(AF_INET, SOCK_STREAM, bench_proto());
	must(*client >= 0 && !connect(*client, (void *)&sa, len), "connect: %s",
	     strerror(errno));
	*server = accept(listener, NULL, NULL);
	must(*server >= 0, "accept: %s", strerror(errno));
	close(listener);
	nonblocking(*client);
	nonblocking(*server);
}

/* Milliseconds until the last byte has been read. */
static double transfer(int from, int to)
{
	static char buf[65536];
	int64_t begin_ns = now_ns();
	int sent = 0, got = 0;

	while (got < TOTAL) {
		struct pollfd fds[] = {
			{ to, POLLIN, 0 }, { sent < TOTAL ? from : -1, POLLOUT, 0 },
		};
		ssize_t n;

		must(poll(fds, 2, STALL_MS) > 0, "stalled after %d bytes", got);
		n = sent < TOTAL ? send(from, buf, TOTAL - sent < (int)sizeof(buf) ?
					TOTAL - sent : (int)sizeof(buf), 0) : 0;
		must(n >= 0 || errno == EAGAIN, "send: %s", strerror(errno));
		sent += n > 0 ? n : 0;
		while ((n = recv(to, buf, sizeof(buf), 0)) > 0)
			got += n;
		must((n < 0 && errno == EAGAIN) || got == TOTAL, "recv: %s", strerror(errno));
	}
	return (now_ns() - begin_ns) / 1e6;
}

static double one_pattern(struct netem netem, int pattern)
{
	int client, server;
	struct pair pair;
	double ms;

	pair_open_at(HERE, &pair, NULL);
	for (int side = CLIENT; side <= SERVER; side++) {
		netns_enter(HERE, pair.ns[side]);
		link_set_single_segments(HERE, device[side]);
	}
	connected(&pair, &client, &server);
	netem.delay_ms = DELAY_MS;
	netem.limit = 100000;
	for (int side = CLIENT; side <= SERVER; side++) {
		netem.seed = 2 * pattern + side + 1;
		netns_enter(HERE, pair.ns[side]);
		netem_set(HERE, device[side], &netem);
	}
	ms = transfer(client, server);
	close(client);
	close(server);
	close(pair.ns[CLIENT]);
	close(pair.ns[SERVER]);
	return ms;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static double median(double *values, int n)
{
	qsort(values, n, sizeof(values[0]), ascending);
	return (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Times of a step's patterns on the kernel's TCP, whose process comes first. */
static double *stock_ms;

static void measure(const char *name, int patterns, struct netem netem)
{
	double ms[PATTERNS_MANY], ratio[PATTERNS_MANY];
	char row[64];

	for (int i = 0; i < patterns; i++) {
		ms[i] = one_pattern(netem, i);
		if (bench_is_stock())
			stock_ms[i] = ms[i];
		ratio[i] = ms[i] / stock_ms[i];
	}
	bench_value(name, median(ms, patterns));
	snprintf(row, sizeof(row), "%s.worst", name);
	bench_value(row, ms[patterns - 1]);
	snprintf(row, sizeof(row), "%s.paired", name);
	bench_value(row, median(ratio, patterns));
}

#define STEP_OF(name, patterns, ...) \
	static void step_##name(void) \
	{ \
		measure(#name, patterns, (struct netem){ __VA_ARGS__ }); \
	}
#define STEP(name, ...) STEP_OF(name, PATTERNS, __VA_ARGS__)

STEP(clean, .loss = 0)
STEP(loss_01, .loss = 0.1)
/* Five losses are a matter of chance: two may meet in one round trip. */
STEP_OF(loss_01_many, PATTERNS_MANY, .loss = 0.1)
STEP(loss_1, .loss = 1)
STEP(loss_5, .loss = 5)
STEP(reorder_5, .reorder = 5)
STEP(duplicate_1, .duplicate = 1)

static const struct bench_step steps[] = {
	{ "clean", step_clean },
	{ "loss_01", step_loss_01 },
	{ "loss_01_many", step_loss_01_many },
	{ "loss_1", step_loss_1 },
	{ "loss_5", step_loss_5 },
	{ "reorder_5", step_reorder_5 },
	{ "duplicate_1", step_duplicate_1 },
};

#define ROW(name, what) \
	{ name, "8 MiB, 20 ms each way, " what, "ms", "1.00" }, \
	{ name ".worst", "the slowest pattern of that", "ms", NULL }, \
	{ name ".paired", "each pattern by stock's time for it", "", "1.00" }

static const struct bench_row rows[] = {
	ROW("clean", "nothing lost"),
	ROW("loss_01", "0.1 % lost"),
	ROW("loss_01_many", "0.1 % lost, sixty patterns"),
	ROW("loss_1", "1 % lost"),
	ROW("loss_5", "5 % lost"),
	ROW("reorder_5", "5 % overtake all others"),
	ROW("duplicate_1", "1 % come twice"),
};

static void __attribute__((constructor)) share_with_steps(void)
{
	stock_ms = mmap(NULL, PATTERNS_MANY * sizeof(*stock_ms), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(stock_ms != MAP_FAILED, "mmap: %s", strerror(errno));
}

BENCH_MAIN("lossy", steps, rows)
