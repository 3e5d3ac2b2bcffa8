# SPDX-License-Identifier: GPL-2.0
"""What the words after "vm:" do: tables, and the functions that read them.

A new word is a row of WORDS, a new variant a row of VARIANTS.
"""

import os
import re
import typing
import zlib

from common import STOCK
from marker import Word, growth, names, number, text, words

# Places: kinds of kernel, and real time. If some row's .admits has a place, only programs
# with such a word run there. A program with a word whose .bars has a place does not run
# there.
REAL_TIME = "real time"         # SMP=2: computing takes time on the clock
ORDINARY = "ordinary kernel"    # without the checks of a debug kernel
FOREIGN = "another architecture"    # an ordinary kernel of one that the host does not have
# One CPU; computing takes no time on its clock.
UM = "User-mode Linux with the checks of a debug kernel"
QUICK = "User-mode Linux without them"

DEFAULT_TIMEOUT_S = 180

# Part of what draws the variants of ALL=ci.
TURN = os.environ.get("XTCP_CHECK_TURN", "")

# A program has a word, for .admits and .bars, if its value is not the default.
WORDS = (
    Word("smp", "N", "N CPUs in real time, instead of one in virtual time",
         number, 1, option="--smp", admits=(REAL_TIME,), bars=(UM, QUICK)),
    Word("mem", "SIZE", "memory (1G)",
         text, "1G", option="--mem"),
    Word("append", "WORD", "one more word on the kernel's command line",
         words, "", option="--append"),
    Word("with", "PROGRAM", "add a program that is not in every guest: tshark, python3, prometheus,\n"
         "bpftrace; not run on a kernel of another architecture than the host's",
         names, (), option="--with", bars=(FOREIGN,)),
    Word("uses", "FOLDER/PROGRAM", "add another test program: script/packetdrill",
         names, ()),
    Word("timeout", "SEC", f"wall time before the guest counts as hung ({DEFAULT_TIMEOUT_S})",
         number, DEFAULT_TIMEOUT_S),
    Word("grows", "NAME:SEC", "that limit grows by so many seconds for each unit of the environment\n"
         "variable NAME, if it is set: XTCP_FUZZ_ROUNDS:20",
         growth, ()),
    Word("short", "", "its waits add up to less than 10 s: SMP=2 runs it, too",
         admits=(REAL_TIME,)),
    Word("still", "NAME", "SMP=2 leaves out this test: its times are exact only if computing\n"
         "takes no time",
         names, ()),
    Word("busy", "", "it computes until some time has passed, as iperf3 does: on User-mode\n"
         "Linux, computing must take time then; not run on a debug kernel of it",
         option="--busy", bars=(UM,)),
    Word("distro", "", "it needs what a distribution's kernel has, or its times: not run on\n"
         "scripts/build-kernel quick",
         bars=(QUICK,)),
    Word("machine", "", "it needs an emulated machine, where computing takes time on the clock and\n"
         "random numbers do not come from a host: not run on User-mode Linux",
         bars=(UM, QUICK)),
    Word("ia32", "", "it makes calls of 32-bit programs, which are not those of User-mode Linux",
         bars=(UM, QUICK, FOREIGN)),
    Word("debug", "", "for debug kernels with one CPU only: it needs their checks",
         bars=(ORDINARY, FOREIGN, QUICK)),
    Word("uml", "", "for User-mode Linux only, with or without checks: computing must take no\n"
         "time on its clock",
         bars=(ORDINARY, FOREIGN)),
    Word("newest", "", "run it on the newest kernel only: it tests programs more than the module"),
    Word("slow", "", "it takes half a minute or more: a run with the quick kernel leaves it out,\n"
         "unless T names it or ALL is set. It takes minutes on um, so ALL=ci runs it only on\n"
         "ordinary kernels"),
    Word("heavy", "", "it takes seconds on quick and a minute or more on others: ALL=ci runs it\n"
         "once, and not on um"),
    Word("rare", "", "it takes minutes and tests what seldom changes: ALL=ci leaves it out"),
    Word("wires", "", "run it again on the TCP wire, as NAME@6, and expect the same segments\n"
         "and times"),
    Word("v6", "", "run it again over IPv6, as NAME@v6; with wires as NAME@6@v6, too"),
    Word("mapped", "", "run it again with IPv6 sockets over IPv4, as NAME@mapped"),
    Word("families", "", "v6 on the newest kernel only and mapped on the oldest only, with wires as\n"
         "NAME@6@mapped, unless T= names a variant"),
)

# Slices of the kernels of a run, ordered by age.
EVERY, OLDEST, NEWEST, NONE = slice(None), slice(0, 1), slice(-1, None), slice(0, 0)


class Variant(typing.NamedTuple):
    """One more way to run a program."""
    suffix: str             # appended to the program's name
    environment: str        # variables for the program: NAME=VALUE ...
    asked: dict             # words that together request the variant: kernels to run
                            # it on; the first key that a program has decides
    on_stock: bool = True   # False: the kernel's TCP does not have it


# The newest kernel runs nearly every variant: no @6@mapped, and no @mapped for the word
# families. The oldest runs a program with a word for wires and one for families as it is,
# and with wire and family changed at once: that finds what differs between kernels, for
# half the time.
VARIANTS = (
    Variant("", "", {"": EVERY}),
    Variant("@v6", "XTCP_TEST_FAMILY=6",
            {"wires v6": NEWEST, "v6": EVERY, "families": NEWEST}),
    Variant("@mapped", "XTCP_TEST_FAMILY=mapped",
            {"wires families": NONE, "wires mapped": NEWEST, "mapped": EVERY, "families": OLDEST}),
    Variant("@6", "XTCP_TEST_WIRE=6",
            {"wires v6": NEWEST, "wires families": NEWEST, "wires mapped": NEWEST, "wires": EVERY},
            on_stock=False),
    Variant("@6@v6", "XTCP_TEST_FAMILY=6 XTCP_TEST_WIRE=6", {"wires v6": EVERY}, on_stock=False),
    Variant("@6@mapped", "XTCP_TEST_FAMILY=mapped XTCP_TEST_WIRE=6",
            {"wires families": OLDEST, "wires mapped": OLDEST}, on_stock=False),
)


def guest_of(marks):
    """The guest that a program needs: (option of scripts/vm, value) of its words."""
    return tuple((word.option, marks[word.name]) for word in WORDS if word.option)


def kernels_of(variant, marks):
    """Slice of the kernels on which a program is run as @variant; None: on none."""
    if STOCK and not variant.on_stock:
        return None
    asked = next((kernels for asked, kernels in variant.asked.items()
                  if all(marks[word] for word in asked.split())), None)
    return NEWEST if asked not in (None, NONE) and marks["newest"] else asked


def few(name, variants, marks):
    """What ALL=ci leaves of a program's @variants, as (variant, kernels): one on the newest
    kernel, and one on the oldest, another if there is one. With TURN, and of a slow or heavy
    program always, one of the two is left: the newest, in whose place User-mode Linux runs, if no
    ordinary kernel can run it. Its @name and TURN draw all this."""
    drawn = zlib.crc32(f"{name}{TURN}".encode())
    on_newest = [variant for variant, kernels in variants if kernels in (EVERY, NEWEST)]
    newest = on_newest[drawn % len(on_newest)] if on_newest else None
    on_oldest = [variant for variant, kernels in variants if kernels in (EVERY, OLDEST)]
    on_oldest = [variant for variant in on_oldest if variant is not newest] or on_oldest
    if not runs_at(ORDINARY, marks):
        on_oldest = []
    oldest = on_oldest[drawn // 7 % len(on_oldest)] if on_oldest else None
    if (TURN or marks["slow"] or marks["heavy"]) and newest and oldest:
        newest, oldest = (newest, None) if drawn >> 16 & 1 else (None, oldest)
    for variant, _ in variants:
        kernels = {(True, True): EVERY, (True, False): NEWEST, (False, True): OLDEST}.get(
            (variant is newest, variant is oldest))
        if kernels:
            yield variant, kernels


def runs_at(place, marks):
    """True if a program with these marks is run at @place."""
    said = [word for word in WORDS if marks[word.name] != word.default]
    if any(place in word.bars for word in said):
        return False
    chosen = any(place in word.admits for word in WORDS)
    return not chosen or any(place in word.admits for word in said)


def by_age(kernels):
    """Oldest first; 6.12 is newer than 6.1."""
    return sorted(kernels, key=lambda k: [int(n) for n in re.findall(r"\d+", k.release)])
