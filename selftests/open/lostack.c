// SPDX-License-Identifier: GPL-2.0
/*
 * lostack: the third segment of the handshake is lost between two real ends, 20 ms
 * apart. The client believes that it is connected, and sends, is silent, closes or
 * aborts; the server is half-open and must cope. RFC 9293 3.10.7.4.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

PAIR_FIXTURE(lostack);

#define PORT 5000
#define ONE_WAY_MS 20

static void delays(struct pair *pr, double client_loss)
{
	pair_netem(pr, CLIENT, &(struct netem){ .delay_ms = ONE_WAY_MS, .loss = client_loss });
}

struct ends {
	struct pair *pr;
	int client, listener;
	int64_t start_ms;		/* of connect() */
};

static void sleep_until(struct ends *e, int64_t at_ms)
{
	int64_t left = e->start_ms + at_ms - now_ms();

	if (left > 0)
		sleep_ms(left);
}

/*
 * Up to 100 ms after connect(): SYN at 20, SYN-ACK at 40, and the ACK is lost, as is
 * all else that the client sends until @lost_until_ms.
 */
static struct ends lose_third_ack(struct __test_metadata *_metadata, struct pair *pr,
				  int64_t lost_until_ms)
{
	struct ends e = { .pr = pr, .listener = pair_listen(pr, PORT, 16) };
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], PORT, &sa);
	int fd[2];

	/* A connection before, so that the SYN need not wait for ARP. */
	pair_connected(pr, PORT + 1, &fd[CLIENT], &fd[SERVER]);
	socket_abort(fd[CLIENT]);
	close(fd[SERVER]);
	fd_nonblock(e.listener);
	delays(pr, 0);
	pair_netem(pr, SERVER, &(struct netem){ .delay_ms = ONE_WAY_MS });
	pair_enter(pr, CLIENT);
	e.client = stream_socket(pr->family);
	fd_nonblock(e.client);
	e.start_ms = now_ms();
	ASSERT_EQ(-1, connect(e.client, (struct sockaddr *)&sa, len));
	ASSERT_EQ(EINPROGRESS, errno);
	sleep_until(&e, 30);
	delays(pr, 100);
	sleep_until(&e, lost_until_ms);
	delays(pr, 0);
	EXPECT_EQ(POLLOUT, socket_poll(e.client));
	EXPECT_EQ(0, socket_error(e.client));
	pair_enter(pr, SERVER);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_SYN_RECEIVED));
	EXPECT_EQ(EAGAIN, socket_accept(e.listener));
	return e;
}

/* Not before that time after connect(), and little later. */
static int accept_at(struct __test_metadata *_metadata, struct ends *e, int64_t at_ms)
{
	struct pollfd pfd = { .fd = e->listener, .events = POLLIN };
	int64_t late;

	EXPECT_EQ(1, poll(&pfd, 1, 200000));
	late = now_ms() - e->start_ms - at_ms;
	EXPECT_LE(0, late);
	EXPECT_GE((stock_mode() ? 50 : 5) + peer_slack_ns() / NSEC_PER_MSEC, late);
	return accept(e->listener, NULL, NULL);
}

/* A silent client: the SYN-ACK is repeated, and its answer is the ACK. */
TEST_F(lostack, lc_15_silent_client_is_asked_again)
{
	struct pair *pr = &self->pair;
	struct counters before;
	struct ends e;
	int fd;

	e = lose_third_ack(_metadata, pr, 100);
	pair_enter(pr, CLIENT);
	counters_take(&before);
	fd = accept_at(_metadata, &e, 20 + 1000 + 40);
	/* A SYN-ACK for an open connection: a challenge, RFC 5961 4. */
	counters_expect(_metadata, &before, "InSegs", 1, "InErrs", 1, "OutSegs", 1,
			"TCPChallengeACK", 1, "TCPSYNChallenge", 1, NULL);
	stream_exchange(_metadata, e.client, fd, 20000, 1000);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_ESTABLISHED));
}

TEST_F(lostack, lc_16_text_of_the_client_completes)
{
	struct pair *pr = &self->pair;
	struct ends e;
	char buf[8];
	int fd;

	e = lose_third_ack(_metadata, pr, 100);
	ASSERT_EQ(4, send(e.client, "text", 4, 0));
	fd = accept_at(_metadata, &e, 100 + 20);
	EXPECT_EQ(4, recv(fd, buf, sizeof(buf), 0));
	EXPECT_EQ(0, memcmp(buf, "text", 4));
	stream_exchange(_metadata, e.client, fd, 20000, 1000);
}

/* Its data is lost as well, and sent again: by the first RTO, 200 ms + 40. */
TEST_F(lostack, lc_16_text_is_lost_too)
{
	struct pair *pr = &self->pair;
	struct ends e;
	char buf[8];
	int fd;

	e = lose_third_ack(_metadata, pr, 100);
	delays(pr, 100);
	ASSERT_EQ(4, send(e.client, "text", 4, 0));
	sleep_until(&e, 150);
	delays(pr, 0);
	fd = accept(e.listener, NULL, NULL);
	EXPECT_EQ(-1, fd);
	EXPECT_EQ(1, poll(&(struct pollfd){ .fd = e.listener, .events = POLLIN }, 1, 800));
	fd = accept(e.listener, NULL, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(4, recv(fd, buf, sizeof(buf), 0));
	stream_exchange(_metadata, e.client, fd, 20000, 1000);
}

/* A client that sends nothing and closes: its FIN carries the ACK. */
TEST_F(lostack, lc_16_fin_of_the_client_completes)
{
	struct pair *pr = &self->pair;
	struct ends e;
	char b;
	int fd;

	e = lose_third_ack(_metadata, pr, 100);
	close(e.client);
	fd = accept_at(_metadata, &e, 100 + 20);
	EXPECT_EQ(0, recv(fd, &b, 1, 0));
	EXPECT_EQ(1, proc_rows(pr->family, ROW_CLOSE_WAIT));
	close(fd);
}

TEST_F(lostack, lc_11_reset_of_the_client_ends_it)
{
	struct pair *pr = &self->pair;
	struct counters before;
	struct ends e;

	e = lose_third_ack(_metadata, pr, 100);
	counters_take(&before);
	socket_abort(e.client);
	sleep_ms(2 * ONE_WAY_MS);
	counters_expect(_metadata, &before, "InSegs", 1, "EmbryonicRsts", 1, "AttemptFails", 1,
			NULL);
	EXPECT_EQ(0, proc_rows(pr->family, ROW_SYN_RECEIVED));
	EXPECT_EQ(EAGAIN, socket_accept(e.listener));
}

/*
 * Each answer to a SYN-ACK is lost, too, until the server gives up: with one retry at
 * 3 s. (After 63 s of it ARP would fail first.)
 */
TEST_F(lostack, lc_17_lost_until_the_record_is_gone)
{
	struct pair *pr = &self->pair;
	struct ends e;

	/* Timers of the kernel's TCP are late, and the record may still be there. */
	NOT_ON_STOCK();
	pair_enter(pr, SERVER);
	ASSERT_EQ(0, knob_set("synack_retries", 1));
	e = lose_third_ack(_metadata, pr, 2900);
	sleep_until(&e, 3000 + 20 + 5);
	EXPECT_EQ(0, proc_rows(pr->family, ROW_SYN_RECEIVED));
	/* The client learns it when it sends. */
	EXPECT_EQ(4, send(e.client, "late", 4, 0));
	sleep_ms(2 * ONE_WAY_MS + 5);
	EXPECT_EQ(ECONNRESET, socket_receive(e.client));
	EXPECT_EQ(EAGAIN, socket_accept(e.listener));
}

TEST_HARNESS_MAIN
