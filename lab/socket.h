/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets of xtcp for the programs of the lab. Each function ends the program if it fails. */
#ifndef LAB_SOCKET_H
#define LAB_SOCKET_H

#include <stddef.h>

int lab_listen(const char *port, const char *backlog);
int lab_accept(int listener);
void lab_serve(const char *port, void (*attend)(int fd)) __attribute__((noreturn));
void lab_write(int fd, const void *data, size_t bytes);
double lab_now_s(void);
const char *lab_result(long rc);

#endif
