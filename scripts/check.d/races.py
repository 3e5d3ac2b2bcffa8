# SPDX-License-Identifier: GPL-2.0
"""Data races that KCSAN reports: those that count."""

import os
import re

from common import TOP

EXCUSED = "selftests/races-excused"


class Races:
    """The patterns of selftests/races-excused."""

    def __init__(self):
        with open(os.path.join(TOP, EXCUSED)) as f:
            self.excused = [re.compile(line.partition(" # ")[0].strip()) for line in f
                            if line.strip() and not line.startswith("#")]

    def is_excused(self, line):
        """True if @line reports a race without a function of xtcp, or an excused one:
        the kernel has races of its own, and some races are intended."""
        m = re.search(r"BUG: KCSAN: (.*)", line)
        return bool(m) and ("[xtcp]" not in m.group(1) or
                            any(e.search(m.group(1)) for e in self.excused))
