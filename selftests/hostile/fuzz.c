// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz: segments, ICMP errors, system calls, knobs and time, all drawn from one
 * seed, against real listeners and real clients. Half of what the peer says is
 * what the connection expects, changed in one or two places: nonsense alone
 * would never get past the first check.
 *
 * What must hold: nothing that the debug kernel looks for; every segment that
 * comes is well-formed; and in the end nothing is left.
 *
 *	XTCP_FUZZ_SEED=N	begin with that round [1]
 *	XTCP_FUZZ_ROUNDS=N	so many rounds, each from the seed of its number [12]
 *
 * vm: wires debug timeout=900
 */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

PEER_FIXTURE(fuzz);

#define SLOTS 12
#define STEPS 1500
#define FIRST_PORT 7000

struct play {
	struct __test_metadata *test;
	struct peer *p;
	uint64_t state;
	struct conn conn[SLOTS];
	bool used[SLOTS];
	struct segment heard;		/* the last one of any connection */
	unsigned long sent, received, calls, errors;
};

static uint32_t draw(struct play *w, uint32_t below)
{
	/* splitmix64: any seed is a good one. */
	uint64_t z = w->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

static bool chance(struct play *w, int percent)
{
	return draw(w, 100) < percent;
}

static struct conn *conn_of(struct play *w, const struct segment *seg)
{
	for (int i = 0; i < SLOTS; i++)
		if (w->used[i] && w->conn[i].pport == seg->dport &&
		    (!w->conn[i].kport || w->conn[i].kport == seg->sport))
			return &w->conn[i];
	return NULL;
}

static void hear(struct play *w, const struct segment *seg)
{
	struct conn *c;
	uint32_t end;

	w->received++;
	/* A program may ask for fragments. */
	if (!seg->is_tcp || (seg->packet[6] & 0x3f) | seg->packet[7])
		return;
	if (!seg->csum_ok || seg->opt.malformed || seg->reserved)
		peer_fail(WHERE(w->test), w->p, "malformed");
	if (seg->flags & SYN && seg->flags & (FIN | RST))
		peer_fail(WHERE(w->test), w->p, "SYN beside FIN or RST");
	if (!(seg->flags & (SYN | RST | ACK)))
		peer_fail(WHERE(w->test), w->p, "neither SYN nor RST nor ACK");
	w->heard = *seg;
	c = conn_of(w, seg);
	if (!c || seg->flags & RST)
		return;
	if (seg->flags & SYN) {
		if (!c->kern_nxt || seg->seq != c->kern_iss)
			conn_learn(c, seg);
		return;
	}
	end = seg->seq + segment_seqlen(seg);
	if (seq_before(c->kern_nxt, end))
		c->kern_nxt = end;
	if (c->ts && seg->opt.ts)
		c->ts_recent = seg->opt.tsval;
}

static void listen_for(struct play *w, int64_t ms)
{
	int64_t until_ns = now_ns() + ms * NSEC_PER_MSEC;
	const struct segment *seg;

	while ((seg = peer_read(w->p, until_ns)))
		hear(w, seg);
}

/* --- the peer ------------------------------------------------------------- */

/* Options that mean something, or look as if. */
static struct optbytes some_options(struct play *w, const struct conn *c)
{
	struct optbytes o = { 0 };

	while (chance(w, 70) && o.len < 30) {
		uint32_t a = c->kern_iss + draw(w, 20000), b = a + draw(w, 5000);
		uint32_t ts = c->tsval_base + draw(w, 100000) - 1000;
		struct optbytes one;

		switch (draw(w, 10)) {
		case 0: one = OPT(OPT_MSS(draw(w, 65536))); break;
		case 1: one = OPT(OPT_WSCALE(draw(w, 256))); break;
		case 2: one = OPT(OPT_SACKOK); break;
		case 3: one = OPT(OPT_SACK1(a, b)); break;
		case 4: one = OPT(OPT_SACK2(b, a, a - 3000, b)); break;
		case 5: one = OPT(OPT_TS(ts, c->ts_recent - draw(w, 3))); break;
		case 6: one = OPT(OPT_EXID(4, COOKIE_EXID)); break;
		case 7: one = OPT(OPT_EXID(20, COOKIE_EXID), 5, 0xb4, draw(w, 256), draw(w, 256),
				  OPT_BE32(a), OPT_BE32(b), OPT_BE32(ts)); break;
		case 8: one = OPT(draw(w, 256), draw(w, 12), draw(w, 256)); break;
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
	struct segment_spec spec = SEGMENT_SPEC(.flags = flags[draw(w, ARRAY_SIZE(flags))]);

	if (c->peer_nxt == c->peer_iss)
		spec.flags = c->lfd >= 0 || chance(w, 30) ? SYN : SYN | ACK;
	if (spec.flags & RST && chance(w, 80))
		spec.flags = ACK;
	if (chance(w, 40))
		spec.len = draw(w, 1461);
	if (chance(w, 20))
		spec.seq = conn_peer_nxt(c) + (int)draw(w, 8000) - 4000;
	if (chance(w, 25))
		spec.ack = conn_kern_nxt(c) + (int)draw(w, 8000) - 4000;
	if (chance(w, 1))
		spec.seq = draw(w, UINT32_MAX);
	if (chance(w, 1))
		spec.ack = draw(w, UINT32_MAX);
	if (chance(w, 15))
		spec.wnd = chance(w, 30) ? 0 : draw(w, 65536);
	if (chance(w, 10))
		spec.urg = draw(w, 65536);
	if (chance(w, 25))
		spec.opt = some_options(w, c);
	if (chance(w, 10))
		spec.tos = draw(w, 256);
	if (chance(w, 2))
		spec.bad_csum = true;
	if (chance(w, 2))
		spec.doff = draw(w, 16);
	if (chance(w, 2))
		spec.cut = draw(w, 60);
	if (chance(w, 2))
		spec.reserved = draw(w, 16);
	if (chance(w, 2))
		spec.ttl = 1 + draw(w, 255);
	if (chance(w, 1))
		spec.frag = draw(w, 65536);
	if (chance(w, 2))
		spec.ip_opt = (struct optbytes){ .len = 4, .b = { 148, 4 } };
	conn_send_at(WHERE(w->test), c, spec);
	w->sent++;
}

/* The same bytes as an honest segment, but for some of them. */
static void say_bytes(struct play *w, struct conn *c)
{
	static uint8_t packet[PACKET_MAX];
	struct segment_spec spec = conn_spec(c, .flags = ACK | PSH, .len = draw(w, 100));
	int len = segment_build(&spec, packet);

	for (int n = 1 + draw(w, 3); n; n--)
		packet[draw(w, len)] = draw(w, 256);
	if (chance(w, 10))
		len = 1 + draw(w, len);
	/* The kernel may find that no packet at all. */
	if (write(w->p->tun, packet, len) == len)
		w->sent++;
}

static void say_icmp(struct play *w)
{
	if (!w->received)
		return;
	w->p->last = w->heard;
	if (!w->p->last.is_tcp)
		return;
	peer_send_icmp(w->p, .type = chance(w, 80) ? 3 : draw(w, 20), .code = draw(w, 16),
		       .quote = &w->heard, .rest = chance(w, 50) ? draw(w, 1600) : 0,
		       .quote_len = 8 + draw(w, 13), .bad_csum = chance(w, 5));
	w->sent++;
}

/* --- the program ------------------------------------------------------------ */

static void call_option(struct play *w, int fd)
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_IP, 253 };
	int level = levels[draw(w, ARRAY_SIZE(levels))];
	int name = draw(w, level == SOL_SOCKET ? 80 : 45);
	uint8_t value[64];
	socklen_t len = chance(w, 80) ? 4 : draw(w, sizeof(value));

	/* The buffers' memory is the machine's, and the filters' programs. */
	if (level == SOL_SOCKET && (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE))
		return;
	for (int i = 0; i < sizeof(value); i++)
		value[i] = chance(w, 60) ? 0 : draw(w, 256);
	if (chance(w, 60))
		setsockopt(fd, level, name, value, len);
	else
		getsockopt(fd, level, name, value, &len);
}

static void call_transfer(struct play *w, int fd)
{
	static uint8_t buf[70000];
	struct iovec iov[3] = {
		{ buf, draw(w, 100) }, { buf, draw(w, 20000) }, { buf, draw(w, 5) },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = draw(w, 4) };
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;

	if (chance(w, 20))
		flags |= 1 << draw(w, 27);
	/* Connects, and would wait for it. */
	flags &= ~(MSG_WAITALL | MSG_FASTOPEN);
	switch (draw(w, 4)) {
	case 0: send(fd, buf, draw(w, sizeof(buf)), flags); break;
	case 1: sendmsg(fd, &msg, flags); break;
	case 2: recvmsg(fd, &msg, flags); break;
	case 3: recv(fd, buf, draw(w, sizeof(buf)), flags); break;
	}
}

static void call(struct play *w, struct conn *c)
{
	int fd = c->fd >= 0 ? c->fd : c->lfd, new;
	struct sockaddr_in sa = { .sin_family = chance(w, 30) ? AF_UNSPEC : AF_INET };
	socklen_t len = sizeof(sa);

	w->calls++;
	switch (draw(w, 16)) {
	case 0: case 1: case 2: case 3: case 4: call_transfer(w, fd); break;
	case 5: case 6: call_option(w, fd); break;
	case 7: shutdown(fd, draw(w, 3)); break;
	case 8: ioctl(fd, chance(w, 50) ? FIONREAD : TIOCOUTQ, &(int){ 0 }); break;
	case 9: socket_poll(fd); break;
	case 10: getsockname(fd, (struct sockaddr *)&sa, &len); break;
	case 11: getpeername(fd, (struct sockaddr *)&sa, &len); break;
	case 12: connect(fd, (struct sockaddr *)&sa, sizeof(sa)); break;
	case 13: listen(fd, draw(w, 5)); break;
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

static void finish(struct play *w, int i)
{
	struct linger off = { .l_onoff = chance(w, 30) };
	struct conn *c = &w->conn[i];

	if (c->fd >= 0) {
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
		close(c->fd);
	}
	if (c->lfd >= 0)
		close(c->lfd);
	c->fd = c->lfd = -1;
	w->used[i] = false;
}

static void begin(struct play *w, int i)
{
	struct optbytes all = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP,
				  OPT_WSCALE(5));
	struct optbytes few = OPT(OPT_MSS(700));

	conn_start(w->p, &w->conn[i], .active = chance(w, 40), .kport = FIRST_PORT + i,
		   .pport = 20000 + draw(w, 40000), .backlog = draw(w, 4),
		   .opt = chance(w, 60) ? all : few);
	w->used[i] = true;
}

/* --- what is around it --------------------------------------------------------- */

static void turn_a_knob(struct play *w)
{
	static const struct {
		const char *name;
		int values;
	} knobs[] = {
		{ "syncookies", 3 }, { "timestamps", 3 }, { "sack", 2 }, { "dsack", 2 },
		{ "window_scaling", 2 }, { "recovery", 8 }, { "early_retrans", 5 },
		{ "frto", 3 }, { "ecn", 3 }, { "tw_reuse", 3 }, { "tw_recycle", 2 },
		{ "rfc1337", 2 }, { "abort_on_overflow", 2 }, { "fin_timeout", 80 },
		{ "max_syn_backlog", 6 }, { "syn_per_source_limit", 3 },
		{ "max_tw_buckets", 5 }, { "early_demux", 2 }, { "mtu_probing", 3 },
		{ "slow_start_after_idle", 2 }, { "synack_retries", 7 }, { "reordering", 9 },
	};
	int i = draw(w, ARRAY_SIZE(knobs));

	knob_set(knobs[i].name, draw(w, knobs[i].values));
}

static void act(struct play *w, int i)
{
	int what = draw(w, 100);

	if (!w->used[i])
		begin(w, i);
	else if (what < 50)
		say_segment(w, &w->conn[i]);
	else if (what < 55)
		say_bytes(w, &w->conn[i]);
	else if (what < 58)
		say_icmp(w);
	else if (what < 59)
		turn_a_knob(w);
	else if (what < 96)
		call(w, &w->conn[i]);
	else
		finish(w, i);
}

static void play_round(struct play *w, int steps)
{
	for (int step = 0; step < steps; step++) {
		act(w, draw(w, SLOTS));
		listen_for(w, chance(w, 10) ? draw(w, 400) : 0);
		if (chance(w, 1))
			listen_for(w, draw(w, 100000));
	}
	for (int i = 0; i < SLOTS; i++)
		if (w->used[i])
			finish(w, i);
	/* Orphans and TIME-WAIT: less than an hour. */
	listen_for(w, 3600000);
}

static int from_environment(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

TEST_F_TIMEOUT(fuzz, nothing_that_is_said_or_done_does_harm, 10000000)
{
	int first = from_environment("XTCP_FUZZ_SEED", 1);
	int rounds = from_environment("XTCP_FUZZ_ROUNDS", 12);
	static struct play w;

	w.test = _metadata;
	w.p = &self->peer;
	w.p->leave_unread = true;
	/* Segments with a broken protocol number are the kernel's own TCP's. */
	w.p->stock_may_speak = true;
	for (int seed = first; seed < first + rounds; seed++) {
		peer_note(w.p, "XTCP_FUZZ_SEED=%d", seed);
		TH_LOG("XTCP_FUZZ_SEED=%d", seed);
		w.state = seed;
		play_round(&w, STEPS);
		EXPECT_EQ(0, proc_rows(AF_INET, 0)) TH_LOG("something is left");
	}
	TH_LOG("%lu segments to xtcp, %lu from it, %lu calls", w.sent, w.received, w.calls);
	EXPECT_LT(rounds * STEPS / 8, w.received);
}

TEST_HARNESS_MAIN
