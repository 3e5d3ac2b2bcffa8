/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_FRAME_H
#define LAB_FRAME_H

#define HEAD_BYTES 4
#define BODY_BYTES 100

void prepare(int fd);
void request(int fd, const char *head, const char *body);

#endif
