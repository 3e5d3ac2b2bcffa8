# SPDX-License-Identifier: GPL-2.0
"""flow: what one end of a connection sent and heard over time, for `xtcp plot`.

Segments come from a capture, or from the tracepoints xtcp_send and xtcp_rcv of a saved trace. The
tracepoints xtcp_ack and xtcp_retransmit add what only the sender knows: cwnd, ssthresh, smoothed RTT
and why a segment was sent again.
"""

import bisect
import collections
import re

from xtcptool import tracing
from xtcptool.conversation import Arrow
from xtcptool.segment import RST, SYN, Record, Resent, end_text
from xtcptool.text import printable

PROGRESS = ("xtcp_ack", "xtcp_retransmit")
NO_THRESHOLD = 0x7fffffff	# ssthresh without a value, as in tcp_info
UNKNOWN = "sent again"		# the reason in a capture

NUMBER = r"(\d{1,10})"
ACKED = re.compile(rf"ack=\d+ una={NUMBER} nxt={NUMBER} wnd={NUMBER} cwnd={NUMBER} ssthresh={NUMBER} .* "
                   rf"srtt={NUMBER} rto=\d+ ")


class Acked(Record):
    """An event xtcp_ack; numbers as on the wire, ssthresh None for none."""
    time: float
    end: tuple
    peer: tuple
    wire: int
    una: int
    window: int
    cwnd: int
    ssthresh: int
    srtt_us: int

    def ends(self):
        return frozenset((self.end, self.peer))


def progress(line, shift=0.0):
    """An Acked or Resent of a line of a trace, or None. @shift is added to its time."""
    match = tracing.LINE.search(printable(line.rstrip()))
    if not match or match.group(2) not in PROGRESS:
        return None
    if match.group(2) == "xtcp_retransmit":
        found = tracing.event(line)
        if not found:
            return None
        found[1].time += shift
        return found[1]
    ends = tracing.ENDS.fullmatch(match.group(3).rstrip())
    found = ends and ACKED.match(ends.group(4))
    if not found:
        return None
    try:
        local, remote = tracing.parse_end(ends.group(2)), tracing.parse_end(ends.group(3))
    except ValueError:
        return None
    una, _, window, cwnd, ssthresh, srtt = map(int, found.groups())
    return Acked(float(match.group(1)) + shift, local, remote, int(ends.group(1)), una, window, cwnd,
                 ssthresh if ssthresh < NO_THRESHOLD else None, srtt)


class Flow:
    """The larger direction of a Conversation. Times in seconds since its first segment."""

    def __init__(self, conversation, events=()):
        """@events: Acked and Resent of the connection."""
        self.arrows = [i for i in conversation.items if isinstance(i, Arrow)]
        sent = {left: sum(a.segment.length for a in self.arrows if a.from_left == left) for left in (True, False)}
        self.left = sent[True] >= sent[False]
        self.ends = (conversation.left, conversation.right) if self.left else (conversation.right, conversation.left)
        self.wire, self.start = conversation.wire, conversation.start
        # Without what was sent again.
        self.payload = sum(a.segment.length for a in self.arrows if a.from_left == self.left and not a.repeated)
        mine = [e for e in events if e.end == self.ends[0]]
        self.acked = [e for e in mine if isinstance(e, Acked)]
        self.why = collections.defaultdict(list)
        for e in mine:
            if isinstance(e, Resent):
                self.why[e.seq].append(e)
        self.data, self.resent, self.sacks = [], [], []		# (time, first number, number behind it[, reason])
        self.acks, self.edges = [], []				# (time, number)
        self.rtt, self.cwnd, self.ssthresh = [], [], []		# (time, ms or segments)
        self.waiting = []	# (number behind a segment that was sent once, its time), in order
        self.scale = self.window_scale()
        for arrow in self.arrows:
            if arrow.from_left == self.left:
                self.learn_data(arrow)
            elif not arrow.segment.flags & RST and arrow.ack is not None:
                self.learn_ack(arrow)
        self.learn_acked()
        times = [p[0] for series in (self.data, self.resent, self.acks, self.cwnd) for p in series]
        self.seconds = max(times, default=0)

    def window_scale(self):
        offers = {a.from_left: a.segment.options.get("wscale") for a in self.arrows if a.segment.flags & SYN}
        return 0 if None in offers.values() else offers.get(not self.left, 0)

    def at(self, event):
        return max(event.time - self.start, 0)

    def reason(self, segment):
        return next((e.reason for e in self.why.get(segment.seq, ()) if e.is_of(segment)), UNKNOWN)

    def behind(self, number):
        """Index of the first that waits for an ACK above @number."""
        return bisect.bisect_right(self.waiting, number, key=lambda w: w[0])

    def learn_data(self, arrow):
        s, end = arrow.segment, arrow.seq + arrow.segment.length
        if not s.length:
            return
        if arrow.repeated or "window probe" in arrow.remarks or "keepalive" in arrow.remarks:
            self.resent.append((self.at(s), arrow.seq, end, self.reason(s)))
            # Karn: the ACK may be of either copy.
            del self.waiting[self.behind(arrow.seq):]
        else:
            self.data.append((self.at(s), arrow.seq, end))
            bisect.insort(self.waiting, (end, self.at(s)))

    def learn_ack(self, arrow):
        s = arrow.segment
        now = self.at(s)
        new = self.behind(arrow.ack)
        if new and not self.acked:
            self.rtt.append((now, (now - self.waiting[new - 1][1]) * 1000))
        del self.waiting[:new]
        self.acks.append((now, max(arrow.ack, self.acks[-1][1] if self.acks else 0)))
        if not s.flags & SYN and not self.acked:
            self.edges.append((now, arrow.ack + (s.window << self.scale)))
        self.sacks += [(now, a, b) for a, b in arrow.sack]

    def learn_acked(self):
        """What the sender tells: its window is exact, also if the handshake was not captured."""
        base = next((a.segment.seq - a.seq for a in self.arrows if a.from_left == self.left), 0)
        top = 0
        for e in self.acked:
            una = (e.una - base - top + (1 << 31)) % (1 << 32) - (1 << 31) + top
            top = max(top, una)
            self.edges.append((self.at(e), una + e.window))
            self.cwnd.append((self.at(e), e.cwnd))
            if e.ssthresh is not None:
                self.ssthresh.append((self.at(e), e.ssthresh))
            self.rtt.append((self.at(e), e.srtt_us / 1000))

    def reasons(self):
        """{why: how often}"""
        return dict(collections.Counter(r[3] for r in self.resent))

    def as_dict(self):
        return {"from": end_text(self.ends[0]), "to": end_text(self.ends[1]), "wire": self.wire,
                "payload_bytes": self.payload, "seconds": round(self.seconds, 6),
                "retransmissions": self.reasons(), "sack_blocks": len(self.sacks),
                "cwnd_peak_segments": max((v for _, v in self.cwnd), default=None),
                "rtt": "smoothed" if self.acked else "samples",
                "rtt_least_ms": round(min((v for _, v in self.rtt), default=0), 3),
                "rtt_most_ms": round(max((v for _, v in self.rtt), default=0), 3)}
