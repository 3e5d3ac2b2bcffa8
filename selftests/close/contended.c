// SPDX-License-Identifier: GPL-2.0
/*
 * contended: segments that arrive while another CPU closes the socket, so that they wait
 * in its backlog. RFC 9293 3.10.4, 3.10.7.4 eighth.
 */
/* vm: wires v6 smp=2 timeout=300 */
#include "lib/xtcp_test.h"

#include <pthread.h>
#include <stdatomic.h>

#define RULES 20000	/* take a packet some 20 ms here, and 1 ms at least on fast CPUs */
#define ROUNDS 5		/* in which both came in time */
#define ROUNDS_MAX 1000	/* on a busy host few do */

PEER_FIXTURE(contended);

/* Each packet that leaves passes RULES rules, and its sender owns its socket meanwhile. */
static void way_slow(struct __test_metadata *_metadata)
{
	FILE *nft = popen("nft -f -", "we");

	ASSERT_NE(NULL, nft);
	fputs("table inet slow {\nchain out { type filter hook output priority 0;\n", nft);
	for (int i = 0; i < RULES; i++)
		fputs("meta mark 12345 counter\n", nft);
	fputs("}\n}\n", nft);
	ASSERT_EQ(0, pclose(nft));
}

struct closer {
	int fd;
	atomic_bool begins, done;
};

static void *close_it(void *arg)
{
	struct closer *closer = arg;

	atomic_store(&closer->begins, true);
	close(closer->fd);
	atomic_store(&closer->done, true);
	return NULL;
}

/*
 * Behind the ACK of our FIN, which makes a record of the socket, comes the peer's FIN. Both
 * wait in the backlog while close() sends our FIN.
 */
TEST_F(contended, fin_behind_the_ack_of_ours)
{
	struct peer *p = &self->peer;
	int early = 0;

	way_slow(_metadata);
	for (int i = 0; i < ROUNDS_MAX && early < ROUNDS; i++) {
		struct closer closer = { };
		struct timespec pause = { .tv_nsec = 300000 };
		const struct segment *seg;
		pthread_t thread;
		bool was_early;
		struct conn c;

		conn_open(p, &c, .kport = 5000 + i);
		closer.fd = c.fd;
		c.fd = -1;
		ASSERT_EQ(0, pthread_create(&thread, NULL, close_it, &closer));
		while (!atomic_load(&closer.begins))
			;
		nanosleep(&pause, NULL);
		conn_send(&c, .flags = ACK, .ack = 2);
		conn_send(&c, .flags = FIN | ACK, .ack = 2);
		was_early = !atomic_load(&closer.done);
		pthread_join(thread, NULL);
		seg = peer_read(p, now_ns() + NSEC_PER_SEC);
		ASSERT_NE(NULL, seg);
		/* On a busy host close() may not have begun: the ACK was of nothing yet. */
		if (seg->flags == ACK) {
			conn_send(&c, .flags = RST, .seq = 1);
			peer_drain(p, 50);
			continue;
		}
		early += was_early;
		EXPECT_EQ(FIN | ACK, seg->flags);
		EXPECT_EQ(c.kern_iss + 1, seg->seq);
		EXPECT_EQ(c.peer_iss + 1, seg->ack);
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
		conn_expect_state(&c, ST_TIME_WAIT);
	}
	EXPECT_EQ(ROUNDS, early) TH_LOG("%d of %d came while close() owned the socket", early,
					ROUNDS_MAX);
}

TEST_HARNESS_MAIN
