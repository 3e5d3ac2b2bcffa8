# SPDX-License-Identifier: GPL-2.0
"""top: show connections live, those with the highest rate first

The table of `xtcp ls`, drawn again each DELAY seconds, until q is pressed. RATE is
payload in both directions since the last time. The lines above the table count
connections by state, and events per second. Without a terminal, -n is needed: the
table is printed COUNT times, with --json an array a line.
"""

import collections
import json
import os
import select
import signal
import sys
import termios
import time
import tty

from xtcptool import Usage, choose, procfs, text
from xtcptool.commands import ls

# Counters of the second line, and what it calls them.
EVENTS = (("ActiveOpens", "connect()"), ("PassiveOpens", "accepted"), ("InSegs", "segments in"),
          ("OutSegs", "out"), ("RetransSegs", "retransmitted"), ("OutRsts", "RST out"))


def add_arguments(parser):
    choose.add_filters(parser)
    choose.add_order(parser, "rate")
    parser.add_argument("-d", "--delay", type=choose.delay, default=1, metavar="SECONDS",
                        help="time between two samples (default: 1)")
    parser.add_argument("-n", "--count", type=choose.count, help="end after this many samples")


class Sampler:
    """Connections and events, and their rates since the sample before."""

    def __init__(self, args):
        self.args = args
        self.payload, self.counters, self.at = {}, None, 0
        self.states, self.rates = {}, {}

    def take(self):
        """The connections that the options choose, in order; sets their rate."""
        found, now, counters = procfs.connections(), time.monotonic(), procfs.counters()
        passed = max(now - self.at, 1e-3)
        payload = {}
        for c in found:
            if c.payload() is None or not c.inode:
                continue
            payload[c.key()] = c.payload()
            before = self.payload.get(c.key())
            if before is not None and before <= c.payload():
                c.rate = (c.payload() - before) / passed
        # No rates with the first sample, and none when a module that was loaded again counts anew.
        grown = self.counters and all(counters[n] >= self.counters[n] for n, _ in EVENTS)
        self.rates = {n: (counters[n] - self.counters[n]) / passed for n, _ in EVENTS} if grown else {}
        self.payload, self.counters, self.at = payload, counters, now
        self.states = collections.Counter(c.state for c in found)
        return choose.in_order(self.args, [c for c in found if choose.fits(self.args, c)])

    def head(self):
        """Two lines."""
        states = ", ".join(f"{self.states[s]} {s}" for s in procfs.STATES if self.states[s])
        events = ", ".join(f"{called} {text.amount(self.rates.get(name)) or '-'}"
                           for name, called in EVENTS)
        yield f"xtcp top {time.strftime('%T')}: {states or 'no connections'}"
        yield f"per second: {events}"


class Screen:
    """The terminal's other screen, without echo; as it was when this is left."""

    def __enter__(self):
        # SIGTERM shall leave by __exit__, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        signal.signal(signal.SIGTSTP, self.pause)
        self.take()
        return self

    def __exit__(self, *_):
        self.give_back()

    def take(self):
        self.before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        # Without wrapping: a wide character counts as one.
        sys.stdout.write("\033[?1049h\033[?25l\033[?7l")

    def give_back(self):
        sys.stdout.write("\033[?7h\033[?25h\033[?1049l")
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.before)

    def pause(self, *_):
        """Ctrl-Z: the shell gets its terminal back until it continues this process."""
        self.give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.take()

    def draw(self, sampler, connections):
        # A terminal that does not know its size has 0.
        width, height = (n or None for n in os.get_terminal_size(sys.stdout.fileno()))
        lines = [line[:width] for line in sampler.head()]
        lines += ls.table(connections[:height]).lines(text.has_colours(), width)
        body = "\033[K\r\n".join(lines[:height])
        sys.stdout.write(f"\033[H{body}\033[K\033[J")
        sys.stdout.flush()

    def quits(self, seconds):
        """Waits. Returns true if the user wants to leave, or the terminal has gone."""
        end = time.monotonic() + seconds
        while select.select([sys.stdin], [], [], max(end - time.monotonic(), 0))[0]:
            key = os.read(sys.stdin.fileno(), 1)
            if key in (b"q", b"Q", b""):
                return True
        return False


def live(args, sampler):
    with Screen() as screen:
        shown = 0
        while True:
            last = sampler.take()
            screen.draw(sampler, last)
            shown += 1
            if shown == args.count or screen.quits(args.delay):
                break
    # The other screen has gone, and with it what nobody had time to read.
    if shown == args.count:
        for line in sampler.head():
            print(line)
        ls.table(last).print()


def printed(args, sampler):
    for i in range(args.count):
        if i:
            time.sleep(args.delay)
        found = sampler.take()
        if args.json:
            print(json.dumps([c.as_dict() for c in found]), flush=True)
            continue
        if i:
            print()
        for line in sampler.head():
            print(line)
        ls.table(found).print()
        sys.stdout.flush()


def run(args):
    if not args.json and sys.stdin.isatty() and sys.stdout.isatty():
        live(args, Sampler(args))
    elif args.count:
        printed(args, Sampler(args))
    else:
        raise Usage("without a terminal, and with --json, this needs --count")
