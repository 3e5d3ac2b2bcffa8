# SPDX-License-Identifier: GPL-2.0
"""What the words after "vm:" do: tables, and the few functions that read them.

A new word is a row of WORDS, a new variant a row of VARIANTS.
"""

import re
import typing

from common import STOCK
from marker import Word, names, number, text, words

# The places where a program may be asked to run. A place that is in some row's
# .admits runs only programs with such a word; no place runs a program with a
# word that bars it there.
REAL_TIME = "real time"         # SMP=2: no clock that waits for computing
ORDINARY = "ordinary kernel"    # without the checks of a debug kernel
UM = "User-mode Linux"          # one CPU; its clock stands while it computes

DEFAULT_TIMEOUT_S = 180

# A word counts for .admits and .bars where its value is not the default.
WORDS = (
    Word("smp", "N", "N CPUs in real time, not one in virtual time",
         number, 1, option="--smp", admits=(REAL_TIME,), bars=(UM,)),
    Word("mem", "SIZE", "memory (1G)",
         text, "1G", option="--mem"),
    Word("append", "WORD", "one more word on the kernel's command line",
         words, "", option="--append"),
    Word("with", "PROGRAM", "a program that not every guest has: tshark",
         names, (), option="--with"),
    Word("timeout", "SEC", f"wall time before the guest counts as hung ({DEFAULT_TIMEOUT_S})",
         number, DEFAULT_TIMEOUT_S),
    Word("short", "", "its waits sum to less than 10 s: SMP=2 runs it, too",
         admits=(REAL_TIME,)),
    Word("still", "NAME", "SMP=2 leaves out this subtest: it asks for times that only a\n"
         "clock keeps that stands while the CPU computes",
         names, ()),
    Word("busy", "", "it computes until some time has passed, as iperf3 does: User-mode\n"
         "Linux, whose clock stands meanwhile, does not run it",
         bars=(UM,)),
    Word("debug", "", "only for debug kernels, one CPU: it needs their checks",
         bars=(ORDINARY,)),
    Word("wires", "", "run it a second time on the TCP wire, as NAME@6: the same segments\n"
         "and times are asked of both"),
    Word("v6", "", "run it again over IPv6, as NAME@v6; with wires as NAME@6@v6, too"),
    Word("mapped", "", "and with IPv6 sockets over IPv4, as NAME@mapped"),
    Word("families", "", "both, too, but each on one kernel alone: over IPv6 on the newest of\n"
         "them, mapped on the oldest, unless T= names what is wanted"),
)

# Of the kernels of a run, ordered by age.
EVERY, OLDEST, NEWEST = slice(None), slice(0, 1), slice(-1, None)


class Variant(typing.NamedTuple):
    """One more way to run a program."""
    suffix: str             # of its name
    environment: str        # what the program gets: NAME=VALUE ...
    asked: dict             # the words that ask for it together: on which kernels;
                            # the first that a program has decides
    on_stock: bool = True   # whether the kernel's own TCP knows it


VARIANTS = (
    Variant("", "", {"": EVERY}),
    Variant("@v6", "XTCP_TEST_FAMILY=6", {"v6": EVERY, "families": NEWEST}),
    Variant("@mapped", "XTCP_TEST_FAMILY=mapped", {"mapped": EVERY, "families": OLDEST}),
    Variant("@6", "XTCP_TEST_WIRE=6", {"wires": EVERY}, on_stock=False),
    Variant("@6@v6", "XTCP_TEST_FAMILY=6 XTCP_TEST_WIRE=6", {"wires v6": EVERY}, on_stock=False),
)


def guest_of(marks):
    """What guest a program wants: (option of scripts/vm, value) of each word that has one."""
    return tuple((word.option, marks[word.name]) for word in WORDS if word.option)


def kernels_of(variant, marks):
    """The kernels, by age, on which a program is run as @variant; None: nowhere."""
    if STOCK and not variant.on_stock:
        return None
    return next((kernels for asked, kernels in variant.asked.items()
                 if all(marks[word] for word in asked.split())), None)


def runs_at(place, marks):
    """Whether a program with these marks is run at @place."""
    said = [word for word in WORDS if marks[word.name] != word.default]
    if any(place in word.bars for word in said):
        return False
    chosen = any(place in word.admits for word in WORDS)
    return not chosen or any(place in word.admits for word in said)


def by_age(kernels):
    """Oldest first; 6.12 is newer than 6.1."""
    return sorted(kernels, key=lambda k: [int(n) for n in re.findall(r"\d+", k.release)])
