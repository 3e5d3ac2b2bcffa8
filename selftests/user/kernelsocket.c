// SPDX-License-Identifier: GPL-2.0
/*
 * kernelsocket: connections that kernel modules open (sock_create_kern()). They keep no reference
 * to their namespace, which may end before they do.
 */
/* vm: wires short */
#include "lib/module.h"
#include "lib/xtcp_test.h"

#define MODULE "xtcp_kernel_socket"

FIXTURE(kernelsocket)
{
};

FIXTURE_SETUP(kernelsocket)
{
}

FIXTURE_TEARDOWN(kernelsocket)
{
	module_unload_patiently(MODULE);
}

/* Nobody acknowledges its FIN, so that it waits as long as it may. */
static void open_and_close(struct __test_metadata *_metadata)
{
	const struct peer_setup setup = { .family = AF_INET };
	struct peer p;
	uint32_t nxt;

	peer_open_at(WHERE(_metadata), &p, &setup);
	ASSERT_EQ(0, module_load_other(MODULE, "address=10.0.0.2 port=80"));
	nxt = peer_expect(&p, .flags = SYN, .sport = ANYWHERE, .dport = 80)->seq + 1;
	peer_send(&p, .flags = SYN | ACK, .seq = 0, .ack = nxt, .sport = 80, .dport = p.last.sport);
	peer_expect(&p, .flags = ACK, .seq = nxt, .ack = 1, .sport = ANYWHERE, .dport = 80);
	ASSERT_EQ(0, module_unload_patiently(MODULE));
	peer_expect(&p, .flags = FIN | ACK, .seq = nxt, .ack = 1, .sport = ANYWHERE, .dport = 80);
}

TEST_F(kernelsocket, an_orphan_ends_with_its_namespace)
{
	long before = cache_objects("XTCP");

	NOT_ON_STOCK();
	child_run(_metadata, open_and_close);
	sleep_ms(3000);
	/* Orphans of other tests may have ended meanwhile. */
	EXPECT_GE(before, cache_objects("XTCP"));
}

TEST_HARNESS_MAIN
