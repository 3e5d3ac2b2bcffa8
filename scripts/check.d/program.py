# SPDX-License-Identifier: GPL-2.0
"""The tests' programs: finding them, building them, listing their tests."""

import collections
import os
import re
import shlex
import subprocess

import contexts
import marker
from common import SCRIPTS, TOP, die, flag, take_turn
from variants import (EVERY, FOREIGN, VARIANTS, WORDS, few, guest_of, kernels_of,
                      runs_at)

ERROR_LINES = 40
# Folders of selftests/ that are no rooms: nothing in them is a test.
NO_ROOMS = ("lib", "inside", "bench", "contention", "modules", "drivers")
LANE = flag("LANE")
ALL = flag("ALL")
FEW = os.environ.get("ALL") == "ci"


def built(stem, cross=""):
    """Where scripts/check.mk puts a program. @cross: the prefix of its compiler; what is no
    program in C is the same for all architectures."""
    if not os.path.exists(os.path.join(TOP, "selftests", stem + ".c")):
        cross = ""
    return os.path.join("build", cross.rstrip("-"), "selftests", stem)


class Test:
    """One program as one of its variants."""

    def __init__(self, source, marks, variant, kernels=EVERY):
        self.source, self.variant = source, variant
        self.marks = dict(marks)    # the words of its marker and their values
        self.kernels = kernels      # where it is run, of the kernels by age
        self.stem, kind = os.path.splitext(source[len("selftests/"):])
        self.name = self.stem + variant.suffix
        self.context = ""           # or one of contexts.py
        self.is_script = kind == ".sh"
        self.subtests = []          # empty: all of them
        self.broken = None          # the compiler's words

    @property
    def program(self):
        return built(self.stem)

    def programs(self, cross=""):
        """What its guest gets: itself and the other programs that it runs, as (name, path).
        @cross: of the kernel."""
        stems = [*([] if self.is_script else [self.stem]), *self.marks["uses"]]
        return [(stem, built(stem, cross)) for stem in stems]

    def guest(self):
        return guest_of(self.marks)

    def command(self):
        words = ["/xtcp/selftests/" + self.stem]
        if self.is_script:
            words = ["bash", words[0] + ".sh"]
        if self.variant.environment:
            words = ["env"] + self.variant.environment.split() + words
        for subtest in self.subtests:
            words += ["-r", subtest]
        return " ".join(map(shlex.quote, words))

    def put_in_real_time(self, cpus):
        """Changes the program to @cpus CPUs, without subtests that need virtual time."""
        self.marks["smp"] = cpus
        still = self.marks["still"]
        if not still or self.subtests or self.broken:
            return
        subtests = self.list_subtests()
        for name in still:
            if not any(s.endswith("." + name) for s in subtests):
                die(f"{self.source}: no subtest '{name}', after vm: still=")
        self.subtests = [s for s in subtests if s.rpartition(".")[2] not in still]

    def list_subtests(self):
        """The harness can list its tests, but prints variants and tests as two
        columns beside each other; an absent word leaves its column blank."""
        out = subprocess.run([os.path.join(TOP, self.program), "-l"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", timeout=20, check=False).stdout
        fixtures = []
        for line in out.splitlines():
            if not line.strip() or line.startswith(("#", "--")):
                continue
            indent = len(line) - len(line.lstrip(" "))
            words = line.split()
            if indent == 0:
                fixtures.append((words.pop(0), [], []))
                indent = 21 if len(words) == 2 else 47
            if not fixtures:
                continue
            _, variants, tests = fixtures[-1]
            if len(words) == 2:
                variants.append(words[0])
                tests.append(words[1])
            elif words:
                (variants if indent < 40 else tests).append(words[0])
        return [".".join(filter(None, (f, v, t)))
                for f, variants, tests in fixtures for v in variants or [""] for t in tests]


def find_sources():
    """The programs and scripts of each room, by name."""
    sources = []
    for room in sorted(os.listdir(os.path.join(TOP, "selftests"))):
        folder = os.path.join(TOP, "selftests", room)
        if room in NO_ROOMS or not os.path.isdir(folder):
            continue
        # Programs that are large to fetch: only by `make programs`, and nothing else then.
        if (room == "lane") != LANE:
            continue
        sources += [f"selftests/{room}/{name}" for name in sorted(os.listdir(folder))
                    if name.endswith((".c", ".sh")) and not name.startswith(".")]
    names = collections.Counter(os.path.splitext(source)[0] for source in sources)
    for name, count in names.items():
        if count > 1:
            die(f"{name}: both a program and a script")
    return sources


def find_tests():
    """All tests: one variant after the other. Only the first one, if neither ALL nor T
    asks for more, and none of a context that T does not name."""
    pattern = os.environ.get("T", "")
    variants = VARIANTS if ALL or "@" in pattern else VARIANTS[:1]
    marked = [(source, marker.read(source, WORDS)) for source in find_sources()]
    if FEW and not pattern:
        marked = [(source, marks) for source, marks in marked if not marks["rare"]]
    tests = []
    for source, marks in marked:
        own = [(variant, kernels_of(variant, marks)) for variant in variants]
        own = [(variant, kernels) for variant, kernels in own if kernels]
        tests += [Test(source, marks, variant, kernels)
                  for variant, kernels in (few(source, own, marks) if FEW and not pattern else own)]
    tests.sort(key=lambda test: variants.index(test.variant))
    for context, variant in contexts.variants_of(pattern):
        for source, marks in marked:
            if kernels_of(variant, marks) and contexts.fits(context, source):
                test = Test(source, marks, variant)
                test.marks["timeout"] *= context.slowness
                test.marks["append"] = f"{test.marks['append']} {context.append}".strip()
                test.context = context.name
                tests.append(test)
    return tests


def make(programs, *options):
    # What scripts/compile prints while it waits would be part of the compiler's output.
    take_turn("selftests", "another make compiles test programs here; waiting for its end").close()
    return subprocess.run([os.path.join(SCRIPTS, "compile"), *options, *programs], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)


def build(tests, crosses=()):
    """Builds the programs in parallel; one that does not compile is a failed test. @crosses:
    prefixes of compilers for other architectures. The host's programs name the tests."""
    build_for(tests, "")
    for cross in crosses:
        build_for([t for t in tests if runs_at(FOREIGN, t.marks)], cross)


def build_for(tests, cross):
    wanted = {t: [path for _, path in t.programs(cross)] for t in tests}
    programs = sorted({p for of_test in wanted.values() for p in of_test})
    options = ("-k", f"CROSS_COMPILE={cross}")
    if not programs or make(programs, *options).returncode == 0:
        return
    for test in tests:
        if not wanted[test]:
            continue
        one = make(wanted[test], *options)
        if one.returncode != 0:
            test.broken = one.stdout.splitlines()[-ERROR_LINES:]


def choose(tests, pattern, crosses=()):
    """The tests whose name matches, else those with a matching subtest; built."""
    try:
        wanted = re.compile(pattern)
    except re.error as e:
        die(f"T={pattern} is no regular expression: {e}")
    chosen = [t for t in tests if wanted.search(t.name)]
    if chosen:
        build(chosen, crosses)
        return chosen
    # Only compiled programs know their subtests; a script is searched as text.
    build(tests, crosses)
    for test in tests:
        if test.is_script:
            with open(os.path.join(TOP, test.source), errors="replace") as f:
                if wanted.search(f.read()):
                    chosen.append(test)
        elif not test.broken:
            test.subtests = [s for s in test.list_subtests()
                             if wanted.search(s) or wanted.search(f"{test.name}:{s}")]
            if test.subtests:
                chosen.append(test)
    if not chosen:
        die(f"T={pattern} matches no test")
    return chosen
