# SPDX-License-Identifier: GPL-2.0
"""plot: draw a transfer over time: sequence numbers, cwnd and round trip time

Of the next connection of xtcp with such ENDs on this machine, as root, until it is closed,
--seconds are over or Ctrl-C (with an END, one that exists is drawn from now on); or of FILE, a capture or a saved trace of the events xtcp:*.
The picture is of the direction with more payload: data, ACKs, the window, SACK blocks,
segments that were sent again by their reason, cwnd, ssthresh and the smoothed RTT. A capture
tells neither reasons nor cwnd; it must be of the sending end. --beside draws another
flow of a file beside it on the same scales, such as that of the kernel's TCP.
"""

import collections
import contextlib
import os
import sys
import time

from xtcptool import Failure, Usage, capture, choose, flow, flowsvg, live, sniff, text, tracing
from xtcptool.commands.ladder import end_filter, of_file
from xtcptool.conversation import Conversation
from xtcptool.conversation import choose as choose_one
from xtcptool.output import Output
from xtcptool.segment import PROTOCOLS, Segment

NAME = "xtcp-plot{}.svg"
NAMES = 10000	# numbered ones
TURN = 1024	# lines between two looks at the clock
WAITING = 1 << 15	# segments and events until it is known which connection is watched


def add_arguments(parser):
    parser.add_argument("ends", nargs="*", metavar="END", help="of the connection")
    parser.add_argument("--from", dest="file", type=choose.word, metavar="FILE",
                        help="a capture or a saved trace")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help=f"the picture (default: {NAME.format('')}, or the next number that is free)")
    parser.add_argument("--beside", type=choose.word, metavar="FILE", help="a capture or trace of another flow")
    parser.add_argument("--title", help="above the flow")
    parser.add_argument("--beside-title", metavar="TITLE", help="above the other one")
    parser.add_argument("--seconds", type=choose.seconds, help="how long at most")


def of_events(segments, events, filters, name):
    chosen = choose_one(segments, filters, name)
    key = chosen[0].wire, chosen[0].ends()
    made = flow.Flow(Conversation(chosen), [e for e in events if (e.wire, e.ends()) == key])
    if not made.payload:
        raise Failure(f"{name}: the connection has no payload")
    return made


def from_file(path, filters):
    told = []
    events, name = of_file(path, lambda line: told.append(flow.progress(line)))
    return of_events([e for e in events if isinstance(e, Segment)], list(filter(None, told)), filters, name)


class Recent:
    """The WAITING values that were added last."""

    def __init__(self):
        self.values = {}	# in the order of addition

    def add(self, value):
        self.values.pop(value, None)
        self.values[value] = None
        if len(self.values) > WAITING:
            del self.values[next(iter(self.values))]

    def __contains__(self, value):
        return value in self.values


class Watch:
    """The next connection of xtcp: its segments, and what the tracepoints tell of it.

    On the TCP wire the kernel's connections look the same: only a tracepoint shows that it is xtcp's."""

    def __init__(self, sniffer, filters):
        self.sniffer, self.filters, self.key, self.ending = sniffer, filters, None, live.Ending()
        self.lost = 0	# events
        self.named, self.begun = Recent(), Recent()	# keys: xtcp's, and with a segment that begins them
        self.segments, self.told = (collections.deque(maxlen=WAITING) for _ in range(2))

    def choose(self, key):
        if key in self.named and key in self.begun:
            self.key = key
            self.sniffer.narrow(*key)
            self.segments = [s for s in self.segments if (s.wire, s.ends()) == key]
            self.told = [e for e in self.told if (e.wire, e.ends()) == key]
            for s in self.segments:
                self.ending.learn(s)

    def tell(self, event):
        key = event.wire, event.ends()
        if key == self.key:
            self.told.append(event)
        elif self.key is None and live.fit(key[1], self.filters):
            self.named.add(key)
            self.told.append(event)
            self.choose(key)

    def hear(self, s):
        key = s.wire, s.ends()
        if key == self.key:
            self.segments.append(s)
            self.ending.learn(s)
        elif self.key is None and live.fit(key[1], self.filters):
            self.segments.append(s)
            if PROTOCOLS[s.wire] == "native":
                self.named.add(key)
            if live.begins(s, self.filters):
                self.begun.add(key)
            self.choose(key)

    def lose(self, events):
        self.lost += events

    def drain(self):
        """The packets that have come until now."""
        for when_ns, frame in self.sniffer.waiting():
            s = capture.segment(when_ns / 10**9, capture.LINK_SLL2, frame)
            if s:
                self.hear(s)

    def run(self, folder, until):
        shift = time.time() - time.monotonic()
        over, narrowed = None, False
        for number, line in enumerate(tracing.follow(folder, until, self.lose)):
            event = flow.progress(line, shift) if line else None
            if event:
                self.tell(event)
            # Also while the trace never ends.
            if line is not None and number % TURN:
                continue
            self.drain()
            if self.key and not narrowed:
                narrowed = True
                tracing.choose(folder, flow.PROGRESS, tracing.filter_of_ends(self.key[1]))
            if over is None and self.ending.is_over():
                over = time.monotonic() + live.GRACE
            if over is not None and time.monotonic() >= over:
                break


def watch(filters, seconds):
    """The flow of the next connection."""
    watched, missed = None, 0
    until = time.monotonic() + seconds if seconds is not None else None
    with live.until_signal(), tracing.instance(tracing.filter_of_ports(filters), flow.PROGRESS) as folder, \
            sniff.Sniffer(filters) as sniffer:
        watched = Watch(sniffer, filters)
        print("xtcp plot: watching, Ctrl-C ends it", file=sys.stderr, flush=True)
        try:
            watched.run(folder, until)
        finally:
            try:
                watched.drain()
            finally:
                missed = sniffer.lost()
    if not watched or not watched.key:
        raise Failure("no such connection was seen")
    for number, what in ((watched.lost, "event"), (missed, "packet")):
        live.tell_missing("plot", number, what)
    return of_events(list(watched.segments), watched.told, [], "the connection")


def write(path, drawn):
    """Without a @path under a name of which there is no file."""
    if path == "-":
        print(drawn, end="")
        return
    data = drawn.encode("utf-8", "replace")
    if path is not None:
        Output(path).write(data)
        return
    for name in (NAME.format(f"-{n}" if n > 1 else "") for n in range(1, NAMES)):
        if os.path.lexists(name):
            continue
        with contextlib.suppress(FileExistsError):
            Output(name, replaces=False).write(data)
            print(f"xtcp plot: the picture is {name}", file=sys.stderr)
            return
    raise Failure(f"{NAME.format('')} and all numbered names exist: choose one with -o")


def run(args):
    if args.json and args.output == "-":
        raise Usage("either --json or the picture on standard output")
    if args.output not in (None, "-"):
        Output(args.output)	# complains before the connection is watched
    filters = [end_filter(word) for word in args.ends]
    flows = [from_file(args.file, filters) if args.file else watch(filters, args.seconds)]
    titles = [args.title or ("the transfer" if not args.beside else "xtcp" if flows[0].acked else args.file or "")]
    if args.beside:
        flows.append(from_file(args.beside, []))
        titles.append(args.beside_title or args.beside)
    drawn = flowsvg.draw(flows, titles)
    write(args.output, drawn)
    if args.json:
        text.print_json([f.as_dict() for f in flows])
    elif args.output != "-":
        for f, title in zip(flows, titles):
            again = ", ".join(f"{why} {count}" for why, count in f.reasons().items()) or "nothing"
            print(f"{text.printable(title)}: {text.plural(f.payload, 'byte')} in {f.seconds:.3f} s, sent again: {again}")
