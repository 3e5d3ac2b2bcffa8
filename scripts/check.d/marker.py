# SPDX-License-Identifier: GPL-2.0
"""The marker: a comment in a program's head that names the guest it needs.

  /* vm: smp=2 mem=2G short */        # vm: timeout=300

Each script has its own table of the words it knows: scripts/check in variants.py,
scripts/bench in itself.
"""

import os
import re
import typing

from common import TOP, die

HEAD_LINES = 40
MARKER = re.compile(r"\s*(?://|/?\*|#)\s*vm:\s+(.*?)\s*(?:\*/)?\s*$")


# How a word's value is combined with an earlier value of the same word.

def number(_, value):
    return int(value)


def text(_, value):
    return value


def words(before, value):
    return (before + " " + value).strip()


def names(before, value):
    # Sorted: programs that name the same ones in another order share a guest.
    return tuple(sorted(before + (value,)))


def growth(before, value):
    name, seconds = value.split(":")
    return before + ((name, int(seconds)),)


class Word(typing.NamedTuple):
    """One row of a table of words."""
    name: str
    value: str = ""                 # what --help calls the value; empty: a word without one
    what: str = ""                  # for --help
    take: typing.Callable = None    # one of the functions above
    default: typing.Any = False
    option: str = ""                # the option of scripts/vm that gets the value
    # Places are kinds of kernel, and real time: variants.py.
    admits: tuple = ()              # places that run only programs with such a word
    bars: tuple = ()                # places that do not run a program with this word


def read(source, table):
    """Reads the marker of @source: returns the value of each word of @table."""
    known = {word.name: word for word in table}
    marks = {word.name: word.default for word in table}
    with open(os.path.join(TOP, source), errors="replace") as f:
        head = [line for _, line in zip(range(HEAD_LINES), f)]
    for line in head:
        m = MARKER.match(line)
        for said in m.group(1).split() if m else ():
            name, has_value, value = said.partition("=")
            word = known.get(name)
            if not word or bool(has_value) != bool(word.value):
                die(f"{source}: unknown word '{said}' after vm:")
            try:
                marks[name] = word.take(marks[name], value) if word.value else True
            except ValueError:
                die(f"{source}: {name}= wants {word.value}, not '{value}'")
    return marks


def describe(table):
    """The table as text, for --help."""
    lines = []
    for word in table:
        left = f"  {word.name}={word.value}" if word.value else f"  {word.name}"
        if len(left) >= 16:
            lines.append(left)
            left = ""
        for part in word.what.splitlines():
            lines.append(f"{left:16}{part}")
            left = ""
    return "\n".join(lines)
