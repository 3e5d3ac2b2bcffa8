// SPDX-License-Identifier: GPL-2.0
/* sleeper: see sleeper.h. */
#define _GNU_SOURCE
#include "sleeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

static void on_alarm(int signo)
{
	(void)signo;
}

static void set_alarm(int ms, int sa_flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = sa_flags };
	struct itimerval timer = {
		.it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 },
	};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void sleep_in_call(int fd, sleeper_call call, int out)
{
	struct sleeper_result r = { 0 };
	int64_t start = now_ms();

	errno = 0;
	r.ret = call(fd, r.data);
	r.err = r.ret < 0 ? errno : 0;
	r.ms = now_ms() - start;
	if (write(out, &r, sizeof(r)) != sizeof(r))
		_exit(1);
	_exit(0);
}

struct sleeper sleeper_start_at(struct where at, int fd, sleeper_call call,
				int alarm_ms, int sa_flags)
{
	struct sleeper s = { .test = at.test };
	int ends[2];

	check(!pipe2(ends, O_CLOEXEC), at, "pipe: %s", strerror(errno));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	s.pid = fork();
	check(s.pid >= 0, at, "fork: %s", strerror(errno));
	if (!s.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		if (alarm_ms >= 0)
			set_alarm(alarm_ms, sa_flags);
		sleep_in_call(fd, call, ends[1]);
	}
	close(ends[1]);
	s.pipe = ends[0];
	return s;
}

static int is_done(struct sleeper *s, int ms)
{
	struct pollfd pfd = { .fd = s->pipe, .events = POLLIN };

	return poll(&pfd, 1, ms) > 0;
}

void sleeper_expect_asleep_at(struct where at, struct sleeper *s, int ms)
{
	struct sleeper_result r = { 0 };

	if (!is_done(s, ms))
		return;
	if (read(s->pipe, &r, sizeof(r)) != sizeof(r))
		check_fail(at, "the sleeper died");
	check_fail(at, "the call did not wait: %ld, %s", r.ret, strerror(r.err));
}

struct sleeper_result sleeper_expect_done_at(struct where at, struct sleeper *s,
					     int ms)
{
	struct sleeper_result r = { 0 };

	if (!is_done(s, ms)) {
		kill(s->pid, SIGKILL);
		check_fail(at, "the call still waits after %d ms", ms);
	}
	check(read(s->pipe, &r, sizeof(r)) == sizeof(r), at, "the sleeper died");
	waitpid(s->pid, NULL, 0);
	close(s->pipe);
	return r;
}

void sleeper_expect_ms(struct where at, int64_t ms, int64_t want_ms)
{
	check(ms >= want_ms && ms <= want_ms + want_ms / 8 + 12, at, "after %lld ms, not %lld",
	      (long long)ms, (long long)want_ms);
}
