// SPDX-License-Identifier: GPL-2.0
/*
 * listeners: /proc/net/xtcp_listen: which listener overflows, and the contents, peaks
 * and limits of its two queues. RFC 4987 describes the attack that it shows.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <inttypes.h>
#include <net/if.h>

PEER_FIXTURE(listeners);

#define HEADER "address port device syn_now syn_limit syn_peak" \
	" accept_now accept_limit accept_peak syn_overflows accept_overflows" \
	" drops cookies_sent cookies_accepted cookies_failed uid inode wire\n"

struct listener {
	char address[64];
	unsigned int port, device;
	unsigned int syn_now, syn_limit, syn_peak;
	unsigned int accept_now, accept_limit, accept_peak;
	unsigned long syn_overflows, accept_overflows, drops;
	unsigned long sent, accepted, failed;
	unsigned int uid;
	unsigned long inode;
};

/* Every line has the one format, to its end. Returns the number of lines. */
static int listeners_read(struct __test_metadata *_metadata, struct listener *l, int max)
{
	FILE *f = fopen("/proc/net/xtcp_listen", "re");
	char line[512];
	int n = 0, end;

	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	ASSERT_STREQ(HEADER, line);
	while (fgets(line, sizeof(line), f)) {
		ASSERT_LT(n, max);
		memset(&l[n], 0, sizeof(l[n]));
		end = 0;
		ASSERT_EQ(17, sscanf(line, "%63s %u %u %u %u %u %u %u %u %lu %lu %lu %lu %lu %lu %u %lu%n",
				     l[n].address, &l[n].port, &l[n].device,
				     &l[n].syn_now, &l[n].syn_limit, &l[n].syn_peak,
				     &l[n].accept_now, &l[n].accept_limit, &l[n].accept_peak,
				     &l[n].syn_overflows, &l[n].accept_overflows, &l[n].drops,
				     &l[n].sent, &l[n].accepted, &l[n].failed,
				     &l[n].uid, &l[n].inode, &end));
		ASSERT_STREQ(stream_wire() == XTCP_WIRE_TCP ? " tcp\n" : " native\n", line + end);
		n++;
	}
	fclose(f);
	return n;
}

static struct listener only_listener(struct __test_metadata *_metadata)
{
	struct listener l[2];

	memset(l, 0, sizeof(l));
	EXPECT_EQ(1, listeners_read(_metadata, l, 2));
	return l[0];
}

/* A SYN of an unknown peer that is not answered. */
static void syn_is_dropped(struct peer *p, struct conn *c, int lfd, int port)
{
	conn_start(p, c, .lfd = lfd, .kport = port);
	conn_send(c, .flags = SYN);
	peer_expect_silence(p, 20);
}

static void establish(struct peer *p, struct conn *c, int lfd, int port)
{
	conn_to_state(p, c, ST_HALF_OPEN, .lfd = lfd, .kport = port);
	conn_send(c, .flags = ACK);
	conn_expect_state(c, ST_ESTABLISHED);
}

TEST_F(listeners, wish_05_proc_listen_names_the_listener)
{
	struct peer *p = &self->peer;
	struct listener l[3];
	int first, second;

	EXPECT_EQ(0, listeners_read(_metadata, l, 1));
	first = peer_listen(p, 80, 5);
	l[0] = only_listener(_metadata);
	EXPECT_STREQ(p->family == AF_INET6 ? "[fd00:a::1]" : "10.0.0.1", l[0].address);
	EXPECT_EQ(80, l[0].port);
	EXPECT_EQ(0, l[0].device);
	EXPECT_EQ(0, l[0].uid);
	EXPECT_EQ(socket_inode(first), l[0].inode);
	EXPECT_EQ(5, l[0].syn_limit);
	EXPECT_EQ(5, l[0].accept_limit);
	EXPECT_EQ(0, l[0].syn_now + l[0].syn_peak + l[0].accept_now + l[0].accept_peak);
	EXPECT_EQ(0, l[0].syn_overflows + l[0].accept_overflows + l[0].drops);
	EXPECT_EQ(0, l[0].sent + l[0].accepted + l[0].failed);
	/* A connection is no listener. Nor is a socket that was one. */
	second = peer_listen(p, 5000, 7);
	EXPECT_EQ(2, listeners_read(_metadata, l, 3));
	ASSERT_EQ(0, socket_shutdown(first, SHUT_RD));
	l[0] = only_listener(_metadata);
	EXPECT_EQ(5000, l[0].port);
	EXPECT_EQ(socket_inode(second), l[0].inode);
	close(second);
	EXPECT_EQ(0, listeners_read(_metadata, l, 1));
}

TEST_F(listeners, wish_05_proc_listen_queues_now_and_peak)
{
	struct peer *p = &self->peer;
	struct conn c[4];
	struct listener l;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 8);
	for (int i = 0; i < 4; i++) {
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
		l = only_listener(_metadata);
		EXPECT_EQ(i + 1, l.syn_now);
		EXPECT_EQ(i + 1, l.syn_peak);
		EXPECT_EQ(0, l.accept_now);
	}
	/* Two establish, one is reset, one stays. */
	for (int i = 0; i < 2; i++) {
		conn_send(&c[i], .flags = ACK);
		conn_expect_state(&c[i], ST_ESTABLISHED);
	}
	conn_send(&c[2], .flags = RST);
	l = only_listener(_metadata);
	EXPECT_EQ(1, l.syn_now);
	EXPECT_EQ(4, l.syn_peak);
	EXPECT_EQ(2, l.accept_now);
	EXPECT_EQ(2, l.accept_peak);
	/* A peak stays when the queue is empty, and is no sum. */
	conn_accept(&c[0]);
	conn_accept(&c[1]);
	establish(p, &c[2], lfd, KERNEL_PORT);
	l = only_listener(_metadata);
	EXPECT_EQ(1, l.syn_now);
	EXPECT_EQ(4, l.syn_peak);
	EXPECT_EQ(1, l.accept_now);
	EXPECT_EQ(2, l.accept_peak);
	EXPECT_EQ(0, l.drops);
	/* listen() again keeps the queues and changes the limits. */
	ASSERT_EQ(0, socket_listen(lfd, 3));
	l = only_listener(_metadata);
	EXPECT_EQ(3, l.syn_limit);
	EXPECT_EQ(3, l.accept_limit);
	EXPECT_EQ(4, l.syn_peak);
	EXPECT_EQ(1, l.accept_now);
}

/* Each reason for which a connection fails has its number. */
TEST_F(listeners, wish_06_full_syn_queue_differs_from_full_accept_queue)
{
	struct peer *p = &self->peer;
	struct conn c[4], d[3], late;
	struct listener l[2];
	int syn_fd, accept_fd;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	syn_fd = peer_listen(p, 5000, 1);
	accept_fd = peer_listen(p, 5001, 1);
	for (int i = 0; i < 2; i++)
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = syn_fd, .kport = 5000);
	for (int i = 0; i < 3; i++) {
		conn_start(p, &late, .lfd = syn_fd, .kport = 5000);
		conn_send(&late, .flags = SYN);
	}
	/* Two accepted too late; of two more one loses its SYN, one its ACK. */
	conn_to_state(p, &d[0], ST_HALF_OPEN, .lfd = accept_fd, .kport = 5001);
	conn_send(&d[0], .flags = ACK);
	conn_expect_state(&d[0], ST_ESTABLISHED);
	conn_to_state(p, &d[1], ST_HALF_OPEN, .lfd = accept_fd, .kport = 5001);
	conn_to_state(p, &d[2], ST_HALF_OPEN, .lfd = accept_fd, .kport = 5001);
	conn_send(&d[1], .flags = ACK);
	conn_expect_state(&d[1], ST_ESTABLISHED);
	conn_send(&d[2], .flags = ACK);
	conn_start(p, &late, .lfd = accept_fd, .kport = 5001);
	conn_send(&late, .flags = SYN);
	peer_expect_silence(p, 20);

	ASSERT_EQ(2, listeners_read(_metadata, l, 2));
	if (l[0].port == 5001) {
		struct listener swap = l[0];

		l[0] = l[1];
		l[1] = swap;
	}
	EXPECT_EQ(3, l[0].syn_overflows);
	EXPECT_EQ(0, l[0].accept_overflows);
	EXPECT_EQ(3, l[0].drops);
	EXPECT_EQ(0, l[1].syn_overflows);
	EXPECT_EQ(2, l[1].accept_overflows);
	EXPECT_EQ(2, l[1].drops);
	EXPECT_EQ(2, l[1].accept_now);
	EXPECT_EQ(1, l[1].syn_now);
	EXPECT_EQ(0, l[0].sent + l[1].sent);
	close(accept_fd);
	p->leave_unread = true;
}

TEST_F(listeners, wish_06_cookies_sent_accepted_failed)
{
	struct peer *p = &self->peer;
	struct conn c[2], d;
	struct listener l;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 0);
	conn_to_state(p, &c[0], ST_HALF_OPEN, .lfd = lfd);
	for (int i = 0; i < 2; i++) {
		conn_start(p, &d, .lfd = lfd);
		conn_send(&d, .flags = SYN);
		conn_expect(&d, .flags = SYN | ACK, .ack = 1);
	}
	l = only_listener(_metadata);
	EXPECT_EQ(2, l.syn_overflows);
	EXPECT_EQ(2, l.sent);
	EXPECT_EQ(0, l.accepted);
	EXPECT_EQ(0, l.drops);
	EXPECT_EQ(1, l.syn_now);
	conn_send(&d, .flags = ACK, .ack = 77);
	conn_expect(&d, .flags = RST, .seq = 77);
	conn_send(&d, .flags = ACK);
	conn_expect_state(&d, ST_ESTABLISHED);
	l = only_listener(_metadata);
	EXPECT_EQ(2, l.sent);
	EXPECT_EQ(1, l.accepted);
	EXPECT_EQ(1, l.failed);
	EXPECT_EQ(1, l.accept_now);
	/* A cookie that is always sent does not show a full queue. */
	conn_accept(&d);
	conn_send(&c[0], .flags = RST);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	conn_start(p, &c[1], .lfd = lfd);
	conn_send(&c[1], .flags = SYN);
	conn_expect(&c[1], .flags = SYN | ACK, .ack = 1);
	l = only_listener(_metadata);
	EXPECT_EQ(2, l.syn_overflows);
	EXPECT_EQ(3, l.sent);
}

/* The namespace's counters are the sum of its listeners'. */
TEST_F(listeners, wish_06_counters_are_the_listeners_sum)
{
	struct peer *p = &self->peer;
	struct counters now;
	struct conn c, late;
	struct listener l[2];
	int fd[2];

	for (int i = 0; i < 2; i++) {
		fd[i] = peer_listen(p, 5000 + i, 0);
		establish(p, &c, fd[i], 5000 + i);
		for (int n = 0; n <= i; n++)
			syn_is_dropped(p, &late, fd[i], 5000 + i);
	}
	ASSERT_EQ(2, listeners_read(_metadata, l, 2));
	counters_take(&now);
	EXPECT_EQ(3, l[0].accept_overflows + l[1].accept_overflows);
	EXPECT_EQ(3, l[0].drops + l[1].drops);
	EXPECT_EQ(3, counter_get(&now, "ListenOverflows"));
	EXPECT_EQ(3, counter_get(&now, "ListenDrops"));
}

/*
 * Without cookies the limit for unknown peers leaves out the part reserved for known
 * peers.
 */
TEST_F(listeners, proc_listen_syn_limit_follows_the_knobs)
{
	struct peer *p = &self->peer;
	struct conn c, late;
	int lfd;

	ASSERT_EQ(0, knob_set("max_syn_backlog", 8));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	EXPECT_EQ(100, only_listener(_metadata).syn_limit);
	ASSERT_EQ(0, knob_set("syncookies", 0));
	EXPECT_EQ(6, only_listener(_metadata).syn_limit);
	EXPECT_EQ(100, only_listener(_metadata).accept_limit);
	for (int i = 0; i < 7; i++)
		conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	syn_is_dropped(p, &late, lfd, KERNEL_PORT);
	EXPECT_EQ(7, only_listener(_metadata).syn_now);
	ASSERT_EQ(0, socket_listen(lfd, 4));
	EXPECT_EQ(4, only_listener(_metadata).syn_limit);
}

TEST_F(listeners, proc_listen_somaxconn_is_the_limit)
{
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "33"));
	peer_listen(&self->peer, KERNEL_PORT, -1);
	EXPECT_EQ(33, only_listener(_metadata).accept_limit);
}

TEST_F(listeners, proc_listen_lists_each_once)
{
	static struct listener l[600];
	static bool seen[600];
	/* More than there are buckets, and more than a first buffer holds. */
	for (int i = 0; i < 600; i++) {
		int fd = stream_socket(AF_INET);

		ASSERT_EQ(0, socket_bind(fd, "", 10000 + i));
		ASSERT_EQ(0, listen(fd, i));
	}
	ASSERT_EQ(600, listeners_read(_metadata, l, 600));
	for (int i = 0; i < 600; i++) {
		unsigned int n = l[i].port - 10000;

		ASSERT_GT(600, n);
		EXPECT_FALSE(seen[n]);
		seen[n] = true;
		EXPECT_EQ(n, l[i].accept_limit);
		EXPECT_STREQ(test_family() == AF_INET6 ? "[::]" : "0.0.0.0", l[i].address);
	}
}

TEST_F(listeners, proc_listen_shows_the_device_and_the_owner)
{
	struct listener l;
	int fd = stream_socket(AF_INET);

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_EQ(0, fchown(fd, 1234, 0));
	ASSERT_EQ(0, listen(fd, 1));
	l = only_listener(_metadata);
	EXPECT_EQ(if_nametoindex("lo"), l.device);
	EXPECT_EQ(1234, l.uid);
}

TEST_F(listeners, proc_listen_shows_its_own_namespace)
{
	struct listener l[1];
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int other;

	peer_listen(&self->peer, KERNEL_PORT, 1);
	other = netns_new(WHERE(_metadata));
	netns_enter(WHERE(_metadata), other);
	EXPECT_EQ(0, listeners_read(_metadata, l, 1));
	netns_enter(WHERE(_metadata), own);
	EXPECT_EQ(1, listeners_read(_metadata, l, 1));
	close(other);
	close(own);
}

#define MANY 400

/* How many numbers are not smaller than the one before? */
static int ascents(const uint64_t *number, int n)
{
	int ascents = 0;

	for (int i = 1; i < n; i++)
		ascents += number[i] >= number[i - 1];
	return ascents;
}

/*
 * The order of the rows, which anybody may read, says nothing of where the sockets are in memory:
 * neither addresses ascend nor what hash_ptr() of the kernel makes of them, which anybody can
 * compute. Root may read addresses, if kptr_restrict is 1.
 */
TEST_F(listeners, proc_order_of_rows_does_not_tell_addresses)
{
	static uint64_t address[MANY], hash[MANY];
	char line[512], before[8];
	unsigned int state;
	int n = 0;
	FILE *f;

	ASSERT_EQ(0, sysctl_read("/proc/sys/kernel/kptr_restrict", before, sizeof(before)));
	for (int i = 0; i < MANY; i++) {
		int fd = stream_socket(AF_INET);

		ASSERT_EQ(0, socket_bind(fd, "", 10000 + i));
		ASSERT_EQ(0, listen(fd, 1));
	}
	ASSERT_EQ(0, sysctl_write("/proc/sys/kernel/kptr_restrict", "1"));
	f = fopen(proc_path(AF_INET), "re");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f) && n < MANY)
		if (sscanf(line, "%*d: %*s %*s %x %*s %*s %*s %*u %*d %*u %*d %" SCNx64, &state,
			   &address[n]) == 2 && state == ROW_LISTEN) {
			/* Not what %pK prints for others. */
			ASSERT_EQ(0, address[n] % 8);
			ASSERT_NE(0, address[n]);
			hash[n] = address[n] * 0x61c8864680b583eb >> 56;
			n++;
		}
	fclose(f);
	ASSERT_EQ(0, sysctl_write("/proc/sys/kernel/kptr_restrict", before));
	ASSERT_EQ(MANY, n);
	/* Of numbers in no order half ascend, give or take 10. */
	EXPECT_GT(MANY / 2 + 60, ascents(address, MANY));
	EXPECT_GT(MANY / 2 + 60, ascents(hash, MANY));
}

TEST_HARNESS_MAIN
