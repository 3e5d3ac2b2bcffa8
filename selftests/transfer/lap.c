// SPDX-License-Identifier: GPL-2.0
/*
 * lap: a connection sends 4 GiB, so that its sequence numbers come round. What SACK has said
 * of the lap before says nothing of this one. RFC 6675.
 */
/* vm: wires families heavy */
#include "lib/xtcp_test.h"

#include <sys/mman.h>
#include <sys/sendfile.h>

PEER_FIXTURE(lap);

#define MSS 1000

/* So many bytes are sent and acknowledged without the peer reading them. */
static void pass_unseen(struct __test_metadata *_metadata, struct conn *c, int64_t bytes)
{
	int file = memfd_create("text", 0);
	const int64_t size = 1 << 20;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, size));
	while (bytes) {
		off_t at = 0;
		ssize_t n = sendfile(c->fd, file, &at, bytes < size ? bytes : size);

		if (n > 0)
			bytes -= n;
		c->kern_nxt += flight_bytes(c);
		conn_send(c, .flags = ACK);
	}
	while (flight_bytes(c)) {
		c->kern_nxt += flight_bytes(c);
		conn_send(c, .flags = ACK);
	}
	close(file);
}

TEST_F_TIMEOUT(lap, rfc6675_holes_of_an_earlier_lap, 3600)
{
	/* The flight begins three segments below the SACKed range of the lap before. */
	const int64_t rest = (1LL << 32) - 2 * MSS;
	struct netem netem = { .loss = 100 };
	struct peer *p = &self->peer;
	struct conn c;
	uint32_t una;

	knob_set("recovery", 0);
	knob_set("early_retrans", 0);
	flight_open(p, &c, "reno",
		    .opt = OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_NOP, OPT_WSCALE(14)));
	c.wnd = 60000;
	conn_send(&c, .flags = ACK);
	flight_begin(&c, 10);
	flight_sack(&c, 0, { 1, 10 });
	flight_expect(&c, 0);
	flight_ack(&c, 10);
	netem_set(WHERE(_metadata), "tun0", &netem);
	pass_unseen(_metadata, &c, rest - 10 * MSS);
	netem.loss = 0;
	netem_set(WHERE(_metadata), "tun0", &netem);

	una = c.kern_nxt - c.kern_iss;
	flight_write(&c, 10);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .seq = (uint32_t)(una + i * MSS), .len = MSS);
	conn_send_sack(&c, una, { una + MSS, una + 10LL * MSS });
	conn_expect(&c, .seq = una, .len = MSS);
	conn_send(&c, .flags = ACK, .ack = (uint32_t)(una + 10 * MSS));
}

TEST_HARNESS_MAIN
