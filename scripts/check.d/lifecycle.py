# SPDX-License-Identifier: GPL-2.0
"""The lifecycle table: each row must have been taken by a test or be excused."""

import os

from common import SMP, STOCK, TOP, say
from program import ALL, FEW, LANE
from tap import Outcome
from variants import ORDINARY, TURN, by_age

NOT_TAKEN = "selftests/lifecycle-not-taken"


def rows_are_counted():
    """Whether this run takes every row: one of all tests."""
    return ALL and not os.environ.get("T") and SMP == 1 and not LANE


def read_not_taken():
    """The excused rows: those that no test takes, with their reasons."""
    rows, problems = {}, []
    path = os.path.join(TOP, NOT_TAKEN)
    if not os.path.exists(path):
        return rows, problems
    with open(path) as f:
        for number, line in enumerate(f, 1):
            row, hash_, reason = line.partition("#")
            words = row.split()
            if not words:
                continue
            if len(words) < 3 or not hash_ or not reason.strip():
                problems.append(f"{NOT_TAKEN}:{number}: wants 'from event to # reason'")
                continue
            rows[" ".join(words)] = reason.strip()
    return rows, problems


def judge_lifecycle(kernels):
    """Report whether every row is taken or excused by what all kernels have run together: the
    table is the same for all. Nothing without an ordinary kernel: debug kernels and other
    architectures do not run all tests. Nothing for the kernel's TCP, which has no rows."""
    ordinary = by_age(kernel for kernel in kernels if kernel.place() == ORDINARY)
    if not rows_are_counted() or not ordinary or STOCK:
        return
    newest = ordinary[-1]
    for kernel in kernels:
        if kernel is not newest:
            newest.rows |= kernel.rows
            newest.taken += kernel.taken
            newest.whole = newest.whole and kernel.whole
    check_lifecycle(newest)


def check_lifecycle(kernel):
    """Report whether every row is taken or excused."""
    excused, problems = read_not_taken()
    taken = {row for row in kernel.taken if row in kernel.rows}
    outcome = Outcome("vm/lifecycle")
    if not kernel.rows or not taken:
        problems.append("no guest has reported rows")
    missing = sorted(kernel.rows - taken - set(excused))
    # Some rows may be taken in one variant of a program only, which has its turn another time.
    if TURN and FEW:
        for row in missing:
            say(f"{kernel.short:5} lifecycle: not taken with XTCP_CHECK_TURN={TURN}: {row}")
        missing = []
    for row in missing:
        problems.append(f"{row}: taken by no test, and no reason in {NOT_TAKEN}")
    for row in sorted(set(excused) & taken):
        problems.append(f"{row}: is taken, so it must leave {NOT_TAKEN}")
    for row in sorted(set(excused) - kernel.rows):
        problems.append(f"{row}: in {NOT_TAKEN}, but no row of the table")
    for row in sorted(set(kernel.taken) - kernel.rows):
        problems.append(f"{row}: taken, but no row of the table")
    if problems and not kernel.whole:
        problems.append("(a guest died, and with it what its last test had taken)")
    if problems:
        outcome.fail("rows of the lifecycle table", problems)
    else:
        outcome.passed.append("rows_are_taken_or_excused")
    kernel.report(outcome)
    say(f"{kernel.short:5} lifecycle: {len(taken)} of {len(kernel.rows)} rows taken")
