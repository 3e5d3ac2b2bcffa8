# SPDX-License-Identifier: GPL-2.0
"""segment: a TCP segment that was captured or traced, and a change of state."""

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << n for n in range(8))
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")

AT_ONCE = 0.001	# s: between two tracepoints of one segment

PROTOCOLS = {6: "tcp", 253: "native"}

# An end is a pair of an IPv4Address or IPv6Address and a port.


def end_text(end):
    address, port = end
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


class Record:
    """Has the fields of its annotations, in that order; class attributes are their defaults.

    In place of dataclasses, whose import would take a fourth of each start of `xtcp ladder`.
    """

    def __init__(self, *values, **named):
        fields = type(self).__annotations__
        if len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} has {len(fields)} fields, not {len(values)}")
        self.__dict__.update(zip(fields, values), **named)


class Segment(Record):
    """Times in seconds; sequence numbers as on the wire."""
    time: float
    source: tuple
    target: tuple
    wire: int
    flags: int
    seq: int
    ack: int
    length: int
    window: int
    options: dict
    raw: bytes = b""		# the options as on the wire
    sent: bool = None		# captured on its way out of a host; None: not known
    arrived: float = None	# traced at the other end, too
    lost: bool = False		# the other end is traced and did not receive it

    def space(self):
        """What it takes of the sequence space."""
        return self.length + bool(self.flags & SYN) + bool(self.flags & FIN)

    def ends(self):
        return frozenset((self.source, self.target))


class Change(Record):
    """A change of state at @end; @cause: the lifecycle table's event, or None if inferred."""
    time: float
    end: tuple
    peer: tuple
    wire: int
    before: str
    after: str
    cause: str = None

    def ends(self):
        return frozenset((self.end, self.peer))


class Note(Record):
    """Something else that happened at @end."""
    time: float
    end: tuple
    peer: tuple
    wire: int
    text: str

    def ends(self):
        return frozenset((self.end, self.peer))


class Resent(Record):
    """Why @end sent a segment again, or a probe; the number is as on the wire."""
    time: float
    end: tuple
    peer: tuple
    wire: int
    seq: int
    length: int
    reason: str

    def ends(self):
        return frozenset((self.end, self.peer))

    def is_of(self, segment):
        """Whether it tells of @segment: the tracepoint comes right after it."""
        return (segment.source == self.end and segment.seq == self.seq and
                abs(self.time - segment.time) < AT_ONCE)
