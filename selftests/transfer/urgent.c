// SPDX-License-Identifier: GPL-2.0
/*
 * urgent: the urgent byte of either direction, with all that programs see of it:
 * MSG_OOB, SO_OOBINLINE, SIOCATMARK, SIGURG, POLLPRI. RFC 9293 3.8.5 (MUST-30 to 33,
 * 62, 66), RFC 6093; all as on Linux TCP, which passes these tests as well.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>

PEER_FIXTURE(urgent);


static volatile sig_atomic_t sigurgs;

static void on_sigurg(int sig)
{
	sigurgs++;
}

static void want_sigurg(struct __test_metadata *_metadata, int fd)
{
	struct sigaction sa = { .sa_handler = on_sigurg };

	sigurgs = 0;
	ASSERT_EQ(0, sigaction(SIGURG, &sa, NULL));
	ASSERT_EQ(0, fcntl(fd, F_SETOWN, getpid()));
}

#define at_mark(fd)	socket_count(fd, SIOCATMARK)

/* recv() of up to @len bytes gives exactly @text. */
#define expect_text(fd, text, len, flags) \
	do { \
		char expect_buf[64] = ""; \
		ASSERT_EQ((ssize_t)strlen(text), recv(fd, expect_buf, len, flags)); \
		EXPECT_STREQ(text, expect_buf); \
	} while (0)

#define expect_errno(err, call) \
	do { \
		EXPECT_EQ(-1, call); \
		EXPECT_EQ(err, errno); \
	} while (0)

/* @text from the peer with the urgent pointer at @urg, and its ACK. */
static void tell(struct conn *c, const char *text, int urg)
{
	conn_send(c, .flags = ACK | PSH | (urg ? URG : 0), .data = text, .urg = urg);
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = DELAYED_ACK_MS);
}

/* --- outwards ------------------------------------------------------------- */

TEST_F(urgent, rfc9293_must_30_send)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(3, send(c.fd, "abc", 3, MSG_OOB));
	conn_expect(&c, .flags = ACK | PSH | URG, .data = "abc", .urg = 3);
	/* Once acknowledged, it is no longer urgent. */
	conn_send(&c, .flags = ACK, .ack = 4);
	ASSERT_EQ(3, send(c.fd, "def", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "def", .urg = 0);
	conn_send(&c, .flags = ACK, .ack = 7);
}

TEST_F(urgent, rfc9293_must_62_pointer_is_after_the_byte)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, send(c.fd, "!", 1, MSG_OOB));
	conn_expect(&c, .flags = ACK | PSH | URG, .seq = 1, .data = "!", .urg = 1);
	/* And it is read so. */
	conn_send(&c, .flags = ACK | URG, .ack = 2, .data = "ab", .urg = 1);
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	expect_text(c.fd, "a", 9, MSG_OOB);
	expect_text(c.fd, "b", 9, 0);
}

TEST_F(urgent, nagle_does_not_hold_it_back)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "a");
	ASSERT_EQ(1, send(c.fd, "b", 1, 0));
	peer_expect_silence(c.peer, 5);
	ASSERT_EQ(1, send(c.fd, "c", 1, MSG_OOB));
	conn_expect(&c, .flags = ACK | PSH | URG, .seq = 2, .data = "bc", .urg = 2);
	conn_send(&c, .flags = ACK, .ack = 4);
}

/* Nor does the program itself, by TCP_CORK or MSG_MORE. */
TEST_F(urgent, cork_does_not_hold_it_back)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	peer_expect_silence(c.peer, 50);
	ASSERT_EQ(1, send(c.fd, "b", 1, MSG_OOB));
	conn_expect(&c, .flags = ACK | PSH | URG, .seq = 1, .data = "ab", .urg = 2);
	conn_send(&c, .flags = ACK, .ack = 3);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0));
	ASSERT_EQ(1, send(c.fd, "c", 1, MSG_OOB | MSG_MORE));
	conn_expect(&c, .seq = 3, .data = "c", .urg = 1);
	conn_send(&c, .flags = ACK, .ack = 4);
	/* Later bytes are held back as before. */
	ASSERT_EQ(1, send(c.fd, "d", 1, MSG_MORE));
	peer_expect_silence(c.peer, 50);
	ASSERT_EQ(1, send(c.fd, "e", 1, 0));
	conn_expect(&c, .seq = 4, .data = "de");
	conn_send(&c, .flags = ACK, .ack = 6);
}

TEST_F(urgent, rfc9293_must_31_any_length)
{
	static uint8_t text[2500];
	struct conn c;

	/* Each segment before the end points there. */
	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(1000)));
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(2500, send(c.fd, text, 2500, MSG_OOB));
	conn_expect(&c, .flags = ACK | URG, .seq = 1, .len = 1000, .urg = 2500);
	conn_expect(&c, .flags = ACK | URG, .seq = 1001, .len = 1000, .urg = 1500);
	conn_expect(&c, .flags = ACK | PSH | URG, .seq = 2001, .len = 500, .urg = 500);
	/* A retransmission has it, too. */
	conn_expect(&c, .flags = ACK | URG, .seq = 1, .len = 1000, .urg = 2500,
		    .within_ms = 300);
	conn_send(&c, .flags = ACK, .ack = 2501);
}

/* Nor does one leave without, if the peer's small window makes each segment an skb of its own. */
TEST_F(urgent, rfc9293_must_31_in_a_small_window)
{
	static uint8_t text[2500];
	struct conn c;

	conn_open(&self->peer, &c, .wnd = 2000, .opt = OPT(OPT_MSS(1000)));
	ASSERT_EQ(2500, send(c.fd, text, 2500, MSG_OOB));
	conn_expect(&c, .flags = ACK | URG, .seq = 1, .len = 1000, .urg = 2500);
	conn_expect(&c, .seq = 1001, .len = 1000, .urg = 1500);
	EXPECT_TRUE(self->peer.last.flags & URG);
	conn_send(&c, .flags = ACK, .ack = 2001);
	conn_expect(&c, .flags = ACK | PSH | URG, .seq = 2001, .len = 500, .urg = 500);
	conn_send(&c, .flags = ACK, .ack = 2501);
}

/* The last byte of a write that ends early, for lack of buffer space, is the urgent one. */
TEST_F(urgent, rfc9293_must_31_less_than_asked_for)
{
	static uint8_t text[200000];
	struct conn c;
	int n, at = 0;

	conn_open(&self->peer, &c, .wnd = 8000, .opt = OPT(OPT_MSS(1000)));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1));
	n = send(c.fd, text, sizeof(text), MSG_OOB | MSG_DONTWAIT);
	ASSERT_LT(0, n);
	/* All of it leaves at once. */
	ASSERT_GE(8000, n);
	while (at < n) {
		conn_expect(&c, .seq = 1 + at);
		EXPECT_TRUE(self->peer.last.flags & URG);
		EXPECT_EQ(n - at, self->peer.last.urg);
		at += self->peer.last.len;
	}
	conn_expect(&c, .flags = ACK | URG, .seq = 1, .len = 1000, .urg = n, .within_ms = 300);
	conn_send(&c, .flags = ACK, .ack = 1 + n);
}

TEST_F(urgent, pointer_beyond_16_bits)
{
	static uint8_t text[80000];
	struct conn c;

	/*
	 * The urgent byte is more than 64 KiB ahead: retransmitted first segments
	 * point as far as they can, beyond all that was sent.
	 */
	conn_open(&self->peer, &c, .wnd = 1000, .opt = OPT(OPT_MSS(1000), OPT_NOP, OPT_WSCALE(3)));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20));
	ASSERT_EQ(80000, send(c.fd, text, 80000, 0));
	conn_expect(&c, .seq = 1, .len = 1000);
	peer_drain(c.peer, 5);
	ASSERT_EQ(1, send(c.fd, text, 1, MSG_OOB));
	peer_drain(c.peer, 5);
	conn_send(&c, .flags = ACK, .ack = 1001);
	conn_expect(&c, .flags = ACK | URG, .len = 1000, .urg = 65535);
	conn_send(&c, .flags = RST, .ack = 1001);
	peer_drain(c.peer, 5);
}

TEST_F(urgent, rfc9293_must_66_closed_window_is_reported)
{
	struct counters before;
	struct conn c;

	/* The data cannot leave, the pointer can: with the window probes. */
	conn_open(&self->peer, &c, .wnd = 0);
	counters_take(&before);
	ASSERT_EQ(4, send(c.fd, "text", 4, MSG_OOB));
	conn_expect(&c, .flags = ACK | URG, .seq = 1, .len = 0, .urg = 4, .within_ms = 1100);
	conn_expect(&c, .seq = 0, .len = 0);
	EXPECT_EQ(2, counter_moved(&before, "TCPWinProbe"));
	conn_send(&c, .flags = ACK, .ack = 1, .wnd = 1000);
	conn_expect(&c, .flags = ACK | PSH | URG, .seq = 1, .data = "text", .urg = 4);
	conn_send(&c, .flags = ACK, .ack = 5);
}

/* A pointer that does not reach so far is no reason for a second segment. */
static void probe_far(struct __test_metadata *_metadata, struct peer *p, int ahead, int probes)
{
	static uint8_t text[80000];
	struct counters before;
	struct conn c;

	conn_open(p, &c, .wnd = 0);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20));
	counters_take(&before);
	ASSERT_EQ(ahead, send(c.fd, text, ahead, MSG_OOB));
	if (probes == 2)
		conn_expect(&c, .flags = ACK | URG, .seq = 1, .len = 0, .urg = 65535,
			    .within_ms = 1100);
	conn_expect(&c, .seq = 0, .len = 0, .within_ms = 1100);
	EXPECT_EQ(probes, counter_moved(&before, "TCPWinProbe"));
	conn_send(&c, .flags = RST, .ack = 1);
	peer_expect_silence(p, 20);
}

TEST_F(urgent, probe_tells_of_a_byte_at_65535) { probe_far(_metadata, &self->peer, 65535, 2); }
TEST_F(urgent, probe_does_not_tell_of_one_behind) { probe_far(_metadata, &self->peer, 65536, 1); }

/* --- inwards -------------------------------------------------------------- */

TEST_F(urgent, rfc9293_must_30_receive)
{
	char b = 0;
	struct conn c;

	conn_open(&self->peer, &c);
	expect_errno(EINVAL, recv(c.fd, &b, 1, MSG_OOB));
	tell(&c, "abXcd", 3);
	/* Out of band, and not in the stream. */
	expect_text(c.fd, "X", 9, MSG_OOB | MSG_PEEK);
	expect_text(c.fd, "X", 9, MSG_OOB);
	expect_errno(EINVAL, recv(c.fd, &b, 1, MSG_OOB));
	expect_text(c.fd, "ab", 9, 0);
	expect_text(c.fd, "cd", 9, 0);
	expect_errno(EAGAIN, recv(c.fd, &b, 1, 0));
	expect_errno(EINVAL, recv(c.fd, &b, 1, MSG_OOB));
}

TEST_F(urgent, read_up_to_the_mark_and_no_further)
{
	char buf[8];
	struct conn c;

	conn_open(&self->peer, &c);
	tell(&c, "ab", 0);
	tell(&c, "cdXef", 3);
	tell(&c, "gh", 0);
	expect_text(c.fd, "abcd", 9, MSG_PEEK);
	EXPECT_EQ(4, socket_count(c.fd, SIOCINQ));
	expect_text(c.fd, "abcd", 9, 0);
	EXPECT_EQ(0, socket_count(c.fd, SIOCINQ));
	EXPECT_EQ(1, at_mark(c.fd));
	/* It was never asked for: it is skipped. */
	expect_text(c.fd, "efgh", 9, MSG_PEEK);
	expect_text(c.fd, "ef", 2, 0);
	EXPECT_EQ(2, socket_count(c.fd, SIOCINQ));
	expect_text(c.fd, "gh", 9, 0);
	expect_errno(EINVAL, recv(c.fd, buf, 1, MSG_OOB));
}

TEST_F(urgent, oob_of_no_length_and_truncated)
{
	char b = 'n';
	struct conn c;
	struct iovec iov = { &b, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	conn_open(&self->peer, &c);
	tell(&c, "X", 1);
	EXPECT_EQ(0, recvmsg(c.fd, &msg, MSG_OOB | MSG_PEEK));
	EXPECT_EQ(MSG_OOB | MSG_TRUNC, msg.msg_flags & (MSG_OOB | MSG_TRUNC));
	EXPECT_EQ(1, recv(c.fd, &b, 1, MSG_OOB | MSG_TRUNC));
	EXPECT_EQ('n', b);
}

TEST_F(urgent, so_oobinline)
{
	char b;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_OOBINLINE, 1));
	tell(&c, "abXcd", 3);
	expect_errno(EINVAL, recv(c.fd, &b, 1, MSG_OOB));
	EXPECT_EQ(5, socket_count(c.fd, SIOCINQ));
	EXPECT_EQ(0, at_mark(c.fd));
	expect_text(c.fd, "ab", 9, 0);
	EXPECT_EQ(1, at_mark(c.fd));
	expect_text(c.fd, "Xcd", 9, 0);
	EXPECT_EQ(0, at_mark(c.fd));
}

TEST_F(urgent, rfc9293_must_32_signal_and_poll)
{
	char buf[8];
	struct conn c;

	conn_open(&self->peer, &c);
	want_sigurg(_metadata, c.fd);
	tell(&c, "ab", 0);
	EXPECT_EQ(0, sigurgs);
	EXPECT_EQ(POLLIN, socket_poll(c.fd) & (POLLIN | POLLPRI));
	/* The pointer alone: the program is told before the byte arrives. */
	tell(&c, "cd", 4);
	EXPECT_EQ(1, sigurgs);
	EXPECT_EQ(POLLIN, socket_poll(c.fd) & (POLLIN | POLLPRI));
	expect_errno(EAGAIN, recv(c.fd, buf, 1, MSG_OOB));
	tell(&c, "eX", 0);
	EXPECT_EQ(1, sigurgs);
	EXPECT_EQ(POLLIN | POLLPRI, socket_poll(c.fd) & (POLLIN | POLLPRI));
	expect_text(c.fd, "X", 1, MSG_OOB);
	EXPECT_EQ(POLLIN, socket_poll(c.fd) & (POLLIN | POLLPRI));
	/* Advanced: again. Repeated: not. */
	tell(&c, "fY", 2);
	EXPECT_EQ(2, sigurgs);
	conn_send(&c, .flags = ACK | URG, .seq = conn_peer_nxt(&c) - 2, .data = "fY", .urg = 2);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	EXPECT_EQ(2, sigurgs);
	/* "X" was read, and is no longer urgent. "Y" is. */
	expect_text(c.fd, "abcdeXf", 9, 0);
	EXPECT_EQ(POLLPRI, socket_poll(c.fd) & (POLLIN | POLLPRI));
	expect_text(c.fd, "Y", 1, MSG_OOB);
	EXPECT_EQ(0, socket_poll(c.fd) & (POLLIN | POLLPRI));
}

TEST_F(urgent, rfc9293_must_33_how_far_it_is)
{
	struct conn c;

	conn_open(&self->peer, &c);
	EXPECT_EQ(0, at_mark(c.fd));
	tell(&c, "abcX", 4);
	EXPECT_EQ(0, at_mark(c.fd));
	EXPECT_EQ(3, socket_count(c.fd, SIOCINQ));
	expect_text(c.fd, "ab", 2, 0);
	EXPECT_EQ(0, at_mark(c.fd));
	expect_text(c.fd, "c", 9, 0);
	EXPECT_EQ(1, at_mark(c.fd));
	/* Read or not, the mark stays until data behind it is read. */
	expect_text(c.fd, "X", 1, MSG_OOB);
	EXPECT_EQ(1, at_mark(c.fd));
	tell(&c, "d", 0);
	EXPECT_EQ(1, at_mark(c.fd));
	expect_text(c.fd, "d", 9, 0);
	EXPECT_EQ(0, at_mark(c.fd));
}

TEST_F(urgent, rfc6093_newer_takes_the_place)
{
	char b;
	struct conn c;

	/* The first was not read in time: it is normal data again. */
	conn_open(&self->peer, &c);
	tell(&c, "aX", 2);
	tell(&c, "bY", 2);
	expect_text(c.fd, "aXb", 9, 0);
	expect_text(c.fd, "Y", 1, MSG_OOB);
	expect_errno(EAGAIN, recv(c.fd, &b, 1, 0));
	/* But not where the reader stood right at it. */
	tell(&c, "Z", 1);
	EXPECT_EQ(1, at_mark(c.fd));
	tell(&c, "cV", 2);
	expect_text(c.fd, "c", 9, 0);
	expect_text(c.fd, "V", 1, MSG_OOB);
}

static long recv_100(int fd, char *data)
{
	return recv(fd, data, 100, 0);
}

/*
 * The mark advances while a reader sleeps, and skips a byte that nobody asked for. The
 * reader continues behind it.
 */
TEST_F(urgent, moves_on_behind_a_sleeping_reader)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	s = sleeper_start(_metadata, c.fd, recv_100);
	sleeper_expect_asleep(&s, 20);
	conn_send(&c, .flags = ACK | URG, .urg = 1);
	conn_send(&c, .flags = ACK | PSH, .data = "U");
	conn_send(&c, .flags = ACK | PSH | URG, .urg = 1, .data = "V");
	sleeper_expect_asleep(&s, 20);
	conn_send(&c, .flags = ACK | PSH, .data = "words");
	r = sleeper_expect_done(&s, 1000);
	EXPECT_EQ(5, r.ret);
	EXPECT_EQ(0, memcmp("words", r.data, 5));
	EXPECT_EQ(0, socket_count(c.fd, SIOCINQ));
	self->peer.leave_unread = true;
}

TEST_F(urgent, comes_out_of_order)
{
	char b;
	struct conn c;

	/* It is reported and can be read at once; the mark is where it belongs. */
	conn_open(&self->peer, &c);
	want_sigurg(_metadata, c.fd);
	conn_send(&c, .flags = ACK | URG, .seq = 3, .data = "cX", .urg = 2);
	conn_expect(&c, .flags = ACK, .ack = 1);
	EXPECT_EQ(1, sigurgs);
	expect_text(c.fd, "X", 1, MSG_OOB);
	expect_errno(EAGAIN, recv(c.fd, &b, 1, 0));
	conn_send(&c, .flags = ACK, .seq = 1, .data = "ab");
	conn_expect(&c, .flags = ACK, .ack = 5);
	expect_text(c.fd, "abc", 9, 0);
	EXPECT_EQ(1, at_mark(c.fd));
}

TEST_F(urgent, on_a_bare_ack)
{
	char b;
	struct conn c;

	/* A peer with a closed window announces urgent data. */
	conn_open(&self->peer, &c);
	want_sigurg(_metadata, c.fd);
	conn_send(&c, .flags = ACK | URG, .urg = 3);
	EXPECT_EQ(1, sigurgs);
	expect_errno(EAGAIN, recv(c.fd, &b, 1, MSG_OOB));
	tell(&c, "abX", 3);
	EXPECT_EQ(1, sigurgs);
	expect_text(c.fd, "X", 1, MSG_OOB);
	expect_text(c.fd, "ab", 9, 0);
}

TEST_F(urgent, old_and_wild_pointers_are_ignored)
{
	char b;
	struct conn c;

	conn_open(&self->peer, &c);
	want_sigurg(_metadata, c.fd);
	tell(&c, "abcd", 0);
	/* Below RCV.NXT; outside the window; a pointer without the flag. */
	conn_send(&c, .flags = ACK | URG, .seq = 1, .data = "abcd", .urg = 2);
	conn_expect(&c, .flags = ACK, .ack = 5);
	conn_send(&c, .flags = ACK | URG, .seq = 1000000, .data = "e", .urg = 1);
	conn_expect(&c, .flags = ACK, .ack = 5);
	conn_send(&c, .flags = ACK, .data = "e", .urg = 1);
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, sigurgs);
	expect_errno(EINVAL, recv(c.fd, &b, 1, MSG_OOB));
	expect_text(c.fd, "abcde", 9, 0);
}

TEST_F(urgent, the_end_of_the_stream_before_the_byte)
{
	char b;
	struct conn c;

	/* A pointer that no byte follows. */
	conn_open(&self->peer, &c);
	conn_send(&c, .flags = ACK | URG, .urg = 100);
	conn_send(&c, .flags = FIN | ACK, .data = "ab");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, recv(c.fd, &b, 1, MSG_OOB));
	expect_text(c.fd, "ab", 9, 0);
	EXPECT_EQ(0, recv(c.fd, &b, 1, 0));
}

TEST_F(urgent, poll_does_not_count_it)
{
	struct conn c;

	conn_open(&self->peer, &c);
	tell(&c, "X", 1);
	EXPECT_EQ(POLLPRI, socket_poll(c.fd) & (POLLIN | POLLPRI));
	tell(&c, "a", 0);
	EXPECT_EQ(POLLIN | POLLPRI, socket_poll(c.fd) & (POLLIN | POLLPRI));
}

TEST_F(urgent, stdurg_is_rfc_1122)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("stdurg", 1));
	conn_open(&self->peer, &c);
	tell(&c, "abXc", 2);
	expect_text(c.fd, "X", 1, MSG_OOB);
	expect_text(c.fd, "ab", 9, 0);
	expect_text(c.fd, "c", 9, 0);
	/* The sent segments do not change. */
	ASSERT_EQ(1, send(c.fd, "!", 1, MSG_OOB));
	conn_expect(&c, .flags = ACK | PSH | URG, .data = "!", .urg = 1);
	conn_send(&c, .flags = ACK, .ack = 2);
}

/* A SYN-ACK may tell of urgent data, too. */
TEST_F(urgent, rfc9293_3_10_7_3_urgent_pointer_of_a_syn_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	want_sigurg(_metadata, c.fd);
	conn_send(&c, .flags = SYN | ACK | URG, .seq = 0, .urg = 3);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(1, sigurgs);
	expect_errno(EAGAIN, recv(c.fd, &(char){ 0 }, 1, MSG_OOB | MSG_DONTWAIT));
	tell(&c, "abc", 0);
	EXPECT_EQ(POLLPRI, socket_poll(c.fd) & POLLPRI);
	expect_text(c.fd, "a", 9, 0);
	EXPECT_EQ(1, at_mark(c.fd));
	expect_text(c.fd, "b", 9, MSG_OOB);
	expect_text(c.fd, "c", 9, 0);
}

/* The pointer is to the SYN itself: no byte of the stream. */
TEST_F(urgent, rfc9293_3_10_7_3_syn_ack_is_urgent)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	want_sigurg(_metadata, c.fd);
	conn_send(&c, .flags = SYN | ACK | URG, .seq = 0, .urg = 1);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(0, sigurgs);
	tell(&c, "abc", 0);
	expect_text(c.fd, "abc", 9, 0);
}

TEST_HARNESS_MAIN
