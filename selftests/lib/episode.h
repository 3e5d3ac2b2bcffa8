/* SPDX-License-Identifier: GPL-2.0 */
/*
 * episode: the life of one connection, drawn from a seed: what its peer sends, what its
 * program calls, and the pauses between. hostile/differ plays the same episode to
 * several stacks.
 *
 * Numbers of segments are offsets from what the peer would send next and from what it has
 * received, so that one episode fits stacks with different initial sequence numbers.
 */
#ifndef SELFTESTS_LIB_EPISODE_H
#define SELFTESTS_LIB_EPISODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn.h"

#define EPISODE_ACTS 40
#define EPISODE_MSS 1000		/* the peer's, in each episode */

enum act_kind {
	ACT_NOTHING,			/* removed, or only a pause */
	ACT_SEGMENT, ACT_ICMP,
	ACT_WRITE, ACT_WRITE_MORE, ACT_WRITE_URGENT,
	ACT_READ, ACT_PEEK, ACT_SKIP, ACT_READ_URGENT,
	ACT_SHUTDOWN, ACT_CLOSE, ACT_SET, ACT_GET_ERROR, ACT_READ_ERRORS, ACT_CONNECT_NONE,
};

enum act_stamp { STAMP_NOW, STAMP_OLD, STAMP_AHEAD, STAMP_NONE };

struct act {
	enum act_kind kind;
	int pause_ms;			/* after it */
	/* ACT_SEGMENT */
	int flags;
	int seq, ack;			/* offsets from the next ones */
	int len, wnd, urg, tos;
	enum act_stamp stamp;
	int sacks;
	struct range sack[3];		/* below what the peer has received */
	/* ACT_ICMP */
	int type, code, mtu;
	int back;			/* it quotes a number so far below */
	/* calls: bytes, how, the row of the table of options */
	int what, value;
};

#define EPISODE_KNOBS 2		/* at most */

struct episode {
	uint64_t seed;
	bool active;			/* the kernel connects */
	bool still_listens;		/* the listener stays open beside the connection */
	bool cubic;			/* the congestion control is cubic, not reno */
	bool cookies;			/* the listener answers each SYN with a cookie */
	bool ecn;			/* the peer's SYN or SYN-ACK offers it */
	int syn;			/* row of the table of options of a SYN */
	int knobs;
	int knob[EPISODE_KNOBS];	/* rows of the table of knobs */
	int knob_act[EPISODE_KNOBS];	/* the act before which it is set; 0: the connection */
	int acts;
	struct act act[EPISODE_ACTS];
};

/*
 * At most @acts, EPISODE_ACTS or less. @wide: the episode of the same seed with more: ECN, SYN
 * cookies, knobs that change later, errors in the socket's queue and ICMP errors that quote
 * other numbers.
 */
void episode_draw(struct episode *e, uint64_t seed, int acts, bool wide);
/* Sets the episode's knobs in this namespace, or gives them the values of @before. */
void episode_set_knobs(const struct episode *e, long long before[EPISODE_KNOBS], bool on);
/* Sets those of the episode's knobs that change before an act. */
void episode_set_later(const struct episode *e, int act);
/* Does it give this knob another value than the default? */
bool episode_has_knob(const struct episode *e, const char *name);
/* One line that names all that is not an act. */
const char *episode_text(const struct episode *e, char *buf, size_t size);
/* The options of the peer's SYN. */
struct optbytes episode_syn_options(const struct episode *e);
/* What the program has written and read so far. */
struct episode_bytes {
	uint64_t written;		/* the pattern goes on from here */
	uint32_t read_hash;		/* of all that it has read */
};

/*
 * Does one act. @heard: the segment that an ICMP error quotes. Return: the result of its
 * call, -1 and errno; 0: it calls nothing.
 */
long episode_act(struct conn *c, const struct act *a, const struct segment *heard,
		 struct episode_bytes *bytes);
/* A call in packetdrill's language, on that descriptor of the script. */
const char *episode_call_text(const struct act *a, int fd, char *buf, size_t size);
/* Prints the commands that set the episode's knobs before an act, in that language. */
void episode_print_commands(const struct episode *e, int act, double at_s);
/* One line in the manner of packetdrill. */
const char *episode_act_text(const struct act *a, char *buf, size_t size);

#endif
