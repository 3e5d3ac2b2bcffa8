// SPDX-License-Identifier: GPL-2.0
/* play: see play.h. */
#include "play.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "netns.h"
#include "proc.h"

void play_begin(struct play *w, int slot)
{
	struct optbytes all = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP,
				  OPT_WSCALE(5));
	struct optbytes few = OPT(OPT_MSS(700));

	conn_start(w->p, &w->conn[slot], .active = chance(40), .may_clash = true,
		   .kport = PLAY_PORT + slot,
		   /* Sometimes the same peer again: its last connection may linger. */
		   .pport = 20000 + (chance(40) ? (uint32_t)slot : draw(40000)),
		   .backlog = draw(4),
		   .opt = chance(60) ? all : few);
	w->used[slot] = w->conn[slot].fd >= 0 || w->conn[slot].lfd >= 0;
}

void play_finish(struct play *w, int slot)
{
	struct linger off = { .l_onoff = chance(30) };
	struct conn *c = &w->conn[slot];

	if (c->fd >= 0) {
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
		close(c->fd);
	}
	if (c->lfd >= 0)
		close(c->lfd);
	c->fd = c->lfd = -1;
	w->used[slot] = false;
}

static void finish_all(struct play *w)
{
	for (int i = 0; i < w->slots; i++)
		if (w->used[i])
			play_finish(w, i);
}

static bool port_is_free(struct play *w, int port)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&w->p->kernel, port, &sa);
	int fd = stream_socket(w->p->family);
	bool is_free = !bind(fd, (struct sockaddr *)&sa, len);

	close(fd);
	return is_free;
}

static struct conn *conn_of(struct play *w, const struct segment *seg)
{
	for (int i = 0; i < w->slots; i++)
		if (w->used[i] && w->conn[i].pport == seg->dport &&
		    (!w->conn[i].kport || w->conn[i].kport == seg->sport))
			return &w->conn[i];
	return NULL;
}

static bool is_fragment(const struct segment *seg)
{
	return seg->src.family == AF_INET && ((seg->packet[6] & 0x3f) | seg->packet[7]);
}

static void must_be_a_segment(const struct play *w, const struct segment *seg)
{
	struct where at = WHERE(w->p->test);

	if (!seg->csum_ok || seg->opt.malformed || seg->reserved)
		peer_fail(at, w->p, "malformed");
	if (seg->flags & SYN && seg->flags & (FIN | RST))
		peer_fail(at, w->p, "SYN beside FIN or RST");
	if (!(seg->flags & (SYN | RST | ACK)))
		peer_fail(at, w->p, "neither SYN nor RST nor ACK");
	if (seg->len > 1460)
		peer_fail(at, w->p, "larger than the MSS");
}

static void hear(struct play *w, const struct segment *seg)
{
	struct conn *c;
	uint32_t end;

	w->received++;
	/* ICMP; and fragments, which a program may request. */
	if (!seg->is_tcp || is_fragment(seg))
		return;
	must_be_a_segment(w, seg);
	w->heard = *seg;
	c = conn_of(w, seg);
	if (!c || seg->flags & RST)
		return;
	if (seg->flags & SYN) {
		/* The number of the first life, of this one, or of another one. */
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

/* Reads what comes for so long. */
static void hear_for(struct play *w, int64_t ms)
{
	int64_t until_ns = now_ns() + ms * NSEC_PER_MSEC;
	const struct segment *seg;

	while ((seg = peer_read(w->p, until_ns)))
		hear(w, seg);
}

int play_settle(struct play *w)
{
	struct proc_row row;
	int left = 0;

	finish_all(w);
	hear_for(w, 3600000);
	for (int i = 0; i < w->slots; i++) {
		int port = PLAY_PORT + i;

		if (proc_row_find(&row, w->p->family, port, -1, NULL))
			printf("# left: %s\n", row.line);
		if (!port_is_free(w, port)) {
			printf("# port %d is in use\n", port);
			left++;
		}
	}
	return left + proc_rows(w->p->family, 0);
}

void play_pause(struct play *w)
{
	hear_for(w, chance(10) ? draw(400) : 0);
	if (chance(1))
		hear_for(w, draw(100000));
}
