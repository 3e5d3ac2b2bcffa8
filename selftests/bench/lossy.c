// SPDX-License-Identifier: GPL-2.0
/* vm: mem=1G timeout=3600 clock */
/*
 * lossy: the time that 8 MiB take over a path of 20 ms each way that loses, reorders
 * or duplicates segments by a fixed pattern, the same for both sides; thirty patterns
 * each, their median, the worst, and the median of the ratios of xtcp's times to
 * those of the kernel's TCP. And the time of fetching 10 KiB over a path that loses
 * segments, connect() included. Times are the guest's clock, which counts instructions
 * besides the path; these are few here. Rows with _6 in their names are of the TCP wire.
 *
 * Both ends are the stack under test. Segments leave one by one, because netem would
 * drop the large ones of the kernel's TCP as a whole; the receive buffer is 4 MiB on
 * both, so that the congestion window decides. clean_gso is the path as programs meet
 * it: with offloads, and with buffers that grow by themselves.
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
#define PATTERNS 30
/* Five losses of 5,800 segments are a matter of chance: two may meet in one round trip. */
#define PATTERNS_FEW_LOSSES 60
#define PATTERNS_MAX 60
#define RCVBUF (4 << 20)
#define STALL_MS 300000
#define REQUEST 100
#define FETCH (10 << 10)
/* Of a pattern; each loses other segments. */
#define FETCHES 100

struct path {
	struct netem netem;
	int wire;
	bool offloads;			/* and the buffers' size is left to the stack */
	double late_ms;			/* 5 % of the client's segments arrive that much later */
	struct pair pair;
	int listener;
};

static void nonblocking(int fd)
{
	must(!fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK: %s", strerror(errno));
}

static void path_listen(struct path *path)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&path->pair.addr[SERVER], PORT, &sa);
	int rcvbuf = RCVBUF, fd;

	netns_enter(HERE, path->pair.ns[SERVER]);
	fd = socket(AF_INET, SOCK_STREAM, bench_proto());
	must(fd >= 0 && !bind(fd, (void *)&sa, len) && !listen(fd, 16), "listener: %s",
	     strerror(errno));
	must(path->offloads ||
	     !setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)),
	     "SO_RCVBUFFORCE: %s", strerror(errno));
	nonblocking(fd);
	path->listener = fd;
	netns_enter(HERE, path->pair.ns[CLIENT]);
}

static void path_open(struct path *path)
{
	pair_open_at(HERE, &path->pair, NULL);
	for (int side = CLIENT; side <= SERVER; side++) {
		netns_enter(HERE, path->pair.ns[side]);
		if (!path->offloads)
			link_set_single_segments(HERE, pair_device[side]);
		if (!bench_is_stock())
			must(!knob_set("wire", path->wire), "wire");
	}
	path_listen(path);
}

static void path_close(struct path *path)
{
	close(path->listener);
	close(path->pair.ns[CLIENT]);
	close(path->pair.ns[SERVER]);
}

/* A path that is only long, so that the handshake measures the round trip. */
static const struct netem good;

/*
 * From now on 5 % of the client's segments are @late_ms late, and others overtake them. netem does
 * not delay the packets that it "reorders", here 95 %. The path's delay is on the way back, where
 * nothing is reordered, so no round trip is shorter than the path's.
 */
static void path_set_late(struct path *path, double late_ms, int pattern)
{
	struct netem netem = { .delay_ms = late_ms, .reorder = 95, .limit = 100000,
			       .seed = 2 * pattern + 1 };

	netns_enter(HERE, path->pair.ns[SERVER]);
	netem_set(HERE, pair_device[SERVER],
		  &(struct netem){ .delay_ms = 2 * DELAY_MS, .limit = 100000 });
	netns_enter(HERE, path->pair.ns[CLIENT]);
	netem_set(HERE, pair_device[CLIENT], &netem);
}

/* From now on the path is @netem, in a way that only @pattern determines. */
static void path_set(struct path *path, struct netem netem, int pattern)
{
	netem.delay_ms = DELAY_MS;
	netem.limit = 100000;
	for (int side = CLIENT; side <= SERVER; side++) {
		netem.seed = 2 * pattern + side + 1;
		netns_enter(HERE, path->pair.ns[side]);
		netem_set(HERE, pair_device[side], &netem);
	}
	netns_enter(HERE, path->pair.ns[CLIENT]);
}

static void await(int fd, short events, int got)
{
	struct pollfd pfd = { fd, events, 0 };

	must(poll(&pfd, 1, STALL_MS) > 0, "stalled after %d bytes", got);
}

/* This process is in the client's namespace. */
static int path_connect(struct path *path)
{
	int fd = socket(AF_INET, SOCK_STREAM, bench_proto());
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&path->pair.addr[SERVER], PORT, &sa);

	must(fd >= 0 && !connect(fd, (void *)&sa, len), "connect: %s", strerror(errno));
	nonblocking(fd);
	return fd;
}

static int path_accept(struct path *path)
{
	int fd;

	await(path->listener, POLLIN, 0);
	fd = accept(path->listener, NULL, NULL);
	must(fd >= 0, "accept: %s", strerror(errno));
	nonblocking(fd);
	return fd;
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

/* Segments that the client has handed to the path, and how many of these are lost. */
struct traffic {
	double segments, lost;
};

static struct traffic traffic_read(void)
{
	FILE *tc = popen("tc -s qdisc show dev veth0", "re");
	unsigned long sent = 0, dropped = 0;
	bool found = false;
	char line[256];

	must(tc, "tc does not start");
	while (fgets(line, sizeof(line), tc))
		found |= sscanf(line, " Sent %*u bytes %lu pkt (dropped %lu,", &sent, &dropped) == 2;
	pclose(tc);
	must(found, "tc prints no numbers");
	return (struct traffic){ sent + dropped, dropped };
}

static double transfer_once(struct path path, int pattern, struct traffic *traffic)
{
	int client, server;
	double ms;

	path_open(&path);
	path_set(&path, good, pattern);
	client = path_connect(&path);
	server = path_accept(&path);
	if (path.late_ms)
		path_set_late(&path, path.late_ms, pattern);
	else
		path_set(&path, path.netem, pattern);
	ms = transfer(client, server);
	*traffic = traffic_read();
	close(client);
	close(server);
	path_close(&path);
	return ms;
}

static void take(int fd, int len)
{
	static char buf[FETCH];

	for (int got = 0; got < len; ) {
		ssize_t n;

		await(fd, POLLIN, got);
		n = recv(fd, buf, len - got, 0);
		must(n > 0, "recv: %s", n ? strerror(errno) : "the end");
		got += n;
	}
}

/*
 * Milliseconds from socket() to the last byte of the answer. The request is sent as soon
 * as connect() returns, as programs do.
 */
static double fetch(struct path *path)
{
	static const char text[FETCH];
	int64_t begin_ns = now_ns();
	int client, server;

	client = path_connect(path);
	must(send(client, text, REQUEST, 0) == REQUEST, "request: %s", strerror(errno));
	server = path_accept(path);
	take(server, REQUEST);
	must(send(server, text, FETCH, 0) == FETCH, "answer: %s", strerror(errno));
	close(server);
	take(client, FETCH);
	begin_ns = now_ns() - begin_ns;
	close(client);
	return begin_ns / 1e6;
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

/* Sorts them. */
static double percentile_95(double *values, int n)
{
	qsort(values, n, sizeof(values[0]), ascending);
	return values[n * 95 / 100];
}

/* The 95th percentile of a pattern's fetches, whose times are @ms. */
static double fetches(struct path path, int pattern, double *ms)
{
	double sorted[FETCHES];

	path_open(&path);
	for (int i = 0; i < FETCHES; i++) {
		path_set(&path, path.netem, pattern * FETCHES + i);
		ms[i] = fetch(&path);
		/* What is left of the connection is gone. */
		sleep_ms(10000);
	}
	path_close(&path);
	memcpy(sorted, ms, sizeof(sorted));
	return percentile_95(sorted, FETCHES);
}

/* Times of a step's patterns on the kernel's TCP, whose process comes first. */
static double *stock_ms;

static void value_of(const char *name, const char *suffix, double value)
{
	char row[64];

	snprintf(row, sizeof(row), "%s%s", name, suffix);
	bench_value(row, value);
}

/* @ms: of each pattern. */
static void value_paired(const char *name, const double *ms, int patterns)
{
	double ratio[PATTERNS_MAX];

	for (int i = 0; i < patterns; i++) {
		if (bench_is_stock())
			stock_ms[i] = ms[i];
		ratio[i] = ms[i] / stock_ms[i];
	}
	value_of(name, ".paired", median(ratio, patterns));
}

static void measure(const char *name, int patterns, struct path path)
{
	double ms[PATTERNS_MAX], segments[PATTERNS_MAX], lost[PATTERNS_MAX];
	struct traffic traffic;

	for (int i = 0; i < patterns; i++) {
		ms[i] = transfer_once(path, i, &traffic);
		segments[i] = traffic.segments;
		lost[i] = traffic.lost;
	}
	value_paired(name, ms, patterns);
	value_of(name, "", median(ms, patterns));
	value_of(name, ".worst", ms[patterns - 1]);
	value_of(name, ".segments", median(segments, patterns));
	value_of(name, ".lost", median(lost, patterns));
}

static void measure_fetches(const char *name, int patterns, struct path path)
{
	static double all[PATTERNS_MAX * FETCHES];
	double ms[PATTERNS_MAX];

	for (int i = 0; i < patterns; i++)
		ms[i] = fetches(path, i, &all[i * FETCHES]);
	value_paired(name, ms, patterns);
	value_of(name, "", percentile_95(all, patterns * FETCHES));
	value_of(name, ".median", median(all, patterns * FETCHES));
}

#define STEPS_OF(name, call, patterns, _offloads, ...) \
	static void step_##name(void) \
	{ \
		call(#name, patterns, (struct path){ \
			.offloads = _offloads, .wire = XTCP_WIRE_NATIVE, \
			.netem = { __VA_ARGS__ } }); \
	} \
	static void step_##name##_6(void) \
	{ \
		call(#name "_6", patterns, (struct path){ \
			.offloads = _offloads, .wire = XTCP_WIRE_TCP, \
			.netem = { __VA_ARGS__ } }); \
	}
#define LATE_STEPS(name, ms) \
	static void step_##name(void) \
	{ \
		measure(#name, PATTERNS, (struct path){ .late_ms = ms, \
			.wire = XTCP_WIRE_NATIVE }); \
	} \
	static void step_##name##_6(void) \
	{ \
		measure(#name "_6", PATTERNS, (struct path){ .late_ms = ms, \
			.wire = XTCP_WIRE_TCP }); \
	}
#define STEPS(name, ...) STEPS_OF(name, measure, PATTERNS, false, __VA_ARGS__)

STEPS(clean, .loss = 0)
STEPS_OF(clean_gso, measure, PATTERNS, true, .loss = 0)
STEPS_OF(loss_01, measure, PATTERNS_FEW_LOSSES, false, .loss = 0.1)
STEPS(loss_1, .loss = 1)
STEPS(loss_5, .loss = 5)
STEPS(reorder_5, .reorder = 5)
LATE_STEPS(reorder_late, 5)
STEPS(duplicate_1, .duplicate = 1)
STEPS_OF(fetch, measure_fetches, PATTERNS, false, .loss = 2)

#define STEP(name) { #name, step_##name }, { #name "_6", step_##name##_6 }

static const struct bench_step steps[] = {
	STEP(clean), STEP(clean_gso), STEP(loss_01), STEP(loss_1), STEP(loss_5),
	STEP(reorder_5), STEP(reorder_late), STEP(duplicate_1), STEP(fetch),
};

#define ROWS_OF(name, what) \
	{ name, "8 MiB, 20 ms each way, " what, "ms", "1.00" }, \
	{ name ".worst", "the slowest pattern of that", "ms", NULL }, \
	{ name ".paired", "each pattern by stock's time for it", "", "1.00" }, \
	{ name ".segments", "segments of the client", "count", NULL }, \
	{ name ".lost", "how many of these are lost", "count", NULL }
#define FETCH_ROWS_OF(name, what) \
	{ name, "10 KiB, 2 % lost, 95th percentile" what, "ms", "1.00" }, \
	{ name ".median", "the median of that", "ms", "1.00" }, \
	{ name ".paired", "of 100 fetches each, by stock's", "", "1.00" }
#define ROWS(name, what) ROWS_OF(name, what), ROWS_OF(name "_6", what)

static const struct bench_row rows[] = {
	ROWS("clean", "nothing lost"),
	ROWS("clean_gso", "with offloads"),
	ROWS("loss_01", "0.1 % lost"),
	ROWS("loss_1", "1 % lost"),
	ROWS("loss_5", "5 % lost"),
	ROWS("reorder_5", "5 % overtake all others"),
	ROWS("reorder_late", "5 % are 5 ms late"),
	ROWS("duplicate_1", "1 % come twice"),
	FETCH_ROWS_OF("fetch", ""), FETCH_ROWS_OF("fetch_6", ", TCP wire"),
};

static void __attribute__((constructor)) share_with_steps(void)
{
	stock_ms = mmap(NULL, PATTERNS_MAX * sizeof(*stock_ms), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(stock_ms != MAP_FAILED, "mmap: %s", strerror(errno));
}

BENCH_MAIN("lossy", steps, rows)
