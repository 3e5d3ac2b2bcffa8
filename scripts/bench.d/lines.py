# SPDX-License-Identifier: GPL-2.0
"""What the plugin lines.c counted: cache lines of each operation, and what they hold.

A line has the name of the static variable or per-CPU variable in it, or of the structure
that a function's argument points to (known from BTF, when the function reads it through
the argument's register), or else of the function that accesses it most.
"""

import bisect
import collections
import re
import subprocess
import tempfile

LINE = 64
ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
# An argument's register is trusted for that many bytes from the function's beginning.
TRUSTED = 48
# A stack is that large and aligned.
STACK = 16384
# A socket is handed around as one of its first parts; who accesses it from its beginning,
# and behind those, tells what it is.
SOCKETS = ("sock_common", "sock", "inet_sock", "inet_connection_sock", "tcp_sock", "xtcp_sock")
SOCKET_PART = 840
WHOLE_SOCKETS = ("tcp_sock", "xtcp_sock")
PER_CPU_SIZE = 1 << 20
OPERAND = re.compile(r"(%gs:)?(-?0x[0-9a-f]+)?\((%\w+)?(?:,(%\w+))?(?:,\d)?\)")
PER_CPU = re.compile(r"%gs:(0x[0-9a-f]+)(?![0-9a-f(])")


def disassembled(code):
    """{address: text} of instructions given as {address: bytes}."""
    addresses = list(code)
    blob = b"".join(code[a].ljust(16, b"\x90") for a in addresses)
    with tempfile.NamedTemporaryFile(prefix="xtcp-lines.") as f:
        f.write(blob)
        f.flush()
        out = subprocess.run(["objdump", "-D", "-z", "-b", "binary", "-m", "i386:x86-64",
                              "--no-show-raw-insn", f.name],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    found = {}
    for line in out.splitlines():
        m = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
        if m and int(m.group(1), 16) % 16 == 0:
            found[addresses[int(m.group(1), 16) // 16]] = m.group(2)
    return found


class Section:
    """The counts of one step on one side."""

    def __init__(self):
        self.rounds = {}
        self.operations = 1
        self.lines = collections.defaultdict(dict)   # address -> cpu -> (touched, written)
        self.uses = []                               # (cpu, address, code, touched, written)
        self.code = {}

    def add(self, words):
        if words[0] == "rounds":
            self.rounds[int(words[1])] = int(words[2])
        elif words[0] == "line":
            self.lines[int(words[2], 16)][int(words[1])] = int(words[3]), int(words[4])
        elif words[0] == "use":
            self.uses.append((int(words[1]), int(words[2], 16), int(words[3], 16),
                              int(words[4]), int(words[5])))
        elif words[0] == "code":
            self.code[int(words[1], 16)] = bytes.fromhex(words[2])

    def touched(self, address):
        return sum(touched for touched, _ in self.lines[address].values())

    def written(self, address):
        return sum(written for _, written in self.lines[address].values())

    def shared(self, address):
        """
        How often at most the line has to move to a CPU because another one wrote it: a
        CPU's operations that touch it, but no more than others' that write it.
        """
        counts = self.lines[address]
        return sum(min(touched, sum(w for other, (_, w) in counts.items() if other != cpu))
                   for cpu, (touched, _) in counts.items())


def read(path):
    sections = []
    with open(path) as f:
        for line in f:
            if line == "section\n":
                sections.append(Section())
            else:
                sections[-1].add(line.split())
    return sections


def without_parts(objects):
    """Without structures that lie within a whole socket, which has a better name for them."""
    found, end = {}, 0
    for base in sorted(objects):
        name, size = objects[base]
        if base < end:
            continue
        found[base] = name, size
        if name in WHOLE_SOCKETS:
            end = base + size
    return found


class Names:
    """Names of the lines of one section."""

    def __init__(self, section, code_symbols, data_symbols, types):
        self.section, self.code_symbols, self.data_symbols = section, code_symbols, data_symbols
        self.types = types
        self.text = disassembled(section.code)
        self.per_cpu = self.find_per_cpu()
        self.stacks = self.find_stacks()
        self.objects = self.find_objects()
        self.bases = sorted(self.objects)
        self.users = collections.defaultdict(collections.Counter)
        for _, address, code, touched, _ in section.uses:
            self.users[address // LINE * LINE][self.function(code)] += touched

    def function(self, code):
        (name, module), _ = self.code_symbols.at(code)
        return f"{name} {module}".rstrip()

    def find_per_cpu(self):
        """CPU -> address of its per-CPU variables."""
        found = {}
        for cpu, address, code, _, _ in self.section.uses:
            m = PER_CPU.search(self.text.get(code, ""))
            # The first of the four bytes is told, which may be before the operand.
            if m and cpu not in found:
                found[cpu] = address - int(m.group(1), 16) & ~3
        return found

    def find_stacks(self):
        """Where the kernel's stacks are, by what is reached from the stack pointer."""
        return {address // STACK for _, address, code, _, _ in self.section.uses
                if "(%rsp" in self.text.get(code, "")}

    def find_objects(self):
        """Address -> (name, size) of structures that arguments point to."""
        votes = collections.defaultdict(collections.Counter)
        parts = collections.defaultdict(set)
        for _, address, code, touched, _ in self.section.uses:
            m = OPERAND.search(self.text.get(code, ""))
            if not m or m.group(1) or m.group(4) or address // STACK in self.stacks:
                continue
            (function, module), _ = self.code_symbols.at(code)
            # An access may have begun before the four bytes that are told.
            offset = int(m.group(2) or "0", 16)
            base = address - offset
            if base % 8 or offset < 0:
                continue
            if offset >= SOCKET_PART:
                parts[base].add("xtcp_sock" if module else "tcp_sock")
            start, register = self.code_symbols.start(code), (m.group(3) or "")[1:]
            if start is None or code - start > TRUSTED or register not in ARGUMENTS:
                continue
            pointed = self.types.pointed(function, ARGUMENTS.index(register))
            if pointed and offset < pointed[1]:
                votes[base][pointed] += touched
        found = {base: max(kinds, key=kinds.get) for base, kinds in votes.items()}
        for base, (name, _) in found.items():
            if name in SOCKETS and parts[base]:
                whole = "xtcp_sock" if "xtcp_sock" in parts[base] else "tcp_sock"
                found[base] = whole, self.types.sizes[whole]
        return without_parts(found)

    def structure(self, address):
        """(name, offset of the line) of the innermost known structure, or None."""
        last = address + LINE - 1
        i = bisect.bisect_right(self.bases, last) - 1
        # An array of small ones, or a structure that begins far before.
        for base in reversed(self.bases[max(0, i - 40):i + 1]):
            name, size = self.objects[base]
            if base + size > address and base <= last:
                return name, address - base
        return None

    def static(self, address):
        for base in self.per_cpu.values():
            offset = address - base
            if 0 <= offset < PER_CPU_SIZE:
                return "per-CPU " + (self.data_symbols.within(offset, LINE) or f"{offset:#x}")
        return self.data_symbols.within(address, LINE)

    def name(self, address):
        static = self.static(address)
        if static:
            return static
        if address // STACK in self.stacks:
            return "(the stack)"
        found = self.structure(address)
        if found:
            name, offset = found
            return f"struct {name} {offset:+#x}"
        user = self.users[address].most_common(1)
        return f"({user[0][0]})" if user else "(unknown)"

    def users_of(self, addresses, number):
        total = collections.Counter()
        for address in addresses:
            total.update(self.users[address])
        return [function for function, _ in total.most_common(number)]


def grouped(section, names):
    """{name: [touched, written, shared, addresses]} per operation."""
    rounds = section.operations
    groups = collections.defaultdict(lambda: [0, 0, 0, []])
    for address in section.lines:
        group = groups[names.name(address)]
        group[0] += section.touched(address) / rounds
        group[1] += section.written(address) / rounds
        group[2] += section.shared(address) / rounds
        group[3].append(address)
    return groups


def totals(section, names):
    """Lines, shared lines, and those of the latter that code of xtcp touches."""
    rounds = section.operations
    shared = ours = 0
    for address in section.lines:
        moved = section.shared(address) / rounds
        shared += moved
        if moved and any(user.endswith("[xtcp]") for user in names.users[address]):
            ours += moved
    return sum(map(section.touched, section.lines)) / rounds, shared, ours
