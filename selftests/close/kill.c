// SPDX-License-Identifier: GPL-2.0
/*
 * kill: /proc/net/xtcp_kill: what the administrator ends in each state, who is told,
 * who may write, and which lines are invalid. RFC 9293 3.10.5.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/wait.h>

PEER_FIXTURE(killing);

#define KILL_FILE "/proc/net/xtcp_kill"
#define STAMPS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0))

/* Return: bytes taken, or a negative errno. */
static int say(const char *text)
{
	int fd = open(KILL_FILE, O_WRONLY), n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

static const char *line(const char *local, int lport, const char *remote, int rport)
{
	static char text[160];

	snprintf(text, sizeof(text), "%s %s\n", end_text(local, lport), end_text(remote, rport));
	return text;
}

/* A listener's row. */
static const char *line_at(const char *local, int port)
{
	return line(local, port, "0.0.0.0", 0);
}

static const char *line_of(const struct conn *c)
{
	return line("10.0.0.1", c->kport, "10.0.0.2", c->pport);
}

/* Only a socket with @inode is meant. */
static const char *line_of_inode(const struct conn *c, unsigned long inode)
{
	static char text[200];

	snprintf(text, sizeof(text), "%.*s inode=%lu\n", (int)strlen(line_of(c)) - 1, line_of(c), inode);
	return text;
}

static void expect_killed(struct __test_metadata *_metadata, const struct conn *c)
{
	EXPECT_EQ((int)strlen(line_of(c)), say(line_of(c)));
	conn_expect_state(c, ST_CLOSED);
	/* No such connection exists now. */
	EXPECT_EQ(-ENOENT, say(line_of(c)));
}

struct killing {
	enum conn_state state;
	const char *name;	/* of the state, in the lifecycle */
	bool orphan;
	bool reset;		/* the peer is told */
	bool attempt_fails, estab_resets, was_open;
};

static void kill_in(struct __test_metadata *_metadata, struct peer *p, const struct killing *k)
{
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, k->state, .orphan = k->orphan);
	counters_take(&before);
	expect_killed(_metadata, &c);
	if (k->reset)
		conn_expect(&c, .flags = RST | ACK);
	peer_expect_silence(p, 100);
	counters_expect(_metadata, &before, "AttemptFails", k->attempt_fails,
			"EstabResets", k->estab_resets, "CurrEstab", -k->was_open,
			"OutSegs", k->reset, "OutRsts", k->reset,
			"XtcpResetSentKilled", k->reset, NULL);
	EXPECT_EQ(1, lifecycle_count(k->name, "KILL", "CLOSED"));
	if (c.fd >= 0 && !k->orphan && k->state != ST_TIME_WAIT) {
		EXPECT_EQ(POLLERR | POLLHUP, socket_poll(c.fd) & (POLLERR | POLLHUP));
		EXPECT_EQ(ECONNABORTED, socket_error(c.fd));
		EXPECT_EQ(EPIPE, socket_send(c.fd));
		EXPECT_EQ(0, socket_error(c.fd));
		close(c.fd);
	}
	/* Later segments of the peer get the answer of a closed port. */
	peer_expect_silence(p, 200000);
}

#define KILL(st, ...) \
	TEST_F(killing, kill_in_##st) \
	{ \
		kill_in(_metadata, &self->peer, &(struct killing){ .state = ST_##st, ##__VA_ARGS__ }); \
	}

KILL(SYN_SENT, .name = "SYN-SENT", .attempt_fails = true)
KILL(SYN_RECEIVED, .name = "SYN-RECEIVED", .attempt_fails = true, .reset = true)
KILL(ESTABLISHED, .name = "ESTABLISHED", .estab_resets = true, .was_open = true, .reset = true)
KILL(CLOSE_WAIT, .name = "CLOSE-WAIT", .estab_resets = true, .was_open = true, .reset = true)
KILL(FIN_WAIT_1, .name = "FIN-WAIT-1", .reset = true)
KILL(FIN_WAIT_2, .name = "FIN-WAIT-2", .reset = true)
/* The peer has sent its FIN, and ours is in flight. */
KILL(CLOSING, .name = "CLOSING")
KILL(LAST_ACK, .name = "LAST-ACK")
KILL(TIME_WAIT, .name = "TIME-WAIT")
KILL(ORPHAN_FIN_WAIT_2, .name = "FIN-WAIT-2")

#define KILL_ORPHAN(st, ...) \
	TEST_F(killing, kill_orphan_in_##st) \
	{ \
		kill_in(_metadata, &self->peer, &(struct killing){ .state = ST_##st, .orphan = true, ##__VA_ARGS__ }); \
	}

KILL_ORPHAN(FIN_WAIT_1, .name = "FIN-WAIT-1", .reset = true)
KILL_ORPHAN(CLOSING, .name = "CLOSING")
KILL_ORPHAN(LAST_ACK, .name = "LAST-ACK")

TEST_F(killing, kill_half_open)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_take(&before);
	EXPECT_EQ((int)strlen(line_of(&c)), say(line_of(&c)));
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
	EXPECT_EQ(-ENOENT, say(line_of(&c)));
	EXPECT_EQ(1, lifecycle_count("SYN-RECEIVED", "KILL", "CLOSED"));
	counters_expect(_metadata, &before, NULL);
	peer_expect_silence(p, 70000);
	/* The third segment comes too late; the next SYN connects. */
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	conn_open(p, &c, .lfd = c.lfd);
}

/* A connection that waits for accept(): the program gets it, and reads the end. */
TEST_F(killing, kill_before_accept)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ((int)strlen(line_of(&c)), say(line_of(&c)));
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
	fd = accept(c.lfd, NULL, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(ECONNABORTED, socket_receive(fd));
	close(fd);
}

/* The ends are those of the line, but the socket is another one: it lives. */
TEST_F(killing, kill_by_inode)
{
	struct peer *p = &self->peer;
	unsigned long inode;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c);
	inode = socket_inode(c.fd);
	EXPECT_EQ(-ENOENT, say(line_of_inode(&c, inode + 1)));
	EXPECT_EQ(-ENOENT, say(line_of_inode(&c, 0)));
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_silence(p, 100);
	EXPECT_LT(0, say(line_of_inode(&c, inode)));
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
}

static void kill_without_inode(struct __test_metadata *_metadata, struct peer *p,
			       enum conn_state state)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, state, .orphan = true);
	EXPECT_EQ(-ENOENT, say(line_of_inode(&c, 77)));
	EXPECT_LT(0, say(line_of_inode(&c, 0)));
	EXPECT_EQ(-ENOENT, say(line_of_inode(&c, 0)));
}

/* A record and an orphan have none, which is written 0. */
TEST_F(killing, kill_half_open_by_inode_0)
{
	kill_without_inode(_metadata, &self->peer, ST_HALF_OPEN);
}

TEST_F(killing, kill_time_wait_by_inode_0)
{
	kill_without_inode(_metadata, &self->peer, ST_TIME_WAIT);
}

TEST_F(killing, kill_orphan_by_inode_0)
{
	kill_without_inode(_metadata, &self->peer, ST_LAST_ACK);
}

/* A connection in the accept queue has no inode either; accept() gives it one. */
TEST_F(killing, kill_by_inode_before_accept)
{
	struct peer *p = &self->peer;
	struct conn taken, c;
	int fd;

	NOT_ON_STOCK();
	conn_to_state(p, &taken, ST_HALF_OPEN);
	conn_send(&taken, .flags = ACK);
	fd = accept(taken.lfd, NULL, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOENT, say(line_of_inode(&taken, 0)));
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = taken.lfd);
	conn_send(&c, .flags = ACK);
	EXPECT_LT(0, say(line_of_inode(&c, 0)));
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
	EXPECT_LT(0, say(line_of_inode(&taken, socket_inode(fd))));
	conn_expect(&taken, .flags = RST | ACK, .seq = 1);
	close(fd);
}

#define listener_line line_at("10.0.0.1", 5000)

/* As after shutdown() of a listener: half-open and queued connections end with it. */
TEST_F(killing, kill_listener)
{
	struct peer *p = &self->peer;
	struct conn half, queued, accepted;
	struct counters before;

	NOT_ON_STOCK();
	conn_open(p, &accepted);
	conn_to_state(p, &queued, ST_HALF_OPEN, .lfd = accepted.lfd);
	conn_send(&queued, .flags = ACK);
	conn_to_state(p, &half, ST_HALF_OPEN, .lfd = accepted.lfd);
	counters_take(&before);
	EXPECT_EQ((int)strlen(listener_line), say(listener_line));
	conn_expect(&queued, .flags = RST | ACK, .seq = 1);
	EXPECT_EQ(-ENOENT, say(listener_line));
	EXPECT_EQ(0, proc_rows(p->family, ROW_LISTEN));
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
	counters_expect(_metadata, &before, "OutSegs", 1, "OutRsts", 1,
			"CurrEstab", -1, "EstabResets", 1,
			"XtcpResetSentListenerClosed", 1, NULL);
	EXPECT_EQ(1, lifecycle_count("LISTEN", "KILL", "CLOSED"));
	EXPECT_EQ(EINVAL, socket_accept(accepted.lfd));
	EXPECT_EQ(ECONNABORTED, socket_error(accepted.lfd));
	/* Accepted connections live on, and the port may be listened on again. */
	conn_expect_state(&accepted, ST_ESTABLISHED);
	close(accepted.lfd);
	conn_open(p, &queued);
	/* The accepted connection's peer was told nothing. */
	conn_send(&accepted, .flags = PSH | ACK, .data = "on");
	conn_expect(&accepted, .flags = ACK, .ack = 3, .within_ms = 210);
}

/* A line names a listener by its bind address, and ends all that share the port. */
TEST_F(killing, kill_listener_exactly)
{
	int any = socket_new(-1), here = socket_new(-1), again = socket_new(-1);

	NOT_ON_STOCK();
	ASSERT_EQ(0, socket_set(here, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_EQ(0, socket_set(again, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_EQ(0, socket_bind(any, "", 6000));
	ASSERT_EQ(0, socket_listen(any, 1));
	ASSERT_EQ(0, socket_bind(here, "10.0.0.1", 5000));
	ASSERT_EQ(0, socket_listen(here, 1));
	ASSERT_EQ(0, socket_bind(again, "10.0.0.1", 5000));
	ASSERT_EQ(0, socket_listen(again, 1));
	EXPECT_EQ(-ENOENT, say(line_at("0.0.0.0", 5000)));
	EXPECT_EQ(-ENOENT, say(line_at("10.0.0.1", 6000)));
	EXPECT_EQ(3, proc_rows(AF_INET, ROW_LISTEN));
	EXPECT_LT(0, say(listener_line));
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_LISTEN));
	EXPECT_LT(0, say(line_at("0.0.0.0", 6000)));
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_LISTEN));
}

/* One that gets no SYNs, because another listener has its place, is ended as well. */
TEST_F(killing, kill_listener_whose_place_is_taken)
{
	int fd[2];

	NOT_ON_STOCK();
	tun_new(WHERE(_metadata), "tun1");
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, setsockopt(fd[i], SOL_SOCKET, SO_BINDTODEVICE, i ? "tun1" : "tun0", 5));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 5000));
		ASSERT_EQ(0, socket_listen(fd[i], 1));
	}
	ASSERT_EQ(0, setsockopt(fd[1], SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	EXPECT_EQ(2, proc_rows(AF_INET, ROW_LISTEN));
	EXPECT_LT(0, say(line_at("10.0.0.1%tun0", 5000)));
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_LISTEN));
	EXPECT_EQ(-ENOENT, say(line_at("10.0.0.1%tun0", 5000)));
}

static void file_read(struct __test_metadata *_metadata, const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), n;

	ASSERT_LE(0, fd);
	n = read(fd, text, size - 1);
	ASSERT_LT(0, n);
	text[n] = '\0';
	close(fd);
}

/* Two listeners of one port on the two wires; rows of their files name the wire. */
TEST_F(killing, kill_listener_of_one_wire)
{
	static const int wires[] = { XTCP_WIRE_NATIVE, XTCP_WIRE_TCP };
	static char text[2][4096];
	char row[256];
	int fd[2];

	NOT_ON_STOCK();
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], IPPROTO_XTCP, XTCP_WIRE, wires[i]));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 5000));
		ASSERT_EQ(0, socket_listen(fd[i], 1));
	}
	file_read(_metadata, "/proc/thread-self/net/xtcp_age", text[0], sizeof(text[0]));
	file_read(_metadata, "/proc/thread-self/net/xtcp_listen", text[1], sizeof(text[1]));
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 2; k++) {
			snprintf(row, sizeof(row), " %lu %s%s\n", socket_inode(fd[i]),
				 i ? "tcp" : "native", k ? "" : " peer-syn - 0");
			EXPECT_NE(NULL, strstr(text[k], row)) TH_LOG("%s%s", row, text[k]);
		}
	}
	snprintf(row, sizeof(row), "%s %s native\n", end_text("10.0.0.1", 5000),
		 end_text("10.0.0.2", 1));
	EXPECT_EQ(-ENOENT, say(row));
	snprintf(row, sizeof(row), "%s %s tcp\n", end_text("10.0.0.1", 5000),
		 end_text("0.0.0.0", 0));
	EXPECT_EQ((int)strlen(row), say(row));
	EXPECT_EQ(ECONNABORTED, socket_error(fd[1]));
	EXPECT_EQ(-ENOENT, say(row));
	EXPECT_EQ(0, socket_error(fd[0]));
	/* A row as xtcp_age prints it. */
	snprintf(row, sizeof(row), "%s %s LISTEN 0.100 0 77 native peer-syn - 0\n",
		 end_text("10.0.0.1", 5000), end_text("0.0.0.0", 0));
	EXPECT_EQ((int)strlen(row), say(row));
	EXPECT_EQ(ECONNABORTED, socket_error(fd[0]));
}

static int bind_to_lo(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) ? errno : 0;
}

TEST_F(killing, kill_bound_to_a_device)
{
	int fd = socket_new(-1);
	char addr[64];

	NOT_ON_STOCK();
	ASSERT_EQ(0, bind_to_lo(fd));
	ASSERT_EQ(0, socket_bind(fd, "127.0.0.1", 5000));
	ASSERT_EQ(0, socket_listen(fd, 1));
	EXPECT_EQ(-ENOENT, say(line_at("127.0.0.1", 5000)));
	EXPECT_EQ(-EINVAL, say(line_at("127.0.0.1%nosuch", 5000)));
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_LISTEN));
	EXPECT_LT(0, say(line_at("127.0.0.1%lo", 5000)));
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_LISTEN));
	ASSERT_EQ(0, socket_listen(fd, 1));
	snprintf(addr, sizeof(addr), "127.0.0.1%%%u", if_nametoindex("lo"));
	EXPECT_LT(0, say(line_at(addr, 5000)));
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_LISTEN));
}

/* A program that sleeps in a call is woken. */
TEST_F(killing, kill_wakes_the_sleeper)
{
	struct peer *p = &self->peer;
	struct conn c;
	int status;
	pid_t pid;
	char b;

	NOT_ON_STOCK();
	conn_open(p, &c);
	pid = fork();
	if (!pid) {
		fcntl(c.fd, F_SETFL, 0);
		_exit(recv(c.fd, &b, 1, 0) == -1 ? errno : 255);
	}
	sleep_ms(10);
	EXPECT_LT(0, say(line_of(&c)));
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ECONNABORTED, WEXITSTATUS(status));
}

/*
 * The write to xtcp_kill has found a socket, and waits for the call that owns it. When that call
 * ends, the peer's FIN replaces the socket by a TIME-WAIT record: then the record is killed.
 */
static void kill_meanwhile(struct __test_metadata *_metadata, struct peer *p, bool by_inode)
{
	struct holder h;
	struct conn c;
	int status;
	pid_t pid;

	NOT_ON_STOCK();
	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK);
	conn_send(&c, .flags = ACK);
	holder_hold(_metadata, &h, c.fd);
	conn_send(&c, .flags = FIN | ACK);
	pid = fork();
	if (!pid) {
		status = say(by_inode ? line_of_inode(&c, socket_inode(c.fd)) : line_of(&c));
		_exit(status < 0 ? -status : 0);
	}
	sleep_ms(10);
	holder_release(&h);
	conn_expect(&c, .flags = ACK, .ack = 3);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(by_inode ? ENOENT : 0, WEXITSTATUS(status));
	EXPECT_EQ(!by_inode, lifecycle_count("TIME-WAIT", "KILL", "CLOSED"));
	conn_expect_state(&c, by_inode ? ST_TIME_WAIT : ST_CLOSED);
	close(c.fd);
}

TEST_F(killing, kill_what_becomes_a_record_meanwhile) { kill_meanwhile(_metadata, &self->peer, false); }
/* The record is not the socket that the line names. */
TEST_F(killing, kill_by_inode_what_becomes_a_record_meanwhile) { kill_meanwhile(_metadata, &self->peer, true); }

TEST_F(killing, kill_several_lines)
{
	struct peer *p = &self->peer;
	char text[512] = "";
	struct conn c[4];
	int first_two = 0;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		conn_open(p, &c[i], .kport = 6000 + i);
		/* The third has ended by itself. */
		if (i == 2)
			strcat(text, line("10.0.0.1", 6002, "10.0.0.9", 1));
		else
			strcat(text, line_of(&c[i]));
		if (i == 1)
			first_two = strlen(text);
	}
	EXPECT_EQ(first_two, say(text));
	EXPECT_EQ(-ENOENT, say(text + first_two));
	conn_expect(&c[0], .flags = RST | ACK, .seq = 1);
	conn_expect(&c[1], .flags = RST | ACK, .seq = 1);
	conn_expect_state(&c[2], ST_ESTABLISHED);
	conn_expect_state(&c[3], ST_ESTABLISHED);
	/* A line as xtcp_age prints it. */
	snprintf(text, sizeof(text), "  %s\t%s ESTABLISHED 0.100 0 77\n",
		 end_text("10.0.0.1", 6003), end_text("10.0.0.2", c[3].pport));
	EXPECT_EQ((int)strlen(text), say(text));
	conn_expect(&c[3], .flags = RST | ACK, .seq = 1);
}

TEST_F(killing, kill_bad_lines)
{
	static const char *const bad[] = {
		"", "\n", " \n", "10.0.0.1:5000\n", "10.0.0.1:5000 \n", "10.0.0.1 10.0.0.2\n",
		"10.0.0.1:5000 10.0.0.2:\n", "10.0.0.1:65536 10.0.0.2:1\n",
		"10.0.0.1:-1 10.0.0.2:1\n", "10.0.0.1:5000 10.0.0.2:1x\n",
		"10.0.0.256:5000 10.0.0.2:1\n", "10.0.0:5000 10.0.0.2:1\n",
		"x:5000 10.0.0.2:1\n", "::1:5000 ::1:1\n", "[::1:5000 [::1]:1\n",
		"[::1]:5000 10.0.0.1:1\n", "[::1]x:5000 [::1]:1\n", "[10.0.0.1]:5000 [::1]:1\n",
		"[]:5000 [::1]:1\n", "[::1]:5000 [::]:1\n", ":5000 :1\n",
		"10.0.0.1:0 10.0.0.2:1\n", "0.0.0.0:5000 10.0.0.2:0\n",
		"0.0.0.0:5000 0.0.0.0:1\n", "10.0.0.1:5000 10.0.0.2%lo:1\n",
		"10.0.0.1%:5000 10.0.0.2:1\n", "10.0.0.1%0:5000 10.0.0.2:1\n",
		"10.0.0.1%-1:5000 10.0.0.2:1\n",
		"10.0.0.1:5000 10.0.0.2:40000 inode=\n", "10.0.0.1:5000 10.0.0.2:40000 inode=x\n",
		"10.0.0.1:5000 10.0.0.2:40000 tcp inode=-1\n",
		/* Listeners end together. */
		"10.0.0.1:5000 0.0.0.0:0 inode=77\n", "0100000A:1388 0200000A:9C40\n",
		/* Half a line may name another connection. */
		"10.0.0.1:5000 10.0.0.2:4",
	};
	struct peer *p = &self->peer;
	char long_line[8192];
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, say(bad[i]))
			TH_LOG("'%s'", bad[i]);
	}
	memset(long_line, ' ', sizeof(long_line));
	long_line[sizeof(long_line) - 1] = '\0';
	EXPECT_EQ(-EINVAL, say(long_line));
	memset(long_line, '1', sizeof(long_line) - 1);
	long_line[sizeof(long_line) - 2] = '\n';
	EXPECT_EQ(-EINVAL, say(long_line));
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(-ENOENT, say("[::1]:5000 [::1]:1\n"));
	EXPECT_EQ(-ENOENT, say("10.0.0.2:5000 10.0.0.1:40000\n"));
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* CAP_NET_ADMIN of the task that opens the file. Nobody can read it. */
TEST_F(killing, kill_needs_privilege)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;
	char b;

	NOT_ON_STOCK();
	conn_open(p, &c);
	fd = open(KILL_FILE, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &b, 1));
	close(fd);
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(-EACCES, say(line_of(&c)));
	ASSERT_EQ(0, seteuid(0));
	conn_expect_state(&c, ST_ESTABLISHED);
	/* Even if the file's mode would allow it. */
	ASSERT_EQ(0, chmod(KILL_FILE, 0222));
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(-EPERM, say(line_of(&c)));
	ASSERT_EQ(0, seteuid(0));
	fd = proc_open_as_nobody(KILL_FILE, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, line_of(&c), strlen(line_of(&c))));
	EXPECT_EQ(EPERM, errno);
	close(fd);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* Only connections of the file's namespace. */
TEST_F(killing, kill_stays_in_its_namespace)
{
	struct peer *p = &self->peer;
	int home = open("/proc/thread-self/ns/net", O_RDONLY);
	struct conn c;
	int other;

	NOT_ON_STOCK();
	conn_open(p, &c);
	other = netns_new(WHERE(_metadata));
	EXPECT_EQ(-ENOENT, say(line_of(&c)));
	netns_enter(WHERE(_metadata), home);
	close(other);
	conn_expect_state(&c, ST_ESTABLISHED);
	expect_killed(_metadata, &c);
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
}

TEST_HARNESS_MAIN
