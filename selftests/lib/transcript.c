// SPDX-License-Identifier: GPL-2.0
/* transcript: see transcript.h. */
#define _GNU_SOURCE
#include "transcript.h"

#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"
#include "netns.h"
#include "proc.h"
#include "program.h"
#include "stream.h"

/* --- playing --------------------------------------------------------------- */

static void learn(struct conn *c, const struct segment *seg)
{
	uint32_t end = seg->seq + segment_seqlen(seg);

	if (seg->flags & RST)
		return;
	if (seg->flags & SYN) {
		if (!c->kern_nxt || seg->seq != c->kern_iss)
			conn_learn(c, seg);
		return;
	}
	if (seq_before(c->kern_nxt, end))
		c->kern_nxt = end;
	if (c->ts && seg->opt.ts)
		c->ts_recent = seg->opt.tsval;
}

/* The least MSS that a classic cookie keeps over IPv6, however small the peer's is. */
#define COOKIE_MSS_V6 1220

/* All of a segment's options take space of the MSS (RFC 6691). */
static bool is_too_large(const struct player *pl, const struct segment *seg)
{
	int mss = pl->e->cookies && seg->src.family == AF_INET6 ? COOKIE_MSS_V6 : EPISODE_MSS;
	int headers = TCP_HEADER_MIN + (seg->src.family == AF_INET6 ? 40 : 20);
	int options = seg->len ? seg->data - seg->packet - headers : 0;

	return seg->len + options > mss;
}

/* How much the clock of a stack's timestamps may differ from time; it may go in ticks. */
#define TSVAL_SLACK_MS 12
/* In place of the lowest bits the first one has options, in a SYN-ACK with a cookie. */
#define TSVAL_COOKIE_MS 64

static bool has_wrong_tsval(const struct player *pl, const struct segment *seg)
{
	int64_t ms = (seg->when_ns - pl->first_ns) / NSEC_PER_MSEC;
	int64_t ahead = (int32_t)(seg->opt.tsval - pl->first_tsval) - ms;
	int slack_ms = TSVAL_SLACK_MS + (pl->e->cookies ? TSVAL_COOKIE_MS : 0);

	return seg->opt.ts && (ahead < -slack_ms || ahead > slack_ms);
}

static void note(struct player *pl, struct scene *s, const struct segment *seg)
{
	const struct conn *c = &pl->conn;
	struct said *h;

	if (s->said_n == TRANSCRIPT_HEARD)
		return;
	h = &s->said[s->said_n++];
	*h = (struct said){
		.at_us = (seg->when_ns - pl->start_ns) / 1000,
		.icmp = !seg->is_tcp,
	};
	if (h->icmp)
		return;
	h->flags = seg->flags;
	h->len = seg->len;
	/* A RST that answers a segment without ACK has the number 0. */
	h->seq = seg->flags & RST && !seg->seq ? 0 : seg->seq - c->kern_iss;
	h->ack = seg->flags & ACK ? seg->ack - c->peer_iss : 0;
	h->wnd = seg->flags & SYN ? seg->wnd : seg->wnd << c->kern_wscale;
	h->urg = seg->flags & URG ? seg->urg : 0;
	h->tos = seg->tos;
	h->mss = seg->opt.mss;
	h->wscale = seg->opt.wscale;
	h->sackok = seg->opt.sackok;
	h->ts = seg->opt.ts;
	h->tsval = seg->opt.tsval - pl->first_tsval + TRANSCRIPT_TSVAL;
	h->tsecr = seg->opt.tsecr ? seg->opt.tsecr - c->tsval_base : 0;
	h->broken = seg->opt.malformed || !seg->csum_ok || seg->reserved ||
		    is_too_large(pl, seg);
	h->wrong_tsval = has_wrong_tsval(pl, seg);
	h->wrong_data = seg->len && pattern_check(seg->data, seg->len, h->seq - 1) >= 0;
	h->sacks = seg->opt.sacks;
	for (int i = 0; i < h->sacks && i < 4; i++)
		h->sack[i] = (struct sack_block){
			seg->opt.sack[i].left - c->peer_iss,
			seg->opt.sack[i].right - c->peer_iss,
		};
}

static void listen_until(struct player *pl, struct scene *s, int64_t until_ns)
{
	struct conn *c = &pl->conn;
	const struct segment *seg;

	while ((seg = peer_read(pl->p, until_ns))) {
		if (seg->is_tcp && (seg->dport != c->pport || (c->kport && seg->sport != c->kport)))
			continue;
		if (seg->is_tcp) {
			learn(c, seg);
			if (seg->opt.ts && !pl->first_ns) {
				pl->first_tsval = seg->opt.tsval;
				pl->first_ns = seg->when_ns;
			}
			memcpy(&pl->last, seg, offsetof(struct segment, packet) + seg->packet_len);
			if (seg->flags & ACK)
				pl->heard_ack = seg->ack;
		}
		note(pl, s, seg);
	}
}

static void set_buffer(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 19 }, sizeof(int));
}

/* TCP_INFO costs less than a search in /proc. */
static enum conn_state state_now(const struct conn *c, struct scene *s)
{
	static const enum conn_state states[] = {
		[TCP_ESTABLISHED] = ST_ESTABLISHED, [TCP_SYN_SENT] = ST_SYN_SENT,
		[TCP_SYN_RECV] = ST_SYN_RECEIVED, [TCP_FIN_WAIT1] = ST_FIN_WAIT_1,
		[TCP_FIN_WAIT2] = ST_FIN_WAIT_2, [TCP_TIME_WAIT] = ST_TIME_WAIT,
		[TCP_CLOSE] = ST_CLOSED, [TCP_CLOSE_WAIT] = ST_CLOSE_WAIT,
		[TCP_LAST_ACK] = ST_LAST_ACK, [TCP_LISTEN] = ST_LISTEN, [TCP_CLOSING] = ST_CLOSING,
	};
	struct tcp_info info = { 0 };

	if (c->fd < 0) {
		enum conn_state st = conn_state(c);

		/* With which kind of record or socket a stack waits there is its own affair. */
		return st == ST_FIN_WAIT_2 ? ST_ORPHAN_FIN_WAIT_2 : st;
	}
	socket_read_tcp_info_at(WHERE(c->peer->test), c->fd, &info, sizeof(info));
	s->cwnd = info.tcpi_snd_cwnd;
	s->recovery = info.tcpi_ca_state;
	s->ssthresh = info.tcpi_snd_ssthresh;
	return states[info.tcpi_state];
}

static void look(struct player *pl, struct scene *s)
{
	struct conn *c = &pl->conn;

	if (c->fd < 0 && c->lfd >= 0) {
		c->fd = accept(c->lfd, NULL, NULL);
		if (c->fd >= 0) {
			fd_nonblock(c->fd);
			if (!pl->e->still_listens) {
				close(c->lfd);
				c->lfd = -1;
			}
		}
	}
	s->accepted = c->fd >= 0;
	s->state = state_now(c, s);
	s->read_hash = pl->bytes.read_hash;
	if (c->fd < 0)
		return;
	s->poll = socket_poll(c->fd);
	if (ioctl(c->fd, SIOCINQ, &s->inq))
		s->inq = -1;
	if (ioctl(c->fd, SIOCOUTQ, &s->outq))
		s->outq = -1;
}

static void finish(struct player *pl)
{
	struct linger off = { .l_onoff = 1 };
	struct conn *c = &pl->conn;

	if (c->fd >= 0) {
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
		close(c->fd);
	}
	if (c->lfd >= 0)
		close(c->lfd);
	if (c->kern_nxt)
		peer_send(pl->p, .sport = c->pport, .dport = c->kport, .flags = RST | ACK,
			  .seq = pl->heard_ack, .ack = c->kern_nxt);
	while (peer_read(pl->p, now_ns() + NSEC_PER_MSEC))
		;
}

static void begin(struct player *pl, struct peer *p, const struct episode *e, int64_t start_ns)
{
	memset(pl, 0, offsetof(struct player, last.packet));
	pl->p = p;
	pl->e = e;
	pl->start_ns = start_ns;
}

/*
 * Plays @e on the stack under test from @start_ns on, which all stacks share. @port: of the
 * kernel's end and of the peer's, for this episode alone.
 */
static void stage_play(struct stage *st, const struct episode *e, uint16_t port, int64_t start_ns)
{
	struct transcript *t = &st->transcript;
	struct player *pl = &st->player;
	int64_t at_ns = start_ns;

	/* What ICMP errors have said of the path belongs to an earlier episode. */
	sysctl_write("/proc/sys/net/ipv4/route/flush", "1");
	counters_take(&st->before);
	sleep_until_ns(start_ns);
	begin(pl, &st->peer, e, start_ns);
	t->scenes = 0;
	t->wire = stream_wire();
	episode_set_knobs(e, st->knobs, true);
	knob_set_text("congestion_control", e->cubic ? "cubic" : "reno");
	conn_start(pl->p, &pl->conn, .active = e->active, .kport = port, .pport = port,
		   .backlog = 4, .opt = episode_syn_options(e), .prepare = set_buffer,
		   .peer_iss = 7000000);
	pl->conn.tsval_start_ns = start_ns;
	for (int i = 0; i < e->acts; i++) {
		struct scene *s = &t->scene[t->scenes++];

		memset(s, 0, offsetof(struct scene, said));
		s->begin_us = (at_ns - start_ns) / 1000;
		if (!i)
			listen_until(pl, s, at_ns + NSEC_PER_MSEC);
		s->seq = conn_peer_nxt(&pl->conn) + e->act[i].seq;
		s->ack = e->act[i].flags & ACK ? conn_kern_nxt(&pl->conn) + e->act[i].ack : 0;
		s->tsval = (now_ns() - start_ns) / NSEC_PER_MSEC;
		s->tsecr = pl->conn.ts_recent - pl->first_tsval + TRANSCRIPT_TSVAL;
		episode_set_later(e, i);
		s->result = episode_act(&pl->conn, &e->act[i], &pl->last, &pl->bytes);
		s->error = s->result < 0 ? errno : 0;
		at_ns += e->act[i].pause_ms * NSEC_PER_MSEC + NSEC_PER_MSEC * 2 * !i;
		s->end_us = (at_ns - start_ns) / 1000;
		listen_until(pl, s, at_ns);
		look(pl, s);
	}
	counters_take(&t->moved);
	for (int i = 0; i < t->moved.n; i++)
		t->moved.c[i].value -= st->before.c[i].value;
	finish(pl);
	episode_set_knobs(e, st->knobs, false);
}

void inside_main(void *arg, int number, int go, int done)
{
	struct theatre *th = arg;
	char byte;

	while (read(go, &byte, 1) == 1) {
		stage_play(&th->stage[number], &th->episode, th->port, th->start_ns);
		if (write(done, &byte, 1) != 1)
			break;
	}
}

/* --- comparing ------------------------------------------------------------- */

/* Before a pause is over that is longer than each delay of an ACK, nothing is compared. */
#define SETTLED_US 230000
/* How much the kernel's TCP may be late or early with a timer that ran so long. */
#define SLACK_US(delay_us) ((delay_us) / 8 + 35000)

/*
 * What the segments of some scenes say together: how many ACKs say it, and in how many
 * pieces the payload comes, is not compared.
 */
#define SENT_KEPT 32

struct summary {
	int pieces;
	struct piece {
		int flags;
		uint32_t seq, end;
		int64_t at_us;
		int64_t act_us;		/* the next act */
		int64_t again_us;	/* when its number was sent before; -1 if never */
		uint32_t up;		/* the urgent pointer, with URG */
		int tos;
		int mss, wscale;	/* of a SYN */
		bool sackok, ts;
	} piece[TRANSCRIPT_HEARD];
	bool acked, zero_window, broken, wrong_data, wrong_tsval;
	bool ece;			/* in the last ACK */
	uint32_t ack, tsecr;
	int acks;			/* pure ones, and no probes */
	int arrived;			/* segments of the peer */
	/* The end of the own window in the last ACK; that of a SYN is not rounded to the scale. */
	uint32_t edge, unit;
	bool has_edge, of_syn, moved_left;
	uint32_t syn;			/* the number of the last SYN */
	int sacks;
	struct sack_block sack[4];
	int icmps;
	uint32_t nxt;			/* behind all that was sent */
	int64_t last_us;		/* of the last piece before these scenes */
	bool late;			/* since the stock timers were late, times say nothing */
	/* The last segments with payload, SYN or FIN. */
	struct {
		uint32_t seq;
		int64_t at_us;
	} sent[SENT_KEPT];
	unsigned int sent_n;
};

/* What is only of these scenes begins anew. */
static void summary_next(struct summary *sum)
{
	if (sum->pieces)
		sum->last_us = sum->piece[sum->pieces - 1].at_us;
	sum->pieces = 0;
	sum->acks = 0;
	sum->arrived = 0;
	sum->icmps = 0;
	sum->sacks = 0;
	sum->acked = false;
	sum->zero_window = false;
	sum->ece = false;
	sum->broken = false;
	sum->wrong_data = false;
	sum->wrong_tsval = false;
	sum->moved_left = false;
	sum->ack = 0;
	sum->tsecr = 0;
}

static void note_sent(struct summary *sum, const struct said *h)
{
	unsigned int i = sum->sent_n++ % SENT_KEPT;

	sum->sent[i].seq = h->seq;
	sum->sent[i].at_us = h->at_us;
}

static int64_t when_sent(const struct summary *sum, uint32_t seq)
{
	for (unsigned int i = 1; i <= SENT_KEPT && i <= sum->sent_n; i++)
		if (sum->sent[(sum->sent_n - i) % SENT_KEPT].seq == seq)
			return sum->sent[(sum->sent_n - i) % SENT_KEPT].at_us;
	return -1;
}

static bool is_pure_ack(const struct said *h)
{
	return !h->len && !(h->flags & (SYN | FIN | RST));
}

static uint32_t said_seqlen(const struct said *h)
{
	return h->len + !!(h->flags & SYN) + !!(h->flags & FIN);
}

static void add_piece(struct summary *sum, const struct said *h, int64_t act_us)
{
	struct piece *last = sum->pieces ? &sum->piece[sum->pieces - 1] : NULL;
	int flags = h->flags & ~PSH;
	uint32_t end = h->seq + h->len;
	int64_t again_us = when_sent(sum, h->seq);

	note_sent(sum, h);
	/* What follows closely is of the same piece. */
	if (last && last->end == h->seq && h->len && !((last->flags | flags) & (SYN | RST)) &&
	    !(last->flags & FIN) && h->at_us - last->at_us < 5000) {
		last->end = end;
		last->flags |= flags;
		if (flags & URG)
			last->up = h->seq + h->urg;
		return;
	}
	if (sum->pieces < TRANSCRIPT_HEARD)
		sum->piece[sum->pieces++] = (struct piece){
			.flags = flags, .seq = h->seq, .end = end, .at_us = h->at_us, .act_us = act_us,
			.again_us = again_us, .up = flags & URG ? h->seq + h->urg : 0,
			.tos = h->tos,
			.mss = h->mss, .wscale = h->wscale, .sackok = h->sackok, .ts = h->ts,
		};
}

/* The window's end never moves to the left, but by rounding behind a SYN, where it begins. */
static void note_window(struct summary *sum, const struct said *h)
{
	uint32_t edge = h->ack + h->wnd;

	if (h->flags & SYN) {
		sum->unit = h->wscale > 0 ? 1 << h->wscale : 1;
		sum->syn = h->seq;
	}
	/* A number below the last SYN's is one of the connection before, in TIME-WAIT. */
	if (!(h->flags & ACK) || h->flags & RST || seq_before(h->seq, sum->syn))
		return;
	if (!(h->flags & SYN) && sum->has_edge &&
	    seq_before(edge + (sum->of_syn ? sum->unit - 1 : 0), sum->edge))
		sum->moved_left = true;
	sum->of_syn = h->flags & SYN;
	sum->edge = edge;
	sum->has_edge = true;
}

static void summarize(struct summary *sum, const struct scene *s, const struct act *a)
{
	sum->arrived += a->kind == ACT_SEGMENT;
	for (int i = 0; i < s->said_n; i++) {
		const struct said *h = &s->said[i];

		if (h->icmp) {
			sum->icmps++;
			continue;
		}
		sum->broken |= h->broken;
		sum->wrong_data |= h->wrong_data;
		sum->wrong_tsval |= h->wrong_tsval;
		note_window(sum, h);
		/* One of the two probes for an urgent pointer has the number SND.NXT. */
		sum->acks += is_pure_ack(h) && !seq_before(h->seq, sum->nxt) && !(h->flags & URG);
		if (!is_pure_ack(h))
			add_piece(sum, h, s->end_us);
		if (h->flags & ACK && !(h->flags & RST)) {
			sum->acked = true;
			sum->ack = h->ack;
			sum->zero_window = !h->wnd;
			sum->ece = h->flags & ECE && !(h->flags & SYN);
		}
		/* A probe, which a late timer may send in another scene, has no SACK blocks. */
		if (h->flags & ACK && !(h->flags & RST) &&
		    !(is_pure_ack(h) && seq_before(h->seq, sum->nxt))) {
			sum->tsecr = h->tsecr;
			sum->sacks = h->sacks;
			memcpy(sum->sack, h->sack, sizeof(sum->sack));
		}
		if (!(h->flags & RST) && seq_before(sum->nxt, h->seq + said_seqlen(h)))
			sum->nxt = h->seq + said_seqlen(h);
	}
	/* The next connection may begin without a SYN-ACK: by the ACK of a cookie. */
	if (s->state == ST_CLOSED)
		sum->has_edge = false;
}

static bool is_close(int64_t a_us, int64_t b_us)
{
	return a_us - b_us < SLACK_US(a_us) && b_us - a_us < SLACK_US(a_us);
}

/* When the piece before the i-th was sent. */
static int64_t before_us(const struct summary *sum, int i)
{
	return i ? sum->piece[i - 1].at_us : sum->last_us;
}

/* Timers count from the last act, from the segment before, or from when it was sent before. */
static bool close_in_time(int64_t from_us, const struct summary *stock, const struct summary *ours,
			  int i)
{
	int64_t a = stock->piece[i].at_us, b = ours->piece[i].at_us;

	return is_close(a - from_us, b - from_us) ||
	       is_close(a - before_us(stock, i), b - before_us(ours, i)) ||
	       (stock->piece[i].again_us >= 0 && ours->piece[i].again_us >= 0 &&
		is_close(a - stock->piece[i].again_us, b - ours->piece[i].again_us));
}

static bool syn_options_match(const struct piece *a, const struct piece *b)
{
	return !(a->flags & SYN) || (a->mss == b->mss && a->wscale == b->wscale &&
				     a->sackok == b->sackok && a->ts == b->ts);
}

/* Two segments that a timer of each stack sends are so far apart. */
#define TIMED_US 2000

/* A timer that was late delays the next ones, and round trip times are longer. */
#define LATE_US 70000

/* Is it sent again? The other stack may do so after these scenes. */
static bool is_due_later(const struct summary *other, const struct piece *p)
{
	return !(p->flags & RST) && !seq_before(other->nxt, p->end + !!(p->flags & (SYN | FIN)));
}

/*
 * xtcp's i-th piece is sent again before an act. The kernel's timer, which runs from a later
 * segment and may be late itself, may expire only after that act, and then does something else.
 */
static bool may_expire_after_act(const struct summary *stock, const struct summary *ours, int i)
{
	const struct piece *p = &ours->piece[i];
	int64_t delay_us = p->at_us - before_us(ours, i);

	return i <= stock->pieces && is_due_later(stock, p) &&
	       before_us(stock, i) + delay_us + SLACK_US(delay_us) >= p->act_us;
}

static const char *compare_pieces(int64_t from_us, struct summary *a, const struct summary *b)
{
	for (int i = 0; i < a->pieces && i < b->pieces; i++) {
		if ((a->piece[i].seq != b->piece[i].seq || a->piece[i].end != b->piece[i].end) &&
		    may_expire_after_act(a, b, i))
			return TRANSCRIPT_LATE;
		if (a->piece[i].flags != b->piece[i].flags)
			return "flags";
		if (a->piece[i].seq != b->piece[i].seq)
			return "sequence number";
		if (a->piece[i].end != b->piece[i].end)
			return "length";
		if (a->piece[i].up != b->piece[i].up)
			return "urgent pointer";
		if (a->piece[i].tos != b->piece[i].tos)
			return "ECN field";
		if (!syn_options_match(&a->piece[i], &b->piece[i]))
			return a->piece[i].flags & ACK ? "options of a SYN-ACK" : "options of a SYN";
		if (!a->late && !close_in_time(from_us, a, b, i))
			return "time";
		if (a->piece[i].at_us - b->piece[i].at_us > LATE_US)
			a->late = true;
	}
	if (a->pieces + 1 == b->pieces &&
	    ((a->late && is_due_later(a, &b->piece[a->pieces])) ||
	     may_expire_after_act(a, b, a->pieces)))
		return TRANSCRIPT_LATE;
	/* Or xtcp, if an ACK of what was sent again gave it a longer round trip. */
	if (a->late && b->pieces + 1 == a->pieces && is_due_later(b, &a->piece[b->pieces]))
		return TRANSCRIPT_LATE;
	return a->pieces == b->pieces ? NULL : "number of segments";
}

static const char *compare_summaries(int64_t from_us, struct summary *a,
				     const struct summary *b)
{
	const char *what;

	if (b->broken)
		return "broken segment";
	/* After a second connection the pattern has another place, in both. */
	if (b->wrong_data && !a->wrong_data)
		return "wrong data sent";
	if (b->wrong_tsval)
		return "timestamp";
	if (b->moved_left)
		return "window to the left";
	what = compare_pieces(from_us, a, b);
	if (what)
		return what;
	if (a->acked != b->acked)
		return "an ACK";
	if (a->ack != b->ack)
		return "acknowledgement number";
	if (a->zero_window != b->zero_window)
		return "zero window";
	if (a->ece != b->ece)
		return "ECE";
	/* xtcp may allow more, from its first ACK on; its edge moves by a segment, or stays. */
	if (a->acked && seq_before(b->edge + EPISODE_MSS + b->unit, a->edge))
		return "window";
	if (b->acks > a->acks + b->arrived)
		return "number of ACKs";
	if (a->tsecr != b->tsecr)
		return "echoed timestamp";
	if (a->sacks != b->sacks || memcmp(a->sack, b->sack, a->sacks * sizeof(a->sack[0])))
		return "SACK blocks";
	return a->icmps == b->icmps ? NULL : "ICMP";
}

static const char *compare_looks(const struct scene *stock, const struct scene *ours)
{
	if (stock->accepted != ours->accepted)
		return "accept";
	if (stock->state != ours->state)
		return "state";
	if (stock->read_hash != ours->read_hash)
		return "data read";
	if (stock->inq != ours->inq)
		return "SIOCINQ";
	/* After an abort Linux's numbers of what is unsent are no longer true. */
	if (stock->state != ST_CLOSED && stock->outq != ours->outq)
		return "SIOCOUTQ";
	if (stock->state == ST_CLOSED)
		return (stock->poll ^ ours->poll) & ~POLLOUT ? "poll" : NULL;
	return stock->poll == ours->poll ? NULL : "poll";
}

static const char *compare_calls(const struct scene *stock, const struct scene *ours)
{
	if (stock->result != ours->result)
		return "result of the call";
	return stock->error == ours->error ? NULL : "errno";
}

/*
 * Not compared are counters of segments, of ACKs and of ACKs that a limit has prevented. On
 * the TCP wire, RSTs for what belongs to no connection come from the kernel's TCP. Of a SYN that
 * is sent again after such a RST, Linux counts that its repetition was lost. Five minutes after
 * boot, when its clock of ticks is 0, Linux thinks for two minutes that a SYN queue has overflowed.
 */
static bool counter_is_compared(const char *name, int wire)
{
	static const char *const not[] = {
		"InSegs", "OutSegs", "TCPPureAcks", "TCPOrigDataSent", "DelayedACKs",
		"TCPRcvCoalesce", "TCPACKSkippedSeq", "TCPACKSkippedChallenge",
		"TCPLostRetransmit", "SyncookiesFailed",
	};

	for (size_t i = 0; i < sizeof(not) / sizeof(not[0]); i++)
		if (!strcmp(name, not[i]))
			return false;
	return wire != XTCP_WIRE_TCP || strcmp(name, "OutRsts");
}

/* The next segment with payload, SYN, FIN or RST up to a scene; or NULL. */
static const struct said *next_text(const struct transcript *t, int *scene, int *said, int last)
{
	for (; *scene <= last; ++*scene, *said = 0)
		while (*said < t->scene[*scene].said_n) {
			const struct said *h = &t->scene[*scene].said[(*said)++];

			if (!h->icmp && !is_pure_ack(h))
				return h;
		}
	return NULL;
}

bool transcript_times_differ(const struct transcript *stock, const struct transcript *ours,
			     int last)
{
	int scene[2] = { 0 }, said[2] = { 0 };
	const struct said *a, *b;

	for (;;) {
		a = next_text(stock, &scene[0], &said[0], last);
		b = next_text(ours, &scene[1], &said[1], last);
		if (!a || !b)
			return a || b;
		if (a->at_us - b->at_us > TIMED_US || b->at_us - a->at_us > TIMED_US)
			return true;
	}
}

/* Each episode has an act, and so a scene. */
static bool is_settled(const struct transcript *t)
{
	const struct scene *last = &t->scene[t->scenes - 1];

	return last->end_us - last->begin_us >= SETTLED_US;
}

struct difference transcript_compare_counters(const struct transcript *stock,
					      const struct transcript *ours, int *next)
{
	struct difference d = { .scene = stock->scenes - 1, .is_counter = true };

	while (is_settled(stock) && *next < ours->moved.n) {
		const struct counter *c = &ours->moved.c[(*next)++];
		long long other = counter_get(&stock->moved, c->name);

		if (other == LLONG_MIN || other == c->value || c->ignored ||
		    !counter_is_compared(c->name, ours->wire))
			continue;
		d.what = c->name;
		return d;
	}
	return d;
}

struct difference transcript_compare(const struct episode *e, const struct transcript *stock,
				     const struct transcript *ours)
{
	struct summary a = { 0 }, b = { 0 };
	struct difference d = { 0 };
	int first = 0;

	for (d.scene = 0; d.scene < stock->scenes; d.scene++) {
		const struct scene *s = &stock->scene[d.scene], *o = &ours->scene[d.scene];

		d.what = compare_calls(s, o);
		if (d.what)
			return d;
		summarize(&a, s, &e->act[d.scene]);
		summarize(&b, o, &e->act[d.scene]);
		if (s->end_us - s->begin_us < SETTLED_US)
			continue;
		d.what = compare_summaries(stock->scene[first].begin_us, &a, &b);
		if (!d.what)
			d.what = compare_looks(s, o);
		if (d.what)
			return d;
		first = d.scene + 1;
		summary_next(&a);
		summary_next(&b);
	}
	return d;
}

/* --- printing -------------------------------------------------------------- */

static void print_heard(const struct said *h)
{
	static const char letters[] = "FSRP.UEWA";
	char flags[10] = "";

	if (h->icmp) {
		printf("#        %10.3f > icmp\n", h->at_us / 1000.0);
		return;
	}
	for (int i = 0, n = 0; i < 9; i++)
		if (h->flags & 1 << i)
			flags[n++] = letters[i];
	printf("#        %10.3f > %s %u:%u(%d) ack %u win %d", h->at_us / 1000.0, flags, h->seq,
	       h->seq + h->len, h->len, h->ack, h->wnd);
	if (h->flags & URG)
		printf(" urg %d", h->urg);
	if (h->tos)
		printf(" tos %d", h->tos);
	if (h->ts)
		printf(" val %u ecr %u", h->tsval, h->tsecr);
	for (int i = 0; i < h->sacks && i < 4; i++)
		printf(" sack %u:%u", h->sack[i].left, h->sack[i].right);
	printf("%s%s\n", h->broken ? " BROKEN" : "", h->wrong_data ? " WRONG DATA" : "");
}

void transcript_print(const struct transcript *t, const struct episode *e, int last)
{
	char text[200];

	for (int i = 0; i <= last && i < t->scenes; i++) {
		const struct scene *s = &t->scene[i];

		if (e->act[i].kind != ACT_NOTHING || e->act[i].pause_ms)
			printf("# %3d %10.3f %s = %ld%s%s\n", i, s->begin_us / 1000.0,
			       episode_act_text(&e->act[i], text, sizeof(text)), s->result,
			       s->error ? " " : "", s->error ? strerrorname_np(s->error) : "");
		for (int j = 0; j < s->said_n; j++)
			print_heard(&s->said[j]);
		if (s->end_us - s->begin_us >= SETTLED_US)
			printf("#     %10.3f %s poll %x inq %d outq %d cwnd %u%s\n", s->end_us / 1000.0,
			       conn_state_name(s->state), s->poll, s->inq, s->outq, s->cwnd,
			       s->accepted ? "" : " no socket");
	}
}

/* --- as a packet script ----------------------------------------------------- */

static void script_flags(int flags)
{
	static const char letters[] = "FSRP.UEW";

	if (!flags)
		putchar('-');
	for (int i = 0; i < 8; i++)
		if (flags & 1 << i)
			putchar(letters[i]);
}

static void script_heard(const struct said *h)
{
	bool syn = h->flags & SYN, any = h->ts || h->sacks || syn;

	if (h->icmp) {
		printf("// %.6f: an ICMP error\n", h->at_us / 1e6);
		return;
	}
	printf("%.6f > ", h->at_us / 1e6);
	script_flags(h->flags);
	printf(" %u:%u(%d)", h->seq, h->seq + h->len, h->len);
	if (h->flags & ACK)
		printf(" ack %u", h->ack);
	if (h->urg)
		printf(" urg %d", h->urg);
	if (any)
		printf(" <");
	if (syn)
		printf("mss %d", h->mss);
	if (syn && h->sackok)
		printf(h->ts ? ",sackOK" : ",nop,nop,sackOK");
	if (h->ts)
		printf("%sTS val %u ecr %u", syn ? h->sackok ? "," : ",nop,nop," : "nop,nop,", h->tsval,
		       h->tsecr);
	if (h->wscale >= 0)
		printf(",nop,wscale %d", h->wscale);
	if (h->sacks)
		printf("%snop,nop,sack", h->ts ? "," : "");
	for (int i = 0; i < h->sacks && i < 4; i++)
		printf(" %u:%u", h->sack[i].left, h->sack[i].right);
	printf("%s\n", any ? ">" : "");
}

static void script_syn_options(int row, const struct scene *s)
{
	static const char * const form[] = {
		"mss 1000", "mss 1000,sackOK,nop,nop", "mss 1000,sackOK,TS val %u ecr %u,nop,wscale 4",
		"mss 1000,nop,nop,TS val %u ecr %u,nop,wscale 0",
	};

	printf(" <");
	printf(form[row], s->tsval, s->ack ? s->tsecr : 0);
	printf(">");
}

static void script_segment(const struct episode *e, const struct act *a, const struct scene *s,
			   uint32_t received)
{
	bool ts = e->syn >= 2 && a->stamp != STAMP_NONE && !(a->flags & SYN);
	uint32_t tsval = s->tsval + (a->stamp == STAMP_OLD ? -200000 :
				     a->stamp == STAMP_AHEAD ? 1000 : 0);

	printf("%.6f < ", s->begin_us / 1e6);
	script_flags(a->flags);
	printf(" %u:%u(%d)", s->seq, s->seq + a->len, a->len);
	if (a->flags & ACK)
		printf(" ack %u", s->ack);
	printf(" win %d", a->wnd >= 0 ? a->wnd : 65535);
	if (a->urg)
		printf(" urg %d", a->urg);
	if (a->flags & SYN)
		script_syn_options(e->syn, s);
	else if (ts || a->sacks)
		printf(" <");
	if (ts)
		printf("nop,nop,TS val %u ecr %u", tsval, s->tsecr);
	if (a->sacks && !(a->flags & SYN))
		printf("%snop,nop,sack", ts ? "," : "");
	for (int i = 0; i < a->sacks && !(a->flags & SYN); i++)
		printf(" %u:%u", received + (uint32_t)a->sack[i].first,
		       received + (uint32_t)a->sack[i].end);
	printf("%s\n", (ts || a->sacks) && !(a->flags & SYN) ? ">" : "");
}

static void script_act(const struct episode *e, const struct act *a, const struct scene *s, int fd)
{
	char call[120];

	switch (a->kind) {
	case ACT_SEGMENT:
		script_segment(e, a, s, s->ack - (uint32_t)a->ack);
		return;
	case ACT_NOTHING:
		return;
	case ACT_ICMP:
	case ACT_CONNECT_NONE:
		printf("// %.6f: %s\n", s->begin_us / 1e6, episode_act_text(a, call, sizeof(call)));
		return;
	default:
		break;
	}
	printf("%.6f %s = %ld", s->begin_us / 1e6, episode_call_text(a, fd, call, sizeof(call)),
	       s->result);
	if (s->error)
		printf(" %s (%s)", strerrorname_np(s->error), strerror(s->error));
	putchar('\n');
}

static void script_head(const struct episode *e)
{
	char text[200];

	printf("// %s\n--tolerance_usecs=40000\n", episode_text(e, text, sizeof(text)));
	episode_print_commands(e, 0, 0);
	printf("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
	       "+0 setsockopt(3, SOL_SOCKET, SO_SNDBUF, [524288], 4) = 0\n");
	if (e->active)
		printf("+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
		       "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n");
	else
		printf("+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0\n"
		       "+0 bind(3, ..., ...) = 0\n+0 listen(3, 4) = 0\n");
}

void transcript_print_script(const struct transcript *t, const struct episode *e, int last)
{
	bool accepted = e->active;

	script_head(e);
	for (int i = 0; i <= last && i < t->scenes; i++) {
		const struct scene *s = &t->scene[i];
		bool before = !i && s->said_n && s->said[0].at_us < 1000;

		if (before)
			script_heard(&s->said[0]);
		if (i)
			episode_print_commands(e, i, s->begin_us / 1e6);
		script_act(e, &e->act[i], s, e->active ? 3 : 4);
		for (int j = before; j < s->said_n; j++)
			script_heard(&s->said[j]);
		if (s->accepted && !accepted)
			printf("%.6f accept(3, ..., ...) = 4\n+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n",
			       s->end_us / 1e6);
		accepted |= s->accepted;
	}
}
