# SPDX-License-Identifier: GPL-2.0
"""capture: reads pcap and pcapng files, and finds the TCP segments in their packets.

Segments of IP protocol 6 and of xtcp's 253, over IPv4 and IPv6, in frames of Ethernet, of Linux's
cooked captures and of raw IP. A file that breaks off or contradicts itself raises Failure in one
line; a packet that is no whole TCP header is counted and skipped.
"""

import ipaddress
import struct

from xtcptool import Failure
from xtcptool.segment import PROTOCOLS, Segment

# Nothing that captures writes larger packets; a larger number is a damaged file.
PACKET_MOST = 1 << 20

LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_LOOP, LINK_SLL = 0, 1, 101, 108, 113
LINK_IPV4, LINK_IPV6, LINK_SLL2 = 228, 229, 276
RAW_LINKS = (12, 14, LINK_RAW, LINK_IPV4, LINK_IPV6)
LINKS = (LINK_NULL, LINK_LOOP, LINK_ETHERNET, LINK_SLL, LINK_SLL2) + RAW_LINKS

# Linux's cooked captures tell the direction: the place of the packet type, and outgoing ones.
PACKET_TYPES = {LINK_SLL: 1, LINK_SLL2: 10}
PACKET_OUTGOING = 4

ETHERTYPES = (0x0800, 0x86dd)
VLANS = (0x8100, 0x88a8)

PCAP_MAGICS = {b"\xd4\xc3\xb2\xa1": ("<", 10**6), b"\xa1\xb2\xc3\xd4": (">", 10**6),
               b"\x4d\x3c\xb2\xa1": ("<", 10**9), b"\xa1\xb2\x3c\x4d": (">", 10**9)}
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
NG_SECTION, NG_INTERFACE, NG_SIMPLE, NG_ENHANCED = 0x0a0d0d0a, 1, 3, 6
NG_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
NG_IF_TSRESOL, NG_IF_TSOFFSET = 9, 14

# Extension headers of IPv6 whose length is in units of 8 bytes beyond the first 8.
IPV6_OPTIONS = (0, 43, 60, 135, 139, 140)
IPV6_FRAGMENT, IPV6_AH = 44, 51


def is_capture(start):
    """@start: the first four bytes of a file."""
    return start in PCAP_MAGICS or start == PCAPNG_MAGIC


class Reader:
    """A file of which exact amounts are read, with its name for complaints."""

    def __init__(self, file, name):
        self.file, self.name, self.at = file, name, 0

    def fail(self, what):
        raise Failure(f"{self.name}: {what}")

    def take(self, size, what, end_ok=False):
        """@size bytes; None at the end of the file if @end_ok."""
        data = self.file.read(size)
        if not data and end_ok:
            return None
        if len(data) < size:
            self.fail(f"the file ends in the middle of {what}, at byte {self.at + len(data)}")
        self.at += size
        return data


# --- files ------------------------------------------------------------------

def check_link(reader, link):
    if link not in LINKS:
        reader.fail(f"link type {link}: none of Ethernet, Linux cooked (SLL, SLL2), raw IP, loopback")
    return link


def pcap_packets(reader, magic):
    order, ticks = PCAP_MAGICS[magic]
    head = reader.take(20, "its header")
    link = check_link(reader, struct.unpack(order + "HHiIII", head)[5] & 0xffff)
    while True:
        head = reader.take(16, "a packet's header", end_ok=True)
        if head is None:
            return
        seconds, part, size, _ = struct.unpack(order + "IIII", head)
        if size > PACKET_MOST or part >= ticks:
            reader.fail(f"not a packet's header at byte {reader.at - 16}: the file is damaged")
        yield seconds + part / ticks, link, reader.take(size, "a packet")


def ng_options(data, order):
    """The options of a block: the last value by code."""
    found, at = {}, 0
    while at + 4 <= len(data):
        code, size = struct.unpack_from(order + "HH", data, at)
        if not code or at + 4 + size > len(data):
            break
        found[code] = data[at + 4:at + 4 + size]
        at += 4 + (size + 3 & ~3)
    return found


class Interface:
    """What a description block says: the link type and the unit of its times."""

    def __init__(self, link, options, order):
        self.link = link
        resolution = (options.get(NG_IF_TSRESOL) or b"\x06")[0]
        self.ticks = 2 ** (resolution & 0x7f) if resolution & 0x80 else 10 ** resolution
        offset = options.get(NG_IF_TSOFFSET) or b""
        self.offset = struct.unpack(order + "q", offset)[0] if len(offset) == 8 else 0


def ng_block(reader, order, start):
    """The rest of a block behind its type: the body."""
    size = struct.unpack(order + "I", start)[0]
    if size < 12 or size % 4 or size > PACKET_MOST + 4096:
        reader.fail(f"a block of {size} bytes at byte {reader.at - 8}: the file is damaged")
    body = reader.take(size - 8, "a block")
    if body[-4:] != start:
        reader.fail(f"two lengths of one block before byte {reader.at}: the file is damaged")
    return body[:-4]


def ng_packet(reader, order, kind, body, interfaces):
    """One packet of an enhanced or simple packet block."""
    if kind == NG_ENHANCED and len(body) >= 20:
        which, high, low, size, _ = struct.unpack_from(order + "IIIII", body)
        data = body[20:20 + size]
    elif kind == NG_SIMPLE and len(body) >= 4:
        which, high, low = 0, 0, 0
        size = len(body) - 4
        data = body[4:]
    else:
        reader.fail(f"a packet block of {len(body)} bytes: the file is damaged")
    if which >= len(interfaces) or len(data) < size:
        reader.fail(f"a packet block before byte {reader.at} contradicts itself: the file is damaged")
    interface = interfaces[which]
    return (high << 32 | low) / interface.ticks + interface.offset, interface.link, data


def pcapng_packets(reader):
    """The section's type has been read."""
    order, interfaces, kind = "<", [], NG_SECTION
    while True:
        size = reader.take(4, "a block's header")
        if kind == NG_SECTION:
            magic = reader.take(4, "its header")
            order, interfaces = NG_ORDERS.get(magic), []
            if not order:
                reader.fail("a section without a byte order: the file is damaged")
            length = struct.unpack(order + "I", size)[0]
            if not 28 <= length <= PACKET_MOST or length % 4:
                reader.fail(f"a section header of {length} bytes: the file is damaged")
            reader.take(length - 12, "its header")
        else:
            body = ng_block(reader, order, size)
            if kind == NG_INTERFACE:
                if len(body) < 8:
                    reader.fail("an interface's block is too short: the file is damaged")
                link = check_link(reader, struct.unpack_from(order + "H", body)[0])
                interfaces.append(Interface(link, ng_options(body[8:], order), order))
            elif kind in (NG_ENHANCED, NG_SIMPLE):
                yield ng_packet(reader, order, kind, body, interfaces)
        raw = reader.take(4, "a block's header", end_ok=True)
        if raw is None:
            return
        kind = struct.unpack(order + "I", raw)[0]


def packets(file, name):
    """The packets of an open file: (time in seconds, link type, bytes)."""
    reader = Reader(file, name)
    magic = reader.take(4, "its first four bytes", end_ok=True)
    if magic is None:
        reader.fail("the file is empty")
    if magic in PCAP_MAGICS:
        return pcap_packets(reader, magic)
    if magic == PCAPNG_MAGIC:
        return pcapng_packets(reader)
    return reader.fail("neither pcap nor pcapng")


# --- packets ----------------------------------------------------------------

def ip_packet(link, data):
    """The IP packet of a frame; None: another protocol."""
    if link in RAW_LINKS:
        return data
    if link in (LINK_NULL, LINK_LOOP):
        return data[4:]
    at, kind_at = {LINK_ETHERNET: (14, 12), LINK_SLL: (16, 14), LINK_SLL2: (20, 0)}[link]
    kind = int.from_bytes(data[kind_at:kind_at + 2], "big")
    while kind in VLANS:
        kind = int.from_bytes(data[at + 2:at + 4], "big")
        at += 4
    return data[at:] if kind in ETHERTYPES else None


def ipv4_payload(data):
    if len(data) < 20:
        return None
    head, total = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big")
    if data[9] not in PROTOCOLS or int.from_bytes(data[6:8], "big") & 0x1fff or head < 20:
        return None
    # A segment that the device is to divide (TSO) may have 0.
    size = (total or len(data)) - head
    return data[9], ipaddress.IPv4Address(data[12:16]), ipaddress.IPv4Address(data[16:20]), data[head:], size


def ipv6_payload(data):
    if len(data) < 40:
        return None
    size, kind, at = int.from_bytes(data[4:6], "big"), data[6], 40
    size = size or len(data) - 40
    while kind not in PROTOCOLS:
        if at + 8 > len(data):
            return None
        if kind in IPV6_OPTIONS:
            step = (data[at + 1] + 1) * 8
        elif kind == IPV6_AH:
            step = (data[at + 1] + 2) * 4
        elif kind == IPV6_FRAGMENT and not int.from_bytes(data[at + 2:at + 4], "big") & 0xfff8:
            step = 8
        else:
            return None
        kind = data[at]
        at, size = at + step, size - step
    return kind, ipaddress.IPv6Address(data[8:24]), ipaddress.IPv6Address(data[24:40]), data[at:], size


def tcp_options(data):
    """What a ladder shows of the options, by name. A broken one ends the list."""
    found, at = {}, 0
    while at < len(data) and data[at]:
        if data[at] == 1:
            at += 1
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            break
        kind, value = data[at], data[at + 2:at + size]
        if kind == 2 and size == 4:
            found["mss"] = int.from_bytes(value, "big")
        elif kind == 3 and size == 3:
            found["wscale"] = min(value[0], 14)
        elif kind == 4 and size == 2:
            found["sack_permitted"] = True
        elif kind == 5 and size % 8 == 2:
            found["sack"] = list(struct.iter_unpack(">II", value))
        elif kind == 8 and size == 10:
            found["timestamps"] = struct.unpack(">II", value)
        elif kind == 253 and value[:2] == b"\x58\x43":
            found["cookie"] = True
        elif kind == 253 and value[:2] == b"\x58\x54":
            found["token"] = True
        at += size
    return found


def segment(time, link, data):
    """The segment of a packet; None: the packet has none, or not its whole header."""
    packet = ip_packet(link, data)
    if not packet:
        return None
    of_ip = {4: ipv4_payload, 6: ipv6_payload}.get(packet[0] >> 4)
    payload = of_ip(packet) if of_ip else None
    if not payload or len(payload[3]) < 20:
        return None
    wire, source, target, tcp, size = payload
    sport, dport, seq, ack, offset, flags, window = struct.unpack_from(">HHIIBBH", tcp)
    head = (offset >> 4) * 4
    if head < 20 or head > size:
        return None
    sent = data[PACKET_TYPES[link]] == PACKET_OUTGOING if link in PACKET_TYPES else None
    return Segment(time, (source, sport), (target, dport), wire, flags, seq,
                   ack if flags & 0x10 else 0, size - head, window, tcp_options(tcp[20:head]),
                   tcp[20:head], sent)


def segments(file, name):
    """All segments of an open capture file, in the order of their times."""
    found = [s for s in (segment(*p) for p in packets(file, name)) if s]
    if not found:
        raise Failure(f"{name}: no TCP segment in it")
    # A capture of several CPUs may have packets out of order.
    return sorted(found, key=lambda s: s.time)
