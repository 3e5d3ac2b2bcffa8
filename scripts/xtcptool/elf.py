# SPDX-License-Identifier: GPL-2.0
"""elf: what the dynamic linker looks at in a program or a library."""

import errno
import os
import stat
import struct
import typing

ELF_64, BIG_ENDIAN, PT_INTERP = 2, 2, 3
LONGEST_PATH = 4096


class Elf(typing.NamedTuple):
    machine: tuple	# class, byte order, e_machine
    interpreter: str	# the dynamic linker's path; empty: it asks for none


def open_program(path):
    """For bytes. A service's user may choose what root opens here: a FIFO would wait for ever, and a device may act on it."""
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(errno.EACCES, "no regular file", path)
        return open(f"/proc/self/fd/{place}", "rb")
    finally:
        os.close(place)


def read(path):
    """None: it is no ELF file, or can't be read."""
    try:
        with open_program(path) as f:
            return parse(f)
    except (OSError, ValueError, OverflowError, struct.error):
        return None


def parse(f):
    head = f.read(64)
    if len(head) < 64 or head[:4] != b"\x7fELF":
        return None
    wide, order = head[4] == ELF_64, ">" if head[5] == BIG_ENDIAN else "<"
    machine = (head[4], head[5], *struct.unpack_from(order + "H", head, 18))
    start, = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    f.seek(start)
    table = f.read(size * count)
    for at in range(0, len(table), size):
        if struct.unpack_from(order + "I", table, at)[0] == PT_INTERP:
            offset, _, _, length = struct.unpack_from(order + ("4Q" if wide else "4I"), table, at + (8 if wide else 4))
            f.seek(offset)
            return Elf(machine, f.read(min(length, LONGEST_PATH)).rstrip(b"\0").decode(errors="replace"))
    return Elf(machine, "")
