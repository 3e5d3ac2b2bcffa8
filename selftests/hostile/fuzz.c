// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz: segments, ICMP errors, system calls, knobs and time, all drawn from one
 * seed, against real listeners and real clients. Half of the peer's segments are
 * what the connection expects, changed in one or two places: pure nonsense would
 * never pass the first check.
 *
 * The debug kernel must report nothing, every segment of the kernel must be
 * well-formed, and nothing may be left in the end.
 *
 *	XTCP_FUZZ_SEED=N	begin with that round [1]
 *	XTCP_FUZZ_ROUNDS=N	so many rounds, each from the seed of its number [12]
 *
 * vm: wires v6 debug timeout=900 grows=XTCP_FUZZ_ROUNDS:20
 */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

PEER_FIXTURE(fuzz);

#define SLOTS 8
#define STEPS 2000

/* --- the peer ------------------------------------------------------------- */

/* Options that mean something, or look like it. */
static struct optbytes some_options(const struct conn *c)
{
	struct optbytes o = { 0 };

	while (chance(70) && o.len < 30) {
		uint32_t a = c->kern_iss + draw(20000), b = a + draw(5000);
		uint32_t ts = c->tsval_base + draw(100000) - 1000;
		struct optbytes one;

		switch (draw(10)) {
		case 0: one = OPT(OPT_MSS(draw(65536))); break;
		case 1: one = OPT(OPT_WSCALE(draw(256))); break;
		case 2: one = OPT(OPT_SACKOK); break;
		case 3: one = OPT(OPT_SACK1(a, b)); break;
		case 4: one = OPT(OPT_SACK2(b, a, a - 3000, b)); break;
		case 5: one = OPT(OPT_TS(ts, c->ts_recent - draw(3))); break;
		case 6: one = OPT(OPT_EXID(4, COOKIE_EXID)); break;
		case 7: one = OPT(OPT_EXID(20, COOKIE_EXID), 5, 0xb4, draw(256), draw(256),
				  OPT_BE32(a), OPT_BE32(b), OPT_BE32(ts)); break;
		case 8: one = OPT(draw(256), draw(12), draw(256)); break;
		default: one = OPT(OPT_NOP); break;
		}
		if (o.len + one.len > TCP_OPTIONS_MAX)
			break;
		memcpy(o.b + o.len, one.b, one.len);
		o.len += one.len;
	}
	return o;
}

static void say_segment(struct play *w, struct conn *c)
{
	static const int flags[] = {
		ACK, ACK, ACK, ACK, ACK | PSH, ACK | PSH, ACK | FIN, ACK | FIN, SYN,
		SYN | ACK, RST, RST | ACK, FIN, 0, URG | ACK, URG | PSH | ACK,
		SYN | FIN, ACK | ECE, ACK | CWR, ACK | ECE | CWR, SYN | ECE | CWR, 0xff,
	};
	struct segment_spec spec = SEGMENT_SPEC(.flags = flags[draw(ARRAY_SIZE(flags))]);

	if (c->peer_nxt == c->peer_iss)
		spec.flags = c->lfd >= 0 || chance(30) ? SYN : SYN | ACK;
	if (spec.flags & RST && chance(80))
		spec.flags = ACK;
	if (chance(40))
		spec.len = draw(1461);
	if (chance(20))
		spec.seq = conn_peer_nxt(c) + (int)draw(8000) - 4000;
	if (chance(25))
		spec.ack = conn_kern_nxt(c) + (int)draw(8000) - 4000;
	if (chance(1))
		spec.seq = draw(UINT32_MAX);
	if (chance(1))
		spec.ack = draw(UINT32_MAX);
	if (chance(15))
		spec.wnd = chance(30) ? 0 : draw(65536);
	if (chance(10))
		spec.urg = draw(65536);
	if (chance(25))
		spec.opt = some_options(c);
	if (chance(10))
		spec.tos = draw(256);
	if (chance(2))
		spec.bad_csum = true;
	if (chance(2))
		spec.doff = draw(16);
	if (chance(2))
		spec.cut = draw(60);
	if (chance(2))
		spec.reserved = draw(16);
	if (chance(2))
		spec.ttl = 1 + draw(255);
	if (chance(1))
		spec.frag = draw(65536);
	if (chance(2))
		spec.ip_opt = (struct optbytes){ .len = 4, .b = { 148, 4 } };
	conn_send_at(WHERE(w->p->test), c, spec);
	w->sent++;
}

/* A hole: nothing new is acknowledged, except, perhaps, SACK blocks above it. */
static void say_hole(struct play *w, struct conn *c)
{
	uint32_t una = w->una[c - w->conn], flight = conn_kern_nxt(c) - una;
	struct segment_spec spec = SEGMENT_SPEC(.flags = ACK, .ack = una);

	if (!flight || flight > 1 << 20)
		return;
	if (chance(80)) {
		uint32_t from = c->kern_iss + una + 1 + draw(flight);

		spec.opt = OPT(OPT_NOP, OPT_NOP,
			       OPT_SACK1(from, chance(70) ? c->kern_nxt : from + draw(flight)));
	}
	for (int n = 1 + draw(4); n; n--)
		conn_send_at(WHERE(w->p->test), c, spec);
	w->sent++;
}

/* An honest peer's segment: it acknowledges all or a part. */
static void say_honestly(struct play *w, struct conn *c)
{
	struct segment_spec spec = SEGMENT_SPEC(.flags = chance(15) ? ACK | FIN : ACK);

	if (c->peer_nxt == c->peer_iss)
		spec.flags = c->lfd >= 0 ? SYN : SYN | ACK;
	if (chance(40))
		spec.len = draw(1461);
	conn_send_at(WHERE(w->p->test), c, spec);
	w->una[c - w->conn] = conn_kern_nxt(c);
	w->sent++;
}

/* The bytes of an honest segment, some of them changed. */
static void say_bytes(struct play *w, struct conn *c)
{
	static uint8_t packet[PACKET_MAX];
	struct segment_spec spec = conn_spec(c, .flags = ACK | PSH, .len = draw(100));
	int len = segment_build(&spec, packet);

	for (int n = 1 + draw(3); n; n--)
		packet[draw(len)] = draw(256);
	if (chance(10))
		len = 1 + draw(len);
	/* The kernel may find that this is no packet at all. */
	if (write(w->p->tun, packet, len) == len)
		w->sent++;
}

static void say_icmp(struct play *w)
{
	int type;

	if (!w->received)
		return;
	w->p->last = w->heard;
	if (!w->p->last.is_tcp)
		return;
	/* IPv6's redirect has another format. */
	type = chance(80) ? 3 : draw(20);
	if (type == 5 && w->p->family == AF_INET6)
		type = 4;
	peer_send_icmp(w->p, .type = type, .code = draw(16),
		       .quote = &w->heard, .rest = chance(50) ? draw(1600) : 0,
		       .quote_len = 8 + draw(13), .bad_csum = chance(5));
	w->sent++;
}

/* --- the program ------------------------------------------------------------ */

static void call_option(int fd)
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_IP, 253 };
	int level = levels[draw(ARRAY_SIZE(levels))];
	int name = draw(level == SOL_SOCKET ? 80 : 45);
	uint8_t value[64];
	socklen_t len = chance(80) ? 4 : draw(sizeof(value));

	/* Memory of buffers and of filter programs is shared by the guest. */
	if (level == SOL_SOCKET && (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE))
		return;
	for (int i = 0; i < sizeof(value); i++)
		value[i] = chance(60) ? 0 : draw(256);
	/* An orphan lives so long: up to 65 s, not for days. */
	if (level != SOL_SOCKET && name == TCP_USER_TIMEOUT)
		value[2] = value[3] = 0;
	if (chance(60))
		setsockopt(fd, level, name, value, len);
	else
		getsockopt(fd, level, name, value, &len);
}

static void call_transfer(int fd)
{
	static uint8_t buf[70000];
	struct iovec iov[3] = {
		{ buf, draw(100) }, { buf, draw(20000) }, { buf, draw(5) },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = draw(4) };
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;

	if (chance(20))
		flags |= 1 << draw(27);
	/* recv() would wait. */
	flags &= ~MSG_WAITALL;
	if (chance(5)) {
		int pipe_fd[2];

		if (!pipe2(pipe_fd, O_NONBLOCK | O_CLOEXEC)) {
			splice(fd, NULL, pipe_fd[1], NULL, 20000, SPLICE_F_NONBLOCK);
			close(pipe_fd[0]);
			close(pipe_fd[1]);
		}
		return;
	}
	switch (draw(4)) {
	case 0: send(fd, buf, draw(sizeof(buf)), flags); break;
	case 1: sendmsg(fd, &msg, flags); break;
	case 2: recvmsg(fd, &msg, flags); break;
	case 3: recv(fd, buf, draw(sizeof(buf)), flags); break;
	}
}

static void call(struct play *w, struct conn *c)
{
	int fd = c->fd >= 0 ? c->fd : c->lfd, new;
	struct sockaddr_in sa = { .sin_family = chance(30) ? AF_UNSPEC : AF_INET };
	socklen_t len = sizeof(sa);

	w->calls++;
	switch (draw(16)) {
	case 0: case 1: case 2: case 3: case 4: call_transfer(fd); break;
	case 5: case 6: call_option(fd); break;
	case 7: shutdown(fd, draw(3)); break;
	case 8: ioctl(fd, chance(50) ? FIONREAD : TIOCOUTQ, &(int){ 0 }); break;
	case 9: socket_poll(fd); break;
	case 10: getsockname(fd, (struct sockaddr *)&sa, &len); break;
	case 11: getpeername(fd, (struct sockaddr *)&sa, &len); break;
	case 12: connect(fd, (struct sockaddr *)&sa, sizeof(sa)); break;
	case 13: listen(fd, draw(5)); break;
	case 14: socket_error(fd); break;
	case 15:
		new = accept(fd, NULL, NULL);
		if (new >= 0 && c->fd < 0)
			fd_nonblock(c->fd = new);
		else if (new >= 0)
			close(new);
		break;
	}
}

/* --- what is around it --------------------------------------------------------- */

static void turn_a_knob(void)
{
	static const struct {
		const char *name;
		int values;
	} knobs[] = {
		{ "syncookies", 3 }, { "timestamps", 3 }, { "sack", 2 }, { "dsack", 2 },
		{ "window_scaling", 2 }, { "recovery", 8 }, { "early_retrans", 5 },
		{ "frto", 3 }, { "ecn", 3 }, { "tw_reuse", 3 }, { "tw_recycle", 2 },
		{ "tw_stateless", 2 }, { "fastopen", 0x800 },
		{ "rfc1337", 2 }, { "abort_on_overflow", 2 }, { "fin_timeout", 80 },
		{ "max_syn_backlog", 6 }, { "syn_per_source_limit", 3 },
		{ "max_tw_buckets", 5 }, { "early_demux", 2 }, { "mtu_probing", 3 },
		{ "slow_start_after_idle", 2 }, { "synack_retries", 7 }, { "reordering", 9 },
		{ "synack_ratelimit", 4 }, { "rst_ratelimit", 4 }, { "tw_timeout", 5 },
		{ "autocorking", 2 }, { "notsent_lowat", 20000 },
	};
	int i = draw(ARRAY_SIZE(knobs));

	if (chance(10))
		knob_set_text("congestion_control", chance(50) ? "reno" : "cubic");
	knob_set(knobs[i].name, draw(knobs[i].values));
}

/* Readers of all this, and ends from outside. */
static void look_around(void)
{
	static const char * const path[] = {
		"/proc/net/xtcp", "/proc/net/xtcp6", "/proc/net/xtcp_age", "/proc/net/xtcp_listen",
		"/proc/net/xtcp_hostcache", "/proc/net/xtcp_snmp", "/proc/net/xtcp_netstat", "/proc/net/xtcp_lifecycle",
		"/proc/sys/net/ipv4/xtcp_available_congestion_control",
		"/proc/sys/net/ipv4/xtcp_allowed_congestion_control",
		"/proc/sys/net/ipv4/xtcp_congestion_control", "/proc/sys/net/ipv4/xtcp_wire",
	};
	int fd = open(path[draw(ARRAY_SIZE(path))], O_RDONLY | O_CLOEXEC);
	char buf[3000];

	while (read(fd, buf, 1 + draw(sizeof(buf))) > 0)
		;
	close(fd);
	if (chance(20))
		crowd_kill_rows(20);
}

static void act(struct play *w, int i)
{
	int what = draw(100);

	if (!w->used[i])
		play_begin(w, i);
	else if (what < 30)
		say_segment(w, &w->conn[i]);
	else if (what < 40)
		say_honestly(w, &w->conn[i]);
	else if (what < 48)
		say_hole(w, &w->conn[i]);
	else if (what < 52)
		say_bytes(w, &w->conn[i]);
	else if (what < 56)
		say_icmp(w);
	else if (what < 57)
		turn_a_knob();
	else if (what < 58)
		look_around();
	else if (what < 98)
		call(w, &w->conn[i]);
	else
		play_finish(w, i);
}

static void play_round(struct play *w, int steps)
{
	for (int step = 0; step < steps; step++) {
		act(w, draw(SLOTS));
		play_pause(w);
		coverage_gather();
	}
}

TEST_F_TIMEOUT(fuzz, nothing_that_is_said_or_done_does_harm, 10000000)
{
	int first = draw_from_environment("XTCP_FUZZ_SEED", 1);
	int rounds = draw_from_environment("XTCP_FUZZ_ROUNDS", 12);
	static struct play w = { .slots = SLOTS };

	w.p = &self->peer;
	w.p->leave_unread = true;
	/* Segments with a broken protocol number go to the kernel's TCP. */
	w.p->stock_may_speak = true;
	coverage_begin();
	for (int seed = first; seed < first + rounds; seed++) {
		peer_note(w.p, "XTCP_FUZZ_SEED=%d", seed);
		TH_LOG("XTCP_FUZZ_SEED=%d", seed);
		draw_seed(seed);
		play_round(&w, STEPS);
		EXPECT_EQ(0, play_settle(&w)) TH_LOG("something is left");
	}
	coverage_report();
	TH_LOG("%lu segments to xtcp, %lu from it, %lu calls", w.sent, w.received, w.calls);
	EXPECT_LT(rounds * STEPS / 8, w.received);
}

TEST_HARNESS_MAIN
