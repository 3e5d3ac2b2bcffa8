/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conn: one connection between the kernel and the peer, and the way into each state
 * of RFC 9293 3.3.2.
 *
 * Sequence numbers are relative as in a packetdrill script: each side's SYN is 0,
 * its first byte of data 1. conn_send() fills in the next numbers of both directions
 * by itself, and timestamps if they were agreed on.
 */
#ifndef SELFTESTS_LIB_CONN_H
#define SELFTESTS_LIB_CONN_H

#include "peer.h"

/* An ACK that the kernel may delay comes within this (MUST-40: 500 ms). */
#define DELAYED_ACK_MS 210

enum conn_state {
	ST_CLOSED, ST_LISTEN, ST_SYN_SENT,
	ST_SYN_RECEIVED,	/* a whole socket, by simultaneous open */
	ST_HALF_OPEN,		/* a listener's half-open record */
	ST_ESTABLISHED, ST_FIN_WAIT_1, ST_FIN_WAIT_2, ST_CLOSE_WAIT,
	ST_CLOSING, ST_LAST_ACK, ST_TIME_WAIT,
	ST_ORPHAN_FIN_WAIT_2,	/* closed by its program: a record */
	ST_COUNT,
};

const char *conn_state_name(enum conn_state st);

/* How a connection is made; what is left out has the default in brackets. */
struct conn_setup {
	bool active;			/* the kernel connects [listens] */
	bool orphan;			/* close(), not shutdown(), on the way */
	bool may_clash;			/* an older one may hold its port: no fd then */
	int64_t peer_iss;		/* [random] */
	int64_t pport;			/* the peer's port [the next free one] */
	int64_t kport;			/* the kernel's [KERNEL_PORT; ephemeral] */
	int64_t wnd;			/* the peer's, in its SYN [65535] */
	struct ipaddr peer_addr;	/* [the peer's] */
	struct optbytes opt;		/* of the peer's SYN [MSS 1460] */
	bool no_opt;			/* no option in the peer's SYN */
	int lfd;			/* an existing listener */
	int backlog;			/* of the listener to make [16] */
	void (*prepare)(int fd);	/* before listen() or connect() */
	int64_t rtt_ms;			/* before the peer answers [0] */
};

#define CONN_SETUP_UNSET \
	.peer_iss = UNSET, .pport = UNSET, .kport = UNSET, .wnd = UNSET, .lfd = -1

struct conn {
	struct peer *peer;
	int fd;				/* the connection's socket, -1: none */
	int lfd;			/* its listener, -1: none */
	struct ipaddr peer_addr;
	uint16_t pport, kport;
	uint32_t peer_iss, kern_iss;
	uint32_t peer_nxt;		/* next the peer will send */
	uint32_t kern_nxt;		/* next the peer expects */
	int wnd;			/* the peer's, as in the header */
	bool ts;			/* timestamps agreed on */
	uint32_t tsval_base, ts_recent;
	int64_t tsval_start_ns;
	int kern_wscale;		/* of the kernel's windows, 0 if not agreed */
	int seg_len;			/* bytes in a full segment of the kernel */
	struct segment_options kern_opt;	/* of the kernel's SYN or SYN-ACK */
	struct optbytes peer_opt;	/* of the peer's */
};

/* To ESTABLISHED, socket non-blocking: conn_open(p, &c, .active = true). */
#define conn_open(p, c, ...) conn_to_state(p, c, ST_ESTABLISHED, ##__VA_ARGS__)
/*
 * Brings a new connection to a state; every segment on the way is checked, none is
 * left over. In FIN-WAIT-1, CLOSING and LAST-ACK the kernel's FIN is unacknowledged.
 */
#define conn_to_state(p, c, st, ...) \
	conn_to_state_at(WHERE((p)->test), p, c, st, \
			 (struct conn_setup){ CONN_SETUP_UNSET, ##__VA_ARGS__ })
void conn_to_state_at(struct where at, struct peer *p, struct conn *c,
		      enum conn_state st, struct conn_setup setup);

/*
 * Parts of the way, for tests that stop in between. conn_start() fills in @c, and
 * makes the listener, or the socket and its connect().
 */
#define conn_start(p, c, ...) \
	conn_start_at(WHERE((p)->test), p, c, \
		      (struct conn_setup){ CONN_SETUP_UNSET, ##__VA_ARGS__ })
void conn_start_at(struct where at, struct peer *p, struct conn *c,
		   struct conn_setup setup);
/* Takes the ISN, port and options of the kernel's SYN or SYN-ACK into @c. */
void conn_learn(struct conn *c, const struct segment *syn);
#define conn_accept(c) conn_accept_at(WHERE((c)->peer->test), c)
int conn_accept_at(struct where at, struct conn *c);

/* From ESTABLISHED on; kernel and peer both idle. */
#define conn_advance(c, st, orphan) \
	conn_advance_at(WHERE((c)->peer->test), c, st, orphan)
void conn_advance_at(struct where at, struct conn *c, enum conn_state st, bool orphan);

/* The peer's clock: what TSval of its next segment is by default. */
uint32_t conn_tsval(const struct conn *c);

#define conn_send(c, ...) \
	conn_send_at(WHERE((c)->peer->test), c, SEGMENT_SPEC(__VA_ARGS__))
void conn_send_at(struct where at, struct conn *c, struct segment_spec spec);
/* The same with absolute numbers and ports filled in, not sent. */
struct segment_spec conn_spec_complete(struct conn *c, struct segment_spec spec);
#define conn_spec(c, ...) \
	conn_spec_complete(c, SEGMENT_SPEC(__VA_ARGS__))

/* Bytes of a direction: { the first, the one behind the last }. */
struct range {
	int64_t first, end;
};

/* An array of ranges and its length, as two arguments. */
#define RANGES(...) \
	(struct range[]){ __VA_ARGS__ }, \
	(int)(sizeof((struct range[]){ __VA_ARGS__ }) / sizeof(struct range))

/* An ACK whose SACK blocks report these ranges: conn_send_sack(c, 1, { 1001, 2001 }). */
#define conn_send_sack(c, ack, ...) \
	conn_send_sack_at(WHERE((c)->peer->test), c, ACK, ack, RANGES(__VA_ARGS__))
void conn_send_sack_at(struct where at, struct conn *c, int flags, int64_t ack,
		       const struct range *ranges, int count);

/* The program writes so many bytes of the pattern, in one call that takes all of them. */
#define conn_write(c, bytes) conn_write_at(WHERE((c)->peer->test), c, bytes)
void conn_write_at(struct where at, struct conn *c, int bytes);

/* Another connection, which uses up the MiB that each CPU may have before xtcp_mem counts. */
#define conn_hoard(p, hog) conn_hoard_at(WHERE((p)->test), p, hog)
void conn_hoard_at(struct where at, struct peer *p, struct conn *hog);

#define conn_expect(c, ...) \
	conn_expect_at(WHERE((c)->peer->test), c, SEGMENT_WANT(__VA_ARGS__))
const struct segment *conn_expect_at(struct where at, struct conn *c,
				     struct segment_want want);

/* Relative numbers of now: what the peer sends next, and expects next. */
static inline int64_t conn_peer_nxt(const struct conn *c)
{
	return (uint32_t)(c->peer_nxt - c->peer_iss);
}

static inline int64_t conn_kern_nxt(const struct conn *c)
{
	return (uint32_t)(c->kern_nxt - c->kern_iss);
}

/* The right edge of the window that the kernel's last segment offered, relative. */
static inline int64_t conn_edge(const struct conn *c)
{
	return (uint32_t)(c->peer->last.ack - c->peer_iss) +
	       ((int64_t)c->peer->last.wnd << c->kern_wscale);
}

/* Reads all that has arrived, without waiting. Returns how many bytes it was. */
int64_t conn_read_all(struct conn *c);

/*
 * By /proc/net/xtcp; ST_CLOSED if no row has this 4-tuple, and no listener's row is
 * c's.
 */
enum conn_state conn_state(const struct conn *c);
#define conn_expect_state(c, st) conn_expect_state_at(WHERE((c)->peer->test), c, st)
void conn_expect_state_at(struct where at, const struct conn *c, enum conn_state st);

/* From one state to the other at_ms after the peer's mark, not before. */
#define conn_expect_move(c, from, to, at_ms) \
	conn_expect_move_at(WHERE((c)->peer->test), c, from, to, at_ms)
void conn_expect_move_at(struct where at, const struct conn *c,
			 enum conn_state from, enum conn_state to, int64_t at_ms);

/*
 * The MSS that a SYN without an MSS option stands for (MUST-15): 536, or over IPv6
 * 1220.
 */
int mss_default(void);

/* SO_ERROR, which clears it. */
int socket_error(int fd);
/* Return: the events that hold now. */
int socket_poll(int fd);
/* setsockopt() of an int. Return: 0 or the errno. */
int socket_set(int fd, int level, int option, int value);

/* The part of TCP_INFO that tests ask for. */
struct socket_info {
	uint32_t rto_us, srtt_us, rttvar_us, ato_us;
	uint32_t cwnd, ssthresh;	/* segments */
	uint32_t snd_mss, rcv_mss, advmss, pmtu;
	uint32_t unacked, retransmits, probes, total_retrans;
	int recovery;			/* TCP_CA_Open and so on */
};

struct socket_info socket_info_at(struct where at, int fd);
#define conn_info(c) socket_info_at(WHERE((c)->peer->test), (c)->fd)

/* All of TCP_INFO, for a test that includes <linux/tcp.h> or <netinet/tcp.h>. */
#define socket_tcp_info(md, fd) ({ \
	struct tcp_info info_ = { 0 }; \
	socket_read_tcp_info_at(WHERE(md), fd, &info_, sizeof(info_)); \
	info_; \
})
#define conn_tcp_info(c) socket_tcp_info((c)->peer->test, (c)->fd)
/* tcpi_rehash: how often the flow's hash has changed; -1: the kernel's TCP has no such field */
int conn_rehashes(const struct conn *c);
void socket_read_tcp_info_at(struct where at, int fd, void *info, int size);

#endif
