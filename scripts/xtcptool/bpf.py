# SPDX-License-Identifier: GPL-2.0
"""bpf: classic BPF programs that choose segments by wire, addresses and ports.

A program looks at a packet from its IP header on and keeps it whole or drops it. It has no loops: each
jump goes forward, at most 255 steps.
"""

import struct

from xtcptool.capture import IPV6_AH, IPV6_FRAGMENT, IPV6_OPTIONS

LOAD_BYTE, LOAD_HALF, LOAD_HALF_BEHIND, LOAD_WORD = 0x30, 0x28, 0x48, 0x20
HEADER_LENGTH = 0xb1	# X = 4 * (low bits of the byte)
SHIFT, AND, EQUAL, RETURN = 0x74, 0x54, 0x15, 0x06
WHOLE = 0xffffffff
FRAGMENT_OFFSET = 0x1fff
TERMS = 4	# so many keep each jump short


class Assembly:
    """Steps of a program. A jump names a label that stands further down."""

    def __init__(self):
        self.steps, self.labels = [], {}

    def put(self, code, value, yes=None, no=None):
        """@yes, @no: where a comparison goes on; None: at the next step."""
        self.steps.append((code, value, yes, no))

    def label(self, name):
        self.labels[name] = len(self.steps)

    def packed(self):
        made = b""
        for at, (code, value, yes, no) in enumerate(self.steps):
            ways = [0 if name is None else self.labels[name] - at - 1 for name in (yes, no)]
            made += struct.pack("=HBBI", code, *ways, value)
        return made


def ends_of_filter(chosen):
    """A Filter as a term: its address and port are of the source, or of the target."""
    return [{side: (chosen.address, chosen.port)} for side in ("source", "target")]


def ends_of_pair(one, other):
    """The term of a connection."""
    return [{"source": one, "target": other}, {"source": other, "target": one}]


def put_end(program, version, side, end, has_ports, no):
    """Goes on behind these steps if @side of the packet is @end, else to @no."""
    address, port = end
    size = {4: 4, 6: 16}[version]
    start = {4: 12, 6: 8}[version] + (size if side == "target" else 0)
    for at in range(0, size if address else 0, 4):
        program.put(LOAD_WORD, start + at)
        program.put(EQUAL, int.from_bytes(address.packed[at:at + 4], "big"), no=no)
    if port is not None and has_ports:
        if version == 4:
            program.put(HEADER_LENGTH, 0)
        program.put({4: LOAD_HALF_BEHIND, 6: LOAD_HALF}[version],
                    {4: 0, 6: 40}[version] + (2 if side == "target" else 0))
        program.put(EQUAL, port, no=no)


def put_terms(program, version, terms, has_ports, name):
    """Keeps the packet if one alternative of each term fits. @name: of the labels."""
    for number, term in enumerate(terms):
        fits = [sides for sides in term
                if all(address is None or address.version == version for address, _ in sides.values())]
        for last, sides in enumerate(fits, 1 - len(fits)):
            other = f"{name}.{number}.{last}"
            for side, end in sides.items():
                put_end(program, version, side, end, has_ports, f"{name}.drop" if last == 0 else other)
            if last:
                # A comparison with both ways to one place is a jump.
                program.put(EQUAL, 0, f"{name}.{number}", f"{name}.{number}")
                program.label(other)
        if not fits:
            program.put(RETURN, 0)
        program.label(f"{name}.{number}")
    program.put(RETURN, WHOLE)
    program.label(f"{name}.drop")
    program.put(RETURN, 0)


def of_segments(wires, terms=()):
    """The program for segments of @wires (IP protocols) that fit the first TERMS of @terms.

    Of IPv6 packets with extension headers it compares the addresses only. Of IPv4's fragments it keeps
    the first, which has the header."""
    program, terms = Assembly(), terms[:TERMS]
    program.put(LOAD_BYTE, 0)
    program.put(SHIFT, 4)
    program.put(EQUAL, 6, yes="6")
    program.put(EQUAL, 4, no="not 4")
    program.put(LOAD_BYTE, 9)
    for wire in wires:
        program.put(EQUAL, wire, yes="4 first")
    program.label("not 4")
    program.put(RETURN, 0)
    program.label("4 first")
    program.put(LOAD_HALF, 6)
    program.put(AND, FRAGMENT_OFFSET)
    program.put(EQUAL, 0, yes="4")
    program.put(RETURN, 0)
    program.label("4")
    put_terms(program, 4, terms, True, "4")
    program.label("6")
    program.put(LOAD_BYTE, 6)
    for wire in wires:
        program.put(EQUAL, wire, yes="6 plain")
    for kind in (*IPV6_OPTIONS, IPV6_FRAGMENT, IPV6_AH):
        program.put(EQUAL, kind, yes="6 more")
    program.put(RETURN, 0)
    program.label("6 more")
    put_terms(program, 6, terms, False, "6 more")
    program.label("6 plain")
    put_terms(program, 6, terms, True, "6 plain")
    return program.packed()
