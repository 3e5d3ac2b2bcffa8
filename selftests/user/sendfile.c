// SPDX-License-Identifier: GPL-2.0
/*
 * sendfile: calls that move data in other ways than send() and recv(): vectors,
 * several messages at once, sendfile(), splice(). As on Linux TCP, which passes these
 * tests as well.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

PEER_FIXTURE(sendfile);
PAIR_FIXTURE(sendfile_pair);

/* The peer sends @text, and the kernel acknowledges it. */
static void tell(struct conn *c, const char *text)
{
	conn_send(c, .flags = ACK | PSH, .data = text);
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = DELAYED_ACK_MS);
}

TEST_F(sendfile, call_writev_is_one_stream)
{
	struct iovec iov[3] = {
		{ "abc", 3 }, { "", 0 }, { "defg", 4 },
	};
	struct conn c;
	char a[2], b[16];

	conn_open(&self->peer, &c);
	ASSERT_EQ(7, writev(c.fd, iov, 3));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "abcdefg");
	conn_send(&c, .flags = ACK | PSH, .data = "12345");
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = DELAYED_ACK_MS);
	iov[0] = (struct iovec){ a, 2 };
	iov[1] = (struct iovec){ b, 16 };
	ASSERT_EQ(5, readv(c.fd, iov, 2));
	EXPECT_EQ(0, memcmp(a, "12", 2));
	EXPECT_EQ(0, memcmp(b, "345", 3));
}

TEST_F(sendfile, call_sendmmsg_recvmmsg)
{
	struct iovec iov[2] = { { "abc", 3 }, { "de", 2 } };
	struct mmsghdr m[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	char a[4], b[16];
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)));
	ASSERT_EQ(2, sendmmsg(c.fd, m, 2, 0));
	EXPECT_EQ(3, m[0].msg_len);
	EXPECT_EQ(2, m[1].msg_len);
	if (stock_mode()) {
		/* It corks all but the last. */
		peer_drain(&self->peer, 10);
		conn_send(&c, .seq = 1, .ack = 6);
	} else {
		conn_expect(&c, .seq = 1);
		conn_send(&c, .seq = 1, .ack = conn_kern_nxt(&c));
		if (conn_kern_nxt(&c) != 6) {
			conn_expect(&c, .data = "de");
			conn_send(&c, .seq = 1, .ack = 6);
		}
	}
	EXPECT_EQ(0, socket_count(c.fd, SIOCOUTQ));
	conn_send(&c, .flags = ACK | PSH, .ack = 6, .data = "123456");
	self->peer.leave_unread = true;
	iov[0] = (struct iovec){ a, 4 };
	iov[1] = (struct iovec){ b, 16 };
	ASSERT_EQ(2, recvmmsg(c.fd, m, 2, 0, NULL));
	EXPECT_EQ(4, m[0].msg_len);
	EXPECT_EQ(2, m[1].msg_len);
	EXPECT_EQ(0, memcmp(b, "56", 2));
}

#define FILE_BYTES (300 * 1000)

static int pattern_file(struct __test_metadata *_metadata)
{
	static char buf[FILE_BYTES];
	int fd = memfd_create("pattern", 0);

	ASSERT_LE(0, fd);
	pattern_fill(buf, sizeof(buf), 0);
	ASSERT_EQ((ssize_t)sizeof(buf), write(fd, buf, sizeof(buf)));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	return fd;
}

/* Reads what is there and compares it; returns how many bytes. */
static size_t drain(struct __test_metadata *_metadata, int fd, size_t at)
{
	static char buf[65536];
	size_t got = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		ASSERT_EQ(-1, pattern_check(buf, n, at + got));
		got += n;
	}
	return got;
}

TEST_F(sendfile_pair, call_sendfile)
{
	int file = pattern_file(_metadata), cfd, sfd;
	size_t sent = 0, got = 0;
	ssize_t n;

	pair_connected(&self->pair, 5000, &cfd, &sfd);
	while (got < FILE_BYTES) {
		n = sendfile(cfd, file, NULL, FILE_BYTES - sent);
		if (n > 0)
			sent += n;
		else if (n < 0)
			ASSERT_EQ(EAGAIN, errno);
		sleep_ms(1);
		got += drain(_metadata, sfd, got);
	}
	EXPECT_EQ(FILE_BYTES, sent);
	EXPECT_EQ(FILE_BYTES, lseek(file, 0, SEEK_CUR));
}

/* The kernel tells a protocol when sendfile() has reached the file's end. */
static bool sendfile_tells_the_end(void)
{
	return kernel_is_since(6, 5);
}

/*
 * The end of a file is sent at once, though sendfile() announced more; on older
 * kernels when held-back data has waited for 200 ms, as on the kernel's TCP.
 */
TEST_F(sendfile, call_sendfile_leaves_no_rest)
{
	int file = pattern_file(_metadata);
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	/* A longer count than the file has left. */
	ASSERT_EQ(FILE_BYTES - 100, lseek(file, FILE_BYTES - 100, SEEK_SET));
	ASSERT_EQ(100, sendfile(c.fd, file, NULL, 5000));
	if (sendfile_tells_the_end())
		conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 100,
			    .pattern = FILE_BYTES - 100, .within_ms = 5);
	else
		conn_expect(&c, .seq = 1, .ack = 1, .len = 100,
			    .pattern = FILE_BYTES - 100, .within_ms = 260);
}

/* The end of a page is none of the data: segments are full, although nothing is held back. */
TEST_F(sendfile, call_sendfile_fills_segments)
{
	int file = memfd_create("text", MFD_CLOEXEC);
	static char text[8192];
	struct peer *p = &self->peer;
	struct conn c;
	off_t at = 0;

	ASSERT_LE(0, file);
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(sizeof(text), write(file, text, sizeof(text)));
	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	ASSERT_EQ(sizeof(text), sendfile(c.fd, file, &at, sizeof(text)));
	for (int i = 0; i < 8; i++)
		conn_expect(&c, .seq = 1 + 1000 * i, .len = 1000, .pattern = 1000 * i);
	conn_expect(&c, .flags = ACK | PSH, .seq = 8001, .len = 192, .pattern = 8000);
	conn_send(&c, .flags = ACK);
	close(file);
}

/*
 * sendfile() sends the page itself, not a copy: a write to the file before the segment
 * has left changes its data and its checksum. Where pages can't be handed over (before
 * 6.5) xtcp sends a copy.
 */
TEST_F(sendfile, call_sendfile_sends_the_page)
{
	bool the_page = stock_mode() || sendfile_tells_the_end();
	int file = memfd_create("text", MFD_CLOEXEC);
	static char text[4000];
	struct peer *p = &self->peer;
	struct conn c;
	off_t at = 0;

	ASSERT_LE(0, file);
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(sizeof(text), write(file, text, sizeof(text)));
	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)), .wnd = 0);
	ASSERT_EQ(sizeof(text), sendfile(c.fd, file, &at, sizeof(text)));
	peer_expect_silence(p, 50);
	pattern_fill(text, sizeof(text), 77);
	ASSERT_EQ(sizeof(text), pwrite(file, text, sizeof(text), 0));
	conn_send(&c, .flags = ACK, .wnd = 60000);
	for (int i = 0; i < 4; i++)
		conn_expect(&c, .seq = 1 + 1000 * i, .len = 1000,
			    .pattern = 1000 * i + (the_page ? 77 : 0));
	conn_send(&c, .flags = ACK);
	close(file);
}

/*
 * The file is written to while a segment waits in the device's queue. On the native wire, whose
 * checksum is computed before the queue, the segment has a copy of the page. Otherwise the
 * checksum is computed behind the queue, and the segment has the new data.
 */
TEST_F(sendfile, call_sendfile_and_a_write_while_the_segment_waits)
{
	bool the_page = stream_wire() == XTCP_WIRE_TCP &&
			(stock_mode() || sendfile_tells_the_end());
	int file = memfd_create("text", MFD_CLOEXEC);
	struct peer *p = &self->peer;
	static char text[1000];
	struct conn c;
	off_t at = 0;

	ASSERT_LE(0, file);
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(sizeof(text), write(file, text, sizeof(text)));
	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	netem_set(WHERE(_metadata), "tun0", &(struct netem){ .delay_ms = 50 });
	peer_mark(p);
	ASSERT_EQ(sizeof(text), sendfile(c.fd, file, &at, sizeof(text)));
	peer_sleep_until(p, 10);
	pattern_fill(text, sizeof(text), 77);
	ASSERT_EQ(sizeof(text), pwrite(file, text, sizeof(text), 0));
	/* conn_expect() takes none whose checksum is wrong. */
	conn_expect(&c, .seq = 1, .len = 1000, .pattern = the_page ? 77 : 0, .at_ms = 50);
	conn_send(&c, .flags = ACK);
	close(file);
}

TEST_F(sendfile_pair, call_splice_out_and_in)
{
	int file = pattern_file(_metadata), out[2], in[2], cfd, sfd;
	size_t sent = 0, got = 0;
	char buf[4096];
	ssize_t n;

	ASSERT_EQ(0, pipe2(out, O_NONBLOCK));
	ASSERT_EQ(0, pipe2(in, O_NONBLOCK));
	pair_connected(&self->pair, 5000, &cfd, &sfd);
	while (got < FILE_BYTES) {
		n = splice(file, NULL, out[1], NULL, 65536, SPLICE_F_NONBLOCK);
		n = splice(out[0], NULL, cfd, NULL, 65536, SPLICE_F_NONBLOCK);
		if (n > 0)
			sent += n;
		sleep_ms(1);
		n = splice(sfd, NULL, in[1], NULL, 65536, SPLICE_F_NONBLOCK);
		if (n < 0) {
			ASSERT_EQ(EAGAIN, errno);
			continue;
		}
		while ((n = read(in[0], buf, sizeof(buf))) > 0) {
			ASSERT_EQ(-1, pattern_check(buf, n, got));
			got += n;
		}
	}
	EXPECT_EQ(FILE_BYTES, sent);
	/* And the end. */
	ASSERT_EQ(0, shutdown(cfd, SHUT_WR));
	sleep_ms(5);
	EXPECT_EQ(0, splice(sfd, NULL, in[1], NULL, 65536, SPLICE_F_NONBLOCK));
}

TEST_F(sendfile, call_splice_leaves_what_the_pipe_does_not_take)
{
	struct conn c;
	char buf[8];
	int in[2];

	ASSERT_EQ(0, pipe2(in, O_NONBLOCK));
	ASSERT_EQ(4096, fcntl(in[1], F_SETPIPE_SZ, 4096));	/* one buffer */
	conn_open(&self->peer, &c);
	tell(&c, "abcdef");
	ASSERT_EQ(4, splice(c.fd, NULL, in[1], NULL, 4, 0));
	EXPECT_EQ(2, socket_count(c.fd, SIOCINQ));
	EXPECT_EQ(EAGAIN, errno_of(splice(c.fd, NULL, in[1], NULL, 4, SPLICE_F_NONBLOCK)));
	EXPECT_EQ(2, socket_count(c.fd, SIOCINQ));
	ASSERT_EQ(4, read(in[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "abcd", 4));
	ASSERT_EQ(2, splice(c.fd, NULL, in[1], NULL, 100, 0));
	ASSERT_EQ(2, read(in[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "ef", 2));
	EXPECT_EQ(0, splice(c.fd, NULL, in[1], NULL, 0, 0));
}

/*
 * splice() stops before an urgent byte. The next call passes over it, or moves it with
 * SO_OOBINLINE. In Linux it gets no further.
 */
TEST_F(sendfile, call_splice_at_an_urgent_byte)
{
	static const char *const rest[] = { "cd", "Xcd" };
	char buf[8] = "";
	struct conn c;
	int in[2];

	ASSERT_EQ(0, pipe2(in, O_NONBLOCK));
	for (int is_inline = 0; is_inline < 2; is_inline++) {
		ssize_t left = strlen(rest[is_inline]);

		conn_open(&self->peer, &c, .active = is_inline);
		ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_OOBINLINE, is_inline));
		conn_send(&c, .flags = ACK | URG, .data = "abXcd", .urg = 3);
		conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
		ASSERT_EQ(2, splice(c.fd, NULL, in[1], NULL, 100, 0));
		ASSERT_EQ(2, read(in[0], buf, sizeof(buf)));
		EXPECT_EQ(0, memcmp(buf, "ab", 2));
		if (stock_mode()) {
			EXPECT_EQ(EAGAIN, errno_of(splice(c.fd, NULL, in[1], NULL, 100, 0)));
			fcntl(c.fd, F_SETFL, fcntl(c.fd, F_GETFL) & ~O_NONBLOCK);
			EXPECT_EQ(0, splice(c.fd, NULL, in[1], NULL, 100, 0));
			continue;
		}
		ASSERT_EQ(left, splice(c.fd, NULL, in[1], NULL, 100, 0));
		ASSERT_EQ(left, read(in[0], buf, sizeof(buf)));
		EXPECT_EQ(0, memcmp(buf, rest[is_inline], left));
	}
}

TEST_F(sendfile, call_splice_without_data)
{
	struct conn c;
	int in[2];

	ASSERT_EQ(0, pipe(in));
	conn_open(&self->peer, &c);
	EXPECT_EQ(EAGAIN, errno_of(splice(c.fd, NULL, in[1], NULL, 100, 0)));
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, splice(c.fd, NULL, in[1], NULL, 100, 0));
}

TEST_HARNESS_MAIN
