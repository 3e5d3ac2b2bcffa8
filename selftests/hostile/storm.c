// SPDX-License-Identifier: GPL-2.0
/*
 * storm: a program and a peer that do anything at any time, to sixteen
 * connections at once. What must hold whatever they do: every segment that
 * comes is well-formed, correctly summed and inside what its connection may
 * say; and once all sockets are closed, in the end nothing is left.
 */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>

FIXTURE(storm) {
	struct peer peer;
};

FIXTURE_VARIANT(storm) {
	uint32_t seed;
	int steps;
};

FIXTURE_VARIANT_ADD(storm, seed_1) { .seed = 0x1badb002, .steps = 4000 };
FIXTURE_VARIANT_ADD(storm, seed_2) { .seed = 0x2545f491, .steps = 4000 };
FIXTURE_VARIANT_ADD(storm, seed_3) { .seed = 0x3c6ef372, .steps = 4000 };
FIXTURE_VARIANT_ADD(storm, seed_4) { .seed = 0x41c64e6d, .steps = 4000 };

FIXTURE_SETUP(storm)
{
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
}

FIXTURE_TEARDOWN(storm)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

#define SLOTS 16
#define FIRST_PORT 6000

struct weather {
	struct peer *p;
	uint32_t state;
	struct conn conn[SLOTS];
	bool used[SLOTS];
	bool deaf[SLOTS];		/* program shut its receiving side */
	unsigned long segments;
};

static uint32_t draw(struct weather *w, uint32_t below)
{
	w->state ^= w->state << 13;
	w->state ^= w->state >> 17;
	w->state ^= w->state << 5;
	return w->state % below;
}

static bool chance(struct weather *w, int percent)
{
	return draw(w, 100) < percent;
}

static struct conn *conn_of(struct weather *w, const struct segment *seg)
{
	for (int i = 0; i < SLOTS; i++)
		if (w->used[i] && w->conn[i].pport == seg->dport &&
		    (!w->conn[i].kport || w->conn[i].kport == seg->sport))
			return &w->conn[i];
	return NULL;
}

/* Whatever comes is a segment that a TCP may send. */
static void look_at(struct __test_metadata *_metadata, struct weather *w,
		    const struct segment *seg)
{
	struct conn *c;
	uint32_t end;

	w->segments++;
	if (!seg->is_tcp || !seg->csum_ok || seg->opt.malformed || seg->reserved)
		peer_fail(WHERE(_metadata), w->p, "malformed");
	if (seg->flags & SYN && seg->flags & (FIN | RST))
		peer_fail(WHERE(_metadata), w->p, "SYN beside FIN or RST");
	if (!(seg->flags & (SYN | RST | ACK)))
		peer_fail(WHERE(_metadata), w->p, "neither SYN nor RST nor ACK");
	if (seg->len > 1460)
		peer_fail(WHERE(_metadata), w->p, "larger than the MSS");
	c = conn_of(w, seg);
	if (!c || seg->flags & RST)
		return;
	if (seg->flags & SYN) {
		/* It may be the first, the same again, or another life's. */
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

static void look_out(struct __test_metadata *_metadata, struct weather *w, int64_t ms)
{
	int64_t until_ns = now_ns() + ms * NSEC_PER_MSEC;
	const struct segment *seg;

	while ((seg = peer_read(w->p, until_ns)))
		look_at(_metadata, w, seg);
}

static void begin(struct weather *w, int i)
{
	struct optbytes all = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP,
				  OPT_WSCALE(5));
	struct optbytes few = OPT(OPT_MSS(700));

	conn_start(w->p, &w->conn[i], .active = chance(w, 40),
		   .kport = FIRST_PORT + i, .pport = 20000 + draw(w, 40000),
		   .backlog = draw(w, 4), .opt = chance(w, 50) ? all : few);
	w->used[i] = true;
	w->deaf[i] = false;
}

static void finish(struct weather *w, int i)
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

/* A segment as a peer may send it, most of the time. */
static void peer_acts(struct weather *w, struct conn *c)
{
	static const int flags[] = {
		ACK, ACK, ACK, ACK | PSH, ACK | PSH, ACK | FIN, SYN, SYN | ACK,
		RST, RST | ACK, FIN, 0, URG | ACK, SYN | FIN, ACK | ECE | CWR,
	};
	struct segment_spec spec = SEGMENT_SPEC(.flags = flags[draw(w, ARRAY_SIZE(flags))]);

	/* Handshakes are made more likely than they are by chance. */
	if (c->peer_nxt == c->peer_iss)
		spec.flags = c->lfd >= 0 || chance(w, 30) ? SYN : SYN | ACK;
	if (spec.flags & RST && chance(w, 70))
		spec.flags = ACK;
	if (spec.flags & (ACK | FIN) && chance(w, 50))
		spec.len = draw(w, 1460);
	if (chance(w, 20))
		spec.seq = conn_peer_nxt(c) + (int)draw(w, 6000) - 3000;
	if (chance(w, 20))
		spec.ack = conn_kern_nxt(c) + (int)draw(w, 6000) - 3000;
	if (chance(w, 10))
		spec.wnd = draw(w, 2000);
	if (chance(w, 3))
		spec.wnd = 0;
	if (chance(w, 5))
		spec.urg = draw(w, 2000);
	if (chance(w, 5))
		spec.opt = OPT(OPT_NOP, OPT_NOP,
			       OPT_SACK1(c->kern_nxt - draw(w, 5000), c->kern_nxt));
	if (chance(w, 2))
		spec.bad_csum = true;
	conn_send_at(WHERE(w->p->test), c, spec);
}

static void program_acts(struct weather *w, int i)
{
	struct conn *c = &w->conn[i];
	static uint8_t buf[20000];
	int fd;

	if (c->fd < 0 && c->lfd >= 0) {
		fd = accept(c->lfd, NULL, NULL);
		if (fd >= 0)
			fd_nonblock(c->fd = fd);
		return;
	}
	switch (draw(w, 12)) {
	case 0: case 1: case 2: case 3:
		send(c->fd, buf, 1 + draw(w, sizeof(buf)), MSG_NOSIGNAL);
		break;
	case 4: case 5: case 6:
		recv(c->fd, buf, sizeof(buf), chance(w, 20) ? MSG_PEEK : 0);
		break;
	case 7:
		shutdown(c->fd, draw(w, 3));
		break;
	case 8:
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ chance(w, 50) },
			   sizeof(int));
		break;
	case 9:
		ioctl(c->fd, chance(w, 50) ? FIONREAD : TIOCOUTQ, &(int){ 0 });
		socket_poll(c->fd);
		break;
	case 10:
		send(c->fd, "!", 1, MSG_NOSIGNAL | MSG_MORE);
		break;
	case 11:
		socket_error(c->fd);
		break;
	}
}

static void act(struct weather *w, int i)
{
	if (!w->used[i])
		begin(w, i);
	else if (chance(w, 60))
		peer_acts(w, &w->conn[i]);
	else if (chance(w, 90))
		program_acts(w, i);
	else
		finish(w, i);
}

TEST_F_TIMEOUT(storm, whatever_they_do, 100000)
{
	static struct weather w;
	struct proc_row row;

	w.p = &self->peer;
	w.state = variant->seed;
	for (int step = 0; step < variant->steps; step++) {
		act(&w, draw(&w, SLOTS));
		look_out(_metadata, &w, chance(&w, 10) ? draw(&w, 400) : 0);
		if (chance(&w, 1))
			look_out(_metadata, &w, draw(&w, 100000));
	}
	EXPECT_LT(variant->steps / 4, w.segments);
	for (int i = 0; i < SLOTS; i++)
		if (w.used[i])
			finish(&w, i);
	/*
	 * The longest life that is left: an orphan whose FIN nobody acknowledges,
	 * or behind a closed window; then TIME-WAIT. All less than an hour.
	 */
	look_out(_metadata, &w, 3600000);
	for (int i = 0; i < SLOTS; i++)
		if (proc_row_find(&row, AF_INET, FIRST_PORT + i, -1, NULL))
			TH_LOG("left: %s", row.line);
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
}

TEST_HARNESS_MAIN
