# SPDX-License-Identifier: GPL-2.0
"""conversation: all that happens between two ends, made readable.

A conversation has a left end, which sent the first SYN (else the first segment), and a right one.
Its segments get relative sequence numbers and remarks: retransmission, duplicate ACK, zero window
and so on. Without a trace of their own the states of both ends are inferred. A second connection
between the same ends, as after TIME-WAIT, belongs to the same conversation; its numbers begin anew.
"""

import bisect

from xtcptool import Failure
from xtcptool.segment import ACK, FIN, FLAGS, PROTOCOLS, RST, SYN, Change, Resent, Segment, end_text

LISTED = 4	# connections in a complaint


def group(events):
    """Conversations by wire and ends, in the order of their first event."""
    found = {}
    for event in events:
        found.setdefault((event.wire, event.ends()), []).append(event)
    return {key: of_key for key, of_key in found.items()
            if len(key[1]) == 2 and any(isinstance(e, Segment) for e in of_key)}


def left_end(events):
    """Who opens: the sender of the first segment that is not a SYN-ACK."""
    first = next(e for e in events if isinstance(e, Segment))
    return first.target if first.flags & (SYN | ACK) == SYN | ACK else first.source


def title(events):
    left = left_end(events)
    right = next(end for end in events[0].ends() if end != left)
    return f"{end_text(left)} {end_text(right)}"


def choose(events, filters, name):
    """The events of the only conversation that all @filters fit."""
    groups = [g for key, g in group(events).items() if all(f.fits(key[1]) for f in filters)]
    if not groups:
        raise Failure(f"{name}: " + ("no connection with " + " and ".join(map(str, filters))
                                     if filters else "no connection"))
    if len(groups) > 1:
        some = ", ".join(title(g) for g in groups[:LISTED])
        more = ", …" if len(groups) > LISTED else ""
        raise Failure(f"{name}: {len(groups)} connections; name the ends of one: {some}{more}")
    return groups[0]


class Filter:
    """ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT, of either end."""

    def __init__(self, text, parse_end, parse_address):
        self.text, self.address, self.port = text, None, None
        if text.startswith(":"):
            self.port = parse_end("0.0.0.0" + text)[1]
        else:
            try:
                self.address = parse_address(text.strip("[]"))
            except ValueError:
                self.address, self.port = parse_end(text)

    def __str__(self):
        return self.text

    def fits(self, ends):
        return any((self.address is None or end[0] == self.address) and
                   (self.port is None or end[1] == self.port) for end in ends)


# --- one direction ----------------------------------------------------------

class Direction:
    """What one end has sent so far."""

    def __init__(self):
        self.base = None	# on the wire, of relative number 0
        self.opened = None	# sequence number of its SYN
        self.sent = []		# ranges of relative numbers, joined, in order
        self.copies = {}	# copy_key() -> (times sent, last time)
        self.ack = self.window = self.scale = self.scale_offered = None
        self.closed = False

    def relative(self, seq):
        """The number without wraparound, near to the highest."""
        if self.base is None:
            self.base = seq - 1
        top = self.sent[-1][1] if self.sent else 1
        distance = (seq - self.base - top) & 0xffffffff
        return top + (distance - (1 << 32) if distance >= 1 << 31 else distance)

    def top(self):
        return self.sent[-1][1] if self.sent else 0

    def behind(self, number):
        """Index of the first range that ends behind @number."""
        return bisect.bisect_right(self.sent, number, key=lambda r: r[1])

    def has(self, start, end):
        at = self.behind(start)
        return at < len(self.sent) and self.sent[at][0] <= start and end <= self.sent[at][1]

    def overlaps(self, start, end):
        at = self.behind(start)
        return at < len(self.sent) and self.sent[at][0] < end

    def add(self, start, end):
        # From the first range that touches the new one to the last.
        first = bisect.bisect_left(self.sent, start, key=lambda r: r[1])
        last = bisect.bisect_right(self.sent, end, key=lambda r: r[0])
        if first < last:
            start, end = min(start, self.sent[first][0]), max(end, self.sent[last - 1][1])
        self.sent[first:last] = [(start, end)]


class Arrow:
    """A segment with what the reader needs: relative numbers, and remarks."""

    def __init__(self, segment, from_left):
        self.segment, self.from_left = segment, from_left
        self.seq = self.ack = None
        self.sack, self.remarks, self.repeated = [], [], False
        self.reason = None	# why it was sent again, or as a probe; None: not told

    def flags(self):
        flags = self.segment.flags
        # PSH says nothing of a segment with data, and ACK only where it is missing.
        shown = [f for i, f in enumerate(FLAGS) if flags & 1 << i and f not in ("PSH", "ACK")]
        if not shown or flags & ACK and flags & (SYN | FIN | RST):
            shown.append("ACK" if flags & ACK else "no flags")
        return ",".join(shown)

    def words(self):
        """The label, as a list of words."""
        s, options = self.segment, self.segment.options
        said = [self.flags(), f"seq={self.seq}"]
        if s.flags & ACK:
            said.append(f"ack={self.ack}")
        if s.length:
            said.append(f"len={s.length}")
        if s.flags & SYN:
            if "mss" in options:
                said.append(f"mss={options['mss']}")
            said += [short for name, short in (("sack_permitted", "sack"), ("timestamps", "ts"))
                     if name in options]
            if "wscale" in options:
                said.append(f"wscale={options['wscale']}")
        said += [name for name in ("cookie", "token") if name in options]
        if self.sack:
            said.append("SACK " + " ".join(f"{a}-{b}" for a, b in self.sack))
        return said

    def as_dict(self):
        s = self.segment
        return {"kind": "segment", "time_s": s.time, "arrived_s": s.arrived, "lost": s.lost,
                "from": end_text(s.source), "to": end_text(s.target), "flags": [
                    f for i, f in enumerate(FLAGS) if s.flags & 1 << i],
                "seq": self.seq, "ack": self.ack, "length_bytes": s.length, "window": s.window,
                "sack": self.sack, "remarks": self.remarks, "reason": self.reason}


class State:
    """A change of state at one of the ends."""

    def __init__(self, change, at_left):
        self.change, self.at_left = change, at_left

    def as_dict(self):
        c = self.change
        return {"kind": "state", "time_s": c.time, "end": end_text(c.end), "from": c.before,
                "to": c.after, "event": c.cause, "inferred": c.cause is None}


class Remark:
    """A note at one of the ends."""

    def __init__(self, note, at_left):
        self.note, self.at_left = note, at_left

    def as_dict(self):
        return {"kind": "note", "time_s": self.note.time, "end": end_text(self.note.end),
                "text": self.note.text}


# --- remarks ----------------------------------------------------------------

def ordinal_interval(seconds):
    return f"{seconds:.3f} s" if seconds < 9.9995 else f"{seconds:.1f} s"


def copy_key(arrow):
    """A SYN and the SYN-ACK of a simultaneous open are not copies of each other."""
    return arrow.seq, arrow.segment.flags & (SYN | ACK) if arrow.segment.flags & SYN else 0


def repeat_remark(arrow, mine):
    """Words for a segment whose whole space was sent before."""
    count, last = mine.copies.get(copy_key(arrow), (1, arrow.segment.time))
    arrow.repeated = True
    return f"retransmission {count}, after {ordinal_interval(arrow.segment.time - last)}"


def remark_data(arrow, mine, theirs):
    """Judges a segment that takes sequence space."""
    s, start = arrow.segment, arrow.seq
    end = start + s.space()
    if s.length <= 1 and start == mine.top() - 1 and not s.flags & (SYN | FIN) and (
            theirs.ack == mine.top() or theirs.window == 0):
        arrow.remarks.append("window probe" if theirs.window == 0 else "keepalive")
        return
    if s.flags & SYN and copy_key(arrow) not in mine.copies:
        pass
    elif mine.has(start, end):
        arrow.remarks.append(repeat_remark(arrow, mine))
    elif mine.overlaps(start, end):
        arrow.remarks.append("retransmission with new data")
        arrow.repeated = True
    elif end < mine.top():
        arrow.remarks.append("out of order")
    elif mine.sent and start > mine.top():
        arrow.remarks.append("a segment before it was not captured")
    mine.add(start, end)
    mine.copies[copy_key(arrow)] = (mine.copies.get(copy_key(arrow), (0, 0))[0] + 1, s.time)


def remark_ack(arrow, mine, theirs):
    """Judges a segment without data, SYN, FIN and RST."""
    s = arrow.segment
    if mine.sent and arrow.seq == mine.top() - 1:
        arrow.remarks.append("window probe" if theirs.window == 0 else "keepalive")
    elif arrow.ack is not None and mine.ack == arrow.ack and mine.window is not None:
        if s.window == mine.window and theirs.top() > arrow.ack:
            arrow.remarks.append("duplicate ACK")
        elif mine.window == 0 and s.window:
            arrow.remarks.append("window opens")


def is_duplicate(sack, ack):
    """Whether the first block tells of what was received before (RFC 2883)."""
    if not sack or ack is None:
        return False
    start, end = sack[0]
    return end <= ack or any(a <= start and end <= b for a, b in sack[1:])


def begins_anew(s, mine):
    """A SYN of another connection between the same ends."""
    return s.flags & SYN and mine.opened is not None and mine.opened != s.seq


def find_reasons(events):
    """The Resent of each segment that has one, by its id(): the tracepoint follows its segment."""
    found, last = {}, {}
    for event in events:
        if isinstance(event, Segment):
            last[event.source, event.seq] = event
        elif isinstance(event, Resent):
            segment = last.get((event.end, event.seq))
            if segment and event.is_of(segment):
                found[id(segment)] = event
    return found


def remark_reason(arrow, found):
    """Adds why the segment was sent, if a Resent tells it."""
    if not found:
        return
    arrow.reason = found.reason
    again = next((n for n, remark in enumerate(arrow.remarks) if remark.startswith("retransmission")), None)
    if arrow.segment.flags & SYN:
        pass	# the reason is SYN or SYN-ACK, as is the segment
    elif again is not None:
        arrow.remarks[again] += ", " + found.reason
    elif found.reason.replace("-", " ") not in arrow.remarks:
        arrow.remarks.append(found.reason)


def annotate(s, from_left, ways, found=None):
    """The arrow of a segment. @ways: the two directions by whether they are from the left; @found: its Resent."""
    mine, theirs = ways[from_left], ways[not from_left]
    if begins_anew(s, mine):
        mine = ways[from_left] = Direction()
        if not s.flags & ACK:
            theirs = ways[not from_left] = Direction()
    if s.flags & SYN and mine.opened is None:
        mine.opened = mine.base = s.seq
        mine.scale_offered = s.options.get("wscale")
    arrow = Arrow(s, from_left)
    if s.flags & RST and mine.base is None:
        mine.base = s.seq - (0 if s.seq == 0 else 1)
    arrow.seq = 0 if s.flags & SYN else mine.relative(s.seq)
    if s.flags & ACK:
        arrow.ack = theirs.relative(s.ack)
    arrow.sack = [(theirs.relative(a), theirs.relative(b)) for a, b in s.options.get("sack", [])]
    if is_duplicate(arrow.sack, arrow.ack):
        arrow.remarks.append("DSACK")
    if s.space() and not s.flags & RST:
        remark_data(arrow, mine, theirs)
    elif not s.flags & (SYN | FIN | RST):
        remark_ack(arrow, mine, theirs)
    remark_reason(arrow, found)
    if not s.flags & (SYN | RST) and s.window == 0:
        arrow.remarks.append("zero window")
    if not s.flags & RST:
        mine.window = s.window
        mine.ack = arrow.ack if s.flags & ACK else mine.ack
    if s.lost:
        arrow.remarks.append("lost")
    return arrow


# --- inferred states --------------------------------------------------------

class Inferred:
    """The state of each end as the segments of a capture show it.

    A segment that is sent proves the sender's state. Its arrival is proved for SYN and FIN by
    the answer only, and taken for granted for an ACK."""

    def __init__(self, whole):
        """@whole: the capture begins with a SYN."""
        self.state = {True: "CLOSED", False: "LISTEN"} if whole else {True: "ESTABLISHED", False: "ESTABLISHED"}
        self.fin = {True: None, False: None}	# relative number behind the end's FIN

    def go(self, left, after, s, changes):
        if self.state[left] != after:
            end, peer = (s.source, s.target) if left == self.sender else (s.target, s.source)
            changes.append(Change(s.time, end, peer, s.wire, self.state[left], after))
            self.state[left] = after

    def reset(self, s, changes):
        for left in (True, False):
            if self.state[left] != "LISTEN" or self.state[not left] != "CLOSED":
                self.go(left, "CLOSED", s, changes)

    def opening(self, arrow, me, changes):
        s = arrow.segment
        if s.flags & ACK:
            self.go(me, "SYN-RECEIVED", s, changes)
        elif self.state[me] in ("CLOSED", "LISTEN", "TIME-WAIT"):
            if self.state[not me] in ("TIME-WAIT", "CLOSED"):
                self.go(not me, "LISTEN", s, changes)
            self.go(me, "SYN-SENT", s, changes)

    def acknowledged(self, arrow, me, changes):
        """@arrow, from @me, acknowledges; both ends learn from it."""
        s, you = arrow.segment, not me
        if self.state[me] == "SYN-SENT":
            self.go(me, "ESTABLISHED", s, changes)
        if self.state[you] == "SYN-RECEIVED":
            self.go(you, "ESTABLISHED", s, changes)
        if self.state[me] == "SYN-RECEIVED" and self.state[you] == "ESTABLISHED":
            self.go(me, "ESTABLISHED", s, changes)
        if self.fin[you] is None or arrow.ack < self.fin[you]:
            return
        mine = {"ESTABLISHED": "CLOSE-WAIT", "FIN-WAIT-1": "CLOSING", "FIN-WAIT-2": "TIME-WAIT"}
        if self.state[you] == "FIN-WAIT-1" and self.fin[me] is not None:
            # Our FIN left before this ACK and came first.
            self.go(you, "CLOSING", s, changes)
        yours = {"FIN-WAIT-1": "FIN-WAIT-2", "CLOSING": "TIME-WAIT", "LAST-ACK": "CLOSED"}
        self.go(me, mine.get(self.state[me], self.state[me]), s, changes)
        self.go(you, yours.get(self.state[you], self.state[you]), s, changes)

    def closing(self, arrow, me, changes):
        after = {"ESTABLISHED": "FIN-WAIT-1", "SYN-RECEIVED": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}
        self.fin[me] = arrow.seq + arrow.segment.space()
        self.go(me, after.get(self.state[me], self.state[me]), arrow.segment, changes)

    def learn(self, arrow):
        """The changes that a segment shows."""
        s, me, changes = arrow.segment, arrow.from_left, []
        self.sender = me
        if s.flags & RST:
            self.reset(s, changes)
            return changes
        if s.flags & SYN:
            if not s.flags & ACK and not arrow.repeated:
                self.fin = {True: None, False: None}
            self.opening(arrow, me, changes)
        elif s.flags & ACK:
            self.acknowledged(arrow, me, changes)
        if s.flags & FIN:
            self.closing(arrow, me, changes)
        return changes


# --- the whole --------------------------------------------------------------

class Conversation:
    """left, right: the ends; items: arrows, states and remarks in the order of time."""

    def __init__(self, events):
        """@events: of one pair of ends, in the order of time."""
        self.left = left_end(events)
        self.right = next(end for end in events[0].ends() if end != self.left)
        self.wire = PROTOCOLS[events[0].wire]
        self.start = min(e.time for e in events if not isinstance(e, Resent))
        first = next(e for e in events if isinstance(e, Segment))
        self.inferred = not any(isinstance(e, Change) for e in events)
        guess = Inferred(first.flags & SYN) if self.inferred else None
        self.first_state = {True: None, False: None}
        if guess:
            self.first_state = dict(guess.state)
        ways, self.items = {True: Direction(), False: Direction()}, []
        reasons = find_reasons(events)
        for event in events:
            if isinstance(event, Segment):
                arrow = annotate(event, event.source == self.left, ways, reasons.get(id(event)))
                self.items.append(arrow)
                self.items += [State(c, c.end == self.left) for c in (guess.learn(arrow) if guess else [])]
            elif isinstance(event, Change):
                state = State(event, event.end == self.left)
                if not self.first_state[state.at_left]:
                    self.first_state[state.at_left] = plain_state(event.before)
                if plain_state(event.before) != plain_state(event.after):
                    self.items.append(state)
            elif not isinstance(event, Resent):
                self.items.append(Remark(event, event.end == self.left))
        self.segments = sum(isinstance(i, Arrow) for i in self.items)

    def cut(self, most):
        """Keeps the first @most segments and what happened until then. Returns how many go."""
        kept, seen = [], 0
        for item in self.items:
            seen += isinstance(item, Arrow)
            if seen > most:
                break
            kept.append(item)
        gone, self.items = self.segments - min(self.segments, most), kept
        return gone

    def as_dict(self):
        return {"left": end_text(self.left), "right": end_text(self.right), "wire": self.wire,
                "states": "inferred" if self.inferred else "traced",
                "items": [i.as_dict() for i in self.items]}


def plain_state(name):
    """A record's state is the same state to the reader."""
    return name.removesuffix("(record)")
