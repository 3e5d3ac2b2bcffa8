// SPDX-License-Identifier: GPL-2.0
/*
 * vrf: sockets and the devices that their segments arrive on and leave by: VRFs, and
 * SO_BINDTODEVICE.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>

PEER_FIXTURE(vrf);

/*
 * tun1, and its peer with the same addresses as on tun0; p->tun is the end of either.
 */
struct second {
	struct peer *p;
	int tun[2];
};

enum { PLAIN, RED };

static void on(struct second *s, int which)
{
	s->p->tun = s->tun[which];
}

static void second_tun(struct __test_metadata *_metadata, struct second *s, struct peer *p)
{
	s->p = p;
	s->tun[PLAIN] = p->tun;
	s->tun[RED] = tun_new(WHERE(_metadata), "tun1");
}

/* A VRF "red" of tun1, whose network has the same addresses as the one outside. */
static void red_vrf(struct __test_metadata *_metadata, struct second *s, struct peer *p)
{
	second_tun(_metadata, s, p);
	shell_run(WHERE(_metadata), "ip link add red type vrf table 10 && ip link set red up && "
		  "ip link set tun1 master red");
	address_add(WHERE(_metadata), "tun1", &p->kernel, p->family == AF_INET6 ? 64 : 24);
}

static void second_close(struct second *s)
{
	for (int i = 0; i < 2; i++) {
		on(s, i);
		peer_expect_silence(s->p, 20);
	}
	on(s, PLAIN);
	close(s->tun[RED]);
}

static int bound_socket(const char *dev)
{
	int fd = socket_new(-1);

	if (dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev)))
		return -1;
	return fd;
}

static int bound_listener(struct __test_metadata *_metadata, const char *dev)
{
	int fd = bound_socket(dev);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, socket_bind(fd, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 4));
	return fd;
}

/* The peer connects; its next number is @seq + 1. */
static int connected(struct __test_metadata *_metadata, struct peer *p, int lfd, uint32_t seq,
		     uint32_t *nxt)
{
	int fd;

	peer_send(p, .flags = SYN, .seq = seq);
	*nxt = peer_expect(p, .flags = SYN | ACK, .ack = seq + 1)->seq + 1;
	peer_send(p, .flags = ACK, .seq = seq + 1, .ack = *nxt);
	fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, fd);
	fd_nonblock(fd);
	return fd;
}

static const char *device_of(int fd)
{
	static char name[IFNAMSIZ];
	socklen_t len = sizeof(name);

	name[0] = 0;
	return getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) || !len ? "" : name;
}

/* Segments that arrive on a VRF are for sockets bound to it, or to the slave. */
TEST_F(vrf, listeners_outside_are_not_for_a_vrf)
{
	struct peer *p = &self->peer;
	struct second s;
	uint32_t nxt;
	int lfd, red, fd;

	red_vrf(_metadata, &s, p);
	lfd = bound_listener(_metadata, NULL);
	on(&s, RED);
	peer_send(p, .flags = SYN, .seq = 100);
	peer_expect(p, .flags = RST | ACK, .ack = 101);
	for (int i = 0; i < 2; i++) {
		const char *dev = i ? "tun1" : "red";

		red = bound_listener(_metadata, dev);
		fd = connected(_metadata, p, red, 200, &nxt);
		EXPECT_STREQ(dev, device_of(fd));
		EXPECT_EQ(4, send(fd, "text", 4, 0));
		peer_expect(p, .flags = ACK | PSH, .seq = nxt, .ack = 201, .data = "text");
		peer_send(p, .flags = RST, .seq = 201);
		close(fd);
		close(red);
	}
	on(&s, PLAIN);
	fd = connected(_metadata, p, lfd, 300, &nxt);
	EXPECT_STREQ("", device_of(fd));
	peer_send(p, .flags = RST, .seq = 301);
	close(fd);
	close(lfd);
	second_close(&s);
}

/* Unless tcp_l3mdev_accept allows it. The connection is the VRF's then. */
TEST_F(vrf, knob_l3mdev_accept)
{
	struct peer *p = &self->peer;
	struct second s;
	uint32_t nxt;
	int lfd, fd;

	red_vrf(_metadata, &s, p);
	EXPECT_EQ(0, knob_get("l3mdev_accept"));
	ASSERT_EQ(0, knob_set("l3mdev_accept", 1));
	lfd = bound_listener(_metadata, NULL);
	on(&s, RED);
	if (p->wire == IPPROTO_TCP && !stock_mode()) {
		/* The kernel's TCP would give the port to others in the VRF. */
		peer_send(p, .flags = SYN, .seq = 199, .sport = 4001);
		peer_expect(p, .flags = RST | ACK, .ack = 200, .dport = 4001);
		sysctl_write("/proc/sys/net/ipv4/tcp_l3mdev_accept", "1");
	}
	fd = connected(_metadata, p, lfd, 200, &nxt);
	EXPECT_STREQ("red", device_of(fd));
	EXPECT_EQ(4, send(fd, "text", 4, 0));
	peer_expect(p, .flags = ACK | PSH, .seq = nxt, .ack = 201, .data = "text");
	peer_send(p, .flags = ACK, .seq = 201, .ack = nxt + 4);
	on(&s, PLAIN);
	peer_send(p, .flags = RST, .seq = 201);
	peer_expect_silence(p, 20);
	EXPECT_EQ(0, socket_error(fd));
	on(&s, RED);
	/* A repeated SYN-ACK leaves by the right device, too. */
	peer_send(p, .flags = SYN, .seq = 400, .sport = 4000);
	nxt = peer_expect(p, .flags = SYN | ACK, .ack = 401, .dport = 4000)->seq + 1;
	peer_expect(p, .flags = SYN | ACK, .ack = 401, .dport = 4000, .within_ms = 1100);
	peer_send(p, .flags = RST, .seq = 401, .sport = 4000);
	peer_send(p, .flags = RST, .seq = 201);
	close(fd);
	close(lfd);
	second_close(&s);
}

/*
 * Both have a connection between the same two ends, and neither gets the other's
 * segments.
 */
TEST_F(vrf, connections_inside_and_outside_are_others)
{
	struct peer *p = &self->peer;
	uint32_t nxt[2], seq[2] = { 1000, 500000 };
	int lfd[2], fd[2];
	struct second s;

	red_vrf(_metadata, &s, p);
	lfd[PLAIN] = bound_listener(_metadata, NULL);
	lfd[RED] = bound_listener(_metadata, "red");
	for (int i = 0; i < 2; i++) {
		on(&s, i);
		fd[i] = connected(_metadata, p, lfd[i], seq[i], &nxt[i]);
		seq[i]++;
	}
	/* A RST of one does not end the other. */
	on(&s, RED);
	peer_send(p, .flags = RST, .seq = seq[PLAIN]);
	on(&s, PLAIN);
	peer_send(p, .flags = RST, .seq = seq[RED]);
	for (int i = 0; i < 2; i++) {
		on(&s, i);
		peer_send(p, .flags = ACK | PSH, .seq = seq[i], .ack = nxt[i], .data = "text");
		peer_expect(p, .flags = ACK, .seq = nxt[i], .ack = seq[i] + 4, .within_ms = 300);
		stream_expect_text(_metadata, fd[i], "text");
		/* Our FIN, TIME-WAIT, and the peer's FIN once more. */
		close(fd[i]);
		peer_expect(p, .flags = FIN | ACK, .seq = nxt[i], .ack = seq[i] + 4);
		peer_send(p, .flags = FIN | ACK, .seq = seq[i] + 4, .ack = nxt[i] + 1);
		peer_expect(p, .flags = ACK, .seq = nxt[i] + 1, .ack = seq[i] + 5);
	}
	sleep_ms(1000);
	for (int i = 0; i < 2; i++) {
		on(&s, i);
		peer_send(p, .flags = FIN | ACK, .seq = seq[i] + 4, .ack = nxt[i] + 1);
		peer_expect(p, .flags = ACK, .seq = nxt[i] + 1, .ack = seq[i] + 5);
		close(lfd[i]);
	}
	second_close(&s);
}

/* Kills the connection of @device through /proc/net/xtcp_kill. Returns 0 or -errno. */
static int kill_on(int family, const char *device)
{
	char text[160];
	int fd, n;

	snprintf(text, sizeof(text), family == AF_INET6 ?
		 "[fd00:a::1]%s:%d [fd00:a::2]:%d\n" : "10.0.0.1%s:%d 10.0.0.2:%d\n",
		 device, KERNEL_PORT, PEER_PORT);
	fd = open("/proc/net/xtcp_kill", O_WRONLY);
	n = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return n;
}

/* The line of a connection in a VRF is about no connection outside. */
TEST_F(vrf, kill_in_a_vrf_ends_nothing_outside)
{
	struct peer *p = &self->peer;
	struct second s;
	uint32_t nxt;
	int lfd, fd;

	NOT_ON_STOCK();
	red_vrf(_metadata, &s, p);
	lfd = bound_listener(_metadata, NULL);
	fd = connected(_metadata, p, lfd, 200, &nxt);
	EXPECT_EQ(-ENOENT, kill_on(p->family, "%red"));
	EXPECT_EQ(-ENOENT, kill_on(p->family, "%tun1"));
	EXPECT_EQ(0, socket_error(fd));
	EXPECT_EQ(0, kill_on(p->family, ""));
	peer_expect(p, .flags = RST | ACK, .seq = nxt, .ack = 201);
	close(fd);
	close(lfd);
	second_close(&s);
}

/* A RST, or an error, from inside a VRF ends no connection outside. */
TEST_F(vrf, rfc5927_errors_stay_inside_a_vrf)
{
	struct peer *p = &self->peer;
	struct second s;
	struct conn c;

	/* Linux ignores the VRF's slave for IPv4 errors. */
	NOT_ON_STOCK();
	red_vrf(_metadata, &s, p);
	conn_to_state(p, &c, ST_SYN_SENT);
	on(&s, RED);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	sleep_ms(10);
	conn_expect_state(&c, ST_SYN_SENT);
	on(&s, PLAIN);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	close(c.fd);
	second_close(&s);
}

/* bind() and listen(): a port outside is another one than in a VRF. */
TEST_F(vrf, ports_of_a_vrf_are_others)
{
	static const char *const devs[] = { NULL, "red", "tun1" };
	struct peer *p = &self->peer;
	struct second s;

	red_vrf(_metadata, &s, p);
	/* The third time xtcp's knob is 1, and the kernel's 0, which counts on the TCP wire. */
	for (int n = 0; n < (stock_mode() ? 2 : 3); n++) {
		bool accept = n == 1 || (n == 2 && p->wire != IPPROTO_TCP);

		ASSERT_EQ(0, knob_set("l3mdev_accept", n > 0));
		sysctl_write("/proc/sys/net/ipv4/tcp_l3mdev_accept", n == 1 ? "1" : "0");
		for (int i = 0; i < 9; i++) {
			const char *one = devs[i / 3], *two = devs[i % 3];
			int lfd = bound_listener(_metadata, one), fd = bound_socket(two);
			bool meet = one == two || (accept && (!one || !two));

			EXPECT_EQ(meet ? EADDRINUSE : 0, socket_bind(fd, "", KERNEL_PORT))
				TH_LOG("accept %d: %s, then %s", accept, one ?: "none",
				       two ?: "none");
			close(fd);
			close(lfd);
		}
	}
	second_close(&s);
}

/* A peer whose best route is tun0's, while sockets are bound to tun1. */
static void far_peer(struct __test_metadata *_metadata, struct second *s, struct peer *p)
{
	struct ipaddr far = ipaddr("192.0.2.2"), network = ipaddr("192.0.2.0");

	second_tun(_metadata, s, p);
	route_add(WHERE(_metadata), &far, 32, NULL, "tun0");
	route_add(WHERE(_metadata), &network, 24, NULL, "tun1");
	sysctl_write("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	sysctl_write("/proc/sys/net/ipv4/conf/tun1/rp_filter", "0");
	p->addr = far;
	on(s, RED);
}

/* All segments of a connection leave by the device that it is bound to. */
TEST_F(vrf, answers_leave_by_the_device_that_is_bound)
{
	struct peer *p = &self->peer;
	struct second s;
	uint32_t nxt;
	int lfd, fd;

	far_peer(_metadata, &s, p);
	lfd = bound_listener(_metadata, "tun1");
	/* Half-open: an ACK of what was not sent, and a segment outside the window. */
	peer_send(p, .flags = SYN, .seq = 10, .sport = 4000);
	nxt = peer_expect(p, .flags = SYN | ACK, .ack = 11, .dport = 4000)->seq + 1;
	peer_send(p, .flags = ACK, .seq = 11 + (1 << 30), .ack = nxt, .sport = 4000);
	peer_expect(p, .flags = ACK, .seq = nxt, .ack = 11, .dport = 4000);
	peer_send(p, .flags = ACK, .seq = 11, .ack = nxt + 77, .sport = 4000);
	peer_expect(p, .flags = RST, .seq = nxt + 77, .dport = 4000);
	peer_send(p, .flags = RST, .seq = 11, .sport = 4000);
	/* FIN-WAIT-2 of a closed socket: the RST that answers data. */
	fd = connected(_metadata, p, lfd, 50, &nxt);
	close(fd);
	peer_expect(p, .flags = FIN | ACK, .seq = nxt, .ack = 51);
	peer_send(p, .flags = ACK, .seq = 51, .ack = nxt + 1);
	peer_send(p, .flags = ACK | PSH, .seq = 51, .ack = nxt + 1, .data = "text");
	peer_expect(p, .flags = RST, .seq = nxt + 1);
	/* Open: a challenge ACK. TIME-WAIT: the ACK of a repeated FIN. */
	fd = connected(_metadata, p, lfd, 100, &nxt);
	EXPECT_STREQ("tun1", device_of(fd));
	peer_send(p, .flags = SYN, .seq = 5000);
	peer_expect(p, .flags = ACK, .seq = nxt, .ack = 101);
	close(fd);
	peer_expect(p, .flags = FIN | ACK, .seq = nxt, .ack = 101);
	peer_send(p, .flags = FIN | ACK, .seq = 101, .ack = nxt + 1);
	peer_expect(p, .flags = ACK, .seq = nxt + 1, .ack = 102);
	sleep_ms(1000);
	peer_send(p, .flags = FIN | ACK, .seq = 101, .ack = nxt + 1);
	peer_expect(p, .flags = ACK, .seq = nxt + 1, .ack = 102);
	close(lfd);
	second_close(&s);
}

/* A wrong answer to a SYN is reset by that device, too. */
TEST_F(vrf, resets_leave_by_the_device_that_is_bound)
{
	struct peer *p = &self->peer;
	struct second s;
	uint32_t iss;
	int fd, port;

	far_peer(_metadata, &s, p);
	fd = bound_socket("tun1");
	fd_nonblock(fd);
	ASSERT_EQ(EINPROGRESS, socket_connect(fd, "192.0.2.2", 80));
	port = socket_port(fd);
	iss = peer_expect(p, .flags = SYN, .sport = port, .dport = 80)->seq;
	peer_send(p, .flags = SYN | ACK, .seq = 7, .ack = iss + 77, .sport = 80, .dport = port);
	peer_expect(p, .flags = RST, .seq = iss + 77, .sport = port, .dport = 80);
	p->leave_unread = true;
	close(fd);
	peer_drain(p, 20);
	on(&s, PLAIN);
	peer_expect_silence(p, 20);
	second_close(&s);
}

/* A device with our end's address, for connect_by(). */
static void device_new(struct __test_metadata *_metadata, struct peer *p, int device)
{
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "dev%d", device);
	dummy_new(WHERE(_metadata), name);
	link_up(WHERE(_metadata), name);
	address_add(WHERE(_metadata), name, &p->kernel, p->family == AF_INET6 ? 64 : 24);
}

/* connect() from the same port by way of a device of its own. Return: 0 or the errno. */
static int connect_by(struct __test_metadata *_metadata, struct peer *p, int device, int *fd)
{
	char name[IFNAMSIZ];
	int err;

	snprintf(name, sizeof(name), "dev%d", device);
	*fd = socket_new(-1);
	socket_share(*fd, REUSEADDR);
	ASSERT_EQ(0, setsockopt(*fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name)));
	err = socket_bind(*fd, "", 7777);
	if (!err)
		err = socket_connect(*fd, "10.0.0.2", 80);
	return err == EINPROGRESS ? 0 : err;
}

/* They have one hash. Their number is limited, so that the table is not moved for each of them. */
TEST_F(vrf, connections_that_differ_by_their_device_only)
{
	enum { DEVICES = 20 };
	const int limit = stock_mode() ? DEVICES : 4;
	struct peer *p = &self->peer;
	int fd[DEVICES], more;

	for (int i = 0; i < DEVICES; i++)
		device_new(_metadata, p, i);
	for (int i = 0; i < DEVICES; i++)
		ASSERT_EQ(i < limit ? 0 : EADDRNOTAVAIL, connect_by(_metadata, p, i, &fd[i]));
	for (int i = 0; i < 100; i++) {
		close(fd[DEVICES - 1]);
		ASSERT_EQ(stock_mode() ? 0 : EADDRNOTAVAIL,
			  connect_by(_metadata, p, DEVICES - 1, &fd[DEVICES - 1]));
	}
	/* Another port, and a place that became free. */
	more = socket_new(-1);
	EXPECT_EQ(EINPROGRESS, socket_connect(more, "10.0.0.2", 80));
	socket_abort(more);
	close(fd[0]);
	EXPECT_EQ(0, connect_by(_metadata, p, 0, &fd[0]));
	for (int i = 0; i < DEVICES; i++)
		socket_abort(fd[i]);
	peer_drain(p, 10);
}

static void prepare_on_tun0(int fd)
{
	socket_share(fd, REUSEADDR);
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5);
}

/* The limit is for those that stay: a TIME-WAIT record gives way to a connection on its device. */
TEST_F(vrf, time_wait_gives_way_although_four_are_alike)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd[3], next;

	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	conn_to_state(p, &c, ST_TIME_WAIT, .active = true, .prepare = prepare_on_tun0,
		      .kport = 7777, .pport = 80, .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	for (int i = 0; i < 3; i++) {
		device_new(_metadata, p, i);
		ASSERT_EQ(0, connect_by(_metadata, p, i, &fd[i]));
	}
	sleep_ms(2000);
	next = socket_new(-1);
	prepare_on_tun0(next);
	ASSERT_EQ(0, socket_bind(next, "", 7777));
	EXPECT_EQ(EINPROGRESS, socket_connect(next, "10.0.0.2", 80));
	p->leave_unread = true;
	socket_abort(next);
	for (int i = 0; i < 3; i++)
		socket_abort(fd[i]);
}

/*
 * Connections that were bound to a device after connect() count for the limit of four, even if all
 * have the same device.
 */
TEST_F(vrf, no_fifth_connection_whose_device_was_set_after_connect)
{
	enum { MANY = 20 };
	const int limit = stock_mode() ? MANY : 4;
	struct peer *p = &self->peer;
	int fd[MANY], more;

	p->leave_unread = true;
	for (int i = 0; i < MANY; i++) {
		fd[i] = socket_new(-1);
		socket_share(fd[i], REUSEADDR);
		ASSERT_EQ(0, socket_bind(fd[i], "", 7777));
		ASSERT_EQ(i < limit ? EINPROGRESS : EADDRNOTAVAIL,
			  socket_connect(fd[i], "10.0.0.2", 80));
		if (i < limit)
			ASSERT_EQ(0, setsockopt(fd[i], SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	}
	/* Another port, and a place that became free. */
	more = socket_new(-1);
	EXPECT_EQ(EINPROGRESS, socket_connect(more, "10.0.0.2", 80));
	socket_abort(more);
	if (!stock_mode()) {
		socket_abort(fd[0]);
		EXPECT_EQ(EINPROGRESS, socket_connect(fd[limit], "10.0.0.2", 80));
		fd[0] = fd[limit];
		for (int i = limit + 1; i < MANY; i++)
			close(fd[i]);
	}
	for (int i = 0; i < limit; i++)
		socket_abort(fd[i]);
	peer_drain(p, 10);
}

/* SO_BINDTODEVICE on an open connection counts for arriving segments, too. */
TEST_F(vrf, bound_later_is_bound)
{
	struct peer *p = &self->peer;
	struct second s;
	uint32_t nxt;
	int lfd, fd;

	far_peer(_metadata, &s, p);
	on(&s, PLAIN);
	lfd = bound_listener(_metadata, NULL);
	fd = connected(_metadata, p, lfd, 100, &nxt);
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun1", 5));
	/* Now nobody accepts them. */
	peer_send(p, .flags = ACK | PSH, .seq = 101, .ack = nxt, .data = "no");
	peer_expect(p, .flags = RST, .seq = nxt);
	on(&s, RED);
	peer_send(p, .flags = ACK | PSH, .seq = 101, .ack = nxt, .data = "text");
	peer_expect(p, .flags = ACK, .seq = nxt, .ack = 105, .within_ms = 300);
	stream_expect_text(_metadata, fd, "text");
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	peer_send(p, .flags = ACK | PSH, .seq = 105, .ack = nxt, .data = "more");
	on(&s, PLAIN);
	peer_expect(p, .flags = ACK, .seq = nxt, .ack = 109, .within_ms = 300);
	stream_expect_text(_metadata, fd, "more");
	peer_send(p, .flags = RST, .seq = 109);
	close(fd);
	close(lfd);
	second_close(&s);
}

TEST_HARNESS_MAIN
