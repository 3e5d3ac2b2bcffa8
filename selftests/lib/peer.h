/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer: the other end of the wire, made by hand.
 *
 * A test gets a network namespace in which the kernel owns 10.0.0.1 on a tun device;
 * the test itself is 10.0.0.2 and all other hosts, and writes and reads whole IP
 * packets. No TCP answers for it, so silence and invalid segments are easy. Every
 * packet is kept in a trace, which is printed when the test fails.
 *
 * Sequence numbers here are absolute; conn.h has them relative.
 */
#ifndef SELFTESTS_LIB_PEER_H
#define SELFTESTS_LIB_PEER_H

#include <stdint.h>

#include "check.h"
#include "clock.h"
#include "segment.h"

/*
 * Timing of what the kernel sends by its own clock: never early, at most so much late.
 * The timing wheel of the kernel's TCP is coarser (peer.c widens these for it).
 */
#define LATE_MAX_NS (2 * NSEC_PER_MSEC)
/* An answer that no timer holds back comes within this. */
#define PROMPT_MS 10

#define PEER_PORT 40000		/* of the peer; each conn takes the next */
#define KERNEL_PORT 5000	/* that listeners listen on */

struct peer_setup {
	int family;		/* AF_INET or AF_INET6; 0: test_family() */
	int wire;		/* IP protocol; 0: that of stream_wire() */
	bool offload;		/* the device takes large segments of TCP */
};

#define TRACE_LINES 128
#define TRACE_WIDTH 224

struct peer {
	struct __test_metadata *test;
	int tun;
	int family, wire;
	struct ipaddr addr, kernel;	/* the peer's, the kernel's */
	uint16_t port, kport;		/* for a segment that names none */
	uint16_t next_port;
	int64_t start_ns;		/* zero of the trace */
	int64_t mark_ns;		/* zero of .at_ms */
	int64_t mark_late_ns;		/* it may be late by so much */
	bool offload;			/* see struct peer_setup */
	int gso_size;			/* of larger segments to be sent; 0: they are one */
	bool leave_unread;		/* at the end segments may be left unread */
	bool stock_may_speak;		/* and the kernel's TCP may have counted */
	bool no_trace;			/* segments are not traced: that takes time */
	struct segment last;		/* the last one read */
	int trace_n;
	char trace[TRACE_LINES][TRACE_WIDTH];
};

void peer_open_at(struct where at, struct peer *p, const struct peer_setup *setup);
/*
 * The end of each test: fails if a segment is left unread, if the kernel's TCP
 * counted one or if an event came that the lifecycle table does not know; adds
 * to the lifecycle log.
 */
void peer_close_at(struct where at, struct peer *p);

/* Sends a segment: peer_send(p, .flags = SYN, .seq = 1000, .opt = OPT(...)). */
#define peer_send(p, ...) \
	peer_send_at(WHERE((p)->test), p, SEGMENT_SPEC(__VA_ARGS__))
void peer_send_at(struct where at, struct peer *p, struct segment_spec spec);
/* Fills in what the spec leaves out; for tests that build, change and send. */
struct segment_spec peer_spec_complete(const struct peer *p, struct segment_spec spec);
#define peer_spec(p, ...) \
	peer_spec_complete(p, SEGMENT_SPEC(__VA_ARGS__))
#define peer_send_raw(p, packet, len) \
	peer_send_raw_at(WHERE((p)->test), p, packet, len)
void peer_send_raw_at(struct where at, struct peer *p, const void *packet, int len);

/*
 * The kernel's device refuses each further packet, because one of another protocol fills its
 * queue; and takes them again.
 */
#define peer_jam(p) \
	peer_jam_at(WHERE((p)->test), p)
void peer_jam_at(struct where at, struct peer *p);
#define peer_unjam(p) \
	netem_set(WHERE((p)->test), "tun0", &(struct netem){ 0 })

/* What a segment from the kernel must be; UNSET fields are not compared. */
struct segment_want {
	/* Compared with the peer's defaults unless given or ANYWHERE. */
	int64_t sport, dport;
	struct ipaddr src, dst;
	int64_t flags, seq, ack, wnd, urg;
	int64_t len;			/* bytes of payload; 0 if data isn't given */
	const void *data;		/* the payload, len bytes or to its '\0' */
	int64_t pattern;		/* the payload is the pattern from here on */
	int64_t ttl, tos;
	int64_t opt_len;
	int64_t mss, wscale;		/* ABSENT: without that option */
	int64_t sackok, ts, cookie, token; /* 1 there, 0 not */
	int64_t tsval, tsecr;
	int64_t accecn;			/* fields of Accurate ECN; ABSENT */
	int64_t e1b, ceb, e0b;		/* these fields; ABSENT */
	int64_t sacks;			/* number of blocks */
	struct sack_block sack[4];	/* compared up to sacks */
	/* Time: at_ms after the mark, exactly; else promptly or within_ms. */
	int64_t at_ms;
	int64_t within_ms;
};

#define ANYWHERE (-2)			/* sport, dport: any */
#define ABSENT (-1)

#define SEGMENT_WANT_UNSET \
	.sport = UNSET, .dport = UNSET, .flags = UNSET, .seq = UNSET, \
	.ack = UNSET, .wnd = UNSET, .urg = UNSET, .len = UNSET, \
	.pattern = UNSET, .ttl = UNSET, .tos = UNSET, .opt_len = UNSET, \
	.mss = UNSET, .wscale = UNSET, .sackok = UNSET, .ts = UNSET, \
	.cookie = UNSET, .token = UNSET, .accecn = UNSET, .e1b = UNSET, \
	.ceb = UNSET, .e0b = UNSET, \
	.tsval = UNSET, .tsecr = UNSET, .sacks = UNSET, .at_ms = UNSET, \
	.within_ms = UNSET
#define SEGMENT_WANT(...) \
	((struct segment_want){ SEGMENT_WANT_UNSET, ##__VA_ARGS__ })

/*
 * The next packet from the kernel is this one. Checksums are always verified, of one that
 * a device completes what it begins with; options must be well-formed. Returns it; valid until
 * the next is read.
 */
#define peer_expect(p, ...) \
	peer_expect_at(WHERE((p)->test), p, SEGMENT_WANT(__VA_ARGS__))
const struct segment *peer_expect_at(struct where at, struct peer *p,
				     struct segment_want want);

/* Reads the next packet before deadline_ns (clock.h), NULL: none came. */
const struct segment *peer_read(struct peer *p, int64_t deadline_ns);
/* Reads and drops whatever comes in the next ms. Returns how many. */
int peer_drain(struct peer *p, int64_t ms);

/* The kernel sends nothing for so long from now on, or until at_ms after the mark. */
#define peer_expect_silence(p, ms) \
	peer_expect_silence_at(WHERE((p)->test), p, \
			       now_ns() + (ms) * NSEC_PER_MSEC)
#define peer_expect_silence_until(p, at_ms) \
	peer_expect_silence_at(WHERE((p)->test), p, \
			       (p)->mark_ns + (at_ms) * NSEC_PER_MSEC)
void peer_expect_silence_at(struct where at, struct peer *p, int64_t until_ns);

/* .at_ms counts from now: set it before what starts the kernel's timer. */
void peer_mark(struct peer *p);
/* .at_ms counts from the last segment read: it is what started the timer. */
void peer_mark_last(struct peer *p);
/* Milliseconds since the mark. */
int64_t peer_elapsed_ms(const struct peer *p);
/* Sleeps until then; packets wait in the device. */
void peer_sleep_until(struct peer *p, int64_t at_ms);

/* How late an event may be that is due so long after the mark, in ns. */
int64_t peer_late_max_ns(int64_t delay_ns);
/* What a debug kernel's checks, or real time on a busy host, may add to it. */
int64_t peer_slack_ns(void);
/*
 * The guest's clock advances while programs compute. Loss probes, which are due after
 * two round trips of some ms, are off then, unless a test turns them on.
 */
bool peer_real_time(void);

/* poll() reports these events of fd at_ms after the mark, and none before. */
#define peer_expect_poll(p, fd, events, at_ms) \
	peer_expect_poll_at(WHERE((p)->test), p, fd, events, at_ms)
void peer_expect_poll_at(struct where at, struct peer *p, int fd, int events,
			 int64_t at_ms);

/* A listener on the kernel's side, non-blocking. */
int peer_listen_at(struct where at, struct peer *p, int port, int backlog);
#define peer_listen(p, port, backlog) \
	peer_listen_at(WHERE((p)->test), p, port, backlog)

/*
 * For a test of the native wire alone: uses it from now on, whatever the run's wire
 * is.
 */
void peer_go_native(struct peer *p);

/*
 * Makes xtcp answer for a port that nobody listens on. On the TCP wire it answers only
 * for ports that a socket of its own holds: here a bound one, until the test ends or
 * the returned fd is closed. On the native wire all ports are xtcp's; returns -1.
 */
int peer_hold_at(struct where at, struct peer *p, int port);
#define peer_hold(p, port) peer_hold_at(WHERE((p)->test), p, port)

/*
 * ICMP from the path or the peer, quoting a segment that the kernel sent. Over IPv6
 * the equivalent message, with an MTU 20 bytes larger; nothing for a source quench,
 * which IPv6 has not.
 */
#define ICMP_QUOTE_PADDED 128		/* with an extension: RFC 4884 says at least this */
#define ICMP_EXTENSION_MAX 80
struct icmp_spec {
	int type, code;
	struct ipaddr from;		/* default: the peer */
	const struct segment *quote;	/* default: the last one read */
	int64_t quote_seq;		/* instead of the quoted one's */
	int64_t quote_sport, quote_dport;
	int64_t quote_proto;
	int quote_len;			/* bytes of TCP header quoted, default 8 */
	uint32_t rest;			/* second word: next-hop MTU, gateway */
	bool bad_csum;
	const uint8_t *extension;	/* RFC 4884: what follows the padded quote */
	int extension_len;		/* bytes */
	bool v6;			/* type and code are ICMPv6's own */
};
#define peer_send_icmp(p, ...) \
	peer_send_icmp_at(WHERE((p)->test), p, (struct icmp_spec){ \
		.quote_seq = UNSET, .quote_sport = UNSET, .quote_dport = UNSET, \
		.quote_proto = UNSET, .quote_len = 8, ##__VA_ARGS__ })
void peer_send_icmp_at(struct where at, struct peer *p, struct icmp_spec spec);

/*
 * Whether Linux treats such an error as final, and the errno that it becomes, over the
 * family of the test run.
 */
bool icmp_is_final(int type, int code);
int icmp_errno(int type, int code);

/* A line of the test's own in the trace. */
void peer_note(struct peer *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void peer_trace_print(const struct peer *p);
/* Prints the trace and fails the test. */
__attribute__((noreturn, format(printf, 3, 4)))
void peer_fail(struct where at, struct peer *p, const char *fmt, ...);

#endif
