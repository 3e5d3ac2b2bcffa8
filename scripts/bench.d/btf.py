# SPDX-License-Identifier: GPL-2.0
"""The types of a kernel and its modules, read from their BTF sections."""

import re
import struct
import subprocess

PTR, STRUCT, UNION, TYPEDEF, VOLATILE, CONST, RESTRICT = 2, 4, 5, 8, 9, 10, 11
FUNC, FUNC_PROTO, TYPE_TAG = 12, 13, 18
# Bytes behind the header of a type: fixed, or of each of its vlen members.
FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


def section(elf):
    out = subprocess.run(["readelf", "--section-headers", "--wide", elf], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    at, size = re.search(r" \.BTF +PROGBITS +\w+ (\w+) (\w+)", out).groups()
    with open(elf, "rb") as f:
        f.seek(int(at, 16))
        return f.read(int(size, 16))


class Types:
    """Types by number; a module's continue the numbers of the kernel's."""

    def __init__(self, vmlinux):
        self.types, self.strings = [None], b""
        self.arguments, self.sizes = {}, {}
        self.add(vmlinux)

    def add(self, elf):
        data = section(elf)
        _, _, _, head, type_at, type_len, string_at, string_len = struct.unpack_from("<HBBIIIII", data)
        first = len(self.types)
        self.strings += data[head + string_at:head + string_at + string_len]
        at, end = head + type_at, head + type_at + type_len
        while at < end:
            name, info, size = struct.unpack_from("<III", data, at)
            kind, vlen = info >> 24 & 0x1f, info & 0xffff
            at += 12
            members = []
            if kind == FUNC_PROTO:
                members = [struct.unpack_from("<II", data, at + 8 * i)[1] for i in range(vlen)]
            self.types.append((kind, name, size, members))
            at += FIXED.get(kind, 0) + EACH.get(kind, 0) * vlen
        for kind, name, size, _ in self.types[first:]:
            if kind == FUNC:
                self.arguments[self.text(name)] = self.types[size][3]
            elif kind == STRUCT and name:
                self.sizes[self.text(name)] = size

    def text(self, at):
        return self.strings[at:self.strings.index(b"\0", at)].decode()

    def plain(self, number):
        while self.types[number] and self.types[number][0] in (TYPEDEF, VOLATILE, CONST, RESTRICT,
                                                               TYPE_TAG):
            number = self.types[number][2]
        return self.types[number]

    def pointed(self, function, argument):
        """(name, size) of the structure that an argument of a function points to, or None."""
        numbers = self.arguments.get(function, [])
        if argument >= len(numbers):
            return None
        pointer = self.plain(numbers[argument])
        if not pointer or pointer[0] != PTR:
            return None
        target = self.plain(pointer[2])
        if not target or target[0] not in (STRUCT, UNION) or not target[1]:
            return None
        return self.text(target[1]), target[2]
