/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ending.h - why a connection ends, as the stages report it
 *
 * A stage that finds out that a connection ends returns the reason and changes
 * nothing. The reason reaches the one caller that has the whole segment or timeout
 * behind it, net/input.c or timeouts.c, which passes it to xtcp_close_end().
 */
#ifndef XTCP_ENDING_H
#define XTCP_ENDING_H

/**
 * enum xtcp_ending - what a segment or a timeout means for the connection's end
 * @XTCP_ENDING_NONE: nothing, as a rule
 * @XTCP_ENDING_FIN_WAIT_2: the connection is in FIN-WAIT-2, after a segment: a
 *	record can replace an orphan
 * @XTCP_ENDING_RESET: an acceptable RST has arrived
 * @XTCP_ENDING_DATA_AFTER_CLOSE: payload has arrived after close(), and a RST has been sent
 */
enum xtcp_ending {
	XTCP_ENDING_NONE = 0,
	XTCP_ENDING_FIN_WAIT_2,
	XTCP_ENDING_RESET,
	XTCP_ENDING_DATA_AFTER_CLOSE,
};

#endif /* XTCP_ENDING_H */
