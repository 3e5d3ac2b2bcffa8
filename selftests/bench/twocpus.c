// SPDX-License-Identifier: GPL-2.0
/*
 * twocpus: which cache lines two CPUs share that do the same at once, each for itself:
 * a flood of SYNs to one listener, round trips on connections of their own, connections
 * to a listener of their own (SO_REUSEPORT). The server's namespace is one, and each CPU
 * has a client of its own there, behind a veth pair of its own. Only cache lines are
 * counted (LINES=1): the guest is in real time. Rows named _6 are of the TCP wire.
 */
/* vm: smp=2 */
#define _GNU_SOURCE
#include "lib/bench.h"

#include <linux/filter.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CPUS 2
#define PORT 5000
#define LIMITLESS (1 << 22)
#define WARM_UP 100
#define ROUNDS 600
#define ANSWERS_TAKEN 64

struct place;

/* What one CPU does, in a process of its own, which stays there. */
struct worker {
	struct place *place;
	pid_t pid;
	int cpu;
	int client_ns;
	struct ipaddr server;
	int tun;
	uint32_t count;
	int fd[2], listener;
};

struct place {
	int wire;
	int server_ns;
	void (*round)(struct worker *w);
	struct worker worker[CPUS];
	pthread_barrier_t *barrier;	/* shared memory */
};

static int socket_new(struct place *p)
{
	int fd = socket(AF_INET, SOCK_STREAM, bench_proto());

	must(fd >= 0, "socket: %s", strerror(errno));
	if (!bench_is_stock())
		must(!setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &p->wire, sizeof(p->wire)),
		     "XTCP_WIRE: %s", strerror(errno));
	return fd;
}

static int listener_new(struct place *p, int backlog, bool reuseport)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket_new(p);

	must(!reuseport || !setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int)),
	     "SO_REUSEPORT: %s", strerror(errno));
	must(!bind(fd, (void *)&sa, sizeof(sa)) && !listen(fd, backlog), "listener: %s",
	     strerror(errno));
	return fd;
}

/* --- all CPUs at once ---------------------------------------------------- */

static void worker_run(struct worker *w)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(w->cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "no CPU %d", w->cpu);
	for (int i = 0; i < WARM_UP; i++)
		w->place->round(w);
	pthread_barrier_wait(w->place->barrier);
	pthread_barrier_wait(w->place->barrier);
	for (int i = 0; i < ROUNDS; i++) {
		w->place->round(w);
		bench_profile_round();
	}
	pthread_barrier_wait(w->place->barrier);
}

static void worker_start(struct worker *w)
{
	fflush(stdout);
	w->pid = fork();
	must(w->pid >= 0, "fork: %s", strerror(errno));
	if (w->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker_run(w);
	_exit(0);
}

/* A worker that fails would leave the others at the barrier. */
static void worker_died(int signal)
{
	(void)signal;
	_exit(1);
}

static void place_measure(struct place *p, const char *row)
{
	pthread_barrierattr_t attr;

	p->barrier = mmap(NULL, sizeof(*p->barrier), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(p->barrier != MAP_FAILED, "no shared memory");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(p->barrier, &attr, CPUS + 1);
	signal(SIGCHLD, worker_died);
	for (int i = 0; i < CPUS; i++)
		worker_start(&p->worker[i]);
	pthread_barrier_wait(p->barrier);
	bench_profile_begin();
	pthread_barrier_wait(p->barrier);
	signal(SIGCHLD, SIG_DFL);
	pthread_barrier_wait(p->barrier);
	bench_profile_end(CPUS * ROUNDS);
	for (int i = 0; i < CPUS; i++)
		waitpid(p->worker[i].pid, NULL, 0);
	bench_value(row, CPUS * ROUNDS);
}

static void workers_init(struct place *p, int wire, void (*round)(struct worker *w))
{
	*p = (struct place){ .wire = wire, .round = round };
	for (int i = 0; i < CPUS; i++)
		p->worker[i] = (struct worker){ .place = p, .cpu = i };
	p->server_ns = netns_new(HERE);
}

/* --- a flood ------------------------------------------------------------- */

/* Each CPU has a device, and sources that are routed to it. */
static const char *const device[CPUS] = { "tun0", "tun1" };
static const char *const network[CPUS] = { "20.0.0.0", "30.0.0.0" };

static void flood_round(struct worker *w)
{
	uint8_t packet[256], answer[256];
	struct ipaddr src = ipaddr(network[w->cpu]), dst = ipaddr("10.7.0.1");
	uint32_t n = w->count++;
	struct segment_spec s = SEGMENT_SPEC(
		.src = src, .dst = dst, .sport = 1024 + n % 60000, .dport = PORT,
		.proto = w->place->wire, .flags = SYN, .seq = n * 1000003u, .wnd = 64240);
	int len;

	s.src.v4.s_addr |= htonl(n * 2654435761u & 0xffffff);
	if (bench_is_stock())
		s.proto = IPPROTO_TCP;
	s.opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(n, 0), OPT_NOP, OPT_WSCALE(7));
	len = segment_build(&s, packet);
	must(write(w->tun, packet, len) == len, "write: %s", strerror(errno));
	if (n % ANSWERS_TAKEN)
		return;
	while (read(w->tun, answer, sizeof(answer)) > 0)
		;
}

static void flood_measure(const char *row, int wire, int cookies)
{
	struct ipaddr here = ipaddr("10.7.0.1");
	struct place p;

	workers_init(&p, wire, flood_round);
	must(!sysctl_write("/proc/sys/net/core/somaxconn", "4194304"), "somaxconn");
	must(!knob_set("max_syn_backlog", LIMITLESS), "max_syn_backlog");
	must(!knob_set("syncookies", cookies), "syncookies");
	for (int i = 0; i < CPUS; i++) {
		struct ipaddr net = ipaddr(network[i]);

		p.worker[i].tun = tun_new(HERE, device[i]);
		if (!i)
			address_add(HERE, device[i], &here, 24);
		route_add(HERE, &net, 8, NULL, device[i]);
	}
	listener_new(&p, LIMITLESS, false);
	place_measure(&p, row);
}

/* --- connections --------------------------------------------------------- */

static void paths_open(struct place *p)
{
	static const char *const end[CPUS] = { "veth0", "veth1" };
	static const char *const client[CPUS] = { "10.8.0.1", "10.8.1.1" };
	static const char *const server[CPUS] = { "10.8.0.2", "10.8.1.2" };

	for (int i = 0; i < CPUS; i++) {
		struct worker *w = &p->worker[i];
		struct ipaddr addr = ipaddr(client[i]);

		w->client_ns = netns_new(HERE);
		w->server = ipaddr(server[i]);
		veth_new(HERE, "veth0", p->server_ns, end[i]);
		address_add(HERE, "veth0", &addr, 24);
		link_up(HERE, "veth0");
		netns_enter(HERE, p->server_ns);
		address_add(HERE, end[i], &w->server, 24);
		link_up(HERE, end[i]);
		link_await(HERE, end[i]);
	}
}

/* To the listener of the CPU that handles the SYN. */
static void listeners_divide(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_CPU),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	must(!setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)),
	     "SO_ATTACH_REUSEPORT_CBPF: %s", strerror(errno));
}

static void worker_connect(struct worker *w)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&w->server, PORT, &sa);

	w->fd[CLIENT] = socket_new(w->place);
	must(!connect(w->fd[CLIENT], (void *)&sa, len), "connect: %s", strerror(errno));
	w->fd[SERVER] = accept(w->listener, NULL, NULL);
	must(w->fd[SERVER] >= 0, "accept: %s", strerror(errno));
}

/* The server resets: nothing stays. */
static void accept_round(struct worker *w)
{
	struct linger now = { .l_onoff = 1 };

	if (!w->count++)
		netns_enter(HERE, w->client_ns);
	worker_connect(w);
	must(!setsockopt(w->fd[SERVER], SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
	     "SO_LINGER: %s", strerror(errno));
	close(w->fd[SERVER]);
	close(w->fd[CLIENT]);
}

static void accept_measure(const char *row, int wire)
{
	struct place p;

	workers_init(&p, wire, accept_round);
	paths_open(&p);
	for (int i = 0; i < CPUS; i++)
		p.worker[i].listener = listener_new(&p, 128, true);
	listeners_divide(p.worker[0].listener);
	place_measure(&p, row);
}

static void rr_round(struct worker *w)
{
	bench_byte(w->fd[CLIENT], w->fd[SERVER]);
	bench_byte(w->fd[SERVER], w->fd[CLIENT]);
}

static void rr_measure(const char *row, int wire)
{
	struct place p;
	int listener;

	workers_init(&p, wire, rr_round);
	paths_open(&p);
	listener = listener_new(&p, 128, false);
	for (int i = 0; i < CPUS; i++) {
		p.worker[i].listener = listener;
		netns_enter(HERE, p.worker[i].client_ns);
		worker_connect(&p.worker[i]);
	}
	place_measure(&p, row);
}

/* --- the table ----------------------------------------------------------- */

#define BOTH(name, ...) \
	static void step_##name(void) \
	{ \
		int wire = XTCP_WIRE_NATIVE; \
		const char *row = #name; \
		__VA_ARGS__; \
	} \
	static void step_##name##_6(void) \
	{ \
		int wire = XTCP_WIRE_TCP; \
		const char *row = #name "_6"; \
		__VA_ARGS__; \
	}

BOTH(cookie, flood_measure(row, wire, 2))
BOTH(half_open, flood_measure(row, wire, 0))
BOTH(rr, rr_measure(row, wire))
BOTH(accept, accept_measure(row, wire))

#define STEP(name) { #name, step_##name }, { #name "_6", step_##name##_6 }

static const struct bench_step steps[] = {
	STEP(cookie), STEP(half_open), STEP(rr), STEP(accept),
};

#define ROW(name, what) { #name, what, "", NULL }, { #name "_6", what ", TCP wire", "", NULL }

static const struct bench_row rows[] = {
	ROW(cookie, "SYNs of a flood, cookies always"),
	ROW(half_open, "SYNs of a flood, half-open records"),
	ROW(rr, "round trips on own connections"),
	ROW(accept, "connections to own listeners, reset by the server"),
};

BENCH_MAIN("twocpus", steps, rows)
