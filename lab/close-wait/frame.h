/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_FRAME_H
#define LAB_FRAME_H

void serve(int fd);

#endif
