/* SPDX-License-Identifier: GPL-2.0 */
/*
 * proc: the files of the stack under test: rows of /proc/net/xtcp, counters, lifecycle
 * counts, knobs. In stock mode the files of the kernel's TCP.
 */
#ifndef SELFTESTS_LIB_PROC_H
#define SELFTESTS_LIB_PROC_H

#include <limits.h>
#include <stdint.h>

#include "check.h"
#include "segment.h"

/* The numbers of the st column. */
enum {
	ROW_ESTABLISHED = 1, ROW_SYN_SENT, ROW_SYN_RECEIVED, ROW_FIN_WAIT_1,
	ROW_FIN_WAIT_2, ROW_TIME_WAIT, ROW_CLOSE, ROW_CLOSE_WAIT, ROW_LAST_ACK,
	ROW_LISTEN, ROW_CLOSING,
};

struct proc_row {
	char line[256];			/* as read, newline included */
	unsigned int slot;
	struct ipaddr local, remote;
	uint16_t lport, rport;
	unsigned int st;		/* ROW_... */
	unsigned int tx, rx;
	unsigned int timer;		/* 0 none, 1 retransmit, 2 keepalive, ... */
	unsigned long timer_cs;		/* 1/100 s left */
	unsigned int retrnsmt;
	unsigned int uid;
	unsigned int timeout;
	unsigned long inode;
	int ref;
	char ptr[20];
	bool full;			/* the five below are valid: a socket */
	unsigned int rto, ato, quick, cwnd;
	int ssthresh;
};

/*
 * The first row with these ports; *n, if not NULL, is the number of such rows. @rport
 * -1: any. Return: false if there is none.
 */
bool proc_row_find(struct proc_row *row, int family, int lport, int rport, int *n);
/* Rows in that state (0: all). */
int proc_rows(int family, unsigned int st);
/* Path of the state file of sockets of that family, as socket_family() has it. */
const char *proc_path(int family);
/*
 * Opens a file as a user without rights, who keeps it as root: what is allowed must not depend
 * on who reads or writes, which may be a setuid program. Return: the file, or -1 and errno.
 */
int proc_open_as_nobody(const char *path, int flags);

/* All counters of Tcp: and TcpExt: of this namespace. */
#define COUNTERS_MAX 256

struct counters {
	int n;
	struct counter {
		char name[40];
		long long value;
		bool ignored;
	} c[COUNTERS_MAX];
};

/* A number of /proc/net/snmp6; -1: it is not there. */
long long snmp6_counter(const char *name);

/* Instead of an exact delta: any, but at least one. */
#define MOVED INT_MIN

void counters_take(struct counters *c);
long long counter_get(const struct counters *c, const char *name);
/* counters_ignore(&before, "InSegs", "OutSegs", NULL) */
void counters_ignore(struct counters *before, ...) __attribute__((sentinel));
/* Counters that only tell that segments came and went, not what happened. */
void counters_ignore_traffic(struct counters *before);
/* counters_take(), then those are ignored. */
void counters_begin(struct counters *before);
/* By how much that counter has moved since. */
long long counter_moved(const struct counters *before, const char *name);
/*
 * counters_expect(_metadata, &before, "PassiveOpens", 1, NULL): these moved by exactly
 * so much since, and all others not at all, except ignored ones. Values are ints: cast
 * anything wider.
 */
void counters_expect_at(struct where at, const struct counters *before, ...)
	__attribute__((sentinel));
#define counters_expect(md, before, ...) \
	counters_expect_at(WHERE(md), before, __VA_ARGS__)

/*
 * The kernel's TCP in a namespace where only xtcp was used: every counter of events of
 * Tcp: in /proc/net/snmp is 0. Does nothing in stock mode.
 */
void stock_expect_silent_at(struct where at);
#define stock_expect_silent(md) stock_expect_silent_at(WHERE(md))

/* No event came in a state that the lifecycle table does not foresee. */
void lifecycle_expect_known_at(struct where at);

/*
 * The count of one row of the lifecycle table; -1 if there is none, or in stock mode.
 */
long long lifecycle_count(const char *from, const char *event, const char *to);
/* Appends this namespace's rows to the file that XTCP_LIFECYCLE_LOG names. */
void lifecycle_log(struct where at);

/* Knobs: net.ipv4.xtcp_NAME (tcp_NAME in stock mode). 0 or the errno. */
int knob_set_text(const char *name, const char *value);
int knob_set(const char *name, long long value);
int knob_get_text(const char *name, char *buf, size_t size);
/* LLONG_MIN if it can't be read. */
long long knob_get(const char *name);
bool knob_exists(const char *name);
/*
 * xtcp_mem, which the first namespace alone has. @old, if not NULL: the value
 * before, up to 64 bytes.
 */
void knob_mem_set(struct where at, const char *value, char *old);

#endif
