// SPDX-License-Identifier: GPL-2.0
/*
 * script: see script.h. Runs the events in time: each is sent, called or expected when
 * it is due, and whatever the kernel sends meanwhile is kept with its time.
 */
#define _GNU_SOURCE
#include "script.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"
#include "stream.h"

/* Timestamps that a script gives a number of its own. */
#define STAMPS 64

/* How long an ACK may wait for an answer of the program, at first: 40 ms. */
#define ACK_DELAY_MS	40

/* A call in a thread of its own, until it returns. */
struct blocked {
	pthread_t thread;
	bool running;
	struct script_event event;
	struct run *run;
	int64_t returned_ns;
	long result;
	int error;
	char why[96];
};

struct run {
	struct peer *p;
	struct where at;
	struct script script;
	struct script_fds fds;
	bool begun;
	int64_t start_ns;		/* the script's zero */
	int64_t last_ns;		/* when the event before this one was due */
	/* Offsets to add to the script's numbers: the peer's and the kernel's. */
	uint32_t peer_off, kern_off;
	bool peer_known, kern_known;
	/*
	 * The numbers of their SYNs in the script. Only segments with SYN count from them; in
	 * the others the byte after the SYN has number 1.
	 */
	uint32_t peer_isn, kern_isn;
	bool renewed;			/* a socket was made since */
	/* Of a recorded script: behind what the kernel has sent, and what it is to acknowledge. */
	uint32_t kern_top, ack_due;
	uint32_t acked;			/* by it, so far */
	struct {
		uint32_t script, live;
	} stamp[STAMPS];
	int stamps;
	struct blocked blocked;
	/* Sent by the kernel and not yet expected. */
	struct segment *queue[SCRIPT_QUEUE];
	int first, count;
	struct segment *sent;		/* the last one that was expected; quoted by ICMP */
};

__attribute__((noreturn, format(printf, 3, 4)))
static void lost(struct run *r, const struct script_event *e, const char *fmt, ...)
{
	int len = strcspn(e->text, "\n");
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	peer_fail(r->at, r->p, "%s:%d: %s\n#   at       %.*s", r->script.path, e->line, text,
		  e->end - e->text < len ? (int)(e->end - e->text) : len, e->text);
}

static struct segment *segment_copy(const struct segment *seg)
{
	struct segment *copy = malloc(sizeof(*copy));

	*copy = *seg;
	copy->data = copy->packet + (seg->data - seg->packet);
	return copy;
}

/* What the kernel has sent by then goes to the queue. */
static void listen_until(struct run *r, const struct script_event *e, int64_t until_ns)
{
	while (peer_read(r->p, until_ns)) {
		if (r->count == SCRIPT_QUEUE)
			lost(r, e, "more segments than can be kept");
		r->queue[(r->first + r->count++) % SCRIPT_QUEUE] = segment_copy(&r->p->last);
	}
}

/* The oldest one, or NULL if none comes by then. */
static struct segment *next_sent(struct run *r, int64_t until_ns)
{
	struct segment *seg;

	if (!r->count)
		return peer_read(r->p, until_ns) ? segment_copy(&r->p->last) : NULL;
	seg = r->queue[r->first];
	r->first = (r->first + 1) % SCRIPT_QUEUE;
	r->count--;
	return seg;
}

static uint32_t be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

static void put_be32(uint8_t *b, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		b[i] = v >> (24 - 8 * i);
}

/* The index of a number that the script gives to timestamps of the kernel; -1: not seen yet. */
static int stamp_find(const struct run *r, uint32_t script)
{
	for (int i = 0; i < r->stamps; i++)
		if (r->stamp[i].script == script)
			return i;
	return -1;
}

/* What to add to the numbers of the peer's, or the kernel's, in a segment with those flags. */
static uint32_t peer_base(const struct run *r, int flags)
{
	return r->peer_off + (flags & SYN ? 0 : r->peer_isn);
}

static uint32_t kern_base(const struct run *r, int flags)
{
	return r->kern_off + (flags & SYN ? 0 : r->kern_isn);
}

/*
 * Maps a timestamp of the kernel to the number that the script gives it. Ticks are 1 ms. A
 * script for packetdrill, which does not compare them, may give one number to several:
 * within its tolerance the first counts, else the last.
 */
static bool stamp_agrees(struct run *r, uint32_t script, uint32_t live)
{
	int i = stamp_find(r, script);

	if (i >= 0) {
		uint32_t known = r->stamp[i].live;

		if (known == live)
			return true;
		if (!r->p->leave_unread)
			return false;
		if (llabs((int32_t)(live - known)) * NSEC_PER_MSEC <= r->script.tolerance_ns)
			return true;
	} else if (r->stamps < STAMPS) {
		i = r->stamps++;
	} else {
		return true;
	}
	r->stamp[i].script = script;
	r->stamp[i].live = live;
	return true;
}

/*
 * Compares the echo of a timestamp, in ticks of 1 ms. Of a recorded script it may be a tick
 * newer, because the segment was made before the one that was captured ahead of it was
 * processed. It may also be older, because this stack still delays an ACK that the other one
 * had sent: meanwhile the echo stays (RFC 7323 4.3).
 */
static bool echo_agrees(const struct run *r, uint32_t want, uint32_t got)
{
	int32_t older = want - got;

	return !older || (r->script.recorded && older >= -1 && older <= ACK_DELAY_MS);
}

/* The script's options with the kernel's numbers in place of its own. */
static struct optbytes options_live(const struct run *r, struct optbytes opt)
{
	uint32_t live;
	int known;

	for (int i = 0; i < opt.len; i += opt.b[i] < 2 ? 1 : opt.b[i + 1]) {
		if (opt.b[i] == 8) {
			live = be32(opt.b + i + 6);
			known = stamp_find(r, live);
			if (known >= 0)
				live = r->stamp[known].live;
			else if (live && r->stamps)
				live += r->stamp[0].live - r->stamp[0].script;
			put_be32(opt.b + i + 6, live);
		}
		for (int j = 2; opt.b[i] == 5 && j < opt.b[i + 1]; j += 4)
			put_be32(opt.b + i + j, be32(opt.b + i + j) + kern_base(r, 0));
		if (opt.b[i] >= 2 && opt.b[i + 1] < 2)
			break;
	}
	return opt;
}

static bool option_agrees(struct run *r, const struct script_segment *seg, const uint8_t *want,
			  const uint8_t *got)
{
	if (want[0] != got[0])
		return false;
	if (want[0] < 2)
		return true;
	if (want[1] != got[1])
		return false;
	switch (want[0]) {
	case 3:
		return seg->any_wscale || want[2] == got[2];
	case 8:
		return echo_agrees(r, be32(want + 6), be32(got + 6)) &&
		       (seg->any_stamp || stamp_agrees(r, be32(want + 2), be32(got + 2)));
	case 5:
		for (int j = 2; j < want[1]; j += 4)
			if (be32(want + j) != be32(got + j) - peer_base(r, 0))
				return false;
		return true;
	default:
		return !memcmp(want, got, want[1]);
	}
}

/* Compared one by one, in the same order, to the last byte. */
static bool options_agree(struct run *r, const struct script_segment *seg,
			  const struct segment *got)
{
	const struct optbytes *want = &seg->opt;
	const uint8_t *opt = got->data - got->opt.len;
	int i = 0;

	while (i < want->len && i < got->opt.len) {
		if (!option_agrees(r, seg, want->b + i, opt + i))
			return false;
		i += want->b[i] < 2 ? 1 : want->b[i + 1];
	}
	return i == want->len && i == got->opt.len;
}

/*
 * A script may have several connections, one after the other: each begins with a SYN,
 * and has a port of its own at the peer.
 */
static void next_connection(struct run *r)
{
	for (; r->count; r->count--) {
		free(r->queue[r->first]);
		r->first = (r->first + 1) % SCRIPT_QUEUE;
	}
	r->p->port = ++r->p->next_port;
	r->peer_known = r->kern_known = r->renewed = false;
	r->peer_isn = r->kern_isn = 0;
	r->kern_top = r->ack_due = r->acked = 0;
	r->stamps = 0;
}

static void send_in(struct run *r, const struct script_event *e)
{
	const struct script_segment *s = &e->seg;
	struct segment_spec spec = SEGMENT_SPEC(.flags = s->flags & 0xff, .urg = s->urg,
						.reserved = s->flags & SCRIPT_AE ? 1 : 0,
						.len = s->len, .pattern = 0);

	if (r->renewed && (s->flags & (SYN | ACK)) == SYN)
		next_connection(r);

	if (s->flags & SYN && !r->peer_known) {
		r->peer_isn = s->seq;
		r->peer_known = true;
	}
	spec.seq = (uint32_t)(s->seq + peer_base(r, s->flags));
	if (s->flags & ACK || s->ack)
		spec.ack = (uint32_t)(s->ack + kern_base(r, s->flags));
	spec.wnd = s->wnd == UNSET ? 0 : s->wnd;
	spec.tos = s->tos;
	spec.ttl = s->ttl ?: 64;
	spec.opt = options_live(r, s->opt);
	peer_send_at(r->at, r->p, spec);
}

static void send_icmp(struct run *r, const struct script_event *e)
{
	if (!r->sent)
		lost(r, e, "no segment that could be quoted");
	peer_send_icmp_at(r->at, r->p, (struct icmp_spec){
		.type = e->icmp.type, .code = e->icmp.code, .rest = e->icmp.mtu,
		.quote = r->sent, .quote_seq = (uint32_t)(e->icmp.seq + kern_base(r, 0)),
		.quote_sport = UNSET, .quote_dport = UNSET, .quote_proto = UNSET,
		.quote_len = 8,
	});
}

static int64_t early_ns(const struct run *r)
{
	return stock_mode() ? r->script.tolerance_ns + 4 * NSEC_PER_MSEC :
			      r->script.tolerance_ns;
}

static int64_t late_ns(const struct run *r, int64_t delay_ns)
{
	int64_t late = peer_late_max_ns(delay_ns);

	return late > r->script.tolerance_ns ? late : r->script.tolerance_ns;
}

/* The first window of time in which it may come; ANY: the whole of it. */
static void expect_time(struct run *r, const struct script_event *e, int64_t due_ns,
			int64_t until_ns, int64_t when_ns)
{
	int64_t delay_ns = due_ns - r->last_ns;

	if (e->when == WHEN_ANY)
		return;
	if (when_ns < due_ns - early_ns(r) || when_ns > until_ns + late_ns(r, delay_ns))
		lost(r, e, "it came %.3f ms after the event before (expected %.3f)",
		     (when_ns - r->last_ns) / 1e6, delay_ns / 1e6);
}

/* The kernel's numbers begin at its SYN. */
static void learn(struct run *r, const struct script_segment *want,
		  const struct segment *got)
{
	if (!(want->flags & got->flags & SYN) || r->kern_known)
		return;
	r->kern_off = got->seq - want->seq;
	r->kern_isn = want->seq;
	r->kern_known = true;
	r->p->kport = got->sport;
}

/*
 * A script may show several segments as one large one: packetdrill puts together what
 * comes until that length is reached. FIN and PSH are those of the last.
 */
static void join_rest(struct run *r, const struct script_segment *want,
		      struct segment *got, int64_t until_ns)
{
	struct segment *next;

	while (got->is_tcp && got->len && got->len < want->len &&
	       !(got->flags & FIN) && (next = next_sent(r, until_ns))) {
		if (next->seq != got->seq + got->len || next->ack != got->ack ||
		    got->packet_len + next->len > PACKET_MAX) {
			r->first = (r->first + SCRIPT_QUEUE - 1) % SCRIPT_QUEUE;
			r->queue[r->first] = next;
			r->count++;
			return;
		}
		got->len += next->len;
		got->flags = (got->flags & ~PSH) | next->flags;
		free(next);
	}
}

/* Whether all that a segment does is to acknowledge. */
static bool is_pure_ack(const struct run *r, int flags, uint32_t seq, int len, bool sack)
{
	return flags == ACK && !len && !sack && seq == r->kern_top;
}

static bool has_sack(const struct optbytes *opt)
{
	for (int i = 0; i < opt->len; i += opt->b[i] < 2 ? 1 : opt->b[i + 1]) {
		if (opt->b[i] == 5)
			return true;
		if (opt->b[i] >= 2 && opt->b[i + 1] < 2)
			break;
	}
	return false;
}

static void note_acked(struct run *r, const struct segment *got)
{
	uint32_t ack = got->ack - peer_base(r, got->flags);

	if (got->flags & ACK && (int32_t)(ack - r->acked) > 0)
		r->acked = ack;
}

/* The next one that a recorded script compares. */
static struct segment *next_compared(struct run *r, int64_t until_ns)
{
	struct segment *got;

	while ((got = next_sent(r, until_ns)) && r->script.recorded && got->is_tcp &&
	       is_pure_ack(r, got->flags, got->seq - kern_base(r, 0), got->len, got->opt.sacks)) {
		note_acked(r, got);
		free(got);
	}
	return got;
}

/* At the end: all is acknowledged that was. Delayed ACKs may be on their way. */
static void expect_acked(struct run *r, const struct script_event *e)
{
	struct segment *got = NULL;

	while ((int32_t)(r->ack_due - r->acked) > 0) {
		got = next_compared(r, now_ns() + NSEC_PER_SEC / 4);
		if (got)
			break;
		if ((int32_t)(r->ack_due - r->acked) > 0)
			lost(r, e, "%u was never acknowledged, but %u", r->ack_due, r->acked);
	}
	if (!got)
		got = next_compared(r, now_ns());
	if (got && !r->p->leave_unread)
		lost(r, e, "the kernel sent more than was expected");
	free(got);
}

static void expect_out(struct run *r, const struct script_event *e, int64_t due_ns,
		       int64_t until_ns)
{
	const struct script_segment *want = &e->seg;
	int64_t patience_ns = e->when == WHEN_ANY ? now_ns() + 600 * NSEC_PER_SEC :
			      until_ns + late_ns(r, due_ns - r->last_ns) + NSEC_PER_SEC;
	struct segment *got;
	char text[TRACE_WIDTH];
	uint32_t seq, ack;
	int flags;

	if (r->script.recorded &&
	    is_pure_ack(r, want->flags, want->seq, want->len, has_sack(&want->opt))) {
		if ((int32_t)(want->ack - r->ack_due) > 0)
			r->ack_due = want->ack;
		return;
	}
	got = next_compared(r, patience_ns);
	if (!got)
		lost(r, e, "nothing was sent");
	join_rest(r, want, got, patience_ns - NSEC_PER_SEC);
	segment_text(got, text, sizeof(text));
	if (!got->is_tcp || !got->csum_ok || got->opt.malformed || got->reserved > 1)
		lost(r, e, "not a segment as it should be: %s", text);
	learn(r, want, got);
	seq = got->seq - kern_base(r, got->flags);
	ack = got->flags & ACK ? got->ack - peer_base(r, got->flags) : 0;
	flags = got->flags | (got->reserved ? SCRIPT_AE : 0);
	if (r->script.recorded && want->len)
		flags = (flags & ~PSH) | (want->flags & PSH);
	if (flags != want->flags || seq != want->seq || got->len != want->len ||
	    ack != want->ack || got->urg != want->urg ||
	    got->sport != r->p->kport || got->dport != r->p->port)
		lost(r, e, "got %u:%u(%d) ack %u: %s", seq, seq + got->len, got->len, ack, text);
	if (want->wnd != UNSET && want->wnd != got->wnd)
		lost(r, e, "win %u: %s", got->wnd, text);
	if ((want->tos ^ got->tos) & want->tos_mask)
		lost(r, e, "tos %#x: %s", got->tos, text);
	if (want->ttl && want->ttl != got->ttl)
		lost(r, e, "ttl %d: %s", got->ttl, text);
	if (!want->any_options && !options_agree(r, want, got))
		lost(r, e, "other options: %s", text);
	expect_time(r, e, due_ns, until_ns, got->when_ns);
	note_acked(r, got);
	seq += got->len + !!(got->flags & SYN) + !!(got->flags & FIN);
	if (!(got->flags & RST) && (int32_t)(seq - r->kern_top) > 0)
		r->kern_top = seq;
	free(r->sent);
	r->sent = got;
	if (e->when == WHEN_ANY || e->until_ns != UNSET)
		r->last_ns = got->when_ns;
}

static void expect_result(struct run *r, const struct script_event *e, long result,
			  int error, const char *why)
{
	const struct script_call *c = &e->call;

	if (why[0])
		lost(r, e, "%s", why);
	if (c->any_result)
		return;
	if (result != c->result)
		lost(r, e, "%s returned %ld (%s)", c->name, result,
		     result < 0 ? strerror(error) : "no error");
	if (c->error && error != c->error)
		lost(r, e, "%s", strerror(error));
}

static void *call_thread(void *arg)
{
	struct blocked *b = arg;

	b->result = script_call(&b->event.call, &b->run->fds, b->run->p, b->why,
				sizeof(b->why));
	b->error = errno;
	b->returned_ns = now_ns();
	return NULL;
}

/* A blocking call has returned, at the time that the script says. */
static void blocked_join(struct run *r)
{
	struct blocked *b = &r->blocked;
	int64_t due_ns = r->start_ns + b->event.returns_ns;
	struct timespec ts;

	if (!b->running)
		return;
	/*
	 * A call that blocks longer than that has hung; the harness's alarm is slower.
	 */
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 5;
	if (pthread_timedjoin_np(b->thread, NULL, &ts))
		lost(r, &b->event, "it blocks");
	b->running = false;
	expect_result(r, &b->event, b->result, b->error, b->why);
	if (b->returned_ns < due_ns - early_ns(r) ||
	    b->returned_ns > due_ns + late_ns(r, due_ns - r->start_ns))
		lost(r, &b->event, "it returned at %.3f ms (expected %.3f)",
		     (b->returned_ns - r->start_ns) / 1e6, b->event.returns_ns / 1e6);
}

/* connect() with AF_UNSPEC, after which the socket may have another connection. */
static bool call_dissolves(const struct script_call *c)
{
	return !strcmp(c->name, "connect") && c->arg[1].kind == ARG_NUMBER;
}

static bool call_connects(const struct script_call *c)
{
	return !strcmp(c->name, "connect") ||
	       (!strcmp(c->name, "sendto") && c->arg[3].number & MSG_FASTOPEN);
}

static void make_call(struct run *r, const struct script_event *e, int64_t base_ns)
{
	struct blocked *b = &r->blocked;
	char why[96] = "";
	long result;

	peer_note(r->p, "%.*s", (int)strcspn(e->text, "\n"), e->text);
	if (!strcmp(e->call.name, "socket") || call_dissolves(&e->call))
		r->renewed = r->kern_known;
	else if (r->renewed && call_connects(&e->call))
		next_connection(r);
	if (e->returns_ns == UNSET) {
		result = script_call(&e->call, &r->fds, r->p, why, sizeof(why));
		expect_result(r, e, result, errno, why);
		return;
	}
	blocked_join(r);
	*b = (struct blocked){ .event = *e, .run = r, .running = true };
	/* Time since the script's beginning. */
	b->event.returns_ns += base_ns - r->start_ns;
	if (pthread_create(&b->thread, NULL, call_thread, b))
		lost(r, e, "no thread");
}

/* A script's words, with the kernel's knobs and tables of sockets replaced by those of xtcp. */
static void knobs_named(char *out, size_t size, const char *text, const char *end)
{
	static const char folder[] = "/proc/sys/net/ipv4/", table[] = "/proc/net/tcp";
	size_t skip = sizeof(folder) - 1, n = 0;
	char path[128];

	while (text < end && n + sizeof(path) < size) {
		if (!strncmp(text, folder, skip) && !strncmp(text + skip, "tcp_", 4)) {
			snprintf(path, sizeof(path), "%sx%.*s", folder,
				 (int)strspn(text + skip, "abcdefghijklmnopqrstuvwxyz_"),
				 text + skip);
			n += snprintf(out + n, size - n, "%s%s", folder,
				      access(path, F_OK) ? "" : "x");
			text += skip;
		} else if (!strncmp(text, table, sizeof(table) - 1)) {
			n += snprintf(out + n, size - n, "/proc/net/x");
			text += strlen("/proc/net/");
		}
		out[n++] = *text++;
	}
	out[n] = '\0';
}

/* Run in the script's folder; bin/sysctl renames knobs, too. */
static void command(struct run *r, const struct script_event *e)
{
	static char text[8192], rest[4096], pid[16];
	int status;

	if (stock_mode())
		snprintf(rest, sizeof(rest), "%.*s", (int)(e->body_end - e->body), e->body);
	else
		knobs_named(rest, sizeof(rest), e->body, e->body_end);
	snprintf(text, sizeof(text), "cd \"$(dirname %s)\" && %s%s", r->script.path,
		 stock_mode() ? "" : "PATH=$XTCP_SCRIPT_BIN:$PATH\n", rest);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("PACKETDRILL_PID", pid, 1);
	status = system(text);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		lost(r, e, "status %#x", status);
}

static void code(struct run *r, const struct script_event *e)
{
	char why[128] = "it doesn't hold";

	if (!script_assert(e->body, e->body_end, r->fds.last, why, sizeof(why)))
		lost(r, e, "%s", why);
}

static void event(struct run *r, const struct script_event *e)
{
	int64_t base_ns = e->when == WHEN_ABSOLUTE ? r->start_ns : r->last_ns;
	int64_t due_ns = base_ns + (e->when == WHEN_ANY ? 0 : e->at_ns);
	int64_t until_ns = e->until_ns == UNSET ? due_ns : base_ns + e->until_ns;
	bool moves = e->when != WHEN_ANY && e->until_ns == UNSET;
	int64_t command_ns;

	if (e->kind == EVENT_OUT) {
		expect_out(r, e, due_ns, until_ns);
		if (moves)
			r->last_ns = due_ns;
		return;
	}
	listen_until(r, e, due_ns);
	/*
	 * This event may be what the call waits for, so only a call that is late has
	 * failed.
	 */
	if (r->blocked.running &&
	    now_ns() > r->start_ns + r->blocked.event.returns_ns + late_ns(r, 0))
		blocked_join(r);
	if (moves)
		r->last_ns = due_ns;
	switch (e->kind) {
	case EVENT_IN:
		send_in(r, e);
		break;
	case EVENT_ICMP:
		send_icmp(r, e);
		break;
	case EVENT_CALL:
		make_call(r, e, base_ns);
		break;
	case EVENT_COMMAND:
		command(r, e);
		/* Of the time that it took, half of what the next event may be late counts. */
		command_ns = now_ns() - r->script.tolerance_ns / 2;
		if (r->begun && moves && r->last_ns < command_ns)
			r->last_ns = command_ns;
		break;
	default:
		code(r, e);
	}
}

/* All of the script is read before anything is done. */
static void readable(struct run *r)
{
	struct script *s = &r->script;
	const char *first = s->pos;
	struct script_event e;
	int line = s->line;

	while (script_next(s, &e))
		;
	check(!s->error[0], r->at, "%s", s->error);
	s->pos = first;
	s->line = line;
}

void script_run_at(struct where at, struct peer *p, const char *path)
{
	static struct run run;
	struct run *r = &run;
	struct script_event e;

	memset(r, 0, sizeof(*r));
	r->at = at;
	r->p = p;
	r->fds.last = -1;
	for (int i = 0; i < SCRIPT_FDS; i++)
		r->fds.live[i] = -1;
	check(script_open(&r->script, path), at, "%s", r->script.error);
	p->gso_size = r->script.mss;
	r->fds.tolerance_ns = r->script.tolerance_ns;
	readable(r);
	/* Sequence numbers wrap once in a while. */
	r->peer_off = now_ns() * 2654435761U;
	while (script_next(&r->script, &e)) {
		/* Commands in front run before the script's time begins. */
		if (!r->begun && e.kind != EVENT_COMMAND) {
			r->start_ns = r->last_ns = r->fds.start_ns = now_ns();
			r->begun = true;
		}
		event(r, &e);
	}
	blocked_join(r);
	listen_until(r, &e, now_ns());
	if (r->script.recorded)
		expect_acked(r, &e);
	else if (r->count && !p->leave_unread)
		lost(r, &e, "the kernel sent more than was expected");
	free(r->sent);
	script_close(&r->script);
}
