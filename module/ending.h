/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ending.h - why a connection ends
 *
 * A RST, payload after close(), and the timeouts end a connection. The stage or
 * the file of the engine that finds this out does not end it, but returns the
 * reason. When the whole segment or timeout has been handled, net/input.c or
 * timeouts.c passes the reason to xtcp_close_end(). Three ends are not reported
 * so: those by FINs and their ACKs are steps in the middle of a segment
 * (segment/synchronized.c); an ICMP error (segment/icmp.c) and the end of the
 * wait in FIN-WAIT-2 have nothing left to handle.
 */
#ifndef XTCP_ENDING_H
#define XTCP_ENDING_H

/**
 * enum xtcp_ending - what a segment or a timeout means for the connection's end
 * @XTCP_ENDING_NONE: nothing, as a rule
 * @XTCP_ENDING_FIN_WAIT_2: the connection is in FIN-WAIT-2, after a segment: a
 *	record can replace an orphan
 * @XTCP_ENDING_RESET: an acceptable RST has arrived
 * @XTCP_ENDING_DATA_AFTER_CLOSE: payload has arrived after close(), and a RST has
 *	been sent
 * @XTCP_ENDING_NO_MEMORY: an orphan that the host has no resources to keep
 * @XTCP_ENDING_USER_TIMEOUT: TCP_USER_TIMEOUT is over
 * @XTCP_ENDING_GIVE_UP: R2 (RFC 9293 3.8.3): no ACK in spite of all retransmissions
 *	or probes of the window
 * @XTCP_ENDING_KEEPALIVE: no answer to any keepalive probe
 */
enum xtcp_ending {
	XTCP_ENDING_NONE = 0,
	XTCP_ENDING_FIN_WAIT_2,
	XTCP_ENDING_RESET,
	XTCP_ENDING_DATA_AFTER_CLOSE,
	XTCP_ENDING_NO_MEMORY,
	XTCP_ENDING_USER_TIMEOUT,
	XTCP_ENDING_GIVE_UP,
	XTCP_ENDING_KEEPALIVE,
};

#endif /* XTCP_ENDING_H */
