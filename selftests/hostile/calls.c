// SPDX-License-Identifier: GPL-2.0
/* vm: smp=2 mem=2G timeout=600 grows=XTCP_STRESS_S:1 */
/*
 * calls: eight threads make any system call on any of the sockets that they share,
 * in any order: one closes the socket that another waits on, one connects again the
 * socket that another sends on. Sockets of both families and both wires, over
 * loopback. Calls may block; a signal interrupts them now and then. Each thread's
 * calls are drawn from its seed; their order depends on the two CPUs.
 *
 * No thread may hang, and nothing may be left in the end. A debug kernel reports
 * internal errors. user/matrix checks the results of each call in each state.
 *
 *	XTCP_FUZZ_SEED=N	the first thread's seed [1]
 *	XTCP_STRESS_S=N		seconds [4]
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define THREADS 8
#define SLOTS 48
#define PORTS 6
#define FIRST_PORT 7100
#define BUFFER 40000
#define INTERRUPT_US 5000
#define HANG_MS 60000
#define PATIENCE_S 60

/* Sockets, or -1; an fd read from here may be closed by now, or reused. */
static _Atomic int slot[SLOTS];
static _Atomic long calls, succeeded, accepted, bytes;
static int64_t until_ns, at_last_ns;

static int any(void)
{
	return slot[draw(SLOTS)];
}

/* Into a random slot; the socket that was there is closed. */
static void put(int fd)
{
	int old;

	if (fd < 0)
		return;
	old = atomic_exchange(&slot[draw(SLOTS)], fd);
	if (old >= 0)
		close(old);
}

static socklen_t some_address(struct sockaddr_storage *sa)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;
	struct sockaddr_in *in = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof(*sa));
	/* The port has the same offset in both families. */
	in->sin_port = htons(chance(90) ? FIRST_PORT + draw(PORTS) : draw(65536));
	switch (draw(8)) {
	case 0:
		sa->ss_family = AF_UNSPEC;
		return sizeof(*in);
	case 1:
		sa->ss_family = draw(50);
		return draw(sizeof(*sa));
	case 2: case 3: case 4:
		sa->ss_family = AF_INET6;
		inet_pton(AF_INET6, chance(70) ? "::1" : chance(50) ? "::" : "::ffff:127.0.0.1",
			  &in6->sin6_addr);
		return sizeof(*in6);
	default:
		sa->ss_family = AF_INET;
		in->sin_addr.s_addr = htonl(chance(80) ? INADDR_LOOPBACK :
					    chance(50) ? INADDR_ANY : draw(UINT32_MAX));
		return sizeof(*in);
	}
}

/* --- sockets ---------------------------------------------------------------- */

static int wanted(int family)
{
	int flags = SOCK_STREAM | SOCK_CLOEXEC | (chance(95) ? SOCK_NONBLOCK : 0);
	int fd = socket(family, flags, stream_proto());
	int wire = chance(50) ? XTCP_WIRE_TCP : XTCP_WIRE_NATIVE;

	setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &wire, sizeof(wire));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ chance(80) }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ chance(30) }, sizeof(int));
	return fd;
}

static long call_socket(void)
{
	int fd = wanted(chance(50) ? AF_INET : AF_INET6);

	put(fd);
	return fd;
}

/* A listener, in three calls: random calls rarely make one. */
static long call_server(void)
{
	struct sockaddr_in6 sa = { .sin6_port = htons(FIRST_PORT + draw(PORTS)) };
	int fd;

	sa.sin6_family = chance(50) ? AF_INET : AF_INET6;
	fd = wanted(sa.sin6_family);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		goto fail;
	if (listen(fd, draw(6)))
		goto fail;
	put(fd);
	return 0;
fail:
	close(fd);
	return -1;
}

/*
 * A connection to a listener of ours: random calls rarely match wire, family and port.
 */
static long call_dial(void)
{
	struct sockaddr_in6 sa = { 0 };
	socklen_t len = sizeof(sa);
	int fd = any(), wire = 0;

	getsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &wire, &(socklen_t){ sizeof(wire) });
	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		return -1;
	fd = wanted(sa.sin6_family);
	setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &wire, sizeof(wire));
	connect(fd, (struct sockaddr *)&sa, len);
	put(fd);
	return fd;
}

static long call_close(void)
{
	int fd = atomic_exchange(&slot[draw(SLOTS)], -1);

	return fd < 0 ? -1 : close(fd);
}

static long call_dup(void)
{
	int fd = dup(any());

	put(fd);
	return fd;
}

static long call_bind(void)
{
	struct sockaddr_storage sa;
	socklen_t len = some_address(&sa);

	return bind(any(), (struct sockaddr *)&sa, len);
}

static long call_connect(void)
{
	struct sockaddr_storage sa;
	socklen_t len = some_address(&sa);

	return connect(any(), (struct sockaddr *)&sa, len);
}

static long call_listen(void)
{
	return listen(any(), (int)draw(20) - 2);
}

static long call_accept(void)
{
	struct sockaddr_storage sa;
	socklen_t len = draw(sizeof(sa));
	int fd = accept4(any(), (struct sockaddr *)&sa, &len, chance(95) ? SOCK_NONBLOCK : 0);

	accepted += fd >= 0;
	put(fd);
	return fd;
}

static long call_shutdown(void)
{
	return shutdown(any(), (int)draw(5) - 1);
}

static long call_name(void)
{
	struct sockaddr_storage sa;
	socklen_t len = draw(sizeof(sa));

	return chance(50) ? getsockname(any(), (struct sockaddr *)&sa, &len) :
			    getpeername(any(), (struct sockaddr *)&sa, &len);
}

/* --- text ------------------------------------------------------------------- */

static _Thread_local char buf[BUFFER];

/* Sometimes one flag more than usual; none that waits for all bytes. */
static int some_flags(void)
{
	int flags = MSG_NOSIGNAL | (chance(90) ? MSG_DONTWAIT : 0);

	return chance(30) ? flags | 1 << draw(27) : flags;
}

static long call_send(void)
{
	struct sockaddr_storage sa;
	socklen_t len = some_address(&sa);

	if (chance(80))
		return send(any(), buf, draw(sizeof(buf)), some_flags());
	return sendto(any(), buf, draw(100), some_flags(), (struct sockaddr *)&sa, len);
}

static long call_recv(void)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	long n = chance(80) ? recv(any(), buf, draw(sizeof(buf)), some_flags()) :
			      recvfrom(any(), buf, draw(100), some_flags(),
				       (struct sockaddr *)&sa, &len);

	bytes += n > 0 ? n : 0;
	return n;
}

static long call_message(void)
{
	char control[128] = { 0 };
	struct iovec iov[3] = {
		{ buf, draw(100) }, { chance(90) ? buf : NULL, draw(9000) }, { buf, draw(5) },
	};
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = draw(4),
		.msg_control = chance(30) ? control : NULL, .msg_controllen = draw(129),
	};
	struct mmsghdr many[2] = { { .msg_hdr = msg }, { .msg_hdr = msg } };

	if (!msg.msg_control)
		msg.msg_controllen = many[0].msg_hdr.msg_controllen = 0;
	if (msg.msg_controllen >= CMSG_LEN(4))
		*(struct cmsghdr *)control = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(draw(9)), .cmsg_level = draw(3), .cmsg_type = draw(70),
		};
	switch (draw(4)) {
	case 0:
		return sendmsg(any(), &msg, some_flags());
	case 1:
		return recvmsg(any(), &msg, some_flags());
	case 2:
		return sendmmsg(any(), many, 1, some_flags());
	default:
		return recvmmsg(any(), many, 1, some_flags() | MSG_DONTWAIT, NULL);
	}
}

static long call_vector(void)
{
	struct iovec iov[2] = { { buf, draw(3000) }, { buf, draw(3000) } };

	return chance(50) ? readv(any(), iov, 2) : writev(any(), iov, 2);
}

static long call_splice(void)
{
	int pipe_fd[2];
	long n;

	if (pipe2(pipe_fd, O_NONBLOCK | O_CLOEXEC))
		return -1;
	if (chance(50))
		n = splice(any(), NULL, pipe_fd[1], NULL, draw(20000), SPLICE_F_NONBLOCK);
	else
		n = write(pipe_fd[1], buf, draw(20000)) < 0 ? -1 :
		    splice(pipe_fd[0], NULL, any(), NULL, 20000, draw(8));
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return n;
}

static long call_sendfile(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	off_t at = draw(10000);
	long n = sendfile(any(), fd, &at, draw(30000));

	close(fd);
	return n;
}

/* --- what a socket is asked -------------------------------------------------- */

static long call_option(void)
{
	static const int levels[] = {
		SOL_SOCKET, SOL_SOCKET, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6,
		IPPROTO_XTCP,
	};
	int level = levels[draw(ARRAY_SIZE(levels))];
	int name = draw(level == SOL_SOCKET || level == IPPROTO_IPV6 ? 84 : 60);
	uint8_t value[128];
	socklen_t len = chance(80) ? 4 : draw(sizeof(value));

	/* Guest memory is shared by all threads. */
	if (level == SOL_SOCKET && (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE))
		return -1;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = chance(60) ? 0 : draw(256);
	/* No close() may wait for minutes. */
	if (level == SOL_SOCKET && name == SO_LINGER)
		memset(value + 4, 0, 4);
	if (chance(50))
		return getsockopt(any(), level, name, value, &len);
	return setsockopt(any(), level, name, value, len);
}

static long call_ioctl(void)
{
	static const unsigned long requests[] = {
		FIONREAD, TIOCOUTQ, SIOCOUTQNSD, SIOCATMARK, FIONBIO, FIOASYNC, FIOSETOWN,
		FIOGETOWN, SIOCGIFCONF, SIOCSPGRP, 0x8906, 0x1234,
	};
	char value[64] = { 0 };

	*(int *)value = draw(2);
	return ioctl(any(), requests[draw(ARRAY_SIZE(requests))], value);
}

static long call_fcntl(void)
{
	if (chance(50))
		return fcntl(any(), F_SETFL, chance(95) ? O_NONBLOCK : 0);
	return fcntl(any(), chance(50) ? F_GETFL : F_GETOWN);
}

static long call_poll(void)
{
	struct pollfd p[3];

	for (int i = 0; i < 3; i++)
		p[i] = (struct pollfd){ .fd = any(), .events = draw(0x10000) };
	return poll(p, 3, draw(2));
}

static long call_epoll(void)
{
	struct epoll_event event = { .events = draw(UINT32_MAX) & ~EPOLLEXCLUSIVE };
	int fd = epoll_create1(EPOLL_CLOEXEC);
	long n;

	for (int i = 0; i < 4; i++)
		epoll_ctl(fd, EPOLL_CTL_ADD, any(), &event);
	n = epoll_wait(fd, &event, 1, draw(2));
	close(fd);
	return n;
}

static long call_proc(void)
{
	static const char * const path[] = {
		"/proc/net/xtcp", "/proc/net/xtcp6", "/proc/net/xtcp_age", "/proc/net/xtcp_listen",
		"/proc/net/xtcp_hostcache", "/proc/net/xtcp_snmp", "/proc/net/xtcp_netstat",
	};
	int fd = open(path[draw(ARRAY_SIZE(path))], O_RDONLY | O_CLOEXEC);
	long n = read(fd, buf, draw(sizeof(buf)));

	if (chance(10))
		crowd_kill_rows(5);
	close(fd);
	return n;
}

/* Beside each call: how often, of a thousand. */
static const struct {
	long (*make)(void);
	int share;
} kinds[] = {
	{ call_socket, 80 }, { call_server, 60 }, { call_close, 40 }, { call_dup, 20 },
	{ call_bind, 20 }, { call_connect, 50 }, { call_dial, 100 }, { call_listen, 20 }, { call_accept, 120 },
	{ call_shutdown, 20 }, { call_name, 20 }, { call_send, 120 }, { call_recv, 100 },
	{ call_message, 50 }, { call_vector, 20 }, { call_splice, 20 }, { call_sendfile, 20 },
	{ call_option, 60 }, { call_ioctl, 20 }, { call_fcntl, 10 }, { call_poll, 20 },
	{ call_epoll, 9 }, { call_proc, 1 },
};

/* On a busy host no byte may have been read in the time: then it goes on. */
static bool is_over(void)
{
	return now_ns() >= (bytes ? until_ns : at_last_ns);
}

static void *thread(void *arg)
{
	draw_seed((uintptr_t)arg);
	while (!is_over()) {
		int n = draw(1000);
		size_t kind = 0;

		while (n >= kinds[kind].share)
			n -= kinds[kind++].share;
		calls++;
		succeeded += kinds[kind].make() >= 0;
	}
	return NULL;
}

static void interrupt(int signal)
{
}

FIXTURE(calls) {
	int ns;
};

FIXTURE_SETUP(calls)
{
	self->ns = netns_new(WHERE(_metadata));
	knobs_for_haste();
}

FIXTURE_TEARDOWN(calls)
{
	close(self->ns);
}

TEST_F_TIMEOUT(calls, any_call_at_any_time, 1000000)
{
	const char *seed = getenv("XTCP_FUZZ_SEED"), *s = getenv("XTCP_STRESS_S");
	struct sigaction sa = { .sa_handler = interrupt };
	int64_t late_ns;
	pthread_t id[THREADS];
	int left = THREADS;
	int stamped = socket(AF_INET, SOCK_DGRAM, 0);

	/*
	 * While some socket has timestamps enabled, the kernel need not rewrite its
	 * own code each time a call enables them. An emulator of several CPUs may see
	 * that too late ("Oops: int3").
	 */
	ASSERT_EQ(0, socket_set(stamped, SOL_SOCKET, SO_TIMESTAMP, 1));
	/* Without SA_RESTART: a call that waits is interrupted. */
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGIO, SIG_IGN);
	signal(SIGURG, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < SLOTS; i++)
		slot[i] = -1;
	/* A listener from the first call on. */
	for (int i = 0; i < 2 * PORTS; i++)
		call_server();
	until_ns = now_ns() + (s ? atoi(s) : 4) * NSEC_PER_SEC;
	at_last_ns = until_ns + PATIENCE_S * NSEC_PER_SEC;
	late_ns = at_last_ns + HANG_MS * NSEC_PER_MSEC;
	for (uintptr_t i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&id[i], NULL, thread,
					    (void *)((seed ? atoi(seed) : 1) + i)));
	while (left && now_ns() < late_ns) {
		left = THREADS;
		for (int i = 0; i < THREADS; i++)
			if (id[i] && is_over() && !pthread_tryjoin_np(id[i], NULL))
				id[i] = 0;
		for (int i = 0; i < THREADS; i++) {
			left -= !id[i];
			if (id[i])
				pthread_kill(id[i], SIGUSR1);
		}
		rest_us(INTERRUPT_US);
	}
	ASSERT_EQ(0, left) TH_LOG("%d threads hang", left);
	TH_LOG("%ld calls, %ld of them answered, %ld accepted, %ld bytes", calls, succeeded,
	       accepted, bytes);
	/* How long a debug kernel takes, depends on the host. */
	EXPECT_LT(kernel_is_debug() ? 100 : 1000, calls);
	EXPECT_LT(calls / 10, succeeded);
	EXPECT_LT(0, accepted);
	if (!kernel_is_debug())
		EXPECT_LT(0, bytes);
	for (int i = 0; i < SLOTS; i++)
		if (slot[i] >= 0)
			close(slot[i]);
	knobs_for_haste();
	crowd_kill_rows(100);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
	crowd_expect_settled(WHERE(_metadata), AF_INET6);
	close(stamped);
}

TEST_HARNESS_MAIN
