// SPDX-License-Identifier: GPL-2.0
/*
 * proc: /proc/net/xtcp and xtcp6, byte for byte what /proc/net/tcp and tcp6 would
 * say, which pass all this as well; how they are read; and the counters and
 * lifecycle files beside them.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <sys/stat.h>

PEER_FIXTURE(proc);
PAIR_FIXTURE(proc_pair);

#define LINE 150	/* IPv4's, newline included; IPv6's are as long as they are */
#define DELAYED_ACK_MS 210
#define BUFFER (1 << 20)

/* All of the file from offset 0, by reads of so many bytes. Returns bytes. */
static size_t read_by(struct __test_metadata *_metadata, int fd, char *buf, size_t step)
{
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, buf + got, got + step > BUFFER ? BUFFER - got : step)) > 0)
		got += n;
	ASSERT_EQ(0, n);
	return got;
}

static int open_proc(struct __test_metadata *_metadata)
{
	int fd = open(proc_path(AF_INET), O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	return fd;
}

static bool shows_ipv6(void)
{
	return socket_family(AF_INET) == AF_INET6;
}

static size_t lines_in(const char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += buf[i] == '\n';
	return n;
}

/* Words in network order, each printed as a number of this host's. */
static void address_print(char *to, size_t size, const struct ipaddr *a)
{
	uint32_t word[4];

	memcpy(word, &a->v6, sizeof(word));
	if (a->family == AF_INET)
		snprintf(to, size, "%s%08X", shows_ipv6() ? "0000000000000000FFFF0000" : "",
			 a->v4.s_addr);
	else
		snprintf(to, size, "%08X%08X%08X%08X", word[0], word[1], word[2], word[3]);
}

/*
 * What the columns say, printed the way the format has them, is the line
 * itself: widths, paddings, hexadecimal or not.
 */
static void line_is_well_formed(struct __test_metadata *_metadata, const struct proc_row *r)
{
	char want[256], padded[sizeof(want) + LINE], local[40], remote[40];
	int n;

	address_print(local, sizeof(local), &r->local);
	address_print(remote, sizeof(remote), &r->remote);
	n = snprintf(want, sizeof(want),
		     "%4u: %s:%04X %s:%04X %02X %08X:%08X %02X:%08lX %08X %5u %8d %lu %d %s",
		     r->slot, local, r->lport, remote,
		     r->rport, r->st, r->tx, r->rx, r->timer, r->timer_cs,
		     r->retrnsmt, r->uid, r->timeout, r->inode, r->ref, r->ptr);
	if (r->full)
		n += snprintf(want + n, sizeof(want) - n, " %u %u %u %u %d", r->rto,
			      r->ato, r->quick, r->cwnd, r->ssthresh);
	if (!shows_ipv6())
		ASSERT_GE(LINE - 1, n);
	snprintf(padded, sizeof(padded), "%-*s\n", shows_ipv6() ? 0 : LINE - 1, want);
	ASSERT_STREQ(padded, r->line);
	EXPECT_EQ(16, strlen(r->ptr));
}

static struct proc_row row_of(struct __test_metadata *_metadata, struct conn *c, int rport)
{
	struct proc_row row;
	int n;

	ASSERT_TRUE(proc_row_find(&row, AF_INET, c->kport, rport, &n));
	EXPECT_EQ(1, n);
	line_is_well_formed(_metadata, &row);
	return row;
}

static unsigned long inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* A timer column: which one, and what is left, to 20 ms below (stock: coarse). */
#define expect_timer(row, kind, left_ms) \
	do { \
		EXPECT_EQ(kind, (row).timer); \
		EXPECT_GE((left_ms) / 10 + (stock_mode() ? 60 : 0), (long)(row).timer_cs); \
		EXPECT_LE((left_ms) / 10 - (stock_mode() ? 60 : 2), (long)(row).timer_cs); \
	} while (0)

/* Neither queues nor troubles. */
#define expect_quiet(row) \
	do { \
		EXPECT_EQ(0, (row).tx); \
		EXPECT_EQ(0, (row).rx); \
		EXPECT_EQ(0, (row).retrnsmt); \
		EXPECT_EQ(0, (row).timeout); \
	} while (0)

/* --- the rows ------------------------------------------------------------ */

TEST_F(proc, proc_header_is_stocks)
{
	char ours[256] = "", stocks[256] = "";
	FILE *f;

	f = fopen(shows_ipv6() ? "/proc/net/tcp6" : "/proc/net/tcp", "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(stocks, sizeof(stocks), f));
	fclose(f);
	f = fopen(proc_path(AF_INET), "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(ours, sizeof(ours), f));
	EXPECT_EQ(NULL, fgets(ours + strlen(ours), 10, f));
	fclose(f);
	EXPECT_STREQ(stocks, ours);
	if (!shows_ipv6())
		EXPECT_EQ(LINE, strlen(ours));
}

TEST_F(proc, proc_files_are_readable_by_all)
{
	static const char *const paths[] = {
		"/proc/net/xtcp", "/proc/net/xtcp_snmp",
		"/proc/net/xtcp_netstat", "/proc/net/xtcp_lifecycle",
		"/proc/net/xtcp_listen", "/proc/net/xtcp_age",
	};
	struct stat st;
	char b;
	int fd;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		ASSERT_EQ(0, stat(paths[i], &st));
		EXPECT_EQ(S_IFREG | 0444, st.st_mode);
		EXPECT_EQ(0, st.st_size);
		ASSERT_EQ(0, seteuid(65534));
		fd = open(paths[i], O_RDONLY);
		EXPECT_LE(0, fd);
		EXPECT_EQ(1, read(fd, &b, 1));
		EXPECT_EQ(-1, open(paths[i], O_WRONLY));
		EXPECT_EQ(EACCES, errno);
		ASSERT_EQ(0, seteuid(0));
		close(fd);
	}
}

TEST_F(proc, proc_listen)
{
	struct proc_row row;
	struct conn c, d;

	conn_to_state(&self->peer, &c, ST_LISTEN);
	row = row_of(_metadata, &c, 0);
	EXPECT_EQ(ROW_LISTEN, row.st);
	expect_quiet(row);
	EXPECT_EQ(0, row.timer);
	EXPECT_EQ(0, row.timer_cs);
	EXPECT_EQ(inode_of(c.lfd), row.inode);
	EXPECT_EQ(self->peer.kernel.v4.s_addr, row.local.v4.s_addr);
	EXPECT_EQ(0, row.remote.v4.s_addr);
	EXPECT_TRUE(row.full);
	EXPECT_EQ(100, row.rto);
	EXPECT_EQ(0, row.ato);
	EXPECT_EQ(0, row.quick);
	EXPECT_EQ(10, row.cwnd);
	EXPECT_EQ(0, row.ssthresh);
	/* rx counts who waits to be accepted. */
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_start(&self->peer, &d, .lfd = c.lfd);
	conn_send(&d, .flags = SYN);
	conn_expect(&d, .flags = SYN | ACK, .ack = 1);
	row = row_of(_metadata, &c, 0);
	EXPECT_EQ(1, row.rx);
	EXPECT_EQ(0, row.tx);
	conn_send(&d, .flags = ACK);
	row = row_of(_metadata, &c, 0);
	EXPECT_EQ(2, row.rx);
	conn_accept(&c);
	row = row_of(_metadata, &c, 0);
	EXPECT_EQ(1, row.rx);
}

TEST_F(proc, proc_syn_sent)
{
	struct proc_row row;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	peer_mark_last(&self->peer);
	peer_sleep_until(&self->peer, 400);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_SYN_SENT, row.st);
	EXPECT_EQ(1, row.tx);
	EXPECT_EQ(0, row.rx);
	expect_timer(row, 1, 600);
	EXPECT_EQ(0, row.retrnsmt);
	EXPECT_EQ(inode_of(c.fd), row.inode);
	EXPECT_TRUE(row.full);
	EXPECT_EQ(100, row.rto);
	/* One timeout: twice as long. */
	conn_expect(&c, .flags = SYN, .seq = 0, .within_ms = 700);
	peer_mark_last(&self->peer);
	peer_sleep_until(&self->peer, 400);
	row = row_of(_metadata, &c, c.pport);
	expect_timer(row, 1, 1600);
	EXPECT_EQ(1, row.retrnsmt);
	EXPECT_EQ(200, row.rto);
}

TEST_F(proc, proc_half_open)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	conn_to_state(p, &c, ST_LISTEN);
	/* The row has its listener's owner. */
	ASSERT_EQ(0, fchown(c.lfd, 1234, 1234));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	peer_mark_last(p);
	peer_sleep_until(p, 400);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_SYN_RECEIVED, row.st);
	expect_quiet(row);
	expect_timer(row, 1, 600);
	EXPECT_EQ(0, row.inode);
	EXPECT_EQ(1234, row.uid);
	EXPECT_EQ(0, row.ref);
	EXPECT_FALSE(row.full);
	/* The format's own example, which is of IPv4, but for the places that differ. */
	if (!stock_mode() && !shows_ipv6()) {
		EXPECT_EQ(0, strncmp(row.line + 4, ": 0100000A:1388 0200000A:", 25));
		EXPECT_EQ(0, strncmp(row.line + 33, " 03 00000000:00000000 01:0000003", 32))
			TH_LOG("%s", row.line);
	}
	for (int n = 1; n <= 2; n++) {
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .within_ms = 3000);
		row = row_of(_metadata, &c, c.pport);
		EXPECT_EQ(n, row.retrnsmt);
		expect_timer(row, 1, 1000 << n);
	}
	p->leave_unread = true;
}

TEST_F(proc, proc_established)
{
	struct proc_row row;
	struct conn c;

	conn_open(&self->peer, &c, .rtt_ms = 100);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_ESTABLISHED, row.st);
	expect_quiet(row);
	EXPECT_EQ(0, row.timer);
	EXPECT_EQ(0, row.timer_cs);
	EXPECT_EQ(0, row.uid);
	EXPECT_EQ(inode_of(c.fd), row.inode);
	EXPECT_TRUE(row.full);
	/* 100 ms + 4 * 50 ms. */
	EXPECT_LE(29, row.rto);
	EXPECT_GE(31, row.rto);
	EXPECT_EQ(10, row.cwnd);
	EXPECT_EQ(-1, row.ssthresh);
	ASSERT_EQ(0, fchown(c.fd, 1234, 1234));
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(1234, row.uid);
}

/* tx is what was written and not acknowledged, rx what was not read. */
TEST_F(proc, proc_queues)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;
	char b[8];

	conn_open(p, &c);
	p->leave_unread = true;
	ASSERT_EQ(5, send(c.fd, "12345", 5, 0));
	conn_expect(&c, .seq = 1, .ack = 1, .data = "12345");
	ASSERT_EQ(3, send(c.fd, "678", 3, 0));	/* Nagle's rule holds it */
	conn_send(&c, .flags = ACK | PSH, .ack = 1, .data = "abcd");
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(8, row.tx);
	EXPECT_EQ(4, row.rx);
	EXPECT_EQ(1, row.timer);
	conn_send(&c, .flags = FIN | ACK, .ack = 6);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_CLOSE_WAIT, row.st);
	EXPECT_EQ(3, row.tx);
	/* An unread FIN counts one. */
	EXPECT_EQ(5, row.rx);
	ASSERT_EQ(3, recv(c.fd, b, 3, 0));
	EXPECT_EQ(2, row_of(_metadata, &c, c.pport).rx);
	ASSERT_EQ(1, recv(c.fd, b, 4, 0));
	ASSERT_EQ(0, recv(c.fd, b, 4, 0));
	EXPECT_EQ(0, row_of(_metadata, &c, c.pport).rx);
}

TEST_F(proc, proc_rto_backoff)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	conn_open(p, &c, .rtt_ms = 100);
	ASSERT_EQ(2, send(c.fd, "ab", 2, 0));
	conn_expect(&c, .seq = 1, .ack = 1, .data = "ab");
	peer_mark_last(p);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(2, row.tx);
	expect_timer(row, 1, 300);
	/* Resent at 0.3, 0.9, 2.1 s; the next one 2.4 s later. */
	for (int n = 0; n < 3; n++)
		conn_expect(&c, .seq = 1, .ack = 1, .data = "ab",
			    .within_ms = (300 << n) + (stock_mode() ? 400 : 10));
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_ESTABLISHED, row.st);
	EXPECT_EQ(2, row.tx);
	EXPECT_EQ(3, row.retrnsmt);
	EXPECT_EQ(1, row.timer);
	EXPECT_EQ(1, row.cwnd);
	p->leave_unread = true;
}

TEST_F(proc, proc_persist)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	conn_open(p, &c, .wnd = 0, .rtt_ms = 100);
	ASSERT_EQ(2, send(c.fd, "ab", 2, 0));
	row = row_of(_metadata, &c, c.pport);
	expect_timer(row, 4, 300);
	EXPECT_EQ(0, row.timeout);
	EXPECT_EQ(2, row.tx);
	for (int n = 1; n <= 3; n++) {
		conn_expect(&c, .flags = ACK, .seq = 0, .within_ms = 2000);
		row = row_of(_metadata, &c, c.pport);
		EXPECT_EQ(4, row.timer);
		EXPECT_EQ(n, row.timeout);
		EXPECT_EQ(0, row.retrnsmt);
		expect_timer(row, 4, 300 << n);
	}
	p->leave_unread = true;
}

TEST_F(proc, proc_keepalive)
{
	struct proc_row row;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int)));
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(2, row.timer);
	EXPECT_GE(720000, row.timer_cs);
	EXPECT_LE(719900, row.timer_cs);
}

TEST_F(proc, proc_states_of_a_close)
{
	static const struct {
		enum conn_state state;
		unsigned int st, tx, rx;
	} rows[] = {
		{ ST_FIN_WAIT_1, ROW_FIN_WAIT_1, 1, 0 },
		{ ST_FIN_WAIT_2, ROW_FIN_WAIT_2, 0, 0 },
		{ ST_CLOSE_WAIT, ROW_CLOSE_WAIT, 0, 1 },
		{ ST_CLOSING, ROW_CLOSING, 1, 1 },
		{ ST_LAST_ACK, ROW_LAST_ACK, 1, 1 },
	};
	struct proc_row row;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		conn_to_state(&self->peer, &c, rows[i].state, .kport = 5000 + i);
		row = row_of(_metadata, &c, c.pport);
		EXPECT_EQ(rows[i].st, row.st);
		EXPECT_EQ(rows[i].tx, row.tx);
		EXPECT_EQ(rows[i].rx, row.rx);
		EXPECT_EQ(rows[i].tx, row.timer);
		EXPECT_EQ(inode_of(c.fd), row.inode);
		EXPECT_TRUE(row.full);
	}
	self->peer.leave_unread = true;
}

TEST_F(proc, proc_simultaneous_open)
{
	struct proc_row row;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_RECEIVED);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_SYN_RECEIVED, row.st);
	EXPECT_EQ(1, row.tx);
	EXPECT_EQ(0, row.rx);
	EXPECT_EQ(1, row.timer);
	EXPECT_TRUE(row.full);
	EXPECT_EQ(inode_of(c.fd), row.inode);
	self->peer.leave_unread = true;
}

TEST_F(proc, proc_time_wait)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	ASSERT_EQ(0, fchown(c.fd, 1234, 1234));
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	peer_mark_last(p);
	peer_sleep_until(p, 60);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_TIME_WAIT, row.st);
	expect_quiet(row);
	EXPECT_EQ(3, row.timer);
	EXPECT_LE(stock_mode() ? 5900 : 5993, row.timer_cs);
	EXPECT_GE(stock_mode() ? 6400 : 5994, row.timer_cs);
	/* Nobody's, whoever it was before. */
	EXPECT_EQ(0, row.uid);
	EXPECT_EQ(0, row.inode);
	EXPECT_FALSE(row.full);
}

TEST_F(proc, proc_orphan_fin_wait_2)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2);
	peer_mark(p);
	peer_sleep_until(p, 50);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_FIN_WAIT_2, row.st);
	expect_quiet(row);
	EXPECT_EQ(3, row.timer);
	EXPECT_LE(stock_mode() ? 5900 : 5993, row.timer_cs);
	EXPECT_GE(stock_mode() ? 6400 : 5995, row.timer_cs);
	EXPECT_EQ(0, row.uid);
	EXPECT_EQ(0, row.inode);
	EXPECT_FALSE(row.full);
}

/* Its program is gone: nobody's inode, nobody's uid. */
TEST_F(proc, proc_orphan_socket)
{
	struct proc_row row;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, fchown(c.fd, 1234, 1234));
	conn_advance(&c, ST_FIN_WAIT_1, true);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_FIN_WAIT_1, row.st);
	EXPECT_EQ(1, row.tx);
	EXPECT_EQ(0, row.inode);
	EXPECT_EQ(0, row.uid);
	EXPECT_TRUE(row.full);
	self->peer.leave_unread = true;
}

/* LC-94: whose bug it is that a connection stays in CLOSE-WAIT for good. */
TEST_F_TIMEOUT(proc, lc_94_close_wait_names_its_owner, 4 * 3600)
{
	struct proc_row row;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_CLOSE_WAIT);
	ASSERT_EQ(0, fchown(c.fd, 1234, 1234));
	/* Nothing ever ends it: longer than any timer is. */
	peer_expect_silence(&self->peer, 7300 * 1000LL);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_CLOSE_WAIT, row.st);
	EXPECT_EQ(1234, row.uid);
	EXPECT_EQ(inode_of(c.fd), row.inode);
	EXPECT_EQ(0, row.timer);
}

/* LC-44: a flood is many rows 03, each of another host. */
TEST_F(proc, lc_44_flood_shows_as_rows_of_03)
{
	struct peer *p = &self->peer;
	struct ipaddr one = ipaddr("10.0.1.32");
	struct proc_row row;
	char host[16];

	peer_listen(p, KERNEL_PORT, 100);
	for (int i = 0; i < 50; i++) {
		snprintf(host, sizeof(host), "10.0.1.%d", i + 1);
		peer_send(p, .flags = SYN, .seq = 1000, .src = ipaddr(host),
			  .sport = 2000 + i, .opt = OPT(OPT_MSS(1460)));
	}
	p->leave_unread = true;
	EXPECT_EQ(50, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	ASSERT_TRUE(proc_row_find(&row, AF_INET, KERNEL_PORT, 2031, NULL));
	EXPECT_TRUE(ipaddr_equal(&one, &row.remote));
	EXPECT_EQ(ROW_SYN_RECEIVED, row.st);
}

/* --- the file as a whole ------------------------------------------------- */

/* Listeners come first, whatever their age, and "sl" counts the lines. */
TEST_F(proc, proc_listeners_first)
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

/* Connections without a timer, so that their lines stay as they are. */
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

/* However it is read, it is the same: no row lost, none twice. */
TEST_F(proc_pair, proc_reads_of_any_size)
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

TEST_F(proc_pair, proc_pread_and_lseek_at_any_offset)
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
	/* A file that was never read yet, right into the middle. */
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
 * While it is read bit by bit, every second connection goes and new ones
 * come. Each that stays is there once.
 */
TEST_F(proc_pair, proc_churn_without_duplicates)
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

/* Whoever keeps the file open at its end keeps nothing alive. */
TEST_F(proc, proc_open_file_keeps_nothing)
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

/* Nor does he who reads a little of it: sockets go, and nobody holds the module. */
TEST_F(proc_pair, proc_half_read_file_keeps_nothing)
{
	struct linger linger = { .l_onoff = 1 };
	static const char * const name[] = { "xtcp", "xtcp6", "xtcp_age", "xtcp_listen" };
	int client[MANY], server[MANY], fd[ARRAY_SIZE(name)], lfd, other;
	char path[64], part[200];

	NOT_ON_STOCK();
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

#define STAYING 300
#define GROWTH 500
#define GROWTH_MAX 12000

static void records_add(struct peer *p, int from, int n, int sport)
{
	for (int i = from; i < from + n; i++) {
		struct ipaddr src = ipaddr("10.1.0.0");

		if (p->family == AF_INET)
			src.v4.s_addr += htonl(i);
		else
			src.v6.s6_addr32[3] += htonl(i);
		peer_send(p, .flags = SYN, .seq = i, .src = src, .sport = sport);
	}
}

/*
 * While it is read bit by bit, the table is made anew, and again, larger each time.
 * Each that stays is there once.
 */
TEST_F(proc, proc_growing_table_without_duplicates)
{
	static char text[STAYING * 2 * 256 + GROWTH_MAX * 256];
	struct peer *p = &self->peer;
	int fd, seen, extra = 0;
	char remote[20];
	size_t got = 0;
	ssize_t n;

	NOT_ON_STOCK();
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "200000"));
	ASSERT_EQ(0, knob_set("max_syn_backlog", 1000000));
	peer_listen(p, KERNEL_PORT, 200000);
	p->leave_unread = true;
	records_add(p, 0, STAYING, 20000);
	fd = open_proc(_metadata);
	while ((n = read(fd, text + got, 1000)) > 0) {
		got += n;
		if (extra < GROWTH_MAX)
			records_add(p, STAYING + extra, GROWTH, 30000);
		extra += GROWTH;
	}
	close(fd);
	text[got] = '\0';
	snprintf(remote, sizeof(remote), ":%04X 03 ", 20000);
	seen = 0;
	for (char *at = text; (at = strstr(at, remote)); at++)
		seen++;
	EXPECT_EQ(STAYING, seen);
	/* Of those who come, none twice either. */
	EXPECT_GE(STAYING + GROWTH_MAX + 2, lines_in(text, got));
}

/* LC-27: a namespace shows its own, and the same numbers in both are two. */
TEST_F(proc_pair, proc_shows_its_own_namespace)
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
 * 100,000 rows in less than a second, tried on a fifth of it: half-open
 * records are the cheapest rows to make, but after a second they send their
 * SYN-ACKs again, which would be in the time measured.
 */
#define ROWS 20000
#define ROWS_MS 200
/* Their addresses have four times the digits. */
#define ROWS6_MS 260
#define FIRST_READ_US 1000

TEST_F(proc, proc_20k_rows_in_200_ms)
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
	/* It is as long as its rows, however many there are besides. */
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

/* --- counters ------------------------------------------------------------ */

/* The two lines of one group in a file of two-line groups. */
static void group_read(struct __test_metadata *_metadata, const char *path, const char *group,
		       char *names, char *values, size_t size)
{
	FILE *f = fopen(path, "r");

	ASSERT_NE(NULL, f);
	while (fgets(names, size, f) && fgets(values, size, f))
		if (!strncmp(names, group, strlen(group)))
			break;
	fclose(f);
	ASSERT_EQ(0, strncmp(names, group, strlen(group)));
	ASSERT_EQ(0, strncmp(values, group, strlen(group)));
}

static size_t words(const char *line)
{
	size_t n = 0;

	for (; *line; line++)
		n += *line == ' ';
	return n;
}

TEST_F(proc, proc_snmp_has_stocks_names)
{
	char names[4096], values[4096], stocks[4096];

	NOT_ON_STOCK();
	group_read(_metadata, "/proc/net/snmp", "Tcp: ", stocks, values, sizeof(stocks));
	group_read(_metadata, "/proc/net/xtcp_snmp", "Tcp: ", names, values, sizeof(names));
	EXPECT_STREQ(stocks, names);
	EXPECT_EQ(words(names), words(values));
	EXPECT_EQ('\n', values[strlen(values) - 1]);
}

/* Those without Xtcp in front are stock's, spelled alike. */
TEST_F(proc, proc_netstat_has_stocks_names)
{
	static char names[16384], values[16384], stocks[16384];
	char *name, *save, spaced[64];

	NOT_ON_STOCK();
	group_read(_metadata, "/proc/net/netstat", "TcpExt: ", stocks, values, sizeof(stocks));
	group_read(_metadata, "/proc/net/xtcp_netstat", "TcpExt: ", names, values, sizeof(names));
	EXPECT_EQ(words(names), words(values));
	stocks[strcspn(stocks, "\n")] = ' ';
	names[strcspn(names, "\n")] = '\0';
	name = strtok_r(names, " ", &save);
	EXPECT_STREQ("TcpExt:", name);
	while ((name = strtok_r(NULL, " ", &save))) {
		if (!strncmp(name, "Xtcp", 4))
			continue;
		snprintf(spaced, sizeof(spaced), " %s ", name);
		EXPECT_NE(NULL, strstr(stocks, spaced)) TH_LOG("%s", name);
	}
}

#define CONSTANT(name, value) \
	TEST_F(proc, ctr_##name) \
	{ \
		struct counters c; \
		\
		counters_take(&c); \
		EXPECT_EQ(value, counter_get(&c, #name)); \
	}

CONSTANT(RtoAlgorithm, 1)
CONSTANT(RtoMin, 200)
CONSTANT(RtoMax, 120000)
CONSTANT(MaxConn, -1)

/* A new namespace has counted nothing. */
TEST_F(proc, proc_counters_begin_at_0)
{
	struct counters c;

	counters_take(&c);
	ASSERT_LT(50, c.n);
	for (int i = 4; i < c.n; i++) {
		EXPECT_EQ(0, c.c[i].value) TH_LOG("%s", c.c[i].name);
	}
}

/* A gauge of ESTABLISHED and CLOSE-WAIT. */
TEST_F(proc, ctr_CurrEstab)
{
	static const struct {
		enum conn_state state;
		int gauge;
	} steps[] = {
		{ ST_SYN_SENT, 0 }, { ST_HALF_OPEN, 0 }, { ST_SYN_RECEIVED, 0 },
		{ ST_ESTABLISHED, 1 }, { ST_CLOSE_WAIT, 1 }, { ST_FIN_WAIT_1, 0 },
		{ ST_FIN_WAIT_2, 0 }, { ST_CLOSING, 0 }, { ST_LAST_ACK, 0 },
		{ ST_TIME_WAIT, 0 }, { ST_ORPHAN_FIN_WAIT_2, 0 },
	};
	long long expected = 0;
	struct counters now;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		TH_LOG("%s", conn_state_name(steps[i].state));
		conn_to_state(&self->peer, &c, steps[i].state, .kport = 5000 + i);
		counters_take(&now);
		expected += steps[i].gauge;
		EXPECT_EQ(expected, counter_get(&now, "CurrEstab"));
	}
	/* Not yet accepted counts as well; a RST takes it away. */
	conn_to_state(&self->peer, &c, ST_HALF_OPEN, .kport = 5100);
	conn_send(&c, .flags = ACK);
	counters_take(&now);
	EXPECT_EQ(expected + 1, counter_get(&now, "CurrEstab"));
	conn_send(&c, .flags = RST);
	counters_take(&now);
	EXPECT_EQ(expected, counter_get(&now, "CurrEstab"));
	self->peer.leave_unread = true;
}

/* --- lifecycle ----------------------------------------------------------- */

static bool is_state(const char *word)
{
	static const char *const states[] = {
		"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED",
		"FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK",
		"TIME-WAIT",
	};

	/* Those that are small records say so behind the state's own name. */
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strncmp(word, states[i], strlen(states[i])) &&
		    strchr("( /", word[strlen(states[i])]))
			return true;
	return false;
}

/* wish_15: a header, then every row there is, those at 0 as well. */
TEST_F(proc, wish_15_lifecycle_format)
{
	char line[256], *last, *end;
	int rows = 0;
	FILE *f;

	NOT_ON_STOCK();
	f = fopen("/proc/net/xtcp_lifecycle", "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("from event to count\n", line);
	while (fgets(line, sizeof(line), f)) {
		rows++;
		last = strrchr(line, ' ');
		ASSERT_NE(NULL, last);
		EXPECT_EQ(0, strtoull(last + 1, &end, 10)) TH_LOG("%s", line);
		EXPECT_EQ('\n', *end);
		EXPECT_EQ(NULL, strstr(line, "  "));
		EXPECT_TRUE(is_state(line)) TH_LOG("%s", line);
		*last = ' ';
		last[1] = '\0';
		for (last--; last > line && *last != ' '; last--)
			;
		EXPECT_TRUE(is_state(last + 1)) TH_LOG("%s", line);
	}
	fclose(f);
	EXPECT_LT(100, rows);
}

TEST_HARNESS_MAIN
