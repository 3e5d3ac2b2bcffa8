// SPDX-License-Identifier: GPL-2.0
/* pump: see pump.h. */
#include "pump.h"

#include <poll.h>
#include <sys/socket.h>

#include "clock.h"

static void pump_once(struct pump *pump)
{
	static uint8_t buf[1 << 16];
	ssize_t n;

	while (send(pump->from, buf, sizeof(buf), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
	while ((n = recv(pump->to, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		pump->bytes += n;
}

void pump_run(struct pump *pump, int pumps, int64_t until_ms)
{
	struct pollfd pfd[2 * PUMPS_MAX];

	while (now_ms() < until_ms) {
		for (int i = 0; i < pumps; i++) {
			pfd[2 * i] = (struct pollfd){ .fd = pump[i].from, .events = POLLOUT };
			pfd[2 * i + 1] = (struct pollfd){ .fd = pump[i].to, .events = POLLIN };
		}
		poll(pfd, 2 * pumps, 5);
		for (int i = 0; i < pumps; i++)
			pump_once(&pump[i]);
	}
}
