# SPDX-License-Identifier: GPL-2.0
"""live: what the subcommands that watch a connection share: how they end, and which one they watch."""

import contextlib
import signal
import sys

from xtcptool import text
from xtcptool.segment import ACK, FIN, RST, SYN

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 0.3	# s: for an ACK that is sent again when both have closed


class Stop(Exception):
    """A signal came: keep what there is."""


def ignore_signals(*_):
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def on_signal(*_):
    # A terminal that closes sends several. Cleaning up must not be interrupted by the next one.
    ignore_signals()
    raise Stop


@contextlib.contextmanager
def until_signal():
    """The first of SIGNALS ends the body and no more; those that follow are ignored until it is left."""
    # nohup ignores SIGHUP, which stays so.
    before = [signal.signal(number, signal.SIG_IGN if signal.getsignal(number) == signal.SIG_IGN else on_signal)
              for number in SIGNALS]
    try:
        yield
    except Stop:
        pass
    finally:
        # Still one of them may come; it must not stop this.
        with contextlib.suppress(Stop):
            ignore_signals()
        for number, handler in zip(SIGNALS, before):
            signal.signal(number, handler)


def tell_missing(command, number, what):
    if number:
        print(f"xtcp {command}: {text.plural(number, what)} found no room and may be missing", file=sys.stderr)


class Ending:
    """Whether a connection is over: both FINs are acknowledged, or the last segment was a RST. TCP may have
    ignored an earlier one: its number may be wrong."""

    def __init__(self):
        self.fins, self.acked, self.reset = {}, set(), False

    def learn(self, s):
        self.reset = bool(s.flags & RST)
        fin = self.fins.get(s.target)
        if fin is not None and s.flags & ACK and (s.ack - fin) & 0xffffffff < 1 << 31:
            self.acked.add(s.target)
        if s.flags & FIN:
            self.fins.setdefault(s.source, (s.seq + s.space()) & 0xffffffff)

    def is_over(self):
        return self.reset or len(self.acked) == 2


def fit(ends, filters):
    """Whether a connection of these ends may be watched."""
    return len(ends) == 2 and all(f.fits(ends) for f in filters)


def begins(s, filters):
    """Whether segment @s, whose ends fit, begins what is watched.

    Any does of the ends that the user named. If none is named it must be a SYN: the first segment may
    be one of the ssh session that the user types in."""
    return bool(filters) or s.flags & (SYN | ACK) == SYN
