# SPDX-License-Identifier: GPL-2.0
"""A second run of the few programs that failed, to tell chance from breakage.

What is broken fails again. By chance can fail what draws ports, keys or losses at random, and
what shares the host's clock with other work: programs in real time or on User-mode Linux. What
passes the second time is reported as unsteady: it needs a look, but stops nobody else's work.
It runs alone, so that what an earlier program has left behind looks like chance, too.
"""

import typing

from common import flag, say
from plan import Job

# More than these at once are no chance: they stay failed, and none is run again.
UNSTEADY_MAX = 5


class Unsteady(typing.NamedTuple):
    """A program that failed and then passed."""
    kernel: str
    outcome: typing.Any     # of the first run


def wanted():
    return flag("AGAIN")


def run_again(kernels, tests):
    """Runs what failed once more, one program at a time. Returns the unsteady ones."""
    by_name = {test.name: test for test in tests}
    failed = [(kernel, outcome) for kernel in kernels for outcome in kernel.outcomes
              if outcome.failed]
    # A kernel's complaint or death is never chance, nor is what belongs to no program.
    failed = [(kernel, outcome) for kernel, outcome in failed
              if not outcome.is_final and outcome.name in by_name]
    if not failed:
        return []
    if len(failed) > UNSTEADY_MAX:
        say(f"check: {len(failed)} programs failed: too many to run again")
        return []
    unsteady = []
    for number, (kernel, first) in enumerate(failed, 1):
        test = by_name[first.name]
        say(f"check: {kernel.short} {test.name} once more")
        kernel.outcomes.remove(first)
        job = Job(kernel, test.guest(), [test], f"again-{number}")
        kernel.run(job.wants, job.tests, job.number)
        if not any(o.failed for o in kernel.outcomes if o.name == test.name):
            unsteady.append(Unsteady(kernel.short, first))
    return unsteady
