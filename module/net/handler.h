/* SPDX-License-Identifier: GPL-2.0 */
/*
 * handler.h - protocol and error handlers of IP protocol 253
 */
#ifndef XTCP_NET_HANDLER_H
#define XTCP_NET_HANDLER_H

int xtcp_handler_init(void);
void xtcp_handler_exit(void);

#endif /* XTCP_NET_HANDLER_H */
