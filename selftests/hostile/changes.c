// SPDX-License-Identifier: GPL-2.0
/*
 * changes: three connections carry data both ways while all that can be set is changed at
 * random, at both ends: knobs, metrics of the route, the device's MTU, GSO limits and queue,
 * congestion controls and socket options.
 *
 * Each byte that is read is the right one of its stream. When all settings are as they
 * were, each connection delivers what was written, and more, both ends read the end of
 * the stream, and nothing is left.
 *
 * A connection may end before that, if segments did not get through for long enough (an
 * MTU of 68 at one end, say): after 15 timeouts, which are 15 s if xtcp_rto_max_ms is 1000.
 * One end then reads ETIMEDOUT, and the other one ETIMEDOUT or a RST. Therefore no
 * TCP_USER_TIMEOUT is drawn that is shorter than the disturbance, and no knob that counts
 * retransmissions or keepalive probes.
 *
 * xtcp_invalid_ratelimit is left out: with 0 at both ends, and a window that
 * xtcp_shrink_window has taken back, each end answers the other's ACK, without end. The
 * knob's 0 asks for that.
 *
 *	XTCP_FUZZ_SEED=N	the first seed [1]
 *	XTCP_FUZZ_ROUNDS=N	seeds [8]; if it is 1, each change is printed
 */
/* vm: wires v6 families timeout=600 grows=XTCP_FUZZ_ROUNDS:10 */
#include "lib/xtcp_test.h"

#include "lib/shuffle.h"

#include <linux/if.h>
#include <netinet/tcp.h>

#define TALKS 3
#define STEPS 400
#define FIRST_PORT 6000
#define WRITE_MAX 100000
#define UNREAD_MAX (1 << 20)	/* bytes of one direction that are written and not read */
#define AFTERWARDS 30000	/* bytes that each end writes when all is as it was */
#define STALL_MS 300000		/* more than two intervals of any timer, which are 120 s */
#define SETTLE_MS 3600000
#define GONE_MS 200000		/* TIME-WAIT, and what comes before it */

static const struct shuffle_knob knobs[] = {
	{ "rto_min_us", { "1", "20", "1000", "200000", "2147483647" } },
	{ "rto_max_ms", { "1000", "120000" } },
	{ "reordering", { "1", "3", "300" } },
	{ "max_reordering", { "300", "2147483647" } },
	{ "recovery", { "0", "1", "2", "4", "7", "255" } },
	{ "early_retrans", { "0", "3", "4" } },
	{ "frto", { "0", "2" } },
	{ "limit_output_bytes", { "-2147483648", "-1", "0", "1", "4096", "2147483647" } },
	{ "min_tso_segs", { "1", "2", "255" } },
	{ "tso_rtt_log", { "0", "9", "31" } },
	{ "tso_win_divisor", { "0", "1", "3", "255" } },
	/* At 1 % and an MSS of 88 a segment waits for minutes, as it should. */
	{ "pacing_ss_ratio", { "0", "10", "200", "1000" } },
	{ "pacing_ca_ratio", { "0", "10", "120", "1000" } },
	{ "min_snd_mss", { "48", "536" } },
	{ "base_mss", { "-1", "0", "1", "1024", "2147483647" } },
	{ "mtu_probing", { "0", "1", "2" } },
	{ "mtu_probe_floor", { "48", "65535" } },
	{ "probe_threshold", { "-2147483648", "0", "8", "2147483647" } },
	{ "probe_interval", { "0", "1", "600" } },
	{ "comp_sack_delay_ns", { "0", "1", "1000000", "18446744073709551615" } },
	{ "comp_sack_nr", { "0", "1", "44", "255" } },
	{ "comp_sack_rtt_percent", { "1", "5", "1000" } },
	{ "rmem", { "4096 4096 4096", "4096 131072 2147483647" } },
	{ "wmem", { "4096 4096 4096", "4096 16384 2147483647" } },
	{ "moderate_rcvbuf", { "0", "1" } },
	{ "shrink_window", { "0", "1" } },
	{ "autocorking", { "0", "1" } },
	{ "retrans_collapse", { "0", "1" } },
	{ "thin_linear_timeouts", { "0", "1" } },
	{ "slow_start_after_idle", { "0", "1" } },
	{ "min_rtt_wlen", { "0", "1", "86400" } },
	{ "sack", { "0", "1" } },
	{ "dsack", { "0", "1" } },
	{ "window_scaling", { "0", "1" } },
	{ "timestamps", { "0", "1", "2" } },
	{ "notsent_lowat", { "0", "1", "4294967295" } },
	{ "ecn", { "0", "1", "2", "3", "4", "5" } },
	{ "ecn_fallback", { "0", "1" } },
	{ "ecn_option", { "0", "1", "2", "3" } },
	{ "ecn_option_beacon", { "0", "1", "3" } },
	{ "plb_enabled", { "0", "1" } },
	{ "plb_rehash_rounds", { "0", "1", "31" } },
	{ "plb_idle_rehash_rounds", { "0", "1", "31" } },
	{ "plb_cong_thresh", { "0", "1", "256" } },
	{ "plb_suspend_rto_sec", { "0", "255" } },
	{ "challenge_ack_limit", { "-1", "0", "1", "2147483646", "2147483647" } },
	{ "keepalive_time", { "-1", "0", "1", "7200" } },
	{ "pingpong_thresh", { "1", "255" } },
	{ "early_demux", { "0", "1" } },
	{ "no_metrics_save", { "0", "1" } },
	{ "no_ssthresh_metrics_save", { "0", "1" } },
	{ "workaround_signed_windows", { "0", "1" } },
	{ "congestion_control", { "reno", "cubic", "bbr", "dctcp" } },
	{ "histograms", { "0", "1" } },
	{ "recorder", { "0", "1", "2" } },
};

static const struct metric {
	int which;
	uint32_t value;
	bool locked;
} metrics[] = {
	{ RTAX_CWND, 1, true }, { RTAX_CWND, 2, true }, { RTAX_CWND, UINT32_MAX, true },
	{ RTAX_INITCWND, 1 }, { RTAX_INITCWND, UINT32_MAX },
	{ RTAX_INITRWND, 1 }, { RTAX_INITRWND, UINT32_MAX },
	/* ms; a metric that is only locked is 0 */
	{ RTAX_RTO_MIN, 0, true }, { RTAX_RTO_MIN, 1, true }, { RTAX_RTO_MIN, 100000, true },
	{ RTAX_SSTHRESH, 1, true }, { RTAX_SSTHRESH, UINT32_MAX, true },
	{ RTAX_REORDERING, 0, true }, { RTAX_REORDERING, UINT32_MAX, true },
	{ RTAX_RTT, 0, true }, { RTAX_RTT, UINT32_MAX, true }, { RTAX_RTTVAR, 1, true },
	{ RTAX_WINDOW, 1 }, { RTAX_WINDOW, UINT32_MAX },
	{ RTAX_ADVMSS, 1 }, { RTAX_ADVMSS, 88 }, { RTAX_ADVMSS, 65495 },
	{ RTAX_MTU, 1, true }, { RTAX_MTU, 68, true }, { RTAX_MTU, 600 },
	{ RTAX_MTU, 65535, true }, { RTAX_HOPLIMIT, 255 }, { RTAX_QUICKACK, 1 },
	{ RTAX_FEATURES, RTAX_FEATURE_ECN },
};

static const char *const algorithms[] = { "reno", "cubic", "bbr", "dctcp" };
static const char *const modules[] = { "xtcp_cc_bbr", "xtcp_cc_dctcp" };

static const struct shuffle_option options[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 2, { 0, 1 }, 0 },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, 2, { 0, 1 }, 0 },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, 3, { 0, 1, 2 }, 1 },
	{ "TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 2, { 0, 1 }, 0 },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 5,
	  { 1, 88, 32767, 1 << 20, INT_MAX }, INT_MAX },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 4, { 0, 88, 1000, 32767 }, 0 },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4, { 0, 1, INT_MAX, -1 }, -1 },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 3, { 0, 1 << 20, INT_MAX }, 0 },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 4, { 0, 5000, 1 << 20, INT_MAX }, 1 << 20 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 4, { 0, 5000, 1 << 20, INT_MAX }, 1 << 20 },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 4, { 0, 1, 100000, INT_MAX }, 1 },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 3, { 20000, 1000000, -1 }, -1 },
};

/* One end of a connection. */
struct end {
	int fd;			/* -1: none yet */
	uint64_t sent, goal;	/* bytes */
	uint64_t got;
	uint64_t salt;		/* of the stream that it sends */
	bool shut;		/* it has sent the end of its stream */
	bool ended;		/* it has read the end of the other one's */
	int error;		/* errno that a call returned, or 0 */
};

struct talk {
	int listener;
	struct end end[2];
};

/* One seed. */
struct round {
	struct pair pair;
	struct talk talk[TALKS];
	struct shuffle shuffle;
};

#define note(r, ...) shuffle_note(&(r)->shuffle, __VA_ARGS__)

/* As check(); a failure shows the last changes and the connections. */
#define round_check(r, cond, ...) \
	do { \
		if (!(cond)) { \
			round_print(r); \
			check_fail(WHERE((r)->pair.test), __VA_ARGS__); \
		} \
	} while (0)

static void round_print(struct round *r)
{
	shuffle_print(&r->shuffle);
	pair_print(&r->pair);
	for (int i = 0; i < TALKS; i++) {
		for (enum side s = CLIENT; s <= SERVER; s++) {
			const struct end *e = &r->talk[i].end[s];

			printf("#   connection %d, %s: fd %d, %llu of %llu bytes written, %llu read%s%s, %s\n",
			       i, pair_side[s], e->fd, (unsigned long long)e->sent,
			       (unsigned long long)e->goal, (unsigned long long)e->got,
			       e->shut ? ", shut" : "", e->ended ? ", end read" : "",
			       strerror(e->error));
		}
	}
}

/* --- the settings --------------------------------------------------------------- */

static void route_tune(struct round *r, enum side side)
{
	struct route_metrics m = { 0 };

	for (int n = draw(3); n >= 0; n--) {
		const struct metric *metric = &metrics[draw(ARRAY_SIZE(metrics))];

		m.value[metric->which] = metric->value;
		if (metric->locked)
			m.value[RTAX_LOCK] |= 1 << metric->which;
		note(r, "%s: metric %d of the route %s %u", pair_side[side], metric->which,
		     metric->locked ? "locked," : "is", metric->value);
	}
	if (chance(20)) {
		m.congctl = algorithms[draw(ARRAY_SIZE(algorithms))];
		if (chance(50))
			m.value[RTAX_LOCK] |= 1 << RTAX_CC_ALGO;
		note(r, "%s: congctl of the route is %s", pair_side[side], m.congctl);
	}
	route_add_metrics(WHERE(r->pair.test), &r->pair.addr[!side], 32, pair_device[side], &m);
}

static void route_restore(struct round *r, enum side side)
{
	note(r, "%s: the route has no metrics", pair_side[side]);
	route_add(WHERE(r->pair.test), &r->pair.addr[!side], 32, NULL, pair_device[side]);
}

static void queue_tune(struct round *r, enum side side)
{
	static const int limits[] = { 1, 3, 1000 };
	struct netem netem = {
		.delay_ms = 1 + draw(15),
		.loss = draw(12),
		.duplicate = 2,
		.reorder = 20,
		.limit = limits[draw(ARRAY_SIZE(limits))],
		.seed = 1 + draw(1 << 30),
	};

	switch (draw(6)) {
	case 0:
		note(r, "%s: fq", pair_side[side]);
		fq_set(WHERE(r->pair.test), pair_device[side]);
		break;
	case 1:
		note(r, "%s: pfifo limit 1", pair_side[side]);
		pfifo_set(WHERE(r->pair.test), pair_device[side], 1);
		break;
	default:
		note(r, "%s: netem delay %.0f ms, loss %.0f %%, limit %d", pair_side[side],
		     netem.delay_ms, netem.loss, netem.limit);
		pair_netem(&r->pair, side, &netem);
	}
}

static void device_tune(struct round *r, enum side side)
{
	static const int mtus[] = { 1500, 1260, 9000, 576, 68 };
	static const uint32_t sizes[] = { 400, 1500, 65536 };

	switch (draw(5)) {
	case 0:
		route_tune(r, side);
		break;
	case 1:
		route_restore(r, side);
		break;
	case 2:
		link_set_mtu(WHERE(r->pair.test), pair_device[side],
			     shuffle_mtu(&r->shuffle, pair_side[side], mtus, ARRAY_SIZE(mtus)));
		break;
	case 3:
		shuffle_gso(&r->shuffle, &r->pair, side, sizes, ARRAY_SIZE(sizes));
		break;
	case 4:
		queue_tune(r, side);
		break;
	}
}

static void socket_tune(struct round *r, int i, enum side side)
{
	int fd = r->talk[i].end[side].fd;
	const char *algorithm;
	char who[40];

	if (chance(40)) {
		algorithm = algorithms[draw(ARRAY_SIZE(algorithms))];
		note(r, "connection %d, %s: %s", i, pair_side[side], algorithm);
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm, strlen(algorithm));
		return;
	}
	snprintf(who, sizeof(who), "connection %d, %s", i, pair_side[side]);
	shuffle_option(&r->shuffle, fd, options, ARRAY_SIZE(options), who);
}

/* BBR goes, too: it may have measured a rate of some bytes per second, which grows slowly. */
static void socket_restore(int fd)
{
	shuffle_options_end(fd, options, ARRAY_SIZE(options));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", strlen("cubic"));
}

static void settings_tune(struct round *r)
{
	enum side side = draw(2);

	pair_enter(&r->pair, side);
	if (chance(25))
		for (int n = draw(4); n >= 0; n--)
			shuffle_knob(&r->shuffle, pair_side[side]);
	if (chance(8))
		device_tune(r, side);
}

static void settings_restore(struct round *r)
{
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_device_restore(&r->pair, s);
		route_restore(r, s);
		shuffle_end(&r->shuffle);
		for (int i = 0; i < TALKS; i++)
			socket_restore(r->talk[i].end[s].fd);
	}
}

/* --- the connections ------------------------------------------------------------- */

static bool end_is_open(const struct end *e)
{
	return e->fd >= 0 && !e->error;
}

/* Return: true if something was written. */
static bool end_write(struct round *r, struct end *e, uint64_t len)
{
	static uint8_t buf[WRITE_MAX];
	ssize_t n;

	if (!end_is_open(e) || !len)
		return false;
	if (len > sizeof(buf))
		len = sizeof(buf);
	pattern_fill(buf, len, e->salt + e->sent);
	n = send(e->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		e->error = errno;
	else
		e->sent += n;
	return true;
}

/* Return: true if something was read, the end of the stream included. */
static bool end_read(struct round *r, struct end *e, const struct end *other)
{
	static uint8_t buf[WRITE_MAX];
	ssize_t n, wrong;

	if (!end_is_open(e) || e->ended)
		return false;
	n = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0) {
		e->error = errno;
		return true;
	}
	if (!n) {
		round_check(r, other->shut && e->got == other->sent,
			    "the end of the stream after %llu of %llu bytes",
			    (unsigned long long)e->got, (unsigned long long)other->sent);
		e->ended = true;
		return true;
	}
	wrong = pattern_check(buf, n, other->salt + e->got);
	round_check(r, wrong < 0, "byte %llu of the stream is wrong",
		    (unsigned long long)e->got + wrong);
	e->got += n;
	round_check(r, e->got <= other->sent, "%llu bytes were read, and %llu written",
		    (unsigned long long)e->got, (unsigned long long)other->sent);
	return true;
}

static bool talk_accept(struct talk *t)
{
	struct end *e = &t->end[SERVER];

	if (e->fd >= 0)
		return false;
	e->fd = accept4(t->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return e->fd >= 0;
}

static void talk_begin(struct round *r, int i, int seed)
{
	struct talk *t = &r->talk[i];
	struct pair *pr = &r->pair;
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], FIRST_PORT + i, &sa);

	memset(t, 0, sizeof(*t));
	for (enum side s = CLIENT; s <= SERVER; s++) {
		t->end[s].fd = -1;
		t->end[s].salt = (((uint64_t)seed * TALKS + i) * 2 + s) << 32;
	}
	t->listener = pair_listen(pr, FIRST_PORT + i, 4);
	fd_nonblock(t->listener);
	pair_enter(pr, CLIENT);
	t->end[CLIENT].fd = stream_socket(pr->family);
	fd_nonblock(t->end[CLIENT].fd);
	socket_tune(r, i, CLIENT);
	round_check(r, connect(t->end[CLIENT].fd, (struct sockaddr *)&sa, len) < 0 &&
		    errno == EINPROGRESS, "connect: %s", strerror(errno));
}

static void talk_look(const struct talk *t)
{
	union {
		struct tcp_info info;
		char more[512];
	} u;

	for (enum side s = CLIENT; s <= SERVER; s++) {
		socklen_t len = sizeof(u);

		getsockopt(t->end[s].fd, IPPROTO_TCP, TCP_CC_INFO, &u, &len);
		len = sizeof(u);
		getsockopt(t->end[s].fd, IPPROTO_TCP, TCP_INFO, &u, &len);
	}
}

static void talk_step(struct round *r, int i)
{
	struct talk *t = &r->talk[i];
	struct end *writer = &t->end[chance(75) ? CLIENT : SERVER];
	const struct end *reader = writer == &t->end[CLIENT] ? &t->end[SERVER] : &t->end[CLIENT];
	uint32_t len = 1 + draw(chance(67) ? WRITE_MAX - 1 : 3000);

	talk_accept(t);
	if (chance(12))
		socket_tune(r, i, draw(2));
	if (writer->sent - reader->got + len <= UNREAD_MAX)
		end_write(r, writer, len);
	for (enum side s = CLIENT; s <= SERVER; s++)
		if (chance(80))
			end_read(r, &t->end[s], &t->end[!s]);
	if (chance(3))
		talk_look(t);
}

/* --- after it -------------------------------------------------------------------- */

/* Return: true if something has happened. */
static bool end_finish(struct round *r, struct end *e, const struct end *other)
{
	bool moved = end_read(r, e, other);

	if (e->sent < e->goal)
		return end_write(r, e, e->goal - e->sent) || moved;
	if (!end_is_open(e) || e->shut)
		return moved;
	if (shutdown(e->fd, SHUT_WR))
		e->error = errno;
	e->shut = true;
	return true;
}

static bool end_is_over(const struct end *e)
{
	return e->error || (e->shut && e->ended);
}

static bool talk_is_over(const struct talk *t)
{
	/* A client that was given up has never been accepted. */
	if (t->end[CLIENT].error && t->end[SERVER].fd < 0)
		return true;
	return end_is_over(&t->end[CLIENT]) && end_is_over(&t->end[SERVER]);
}

static bool end_await(const struct end *e, struct pollfd *pfd)
{
	if (!end_is_open(e) || end_is_over(e))
		return false;
	*pfd = (struct pollfd){
		.fd = e->fd,
		.events = (e->ended ? 0 : POLLIN) | (e->sent < e->goal ? POLLOUT : 0),
	};
	return pfd->events;
}

/* Returns when a connection can do something; false: none could, for STALL_MS. */
static bool talks_await(const struct round *r)
{
	struct pollfd pfd[3 * TALKS];
	int fds = 0;

	for (int i = 0; i < TALKS; i++) {
		const struct talk *t = &r->talk[i];

		if (talk_is_over(t))
			continue;
		if (t->end[SERVER].fd < 0)
			pfd[fds++] = (struct pollfd){ t->listener, POLLIN, 0 };
		for (enum side s = CLIENT; s <= SERVER; s++)
			fds += end_await(&t->end[s], &pfd[fds]);
	}
	return poll(pfd, fds, STALL_MS) > 0;
}

static void talks_settle(struct round *r)
{
	int64_t began_ms = now_ms();
	bool moved, over;

	for (int i = 0; i < TALKS; i++)
		for (enum side s = CLIENT; s <= SERVER; s++)
			r->talk[i].end[s].goal = r->talk[i].end[s].sent + AFTERWARDS;
	do {
		moved = false;
		over = true;
		for (int i = 0; i < TALKS; i++) {
			struct talk *t = &r->talk[i];

			moved |= talk_accept(t);
			for (enum side s = CLIENT; s <= SERVER; s++)
				moved |= end_finish(r, &t->end[s], &t->end[!s]);
			over &= talk_is_over(t);
		}
		round_check(r, now_ms() - began_ms < SETTLE_MS, "it takes too long");
		round_check(r, over || moved || talks_await(r), "stalled for %d ms", STALL_MS);
	} while (!over);
}

/*
 * One end was given up, the other one too or by a RST. If the server's was not accepted yet,
 * it was given up as a half-open connection, and the client's next segment got the RST.
 */
static bool talk_was_given_up(const struct talk *t)
{
	const struct end *client = &t->end[CLIENT], *server = &t->end[SERVER];

	return client->error == ETIMEDOUT || server->error == ETIMEDOUT ||
	       (client->error == ECONNRESET && server->fd < 0);
}

/* Return: connections that have ended too early. */
static int talks_close(struct round *r)
{
	int given_up = 0;

	for (int i = 0; i < TALKS; i++) {
		struct talk *t = &r->talk[i];
		bool early = t->end[CLIENT].error || t->end[SERVER].error;

		round_check(r, !early || talk_was_given_up(t), "connection %d ended: %s, %s", i,
			    strerror(t->end[CLIENT].error), strerror(t->end[SERVER].error));
		given_up += early;
		for (enum side s = CLIENT; s <= SERVER; s++) {
			if (t->end[s].fd >= 0)
				close(t->end[s].fd);
			t->end[s].fd = -1;
		}
		close(t->listener);
	}
	return given_up;
}

static void talks_abort(struct round *r)
{
	for (int i = 0; i < TALKS; i++)
		for (enum side s = CLIENT; s <= SERVER; s++)
			if (r->talk[i].end[s].fd > 0)
				socket_abort(r->talk[i].end[s].fd);
}

/* --- one seed ---------------------------------------------------------------------- */

/* The knobs of a namespace are changed before its connections begin, too. */
static void round_begin(struct round *r, struct where at, int seed, bool speaks)
{
	memset(r, 0, sizeof(*r));
	pair_open_at(at, &r->pair, NULL);
	/* On the TCP wire what comes after a connection's end is the kernel's. */
	if (stream_wire() == XTCP_WIRE_TCP)
		r->pair.stock_may_speak = true;
	draw_seed(seed);
	r->shuffle.speaks = speaks;
	shuffle_begin(at, &r->shuffle, knobs, ARRAY_SIZE(knobs));
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(&r->pair, s);
		for (int n = draw(10); n > 0; n--)
			shuffle_knob(&r->shuffle, pair_side[s]);
	}
	for (int i = 0; i < TALKS; i++)
		talk_begin(r, i, seed);
}

/* Return: connections that have ended too early. */
static int round_play(struct round *r)
{
	static const int pauses_ms[] = { 0, 1, 5, 20, 300 };

	for (r->shuffle.step = 0; r->shuffle.step < STEPS; r->shuffle.step++) {
		settings_tune(r);
		for (int i = 0; i < TALKS; i++)
			talk_step(r, i);
		sleep_ms(pauses_ms[draw(ARRAY_SIZE(pauses_ms))]);
	}
	settings_restore(r);
	talks_settle(r);
	return talks_close(r);
}

static void round_end(struct round *r, struct where at)
{
	pair_expect_gone_at(at, &r->pair, GONE_MS);
	pair_close_at(at, &r->pair);
	close(r->pair.ns[CLIENT]);
	close(r->pair.ns[SERVER]);
}

static struct round round_of_seed;

FIXTURE(changes) {
};

FIXTURE_SETUP(changes)
{
	if (stock_mode())
		return;
	for (int i = 0; i < ARRAY_SIZE(modules); i++)
		ASSERT_EQ(0, module_load_other(modules[i], ""));
}

/* After a failure the sockets are open, and use the modules. */
FIXTURE_TEARDOWN(changes)
{
	if (stock_mode())
		return;
	if (check_is_over(_metadata))
		talks_abort(&round_of_seed);
	for (int i = 0; i < ARRAY_SIZE(modules); i++)
		EXPECT_EQ(0, module_unload_other(modules[i]));
}

TEST_F_TIMEOUT(changes, connections_deliver_what_was_written, 10000000)
{
	int first = draw_from_environment("XTCP_FUZZ_SEED", 1);
	int rounds = draw_from_environment("XTCP_FUZZ_ROUNDS", 8);
	struct round *r = &round_of_seed;
	int given_up = 0;
	uint64_t bytes = 0;

	for (int seed = first; seed < first + rounds; seed++) {
		TH_LOG("XTCP_FUZZ_SEED=%d", seed);
		round_begin(r, WHERE(_metadata), seed, rounds == 1);
		given_up += round_play(r);
		for (int i = 0; i < TALKS; i++)
			bytes += r->talk[i].end[CLIENT].got + r->talk[i].end[SERVER].got;
		round_end(r, WHERE(_metadata));
	}
	TH_LOG("%d connections, %d given up, %llu bytes", rounds * TALKS, given_up,
	       (unsigned long long)bytes);
	/* Most must last until the end, or the test would prove little. */
	EXPECT_GT(rounds * TALKS / 4 + TALKS, given_up);
}

TEST_HARNESS_MAIN
