# SPDX-License-Identifier: GPL-2.0
"""sniff: packets of this network namespace, by AF_PACKET, and the pcapng file that keeps them.

Frames have the header of Linux's cooked captures (SLL2), which tells the device and the direction.
"""

import ctypes
import socket
import struct
import time

from xtcptool import Failure, bpf
from xtcptool.capture import (LINK_SLL2, NG_ENHANCED, NG_IF_TSRESOL, NG_INTERFACE, NG_SECTION, PACKET_OUTGOING)
from xtcptool.segment import PROTOCOLS

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35
TIMESPEC = struct.Struct("=qq")
BUFFER = 32 << 20
LARGEST = 1 << 17

SLL2 = struct.Struct(">HHIHBB8s")
ARPHRD_LOOPBACK = 772

NG_SHB_USERAPPL, NG_IF_NAME, NANOSECONDS = 4, 2, 9


# --- capture ----------------------------------------------------------------

def attach(sock, program):
    held = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HP", len(program) // 8, ctypes.addressof(held)))


class Sniffer:
    """An open capture of all devices. A context manager."""

    def __init__(self, filters=()):
        """@filters: of the ends; the kernel drops packets that do not fit."""
        try:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        except PermissionError:
            raise Failure("only root may capture packets") from None
        attach(self.sock, bpf.of_segments(PROTOCOLS, [bpf.ends_of_filter(f) for f in filters]))
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:  # in a container; net.core.rmem_max limits it then
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def narrow(self, wire, ends):
        """From now on only segments of one connection are kept."""
        attach(self.sock, bpf.of_segments([wire], [bpf.ends_of_pair(*ends)]))

    def waiting(self):
        """As packets(), but only those that have come until now."""
        until = time.time_ns()
        for packet in self.packets(pause=0):
            if packet is None:
                return
            yield packet
            if packet[0] > until:
                return

    def packets(self, pause=0.1):
        """(nanoseconds since 1970, SLL2 frame) of each, and None whenever there are none."""
        self.sock.settimeout(pause)
        while True:
            try:
                data, ancillary, _, (device, protocol, kind, hardware, address) = self.sock.recvmsg(
                    LARGEST, socket.CMSG_SPACE(TIMESPEC.size))
            except (socket.timeout, BlockingIOError):
                yield None
                continue
            except UnicodeDecodeError:
                raise Failure("a device has a name that is not UTF-8: rename it") from None
            # What a loopback device delivers was seen on its way out.
            if hardware == ARPHRD_LOOPBACK and kind != PACKET_OUTGOING:
                continue
            yield stamp(ancillary), SLL2.pack(protocol, 0, index_of(device), hardware, kind,
                                              min(len(address), 8), address[:8].ljust(8, b"\0")) + data

    def lost(self):
        """How many packets found no room."""
        return struct.unpack("=II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]


def stamp(ancillary):
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, part = TIMESPEC.unpack(data[:TIMESPEC.size])
            return seconds * 10**9 + part
    return time.time_ns()


def index_of(device):
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0


# --- pcapng -----------------------------------------------------------------

def block(kind, body):
    size = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + size + body + size


def option(code, value):
    return struct.pack("=HH", code, len(value)) + value + bytes(-len(value) % 4)


class Pcapng:
    """Writes a pcapng file of SLL2 frames, each at once."""

    def __init__(self, file):
        self.file = file
        end = option(0, b"")
        self.file.write(
            block(NG_SECTION, struct.pack("=IHHq", 0x1a2b3c4d, 1, 0, -1) +
                  option(NG_SHB_USERAPPL, b"xtcp record") + end) +
            block(NG_INTERFACE, struct.pack("=HHI", LINK_SLL2, 0, 0) + option(NG_IF_NAME, b"any") +
                  option(NG_IF_TSRESOL, bytes((NANOSECONDS,))) + end))
        self.file.flush()

    def add(self, when_ns, frame):
        self.file.write(block(NG_ENHANCED, struct.pack("=IIIII", 0, when_ns >> 32, when_ns & 0xffffffff,
                                                       len(frame), len(frame)) +
                              frame + bytes(-len(frame) % 4)))
        self.file.flush()

    def close(self):
        self.file.close()
