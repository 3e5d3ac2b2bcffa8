#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""capture.py: writes a capture for ladder.sh, dissector.sh and record.sh, or damages one.

  capture.py make FORMAT LINK FAMILY PROTOCOL <LINES     a capture on standard output
  capture.py damage TIMES FILE WORD...                   runs `xtcp WORD... FILE` with damaged copies of FILE

FORMAT: pcap, pcap-ns (big-endian, nanoseconds), pcapng. LINK: ethernet, vlan, sll, sll2, raw.
A line is a segment: SECONDS >|< FLAGS SEQ ACK LENGTH WINDOW [OPTION...]; FLAGS are letters of FSRPA;
an option is mss=N, wscale=N, sackok, sack=FROM-TO[,FROM-TO], or hex=BYTES. > is from 10.9.0.1 or
fd09::1, port 40000, to 10.9.0.2 or fd09::2, port 80. Checksums of segments are right, or with the
word badsum wrong. cut=N: the capture has the first N bytes of the segment only.
"""

import contextlib
import io
import ipaddress
import os
import random
import struct
import sys

LINKS = {"ethernet": 1, "vlan": 1, "sll": 113, "sll2": 276, "raw": 101}
FLAGS = "FSRPA"


def options(words):
    data = b""
    for word in words:
        name, _, value = word.partition("=")
        if name == "mss":
            data += struct.pack(">BBH", 2, 4, int(value))
        elif name == "wscale":
            data += struct.pack(">BBBB", 1, 3, 3, int(value))
        elif name == "sackok":
            data += bytes((1, 1, 4, 2))
        elif name == "sack":
            blocks = [tuple(map(int, b.split("-"))) for b in value.split(",")]
            data += bytes((1, 1, 5, 2 + 8 * len(blocks)))
            data += b"".join(struct.pack(">II", *(n & 0xffffffff for n in b)) for b in blocks)
        elif name == "hex":
            data += bytes.fromhex(value)
    return data


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2 + 1}H", data + bytes(2 - len(data) % 2)))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff - total


def packet(line, family, protocol):
    _, way, flags, seq, ack, length, window, *more = line.split()
    hosts = ("10.9.0.1", "10.9.0.2") if family == 4 else ("fd09::1", "fd09::2")
    ends = list(zip((ipaddress.ip_address(h) for h in hosts), (40000, 80)))
    (source, sport), (target, dport) = ends if way == ">" else reversed(ends)
    extra = options(more)
    tcp = struct.pack(">HHIIBBHHH", sport, dport, int(seq) & 0xffffffff, int(ack) & 0xffffffff,
                      (20 + len(extra)) // 4 << 4, sum(1 << FLAGS.index(f) for f in flags
                                                       if f != "A") | ("A" in flags) << 4,
                      int(window), 0, 0) + extra + bytes(int(length))
    value = checksum(source.packed + target.packed + struct.pack(">II", len(tcp), protocol) + tcp)
    tcp = tcp[:16] + struct.pack(">H", value ^ ("badsum" in more)) + tcp[18:]
    if family == 4:
        return struct.pack(">BBHIBBH", 0x45, 0, 20 + len(tcp), 0, 64, protocol, 0) + \
            source.packed + target.packed + tcp
    # Behind a header of destination options.
    return struct.pack(">IHBB", 0x60000000, 8 + len(tcp), 60, 64) + source.packed + target.packed + \
        bytes((protocol, 0, 1, 4, 0, 0, 0, 0)) + tcp


def missing(line):
    """Bytes of the segment that the capture lacks."""
    more = line.split()[7:]
    whole = 20 + len(options(more)) + int(line.split()[5])
    return next((whole - int(word[4:]) for word in more if word.startswith("cut=")), 0)


def frame(link, family, data):
    kind = struct.pack(">H", 0x0800 if family == 4 else 0x86dd)
    return {"ethernet": bytes(12) + kind, "vlan": bytes(12) + b"\x81\x00\x00\x05" + kind,
            "sll": bytes(14) + kind, "sll2": kind + bytes(18), "raw": b""}[link] + data


def block(kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def make(form, link, family, protocol):
    number = LINKS[link]
    out = {"pcap": struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, number),
           "pcap-ns": struct.pack(">IHHIIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, number),
           "pcapng": block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)) +
           # A resolution of 10^-9.
           block(1, struct.pack("<HHI", number, 0, 0) + struct.pack("<HHB3xI", 9, 1, 9, 0))}[form]
    for line in sys.stdin.read().splitlines():
        data = frame(link, family, packet(line, family, protocol))
        size = len(data)
        data = data[:size - missing(line)]
        time = round(float(line.split()[0]) * 10**9)
        if form == "pcapng":
            out += block(6, struct.pack("<IIIII", 0, time >> 32, time & 0xffffffff, len(data),
                                        size) + data)
        else:
            order, part = ("<", 1000) if form == "pcap" else (">", 1)
            out += struct.pack(order + "IIII", time // 10**9, time % 10**9 // part, len(data),
                               size) + data
    sys.stdout.buffer.write(out)


def damage(times, path, words):
    """Reads damaged copies in this process. Each must end with status 0, or 1 and one line."""
    sys.path.insert(0, os.environ["XTCPTOOL"])
    from xtcptool.main import main
    with open(path, "rb") as f:
        whole = f.read()
    dice, statuses = random.Random(1), [0, 0]
    for _ in range(times):
        data = bytearray(whole[:dice.randrange(len(whole)) if dice.random() < .2 else None])
        for _ in range(dice.randrange(1, 6)):
            if data:
                data[dice.randrange(len(data))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
        with open(path + ".damaged", "wb") as f:
            f.write(data)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*words, path + ".damaged"])
        if status not in (0, 1) or err.getvalue().count("\n") != status:
            sys.exit(f"status {status} and '{err.getvalue()}' for {bytes(data).hex()}")
        statuses[status] += 1
    if not all(statuses):
        sys.exit(f"statuses 0 and 1: {statuses} times")


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
else:
    damage(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
