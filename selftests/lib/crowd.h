/* SPDX-License-Identifier: GPL-2.0 */
/*
 * crowd: many processes at once, each with a role that it plays until time is up:
 * clients and servers that exchange random data, and whatever a test adds to disturb
 * them. They are processes, not threads, so that some of them can be killed. Every
 * byte that arrives is the one that was sent.
 *
 * Real time: XTCP_STRESS_S seconds (4 by default), and then as long as the connections
 * need to end.
 */
#ifndef SELFTESTS_LIB_CROWD_H
#define SELFTESTS_LIB_CROWD_H

#include <stdint.h>
#include <sys/types.h>

#include "check.h"
#include "draw.h"
#include "segment.h"

#define CROWD_PORT	7000		/* the first port of the servers */
#define CROWD_PORTS	4
#define CROWD_SETTLE_MS	60000
#define CROWD_PATIENCE_S 60
#define CROWD_HEARD	256		/* SYN-ACKs that injectors remember */

/*
 * A way to a server: family, wire, address. An IPv4 way follows the family of the test
 * run, like an address of ipaddr().
 */
struct way {
	int family;
	int wire;			/* XTCP_WIRE_*; 0: as the knob says */
	char server[40];
};

struct heard {
	struct ipaddr addr;
	uint16_t pport, kport;
	uint32_t seq, ack;
};

/* The memory that a test's processes share. */
struct crowd {
	_Atomic int64_t until_ns;
	/*
	 * The event for which the processes stay beyond their time, but no more than
	 * CROWD_PATIENCE_S longer; how soon it happens is up to chance and the host.
	 * NULL: none. Called by the test.
	 */
	bool (*purpose)(const struct crowd *c);
	struct way way[8];		/* [0]: IPv4, loopback, unless the test changes it */
	int ways;
	int talks;			/* connections of each client or server at a time */
	_Atomic bool stays_open;	/* no end closes a connection by itself */
	int tun;			/* where injectors write, or -1 */
	int ports;
	_Atomic int servers;		/* of each way: steady connections */
	_Atomic int opened, accepted, refused;
	_Atomic int error;		/* why the last one was refused */
	_Atomic int live_max;		/* rows in ESTABLISHED that were seen */
	_Atomic long bytes;
	_Atomic int wrong;		/* bytes that were not what was sent */
	_Atomic int unloaded;
	_Atomic unsigned int heard_nr;
	struct heard heard[CROWD_HEARD];
	int nr;
	pid_t pid[32];
};

typedef void (*role)(struct crowd *c);

struct crowd *crowd_new(void);
bool crowd_is_over(const struct crowd *c);
void rest_us(int us);
/* Plays a role in a new process, which dies with this one. */
pid_t role_fork(struct crowd *c, role play, uint32_t seed);
/* The same; the process is waited for. */
void role_start(struct crowd *c, role play);
/* All processes end, after the event; none of them saw a wrong byte. */
void crowd_wait(struct where at, struct crowd *c);
/* Only TIME-WAIT records are left, which hold nothing. */
void crowd_expect_settled(struct where at, int family);

/* Ends connections of this namespace by xtcp_kill: so many of a hundred. */
void crowd_kill_rows(int percent);
/* Orphans and others that wait for an answer give up soon in this namespace. */
void knobs_for_haste(void);

void role_clients(struct crowd *c);
void role_server(struct crowd *c);
/* Opens and closes its listeners. */
void role_restless_server(struct crowd *c);
/* Reads all files about connections while these come and go. */
void role_onlooker(struct crowd *c);

/* No connection was made: errno says why. */
void crowd_note_refusal(struct crowd *c);
/* A listener of the first way on one of the ports; -1: another one has the port. */
int listener_new(struct crowd *c, int backlog);
/* close(), or another way in which a listener ends. */
void listener_end(int fd);

/* A process that tries to unload the module, which must not succeed. */
void role_unloader(struct crowd *c);
/*
 * Unloads the module when sockets of killed processes have released it. 0 or the
 * errno.
 */
int crowd_unload(void);

#endif
