# SPDX-License-Identifier: GPL-2.0
"""packetscript: a captured connection as a script that selftests/script/packetdrill plays.

One end becomes the kernel: what it sent is expected of the kernel, and what it received is sent to
it. The capture must be of that end, so that its answers follow at once. Its system calls are
inferred:

    write   from one PSH to the next, when the first byte left
    read    of all that is in order: before the next segment of the kernel's end, or after a delayed ACK
    close   when the FIN left; shutdown() if data was still accepted after it; after a RST with
            SO_LINGER

Numbers are relative to the first SYN of each end, and so are timestamps. A window of the kernel's
end is not compared: it depends on memory. Stacks differ in when they send ACKs alone and in PSH,
which the player does not compare in a script with the setting --recorded.
"""

import struct

from xtcptool import Failure
from xtcptool.conversation import Arrow, Direction
from xtcptool.segment import ACK, FIN, PSH, RST, SYN, URG, end_text

AT_ONCE = 0.002		# s: so soon after a segment, it is the answer
EARLY = 1 / 8		# of a timer of Linux, which may be so much late
TICK = 0.004		# s
TOLERANCE_US = 10000
LETTERS = "FSRP.UEW"
DEFAULT_MSS, HEADERS, STAMPS_SIZE, WSCALE = 1460, 40, 12, 7
FEW, READ_MOST = 16384, 1 << 20		# bytes: what a new socket takes, what the player reads at once
KERNEL_STAMP, PEER_STAMP = 100, 1000	# of the first segments, as in the other scripts


class Line:
    """A line of the script. @expected: a segment of the kernel whose time is compared."""

    def __init__(self, time, text, expected=False):
        self.time, self.text, self.expected = time, text, expected


class Stamps:
    """Timestamps relative to the first of their end."""

    def __init__(self, first):
        self.first, self.base = first, None

    def relative(self, value):
        if self.base is None:
            self.base = value
        return (value - self.base + self.first) & 0xffffffff


def option_texts(raw, mine, theirs, relative, expected, first):
    """The options in the player's words, and whether it has words for each of them.

    @relative: of a number in SACK blocks. @expected: of the kernel's segment. @first: of a SYN."""
    found, at, known = [], 0, True
    while at < len(raw) and raw[at]:
        kind = raw[at]
        size = 1 if kind == 1 else raw[at + 1] if at + 1 < len(raw) else 0
        if not size or kind != 1 and size < 2 or at + size > len(raw):
            return found, False
        value = raw[at + 2:at + size]
        if kind == 1:
            found.append("nop")
        elif kind == 2 and size == 4:
            found.append(f"mss {int.from_bytes(value, 'big')}")
        elif kind == 3 and size == 3:
            # It depends on the host's memory, and no answer of the kernel's does on it.
            found.append("wscale ..." if expected and value[0] != WSCALE else f"wscale {value[0]}")
        elif kind == 4 and size == 2:
            found.append("sackOK")
        elif kind == 5 and size % 8 == 2 and not any(text.startswith("sack ") for text in found):
            found.append("sack " + " ".join(f"{relative(a)}:{relative(b)}" for a, b in struct.iter_unpack(">II", value)))
        elif kind == 8 and size == 10:
            val, ecr = struct.unpack(">II", value)
            said = "..." if expected and not first else mine.relative(val)
            found.append(f"TS val {said} ecr {theirs.relative(ecr) if ecr else 0}")
        else:
            known = False
        at += size
    return found, known


class Script:
    """The script of a Conversation; @left: which end is the kernel."""

    def __init__(self, conversation, left, name):
        self.name, self.left = name, left
        self.ends = (conversation.left, conversation.right)
        self.arrows = first_connection([i for i in conversation.items if isinstance(i, Arrow)], name)
        self.check()
        self.stamps = {True: Stamps(KERNEL_STAMP), False: Stamps(PEER_STAMP)}
        self.lines, self.calls = [], 0
        self.active = self.fd = None
        self.received, self.read_to, self.peer_fin = Direction(), 1, None	# relative numbers of the peer's
        self.syn_sent = self.open = self.closed = self.half_closed = False
        self.nodelay = self.needs_nodelay()
        self.writes = self.infer_writes()

    def mine(self, arrow):
        return arrow.from_left == self.left

    def fail(self, what):
        raise Failure(f"{self.name}: no script: {what}")

    def check(self):
        """What the player can't play."""
        for a in self.arrows:
            s = a.segment
            if s.flags & SYN and s.length:
                self.fail("a SYN with data (fast open)")
            if s.flags & URG:
                self.fail("urgent data")
            if self.mine(a) and "a segment before it was not captured" in a.remarks:
                after = s.time - self.arrows[0].segment.time
                self.fail(f"the capture lacks a segment of {end_text(s.source)} before {after:.6f} s")
        if not any(map(self.mine, self.arrows)):
            self.fail(f"{end_text(self.ends[not self.left])} sent nothing")

    # --- what is known of the whole connection

    def my_syn(self):
        return next((a for a in self.arrows if self.mine(a) and a.segment.flags & SYN), None)

    def mss(self):
        """Payload of a full segment of the kernel's end."""
        offers = [a.segment.options.get("mss", 536) for a in self.arrows if a.segment.flags & SYN]
        stamps = all("timestamps" in a.segment.options for a in self.arrows if a.segment.flags & SYN)
        return max(min(offers) - (STAMPS_SIZE if stamps else 0), 1)

    def chunks(self):
        """New payload of the kernel's end: (index of the arrow, first number, number behind it)."""
        top = 1
        for i, a in enumerate(self.arrows):
            end = a.seq + a.segment.length
            if self.mine(a) and not a.segment.flags & SYN and a.segment.length and end > top:
                yield i, max(a.seq, top), end
                top = end

    def needs_nodelay(self):
        """Whether a small segment left while another was not acknowledged: Nagle would have held it."""
        full, small, acked, at = self.mss(), None, 0, 0
        for i, _, end in self.chunks():
            acked = max([acked] + [a.ack for a in self.arrows[at:i] if not self.mine(a) and a.ack is not None])
            at = i
            s = self.arrows[i].segment
            if s.length % full:
                if small is not None and small > acked and not s.flags & FIN:
                    return True
                small = end
        return False

    def infer_writes(self):
        """{index of an arrow: sizes of the writes before it}."""
        made, begun, where = {}, None, None
        chunks = list(self.chunks())
        for i, start, end in chunks:
            if begun is None:
                begun, where = start, i
            if self.arrows[i].segment.flags & (PSH | FIN) or end == chunks[-1][2]:
                made.setdefault(where, []).append(end - begun)
                begun = None
        return made

    # --- lines

    def call(self, time, text):
        self.lines.append(Line(time, text))
        self.calls += 1

    def setup(self, first):
        """The socket, before the first segment."""
        time = first.segment.time
        mine = self.my_syn()
        self.active = mine is not None and not mine.segment.flags & ACK
        if mine is None:
            return
        self.call(time, "socket(..., SOCK_STREAM, IPPROTO_TCP) = 3")
        if self.active:
            self.fd = 3
            self.call(time, "fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0")
        else:
            self.call(time, "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0")
            self.call(time, "bind(3, ..., ...) = 0")
            self.call(time, "listen(3, 5) = 0")

    def options_of_socket(self, time):
        if self.nodelay:
            self.call(time, f"setsockopt({self.fd}, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0")
        most = sum(sum(sizes) for sizes in self.writes.values())
        if most > FEW:
            self.call(time, f"setsockopt({self.fd}, SOL_SOCKET, SO_SNDBUFFORCE, [{min(8 * most, 1 << 30)}], 4) = 0")

    def opened(self, time):
        """The handshake is over."""
        self.open = True
        if self.active:
            self.call(time, f"getsockopt({self.fd}, SOL_SOCKET, SO_ERROR, [0], [4]) = 0")
        else:
            self.fd = 4
            self.call(time, "accept(3, ..., ...) = 4")
        self.options_of_socket(time)

    def read(self, time):
        """All that is in order and was not read."""
        if not self.open or self.closed:
            return
        spans = self.received.sent
        top = spans[0][1] if spans and spans[0][0] <= 1 else 1
        data = min(top, self.peer_fin) if self.peer_fin else top
        while self.read_to < data:
            size = min(data - self.read_to, READ_MOST)
            self.call(time, f"read({self.fd}, ..., {size}) = {size}")
            self.read_to += size
        if self.peer_fin and top > self.peer_fin and self.read_to == self.peer_fin:
            self.call(time, f"read({self.fd}, ..., 1) = 0")
            self.read_to += 1

    def receive(self, arrow):
        s = arrow.segment
        if s.flags & FIN:
            self.peer_fin = arrow.seq + s.length
        if s.space() and not s.flags & (SYN | RST):
            self.received.add(arrow.seq, arrow.seq + s.space())

    def segment_text(self, arrow):
        s, mine = arrow.segment, self.mine(arrow)
        flags = "".join(c for i, c in enumerate(LETTERS) if s.flags & 1 << i) or "-"
        text = f"{'>' if mine else '<'} {flags} {arrow.seq}:{arrow.seq + s.length}({s.length})"
        if s.flags & ACK:
            text += f" ack {arrow.ack}"
        if not mine:
            text += f" win {s.window}"
        sacks = iter(n for pair in arrow.sack for n in pair)
        options, known = option_texts(s.raw, self.stamps[mine], self.stamps[not mine], lambda _: next(sacks, 0),
                                      mine, s.flags & SYN)
        if mine and (not known or s.flags & RST):
            return text + " <...>"
        return text + (f" <{','.join(options)}>" if options else "")

    def incoming(self, i):
        arrow = self.arrows[i]
        s = arrow.segment
        self.lines.append(Line(s.time, self.segment_text(arrow)))
        self.receive(arrow)
        if s.flags & RST or self.fd is None and not self.syn_sent:
            return
        if not self.open and not self.active and self.syn_sent and s.flags & ACK and arrow.ack >= 1:
            self.opened(s.time)

    def outgoing(self, i):
        arrow = self.arrows[i]
        s = arrow.segment
        if s.flags & SYN and not self.syn_sent:
            self.syn_sent = True
            if self.active:
                self.call(s.time, "connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)")
        pure = not s.length and not s.flags & (SYN | FIN | RST)
        prompt = self.prompt(i)
        if self.open and (not pure or prompt):
            self.read(s.time)
        for size in self.writes.get(i, ()):
            self.call(s.time, f"write({self.fd}, ..., {size}) = {size}")
        if s.flags & FIN and not self.closed and not self.half_closed:
            self.close(i)
        if s.flags & RST and self.open and not self.closed:
            self.call(s.time, f"setsockopt({self.fd}, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=0}}, 8) = 0")
            self.call(s.time, f"close({self.fd}) = 0")
            self.closed = True
        # When mere ACKs come is not compared.
        timed = not pure or bool(arrow.sack) or not prompt and self.is_probe(arrow)
        self.lines.append(Line(s.time, self.segment_text(arrow), timed))
        if self.active and not self.open and s.flags & ACK and not s.flags & (SYN | RST):
            self.opened(s.time)
        if self.open and pure and not prompt:
            self.read(s.time)

    def is_probe(self, arrow):
        return any(r in ("window probe", "keepalive") for r in arrow.remarks)

    def prompt(self, i):
        return bool(i) and self.arrows[i].segment.time - self.arrows[i - 1].segment.time < AT_ONCE

    def close(self, i):
        """The call that made the FIN of arrow @i."""
        rest = self.arrows[i + 1:]
        more = any(not self.mine(a) and a.segment.length and not a.repeated for a in rest)
        refused = any(self.mine(a) and a.segment.flags & RST for a in rest)
        self.half_closed = more and not refused
        self.closed = not self.half_closed
        call = f"shutdown({self.fd}, SHUT_WR) = 0" if self.half_closed else f"close({self.fd}) = 0"
        time, at = self.arrows[i].segment.time, len(self.lines)
        if self.arrows[i].segment.length and i not in self.writes:
            # The FIN waited with the data: back to before the ACK that let them out.
            while at and not self.lines[at - 1].expected:
                at -= 1
            time = self.lines[at - 1].time if at else time
        self.lines.insert(at, Line(time, call))
        self.calls += 1

    def make(self):
        """The text of the script."""
        self.setup(self.arrows[0])
        for i, arrow in enumerate(self.arrows):
            (self.outgoing if self.mine(arrow) else self.incoming)(i)
        self.read(self.arrows[-1].segment.time)
        if self.half_closed:
            self.call(self.arrows[-1].segment.time, f"close({self.fd}) = 0")
        return "\n".join(self.header() + list(self.timed())) + "\n"

    def header(self):
        kernel, peer = self.ends if self.left else reversed(self.ends)
        lines = [f"// What {end_text(kernel)} sent to {end_text(peer)} and received, recorded by `xtcp record`.",
                 "// The player's namespace is IPv4's.",
                 "--recorded", f"--tolerance_usecs={TOLERANCE_US}"]
        syn = self.my_syn()
        if not syn:
            return lines
        options, asks = syn.segment.options, self.active
        peers = next((a.segment.options for a in self.arrows if not self.mine(a) and a.segment.flags & SYN), {})
        knobs = [knob for name, knob in (("timestamps", "tcp_timestamps"), ("sack_permitted", "tcp_sack"),
                                         ("wscale", "tcp_window_scaling"))
                 if name not in options and (asks or name in peers)]
        lines += [f"`sysctl -q net.ipv4.{knob}=0`" for knob in knobs]
        if syn.segment.flags & 0x40:
            lines.append("`sysctl -q net.ipv4.tcp_ecn=1`")
        mss = options.get("mss", DEFAULT_MSS)
        if mss != DEFAULT_MSS:
            lines.append(f"`ip link set dev tun0 mtu {mss + HEADERS}`")
        return lines

    def timed(self):
        """Lines with the time since the one before. What is expected at once leaves the clock as it is."""
        clock = self.arrows[0].segment.time
        for line in self.lines:
            delay = max(line.time - clock, 0)
            if not line.expected:
                clock += round(delay, 6) if delay >= 5e-7 else 0
                yield f"+{delay:.6f}\t{line.text}" if delay >= 5e-7 else f"+0\t{line.text}"
            elif delay < AT_ONCE:
                yield f"+0\t{line.text}"
            else:
                clock = line.time
                yield f"+{max(delay * (1 - EARLY) - TICK, 0):.6f}~+{delay + AT_ONCE:.6f}\t{line.text}"


def first_connection(arrows, name):
    """The arrows up to where the ends begin another connection."""
    if not arrows or not arrows[0].segment.flags & SYN or arrows[0].segment.flags & ACK:
        raise Failure(f"{name}: no script: the capture lacks the beginning of the connection")
    numbers = {True: set(), False: set()}	# of the SYNs of each end
    for i, a in enumerate(arrows):
        if a.segment.flags & SYN:
            seen = numbers[a.from_left]
            if not a.segment.flags & ACK and seen - {a.segment.seq}:
                return arrows[:i]
            seen.add(a.segment.seq)
    return arrows
