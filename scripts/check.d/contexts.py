# SPDX-License-Identifier: GPL-2.0
"""Contexts: surroundings of a program that its tests do not mention (selftests/lib/context.h).

They are variants that only T= asks for, by their name: T='^open/.*@queue$'. Those over IPv6 or with
mapped addresses have to be named, too: T='^open/.*@v6@queue$'. A program needs no word for them:
it runs in a context, on both wires, if the context's pattern is found in its source.
selftests/contexts-left-out has the tests that cannot run there, and why.
"""

import collections
import fnmatch
import os
import re
import typing

from common import TOP, die
from variants import VARIANTS

LEFT_OUT = "selftests/contexts-left-out"

FIXTURE = r"P(EER|AIR)_FIXTURE\(|netns_new\(|p(eer|air)_open"
PAIR = r"PAIR_FIXTURE\(|pair_open"
STREAM = r"stream_(transfer|exchange)\("
PROGRAM = r"TEST_HARNESS_MAIN"


class Context(typing.NamedTuple):
    """One way to surround a program."""
    name: str               # the value of XTCP_TEST_CONTEXT
    found: str              # a regular expression
    slowness: int = 1       # factor of the limits of wall-clock time
    append: str = ""        # words on the kernel's command line


CONTEXTS = (
    # A packet costs two changes of processes at each of four hooks.
    Context("queue", FIXTURE, 4),
    Context("queue-late", STREAM, 4),
    Context("vrf", FIXTURE),
    Context("bridge", PAIR),
    Context("bound", FIXTURE),
    Context("uring", STREAM),
    Context("uring-fixed", STREAM),
    Context("fork", STREAM),
    Context("threads", STREAM),
    # Slabs that are checked take slow ways.
    Context("poison", PROGRAM, 4, append="slub_debug=P init_on_alloc=0"),
)


def variants_of(pattern):
    """Of the contexts that the expression T= names: pairs of context and variant."""
    named = set(re.findall(r"[\w-]+", pattern.replace("\\", "").partition("@")[2]))
    for context in CONTEXTS:
        if context.name not in named:
            continue
        for variant in VARIANTS:
            if "FAMILY" in variant.environment and variant.suffix.rpartition("@")[2] not in named:
                continue
            environment = f"{variant.environment} XTCP_TEST_CONTEXT={context.name}"
            yield context, variant._replace(suffix=f"{variant.suffix}@{context.name}",
                                            environment=environment.strip())


def fits(context, source):
    """True if a program in C has what the context changes."""
    if not source.endswith(".c"):
        return False
    with open(os.path.join(TOP, source), errors="replace") as f:
        return bool(re.search(context.found, f.read()))


def read_left_out():
    """Patterns of tests by context and program: "CONTEXT[,CONTEXT] PROGRAM TEST... # reason".

    CONTEXT@v6 means the context over IPv6 only.
    """
    known = {context.name + family for context in CONTEXTS for family in ("", "@v6")}
    left = collections.defaultdict(list)
    with open(os.path.join(TOP, LEFT_OUT)) as f:
        for number, line in enumerate(f, 1):
            said, _, reason = line.partition("#")
            words = said.split()
            if not words:
                continue
            names = words[0].split(",")
            if len(words) < 3 or not reason.strip() or not known.issuperset(names):
                die(f"{LEFT_OUT}:{number}: wants 'context program test... # reason'")
            for name in names:
                left[name, words[1]] += words[2:]
    return left


def leave_out(tests):
    """The tests without those of that list."""
    left = read_left_out() if any(test.context for test in tests) else {}
    kept = []
    for test in tests:
        patterns = list(left.get((test.context, test.stem), []))
        if "@v6@" in test.name:
            patterns += left.get((f"{test.context}@v6", test.stem), [])
        if "*" in patterns:
            continue
        if patterns and not test.broken:
            every = test.list_subtests()
            for pattern in patterns:
                if not fnmatch.filter(every, pattern):
                    die(f"{LEFT_OUT}: {test.stem} has no test '{pattern}'")
            test.subtests = [s for s in test.subtests or every
                             if not any(fnmatch.fnmatch(s, p) for p in patterns)]
            if not test.subtests:
                continue
        kept.append(test)
    return kept
