// SPDX-License-Identifier: GPL-2.0
/*
 * tcpinfo: TCP_INFO and TCP_INQ of a connection. Linux TCP's fields mean the same
 * here; the kernel's TCP passes this, too.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(tcpinfo);

/* The C library's own header has an older tcp_info. */
#ifndef SOL_TCP
#define SOL_TCP IPPROTO_TCP
#endif

static int fresh(struct __test_metadata *_metadata)
{
	int fd = stream_socket(AF_INET);

	ASSERT_LE(0, fd);
	fd_nonblock(fd);
	return fd;
}

/* LC-06: what the handshake agreed on, in TCP_INFO. */
TEST_F(tcpinfo, lc_06_tcp_info_has_what_was_agreed)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(1400), OPT_SACKOK,
		  OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(5)), .rtt_ms = 40);
	memset(&info, 0xff, sizeof(info));
	ASSERT_EQ(0, getsockopt(c.fd, SOL_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(ROW_ESTABLISHED, info.tcpi_state);
	EXPECT_EQ(TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE, info.tcpi_options);
	EXPECT_EQ(5, (int)info.tcpi_snd_wscale);
	EXPECT_EQ(c.kern_wscale, (int)info.tcpi_rcv_wscale);
	EXPECT_EQ(1400 - 12, info.tcpi_snd_mss);
	EXPECT_EQ(1460 - 12, info.tcpi_advmss);
	EXPECT_EQ(mtu_of(1500), (int)info.tcpi_pmtu);
	EXPECT_LE(39000, info.tcpi_rtt);
	EXPECT_GE(44000, info.tcpi_rtt);
	EXPECT_LE(200000, info.tcpi_rto);
	EXPECT_EQ(10, info.tcpi_snd_cwnd);
	EXPECT_EQ(0, info.tcpi_retransmits);
	EXPECT_EQ(0, info.tcpi_unacked);

	conn_open(&self->peer, &c, .no_opt = true, .kport = 5001);
	len = sizeof(info);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(0, info.tcpi_options);
	EXPECT_EQ(mss_default(), (int)info.tcpi_snd_mss);
	EXPECT_EQ(1460, info.tcpi_advmss);
}

/* What ss -i prints of a transfer, both ways, with a loss. */
TEST_F(tcpinfo, tcp_info_counts_what_happened)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	struct conn c;

	link_set_single_segments(WHERE(_metadata), "tun0");
	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK), .rtt_ms = 40);
	flight_write(&c, 5);
	flight_expect_all(&c, 0, 4);
	flight_sack(&c, 0, { 1, 5 });
	flight_expect(&c, 0);
	conn_send(&c, .flags = ACK, .ack = 5001);
	conn_send(&c, .flags = ACK, .seq = 501, .len = 500);
	conn_expect(&c, .flags = ACK, .ack = 1);
	conn_send(&c, .flags = ACK, .seq = 1, .len = 500);
	conn_expect(&c, .flags = ACK, .ack = 1001);
	p->leave_unread = true;
	sleep_ms(100);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(6000, (int)info.tcpi_bytes_sent);
	EXPECT_EQ(1000, (int)info.tcpi_bytes_retrans);
	EXPECT_EQ(5000, (int)info.tcpi_bytes_acked);
	EXPECT_EQ(1000, (int)info.tcpi_bytes_received);
	EXPECT_EQ(6, (int)info.tcpi_data_segs_out);
	EXPECT_EQ(2, (int)info.tcpi_data_segs_in);
	EXPECT_EQ(6, (int)info.tcpi_delivered);
	EXPECT_EQ(0, (int)info.tcpi_delivered_ce);
	EXPECT_EQ(1, (int)info.tcpi_total_retrans);
	EXPECT_EQ(1, (int)info.tcpi_rcv_ooopack);
	EXPECT_EQ(0, (int)info.tcpi_notsent_bytes);
	EXPECT_EQ(0, (int)info.tcpi_unacked + info.tcpi_sacked + info.tcpi_lost + info.tcpi_retrans);
	EXPECT_LE(99, (int)info.tcpi_last_data_sent);
	EXPECT_GE(110, (int)info.tcpi_last_data_sent);
	EXPECT_LE(99, (int)info.tcpi_last_data_recv);
	EXPECT_GE(110, (int)info.tcpi_last_data_recv);
	EXPECT_LE(99, (int)info.tcpi_last_ack_recv);
	EXPECT_LT(0, (int)info.tcpi_min_rtt);
	/* Ten segments: nothing has been read. */
	EXPECT_EQ(14600, (int)info.tcpi_rcv_space);
	EXPECT_EQ(65535, (int)info.tcpi_snd_wnd);
	EXPECT_NE(UINT64_MAX, info.tcpi_pacing_rate);
	EXPECT_EQ(UINT64_MAX, info.tcpi_max_pacing_rate);
}

/* The peer offers less than before, then nothing: what is written then is not sent. */
TEST_F(tcpinfo, tcp_info_of_a_window_that_closes)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	conn_open(p, &c);
	/* A smaller window is believed in a segment behind the last one. */
	conn_send(&c, .flags = ACK, .len = 1);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(65535, (int)conn_tcp_info(&c).tcpi_snd_wnd);
	conn_send(&c, .flags = ACK, .wnd = 5000, .len = 1);
	conn_expect(&c, .flags = ACK, .ack = 3, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(5000, (int)conn_tcp_info(&c).tcpi_snd_wnd);
	conn_send(&c, .flags = ACK, .wnd = 0, .len = 1);
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	conn_write(&c, 500);
	info = conn_tcp_info(&c);
	EXPECT_EQ(0, (int)info.tcpi_snd_wnd);
	EXPECT_EQ(500, (int)info.tcpi_notsent_bytes);
	EXPECT_EQ(0, (int)info.tcpi_unacked);
	EXPECT_EQ(0, (int)info.tcpi_bytes_sent);
	p->leave_unread = true;		/* window probes */
}

/* A lost segment has been sent again, and its ACK has not come yet. */
TEST_F(tcpinfo, tcp_info_of_a_retransmission_in_flight)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	link_set_single_segments(WHERE(_metadata), "tun0");
	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK), .rtt_ms = 40);
	flight_write(&c, 5);
	flight_expect_all(&c, 0, 4);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_retrans);
	flight_sack(&c, 0, { 1, 5 });
	flight_expect(&c, 0);
	info = conn_tcp_info(&c);
	EXPECT_EQ(5, (int)info.tcpi_unacked);
	EXPECT_EQ(4, (int)info.tcpi_sacked);
	EXPECT_EQ(1, (int)info.tcpi_lost);
	EXPECT_EQ(1, (int)info.tcpi_retrans);
	flight_ack(&c, 5);
	peer_drain(p, 1);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_retrans);
}

/* ECN is agreed on; a segment of the peer with ECT(0) comes later. */
TEST_F(tcpinfo, tcp_info_of_ecn)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .opt = OPT(OPT_MSS(1000)));
	conn_send(&c, .flags = SYN | ECE | CWR);
	conn_expect(&c, .flags = SYN | ACK | ECE, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_send(&c, .flags = ACK, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 101, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(TCPI_OPT_ECN, conn_tcp_info(&c).tcpi_options);
	conn_send(&c, .flags = ACK, .len = 100, .tos = 2);
	conn_expect(&c, .flags = ACK, .ack = 201, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN, conn_tcp_info(&c).tcpi_options);
}

/* The SYN-ACK counts, as the segments behind it do; so does our SYN. */
TEST_F(tcpinfo, tcp_info_counts_the_handshake)
{
	struct tcp_info info;
	struct conn c;

	conn_open(&self->peer, &c, .active = true);
	info = conn_tcp_info(&c);
	EXPECT_EQ(1, (int)info.tcpi_segs_in);
	EXPECT_EQ(2, (int)info.tcpi_segs_out);
	EXPECT_EQ(0, (int)(info.tcpi_data_segs_in + info.tcpi_data_segs_out));
}

/* Of a server: the SYN and the third segment, and no SYN-ACK. A cookie counts as a SYN. */
TEST_F(tcpinfo, tcp_info_counts_the_handshake_of_a_server)
{
	struct tcp_info info;
	struct conn c;

	for (int cookies = 0; cookies < 2; cookies++) {
		if (cookies)
			ASSERT_EQ(0, knob_set("syncookies", 2));
		conn_open(&self->peer, &c);
		info = conn_tcp_info(&c);
		EXPECT_EQ(2, (int)info.tcpi_segs_in);
		EXPECT_EQ(0, (int)info.tcpi_segs_out);
		EXPECT_EQ(0, (int)(info.tcpi_data_segs_in + info.tcpi_data_segs_out));
		close(c.lfd);
	}
}

/* TCP_INQ: how much is left; after a FIN one, so that a read is made. */
TEST_F(tcpinfo, tcp_inq_reports_what_is_left)
{
	char text[64], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	static const int left[] = { 6, 2, 0 };
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_TCP, TCP_INQ, 1));
	conn_send(&c, .flags = ACK | PSH, .data = "0123456789");
	conn_expect(&c, .flags = ACK, .within_ms = 210);
	for (int i = 0; i < 4; i++) {
		struct cmsghdr *cmsg;
		int inq;

		if (i == 3) {
			conn_send(&c, .flags = ACK | FIN);
			peer_drain(p, 50);
		}
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		ASSERT_EQ(i < 2 ? 4 : i == 2 ? 2 : 0, (int)recvmsg(c.fd, &msg, 0));
		cmsg = CMSG_FIRSTHDR(&msg);
		ASSERT_NE(NULL, cmsg);
		EXPECT_EQ(SOL_TCP, cmsg->cmsg_level);
		EXPECT_EQ(TCP_CM_INQ, cmsg->cmsg_type);
		memcpy(&inq, CMSG_DATA(cmsg), sizeof(inq));
		EXPECT_EQ(i < 3 ? left[i] : 1, inq);
	}
}

/* The urgent byte, which is read by itself, tells it, too. */
TEST_F(tcpinfo, tcp_inq_beside_the_urgent_byte)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	struct conn c;
	int inq;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_TCP, TCP_INQ, 1));
	conn_send(&c, .flags = ACK | PSH | URG, .data = "abcdef", .urg = 3);
	conn_expect(&c, .flags = ACK, .within_ms = 210);
	ASSERT_EQ(1, (int)recvmsg(c.fd, &msg, MSG_OOB));
	EXPECT_EQ('c', byte);
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT_NE(NULL, cmsg);
	EXPECT_EQ(SOL_TCP, cmsg->cmsg_level);
	EXPECT_EQ(TCP_CM_INQ, cmsg->cmsg_type);
	memcpy(&inq, CMSG_DATA(cmsg), sizeof(inq));
	EXPECT_EQ(6, inq);
}

/* After connect() to AF_UNSPEC nothing is left of the connection. */
TEST_F(tcpinfo, tcp_info_of_a_former_connection)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	conn_open(p, &c, .active = true, .opt = OPT(OPT_MSS(1000), OPT_SACKOK, OPT_TS(1, 0),
		  OPT_NOP, OPT_WSCALE(5)), .rtt_ms = 40);
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .seq = 1, .len = 5);
	peer_mark_last(p);
	conn_expect(&c, .seq = 1, .len = 5, .within_ms = 1100);
	conn_expect(&c, .seq = 1, .len = 5, .within_ms = 1100);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_send(&c, .flags = ACK, .seq = 501, .len = 500);
	peer_drain(p, 300);
	info = conn_tcp_info(&c);
	EXPECT_LT(0, (int)info.tcpi_total_retrans);
	EXPECT_LT(0, (int)info.tcpi_rcv_ooopack);
	EXPECT_EQ(0, socket_disconnect(c.fd));
	peer_drain(p, 10);
	info = conn_tcp_info(&c);
	EXPECT_EQ(ROW_CLOSE, info.tcpi_state);
	EXPECT_EQ(TCP_CA_Open, info.tcpi_ca_state);
	EXPECT_EQ(0, info.tcpi_options);
	EXPECT_EQ(0, info.tcpi_snd_wscale + info.tcpi_rcv_wscale);
	EXPECT_EQ(0, (int)info.tcpi_rtt);
	EXPECT_EQ(1000000, (int)info.tcpi_rto);
	EXPECT_EQ(0, (int)info.tcpi_ato);
	EXPECT_EQ(10, (int)info.tcpi_snd_cwnd);
	EXPECT_EQ(INT_MAX, (int)info.tcpi_snd_ssthresh);
	EXPECT_EQ(0, (int)(info.tcpi_unacked + info.tcpi_sacked + info.tcpi_lost +
			   info.tcpi_retrans + info.tcpi_retransmits + info.tcpi_backoff));
	EXPECT_EQ(0, (int)info.tcpi_total_retrans);
	EXPECT_EQ(0, (int)info.tcpi_bytes_sent);
	EXPECT_EQ(0, (int)info.tcpi_bytes_retrans);
	EXPECT_EQ(0, (int)info.tcpi_bytes_acked);
	EXPECT_EQ(0, (int)info.tcpi_bytes_received);
	EXPECT_EQ(0, (int)(info.tcpi_segs_in + info.tcpi_segs_out));
	EXPECT_EQ(0, (int)(info.tcpi_data_segs_in + info.tcpi_data_segs_out));
	EXPECT_EQ(0, (int)(info.tcpi_delivered + info.tcpi_delivered_ce));
	EXPECT_EQ(0, (int)info.tcpi_rcv_ooopack);
}

TEST_F(tcpinfo, opt_tcp_info_length)
{
	int fd = fresh(_metadata);
	unsigned char buf[512];
	socklen_t len = sizeof(buf);

	ASSERT_EQ(0, getsockopt(fd, SOL_TCP, TCP_INFO, buf, &len));
	EXPECT_LE(232, len);		/* 6.1 */
	EXPECT_GE(sizeof(buf), len);
	/* A program built for another release gets as much as it knows. */
	memset(buf, 0xee, sizeof(buf));
	len = 8;
	ASSERT_EQ(0, getsockopt(fd, SOL_TCP, TCP_INFO, buf, &len));
	EXPECT_EQ(8, len);
	EXPECT_EQ(ROW_CLOSE, buf[0]);
	EXPECT_EQ(0xee, buf[8]);
	len = 0;
	EXPECT_EQ(0, getsockopt(fd, SOL_TCP, TCP_INFO, buf, &len));
	EXPECT_EQ(0, len);
}

TEST_F(tcpinfo, opt_tcp_info_counts)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .seq = 1, .len = 5);
	peer_mark_last(&self->peer);
	conn_expect(&c, .seq = 1, .len = 5, .within_ms = 1100);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(1, info.tcpi_retransmits);
	EXPECT_EQ(1, info.tcpi_unacked);
	EXPECT_EQ(1, info.tcpi_total_retrans);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	len = sizeof(info);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(0, info.tcpi_retransmits);
	EXPECT_EQ(0, info.tcpi_unacked);
	EXPECT_EQ(3, info.tcpi_bytes_received);
	EXPECT_EQ(5, info.tcpi_bytes_acked);
	EXPECT_EQ(65535, info.tcpi_snd_wnd);
}

/* The fields that struct tcp_info got after 6.1, behind tcpi_snd_wnd. */
struct newer_info {
	struct tcp_info info;
	uint32_t rcv_wnd;		/* 6.2 */
	uint32_t rehash;
	uint16_t total_rto;		/* 6.7 */
	uint16_t total_rto_recoveries;
	uint32_t total_rto_time;
};

/* The length that the kernel fills in. */
static socklen_t newer(int fd, struct newer_info *info)
{
	const size_t known = offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(uint32_t);
	unsigned char buf[512] = "";
	socklen_t len = sizeof(buf);

	if (getsockopt(fd, SOL_TCP, TCP_INFO, buf, &len))
		return 0;
	memset(info, 0, sizeof(*info));
	memcpy(&info->info, buf, sizeof(info->info));
	memcpy(&info->rcv_wnd, buf + known, sizeof(*info) - offsetof(struct newer_info, rcv_wnd));
	return len;
}

/* The TCP of a kernel before 6.7 has no such fields to check; xtcp has them on each. */
#define KNOWS_TIMEOUTS 248

/*
 * A timeout of 240 ms and one of 480: the ACK ends the recovery that the first began.
 * Each of them changes the flow's hash, unless the program forbids it.
 */
TEST_F(tcpinfo, opt_tcp_info_timeouts_ctr_TcpTimeoutRehash)
{
	struct peer *p = &self->peer;
	struct counters counts;
	struct newer_info now;
	struct conn c;

	counters_take(&counts);
	conn_open(p, &c, .rtt_ms = 40);
	if (newer(c.fd, &now) < KNOWS_TIMEOUTS) {
		EXPECT_TRUE(stock_mode());
		return;
	}
	EXPECT_EQ(0, now.total_rto + now.total_rto_recoveries + now.total_rto_time + now.rehash);
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .seq = 1, .len = 5);
	conn_expect(&c, .seq = 1, .len = 5, .within_ms = 260);
	newer(c.fd, &now);
	EXPECT_EQ(1, now.total_rto);
	EXPECT_GE(2, (int)now.total_rto_time);
	conn_expect(&c, .seq = 1, .len = 5, .within_ms = 500);
	sleep_ms(100);
	newer(c.fd, &now);
	EXPECT_EQ(2, now.total_rto);
	EXPECT_EQ(1, now.total_rto_recoveries);
	EXPECT_EQ(2, (int)now.rehash);
	EXPECT_LE(570, (int)now.total_rto_time);
	EXPECT_GE(600, (int)now.total_rto_time);
	conn_send(&c, .flags = ACK, .ack = 6);
	sleep_ms(1000);
	newer(c.fd, &now);
	EXPECT_LE(570, (int)now.total_rto_time);
	EXPECT_GE(600, (int)now.total_rto_time);

	/* Another series of timeouts, without another hash. */
	EXPECT_EQ(EINVAL, socket_set(c.fd, SOL_SOCKET, SO_TXREHASH, 2));
	EXPECT_EQ(EINVAL, socket_set(c.fd, SOL_SOCKET, SO_TXREHASH, -2));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_TXREHASH, 0));
	ASSERT_EQ(5, send(c.fd, "again", 5, 0));
	conn_expect(&c, .seq = 6, .len = 5);
	conn_expect(&c, .seq = 6, .len = 5, .within_ms = 1100);
	sleep_ms(50);
	conn_send(&c, .flags = ACK, .ack = 11);
	peer_drain(p, 1);
	newer(c.fd, &now);
	EXPECT_EQ(3, now.total_rto);
	EXPECT_EQ(2, now.total_rto_recoveries);
	EXPECT_EQ(2, (int)now.rehash);
	EXPECT_EQ(2, counter_moved(&counts, "TcpTimeoutRehash"));
	EXPECT_LE(620, (int)now.total_rto_time);
	EXPECT_GE(660, (int)now.total_rto_time);
}

/* SYNs count as well. */
TEST_F(tcpinfo, opt_tcp_info_timeouts_of_a_syn)
{
	struct newer_info now;
	struct conn c;

	conn_start(&self->peer, &c, .active = true);
	conn_expect(&c, .flags = SYN);
	if (newer(c.fd, &now) < KNOWS_TIMEOUTS) {
		EXPECT_TRUE(stock_mode());
		return;
	}
	conn_expect(&c, .flags = SYN, .within_ms = 1100);
	sleep_ms(200);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	sleep_ms(500);
	newer(c.fd, &now);
	EXPECT_EQ(1, now.total_rto);
	EXPECT_EQ(1, now.total_rto_recoveries);
	EXPECT_EQ(1, (int)now.rehash);
	EXPECT_LE(199, (int)now.total_rto_time);
	EXPECT_GE(220, (int)now.total_rto_time);
}

/* The largest possible window, however much of it is used now. */
TEST_F(tcpinfo, opt_tcp_info_rcv_ssthresh)
{
	struct peer *p = &self->peer;
	struct newer_info before, now;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(0)));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 100000));
	conn_send(&c, .flags = ACK, .len = 1400);
	conn_send(&c, .flags = ACK, .len = 1400);
	peer_drain(p, 300);
	newer(c.fd, &before);
	EXPECT_LT(64000, (int)before.info.tcpi_rcv_ssthresh);
	for (int i = 0; i < 10; i++)
		conn_send(&c, .flags = ACK, .len = 1400);
	peer_drain(p, 300);
	newer(c.fd, &now);
	EXPECT_EQ(before.info.tcpi_rcv_ssthresh, now.info.tcpi_rcv_ssthresh);
	EXPECT_LE(p->last.wnd << c.kern_wscale, (int)now.info.tcpi_rcv_ssthresh);
	ASSERT_EQ(0, socket_set(c.fd, SOL_TCP, TCP_WINDOW_CLAMP, 7000));
	newer(c.fd, &now);
	EXPECT_EQ(7000, (int)now.info.tcpi_rcv_ssthresh);
}

TEST_F(tcpinfo, opt_tcp_info_of_a_listener)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	struct conn c;

	conn_to_state(&self->peer, &c, ST_HALF_OPEN, .backlog = 7);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(0, getsockopt(c.lfd, SOL_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(ROW_LISTEN, info.tcpi_state);
	EXPECT_EQ(1, info.tcpi_unacked);
	EXPECT_EQ(7, info.tcpi_sacked);
	EXPECT_EQ(3, info.tcpi_reordering);
}

/* An ACK does not wait longer than the least RTO, which the peer may have, too. */
TEST_F(tcpinfo, opt_tcp_info_ato)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("rto_min_us", 15000));
	conn_open(&self->peer, &c);
	conn_send(&c, .flags = ACK, .len = 100);
	conn_expect(&c, .flags = ACK, .within_ms = 300);
	/* Linux: a tick less, which depends on its HZ. */
	EXPECT_LE(5000, (int)conn_tcp_info(&c).tcpi_ato);
	EXPECT_GE(14000, (int)conn_tcp_info(&c).tcpi_ato);
	conn_send(&c, .flags = RST);
}

TEST_F(tcpinfo, opt_tcp_info_of_a_new_socket)
{
	socklen_t len = sizeof(struct tcp_info);
	struct tcp_info info;
	int fd = stream_socket(AF_INET);

	ASSERT_EQ(0, knob_set("reordering", 5));
	EXPECT_EQ(3, socket_tcp_info(_metadata, fd).tcpi_reordering);
	close(fd);
	fd = stream_socket(AF_INET);
	ASSERT_EQ(0, getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(5, info.tcpi_reordering);
	EXPECT_EQ(10, info.tcpi_snd_cwnd);
	close(fd);
}

TEST_HARNESS_MAIN
