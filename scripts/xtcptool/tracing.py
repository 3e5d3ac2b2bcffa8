# SPDX-License-Identifier: GPL-2.0
"""tracing: the module's tracepoints, live from tracefs or from a saved trace.

xtcp_send and xtcp_rcv become segments. A segment that both ends report, because both are on this
machine, is one segment with two times. xtcp_state becomes changes of state, xtcp_retransmit the reason of a segment, and the rest notes.
"""

import collections
import contextlib
import ipaddress
import os
import re
import time

from xtcptool import Failure, live
from xtcptool.segment import FLAGS, Change, Note, Resent, Segment
from xtcptool.text import printable

TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
EVENTS = ("xtcp_state", "xtcp_send", "xtcp_rcv", "xtcp_reset", "xtcp_syn", "xtcp_retransmit")
RECENT = 64	# segments of one direction
PLACE_BITS = 13	# a place is 8 KiB of the sequence space
LARGEST = 1 << 20	# bytes of a segment: larger ones are not real

LINE = re.compile(r"\[\d+\]\s+\S+\s+(\d{1,12}\.\d+): (xtcp_\w+): (.*)")
SYN = re.compile(r"syn=(\d+)/(\d+) accept=\d+/\d+ (.*)")
ENDS = re.compile(r"(?:[^\s=]+=\S+ )*netns=\d+ wire=(6|253) (\S+) (\S+) (.*)")
SEGMENT = re.compile(r"seq=(\d{1,10}) ack=(\d{1,10}) len=(\d{1,10}) wnd=(\d{1,10}) flags=(\S*)")
STATE = re.compile(r"(\S+) -> (\S+) on (.*)")
RESENT = re.compile(r"seq=(\d{1,10}) len=(\d{1,10}) times=\d+ waited_us=\d+ (\S+)")
# The whole line: other lines begin with the name of a process, which may be anything.
LOST = re.compile(r"CPU:\d+ \[LOST (?:(\d{1,18}) )?EVENTS\]")


def is_trace(start):
    """@start: the first bytes of a file."""
    return start.startswith(b"# tracer:") or bool(LINE.search(start.decode("utf-8", "replace")))


def parse_end(text):
    address, _, port = text.rpartition(":")
    address = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address, int(port)


def segment(when, wire, source, target, rest):
    match = SEGMENT.fullmatch(rest)
    if not match:
        return None
    seq, ack, length, window = (int(n) for n in match.groups()[:4])
    flags = sum(1 << FLAGS.index(f) for f in match.group(5).split("|") if f in FLAGS)
    return Segment(when, source, target, wire, flags, seq, ack if flags & 0x10 else 0, length, window, {})


def event(line):
    """What a line of the trace says: (kind, object), or None."""
    match = LINE.search(printable(line.rstrip()))
    if not match:
        return None
    when, name, rest = float(match.group(1)), match.group(2), match.group(3).rstrip()
    match = ENDS.fullmatch(rest)
    if not match:
        return None
    try:
        wire, local, remote = int(match.group(1)), parse_end(match.group(2)), parse_end(match.group(3))
    except ValueError:
        return None
    rest = match.group(4)
    if name == "xtcp_send":
        made = segment(when, wire, local, remote, rest)
    elif name == "xtcp_rcv":
        made = segment(when, wire, remote, local, rest)
    elif name == "xtcp_state":
        match = STATE.fullmatch(rest)
        made = match and Change(when, local, remote, wire, *match.groups())
    elif name == "xtcp_retransmit":
        match = RESENT.match(rest)
        made = match and Resent(when, local, remote, wire, int(match.group(1)), int(match.group(2)), match.group(3))
    elif name == "xtcp_reset":
        made = Note(when, local, remote, wire, "RST " + rest)
    elif name == "xtcp_syn":
        match = SYN.fullmatch(rest)
        made = match and Note(when, local, remote, wire, "SYN {2}, SYN queue {0} of {1}".format(*match.groups()))
    else:
        return None
    return (name, made) if made else None


def covers(sent, received):
    """Whether @received is @sent, or shares bytes with it: devices divide and merge segments."""
    same = (sent.source == received.source and sent.target == received.target and
            sent.wire == received.wire)
    if not same:
        return False
    if not sent.length or not received.length:
        return (sent.seq, sent.ack, sent.flags, sent.length, sent.window) == (
            received.seq, received.ack, received.flags, received.length, received.window)
    ahead = (received.seq - sent.seq) & 0xffffffff
    behind = (sent.seq - received.seq) & 0xffffffff
    return ahead < sent.length or behind < received.length


def places(s):
    """Where a segment is looked for: two of which one covers the other have a place in common."""
    if not s.length:
        return [(s.seq, s.ack, s.flags, s.window)]
    end = s.seq + min(s.length, LARGEST)
    return [n & 0xffffffff >> PLACE_BITS for n in range(s.seq >> PLACE_BITS, (end - 1 >> PLACE_BITS) + 1)]


class Path:
    """One direction between two ends that may both be traced."""

    def __init__(self):
        self.waiting = collections.defaultdict(dict)	# sent and not arrived: of each place, by id()
        self.delay = 0.0
        self.recent = collections.deque(maxlen=RECENT)	# received, larger than one report of it

    def send(self, sent):
        for place in places(sent):
            self.waiting[place][id(sent)] = sent

    def arrive(self, sent, when):
        sent.arrived, self.delay = when, when - sent.time
        for place in places(sent):
            del self.waiting[place][id(sent)]
        self.recent.append(sent)

    def receive(self, received):
        """Finds what was sent. Returns whether the report adds nothing."""
        near, of_range = {}, {}
        for place in places(received):
            near.update(self.waiting.get(place, {}))
        for sent in sorted(near.values(), key=lambda s: s.time):
            if covers(sent, received):
                of_range.setdefault((sent.seq, sent.length), []).append(sent)
        for copies in of_range.values():
            # Of copies that look the same, the one that was on the way for as long as others.
            sent = min(copies, key=lambda s: abs(received.time - s.time - self.delay))
            self.arrive(sent, received.time)
        return bool(of_range) or bool(received.length) and any(
            s.length > received.length and covers(s, received) for s in self.recent)

    def lose_waiting(self):
        for sent in [s for of_place in self.waiting.values() for s in of_place.values()]:
            sent.lost = True


def pair(events, whole=True):
    """Joins the two reports of a segment. The result is in the order of departure.

    If events are missing, it is not @whole: a segment without a report of its arrival need not be lost."""
    made, paths, hearing = [], collections.defaultdict(Path), set()
    for name, what in events:
        if name == "xtcp_rcv":
            hearing.add((what.source, what.target, what.wire))
            if paths[what.source, what.target, what.wire].receive(what):
                continue
        elif name == "xtcp_send":
            paths[what.source, what.target, what.wire].send(what)
        made.append(what)
    for key in hearing if whole else ():
        paths[key].lose_waiting()
    return made


def parse(lines):
    """Segments, changes, reasons and notes of a trace, in the order of their times."""
    return pair(found for found in map(event, lines) if found)


def of_file(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        made = parse(f)
    if not made:
        raise Failure(f"{path}: no event of xtcp in this trace")
    return made


# --- live -------------------------------------------------------------------

def write(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="ascii") as f:
        f.write(value)


def tracefs():
    for folder in TRACEFS:
        if os.path.isdir(os.path.join(folder, "instances")):
            if not os.path.isdir(os.path.join(folder, "events", "xtcp")):
                raise Failure(f"{folder} has no events of xtcp: is the module loaded?")
            return folder
    if os.geteuid():
        raise Failure("only root may read tracepoints")
    raise Failure("no tracefs: mount -t tracefs tracefs /sys/kernel/tracing")


def filter_of_ports(filters):
    """What the kernel need not report of other connections; empty for nothing."""
    ports = {f.port for f in filters if f.port}
    return " && ".join(f"(lport == {p} || rport == {p})" for p in sorted(ports))


def filter_of_ends(ends):
    (_, one), (_, other) = ends
    return f"(lport == {one} && rport == {other}) || (lport == {other} && rport == {one})"


def buffer_kb(cpus):
    """Of each CPU: the kernel can't swap it out, and the machine may have many."""
    return max(256, min(4096, 131072 // cpus))


def choose(folder, events, event_filter):
    for name in events:
        write(folder, f"events/xtcp/{name}/filter", event_filter)


@contextlib.contextmanager
def instance(event_filter="", events=EVENTS):
    """A ring buffer of our own with the events on; removed at the end, also if signals come meanwhile."""
    # Nobody else's: it may be removed even if a signal came right after it was made.
    folder = os.path.join(tracefs(), "instances", f"xtcp-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        try:
            os.mkdir(folder)
        except PermissionError:
            raise Failure("only root may read tracepoints") from None
        write(folder, "trace_clock", "mono")
        write(folder, "buffer_size_kb", str(buffer_kb(os.cpu_count() or 1)))
        for name in events:
            if event_filter:
                choose(folder, [name], event_filter)
            write(folder, f"events/xtcp/{name}/enable", "1")
        yield folder
    finally:
        try:
            live.ignore_signals()
        finally:
            try:
                write(folder, "events/enable", "0")
            except OSError:
                pass	# not made, or somebody removed it
            finally:
                if os.path.isdir(folder):
                    os.rmdir(folder)


def is_on(folder):
    """Whether events are on. A module that goes takes them along; loaded again, it has them off."""
    try:
        with open(os.path.join(folder, "events/xtcp/enable"), encoding="ascii") as f:
            return f.read().strip() in ("1", "X")	# all, or some
    except OSError:
        return False


def follow(folder, until, lose, pause=0.05):
    """Lines of trace_pipe as they come, and None whenever there are none; ends at the time @until.

    If the buffer overflows lose() is called with the amount of events. Raises Failure if somebody
    stops the trace, or unloads the module."""
    pipe = os.open(os.path.join(folder, "trace_pipe"), os.O_RDONLY | os.O_NONBLOCK)
    rest = b""
    try:
        while True:
            try:
                data = os.read(pipe, 1 << 16)
            except BlockingIOError:
                data = b""
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                text = line.decode("utf-8", "replace")
                lost = LOST.fullmatch(text)
                if lost:
                    lose(int(lost.group(1) or 1))
                    continue
                yield text
            if not data:
                yield None
            if until is not None and time.monotonic() >= until:
                return
            if not os.path.exists(folder):
                raise Failure("somebody removed the trace")
            with open(os.path.join(folder, "tracing_on"), encoding="ascii") as f:
                if f.read().strip() == "0":
                    raise Failure("somebody stopped the trace (tracing_on is 0)")
            if not is_on(folder):
                raise Failure("the module was unloaded, or somebody switched its events off")
            if not data:
                time.sleep(pause)
    finally:
        os.close(pipe)
