// SPDX-License-Identifier: GPL-2.0
/* vm: smp=2 mem=2G timeout=600 */
/*
 * stampede: many at once, on two CPUs. Connections by the thousand, listeners
 * that close while SYNs and third ACKs arrive on both CPUs, namespaces that
 * die in the middle, ground that shakes, and somebody who wants to unload the
 * module all the while. What must hold: octets that arrive are the right ones,
 * nobody hangs, and in the end nothing is left. What goes wrong inside, a
 * debug kernel says.
 *
 * Real time: each test runs for XTCP_STRESS_S seconds (4 if not said), and then
 * as long as its connections need to end. The programs here are processes, not
 * threads, so that some of them can be killed.
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FIRST_PORT	7000
#define PORTS		4
#define TALKS		64		/* connections of one process */
#define TALK_MAX	100000		/* octets that one side says */
#define HEARD		256		/* SYN-ACKs that injectors remember */
#define SETTLE_MS	60000
#define HANG_MS		60000

struct heard {
	struct ipaddr addr;
	uint16_t pport, kport;
	uint32_t seq, ack;
};

/* What the processes of a test share. */
struct crowd {
	int64_t until_ns;
	char server[16];		/* its address */
	int tun;			/* where injectors write, or -1 */
	_Atomic int opened, accepted, refused;
	_Atomic long octets;
	_Atomic int wrong;		/* octets that were not what was sent */
	_Atomic int unloaded;
	_Atomic unsigned int heard_nr;
	struct heard heard[HEARD];
	int nr;
	pid_t pid[16];
};

static uint32_t rng;

static uint32_t draw(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 17;
	rng ^= rng << 5;
	return rng % below;
}

static bool chance(int percent)
{
	return (int)draw(100) < percent;
}

static bool is_over(const struct crowd *c)
{
	return now_ns() >= c->until_ns;
}

static void rest_us(int us)
{
	sleep_until_ns(now_ns() + us * 1000LL);
}

static struct crowd *crowd_new(void)
{
	const char *s = getenv("XTCP_STRESS_S");
	struct crowd *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	strcpy(c->server, "127.0.0.1");
	c->tun = -1;
	c->until_ns = now_ns() + (s ? atoi(s) : 4) * NSEC_PER_SEC;
	return c;
}

typedef void (*role)(struct crowd *c);

static pid_t role_fork(struct crowd *c, role play, uint32_t seed)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rng = seed * 2654435761u | 1;
	play(c);
	_exit(0);
}

static void role_start(struct crowd *c, role play)
{
	c->pid[c->nr] = role_fork(c, play, c->nr + 1);
	c->nr++;
}

/* Everybody comes to an end, and nobody was told nonsense. */
static void crowd_wait(struct __test_metadata *_metadata, struct crowd *c)
{
	int64_t late_ns = c->until_ns + HANG_MS * NSEC_PER_MSEC;
	int status, left = c->nr;

	while (left && now_ns() < late_ns) {
		for (int i = 0; i < c->nr; i++) {
			if (!c->pid[i] || waitpid(c->pid[i], &status, WNOHANG) <= 0)
				continue;
			EXPECT_EQ(0, status) { TH_LOG("process %d", i); }
			c->pid[i] = 0;
			left--;
		}
		sleep_ms(10);
	}
	EXPECT_EQ(0, left) { TH_LOG("hung"); }
	for (int i = 0; i < c->nr; i++)
		if (c->pid[i])
			kill(c->pid[i], SIGKILL);
	EXPECT_EQ(0, c->wrong);
	TH_LOG("%d opened, %d accepted, %d refused, %ld octets", c->opened,
	       c->accepted, c->refused, c->octets);
}

/* Only records in TIME-WAIT may be left: they need nobody. */
static void expect_settled(struct __test_metadata *_metadata)
{
	int64_t late_ns = now_ns() + SETTLE_MS * NSEC_PER_MSEC;
	int left;

	do {
		sleep_ms(50);
		left = proc_rows(AF_INET, 0) - proc_rows(AF_INET, ROW_TIME_WAIT);
	} while (left > 0 && now_ns() < late_ns);
	EXPECT_LE(left, 0) {
		FILE *f = fopen(proc_path(AF_INET), "r");
		char line[256];

		for (int i = 0; f && i < 20 && fgets(line, sizeof(line), f); i++)
			TH_LOG("%s", line);
	}
}

/* Orphans give up soon: nobody waits for them here. */
static void knobs_for_haste(void)
{
	knob_set("orphan_retries", 1);
	knob_set("fin_timeout", 2);
	knob_set("syn_retries", 2);
	knob_set("retries2", 4);
	/* What a listener leaves to others of its port. */
	knob_set("migrate_req", 1);
}

/* --- two who talk --------------------------------------------------------- */

/* One end of a connection, and how far it has come. */
struct talk {
	int fd;				/* -1: none */
	uint16_t port;			/* the client's; 0: not known yet */
	bool client, shut;
	long said, heard;
};

/* What the client of @port says as its @at-th octet, and the server. */
static uint8_t octet(uint16_t port, bool client, long at)
{
	return at * (client ? 7 : 13) + port * 5 + (at >> 8);
}

static uint16_t port_of(int fd, bool own)
{
	struct sockaddr_in addr = { 0 };
	socklen_t len = sizeof(addr);

	if (own)
		getsockname(fd, (struct sockaddr *)&addr, &len);
	else
		getpeername(fd, (struct sockaddr *)&addr, &len);
	return ntohs(addr.sin_port);
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
		buf[i] = octet(t->port, t->client, t->said + i);
	n = send(t->fd, buf, len, MSG_NOSIGNAL);
	if (n > 0)
		t->said += n;
	else if (errno != EAGAIN)
		talk_end(t);
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
	for (int i = 0; i < n; i++)
		if (buf[i] != octet(t->port, !t->client, t->heard + i))
			c->wrong++;
	if (peek)
		return;
	t->heard += n;
	c->octets += n;
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
	if (chance(3) || t->said > TALK_MAX)
		talk_end(t);
	else if (chance(3) && !t->shut)
		t->shut = !shutdown(t->fd, draw(3) ? SHUT_WR : SHUT_RDWR);
	else if (chance(5))
		talk_ask(t);
	else if (chance(45) && !t->shut)
		talk_say(t);
	else
		talk_hear(c, t);
}

static void talk_connect(struct crowd *c, struct talk *t)
{
	int fd = socket_new(-1), err;

	if (fd < 0) {
		c->refused++;
		return;
	}
	err = socket_connect(fd, c->server, FIRST_PORT + draw(PORTS));
	if (err && err != EINPROGRESS) {
		c->refused++;
		if (chance(50))
			socket_disconnect(fd);
		close(fd);
		return;
	}
	c->opened++;
	*t = (struct talk){ .fd = fd, .client = true };
}

static void role_clients(struct crowd *c)
{
	struct talk talk[TALKS];

	for (int i = 0; i < TALKS; i++)
		talk[i].fd = -1;
	while (!is_over(c)) {
		struct talk *t = &talk[draw(TALKS)];

		if (t->fd < 0)
			talk_connect(c, t);
		else
			talk_act(c, t);
		if (chance(2))
			rest_us(draw(2000));
	}
	for (int i = 0; i < TALKS; i++)
		if (talk[i].fd >= 0)
			talk_end(&talk[i]);
}

/* A program that gives each SYN of the group to anybody, or to nobody. */
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

static int listener_new(int backlog)
{
	int fd = socket_new(-1), port = FIRST_PORT + draw(PORTS);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	/* An odd port has as many listeners as want it. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ port % 2 }, sizeof(int));
	if (!socket_bind(fd, "", port) && !socket_listen(fd, backlog)) {
		if (port % 2 && chance(30))
			choose_by_chance(fd);
		return fd;
	}
	close(fd);
	return -1;
}

/* close(), or one of the other ways in which a listener ends. */
static void listener_end(int fd)
{
	if (chance(30))
		shutdown(fd, SHUT_RDWR);
	else if (chance(30))
		socket_disconnect(fd);
	close(fd);
}

static void serve(struct crowd *c, int restless)
{
	struct talk talk[TALKS];
	int lfd = -1, fd;

	for (int i = 0; i < TALKS; i++)
		talk[i].fd = -1;
	while (!is_over(c)) {
		struct talk *t = &talk[draw(TALKS)];

		if (lfd < 0) {
			lfd = listener_new(draw(restless ? 16 : 128));
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
	for (int i = 0; i < TALKS; i++)
		if (talk[i].fd >= 0)
			talk_end(&talk[i]);
}

static void role_server(struct crowd *c)
{
	serve(c, 0);
}

static void role_restless_server(struct crowd *c)
{
	serve(c, 60);
}

/* Reads all there is to be read about connections while they come and go. */
static void role_onlooker(struct crowd *c)
{
	static const char * const path[] = {
		"/proc/net/xtcp", "/proc/net/xtcp_snmp", "/proc/net/xtcp_netstat",
		"/proc/net/xtcp_lifecycle", "/proc/net/xtcp_listen",
		"/proc/net/sockstat", "/proc/net/protocols",
	};
	char buf[4096];

	while (!is_over(c)) {
		int fd = open(path[draw(ARRAY_SIZE(path))], O_RDONLY);

		while (fd >= 0 && read(fd, buf, 1 + draw(sizeof(buf))) > 0 && !is_over(c))
			;
		if (fd >= 0)
			close(fd);
		rest_us(draw(5000));
	}
}

/* --- short connections ---------------------------------------------------- */

/* One octet each way, and gone: the memory of the one is the next one's. */
static void brief_talk(struct crowd *c, int lfd, const struct sockaddr_in *to)
{
	char said = draw(256), heard = ~said;
	int fd = stream_socket(AF_INET), at, n;

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
		c->refused++;
		close(fd);
		return;
	}
	c->opened++;
	at = accept(lfd, NULL, NULL);
	c->accepted++;
	if (write(fd, &said, 1) != 1 || read(at, &heard, 1) != 1 || heard != said)
		c->wrong++;
	said = ~said;
	if (write(at, &said, 1) != 1 || read(fd, &heard, 1) != 1 || heard != said)
		c->wrong++;
	c->octets += 2;
	/* Either end may be the first to close. */
	n = chance(50);
	close(n ? fd : at);
	close(n ? at : fd);
}

static void brief_at(struct crowd *c, const char *server)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t len = sizeof(to);
	int lfd = stream_socket(AF_INET);

	inet_pton(AF_INET, server, &to.sin_addr);
	if (bind(lfd, (struct sockaddr *)&to, len) || listen(lfd, 8) ||
	    getsockname(lfd, (struct sockaddr *)&to, &len))
		_exit(1);
	while (!is_over(c))
		brief_talk(c, lfd, &to);
}

static void role_brief_here(struct crowd *c)
{
	brief_at(c, "127.0.1.1");
}

static void role_brief_there(struct crowd *c)
{
	brief_at(c, "127.0.2.1");
}

/* Only its own namespace's connections are shown, however they change. */
static void guard_against(struct crowd *c, const char *foreign)
{
	char line[256];

	while (!is_over(c)) {
		FILE *f = fopen(proc_path(AF_INET), "r");

		while (f && fgets(line, sizeof(line), f))
			if (strstr(line, foreign))
				c->wrong++;
		if (f)
			fclose(f);
	}
}

static void role_guard_here(struct crowd *c)
{
	guard_against(c, "0102007F:");
}

static void role_guard_there(struct crowd *c)
{
	guard_against(c, "0101007F:");
}

/* --- segments from nowhere ------------------------------------------------ */

static void inject(struct crowd *c, const struct segment_spec *spec)
{
	uint8_t buf[2048];

	if (write(c->tun, buf, segment_build(spec, buf)) < 0)
		rest_us(100);
}

static struct segment_spec from_nowhere(void)
{
	struct segment_spec spec = SEGMENT_SPEC(.proto = stream_proto(), .wnd = 20000);
	char text[16];

	snprintf(text, sizeof(text), "10.1.%u.%u", draw(4), 1 + draw(200));
	spec.src = ipaddr(text);
	spec.dst = ipaddr("10.0.0.1");
	spec.sport = 1024 + draw(60000);
	spec.dport = FIRST_PORT + draw(PORTS);
	return spec;
}

static void inject_syn(struct crowd *c)
{
	struct segment_spec spec = from_nowhere();

	spec.flags = SYN;
	spec.seq = draw(UINT32_MAX);
	spec.opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7));
	inject(c, &spec);
	if (chance(20))
		inject(c, &spec);
}

/* Goes on, or does not, with a handshake that either injector has seen. */
static void inject_next(struct crowd *c)
{
	static const int flags[] = {
		ACK, ACK, ACK, ACK, ACK, ACK | PSH, RST, RST | ACK, FIN | ACK, SYN,
	};
	struct segment_spec spec = from_nowhere();
	unsigned int nr = c->heard_nr;
	const struct heard *h;

	if (!nr)
		return;
	h = &c->heard[(nr - 1 - draw(nr < 8 ? nr : 8)) % HEARD];
	spec.src = h->addr;
	spec.sport = h->pport;
	spec.dport = h->kport;
	spec.flags = flags[draw(ARRAY_SIZE(flags))];
	spec.seq = spec.flags & SYN ? h->ack - 1 : h->ack;
	spec.ack = h->seq + 1;
	if (spec.flags & PSH)
		spec.len = 1 + draw(1000);
	if (chance(5))
		spec.ack += draw(100);
	inject(c, &spec);
}

static void listen_in(struct crowd *c, struct segment *seg)
{
	struct heard *h;

	seg->packet_len = read(c->tun, seg->packet, sizeof(seg->packet));
	if (seg->packet_len <= 0)
		return;
	segment_parse(seg, stream_proto());
	if (!seg->is_tcp || (seg->flags & (SYN | ACK)) != (SYN | ACK))
		return;
	h = &c->heard[c->heard_nr % HEARD];
	*h = (struct heard){
		.addr = seg->dst, .pport = seg->dport, .kport = seg->sport,
		.seq = seg->seq, .ack = seg->ack,
	};
	c->heard_nr++;
	c->opened++;
}

static void role_injector(struct crowd *c)
{
	static struct segment seg;

	while (!is_over(c)) {
		for (int i = 0; i < 4; i++)
			listen_in(c, &seg);
		if (chance(40))
			inject_syn(c);
		else
			inject_next(c);
	}
}

/* Accepts a few and closes; opens again. Nobody is read or written to. */
static void role_fickle_listener(struct crowd *c)
{
	while (!is_over(c)) {
		int lfd = listener_new(draw(64));
		int rounds = draw(200);

		while (lfd >= 0 && rounds--) {
			int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);

			if (fd >= 0) {
				c->accepted++;
				socket_abort(fd);
			} else {
				rest_us(draw(100));
			}
		}
		if (lfd >= 0)
			listener_end(lfd);
	}
}

/* --- ground that shakes ----------------------------------------------------- */

static int device_ioctl(int request, struct ifreq *ifr, const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err;

	strcpy(ifr->ifr_name, name);
	err = ioctl(fd, request, ifr) ? errno : 0;
	close(fd);
	return err;
}

static void device_up(const char *name, bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	device_ioctl(SIOCSIFFLAGS, &ifr, name);
}

static void device_address(const char *name, const char *addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct ifreq ifr = { 0 };

	inet_pton(AF_INET, addr, &in.sin_addr);
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	device_ioctl(SIOCSIFADDR, &ifr, name);
	inet_pton(AF_INET, "255.255.255.0", &in.sin_addr);
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	device_ioctl(SIOCSIFNETMASK, &ifr, name);
}

static void device_mtu(const char *name, int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	device_ioctl(SIOCSIFMTU, &ifr, name);
}

/*
 * Any value of any knob, refused ones included; but an orphan keeps the
 * fin_timeout that it found, and nobody waits an hour for it.
 */
static void knob_sweep(void)
{
	static const char * const name[] = {
		"syncookies", "max_syn_backlog", "synack_retries", "syn_retries",
		"abort_on_overflow", "tw_reuse", "max_tw_buckets",
		"retries1", "retries2", "orphan_retries", "keepalive_time",
		"keepalive_intvl", "keepalive_probes", "timestamps",
		"window_scaling", "sack", "migrate_req",
	};
	static const long long value[] = { -1, 0, 1, 2, 3, 5, 127, 255, 256, 4096, 1 << 20 };
	char text[64];

	if (chance(20)) {
		snprintf(text, sizeof(text), "%u %u %u", 1 + draw(8192), 4096 + draw(100000),
			 4096 + draw(4000000));
		knob_set_text(chance(50) ? "rmem" : "wmem", text);
		return;
	}
	if (chance(10))
		knob_set("fin_timeout", draw(4));
	else
		knob_set(name[draw(ARRAY_SIZE(name))], value[draw(ARRAY_SIZE(value))]);
}

static void role_shaker(struct crowd *c)
{
	while (!is_over(c)) {
		switch (draw(6)) {
		case 0:
			device_up("veth0", false);
			rest_us(draw(20000));
			device_up("veth0", true);
			break;
		case 1:
			device_address("veth0", "0.0.0.0");
			rest_us(draw(20000));
			device_address("veth0", "10.0.0.1");
			break;
		case 2:
			device_mtu("veth0", 576 + draw(925));
			break;
		case 3:
			sysctl_write("/proc/sys/net/ipv4/route/flush", "1");
			break;
		default:
			knob_sweep();
		}
		rest_us(draw(30000));
	}
	device_mtu("veth0", 1500);
	device_up("veth0", true);
	device_address("veth0", "10.0.0.1");
}

/* --- the tests ----------------------------------------------------------------- */

FIXTURE(stampede) {
	struct crowd *c;
	int ns;
};

FIXTURE_SETUP(stampede)
{
	self->ns = netns_new(WHERE(_metadata));
	knobs_for_haste();
	self->c = crowd_new();
}

FIXTURE_TEARDOWN(stampede)
{
	stock_expect_silent(_metadata);
	close(self->ns);
}

TEST_F_TIMEOUT(stampede, connections_come_and_go, 1000)
{
	struct crowd *c = self->c;

	role_start(c, role_server);
	role_start(c, role_server);
	role_start(c, role_clients);
	role_start(c, role_clients);
	role_start(c, role_onlooker);
	crowd_wait(_metadata, c);
	EXPECT_LT(20, c->accepted);
	EXPECT_LT(10000, c->octets);
	expect_settled(_metadata);
}

TEST_F_TIMEOUT(stampede, listeners_come_and_go, 1000)
{
	struct crowd *c = self->c;

	role_start(c, role_restless_server);
	role_start(c, role_restless_server);
	role_start(c, role_restless_server);
	role_start(c, role_clients);
	role_start(c, role_clients);
	role_start(c, role_onlooker);
	crowd_wait(_metadata, c);
	EXPECT_LT(10, c->accepted);
	expect_settled(_metadata);
}

TEST_F_TIMEOUT(stampede, listeners_close_under_syns, 1000)
{
	struct ipaddr addr = ipaddr("10.0.0.1");
	struct crowd *c = self->c;
	struct counters now;

	c->tun = tun_new(WHERE(_metadata), "tun0");
	address_add(WHERE(_metadata), "tun0", &addr, 24);
	route_add_default(WHERE(_metadata), "tun0", AF_INET);
	/* More than the readers can take: a full queue is part of the game. */
	knob_set("max_syn_backlog", 4096);
	role_start(c, role_fickle_listener);
	role_start(c, role_fickle_listener);
	role_start(c, role_injector);
	role_start(c, role_injector);
	role_start(c, role_onlooker);
	crowd_wait(_metadata, c);
	EXPECT_LT(100, c->opened);
	EXPECT_LT(10, c->accepted);
	/* Some found their port shared when they closed. */
	counters_take(&now);
	EXPECT_LT(0, counter_get(&now, "TCPMigrateReqSuccess"));
	/* A peer that never answered had RSTs; with the device goes the rest. */
	close(c->tun);
	expect_settled(_metadata);
}

TEST_F_TIMEOUT(stampede, ground_shakes, 1000)
{
	struct ipaddr client = ipaddr("10.0.0.1"), server = ipaddr("10.0.0.2");
	struct crowd *c = self->c;
	int there = netns_new(WHERE(_metadata));

	veth_new(WHERE(_metadata), "veth0", self->ns, "veth0");
	address_add(WHERE(_metadata), "veth0", &server, 24);
	link_up(WHERE(_metadata), "veth0");
	knobs_for_haste();
	strcpy(c->server, "10.0.0.2");
	role_start(c, role_server);
	role_start(c, role_restless_server);
	role_start(c, role_onlooker);
	netns_enter(WHERE(_metadata), self->ns);
	address_add(WHERE(_metadata), "veth0", &client, 24);
	link_up(WHERE(_metadata), "veth0");
	role_start(c, role_clients);
	role_start(c, role_clients);
	role_start(c, role_shaker);
	role_start(c, role_shaker);
	crowd_wait(_metadata, c);
	EXPECT_LT(5, c->accepted);
	/* Both ends can reach each other again, and no patience is too long. */
	knobs_for_haste();
	expect_settled(_metadata);
	netns_enter(WHERE(_metadata), there);
	expect_settled(_metadata);
	netns_enter(WHERE(_metadata), self->ns);
	close(there);
}

/*
 * Sockets of two namespaces come and go at once, on two CPUs, in the same
 * memory; segments find theirs, and who walks the tables no other's.
 */
TEST_F_TIMEOUT(stampede, freed_sockets_are_anybodys, 1000)
{
	struct crowd *c = self->c;
	int there = netns_new(WHERE(_metadata));

	device_up("lo", true);
	knobs_for_haste();
	role_start(c, role_brief_there);
	role_start(c, role_brief_there);
	role_start(c, role_guard_there);
	netns_enter(WHERE(_metadata), self->ns);
	device_up("lo", true);
	role_start(c, role_brief_here);
	role_start(c, role_brief_here);
	role_start(c, role_guard_here);
	crowd_wait(_metadata, c);
	EXPECT_LT(100, c->accepted);
	EXPECT_EQ(0, c->refused);
	expect_settled(_metadata);
	netns_enter(WHERE(_metadata), there);
	expect_settled(_metadata);
	netns_enter(WHERE(_metadata), self->ns);
	close(there);
}

/* A namespace full of talk, whose last process is killed in mid-sentence. */
static void namespace_full_of_talk(struct crowd *c)
{
	setpgid(0, 0);
	if (unshare(CLONE_NEWNET))
		_exit(1);
	device_up("lo", true);
	knobs_for_haste();
	role_fork(c, role_server, draw(1 << 20));
	role_fork(c, role_restless_server, draw(1 << 20));
	role_fork(c, role_clients, draw(1 << 20));
	role_clients(c);
}

static void role_destroyer(struct crowd *c)
{
	while (!is_over(c)) {
		pid_t pid = role_fork(c, namespace_full_of_talk, draw(1 << 20));

		setpgid(pid, pid);
		rest_us(50000 + draw(300000));
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

/* With a socket of somebody's about, it may not go. */
static void role_unloader(struct crowd *c)
{
	while (!is_over(c)) {
		if (!syscall(SYS_delete_module, "xtcp", O_NONBLOCK) ||
		    errno != EAGAIN) {
			c->unloaded++;
			_exit(1);
		}
		rest_us(draw(3000));
	}
}

/* The killed namespaces' sockets may hold it for a while. */
static int unload_patiently(void)
{
	int64_t late_ns = now_ns() + SETTLE_MS * NSEC_PER_MSEC;
	int err;

	do {
		err = module_unload();
	} while (err == EAGAIN && now_ns() < late_ns && (sleep_ms(50), true));
	return err;
}

TEST_F_TIMEOUT(stampede, namespaces_die_and_the_module_stays_until_it_may_go, 1000)
{
	struct crowd *c = self->c;
	int fd;

	NOT_ON_STOCK();
	fd = socket_new(-1);
	ASSERT_LE(0, fd);
	role_start(c, role_destroyer);
	role_start(c, role_destroyer);
	role_start(c, role_server);
	role_start(c, role_clients);
	role_start(c, role_unloader);
	crowd_wait(_metadata, c);
	EXPECT_EQ(0, c->unloaded);
	EXPECT_LT(10, c->accepted);
	close(fd);
	EXPECT_EQ(0, unload_patiently()) { TH_LOG("still in use"); }
	EXPECT_EQ(0, module_load());
}

TEST_HARNESS_MAIN
