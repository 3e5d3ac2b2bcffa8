// SPDX-License-Identifier: GPL-2.0
/*
 * faults: memory runs out at every place where xtcp allocates. Each allocation of a
 * call, or of a segment's processing, fails in turn, until the call succeeds without
 * a failure. Each time the call returns an error, or the protocol repairs the
 * failure like a lost segment; no byte is wrong; and nothing is left behind, which
 * is checked at the end of the run.
 *
 * The kernel counts allocations of the task, softirqs excluded. A segment written to
 * the tun device is processed within that call, so it counts.
 *
 * vm: wires v6 debug timeout=600
 */
#include "faults.h"

#include <dirent.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TEXT_LEN 6000

PEER_FIXTURE(faults);

static bool no_memory(int error)
{
	return error == ENOMEM || error == ENOBUFS;
}

/* A segment is lost if there is no memory for the packet itself. */
static bool send_faulty(struct peer *p, int n, struct segment_spec spec)
{
	static uint8_t packet[PACKET_MAX];
	struct segment_spec whole = peer_spec_complete(p, spec);
	int len = segment_build(&whole, packet);

	faults_arm(n);
	if (write(p->tun, packet, len) < 0)
		peer_note(p, "(not taken)");
	return faults_disarm();
}

#define send_faulty(p, n, ...) send_faulty(p, n, SEGMENT_SPEC(__VA_ARGS__))

/* The next segment with these flags; others before it are dropped. NULL: none came. */
static const struct segment *await(struct peer *p, int flags, int64_t ms)
{
	int64_t until_ns = now_ns() + ms * NSEC_PER_MSEC;
	const struct segment *seg;

	while ((seg = peer_read(p, until_ns)))
		if ((seg->flags & (SYN | FIN | RST)) == flags)
			return seg;
	return NULL;
}

/* All bytes of the peer's data arrive in the end. */
static void expect_text(struct __test_metadata *_metadata, int fd, int len)
{
	uint8_t buf[TEXT_LEN];

	ASSERT_EQ(len, recv(fd, buf, len, MSG_DONTWAIT));
	EXPECT_EQ(-1, pattern_check(buf, len, 0));
}

/*
 * Acknowledges what the kernel sends from its ISN + 1 on. Returns how many bytes came.
 */
static int collect(struct __test_metadata *_metadata, struct conn *c, int len)
{
	uint32_t next = c->kern_nxt;
	const struct segment *seg;

	while (next - c->kern_nxt < len) {
		seg = peer_read(c->peer, now_ns() + 20 * NSEC_PER_SEC);
		if (!seg)
			break;
		if (!seg->len || seg->seq != next)
			continue;
		EXPECT_EQ(-1, pattern_check(seg->data, seg->len, next - c->kern_nxt));
		next += seg->len;
		conn_send(c, .flags = ACK, .ack = next - c->kern_iss);
	}
	len = next - c->kern_nxt;
	c->kern_nxt = next;
	return len;
}

/* A new socket's fd, or -1: ENFILE is the kernel's error for an inode without memory. */
static void close_or_no_inode(struct __test_metadata *_metadata, int fd)
{
	if (fd >= 0)
		close(fd);
	else
		ASSERT_TRUE(no_memory(errno) || errno == ENFILE)
			TH_LOG("%s", strerror(errno));
}

static void over(struct peer *p, struct conn *c)
{
	p->trace_n = 0;
	if (c->fd >= 0)
		socket_abort(c->fd);
	if (c->lfd >= 0)
		close(c->lfd);
	c->fd = c->lfd = -1;
	peer_drain(p, 10);
}

/* --- opening ---------------------------------------------------------------- */

TEST_F_TIMEOUT(faults, socket, 36000)
{
	int fd;

	EACH_FAULT(n, more) {
		faults_arm(n);
		fd = stream_socket(AF_INET);
		more = faults_disarm();
		close_or_no_inode(_metadata, fd);
	}
	EXPECT_FAULTS("socket()", 7);
}

TEST_F_TIMEOUT(faults, connect, 36000)
{
	struct peer *p = &self->peer;
	const struct segment *syn;
	int fd, error;

	EACH_FAULT(n, more) {
		p->trace_n = 0;
		fd = socket_new(-1);
		faults_arm(n);
		error = socket_connect(fd, "10.0.0.2", 40000 + n);
		more = faults_disarm();
		if (error != EINPROGRESS) {
			ASSERT_TRUE(no_memory(error)) TH_LOG("%s", strerror(error));
			/* The same socket may try again. */
			error = socket_connect(fd, "10.0.0.2", 40000 + n);
			ASSERT_EQ(EINPROGRESS, error);
		}
		syn = await(p, SYN, 1100);
		ASSERT_NE(NULL, syn) TH_LOG("no SYN after allocation %d failed", n);
		peer_send(p, .flags = SYN | ACK, .seq = 100, .ack = syn->seq + 1,
			  .sport = 40000 + n, .dport = syn->sport);
		EXPECT_EQ(POLLOUT, socket_poll(fd));
		EXPECT_NE(NULL, await(p, 0, 10));
		socket_abort(fd);
		peer_drain(p, 5);
	}
	EXPECT_FAULTS("connect()", 5);
}

/* The crossing SYN finds no memory, and shutdown() comes before the SYN-ACK could leave. */
TEST_F_TIMEOUT(faults, simultaneous_open, 36000)
{
	struct peer *p = &self->peer;
	const struct segment *seg;

	EACH_FAULT(n, more) {
		struct conn c = { .peer = p, .lfd = -1 };
		uint32_t iss;
		int local;

		p->trace_n = 0;
		c.fd = socket_new(-1);
		ASSERT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 40000 + n));
		seg = await(p, SYN, 1100);
		ASSERT_NE(NULL, seg);
		iss = seg->seq;
		local = seg->sport;
		more = send_faulty(p, n, .flags = SYN, .seq = 100, .sport = 40000 + n,
				   .dport = local);
		shutdown(c.fd, SHUT_WR);
		peer_drain(p, 5);
		/* If the SYN was not lost: ACKs of our SYN, and when it comes of our FIN. */
		for (int acked = 1; acked <= 2 && conn_tcp_info(&c).tcpi_state != TCP_CLOSE;
		     acked++)
			peer_send(p, .flags = ACK, .seq = 101, .ack = iss + acked,
				  .sport = 40000 + n, .dport = local);
		peer_drain(p, 3000);
		EXPECT_TRUE(more || conn_tcp_info(&c).tcpi_state == TCP_FIN_WAIT2);
		over(p, &c);
	}
	EXPECT_FAULTS("crossing SYN", 6);
}

TEST_F_TIMEOUT(faults, listen, 36000)
{
	int fd, error;

	EACH_FAULT(n, more) {
		fd = socket_new(-1);
		faults_arm(n);
		error = socket_bind(fd, "", KERNEL_PORT);
		if (!error)
			error = socket_listen(fd, 5);
		more = faults_disarm();
		/*
		 * On the TCP wire the kernel's TCP takes the port, too, with errors of
		 * its own.
		 */
		if (error)
			ASSERT_TRUE(no_memory(error) || (stream_wire() == XTCP_WIRE_TCP &&
							 error == EADDRINUSE))
				TH_LOG("%s", strerror(error));
		close(fd);
	}
	EXPECT_FAULTS("bind(), listen()", 5);
}

TEST_F_TIMEOUT(faults, syn, 36000)
{
	struct peer *p = &self->peer;
	const struct segment *answer;

	peer_listen(p, KERNEL_PORT, 4096);
	EACH_FAULT(n, more) {
		p->trace_n = 0;
		more = send_faulty(p, n, .flags = SYN, .seq = 1000, .sport = 20000 + n,
				   .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
		answer = await(p, SYN, 10);
		if (!answer) {
			ASSERT_TRUE(more);
			/* As if the SYN, or its answer, had been lost. */
			peer_send(p, .flags = SYN, .seq = 1000, .sport = 20000 + n,
				  .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
			answer = await(p, SYN, 10);
		}
		ASSERT_NE(NULL, answer) TH_LOG("after allocation %d failed", n);
		EXPECT_EQ(1001, answer->ack);
		peer_send(p, .flags = RST, .seq = 1001, .sport = 20000 + n);
	}
	EXPECT_FAULTS("SYN", 5);
}

/* All reasons of a RST, together. */
static long long reset_reasons(void)
{
	static const char prefix[] = "XtcpResetSent";
	struct counters now;
	long long sum = 0;

	counters_take(&now);
	for (int i = 0; i < now.n; i++)
		if (!strncmp(now.c[i].name, prefix, sizeof(prefix) - 1))
			sum += now.c[i].value;
	return sum;
}

/* An ACK of what a half-open record never sent: without memory the RST counts, too. */
TEST_F_TIMEOUT(faults, reset_without_memory, 36000)
{
	struct peer *p = &self->peer;
	struct counters before;
	int unsent = 0;
	struct conn c;

	EACH_FAULT(n, more) {
		long long reasons = reset_reasons();
		bool sent;

		conn_to_state(p, &c, ST_HALF_OPEN);
		counters_take(&before);
		more = send_faulty(p, n, .flags = ACK, .seq = c.peer_nxt, .ack = c.kern_nxt + 1000,
				   .sport = c.pport);
		sent = await(p, RST, 10);
		reasons = reset_reasons() - reasons;
		EXPECT_EQ(reasons, counter_moved(&before, "OutRsts")) TH_LOG("allocation %d", n);
		unsent += reasons && !sent;
		ASSERT_TRUE(sent || more);
		conn_send(&c, .flags = RST);
		over(p, &c);
	}
	EXPECT_LT(0, unsent);
	EXPECT_FAULTS("ACK of what was never sent", 3);
}

/* The ACK that opens a connection, with @len bytes of data. */
static void third_ack(struct __test_metadata *_metadata, struct peer *p, int len)
{
	int lfd = peer_listen(p, KERNEL_PORT, 16);
	const struct segment *answer;
	uint32_t iss;
	int fd;

	EACH_FAULT(n, more) {
		p->trace_n = 0;
		peer_send(p, .flags = SYN, .seq = 1000, .sport = 20000 + n,
			  .opt = OPT(OPT_MSS(1460)));
		answer = await(p, SYN, 10);
		ASSERT_NE(NULL, answer);
		iss = answer->seq;
		more = send_faulty(p, n, .flags = ACK | PSH, .seq = 1001, .ack = iss + 1,
				   .len = len, .sport = 20000 + n);
		/* It was lost, in whole or in part: the peer repeats it. */
		peer_send(p, .flags = ACK | PSH, .seq = 1001, .ack = iss + 1, .len = 100,
			  .sport = 20000 + n);
		fd = accept(lfd, NULL, NULL);
		ASSERT_LE(0, fd) TH_LOG("no connection after allocation %d failed", n);
		expect_text(_metadata, fd, 100);
		socket_abort(fd);
		peer_drain(p, 5);
	}
}

TEST_F_TIMEOUT(faults, third_ack, 36000)
{
	third_ack(_metadata, &self->peer, 100);
	EXPECT_FAULTS("third segment with text", 6);
}

TEST_F_TIMEOUT(faults, third_ack_of_a_cookie, 36000)
{
	ASSERT_EQ(0, knob_set("syncookies", 2));
	third_ack(_metadata, &self->peer, 0);
	EXPECT_FAULTS("third segment of a cookie", 6);
}

TEST_F_TIMEOUT(faults, accept, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	EACH_FAULT(n, more) {
		conn_to_state(p, &c, ST_HALF_OPEN);
		conn_send(&c, .flags = ACK);
		faults_arm(n);
		fd = accept(c.lfd, NULL, NULL);
		more = faults_disarm();
		/* As in Linux the connection is gone; the listener is not. */
		close_or_no_inode(_metadata, fd);
		c.fd = -1;
		over(p, &c);
	}
	EXPECT_FAULTS("accept()", 5);
}

/* --- transfer ----------------------------------------------------------------- */

TEST_F_TIMEOUT(faults, send, 36000)
{
	struct peer *p = &self->peer;
	static uint8_t text[TEXT_LEN];
	int sent;
	struct conn c;

	pattern_fill(text, sizeof(text), 0);
	EACH_FAULT(n, more) {
		conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
		c.kern_nxt = c.kern_iss + 1;
		faults_arm(n);
		sent = send(c.fd, text, sizeof(text), MSG_NOSIGNAL);
		more = faults_disarm();
		if (sent < 0) {
			ASSERT_TRUE(no_memory(errno) || errno == EAGAIN)
				TH_LOG("%s", strerror(errno));
			sent = 0;
		}
		/* The bytes that send() took arrive; and the socket takes the rest. */
		EXPECT_EQ(sent, collect(_metadata, &c, sent)) TH_LOG("allocation %d", n);
		EXPECT_EQ(1, send(c.fd, "x", 1, MSG_NOSIGNAL));
		EXPECT_NE(NULL, await(p, 0, 1000));
		over(p, &c);
	}
	EXPECT_FAULTS("send()", 18);
}

/* A call of another process, which waits while this one is the peer. */
struct waiting_call {
	ssize_t result;
	int error;
	bool more;
};

/*
 * connect() and a write in one call, which waits until it has written all. Payload that found
 * no room beside the SYN is sent behind it.
 */
TEST_F_TIMEOUT(faults, fast_open, 36000)
{
	struct peer *p = &self->peer;
	struct waiting_call *call = mmap(NULL, sizeof(*call), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static uint8_t text[TEXT_LEN];
	int silent = 0, plain = 0;

	ASSERT_NE(MAP_FAILED, call);
	/* Client, and no cookie is needed. */
	ASSERT_EQ(0, knob_set("fastopen", 1 | 4));
	pattern_fill(text, sizeof(text), 0);
	EACH_FAULT(n, more) {
		struct conn c = { .peer = p, .lfd = -1, .peer_addr = p->addr, .pport = 40000 + n,
				  .peer_iss = 99, .peer_nxt = 100, .wnd = 65535 };
		const struct segment *syn;
		struct sockaddr_storage sa;
		socklen_t len = ipaddr_sockaddr(&c.peer_addr, c.pport, &sa);
		int arrived = 0;
		pid_t pid;

		p->trace_n = 0;
		c.fd = stream_socket(p->family);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			fail_nth = -1;
			faults_arm(n);
			call->result = sendto(c.fd, text, sizeof(text), MSG_FASTOPEN | MSG_NOSIGNAL,
					      (struct sockaddr *)&sa, len);
			call->error = errno;
			call->more = faults_disarm();
			_exit(0);
		}
		syn = await(p, SYN, 1100);
		if (syn) {
			plain += !syn->len;
			EXPECT_EQ(-1, pattern_check(syn->data, syn->len, 0));
			conn_learn(&c, syn);
			peer_send(p, .flags = SYN | ACK, .seq = 99, .ack = syn->seq + 1,
				  .sport = c.pport, .dport = c.kport);
			arrived = collect(_metadata, &c, sizeof(text));
		}
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		more = call->more;
		ASSERT_TRUE(call->result > 0 || no_memory(call->error))
			TH_LOG("%s", strerror(call->error));
		/* What it took, if anything, has arrived. */
		EXPECT_EQ(call->result > 0 ? call->result : 0, arrived) TH_LOG("allocation %d", n);
		silent += !syn;
		over(p, &c);
	}
	EXPECT_FAULTS("sendto() with MSG_FASTOPEN", 25);
	/* IPv4 makes a route for each connection, IPv6 only for the first one of a CPU. */
	if (p->family == AF_INET)
		EXPECT_LT(0, silent);
	/* Two copies of the payload, and the SYN behind which it is in flight. */
	EXPECT_LT(1, plain);
	munmap(call, sizeof(*call));
}

/* One ACK lets the next segments out, another one causes retransmissions. */
TEST_F_TIMEOUT(faults, acks, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int part = 0; part < 2; part++) {
		EACH_FAULT(n, more) {
			conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK), .wnd = 4500);
			c.wnd = 65535;
			c.kern_nxt = c.kern_iss + 1;
			conn_write(&c, TEXT_LEN);
			peer_drain(p, 5);
			if (part == 0)
				more = send_faulty(p, n, .flags = ACK, .seq = c.peer_nxt,
						   .ack = c.kern_nxt + 1500, .wnd = 65535,
						   .sport = c.pport);
			else
				more = send_faulty(p, n, .flags = ACK, .seq = c.peer_nxt,
						   .ack = c.kern_nxt, .wnd = 65535,
						   .sport = c.pport,
						   .opt = OPT(OPT_SACK1(c.kern_nxt + 1000,
									c.kern_nxt + 3500)));
			/* No report is believed: all is retransmitted. */
			peer_drain(p, 5);
			conn_send(&c, .flags = ACK, .ack = 1501);
			c.kern_nxt += 1500;
			for (uint32_t next = c.kern_nxt; next - c.kern_iss - 1 < TEXT_LEN;) {
				const struct segment *seg =
					peer_read(p, now_ns() + 20 * NSEC_PER_SEC);

				ASSERT_NE(NULL, seg) TH_LOG("part %d allocation %d", part, n);
				if (!seg->len)
					continue;
				EXPECT_EQ(-1, pattern_check(seg->data, seg->len,
							    seg->seq - c.kern_iss - 1));
				if (seq_before(next, seg->seq))
					continue;
				if (seq_before(next, seg->seq + seg->len))
					next = seg->seq + seg->len;
				conn_send(&c, .flags = ACK, .ack = next - c.kern_iss);
			}
			over(p, &c);
		}
		EXPECT_FAULTS(part ? "ACK with SACK" : "partial ACK", 9);
	}
}

/* Small segments become one when they are sent again, and what that one uses is charged. */
TEST_F_TIMEOUT(faults, collapse, 36000)
{
	static const int len[] = { 400, 100, 100, 100, 100 };
	struct peer *p = &self->peer;
	static uint8_t text[400];
	struct conn c;

	EACH_FAULT(n, more) {
		int sent = 0;

		conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
		socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
		for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
			pattern_fill(text, len[i], sent);
			ASSERT_EQ(len[i], send(c.fd, text, len[i], 0));
			sent += len[i];
		}
		peer_drain(p, 5);
		c.kern_nxt = c.kern_iss + 1;
		/* The first two are lost; if the report is, all are sent again. */
		more = send_faulty(p, n, .flags = ACK, .seq = c.peer_nxt, .ack = c.kern_nxt,
				   .wnd = 65535, .sport = c.pport,
				   .opt = OPT(OPT_SACK1(c.kern_nxt + 500, c.kern_nxt + 800)));
		EXPECT_LE(500, collect(_metadata, &c, 500)) TH_LOG("allocation %d", n);
		conn_send(&c, .flags = ACK, .ack = 801);
		peer_drain(p, 5);
		EXPECT_EQ(0, socket_meminfo(c.fd, SK_MEMINFO_WMEM_QUEUED))
			TH_LOG("allocation %d", n);
		over(p, &c);
	}
	EXPECT_FAULTS("ACK with SACK", 5);
}

TEST_F_TIMEOUT(faults, text, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The second segment first, so that it waits; then the first. */
	for (int late = 0; late < 2; late++) {
		EACH_FAULT(n, more) {
			conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
			if (late)
				more = send_faulty(p, n, .flags = ACK | PSH, .len = 1000,
						   .seq = c.peer_nxt + 1000, .pattern = 1000,
						   .ack = c.kern_nxt, .sport = c.pport);
			else
				more = send_faulty(p, n, .flags = ACK | PSH, .len = 1000,
						   .seq = c.peer_nxt, .pattern = 0,
						   .ack = c.kern_nxt, .sport = c.pport);
			conn_send(&c, .flags = ACK | PSH, .len = 2000, .pattern = 0);
			expect_text(_metadata, c.fd, 2000);
			over(p, &c);
		}
		EXPECT_FAULTS(late ? "text out of order" : "text", 6);
	}
}

TEST_F_TIMEOUT(faults, receive, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;
	uint8_t buf[20];
	int got;

	EACH_FAULT(n, more) {
		conn_open(p, &c);
		/* The second of two small segments waits for the reader, to be acknowledged. */
		socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
		conn_send(&c, .flags = ACK | PSH, .len = 10, .pattern = 0);
		conn_send(&c, .flags = ACK | PSH, .len = 10, .pattern = 10);
		peer_drain(p, 0);
		faults_arm(n);
		got = recv(c.fd, buf, sizeof(buf), 0);
		more = faults_disarm();
		/* The only allocations are for that ACK, which may be sent later. */
		ASSERT_EQ(20, got);
		EXPECT_EQ(-1, pattern_check(buf, 20, 0));
		conn_expect(&c, .flags = ACK, .ack = 21, .within_ms = 500);
		over(p, &c);
	}
	EXPECT_FAULTS("recv()", 1);
}

/* --- closing -------------------------------------------------------------------- */

/* @len: bytes that are in flight */
static void close_with(struct __test_metadata *_metadata, struct peer *p, int len, int least)
{
	const struct segment *fin;
	struct conn c;

	for (int shut = 0; shut < 2; shut++) {
		EACH_FAULT(n, more) {
			conn_open(p, &c);
			if (len) {
				conn_write(&c, len);
				conn_expect(&c, .len = len);
			}
			faults_arm(n);
			if (shut)
				shutdown(c.fd, SHUT_WR);
			else
				close(c.fd);
			more = faults_disarm();
			if (!shut)
				c.fd = -1;
			/* At once, or when the timer retries. */
			fin = await(p, FIN, 5000);
			ASSERT_NE(NULL, fin) TH_LOG("no FIN after allocation %d failed", n);
			conn_send(&c, .flags = RST | ACK, .ack = 2 + len);
			over(p, &c);
		}
		EXPECT_FAULTS(shut ? "shutdown()" : "close()", least);
	}
}

TEST_F_TIMEOUT(faults, close, 36000)
{
	close_with(_metadata, &self->peer, 0, 3);
}

/* With data in flight the FIN needs an skb of its own, whose allocation must not fail. */
TEST_F_TIMEOUT(faults, close_behind_data, 36000)
{
	close_with(_metadata, &self->peer, 5, 1);
}

TEST_F_TIMEOUT(faults, abort, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;

	EACH_FAULT(n, more) {
		struct linger none = { .l_onoff = 1 };

		conn_open(p, &c);
		setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		faults_arm(n);
		close(c.fd);
		more = faults_disarm();
		c.fd = -1;
		/* Without memory there is no RST; but no connection is made, either. */
		if (!await(p, RST, 10))
			EXPECT_TRUE(more);
		EXPECT_EQ(ST_CLOSED, conn_state(&c)) TH_LOG("allocation %d", n);
		over(p, &c);
	}
	EXPECT_FAULTS("close() with SO_LINGER 0", 3);
}

/* The last FIN: a socket becomes a TIME-WAIT record. */
TEST_F_TIMEOUT(faults, time_wait, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int orphan = 0; orphan < 2; orphan++) {
		EACH_FAULT(n, more) {
			const struct segment *answer;

			conn_to_state(p, &c, orphan ? ST_ORPHAN_FIN_WAIT_2 : ST_FIN_WAIT_2);
			more = send_faulty(p, n, .flags = FIN | ACK, .seq = c.peer_nxt,
					   .ack = c.kern_nxt, .sport = c.pport);
			answer = await(p, 0, 10);
			if (!answer) {
				ASSERT_TRUE(more);
				peer_send(p, .flags = FIN | ACK, .seq = c.peer_nxt,
					  .ack = c.kern_nxt, .sport = c.pport);
				/* An ACK, or a RST for a connection that is over. */
				EXPECT_NE(NULL, peer_read(p, now_ns() + 10 * NSEC_PER_MSEC));
			} else {
				EXPECT_EQ(c.peer_nxt + 1, answer->ack);
			}
			over(p, &c);
		}
		EXPECT_FAULTS(orphan ? "FIN of an orphan" : "FIN", 6);
	}
}

/* An orphan's socket in FIN-WAIT-2 becomes a record. */
TEST_F_TIMEOUT(faults, fin_wait_2, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;

	EACH_FAULT(n, more) {
		conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
		more = send_faulty(p, n, .flags = ACK, .seq = c.peer_nxt,
				   .ack = c.kern_nxt, .sport = c.pport);
		conn_send(&c, .flags = ACK);
		peer_drain(p, 5);
		EXPECT_NE(ST_FIN_WAIT_1, conn_state(&c)) TH_LOG("allocation %d", n);
		conn_send(&c, .flags = RST);
		over(p, &c);
	}
	EXPECT_FAULTS("ACK of an orphan's FIN", 4);
}

/* --- without a task ---------------------------------------------------------------- */

/* The next @n allocations fail, in any task. */
static void fail_next(int times)
{
	char text[16];

	sprintf(text, "%d", times);
	if (fail_nth < 0)
		faults_prepare();
	write_to(FAULTS "failslab/ignore-gfp-wait", "Y");
	write_to(FAULTS "failslab/times", text);
	write_to(FAULTS "failslab/probability", times ? "100" : "0");
	if (!times)
		write_to(FAULTS "failslab/ignore-gfp-wait", "N");
}

/* Timers find no memory for their segments, and send them at the next expiry. */
TEST_F_TIMEOUT(faults, timers, 36000)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int times = 1; times < 8; times++) {
		/* SYN-ACK */
		conn_to_state(p, &c, ST_HALF_OPEN);
		fail_next(times);
		sleep(1);
		peer_drain(p, 500);
		fail_next(0);
		/* Without memory for another wait the record is forgotten. */
		if (!await(p, SYN, 40000)) {
			EXPECT_EQ(ST_CLOSED, conn_state(&c));
			conn_send(&c, .flags = SYN, .seq = 0, .opt = OPT(OPT_MSS(1460)));
			EXPECT_NE(NULL, await(p, SYN, 10)) TH_LOG("SYN-ACK, %d", times);
		}
		conn_send(&c, .flags = RST);
		over(p, &c);
		/* data */
		conn_open(p, &c);
		conn_write(&c, 100);
		conn_expect(&c, .len = 100);
		fail_next(times);
		peer_drain(p, 500);
		fail_next(0);
		EXPECT_NE(NULL, await(p, 0, 40000)) TH_LOG("text, %d", times);
		conn_send(&c, .flags = RST);
		over(p, &c);
		/* FIN */
		conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
		fail_next(times);
		peer_drain(p, 500);
		fail_next(0);
		EXPECT_NE(NULL, await(p, FIN, 40000)) TH_LOG("FIN, %d", times);
		conn_send(&c, .flags = RST);
		over(p, &c);
		/* a delayed ACK */
		conn_open(p, &c);
		conn_send(&c, .flags = ACK | PSH, .len = 10, .pattern = 0);
		fail_next(times);
		EXPECT_NE(NULL, await(p, 0, 3000)) TH_LOG("ACK, %d", times);
		fail_next(0);
		expect_text(_metadata, c.fd, 10);
		over(p, &c);
	}
}

/*
 * Allocations of kmalloc() alone, and not the smallest: when a file of sysfs or its
 * name can't be made, the kernel itself leaks the name of a cache, and its tracing
 * warns about a field of an event.
 */
static void faults_of_kmalloc_only(bool only)
{
	struct dirent *entry;
	char path[300];
	DIR *dir = opendir("/sys/kernel/slab");
	int size;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/failslab", entry->d_name);
		if (sscanf(entry->d_name, "kmalloc-%d", &size) == 1 && size > 64)
			write_to(path, only ? "1" : "0");
	}
	closedir(dir);
	write_to(FAULTS "failslab/cache-filter", only ? "Y" : "N");
}

/* The cache of a timing wheel, which is larger than those above. */
#define WHEEL_FAILS "/sys/kernel/slab/kmalloc-4k/failslab"

/*
 * The first SYN of a listener finds memory for its record, which has a cache of its own, and none
 * to time the record: neither for a delay line nor, in place of it, for a timing wheel.
 */
TEST_F_TIMEOUT(faults, syn_of_an_untimed_record, 36000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_start(p, &c);
	faults_of_kmalloc_only(true);
	write_to(WHEEL_FAILS, "1");
	counters_take(&before);
	fail_next(2);
	conn_send(&c, .flags = SYN, .seq = 0);
	fail_next(0);
	write_to(WHEEL_FAILS, "0");
	faults_of_kmalloc_only(false);
	peer_expect_silence(p, 1500);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1, NULL);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = RST);
	over(p, &c);
}

/* --- around it ------------------------------------------------------------------- */

TEST_F_TIMEOUT(faults, options, 36000)
{
	static const struct {
		int level, name;
		const char *value;
		socklen_t len;
	} options[] = {
		{ IPPROTO_TCP, TCP_CONGESTION, "reno", 4 },
		{ IPPROTO_TCP, TCP_CONGESTION, "cubic", 5 },
		{ IPPROTO_TCP, TCP_NODELAY, "\1\0\0\0", 4 },
		{ IPPROTO_TCP, TCP_CORK, "\0\0\0\0", 4 },
		{ IPPROTO_TCP, TCP_QUICKACK, "\1\0\0\0", 4 },
		{ SOL_SOCKET, SO_REUSEPORT, "\1\0\0\0", 4 },
		{ SOL_SOCKET, SO_KEEPALIVE, "\1\0\0\0", 4 },
		{ SOL_SOCKET, SO_RCVLOWAT, "\1\0\0\0", 4 },
	};
	struct peer *p = &self->peer;
	uint8_t buf[512];
	socklen_t len;
	struct conn c;

	conn_open(p, &c);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		EACH_FAULT(n, more) {
			int error = 0;

			faults_arm(n);
			if (setsockopt(c.fd, options[i].level, options[i].name,
				       options[i].value, options[i].len))
				error = errno;
			len = sizeof(buf);
			if (getsockopt(c.fd, options[i].level, options[i].name, buf, &len))
				error = errno;
			len = sizeof(buf);
			if (getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, buf, &len))
				error = errno;
			more = faults_disarm();
			if (error)
				ASSERT_TRUE(no_memory(error)) TH_LOG("%s", strerror(error));
		}
	}
	over(p, &c);
}

TEST_F_TIMEOUT(faults, proc_and_knobs, 36000)
{
	static const char *const files[] = {
		"/proc/net/xtcp", "/proc/net/xtcp_netstat", "/proc/net/xtcp_snmp",
		"/proc/net/xtcp_hostcache", "/proc/net/xtcp_listen", "/proc/net/xtcp_lifecycle",
		"/proc/sys/net/ipv4/xtcp_syn_per_source_limit",
		"/proc/sys/net/ipv4/xtcp_congestion_control",
	};
	struct peer *p = &self->peer;
	static char buf[65536];
	int fd, n_sum = 0;
	struct conn c;

	conn_open(p, &c);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (access(files[i], R_OK))
			continue;
		EACH_FAULT(n, more) {
			faults_arm(n);
			fd = open(files[i], O_RDONLY);
			if (fd >= 0 && read(fd, buf, sizeof(buf)) < 0)
				EXPECT_TRUE(no_memory(errno));
			if (fd >= 0)
				close(fd);
			more = faults_disarm();
			n_sum++;
		}
	}
	EACH_FAULT(n, more) {
		faults_arm(n);
		knob_set("syn_per_source_limit", 10);
		more = faults_disarm();
		knob_set("syn_per_source_limit", 0);
		n_sum++;
	}
	TH_LOG("/proc: %d allocations failed in turn", n_sum);
	EXPECT_LE(100, n_sum);
	over(p, &c);
}

/* The range of the module's code. */
static void module_text(struct __test_metadata *_metadata, uint64_t *start, uint64_t *end)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], module[64], type;
	uint64_t at;

	ASSERT_NE(NULL, f);
	*start = UINT64_MAX;
	*end = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %c %*s [%63[^]]", &at, &type, module) != 3 ||
		    strcmp(module, "xtcp") || (type != 't' && type != 'T'))
			continue;
		*start = at < *start ? at : *start;
		*end = at > *end ? at : *end;
	}
	fclose(f);
	ASSERT_LT(*start, *end);
}

/* Allocations count that have a caller in this range, however far up the stack. */
static void faults_of_callers(uint64_t start, uint64_t end)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	char path[128], text[32];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), FAULTS "%s/stacktrace-depth", kinds[i]);
		write_to(path, "32");
		snprintf(path, sizeof(path), FAULTS "%s/require-start", kinds[i]);
		snprintf(text, sizeof(text), "0x%" PRIx64, start);
		write_to(path, text);
		snprintf(path, sizeof(path), FAULTS "%s/require-end", kinds[i]);
		snprintf(text, sizeof(text), "0x%" PRIx64, end);
		write_to(path, text);
	}
}

/*
 * Only xtcp's own allocations fail: the rest of the network logs warnings when one of
 * its allocations fails.
 */
TEST_F_TIMEOUT(faults, namespace, 600)
{
	uint64_t start, end;
	int failed = 0;

	module_text(_metadata, &start, &end);
	faults_of_callers(start, end);
	EACH_FAULT(n, more) {
		int error = 0;

		faults_arm(n);
		if (unshare(CLONE_NEWNET))
			error = errno;
		more = faults_disarm();
		if (error)
			EXPECT_TRUE(no_memory(error)) TH_LOG("%d: %s", n, strerror(error));
		failed += error != 0;
	}
	faults_of_callers(0, UINT64_MAX);
	TH_LOG("%d namespaces were refused", failed);
	/*
	 * Five to twelve: User-mode Linux searches the stack for callers, and remains
	 * of earlier calls may push xtcp's out of the list.
	 */
	EXPECT_LT(2, failed);
	EXPECT_FAULTS("unshare(CLONE_NEWNET)", 27);
	EXPECT_TRUE(knob_exists("syncookies"));
	EXPECT_EQ(0, socket_listen(socket_new(-1), 1));
}

/*
 * A namespace gets its tables with its first socket; the next one tries again. Each failure is
 * caused in ten namespaces, because kmemleak often misses a leak: an old word on some stack still
 * points to the memory.
 */
TEST_F_TIMEOUT(faults, first_socket_of_a_namespace, 600)
{
	int fd, failed = 0;

	EACH_FAULT(n, more) {
		for (int i = 0; i < 10; i++) {
			ASSERT_EQ(0, unshare(CLONE_NEWNET));
			faults_arm(n);
			fd = stream_socket(AF_INET);
			more = faults_disarm();
			failed += fd < 0 && errno == ENOMEM;
			close_or_no_inode(_metadata, fd);
			fd = socket_new(-1);
			EXPECT_EQ(0, socket_listen(fd, 1));
			close(fd);
		}
	}
	/*
	 * Those of ports, listeners and the socket; for the flows rhashtable repeats one. A few of
	 * the thirty hit a page for new objects instead, which SLUB asks for again.
	 */
	EXPECT_LT(20, failed);
	EXPECT_FAULTS("the first socket()", 15);
}

TEST_F_TIMEOUT(faults, module, 36000)
{
	int fd = open("/xtcp/xtcp.ko", O_RDONLY);

	ASSERT_LE(0, fd);
	faults_of_kmalloc_only(true);
	module_await_idle(WHERE(_metadata));
	EACH_FAULT(n, more) {
		int error = 0;

		ASSERT_EQ(0, module_unload());
		faults_arm(n);
		if (syscall(SYS_finit_module, fd, "", 0))
			error = errno;
		more = faults_disarm();
		if (error) {
			ASSERT_TRUE(no_memory(error)) TH_LOG("%s", strerror(error));
			ASSERT_EQ(0, module_load());
		}
	}
	close(fd);
	faults_of_kmalloc_only(false);
	EXPECT_FAULTS("finit_module()", 38);
}

TEST_HARNESS_MAIN
