// SPDX-License-Identifier: GPL-2.0
/*
 * acceptqueue: the connections that a listener keeps for accept(), and what happens
 * when its program is too slow. RFC 9293 3.10.7.4 fifth (SYN-RECEIVED).
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "fastopen.h"

#include <linux/filter.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

PEER_FIXTURE(acceptqueue);

/* Established, and not yet accepted. */
static void queue_up(struct peer *p, struct conn *c, int lfd)
{
	conn_to_state(p, c, ST_HALF_OPEN, .lfd = lfd);
	conn_send(c, .flags = ACK);
	conn_expect_state(c, ST_ESTABLISHED);
}

static unsigned int queued(void)
{
	struct proc_row row;

	return proc_row_find(&row, AF_INET, KERNEL_PORT, 0, NULL) ? row.rx : 9999;
}

/* That many connections fit, and the SYN of the next is dropped. */
static void fits(struct __test_metadata *_metadata, struct peer *p, int lfd,
		 unsigned int n)
{
	struct counters before;
	struct conn c;

	for (unsigned int i = 0; i < n; i++) {
		queue_up(p, &c, lfd);
		EXPECT_EQ(i + 1, queued());
	}
	counters_take(&before);
	conn_start(p, &c, .lfd = lfd);
	conn_send(&c, .flags = SYN);
	peer_expect_silence(p, 1000);
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	counters_expect(_metadata, &before, "InSegs", 1, "ListenOverflows", 1,
			"ListenDrops", 1, NULL);
	/* The client's next try succeeds once the program has made room. */
	EXPECT_EQ(0, socket_accept(lfd));
	conn_expect(&c, .flags = FIN | ACK, .dport = ANYWHERE);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	p->leave_unread = true;
}

TEST_F(acceptqueue, lc_31_one_more_than_the_backlog_fits)
{
	fits(_metadata, &self->peer, peer_listen(&self->peer, KERNEL_PORT, 2), 3);
}

TEST_F(acceptqueue, lc_31_backlog_of_0_holds_one)
{
	fits(_metadata, &self->peer, peer_listen(&self->peer, KERNEL_PORT, 0), 1);
}

TEST_F(acceptqueue, lc_31_somaxconn_caps_the_backlog)
{
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "1"));
	fits(_metadata, &self->peer, peer_listen(&self->peer, KERNEL_PORT, 100), 2);
}

TEST_F(acceptqueue, lc_31_minus_one_is_somaxconn)
{
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "3"));
	fits(_metadata, &self->peer, peer_listen(&self->peer, KERNEL_PORT, -1), 4);
}

TEST_F(acceptqueue, lc_31_listen_again_changes_the_backlog)
{
	int lfd = peer_listen(&self->peer, KERNEL_PORT, 5);

	ASSERT_EQ(0, socket_listen(lfd, 1));
	fits(_metadata, &self->peer, lfd, 2);
}

TEST_F(acceptqueue, lc_32_full_queue_drops_the_syn)
{
	fits(_metadata, &self->peer, peer_listen(&self->peer, KERNEL_PORT, 1), 2);
}

TEST_F(acceptqueue, lc_32_no_cookie_either)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 0);
	queue_up(p, &c, lfd);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	counters_take(&before);
	counters_ignore(&before, "TCPReqQFullDoCookies", NULL);
	conn_start(p, &c, .lfd = lfd);
	conn_send(&c, .flags = SYN);
	peer_expect_silence(p, 1000);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenOverflows", 1,
			"ListenDrops", 1, NULL);
}

/* Two connections and a backlog of 1 fill the queue; a third is half-open. */
static int overfull(struct peer *p, struct conn *late)
{
	struct conn first, second;
	int lfd = peer_listen(p, KERNEL_PORT, 1);

	queue_up(p, &first, lfd);
	conn_to_state(p, &second, ST_HALF_OPEN, .lfd = lfd);
	conn_to_state(p, late, ST_HALF_OPEN, .lfd = lfd);
	conn_send(&second, .flags = ACK);
	conn_expect_state(&second, ST_ESTABLISHED);
	return lfd;
}

TEST_F(acceptqueue, lc_33_third_ack_waits_for_room)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	peer_mark(p);
	lfd = overfull(p, &c);
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 100);
	conn_expect_state(&c, ST_HALF_OPEN);
	EXPECT_EQ(2, queued());
	counters_expect(_metadata, &before, "InSegs", 1, "ListenOverflows", 1,
			"ListenDrops", 1, NULL);
	/* The peer believes that it is connected; its data is dropped as well. */
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "hello");
	peer_expect_silence(p, 100);
	conn_expect_state(&c, ST_HALF_OPEN);
	/* But the SYN-ACK is repeated, and its answer finds room. */
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .at_ms = 1000);
	conn_accept(&c);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "hello");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6, .within_ms = 210);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(2, queued());
	close(lfd);
	p->leave_unread = true;
}

/* The SYN-ACK that follows echoes the SYN; an ACK that was not taken counts for nothing. */
TEST_F(acceptqueue, rfc7323_4_3_refused_ack_is_not_echoed)
{
	struct peer *p = &self->peer;
	struct conn first, second, c;
	int lfd = peer_listen(p, KERNEL_PORT, 1);
	uint32_t stamp;

	queue_up(p, &first, lfd);
	conn_to_state(p, &second, ST_HALF_OPEN, .lfd = lfd);
	conn_start(p, &c, .lfd = lfd, .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	c.tsval_base = 1000;
	peer_mark(p);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	stamp = p->last.opt.tsecr;
	conn_send(&second, .flags = ACK);
	conn_expect_state(&second, ST_ESTABLISHED);
	c.tsval_base += 500;
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .tsecr = stamp, .at_ms = 1000);
	/* The one that opens the connection counts. */
	conn_accept(&c);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "hello");
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = DELAYED_ACK_MS);
	EXPECT_LE(stamp + 1500, p->last.opt.tsecr);
	/* The timer of the kernel's TCP is late. */
	EXPECT_GE(stamp + (stock_mode() ? 1600 : 1502), p->last.opt.tsecr);
	close(lfd);
	p->leave_unread = true;
}

TEST_F(acceptqueue, lc_33_without_room_it_ends_at_63s)
{
	static const int at_ms[] = { 1000, 3000, 7000, 15000, 31000 };
	struct peer *p = &self->peer;
	struct conn c;

	peer_mark(p);
	overfull(p, &c);
	conn_send(&c, .flags = ACK);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++) {
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = at_ms[i]);
		conn_send(&c, .flags = ACK);
	}
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 63000);
	/* Too late now. */
	conn_send(&c, .flags = ACK | PSH, .data = "late");
	conn_expect(&c, .flags = RST, .seq = 1);
}

/* Of the two reasons of a RST by xtcp_abort_on_overflow it is @counter; Linux has neither. */
static void reset_expect_reason(struct __test_metadata *_metadata, const struct counters *before,
				const char *counter)
{
	static const char *const reasons[] = {
		"XtcpResetSentAcceptOverflow", "XtcpResetSentNoMemory",
	};

	if (stock_mode())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		EXPECT_EQ(!strcmp(reasons[i], counter), counter_moved(before, reasons[i]));
}

TEST_F(acceptqueue, lc_34_abort_on_overflow)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set("abort_on_overflow", 1));
	lfd = overfull(p, &c);
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(2, queued());
	counters_expect(_metadata, &before, "InSegs", 1, "ListenOverflows", 1,
			"ListenDrops", 1, "OutSegs", 1, "OutRsts", 1,
			"EmbryonicRsts", 1, NULL);
	reset_expect_reason(_metadata, &before, "XtcpResetSentAcceptOverflow");
	peer_expect_silence(p, 70000);
	close(lfd);
	p->leave_unread = true;
}

TEST_F(acceptqueue, knob_abort_on_overflow)
{
	struct peer *p = &self->peer;
	struct conn c;

	EXPECT_EQ(0, knob_get("abort_on_overflow"));
	overfull(p, &c);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 20);
	/* Values beyond the documented range mean 1. */
	ASSERT_EQ(0, knob_set("abort_on_overflow", 7));
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(acceptqueue, accept_takes_the_oldest_first)
{
	struct peer *p = &self->peer;
	struct conn c[3];
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	for (int i = 0; i < 3; i++)
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
	/* In the order of the third segments, not of the SYNs. */
	for (int i = 2; i >= 0; i--)
		conn_send(&c[i], .flags = ACK);
	for (int i = 2; i >= 0; i--) {
		struct sockaddr_in sin;
		socklen_t len = sizeof(sin);
		int fd = accept(lfd, (struct sockaddr *)&sin, &len);

		ASSERT_LE(0, fd);
		EXPECT_EQ(c[i].pport, ntohs(sin.sin_port));
	}
}

/* Events of a connection between the third segment and accept(). */
TEST_F(acceptqueue, sm_queued_child_goes_on)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[16];
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	queue_up(p, &c, lfd);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = 210);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	conn_accept(&c);
	EXPECT_EQ(4, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), 0));
}

/* A child, not accepted yet, of a listener on which shutdown() came before listen(). */
static void open_after_shutdown(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	int lfd = socket_new(-1);

	ASSERT_EQ(ENOTCONN, socket_shutdown(lfd, SHUT_WR));
	ASSERT_EQ(0, socket_bind(lfd, "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(lfd, 4));
	conn_to_state(p, c, ST_HALF_OPEN, .lfd = lfd);
	conn_send(c, .flags = ACK);
}

/* A child shares it with its listener. In Linux the FIN leaves at once, here with accept(). */
TEST_F(acceptqueue, sm_listener_shut_down_before_listen)
{
	struct peer *p = &self->peer;
	char buf[16];
	struct conn c;

	open_after_shutdown(_metadata, p, &c);
	if (!stock_mode()) {
		peer_expect_silence(p, 100);
		conn_accept(&c);
	}
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	if (stock_mode())
		conn_accept(&c);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = ACK | PSH, .ack = 2, .data = "text");
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 5, .within_ms = 210);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	EXPECT_EQ(4, recv(c.fd, buf, sizeof(buf), 0));
	conn_send(&c, .flags = FIN | ACK, .ack = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 6);
}

/* The peer has closed before accept(): the FIN is of LAST-ACK. */
TEST_F(acceptqueue, sm_listener_shut_down_before_listen_and_peer_closes)
{
	struct peer *p = &self->peer;
	struct conn c;
	char byte;

	NOT_ON_STOCK();		/* there the FIN has left before */
	open_after_shutdown(_metadata, p, &c);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	conn_accept(&c);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 2);
	conn_expect_state(&c, ST_LAST_ACK);
	EXPECT_EQ(0, recv(c.fd, &byte, 1, 0));
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_CLOSED);
	close(c.fd);
}

TEST_F(acceptqueue, sm_queued_child_is_reset)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	queue_up(p, &c, lfd);
	counters_take(&before);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "InSegs", 1, "EstabResets", 1,
			"CurrEstab", -1, NULL);
	/* accept() returns it all the same; its first call returns the error. */
	EXPECT_EQ(1, queued());
	conn_accept(&c);
	EXPECT_EQ(ECONNRESET, socket_receive(c.fd));
	EXPECT_EQ(0, socket_receive(c.fd));
	EXPECT_EQ(0, queued());
}

TEST_F(acceptqueue, sm_queued_child_is_reset_and_forgotten)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	queue_up(p, &c, lfd);
	conn_send(&c, .flags = RST);
	close(lfd);
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
}

/* The kernel memory that options may take; in older kernels one value for all. */
static void optmem_set(struct __test_metadata *_metadata, const char *bytes)
{
	const char *path = "/proc/sys/net/core/optmem_max";
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int init = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);

	if (sysctl_write(path, bytes)) {
		netns_enter(WHERE(_metadata), init);
		EXPECT_EQ(0, sysctl_write(path, bytes));
		netns_enter(WHERE(_metadata), own);
	}
	close(own);
	close(init);
}

/* A filter of a listener, which each child copies, and which the knob no longer allows. */
static void no_child(struct __test_metadata *_metadata, int lfd)
{
	struct sock_filter accept_all[100];
	struct sock_fprog prog = { .len = 100, .filter = accept_all };

	for (int i = 0; i < 100; i++)
		accept_all[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, -1U);
	ASSERT_EQ(0, setsockopt(lfd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
	optmem_set(_metadata, "600");
}

/*
 * A child that can't be made: its copy of the listener's filter takes more memory than
 * the knob allows by now. The peer's next ACK finds the record still there. Until then the peer
 * has waited, so no round trip is measured.
 */
TEST_F(acceptqueue, sm_half_open_no_memory)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	no_child(_metadata, c.lfd);
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 20);
	optmem_set(_metadata, "131072");
	conn_expect_state(&c, ST_HALF_OPEN);
	EXPECT_EQ(0, queued());
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1, NULL);
	peer_expect_silence(p, 500);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
	if (!stock_mode())
		EXPECT_EQ(0, conn_info(&c).srtt_us);
}

/* xtcp_abort_on_overflow does not ask why there is no child; the counter of the RST tells it. */
TEST_F(acceptqueue, lc_34_abort_without_memory)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("abort_on_overflow", 1));
	conn_to_state(p, &c, ST_HALF_OPEN);
	no_child(_metadata, c.lfd);
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	optmem_set(_metadata, "131072");
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1, "OutSegs", 1,
			"OutRsts", 1, "EmbryonicRsts", 1, NULL);
	reset_expect_reason(_metadata, &before, "XtcpResetSentNoMemory");
}

/* A fast open without memory for its child opens as usual, and the client keeps its cookie. */
TEST_F(acceptqueue, rfc7413_no_memory)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	uint8_t cookie[16];
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	no_child(_metadata, lfd);
	counters_begin(&before);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	optmem_set(_metadata, "131072");
	EXPECT_EQ(8, c.kern_opt.fastopen);
	EXPECT_EQ(0, memcmp(cookie, c.kern_opt.fastopen_cookie, 8));
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassiveFail"));
	EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassive"));
	EXPECT_EQ(1, counter_moved(&before, "ListenDrops"));
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .ack = 1, .data = "hello");
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	conn_send(&c, .flags = RST, .seq = 6);
	p->leave_unread = true;
}

/* As Linux: the child of a peer to which no route leads would not know what it may send. */
TEST_F(acceptqueue, no_child_without_a_route)
{
	struct peer *p = &self->peer;
	struct counters before;
	char to[64], add[128], del[128];
	struct conn c;

	ipaddr_text(&p->addr, to, sizeof(to));
	snprintf(add, sizeof(add), "ip route add unreachable %s metric 1", to);
	snprintf(del, sizeof(del), "ip route del unreachable %s metric 1", to);
	conn_to_state(p, &c, ST_HALF_OPEN);
	shell_run(WHERE(_metadata), add);
	counters_take(&before);
	/* Linux counts the child that it made and discarded. */
	counters_ignore(&before, "PassiveOpens", "AttemptFails", NULL);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 20);
	EXPECT_EQ(0, queued());
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1, NULL);
	shell_run(WHERE(_metadata), del);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(acceptqueue, ctr_ListenOverflows)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	overfull(p, &c);
	counters_take(&before);
	for (int i = 0; i < 3; i++)
		conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 3, "ListenOverflows", 3,
			"ListenDrops", 3, NULL);
}

/* Every dropped SYN: also those that another limit than the accept queue's drops. */
TEST_F(acceptqueue, ctr_ListenDrops)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[2];
	int lfd;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	lfd = peer_listen(p, KERNEL_PORT, 0);
	conn_to_state(p, &c[0], ST_HALF_OPEN, .lfd = lfd);
	counters_take(&before);
	conn_start(p, &c[1], .lfd = lfd);
	conn_send(&c[1], .flags = SYN);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1,
			"TCPReqQFullDrop", 1, NULL);
}

/* A SYN that neither queue has room for counts for the accept queue, as in Linux. */
TEST_F(acceptqueue, lc_42_full_queue_before_the_reserve)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[7];
	int lfd;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	lfd = peer_listen(p, KERNEL_PORT, 3);
	for (int i = 0; i < 2; i++)
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
	for (int i = 2; i < 6; i++) {
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd);
		conn_send(&c[i], .flags = ACK);
	}
	EXPECT_EQ(4, queued());
	/* Two half-open: the rest of the SYN queue is for known peers now. */
	ASSERT_EQ(0, knob_set("max_syn_backlog", 1));
	counters_take(&before);
	conn_start(p, &c[6], .lfd = lfd);
	conn_send(&c[6], .flags = SYN);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenOverflows", 1,
			"ListenDrops", 1, NULL);
	for (int i = 0; i < 2; i++)
		conn_send(&c[i], .flags = RST);
}

TEST_F(acceptqueue, ctr_PassiveOpens)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 16);
	counters_take(&before);
	counters_ignore(&before, "TCPPureAcks", "TCPDelivered", NULL);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
	conn_send(&c, .flags = ACK);
	counters_expect(_metadata, &before, "InSegs", 2, "OutSegs", 1,
			"PassiveOpens", 1, "CurrEstab", 1, NULL);
}

/* --- between two real ends --------------------------------------------- */

PAIR_FIXTURE(acceptqueue_pair);

/*
 * The queue holds one. Three clients are connected, as they see it, and all write; the
 * data of two waits until the program has made room.
 */
TEST_F(acceptqueue_pair, lc_33_clients_text_waits_for_room)
{
	struct pair *pr = &self->pair;
	int lfd, fd[3], child, seen = 0;
	struct counters after;
	char text;

	lfd = pair_listen(pr, 5000, 0);
	for (int i = 0; i < 3; i++) {
		struct sockaddr_storage sa;
		socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], 5000, &sa);

		/* All SYNs before the first ACK, or there would be no room for them. */
		pair_enter(pr, CLIENT);
		if (!i)
			pair_netem(pr, CLIENT, &(struct netem){ .delay_ms = 10 });
		fd[i] = stream_socket(pr->family);
		fd_nonblock(fd[i]);
		connect(fd[i], (struct sockaddr *)&sa, len);
	}
	sleep_ms(100);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(POLLOUT, socket_poll(fd[i]));
		text = 'a' + i;
		EXPECT_EQ(1, send(fd[i], &text, 1, 0));
	}
	pair_enter(pr, SERVER);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_ESTABLISHED));
	for (int i = 0; i < 3; i++) {
		/* A repeated SYN-ACK, or the data, finds the room. */
		EXPECT_EQ(1, poll(&(struct pollfd){ .fd = lfd, .events = POLLIN }, 1, 8000));
		child = accept(lfd, NULL, NULL);
		ASSERT_LE(0, child);
		EXPECT_EQ(1, recv(child, &text, 1, 0));
		seen |= 1 << (text - 'a');
		close(child);
		sleep_ms(2000);
	}
	EXPECT_EQ(7, seen);
	counters_take(&after);
	/* Third segment and data of each of the two, and what they send until there is room. */
	EXPECT_EQ(7, counter_get(&after, "ListenOverflows"));
	EXPECT_EQ(3, counter_get(&after, "PassiveOpens"));
}

static void ignore(int sig)
{
}

/*
 * A signal that comes during the call: a tracer sends one at each beginning and end of a call,
 * and takes it away again before it is delivered.
 */
TEST_F(acceptqueue, accept_without_waiting_is_not_interrupted)
{
	int lfd = peer_listen(&self->peer, KERNEL_PORT, 1), status, signal_next = 0;
	pid_t pid;

	fd_nonblock(lfd);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		signal(SIGUSR1, ignore);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(accept(lfd, NULL, NULL) < 0 ? errno : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD));
	while (WIFSTOPPED(status)) {
		ASSERT_EQ(0, ptrace(PTRACE_SYSCALL, pid, NULL, signal_next));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		signal_next = WSTOPSIG(status) == (SIGTRAP | 0x80) ? SIGUSR1 : 0;
	}
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EAGAIN, WEXITSTATUS(status));
	close(lfd);
}

TEST_HARNESS_MAIN
