// SPDX-License-Identifier: GPL-2.0
/*
 * marks: what a socket's user, or who sends to it, asks of IP for each packet:
 * the DSCP. RFC 9293 3.9.2 (MUST-48, SHLD-22), RFC 2474.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(marks);

/* Text and its ACK, our FIN and the peer's, and that again in TIME-WAIT. */
static void rest_of_life(struct __test_metadata *_metadata, struct conn *c, int tos)
{
	ASSERT_EQ(1, send(c->fd, "x", 1, 0));
	conn_expect(c, .flags = ACK | PSH, .data = "x", .tos = tos);
	conn_send(c, .flags = ACK);
	close(c->fd);
	c->fd = -1;
	conn_expect(c, .flags = FIN | ACK, .tos = tos);
	conn_send(c, .flags = FIN | ACK);
	conn_expect(c, .flags = ACK, .tos = tos);
	sleep_ms(1000);
	conn_send(c, .flags = FIN | ACK, .seq = 1);
	conn_expect(c, .flags = ACK, .ack = 2, .tos = tos);
}

static void expedited(int fd)
{
	/* Of a mapped address it is IPv4's. */
	if (test_is_mapped())
		socket_set(fd, IPPROTO_IP, IP_TOS, 0xb8);
	else
		socket_set_ip(fd, IP_TOS, 0xb8);
}

/* From the SYN, or the SYN-ACK, to the last ACK of a record. */
TEST_F(marks, rfc9293_must_48_dscp_from_first_to_last)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .prepare = expedited);
	rest_of_life(_metadata, &c, 0xb8);
	conn_start(p, &c, .prepare = expedited);
	conn_send(&c, .flags = SYN, .tos = 0x28);
	conn_learn(&c, conn_expect(&c, .flags = SYN | ACK, .ack = 1, .tos = 0xb8));
	conn_send(&c, .flags = ACK, .tos = 0x28);
	ASSERT_LE(0, conn_accept(&c));
	rest_of_life(_metadata, &c, 0xb8);
}

/* As in Linux: nobody has a socket, and who asked has said how. No ECN, though. */
TEST_F(marks, rfc9293_shld_22_resets_have_the_senders_dscp)
{
	static const int sent[] = { 0, 0x28, 0xb8 | 2, 0x03 };
	struct peer *p = &self->peer;

	peer_hold(p, 1);
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++) {
		peer_send(p, .flags = SYN, .dport = 1, .tos = sent[i]);
		peer_expect(p, .flags = RST | ACK, .sport = 1, .tos = sent[i] & ~3);
		peer_send(p, .flags = ACK, .dport = 1, .tos = sent[i]);
		peer_expect(p, .flags = RST, .sport = 1, .tos = sent[i] & ~3);
	}
}

/* The client chooses; what it changes later changes nothing. */
TEST_F(marks, knob_reflect_tos)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("reflect_tos", 1));
	conn_start(p, &c, .prepare = expedited);
	conn_send(&c, .flags = SYN, .tos = 0x28);
	conn_learn(&c, conn_expect(&c, .flags = SYN | ACK, .ack = 1, .tos = 0x28));
	conn_send(&c, .flags = ACK, .tos = 0x10);
	ASSERT_LE(0, conn_accept(&c));
	rest_of_life(_metadata, &c, 0x28);
}

TEST_HARNESS_MAIN
