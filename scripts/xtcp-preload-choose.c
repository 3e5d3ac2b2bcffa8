// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp-preload-choose.c - sockets of which listen() or connect() chooses the stack
 *
 * With --listen-only, --connect-only or --port the use of a socket decides, and only these
 * two calls show it. Until then the socket is the kernel's; what the program did to it is
 * remembered: its options and the epoll sets it is in. If it is to be xtcp's, an xtcp socket
 * takes over its descriptor, its options, its address, its flags and its places in epoll.
 *
 * What is not taken over: other descriptors of the socket (dup(), fork()) between socket()
 * and the choice, BPF filters, and options beyond the first OPTIONS. If the address was taken
 * on xtcp's side, listen() or connect() fails with EADDRINUSE.
 *
 * A record belongs to a descriptor. Whoever works with one takes it out of the table, so
 * that no lock is needed, also in a child after fork(). It is used only if the descriptor
 * still is the same socket, by its inode.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xtcp-preload.h"
#include "xtcp-run.h"

#define PORTS		65536
#define DESCRIPTORS	65536	/* of higher ones the stack is the kernel's */
#define OPTIONS		24
#define OPTION_LEN	32	/* bytes; longer ones are filters or keys */
#define EPOLLS		4

struct option {
	int level, name;
	socklen_t len;
	char value[OPTION_LEN];
};

struct place {
	int epoll;
	struct epoll_event event;
};

/* A socket that is not chosen yet. Freed when it is, or when its descriptor is used for
 * another one.
 */
struct undecided {
	ino_t inode;
	int family, type;
	bool is_bound;
	unsigned int options, places;
	struct option option[OPTIONS];
	struct place place[EPOLLS];
};

static struct undecided *_Atomic table[DESCRIPTORS];
static bool listeners = true, connections = true;	/* these may be xtcp's */
static unsigned char ports[PORTS / 8];			/* bit map; all are set: any port */

static struct undecided *take(int fd)
{
	if (fd < 0 || fd >= DESCRIPTORS || !atomic_load(&table[fd]))
		return NULL;
	return atomic_exchange(&table[fd], NULL);
}

static void put(int fd, struct undecided *u)
{
	free(atomic_exchange(&table[fd], u));
}

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* As take(), but only of a descriptor that still is this socket. */
static struct undecided *take_same(int fd)
{
	struct undecided *u = take(fd);

	if (u && u->inode != inode_of(fd)) {
		free(u);
		u = NULL;
	}
	return u;
}

static int open_undecided(int family, int type, int protocol)
{
	int fd = NEXT(socket)(family, type, protocol);
	struct undecided *u;

	if (fd < 0)
		return fd;
	free(take(fd));
	u = fd < DESCRIPTORS ? calloc(1, sizeof(*u)) : NULL;
	if (u) {
		u->inode = inode_of(fd);
		u->family = family;
		u->type = type & ~SOCK_CLOEXEC;
		put(fd, u);
	}
	return fd;
}

/* --- what the program does before the choice ------------------------------ */

/* Undecided sockets exist in this process. */
static bool is_used(void)
{
	return xtcp_preload_later;
}

/* Its value points to memory that may have changed until the choice. */
static bool is_filter(int level, int name)
{
	return level == SOL_SOCKET &&
	       (name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF);
}

__attribute__((visibility("default")))
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int rc = NEXT(setsockopt)(fd, level, name, value, len);
	struct undecided *u = !rc && is_used() ? take_same(fd) : NULL;

	if (!u)
		return rc;
	if (u->options < OPTIONS && len <= OPTION_LEN && !is_filter(level, name)) {
		struct option *o = &u->option[u->options++];

		o->level = level;
		o->name = name;
		o->len = len;
		memcpy(o->value, value, len);
	}
	put(fd, u);
	return rc;
}

__attribute__((visibility("default")))
int bind(int fd, const struct sockaddr *to, socklen_t len)
{
	int rc = NEXT(bind)(fd, to, len);
	struct undecided *u = !rc && is_used() ? take_same(fd) : NULL;

	if (u) {
		u->is_bound = true;
		put(fd, u);
	}
	return rc;
}

/* The places in epoll of a socket; one of the set @epoll is forgotten first. */
static void place(struct undecided *u, int epoll, const struct epoll_event *event)
{
	unsigned int i;

	for (i = 0; i < u->places && u->place[i].epoll != epoll; i++)
		;
	if (i < u->places)
		u->place[i] = u->place[--u->places];
	if (event && u->places < EPOLLS)
		u->place[u->places++] = (struct place){ epoll, *event };
}

__attribute__((visibility("default")))
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	int rc = NEXT(epoll_ctl)(epoll, op, fd, event);
	struct undecided *u = !rc && is_used() ? take_same(fd) : NULL;

	if (u) {
		place(u, epoll, op == EPOLL_CTL_DEL ? NULL : event);
		put(fd, u);
	}
	return rc;
}

/* --- the choice ----------------------------------------------------------- */

static void hand_over_options(const struct undecided *u, int to)
{
	unsigned int i;

	for (i = 0; i < u->options; i++)
		NEXT(setsockopt)(to, u->option[i].level, u->option[i].name,
				 u->option[i].value, u->option[i].len);
}

/* An xtcp socket takes the place of @fd, which is closed. False, with errno. */
static bool replace(int fd, const struct undecided *u)
{
	int flags = fcntl(fd, F_GETFL), on_exec = fcntl(fd, F_GETFD), saved;
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	unsigned int i;
	int new;

	if (u->is_bound && getsockname(fd, (struct sockaddr *)&own, &len))
		return false;
	new = xtcp_preload_open(u->family, u->type | SOCK_CLOEXEC);
	if (new < 0)
		return false;
	hand_over_options(u, new);
	fcntl(new, F_SETFL, flags);
	/* Now the kernel's port is free, which a socket of the TCP wire needs. */
	if (dup3(new, fd, on_exec & FD_CLOEXEC ? O_CLOEXEC : 0) < 0) {
		saved = errno;
		close(new);
		errno = saved;
		return false;
	}
	close(new);
	for (i = 0; i < u->places; i++) {
		struct epoll_event event = u->place[i].event;

		NEXT(epoll_ctl)(u->place[i].epoll, EPOLL_CTL_ADD, fd, &event);
	}
	return !u->is_bound || !NEXT(bind)(fd, (struct sockaddr *)&own, len);
}

static bool has_port(const struct sockaddr *address)
{
	unsigned int port = ntohs(address->sa_family == AF_INET6 ?
				  ((const struct sockaddr_in6 *)address)->sin6_port :
				  ((const struct sockaddr_in *)address)->sin_port);

	return ports[port / 8] & 1 << port % 8;
}

static bool own_port_is_chosen(int fd)
{
	struct sockaddr_storage own = { };
	socklen_t len = sizeof(own);

	return !getsockname(fd, (struct sockaddr *)&own, &len) && has_port((struct sockaddr *)&own);
}

/* False, with errno: it was to be replaced, and could not. */
static bool decide(int fd, struct undecided *u, bool chosen)
{
	bool good = !chosen || replace(fd, u);
	int saved = errno;

	free(u);
	errno = saved;
	return good;
}

__attribute__((visibility("default")))
int listen(int fd, int backlog)
{
	struct undecided *u = is_used() ? take_same(fd) : NULL;

	if (u && !decide(fd, u, listeners && own_port_is_chosen(fd)))
		return -1;
	return NEXT(listen)(fd, backlog);
}

__attribute__((visibility("default")))
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	bool is_internet = to && len >= sizeof(struct sockaddr_in) &&
			   (to->sa_family == AF_INET || to->sa_family == AF_INET6);
	struct undecided *u = is_internet && is_used() ? take_same(fd) : NULL;

	if (u && !decide(fd, u, connections && has_port(to)))
		return -1;
	return NEXT(connect)(fd, to, len);
}

/* --- the launcher's options ----------------------------------------------- */

static void read_ports(const char *list)
{
	unsigned long port;
	char *end;

	while (*list) {
		port = strtoul(list, &end, 10);
		if (end == list || port >= PORTS)
			return;
		ports[port / 8] |= 1 << port % 8;
		list = *end ? end + 1 : end;
	}
}

__attribute__((constructor))
static void read_options(void)
{
	const char *role = getenv(XTCP_RUN_ROLE), *list = getenv(XTCP_RUN_PORTS);

	if (role && *role) {
		listeners = !strcmp(role, "listen");
		connections = !listeners;
	}
	if (list && *list)
		read_ports(list);
	else
		memset(ports, 0xff, sizeof(ports));
	if ((role && *role) || (list && *list))
		xtcp_preload_later = open_undecided;
}
