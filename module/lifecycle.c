// SPDX-License-Identifier: GPL-2.0
/*
 * lifecycle.c - the lifecycle table: all changes of a connection's state
 *
 * The table is the state machine of RFC 9293 3.3.2 and 3.10. A row means: in state `from`, `event`
 * leads to state `to`, according to `section` of RFC 9293, or of another RFC; the section is for
 * readers only and is not compiled. If both states are the same, the event is handled without
 * leaving the state. An event in a state that has no row for it is a bug: it is counted
 * (XtcpLifecycleUnknown) and logged, a kernel with CONFIG_DEBUG_NET warns, and the state stays. An
 * event of a record that another CPU has just unhashed is ignored.
 *
 * Each row has a counter, per CPU and namespace, for /proc/net/xtcp_lifecycle. A
 * row that changes the state has the tracepoint xtcp:xtcp_state as well, and names
 * in its last column the counter that Linux increments on the same transition. While
 * xtcp_histograms is set it also has a histogram of the time spent in the state before
 * (observe/histogram.c).
 *
 * Context: any. The caller holds what guards the state: the socket lock for a
 * socket; for a record, the right to remove it (it won xtcp_flow_remove() or
 * xtcp_flow_replace()), or no more than a reference to it for an event that
 * leaves the state alone or for the FIN that leads from FIN-WAIT-2 to TIME-WAIT.
 */
#include "lifecycle.h"

#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/inet_common.h>
#include <net/inet_sock.h>
#include <net/net_debug.h>

#include "flow.h"
#include "netns.h"
#include "observe/histogram.h"
#include "observe/recorder.h"
#include "observe/stats.h"
#include "observe/trace.h"
#include "tcb.h"

/* A rule is a line of this table. /proc shows rules that read alike as one row (shown_as[]). */
struct xtcp_lifecycle_rule {
	u8		from;
	u8		event;
	u8		to;
	u8		mib;		/* enum xtcp_mib_item, or NO_MIB */
	u8		recorded;	/* from this enum xtcp_recorder_mode on */
};

#define NO_MIB	XTCP_MIB_NR

#define RULE(_from, _event, _to, _section, _mib) {			\
	.from = _from, .event = _event, .to = _to, .mib = _mib,		\
	.recorded = XTCP_RECORDER_FROM_MODE(_from, _event, _to) }

/*
 * Each pastes its own arguments: a macro of a kernel header may share a name. MOVE(), GO(), STAY()
 * and FAIL() prefix them; SAME() and END(), for the lists, get whole names.
 */
#define MOVE(_from, _event, _to, _section, _mib)			\
	RULE(XTCP_##_from, XTCP_EV_##_event, XTCP_##_to, _section, _mib)

#define GO(_from, _event, _to, _section)				\
	RULE(XTCP_##_from, XTCP_EV_##_event, XTCP_##_to, _section, NO_MIB)

#define STAY(_state, _event, _section)					\
	RULE(XTCP_##_state, XTCP_EV_##_event, XTCP_##_state, _section, NO_MIB)

/* A failed opening, except for one that the program itself ended. */
#define FAIL(_from, _event, _section)					\
	RULE(XTCP_##_from, XTCP_EV_##_event, XTCP_CLOSED, _section,	\
	     XTCP_MIB_ATTEMPT_FAILS)

#define SAME(_state, _event, _section)					\
	RULE(_state, _event, _state, _section, NO_MIB)

#define END(_state, _event, _section, _mib)				\
	RULE(_state, _event, XTCP_CLOSED, _section, _mib)

/* The same in each synchronized state. */
#define STAY_SYNCHRONIZED(_event, _section)				\
	SAME(XTCP_ESTABLISHED, XTCP_EV_##_event, _section),		\
	SAME(XTCP_FIN_WAIT_1, XTCP_EV_##_event, _section),		\
	SAME(XTCP_FIN_WAIT_2, XTCP_EV_##_event, _section),		\
	SAME(XTCP_CLOSE_WAIT, XTCP_EV_##_event, _section),		\
	SAME(XTCP_CLOSING, XTCP_EV_##_event, _section),			\
	SAME(XTCP_LAST_ACK, XTCP_EV_##_event, _section)

/*
 * The end of a synchronized connection. In ESTABLISHED and CLOSE-WAIT any abort
 * counts as EstabResets, as in Linux.
 */
#define END_OPEN(_event, _section)					\
	END(XTCP_ESTABLISHED, XTCP_EV_##_event, _section,		\
	    XTCP_MIB_ESTAB_RESETS),					\
	END(XTCP_CLOSE_WAIT, XTCP_EV_##_event, _section,		\
	    XTCP_MIB_ESTAB_RESETS)

/*
 * Our FIN is not acknowledged. FIN-WAIT-2 has rows of its own: it sends nothing again, so
 * RETRANSMISSION_GIVE_UP cannot occur there.
 */
#define END_CLOSING(_event, _section)					\
	END(XTCP_FIN_WAIT_1, XTCP_EV_##_event, _section, NO_MIB),	\
	END(XTCP_CLOSING, XTCP_EV_##_event, _section, NO_MIB),		\
	END(XTCP_LAST_ACK, XTCP_EV_##_event, _section, NO_MIB)

static const struct xtcp_lifecycle_rule lifecycle_rules[] = {
	/* --- opening: user calls */
	GO(CLOSED, PASSIVE_OPEN, LISTEN, "3.10.1"),
	STAY(LISTEN, PASSIVE_OPEN, "3.10.1"),
	MOVE(CLOSED, ACTIVE_OPEN, SYN_SENT, "3.10.1", XTCP_MIB_ACTIVE_OPENS),

	/* --- opening: segments */
	STAY(CLOSED, RCV_SYN, "3.10.7.1"),
	STAY(CLOSED, RCV_SYN_ACK, "3.10.7.1"),
	STAY(CLOSED, RCV_ACK, "3.10.7.1"),
	STAY(CLOSED, RCV_BAD_FLAGS, "3.10.7.1"),
	STAY(CLOSED, RCV_FIN, "3.6.1, by its token"),
	STAY(CLOSED, RCV_RST_OUTSIDE, "3.10.7.1"),

	STAY(LISTEN, RCV_RST_OUTSIDE, "3.10.7.2 first"),
	STAY(LISTEN, RCV_ACK, "3.10.7.2 second"),
	STAY(LISTEN, RCV_SYN_ACK, "3.10.7.2 second"),
	GO(LISTEN, RCV_SYN, HALF_OPEN, "3.10.7.2 third"),
	STAY(LISTEN, RCV_SYN_IN_WINDOW, "3.10.7.2 third, cookie"),
	STAY(LISTEN, RCV_BAD_FLAGS, "3.10.7.2 fourth"),

	STAY(SYN_SENT, RCV_BAD_SYN_ACK, "3.10.7.3 first"),
	FAIL(SYN_SENT, RCV_RST, "3.10.7.3 second"),
	STAY(SYN_SENT, RCV_RST_OUTSIDE, "3.10.7.3 second"),
	GO(SYN_SENT, RCV_SYN_ACK, ESTABLISHED, "3.10.7.3 fourth"),
	GO(SYN_SENT, RCV_SYN, SYN_RECEIVED, "3.10.7.3 fourth"),
	STAY(SYN_SENT, RCV_OUTSIDE, "RFC 7323 5.3, in place of TIME-WAIT"),
	STAY(SYN_SENT, RCV_BAD_FLAGS, "3.10.7.3 fifth"),
	STAY(SYN_SENT, RCV_ACK, "3.10.7.3 fifth"),

	STAY(HALF_OPEN, RCV_OUTSIDE, "3.10.7.4 first"),
	STAY(HALF_OPEN, RCV_RST_OUTSIDE, "3.10.7.4 second"),
	STAY(HALF_OPEN, RCV_RST_IN_WINDOW, "3.10.7.4 second"),
	FAIL(HALF_OPEN, RCV_RST, "3.10.7.4 second"),
	STAY(HALF_OPEN, RCV_SYN, "3.10.7.4 fourth"),
	FAIL(HALF_OPEN, RCV_SYN_IN_WINDOW, "3.10.7.4 fourth"),
	STAY(HALF_OPEN, RCV_BAD_FLAGS, "3.10.7.4 fifth"),
	STAY(HALF_OPEN, RCV_ACK_ABOVE, "3.10.7.4 fifth"),
	STAY(HALF_OPEN, RCV_ACK_BELOW, "3.10.7.4 fifth"),
	STAY(HALF_OPEN, RCV_ACK, "accept queue full, or deferred"),
	MOVE(HALF_OPEN, RCV_ACK_OF_SYN, ESTABLISHED, "3.10.7.4 fifth",
	     XTCP_MIB_PASSIVE_OPENS),
	MOVE(HALF_OPEN, RCV_FAST_OPEN, SYN_RECEIVED, "RFC 7413 4.2.2",
	     XTCP_MIB_PASSIVE_OPENS),
	GO(HALF_OPEN, CLOSE, CLOSED, "3.10.4, its listener's"),
	GO(HALF_OPEN, ABORT, CLOSED, "no child is made, or a cookie returns"),

	STAY(SYN_RECEIVED, RCV_OUTSIDE, "3.10.7.4 first"),
	STAY(SYN_RECEIVED, RCV_RST_OUTSIDE, "3.10.7.4 second"),
	STAY(SYN_RECEIVED, RCV_RST_IN_WINDOW, "3.10.7.4 second"),
	FAIL(SYN_RECEIVED, RCV_RST, "3.10.7.4 second"),
	STAY(SYN_RECEIVED, RCV_SYN, "3.10.7.4 fourth"),
	GO(SYN_RECEIVED, RCV_SYN_ACK, ESTABLISHED, "3.5, figure 8"),
	STAY(SYN_RECEIVED, RCV_BAD_FLAGS, "3.10.7.4 fifth"),
	STAY(SYN_RECEIVED, RCV_ACK_ABOVE, "3.10.7.4 fifth"),
	STAY(SYN_RECEIVED, RCV_ACK_BELOW, "3.10.7.4 fifth"),
	GO(SYN_RECEIVED, RCV_ACK_OF_SYN, ESTABLISHED, "3.10.7.4 fifth"),
	STAY(SYN_RECEIVED, RCV_TEXT, "RFC 7413 4.2.2"),

	/* --- opening: no answer */
	STAY(SYN_SENT, RETRANSMISSION_TIMEOUT, "3.10.8"),
	FAIL(SYN_SENT, RETRANSMISSION_GIVE_UP, "3.8.3 (f)"),
	FAIL(SYN_SENT, USER_TIMEOUT, "3.10.8"),
	STAY(HALF_OPEN, RETRANSMISSION_TIMEOUT, "3.10.8"),
	GO(HALF_OPEN, RETRANSMISSION_GIVE_UP, CLOSED, "3.8.3"),
	STAY(SYN_RECEIVED, RETRANSMISSION_TIMEOUT, "3.10.8"),
	FAIL(SYN_RECEIVED, RETRANSMISSION_GIVE_UP, "3.8.3"),
	FAIL(SYN_RECEIVED, USER_TIMEOUT, "3.10.8"),

	/* --- open: user calls */
	STAY(CLOSED, SEND, "3.10.2"),
	STAY(LISTEN, SEND, "3.10.2"),
	STAY(SYN_SENT, SEND, "3.10.2"),
	STAY(SYN_RECEIVED, SEND, "3.10.2"),
	STAY_SYNCHRONIZED(SEND, "3.10.2"),
	STAY(CLOSED, RECEIVE, "3.10.3"),
	STAY(LISTEN, RECEIVE, "3.10.3"),
	STAY(SYN_SENT, RECEIVE, "3.10.3"),
	STAY(SYN_RECEIVED, RECEIVE, "3.10.3"),
	STAY_SYNCHRONIZED(RECEIVE, "3.10.3"),

	/* --- open: segments, in the order of the checks of 3.10.7.4 */
	STAY_SYNCHRONIZED(RCV_OUTSIDE, "3.10.7.4 first"),
	STAY_SYNCHRONIZED(RCV_RST_OUTSIDE, "3.10.7.4 second"),
	STAY_SYNCHRONIZED(RCV_RST_IN_WINDOW, "3.10.7.4 second, RFC 5961 3"),
	END_OPEN(RCV_RST, "3.10.7.4 second"),
	END_CLOSING(RCV_RST, "3.10.7.4 second"),
	GO(FIN_WAIT_2, RCV_RST, CLOSED, "3.10.7.4 second"),
	STAY_SYNCHRONIZED(RCV_SYN, "3.10.7.4 fourth, RFC 5961 4"),
	STAY_SYNCHRONIZED(RCV_SYN_ACK, "3.10.7.4 fourth, RFC 5961 4"),
	STAY_SYNCHRONIZED(RCV_BAD_FLAGS, "3.10.7.4 fifth"),
	STAY_SYNCHRONIZED(RCV_ACK, "3.10.7.4 fifth"),
	STAY_SYNCHRONIZED(RCV_ACK_ABOVE, "3.10.7.4 fifth"),
	STAY_SYNCHRONIZED(RCV_ACK_BELOW, "3.10.7.4 fifth, RFC 5961 5"),
	STAY_SYNCHRONIZED(RCV_TEXT, "3.10.7.4 seventh"),
	STAY(ESTABLISHED, RCV_TEXT_OUT_OF_ORDER, "3.10.7.4 seventh"),
	STAY(FIN_WAIT_1, RCV_TEXT_OUT_OF_ORDER, "3.10.7.4 seventh"),
	STAY(FIN_WAIT_2, RCV_TEXT_OUT_OF_ORDER, "3.10.7.4 seventh"),
	STAY(ESTABLISHED, RCV_FIN_OUT_OF_ORDER, "3.10.7.4 eighth"),
	STAY(FIN_WAIT_1, RCV_FIN_OUT_OF_ORDER, "3.10.7.4 eighth"),
	STAY(FIN_WAIT_2, RCV_FIN_OUT_OF_ORDER, "3.10.7.4 eighth"),

	/* --- open: timers */
	STAY(ESTABLISHED, RETRANSMISSION_TIMEOUT, "3.10.8"),
	STAY(CLOSE_WAIT, RETRANSMISSION_TIMEOUT, "3.10.8"),
	STAY(FIN_WAIT_1, RETRANSMISSION_TIMEOUT, "3.10.8"),
	STAY(CLOSING, RETRANSMISSION_TIMEOUT, "3.10.8"),
	STAY(LAST_ACK, RETRANSMISSION_TIMEOUT, "3.10.8"),
	END_OPEN(RETRANSMISSION_GIVE_UP, "3.8.3"),
	END_CLOSING(RETRANSMISSION_GIVE_UP, "3.8.3"),
	END_OPEN(USER_TIMEOUT, "3.10.8"),
	END_CLOSING(USER_TIMEOUT, "3.10.8"),
	GO(FIN_WAIT_2, USER_TIMEOUT, CLOSED, "xtcp_attached_fin_timeout"),
	STAY(ESTABLISHED, PERSIST_TIMEOUT, "3.8.6.1"),
	STAY(CLOSE_WAIT, PERSIST_TIMEOUT, "3.8.6.1"),
	STAY(FIN_WAIT_1, PERSIST_TIMEOUT, "3.8.6.1"),
	STAY(CLOSING, PERSIST_TIMEOUT, "3.8.6.1"),
	STAY(LAST_ACK, PERSIST_TIMEOUT, "3.8.6.1"),
	STAY(ESTABLISHED, KEEPALIVE_TIMEOUT, "3.8.4"),
	STAY(CLOSE_WAIT, KEEPALIVE_TIMEOUT, "3.8.4"),
	STAY(FIN_WAIT_2, KEEPALIVE_TIMEOUT, "3.8.4"),
	END_OPEN(KEEPALIVE_GIVE_UP, "3.8.4"),
	GO(FIN_WAIT_2, KEEPALIVE_GIVE_UP, CLOSED, "3.8.4"),
	STAY(SYN_RECEIVED, DELAYED_ACK_TIMEOUT, "3.8.6.3, an answer that found no room"),
	STAY_SYNCHRONIZED(DELAYED_ACK_TIMEOUT, "3.8.6.3"),

	/* --- open: ICMP errors (RFC 5927: not to be trusted) */
	FAIL(SYN_SENT, ICMP_HARD, "3.9.2.2"),
	FAIL(SYN_RECEIVED, ICMP_HARD, "3.9.2.2"),
	STAY(HALF_OPEN, ICMP_HARD, "RFC 5927 5.2"),
	STAY_SYNCHRONIZED(ICMP_HARD, "RFC 5927 5.2"),
	STAY(ORPHAN_FIN_WAIT_2, ICMP_HARD, "RFC 5927 5.2"),
	STAY(TIME_WAIT, ICMP_HARD, "RFC 5927 5.2"),
	FAIL(SYN_SENT, ICMP_SOFT, "3.9.2.2, deviation as in Linux"),
	STAY(SYN_SENT, ICMP_SOFT_NOTED, "3.9.2.2, xtcp_icmp_soft_abort=0"),
	STAY(SYN_RECEIVED, ICMP_SOFT, "3.9.2.2"),
	STAY(SYN_RECEIVED, ICMP_SOFT_NOTED, "RFC 5927 5.2, accepted"),
	GO(HALF_OPEN, ICMP_SOFT, CLOSED, "3.9.2.2, deviation as in Linux"),
	STAY_SYNCHRONIZED(ICMP_SOFT, "3.9.2.2"),
	STAY(ORPHAN_FIN_WAIT_2, ICMP_SOFT, "3.9.2.2"),
	STAY(TIME_WAIT, ICMP_SOFT, "3.9.2.2"),
	STAY(SYN_SENT, ICMP_TOO_BIG, "RFC 1191"),
	STAY(SYN_RECEIVED, ICMP_TOO_BIG, "RFC 1191"),
	STAY(HALF_OPEN, ICMP_TOO_BIG, "RFC 1191"),
	STAY_SYNCHRONIZED(ICMP_TOO_BIG, "RFC 1191"),
	STAY(ORPHAN_FIN_WAIT_2, ICMP_TOO_BIG, "RFC 1191"),
	STAY(TIME_WAIT, ICMP_TOO_BIG, "RFC 1191"),

	/*
	 * --- closing: user calls. shutdown() in LISTEN and SYN-SENT comes as
	 * ABORT: the socket layer makes a disconnect of it.
	 */
	STAY(CLOSED, SHUTDOWN_SEND, "3.10.4"),
	STAY(CLOSED, SHUTDOWN_RECEIVE, "3.10.4"),
	GO(SYN_RECEIVED, SHUTDOWN_SEND, FIN_WAIT_1, "3.10.4"),
	GO(ESTABLISHED, SHUTDOWN_SEND, FIN_WAIT_1, "3.10.4"),
	GO(CLOSE_WAIT, SHUTDOWN_SEND, LAST_ACK, "3.10.4"),
	STAY(FIN_WAIT_1, SHUTDOWN_SEND, "3.10.4"),
	STAY(FIN_WAIT_2, SHUTDOWN_SEND, "3.10.4"),
	STAY(CLOSING, SHUTDOWN_SEND, "3.10.4"),
	STAY(LAST_ACK, SHUTDOWN_SEND, "3.10.4"),
	STAY(SYN_RECEIVED, SHUTDOWN_RECEIVE, "sends nothing"),
	STAY_SYNCHRONIZED(SHUTDOWN_RECEIVE, "sends nothing"),
	STAY(CLOSED, CLOSE, "3.10.4"),
	GO(LISTEN, CLOSE, CLOSED, "3.10.4"),
	GO(SYN_SENT, CLOSE, CLOSED, "3.10.4"),
	GO(SYN_RECEIVED, CLOSE, FIN_WAIT_1, "3.10.4"),
	GO(ESTABLISHED, CLOSE, FIN_WAIT_1, "3.10.4"),
	GO(CLOSE_WAIT, CLOSE, LAST_ACK, "3.10.4, erratum to 793"),
	STAY(FIN_WAIT_1, CLOSE, "3.10.4"),
	STAY(FIN_WAIT_2, CLOSE, "3.10.4"),
	STAY(CLOSING, CLOSE, "3.10.4"),
	STAY(LAST_ACK, CLOSE, "3.10.4"),
	STAY(CLOSED, ABORT, "3.10.5"),
	GO(LISTEN, ABORT, CLOSED, "3.10.5"),
	GO(SYN_SENT, ABORT, CLOSED, "3.10.5"),
	GO(SYN_RECEIVED, ABORT, CLOSED, "3.10.5"),
	END_OPEN(ABORT, "3.10.5"),
	END_CLOSING(ABORT, "3.10.5"),
	GO(FIN_WAIT_2, ABORT, CLOSED, "3.10.5"),

	/* --- the administrator's ABORT: /proc/net/xtcp_kill */
	GO(LISTEN, KILL, CLOSED, "3.10.5, administrator"),
	FAIL(SYN_SENT, KILL, "3.10.5, administrator"),
	GO(HALF_OPEN, KILL, CLOSED, "3.10.5, administrator"),
	FAIL(SYN_RECEIVED, KILL, "3.10.5, administrator"),
	END_OPEN(KILL, "3.10.5, administrator"),
	END_CLOSING(KILL, "3.10.5, administrator"),
	GO(FIN_WAIT_2, KILL, CLOSED, "3.10.5, administrator"),
	GO(ORPHAN_FIN_WAIT_2, KILL, CLOSED, "3.10.5, administrator"),
	GO(TIME_WAIT, KILL, CLOSED, "3.10.5, administrator"),

	/* --- closing: segments */
	GO(ESTABLISHED, RCV_FIN, CLOSE_WAIT, "3.10.7.4 eighth"),
	GO(FIN_WAIT_1, RCV_FIN, CLOSING, "3.10.7.4 eighth"),
	GO(FIN_WAIT_2, RCV_FIN, TIME_WAIT, "3.10.7.4 eighth"),
	STAY(CLOSE_WAIT, RCV_FIN, "3.10.7.4 eighth"),
	STAY(CLOSING, RCV_FIN, "3.10.7.4 eighth"),
	STAY(LAST_ACK, RCV_FIN, "3.10.7.4 eighth"),
	GO(FIN_WAIT_1, RCV_ACK_OF_FIN, FIN_WAIT_2, "3.10.7.4 fifth"),
	GO(CLOSING, RCV_ACK_OF_FIN, TIME_WAIT, "3.10.7.4 fifth"),
	GO(LAST_ACK, RCV_ACK_OF_FIN, CLOSED, "3.10.7.4 fifth"),
	GO(FIN_WAIT_1, RCV_TEXT_AFTER_CLOSE, CLOSED, "3.6.1 SHLD-3"),
	GO(FIN_WAIT_2, RCV_TEXT_AFTER_CLOSE, CLOSED, "3.6.1 SHLD-3"),

	/* --- FIN-WAIT-2 of an orphan: first a socket, then a record */
	GO(FIN_WAIT_2, ORPHAN_RECORD, ORPHAN_FIN_WAIT_2, "3.6, Linux"),
	GO(ORPHAN_FIN_WAIT_2, FIN_WAIT_2_TIMEOUT, CLOSED, "3.6, Linux"),
	STAY(ORPHAN_FIN_WAIT_2, RCV_OUTSIDE, "3.10.7.4 first"),
	STAY(ORPHAN_FIN_WAIT_2, RCV_RST_OUTSIDE, "3.10.7.4 second"),
	STAY(ORPHAN_FIN_WAIT_2, RCV_RST_IN_WINDOW, "3.10.7.4 second"),
	GO(ORPHAN_FIN_WAIT_2, RCV_RST, CLOSED, "3.10.7.4 second"),
	STAY(ORPHAN_FIN_WAIT_2, RCV_SYN_IN_WINDOW, "3.10.7.4 fourth, RFC 5961 4"),
	STAY(ORPHAN_FIN_WAIT_2, RCV_BAD_FLAGS, "3.10.7.4 fifth"),
	STAY(ORPHAN_FIN_WAIT_2, RCV_ACK, "3.10.7.4 fifth"),
	STAY(ORPHAN_FIN_WAIT_2, RCV_ACK_ABOVE, "3.10.7.4 fifth"),
	GO(ORPHAN_FIN_WAIT_2, RCV_TEXT_AFTER_CLOSE, CLOSED, "3.6.1 SHLD-3"),
	GO(ORPHAN_FIN_WAIT_2, RCV_FIN, TIME_WAIT, "3.10.7.4 eighth"),
	GO(ORPHAN_FIN_WAIT_2, TIME_WAIT_FULL, CLOSED, "xtcp_max_tw_buckets"),
	GO(ORPHAN_FIN_WAIT_2, ABORT, CLOSED, "netns exit"),

	/* --- TIME-WAIT */
	STAY(TIME_WAIT, RCV_OUTSIDE, "3.10.7.4 first"),
	STAY(TIME_WAIT, RCV_RST_OUTSIDE, "3.10.7.4 second"),
	/* Two events of FIN-WAIT-2 that find TIME-WAIT: another CPU was faster with the FIN. */
	STAY(TIME_WAIT, RCV_RST_IN_WINDOW, "3.10.7.4 second"),
	GO(TIME_WAIT, RCV_TEXT_AFTER_CLOSE, CLOSED, "3.6.1 SHLD-3"),
	GO(TIME_WAIT, RCV_RST, CLOSED, "3.10.7.4 second"),
	STAY(TIME_WAIT, RCV_RST_IGNORED, "RFC 1337 3, xtcp_rfc1337"),
	GO(TIME_WAIT, RCV_SYN, CLOSED, "3.10.7.4 fourth, RFC 6191"),
	STAY(TIME_WAIT, RCV_SYN_IN_WINDOW, "3.10.7.4 fourth, RFC 6191"),
	STAY(TIME_WAIT, RCV_SYN_ACK, "3.10.7.4 fourth"),
	STAY(TIME_WAIT, RCV_BAD_FLAGS, "3.10.7.4 fifth"),
	STAY(TIME_WAIT, RCV_ACK, "3.10.7.4 fifth"),
	STAY(TIME_WAIT, RCV_ACK_ABOVE, "3.10.7.4 fifth"),
	STAY(TIME_WAIT, RCV_TEXT, "3.10.7.4 seventh"),
	STAY(TIME_WAIT, RCV_FIN, "3.10.7.4 eighth, restarts 2MSL"),
	GO(TIME_WAIT, TIME_WAIT_TIMEOUT, CLOSED, "3.10.8"),
	GO(TIME_WAIT, FIN_WAIT_2_TIMEOUT, CLOSED, "3.6, a FIN came just then"),
	GO(TIME_WAIT, TIME_WAIT_REUSE, CLOSED, "RFC 6191, xtcp_tw_reuse"),
	GO(TIME_WAIT, TIME_WAIT_FULL, CLOSED, "xtcp_max_tw_buckets"),
	GO(TIME_WAIT, TIME_WAIT_TOKEN, CLOSED, "xtcp_tw_stateless"),
	GO(TIME_WAIT, ABORT, CLOSED, "netns exit"),

	/* --- memory */
	STAY(HALF_OPEN, NO_MEMORY, "the peer sends again"),
	STAY(ESTABLISHED, MEMORY_PRESSURE, "the peer sends again"),
	STAY(FIN_WAIT_1, MEMORY_PRESSURE, "the peer sends again"),
	STAY(FIN_WAIT_2, MEMORY_PRESSURE, "the peer sends again"),
	END_CLOSING(NO_MEMORY, "orphans, Linux"),
	GO(FIN_WAIT_2, NO_MEMORY, CLOSED, "orphans, Linux"),
};

static_assert(ARRAY_SIZE(lifecycle_rules) < U16_MAX);

/* Row number + 1 of a pair; 0: no row. Written at load only. */
static u16 rule_of[XTCP_STATES][XTCP_EVENTS_NR] __ro_after_init;

/* The same for rows that keep the state; 0 for all others. */
u16 xtcp_lifecycle_stays[XTCP_STATES][XTCP_EVENTS_NR] __ro_after_init;

/* By how much a row changes the number of open connections. */
static s8 opens[ARRAY_SIZE(lifecycle_rules)] __ro_after_init;

/*
 * The row under which a rule is shown: two rows have the same text if their states
 * are a socket and a record in the same state of RFC 9293.
 */
static u16 shown_as[ARRAY_SIZE(lifecycle_rules)] __ro_after_init;

/* The next rule that is shown under the same row; 0: no further one. */
static u16 next_alike[ARRAY_SIZE(lifecycle_rules)] __ro_after_init;

/* Number of a row's histogram, from 1; 0: none. Rows with the same text share one. */
static u16 dwelt_of[ARRAY_SIZE(lifecycle_rules)] __ro_after_init;

u16 xtcp_lifecycle_histograms __ro_after_init;

static const char * const state_names[XTCP_STATES] = {
	[XTCP_ESTABLISHED]		= "ESTABLISHED",
	[XTCP_SYN_SENT]			= "SYN-SENT",
	[XTCP_SYN_RECEIVED]		= "SYN-RECEIVED",
	[XTCP_FIN_WAIT_1]		= "FIN-WAIT-1",
	[XTCP_FIN_WAIT_2]		= "FIN-WAIT-2",
	[XTCP_TIME_WAIT]		= "TIME-WAIT",
	[XTCP_CLOSED]			= "CLOSED",
	[XTCP_CLOSE_WAIT]		= "CLOSE-WAIT",
	[XTCP_LAST_ACK]			= "LAST-ACK",
	[XTCP_LISTEN]			= "LISTEN",
	[XTCP_CLOSING]			= "CLOSING",
	[XTCP_HALF_OPEN]		= "SYN-RECEIVED",
	[XTCP_ORPHAN_FIN_WAIT_2]	= "FIN-WAIT-2",
};

static const char * const event_names[XTCP_EVENTS_NR] = {
#define X(symbol, name) [XTCP_EV_##symbol] = name,
	XTCP_EVENTS(X)
#undef X
};

/**
 * xtcp_state_name - name of a state in RFC 9293
 * @state: state
 *
 * Return: static string; "?" if @state is no state.
 */
const char *xtcp_state_name(enum xtcp_state state)
{
	const char *name = state < XTCP_STATES ? state_names[state] : NULL;

	return name ?: "?";
}

/**
 * xtcp_event_name - name of an event in /proc/net/xtcp_lifecycle
 * @event: event
 *
 * Return: static string.
 */
const char *xtcp_event_name(enum xtcp_event event)
{
	return event_names[event];
}

static bool __init rules_read_alike(const struct xtcp_lifecycle_rule *a,
				    const struct xtcp_lifecycle_rule *b)
{
	return a->event == b->event &&
	       !strcmp(state_names[a->from], state_names[b->from]) &&
	       !strcmp(state_names[a->to], state_names[b->to]);
}

static bool __init state_is_open(u8 state)
{
	return state == XTCP_ESTABLISHED || state == XTCP_CLOSE_WAIT;
}

/*
 * A time in a state ends with each row that leaves it. The record that a SYN makes is
 * born in LISTEN and leaves it at once, and the record of a fast open becomes a socket at once:
 * neither counts as time in a state. FIN-WAIT-2 goes on when a record replaces an orphan.
 */
static bool __init rule_ends_time(const struct xtcp_lifecycle_rule *rule)
{
	return rule->to != rule->from && rule->event != XTCP_EV_RCV_FAST_OPEN &&
	       rule->event != XTCP_EV_ORPHAN_RECORD &&
	       (rule->from != XTCP_LISTEN || rule->to != XTCP_HALF_OPEN);
}

/**
 * xtcp_lifecycle_init - index the table
 *
 * Return: 0, or -EINVAL if a pair has two rows.
 */
int __init xtcp_lifecycle_init(void)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lifecycle_rules); i++) {
		const struct xtcp_lifecycle_rule *rule = &lifecycle_rules[i];
		u16 *slot = &rule_of[rule->from][rule->event];

		if (WARN_ON(*slot))
			return -EINVAL;
		*slot = i + 1;
		if (rule->to == rule->from)
			xtcp_lifecycle_stays[rule->from][rule->event] = i + 1;
		opens[i] = state_is_open(rule->to) - state_is_open(rule->from);
		for (j = 0; !rules_read_alike(&lifecycle_rules[j], rule); j++)
			;
		shown_as[i] = j;
		if (j < i) {
			next_alike[i] = next_alike[j];
			next_alike[j] = i;
		}
		if (rule_ends_time(rule))
			dwelt_of[i] = j < i ? dwelt_of[j] : ++xtcp_lifecycle_histograms;
	}
	return 0;
}

/**
 * xtcp_lifecycle_net_init - allocate the counts of a namespace
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_lifecycle_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	xn->lifecycle = __alloc_percpu_gfp(ARRAY_SIZE(lifecycle_rules) * sizeof(u64),
					   __alignof__(u64), GFP_KERNEL_ACCOUNT);
	return xn->lifecycle ? 0 : -ENOMEM;
}

/**
 * xtcp_lifecycle_net_exit - undo xtcp_lifecycle_net_init()
 * @net: namespace
 */
void xtcp_lifecycle_net_exit(struct net *net)
{
	free_percpu(xtcp_net(net)->lifecycle);
}

static noinline void rule_missing(const struct xtcp_net *xn, u8 from,
				  enum xtcp_event event)
{
	this_cpu_inc(xn->mib->item[XTCP_MIB_LIFECYCLE_UNKNOWN]);
	net_warn_ratelimited("xtcp: no row for %s in %s\n",
			     event_names[event], xtcp_state_name(from));
	DEBUG_NET_WARN_ON_ONCE(1);
}

/*
 * Records are not locked: another CPU may have unhashed this one since it was
 * looked up. Its event is ignored.
 */
static bool is_late(const struct xtcp_flow *flow, u8 from)
{
	return from == XTCP_CLOSED && flow && flow->kind != XTCP_KIND_SOCKET;
}

/* Find the row; NULL: there is none. @flow: NULL for no connection */
static __always_inline const struct xtcp_lifecycle_rule *
rule_find(const struct xtcp_net *xn, const struct xtcp_flow *flow, u8 from,
	  enum xtcp_event event)
{
	unsigned int row = rule_of[from][event];

	if (unlikely(is_late(flow, from)))
		return NULL;
	if (unlikely(!row)) {
		rule_missing(xn, from, event);
		return NULL;
	}
	return &lifecycle_rules[row - 1];
}

static __always_inline void rule_count(const struct xtcp_net *xn,
				       const struct xtcp_lifecycle_rule *rule)
{
	this_cpu_inc(xn->lifecycle[rule - lifecycle_rules]);
}

/* For no connection, or one that is not locked: the state stays. */
static void rule_take(const struct xtcp_net *xn, u8 from, enum xtcp_event event)
{
	const struct xtcp_lifecycle_rule *rule = rule_find(xn, NULL, from, event);

	if (rule)
		rule_count(xn, rule);
}

/*
 * The state to store in sk_state. A socket that replaces a record, or is replaced
 * by one, has a record's state for a moment, which the kernel must not see: in
 * TCP_NEW_SYN_RECV and TCP_TIME_WAIT it takes a socket, such as the owner of an skb
 * that leaves (skb_to_full_sk()), for a request or TIME-WAIT socket of its own TCP.
 * 0: sk_state stays as it is, until the record has taken over.
 */
static const u8 state_of_sk[XTCP_STATES] = {
	[XTCP_ESTABLISHED]		= TCP_ESTABLISHED,
	[XTCP_SYN_SENT]			= TCP_SYN_SENT,
	[XTCP_SYN_RECEIVED]		= TCP_SYN_RECV,
	[XTCP_FIN_WAIT_1]		= TCP_FIN_WAIT1,
	[XTCP_FIN_WAIT_2]		= TCP_FIN_WAIT2,
	[XTCP_TIME_WAIT]		= 0,
	[XTCP_CLOSED]			= TCP_CLOSE,
	[XTCP_CLOSE_WAIT]		= TCP_CLOSE_WAIT,
	[XTCP_LAST_ACK]			= TCP_LAST_ACK,
	[XTCP_LISTEN]			= TCP_LISTEN,
	[XTCP_CLOSING]			= TCP_CLOSING,
	[XTCP_HALF_OPEN]		= TCP_SYN_RECV,
	[XTCP_ORPHAN_FIN_WAIT_2]	= TCP_FIN_WAIT2,
};

/*
 * Change the state of a TIME-WAIT record, to which the caller may have no more than a
 * reference. Returns false if another CPU has changed it.
 */
static bool record_state_set(struct xtcp_flow *flow, u8 from, u8 to)
{
	return try_cmpxchg(&flow->state, &from, to);
}

/* The state of a socket, or of a record that belongs to the caller. */
static __always_inline void state_set(struct xtcp_flow *flow, u8 state)
{
	u8 shown = state_of_sk[state];
	struct sock *sk;

	WRITE_ONCE(flow->state, state);
	if (flow->kind != XTCP_KIND_SOCKET)
		return;
	sk = xtcp_flow_sk(flow);
	/* The same state, of the same age: the tracepoint must not report a change. */
	if (shown == sk->sk_state)
		return;
	WRITE_ONCE(xtcp_sk(sk)->state_since, jiffies);
	if (!shown)
		return;
	/*
	 * Readers without the lock that see sk_state see what was written before it.
	 * Pairs with their smp_load_acquire(). The kernel exports this function, a plain
	 * store, and not inet_sk_state_store().
	 */
	smp_wmb();
	inet_sk_set_state(sk, shown);
}

/**
 * xtcp_lifecycle_born - give a new connection its first state
 * @flow: in no table yet
 * @state: CLOSED for a new socket, LISTEN for a record that a SYN makes, for a
 *	copy of a record the state of that
 *
 * Not a transition: nothing is counted.
 */
void xtcp_lifecycle_born(struct xtcp_flow *flow, enum xtcp_state state)
{
	state_set(flow, state);
	/* A new socket was in CLOSED before. */
	if (flow->kind == XTCP_KIND_SOCKET)
		WRITE_ONCE(xtcp_sk(xtcp_flow_sk(flow))->state_since, jiffies);
}

/**
 * xtcp_lifecycle_gone - a flow represents no connection any more
 * @flow: has been replaced in the table by another flow, or was never in it
 *
 * Not a transition: nothing is counted.
 */
void xtcp_lifecycle_gone(struct xtcp_flow *flow)
{
	state_set(flow, XTCP_CLOSED);
}

/* The age of @from's state becomes that of the socket @to. */
static noinline void age_move(struct xtcp_flow *to, const struct xtcp_flow *from)
{
	unsigned long age = msecs_to_jiffies(xtcp_flow_age_ms(from));

	if (to->kind == XTCP_KIND_SOCKET)
		WRITE_ONCE(xtcp_sk(xtcp_flow_sk(to))->state_since, jiffies - age);
}

/**
 * xtcp_lifecycle_move - a connection is represented by a flow of another kind
 * @to: new flow, of a socket or record; gets the state
 * @from: old flow; represents no connection afterwards
 *
 * Not a transition: nothing is counted.
 */
void xtcp_lifecycle_move(struct xtcp_flow *to, struct xtcp_flow *from)
{
	/* A child has the state of its half-open record from the beginning. */
	if (to->state != from->state)
		state_set(to, from->state);
	if (xtcp_histograms_any())
		age_move(to, from);
	xtcp_lifecycle_gone(from);
}

/* A tracepoint is enabled. */
static noinline void transition_trace(const struct xtcp_net *xn,
				      const struct xtcp_flow *flow,
				      enum xtcp_event event,
				      const struct xtcp_lifecycle_rule *rule)
{
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, flow);
	trace_xtcp_state(xn->net, &key, flow, rule->from, event_names[event], rule->to);
}

/*
 * Out of line: most events, one or more for each segment, change no state. Returns false if
 * the connection is not in the state of the rule any more.
 */
static noinline bool take_transition(const struct xtcp_net *xn,
				     struct xtcp_flow *flow,
				     enum xtcp_event event,
				     const struct xtcp_lifecycle_rule *rule)
{
	unsigned int row = rule - lifecycle_rules;
	s8 more = opens[row];
	u8 to = rule->to;

	if (flow->kind == XTCP_KIND_TIMEWAIT && !record_state_set(flow, rule->from, to))
		return false;
	rule_count(xn, rule);
	xtcp_recorder_event(xn, flow, rule->from, event, to, rule->recorded);
	if (rule->mib != NO_MIB)
		this_cpu_inc(xn->mib->item[rule->mib]);
	/* CurrEstab: the difference of connections opened and ended. */
	if (more)
		this_cpu_add(xn->mib->item[XTCP_MIB_CURR_ESTAB], more);
	if (xtcp_histograms_any())
		xtcp_histograms_dwelt(xn, dwelt_of[row], flow);
	if (flow->kind != XTCP_KIND_TIMEWAIT)
		state_set(flow, to);
	if (trace_xtcp_state_enabled())
		transition_trace(xn, flow, event, rule);
	return true;
}

/**
 * xtcp_lifecycle_event - report an event of a connection
 * @net: its namespace
 * @flow: connection
 * @event: event
 *
 * Return: the state after the event.
 */
enum xtcp_state xtcp_lifecycle_event(struct net *net, struct xtcp_flow *flow,
				     enum xtcp_event event)
{
	const struct xtcp_net *xn = xtcp_net(net);
	const struct xtcp_lifecycle_rule *rule;
	u8 from;

	do {
		from = READ_ONCE(flow->state);
		rule = rule_find(xn, flow, from, event);
		if (!rule)
			return from;
		if (rule->to == from) {
			rule_count(xn, rule);
			xtcp_recorder_event(xn, flow, from, event, from, rule->recorded);
			return from;
		}
	} while (unlikely(!take_transition(xn, flow, event, rule)));
	return rule->to;
}

/**
 * xtcp_lifecycle_sk - report an event of a socket's connection
 * @sk: socket, locked
 * @event: event
 *
 * Return: the state after the event.
 */
enum xtcp_state xtcp_lifecycle_sk(struct sock *sk, enum xtcp_event event)
{
	xtcp_assert_owned(sk);
	return xtcp_lifecycle_event(sock_net(sk), &xtcp_sk(sk)->flow, event);
}

/**
 * xtcp_lifecycle_none - report a segment of no connection
 * @net: namespace
 * @event: event
 *
 * RFC 9293 3.10.7.1: the fictional state CLOSED, which stays.
 */
void xtcp_lifecycle_none(struct net *net, enum xtcp_event event)
{
	rule_take(xtcp_net(net), XTCP_CLOSED, event);
}

/**
 * xtcp_lifecycle_listener - report a segment that a listener answers or drops
 * @net: namespace
 * @event: event; LISTEN stays
 *
 * The listener is not locked: the program may just be making a connection of it, to
 * which the event means nothing. So no state is read.
 */
void xtcp_lifecycle_listener(struct net *net, enum xtcp_event event)
{
	rule_take(xtcp_net(net), XTCP_LISTEN, event);
}

/**
 * xtcp_lifecycle_rows - number of rows of the table
 *
 * Return: number.
 */
unsigned int xtcp_lifecycle_rows(void)
{
	return ARRAY_SIZE(lifecycle_rules);
}

/**
 * xtcp_lifecycle_population - how many connections have entered a state and not left it
 * @net: namespace
 * @state: a state in which no connection is born: not CLOSED, LISTEN, HALF_OPEN
 *
 * Return: number; may be negative by those that move while it is summed.
 */
s64 xtcp_lifecycle_population(const struct net *net, enum xtcp_state state)
{
	const struct xtcp_net *xn = xtcp_net(net);
	const struct xtcp_lifecycle_rule *rule;
	unsigned int i;
	s64 sum = 0;
	int cpu, by;

	for (i = 0; i < ARRAY_SIZE(lifecycle_rules); i++) {
		rule = &lifecycle_rules[i];
		by = (rule->to == state) - (rule->from == state);
		if (!by)
			continue;
		for_each_possible_cpu(cpu)
			sum += by * (s64)READ_ONCE(per_cpu_ptr(xn->lifecycle, cpu)[i]);
	}
	return sum;
}

static u64 row_count(struct net *net, unsigned int shown)
{
	struct xtcp_net *xn = xtcp_net(net);
	u64 sum = 0;
	unsigned int i = shown;
	int cpu;

	do {
		for_each_possible_cpu(cpu)
			sum += per_cpu_ptr(xn->lifecycle, cpu)[i];
		i = next_alike[i];
	} while (i);
	return sum;
}

/*
 * Does the count tell whether a segment's numbers are in the window, above or below it? A
 * sender of forged segments that reads the counts on this host would find the window of a
 * connection in some 30 guesses.
 */
static bool row_reveals_window(const struct xtcp_lifecycle_rule *rule)
{
	if (XTCP_STATEF(rule->from) & XTCP_UNCONNECTED)
		return false;
	switch (rule->event) {
	case XTCP_EV_RCV_OUTSIDE:
	case XTCP_EV_RCV_RST_OUTSIDE:
	case XTCP_EV_RCV_RST_IN_WINDOW:
	case XTCP_EV_RCV_BAD_FLAGS:
	case XTCP_EV_RCV_ACK_ABOVE:
	case XTCP_EV_RCV_ACK_BELOW:
		return true;
	default:
		return false;
	}
}

/**
 * xtcp_lifecycle_row_get - read one row of the table for /proc
 * @net: namespace of the counts
 * @i: number of the row, from 0
 * @row: filled in; @row->from is NULL if the row is shown under another one with
 *	the same text
 *
 * Return: true; false if @i is beyond the last row.
 */
bool xtcp_lifecycle_row_get(struct net *net, unsigned int i,
			    struct xtcp_lifecycle_row *row)
{
	if (i >= ARRAY_SIZE(lifecycle_rules))
		return false;
	if (shown_as[i] != i) {
		row->from = NULL;
		return true;
	}
	row->from = xtcp_state_name(lifecycle_rules[i].from);
	row->event = event_names[lifecycle_rules[i].event];
	row->to = xtcp_state_name(lifecycle_rules[i].to);
	row->count = row_count(net, i);
	row->dwelt = dwelt_of[i];
	row->secret = row_reveals_window(&lifecycle_rules[i]);
	return true;
}
