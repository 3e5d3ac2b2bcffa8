// SPDX-License-Identifier: GPL-2.0
/* crowd: see crowd.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crowd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "module.h"
#include "netns.h"
#include "proc.h"
#include "socket.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define TALK_MAX	100000		/* bytes that one side sends */
#define HANG_MS		60000
#define PROLONG_NS	(2 * NSEC_PER_SEC)

bool crowd_is_over(const struct crowd *c)
{
	return now_ns() >= c->until_ns;
}

void rest_us(int us)
{
	sleep_until_ns(now_ns() + us * 1000LL);
}

struct crowd *crowd_new(void)
{
	const char *s = getenv("XTCP_STRESS_S");
	struct crowd *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	c->way[0] = (struct way){ .family = AF_INET, .server = "127.0.0.1" };
	c->ways = 1;
	c->ports = CROWD_PORTS;
	c->talks = 64;
	c->tun = -1;
	c->until_ns = now_ns() + (s ? atoi(s) : 4) * NSEC_PER_SEC;
	return c;
}

pid_t role_fork(struct crowd *c, role play, uint32_t seed)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ c->talks + 100, c->talks + 100 });
	draw_seed(seed);
	play(c);
	_exit(0);
}

void role_start(struct crowd *c, role play)
{
	c->pid[c->nr] = role_fork(c, play, c->nr + 1);
	c->nr++;
}

/* While all rows must be there, and no longer. */
static void prolong(struct crowd *c, int64_t latest_ns)
{
	int64_t left_ns = c->until_ns - now_ns();

	if (left_ns > 0 && left_ns < PROLONG_NS && c->until_ns < latest_ns &&
	    c->purpose && !c->purpose(c))
		c->until_ns += PROLONG_NS;
}

void crowd_wait(struct where at, struct crowd *c)
{
	int64_t latest_ns = c->until_ns + CROWD_PATIENCE_S * NSEC_PER_SEC;
	int status, left = c->nr, failed = -1;

	while (left && now_ns() < c->until_ns + HANG_MS * NSEC_PER_MSEC) {
		prolong(c, latest_ns);
		for (int i = 0; i < c->nr; i++) {
			if (!c->pid[i] || waitpid(c->pid[i], &status, WNOHANG) <= 0)
				continue;
			if (status)
				failed = i;
			c->pid[i] = 0;
			left--;
		}
		sleep_ms(10);
	}
	for (int i = 0; i < c->nr; i++)
		if (c->pid[i])
			kill(c->pid[i], SIGKILL);
	printf("# %d opened, %d accepted, %d refused (%s), %ld bytes\n", c->opened,
	       c->accepted, c->refused, strerror(c->error), c->bytes);
	check(!left, at, "%d processes hang", left);
	check(failed < 0, at, "process %d failed", failed);
	check(!c->wrong, at, "%d bytes, or rows, are wrong", c->wrong);
	check(!c->purpose || c->purpose(c), at, "that is not what they came for");
}

static int rows_left(int family)
{
	return proc_rows(family, 0) - proc_rows(family, ROW_TIME_WAIT);
}

void crowd_expect_settled(struct where at, int family)
{
	int64_t late_ns = now_ns() + CROWD_SETTLE_MS * NSEC_PER_MSEC;
	char line[256];
	FILE *f;

	do {
		sleep_ms(50);
	} while (rows_left(family) > 0 && now_ns() < late_ns);
	if (rows_left(family) <= 0)
		return;
	f = fopen(proc_path(family), "r");
	for (int i = 0; f && i < 20 && fgets(line, sizeof(line), f); i++)
		printf("# %s", line);
	check_fail(at, "%d rows are left", rows_left(family));
}

void crowd_kill_rows(int percent)
{
	FILE *age = fopen("/proc/net/xtcp_age", "r");
	char line[256];

	/* The first line names the columns. */
	if (age && !fgets(line, sizeof(line), age))
		line[0] = '\0';
	while (age && fgets(line, sizeof(line), age))
		if (chance(percent))
			sysctl_write("/proc/net/xtcp_kill", line);
	if (age)
		fclose(age);
}

void knobs_for_haste(void)
{
	knob_set("orphan_retries", 1);
	knob_set("fin_timeout", 2);
	knob_set("syn_retries", 2);
	knob_set("retries2", 4);
	/* The ways in which a listener closes. */
	knob_set("migrate_req", 1);
}

/* --- two who talk --------------------------------------------------------- */

/* One end of a connection, and its progress. */
struct talk {
	int fd;				/* -1: none */
	uint16_t port;			/* the client's; 0: not known yet */
	bool client, shut;
	long said, heard;
};

/* The @at-th byte that the client of @port sends, or the server. */
static uint8_t byte(uint16_t port, bool client, long at)
{
	return at * (client ? 7 : 13) + port * 5 + (at >> 8);
}

static uint16_t port_of(int fd, bool own)
{
	/* The port has the same offset in both families. */
	struct sockaddr_in6 addr = { 0 };
	socklen_t len = sizeof(addr);

	if (own)
		getsockname(fd, (struct sockaddr *)&addr, &len);
	else
		getpeername(fd, (struct sockaddr *)&addr, &len);
	return ntohs(addr.sin6_port);
}

static void talk_end(struct talk *t)
{
	struct linger off = { .l_onoff = 1 };

	if (chance(20))
		setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	close(t->fd);
	t->fd = -1;
}

static void talk_say(struct talk *t)
{
	uint8_t buf[8192];
	int len = 1 + draw(chance(50) ? 100 : sizeof(buf));
	ssize_t n;

	for (int i = 0; i < len; i++)
		buf[i] = byte(t->port, t->client, t->said + i);
	n = send(t->fd, buf, len, MSG_NOSIGNAL);
	if (n > 0)
		t->said += n;
	else if (errno != EAGAIN)
		talk_end(t);
}

/* Wrong bytes are printed in full: they may not come again for hours. */
static void heard_is_right(struct crowd *c, const struct talk *t, const uint8_t *buf,
			   int n, bool peek)
{
	int first = -1, wrong = 0;

	for (int i = 0; i < n; i++) {
		if (buf[i] == byte(t->port, !t->client, t->heard + i))
			continue;
		if (first < 0)
			first = i;
		wrong++;
	}
	if (!wrong)
		return;
	c->wrong += wrong;
	printf("# %s of port %u %s %d bytes at %ld: %d are wrong, from %d on:",
	       t->client ? "client" : "server", t->port, peek ? "peeks" : "reads", n,
	       t->heard, wrong, first);
	for (int i = first; i < n && i < first + 16; i++)
		printf(" %02x/%02x", buf[i], byte(t->port, !t->client, t->heard + i));
	printf("\n");
	fflush(stdout);
}

static void talk_hear(struct crowd *c, struct talk *t)
{
	bool peek = chance(10);
	uint8_t buf[8192];
	ssize_t n = recv(t->fd, buf, 1 + draw(sizeof(buf)), peek ? MSG_PEEK : 0);

	if (n < 0) {
		if (errno != EAGAIN)
			talk_end(t);
		return;
	}
	if (!n) {
		talk_end(t);
		return;
	}
	heard_is_right(c, t, buf, n, peek);
	if (peek)
		return;
	t->heard += n;
	c->bytes += n;
}

static void talk_ask(struct talk *t)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int n = chance(50);

	switch (draw(5)) {
	case 0:
		getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
		break;
	case 1:
		setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &n, sizeof(n));
		break;
	case 2:
		setsockopt(t->fd, SOL_SOCKET, SO_KEEPALIVE, &n, sizeof(n));
		break;
	case 3:
		ioctl(t->fd, chance(50) ? FIONREAD : TIOCOUTQ, &n);
		break;
	case 4:
		n = 4096 << draw(6);
		setsockopt(t->fd, SOL_SOCKET, chance(50) ? SO_RCVBUF : SO_SNDBUF, &n,
			   sizeof(n));
		break;
	}
}

static void talk_act(struct crowd *c, struct talk *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLOUT };

	if (!t->port) {
		if (poll(&p, 1, 0) <= 0) {
			if (chance(2))
				talk_end(t);
			return;
		}
		t->port = port_of(t->fd, true);
	}
	if ((!c->stays_open && chance(3)) || t->said > TALK_MAX)
		talk_end(t);
	else if (!c->stays_open && chance(3) && !t->shut)
		t->shut = !shutdown(t->fd, draw(3) ? SHUT_WR : SHUT_RDWR);
	else if (chance(5))
		talk_ask(t);
	else if (chance(45) && !t->shut)
		talk_say(t);
	else
		talk_hear(c, t);
}

void crowd_note_refusal(struct crowd *c)
{
	c->refused++;
	c->error = errno;
}

/* A non-blocking socket of that way; -1: none can be made. */
static int way_socket(const struct way *way)
{
	int fd = socket(socket_family(way->family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			stream_proto());

	if (fd >= 0 && way->wire)
		setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &way->wire, sizeof(way->wire));
	return fd;
}

/* The server's address, or any. */
static socklen_t way_address(const struct way *way, bool any, int port,
			     struct sockaddr_storage *sa)
{
	const char *of_any = way->family == AF_INET ? "0.0.0.0" : "::";
	struct ipaddr a = ipaddr(any ? of_any : way->server);

	return ipaddr_sockaddr(&a, port, sa);
}

static void talk_connect(struct crowd *c, struct talk *t)
{
	const struct way *way = &c->way[draw(c->ways)];
	struct sockaddr_storage sa;
	socklen_t len = way_address(way, false, CROWD_PORT + draw(c->ports), &sa);
	int fd = way_socket(way);

	if (fd < 0) {
		crowd_note_refusal(c);
		return;
	}
	if (connect(fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS) {
		crowd_note_refusal(c);
		if (chance(50))
			socket_disconnect(fd);
		close(fd);
		return;
	}
	c->opened++;
	*t = (struct talk){ .fd = fd, .client = true };
}

static struct talk *talks_new(const struct crowd *c)
{
	struct talk *talk = calloc(c->talks, sizeof(*talk));

	for (int i = 0; i < c->talks; i++)
		talk[i].fd = -1;
	return talk;
}

static void talks_end(const struct crowd *c, struct talk *talk)
{
	for (int i = 0; i < c->talks; i++)
		if (talk[i].fd >= 0)
			talk_end(&talk[i]);
	free(talk);
}

void role_clients(struct crowd *c)
{
	struct talk *talk = talks_new(c);

	while (!crowd_is_over(c)) {
		struct talk *t = &talk[draw(c->talks)];

		if (t->fd < 0)
			talk_connect(c, t);
		else
			talk_act(c, t);
		if (chance(2))
			rest_us(draw(2000));
	}
	talks_end(c, talk);
}

/* A program that gives each SYN of the group to any listener, or to none. */
static void choose_by_chance(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_RANDOM),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 4),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog));
}

static int listen_at(struct crowd *c, const struct way *way, int backlog)
{
	int fd = way_socket(way), port = CROWD_PORT + draw(c->ports);
	struct sockaddr_storage sa;
	socklen_t len = way_address(way, true, port, &sa);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	/* An odd port has any number of listeners. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ port % 2 }, sizeof(int));
	if (way->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	if (!bind(fd, (struct sockaddr *)&sa, len) && !listen(fd, backlog)) {
		if (port % 2 && chance(30))
			choose_by_chance(fd);
		return fd;
	}
	close(fd);
	return -1;
}

int listener_new(struct crowd *c, int backlog)
{
	return listen_at(c, &c->way[0], backlog);
}

void listener_end(int fd)
{
	if (chance(30))
		shutdown(fd, SHUT_RDWR);
	else if (chance(30))
		socket_disconnect(fd);
	close(fd);
}

static void serve(struct crowd *c, int restless)
{
	const struct way *way = &c->way[restless ? 0 : c->servers++ % c->ways];
	struct talk *talk = talks_new(c);
	int lfd = -1, fd;

	while (!crowd_is_over(c)) {
		struct talk *t = &talk[draw(c->talks)];

		if (lfd < 0) {
			if (restless)
				way = &c->way[draw(c->ways)];
			lfd = listen_at(c, way, draw(restless ? 16 : 128));
		} else if (restless && draw(restless) == 0) {
			listener_end(lfd);
			lfd = -1;
		} else if (t->fd >= 0) {
			talk_act(c, t);
		} else {
			fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd >= 0) {
				c->accepted++;
				*t = (struct talk){ .fd = fd, .port = port_of(fd, false) };
				if (!t->port)
					talk_end(t);	/* reset while it waited */
			}
		}
		if (chance(2))
			rest_us(draw(2000));
	}
	if (lfd >= 0)
		close(lfd);
	talks_end(c, talk);
}

void role_server(struct crowd *c)
{
	serve(c, 0);
}

void role_restless_server(struct crowd *c)
{
	serve(c, 60);
}

void role_onlooker(struct crowd *c)
{
	static const char * const path[] = {
		"/proc/net/xtcp", "/proc/net/xtcp6", "/proc/net/xtcp_snmp", "/proc/net/xtcp_netstat",
		"/proc/net/xtcp_lifecycle", "/proc/net/xtcp_listen",
		"/proc/net/sockstat", "/proc/net/protocols",
	};
	char buf[4096];

	while (!crowd_is_over(c)) {
		int fd = open(path[draw(ARRAY_SIZE(path))], O_RDONLY);

		while (fd >= 0 && read(fd, buf, 1 + draw(sizeof(buf))) > 0 && !crowd_is_over(c))
			;
		if (fd >= 0)
			close(fd);
		rest_us(draw(5000));
	}
}

/* --- the module ------------------------------------------------------------ */

void role_unloader(struct crowd *c)
{
	while (!crowd_is_over(c)) {
		if (module_unload() != EAGAIN) {
			c->unloaded++;
			_exit(1);
		}
		rest_us(draw(3000));
	}
}

int crowd_unload(void)
{
	int64_t late_ns = now_ns() + CROWD_SETTLE_MS * NSEC_PER_MSEC;
	int err;

	do {
		err = module_unload();
	} while (err == EAGAIN && now_ns() < late_ns && (sleep_ms(50), true));
	return err;
}
