// SPDX-License-Identifier: GPL-2.0
/* episode: see episode.h. */
#define _GNU_SOURCE
#include "episode.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "draw.h"
#include "proc.h"
#include "socket.h"
#include "stream.h"

#define LENGTH(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define PICK(a) ((a)[draw(LENGTH(a))])

#define MSS EPISODE_MSS

struct optbytes episode_syn_options(const struct episode *e)
{
	switch (e->syn) {
	case 0:
		return OPT(OPT_MSS(MSS));
	case 1:
		return OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_NOP, OPT_NOP);
	case 2:
		return OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(4));
	default:
		return OPT(OPT_MSS(MSS), OPT_NOP, OPT_NOP, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(0));
	}
}

/* Options that both stacks must take in the same way. */
static const struct {
	const char *name;
	int level, option, values[4];
} settings[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, { 0, 1, 1, 1 } },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, { 0, 1, 1, 0 } },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, { 0, 1, 1, 0 } },
	{ "TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, { -1, 3, 0, 20 } },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, { 0, 900, 3000, 20000 } },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, { 1, 2, 5, 1 } },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, { 1, 2, 5, 1 } },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, { 1, 2, 3, 1 } },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, { 1, 1, 1, 0 } },
	{ "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, { 1, 1, 1, 0 } },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, { 1, 500, 2000, 100 } },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, { 1, 1000, 3000, 20000 } },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, { 500, 88, 1200, 40 } },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, { 1, 2, 3, 0 } },
	{ "TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, { 1, 1, 0, 1 } },
};

#define SET_LINGER LENGTH(settings)	/* beside the table: struct linger */
#define SET_RECVERR (SET_LINGER + 1)	/* and one of IP or IPv6 */

/* What a namespace may have in place of the default. */
static const struct {
	const char *name;
	int value;
} knobs[] = {
	{ "sack", 0 }, { "dsack", 0 }, { "timestamps", 0 }, { "window_scaling", 0 }, { "ecn", 1 },
	{ "fin_timeout", 2 }, { "retries2", 3 }, { "orphan_retries", 1 }, { "syn_retries", 1 },
	{ "synack_retries", 1 }, { "keepalive_time", 1 }, { "keepalive_intvl", 1 },
	{ "keepalive_probes", 2 }, { "rfc1337", 1 }, { "frto", 0 }, { "recovery", 0 },
	{ "slow_start_after_idle", 0 }, { "retrans_collapse", 0 }, { "stdurg", 1 },
	{ "abort_on_overflow", 1 }, { "thin_linear_timeouts", 1 }, { "reordering", 5 },
};

void episode_set_knobs(const struct episode *e, long long before[EPISODE_KNOBS], bool on)
{
	for (int i = 0; i < e->knobs; i++) {
		int row = e->knob[i];

		if (on)
			before[i] = knob_get(knobs[row].name);
		if (!on || !e->knob_act[i])
			knob_set(knobs[row].name, on ? knobs[row].value : before[i]);
	}
	if (e->cookies)
		knob_set("syncookies", on ? 2 : 1);
}

void episode_set_later(const struct episode *e, int act)
{
	for (int i = 0; i < e->knobs; i++)
		if (act && e->knob_act[i] == act)
			knob_set(knobs[e->knob[i]].name, knobs[e->knob[i]].value);
}

bool episode_has_knob(const struct episode *e, const char *name)
{
	for (int i = 0; i < e->knobs; i++)
		if (!strcmp(knobs[e->knob[i]].name, name))
			return true;
	return false;
}

const char *episode_text(const struct episode *e, char *buf, size_t size)
{
	size_t n = snprintf(buf, size, "%s, SYN options %d%s%s%s%s",
			    e->active ? "connect" : "listen", e->syn,
			    e->still_listens ? ", still listens" : "",
			    e->cubic ? ", cubic" : "", e->cookies ? ", cookies" : "",
			    e->ecn ? ", ECN" : "");

	for (int i = 0; i < e->knobs && n < size; i++) {
		n += snprintf(buf + n, size - n, ", %s=%d", knobs[e->knob[i]].name,
			      knobs[e->knob[i]].value);
		if (e->knob_act[i] && n < size)
			n += snprintf(buf + n, size - n, " before act %d", e->knob_act[i]);
	}
	return buf;
}

static int draw_pause(void)
{
	static const int pauses[] = { 0, 0, 60, 60, 60, 270, 270, 530, 1130, 4700, 31000 };

	return PICK(pauses);
}

/* What a peer without bad intentions sends. */
static void draw_honest(struct act *a)
{
	a->flags = ACK;
	if (chance(45))
		a->len = chance(50) ? MSS : 1 + draw(MSS);
	if (chance(12))
		a->flags |= FIN;
	if (a->len && chance(50))
		a->flags |= PSH;
}

/* The same with one or two things changed. */
static void draw_odd(struct act *a)
{
	static const int flags[] = {
		ACK, ACK, ACK, ACK, ACK, ACK, ACK | FIN, ACK | FIN, RST, RST | ACK, SYN, SYN | ACK,
		FIN, 0, ACK | URG, SYN | FIN, ACK | ECE,
	};
	static const int seqs[] = {
		-1, -1, 1, -MSS, MSS, 2 * MSS, -500, 500, -3 * MSS, 5 * MSS, 20000000, -20000000,
	};
	static const int acks[] = {
		-1, 1, -MSS, -2 * MSS, -3 * MSS, -500, MSS, 30000000, -30000000, -5 * MSS,
	};
	static const int windows[] = { 0, 0, 1, 500, MSS, 2 * MSS, 5000 };

	draw_honest(a);
	if (chance(40))
		a->flags = PICK(flags);
	if (chance(45))
		a->seq = PICK(seqs);
	if (chance(35))
		a->ack = PICK(acks);
	if (chance(20))
		a->wnd = PICK(windows);
	if (a->flags & URG)
		a->urg = draw(MSS);
	if (chance(15))
		a->stamp = draw(4);
}

/* Something is missing: an acknowledgement that stays, with or without SACK blocks. */
static void draw_hole(struct act *a)
{
	a->flags = ACK;
	a->ack = -(int)(1 + draw(6)) * MSS;
	if (chance(80)) {
		int end = chance(70) ? 0 : -MSS;

		a->sacks = 1 + draw(2);
		for (int i = 0; i < a->sacks; i++) {
			a->sack[i].end = end;
			a->sack[i].first = end - (chance(80) ? MSS : 700);
			end = a->sack[i].first - MSS;
		}
	}
}

static void draw_icmp(struct act *a)
{
	static const int codes[] = { 0, 1, 2, 3, 4, 4, 5, 9, 10, 13 };

	a->kind = ACT_ICMP;
	a->type = chance(85) ? 3 : 11;
	a->code = a->type == 3 ? PICK(codes) : 0;
	if (a->code == 4)
		a->mtu = chance(50) ? 800 : 1500;
}

static void draw_call(struct act *a)
{
	static const enum act_kind kinds[] = {
		ACT_WRITE, ACT_WRITE, ACT_WRITE, ACT_WRITE, ACT_WRITE, ACT_WRITE, ACT_WRITE_MORE,
		ACT_READ, ACT_READ, ACT_READ, ACT_READ, ACT_PEEK, ACT_SKIP, ACT_READ_URGENT,
		ACT_WRITE_URGENT, ACT_SHUTDOWN, ACT_SHUTDOWN, ACT_CLOSE, ACT_SET, ACT_SET,
		ACT_SET, ACT_GET_ERROR, ACT_CONNECT_NONE,
	};
	static const int sizes[] = { 1, 100, 100, MSS, MSS, 3 * MSS, 5 * MSS + 1, 9 * MSS };

	a->kind = PICK(kinds);
	switch (a->kind) {
	case ACT_WRITE:
	case ACT_WRITE_MORE:
	case ACT_READ:
	case ACT_PEEK:
	case ACT_SKIP:
		a->what = PICK(sizes);
		break;
	case ACT_WRITE_URGENT:
		a->what = 1 + draw(3);
		break;
	case ACT_SHUTDOWN:
		a->what = draw(3);
		break;
	case ACT_SET:
		a->what = draw(LENGTH(settings) + 1);
		a->value = a->what == SET_LINGER ? (int)draw(2) :
			   settings[a->what].values[draw(4)];
		break;
	case ACT_CONNECT_NONE:
		if (chance(70))
			a->kind = ACT_NOTHING;
		break;
	default:
		break;
	}
}

/* @holes: some acts are about losses. */
static void draw_act(struct act *a, bool holes)
{
	uint32_t n = draw(100);

	*a = (struct act){ .kind = ACT_SEGMENT, .wnd = -1, .pause_ms = draw_pause() };
	if (n < 34)
		draw_honest(a);
	else if (n < 52)
		draw_odd(a);
	else if (n < 60 && holes)
		draw_hole(a);
	else if (n < 63)
		draw_icmp(a);
	else
		draw_call(a);
}

/* The numbers that it takes. */
static int used(const struct act *a)
{
	return a->len + !!(a->flags & FIN);
}

/* What was sent in order comes again, as if our ACK was lost: the last of it, or the one before. */
static void draw_again(struct act *a, const struct act *acts, int n)
{
	int back = chance(75) ? 1 : 2, seq = 0, pause_ms = a->pause_ms;
	const struct act *again = NULL;

	while (back && n--) {
		const struct act *before = &acts[n];

		if (before->kind != ACT_SEGMENT || before->seq || !used(before) ||
		    before->flags & (SYN | RST))
			continue;
		seq -= used(before);
		again = before;
		back--;
	}
	if (!again)
		return;
	*a = *again;
	a->seq = seq;
	a->pause_ms = pause_ms;
}

/* The place behind the peer's FIN, as an offset from what it sends next. */
struct fin_place {
	bool any;
	int end;
};

/* After its FIN the peer sends ACKs, and what it has sent before: nothing that has a new number. */
static void end_at_fin(struct act *a, struct fin_place *fin)
{
	if (a->kind != ACT_SEGMENT)
		return;
	if (fin->any && (a->flags & URG || a->seq + a->len + !!used(a) > fin->end)) {
		a->flags &= ~(FIN | URG);
		a->len = 0;
	}
	if (!fin->any && a->flags & FIN && a->seq + used(a) > 0 && a->seq < 65536)
		*fin = (struct fin_place){ true, a->seq + used(a) };
	if (!a->seq)
		fin->end -= used(a);
}

/* ECN of one segment: RFC 3168's flags, and the field of the IP header. */
static void draw_ecn(struct act *a)
{
	static const int fields[] = { 2, 2, 2, 3, 3, 1, 0 };

	if (a->flags & SYN) {
		if (chance(85))
			a->flags |= a->flags & ACK ? ECE : ECE | CWR;
		return;
	}
	a->tos = PICK(fields);
	if (chance(12))
		a->flags |= ECE;
	if (chance(20))
		a->flags |= CWR;
}

static void widen_act(struct episode *e, struct act *a)
{
	static const int back[] = { 1, 500, MSS, 2 * MSS, 5 * MSS, 100000, -1, -MSS, -100000 };

	switch (a->kind) {
	case ACT_SEGMENT:
		if (e->ecn)
			draw_ecn(a);
		break;
	case ACT_ICMP:
		if (chance(50))
			a->back = PICK(back);
		break;
	case ACT_SET:
		if (chance(20)) {
			a->what = SET_RECVERR;
			a->value = chance(85);
		}
		break;
	case ACT_GET_ERROR:
	case ACT_PEEK:
		if (chance(50))
			a->kind = ACT_READ_ERRORS;
		break;
	default:
		break;
	}
}

static void widen(struct episode *e)
{
	e->cookies = !e->active && chance(25);
	e->ecn = chance(40);
	for (int i = 0; i < e->acts; i++)
		widen_act(e, &e->act[i]);
	for (int i = 0; i < e->knobs; i++)
		e->knob_act[i] = chance(50) ? 1 + draw(e->acts - 1) : 0;
}

void episode_draw(struct episode *e, uint64_t seed, int acts, bool wide)
{
	struct fin_place fin = { 0 };
	bool holes, ends;

	draw_seed(seed);
	/* One by one: the order in an initializer is the compiler's. */
	*e = (struct episode){ .seed = seed, .acts = acts, .cubic = seed % 2 };
	e->active = chance(40);
	e->syn = draw(4);
	e->still_listens = chance(30);
	e->knobs = chance(50) ? 1 + draw(EPISODE_KNOBS) : 0;
	/* Different ones, or the value from before would be lost. */
	for (int i = 0; i < e->knobs; i++)
		e->knob[i] = i ? (e->knob[0] + 1 + draw(LENGTH(knobs) - 1)) % LENGTH(knobs) :
			     draw(LENGTH(knobs));
	/* After a loss, and behind a FIN, stacks differ on purpose: see more elsewhere. */
	holes = chance(40);
	ends = chance(80);
	for (int i = 0; i < acts; i++) {
		draw_act(&e->act[i], holes);
		if (i && e->act[i].kind == ACT_SEGMENT && chance(8))
			draw_again(&e->act[i], e->act, i);
		if (ends)
			end_at_fin(&e->act[i], &fin);
	}
	/* Most handshakes go well: there is more to see behind them. */
	if (chance(85)) {
		e->act[0] = (struct act){ .kind = ACT_SEGMENT, .wnd = -1, .pause_ms = 60 };
		e->act[0].flags = e->active ? (chance(90) ? SYN | ACK : SYN) : SYN;
		if (!e->active || e->act[0].flags == SYN)
			e->act[1] = (struct act){
				.kind = ACT_SEGMENT, .wnd = -1, .flags = ACK, .pause_ms = 60,
			};
	}
	if (wide)
		widen(e);
}

static struct optbytes stamp(struct conn *c, enum act_stamp how)
{
	struct segment_spec usual = conn_spec(c, .flags = ACK);
	struct optbytes o = usual.opt;
	uint32_t tsval;

	if (!c->ts || how == STAMP_NOW)
		return o;
	if (how == STAMP_NONE)
		return (struct optbytes){ 0 };
	memcpy(&tsval, o.b + 4, 4);
	tsval = __builtin_bswap32(tsval) + (how == STAMP_OLD ? -200000 : 1000);
	tsval = __builtin_bswap32(tsval);
	memcpy(o.b + 4, &tsval, 4);
	return o;
}

static void add_sacks(struct conn *c, const struct act *a, struct optbytes *o)
{
	static const uint8_t head[] = { OPT_NOP, OPT_NOP, 5 };

	if (!a->sacks)
		return;
	memcpy(o->b + o->len, head, sizeof(head));
	o->len += sizeof(head);
	o->b[o->len++] = 2 + 8 * a->sacks;
	for (int i = 0; i < a->sacks; i++) {
		struct optbytes block = OPT(OPT_BE32(c->kern_nxt + (uint32_t)a->sack[i].first),
					    OPT_BE32(c->kern_nxt + (uint32_t)a->sack[i].end));

		memcpy(o->b + o->len, block.b, block.len);
		o->len += block.len;
	}
}

static void send_segment(struct conn *c, const struct act *a)
{
	struct segment_spec spec = SEGMENT_SPEC(.flags = a->flags, .urg = a->urg, .len = a->len,
						.tos = a->tos);

	if (a->seq)
		spec.seq = conn_peer_nxt(c) + a->seq;
	if (a->ack)
		spec.ack = conn_kern_nxt(c) + a->ack;
	if (a->wnd >= 0)
		spec.wnd = a->wnd;
	if (!(a->flags & SYN)) {
		spec.opt = stamp(c, a->stamp);
		add_sacks(c, a, &spec.opt);
		spec.no_opt = !spec.opt.len;
	}
	conn_send_at(WHERE(c->peer->test), c, spec);
}

static long set(int fd, const struct act *a)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (a->what == SET_RECVERR)
		return socket_set_ip(fd, IP_RECVERR, a->value);
	if (a->what == SET_LINGER) {
		linger.l_onoff = a->value;
		return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	return setsockopt(fd, settings[a->what].level, settings[a->what].option, &a->value,
			  sizeof(a->value));
}

static long write_pattern(int fd, int len, int flags, struct episode_bytes *bytes)
{
	static uint8_t buf[16 * MSS];
	long n;

	pattern_fill(buf, len, bytes->written);
	n = send(fd, buf, len, MSG_NOSIGNAL | flags);
	if (n > 0)
		bytes->written += n;
	return n;
}

static long read_hashed(int fd, int len, int flags, struct episode_bytes *bytes)
{
	static uint8_t buf[16 * MSS];
	long n = recv(fd, buf, len, flags);

	for (long i = 0; i < n; i++)
		bytes->read_hash = (bytes->read_hash ^ buf[i]) * 16777619;
	return n;
}

static long call(struct conn *c, const struct act *a, struct episode_bytes *bytes)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	uint8_t quoted[200];
	int fd = c->fd;

	switch (a->kind) {
	case ACT_WRITE:
		return write_pattern(fd, a->what, 0, bytes);
	case ACT_WRITE_MORE:
		return write_pattern(fd, a->what, MSG_MORE, bytes);
	case ACT_WRITE_URGENT:
		return write_pattern(fd, a->what, MSG_OOB, bytes);
	case ACT_READ:
		return read_hashed(fd, a->what, 0, bytes);
	case ACT_PEEK:
		return read_hashed(fd, a->what, MSG_PEEK, bytes);
	case ACT_SKIP:
		return recv(fd, NULL, a->what, MSG_TRUNC);
	case ACT_READ_URGENT:
		return read_hashed(fd, 1, MSG_OOB, bytes);
	case ACT_SHUTDOWN:
		return shutdown(fd, a->what);
	case ACT_CLOSE:
		close(fd);
		c->fd = -1;
		return 0;
	case ACT_SET:
		return set(fd, a);
	case ACT_GET_ERROR:
		return socket_error(fd);
	case ACT_READ_ERRORS:
		/* What an error quotes has numbers of its own in each stack. */
		return recv(fd, quoted, sizeof(quoted), MSG_ERRQUEUE);
	case ACT_CONNECT_NONE:
		return connect(fd, &none, sizeof(none));
	default:
		return 0;
	}
}

long episode_act(struct conn *c, const struct act *a, const struct segment *heard,
		 struct episode_bytes *bytes)
{
	errno = 0;
	if (a->kind == ACT_SEGMENT) {
		send_segment(c, a);
		return 0;
	}
	if (a->kind == ACT_ICMP) {
		if (heard->is_tcp)
			peer_send_icmp(c->peer, .type = a->type, .code = a->code, .rest = a->mtu,
				       .quote = heard, .quote_seq = a->back ?
				       (uint32_t)(heard->seq - a->back) : UNSET);
		return 0;
	}
	return c->fd >= 0 ? call(c, a, bytes) : 0;
}

static int flags_text(int flags, char *buf, size_t size)
{
	static const char letters[] = "FSRP.UEW";
	int n = 0;

	for (int i = 0; i < 8 && n + 1 < (int)size; i++)
		if (flags & 1 << i)
			buf[n++] = letters[i];
	buf[n] = '\0';
	return n;
}

static const char *segment_act_text(const struct act *a, char *buf, size_t size)
{
	static const char * const stamps[] = { "", ", old timestamp", ", timestamp ahead",
					       ", no timestamp" };
	char flags[10];
	size_t n;

	flags_text(a->flags, flags, sizeof(flags));
	n = snprintf(buf, size, "< %s next%+d(%d) ack all%+d", flags, a->seq, a->len, a->ack);
	if (a->wnd >= 0)
		n += snprintf(buf + n, size - n, " win %d", a->wnd);
	if (a->urg)
		n += snprintf(buf + n, size - n, " urg %d", a->urg);
	if (a->tos)
		n += snprintf(buf + n, size - n, " tos %d", a->tos);
	for (int i = 0; i < a->sacks; i++)
		n += snprintf(buf + n, size - n, " sack all%+d:all%+d", (int)a->sack[i].first,
			      (int)a->sack[i].end);
	snprintf(buf + n, size - n, "%s", stamps[a->stamp]);
	return buf;
}

const char *episode_act_text(const struct act *a, char *buf, size_t size)
{
	static const char * const calls[] = {
		[ACT_NOTHING] = "nothing", [ACT_WRITE] = "write", [ACT_WRITE_URGENT] = "send MSG_OOB",
		[ACT_WRITE_MORE] = "send MSG_MORE",
		[ACT_READ] = "read", [ACT_SKIP] = "recv MSG_TRUNC", [ACT_PEEK] = "recv MSG_PEEK", [ACT_READ_URGENT] = "recv MSG_OOB",
		[ACT_SHUTDOWN] = "shutdown", [ACT_CLOSE] = "close", [ACT_GET_ERROR] = "SO_ERROR",
		[ACT_READ_ERRORS] = "recv MSG_ERRQUEUE",
		[ACT_CONNECT_NONE] = "connect AF_UNSPEC",
	};

	switch (a->kind) {
	case ACT_SEGMENT:
		return segment_act_text(a, buf, size);
	case ACT_ICMP:
		snprintf(buf, size, "< icmp type %d code %d mtu %d quotes last%+d", a->type,
			 a->code, a->mtu, -a->back);
		return buf;
	case ACT_SET:
		snprintf(buf, size, "setsockopt %s %d",
			 a->what == SET_LINGER ? "SO_LINGER 0 s" : a->what == SET_RECVERR ?
			 "IP_RECVERR" : settings[a->what].name, a->value);
		return buf;
	default:
		snprintf(buf, size, "%s %d", calls[a->kind], a->what);
		return buf;
	}
}

const char *episode_call_text(const struct act *a, int fd, char *buf, size_t size)
{
	static const char * const hows[] = { "SHUT_RD", "SHUT_WR", "SHUT_RDWR" };
	static const char * const flags[] = {
		[ACT_WRITE_MORE] = "MSG_MORE", [ACT_WRITE_URGENT] = "MSG_OOB", [ACT_PEEK] = "MSG_PEEK",
		[ACT_SKIP] = "MSG_TRUNC", [ACT_READ_URGENT] = "MSG_OOB",
	};

	switch (a->kind) {
	case ACT_WRITE:
		snprintf(buf, size, "write(%d, ..., %d)", fd, a->what);
		break;
	case ACT_WRITE_MORE:
	case ACT_WRITE_URGENT:
		snprintf(buf, size, "send(%d, ..., %d, %s)", fd, a->what, flags[a->kind]);
		break;
	case ACT_READ:
		snprintf(buf, size, "read(%d, ..., %d)", fd, a->what);
		break;
	case ACT_PEEK:
	case ACT_SKIP:
	case ACT_READ_URGENT:
		snprintf(buf, size, "recv(%d, ..., %d, %s)", fd,
			 a->kind == ACT_READ_URGENT ? 1 : a->what, flags[a->kind]);
		break;
	case ACT_SHUTDOWN:
		snprintf(buf, size, "shutdown(%d, %s)", fd, hows[a->what % 3]);
		break;
	case ACT_SET:
		if (a->what == SET_LINGER)
			snprintf(buf, size, "setsockopt(%d, SOL_SOCKET, SO_LINGER, [%d, 0], 8)", fd,
				 a->value);
		else if (a->what == SET_RECVERR)
			snprintf(buf, size, "setsockopt(%d, SOL_IP, IP_RECVERR, [%d], 4)", fd,
				 a->value);
		else
			snprintf(buf, size, "setsockopt(%d, %s, %s, [%d], 4)", fd,
				 settings[a->what].level == SOL_SOCKET ? "SOL_SOCKET" : "IPPROTO_TCP",
				 settings[a->what].name, a->value);
		break;
	case ACT_GET_ERROR:
		snprintf(buf, size, "getsockopt(%d, SOL_SOCKET, SO_ERROR, ..., ...)", fd);
		break;
	case ACT_READ_ERRORS:
		snprintf(buf, size, "recv(%d, ..., %d, MSG_ERRQUEUE)", fd, MSS);
		break;
	default:
		snprintf(buf, size, "close(%d)", fd);
		break;
	}
	return buf;
}

void episode_print_commands(const struct episode *e, int act, double at_s)
{
	if (!act)
		printf("0 `sysctl -q net.ipv4.tcp_congestion_control=%s`\n"
		       "0 `sysctl -q net.ipv4.tcp_syncookies=%d`\n",
		       e->cubic ? "cubic" : "reno", e->cookies ? 2 : 1);
	for (int i = 0; i < e->knobs; i++)
		if (e->knob_act[i] == act)
			printf("%.6f `sysctl -q net.ipv4.tcp_%s=%d`\n", at_s,
			       knobs[e->knob[i]].name, knobs[e->knob[i]].value);
}
