// SPDX-License-Identifier: GPL-2.0
/* vm: smp=2 timeout=600 grows=XTCP_STRESS_S:3 */
/*
 * teardown: the TCP wire's hook, its ports and the module come and go under load, on
 * two CPUs: servers of xtcp are killed and started again, the module is unloaded
 * between them, namespaces end with connections in them, while the kernel's TCP
 * connects to all of these ports, and to itself. None of the latter's bytes may be
 * lost or wrong, and nothing may be left.
 *
 * Real time: XTCP_STRESS_S seconds (4 by default).
 *
 * The kernel patches its code when the first hook of a kind is registered and when
 * the last one is unregistered, and an emulator with several threads (QEMU 7.2) may
 * still execute the breakpoint of meanwhile ("Oops: int3" in ip_local_deliver). So
 * other hooks stay all the while.
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define XTCP_PORT_FIRST	7000
#define XTCP_PORTS	3
#define STOCK_PORT	8000
#define QUESTION	4000
#define STALL_MS	60000
#define PATIENCE_S	60

/* Memory that the processes share. */
struct shared {
	int64_t until_ns;
	bool rests;			/* in some periods nobody has sockets of xtcp */
	bool until_unloaded;		/* goes on until the module was unloaded once */
	_Atomic int answered, refused, wrong;
	_Atomic int served, unloaded, namespaces;
	_Atomic long stock_bytes;
	_Atomic int stock_failed;
};

FIXTURE(teardown) {
	struct pair pair;
	struct shared *shared;
};

FIXTURE_SETUP(teardown)
{
	static const char *const hooks[] = {
		"prerouting", "input", "forward", "output", "postrouting",
	};
	char command[160];

	pair_open_at(WHERE(_metadata), &self->pair, NULL);
	self->pair.stock_may_speak = true;
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		snprintf(command, sizeof(command), "nft add table ip t && nft 'add chain ip t %s "
			 "{ type filter hook %s priority 0; }'", hooks[i], hooks[i]);
		ASSERT_EQ(0, system(command));
	}
}

FIXTURE_TEARDOWN(teardown)
{
	pair_close_at(WHERE(_metadata), &self->pair);
}

static int stress_s(void)
{
	const char *env = getenv("XTCP_STRESS_S");

	return env ? atoi(env) : 4;
}

/* A busy host may leave no moment in which everybody rests: up to a minute more. */
static bool goes_on(const struct shared *s)
{
	int64_t more_ns = s->until_unloaded && !s->unloaded ? PATIENCE_S * NSEC_PER_SEC : 0;

	return now_ns() < s->until_ns + more_ns;
}

/* In the latter half of each second. */
static bool rests(const struct shared *s)
{
	return s->rests && now_ns() % NSEC_PER_SEC > NSEC_PER_SEC / 2;
}

/* -1 while the module is not loaded. */
static int wire_socket(void)
{
	int wire = XTCP_WIRE_TCP;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_XTCP);

	if (fd >= 0)
		setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &wire, sizeof(wire));
	return fd;
}

static struct sockaddr_in at_port(const char *addr, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, addr, &sin.sin_addr);
	return sin;
}

static bool listen_at(int fd, int port)
{
	struct sockaddr_in sin = at_port("0.0.0.0", port);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return !bind(fd, (struct sockaddr *)&sin, sizeof(sin)) && !listen(fd, 64);
}

static void timeout_set(int fd, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* Echoes data, until it is killed. */
static void serve(struct shared *s, int port)
{
	static uint8_t buf[QUESTION];
	int lfd = wire_socket(), fd;
	ssize_t n;

	if (lfd < 0 || !listen_at(lfd, port))
		return;
	while ((fd = accept(lfd, NULL, NULL)) >= 0) {
		timeout_set(fd, 500);
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
			send(fd, buf, n, MSG_NOSIGNAL);
		close(fd);
		s->served++;
	}
}

/* Sleeps during a rest. Returns false at the end of the test. */
static bool awake(struct shared *s)
{
	while (goes_on(s) && rests(s))
		sleep_ms(10);
	return goes_on(s);
}

/* A server is killed and replaced, as often as there is time. */
static void servers(struct shared *s, int port)
{
	pid_t pid;

	while (awake(s)) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(s, port);
			_exit(0);
		}
		sleep_ms(20 + now_ns() / 1000 % 150);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* So that there are moments without any server. */
		sleep_ms(now_ns() / 1000 % 40);
	}
}

/* An answer must equal the question; otherwise the connection is reset. */
static bool ask(struct shared *s, int fd)
{
	static uint8_t out[QUESTION], in[QUESTION];
	uint64_t offset = now_ns();
	ssize_t n, got = 0;

	pattern_fill(out, sizeof(out), offset);
	if (send(fd, out, sizeof(out), MSG_NOSIGNAL) != sizeof(out))
		return false;
	while (got < (ssize_t)sizeof(in)) {
		n = recv(fd, in + got, sizeof(in) - got, 0);
		if (n <= 0)
			break;
		got += n;
	}
	if (memcmp(in, out, got))
		s->wrong++;
	return got == sizeof(in);
}

/* The kernel's TCP, and xtcp, as clients. */
static void clients(struct shared *s, bool ours)
{
	struct sockaddr_in sin;
	int fd, i = 0;

	while (goes_on(s)) {
		sin = at_port("10.0.0.2", XTCP_PORT_FIRST + i++ % XTCP_PORTS);
		if (ours && rests(s)) {
			sleep_ms(10);
			continue;
		}
		fd = ours ? wire_socket() : socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0) {
			sleep_ms(10);
			continue;
		}
		timeout_set(fd, 500);
		if (!connect(fd, (struct sockaddr *)&sin, sizeof(sin)) && ask(s, fd))
			s->answered++;
		else
			s->refused++;
		close(fd);
	}
}

/* The kernel's TCP at both ends, in the same namespaces: it must be unaffected. */
static void stock_server(struct shared *s)
{
	int lfd = socket(AF_INET, SOCK_STREAM, 0), fd;
	static uint8_t buf[16384];
	uint64_t offset = 0;
	ssize_t n;

	fd = listen_at(lfd, STOCK_PORT) ? accept(lfd, NULL, NULL) : -1;
	if (fd < 0) {
		s->stock_failed++;
		return;
	}
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (pattern_check(buf, n, offset) >= 0)
			s->stock_failed++;
		offset += n;
	}
	if (n < 0)
		s->stock_failed++;
	s->stock_bytes -= offset;
}

static void stock_client(struct shared *s)
{
	struct sockaddr_in sin = at_port("10.0.0.2", STOCK_PORT);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	static uint8_t buf[16384];
	uint64_t offset = 0;

	timeout_set(fd, STALL_MS);
	while (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		sleep_ms(10);
	while (goes_on(s)) {
		pattern_fill(buf, sizeof(buf), offset);
		if (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf)) {
			s->stock_failed++;
			return;
		}
		offset += sizeof(buf);
		sleep_ms(1);
	}
	s->stock_bytes += offset;
	shutdown(fd, SHUT_WR);
	recv(fd, buf, 1, 0);
}

static void unloader(struct shared *s)
{
	while (goes_on(s)) {
		if (!module_unload()) {
			s->unloaded++;
			module_load();
		}
		sleep_ms(1);
	}
}

/* A namespace ends while its loopback is full of segments of the TCP wire. */
static void namespace(struct shared *s)
{
	static uint8_t text[60000];
	struct sockaddr_in sin = at_port("127.0.0.1", 9000);
	int lfd, to, fd;

	if (unshare(CLONE_NEWNET) || system("ip link set lo up"))
		return;
	lfd = wire_socket();
	if (lfd < 0 || !listen_at(lfd, 9000))
		return;
	for (int i = 0; i < 20; i++) {
		to = i % 2 ? wire_socket() : socket(AF_INET, SOCK_STREAM, 0);
		if (to < 0 || connect(to, (struct sockaddr *)&sin, sizeof(sin)))
			break;
		fd = accept(lfd, NULL, NULL);
		send(to, text, sizeof(text), MSG_DONTWAIT);
		send(fd, text, sizeof(text), MSG_DONTWAIT);
	}
	s->namespaces++;
}

static void namespaces(struct shared *s)
{
	pid_t pid;

	while (awake(s)) {
		pid = fork();
		if (!pid) {
			namespace(s);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

/* In a process of its own, in one of the namespaces. */
static pid_t start(struct pair *pr, enum side side, struct shared *s,
		   void (*run)(struct shared *s, int arg), int arg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pair_enter(pr, side);
	run(s, arg);
	_exit(0);
}

static void run_clients(struct shared *s, int ours) { clients(s, ours); }
static void run_stock_server(struct shared *s, int arg) { stock_server(s); }
static void run_stock_client(struct shared *s, int arg) { stock_client(s); }
static void run_namespaces(struct shared *s, int arg) { namespaces(s); }
static void run_unloader(struct shared *s, int arg) { unloader(s); }

static void everything(struct __test_metadata *_metadata, struct pair *pr, struct shared *s,
		       bool unload)
{
	pid_t pid[16];
	int n = 0, status;

	s->until_ns = now_ns() + stress_s() * NSEC_PER_SEC;
	s->rests = unload;
	s->until_unloaded = unload;
	pid[n++] = start(pr, SERVER, s, run_stock_server, 0);
	pid[n++] = start(pr, CLIENT, s, run_stock_client, 0);
	for (int i = 0; i < XTCP_PORTS; i++)
		pid[n++] = start(pr, SERVER, s, servers, XTCP_PORT_FIRST + i);
	pid[n++] = start(pr, CLIENT, s, run_clients, false);
	pid[n++] = start(pr, CLIENT, s, run_clients, true);
	pid[n++] = start(pr, SERVER, s, run_namespaces, 0);
	if (unload)
		pid[n++] = start(pr, CLIENT, s, run_unloader, 0);
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, s->wrong);
	EXPECT_EQ(0, s->stock_failed);
	EXPECT_EQ(0, s->stock_bytes);
	TH_LOG("answered %d, refused %d, served %d, namespaces %d, unloaded %d", s->answered,
	       s->refused, s->served, s->namespaces, s->unloaded);
	/* Remaining connections end by themselves; then nothing is in the way. */
	module_await_idle(WHERE(_metadata));
	if (module_users() >= 0)
		EXPECT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load());
	EXPECT_EQ(0, cache_objects("xtcp_timewait"));
	EXPECT_EQ(0, cache_objects("xtcp_large_port"));
}

TEST_F_TIMEOUT(teardown, servers_and_namespaces_die_under_load, 1000000)
{
	NOT_ON_STOCK();
	everything(_metadata, &self->pair, self->shared, false);
	EXPECT_LT(0, self->shared->answered);
	EXPECT_LT(0, self->shared->namespaces);
}

TEST_F_TIMEOUT(teardown, the_module_goes_under_load, 1000000)
{
	NOT_ON_STOCK();
	everything(_metadata, &self->pair, self->shared, true);
	EXPECT_LT(0, self->shared->unloaded);
}

/*
 * The module is unloaded while segments arrive for no socket: TIME-WAIT records hold
 * ports and the hook, but not the module.
 */
TEST_F_TIMEOUT(teardown, the_hook_goes_while_segments_come, 1000000)
{
	struct pair *pr = &self->pair;
	struct shared *s = self->shared;
	pid_t clients_pid, stock[2];
	int fd, lfd, to, tries = 0, accepted = 0;

	NOT_ON_STOCK();
	s->until_ns = now_ns() + stress_s() * NSEC_PER_SEC;
	s->until_unloaded = true;
	stock[0] = start(pr, SERVER, s, run_stock_server, 0);
	stock[1] = start(pr, CLIENT, s, run_stock_client, 0);
	clients_pid = start(pr, CLIENT, s, run_clients, false);
	while (goes_on(s)) {
		struct sockaddr_in sin = at_port("10.0.0.2", XTCP_PORT_FIRST);

		pair_enter(pr, SERVER);
		lfd = wire_socket();
		ASSERT_LE(0, lfd);
		ASSERT_TRUE(listen_at(lfd, XTCP_PORT_FIRST));
		pair_enter(pr, CLIENT);
		to = socket(AF_INET, SOCK_STREAM, 0);
		timeout_set(to, 2000);
		fd = connect(to, (struct sockaddr *)&sin, sizeof(sin)) ? -1 :
		     accept(lfd, NULL, NULL);
		if (fd >= 0) {
			/* We close first: TIME-WAIT is ours. */
			accepted++;
			close(fd);
			recv(to, &fd, 1, 0);
		}
		close(to);
		close(lfd);
		for (int i = 0; i < 200 && goes_on(s); i++) {
			if (!module_unload()) {
				s->unloaded++;
				ASSERT_EQ(0, module_load());
				break;
			}
			sleep_ms(1);
		}
		tries++;
	}
	waitpid(clients_pid, NULL, 0);
	waitpid(stock[0], NULL, 0);
	waitpid(stock[1], NULL, 0);
	TH_LOG("%d rounds, %d connections, unloaded %d times", tries, accepted, s->unloaded);
	EXPECT_LT(0, accepted);
	EXPECT_LT(0, s->unloaded);
	EXPECT_EQ(0, s->stock_failed);
	EXPECT_EQ(0, s->stock_bytes);
}

TEST_HARNESS_MAIN
