/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stats.h - counters per CPU and netns, under the kernel TCP's names
 *
 * X(symbol, name in /proc). Each counter here is counted somewhere in the
 * module; Documentation/counters.rst says when.
 */
#ifndef XTCP_OBSERVE_STATS_H
#define XTCP_OBSERVE_STATS_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "netns.h"

/* /proc/net/xtcp_snmp, line Tcp; constants and CurrEstab are added there. */
#define XTCP_MIB_TCP(X) \
	X(ACTIVE_OPENS,		"ActiveOpens") \
	X(PASSIVE_OPENS,	"PassiveOpens") \
	X(ATTEMPT_FAILS,	"AttemptFails") \
	X(ESTAB_RESETS,		"EstabResets") \
	X(CURR_ESTAB,		"CurrEstab") \
	X(IN_SEGS,		"InSegs") \
	X(OUT_SEGS,		"OutSegs") \
	X(RETRANS_SEGS,		"RetransSegs") \
	X(IN_ERRS,		"InErrs") \
	X(OUT_RSTS,		"OutRsts") \
	X(IN_CSUM_ERRORS,	"InCsumErrors")

/*
 * Why a RST was sent (their sum is OutRsts, with those in TCPAbortFailed), and the state
 * of the connection when one was accepted. Counted by close/reset.c.
 */
#define XTCP_MIB_RESETS(X) \
	X(RESET_SENT_NO_CONNECTION,	"XtcpResetSentNoConnection") \
	X(RESET_SENT_NO_HANDSHAKE,	"XtcpResetSentNoHandshake") \
	X(RESET_SENT_BAD_ACK,		"XtcpResetSentBadAck") \
	X(RESET_SENT_SYN_IN_WINDOW,	"XtcpResetSentSynInWindow") \
	X(RESET_SENT_OVERFLOW,		"XtcpResetSentAcceptOverflow") \
	X(RESET_SENT_LISTENER_CLOSED,	"XtcpResetSentListenerClosed") \
	X(RESET_SENT_TEXT_AFTER_CLOSE,	"XtcpResetSentTextAfterClose") \
	X(RESET_SENT_UNREAD_TEXT,	"XtcpResetSentUnreadText") \
	X(RESET_SENT_LINGER,		"XtcpResetSentLinger") \
	X(RESET_SENT_DISCONNECT,	"XtcpResetSentDisconnect") \
	X(RESET_SENT_KEEPALIVE,		"XtcpResetSentKeepalive") \
	X(RESET_SENT_KILLED,		"XtcpResetSentKilled") \
	X(RESET_SENT_NO_MEMORY,		"XtcpResetSentNoMemory") \
	X(RESET_RECV_OPENING,		"XtcpResetRecvOpening") \
	X(RESET_RECV_OPEN,		"XtcpResetRecvOpen") \
	X(RESET_RECV_CLOSING,		"XtcpResetRecvClosing") \
	X(RESET_RECV_TIME_WAIT,		"XtcpResetRecvTimeWait")

/* /proc/net/xtcp_netstat, line TcpExt. */
#define XTCP_MIB_EXT(X) \
	X(SYNCOOKIES_SENT,	"SyncookiesSent") \
	X(SYNCOOKIES_RECV,	"SyncookiesRecv") \
	X(SYNCOOKIES_FAILED,	"SyncookiesFailed") \
	X(EMBRYONIC_RSTS,	"EmbryonicRsts") \
	X(OUT_OF_WINDOW_ICMPS,	"OutOfWindowIcmps") \
	X(LOCK_DROPPED_ICMPS,	"LockDroppedIcmps") \
	X(TW,			"TW") \
	X(TW_RECYCLED,		"TWRecycled") \
	X(TW_KILLED,		"TWKilled") \
	X(TOKEN_TW,		"XtcpTokenTW") \
	X(TOKEN_ACK,		"XtcpTokenAck") \
	X(TOKEN_FAILED,		"XtcpTokenFailed") \
	X(TOKEN_RATE_DROP,	"XtcpTokenRateDrop") \
	X(PAWS_ACTIVE,		"PAWSActive") \
	X(PAWS_ESTAB,		"PAWSEstab") \
	X(PAWS_OLD_ACK,		"PAWSOldAck") \
	X(DELAYED_ACKS,		"DelayedACKs") \
	X(DELAYED_ACK_LOCKED,	"DelayedACKLocked") \
	X(DELAYED_ACK_LOST,	"DelayedACKLost") \
	X(ACK_COMPRESSED,	"TCPAckCompressed") \
	X(LISTEN_OVERFLOWS,	"ListenOverflows") \
	X(LISTEN_DROPS,		"ListenDrops") \
	X(SYN_PER_SOURCE_DROP,	"XtcpSynPerSourceDrop") \
	X(SYN_EARLY_DROP,	"XtcpSynEarlyDrop") \
	X(SYNACK_RATE_DROP,	"XtcpSynAckRateDrop") \
	X(RST_RATE_DROP,	"XtcpRstRateDrop") \
	X(PURE_ACKS,		"TCPPureAcks") \
	X(SACK_RECOVERY,	"TCPSackRecovery") \
	X(SACK_RENEGING,	"TCPSACKReneging") \
	X(SACK_REORDER,	"TCPSACKReorder") \
	X(RENO_REORDER,	"TCPRenoReorder") \
	X(TS_REORDER,		"TCPTSReorder") \
	X(FULL_UNDO,		"TCPFullUndo") \
	X(PARTIAL_UNDO,	"TCPPartialUndo") \
	X(DSACK_UNDO,		"TCPDSACKUndo") \
	X(LOSS_UNDO,		"TCPLossUndo") \
	X(RENO_RECOVERY,	"TCPRenoRecovery") \
	X(LOST_RETRANSMIT,	"TCPLostRetransmit") \
	X(RENO_FAILURES,	"TCPRenoFailures") \
	X(SACK_FAILURES,	"TCPSackFailures") \
	X(LOSS_FAILURES,	"TCPLossFailures") \
	X(FAST_RETRANS,		"TCPFastRetrans") \
	X(SLOW_START_RETRANS,	"TCPSlowStartRetrans") \
	X(TIMEOUTS,		"TCPTimeouts") \
	X(LOSS_PROBES,		"TCPLossProbes") \
	X(LOSS_PROBE_RECOVERY,	"TCPLossProbeRecovery") \
	X(RENO_RECOVERY_FAIL,	"TCPRenoRecoveryFail") \
	X(SACK_RECOVERY_FAIL,	"TCPSackRecoveryFail") \
	X(RCV_COLLAPSED,	"TCPRcvCollapsed") \
	X(DSACK_OLD_SENT,	"TCPDSACKOldSent") \
	X(DSACK_OFO_SENT,	"TCPDSACKOfoSent") \
	X(DSACK_RECV,		"TCPDSACKRecv") \
	X(DSACK_OFO_RECV,	"TCPDSACKOfoRecv") \
	X(ABORT_ON_DATA,	"TCPAbortOnData") \
	X(ABORT_ON_CLOSE,	"TCPAbortOnClose") \
	X(ABORT_ON_MEMORY,	"TCPAbortOnMemory") \
	X(ABORT_ON_TIMEOUT,	"TCPAbortOnTimeout") \
	X(ABORT_ON_LINGER,	"TCPAbortOnLinger") \
	X(ABORT_FAILED,		"TCPAbortFailed") \
	X(MEMORY_PRESSURES,	"TCPMemoryPressures") \
	X(MEMORY_PRESSURES_CHRONO, "TCPMemoryPressuresChrono") \
	X(SACK_DISCARD,	"TCPSACKDiscard") \
	X(DSACK_IGNORED_OLD,	"TCPDSACKIgnoredOld") \
	X(DSACK_IGNORED_NO_UNDO,	"TCPDSACKIgnoredNoUndo") \
	X(SPURIOUS_RTOS,	"TCPSpuriousRTOs") \
	X(RCV_COALESCE,		"TCPRcvCoalesce") \
	X(OFO_QUEUE,		"TCPOFOQueue") \
	X(OFO_DROP,		"TCPOFODrop") \
	X(OFO_MERGE,		"TCPOFOMerge") \
	X(OFO_PRUNED,		"OfoPruned") \
	X(RCV_PRUNED,		"RcvPruned") \
	X(PRUNE_CALLED,		"PruneCalled") \
	X(RCV_Q_DROP,		"TCPRcvQDrop") \
	X(ZERO_WINDOW_DROP,	"TCPZeroWindowDrop") \
	X(BACKLOG_COALESCE,	"TCPBacklogCoalesce") \
	X(BACKLOG_DROP,		"TCPBacklogDrop") \
	X(MIN_TTL_DROP,		"TCPMinTTLDrop") \
	X(DEFER_ACCEPT_DROP,	"TCPDeferAcceptDrop") \
	X(TIME_WAIT_OVERFLOW,	"TCPTimeWaitOverflow") \
	X(REQ_Q_FULL_DO_COOKIES, "TCPReqQFullDoCookies") \
	X(REQ_Q_FULL_DROP,	"TCPReqQFullDrop") \
	X(MTUP_FAIL,		"TCPMTUPFail") \
	X(TIMEOUT_REHASH,	"TcpTimeoutRehash") \
	X(PLB_REHASH,		"TCPPLBRehash") \
	X(DUPLICATE_DATA_REHASH, "TcpDuplicateDataRehash") \
	X(HYSTART_DELAY_DETECT,	"TCPHystartDelayDetect") \
	X(HYSTART_DELAY_CWND,	"TCPHystartDelayCwnd") \
	X(MTUP_SUCCESS,	"TCPMTUPSuccess") \
	X(RETRANS_FAIL,		"TCPRetransFail") \
	X(FROM_ZERO_WINDOW_ADV,	"TCPFromZeroWindowAdv") \
	X(TO_ZERO_WINDOW_ADV,	"TCPToZeroWindowAdv") \
	X(WANT_ZERO_WINDOW_ADV,	"TCPWantZeroWindowAdv") \
	X(SPURIOUS_RTX_HOST_QUEUES, "TCPSpuriousRtxHostQueues") \
	X(SYN_RETRANS,		"TCPSynRetrans") \
	X(ORIG_DATA_SENT,	"TCPOrigDataSent") \
	X(AUTO_CORKING,		"TCPAutoCorking") \
	X(ACK_SKIPPED_SYN_RECV,	"TCPACKSkippedSynRecv") \
	X(ACK_SKIPPED_PAWS,	"TCPACKSkippedPAWS") \
	X(ACK_SKIPPED_SEQ,	"TCPACKSkippedSeq") \
	X(ACK_SKIPPED_FIN_WAIT_2, "TCPACKSkippedFinWait2") \
	X(ACK_SKIPPED_TIME_WAIT, "TCPACKSkippedTimeWait") \
	X(ACK_SKIPPED_CHALLENGE, "TCPACKSkippedChallenge") \
	X(CHALLENGE_ACK,	"TCPChallengeACK") \
	X(FAST_OPEN_ACTIVE,	"TCPFastOpenActive") \
	X(FAST_OPEN_ACTIVE_FAIL, "TCPFastOpenActiveFail") \
	X(FAST_OPEN_PASSIVE,	"TCPFastOpenPassive") \
	X(FAST_OPEN_PASSIVE_FAIL, "TCPFastOpenPassiveFail") \
	X(FAST_OPEN_LISTEN_OVERFLOW, "TCPFastOpenListenOverflow") \
	X(FAST_OPEN_COOKIE_REQD, "TCPFastOpenCookieReqd") \
	X(FAST_OPEN_BLACKHOLE,	"TCPFastOpenBlackhole") \
	X(FAST_OPEN_PASSIVE_ALT_KEY, "TCPFastOpenPassiveAltKey") \
	X(SYN_CHALLENGE,	"TCPSYNChallenge") \
	X(WIN_PROBE,		"TCPWinProbe") \
	X(KEEP_ALIVE,		"TCPKeepAlive") \
	X(DELIVERED_CE,		"TCPDeliveredCE") \
	X(DELIVERED,		"TCPDelivered") \
	X(DSACK_RECV_SEGS,	"TCPDSACKRecvSegs") \
	X(DSACK_IGNORED_DUBIOUS,	"TCPDSACKIgnoredDubious") \
	X(WQUEUE_TOO_BIG,	"TCPWqueueTooBig") \
	X(MIGRATE_REQ_SUCCESS,	"TCPMigrateReqSuccess") \
	X(MIGRATE_REQ_FAILURE,	"TCPMigrateReqFailure") \
	X(NO_PORT_LEFT,		"XtcpNoPortLeft") \
	X(LIFECYCLE_UNKNOWN,	"XtcpLifecycleUnknown") \
	X(OBITUARIES,		"XtcpObituaries") \
	X(OBITUARIES_MISSED,	"XtcpObituariesMissed") \
	XTCP_MIB_RESETS(X)

enum xtcp_mib_item {
#define X(symbol, name) XTCP_MIB_##symbol,
	XTCP_MIB_TCP(X)
	XTCP_MIB_EXT(X)
#undef X
	XTCP_MIB_NR
};

/* Counters of one CPU. */
struct xtcp_mib {
	unsigned long	item[XTCP_MIB_NR];
};

#define XTCP_INC(net, symbol) \
	this_cpu_inc(xtcp_net(net)->mib->item[XTCP_MIB_##symbol])
#define XTCP_ADD(net, symbol, n) \
	this_cpu_add(xtcp_net(net)->mib->item[XTCP_MIB_##symbol], (unsigned long)(n))

/**
 * xtcp_peak_raise - note how high a number has been
 * @peak: the highest so far
 * @now: the number
 *
 * @peak is written only while @now is beyond it. Any context.
 */
static inline void xtcp_peak_raise(atomic_t *peak, int now)
{
	int before = atomic_read(peak);

	while (unlikely(now > before) && !atomic_try_cmpxchg(peak, &before, now))
		;
}

int xtcp_stats_net_init(struct net *net);
void xtcp_stats_net_exit(struct net *net);
const char *xtcp_stats_name(enum xtcp_mib_item item);
void xtcp_stats_sum(const struct net *net, struct xtcp_mib *sum);

#endif /* XTCP_OBSERVE_STATS_H */
