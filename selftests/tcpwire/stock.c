// SPDX-License-Identifier: GPL-2.0
/*
 * stock: xtcp on the TCP wire and the kernel's TCP, an independent implementation,
 * talk to each other, each of them as the client once. RFC 9293 3.5 (simultaneous
 * open), 3.6 (simultaneous close, half-close), 3.8.4 (keepalive), RFC 7323, 2018,
 * 3168, 7413, 8684; LC-100.
 */
/* vm: families */
#include "lib/xtcp_test.h"

#include <linux/ethtool.h>
#include <linux/io_uring.h>
#include <linux/tcp.h>

#define PORT 7000
#define STALL_MS 200000

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

FIXTURE(stock) {
	struct pair pair;
	enum side ours;
};

FIXTURE_VARIANT(stock) {
	enum side ours;
};

FIXTURE_VARIANT_ADD(stock, serves) { .ours = SERVER };
FIXTURE_VARIANT_ADD(stock, connects) { .ours = CLIENT };

FIXTURE_SETUP(stock)
{
	if (stock_mode())
		SKIP(return, "wants both");
	pair_open_at(WHERE(_metadata), &self->pair, NULL);
	self->pair.stock_may_speak = true;
	self->ours = variant->ours;
}

FIXTURE_TEARDOWN(stock)
{
	if (!stock_mode())
		pair_close_at(WHERE(_metadata), &self->pair);
}

/* A socket of the stack that has that side, in its namespace. */
static int side_socket(struct __test_metadata *_metadata, FIXTURE_DATA(stock) *self,
		       enum side side)
{
	bool ours = side == self->ours;
	int fd;

	pair_enter(&self->pair, side);
	fd = socket(socket_family(test_family()), SOCK_STREAM | SOCK_CLOEXEC, ours ? IPPROTO_XTCP : IPPROTO_TCP);
	ASSERT_LE(0, fd);
	if (ours)
		ASSERT_EQ(0, socket_set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_TCP));
	ASSERT_EQ(0, socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	return fd;
}

static int side_listen(struct __test_metadata *_metadata, FIXTURE_DATA(stock) *self)
{
	int fd = side_socket(_metadata, self, SERVER);

	ASSERT_EQ(0, socket_bind(fd, "10.0.0.2", PORT));
	ASSERT_EQ(0, socket_listen(fd, 16));
	return fd;
}

/* Both ends non-blocking; the listener stays if @lfd wants it. */
static void connected_from(struct __test_metadata *_metadata, FIXTURE_DATA(stock) *self,
			   int port, int *client, int *server, int *lfd)
{
	int listener = lfd && *lfd >= 0 ? *lfd : side_listen(_metadata, self);

	*client = side_socket(_metadata, self, CLIENT);
	if (port)
		ASSERT_EQ(0, socket_bind(*client, "10.0.0.1", port));
	ASSERT_EQ(0, socket_connect(*client, "10.0.0.2", PORT)) TH_LOG("from port %d", port);
	*server = accept(listener, NULL, NULL);
	ASSERT_LE(0, *server);
	fd_nonblock(*client);
	fd_nonblock(*server);
	if (lfd)
		*lfd = listener;
	else
		close(listener);
}

static void connected(struct __test_metadata *_metadata, FIXTURE_DATA(stock) *self,
		      int *client, int *server, int *lfd)
{
	if (lfd)
		*lfd = -1;
	connected_from(_metadata, self, 0, client, server, lfd);
}

static int side_knob(FIXTURE_DATA(stock) *self, enum side side, const char *name,
		     const char *value)
{
	char path[128];

	pair_enter(&self->pair, side);
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s_%s",
		 side == self->ours ? "xtcp" : "tcp", name);
	return sysctl_write(path, value);
}

/* Reads until the end of the stream. */
static ssize_t read_to_end(int fd)
{
	static char buf[65536];
	ssize_t n, sum = 0;

	for (int idle = 0; idle < 500; ) {
		n = read(fd, buf, sizeof(buf));
		if (n == 0)
			return sum;
		if (n > 0) {
			sum += n;
			idle = 0;
			continue;
		}
		if (errno != EAGAIN)
			return -errno;
		idle++;
		sleep_ms(10);
	}
	return -ETIMEDOUT;
}

TEST_F(stock, rfc9293_both_ways_at_once)
{
	int client, server;

	connected(_metadata, self, &client, &server, NULL);
	stream_exchange(_metadata, client, server, 2000000, STALL_MS);
}

/* By io_uring, copied and as pages; before 6.12 xtcp sends no pages. */
TEST_F(stock, io_uring_moves_data)
{
	int client, server;
	struct ring r;

	connected(_metadata, self, &client, &server, NULL);
	ring_open(_metadata, &r);
	ring_transfer(&r, IORING_OP_SEND, client, server, 16);
	ring_transfer(&r, IORING_OP_SEND, server, client, 16);
	if (kernel_sends_pages() || self->ours == SERVER)
		ring_transfer(&r, IORING_OP_SEND_ZC, client, server, 16);
	if (kernel_sends_pages() || self->ours == CLIENT)
		ring_transfer(&r, IORING_OP_SEND_ZC, server, client, 16);
	ring_close(&r);
}

TEST_F(stock, lc_100_over_a_bad_path)
{
	static const struct netem bad = {
		.delay_ms = 10, .jitter_ms = 3, .loss = 2, .duplicate = 1, .reorder = 5,
		.limit = 10000,
	};
	int client, server;

	connected(_metadata, self, &client, &server, NULL);
	pair_netem(&self->pair, CLIENT, &bad);
	pair_netem(&self->pair, SERVER, &bad);
	stream_exchange(_metadata, client, server, 500000, STALL_MS);
}

/* Damage on the path: the checksums of both stacks find it. */
TEST_F(stock, rfc9293_must_03_damage_is_found)
{
	static const struct netem bad = { .delay_ms = 5, .corrupt = 3, .limit = 10000 };
	int client, server;

	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(&self->pair, s);
		link_set_single_segments(WHERE(_metadata), s == CLIENT ? "veth0" : "veth1");
	}
	connected(_metadata, self, &client, &server, NULL);
	pair_netem(&self->pair, CLIENT, &bad);
	pair_netem(&self->pair, SERVER, &bad);
	stream_exchange(_metadata, client, server, 300000, STALL_MS);
}

TEST_F(stock, without_large_segments)
{
	int client, server;

	pair_enter(&self->pair, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	connected(_metadata, self, &client, &server, NULL);
	stream_exchange(_metadata, client, server, 500000, STALL_MS);
	close(client);
	close(server);
	pair_enter(&self->pair, SERVER);
	link_set_single_segments(WHERE(_metadata), "veth1");
	connected(_metadata, self, &client, &server, NULL);
	stream_exchange(_metadata, client, server, 500000, STALL_MS);
}

/* Large segments are sent one by one, and merged on arrival. */
TEST_F(stock, merged_on_arrival_at_either_end)
{
	int client, server;

	for (enum side merges = CLIENT; merges <= SERVER; merges++) {
		pair_enter(&self->pair, CLIENT);
		link_set_offload(WHERE(_metadata), "veth0", ETHTOOL_STSO, false);
		link_set_offload(WHERE(_metadata), "veth0", ETHTOOL_SGRO, merges == CLIENT);
		pair_enter(&self->pair, SERVER);
		link_set_offload(WHERE(_metadata), "veth1", ETHTOOL_STSO, false);
		link_set_offload(WHERE(_metadata), "veth1", ETHTOOL_SGRO, merges == SERVER);
		connected(_metadata, self, &client, &server, NULL);
		stream_exchange(_metadata, client, server, 500000, STALL_MS);
		close(client);
		close(server);
	}
}

TEST_F(stock, mtu_changes_in_mid_flow)
{
	/* RFC 8200 5: no less than 1280 over IPv6, which has 20 more here. */
	int least = test_family() == AF_INET6 ? 1260 : 300;
	int client, server;

	connected(_metadata, self, &client, &server, NULL);
	for (int mtu = 1500; mtu >= least; mtu -= (1500 - least) / 3) {
		pair_enter(&self->pair, CLIENT);
		link_set_mtu(WHERE(_metadata), "veth0", mtu);
		pair_enter(&self->pair, SERVER);
		link_set_mtu(WHERE(_metadata), "veth1", mtu);
		stream_exchange(_metadata, client, server, 100000, STALL_MS);
	}
}

/* An option that one end refuses is off for both; the rest is agreed. */
TEST_F(stock, options_off_at_either_end)
{
	static const struct {
		const char *knob;
		int option;
	} cases[] = {
		{ "timestamps", TCPI_OPT_TIMESTAMPS },
		{ "sack", TCPI_OPT_SACK },
		{ "window_scaling", TCPI_OPT_WSCALE },
	};
	const int all = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE;
	int client, server;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		enum side off = i & 1;

		ASSERT_EQ(0, side_knob(self, off, cases[i / 2].knob, "0"));
		connected(_metadata, self, &client, &server, NULL);
		EXPECT_EQ(all & ~cases[i / 2].option,
			  socket_tcp_info(_metadata, client).tcpi_options & all)
			TH_LOG("%s off at side %d", cases[i / 2].knob, off);
		EXPECT_EQ(all & ~cases[i / 2].option,
			  socket_tcp_info(_metadata, server).tcpi_options & all)
			TH_LOG("%s off at side %d", cases[i / 2].knob, off);
		stream_exchange(_metadata, client, server, 200000, STALL_MS);
		close(client);
		close(server);
		ASSERT_EQ(0, side_knob(self, off, cases[i / 2].knob, "1"));
	}
}

/* RFC 3168: agreed if both want it; a client has to ask. */
TEST_F(stock, rfc3168_ecn_is_agreed)
{
	int client, server;

	for (int both = 0; both < 2; both++) {
		ASSERT_EQ(0, side_knob(self, CLIENT, "ecn", "1"));
		ASSERT_EQ(0, side_knob(self, SERVER, "ecn", both ? "1" : "0"));
		connected(_metadata, self, &client, &server, NULL);
		EXPECT_EQ(both, !!(socket_tcp_info(_metadata, client).tcpi_options & TCPI_OPT_ECN));
		EXPECT_EQ(both, !!(socket_tcp_info(_metadata, server).tcpi_options & TCPI_OPT_ECN));
		stream_exchange(_metadata, client, server, 200000, STALL_MS);
		close(client);
		close(server);
	}
}

static void both_single_segments(struct __test_metadata *_metadata, FIXTURE_DATA(stock) *self)
{
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(&self->pair, s);
		link_set_single_segments(WHERE(_metadata), s == CLIENT ? "veth0" : "veth1");
	}
}

/*
 * A router marks each packet that is ECT, and would drop others: all data arrives
 * marked, nothing is sent twice, and the window is as small as it gets.
 */
TEST_F(stock, rfc3168_a_path_that_marks)
{
	static const struct netem marks = {
		.delay_ms = 5, .loss = 100, .ecn = true, .limit = 10000,
	};
	static const struct netem slow = { .delay_ms = 5, .limit = 10000 };
	struct tcp_info info;
	int end[2];

	both_single_segments(_metadata, self);
	for (enum side from = CLIENT; from <= SERVER; from++) {
		ASSERT_EQ(0, side_knob(self, CLIENT, "ecn", "1"));
		ASSERT_EQ(0, side_knob(self, SERVER, "ecn", "1"));
		connected(_metadata, self, &end[CLIENT], &end[SERVER], NULL);
		pair_netem(&self->pair, from, &marks);
		pair_netem(&self->pair, !from, &slow);
		stream_transfer(_metadata, end[from], end[!from], 100000, STALL_MS);
		/* The last ACKs are still in flight. */
		sleep_ms(500);
		info = socket_tcp_info(_metadata, end[from]);
		EXPECT_EQ(0, info.tcpi_total_retrans);
		EXPECT_EQ(info.tcpi_data_segs_out, info.tcpi_delivered_ce);
		EXPECT_GE(4, info.tcpi_snd_cwnd);
		EXPECT_GE(4, info.tcpi_snd_ssthresh);
		EXPECT_EQ(0, socket_tcp_info(_metadata, end[!from]).tcpi_delivered_ce);
		pair_netem(&self->pair, from, &slow);
		close(end[CLIENT]);
		close(end[SERVER]);
		sleep_ms(100);
		pair_netem(&self->pair, CLIENT, &(struct netem){ .delay_ms = 0.1 });
		pair_netem(&self->pair, SERVER, &(struct netem){ .delay_ms = 0.1 });
	}
}

/* One end refuses ECN: the same router drops what it would have marked. */
TEST_F(stock, rfc3168_off_at_either_end)
{
	static const struct netem lossy = {
		.delay_ms = 5, .loss = 4, .ecn = true, .limit = 10000,
	};
	struct tcp_info info;
	int end[2];

	both_single_segments(_metadata, self);
	for (int i = 0; i < 4; i++) {
		enum side off = i & 1, from = i >> 1;

		ASSERT_EQ(0, side_knob(self, off, "ecn", "0"));
		ASSERT_EQ(0, side_knob(self, !off, "ecn", "1"));
		connected(_metadata, self, &end[CLIENT], &end[SERVER], NULL);
		pair_netem(&self->pair, from, &lossy);
		stream_transfer(_metadata, end[from], end[!from], 400000, STALL_MS);
		info = socket_tcp_info(_metadata, end[from]);
		EXPECT_EQ(0, info.tcpi_delivered_ce);
		/* 274 segments: the chance that none is lost is one in 70,000. */
		EXPECT_LT(0, info.tcpi_total_retrans);
		close(end[CLIENT]);
		close(end[SERVER]);
		pair_netem(&self->pair, from, &(struct netem){ .delay_ms = 0.1 });
	}
}

/*
 * The sum of all counters of one name in a file like /proc/net/netstat of the kernel's
 * TCP.
 */
static long long file_counter(const char *path, const char *name)
{
	char names[8192], values[8192], *n, *v, *name_at, *value_at;
	FILE *f = fopen(path, "re");
	long long sum = -1;

	while (f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		n = strtok_r(names, " \n", &name_at);
		v = strtok_r(values, " \n", &value_at);
		for (; n && v; n = strtok_r(NULL, " \n", &name_at),
			       v = strtok_r(NULL, " \n", &value_at))
			if (!strcmp(n, name))
				sum = atoll(v);
	}
	if (f)
		fclose(f);
	return sum;
}

static long long side_counter(FIXTURE_DATA(stock) *self, enum side side, const char *name)
{
	pair_enter(&self->pair, side);
	return file_counter(side == self->ours ? "/proc/net/xtcp_netstat" : "/proc/net/netstat",
			    name);
}

TEST_F(stock, refused_by_either)
{
	/* The server's stack has the port, and does not listen there. */
	int holder = side_socket(_metadata, self, SERVER), fd;

	ASSERT_EQ(0, socket_bind(holder, "10.0.0.2", PORT));
	fd = side_socket(_metadata, self, CLIENT);
	EXPECT_EQ(ECONNREFUSED, socket_connect(fd, "10.0.0.2", PORT));
	pair_enter(&self->pair, SERVER);
	EXPECT_EQ(1, file_counter(self->ours == SERVER ? "/proc/net/xtcp_snmp" : "/proc/net/snmp",
				  "OutRsts"));
	close(holder);
	close(fd);
}

/* The server answers each SYN by a cookie. */
TEST_F(stock, lc_47_cookies_cross)
{
	int client, server, lfd;

	ASSERT_EQ(0, side_knob(self, SERVER, "syncookies", "2"));
	for (int timestamps = 1; timestamps >= 0; timestamps--) {
		ASSERT_EQ(0, side_knob(self, CLIENT, "timestamps", timestamps ? "1" : "0"));
		connected(_metadata, self, &client, &server, &lfd);
		if (timestamps)
			EXPECT_TRUE(socket_tcp_info(_metadata, server).tcpi_options &
				    TCPI_OPT_SACK);
		stream_exchange(_metadata, client, server, 200000, STALL_MS);
		EXPECT_EQ(2 - timestamps, side_counter(self, SERVER, "SyncookiesSent"));
		EXPECT_EQ(2 - timestamps, side_counter(self, SERVER, "SyncookiesRecv"));
		EXPECT_EQ(0, side_counter(self, SERVER, "SyncookiesFailed"));
		close(client);
		close(server);
		close(lfd);
	}
}

TEST_F(stock, rfc9293_half_close)
{
	static char text[40000];
	int client, server;

	connected(_metadata, self, &client, &server, NULL);
	ASSERT_EQ(4, send(client, "last", 4, 0));
	ASSERT_EQ(0, shutdown(client, SHUT_WR));
	ASSERT_EQ(4, read_to_end(server));
	/* The other direction is unchanged. */
	ASSERT_EQ((ssize_t)sizeof(text), send(server, text, sizeof(text), 0));
	ASSERT_EQ(0, shutdown(server, SHUT_WR));
	EXPECT_EQ((ssize_t)sizeof(text), read_to_end(client));
}

TEST_F(stock, rfc9293_reset_by_either)
{
	for (int by_server = 0; by_server < 2; by_server++) {
		int client, server, other;

		connected(_metadata, self, &client, &server, NULL);
		other = by_server ? client : server;
		socket_abort(by_server ? server : client);
		sleep_ms(20);
		EXPECT_EQ(ECONNRESET, socket_receive(other));
		close(other);
	}
}

static void delay(FIXTURE_DATA(stock) *self, double ms)
{
	const struct netem slow = { .delay_ms = ms, .limit = 10000 };

	pair_netem(&self->pair, CLIENT, &slow);
	pair_netem(&self->pair, SERVER, &slow);
}

/*
 * The state column of a file of the kernel's TCP; its offset depends on the width of
 * addresses.
 */
static int stock_time_waits(struct __test_metadata *_metadata, const char *path, int column)
{
	FILE *f = fopen(path, "re");
	char line[256];
	int n = 0;

	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, " 06 ") == line + column;
	fclose(f);
	return n;
}

static int time_waits(struct __test_metadata *_metadata, FIXTURE_DATA(stock) *self,
		      enum side side)
{
	pair_enter(&self->pair, side);
	if (side == self->ours)
		return proc_rows(AF_INET, ROW_TIME_WAIT);
	return stock_time_waits(_metadata, "/proc/net/tcp", 33) +
	       stock_time_waits(_metadata, "/proc/net/tcp6", 81);
}

/* RFC 9293 figure 12: FINs cross. Both end up in TIME-WAIT. */
TEST_F(stock, rfc9293_simultaneous_close)
{
	int client, server;

	connected(_metadata, self, &client, &server, NULL);
	delay(self, 50);
	ASSERT_EQ(0, shutdown(client, SHUT_WR));
	ASSERT_EQ(0, shutdown(server, SHUT_WR));
	sleep_ms(300);
	EXPECT_EQ(0, read_to_end(client));
	EXPECT_EQ(0, read_to_end(server));
	close(client);
	close(server);
	EXPECT_EQ(1, time_waits(_metadata, self, CLIENT));
	EXPECT_EQ(1, time_waits(_metadata, self, SERVER));
}

/*
 * The side that closes first is in TIME-WAIT, which does not hinder the other side's
 * next connection from the same port (RFC 9293 MAY-2), nor its own, a second later
 * (RFC 6191).
 */
TEST_F(stock, lc_87_time_wait_at_either_end)
{
	for (enum side first = CLIENT; first <= SERVER; first++) {
		int lfd = -1, end[2];

		connected_from(_metadata, self, 41000 + first, &end[CLIENT], &end[SERVER], &lfd);
		stream_exchange(_metadata, end[CLIENT], end[SERVER], 1000, STALL_MS);
		close(end[first]);
		sleep_ms(50);
		close(end[!first]);
		sleep_ms(2000);
		EXPECT_EQ(1, time_waits(_metadata, self, first));
		EXPECT_EQ(0, time_waits(_metadata, self, !first));
		ASSERT_EQ(0, side_knob(self, CLIENT, "tw_reuse", "1"));
		connected_from(_metadata, self, 41000 + first, &end[CLIENT], &end[SERVER], &lfd);
		EXPECT_EQ(0, time_waits(_metadata, self, first));
		stream_exchange(_metadata, end[CLIENT], end[SERVER], 100000, STALL_MS);
		socket_abort(end[CLIENT]);
		close(end[SERVER]);
		close(lfd);
	}
}

/* No new connection comes: it expires in time. */
TEST_F(stock, lc_76_time_wait_ends_at_either_end)
{
	int client, server;

	for (enum side first = CLIENT; first <= SERVER; first++) {
		connected(_metadata, self, &client, &server, NULL);
		close(first == CLIENT ? client : server);
		sleep_ms(50);
		close(first == CLIENT ? server : client);
		sleep_ms(59000);
		EXPECT_EQ(1, time_waits(_metadata, self, first));
		/* The kernel's timers of a minute are some seconds late. */
		sleep_ms(first == self->ours ? 2000 : 10000);
		EXPECT_EQ(0, time_waits(_metadata, self, first));
	}
}

/* RFC 9293 figure 8: SYNs cross, and there is one connection. */
TEST_F(stock, rfc9293_must_10_simultaneous_open)
{
	int client = side_socket(_metadata, self, CLIENT);
	int server = side_socket(_metadata, self, SERVER);
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	delay(self, 50);
	fd_nonblock(client);
	fd_nonblock(server);
	ASSERT_EQ(0, socket_bind(client, "10.0.0.1", PORT));
	ASSERT_EQ(0, socket_bind(server, "10.0.0.2", PORT));
	ASSERT_EQ(EINPROGRESS, socket_connect(client, "10.0.0.2", PORT));
	ASSERT_EQ(EINPROGRESS, socket_connect(server, "10.0.0.1", PORT));
	sleep_ms(1500);
	EXPECT_EQ(0, getpeername(client, (struct sockaddr *)&addr, &len));
	EXPECT_EQ(0, getpeername(server, (struct sockaddr *)&addr, &len));
	stream_exchange(_metadata, client, server, 100000, STALL_MS);
}

/* Each end probes; the other answers, and both stay. Then the path is cut. */
TEST_F(stock, rfc9293_must_24_keepalive)
{
	static const struct netem cut = { .loss = 100 };

	for (int by_server = 0; by_server < 2; by_server++) {
		int client, server, asks;

		connected(_metadata, self, &client, &server, NULL);
		asks = by_server ? server : client;
		ASSERT_EQ(0, socket_set(asks, IPPROTO_TCP, TCP_KEEPIDLE, 2));
		ASSERT_EQ(0, socket_set(asks, IPPROTO_TCP, TCP_KEEPINTVL, 1));
		ASSERT_EQ(0, socket_set(asks, IPPROTO_TCP, TCP_KEEPCNT, 3));
		ASSERT_EQ(0, socket_set(asks, SOL_SOCKET, SO_KEEPALIVE, 1));
		sleep_ms(20000);
		EXPECT_EQ(0, socket_error(asks));
		stream_exchange(_metadata, client, server, 1000, STALL_MS);
		/* The last ACK may be delayed. */
		sleep_ms(500);
		pair_netem(&self->pair, CLIENT, &cut);
		sleep_ms(8000);
		EXPECT_EQ(ETIMEDOUT, socket_error(asks));
		close(client);
		close(server);
		delay(self, 0.1);
	}
}

/* A zero window, and the update that opens it. */
TEST_F(stock, rfc9293_must_36_zero_window)
{
	static char text[4000000];
	int client, server;
	ssize_t sent = 0, n;

	connected(_metadata, self, &client, &server, NULL);
	while ((n = send(client, text, sizeof(text), 0)) > 0) {
		sent += n;
		sleep_ms(100);
	}
	sleep_ms(5000);
	EXPECT_LT(0, side_counter(self, CLIENT, "TCPWinProbe"));
	ASSERT_EQ(0, shutdown(client, SHUT_WR));
	EXPECT_EQ(sent, read_to_end(server));
	EXPECT_LT(0, sent);
}

/*
 * RFC 7413: the first connection brings a cookie, the others open with data in the SYN, which
 * the server reads before the handshake is over.
 */
TEST_F(stock, rfc7413_fast_open)
{
	struct ipaddr addr = ipaddr("10.0.0.2");
	struct sockaddr_storage to;
	socklen_t to_len = ipaddr_sockaddr(&addr, PORT, &to);
	int lfd, client, server;
	struct tcp_info info;

	for (int side = 0; side < 2; side++) {
		pair_enter(&self->pair, side);
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/tcp_fastopen", "3"));
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/xtcp_fastopen", "3"));
	}
	lfd = side_listen(_metadata, self);
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN, 16));
	for (int i = 0; i < 4; i++) {
		client = side_socket(_metadata, self, CLIENT);
		ASSERT_EQ(5, sendto(client, "first", 5, MSG_FASTOPEN, (struct sockaddr *)&to,
				    to_len));
		server = accept(lfd, NULL, NULL);
		ASSERT_LE(0, server);
		sleep_ms(20);
		stream_expect_text(_metadata, server, "first");
		info = socket_tcp_info(_metadata, client);
		EXPECT_EQ(i > 0, !!(info.tcpi_options & TCPI_OPT_SYN_DATA));
		info = socket_tcp_info(_metadata, server);
		EXPECT_EQ(i > 0, !!(info.tcpi_options & TCPI_OPT_SYN_DATA));
		fd_nonblock(client);
		fd_nonblock(server);
		stream_exchange(_metadata, client, server, 10000, STALL_MS);
		close(client);
		close(server);
	}
}

/* The same over a path that loses every fourth packet: nothing is lost or read twice. */
TEST_F(stock, rfc7413_fast_open_and_losses)
{
	static const struct netem lossy = { .delay_ms = 5, .loss = 25 };
	struct ipaddr addr = ipaddr("10.0.0.2");
	struct sockaddr_storage to;
	socklen_t to_len = ipaddr_sockaddr(&addr, PORT, &to);
	int lfd, client, server;

	for (int side = 0; side < 2; side++) {
		pair_enter(&self->pair, side);
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/tcp_fastopen", "3"));
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/xtcp_fastopen", "3"));
		/* All SYNs of a connect() must not be lost, by chance. */
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/tcp_syn_retries", "12"));
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/xtcp_syn_retries", "12"));
		pair_netem(&self->pair, side, &lossy);
	}
	lfd = side_listen(_metadata, self);
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN, 16));
	for (int i = 0; i < 12; i++) {
		char text[8];
		int n = 0;

		client = side_socket(_metadata, self, CLIENT);
		ASSERT_EQ(5, sendto(client, "first", 5, MSG_FASTOPEN, (struct sockaddr *)&to,
				    to_len));
		server = accept(lfd, NULL, NULL);
		ASSERT_LE(0, server);
		ASSERT_EQ(0, shutdown(client, SHUT_WR));
		while (n < (int)sizeof(text)) {
			ssize_t got = recv(server, text + n, sizeof(text) - n, 0);

			ASSERT_LE(0, got);
			if (!got)
				break;
			n += got;
		}
		ASSERT_EQ(5, n);
		EXPECT_EQ(0, memcmp(text, "first", 5));
		close(client);
		close(server);
	}
}

/* RFC 8684 3.1: without the option in the answer it is plain TCP. */
TEST_F(stock, rfc8684_multipath_is_declined)
{
	int lfd, client, server;

	if (self->ours == CLIENT)
		return;
	lfd = side_listen(_metadata, self);
	pair_enter(&self->pair, CLIENT);
	client = socket(socket_family(test_family()), SOCK_STREAM | SOCK_CLOEXEC,
			IPPROTO_MPTCP);
	if (client < 0)
		SKIP(return, "this kernel has no MPTCP");
	ASSERT_EQ(0, socket_connect(client, "10.0.0.2", PORT));
	server = accept(lfd, NULL, NULL);
	ASSERT_LE(0, server);
	fd_nonblock(client);
	fd_nonblock(server);
	stream_exchange(_metadata, client, server, 100000, STALL_MS);
}

TEST_HARNESS_MAIN
