// SPDX-License-Identifier: GPL-2.0
/*
 * algorithms: congestion controls in modules of their own: which are registered, who may
 * choose them, who holds a reference, what becomes of their state, and what they may do
 * to the window. The example of congestion.rst.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "lib/module.h"

#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/wait.h>

#define TEST_MODULE "xtcp_cc_test"
#define EXAMPLE "xtcp_cc_scalable"
#define MSS 1000
#define RTT_MS 100
#define CWND_MAX (1 << 20)

FIXTURE(algorithms)
{
	struct peer peer;
};

FIXTURE_SETUP(algorithms)
{
	if (stock_mode())
		SKIP(return, "not what stock TCP does");
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
}

FIXTURE_TEARDOWN(algorithms)
{
	static const char *const names[] = { TEST_MODULE, EXAMPLE };

	if (stock_mode())
		return;
	peer_close_at(WHERE(_metadata), &self->peer);
	for (int i = 0; i < 2; i++) {
		int err = module_unload_patiently(names[i]);

		EXPECT_TRUE(!err || err == ENOENT);
	}
}

/* Other programs may have had connections of the kernel's TCP there. */
static void first_namespace(struct __test_metadata *_metadata, struct peer *p)
{
	netns_enter_first(WHERE(_metadata));
	p->stock_may_speak = true;
}

static int rule_set(int fd, const char *name)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)) ? errno : 0;
}

static const char *rule_of(int fd)
{
	static char name[16];
	socklen_t len = sizeof(name);

	return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) ? "?" : name;
}

static const char *knob_text(const char *name)
{
	static char text[256];
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/xtcp_%s", name);
	return sysctl_read(path, text, sizeof(text)) ? "?" : text;
}

static int users(void)
{
	return module_users_of(TEST_MODULE);
}

static int load(const char *mode, uint32_t value)
{
	char params[64];

	snprintf(params, sizeof(params), "mode=%s value=%u", mode, value);
	return module_load_other(TEST_MODULE, params);
}

static void value_set(struct __test_metadata *_metadata, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	ASSERT_EQ(0, sysctl_write("/sys/module/" TEST_MODULE "/parameters/value", text));
}

TEST_F(algorithms, what_is_refused)
{
	static const struct {
		const char *mode;
		int err;
	} cases[] = {
		{ "abi", ENOEXEC }, { "owner", EINVAL }, { "name_empty", EINVAL },
		{ "name_long", EINVAL }, { "name_blank", EINVAL },
		{ "name_taken", EBUSY }, { "state", EINVAL }, { "flags", EINVAL },
		{ "no_grow", EINVAL }, { "no_ssthresh", EINVAL },
		{ "no_acked", EINVAL }, { "no_acked_rates", EINVAL },
		{ "lost_without_rates", EINVAL },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_EQ(cases[i].err, load(cases[i].mode, 10)) TH_LOG("%s", cases[i].mode);
		EXPECT_EQ(-1, users());
	}
	EXPECT_STREQ("reno cubic", knob_text("available_congestion_control"));
}

TEST_F(algorithms, who_may_choose_it)
{
	int fd = stream_socket(AF_INET);

	ASSERT_EQ(0, load("calm", 10));
	EXPECT_STREQ("reno cubic test", knob_text("available_congestion_control"));
	first_namespace(_metadata, &self->peer);
	EXPECT_STREQ("reno cubic", knob_text("allowed_congestion_control"));
	ASSERT_EQ(0, setresuid(-1, 1000, 0));
	EXPECT_EQ(EPERM, rule_set(fd, "test"));
	EXPECT_EQ(ENOENT, rule_set(fd, "nonesuch"));
	ASSERT_EQ(0, setresuid(-1, 0, 0));
	EXPECT_EQ(ENOENT, rule_set(fd, "nonesuch"));
	EXPECT_EQ(ENOENT, rule_set(fd, "a_name_too_long_for_any_rule"));
	EXPECT_EQ(0, rule_set(fd, "test"));
	EXPECT_STREQ("test", rule_of(fd));
	/* It may be asked for again, by anybody. */
	ASSERT_EQ(0, setresuid(-1, 1000, 0));
	EXPECT_EQ(0, rule_set(fd, "test"));
	ASSERT_EQ(0, setresuid(-1, 0, 0));
	EXPECT_EQ(0, knob_set_text("allowed_congestion_control", "reno cubic test"));
	EXPECT_EQ(0, rule_set(fd, "reno"));
	ASSERT_EQ(0, setresuid(-1, 1000, 0));
	EXPECT_EQ(0, rule_set(fd, "test"));
	ASSERT_EQ(0, setresuid(-1, 0, 0));
	close(fd);
	ASSERT_EQ(0, module_unload_other(TEST_MODULE));
	EXPECT_STREQ("reno cubic", knob_text("allowed_congestion_control"));
	/* One that is meant for everybody. */
	ASSERT_EQ(0, load("open", 10));
	EXPECT_STREQ("reno cubic test", knob_text("allowed_congestion_control"));
}

/* For CAP_NET_ADMIN only, as in Linux; by the option and by the knob. */
TEST_F(algorithms, it_is_loaded_by_need)
{
	int fd = stream_socket(AF_INET);

	ASSERT_EQ(0, system("d=/lib/modules/$(uname -r)/updates; mkdir -p $d && "
			    "cp /xtcp/xtcp.ko /xtcp/" TEST_MODULE ".ko $d && depmod"));
	ASSERT_EQ(0, setresuid(-1, 1000, 0));
	EXPECT_EQ(ENOENT, rule_set(fd, "test"));
	ASSERT_EQ(0, setresuid(-1, 0, 0));
	EXPECT_EQ(-1, users());
	first_namespace(_metadata, &self->peer);
	/* The list of those that are allowed loads none. */
	EXPECT_EQ(ENOENT, knob_set_text("allowed_congestion_control", "reno cubic test"));
	EXPECT_EQ(-1, users());
	EXPECT_EQ(0, rule_set(fd, "test"));
	EXPECT_EQ(1, users());
	close(fd);
	ASSERT_EQ(0, module_unload_other(TEST_MODULE));
	EXPECT_EQ(0, knob_set_text("congestion_control", "test"));
	EXPECT_EQ(1, users());
	EXPECT_EQ(0, knob_set_text("congestion_control", "cubic"));
	EXPECT_EQ(0, users());
	EXPECT_EQ(0, system("rm -r /lib/modules/$(uname -r)/updates; depmod"));
}

/* Segments and sockets of this test, then RSTs: nothing is left of the connections. */
static void abort_conn(struct conn *c)
{
	conn_send(c, .flags = RST);
	close(c->fd);
}

TEST_F(algorithms, who_holds_it)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET), lfd;
	int xtcp = module_users();
	struct conn c;

	ASSERT_EQ(0, load("calm", 10));
	EXPECT_EQ(xtcp + 1, module_users());
	EXPECT_EQ(EAGAIN, module_unload());
	EXPECT_EQ(0, users());

	/* A socket. */
	ASSERT_EQ(0, rule_set(fd, "test"));
	EXPECT_EQ(1, users());
	EXPECT_EQ(EAGAIN, module_unload_other(TEST_MODULE));
	ASSERT_EQ(0, rule_set(fd, "test"));
	EXPECT_EQ(1, users());
	ASSERT_EQ(0, rule_set(fd, "reno"));
	EXPECT_EQ(0, users());
	ASSERT_EQ(0, rule_set(fd, "test"));
	close(fd);
	EXPECT_EQ(0, users());

	/* A listener and its child, in the accept queue and later. */
	lfd = peer_listen(p, 6000, 5);
	ASSERT_EQ(0, rule_set(lfd, "test"));
	conn_open(p, &c, .lfd = lfd, .kport = 6000);
	EXPECT_EQ(2, users());
	EXPECT_STREQ("test", rule_of(c.fd));
	/* Back to CLOSED it is still its rule. */
	conn_send(&c, .flags = RST);
	socket_disconnect(c.fd);
	EXPECT_EQ(2, users());
	close(c.fd);
	EXPECT_EQ(1, users());
	close(lfd);
	EXPECT_EQ(0, users());

	/* A namespace's default, and its sockets. */
	first_namespace(_metadata, &self->peer);
	ASSERT_EQ(0, knob_set_text("congestion_control", "test"));
	EXPECT_EQ(1, users());
	fd = stream_socket(AF_INET);
	EXPECT_STREQ("test", rule_of(fd));
	EXPECT_EQ(2, users());
	EXPECT_EQ(0, knob_set_text("congestion_control", "cubic"));
	EXPECT_EQ(1, users());
	close(fd);
	EXPECT_EQ(0, users());
	EXPECT_EQ(0, module_unload_other(TEST_MODULE));
}

/* Its exit function sleeps for a second: nobody gets it any more, but its name is there. */
TEST_F(algorithms, one_that_is_being_unloaded)
{
	int fd = stream_socket(AF_INET), status;
	pid_t child;

	ASSERT_EQ(0, module_load_other(TEST_MODULE, "exit_ms=1000"));
	child = fork();
	if (!child)
		_exit(module_unload_other(TEST_MODULE));
	ASSERT_LT(0, child);
	sleep_ms(100);
	first_namespace(_metadata, &self->peer);
	EXPECT_STREQ("reno cubic test", knob_text("available_congestion_control"));
	EXPECT_EQ(EBUSY, rule_set(fd, "test"));
	EXPECT_EQ(EBUSY, knob_set_text("congestion_control", "test"));
	EXPECT_STREQ("cubic", rule_of(fd));
	EXPECT_STREQ("cubic", knob_text("congestion_control"));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(ENOENT, rule_set(fd, "test"));
	close(fd);
}

TEST_F(algorithms, a_namespace_that_ends_holds_it_no_longer)
{
	int ns;

	ASSERT_EQ(0, load("calm", 10));
	first_namespace(_metadata, &self->peer);
	ASSERT_EQ(0, knob_set_text("congestion_control", "test"));
	ns = netns_new(WHERE(_metadata));
	EXPECT_STREQ("test", knob_text("congestion_control"));
	EXPECT_EQ(2, users());
	first_namespace(_metadata, &self->peer);
	ASSERT_EQ(0, knob_set_text("congestion_control", "cubic"));
	EXPECT_EQ(1, users());
	close(ns);
	for (int i = 0; i < 100 && users(); i++)
		sleep_ms(100);
	EXPECT_EQ(0, users());
}

static void open_conn(struct peer *p, struct conn *c, const char *rule)
{
	flight_open(p, c, rule, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = RTT_MS);
}

/* Ten segments leave; all but the first are SACKed, it is repaired. */
static void lose_first(struct conn *c, int *next)
{
	flight_write(c, FLIGHT_INITIAL);
	peer_mark(c->peer);
	flight_expect_all(c, *next, *next + FLIGHT_INITIAL - 1);
	peer_sleep_until(c->peer, RTT_MS);
	flight_sack(c, *next, { *next + 1, *next + FLIGHT_INITIAL });
	flight_expect(c, *next);
	peer_mark_last(c->peer);
	peer_sleep_until(c->peer, RTT_MS);
	*next += FLIGHT_INITIAL;
	flight_ack(c, *next);
}

static void acked_window(struct conn *c, int *next)
{
	flight_write(c, FLIGHT_INITIAL);
	peer_mark(c->peer);
	flight_expect_all(c, *next, *next + FLIGHT_INITIAL - 1);
	peer_sleep_until(c->peer, RTT_MS);
	*next += FLIGHT_INITIAL;
	flight_ack(c, *next);
}

TEST_F(algorithms, a_window_of_nothing)
{
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, load("calm", 0));
	open_conn(&self->peer, &c, "test");
	EXPECT_EQ(10, conn_info(&c).cwnd);
	acked_window(&c, &next);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	lose_first(&c, &next);
	EXPECT_EQ(2, conn_info(&c).ssthresh);
	EXPECT_EQ(2, conn_info(&c).cwnd);
	abort_conn(&c);
}

TEST_F(algorithms, a_window_without_bounds)
{
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, load("calm", UINT32_MAX));
	open_conn(&self->peer, &c, "test");
	acked_window(&c, &next);
	EXPECT_EQ(CWND_MAX, conn_info(&c).cwnd);
	/* A reduction does not raise it. */
	lose_first(&c, &next);
	EXPECT_EQ(CWND_MAX, conn_info(&c).ssthresh);
	EXPECT_EQ(CWND_MAX, conn_info(&c).cwnd);
	abort_conn(&c);
}

/* What was delivered while it did not grow opens the window by one in all, later. */
TEST_F(algorithms, a_window_that_waits)
{
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, load("counts", UINT32_MAX));
	open_conn(&self->peer, &c, "test");
	for (int i = 0; i < 3; i++)
		acked_window(&c, &next);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	/* One for the thirty, and one for these ten. */
	value_set(_metadata, 10);
	acked_window(&c, &next);
	EXPECT_EQ(12, conn_info(&c).cwnd);
	abort_conn(&c);
}

TEST_F(algorithms, one_that_controls_the_window)
{
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, load("controls", 0));
	open_conn(&self->peer, &c, "test");
	acked_window(&c, &next);
	EXPECT_EQ(1, conn_info(&c).cwnd);
	/* The rate of 0 is a segment per second. */
	EXPECT_EQ(MSS, (int)conn_tcp_info(&c).tcpi_pacing_rate);
	value_set(_metadata, UINT32_MAX);
	flight_write(&c, 1);
	flight_expect(&c, next);
	flight_ack(&c, next + 1);
	next++;
	EXPECT_EQ(CWND_MAX, conn_info(&c).cwnd);
	/* And one of 2^64 - 1 is what the user allows. */
	EXPECT_EQ(UINT64_MAX, conn_tcp_info(&c).tcpi_pacing_rate);
	/* No recovery moves it, and nothing reduces it. That segment took a second. */
	sleep_ms(1100);
	lose_first(&c, &next);
	EXPECT_EQ(CWND_MAX, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
	/* Another rule: xtcp paces no longer. */
	ASSERT_EQ(0, rule_set(c.fd, "reno"));
	EXPECT_EQ(CWND_MAX, conn_info(&c).cwnd);
	EXPECT_EQ(0, users());
	acked_window(&c, &next);
	abort_conn(&c);
}

TEST_F(algorithms, a_rate_without_bounds)
{
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, load("controls", UINT32_MAX));
	open_conn(&self->peer, &c, "test");
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 1000000));
	acked_window(&c, &next);
	EXPECT_EQ(CWND_MAX, conn_info(&c).cwnd);
	EXPECT_EQ(1000000, conn_tcp_info(&c).tcpi_pacing_rate);
	abort_conn(&c);
}

/* The recovery of an algorithm that controls its window has reduced no threshold. */
TEST_F(algorithms, changed_in_the_middle_of_a_recovery)
{
	struct peer *p = &self->peer;
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, load("controls", 10));
	open_conn(p, &c, "test");
	flight_write(&c, FLIGHT_INITIAL);
	peer_mark(p);
	flight_expect_all(&c, next, next + FLIGHT_INITIAL - 1);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, next, { next + 1, next + 4 });
	flight_expect(&c, next);
	ASSERT_EQ(0, rule_set(c.fd, "reno"));
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	flight_sack(&c, next, { next + 1, next + FLIGHT_INITIAL });
	EXPECT_GE(5, conn_info(&c).cwnd);
	flight_ack(&c, next + FLIGHT_INITIAL);
	EXPECT_EQ(5, conn_info(&c).cwnd);
	abort_conn(&c);
}

TEST_F(algorithms, its_state_begins_with_zeros)
{
	struct peer *p = &self->peer;
	struct conn c;
	char text[8];
	int lfd;

	ASSERT_EQ(0, load("calm", 10));
	lfd = peer_listen(p, 6000, 5);
	ASSERT_EQ(0, rule_set(lfd, "test"));
	for (int i = 0; i < 3; i++) {
		conn_open(p, &c, .lfd = lfd, .kport = 6000, .pport = 40000 + i);
		/* To another rule, and back. */
		ASSERT_EQ(0, rule_set(c.fd, "cubic"));
		ASSERT_EQ(0, rule_set(c.fd, "test"));
		abort_conn(&c);
	}
	close(lfd);
	/* connect() begins with the SYN, and again with the SYN-ACK. */
	conn_open(p, &c, .active = true);
	ASSERT_EQ(0, rule_set(c.fd, "test"));
	abort_conn(&c);
	ASSERT_EQ(0, sysctl_read("/sys/module/" TEST_MODULE "/parameters/state_was_zeroed",
				 text, sizeof(text)));
	EXPECT_STREQ("Y", text);
	EXPECT_EQ(0, users());
}

static const char *parameter(const char *name)
{
	static char text[64];
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/" TEST_MODULE "/parameters/%s", name);
	return sysctl_read(path, text, sizeof(text)) ? "?" : text;
}

/* What lost() hears: the volume in flight when each was sent, and the losses since then. */
TEST_F(algorithms, each_loss_is_told)
{
	struct conn c;

	link_set_single_segments(WHERE(_metadata), "tun0");
	ASSERT_EQ(0, load("losses", 10));
	open_conn(&self->peer, &c, "test");
	/* Ten leave at once; the program has been the limit until then. */
	flight_write(&c, 2 * FLIGHT_INITIAL);
	peer_mark(c.peer);
	flight_expect_all(&c, 0, 9);
	peer_sleep_until(c.peer, RTT_MS);
	flight_sack(&c, 0, { 1, 4 });
	EXPECT_STREQ("1", parameter("losses"));
	EXPECT_STREQ("1000,1,1,1,1", parameter("last_loss"));
	flight_expect(&c, 0);
	flight_expect_all(&c, 10, 11);
	peer_mark_last(c.peer);
	peer_sleep_until(c.peer, RTT_MS);
	/* The retransmission is lost, too; two new ones left with it, as the last of nine. */
	flight_sack(&c, 0, { 1, 12 });
	EXPECT_STREQ("2", parameter("losses"));
	EXPECT_STREQ("1000,1,9,1,0", parameter("last_loss"));
	conn_send(&c, .flags = RST);
	peer_drain(c.peer, 1);
	close(c.fd);
}

/* --- L4S ------------------------------------------------------------------- */

/* The ECN field of the IP header. */
enum { NOT_ECT, ECT1, ECT0, CE };

#define ACCURATE_OFFER (SYN | AE | CWR | ECE)
#define ACCURATE_ANSWER CWR
#define CLASSIC_OFFER (SYN | CWR | ECE)
#define CLASSIC_ANSWER ECE
/* Accurate ECN counts marks in AE, CWR and ECE, from 5. */
#define NO_MARKS (AE | ECE)

static int count_after(int answer)
{
	return answer == ACCURATE_ANSWER ? NO_MARKS : 0;
}

/* Segments leave, the first is lost and leaves again; then a pure ACK. @count: of marks */
static void expect_codepoints(struct conn *c, int count, int first, int again, int pure)
{
	flight_write(c, 4);
	flight_expect_all(c, 0, 3, .tos = first);
	flight_sack_flags(c, count, 0, { 1, 4 });
	flight_expect(c, 0, .tos = again);
	conn_send(c, .flags = ACK | count, .ack = flight_seq(c, 4));
	conn_send(c, .flags = ACK | count, .len = MSS);
	conn_expect(c, .flags = ACK | count, .ack = 1 + MSS, .tos = pure);
}

/* The peer connects with @offer to a listener with the rule, which answers with @answer, @tos. */
static void l4s_asked(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
		      int offer, int answer, int tos)
{
	int lfd = peer_listen(p, 6000, 5);

	ASSERT_EQ(0, rule_set(lfd, "test"));
	conn_start(p, c, .lfd = lfd, .kport = 6000, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK));
	conn_send(c, .flags = offer);
	conn_expect(c, .flags = SYN | ACK | answer, .ack = 1, .tos = tos);
	conn_send(c, .flags = ACK | answer);
	conn_accept(c);
	close(lfd);
}

/* Whatever the knob says: only what the peer says counts. */
TEST_F(algorithms, rfc9331_4_1_ect1_with_accurate_ecn_only)
{
	static const struct {
		int offer, answer, syn_ack, later;
	} cases[] = {
		{ ACCURATE_OFFER, ACCURATE_ANSWER, NOT_ECT, ECT1 },
		/* 4.2: the peer does not tell how many are marked. */
		{ CLASSIC_OFFER, CLASSIC_ANSWER, ECT0, ECT0 },
		{ SYN, 0, NOT_ECT, NOT_ECT },
	};
	struct peer *p = &self->peer;
	struct conn c;

	link_set_single_segments(WHERE(_metadata), "tun0");
	ASSERT_EQ(0, load("l4s", 10));
	for (int knob = 0; knob <= 3; knob += 3) {
		ASSERT_EQ(0, knob_set("ecn", knob));
		for (int i = 0; i < 3; i++) {
			l4s_asked(_metadata, p, &c, cases[i].offer, cases[i].answer,
				  cases[i].syn_ack);
			expect_codepoints(&c, count_after(cases[i].answer), cases[i].later,
					  cases[i].later, cases[i].later);
			abort_conn(&c);
		}
	}
}

static void choose_test(int fd)
{
	rule_set(fd, "test");
}

TEST_F(algorithms, rfc9331_4_2_accurate_ecn_is_asked_for)
{
	static const struct {
		int answer, tos;
	} cases[] = { { ACCURATE_ANSWER, ECT1 }, { CLASSIC_ANSWER, ECT0 }, { 0, NOT_ECT } };
	struct conn c;

	ASSERT_EQ(0, load("l4s", 10));
	ASSERT_EQ(0, knob_set("ecn", 0));
	for (int i = 0; i < 3; i++) {
		int count = count_after(cases[i].answer);

		conn_start(&self->peer, &c, .active = true, .prepare = choose_test);
		conn_expect(&c, .flags = ACCURATE_OFFER, .tos = NOT_ECT);
		conn_send(&c, .flags = SYN | ACK | cases[i].answer);
		conn_expect(&c, .flags = ACK | (count ? ACCURATE_ANSWER : 0),
			    .tos = cases[i].tos);
		conn_write(&c, 100);
		conn_expect(&c, .flags = PSH | ACK | count, .len = 100, .tos = cases[i].tos);
		abort_conn(&c);
	}
}

/* The mark is the rule's; and without XTCP_CONGESTION_ECN the knob decides on Accurate ECN. */
TEST_F(algorithms, rfc9331_4_3_ect1_is_for_a_scalable_rule)
{
	struct peer *p = &self->peer;
	struct conn c;

	link_set_single_segments(WHERE(_metadata), "tun0");
	ASSERT_EQ(0, load("ect1", 10));
	ASSERT_EQ(0, knob_set("ecn", 2));
	l4s_asked(_metadata, p, &c, ACCURATE_OFFER, CLASSIC_ANSWER, NOT_ECT);
	expect_codepoints(&c, 0, ECT0, NOT_ECT, NOT_ECT);
	abort_conn(&c);
	ASSERT_EQ(0, knob_set("ecn", 3));
	l4s_asked(_metadata, p, &c, ACCURATE_OFFER, ACCURATE_ANSWER, NOT_ECT);
	flight_write(&c, 1);
	flight_expect(&c, 0, .tos = ECT1);
	ASSERT_EQ(0, rule_set(c.fd, "reno"));
	flight_write(&c, 1);
	flight_expect(&c, 1, .tos = ECT0);
	ASSERT_EQ(0, rule_set(c.fd, "test"));
	flight_write(&c, 1);
	flight_expect(&c, 2, .tos = ECT1);
	abort_conn(&c);
}

/* --- what it tells ---------------------------------------------------------- */

static int cc_info(int fd, union tcp_cc_info *info, int size)
{
	socklen_t len = size;

	memset(info, 0x55, sizeof(*info));
	return getsockopt(fd, IPPROTO_TCP, TCP_CC_INFO, info, &len) ? -errno : (int)len;
}

TEST_F(algorithms, the_example)
{
	union tcp_cc_info info;
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, module_load_other(EXAMPLE, ""));
	open_conn(&self->peer, &c, "scalable");
	EXPECT_EQ((int)sizeof(info.vegas), cc_info(c.fd, &info, sizeof(info)));
	EXPECT_EQ(0, info.vegas.tcpv_rttcnt);
	lose_first(&c, &next);
	/* 10 - 10 / 8 */
	EXPECT_EQ(9, conn_info(&c).cwnd);
	ASSERT_EQ((int)sizeof(info.vegas), cc_info(c.fd, &info, sizeof(info)));
	EXPECT_EQ(1, info.vegas.tcpv_enabled);
	EXPECT_EQ(1, info.vegas.tcpv_rttcnt);
	/* A short buffer gets the beginning. */
	EXPECT_EQ(4, cc_info(c.fd, &info, 4));
	EXPECT_EQ(1, info.vegas.tcpv_enabled);
	EXPECT_EQ(0x55555555, info.vegas.tcpv_rttcnt);
	/* Nine more open it by one, fewer than 100 though they are. */
	flight_write(&c, 9);
	peer_mark(c.peer);
	flight_expect_all(&c, next, next + 8);
	peer_sleep_until(c.peer, RTT_MS);
	flight_ack(&c, next + 9);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	/* CUBIC tells nothing, as Linux's. */
	ASSERT_EQ(0, rule_set(c.fd, "cubic"));
	EXPECT_EQ(0, cc_info(c.fd, &info, sizeof(info)));
	abort_conn(&c);
	EXPECT_EQ(0, module_users_of(EXAMPLE));
}

TEST_HARNESS_MAIN
