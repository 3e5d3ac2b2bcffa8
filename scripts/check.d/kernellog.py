# SPDX-License-Identifier: GPL-2.0
"""A guest's kernel log: the kernel's warnings, and the tests that ran meanwhile."""

import os
import re
import time

from common import SCRIPTS
from races import Races

TRACE_LINES_MAX = 60
# Lines before the one that counts, which belong to it.
LINES_BEFORE = 3
# The log's end may reach the host later than the program's last line.
LATE_S = 5

# nf_tables walks a table's sets by an RCU list while it holds its own mutex, which the walk
# does not name: lockdep reports each kernel's first "nft add set", with xtcp or without it.
RCU_REPORTS_OF_THE_KERNEL = re.compile(r" net/netfilter/nf_tables_api\.c:\d+ RCU-list traversed")
# From the report's first line to the one that names the place.
RCU_PLACE_LINES = 5


class KernelLog:
    """A file that scripts/vm writes; scripts/check-guest marks in it where tests begin and end."""

    def __init__(self, path):
        self.path = path
        self.races = Races()
        with open(os.path.join(SCRIPTS, "vm-trouble")) as f:
            self.trouble = re.compile("|".join(f"(?:{line.rstrip(chr(10))})"
                                               for line in f if line.strip()))

    def lines(self):
        try:
            with open(self.path, errors="replace") as f:
                return [line.rstrip("\r\n") for line in f]
        except FileNotFoundError:
            return []

    def find(self, lines):
        """The lines from a little before the first trouble on; empty if there is none.
        Stale stack entries, which the kernel marks with "?", are left out."""
        for i, line in enumerate(lines):
            if (self.trouble.search(line) and not self.races.is_excused(line) and
                    not is_of_the_kernel(lines[i:i + RCU_PLACE_LINES])):
                return [rest for rest in lines[max(0, i - LINES_BEFORE):]
                        if "]  ? " not in rest][:TRACE_LINES_MAX]
        return []

    def section(self, name, wait):
        """The lines of the time in which a program ran, or after it began."""
        deadline = time.monotonic() + (LATE_S if wait else 0)
        while True:
            lines, start, end = self.lines(), None, None
            for i, line in enumerate(lines):
                if line.endswith(f"xtcp-check: begin {name}"):
                    start, end = i + 1, None
                elif start is not None and f"xtcp-check: end {name} " in line:
                    end = i
            if start is not None and (end is not None or time.monotonic() > deadline):
                return lines[start:end]
            if time.monotonic() > deadline:
                return []
            time.sleep(0.05)

    def outside(self):
        """The lines of the time in which no program ran."""
        rest, inside = [], False
        for line in self.lines():
            if "xtcp-check: begin " in line:
                inside = True
            elif "xtcp-check: end " in line:
                inside = False
            elif not inside:
                rest.append(line)
        return rest


def is_of_the_kernel(lines):
    """True if @lines begin a report about RCU in code that xtcp has no part in."""
    return ("suspicious RCU usage" in lines[0] and
            any(RCU_REPORTS_OF_THE_KERNEL.search(line) for line in lines[1:]))
