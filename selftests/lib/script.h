/* SPDX-License-Identifier: GPL-2.0 */
/*
 * script: packet scripts in packetdrill's language, as far as it is about one TCP
 * connection.
 *
 *	0     socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
 *	+0    bind(3, ..., ...) = 0
 *	+0    listen(3, 1) = 0
 *	+0    < S 0:0(0) win 65535 <mss 1460>
 *	+0    > S. 0:0(0) ack 1 <mss 1460>
 *	+.1   < . 1:1(0) ack 1 win 65535
 *	+0    accept(3, ..., ...) = 4
 *	+.2~+.3 > ...
 *
 * "<" is a segment of the peer, ">" one that the kernel must send. A segment that is
 * expected without options has none, with <...> any; a window that is not given and
 * "..." in <TS val ... ecr 100,wscale ...> are not compared. selftests/README has the rest.
 *
 * The setting --recorded is for scripts of `xtcp record`, which play on stacks other than
 * the one that was recorded: PSH is not compared, and when segments without data and SACK
 * blocks come is not, but all that they acknowledge must be acknowledged in the end.
 *
 * scriptparse.c reads events, scriptcall.c makes calls, scriptassert.c evaluates
 * what is between %{ and }%, script.c does all of it in time.
 */
#ifndef SELFTESTS_LIB_SCRIPT_H
#define SELFTESTS_LIB_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.h"

#define SCRIPT_ARGS 8
#define SCRIPT_IOVECS 64
#define SCRIPT_CMSGS 2
#define SCRIPT_CMSG_FIELDS 6
#define SCRIPT_LIST 24
#define SCRIPT_FDS 32
#define SCRIPT_QUEUE 512

/* A control message: its data's fields in the script's order, or one number. */
struct script_cmsg {
	int level, type;
	int fields;
	int64_t field[SCRIPT_CMSG_FIELDS];
};

/* A struct msghdr: the lengths of its buffers, and what recvmsg() must leave in it. */
struct script_msg {
	int iovecs;
	int64_t iov_len[SCRIPT_IOVECS];
	int64_t flags;			/* UNSET: not given */
	bool any_control;		/* control messages are not compared */
	int cmsgs;
	struct script_cmsg cmsg[SCRIPT_CMSGS];
};

/* An argument of a call: "...", NULL, a number, "text", numbers in brackets, a message. */
struct script_arg {
	enum { ARG_ANY, ARG_NULL, ARG_NUMBER, ARG_TEXT, ARG_LIST, ARG_MSG } kind;
	int64_t number;
	int n;
	union {
		int64_t list[SCRIPT_LIST];
		struct script_msg msg;
	};
	char text[64];
};

struct script_call {
	char name[24];
	int n;
	struct script_arg arg[SCRIPT_ARGS];
	bool any_result;
	int64_t result;
	int error;			/* errno; 0: none named */
};

/* The bit left of CWR, AE of AccECN (RFC 9768), which a struct segment has in @reserved. */
#define SCRIPT_AE 0x100

struct script_segment {
	int flags;			/* with SCRIPT_AE */
	uint32_t seq, ack;
	int len;
	int64_t wnd;			/* UNSET: not given */
	int urg;
	int tos, tos_mask;		/* compared, or set, under the mask */
	int ttl;			/* 0: not given */
	bool any_options;
	bool any_stamp, any_wscale;	/* values of TS and wscale are not compared */
	struct optbytes opt;		/* numbers as the script has them */
};

struct script_icmp {
	int type, code;
	uint32_t mtu;
	uint32_t seq;
};

enum script_when { WHEN_ABSOLUTE, WHEN_RELATIVE, WHEN_ANY };
enum script_kind { EVENT_IN, EVENT_OUT, EVENT_ICMP, EVENT_CALL, EVENT_COMMAND, EVENT_CODE };

struct script_event {
	int line;
	const char *text, *end;		/* in the script */
	enum script_when when;
	int64_t at_ns;
	int64_t until_ns;		/* of a range; UNSET: none */
	int64_t returns_ns;		/* of a call that blocks; UNSET: it doesn't */
	enum script_kind kind;
	union {
		struct script_segment seg;
		struct script_icmp icmp;
		struct script_call call;
	};
	const char *body;		/* of a command or code: up to body_end */
	const char *body_end;
};

struct script {
	const char *path;
	char *text;			/* the whole text */
	const char *pos;
	int line;
	int64_t tolerance_ns;
	bool recorded;			/* --recorded */
	int mss;			/* --mss: larger segments consist of these; 0: not given */
	char error[160];		/* why it can't be read */
};

/* false: error says why. */
bool script_open(struct script *s, const char *path);
void script_close(struct script *s);
/* The next event; false at the end, or with error set. */
bool script_next(struct script *s, struct script_event *event);

/* The script's file descriptors and ours. */
struct script_fds {
	int live[SCRIPT_FDS];		/* -1: none */
	int last;			/* the latest socket that was made; -1: none */
	int64_t start_ns;		/* the script's zero, by now_ns() */
	int64_t tolerance_ns;		/* of the times in control messages */
};

/* Makes a call; -1 and errno as the call's. *why: how its output differs. */
long script_call(const struct script_call *call, struct script_fds *fds,
		 const struct peer *p, char *why, size_t size);
/* Checks "assert" lines against a socket's TCP_INFO. false: *why tells. */
bool script_assert(const char *text, const char *end, int fd, char *why, size_t size);

/*
 * Runs a script. Scripts of other people may leave segments unread at the end, and are
 * measured with packetdrill's tolerance.
 */
#define script_run(p, path) script_run_at(WHERE((p)->test), p, path)
void script_run_at(struct where at, struct peer *p, const char *path);

#endif
