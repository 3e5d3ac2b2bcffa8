/* SPDX-License-Identifier: GPL-2.0 */
/* tcpoption: socket options that Debian 12's headers do not have yet. */
#ifndef SELFTESTS_LIB_TCPOPTION_H
#define SELFTESTS_LIB_TCPOPTION_H

#include <linux/tcp.h>
#include <netinet/in.h>

/* The C library's header has it, but an older tcp_info, too. */
#ifndef SOL_TCP
#define SOL_TCP IPPROTO_TCP
#endif
#ifndef TCP_AO_REPAIR
#define TCP_AO_REPAIR 42
#endif
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP 43
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US 46
#endif

#endif
