// SPDX-License-Identifier: GPL-2.0
/*
 * storm: a program and a peer that do anything at any time, to sixteen connections at
 * once. In any case every segment of the kernel is well-formed, has a correct checksum
 * and is within what its connection may send; and once all sockets are closed, nothing
 * is left in the end.
 */
/* vm: wires families */
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

/* A segment that a peer may send, most of the time. */
static void peer_acts(struct play *w, struct conn *c)
{
	static const int flags[] = {
		ACK, ACK, ACK, ACK | PSH, ACK | PSH, ACK | FIN, SYN, SYN | ACK,
		RST, RST | ACK, FIN, 0, URG | ACK, SYN | FIN, ACK | ECE | CWR,
	};
	struct segment_spec spec = SEGMENT_SPEC(.flags = flags[draw(ARRAY_SIZE(flags))]);

	/* Handshakes are made more likely than by chance. */
	if (c->peer_nxt == c->peer_iss)
		spec.flags = c->lfd >= 0 || chance(30) ? SYN : SYN | ACK;
	if (spec.flags & RST && chance(70))
		spec.flags = ACK;
	if (spec.flags & (ACK | FIN) && chance(50))
		spec.len = draw(1460);
	if (chance(20))
		spec.seq = conn_peer_nxt(c) + (int)draw(6000) - 3000;
	if (chance(20))
		spec.ack = conn_kern_nxt(c) + (int)draw(6000) - 3000;
	if (chance(10))
		spec.wnd = draw(2000);
	if (chance(3))
		spec.wnd = 0;
	if (chance(5))
		spec.urg = draw(2000);
	if (chance(5))
		spec.opt = OPT(OPT_NOP, OPT_NOP,
			       OPT_SACK1(c->kern_nxt - draw(5000), c->kern_nxt));
	if (chance(2))
		spec.bad_csum = true;
	conn_send_at(WHERE(w->p->test), c, spec);
}

static void program_acts(struct conn *c)
{
	static uint8_t buf[20000];
	int fd;

	if (c->fd < 0 && c->lfd >= 0) {
		fd = accept(c->lfd, NULL, NULL);
		if (fd >= 0)
			fd_nonblock(c->fd = fd);
		return;
	}
	switch (draw(12)) {
	case 0: case 1: case 2: case 3:
		send(c->fd, buf, 1 + draw(sizeof(buf)), MSG_NOSIGNAL);
		break;
	case 4: case 5: case 6:
		recv(c->fd, buf, sizeof(buf), chance(20) ? MSG_PEEK : 0);
		break;
	case 7:
		shutdown(c->fd, draw(3));
		break;
	case 8:
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ chance(50) },
			   sizeof(int));
		break;
	case 9:
		ioctl(c->fd, chance(50) ? FIONREAD : TIOCOUTQ, &(int){ 0 });
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

static void act(struct play *w, int i)
{
	if (!w->used[i])
		play_begin(w, i);
	else if (chance(60))
		peer_acts(w, &w->conn[i]);
	else if (chance(90))
		program_acts(&w->conn[i]);
	else
		play_finish(w, i);
}

TEST_F_TIMEOUT(storm, whatever_they_do, 100000)
{
	static struct play w = { .slots = PLAY_SLOTS };

	w.p = &self->peer;
	draw_seed(variant->seed);
	for (int step = 0; step < variant->steps; step++) {
		act(&w, draw(w.slots));
		play_pause(&w);
	}
	EXPECT_LT(variant->steps / 4, w.received);
	EXPECT_EQ(0, play_settle(&w));
}

TEST_HARNESS_MAIN
