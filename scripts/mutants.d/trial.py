# SPDX-License-Identifier: GPL-2.0
"""Runs programs on a mutant until one fails."""

import os
import re
import shutil
import threading
import time

from guest import Guest
from kernel import Kernel
from programs import by_guest

NOT_OK = re.compile(r"not ok\b\s*\d*\s*(?:-\s+)?([^#]*)(?!.*#\s*(?:SKIP|XFAIL|TODO))", re.I)
# A program that takes longer than this has hung: so many times what it takes, and a boot.
PATIENCE = 10
PATIENCE_S = 30


def how_busy():
    """By how much a program's limit grows: a host that has much else to do runs it more slowly."""
    return max(1.0, os.getloadavg()[0] / os.cpu_count() / 2)


class Machine(Kernel):
    """The kernel of a worker, which reports to nobody."""

    def __init__(self, release, folder):
        super().__init__(release)
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)

    def report(self, outcome):
        self.outcomes.append(outcome)


class Trial(Guest):
    """A guest that ends at the first failure."""

    def __init__(self, machine, wants, tests, programs):
        super().__init__(machine, wants, tests, "mutant")
        self.programs = programs
        self.killer = None          # (program, what failed)
        self.is_riddle = False      # it died, and the kernel's log doesn't say of what
        self.vm = None
        self.busy = how_busy()

    def start(self, folder):
        self.vm = super().start(folder)
        return self.vm

    def limit_s(self, name):
        limit = super().limit_s(name)
        if name in self.programs.seconds:
            limit = min(limit, PATIENCE_S + PATIENCE * self.programs.seconds[name])
        return limit * self.busy

    def kill(self, program, what):
        if not self.killer:
            self.killer = program, what
            self.vm.terminate()

    def take(self, line):
        if self.killer:
            return
        super().take(line)
        match = NOT_OK.match(line)
        if match:
            self.kill(self.current or "vm/guest", match.group(1).strip())

    def end(self, name, status, guest_ms):
        super().end(name, status, guest_ms)
        outcome = self.kernel.outcomes[-1]
        if outcome.failed:
            self.kill(name, outcome.failed[0][0])
        else:
            self.programs.took(name, outcome.wall_s)

    def bury(self):
        if self.killer:
            return
        super().bury()
        outcome = self.kernel.outcomes[-1]
        self.killer = outcome.name, outcome.failed[0][0]
        self.is_riddle = not self.complained and not self.log.find(self.log.lines())


class Stopped(Exception):
    """The run ends: what guests do now says nothing."""


# Set when the run ends before all mutants are decided.
stopping = threading.Event()


def run_group(machine, wants, tests, programs):
    """Runs programs in one guest. Returns the first failure; None: there is none."""
    for is_last in (False, True):
        if stopping.is_set():
            raise Stopped
        machine.outcomes = []
        trial = Trial(machine, wants, tests, programs)
        trial.run()
        if stopping.is_set():
            raise Stopped
        # The mutant's work, or the host's? The host's would hardly come twice.
        if is_last or not trial.is_riddle:
            break
    return trial.killer or next(((outcome.name, outcome.failed[0][0])
                                 for outcome in machine.outcomes if outcome.failed), None)


def run(machine, module, tests, programs):
    """Runs @tests with @module. Returns (program, what failed) of the first failure, or None,
    and the seconds."""
    began = time.monotonic()
    machine.module = module
    for wants, group in by_guest(tests):
        killer = run_group(machine, wants, group, programs)
        if killer:
            return killer, time.monotonic() - began
    return None, time.monotonic() - began
