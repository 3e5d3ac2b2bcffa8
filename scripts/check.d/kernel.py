# SPDX-License-Identifier: GPL-2.0
"""One kernel: its properties, its guests one after the other, and their reports."""

import collections
import os
import re
import subprocess
import threading

from common import SCRIPTS, TOP, say
from guest import Guest
from tap import Outcome
from variants import FOREIGN, ORDINARY, QUICK, UM

# A debug kernel executes some ten times the instructions, on as slow a CPU.
DEBUG_SLOWNESS = 5
DEBUG_MEM_MB = 1024
# Options of kernels that look for mistakes.
DEBUG_OPTIONS = {"CONFIG_KASAN=y", "CONFIG_KCSAN=y", "CONFIG_PROVE_LOCKING=y"}
# The wall time that emulating another architecture may take, in that of the host's own.
FOREIGN_PATIENCE = 3

progress_lock = threading.Lock()    # kernels run side by side


def is_debug(folder):
    """Whether a kernel's configuration has an option of DEBUG_OPTIONS; installed kernels have none."""
    config = os.path.join(folder, "build", ".config")
    if not os.path.exists(config):
        return False
    with open(config) as f:
        return bool(DEBUG_OPTIONS & set(f.read().split("\n")))


class Kernel:
    """A kernel, and the outcomes of the tests on it."""

    def __init__(self, release):
        self.release = release
        folder = subprocess.run([os.path.join(SCRIPTS, "kver"), "--dir", release],
                                stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self.debug = is_debug(folder)
        self.um = os.path.exists(os.path.join(folder, "linux"))
        # The prefix of a compiler for another architecture than the host's.
        self.cross = subprocess.run([os.path.join(SCRIPTS, "kver"), "--cross", release],
                                    stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self.short = re.match(r"\d+\.\d+", release).group(0)
        if self.cross:
            self.short += "-" + release.split("-")[-1]
        if os.path.exists(os.path.join(folder, "named")):
            self.short = release.split("-")[-1]
        self.slowness = DEBUG_SLOWNESS if self.debug and not self.um else 1
        self.patience = self.slowness * (FOREIGN_PATIENCE if self.cross else 1)
        self.module = None      # another one than build/RELEASE/xtcp.ko
        self.outcomes = []
        self.rows, self.taken = set(), collections.Counter()
        self.whole = True       # no guest died: all taken rows are known
        self.folder = os.path.join(TOP, "build", "check", release)
        self.lock = threading.Lock()
        self.progress = None    # counts what all kernels run; None: nobody counts

    def place(self):
        """The kernel's place, as variants.py has them; None: every program runs on it."""
        if self.um:
            return UM if self.debug else QUICK
        if self.debug:
            return None
        return FOREIGN if self.cross else ORDINARY

    def memory(self, size):
        """The memory of a guest for tests that want @size (512M, 1G)."""
        if not self.debug:
            return size
        size_mb = int(size.rstrip("GM")) * (1024 if size.endswith("G") else 1)
        return f"{size_mb + DEBUG_MEM_MB}M"

    def count_row(self, row, taken=None):
        """Notes that the lifecycle table has @row, or how often it was taken."""
        with self.lock:
            if taken is None:
                self.rows.add(row)
            else:
                self.taken[row] += taken

    def report(self, outcome):
        with self.lock:
            self.outcomes.append(outcome)
        say(f"{self.short:5} {outcome.describe()}")
        if self.progress:
            with progress_lock:
                self.progress.note(self, outcome)

    def run(self, wants, tests, number):
        """Runs tests in a guest; after its death the remaining ones in another one."""
        left = list(tests)
        attempt = 0
        while left or attempt == 0:
            attempt += 1
            before = len(left)
            left = Guest(self, wants, left, f"{number}.{attempt}").run()
            if left is None:
                return
            if len(left) == before:
                for test in left:
                    outcome = Outcome(test.name)
                    outcome.fail("the guest did not come so far")
                    self.report(outcome)
                return
