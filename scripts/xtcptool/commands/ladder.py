# SPDX-License-Identifier: GPL-2.0
"""ladder: draw a connection's segments and states between its two ends

From FILE: a capture (pcap or pcapng, of either wire) or a saved trace of the events xtcp:*;
"-" is standard input. With --live from the tracepoints of this machine, as root, until
the connection is closed, --seconds are over or Ctrl-C. If there are several connections,
END chooses: an address, a port (:PORT) or both (ADDRESS:PORT), of either end. Numbers
are relative to each end's SYN. States come from the tracepoints, of a capture they are
inferred.
"""

import collections
import contextlib
import io
import shutil
import sys
import time

from xtcptool import Failure, Usage, capture, choose, laddersvg, laddertext, live, procfs, text, tracing
from xtcptool.conversation import Conversation, Filter
from xtcptool.conversation import choose as choose_one
from xtcptool.conversation import plain_state
from xtcptool.output import Output
from xtcptool.segment import Change, Segment

SVG_MOST = 250	# segments: beyond them nobody reads a picture


def add_arguments(parser):
    parser.add_argument("words", nargs="*", metavar="FILE|END", help="the capture, then ends")
    parser.add_argument("--live", action="store_true", help="watch this machine: no FILE")
    parser.add_argument("--seconds", type=choose.seconds, help="with --live: how long at most")
    parser.add_argument("--svg", metavar="FILE", help="write a picture, not text")
    parser.add_argument("--title", default="", help="above the picture")
    parser.add_argument("--segments", type=choose.count, metavar="N",
                        help=f"draw the first N (default: all; in a picture {SVG_MOST})")


def end_filter(word):
    def parse_end(value):
        end = procfs.end(value)
        return end.address, end.port
    try:
        return Filter(word, parse_end, procfs.address)
    except ValueError:
        raise Usage(f"'{word}' is not ADDRESS, ADDRESS:PORT or :PORT") from None


def of_file(path, hear=None):
    """The events of a capture or of a saved trace. hear(): is called with each line of a trace."""
    name = "standard input" if path == "-" else path
    try:
        with contextlib.ExitStack() as stack:
            raw = sys.stdin.buffer if path == "-" else stack.enter_context(open(path, "rb"))
            file = io.BufferedReader(raw, 1 << 16) if path != "-" else raw
            if not raw.seekable():
                # A pipe may give a byte at a time, which does not tell the format.
                file = io.BufferedReader(io.BytesIO(file.read()))
            start = file.peek(4096)[:4096]
            if capture.is_capture(start[:4]):
                return capture.segments(file, name), name
            if tracing.is_trace(start):
                events = tracing.parse(heard(io.TextIOWrapper(file, "utf-8", "replace"), hear))
                if not events:
                    raise Failure(f"{name}: no event of xtcp in this trace")
                return events, name
    except IsADirectoryError:
        raise Failure(f"{path}: is a directory") from None
    raise Failure(f"{name}: " + ("neither pcap, pcapng nor a trace" if start else "the file is empty"))


def heard(lines, hear):
    for line in lines:
        if hear:
            hear(line)
        yield line


# --- live -------------------------------------------------------------------

class Watch:
    """What was seen until now of the connections that fit: events, and whether one came and went."""

    def __init__(self, filters):
        self.filters, self.events, self.lost = filters, [], 0
        self.states = collections.defaultdict(dict)	# the last one of each end, by the connection's key
        self.with_segment, self.closed = set(), set()	# keys; closed: each end that had a state is

    def hear(self, name, event):
        key = event.wire, event.ends()
        # The kernel looks at ports alone. What others do is not kept: they may be many, and this one long.
        if not live.fit(key[1], self.filters):
            return
        self.events.append((name, event))
        if isinstance(event, Segment):
            self.with_segment.add(key)
        elif isinstance(event, Change):
            self.states[key][event.end] = plain_state(event.after)
            closed = set(self.states[key].values()) == {"CLOSED"}
            (self.closed.add if closed else self.closed.discard)(key)

    def lose(self, events):
        self.lost += events

    def is_over(self):
        return not self.closed.isdisjoint(self.with_segment)


def watch(filters, seconds):
    """Events until the connection is over."""
    told, until = 0, time.monotonic() + seconds if seconds is not None else None
    shown, watched = sys.stderr.isatty(), Watch(filters)
    with live.until_signal(), tracing.instance(tracing.filter_of_ports(filters)) as folder:
        print("xtcp ladder: watching, Ctrl-C ends it", file=sys.stderr, flush=True)
        for line in tracing.follow(folder, until, watched.lose):
            found = tracing.event(line) if line else None
            if found:
                watched.hear(*found)
            if line is not None or len(watched.events) == told:
                continue
            told = len(watched.events)
            if shown:
                print(f"\r{text.plural(told, 'event')} ", end="", file=sys.stderr, flush=True)
            if watched.is_over():
                break
    if shown and told:
        print(file=sys.stderr)
    live.tell_missing("ladder", watched.lost, "event")
    return tracing.pair(watched.events, not watched.lost), "the trace"


# --- output -----------------------------------------------------------------

def write_svg(path, conversation, title):
    drawn = laddersvg.draw(conversation, title)
    if path == "-":
        print(drawn, end="")
        return
    Output(path).write(drawn.encode("utf-8", "replace"))


def run(args):
    words = list(args.words)
    if not args.live and not words:
        raise Usage("FILE or --live is missing")
    if args.json and args.svg:
        raise Usage("either --json or --svg")
    if args.seconds is not None and not args.live:
        raise Usage("--seconds is for --live")
    if args.svg not in (None, "-"):
        Output(args.svg)	# complains before the connection is watched
    path = None if args.live else words.pop(0)
    filters = [end_filter(w) for w in words]
    events, name = watch(filters, args.seconds) if args.live else of_file(path)
    conversation = Conversation(choose_one(events, filters, name))
    most = args.segments or (SVG_MOST if args.svg else None)
    gone = conversation.cut(most) if most else 0
    if args.json:
        text.print_json([conversation.as_dict()])
    elif args.svg:
        write_svg(args.svg, conversation, args.title)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        for line in laddertext.lines(conversation, width, text.has_colours()):
            print(line)
    if gone:
        print(f"xtcp ladder: {text.plural(gone, 'segment')} more, see --segments", file=sys.stderr)
