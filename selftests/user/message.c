// SPDX-License-Identifier: GPL-2.0
/*
 * message: the flags of send() and recv(), other calls that move data, and the ioctls
 * that count it. RFC 9293 3.9.1.2, 3.9.1.3; all as on Linux TCP, which passes these
 * tests as well.
 */
/* vm: wires families short */
/* vm: still=msg_long_write_heeds_acks_each_sixteen_segments */
#include "lib/xtcp_test.h"
#include "lib/holder.h"

#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

PEER_FIXTURE(message);
PAIR_FIXTURE(message_pair);


/* The peer sends @text, and the kernel acknowledges it. */
static void tell(struct conn *c, const char *text)
{
	conn_send(c, .flags = ACK | PSH, .data = text);
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = DELAYED_ACK_MS);
}

#define expect_read(fd, text, flags) \
	do { \
		char expect_buf[256] = ""; \
		ASSERT_EQ((ssize_t)strlen(text), \
			  recv(fd, expect_buf, strlen(text), flags)); \
		ASSERT_STREQ(text, expect_buf); \
	} while (0)

/* --- flags of recv ------------------------------------------------------ */

TEST_F(message, msg_peek_leaves_the_data)
{
	struct conn c;

	conn_open(&self->peer, &c);
	tell(&c, "abc");
	tell(&c, "def");
	expect_read(c.fd, "ab", MSG_PEEK);
	expect_read(c.fd, "abcdef", MSG_PEEK);
	EXPECT_EQ(6, socket_count(c.fd, SIOCINQ));
	expect_read(c.fd, "abcd", 0);
	expect_read(c.fd, "ef", MSG_PEEK);
	expect_read(c.fd, "ef", 0);
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, (char[1]){ 0 }, 1, MSG_PEEK)));
}

/* The kernel's TCP has it since 6.9: each peek continues where the last one ended. */
TEST_F(message, so_peek_off_goes_on)
{
	socklen_t len = sizeof(int);
	struct conn c;
	int off = -1;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c);
	tell(&c, "abc");
	tell(&c, "defghi");
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &(int){ 0 }, sizeof(int)));
	expect_read(c.fd, "ab", MSG_PEEK);
	expect_read(c.fd, "cde", MSG_PEEK);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	EXPECT_EQ(5, off);
	/* A read moves the offset back. */
	expect_read(c.fd, "abcd", 0);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	EXPECT_EQ(1, off);
	expect_read(c.fd, "fghi", MSG_PEEK);
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, (char[1]){ 0 }, 1, MSG_PEEK)));
	expect_read(c.fd, "efghi", 0);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	EXPECT_EQ(0, off);
	tell(&c, "jk");
	expect_read(c.fd, "jk", MSG_PEEK);
	/* None: each peek begins at the first byte again. */
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &(int){ -1 }, sizeof(int)));
	expect_read(c.fd, "jk", MSG_PEEK);
	/* And beyond a FIN there is nothing. */
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &(int){ 2 }, sizeof(int)));
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	EXPECT_EQ(0, recv(c.fd, (char[1]){ 0 }, 1, MSG_PEEK));
	expect_read(c.fd, "jk", 0);
	EXPECT_EQ(0, recv(c.fd, (char[1]){ 0 }, 1, 0));
}

/* The same within one segment: the read behind the peek takes all of it. */
TEST_F(message, so_peek_off_goes_back_with_a_whole_segment)
{
	socklen_t len = sizeof(int);
	struct conn c;
	int off = -1;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c);
	tell(&c, "abcdef");
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_PEEK_OFF, 0));
	expect_read(c.fd, "abc", MSG_PEEK);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	EXPECT_EQ(3, off);
	expect_read(c.fd, "abcdef", 0);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	EXPECT_EQ(0, off);
	tell(&c, "gh");
	expect_read(c.fd, "gh", MSG_PEEK);
}

/* connect() to AF_UNSPEC turns the offset off. */
TEST_F(message, so_peek_off_ends_with_the_connection)
{
	socklen_t len = sizeof(int);
	struct conn c;
	int off = 0;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c, .active = true);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_PEEK_OFF, 2));
	EXPECT_EQ(0, socket_disconnect(c.fd));
	peer_drain(&self->peer, 10);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	EXPECT_EQ(-1, off);
}

TEST_F(message, msg_peek_leaves_the_window_shut)
{
	struct conn c;
	char buf[64];

	conn_open(&self->peer, &c);
	tell(&c, "abc");
	EXPECT_EQ(3, recv(c.fd, buf, sizeof(buf), MSG_PEEK));
	EXPECT_EQ(3, recv(c.fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT));
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(3, recv(c.fd, buf, sizeof(buf), MSG_PEEK));
	EXPECT_EQ(3, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), MSG_PEEK));
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), 0));
	peer_expect_silence(&self->peer, 300);
}

/* The length only, and nothing is copied. */
TEST_F(message, msg_trunc_discards)
{
	struct conn c;
	char buf[8] = "unmoved";

	conn_open(&self->peer, &c);
	tell(&c, "abcdef");
	EXPECT_EQ(4, recv(c.fd, buf, 4, MSG_TRUNC));
	EXPECT_STREQ("unmoved", buf);
	EXPECT_EQ(2, socket_count(c.fd, SIOCINQ));
	EXPECT_EQ(1, recv(c.fd, NULL, 1, MSG_TRUNC));
	expect_read(c.fd, "f", 0);
}

TEST_F(message, msg_dontwait_on_a_blocking_socket)
{
	struct conn c;
	int64_t start;
	char b;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, fcntl(c.fd, F_SETFL, 0));
	start = now_ms();
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, &b, 1, MSG_DONTWAIT)));
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, &b, 1, MSG_DONTWAIT | MSG_WAITALL)));
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, &b, 1, MSG_DONTWAIT | MSG_PEEK)));
	EXPECT_GE(2, now_ms() - start);
}

static long recv_all_10(int fd, char *data)
{
	return recv(fd, data, 10, MSG_WAITALL);
}

/* A connection whose program waits for ten bytes, of which three have come. */
static struct sleeper three_of_ten(struct peer *p, struct conn *c)
{
	struct sleeper s;

	conn_open(p, c);
	s = sleeper_start(p->test, c->fd, recv_all_10);
	tell(c, "abc");
	sleeper_expect_asleep(&s, 300);
	return s;
}

TEST_F(message, msg_waitall_waits_for_all)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	s = three_of_ten(&self->peer, &c);
	tell(&c, "defghi");
	sleeper_expect_asleep(&s, 300);
	conn_send(&c, .flags = ACK | PSH, .data = "jkl");
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(10, r.ret);
	EXPECT_STREQ("abcdefghij", r.data);
	conn_expect(&c, .flags = ACK, .ack = 13, .within_ms = DELAYED_ACK_MS);
	expect_read(c.fd, "kl", 0);
}

TEST_F(message, msg_waitall_ends_at_fin)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	s = three_of_ten(&self->peer, &c);
	conn_send(&c, .flags = FIN | ACK);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(3, r.ret);
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
}

/* A RST ends it too; the bytes first, the error at the next call. */
TEST_F(message, msg_waitall_ends_at_rst)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	s = three_of_ten(&self->peer, &c);
	conn_send(&c, .flags = RST);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(3, r.ret);
	EXPECT_EQ(ECONNRESET, errno_of(recv(c.fd, (char[1]){ 0 }, 1, 0)));
}

TEST_F(message, msg_waitall_interrupted)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	s = sleeper_start_alarm(_metadata, c.fd, recv_all_10, 500, 0);
	tell(&c, "abc");
	r = sleeper_expect_done(&s, 600);
	EXPECT_EQ(3, r.ret);
	EXPECT_LE(500, r.ms);
}

TEST_F(message, msg_waitall_rcvtimeo)
{
	struct timeval tv = { .tv_usec = 400000 };
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	s = sleeper_start(_metadata, c.fd, recv_all_10);
	tell(&c, "abc");
	r = sleeper_expect_done(&s, 1000);
	EXPECT_EQ(3, r.ret);
	EXPECT_LE(400, r.ms);
	EXPECT_GE(480, r.ms);
}

static long peek_all_10(int fd, char *data)
{
	return recv(fd, data, 10, MSG_WAITALL | MSG_PEEK);
}

TEST_F(message, msg_waitall_peek)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	s = sleeper_start(_metadata, c.fd, peek_all_10);
	tell(&c, "abcdef");
	sleeper_expect_asleep(&s, 300);
	tell(&c, "ghij");
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(10, r.ret);
	EXPECT_STREQ("abcdefghij", r.data);
	expect_read(c.fd, "abcdefghij", 0);
}

static long recv_100(int fd, char *data)
{
	return recv(fd, data, 100, 0);
}

/* SO_RCVLOWAT: so much, or the end. */
TEST_F(message, so_rcvlowat_waits_for_as_much)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 5 }, sizeof(int)));
	s = sleeper_start(_metadata, c.fd, recv_100);
	tell(&c, "abc");
	sleeper_expect_asleep(&s, 300);
	/*
	 * A reader that took some and sleeps again is woken by as much again, as on
	 * Linux.
	 */
	tell(&c, "defgh");
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(8, r.ret);
	/* A call without waiting takes what there is. */
	tell(&c, "g");
	expect_read(c.fd, "g", MSG_DONTWAIT);
	s = sleeper_start(_metadata, c.fd, recv_100);
	tell(&c, "h");
	sleeper_expect_asleep(&s, 300);
	conn_send(&c, .flags = FIN | ACK);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(1, r.ret);
	conn_expect(&c, .flags = ACK, .ack = 12, .within_ms = DELAYED_ACK_MS);
}

TEST_F(message, msg_oob_without_a_mark)
{
	struct conn c;
	char b;

	conn_open(&self->peer, &c);
	EXPECT_EQ(EINVAL, errno_of(recv(c.fd, &b, 1, MSG_OOB)));
	tell(&c, "abc");
	EXPECT_EQ(EINVAL, errno_of(recv(c.fd, &b, 1, MSG_OOB)));
	expect_read(c.fd, "abc", 0);
	EXPECT_EQ(0, socket_count(c.fd, SIOCATMARK));
}

TEST_F(message, msg_errqueue_is_empty)
{
	struct conn c;
	char b;

	conn_open(&self->peer, &c);
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, &b, 1, MSG_ERRQUEUE)));
}

/* recvfrom() does not change the address: the socket has it. */
TEST_F(message, msg_recvmsg_has_no_name)
{
	struct sockaddr_in sin = { .sin_family = 77 };
	struct iovec iov[2];
	char a[2], b[8], control[64];
	struct msghdr msg = {
		.msg_name = &sin, .msg_namelen = sizeof(sin),
		.msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct conn c;

	conn_open(&self->peer, &c);
	tell(&c, "abcde");
	iov[0] = (struct iovec){ a, sizeof(a) };
	iov[1] = (struct iovec){ b, sizeof(b) };
	ASSERT_EQ(5, recvmsg(c.fd, &msg, 0));
	EXPECT_EQ(0, memcmp(a, "ab", 2));
	EXPECT_EQ(0, memcmp(b, "cde", 3));
	EXPECT_EQ(0, msg.msg_namelen);
	EXPECT_EQ(0, msg.msg_controllen);
	EXPECT_EQ(0, msg.msg_flags);
	EXPECT_EQ(77, sin.sin_family);
}

TEST_F(message, msg_of_no_length)
{
	struct conn c;
	char b;

	conn_open(&self->peer, &c);
	EXPECT_EQ(0, send(c.fd, "", 0, 0));
	peer_expect_silence(&self->peer, 300);
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, &b, 0, 0)));
	tell(&c, "abc");
	EXPECT_EQ(0, recv(c.fd, &b, 0, 0));
	EXPECT_EQ(0, read(c.fd, &b, 0));
	expect_read(c.fd, "abc", 0);
}

/* --- flags of send ------------------------------------------------------ */

TEST_F(message, msg_more_holds_a_partial_segment)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(3, send(c.fd, "abc", 3, MSG_MORE));
	peer_expect_silence(p, 100);
	EXPECT_EQ(3, socket_count(c.fd, SIOCOUTQNSD));
	ASSERT_EQ(3, send(c.fd, "def", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "abcdef");
}

/* A full segment does not wait. */
TEST_F(message, msg_more_sends_full_segments)
{
	static char buf[2000];
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	pattern_fill(buf, sizeof(buf), 0);
	ASSERT_EQ(2000, send(c.fd, buf, 2000, MSG_MORE));
	peer_expect(p, .len = 1460, .pattern = 0);
	peer_expect_silence(p, 100);
	EXPECT_EQ(540, socket_count(c.fd, SIOCOUTQNSD));
	EXPECT_EQ(2000, socket_count(c.fd, SIOCOUTQ));
	/* The rest waits for the ACK only, by Nagle's rule. */
	conn_send(&c, .ack = 1461);
	conn_expect(&c, .seq = 1461, .len = 540, .pattern = 1460);
}

/* Data held back by MSG_MORE is sent before the FIN. */
TEST_F(message, msg_more_ends_with_shutdown)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(3, send(c.fd, "abc", 3, MSG_MORE));
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = ACK | FIN, .seq = 1, .ack = 1, .data = "abc");
}

TEST_F(message, msg_dontwait_sends_what_fits)
{
	static char buf[1 << 20];
	struct conn c;
	ssize_t n;

	conn_open(&self->peer, &c, .wnd = 0);
	self->peer.leave_unread = true;
	ASSERT_EQ(0, fcntl(c.fd, F_SETFL, 0));
	n = send(c.fd, buf, sizeof(buf), MSG_DONTWAIT);
	EXPECT_LT(0, n);
	EXPECT_GT((ssize_t)sizeof(buf), n);
	EXPECT_EQ(EAGAIN, errno_of(send(c.fd, buf, 1, MSG_DONTWAIT)));
	EXPECT_EQ(n, socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(n, socket_count(c.fd, SIOCOUTQNSD));
}

/* --- ioctl -------------------------------------------------------------- */

TEST_F(message, ioctl_siocinq)
{
	struct conn c;

	conn_open(&self->peer, &c);
	EXPECT_EQ(0, socket_count(c.fd, SIOCINQ));
	tell(&c, "abc");
	EXPECT_EQ(3, socket_count(c.fd, SIOCINQ));
	EXPECT_EQ(3, socket_count(c.fd, FIONREAD));
	/* Above a hole: not yet. */
	conn_send(&c, .seq = 10, .data = "late");
	conn_expect(&c, .flags = ACK, .ack = 4);
	EXPECT_EQ(3, socket_count(c.fd, SIOCINQ));
	expect_read(c.fd, "a", 0);
	EXPECT_EQ(2, socket_count(c.fd, SIOCINQ));
	/* A FIN is no byte. */
	conn_send(&c, .flags = FIN | ACK | PSH, .data = "de");
	conn_expect(&c, .flags = ACK, .ack = 7, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(4, socket_count(c.fd, SIOCINQ));
	expect_read(c.fd, "bcde", 0);
	EXPECT_EQ(0, socket_count(c.fd, SIOCINQ));
}

TEST_F(message, ioctl_siocoutq)
{
	static char buf[4000];
	struct conn c;

	conn_open(&self->peer, &c);
	self->peer.leave_unread = true;
	/* Space for one segment; its data is newer than the handshake. */
	conn_send(&c, .data = "x");
	conn_send(&c, .data = "y", .wnd = 1460);
	EXPECT_EQ(0, socket_count(c.fd, SIOCOUTQ));
	ASSERT_EQ(4000, send(c.fd, buf, 4000, 0));
	EXPECT_EQ(4000, socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(4000, socket_count(c.fd, TIOCOUTQ));
	EXPECT_EQ(4000 - 1460, socket_count(c.fd, SIOCOUTQNSD));
	conn_send(&c, .ack = 1461, .wnd = 0);
	EXPECT_EQ(4000 - 1460, socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(4000 - 1460, socket_count(c.fd, SIOCOUTQNSD));
	conn_send(&c, .ack = 1461, .wnd = 8000);
	EXPECT_EQ(4000 - 1460, socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(0, socket_count(c.fd, SIOCOUTQNSD));
	conn_send(&c, .ack = 4001, .wnd = 8000);
	EXPECT_EQ(0, socket_count(c.fd, SIOCOUTQ));
}

/* They don't wait for a call that sleeps in the middle of its copy and owns the socket. */
TEST_F(message, ioctl_siocoutq_takes_no_lock)
{
	static char buf[4000];
	struct holder holder;
	struct conn c;

	conn_open(&self->peer, &c);
	self->peer.leave_unread = true;
	conn_send(&c, .data = "x");
	conn_send(&c, .data = "y", .wnd = 1460);
	ASSERT_EQ(4000, send(c.fd, buf, 4000, 0));
	holder_hold(_metadata, &holder, c.fd);
	EXPECT_EQ(4000, socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(4000 - 1460, socket_count(c.fd, SIOCOUTQNSD));
	holder_release(&holder);
	EXPECT_EQ(2, socket_count(c.fd, SIOCINQ));
}

/* Linux counts the FIN here until it is acknowledged. */
TEST_F(message, ioctl_siocoutq_counts_the_fin)
{
	struct conn c;

	conn_to_state(&self->peer, &c, ST_FIN_WAIT_1);
	EXPECT_EQ(1, socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(0, socket_count(c.fd, SIOCOUTQNSD));
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, socket_count(c.fd, SIOCOUTQ));
}

static void ioctl_expect(struct __test_metadata *_metadata, int fd, int want)
{
	EXPECT_EQ(want, socket_count(fd, SIOCINQ));
	EXPECT_EQ(want, socket_count(fd, SIOCOUTQ));
	EXPECT_EQ(want, socket_count(fd, SIOCOUTQNSD));
	EXPECT_EQ(0, socket_count(fd, SIOCATMARK));
}

TEST_F(message, ioctl_by_state)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_LISTEN);
	ioctl_expect(_metadata, c.lfd, -EINVAL);
	conn_to_state(p, &c, ST_SYN_SENT);
	ioctl_expect(_metadata, c.fd, 0);
	close(c.fd);
	conn_to_state(p, &c, ST_SYN_RECEIVED);
	ioctl_expect(_metadata, c.fd, 0);
	ioctl_expect(_metadata, stream_socket(AF_INET), 0);
	p->leave_unread = true;
}

TEST_F(message, ioctl_unknown)
{
	EXPECT_EQ(-ENOTTY, socket_count(stream_socket(AF_INET), 0x12345));
}

TEST_F(message, ioctl_last_packet_time)
{
	struct timeval tv;
	struct conn c;

	conn_open(&self->peer, &c);
	/* Requested afterwards there is none. */
	EXPECT_EQ(ENOENT, errno_of(ioctl(c.fd, SIOCGSTAMP, &tv)));
}

/* --- times -------------------------------------------------------------- */

static int64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* The timestamp that recvmsg() returns; -1: none. */
static int64_t read_stamp(struct __test_metadata *_metadata, int fd, int option, int bytes)
{
	bool nanoseconds = option != SO_TIMESTAMP_OLD && option != SO_TIMESTAMP_NEW;
	char buf[64], control[256] = "";
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int64_t when[2];

	EXPECT_EQ(bytes, recvmsg(fd, &msg, MSG_DONTWAIT));
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg)
		return -1;
	EXPECT_EQ(SOL_SOCKET, cmsg->cmsg_level);
	EXPECT_EQ(option, cmsg->cmsg_type);
	EXPECT_EQ(NULL, CMSG_NXTHDR(&msg, cmsg));
	memcpy(when, CMSG_DATA(cmsg), sizeof(when));
	return when[0] * NSEC_PER_SEC + when[1] * (nanoseconds ? 1 : 1000);
}

/* What a control message asks for does not hide why nothing can be sent. */
TEST_F(message, msg_control_before_the_connection_is_open)
{
	union {
		char space[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr header;
	} control = { .header = {
		.cmsg_len = CMSG_LEN(sizeof(uint32_t)), .cmsg_level = SOL_SOCKET,
		.cmsg_type = SO_TIMESTAMPING_OLD,
	} };
	struct iovec iov = { "word", 4 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct conn c;

	memcpy(CMSG_DATA(&control.header), &(uint32_t){ SOF_TIMESTAMPING_TX_ACK }, 4);
	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	EXPECT_EQ(-1, sendmsg(c.fd, &msg, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 1);
	peer_expect_silence(&self->peer, 20);
	EXPECT_EQ(4, sendmsg(c.fd, &msg, MSG_DONTWAIT));
	conn_expect(&c, .flags = ACK | PSH, .data = "word");
	conn_send(&c, .flags = ACK);
}

/* errno of a write with a control message of a number that nobody may pass, and with a bad one. */
static void expect_control_refused(struct __test_metadata *_metadata, int fd, int option,
				   int value, int want)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { .header = {
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = option,
	} };
	struct iovec iov = { "word", 4 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.header), &value, sizeof(value));
	EXPECT_EQ(want, errno_of(sendmsg(fd, &msg, MSG_DONTWAIT)));
}

TEST_F(message, msg_control_that_needs_a_capability)
{
	bool tells = !stock_mode() || kernel_is_since(7, 3);
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, seteuid(65534));
	expect_control_refused(_metadata, c.fd, SO_MARK, 7, tells ? EPERM : EINVAL);
	expect_control_refused(_metadata, c.fd, -1, 7, EINVAL);
	ASSERT_EQ(0, seteuid(0));
	expect_control_refused(_metadata, c.fd, SO_TIMESTAMPING_OLD, -1, EINVAL);
	peer_expect_silence(&self->peer, 20);
	conn_send(&c, .flags = RST);
}

/* The last segment's arrival, whatever came before and when it is read. */
TEST_F(message_pair, so_timestamp_is_when_it_came)
{
	static const int options[] = {
		SO_TIMESTAMP_OLD, SO_TIMESTAMPNS_OLD, SO_TIMESTAMP_NEW,
		SO_TIMESTAMPNS_NEW, SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_NEW,
	};
	int client, server, flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

	pair_connected(&self->pair, KERNEL_PORT, &client, &server);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		bool all = options[i] == SO_TIMESTAMPING_OLD ||
			   options[i] == SO_TIMESTAMPING_NEW;
		int64_t sent, stamp;

		socket_set(server, SOL_SOCKET, options[i], all ? flags : 1);
		/* The first request has a work item switch it on. */
		sleep_ms(100);
		ASSERT_EQ(3, send(client, "abc", 3, 0));
		sleep_ms(50);
		sent = wall_ns();
		ASSERT_EQ(3, send(client, "def", 3, 0));
		sleep_ms(100);
		stamp = read_stamp(_metadata, server, options[i], 6);
		EXPECT_LE(sent / 1000, stamp / 1000);
		EXPECT_GT(sent + 50 * NSEC_PER_MSEC, stamp);
		/* One small segment, which takes a fast path to the reader. */
		sent = wall_ns();
		ASSERT_EQ(1, send(client, "g", 1, 0));
		sleep_ms(100);
		stamp = read_stamp(_metadata, server, options[i], 1);
		EXPECT_LE(sent / 1000, stamp / 1000);
		EXPECT_GT(sent + 50 * NSEC_PER_MSEC, stamp);
		socket_set(server, SOL_SOCKET, options[i], 0);
		ASSERT_EQ(1, send(client, "h", 1, 0));
		sleep_ms(50);
		EXPECT_EQ(-1, read_stamp(_metadata, server, options[i], 1));
	}
}

/* The queue of the device that the data came by is known, for busy polling. */
TEST_F(message_pair, so_busy_poll_knows_its_queue)
{
	int client, server, id = 0;
	socklen_t len = sizeof(id);

	/* With these two switches a veth device has queues that can be polled. */
	pair_enter(&self->pair, CLIENT);
	link_set_offload(WHERE(_metadata), "veth0", ETHTOOL_STSO, false);
	pair_enter(&self->pair, SERVER);
	link_set_offload(WHERE(_metadata), "veth1", ETHTOOL_SGRO, true);
	pair_connected(&self->pair, KERNEL_PORT, &client, &server);
	socket_set(server, SOL_SOCKET, SO_BUSY_POLL, 50);
	ASSERT_EQ(3, send(client, "abc", 3, 0));
	sleep_ms(10);
	expect_read(server, "abc", 0);
	ASSERT_EQ(0, getsockopt(server, SOL_SOCKET, SO_INCOMING_NAPI_ID, &id, &len));
	EXPECT_NE(0, id);
	EXPECT_EQ(EAGAIN, errno_of(recv(server, (char[1]){ 0 }, 1, MSG_DONTWAIT)));
	ASSERT_EQ(3, send(client, "def", 3, 0));
	expect_read(server, "def", 0);
}

/* The queue of a device @waits: after a packet it is polled a second later, or by a program. */
static void queue_waits(struct __test_metadata *_metadata, struct pair *pr, enum side side,
			const char *dev, bool waits)
{
	char path[64];

	pair_enter(pr, side);
	/* sysfs shows the devices of the namespace that mounts it. */
	ASSERT_EQ(0, mount("sysfs", "/sys", "sysfs", 0, NULL));
	snprintf(path, sizeof(path), "/sys/class/net/%s/gro_flush_timeout", dev);
	ASSERT_EQ(0, sysctl_write(path, waits ? "1000000000" : "0"));
	snprintf(path, sizeof(path), "/sys/class/net/%s/napi_defer_hard_irqs", dev);
	ASSERT_EQ(0, sysctl_write(path, waits ? "1000" : "0"));
	ASSERT_EQ(0, umount("/sys"));
}

/*
 * A packet waits in the queue of a device, and nobody is told. A program that may poll finds it
 * when it reads, whether it waits for data or not; another one gets it a second later.
 */
TEST_F(message_pair, so_busy_poll_looks_into_its_queue)
{
	static const char *const devs[] = { [CLIENT] = "veth0", [SERVER] = "veth1" };
	struct pair *pr = &self->pair;
	int fd[2];

	/* With these switches both ends of a veth pair have queues that can be polled. */
	for (int side = CLIENT; side <= SERVER; side++) {
		pair_enter(pr, side);
		link_set_offload(WHERE(_metadata), devs[side], ETHTOOL_STSO, false);
		link_set_offload(WHERE(_metadata), devs[side], ETHTOOL_SGRO, true);
	}
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	pair_connected(pr, KERNEL_PORT, &fd[CLIENT], &fd[SERVER]);
	socket_set(fd[CLIENT], IPPROTO_TCP, TCP_NODELAY, 1);
	socket_set(fd[SERVER], IPPROTO_TCP, TCP_NODELAY, 1);
	for (int reader = CLIENT; reader <= SERVER; reader++) {
		int from = fd[!reader], to = fd[reader];
		int64_t began_ms;

		ASSERT_EQ(3, send(from, "abc", 3, 0));
		sleep_ms(100);
		expect_read(to, "abc", 0);
		queue_waits(_metadata, pr, reader, devs[reader], true);
		/* The packet after which the queue waits. */
		ASSERT_EQ(3, send(from, "def", 3, 0));
		expect_read(to, "def", 0);
		began_ms = now_ms();
		ASSERT_EQ(3, send(from, "ghi", 3, 0));
		EXPECT_EQ(EAGAIN, errno_of(recv(to, (char[1]){ 0 }, 1, MSG_DONTWAIT)));
		socket_set(to, SOL_SOCKET, SO_BUSY_POLL, 50);
		expect_read(to, "ghi", MSG_DONTWAIT);
		ASSERT_EQ(3, send(from, "jkl", 3, 0));
		expect_read(to, "jkl", 0);
		EXPECT_GT(100, now_ms() - began_ms);
		socket_set(to, SOL_SOCKET, SO_BUSY_POLL, 0);
		ASSERT_EQ(3, send(from, "mno", 3, 0));
		EXPECT_EQ(EAGAIN, errno_of(recv(to, (char[1]){ 0 }, 1, MSG_DONTWAIT)));
		sleep_ms(1100);
		expect_read(to, "mno", MSG_DONTWAIT);
		queue_waits(_metadata, pr, reader, devs[reader], false);
		sleep_ms(1100);
	}
}

/*
 * ACKs arrive while a program writes 8 MiB, and what they let go is sent before the write is
 * over: here it sleeps in its last page. Without them only the initial window is sent.
 */
TEST_F(message_pair, msg_long_write_heeds_acks)
{
	enum { BYTES = 8 << 20 };
	int client, server;
	struct holder holder;

	pair_connected(&self->pair, KERNEL_PORT, &client, &server);
	socket_set(client, SOL_SOCKET, SO_SNDBUFFORCE, 4 * BYTES);
	socket_set(server, SOL_SOCKET, SO_RCVBUFFORCE, 4 * BYTES);
	holder_send(_metadata, &holder, client, BYTES);
	sleep_ms(10);
	EXPECT_LT(1 << 20, socket_count(server, FIONREAD));
	holder_release(&holder);
}

/* The first time after sixteen segments, as in Linux: here it sleeps in the seventeenth. */
TEST_F(message_pair, msg_long_write_heeds_acks_each_sixteen_segments)
{
	enum { BYTES = 7 * 4096 };	/* the last page begins at 16.97 segments */
	int client, server;
	struct holder holder;

	pair_enter(&self->pair, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	pair_connected(&self->pair, KERNEL_PORT, &client, &server);
	socket_set(client, SOL_SOCKET, SO_SNDBUFFORCE, 4 * BYTES);
	holder_send(_metadata, &holder, client, BYTES);
	sleep_ms(10);
	EXPECT_EQ(16 * 1448, socket_count(server, FIONREAD));
	holder_release(&holder);
}

/* --- send() that connects ----------------------------------------------- */

static ssize_t send_to(struct pair *pr, int fd, const char *text, int flags)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], KERNEL_PORT, &sa);

	return sendto(fd, text, strlen(text), flags | MSG_FASTOPEN | MSG_NOSIGNAL,
		      (struct sockaddr *)&sa, len);
}

/* Without a cookie of the server: first the handshake, then the data. */
TEST_F(message_pair, msg_fastopen_connects)
{
	int lfd = pair_listen(&self->pair, KERNEL_PORT, 4), fd, child;
	struct sockaddr any = { .sa_family = AF_UNSPEC };

	pair_enter(&self->pair, CLIENT);
	fd = stream_socket(socket_family(AF_INET));
	EXPECT_EQ(5, send_to(&self->pair, fd, "hello", 0));
	child = accept(lfd, NULL, NULL);
	ASSERT_LE(0, child);
	sleep_ms(10);
	expect_read(child, "hello", 0);
	/* It is connected. */
	EXPECT_EQ(EISCONN, errno_of(send_to(&self->pair, fd, "hello", 0)));
	close(fd);
	close(child);

	fd = stream_socket(socket_family(AF_INET));
	EXPECT_EQ(EOPNOTSUPP, errno_of(sendto(fd, "x", 1, MSG_FASTOPEN, &any, sizeof(any))));
	EXPECT_EQ(EINPROGRESS, errno_of(send_to(&self->pair, fd, "hello", MSG_DONTWAIT)));
	sleep_ms(10);
	EXPECT_EQ(2, send(fd, "hi", 2, MSG_DONTWAIT));
	close(fd);

	ASSERT_EQ(0, knob_set("fastopen", 0));
	fd = stream_socket(socket_family(AF_INET));
	EXPECT_EQ(EOPNOTSUPP, errno_of(send_to(&self->pair, fd, "hello", 0)));
	close(fd);
	close(lfd);
}

/* --- what the segment that made a socket tells --------------------------- */

TEST_F(message, ip_pktoptions_of_a_child)
{
	char control[128] = "";
	struct msghdr msg = { .msg_control = control };
	socklen_t len = sizeof(control);
	struct in_pktinfo info;
	struct cmsghdr *cmsg;
	struct conn c;
	uint8_t ttl = 0;

	conn_open(&self->peer, &c);
	if (socket_family(AF_INET) != AF_INET)
		return;		/* An option of IPv4's. */
	socket_set(c.fd, IPPROTO_IP, IP_PKTINFO, 1);
	socket_set(c.fd, IPPROTO_IP, IP_RECVTTL, 1);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_IP, IP_PKTOPTIONS, control, &len));
	msg.msg_controllen = len;
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT_NE(NULL, cmsg);
	ASSERT_EQ(IP_PKTINFO, cmsg->cmsg_type);
	memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
	EXPECT_EQ(if_nametoindex("tun0"), info.ipi_ifindex);
	cmsg = CMSG_NXTHDR(&msg, cmsg);
	ASSERT_NE(NULL, cmsg);
	EXPECT_EQ(IP_TTL, cmsg->cmsg_type);
	memcpy(&ttl, CMSG_DATA(cmsg), 1);
	EXPECT_EQ(64, ttl);
}

TEST_HARNESS_MAIN
