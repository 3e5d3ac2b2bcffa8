# SPDX-License-Identifier: GPL-2.0
"""Which test programs a mutant has to survive, and in which order they run."""

import hashlib
import json
import os
import re

import marker
import progress
from common import TOP
from kernel import Kernel
from program import Test, find_sources
from variants import VARIANTS, WORDS, runs_at

# The rooms of selftests/ for the folders of module/, where the names differ.
ROOMS = {
    "": ("open", "close", "transfer", "net"),
    "segment": ("transfer", "close", "hostile", "net"),
    "port": ("open", "tcpwire"),
    "observe": ("user",),
    "congestion": ("transfer",),
}
# Programs that enter much of the module; they run last.
BROAD = ("open/handshake", "close/teardown", "transfer/retransmit", "transfer/recovery", "open/states",
         "close/states", "hostile/options", "hostile/flags", "hostile/blind", "user/proc", "user/tcpinfo",
         "user/calls", "user/matrix", "script/packetdrill", "hostile/faults", "hostile/fuzz")
# Files of which the other wire or family shows more: for these the broad programs run so, too.
VARIANTS_OF = ((re.compile(r"net/hook|prerouting|shadow|origdst"), "@6"),
               (re.compile(r"6\.c$|net/hookv6"), "@v6"))
# A function's knobs and counters, and how the tests' names and texts have them.
KNOB = re.compile(r"XTCP_KNOB\([^,;]*(?:\([^)]*\))?[^,;]*,\s*(\w+)\)|knobs\.(\w+)")
COUNTED = re.compile(r"XTCP_(?:INC|ADD)\w*\([^;]*?,\s*([A-Z][A-Z0-9_]+)|XTCP_MIB_([A-Z0-9_]+)")
COUNTERS = re.compile(r'X\((\w+),\s*"(\w+)"\)')
# Of a program that has never been timed.
FIRST_GUESS_S = 4.0
# The programs of a mutant need no more seconds than this, unless ALL asks for the others.
LIMIT_S = 60.0
SECONDS = os.path.join(TOP, "build", "mutants", "seconds.json")


def all_programs(place):
    """Every program that a kernel's place (variants.py) runs, in each of its variants. Those that
    compute until some time has passed take too long here."""
    tests = {}
    for source in find_sources():
        marks = marker.read(source, WORDS)
        if not runs_at(place, marks) or marks["busy"]:
            continue
        for variant in VARIANTS:
            if any(all(marks[word] for word in asked.split()) for asked in variant.asked):
                test = Test(source, marks, variant)
                tests[test.name] = test
    return tests


class Programs:
    """The programs, what they need of time, and what they have killed."""

    def __init__(self, release, pattern, everything):
        self.tests = all_programs(Kernel(release).place())
        self.release, self.everything = release, everything
        self.pattern = re.compile(pattern) if pattern else None
        self.seconds = {key.split(" ", 1)[1]: s for key, s in progress.remembered().items()
                        if key.startswith(release + " ")}
        self.seconds.update(progress.remembered(SECONDS))
        self.kills = []         # (file, function, program)
        self.unsound = set()    # they fail without a mutant
        self.covered = None     # which of them execute what; None: unknown
        self.texts, self.digests = {}, {}
        with open(os.path.join(TOP, "module", "observe", "stats.h")) as f:
            self.counters = dict(COUNTERS.findall(f.read()))

    def took(self, name, seconds):
        """A program has passed. The shortest time counts: the host had nothing else to do."""
        self.seconds[name] = round(min(seconds, self.seconds.get(name, seconds)), 1)
        with open(SECONDS + ".new", "w", encoding="ascii") as f:
            json.dump(self.seconds, f, indent=0, sort_keys=True)
        os.replace(SECONDS + ".new", SECONDS)

    def seconds_of(self, name):
        return self.seconds.get(name, FIRST_GUESS_S)

    def measured(self):
        """The programs whose execution is measured: each as it is, and the broad ones on the other
        wire and over IPv6."""
        broad = {name + suffix for name in BROAD for _, suffix in VARIANTS_OF}
        return [test for name, test in sorted(self.tests.items()) if "@" not in name or name in broad]

    def about(self, mutant):
        """The names of the programs that execute a mutant's place. First those that have the name of its
        file, then those that name a knob or a counter of its function, those with the name of the file's
        folder, then those of the room, and of these the quick ones."""
        room, stem = os.path.split(mutant.file[:-len(".c")])
        named = self.naming(mutant.body)
        rooms = ROOMS.get(room, (room,))

        def rank(name):
            return (not is_like(name, stem), name not in named, not (room and is_like(name, room)),
                    name.split("/")[0] not in rooms, self.seconds_of(name))

        if self.pattern:
            return sorted((name for name in self.tests if self.pattern.search(name) and
                           ("@" in self.pattern.pattern or "@" not in name)), key=rank)
        covering = (self.covered.covering(mutant) if self.covered else set()) & set(self.tests)
        return sorted(covering, key=rank) or self.guess(mutant, rank)

    def guess(self, mutant, rank):
        """The programs for a mutant if nobody knows who executes it."""
        room, stem = os.path.split(mutant.file[:-len(".c")])
        near = sorted((name for name in self.tests if "@" not in name and
                       (name.split("/")[0] in ROOMS.get(room, (room,)) or is_like(name, stem))), key=rank)
        suffixes = [suffix for pattern, suffix in VARIANTS_OF if pattern.search(mutant.file)]
        broad = list(BROAD) + [name + suffix for suffix in suffixes for name in BROAD]
        return [name for name in dict.fromkeys(near + broad) if name in self.tests]

    def limited(self, names):
        """The first of them, as many as the limit allows."""
        if self.everything or self.pattern:
            return names
        left, chosen = LIMIT_S, []
        for name in names:
            seconds = self.seconds_of(name)
            if seconds <= left or not chosen:
                chosen.append(name)
                left -= seconds
        return chosen

    def naming(self, body):
        """The programs with tests of the knobs and counters in a function's text."""
        words = {f"knob_{a or b}" for a, b in KNOB.findall(body)}
        words |= {"ctr_" + self.counters[a or b] for a, b in COUNTED.findall(body)
                  if (a or b) in self.counters}
        return {name for name, test in self.tests.items() if "@" not in name and
                any(re.search(rf"{word}(?![a-z0-9])", self.text_of(test.source)) for word in words)}

    def text_of(self, source):
        if source not in self.texts:
            with open(os.path.join(TOP, source), errors="replace") as f:
                self.texts[source] = f.read()
        return self.texts[source]

    def choose(self, mutant):
        """The programs for a mutant in their order, and all that execute it. First those that have
        killed others of its function, then of its file."""
        in_function = [p for file, function, p in self.kills
                       if (file, function) == (mutant.file, mutant.function)]
        in_file = [p for file, _, p in self.kills if file == mutant.file]
        names = [name for name in self.about(mutant) if name not in self.unsound]
        names.sort(key=lambda name: (-in_function.count(name), -in_file.count(name)))
        return [self.tests[name] for name in self.limited(names)], [self.tests[name] for name in names]

    def digest(self, tests):
        """Changes if one of the programs does, or their number."""
        whole = hashlib.sha1()
        for name in sorted(test.name + " " + self.digest_of(test.source) for test in tests):
            whole.update(name.encode())
        return whole.hexdigest()[:12]

    def digest_of(self, source):
        if source not in self.digests:
            self.digests[source] = hashlib.sha1(self.text_of(source).encode()).hexdigest()
        return self.digests[source]


def is_like(name, stem):
    """Has a program (transfer/rack) the name of a file (rack), or one the other's in it?"""
    name = name.split("/")[1].split("@")[0]
    return name in stem or stem in name


def by_guest(tests):
    """The programs as groups that share a guest; the group of the first one is first."""
    groups = {}
    for test in tests:
        groups.setdefault(test.guest(), []).append(test)
    return list(groups.items())
