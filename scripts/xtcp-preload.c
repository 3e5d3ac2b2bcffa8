// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp-preload.c - the library that xtcp-run preloads into unmodified programs
 *
 * It wraps these functions of the C library:
 *
 *   socket()       an IPv4 or IPv6 stream socket with protocol 0 or IPPROTO_TCP
 *                  becomes an xtcp socket, at once or as xtcp-preload-choose.c
 *                  says. Multipath TCP fails with
 *                  EPROTONOSUPPORT, because it would fall back to the kernel's
 *                  TCP unnoticed.
 *   getsockopt()   SO_PROTOCOL returns 253, or IPPROTO_TCP if XTCP_RUN_AS_TCP
 *                  is set, for programs that expect that.
 *   send(), sendto(), sendmsg(), sendmmsg(), write(), writev()
 *                  Each request of NETLINK_SOCK_DIAG for protocol IPPROTO_TCP asks
 *                  for protocol 253, so that `ss` lists and ends xtcp's sockets.
 *                  If that fails, or the request is of the old kind that can only
 *                  mean the kernel's TCP, the call returns an error; `ss` is ended,
 *                  because it would go on with the kernel's TCP unnoticed.
 *
 * Other calls are wrapped in xtcp-preload-choose.c, only to choose a socket's stack, and in
 * xtcp-preload-exec.c. All else is unchanged: datagrams, Unix sockets, socketpair(), and options,
 * because xtcp accepts TCP's at TCP's level. Out of reach are raw system calls
 * (Go), io_uring, and sockets that the C library opens itself (DNS over TCP).
 *
 * Any thread may call these functions, also in a child after fork(): all state is
 * set once. A bad pointer in a request crashes the program, where the system call
 * would return EFAULT.
 */
#define _GNU_SOURCE
#undef _TIME_BITS	/* plain names are meant: see XTCP_PRELOAD_TIME64 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/xtcp.h>

#include "xtcp-preload.h"
#include "xtcp-run.h"

/* Bytes of a message to the kernel; a socket's buffer is smaller by default. */
#define REQUEST_MAX (1 << 20)

/* From Linux 5.6 on; older C libraries don't have the name. */
#define PROTO_MPTCP 262

int (*xtcp_preload_later)(int family, int type, int protocol);

struct xtcp_preload_next xtcp_preload_next;

/* What xtcp-run was told. Read once: a program may clear its environment, as nginx's workers do. */
static struct {
	atomic_bool is_read;
	bool verbose, as_tcp;
	int wire;			/* 0: the knob's */
	const char *wrong;		/* why no socket is opened, or NULL */
} told;

/* The program's name as it was started: setproctitle() of some programs overwrites the original.
 * No byte of it controls a terminal.
 */
static char program[64];

/* What stderr was when the options were read. */
static struct {
	bool is_open;
	dev_t device;
	ino_t inode;
} first_stderr;

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value && strcmp(value, "0");
}

static void note_program(void)
{
	const char *name = program_invocation_short_name;
	size_t i;

	for (i = 0; i < sizeof(program) - 1 && name[i]; i++) {
		unsigned char c = name[i], before = i ? name[i - 1] : 0;

		/* Controls from 0x80 on are one byte, or two in UTF-8: the first is 0xc2. */
		if (c < ' ' || (c >= 0x7f && c < 0xa0 && (before < 0x80 || before == 0xc2)))
			c = '?';
		program[i] = c;
	}
	program[i] = '\0';
}

static void note_stderr(void)
{
	struct stat st;

	first_stderr.is_open = !fstat(STDERR_FILENO, &st);
	if (!first_stderr.is_open)
		return;
	first_stderr.device = st.st_dev;
	first_stderr.inode = st.st_ino;
}

/* Before anything depends on it: the constructor of a library that the program is linked with
 * runs before ours, and may open sockets. Two threads that come at once store the same values.
 */
static void read_options(void)
{
	const char *wire, *wrong;

	if (atomic_load(&told.is_read))
		return;
	told.verbose = is_set(XTCP_RUN_VERBOSE);
	told.as_tcp = is_set(XTCP_RUN_AS_TCP);
	wrong = xtcp_preload_read_choice();
	wire = getenv(XTCP_RUN_WIRE);
	if (!wire || !*wire)
		told.wire = 0;
	else if (!strcmp(wire, "tcp"))
		told.wire = XTCP_WIRE_TCP;
	else if (!strcmp(wire, "native"))
		told.wire = XTCP_WIRE_NATIVE;
	else
		wrong = XTCP_RUN_WIRE " is neither tcp nor native";
	told.wrong = wrong;
	note_program();
	note_stderr();
	atomic_store(&told.is_read, true);
}

__attribute__((constructor))
static void look_up(void)
{
	NEXT(bind);
	NEXT(connect);
	NEXT(epoll_ctl);
	NEXT(execve);
	NEXT(execvpe);
	NEXT(fexecve);
	NEXT(getsockopt);
	NEXT(listen);
	NEXT(posix_spawn);
	NEXT(posix_spawnp);
	NEXT(send);
	NEXT(sendmmsg);
	NEXT(sendmsg);
	NEXT(sendto);
	NEXT(setsockopt);
	NEXT(socket);
	NEXT(write);
	NEXT(writev);
#if XTCP_PRELOAD_TIME64
	NEXT(__getsockopt64);
	NEXT(__sendmmsg64);
	NEXT(__sendmsg64);
	NEXT(__setsockopt64);
#endif
	read_options();
}

/*
 * A program that has closed stderr may get its number for a file of its own, or a socket. What was
 * stderr at the start still is, and so are a terminal, a pipe and what a shell's ">>" opens.
 */
static bool is_of_program(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st))
		return true;
	if (first_stderr.is_open && st.st_dev == first_stderr.device &&
	    st.st_ino == first_stderr.inode)
		return false;
	if (S_ISREG(st.st_mode))
		return !(fcntl(STDERR_FILENO, F_GETFL) & O_APPEND);
	/* Not a device of the program, such as a tun or the kernel's log. */
	return !isatty(STDERR_FILENO) && !S_ISFIFO(st.st_mode);
}

/*
 * Is stderr a connection? inetd and systemd's StandardInput=socket make it one: its peer must not
 * read our lines in the middle of a protocol.
 */
static bool stderr_is_a_connection(void)
{
	socklen_t len = sizeof(int);
	int family;

	return !NEXT(getsockopt)(STDERR_FILENO, SOL_SOCKET, SO_DOMAIN, &family, &len) &&
	       (family == AF_INET || family == AF_INET6);
}

/* A pipe that is full would block the program. */
static bool has_room(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	return poll(&room, 1, 0) == 1 && room.revents & POLLOUT;
}

/* Without SIGPIPE, which would end the program, if nobody reads what stderr is. One that waits
 * already stays.
 */
static void write_line(const char *line, size_t len)
{
	const struct timespec none = { };
	sigset_t pipe, before, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigemptyset(&pending);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	/* No stderr: the program still gets the call's errno. */
	if (NEXT(write)(STDERR_FILENO, line, len) < 0 && errno == EPIPE &&
	    !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A single write, so that the lines of several threads don't mix. errno is kept for
 * the caller, who is about to report it.
 */
void xtcp_preload_say(const char *fmt, ...)
{
	int saved = errno;
	char line[256];
	va_list args;
	int used, len;

	read_options();
	if (is_of_program() || stderr_is_a_connection() || !has_room(STDERR_FILENO)) {
		errno = saved;
		return;
	}
	used = snprintf(line, sizeof(line), "xtcp-run: %s[%d]: ", program, (int)getpid());

	va_start(args, fmt);
	len = vsnprintf(line + used, sizeof(line) - used - 1, fmt, args);
	va_end(args);
	if (len < 0)
		len = 0;
	used += len;
	if (used > (int)sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';

	write_line(line, used);
	errno = saved;
}

static bool is_stream(int type)
{
	return (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM;
}

static bool is_tcp(int protocol)
{
	return protocol == 0 || protocol == IPPROTO_TCP;
}

static bool is_internet(int family)
{
	return family == AF_INET || family == AF_INET6;
}

static int refuse_mptcp(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		xtcp_preload_say("Multipath TCP socket refused (EPROTONOSUPPORT)");
	errno = EPROTONOSUPPORT;
	return -1;
}

/* Whichever stack the socket got, nothing would show that an option was not understood. */
static int refuse_wrong(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		xtcp_preload_say("%s: no socket is opened", told.wrong);
	errno = EINVAL;
	return -1;
}

/* Print why socket() failed, if the user can do something about it. */
static void explain(int err)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (err != EPROTONOSUPPORT && err != EACCES)
		return;
	if (atomic_flag_test_and_set(&said))
		return;
	if (err == EPROTONOSUPPORT)
		xtcp_preload_say("the kernel knows no protocol %d: is the xtcp module loaded?",
				 IPPROTO_XTCP);
	else
		xtcp_preload_say("group %u may open no xtcp sockets: see net.ipv4.xtcp_gid_range",
				 (unsigned int)getegid());
}

/* The wire that --wire asks for. @shown: the descriptor's number for the user. */
static void choose_wire(int fd, int shown)
{
	if (fd < 0 || !told.wire)
		return;
	if (setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &told.wire, sizeof(told.wire)))
		xtcp_preload_say("the wire of socket %d was not set: %s", shown, strerror(errno));
}

int xtcp_preload_open(int family, int type, int shown)
{
	int fd = NEXT(socket)(family, type, IPPROTO_XTCP);

	if (fd < 0)
		explain(errno);
	choose_wire(fd, shown < 0 ? fd : shown);
	if (shown < 0)
		xtcp_preload_show(fd);
	return fd;
}

void xtcp_preload_show(int fd)
{
	if (fd >= 0 && told.verbose)
		xtcp_preload_say("socket %d is an xtcp socket", fd);
}

/* A request of sock_diag fails with @err. `ss` would read /proc/net/tcp then, so it is
 * ended.
 */
static void fail(int err, const char *why)
{
	read_options();
	if (!strcmp(program, "ss")) {
		xtcp_preload_say("%s: %s", why, strerror(err));
		_exit(1);
	}
	errno = err;
}

/* Sockets of NETLINK_SOCK_DIAG have been opened. Without an address a call on such a
 * socket looks like any other, so that each call must ask the kernel then.
 */
static atomic_bool diag_is_used;

static int open_diag(int family, int type)
{
	int fd = NEXT(socket)(family, type, NETLINK_SOCK_DIAG);

	if (fd < 0)
		fail(errno, "no socket for sock_diag");
	else
		atomic_store(&diag_is_used, true);
	return fd;
}

__attribute__((visibility("default")))
int socket(int family, int type, int protocol)
{
	if (family == AF_NETLINK && protocol == NETLINK_SOCK_DIAG)
		return open_diag(family, type);
	if (!is_stream(type) || !is_internet(family))
		return NEXT(socket)(family, type, protocol);
	if (is_tcp(protocol)) {
		read_options();
		if (told.wrong)
			return refuse_wrong();
		return xtcp_preload_later ? xtcp_preload_later(family, type, protocol) :
					    xtcp_preload_open(family, type, -1);
	}
	if (protocol == PROTO_MPTCP)
		return refuse_mptcp();
	return NEXT(socket)(family, type, protocol);
}

static int get_option(__typeof__(&getsockopt) next, int fd, int level, int name, void *value,
		      socklen_t *len)
{
	int rc = next(fd, level, name, value, len);
	int protocol;

	if (rc || level != SOL_SOCKET || name != SO_PROTOCOL || *len < sizeof(protocol))
		return rc;
	read_options();
	if (!told.as_tcp)
		return rc;
	memcpy(&protocol, value, sizeof(protocol));
	if (protocol == IPPROTO_XTCP) {
		protocol = IPPROTO_TCP;
		memcpy(value, &protocol, sizeof(protocol));
	}
	return rc;
}

__attribute__((visibility("default")))
int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return get_option(NEXT(getsockopt), fd, level, name, value, len);
}

#if XTCP_PRELOAD_TIME64
__attribute__((visibility("default")))
int __getsockopt64(int fd, int level, int name, void *value, socklen_t *len)
{
	return get_option(NEXT(__getsockopt64), fd, level, name, value, len);
}
#endif

static bool is_netlink(const struct sockaddr *to, socklen_t len)
{
	return to && len >= sizeof(struct sockaddr_nl) && to->sa_family == AF_NETLINK;
}

/* Is it a socket of sock_diag? @to: the address that the call names, or NULL. */
static bool is_sock_diag(int fd, const struct sockaddr *to, socklen_t to_len)
{
	socklen_t len = sizeof(int);
	int protocol, saved = errno;
	bool is;

	if (to ? !is_netlink(to, to_len) : !atomic_load(&diag_is_used))
		return false;
	is = !NEXT(getsockopt)(fd, SOL_SOCKET, SO_DOMAIN, &protocol, &len) &&
	     protocol == AF_NETLINK &&
	     !NEXT(getsockopt)(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
	     protocol == NETLINK_SOCK_DIAG;
	errno = saved;
	return is;
}

/* Does the kernel answer a dump of no state at all for protocol 253? It loads the
 * module xtcp_diag for that, if it can.
 */
static bool ask_kernel(void)
{
	struct {
		struct nlmsghdr nlh;
		struct inet_diag_req_v2 req;
	} ask = {
		.nlh = { sizeof(ask), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.req = { .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_XTCP },
	};
	struct {
		struct nlmsghdr nlh;
		int err;
		char more[1024];
	} answer = { .err = -1 };
	int fd = NEXT(socket)(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool good;

	if (fd < 0)
		return false;
	good = NEXT(write)(fd, &ask, sizeof(ask)) == sizeof(ask) &&
	       read(fd, &answer, sizeof(answer)) > 0 &&
	       answer.nlh.nlmsg_type == NLMSG_DONE && !answer.err;
	close(fd);
	return good;
}

static bool kernel_answers(void)
{
	static atomic_bool answered;

	if (!atomic_load(&answered) && !ask_kernel())
		return false;
	atomic_store(&answered, true);
	return true;
}

/* The attribute INET_DIAG_REQ_PROTOCOL of a request, which counts instead of the
 * field in its head; the last one does. NULL: there is none.
 */
static __u32 *find_protocol(struct nlmsghdr *nlh)
{
	size_t at = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct inet_diag_req_v2)));
	__u32 *found = NULL;

	while (at + sizeof(struct nlattr) <= nlh->nlmsg_len) {
		struct nlattr *a = (struct nlattr *)((char *)nlh + at);

		if (a->nla_len < sizeof(*a) || a->nla_len > nlh->nlmsg_len - at)
			break;
		if ((a->nla_type & NLA_TYPE_MASK) == INET_DIAG_REQ_PROTOCOL &&
		    a->nla_len == NLA_HDRLEN + sizeof(*found))
			found = (__u32 *)(a + 1);
		at += NLA_ALIGN(a->nla_len);
	}
	return found;
}

static bool is_of_sock_diag(const struct nlmsghdr *nlh)
{
	/* Their first two bytes are family and protocol. */
	return (nlh->nlmsg_type == SOCK_DIAG_BY_FAMILY || nlh->nlmsg_type == SOCK_DESTROY) &&
	       nlh->nlmsg_len >= NLMSG_LENGTH(2);
}

/* Asks for xtcp's sockets if a request is for the kernel's TCP. False, with errno: that
 * is not possible.
 */
static bool translate(struct nlmsghdr *nlh)
{
	struct inet_diag_req_v2 *req = NLMSG_DATA(nlh);
	__u32 *protocol;

	if (nlh->nlmsg_type == TCPDIAG_GETSOCK) {
		fail(EPROTONOSUPPORT, "only the kernel's TCP could answer a request");
		return false;
	}
	if (!is_of_sock_diag(nlh) || !is_internet(req->sdiag_family))
		return true;
	protocol = find_protocol(nlh);
	if ((protocol ? *protocol : req->sdiag_protocol) != IPPROTO_TCP)
		return true;
	if (!kernel_answers()) {
		fail(EPROTONOSUPPORT, "no sock_diag of xtcp (is the module xtcp_diag loaded?)");
		return false;
	}
	req->sdiag_protocol = IPPROTO_XTCP;
	if (protocol)
		*protocol = IPPROTO_XTCP;
	return true;
}

/* A message may have several requests; the kernel takes them apart in the same way. */
static bool translate_all(char *buf, size_t len)
{
	size_t at = 0;

	while (at < len && len - at >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)(buf + at);

		if (nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > len - at)
			return true;
		if (!translate(nlh))
			return false;
		at += NLMSG_ALIGN((size_t)nlh->nlmsg_len);
	}
	return true;
}

/* A copy of the message in one piece, which the caller frees. NULL, with errno: the
 * message is longer than the kernel takes, or there is no memory.
 */
static char *copy_of(const struct msghdr *msg, size_t *len)
{
	const struct iovec *v = msg->msg_iov;
	const size_t n = msg->msg_iovlen;	/* an int in musl */
	char *buf, *end;
	size_t i;

	*len = 0;
	errno = EMSGSIZE;
	if (n > IOV_MAX)
		return NULL;
	for (i = 0; i < n; i++) {
		if (v[i].iov_len > REQUEST_MAX - *len)
			return NULL;
		*len += v[i].iov_len;
	}
	buf = malloc(*len + 1);
	if (!buf)
		return NULL;
	for (i = 0, end = buf; i < n; i++)
		end = (char *)memcpy(end, v[i].iov_base, v[i].iov_len) + v[i].iov_len;
	return buf;
}

static ssize_t send_translated(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr copy = *msg;
	struct iovec iov;
	ssize_t sent = -1;

	iov.iov_base = copy_of(msg, &iov.iov_len);
	if (iov.iov_base && translate_all(iov.iov_base, iov.iov_len)) {
		copy.msg_iov = &iov;
		copy.msg_iovlen = 1;
		sent = NEXT(sendmsg)(fd, &copy, flags);
	}
	if (sent < 0 && errno != EINTR && errno != EAGAIN)
		fail(errno, "a request of sock_diag was not sent");
	free(iov.iov_base);
	return sent;
}

static ssize_t send_buffer(int fd, const void *data, size_t len, int flags,
			   const struct sockaddr *to, socklen_t to_len)
{
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = {
		.msg_name = (void *)to,
		.msg_namelen = to_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};

	return send_translated(fd, &msg, flags);
}

static ssize_t send_message(__typeof__(&sendmsg) next, int fd, const struct msghdr *msg, int flags)
{
	if (!msg || !is_sock_diag(fd, msg->msg_name, msg->msg_namelen))
		return next(fd, msg, flags);
	return send_translated(fd, msg, flags);
}

__attribute__((visibility("default")))
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return send_message(NEXT(sendmsg), fd, msg, flags);
}

#if XTCP_PRELOAD_TIME64
__attribute__((visibility("default")))
ssize_t __sendmsg64(int fd, const struct msghdr *msg, int flags)
{
	return send_message(NEXT(__sendmsg64), fd, msg, flags);
}
#endif

/* As the C library declares it: musl differs. */
#ifdef __GLIBC__
#define SENDMMSG_FLAGS int
#else
#define SENDMMSG_FLAGS unsigned int
#endif

/* As the system call: an error is returned only if nothing was sent. */
static int send_messages(__typeof__(&sendmmsg) next, int fd, struct mmsghdr *msgs, unsigned int n,
			 SENDMMSG_FLAGS flags)
{
	unsigned int i;
	ssize_t sent;

	if (!is_sock_diag(fd, n ? msgs->msg_hdr.msg_name : NULL,
			  n ? msgs->msg_hdr.msg_namelen : 0))
		return next(fd, msgs, n, flags);
	for (i = 0; i < n; i++) {
		sent = send_translated(fd, &msgs[i].msg_hdr, flags);
		if (sent < 0)
			return i ? (int)i : -1;
		msgs[i].msg_len = sent;
	}
	return n;
}

__attribute__((visibility("default")))
int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, SENDMMSG_FLAGS flags)
{
	return send_messages(NEXT(sendmmsg), fd, msgs, n, flags);
}

#if XTCP_PRELOAD_TIME64
__attribute__((visibility("default")))
int __sendmmsg64(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	return send_messages(NEXT(__sendmmsg64), fd, msgs, n, flags);
}
#endif

__attribute__((visibility("default")))
ssize_t sendto(int fd, const void *data, size_t len, int flags,
	       const struct sockaddr *to, socklen_t to_len)
{
	if (!is_sock_diag(fd, to, to_len))
		return NEXT(sendto)(fd, data, len, flags, to, to_len);
	return send_buffer(fd, data, len, flags, to, to_len);
}

__attribute__((visibility("default")))
ssize_t send(int fd, const void *data, size_t len, int flags)
{
	if (!is_sock_diag(fd, NULL, 0))
		return NEXT(send)(fd, data, len, flags);
	return send_buffer(fd, data, len, flags, NULL, 0);
}

__attribute__((visibility("default")))
ssize_t write(int fd, const void *data, size_t len)
{
	if (!is_sock_diag(fd, NULL, 0))
		return NEXT(write)(fd, data, len);
	return send_buffer(fd, data, len, 0, NULL, 0);
}

__attribute__((visibility("default")))
ssize_t writev(int fd, const struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n };

	if (n < 0 || !is_sock_diag(fd, NULL, 0))
		return NEXT(writev)(fd, iov, n);
	return send_translated(fd, &msg, 0);
}
