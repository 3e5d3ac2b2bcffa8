// SPDX-License-Identifier: GPL-2.0
/*
 * siege: two programs work through a listener's port while that port is flooded with
 * SYNs or ACKs from forged sources; while no port is left for others; and while the
 * host's memory for sockets is used up. Each byte arrives, no call fails that need not,
 * and nothing is left in the end.
 */
/* vm: wires */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

PAIR_FIXTURE(siege);

#define PORT 5000
#define SYN_BACKLOG 64
/* Segments of a flood between two pauses of a millisecond. */
#define BURST 64
/* Each way; so that time passes while the programs work, on a kernel in virtual time. */
#define DELAY_MS 1
#define BULK (8 << 20)
#define HOARD (4 << 20)
#define CONNECTIONS 60
#define ROUND_TRIPS 150
/* Half-open records and TIME-WAIT records have ended. */
#define QUIET_MS 150000
#define FEW_PORTS 20
#define TRICKLE (64 << 10)
#define REFUSALS_MAX 200
#define RECEIVERS 1000
/* It leaves in one skb, which the receiver gets whole. */
#define PIECE 7000

/* --- the flood --------------------------------------------------------------- */

static void flood_forever(struct __test_metadata *_metadata, struct pair *pr, int tun,
			  int flags)
{
	static uint8_t packet[PACKET_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t n = 0;; n++) {
		struct segment_spec spec = SEGMENT_SPEC(
			.src = { .family = AF_INET, .v4.s_addr = htonl(0xc6120000 + n % 65000) },
			.dst = pr->addr[SERVER], .proto = stream_wire(),
			.sport = 1024 + n / 65000, .dport = PORT, .flags = flags,
			.seq = n * 1000003u, .ack = flags & ACK ? n * 777767777u : 0);
		int len = segment_build(&spec, packet);

		check(write(tun, packet, len) == len, WHERE(_metadata), "write: %s",
		      strerror(errno));
		if (n % BURST == BURST - 1)
			sleep_ms(1);
	}
}

/* The server's answers to forged sources leave through a device that nobody reads. */
static pid_t flood_start(struct __test_metadata *_metadata, struct pair *pr, int flags)
{
	struct ipaddr here = ipaddr("10.7.0.1");
	pid_t pid;
	int tun;

	pair_enter(pr, SERVER);
	tun = tun_new(WHERE(_metadata), "tun0");
	address_add(WHERE(_metadata), "tun0", &here, 24);
	route_add_default(WHERE(_metadata), "tun0", AF_INET);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		flood_forever(_metadata, pr, tun, flags);
	return pid;
}

static void process_end(struct __test_metadata *_metadata, pid_t pid)
{
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
}

/* --- the work: the client is a process of its own, the server is the test ------- */

static void fd_block(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static int client_connect(struct pair *pr)
{
	int fd = pair_connect(pr, PORT);

	fd_block(fd);
	return fd;
}

static void client_send(struct pair *pr, int fd, uint64_t len)
{
	static uint8_t buf[65536];

	for (uint64_t at = 0; at < len; ) {
		ssize_t n = len - at < sizeof(buf) ? len - at : sizeof(buf);

		pattern_fill(buf, n, at);
		n = send(fd, buf, n, MSG_NOSIGNAL);
		check(n > 0, WHERE(pr->test), "send: %s", strerror(errno));
		at += n;
	}
}

static void client_ask(struct pair *pr, int fd, int32_t number)
{
	int32_t answer = ~number;

	check(send(fd, &number, sizeof(number), 0) == sizeof(number) &&
	      recv(fd, &answer, sizeof(answer), MSG_WAITALL) == sizeof(answer) &&
	      answer == number, WHERE(pr->test), "request %d, answer %d", number, answer);
}

static void client_bulk(struct pair *pr)
{
	client_send(pr, client_connect(pr), BULK);
}

static void client_connections(struct pair *pr)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = client_connect(pr);

		client_ask(pr, fd, i);
		close(fd);
	}
}

static void client_round_trips(struct pair *pr)
{
	int fd = client_connect(pr);

	for (int i = 0; i < ROUND_TRIPS; i++)
		client_ask(pr, fd, i);
}

static pid_t client_start(struct __test_metadata *_metadata, struct pair *pr,
			  void (*work)(struct pair *pr))
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		work(pr);
		_exit(0);
	}
	return pid;
}

/* Fails if an assertion of the client did. */
static void client_await(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Reads the pattern from @at on. Returns the offset after the last byte read. */
static uint64_t read_pattern(struct __test_metadata *_metadata, int fd, uint64_t at,
			     uint64_t end)
{
	static uint8_t buf[65536];

	while (at < end) {
		ssize_t n = recv(fd, buf, end - at < sizeof(buf) ? end - at : sizeof(buf), 0);

		ASSERT_LT(0, n);
		ASSERT_EQ(-1, pattern_check(buf, n, at));
		at += n;
	}
	return at;
}

static void serve_bulk(struct __test_metadata *_metadata, int fd)
{
	read_pattern(_metadata, fd, 0, BULK);
}

static void serve_requests(struct __test_metadata *_metadata, int fd)
{
	int32_t number;

	while (recv(fd, &number, sizeof(number), MSG_WAITALL) == sizeof(number))
		ASSERT_EQ(sizeof(number), send(fd, &number, sizeof(number), 0));
}

static int listener(struct __test_metadata *_metadata, struct pair *pr)
{
	int lfd;

	for (enum side s = CLIENT; s <= SERVER; s++)
		pair_netem(pr, s, &(struct netem){ .delay_ms = DELAY_MS, .limit = 100000 });
	pair_enter(pr, SERVER);
	ASSERT_EQ(0, knob_set("max_syn_backlog", SYN_BACKLOG));
	lfd = pair_listen(pr, PORT, SYN_BACKLOG);
	return lfd;
}

static void expect_nothing_left(struct __test_metadata *_metadata, struct pair *pr)
{
	sleep_ms(QUIET_MS);
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(pr, s);
		EXPECT_EQ(0, proc_rows(pr->family, 0));
	}
}

static void under_flood(struct __test_metadata *_metadata, struct pair *pr, int flags,
			void (*work)(struct pair *pr), int connections,
			void (*serve)(struct __test_metadata *_metadata, int fd))
{
	struct counters client, server;
	int lfd = listener(_metadata, pr);
	pid_t flood, pid;

	counters_take(&server);
	pair_enter(pr, CLIENT);
	counters_take(&client);
	flood = flood_start(_metadata, pr, flags);
	/* The queue is full before the first connection. */
	sleep_ms(10);
	pid = client_start(_metadata, pr, work);
	for (int i = 0; i < connections; i++) {
		int fd = accept(lfd, NULL, NULL);

		ASSERT_LE(0, fd);
		serve(_metadata, fd);
		close(fd);
	}
	client_await(_metadata, pid);
	process_end(_metadata, flood);
	pair_enter(pr, SERVER);
	EXPECT_LE(BURST, counter_moved(&server, flags & SYN ? "SyncookiesSent" : "OutRsts"));
	pair_enter(pr, CLIENT);
	EXPECT_EQ(0, counter_moved(&client, "TCPSynRetrans"));
	EXPECT_EQ(0, counter_moved(&client, "TCPTimeouts"));
	close(lfd);
	expect_nothing_left(_metadata, pr);
}

#define UNDER_FLOOD(name, work, connections, serve) \
	TEST_F(siege, name##_under_syns) \
	{ \
		under_flood(_metadata, &self->pair, SYN, work, connections, serve); \
	} \
	TEST_F(siege, name##_under_acks) \
	{ \
		under_flood(_metadata, &self->pair, ACK, work, connections, serve); \
	}

UNDER_FLOOD(bulk, client_bulk, 1, serve_bulk)
UNDER_FLOOD(connections, client_connections, CONNECTIONS, serve_requests)
UNDER_FLOOD(round_trips, client_round_trips, 1, serve_requests)

/* --- no port is left ------------------------------------------------------- */

/* Returns 0 or the errno. */
static int one_more(struct pair *pr, int *fd)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], PORT, &sa);
	int err;

	*fd = stream_socket(pr->family);
	err = connect(*fd, (struct sockaddr *)&sa, len) ? errno : 0;
	if (err)
		close(*fd);
	return err;
}

TEST_F(siege, connections_go_on_when_ports_are_exhausted)
{
	struct pair *pr = &self->pair;
	int client[FEW_PORTS], server[FEW_PORTS], more;
	int lfd = listener(_metadata, pr);

	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "20000 20019"));
	for (int i = 0; i < FEW_PORTS; i++) {
		client[i] = pair_connect(pr, PORT);
		server[i] = accept(lfd, NULL, NULL);
		fd_nonblock(server[i]);
	}
	for (int i = 0; i < FEW_PORTS; i++) {
		EXPECT_EQ(EADDRNOTAVAIL, one_more(pr, &more));
		stream_exchange(_metadata, client[i], server[i], 100000, 10000);
	}
	/* The first that goes makes room for one. */
	socket_abort(client[7]);
	EXPECT_EQ(0, one_more(pr, &more));
	EXPECT_EQ(EADDRNOTAVAIL, one_more(pr, &client[7]));
	stream_exchange(_metadata, client[8], server[8], 100000, 10000);
	/* An ACK or a FIN that crosses a RST would go to the kernel's TCP on the TCP wire. */
	sleep_ms(500);
	for (int i = 0; i < FEW_PORTS; i++)
		if (i != 7)
			socket_abort(client[i]);
	socket_abort(more);
	sleep_ms(500);
	for (int i = 0; i < FEW_PORTS; i++)
		close(server[i]);
	close(lfd);
	expect_nothing_left(_metadata, pr);
}

/* --- no memory is left ------------------------------------------------------- */

static void both_counters_take(struct pair *pr, struct counters before[2])
{
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(pr, s);
		counters_take(&before[s]);
	}
}

/* How often the host ran short of memory since then, as counted in both namespaces. */
static long long memory_pressures(struct pair *pr, const struct counters before[2])
{
	long long sum = 0;

	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(pr, s);
		sum += counter_moved(&before[s], "TCPMemoryPressures");
	}
	return sum;
}

/* Reads what is there. Returns the offset after the last byte read. */
static uint64_t read_queued(struct __test_metadata *_metadata, int fd, uint64_t at)
{
	static uint8_t buf[65536];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		EXPECT_EQ(-1, pattern_check(buf, n, at));
		at += n;
	}
	/* Or the end of all data. */
	ASSERT_TRUE(!n || errno == EAGAIN);
	return at;
}

/*
 * A connection with unread data. Each CPU may use a mebibyte before xtcp_mem applies, so
 * a limit without much data has no effect.
 */
struct hoard {
	int from, to;
};

static void hoard_make(struct __test_metadata *_metadata, struct pair *pr, struct hoard *h)
{
	static uint8_t buf[HOARD];
	int queued = 0;

	pair_connected(pr, PORT + 1, &h->from, &h->to);
	ASSERT_EQ(0, socket_set(h->from, SOL_SOCKET, SO_SNDBUFFORCE, 4 * HOARD));
	ASSERT_EQ(0, socket_set(h->to, SOL_SOCKET, SO_RCVBUFFORCE, 4 * HOARD));
	pattern_fill(buf, HOARD, 0);
	ASSERT_EQ(HOARD, send(h->from, buf, HOARD, MSG_DONTWAIT));
	for (int i = 0; queued < HOARD && i < 1000; i++) {
		sleep_ms(10);
		ioctl(h->to, FIONREAD, &queued);
	}
	ASSERT_EQ(HOARD, queued);
}

/* What was acknowledged is there. */
static void hoard_read(struct __test_metadata *_metadata, struct hoard *h)
{
	EXPECT_EQ(HOARD, read_queued(_metadata, h->to, 0));
	close(h->from);
	close(h->to);
}

/*
 * xtcp_mem has the value @limits for half a second of a transfer. The writer only gets
 * slower: less than @most bytes arrive, while without the limit all data would.
 */
static void starve(struct __test_metadata *_metadata, struct pair *pr, const char *limits,
		   uint64_t most)
{
	int lfd = listener(_metadata, pr), fd;
	struct counters before[2];
	struct hoard hoard;
	char usual[64];
	uint64_t at;
	pid_t pid;

	hoard_make(_metadata, pr, &hoard);
	/* What is on the way when the limit comes arrives: little, with this buffer. */
	ASSERT_EQ(0, socket_set(lfd, SOL_SOCKET, SO_RCVBUF, 128 << 10));
	pid = client_start(_metadata, pr, client_bulk);
	fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, fd);
	at = read_pattern(_metadata, fd, 0, BULK / 4);
	both_counters_take(pr, before);
	knob_mem_set(WHERE(_metadata), limits, usual);
	for (int i = 0; i < 50; i++) {
		at = read_queued(_metadata, fd, at);
		sleep_ms(10);
	}
	EXPECT_GT(most, at);
	EXPECT_LE(1, memory_pressures(pr, before));
	knob_mem_set(WHERE(_metadata), usual, NULL);
	fd_block(fd);
	EXPECT_EQ(BULK, read_pattern(_metadata, fd, at, BULK));
	hoard_read(_metadata, &hoard);
	client_await(_metadata, pid);
	close(fd);
	close(lfd);
	expect_nothing_left(_metadata, pr);
}

TEST_F(siege, bulk_beyond_the_hosts_memory)
{
	NOT_ON_STOCK();
	starve(_metadata, &self->pair, "1 1 1", BULK / 2);
}

TEST_F(siege, bulk_under_pressure)
{
	NOT_ON_STOCK();
	starve(_metadata, &self->pair, "1 1 1000000", BULK);
}

/*
 * @from and @to: a connection that has been idle. From now on the memory for sockets is
 * used up by others.
 */
static void idle_without_memory(struct __test_metadata *_metadata, struct pair *pr,
				struct hoard *hoard, int *from, int *to, char *usual)
{
	hoard_make(_metadata, pr, hoard);
	pair_connected(pr, PORT, from, to);
	fd_block(*to);
	knob_mem_set(WHERE(_metadata), "1 1 1", usual);
}

static void memory_returns(struct __test_metadata *_metadata, struct hoard *hoard,
			   int from, int to, const char *usual)
{
	knob_mem_set(WHERE(_metadata), usual, NULL);
	hoard_read(_metadata, hoard);
	close(from);
	close(to);
}

/* @bytes a call: a short write, one into the first page, a large one. */
TEST_F(siege, few_bytes_beyond_the_hosts_memory)
{
	static const int sizes[] = { 100, 300, 2000 };
	struct pair *pr = &self->pair;
	struct hoard hoard;
	uint8_t buf[2000];
	char usual[64];
	int from, to;

	NOT_ON_STOCK();
	idle_without_memory(_metadata, pr, &hoard, &from, &to, usual);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		pattern_fill(buf, sizes[i], 0);
		ASSERT_EQ(sizes[i], send(from, buf, sizes[i], MSG_DONTWAIT));
		read_pattern(_metadata, to, 0, sizes[i]);
		sleep_ms(10);
	}
	memory_returns(_metadata, &hoard, from, to, usual);
}

/* Reads @len bytes in a process of its own. */
static pid_t reader_start(struct __test_metadata *_metadata, int fd, uint64_t len)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(read_pattern(_metadata, fd, 0, len) != len);
	}
	return pid;
}

static void blocked_writer(struct __test_metadata *_metadata, struct pair *pr, int sndbuf)
{
	struct timeval limit = { .tv_sec = 60 };
	struct hoard hoard;
	char usual[64];
	int from, to;
	pid_t pid;

	NOT_ON_STOCK();
	idle_without_memory(_metadata, pr, &hoard, &from, &to, usual);
	fd_block(from);
	ASSERT_EQ(0, setsockopt(from, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
	if (sndbuf)
		ASSERT_EQ(0, socket_set(from, SOL_SOCKET, SO_SNDBUF, sndbuf));
	pid = reader_start(_metadata, to, TRICKLE);
	client_send(pr, from, TRICKLE);
	client_await(_metadata, pid);
	memory_returns(_metadata, &hoard, from, to, usual);
}

TEST_F(siege, blocked_writer_beyond_the_hosts_memory)
{
	blocked_writer(_metadata, &self->pair, 0);
}

/* The kernel does not reduce a send buffer that the program has set. */
TEST_F(siege, blocked_writer_with_a_buffer_of_its_own_beyond_the_hosts_memory)
{
	blocked_writer(_metadata, &self->pair, 64 << 10);
}

/* A program that poll() tells to write can write. */
TEST_F(siege, waiting_writer_beyond_the_hosts_memory)
{
	struct epoll_event ev = { .events = EPOLLOUT };
	struct pair *pr = &self->pair;
	static uint8_t buf[TRICKLE];
	int from, to, ep, refused = 0;
	struct hoard hoard;
	char usual[64];
	ssize_t sent;
	pid_t pid;

	NOT_ON_STOCK();
	idle_without_memory(_metadata, pr, &hoard, &from, &to, usual);
	pid = reader_start(_metadata, to, TRICKLE);
	ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, ep);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, from, &ev));
	pattern_fill(buf, TRICKLE, 0);
	for (ssize_t at = 0; at < TRICKLE; at += sent) {
		/* Slowly: most segments are refused until they are sent again. */
		ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 60000));
		sent = send(from, buf + at, TRICKLE - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0) {
			ASSERT_EQ(EAGAIN, errno);
			ASSERT_GT(REFUSALS_MAX, ++refused);
			sent = 0;
		}
	}
	client_await(_metadata, pid);
	close(ep);
	memory_returns(_metadata, &hoard, from, to, usual);
}

/* Memory of all sockets, bytes, as xtcp counts it. */
static long long memory_counted(struct __test_metadata *_metadata)
{
	FILE *file = fopen("/proc/net/xtcp_metrics", "re");
	long long bytes = -1;
	char line[512];

	ASSERT_NE(NULL, file);
	while (bytes < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "xtcp_memory_bytes %lld", &bytes);
	fclose(file);
	ASSERT_LE(0, bytes);
	return bytes;
}

/*
 * A segment that the program waits for is accepted although there is no memory, and counts.
 * Each of many connections gets one, and their programs do not read it.
 */
TEST_F(siege, what_is_accepted_without_memory_counts)
{
	const struct rlimit many = { 2 * RECEIVERS + 100, 2 * RECEIVERS + 100 };
	long long before, after, unseen, held = 0;
	static int from[RECEIVERS], to[RECEIVERS];
	static uint8_t buf[PIECE];
	struct pair *pr = &self->pair;
	int lfd;
	struct hoard hoard;
	char usual[64];

	NOT_ON_STOCK();
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &many));
	hoard_make(_metadata, pr, &hoard);
	lfd = pair_listen(pr, PORT, 16);
	for (int i = 0; i < RECEIVERS; i++) {
		from[i] = pair_connect(pr, PORT);
		to[i] = accept(lfd, NULL, NULL);
		ASSERT_LE(0, to[i]);
	}
	before = memory_counted(_metadata);
	pair_netem(pr, CLIENT, &(struct netem){ .delay_ms = 100, .limit = 100000 });
	for (int i = 0; i < RECEIVERS; i++)
		ASSERT_EQ(PIECE, send(from[i], buf, PIECE, MSG_DONTWAIT));
	knob_mem_set(WHERE(_metadata), "1 1 1", usual);
	/* The senders have their ACKs, and have returned their memory. */
	sleep_ms(2000);
	for (int i = 0; i < RECEIVERS; i++)
		held += socket_meminfo(to[i], SK_MEMINFO_RMEM_ALLOC);
	after = memory_counted(_metadata);
	/* Each CPU may hide a mebibyte, in either direction, at each of the two times. */
	unseen = sysconf(_SC_NPROCESSORS_CONF) * (2LL << 20);
	EXPECT_LT(unseen + (1 << 20), held);
	EXPECT_LE(held - unseen, after - before);
	knob_mem_set(WHERE(_metadata), usual, NULL);
	/* Their RSTs arrive before the others are closed. */
	for (int i = 0; i < RECEIVERS; i++)
		close(to[i]);
	sleep_ms(500);
	for (int i = 0; i < RECEIVERS; i++)
		close(from[i]);
	close(lfd);
	hoard_read(_metadata, &hoard);
	expect_nothing_left(_metadata, pr);
	EXPECT_GE(before + unseen, memory_counted(_metadata));
}

TEST_HARNESS_MAIN
