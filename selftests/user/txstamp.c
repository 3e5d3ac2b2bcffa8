// SPDX-License-Identifier: GPL-2.0
/*
 * txstamp: when a byte was queued for the device, sent and acknowledged:
 * SO_TIMESTAMPING with SOF_TIMESTAMPING_TX_*, of a socket or of one sendmsg(). All as
 * on Linux TCP, which passes these tests as well.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "lib/nfqueue.h"

#include <grp.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

PEER_FIXTURE(txstamp);
PAIR_FIXTURE(txstamp_pair);

#ifndef SCM_TIMESTAMPING_OPT_STATS
#define SCM_TIMESTAMPING_OPT_STATS 54
#endif
#define OPT_ID_TCP (1 << 16)	/* SOF_TIMESTAMPING_OPT_ID_TCP, since 6.2 */

#define TX_ALL (SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | \
		SOF_TIMESTAMPING_TX_ACK)
/* How records look: with a time and a key, and without data. */
#define USUAL (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | \
	       SOF_TIMESTAMPING_OPT_TSONLY)
#define MSS 1460

static int64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* One entry of an error queue. */
struct record {
	struct sock_extended_err ee;
	int64_t ns;		/* its time; 0: none */
	int len;		/* bytes of data with it */
	char data[4096];
};

static bool record_read(int fd, struct record *r)
{
	char control[512];
	struct iovec iov = { r->data, sizeof(r->data) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	memset(&r->ee, 0, sizeof(r->ee));
	r->ns = 0;
	r->len = recvmsg(fd, &msg, MSG_ERRQUEUE);
	if (r->len < 0)
		return false;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		struct timespec ts;

		if (cmsg->cmsg_level == SOL_SOCKET) {
			memcpy(&ts, CMSG_DATA(cmsg), sizeof(ts));
			r->ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
		} else {
			memcpy(&r->ee, CMSG_DATA(cmsg), sizeof(r->ee));
		}
	}
	return true;
}

static const char *kind_name(int kind)
{
	static const char *const names[] = {
		[SCM_TSTAMP_SND] = "SND",
		[SCM_TSTAMP_SCHED] = "SCHED",
		[SCM_TSTAMP_ACK] = "ACK",
	};

	return kind < 0 || kind > SCM_TSTAMP_ACK ? "none" : names[kind];
}

/* The next record is of that kind and byte. Return: its time, CLOCK_REALTIME in ns. */
#define expect_record(fd, kind, key) \
	expect_record_at(WHERE(_metadata), fd, kind, key, NULL)
static int64_t expect_record_at(struct where at, int fd, int kind, uint32_t key,
				struct record *copy)
{
	struct record own, *r = copy ?: &own;

	check(socket_poll(fd) & POLLERR, at, "no POLLERR, want %s %u", kind_name(kind), key);
	check(record_read(fd, r), at, "no record, want %s %u", kind_name(kind), key);
	check(r->ee.ee_errno == ENOMSG && r->ee.ee_origin == SO_EE_ORIGIN_TIMESTAMPING &&
	      (int)r->ee.ee_info == kind && r->ee.ee_data == key && r->ns, at,
	      "record of origin %u: %s %u, want %s %u", r->ee.ee_origin,
	      kind_name(r->ee.ee_info), r->ee.ee_data, kind_name(kind), key);
	return r->ns;
}

#define expect_no_record(fd) \
	do { \
		struct record no_r; \
		EXPECT_EQ(0, socket_poll(fd) & POLLERR); \
		EXPECT_FALSE(record_read(fd, &no_r)); \
		EXPECT_EQ(EAGAIN, errno); \
	} while (0)

/* The records of a write whose last byte has that key, before its ACK. */
#define expect_sent(fd, key) \
	do { \
		expect_record(fd, SCM_TSTAMP_SCHED, key); \
		expect_record(fd, SCM_TSTAMP_SND, key); \
	} while (0)

static int stamp(int fd, int flags)
{
	return socket_set(fd, SOL_SOCKET, SO_TIMESTAMPING_OLD, flags);
}

/* close() resets it, so that no orphan waits for an ACK when the test is over. */
static void no_orphan(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* A connection that asks for all three times of each write, which goes at once. */
static void open_stamped(struct peer *p, struct conn *c, int flags)
{
	conn_open(p, c);
	no_orphan(c->fd);
	socket_set(c->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	check(!stamp(c->fd, flags), WHERE(p->test), "SO_TIMESTAMPING: %s", strerror(errno));
}

/* sendmsg() with SO_TIMESTAMPING as a control message. Return: 0 or the errno. */
static int send_asking(int fd, const char *text, int flags, size_t flags_size)
{
	char control[CMSG_SPACE(sizeof(long))] = "";
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(flags_size),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SO_TIMESTAMPING_OLD;
	cmsg->cmsg_len = CMSG_LEN(flags_size);
	memcpy(CMSG_DATA(cmsg), &flags, sizeof(flags));
	return errno_of(sendmsg(fd, &msg, 0));
}

/* --- times ----------------------------------------------------------------- */

TEST_F(txstamp, wish_16_sent_at_the_write_acked_later)
{
	int64_t write_ns, written_ns, sched_ns, snd_ns, ack_ns, came_ns;
	struct peer *p = &self->peer;
	struct conn c;

	open_stamped(p, &c, TX_ALL | USUAL);
	expect_no_record(c.fd);
	write_ns = wall_ns();
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	written_ns = wall_ns();
	conn_expect(&c, .seq = 1, .data = "abc");
	sched_ns = expect_record(c.fd, SCM_TSTAMP_SCHED, 2);
	snd_ns = expect_record(c.fd, SCM_TSTAMP_SND, 2);
	expect_no_record(c.fd);
	EXPECT_LE(write_ns, sched_ns);
	EXPECT_LE(sched_ns, snd_ns);
	EXPECT_LE(snd_ns, written_ns);
	sleep_ms(50);
	expect_no_record(c.fd);
	came_ns = wall_ns();
	conn_send(&c, .flags = ACK);
	ack_ns = expect_record(c.fd, SCM_TSTAMP_ACK, 2);
	EXPECT_LE(came_ns, ack_ns);
	EXPECT_GE(wall_ns(), ack_ns);
	expect_no_record(c.fd);
	EXPECT_EQ(0, socket_error(c.fd));
}

/* Each time alone, and the new form of the option. */
TEST_F(txstamp, wish_16_each_kind_by_itself)
{
	static const struct {
		int flag, kind;
	} kinds[] = {
		{ SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED },
		{ SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND },
		{ SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK },
	};
	struct conn c;

	conn_open(&self->peer, &c);
	no_orphan(c.fd);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_TIMESTAMPING_NEW,
					kinds[i].flag | USUAL));
		ASSERT_EQ(2, send(c.fd, "ab", 2, 0));
		conn_expect(&c, .data = "ab");
		conn_send(&c, .flags = ACK);
		expect_record(c.fd, kinds[i].kind, 2 * i + 1);
		expect_no_record(c.fd);
	}
	/* Without SOF_TIMESTAMPING_SOFTWARE there is a record, and no time in it. */
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_TSONLY));
	ASSERT_EQ(2, send(c.fd, "ab", 2, 0));
	conn_expect(&c, .data = "ab");
	conn_send(&c, .flags = ACK);
	{
		struct record r;

		ASSERT_TRUE(record_read(c.fd, &r));
		EXPECT_EQ(0, r.ns);
	}
	ASSERT_EQ(0, stamp(c.fd, 0));
	ASSERT_EQ(2, send(c.fd, "ab", 2, 0));
	conn_expect(&c, .data = "ab");
	conn_send(&c, .flags = ACK);
	expect_no_record(c.fd);
}

/* As in Linux a copy that is sent again is reported again; the ACK once. */
TEST_F(txstamp, wish_16_retransmission)
{
	struct peer *p = &self->peer;
	int64_t first_ns, again_ns;
	struct conn c;
	int64_t wait_ms;

	open_stamped(p, &c, TX_ALL | USUAL);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .seq = 1, .data = "abc");
	expect_record(c.fd, SCM_TSTAMP_SCHED, 2);
	first_ns = expect_record(c.fd, SCM_TSTAMP_SND, 2);
	wait_ms = now_ms();
	conn_expect(&c, .seq = 1, .data = "abc", .within_ms = 1500);
	wait_ms = now_ms() - wait_ms;
	expect_record(c.fd, SCM_TSTAMP_SCHED, 2);
	again_ns = expect_record(c.fd, SCM_TSTAMP_SND, 2);
	EXPECT_LE(wait_ms - 20, (again_ns - first_ns) / NSEC_PER_MSEC);
	EXPECT_GE(wait_ms + 20, (again_ns - first_ns) / NSEC_PER_MSEC);
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, 2);
	expect_no_record(c.fd);
}

/* --- keys ------------------------------------------------------------------ */

/* The place of a write's last byte, counted from the option on. */
TEST_F(txstamp, wish_16_opt_id_counts_bytes)
{
	static char text[2 * MSS];
	static const int lens[] = { 1, 1000, 5, 2 * MSS };
	struct peer *p = &self->peer;
	uint32_t key = -1;
	struct conn c;

	conn_open(p, &c);
	no_orphan(c.fd);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .data = "abc");
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(0, stamp(c.fd, TX_ALL | USUAL));
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		key += lens[i];
		ASSERT_EQ(lens[i], send(c.fd, text, lens[i], 0));
		peer_drain(p, 5);
		expect_sent(c.fd, key);
		conn_send(&c, .flags = ACK, .ack = 3 + key + 2);
		expect_record(c.fd, SCM_TSTAMP_ACK, key);
		expect_no_record(c.fd);
	}
	/* To set it again begins anew only if it was off meanwhile. */
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_ACK | USUAL));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	peer_drain(p, 5);
	conn_send(&c, .flags = ACK, .ack = 3 + key + 3);
	expect_record(c.fd, SCM_TSTAMP_ACK, key + 1);
	ASSERT_EQ(0, stamp(c.fd, 0));
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_ACK | USUAL));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	peer_drain(p, 5);
	conn_send(&c, .flags = ACK, .ack = 3 + key + 4);
	expect_record(c.fd, SCM_TSTAMP_ACK, 0);
}

/*
 * While bytes are in flight: key 0 is the first of these, or with OPT_ID_TCP the next
 * to be written; and for xtcp before 6.8, which doesn't see the option.
 */
TEST_F(txstamp, wish_16_opt_id_set_in_flight)
{
	bool seen = stock_mode() || kernel_is_since(6, 8), oldest;
	struct peer *p = &self->peer;
	struct conn c;

	open_stamped(p, &c, SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
		     SOF_TIMESTAMPING_OPT_TSONLY);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .data = "abc");
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_ACK | USUAL));
	ASSERT_EQ(2, send(c.fd, "de", 2, 0));
	conn_expect(&c, .data = "de");
	ASSERT_EQ(0, stamp(c.fd, 0));
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_ACK | USUAL |
			   (kernel_is_since(6, 2) ? OPT_ID_TCP : 0)));
	ASSERT_EQ(1, send(c.fd, "f", 1, 0));
	conn_expect(&c, .data = "f");
	conn_send(&c, .flags = ACK);
	/* Numbered by the base of the time of the record. */
	oldest = seen && !kernel_is_since(6, 2);
	expect_record(c.fd, SCM_TSTAMP_ACK, oldest ? 2 : -3);
	expect_record(c.fd, SCM_TSTAMP_ACK, oldest ? 4 : -1);
	expect_record(c.fd, SCM_TSTAMP_ACK, oldest ? 5 : 0);
	expect_no_record(c.fd);
}

/* The same, but the option is set again and nothing is written. */
TEST_F(txstamp, wish_16_opt_id_set_again_in_flight)
{
	bool seen = stock_mode() || kernel_is_since(6, 8);
	struct peer *p = &self->peer;
	struct conn c;

	open_stamped(p, &c, SOF_TIMESTAMPING_TX_ACK | USUAL);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .data = "abc");
	ASSERT_EQ(2, send(c.fd, "de", 2, 0));
	conn_expect(&c, .data = "de");
	ASSERT_EQ(0, stamp(c.fd, 0));
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_ACK | USUAL));
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, seen ? 2 : -3);
	expect_record(c.fd, SCM_TSTAMP_ACK, seen ? 4 : -1);
	expect_no_record(c.fd);
}

/* Without OPT_ID a record doesn't name its byte. */
TEST_F(txstamp, wish_16_no_key_without_opt_id)
{
	struct conn c;

	open_stamped(&self->peer, &c, TX_ALL | (USUAL & ~SOF_TIMESTAMPING_OPT_ID));
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .data = "abc");
	expect_sent(c.fd, 0);
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, 0);
	expect_no_record(c.fd);
}

/* Keys are counted from a byte: EINVAL without a connection. Other flags are set. */
TEST_F(txstamp, wish_16_opt_id_needs_a_connection)
{
	bool seen = stock_mode() || kernel_is_since(6, 8);
	int fd = stream_socket(socket_family(AF_INET));
	int lfd = peer_listen(&self->peer, KERNEL_PORT, 4);

	EXPECT_EQ(seen ? EINVAL : 0, stamp(fd, TX_ALL | USUAL));
	EXPECT_EQ(seen ? EINVAL : 0, stamp(lfd, TX_ALL | USUAL));
	EXPECT_EQ(0, stamp(fd, TX_ALL | SOF_TIMESTAMPING_SOFTWARE));
	EXPECT_EQ(0, stamp(lfd, TX_ALL | SOF_TIMESTAMPING_SOFTWARE));
	close(fd);
	close(lfd);
}

/* Wrong flags, of the option and of a control message; nothing is sent. */
TEST_F(txstamp, wish_16_wrong_flags)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_stamped(p, &c, TX_ALL | USUAL);
	EXPECT_EQ(EINVAL, stamp(c.fd, 1 << 30));
	EXPECT_EQ(EINVAL, stamp(c.fd, SOF_TIMESTAMPING_OPT_STATS));
	if (kernel_is_since(6, 2))
		EXPECT_EQ(EINVAL, stamp(c.fd, OPT_ID_TCP));
	EXPECT_EQ(EINVAL, errno_of(setsockopt(c.fd, SOL_SOCKET, SO_TIMESTAMPING_OLD,
					      &(short){ 0 }, sizeof(short))));
	EXPECT_EQ(EFAULT, errno_of(setsockopt(c.fd, SOL_SOCKET, SO_TIMESTAMPING_OLD,
					      NULL, sizeof(int))));
	EXPECT_EQ(EINVAL, send_asking(c.fd, "abc", SOF_TIMESTAMPING_OPT_ID, sizeof(int)));
	EXPECT_EQ(EINVAL, send_asking(c.fd, "abc", 1 << 30, sizeof(int)));
	EXPECT_EQ(EINVAL, send_asking(c.fd, "abc", SOF_TIMESTAMPING_TX_ACK, sizeof(long)));
	peer_expect_silence(p, 100);
	expect_no_record(c.fd);
	/* The flags from before are still set. */
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	conn_expect(&c, .data = "a");
	expect_sent(c.fd, 0);
	conn_send(&c, .flags = ACK);
}

/* --- which byte of which segment ------------------------------------------- */

/* One skb, one byte: that of the last write. */
TEST_F(txstamp, wish_16_writes_that_share_a_segment)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_stamped(p, &c, TX_ALL | USUAL);
	ASSERT_EQ(3, send(c.fd, "abc", 3, MSG_MORE));
	peer_expect_silence(p, 50);
	ASSERT_EQ(3, send(c.fd, "def", 3, 0));
	conn_expect(&c, .data = "abcdef");
	expect_sent(c.fd, 5);
	expect_no_record(c.fd);
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, 5);
	expect_no_record(c.fd);

	/* And Nagle's algorithm holds back some. */
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 0);
	ASSERT_EQ(1, send(c.fd, "g", 1, 0));
	ASSERT_EQ(1, send(c.fd, "h", 1, 0));
	ASSERT_EQ(1, send(c.fd, "i", 1, 0));
	conn_expect(&c, .data = "g");
	expect_sent(c.fd, 6);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .data = "hi");
	expect_record(c.fd, SCM_TSTAMP_ACK, 6);
	expect_sent(c.fd, 8);
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, 8);
	expect_no_record(c.fd);
}

/*
 * A write of several segments: the times are those of its last byte. Here the window
 * holds back its last segment.
 */
TEST_F(txstamp, wish_16_the_last_segment_of_a_write)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .wnd = 3 * MSS);
	no_orphan(c.fd);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	ASSERT_EQ(0, stamp(c.fd, TX_ALL | USUAL));
	conn_write(&c, 3 * MSS + 100);
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .seq = 1 + i * MSS, .len = MSS);
	peer_expect_silence(p, 20);
	expect_no_record(c.fd);
	conn_send(&c, .flags = ACK, .ack = 1 + 2 * MSS);
	conn_expect(&c, .seq = 1 + 3 * MSS, .len = 100, .flags = ACK | PSH);
	expect_sent(c.fd, 3 * MSS + 99);
	conn_send(&c, .flags = ACK, .ack = 1 + 3 * MSS);
	expect_no_record(c.fd);
	/* Half of the segment, which is none of its last byte. */
	conn_send(&c, .flags = ACK, .ack = 1 + 3 * MSS + 50);
	expect_no_record(c.fd);
	conn_send(&c, .flags = ACK, .ack = 1 + 3 * MSS + 100);
	expect_record(c.fd, SCM_TSTAMP_ACK, 3 * MSS + 99);
	expect_no_record(c.fd);
}

/*
 * A write that ends because the send buffer is full: all of it was sent on the way, and its
 * last segment still waits in the device's queue.
 */
TEST_F(txstamp, wish_16_the_last_segment_waits_in_a_queue)
{
	static char text[65536];
	struct peer *p = &self->peer;
	struct conn c;
	int n, seen = 0, unsent = -1;

	/* Each skb in the queue has the flags of the one that stays with the socket. */
	link_set_single_segments(WHERE(_metadata), "tun0");
	conn_open(p, &c);
	no_orphan(c.fd);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	/* A congestion window for all of it. */
	for (int segs = 10; segs <= 20; segs *= 2) {
		conn_write(&c, segs * MSS);
		for (int i = 0; i < segs; i++)
			conn_expect(&c, .len = MSS);
		conn_send(&c, .flags = ACK);
	}
	seen = 30 * MSS;
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_SOFTWARE | USUAL));
	shaper_set(WHERE(_metadata), "tun0", 10000, 100000);
	n = send(c.fd, text, sizeof(text), MSG_DONTWAIT);
	ASSERT_LT(MSS, n);
	ASSERT_GT((int)sizeof(text), n);
	ASSERT_EQ(0, ioctl(c.fd, SIOCOUTQNSD, &unsent));
	ASSERT_EQ(0, unsent);
	for (int end = seen + n; seen < end; seen += p->last.len)
		conn_expect(&c, .seq = 1 + seen, .within_ms = 2000);
	expect_record(c.fd, SCM_TSTAMP_SND, n - 1);
	expect_no_record(c.fd);
}

/* A byte in the middle of an skb: what follows was written without a request. */
TEST_F(txstamp, wish_16_a_byte_in_the_middle)
{
	static char text[4 * MSS];
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	no_orphan(c.fd);
	ASSERT_EQ(0, stamp(c.fd, USUAL));
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	/* A full segment would not wait. */
	ASSERT_EQ(0, send_asking(c.fd, "0123456789", TX_ALL, sizeof(int)));
	ASSERT_EQ(100, send(c.fd, text, 100, 0));
	peer_expect_silence(p, 20);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0));
	conn_expect(&c, .seq = 1, .len = 110);
	expect_sent(c.fd, 9);
	conn_send(&c, .flags = ACK, .ack = 1 + 9);
	expect_no_record(c.fd);
	conn_send(&c, .flags = ACK, .ack = 1 + 10);
	expect_record(c.fd, SCM_TSTAMP_ACK, 9);
	conn_send(&c, .flags = ACK, .ack = 1 + 110);
	expect_no_record(c.fd);
}

/* The record has the data, and the program does not read it: the rest is sent again. */
TEST_F(txstamp, wish_16_an_unread_record_stops_no_retransmission)
{
	static char text[100];
	struct peer *p = &self->peer;
	struct conn c;
	int rto_ms;

	NOT_ON_STOCK();		/* it sends nothing within that time */
	conn_open(p, &c);
	no_orphan(c.fd);
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID));
	pattern_fill(text, sizeof(text), 10);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	ASSERT_EQ(0, send_asking(c.fd, "0123456789", SOF_TIMESTAMPING_TX_ACK, sizeof(int)));
	ASSERT_EQ(100, send(c.fd, text, 100, 0));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0));
	conn_expect(&c, .seq = 1, .len = 110);
	conn_send(&c, .flags = ACK, .ack = 1 + 10);
	peer_mark(p);
	rto_ms = conn_info(&c).rto_us / 1000;
	conn_expect(&c, .seq = 11, .len = 100, .within_ms = 4 * rto_ms);
	conn_send(&c, .flags = ACK, .ack = 1 + 110);
	expect_record(c.fd, SCM_TSTAMP_ACK, 9);
	expect_no_record(c.fd);
}

/* The same of a FIN behind the data. */
TEST_F(txstamp, wish_16_an_unread_record_stops_no_fin)
{
	struct peer *p = &self->peer;
	struct conn c;
	int rto_ms;

	NOT_ON_STOCK();		/* it sends nothing within that time */
	conn_open(p, &c);
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	ASSERT_EQ(0, send_asking(c.fd, "0123456789", SOF_TIMESTAMPING_TX_ACK, sizeof(int)));
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | PSH | ACK, .seq = 1, .len = 10);
	conn_send(&c, .flags = ACK, .ack = 1 + 10);
	peer_mark(p);
	rto_ms = conn_info(&c).rto_us / 1000;
	conn_expect(&c, .flags = FIN | PSH | ACK, .seq = 11, .within_ms = 4 * rto_ms);
	conn_send(&c, .flags = RST, .ack = 12);
	expect_record(c.fd, SCM_TSTAMP_ACK, 9);
}

/*
 * Segments that the peer has SACKed, each of a write of its own. Linux merges them,
 * and reports only one of those that are merged; xtcp reports all.
 */
TEST_F(txstamp, wish_16_sacked_segments)
{
	static char text[MSS];
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	no_orphan(c.fd);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	ASSERT_EQ(0, stamp(c.fd, SOF_TIMESTAMPING_TX_ACK | USUAL));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(MSS, send(c.fd, text, MSS, 0));
		conn_expect(&c, .seq = 1 + i * MSS, .len = MSS);
	}
	conn_send_sack(&c, 1, { 1 + MSS, 1 + 2 * MSS });
	conn_send_sack(&c, 1, { 1 + MSS, 1 + 3 * MSS });
	peer_drain(p, 5);
	expect_no_record(c.fd);
	conn_send(&c, .flags = ACK, .ack = 1 + 4 * MSS);
	expect_record(c.fd, SCM_TSTAMP_ACK, MSS - 1);
	if (!stock_mode())
		expect_record(c.fd, SCM_TSTAMP_ACK, 2 * MSS - 1);
	expect_record(c.fd, SCM_TSTAMP_ACK, 3 * MSS - 1);
	expect_record(c.fd, SCM_TSTAMP_ACK, 4 * MSS - 1);
	expect_no_record(c.fd);
}

/* --- requests by a control message ----------------------------------------- */

TEST_F(txstamp, wish_16_one_sendmsg)
{
	struct conn c;

	open_stamped(&self->peer, &c, USUAL);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .data = "abc");
	ASSERT_EQ(0, send_asking(c.fd, "defg", TX_ALL, sizeof(int)));
	conn_expect(&c, .data = "defg");
	expect_sent(c.fd, 6);
	ASSERT_EQ(3, send(c.fd, "hij", 3, 0));
	conn_expect(&c, .data = "hij");
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, 6);
	expect_no_record(c.fd);
	/* Its flags replace the socket's, for this call. */
	ASSERT_EQ(0, stamp(c.fd, TX_ALL | USUAL));
	ASSERT_EQ(0, send_asking(c.fd, "k", SOF_TIMESTAMPING_TX_ACK, sizeof(int)));
	ASSERT_EQ(0, send_asking(c.fd, "l", 0, sizeof(int)));
	conn_expect(&c, .data = "k");
	conn_expect(&c, .data = "l");
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, 10);
	expect_no_record(c.fd);
}

/* --- the error queue ------------------------------------------------------- */

/* Without OPT_TSONLY a record has its packet; that of an ACK the payload. */
TEST_F(txstamp, wish_16_records_with_their_data)
{
	struct record r;
	struct conn c;

	open_stamped(&self->peer, &c, TX_ALL | (USUAL & ~SOF_TIMESTAMPING_OPT_TSONLY));
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .data = "abc");
	for (int i = 0; i < 2; i++) {
		expect_record_at(WHERE(_metadata), c.fd, i ? SCM_TSTAMP_SND : SCM_TSTAMP_SCHED,
				 2, &r);
		ASSERT_LE(3 + 20 + 20, r.len);
		EXPECT_EQ(0, memcmp(r.data + r.len - 3, "abc", 3));
	}
	conn_send(&c, .flags = ACK);
	expect_record_at(WHERE(_metadata), c.fd, SCM_TSTAMP_ACK, 2, &r);
	ASSERT_EQ(3, r.len);
	EXPECT_EQ(0, memcmp(r.data, "abc", 3));
}

/* Records that the receive buffer can't hold are dropped; data is sent as ever. */
TEST_F(txstamp, wish_16_a_full_error_queue)
{
	struct peer *p = &self->peer;
	struct record r;
	int records = 0;
	struct conn c;

	open_stamped(p, &c, TX_ALL | USUAL);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 2304));
	for (int i = 0; i < 40; i++) {
		ASSERT_EQ(1, send(c.fd, "a", 1, 0));
		conn_expect(&c, .data = "a");
		conn_send(&c, .flags = ACK);
	}
	while (record_read(c.fd, &r)) {
		/* The first ones are there, in order. */
		EXPECT_EQ(records / 3, (int)r.ee.ee_data);
		records++;
	}
	EXPECT_LT(0, records);
	EXPECT_GT(40, records);
	ASSERT_EQ(1, send(c.fd, "b", 1, 0));
	conn_expect(&c, .data = "b");
	conn_send(&c, .flags = ACK);
	expect_sent(c.fd, 40);
	expect_record(c.fd, SCM_TSTAMP_ACK, 40);
}

/* Nobody reads the records; the run checks that nothing of them is left. */
TEST_F(txstamp, wish_16_close_with_unread_records)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_stamped(p, &c, TX_ALL | (USUAL & ~SOF_TIMESTAMPING_OPT_TSONLY));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(1, send(c.fd, "a", 1, 0));
		conn_expect(&c, .data = "a");
	}
	conn_send(&c, .flags = ACK, .ack = 3);
	EXPECT_TRUE(socket_poll(c.fd) & POLLERR);
	setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 0 }, sizeof(struct linger));
	/* Two are acknowledged when the program is gone. */
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK);
	conn_send(&c, .flags = ACK);
	conn_send(&c, .flags = RST | ACK);
}

/* A connection is reset with requests in flight and unsent: there is no ACK. */
TEST_F(txstamp, wish_16_reset_with_requests)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .wnd = 3 * MSS);
	no_orphan(c.fd);
	ASSERT_EQ(0, stamp(c.fd, TX_ALL | USUAL));
	conn_write(&c, 3 * MSS);
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .len = MSS);
	conn_write(&c, MSS);
	expect_sent(c.fd, 3 * MSS - 1);
	conn_send(&c, .flags = RST);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	expect_no_record(c.fd);
}

static void as_nobody(struct __test_metadata *_metadata, struct conn *c)
{
	ASSERT_EQ(0, setgroups(0, NULL));
	ASSERT_EQ(0, setresgid(65534, 65534, 65534));
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	ASSERT_EQ(0, stamp(c->fd, TX_ALL | USUAL));
	ASSERT_EQ(3, send(c->fd, "abc", 3, 0));
	conn_expect(c, .data = "abc");
	expect_sent(c->fd, 2);
	conn_send(c, .flags = ACK);
	expect_record(c->fd, SCM_TSTAMP_ACK, 2);
	expect_no_record(c->fd);
}

TEST_F(txstamp, wish_16_needs_no_privilege)
{
	struct conn c;
	int status;
	pid_t pid;

	conn_open(&self->peer, &c);
	no_orphan(c.fd);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		as_nobody(_metadata, &c);
		_exit(_metadata->exit_code != KSFT_PASS);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Both write to the same queue. */
TEST_F(txstamp, wish_16_with_msg_zerocopy)
{
	static char text[1000];
	struct record r;
	struct conn c;

	open_stamped(&self->peer, &c, TX_ALL | USUAL);
	if (!kernel_sends_pages())
		return;		/* user/zerocopy tests what happens then. */
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(1000, send(c.fd, text, sizeof(text), MSG_ZEROCOPY));
	conn_expect(&c, .len = 1000, .pattern = 0);
	expect_sent(c.fd, 999);
	conn_send(&c, .flags = ACK);
	expect_record(c.fd, SCM_TSTAMP_ACK, 999);
	ASSERT_TRUE(record_read(c.fd, &r));
	EXPECT_EQ(SO_EE_ORIGIN_ZEROCOPY, r.ee.ee_origin);
	EXPECT_EQ(0, (int)r.ee.ee_info);
	EXPECT_EQ(0, (int)r.ee.ee_data);
	expect_no_record(c.fd);
}

/* --- a whole transfer ------------------------------------------------------ */

#define WRITES 300
#define WRITE 7001

/* Takes all records; counts those of each kind, whose keys must be write ends. */
static void take_records(struct __test_metadata *_metadata, int fd, int count[3])
{
	static uint32_t last[3];
	struct record r;

	while (record_read(fd, &r)) {
		ASSERT_EQ(SO_EE_ORIGIN_TIMESTAMPING, r.ee.ee_origin);
		ASSERT_GT(3, r.ee.ee_info);
		ASSERT_EQ(0, (r.ee.ee_data + 1) % WRITE);
		if (count[r.ee.ee_info]++)
			ASSERT_LT(last[r.ee.ee_info], r.ee.ee_data);
		last[r.ee.ee_info] = r.ee.ee_data;
	}
}

/*
 * A queue of netfilter makes a new skb of one that a device would have to segment, as is
 * each one of the native wire with much payload.
 */
TEST_F(txstamp_pair, wish_16_through_a_netfilter_queue)
{
	static char text[1000];
	int client, server;
	struct nfqueue q;

	pair_connected(&self->pair, KERNEL_PORT, &client, &server);
	ASSERT_EQ(0, stamp(client, TX_ALL | USUAL));
	pair_enter(&self->pair, CLIENT);
	nfqueue_open(WHERE(_metadata), &q);
	nfqueue_fill(WHERE(_metadata), self->pair.addr[CLIENT].family, "postrouting");
	ASSERT_EQ(1000, send(client, text, sizeof(text), 0));
	nfqueue_pass(WHERE(_metadata), &q);
	sleep_ms(300);
	expect_record(client, SCM_TSTAMP_SCHED, 999);
	expect_record(client, SCM_TSTAMP_SND, 999);
	expect_record(client, SCM_TSTAMP_ACK, 999);
	close(q.nl);
}

/*
 * Several segments in an skb: each write that an skb ends with has one record of each
 * kind, in the order of the stream, and the last write has them.
 */
TEST_F(txstamp_pair, wish_16_bulk)
{
	static char text[WRITE], sink[1 << 20];
	int client, server, count[3] = { 0 };
	size_t got = 0;

	pair_connected(&self->pair, KERNEL_PORT, &client, &server);
	socket_set(client, IPPROTO_TCP, TCP_NODELAY, 1);
	ASSERT_EQ(0, stamp(client, TX_ALL | USUAL));
	for (int i = 0; i < WRITES; i++) {
		struct pollfd pfd = { .fd = server, .events = POLLIN };

		ASSERT_EQ(WRITE, send(client, text, WRITE, 0));
		while (got < (size_t)(i + 1) * WRITE) {
			ssize_t n;

			ASSERT_EQ(1, poll(&pfd, 1, 5000));
			n = recv(server, sink, sizeof(sink), MSG_DONTWAIT);
			ASSERT_LT(0, n);
			got += n;
		}
		take_records(_metadata, client, count);
	}
	sleep_ms(300);
	take_records(_metadata, client, count);
	EXPECT_EQ(WRITES, count[SCM_TSTAMP_SCHED]);
	EXPECT_EQ(WRITES, count[SCM_TSTAMP_SND]);
	EXPECT_EQ(WRITES, count[SCM_TSTAMP_ACK]);
}

TEST_HARNESS_MAIN
