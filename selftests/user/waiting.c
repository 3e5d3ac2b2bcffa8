// SPDX-License-Identifier: GPL-2.0
/*
 * waiting: what a connection is waiting for, and its next timer: the last three columns
 * of /proc/net/xtcp_age. Each situation is made, and the row read.
 */
/* vm: wires families */
#include "lib/flight.h"
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <signal.h>
#include <stdlib.h>

PEER_FIXTURE(waiting);
PAIR_FIXTURE(waiting_pair);

#define PORT 6000
#define MSS 1000
#define WITH_MSS OPT(OPT_MSS(MSS))

struct wait_row {
	char state[24], words[64], timer[24];
	long ms;
};

static bool state_fits(const char *state, const char *wanted)
{
	return !wanted || !strcmp(state, wanted);
}

/*
 * The row of that local port, in that state unless it is NULL; of a listener and its
 * children then a child.
 */
static void row_read(struct __test_metadata *_metadata, int lport, const char *state,
		     struct wait_row *row)
{
	FILE *f = fopen("/proc/thread-self/net/xtcp_age", "r");
	char line[256], local[64], port[8];
	struct wait_row r;

	ASSERT_NE(NULL, f);
	memset(row, 0, sizeof(*row));
	snprintf(port, sizeof(port), ":%d", lport);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*s %23s %*s %*s %*s %*s %63s %23s %ld", local,
			   r.state, r.words, r.timer, &r.ms) != 5 ||
		    strcmp(strrchr(local, ':'), port) || !state_fits(r.state, state))
			continue;
		if (!row->state[0] || strcmp(r.state, "LISTEN"))
			*row = r;
	}
	fclose(f);
}

#define expect_waiting_in(lport, state_, words_, timer_, ms_) do { \
	struct wait_row row_; \
	row_read(_metadata, lport, state_, &row_); \
	EXPECT_STREQ(words_, row_.words); \
	EXPECT_STREQ(timer_, row_.timer); \
	EXPECT_LE((ms_) - 20, row_.ms); \
	EXPECT_GE(ms_, row_.ms); \
} while (0)

#define expect_waiting(lport, words_, timer_, ms_) \
	expect_waiting_in(lport, NULL, words_, timer_, ms_)

static void expect_words(struct __test_metadata *_metadata, int lport, const char *words)
{
	struct wait_row row;

	row_read(_metadata, lport, NULL, &row);
	EXPECT_STREQ(words, row.words);
}

static void expect_timer(struct __test_metadata *_metadata, int lport, const char *timer)
{
	struct wait_row row;

	row_read(_metadata, lport, NULL, &row);
	EXPECT_STREQ(timer, row.timer);
}

static void quiet(struct peer *p, int64_t ms)
{
	peer_drain(p, ms);
	p->leave_unread = true;
}

static int rto_ms(struct conn *c)
{
	return conn_info(c).rto_us / 1000;
}

TEST_F(waiting, proc_waiting_connect_and_accept)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, PORT, 8);
	expect_waiting(PORT, "peer-syn", "-", 0);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd, .kport = PORT);
	expect_waiting(PORT, "peer-ack", "syn-ack", 1000);
	conn_send(&c, .flags = ACK);
	expect_waiting(PORT, "app-accept", "-", 0);
	ASSERT_LE(0, conn_accept(&c));
	expect_waiting(PORT, "app-write,peer-data", "-", 0);
}

/* The program does not accept, and its listener's row says so. */
TEST_F(waiting, proc_waiting_full_accept_queue)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c[3];
	int lfd;

	lfd = peer_listen(p, PORT, 1);
	conn_to_state(p, &c[0], ST_HALF_OPEN, .lfd = lfd, .kport = PORT);
	conn_send(&c[0], .flags = ACK);
	for (int i = 1; i < 3; i++)
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd, .kport = PORT);
	conn_send(&c[1], .flags = ACK);
	conn_send(&c[2], .flags = ACK);
	quiet(p, 1);
	expect_waiting_in(PORT, "LISTEN", "app-accept", "-", 0);
	expect_waiting_in(PORT, "ESTABLISHED", "app-accept", "-", 0);
	expect_waiting_in(PORT, "SYN-RECEIVED", "app-accept", "syn-ack", 1000);
	/* When there is space the peer has to send its ACK once more. */
	ASSERT_LE(0, conn_accept(&c[0]));
	expect_waiting_in(PORT, "SYN-RECEIVED", "peer-ack", "syn-ack", 1000);
}

/* The program does not accept, but this peer has not come so far. */
TEST_F(waiting, proc_waiting_ack_beside_a_full_accept_queue)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c[3];
	int lfd;

	lfd = peer_listen(p, PORT, 1);
	conn_to_state(p, &c[0], ST_HALF_OPEN, .lfd = lfd, .kport = PORT);
	conn_send(&c[0], .flags = ACK);
	for (int i = 1; i < 3; i++)
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd, .kport = PORT);
	conn_send(&c[1], .flags = ACK);
	quiet(p, 1);
	expect_waiting_in(PORT, "LISTEN", "app-accept", "-", 0);
	expect_waiting_in(PORT, "SYN-RECEIVED", "peer-ack", "syn-ack", 1000);
}

TEST_F(waiting, proc_waiting_deferred_accept)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, PORT, 8);
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5));
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd, .kport = PORT);
	conn_send(&c, .flags = ACK);
	quiet(p, 1);
	expect_waiting(PORT, "peer-data", "syn-ack", 1000);
}

TEST_F(waiting, proc_waiting_syn_ack)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .kport = PORT, .active = true);
	expect_waiting(PORT, "peer-syn-ack", "retransmit", 1000);
	quiet(p, 1500);
	expect_waiting(PORT, "peer-syn-ack", "retransmit", 1500);
}

TEST_F(waiting, proc_waiting_read_and_ack)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;
	char buf[8];

	conn_open(p, &c, .kport = PORT, .active = true);
	conn_send(&c, .flags = ACK | PSH, .data = "question");
	peer_drain(p, 0);
	expect_waiting(PORT, "app-read", "delayed-ack", 1);
	conn_expect(&c, .flags = ACK);
	expect_waiting(PORT, "app-read", "-", 0);
	/* Both directions wait, each for something else. */
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "answer");
	expect_waiting(PORT, "app-read,peer-ack", "retransmit", rto_ms(&c));
	ASSERT_EQ(8, recv(c.fd, buf, sizeof(buf), 0));
	expect_waiting(PORT, "peer-ack", "retransmit", rto_ms(&c));
	conn_send(&c, .flags = ACK);
	expect_waiting(PORT, "app-write,peer-data", "-", 0);
}

TEST_F(waiting, proc_waiting_window)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true);
	c.wnd = 0;
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK);
	ASSERT_EQ(1, recv(c.fd, &(char){ 0 }, 1, 0));
	ASSERT_EQ(5, send(c.fd, "after", 5, 0));
	expect_waiting(PORT, "peer-window", "persist", rto_ms(&c));
	p->leave_unread = true;
}

TEST_F(waiting, proc_waiting_cwnd)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true, .opt = WITH_MSS);
	conn_write(&c, 12 * MSS);
	expect_waiting(PORT, "cwnd,peer-ack", "retransmit", rto_ms(&c));
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK);
	expect_waiting(PORT, "peer-ack", "retransmit", rto_ms(&c));
	quiet(p, 1);
}

TEST_F(waiting, proc_waiting_nagle_and_cork)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	ASSERT_EQ(1, send(c.fd, "b", 1, 0));
	expect_waiting(PORT, "nagle,peer-ack", "retransmit", rto_ms(&c));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	expect_waiting(PORT, "cork,peer-ack", "retransmit", rto_ms(&c));
	quiet(p, 1);
}

/* The end of a large write waits for the next write by the timer that paces others. */
TEST_F(waiting, proc_waiting_end_of_a_large_write)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true, .opt = WITH_MSS);
	conn_write(&c, 10 * MSS);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	conn_write(&c, 10 * MSS + 100);
	expect_words(_metadata, PORT, "nagle,peer-ack");
	expect_timer(_metadata, PORT, "pace");
	quiet(p, 10);
}

TEST_F(waiting, proc_waiting_msg_more)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true);
	ASSERT_EQ(1, send(c.fd, "a", 1, MSG_MORE));
	expect_waiting(PORT, "cork", "persist", rto_ms(&c));
	p->leave_unread = true;
}

/* The timers that share the timer of retransmission. */
TEST_F(waiting, proc_waiting_loss_probe_and_reordering)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	flight_start(p, &c, 5, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = 100,
		     .kport = PORT);
	expect_words(_metadata, PORT, "peer-ack");
	expect_timer(_metadata, PORT, "loss-probe");
	peer_sleep_until(p, 100);
	flight_sack(&c, 0, { 1, 3 });
	flight_ack(&c, 5);
	flight_write(&c, 6);
	flight_expect_only(&c, 5, 10);
	peer_sleep_until(p, 200);
	flight_sack(&c, 5, { 6, 11 });
	expect_words(_metadata, PORT, "peer-ack");
	expect_timer(_metadata, PORT, "reorder");
	p->leave_unread = true;
}

TEST_F(waiting, proc_waiting_pacing)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_INITCWND] = 60 });
	conn_open(p, &c, .kport = PORT, .active = true, .opt = WITH_MSS, .rtt_ms = 20);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 10000));
	/* The first ten are not paced. */
	conn_write(&c, 10 * MSS);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK);
	conn_write(&c, 20 * MSS);
	expect_words(_metadata, PORT, "pacing");
	expect_timer(_metadata, PORT, "pace");
	quiet(p, 1);
}

TEST_F(waiting, proc_waiting_close)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true);
	conn_send(&c, .flags = FIN | ACK | PSH, .data = "end");
	conn_expect(&c, .flags = ACK);
	expect_waiting(PORT, "app-read", "-", 0);
	ASSERT_EQ(3, recv(c.fd, (char[3]){ 0 }, 3, 0));
	expect_waiting(PORT, "app-close", "-", 0);
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = FIN | ACK);
	expect_waiting(PORT, "peer-ack", "retransmit", 200);
	p->leave_unread = true;
}

TEST_F(waiting, proc_waiting_fin)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2, .kport = PORT, .active = true);
	expect_waiting(PORT, "peer-fin", "-", 0);
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .kport = PORT + 1, .active = true);
	expect_waiting(PORT + 1, "peer-fin", "fin-wait-2", 60000);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	expect_waiting(PORT + 1, "2msl", "2msl", 60000);
}

/* A single unread byte counts, though the program has shut down reading. */
TEST_F(waiting, proc_waiting_after_shut_rd)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_RD));
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK);
	expect_waiting(PORT, "app-read", "-", 0);
	p->leave_unread = true;
}

static void keepalive_set(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
	socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

TEST_F(waiting, proc_waiting_the_first_timer)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true);
	keepalive_set(c.fd);
	expect_waiting(PORT, "app-write,peer-data", "keepalive", 30000);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	expect_waiting(PORT, "peer-ack", "retransmit", rto_ms(&c));
	quiet(p, 1);
}

/* A write that sleeps because xtcp_mem has nothing left, while the peer's window is closed. */
struct starved {
	pid_t pid;
	char limit[64];	/* xtcp_mem before */
};

static void starve(struct __test_metadata *_metadata, struct peer *p, struct starved *st)
{
	/* Each CPU may hold 1 MiB that no limit counts. */
	static char text[4 << 20];
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true, .wnd = 0);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20);
	ASSERT_EQ((ssize_t)sizeof(text), send(c.fd, text, sizeof(text), 0));
	p->leave_unread = true;
	ASSERT_EQ(0, fcntl(c.fd, F_SETFL, 0));
	knob_mem_set(WHERE(_metadata), "1 1 1", st->limit);
	st->pid = fork();
	ASSERT_LE(0, st->pid);
	if (!st->pid) {
		send(c.fd, text, sizeof(text), 0);
		_exit(0);
	}
	sleep_ms(20);
}

static void starved_kill(struct __test_metadata *_metadata, const struct starved *st)
{
	kill(st->pid, SIGKILL);
	ASSERT_EQ(st->pid, waitpid(st->pid, NULL, 0));
}

TEST_F(waiting, proc_waiting_memory)
{
	NOT_ON_STOCK();
	struct starved st;

	starve(_metadata, &self->peer, &st);
	expect_words(_metadata, PORT, "memory,peer-window");
	knob_mem_set(WHERE(_metadata), st.limit, NULL);
	starved_kill(_metadata, &st);
	expect_words(_metadata, PORT, "peer-window");
}

/* Another socket asks for memory: by that the kernel notices a change of xtcp_mem. */
static void memory_counts(struct peer *p)
{
	static char text[1 << 20];
	struct conn c;

	conn_open(p, &c, .kport = PORT + 1, .active = true, .wnd = 0);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20);
	send(c.fd, text, sizeof(text), MSG_DONTWAIT);
}

/* It sleeps on when memory is there again, and all sockets may have more. */
TEST_F(waiting, proc_waiting_memory_after_the_pressure)
{
	NOT_ON_STOCK();
	struct starved st;

	starve(_metadata, &self->peer, &st);
	knob_mem_set(WHERE(_metadata), st.limit, NULL);
	memory_counts(&self->peer);
	expect_words(_metadata, PORT, "memory,peer-window");
	starved_kill(_metadata, &st);
}

/* Its buffer is full, because all sockets together have too much. */
TEST_F(waiting, proc_waiting_memory_in_a_full_buffer)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	static char text[1 << 20];
	char limit[64];
	struct conn c;
	pid_t pid;

	conn_open(p, &c, .kport = PORT, .active = true, .wnd = 0);
	p->leave_unread = true;
	ASSERT_EQ(0, fcntl(c.fd, F_SETFL, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		send(c.fd, text, sizeof(text), 0);
		_exit(0);
	}
	sleep_ms(20);
	expect_words(_metadata, PORT, "peer-window");
	knob_mem_set(WHERE(_metadata), "1 1 1000000", limit);
	memory_counts(p);
	expect_words(_metadata, PORT, "memory,peer-window");
	knob_mem_set(WHERE(_metadata), limit, NULL);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
}

/* A fast path that has become slow: more leaves TCP than the device. */
TEST_F(waiting_pair, proc_waiting_device)
{
	NOT_ON_STOCK();
	struct pair *pr = &self->pair;
	static uint8_t text[200000];
	int client, server;

	pair_enter(pr, SERVER);
	link_set_single_segments(WHERE(_metadata), "veth1");
	pair_enter(pr, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	pair_connected(pr, PORT, &client, &server);
	stream_transfer(_metadata, server, client, 2000000, 10000);
	pair_enter(pr, SERVER);
	shaper_set(WHERE(_metadata), "veth1", 1000000, 100 << 20);
	EXPECT_EQ(0, knob_set("limit_output_bytes", 20000));
	ASSERT_LT(0, send(server, text, sizeof(text), MSG_DONTWAIT));
	expect_words(_metadata, PORT, "device,peer-ack");
	/* Late segments may reach a port that nobody holds any more. */
	pr->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	close(client);
	close(server);
}

/* The last attempt to send failed: there is no route. */
TEST_F(waiting, proc_waiting_retry)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	char command[128], to[64];
	struct conn c;

	conn_open(p, &c, .kport = PORT, .active = true);
	snprintf(command, sizeof(command), "ip route add unreachable %s metric 1",
		 ipaddr_text(&p->addr, to, sizeof(to)));
	ASSERT_EQ(0, system(command));
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	expect_waiting(PORT, "retry", "persist", rto_ms(&c));
}

TEST_HARNESS_MAIN
