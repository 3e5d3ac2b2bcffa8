/* SPDX-License-Identifier: GPL-2.0 */
/*
 * crowd: many processes at once, each with a role that it plays until time is
 * up: clients and servers who talk as chance will have it, and whatever a test
 * adds to trouble them. They are processes, not threads, so that some of them
 * can be killed. Every byte that arrives is the one that was sent.
 *
 * Real time: XTCP_STRESS_S seconds (4 if not said), and then as long as the
 * connections need to end.
 */
#ifndef SELFTESTS_LIB_CROWD_H
#define SELFTESTS_LIB_CROWD_H

#include <stdint.h>
#include <sys/types.h>

#include "check.h"
#include "draw.h"
#include "segment.h"

#define CROWD_PORT	7000		/* the first of the servers' ports */
#define CROWD_PORTS	4
#define CROWD_SETTLE_MS	60000
#define CROWD_PATIENCE_S 60
#define CROWD_HEARD	256		/* SYN-ACKs that injectors remember */

/*
 * A way to a server: a family, a wire, an address. An IPv4 way is over what the test
 * runs over, as an address of ipaddr() is.
 */
struct way {
	int family;
	int wire;			/* XTCP_WIRE_*; 0: the knob's */
	char server[40];
};

struct heard {
	struct ipaddr addr;
	uint16_t pport, kport;
	uint32_t seq, ack;
};

/* What the processes of a test share. */
struct crowd {
	_Atomic int64_t until_ns;
	/*
	 * What is to come about, how soon is up to chance and the host: they stay until
	 * then, but no more than CROWD_PATIENCE_S longer. NULL: nothing. Asked by the test.
	 */
	bool (*purpose)(const struct crowd *c);
	struct way way[8];		/* [0]: IPv4, loopback, unless the test says else */
	int ways;
	int talks;			/* connections of each client or server at a time */
	_Atomic bool calm;		/* nobody ends a connection by himself */
	int tun;			/* where injectors write, or -1 */
	int ports;
	_Atomic int servers;		/* steady ones, of each way in turn */
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
/* Plays it in a new process, which dies with this one. */
pid_t role_fork(struct crowd *c, role play, uint32_t seed);
/* The same, to be waited for. */
void role_start(struct crowd *c, role play);
/* Everybody comes to an end, after what was the purpose; nobody was told nonsense. */
void crowd_wait(struct where at, struct crowd *c);
/* Only records in TIME-WAIT are left: they need nobody. */
void crowd_expect_settled(struct where at, int family);

/* Ends connections of this namespace by xtcp_kill: so many of a hundred. */
void crowd_kill_rows(int percent);
/* Orphans and others that wait for an answer give up soon in this namespace. */
void knobs_for_haste(void);

void role_clients(struct crowd *c);
void role_server(struct crowd *c);
/* Its listeners come and go. */
void role_restless_server(struct crowd *c);
/* Reads all there is to be read about connections while they come and go. */
void role_onlooker(struct crowd *c);

/* No connection came about: errno says why. */
void crowd_note_refusal(struct crowd *c);
/* A socket of that way, not blocking; -1: there is none to be had. */
int way_socket(const struct way *way);
/* A listener of the first way on one of the ports; -1: that is another's. */
int listener_new(struct crowd *c, int backlog);
/* close(), or one of the other ways in which a listener ends. */
void listener_end(int fd);

/* One that unloads the module, which must not succeed. */
void role_unloader(struct crowd *c);
/* Until the killed processes' sockets have let go of it. 0 or the errno. */
int crowd_unload(void);

#endif
