# SPDX-License-Identifier: GPL-2.0
"""How far a run is, how long it will still take, and how to repeat what failed."""

import json
import os
import re
import time

from common import TOP, say
from program import LANE

# Seconds that each program took the last time, by kernel and name.
SECONDS = os.path.join(TOP, "build", "check", "seconds.json")
# A line with the estimate at most so often.
EVERY_S = 30
# Of a program that has never run here, until others of this run give a mean.
FIRST_GUESS_S = 5


def remembered(path=SECONDS):
    """The seconds in a file like SECONDS; none if it is missing or unreadable."""
    try:
        with open(path, encoding="ascii") as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


class Progress:
    """Counts the programs of a plan. Its caller serialises the calls."""

    def __init__(self, plan, at_a_time):
        self.at_a_time = at_a_time
        self.seconds = remembered()
        self.left = {f"{job.kernel.release} {test.name}" for job in plan for test in job.tests}
        self.total = len(self.left)
        self.took = {}
        self.said = time.monotonic()

    def estimate_s(self):
        mean = sum(self.took.values()) / len(self.took) if self.took else FIRST_GUESS_S
        return sum(self.seconds.get(key, mean) for key in self.left) / self.at_a_time

    def note(self, kernel, outcome):
        """A program has ended."""
        key = f"{kernel.release} {outcome.name}"
        if key not in self.left:
            return
        self.left.remove(key)
        self.took[key] = outcome.wall_s
        now = time.monotonic()
        if self.left and now - self.said >= EVERY_S:
            self.said = now
            minutes = self.estimate_s() / 60
            say(f"check: {self.total - len(self.left)} of {self.total} programs; " +
                (f"{minutes:.0f} minutes more" if minutes >= 1.5 else "a minute more, or less"))

    def remember(self):
        self.seconds.update((key, round(seconds, 1)) for key, seconds in self.took.items())
        os.makedirs(os.path.dirname(SECONDS), exist_ok=True)
        # Another run, on another kernel, may write its own.
        new = f"{SECONDS}.{os.getpid()}"
        with open(new, "w", encoding="ascii") as f:
            json.dump(self.seconds, f, indent=0, sort_keys=True)
        os.replace(new, SECONDS)


def repeat(kernels, names):
    """The commands that run again what failed. @names: the programs that can be named."""
    commands = []
    for kernel in kernels:
        failed = sorted({o.name for o in kernel.outcomes if o.failed and o.name in names})
        if not failed:
            continue
        goal = "programs" if LANE else "check-debug" if kernel.um and kernel.debug else "check"
        of_kernel = "" if LANE or kernel.um else f" KVER={kernel.short}"
        if kernel.debug and not kernel.um:
            of_kernel = f" KVER={kernel.release}"
        pattern = "|".join(map(re.escape, failed))
        commands.append(f"make {goal}{of_kernel} T='^({pattern})$'")
    return commands
