// SPDX-License-Identifier: GPL-2.0
/*
 * procfile: /proc/net/xtcp and xtcp6 as files: the order of their rows, reads of any
 * size and at any offset, reads while the table changes, their time. As the files of
 * the kernel's TCP, which pass all this as well. The rows are proc.c's.
 */
/* vm: wires families */
#include "procfile.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

PEER_FIXTURE(procfile);
PAIR_FIXTURE(procfile_pair);

/*
 * The files of the kernel's TCP hold their namespace while they are open. Otherwise its end would
 * wait for a reader whose memory does not come, and the ends of all others would wait behind it.
 */
TEST_F(procfile, proc_an_open_file_holds_its_namespace)
{
	static const char *const names[] = {
		"xtcp", "xtcp6", "xtcp_age", "xtcp_listen", "xtcp_metrics", "xtcp_diag", "xtcp_dead",
		"xtcp_hostcache", "xtcp_kill", "xtcp_snmp", "xtcp_lifecycle",
	};
	char path[64], byte;
	int home, fd;

	NOT_ON_STOCK();		/* has other files */
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool writes = !strcmp(names[i], "xtcp_kill");

		peer_note(&self->peer, "%s", names[i]);
		close(netns_new(WHERE(_metadata)));
		snprintf(path, sizeof(path), "/proc/self/net/%s", names[i]);
		fd = open(path, writes ? O_WRONLY : O_RDONLY);
		ASSERT_LE(0, fd);
		netns_enter(WHERE(_metadata), home);
		/* Long enough for its end: without the file it would end at once. */
		sleep_ms(2000);
		if (writes) {
			EXPECT_EQ(-1, write(fd, "nothing", 7));
			EXPECT_EQ(EINVAL, errno);
		} else {
			EXPECT_LE(0, read(fd, &byte, 1));
		}
		close(fd);
	}
	close(home);
}

/* Listeners come first, whatever their age, and "sl" counts the lines. */
TEST_F(procfile, proc_listeners_first)
{
	static char buf[BUFFER];
	bool connections = false;
	struct conn c, d, e;
	char *line;
	size_t n;
	int fd;

	conn_open(&self->peer, &c);
	conn_to_state(&self->peer, &d, ST_TIME_WAIT, .kport = 5001);
	conn_to_state(&self->peer, &e, ST_LISTEN, .kport = 5002);
	fd = open_proc(_metadata);
	n = read_by(_metadata, fd, buf, BUFFER);
	ASSERT_EQ(6, lines_in(buf, n));
	if (!shows_ipv6())
		EXPECT_EQ(6 * LINE, n);
	line = strchr(buf, '\n') + 1;
	for (size_t i = 1; i < 6; i++, line = strchr(line, '\n') + 1) {
		char state[3] = "";
		bool listens;

		ASSERT_EQ(1, sscanf(line, "%*s %*s %*s %2s", state));
		listens = !strcmp(state, "0A");
		EXPECT_EQ(i - 1, strtoul(line, NULL, 10));
		EXPECT_FALSE(listens && connections) TH_LOG("%.80s", line);
		connections |= !listens;
	}
	EXPECT_TRUE(connections);
	close(fd);
}

#define MANY 150

/* Connections without a timer, so that their lines do not change. */
static int many_connections(struct __test_metadata *_metadata, struct pair *pr,
			    int *client, int *server)
{
	int lfd = pair_listen(pr, 5000, MANY);

	for (int i = 0; i < MANY; i++) {
		client[i] = pair_connect(pr, 5000);
		server[i] = accept(lfd, NULL, NULL);
		ASSERT_LE(0, server[i]);
	}
	pair_enter(pr, SERVER);
	return lfd;
}

/* However it is read, the content is the same: no row lost, none twice. */
TEST_F(procfile_pair, proc_reads_of_any_size)
{
	static const size_t steps[] = { 1, 7, 149, 150, 151, 1000, 4095, 4096, 4097 };
	static char whole[BUFFER], parts[BUFFER];
	int client[MANY], server[MANY], fd;
	size_t size;

	many_connections(_metadata, &self->pair, client, server);
	fd = open_proc(_metadata);
	size = read_by(_metadata, fd, whole, BUFFER);
	EXPECT_EQ(MANY + 2, lines_in(whole, size));
	if (!shows_ipv6())
		EXPECT_EQ((MANY + 2) * LINE, size);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
		ASSERT_EQ(size, read_by(_metadata, fd, parts, steps[i]));
		EXPECT_EQ(0, memcmp(whole, parts, size)) TH_LOG("steps of %zu", steps[i]);
	}
	close(fd);
}

TEST_F(procfile_pair, proc_pread_and_lseek_at_any_offset)
{
	static char whole[BUFFER];
	int client[MANY], server[MANY], fd;
	char part[400], *line;
	ssize_t n, want;
	size_t size;

	many_connections(_metadata, &self->pair, client, server);
	fd = open_proc(_metadata);
	size = read_by(_metadata, fd, whole, BUFFER);
	for (size_t at = size + 300; at > 500; at -= 487) {
		want = at >= size ? 0 : at + sizeof(part) > size ? size - at : sizeof(part);
		n = pread(fd, part, sizeof(part), at);
		/* A read may stop at a line's end, never begin elsewhere. */
		ASSERT_GE(want, n);
		ASSERT_EQ(want == 0, n == 0);
		ASSERT_EQ(0, memcmp(whole + at, part, n)) TH_LOG("pread at %zu", at);
		ASSERT_EQ((off_t)at, lseek(fd, at, SEEK_SET));
		n = read(fd, part, sizeof(part));
		ASSERT_EQ(want == 0, n == 0);
		ASSERT_EQ(0, memcmp(whole + at, part, n)) TH_LOG("lseek to %zu", at);
	}
	EXPECT_EQ(-1, lseek(fd, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	/* A file that was never read yet, at an offset in the middle. */
	close(fd);
	fd = open_proc(_metadata);
	for (line = whole, want = 0; want < 50; want++)
		line = strchr(line, '\n') + 1;
	want = strchr(line, '\n') + 1 - line;
	n = pread(fd, part, want, line - whole);
	ASSERT_EQ(want, n);
	EXPECT_EQ(0, memcmp(line, part, n));
	close(fd);
}

/*
 * While it is read in small parts, every second connection goes and new ones come.
 * Each that stays is there once.
 */
TEST_F(procfile_pair, proc_churn_without_duplicates)
{
	static char text[BUFFER];
	int client[MANY], server[MANY], extra[MANY], fd, seen;
	struct pair *pr = &self->pair;
	struct linger linger = { .l_onoff = 1 };
	uint16_t port[MANY];
	size_t got = 0;
	ssize_t n;

	NOT_ON_STOCK();		/* where a row may come twice */
	many_connections(_metadata, pr, client, server);
	for (int i = 0; i < MANY; i++) {
		struct sockaddr_in sin;
		socklen_t len = sizeof(sin);

		ASSERT_EQ(0, getpeername(server[i], (void *)&sin, &len));
		port[i] = ntohs(sin.sin_port);
	}
	fd = open_proc(_metadata);
	for (int i = 0; (n = read(fd, text + got, 500)) > 0; i++) {
		got += n;
		if (2 * i + 1 >= MANY)
			continue;
		setsockopt(server[2 * i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(server[2 * i]);
		extra[i] = pair_connect(pr, 5000);
		ASSERT_LE(0, extra[i]);
		pair_enter(pr, SERVER);
	}
	close(fd);
	text[got] = '\0';
	for (int i = 1; i < MANY; i += 2) {
		char remote[60], address[40];

		address_print(address, sizeof(address), &self->pair.addr[CLIENT]);
		snprintf(remote, sizeof(remote), " %s:%04X 01 ", address, port[i]);
		seen = 0;
		for (char *at = text; (at = strstr(at, remote)); at++)
			seen++;
		EXPECT_EQ(1, seen) TH_LOG("port %d", port[i]);
	}
}

/* A file that is open at its end keeps nothing alive. */
TEST_F(procfile, proc_open_file_keeps_nothing)
{
	static char buf[BUFFER];
	struct conn c;
	int fd;

	conn_open(&self->peer, &c);
	fd = open_proc(_metadata);
	ASSERT_EQ(3, lines_in(buf, read_by(_metadata, fd, buf, BUFFER)));
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	conn_send(&c, .flags = RST);
	close(c.lfd);
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(1, lines_in(buf, read_by(_metadata, fd, buf, BUFFER)));
	close(fd);
}

/* Nor does one that was read a little: sockets go, and the module is free. */
TEST_F_TIMEOUT(procfile_pair, proc_half_read_file_keeps_nothing, 4000)
{
	struct linger linger = { .l_onoff = 1 };
	static const char * const name[] = {
		"xtcp", "xtcp6", "xtcp_age", "xtcp_listen", "xtcp_diag",
	};
	int client[MANY], server[MANY], fd[ARRAY_SIZE(name)], lfd, other;
	char path[64], part[200];

	NOT_ON_STOCK();
	/* Orphans of earlier programs give up in that time, those with a closed window, too. */
	sleep_ms(2000 * 1000);
	lfd = many_connections(_metadata, &self->pair, client, server);
	other = pair_listen(&self->pair, 5001, 1);
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		snprintf(path, sizeof(path), "/proc/thread-self/net/%s", name[i]);
		fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd[i]);
		ASSERT_LT(0, read(fd[i], part, sizeof(part)));
	}
	for (int i = 0; i < MANY; i++) {
		setsockopt(client[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(client[i]);
		close(server[i]);
	}
	close(lfd);
	close(other);
	module_await_idle(WHERE(_metadata));
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		EXPECT_LE(0, read(fd[i], part, sizeof(part)));
		close(fd[i]);
	}
}

/*
 * While it is read in small parts, the hash table is replaced several times by a
 * larger one. Each row that stays is there once.
 */
TEST_F(procfile, proc_growing_table_without_duplicates)
{
	static char text[STAYING * 2 * 256 + GROWTH_MAX * 256];
	struct peer *p = &self->peer;
	int fd, seen, extra = 0;
	char remote[20];
	size_t got = 0;
	ssize_t n;

	NOT_ON_STOCK();
	records_begin(_metadata, p);
	fd = open_proc(_metadata);
	while ((n = read(fd, text + got, 1000)) > 0) {
		got += n;
		records_grow(p, &extra);
	}
	close(fd);
	text[got] = '\0';
	snprintf(remote, sizeof(remote), ":%04X 03 ", STAYING_PORT);
	seen = 0;
	for (char *at = text; (at = strstr(at, remote)); at++)
		seen++;
	EXPECT_EQ(STAYING, seen);
	/* No new row is there twice, either. */
	EXPECT_GE(STAYING + GROWTH_MAX + 2, lines_in(text, got));
}

#define TABLE 2048	/* rows for which the first table suffices */

/*
 * A reader waits while the rows move to a larger table. The kernel's worker that moves them does
 * not run beside a process of a real-time class: so the reader is killed meanwhile.
 */
TEST_F(procfile, proc_reader_is_killed_while_the_table_grows)
{
	static char buf[BUFFER];
	int fd, status, extra = 0;
	pid_t pid;

	NOT_ON_STOCK();
	alone_begin(WHERE(_metadata));
	records_begin(_metadata, &self->peer);
	while (extra < TABLE)
		records_grow(&self->peer, &extra);
	fd = open_proc(_metadata);
	pid = fork();
	if (!pid) {
		while (read(fd, buf, BUFFER) > 0)
			;
		_exit(0);
	}
	ASSERT_LT(0, pid);
	sched_yield();
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, status);
	alone_end(WHERE(_metadata));
	close(fd);
	EXPECT_EQ(STAYING + extra, proc_rows(AF_INET, ROW_SYN_RECEIVED));
}

/*
 * LC-27: a namespace shows its own, and the same numbers in both are two connections.
 */
TEST_F(procfile_pair, proc_shows_its_own_namespace)
{
	struct pair *pr = &self->pair;
	struct proc_row row;
	int cfd, sfd;

	pair_connected(pr, 5000, &cfd, &sfd);
	pair_enter(pr, SERVER);
	EXPECT_TRUE(proc_row_find(&row, AF_INET, 5000, -1, NULL));
	EXPECT_EQ(1, proc_rows(AF_INET, 0));
	pair_enter(pr, CLIENT);
	EXPECT_FALSE(proc_row_find(&row, AF_INET, 5000, -1, NULL));
	EXPECT_EQ(1, proc_rows(AF_INET, 0));
	netns_new(WHERE(_metadata));
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
}

/*
 * 100,000 rows in less than a second, measured on a fifth of it: half-open records are
 * the cheapest rows to make, but after a second they repeat their SYN-ACKs, which
 * would be measured, too.
 */
#define ROWS 20000
#define ROWS_MS 200
/* Their addresses have four times the digits. */
#define ROWS6_MS 260
#define FIRST_READ_US 1000

TEST_F(procfile, proc_20k_rows_in_200_ms)
{
	static char buf[65536];
	struct peer *p = &self->peer;
	int64_t start, took_ms;
	size_t lines = 0;
	ssize_t n;
	int fd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "200000"));
	ASSERT_EQ(0, knob_set("max_syn_backlog", 1000000));
	peer_listen(p, KERNEL_PORT, 200000);
	p->leave_unread = true;
	for (int i = 0; i < ROWS; i++) {
		struct ipaddr src = ipaddr("10.1.0.0");

		if (p->family == AF_INET)
			src.v4.s_addr += htonl(i / 50000);
		else
			src.v6.s6_addr[15] += i / 50000;
		peer_send(p, .flags = SYN, .seq = i, .src = src, .sport = 1024 + i % 50000);
	}
	fd = open_proc(_metadata);
	start = now_ns();
	n = read(fd, buf, 4096);
	/* Its length is that of its rows, however many others there are. */
	EXPECT_GT(FIRST_READ_US * 1000 + peer_slack_ns(), now_ns() - start);
	ASSERT_LT(0, n);
	lines = lines_in(buf, n);
	start = now_ms();
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		lines += lines_in(buf, n);
	took_ms = now_ms() - start;
	close(fd);
	EXPECT_EQ(ROWS + 2, lines);
	EXPECT_GT(shows_ipv6() ? ROWS6_MS : ROWS_MS, took_ms);
}

TEST_HARNESS_MAIN
