// SPDX-License-Identifier: GPL-2.0
/*
 * proc: the rows of /proc/net/xtcp and xtcp6, byte for byte as in /proc/net/tcp and
 * tcp6, which pass all this as well. procfile.c has the file as a whole, counters.c
 * the counters and lifecycle files beside it.
 */
/* vm: wires families */
#include "procfile.h"

#include <sys/stat.h>

PEER_FIXTURE(proc);

/*
 * The parsed columns, printed in the format, give the line itself: widths, paddings,
 * hexadecimal or not.
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

/*
 * A timer column: its kind, and the time left, down to 20 ms less (stock mode:
 * coarse).
 */
#define expect_timer(row, kind, left_ms) \
	do { \
		EXPECT_EQ(kind, (row).timer); \
		EXPECT_GE((left_ms) / 10 + (stock_mode() ? 60 : 0), (long)(row).timer_cs); \
		EXPECT_LE((left_ms) / 10 - (stock_mode() ? 60 : 2), (long)(row).timer_cs); \
	} while (0)

/* Neither queues nor retransmissions. */
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

/* Lines of a file, opened by @uid, that name an event of an ESTABLISHED connection. */
static int event_lines(const char *path, const char *event, unsigned int uid)
{
	char line[512];
	int n = 0;
	FILE *f;

	if (seteuid(uid))
		return -1;
	f = fopen(path, "r");
	if (seteuid(0) || !f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += strstr(line, event) && strstr(line, "ESTABLISHED");
	fclose(f);
	return n;
}

/*
 * Counts that tell on which side of the window a segment lies are for CAP_NET_ADMIN: a
 * program that forges segments would find the window by them. The opener's right decides.
 */
TEST_F(proc, proc_rows_that_tell_numbers)
{
	static const char *const telling[] = {
		"rcv-outside-window", "rcv-RST-outside-window", "rcv-RST-in-window",
		"rcv-bad-flags", "rcv-ACK-above-SND.NXT", "rcv-ACK-below-window",
	};
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_ESTABLISHED);
	conn_send(&c, .flags = RST, .seq = -1000);
	conn_send(&c, .flags = RST, .seq = 9);
	conn_send(&c, .flags = ACK | PSH, .seq = -1000, .ack = 1, .len = 1);
	conn_send(&c, .flags = PSH, .seq = 1, .len = 1);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 5000);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = -1000000);
	peer_drain(p, 100);
	for (size_t i = 0; i < ARRAY_SIZE(telling); i++) {
		TH_LOG("%s", telling[i]);
		EXPECT_LE(1, event_lines("/proc/net/xtcp_lifecycle", telling[i], 0));
		EXPECT_LE(1, event_lines("/proc/net/xtcp_metrics", telling[i], 0));
		EXPECT_EQ(0, event_lines("/proc/net/xtcp_lifecycle", telling[i], 65534));
		EXPECT_EQ(0, event_lines("/proc/net/xtcp_metrics", telling[i], 65534));
	}
	EXPECT_EQ(1, event_lines("/proc/net/xtcp_lifecycle", "ESTABLISHED rcv-SYN,ACK ESTABLISHED", 65534));
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
	EXPECT_EQ(socket_inode(c.lfd), row.inode);
	EXPECT_EQ(self->peer.kernel.v4.s_addr, row.local.v4.s_addr);
	EXPECT_EQ(0, row.remote.v4.s_addr);
	EXPECT_TRUE(row.full);
	EXPECT_EQ(100, row.rto);
	EXPECT_EQ(0, row.ato);
	EXPECT_EQ(0, row.quick);
	EXPECT_EQ(10, row.cwnd);
	EXPECT_EQ(0, row.ssthresh);
	EXPECT_EQ(1, row.ref);
	/* rx counts connections that wait to be accepted. */
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

/* References; the ACKs that are left to be sent at once, and whether the program answers. */
TEST_F(proc, proc_references_and_acks)
{
	struct proc_row row;
	struct conn c;

	conn_open(&self->peer, &c);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(1, row.ref);
	EXPECT_EQ(0, row.ato);
	EXPECT_EQ(0, row.quick);
	conn_send(&c, .flags = ACK | PSH, .len = 10);
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(1, row.ref);
	EXPECT_EQ(4, row.ato);
	EXPECT_EQ(15 << 1, row.quick);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	conn_expect(&c, .len = 1);
	row = row_of(_metadata, &c, c.pport);
	/* Its timer has one. */
	EXPECT_EQ(2, row.ref);
	EXPECT_EQ(15 << 1 | 1, row.quick);
	conn_send(&c, .flags = ACK);
	peer_drain(&self->peer, 1);
	row = row_of(_metadata, &c, c.pport);
	/* It is left alone, and finds nothing to do. */
	EXPECT_EQ(2, row.ref);
	EXPECT_EQ(15 << 1 | 1, row.quick);
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
	EXPECT_EQ(socket_inode(c.fd), row.inode);
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
	/*
	 * The example in the kernel's documentation, which is of IPv4, but for the
	 * fields that differ.
	 */
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
	EXPECT_EQ(socket_inode(c.fd), row.inode);
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

/* tx: written and not acknowledged; rx: not read. */
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
		EXPECT_EQ(socket_inode(c.fd), row.inode);
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
	EXPECT_EQ(socket_inode(c.fd), row.inode);
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
	/* The table and the timer have it; the kernel's TCP counts its port as well. */
	EXPECT_EQ(stock_mode() ? 3 : 2, row.ref);
	/* No owner, whoever it was before. */
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

/* As of newer kernels' TCP. An older one's shows root. */
static unsigned int uid_without_program(unsigned int uid)
{
	return stock_mode() && !kernel_is_since(7, 3) ? 0 : uid;
}

/* A child that waits to be accepted has the owner of its listener. */
TEST_F(proc, proc_not_accepted)
{
	struct proc_row row;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_LISTEN);
	ASSERT_EQ(0, fchown(c.lfd, 1234, 1234));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	row = row_of(_metadata, &c, c.pport);
	EXPECT_EQ(ROW_ESTABLISHED, row.st);
	EXPECT_EQ(0, row.inode);
	EXPECT_EQ(uid_without_program(1234), row.uid);
	conn_send(&c, .flags = RST);
}

/* Its program is gone: inode 0, and the uid of who it was. */
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
	EXPECT_EQ(uid_without_program(1234), row.uid);
	EXPECT_TRUE(row.full);
	self->peer.leave_unread = true;
}

/* LC-94: the owner of a connection that stays in CLOSE-WAIT for good. */
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
	EXPECT_EQ(socket_inode(c.fd), row.inode);
	EXPECT_EQ(0, row.timer);
}

/* LC-44: a flood shows as many rows 03, each of another host. */
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

TEST_HARNESS_MAIN
