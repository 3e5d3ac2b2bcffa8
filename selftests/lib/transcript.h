/* SPDX-License-Identifier: GPL-2.0 */
/*
 * transcript: what one stack did during an episode, act by act, and the comparison of two
 * of them. Numbers are relative to each side's initial sequence number.
 */
#ifndef SELFTESTS_LIB_TRANSCRIPT_H
#define SELFTESTS_LIB_TRANSCRIPT_H

#include "episode.h"
#include "proc.h"

#define TRANSCRIPT_HEARD 48
#define TRANSCRIPT_TSVAL 100

struct said {
	int64_t at_us;			/* since the episode began */
	int flags, len;
	uint32_t seq, ack;
	int wnd;			/* bytes, scaled */
	int urg;			/* with URG */
	int tos;			/* ECN of the IP header among it */
	int mss, wscale;
	bool sackok, ts, wrong_data;
	bool broken;			/* malformed, or larger than the peer's MSS */
	bool wrong_tsval;		/* its clock does not go by time */
	uint32_t tsval;			/* the kernel's first is TRANSCRIPT_TSVAL */
	uint32_t tsecr;			/* relative to the peer's first timestamp */
	int sacks;
	struct sack_block sack[4];
	bool icmp;			/* no segment at all */
};

/* One act, and what was seen until the next. */
struct scene {
	int64_t begin_us, end_us;
	uint32_t seq, ack, tsval, tsecr;	/* of the peer's segment, numbers as above */
	long result;
	int error;
	int said_n;
	/* at the end of its pause: */
	bool accepted;			/* the program has the connection's socket */
	int poll, inq, outq;
	int recovery;			/* tcpi_ca_state */
	uint32_t cwnd, ssthresh;
	int state;			/* enum conn_state */
	uint32_t read_hash;
	/* the last member: only as many as there are are written */
	struct said said[TRANSCRIPT_HEARD];
};

struct transcript {
	int scenes;
	struct scene scene[EPISODE_ACTS];
	int wire;			/* XTCP_WIRE_... */
	struct counters moved;		/* by how much, until the last pause was over */
};

/* Of one process, which plays one connection after the other. */
struct player {
	struct peer *p;
	const struct episode *e;
	struct conn conn;
	struct episode_bytes bytes;
	int64_t start_ns;
	uint32_t heard_ack;		/* RCV.NXT as the kernel last told */
	uint32_t first_tsval;		/* the kernel's */
	int64_t first_ns;		/* when it came */
	struct segment last;		/* of the connection */
};

/* One stack, in the namespace of its process. */
struct stage {
	struct peer peer;
	struct player player;
	struct counters before;
	long long knobs[EPISODE_KNOBS];
	struct transcript transcript;
};

/*
 * What several processes play at the same time. It is the argument of inside_main() (inside.h),
 * which plays on @stage[number] once for each byte that it reads from @go, and then writes it to
 * @done; it returns when @go is closed.
 */
struct theatre {
	struct episode episode;
	uint16_t port;
	int64_t start_ns;
	struct stage stage[];
};

/* The first difference. @what is NULL if there is none. */
struct difference {
	int scene;
	const char *what;
	bool is_counter;		/* @what is its name; it may have moved in any scene */
};

/*
 * @what of no difference: a segment that xtcp sends again is due later in the kernel's TCP, whose
 * timers are late. What follows cannot be compared.
 */
#define TRANSCRIPT_LATE "late timers"

/* @stock: of the kernel's TCP, whose timers may be late. */
struct difference transcript_compare(const struct episode *e, const struct transcript *stock,
				     const struct transcript *ours);
/*
 * The first counter from *@next on that has moved otherwise; *@next is then behind it. None if
 * the last pause is too short to compare what came before its end.
 */
struct difference transcript_compare_counters(const struct transcript *stock,
					      const struct transcript *ours, int *next);
/*
 * Does the time of any segment with payload, SYN, FIN or RST differ up to and including scene
 * @last, or does only one stack send it?
 */
bool transcript_times_differ(const struct transcript *stock, const struct transcript *ours,
			     int last);
/* All of it, beside the acts, up to and including scene @last. */
void transcript_print(const struct transcript *t, const struct episode *e, int last);
/*
 * The same as a script for script/packetdrill. What the language can't say is in
 * comments. The timers of the kernel's TCP are late: a script of its transcript needs
 * a tolerance, or times of ours.
 */
void transcript_print_script(const struct transcript *t, const struct episode *e, int last);

#endif
