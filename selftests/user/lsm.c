// SPDX-License-Identifier: GPL-2.0
/*
 * lsm: what security modules are asked and told about a connection. inet_conn_request: may a
 * peer connect? A BPF program of type LSM decides, or keeps what it was shown. Only kernels of
 * distributions can have one. inet_conn_established: the peer's label.
 */
/* vm: wires families machine */
#include "lib/bpf.h"
#include "lib/xtcp_test.h"

#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>

PEER_FIXTURE(lsm);

/* A BPF program of a hook; -1: this kernel can't have it, which Debian's can. */
static int lsm_load(struct __test_metadata *_metadata, const char *hook,
		    const struct bpf_insn *insns, int count)
{
	int module = bpf_lsm(_metadata, hook, insns, count);

	if (module < 0) {
		EXPECT_FALSE(kernel_is_debians());
		TH_LOG("not tested: the kernel has no BPF security modules");
	}
	return module;
}

/* --- what a module refuses ---------------------------------------------- */

/* A security module without exceptions. Returns as lsm_load(). */
static int refuse_requests(struct __test_metadata *_metadata)
{
	const struct bpf_insn insns[] = { BPF_MOV64_IMM(0, -EPERM), BPF_EXIT_INSN() };

	return lsm_load(_metadata, "inet_conn_request", insns, ARRAY_SIZE(insns));
}

TEST_F(lsm, refuses_a_syn)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int module;

	conn_start(p, &c);
	module = refuse_requests(_metadata);
	if (module < 0)
		return;
	counters_take(&before);
	conn_send(&c, .flags = SYN);
	peer_expect_silence(p, 100);
	EXPECT_EQ(1, counter_moved(&before, "ListenDrops"));
	close(module);
	conn_send(&c, .flags = SYN, .seq = 1000);
	conn_expect(&c, .flags = SYN | ACK);
}

TEST_F(lsm, refuses_a_cookie)
{
	struct peer *p = &self->peer;
	struct conn c;
	int module;

	ASSERT_EQ(0, knob_set("syncookies", 2));
	conn_start(p, &c);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	module = refuse_requests(_metadata);
	if (module < 0)
		return;
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 100);
	EXPECT_EQ(0, socket_poll(c.lfd) & POLLIN);
	close(module);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
}

/* "First, so that a peer that is refused takes nothing from the quota" (open/gate.c). */
TEST_F(lsm, a_refused_syn_takes_nothing_from_the_quota)
{
	struct peer *p = &self->peer;
	struct conn c, d;
	int module;

	NOT_ON_STOCK();
	conn_start(p, &c);
	conn_start(p, &d, .lfd = c.lfd);
	ASSERT_EQ(0, knob_set("synack_ratelimit", 1));
	second_begin();
	module = refuse_requests(_metadata);
	if (module < 0)
		return;
	conn_send(&c, .flags = SYN);
	close(module);
	conn_send(&d, .flags = SYN);
	conn_expect(&d, .flags = SYN | ACK);
	/* That was the second's only one. */
	conn_send(&c, .flags = SYN, .seq = 0);
	peer_expect_silence(p, 10);
}

/* --- what a module is shown --------------------------------------------- */

#define REQUEST_SIZE 512	/* more than a struct inet_request_sock has */

/* A module that allows each request; @map keeps a copy of the last one. -1: as above. */
static int watch_requests(struct __test_metadata *_metadata, int *map)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4, .value_size = REQUEST_SIZE, .max_entries = 1,
	};

	*map = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	ASSERT_LE(0, *map);
	const struct bpf_insn insns[] = {
		BPF_LDX_MEM(BPF_DW, 6, 1, 16),	/* the hook's third argument */
		BPF_MOV64_IMM(2, 0),
		BPF_STX_MEM(BPF_W, 10, 2, -4),
		BPF_MOV64_REG(2, 10),
		BPF_ADD64_IMM(2, -4),
		BPF_LD_MAP_FD(1, *map),
		BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem),
		BPF_JMP_IMM(BPF_JEQ, 0, 0, 4),
		BPF_MOV64_REG(1, 0),
		BPF_MOV64_IMM(2, REQUEST_SIZE),
		BPF_MOV64_REG(3, 6),
		BPF_EMIT_CALL(BPF_FUNC_probe_read_kernel),
		BPF_MOV64_IMM(0, 0),
		BPF_EXIT_INSN(),
	};

	return lsm_load(_metadata, "inet_conn_request", insns, ARRAY_SIZE(insns));
}

/* Takes the copy out of the map. */
static void request_take(struct __test_metadata *_metadata, int map, void *request)
{
	static const uint8_t none[REQUEST_SIZE];
	uint32_t key = 0;
	union bpf_attr get = {
		.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)request,
	};
	union bpf_attr clear = {
		.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)none,
	};

	ASSERT_EQ(0, syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &get, sizeof(get)));
	ASSERT_EQ(0, syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &clear, sizeof(clear)));
}

#define MARK 0x51

static void marked_and_bound(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_MARK, &(int){ MARK }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5);
}

/* The last request was that of @c, whose listener is marked_and_bound(). */
static void expect_request(struct __test_metadata *_metadata, int map, const struct conn *c)
{
	const struct peer *p = c->peer;
	uint8_t request[REQUEST_SIZE];

	request_take(_metadata, map, request);
#define COMMON(type, member) \
	(*(const type *)(request + bpf_offset(_metadata, "sock_common", #member)))
	EXPECT_EQ(socket_family(AF_INET), COMMON(uint16_t, skc_family));
	EXPECT_EQ(12 /* TCP_NEW_SYN_RECV */, COMMON(uint8_t, skc_state));
	EXPECT_EQ(c->kport, COMMON(uint16_t, skc_num));
	EXPECT_EQ(htons(c->pport), COMMON(uint16_t, skc_dport));
	if (p->family == AF_INET6) {
		EXPECT_TRUE(IN6_ARE_ADDR_EQUAL(&p->kernel.v6,
					       &COMMON(struct in6_addr, skc_v6_rcv_saddr)));
		EXPECT_TRUE(IN6_ARE_ADDR_EQUAL(&c->peer_addr.v6,
					       &COMMON(struct in6_addr, skc_v6_daddr)));
	} else {
		EXPECT_EQ(p->kernel.v4.s_addr, COMMON(uint32_t, skc_rcv_saddr));
		EXPECT_EQ(c->peer_addr.v4.s_addr, COMMON(uint32_t, skc_daddr));
	}
	EXPECT_EQ(if_nametoindex("tun0"), COMMON(uint32_t, skc_bound_dev_if));
#undef COMMON
	EXPECT_EQ(MARK, *(uint32_t *)(request +
				      bpf_offset(_metadata, "inet_request_sock", "ir_mark")));
}

TEST_F(lsm, a_module_sees_who_connects_to_whom)
{
	struct peer *p = &self->peer;
	int map, module;
	struct conn c;

	module = watch_requests(_metadata, &map);
	if (module < 0)
		return;
	conn_start(p, &c, .prepare = marked_and_bound);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_request(_metadata, map, &c);
}

/* A listener without a device, because xtcp_l3mdev_accept allows it: the child is the VRF's. */
TEST_F(lsm, a_module_sees_the_vrf_of_the_child)
{
	struct peer *p = &self->peer;
	uint8_t request[REQUEST_SIZE];
	int map, module, lfd;
	struct conn c;

	module = watch_requests(_metadata, &map);
	if (module < 0)
		return;
	shell_run(WHERE(_metadata), "ip link add red type vrf table 10 && ip link set red up && "
		  "ip link set tun0 master red");
	/* One of IPv6 is lost when its device joins a VRF. */
	if (p->family == AF_INET6)
		shell_run(WHERE(_metadata), "ip addr add fd00:a::1/64 dev tun0 nodad");
	ASSERT_EQ(0, knob_set("l3mdev_accept", 1));
	/* On the TCP wire both knobs must allow it. */
	if (stream_wire() == XTCP_WIRE_TCP)
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/tcp_l3mdev_accept", "1"));
	/* The address is in the VRF, where only a socket bound to it could bind to it. */
	lfd = socket_new(-1);
	ASSERT_EQ(0, socket_bind(lfd, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(lfd, 4));
	conn_start(p, &c, .lfd = lfd);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	request_take(_metadata, map, request);
	EXPECT_EQ(if_nametoindex("red"),
		  *(uint32_t *)(request +
				bpf_offset(_metadata, "sock_common", "skc_bound_dev_if")));
}

/* Once for the SYN, and once for the ACK that returns the cookie. */
TEST_F(lsm, a_module_sees_who_brings_a_cookie)
{
	struct peer *p = &self->peer;
	int map, module;
	struct conn c;

	module = watch_requests(_metadata, &map);
	if (module < 0)
		return;
	ASSERT_EQ(0, knob_set("syncookies", 2));
	conn_start(p, &c, .prepare = marked_and_bound);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	expect_request(_metadata, map, &c);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	expect_request(_metadata, map, &c);
}

/* --- labels ------------------------------------------------------------- */

#define TRACING "/sys/kernel/tracing/"
#define PROBE "xtcp_lsm"

static int probe_hits(struct __test_metadata *_metadata)
{
	FILE *f = fopen(TRACING "kprobe_profile", "r");
	char name[64];
	int hits = -1;

	ASSERT_NE(NULL, f);
	while (hits < 0 && fscanf(f, "%63s %d %*d", name, &hits) == 2)
		if (strcmp(name, PROBE))
			hits = -1;
	fclose(f);
	return hits;
}

/* Was the kernel built with security modules, and with probes? */
static bool can_see_security_modules(void)
{
	return !access(TRACING "kprobe_events", W_OK) &&
	       !system("grep -q ' security_inet_conn_established$' /proc/kallsyms");
}

/* Security modules see the peer's label, at either end. */
TEST_F(lsm, established_is_reported_to_security_modules)
{
	struct conn c;

	if (!can_see_security_modules()) {
		EXPECT_FALSE(kernel_is_debians());
		TH_LOG("not tested: the kernel has no security modules or no probes");
		return;
	}
	file_write(_metadata, TRACING "kprobe_events",
		   "p:" PROBE " security_inet_conn_established");
	file_write(_metadata, TRACING "events/kprobes/" PROBE "/enable", "1");
	conn_open(&self->peer, &c, .active = true);
	EXPECT_EQ(1, probe_hits(_metadata));
	conn_open(&self->peer, &c);
	/*
	 * The kernel's TCP has another hook there, by which a child gets its request's
	 * label.
	 */
	EXPECT_EQ(stock_mode() ? 1 : 2, probe_hits(_metadata));
	file_write(_metadata, TRACING "events/kprobes/" PROBE "/enable", "0");
	/* A truncated list removes the probe. */
	file_write(_metadata, TRACING "kprobe_events", "");
}

TEST_HARNESS_MAIN
