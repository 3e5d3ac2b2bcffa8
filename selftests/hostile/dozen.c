// SPDX-License-Identifier: GPL-2.0
/* vm: timeout=600 grows=XTCP_FUZZ_ROUNDS:1 */
/*
 * dozen: a program binds, connects, closes, ... a dozen sockets in any order, on few
 * addresses and two ports. It does so on the kernel's TCP and on both wires of xtcp, each
 * time in another namespace. The result of each call is the same, and so are the names, the
 * state and the poll mask that the socket has after it. hostile/differ compares the segments
 * of one connection in this way, user/matrix single calls.
 *
 * SO_REUSEPORT is left out: a secret hash chooses a group's listener, and the kernel's TCP
 * keeps a permission per port that lets a group's socket in beside a stranger's.
 *
 *	XTCP_FUZZ_SEED=N	the first seed [1]
 *	XTCP_FUZZ_ROUNDS=N	seeds [40]
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>

#define PROGRAM 6	/* sockets that the program makes; the others are accept()'s */
#define SOCKETS 14
#define CALLS 50
#define FIRST_PORT 5001
#define PORTS 2
#define LINE 200
#define PAUSE_MS 60	/* rare: an unanswered SYN is not sent again before the program ends */
#define SHOWN 8		/* transcripts of a run */

static const struct {
	const char *name;
	int protocol, wire;
} stacks[] = {
	{ "the kernel's TCP", IPPROTO_TCP, 0 },
	{ "the native wire", IPPROTO_XTCP, XTCP_WIRE_NATIVE },
	{ "the TCP wire", IPPROTO_XTCP, XTCP_WIRE_TCP },
};

static const char *const addresses[] = { "0.0.0.0", "127.0.0.1", "127.0.0.2", "10.9.0.1" };
/* The last one clashes with none in kernels before 6.8, and is left out there. */
static const char *const addresses6[] = {
	"::", "::1", "::ffff:127.0.0.1", "::ffff:127.0.0.2", "fd09::1", "::ffff:0.0.0.0",
};

static int addresses6_n;

struct sock {
	int fd, family;		/* fd -1: none */
	int over;		/* the IP version of what it was bound or connected to, 0: none */
};

struct program {
	int stack;
	bool uses_v6, uses_devices, shares;
	bool waits;		/* after the call, until all ACKs have been sent */
	struct sock sock[SOCKETS];
	char line[CALLS][LINE];
};

static struct program programs[ARRAY_SIZE(stacks)];

static socklen_t some_address(struct sockaddr_storage *sa, int family)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;
	struct sockaddr_in *in = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof(*sa));
	sa->ss_family = family;
	/* The port has the same offset in both families. */
	in->sin_port = htons(FIRST_PORT + draw(PORTS));
	if (family == AF_INET) {
		inet_pton(family, addresses[draw(ARRAY_SIZE(addresses))], &in->sin_addr);
		return sizeof(*in);
	}
	inet_pton(family, addresses6[draw(addresses6_n)], &in6->sin6_addr);
	return sizeof(*in6);
}

static int port_of(const struct sockaddr_storage *sa)
{
	return ntohs(((const struct sockaddr_in *)sa)->sin_port);
}

static int ip_version(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	return sa->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? 6 : 4;
}

/* 0.0.0.0, also mapped, or ::. */
static bool is_any(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	if (sa->ss_family == AF_INET)
		return !((const struct sockaddr_in *)sa)->sin_addr.s_addr;
	return IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) ||
	       (ip_version(sa) == 4 && !in6->sin6_addr.s6_addr32[3]);
}

/* An ephemeral port is another one on each stack. */
static const char *address_text(const struct sockaddr_storage *sa)
{
	static char text[4][80];
	static int turn;
	char *to = text[turn++ % 4], address[INET6_ADDRSTRLEN] = "?";
	int port = port_of(sa);

	if (sa->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, address,
			  sizeof(address));
	else if (sa->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)sa)->sin6_addr, address,
			  sizeof(address));
	if (port >= FIRST_PORT && port < FIRST_PORT + PORTS)
		snprintf(to, sizeof(text[0]), "%s port %d", address, port);
	else
		snprintf(to, sizeof(text[0]), "%s %s", address, port ? "ephemeral" : "no port");
	return to;
}

static const char *name_text(int fd, socket_name_call call)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	return call(fd, (struct sockaddr *)&sa, &len) ? strerrorname_np(errno) :
							address_text(&sa);
}

static int state_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_state;
}

/* --- the calls: each returns as the system call, and says what it did ---------- */

typedef int (*call_fn)(struct program *p, struct sock *s, char *said);

static void close_if_open(struct sock *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int call_socket(struct program *p, struct sock *s, char *said)
{
	bool reuseaddr = chance(p->shares ? 70 : 33), only = chance(30);

	close_if_open(s);
	s->over = 0;
	s->family = p->uses_v6 && chance(50) ? AF_INET6 : AF_INET;
	s->fd = socket(s->family, SOCK_STREAM | SOCK_NONBLOCK, stacks[p->stack].protocol);
	if (s->fd < 0)
		return -1;
	if (stacks[p->stack].wire)
		socket_set(s->fd, IPPROTO_XTCP, XTCP_WIRE, stacks[p->stack].wire);
	socket_set(s->fd, SOL_SOCKET, SO_REUSEADDR, reuseaddr);
	if (s->family == AF_INET6)
		socket_set(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, only);
	sprintf(said, "socket of IPv%d%s%s", s->family == AF_INET ? 4 : 6,
		reuseaddr ? ", SO_REUSEADDR" : "",
		s->family == AF_INET6 && only ? ", IPV6_V6ONLY" : "");
	return 0;
}

/* connect() gave it an IPv6 address: then it does not conflict with 0.0.0.0 here (wire.rst). */
static bool has_connected_over_v6(const struct program *p)
{
	for (int i = 0; i < PROGRAM; i++)
		if (p->sock[i].fd >= 0 && p->sock[i].over == 6)
			return true;
	return false;
}

static int call_bind(struct program *p, struct sock *s, char *said)
{
	struct sockaddr_storage sa;
	socklen_t len = some_address(&sa, s->family);

	if (is_any(&sa) && ip_version(&sa) == 4 && has_connected_over_v6(p)) {
		sprintf(said, "nothing");
		return 0;
	}
	if (!is_any(&sa) || ip_version(&sa) == 4)
		s->over = s->over ?: ip_version(&sa);
	sprintf(said, "bind to %s", address_text(&sa));
	return bind(s->fd, (struct sockaddr *)&sa, len);
}

/* The queue has room for all: no SYN is sent again, at a time that the stacks don't share. */
static int call_listen(struct program *p, struct sock *s, char *said)
{
	sprintf(said, "listen");
	return listen(s->fd, SOCKETS);
}

/*
 * Not to its own port: such a socket may meet itself. And over one IP version only: which
 * of two errors it then is depends on the order of the checks.
 */
static int call_connect(struct program *p, struct sock *s, char *said)
{
	struct sockaddr_storage sa;
	socklen_t len = some_address(&sa, s->family);
	int version = ip_version(&sa);

	if (socket_port(s->fd) == port_of(&sa) || (s->over && s->over != version)) {
		sprintf(said, "nothing");
		return 0;
	}
	s->over = version;
	sprintf(said, "connect to %s", address_text(&sa));
	return connect(s->fd, (struct sockaddr *)&sa, len);
}

static int call_accept(struct program *p, struct sock *s, char *said)
{
	struct sock *child = &p->sock[PROGRAM + draw(SOCKETS - PROGRAM)];
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (child->fd >= 0 && chance(25))
		setsockopt(child->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
			   sizeof(struct linger));
	close_if_open(child);
	*child = (struct sock){ accept4(s->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK),
				s->family };
	sprintf(said, "accept %s", child->fd < 0 ? "" : address_text(&sa));
	return child->fd < 0 ? -1 : 0;
}

/* Of a socket without connection, shutdown() is for the listener that it becomes (wire.rst). */
static int call_shutdown(struct program *p, struct sock *s, char *said)
{
	int how = draw(3);

	if (state_of(s->fd) == TCP_CLOSE) {
		sprintf(said, "nothing");
		return 0;
	}
	sprintf(said, "shutdown %d", how);
	p->waits = true;
	return shutdown(s->fd, how);
}

static int call_disconnect(struct program *p, struct sock *s, char *said)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };

	sprintf(said, "connect to AF_UNSPEC");
	return connect(s->fd, (struct sockaddr *)&sa, sizeof(struct sockaddr_in));
}

static int call_reuseaddr(struct program *p, struct sock *s, char *said)
{
	int on = chance(60);

	sprintf(said, "SO_REUSEADDR %d", on);
	errno = socket_set(s->fd, SOL_SOCKET, SO_REUSEADDR, on);
	return errno ? -1 : 0;
}

static int call_error(struct program *p, struct sock *s, char *said)
{
	int error = 0, ret;
	socklen_t len = sizeof(error);

	ret = getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	sprintf(said, "SO_ERROR is %d", error);
	return ret;
}

static int call_send(struct program *p, struct sock *s, char *said)
{
	sprintf(said, "send");
	return send(s->fd, "x", 1, MSG_NOSIGNAL);
}

static int call_receive(struct program *p, struct sock *s, char *said)
{
	char buf[8];

	sprintf(said, "recv");
	return recv(s->fd, buf, sizeof(buf), 0);
}

/* Not lo: the kernel's TCP does not answer what comes by it for another address (wire.rst). */
static int call_device(struct program *p, struct sock *s, char *said)
{
	static const char *const devices[] = { "", "dummy0" };
	const char *device = devices[draw(ARRAY_SIZE(devices))];

	if (!p->uses_devices)
		device = "";
	sprintf(said, "SO_BINDTODEVICE \"%s\"", device);
	return setsockopt(s->fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device) + 1);
}

static int call_close(struct program *p, struct sock *s, char *said)
{
	bool abort = chance(25);

	sprintf(said, abort ? "close with RST" : "close");
	if (abort)
		socket_abort(s->fd);
	else
		close(s->fd);
	s->fd = -1;
	return 0;
}

static int call_close_accepted(struct program *p, struct sock *s, char *said)
{
	int i = PROGRAM + draw(SOCKETS - PROGRAM);

	sprintf(said, "close of socket %d", i);
	close_if_open(&p->sock[i]);
	return 0;
}

static const struct {
	call_fn call;
	int share;
} calls[] = {
	{ call_socket, 1 }, { call_bind, 5 }, { call_listen, 4 }, { call_connect, 5 },
	{ call_accept, 4 }, { call_shutdown, 1 }, { call_disconnect, 1 },
	{ call_reuseaddr, 1 }, { call_error, 1 }, { call_send, 1 },
	{ call_receive, 1 }, { call_device, 1 }, { call_close, 1 }, { call_close_accepted, 1 },
};

static call_fn some_call(void)
{
	int shares = 0, i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		shares += calls[i].share;
	shares = draw(shares);
	for (i = 0; shares >= calls[i].share; i++)
		shares -= calls[i].share;
	return calls[i].call;
}

static void one_call(struct program *p, char *line)
{
	struct sock *s = &p->sock[draw(PROGRAM)];
	call_fn call = some_call();
	char said[160] = "";
	int ret, error;

	p->waits = false;
	ret = (s->fd < 0 ? call_socket : call)(p, s, said);
	error = errno;
	sleep_ms(p->waits || chance(3) ? PAUSE_MS : 4);
	line += sprintf(line, "socket %d: %s: %s", (int)(s - p->sock), said,
			ret < 0 ? strerrorname_np(error) : "");
	if (ret > 0)
		line += sprintf(line, "%d", ret);
	if (s->fd < 0)
		return;
	sprintf(line, "; %s, %s, state %d, poll %x", name_text(s->fd, getsockname),
		name_text(s->fd, getpeername), state_of(s->fd),
		socket_poll(s->fd));
}

static void play(struct __test_metadata *_metadata, int stack, int seed)
{
	struct ipaddr v4 = ipaddr("10.9.0.1"), v6 = ipaddr("fd09::1");
	struct program *p = &programs[stack];
	int netns = netns_new(WHERE(_metadata));

	dummy_new(WHERE(_metadata), "dummy0");
	address_add(WHERE(_metadata), "dummy0", &v4, 24);
	address_add(WHERE(_metadata), "dummy0", &v6, 64);
	memset(p, 0, sizeof(*p));
	p->stack = stack;
	for (int i = 0; i < SOCKETS; i++)
		p->sock[i].fd = -1;
	draw_seed(seed);
	p->uses_v6 = chance(50);
	p->uses_devices = chance(25);
	p->shares = chance(50);
	for (int i = 0; i < CALLS; i++)
		one_call(p, p->line[i]);
	for (int i = 0; i < SOCKETS; i++)
		close_if_open(&p->sock[i]);
	close(netns);
}

/* The first call whose line differs, or -1. */
static int difference(const struct program *a, const struct program *b)
{
	for (int i = 0; i < CALLS; i++)
		if (strcmp(a->line[i], b->line[i]))
			return i;
	return -1;
}

/* In the kernel's TCP. */
static bool mapped_any_clashes(void)
{
	struct sockaddr_in6 sa = { AF_INET6, htons(9) };
	int fd[2], err = 0;

	for (int i = 0; i < 2; i++) {
		fd[i] = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
		inet_pton(AF_INET6, i ? "::ffff:127.0.0.1" : "::ffff:0.0.0.0", &sa.sin6_addr);
		err = bind(fd[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	for (int i = 0; i < 2; i++)
		close(fd[i]);
	return err;
}

FIXTURE(dozen) {
};

FIXTURE_SETUP(dozen)
{
	if (stock_mode())
		SKIP(return, "compares the two");
	addresses6_n = ARRAY_SIZE(addresses6) - !mapped_any_clashes();
}

FIXTURE_TEARDOWN(dozen)
{
}

TEST_F_TIMEOUT(dozen, sockets_fare_as_those_of_the_kernels_tcp, 1000000)
{
	int first = draw_from_environment("XTCP_FUZZ_SEED", 1);
	int rounds = draw_from_environment("XTCP_FUZZ_ROUNDS", 40);
	int differences = 0;

	for (int seed = first; seed < first + rounds; seed++) {
		for (int stack = 0; stack < ARRAY_SIZE(stacks); stack++)
			play(_metadata, stack, seed);
		for (int stack = 1; stack < ARRAY_SIZE(stacks); stack++) {
			int at = difference(&programs[0], &programs[stack]);

			if (at < 0 || differences++ >= SHOWN)
				continue;
			TH_LOG("seed %d:", seed);
			for (int i = 0; i < at; i++)
				printf("#   %s\n", programs[0].line[i]);
			printf("# - %s (%s)\n# + %s (%s)\n", programs[0].line[at], stacks[0].name,
			       programs[stack].line[at], stacks[stack].name);
		}
	}
	TH_LOG("%d programs of %d calls, %d differences", rounds, CALLS, differences);
	EXPECT_EQ(0, differences);
}

TEST_HARNESS_MAIN
