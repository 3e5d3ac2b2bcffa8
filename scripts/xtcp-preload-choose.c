// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp-preload-choose.c - sockets of which listen() or connect() chooses the stack
 *
 * With --listen-only, --connect-only or --port the use of a socket decides, and only these
 * two calls show it. Until then the socket is the kernel's; what the program did to it is
 * remembered: its options and the epoll sets it is in. If it is to be xtcp's, an xtcp socket
 * takes over its descriptor, its options, its address, its flags and its places in epoll.
 * bind() replaces it already if the kernel's TCP refuses an address that xtcp may have.
 *
 * What is not taken over: other descriptors of the socket (dup(), fork()) between socket()
 * and the choice, BPF filters, options of more than OPTION_LEN bytes or beyond the first
 * OPTIONS, and what xtcp refuses. The user is told of an option once; without a vital one
 * listen() or connect() fails, and so it does without its owner or in another network namespace
 * than socket(). If the address was taken on xtcp's side, they fail with EADDRINUSE.
 *
 * A record belongs to a descriptor. Whoever works with one leaves a mark in its place in the
 * table, for which other threads wait: what a thread does to the socket, and what the choice
 * takes over, come one after the other. The mark names its thread, so that nobody waits for
 * one that has gone, as in a child after fork(). A record is used only if the descriptor still
 * is the same socket, by its inode.
 *
 * With these options socket(), connect() and listen() must not be called in a signal handler:
 * they allocate and free memory.
 */
#define _GNU_SOURCE
#undef _TIME_BITS	/* plain names are meant: see XTCP_PRELOAD_TIME64 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "xtcp-preload.h"
#include "xtcp-run.h"

#define PORTS		65536
#define DESCRIPTORS	65536	/* of higher ones the stack is the kernel's */
#define OPTIONS		24
#define EPOLLS		4

/* In bytes. 40 are the longest that xtcp has: IP's own options, and what many programs give
 * for SO_BINDTODEVICE. Longer ones are keys.
 */
#define OPTION_LEN	sizeof(struct ifreq)

#ifndef SO_NETNS_COOKIE		/* not in older C libraries */
#define SO_NETNS_COOKIE	71
#endif

/* From Linux 6.7 on; older C libraries don't have the names. */
#define TCP_AO_FIRST	38	/* TCP_AO_ADD_KEY */
#define TCP_AO_LAST	42	/* TCP_AO_REPAIR */

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
 * another one. @has_tried: the kernel has tried to connect it, and may have chosen a port for
 * that. @has_moved: it is xtcp's already, but still lacks its address, @own; or bind() has
 * moved it, and it has one: @has_moved_early.
 */
struct undecided {
	ino_t inode;
	int family, type;
	bool is_bound, has_tried, has_dropped, has_moved, has_moved_early;
	struct sockaddr_storage own;
	socklen_t own_len;
	unsigned int options, places;
	struct option option[OPTIONS];
	int dropped_level, dropped_name;	/* an option that is not among them */
	struct place place[EPOLLS];
};

static struct undecided *_Atomic table[DESCRIPTORS];
static bool listeners = true, connections = true;	/* these may be xtcp's */
static unsigned char ports[PORTS / 8];			/* bit map; all are set: any port */

/* An odd number, which no pointer is. */
static struct undecided *mark_of(pid_t thread)
{
	return (struct undecided *)((uintptr_t)thread << 1 | 1);
}

static bool is_mark(const struct undecided *u)
{
	return (uintptr_t)u & 1;
}

/* Its thread is another one of this process. A signal handler does not wait for its own. */
static bool is_to_wait_for(const struct undecided *mark)
{
	pid_t thread = (uintptr_t)mark >> 1;
	int saved = errno;
	bool is = thread != syscall(SYS_gettid) && !syscall(SYS_tgkill, getpid(), thread, 0);

	errno = saved;
	return is;
}

/* Not sched_yield(): the other thread may have a lower priority, or sleep. */
static void rest(void)
{
	struct timespec moment = { .tv_nsec = 20000 };
	int saved = errno;

	nanosleep(&moment, NULL);
	errno = saved;
}

/* The record, with this thread's mark in its place until put(). */
static struct undecided *take(int fd)
{
	struct undecided *u, *own;

	if (fd < 0 || fd >= DESCRIPTORS || !atomic_load(&table[fd]))
		return NULL;
	own = mark_of(syscall(SYS_gettid));
	while ((u = atomic_load(&table[fd]))) {
		if (!is_mark(u)) {
			if (atomic_compare_exchange_strong(&table[fd], &u, own))
				return u;
		} else if (is_to_wait_for(u)) {
			rest();
		} else {
			return NULL;
		}
	}
	return NULL;
}

/* @u: what was taken, or NULL if that is not needed any more. */
static void put(int fd, struct undecided *u)
{
	atomic_store(&table[fd], u);
}

static void forget(int fd, struct undecided *u)
{
	if (u)
		put(fd, NULL);
	free(u);
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
		forget(fd, u);
		u = NULL;
	}
	return u;
}

/* That socket's record: meanwhile another thread may have closed it, and opened another one. */
static void forget_socket(int fd, ino_t inode)
{
	struct undecided *u = take(fd);

	if (u && u->inode == inode)
		forget(fd, u);
	else if (u)
		put(fd, u);
}

static int open_undecided(int family, int type, int protocol)
{
	int fd = NEXT(socket)(family, type, protocol);
	struct undecided *u;

	if (fd < 0)
		return fd;
	forget(fd, take(fd));
	if (fd >= DESCRIPTORS)
		return fd;
	u = calloc(1, sizeof(*u));
	if (!u) {
		/* Without a record it would stay the kernel's, unnoticed. */
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	u->inode = inode_of(fd);
	u->family = family;
	u->type = type & ~SOCK_CLOEXEC;
	put(fd, u);
	return fd;
}

/* --- what the program does before the choice ------------------------------ */

/* Undecided sockets exist in this process. */
static bool is_used(void)
{
	return xtcp_preload_later;
}

/*
 * Its value is a pointer or a descriptor, which may mean something else by the time the socket is
 * replaced.
 */
static bool is_filter(int level, int name)
{
	if (level != SOL_SOCKET)
		return false;
	switch (name) {
	case SO_ATTACH_FILTER:
	case SO_ATTACH_BPF:
	case SO_ATTACH_REUSEPORT_CBPF:
	case SO_ATTACH_REUSEPORT_EBPF:
		return true;
	default:
		return false;
	}
}

/* The program relies on it for its security: without it segments would leave by another
 * device or route, unencrypted or unsigned.
 */
static bool is_vital(int level, int name)
{
	switch (level) {
	case SOL_SOCKET:
		return name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX || name == SO_MARK;
	case IPPROTO_IP:
		return name == IP_XFRM_POLICY || name == IP_IPSEC_POLICY;
	case IPPROTO_IPV6:
		return name == IPV6_XFRM_POLICY || name == IPV6_IPSEC_POLICY;
	case IPPROTO_TCP:
		return name == TCP_MD5SIG || name == TCP_MD5SIG_EXT ||
		       (name >= TCP_AO_FIRST && name <= TCP_AO_LAST);
	default:
		return false;
	}
}

static void add_option(struct undecided *u, int level, int name, const void *value,
		       socklen_t len)
{
	struct option *o = &u->option[u->options++];

	o->level = level;
	o->name = name;
	o->len = len;
	memcpy(o->value, value, len);
}

/* One of them is enough for a message; a vital one counts. */
static void drop_option(struct undecided *u, int level, int name)
{
	if (u->has_dropped && is_vital(u->dropped_level, u->dropped_name))
		return;
	u->has_dropped = true;
	u->dropped_level = level;
	u->dropped_name = name;
}

static void note_option(struct undecided *u, int level, int name, const void *value,
			socklen_t len)
{
	if (u->options < OPTIONS && len <= OPTION_LEN && !is_filter(level, name))
		add_option(u, level, name, value, len);
	else
		drop_option(u, level, name);
}

static int set_option(__typeof__(&setsockopt) next, int fd, int level, int name,
		      const void *value, socklen_t len)
{
	struct undecided *u = is_used() ? take_same(fd) : NULL;
	int rc = next(fd, level, name, value, len);

	if (u) {
		if (!rc)
			note_option(u, level, name, value, len);
		put(fd, u);
	}
	return rc;
}

__attribute__((visibility("default")))
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return set_option(NEXT(setsockopt), fd, level, name, value, len);
}

#if XTCP_PRELOAD_TIME64
__attribute__((visibility("default")))
int __setsockopt64(int fd, int level, int name, const void *value, socklen_t len)
{
	return set_option(NEXT(__setsockopt64), fd, level, name, value, len);
}
#endif

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
	struct undecided *u = is_used() ? take_same(fd) : NULL;
	int rc = NEXT(epoll_ctl)(epoll, op, fd, event);

	if (u) {
		if (!rc)
			place(u, epoll, op == EPOLL_CTL_DEL ? NULL : event);
		put(fd, u);
	}
	return rc;
}

/* --- the choice ----------------------------------------------------------- */

/* xtcp's socket will lack this option, for the reason @err. False, with errno: then there
 * shall be none. The user is told of either kind once.
 */
static bool do_without(int level, int name, int err)
{
	static atomic_flag said[2] = { ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT };
	bool vital = is_vital(level, name);

	if (!atomic_flag_test_and_set(&said[vital]))
		xtcp_preload_say("option %d of level %d was not taken over%s: %s", name, level,
				 vital ? ", so the call fails" : "", strerror(err));
	errno = err;
	return !vital;
}

/* False, with errno: the socket @to must not be used. */
static bool hand_over_options(const struct undecided *u, int to)
{
	unsigned int i;

	if (u->has_dropped && !do_without(u->dropped_level, u->dropped_name, ENOPROTOOPT))
		return false;
	for (i = 0; i < u->options; i++) {
		const struct option *o = &u->option[i];

		if (NEXT(setsockopt)(to, o->level, o->name, o->value, o->len) &&
		    !do_without(o->level, o->name, errno))
			return false;
	}
	return true;
}

/* Where segments go, even if the program has set it by another descriptor, or another process has.
 * False, with errno, as above.
 */
static bool hand_over_way(int from, int to)
{
	static const int names[] = { SO_MARK, SO_BINDTOIFINDEX };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		socklen_t len = sizeof(int), old_len = sizeof(int);
		int wanted, has = 0;

		if (NEXT(getsockopt)(from, SOL_SOCKET, names[i], &wanted, &old_len) ||
		    NEXT(getsockopt)(to, SOL_SOCKET, names[i], &has, &len) || wanted == has)
			continue;
		if (NEXT(setsockopt)(to, SOL_SOCKET, names[i], &wanted, sizeof(wanted)) &&
		    !do_without(SOL_SOCKET, names[i], errno))
			return false;
	}
	return true;
}

/* A socket belongs to the network namespace in which its thread was at socket(), and the thread may
 * have left that since: @to would be in another network. False, with errno: it is.
 */
static bool is_same_network(int from, int to)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	uint64_t wanted = 0, has = 0;
	socklen_t len = sizeof(has), old_len = sizeof(wanted);

	if (NEXT(getsockopt)(from, SOL_SOCKET, SO_NETNS_COOKIE, &wanted, &old_len) ||
	    NEXT(getsockopt)(to, SOL_SOCKET, SO_NETNS_COOKIE, &has, &len) || wanted == has)
		return true;
	if (!atomic_flag_test_and_set(&said))
		xtcp_preload_say("socket %d is of another network namespace than the call, so "
				 "the call fails", from);
	errno = EXDEV;
	return false;
}

/* Rules and routes by user look at the socket's owner, who called socket(), and so do groups of
 * SO_REUSEPORT. Nothing looks at its group. False, with errno: @to has another owner.
 */
static bool hand_over_owner(int from, int to)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	struct stat wanted, has;

	if (fstat(from, &wanted) || fstat(to, &has) || wanted.st_uid == has.st_uid ||
	    !fchown(to, wanted.st_uid, -1))
		return true;
	if (!atomic_flag_test_and_set(&said))
		xtcp_preload_say("the owner of socket %d was not taken over, so the call fails: %s",
				 from, strerror(errno));
	return false;
}

/* Flags, and who gets which signal if O_ASYNC is one of them. */
static void hand_over_flags(int from, int to)
{
	struct f_owner_ex owner;
	int number = fcntl(from, F_GETSIG);

	if (!fcntl(from, F_GETOWN_EX, &owner) && owner.pid)
		fcntl(to, F_SETOWN_EX, &owner);
	if (number > 0)
		fcntl(to, F_SETSIG, number);
	fcntl(to, F_SETFL, fcntl(from, F_GETFL));
}

static bool is_address(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;

	if (address->ss_family == AF_INET6)
		return six->sin6_port || !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr);
	return four->sin_port || four->sin_addr.s_addr;
}

/* The kernel is asked, because not only our bind() binds sockets: so do other descriptors, other
 * processes and bindresvport(). It still names the port that it had chosen for a connection
 * which failed; from then on only bind() counts.
 */
static void note_address(int fd, struct undecided *u)
{
	struct sockaddr_storage own = { };
	socklen_t len = sizeof(own);

	if (!u->is_bound && !u->has_tried && !getsockname(fd, (struct sockaddr *)&own, &len))
		u->is_bound = is_address(&own);
}

static bool take_address(int fd, const struct undecided *u)
{
	return !u->is_bound || !NEXT(bind)(fd, (const struct sockaddr *)&u->own, u->own_len);
}

/* An xtcp socket with all that @fd has but its address and its places in epoll. -1, with errno. */
static int open_successor(int fd, const struct undecided *u)
{
	int new = xtcp_preload_open(u->family, u->type | SOCK_CLOEXEC, fd), saved;

	if (new < 0)
		return -1;
	if (is_same_network(fd, new) && hand_over_owner(fd, new) && hand_over_options(u, new) &&
	    hand_over_way(fd, new)) {
		hand_over_flags(fd, new);
		return new;
	}
	saved = errno;
	close(new);
	errno = saved;
	return -1;
}

/* The program may have closed that set, or moved it to another descriptor. */
static void miss_place(int fd, int epoll)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		xtcp_preload_say("the place of socket %d in epoll set %d was not taken over: %s",
				 fd, epoll, strerror(errno));
}

/* Another set may have got the number since; @fd is not in it, and its successor must not be: the
 * place's data may point to memory that the program has freed. EPOLL_CTL_MOD looks, and changes
 * nothing; in its set an exclusive place gets EINVAL.
 */
static void forget_lost_places(int fd, struct undecided *u)
{
	unsigned int i;

	for (i = u->places; i-- > 0;) {
		struct place p = u->place[i];

		p.event.events &= ~EPOLLEXCLUSIVE;
		if (NEXT(epoll_ctl)(p.epoll, EPOLL_CTL_MOD, fd, &p.event) && errno == ENOENT) {
			miss_place(fd, p.epoll);
			place(u, p.epoll, NULL);
		}
	}
}

/* @new takes the place of @fd, which is closed. False, with errno: @new alone was closed. */
static bool take_place(int fd, struct undecided *u, int new)
{
	int on_exec = fcntl(fd, F_GETFD), saved;
	unsigned int i;
	bool good;

	forget_lost_places(fd, u);
	good = dup3(new, fd, on_exec & FD_CLOEXEC ? O_CLOEXEC : 0) >= 0;
	saved = errno;
	close(new);
	errno = saved;
	if (!good)
		return false;
	u->has_moved = true;
	u->inode = inode_of(fd);
	for (i = 0; i < u->places; i++) {
		struct epoll_event event = u->place[i].event;

		if (NEXT(epoll_ctl)(u->place[i].epoll, EPOLL_CTL_ADD, fd, &event))
			miss_place(fd, u->place[i].epoll);
	}
	xtcp_preload_show(fd);
	return true;
}

/* An xtcp socket takes the place of @fd. False, with errno; @fd is xtcp's then if has_moved is. */
static bool replace(int fd, struct undecided *u)
{
	int new;

	if (u->has_moved)
		return take_address(fd, u);
	note_address(fd, u);
	u->own_len = sizeof(u->own);
	if (u->is_bound && getsockname(fd, (struct sockaddr *)&u->own, &u->own_len))
		return false;
	new = open_successor(fd, u);
	/* Afterwards the kernel's port is free, which a socket of the TCP wire needs. */
	return new >= 0 && take_place(fd, u, new) && take_address(fd, u);
}

static unsigned int port_of(const struct sockaddr *address)
{
	return ntohs(address->sa_family == AF_INET6 ?
		     ((const struct sockaddr_in6 *)address)->sin6_port :
		     ((const struct sockaddr_in *)address)->sin_port);
}

static bool has_port(const struct sockaddr *address)
{
	unsigned int port = port_of(address);

	return ports[port / 8] & 1 << port % 8;
}

static bool shares_port(int fd)
{
	socklen_t len = sizeof(int);
	int shares = 0;

	return !NEXT(getsockopt)(fd, SOL_SOCKET, SO_REUSEPORT, &shares, &len) && shares;
}

/* The kernel's TCP says that the address is in use. It may be another one of xtcp's SO_REUSEPORT
 * group, which the kernel's TCP cannot join. Without that option the answer stands: the address may
 * be that of an undecided socket, which has to get it when it listens. False: the socket is what it
 * was before.
 */
static bool bind_early(int fd, struct undecided *u, const struct sockaddr *to, socklen_t len)
{
	int new;

	if (!listeners || !port_of(to) || !has_port(to) || !shares_port(fd))
		return false;
	new = open_successor(fd, u);
	if (new < 0)
		return false;
	if (NEXT(bind)(new, to, len)) {
		close(new);
		return false;
	}
	u->has_moved_early = take_place(fd, u, new);
	return u->has_moved_early;
}

__attribute__((visibility("default")))
int bind(int fd, const struct sockaddr *to, socklen_t len)
{
	struct undecided *u = is_used() ? take_same(fd) : NULL;
	int rc = NEXT(bind)(fd, to, len);
	int saved = errno;

	if (u && rc && saved == EADDRINUSE && !u->has_moved && bind_early(fd, u, to, len)) {
		rc = 0;
		put(fd, u);
	} else if (u && !rc && u->has_moved) {
		/* The program has bound it itself. */
		forget(fd, u);
	} else if (u) {
		u->is_bound |= !rc;
		put(fd, u);
	}
	errno = saved;
	return rc;
}

static bool own_port_is_chosen(int fd)
{
	struct sockaddr_storage own = { };
	socklen_t len = sizeof(own);

	return !getsockname(fd, (struct sockaddr *)&own, &len) && has_port((struct sockaddr *)&own);
}

/* False, with errno: it was to be replaced, and could not. The program's next try must not use
 * it as the kernel's, nor as xtcp's with another address: the record stays.
 */
static bool decide(int fd, struct undecided *u, bool chosen)
{
	bool good = !chosen || replace(fd, u);
	int saved = errno;

	if (good)
		forget(fd, u);
	else
		put(fd, u);
	errno = saved;
	return good;
}

__attribute__((visibility("default")))
int listen(int fd, int backlog)
{
	struct undecided *u = is_used() ? take_same(fd) : NULL;

	if (u && !decide(fd, u, u->has_moved || (listeners && own_port_is_chosen(fd))))
		return -1;
	return NEXT(listen)(fd, backlog);
}

__attribute__((visibility("default")))
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	bool is_internet = to && len >= sizeof(struct sockaddr_in) &&
			   (to->sa_family == AF_INET || to->sa_family == AF_INET6);
	struct undecided *u = is_internet && is_used() ? take_same(fd) : NULL;
	int rc, saved;
	ino_t inode;

	if (u && u->has_moved_early && !(connections && has_port(to))) {
		/* No listener: so it had to be the kernel's, which has refused its address. */
		put(fd, u);
		errno = EADDRINUSE;
		return -1;
	}
	if (u && (u->has_moved || (connections && has_port(to))))
		return decide(fd, u, true) ? NEXT(connect)(fd, to, len) : -1;
	if (!u)
		return NEXT(connect)(fd, to, len);
	/* The kernel's. After a failure the program may connect it again, to another port. */
	note_address(fd, u);
	u->has_tried = true;
	inode = u->inode;
	put(fd, u);
	rc = NEXT(connect)(fd, to, len);
	saved = errno;
	if (!rc || saved == EINPROGRESS || saved == EINTR)
		forget_socket(fd, inode);
	errno = saved;
	return rc;
}

/* --- the launcher's options ----------------------------------------------- */

/* False: it is no list of ports. */
static bool read_ports(const char *list)
{
	/* Bit by bit in a copy: another thread may use the map, and has filled it likewise. */
	unsigned char map[sizeof(ports)] = { };
	unsigned long port;
	char *end;

	for (;; list = end + 1) {
		/* Not a sign or a blank, which strtoul() takes. */
		if (*list < '0' || *list > '9')
			return false;
		port = strtoul(list, &end, 10);
		if (!port || port >= PORTS || (*end && *end != ','))
			return false;
		map[port / 8] |= 1 << port % 8;
		if (!*end)
			break;
	}
	memcpy(ports, map, sizeof(ports));
	return true;
}

const char *xtcp_preload_read_choice(void)
{
	const char *role = getenv(XTCP_RUN_ROLE), *list = getenv(XTCP_RUN_PORTS);

	if (role && *role) {
		listeners = !strcmp(role, "listen");
		connections = !strcmp(role, "connect");
		if (!listeners && !connections)
			return XTCP_RUN_ROLE " is neither listen nor connect";
	}
	if (!list || !*list)
		memset(ports, 0xff, sizeof(ports));
	else if (!read_ports(list))
		return XTCP_RUN_PORTS " is not a list of ports from 1 to 65535 with commas between";
	if ((role && *role) || (list && *list))
		xtcp_preload_later = open_undecided;
	return NULL;
}
