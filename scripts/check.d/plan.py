# SPDX-License-Identifier: GPL-2.0
"""The plan: which programs run together, in which guest, on which kernels."""

import collections
import typing

from common import SMP, say
from guest import Guest
from program import ALL, FEW
from variants import NEWEST, ORDINARY, QUICK, REAL_TIME, UM, by_age, runs_at

# The time limits of a guest's programs, in all: below this another guest's boot does not pay.
DIVIDED_LIMITS_S = 2400
PARTS_MAX = 4


class Job(typing.NamedTuple):
    """Tests that want the same guest."""
    kernel: typing.Any
    wants: tuple            # what variants.guest_of() says
    tests: list
    number: str             # names the guest in build/check


def put_in_real_time(tests):
    """SMP=2: the tests that run there, with that many CPUs."""
    chosen = [t for t in tests if runs_at(REAL_TIME, t.marks)]
    say(f"check: SMP={SMP}: {len(chosen)} of {len(tests)} programs are short "
        "or want two CPUs anyway")
    for test in chosen:
        test.put_in_real_time(SMP)
    return chosen


def is_for_um(test, place):
    """Whether User-mode Linux runs a test in place of the newest ordinary kernel, which has the
    same version. In a run of all tests (ALL) that one runs each program as it is, and User-mode
    Linux its further variants; with ALL=ci User-mode Linux runs all that it can."""
    if FEW and (test.marks["slow"] or test.marks["heavy"]):
        return False
    only = not runs_at(ORDINARY, test.marks)
    return runs_at(place, test.marks) and (not ALL or FEW or test.variant.suffix or only)


def share(test, kernels, is_chosen):
    """The kernels that run a test. @is_chosen: the user named the tests, so they run on every
    kernel; if not, on those that their variant asks for."""
    um = [k for k in kernels if k.place() == (UM if FEW else QUICK)]
    others = by_age(k for k in kernels if k not in um)
    if not others:
        return [k for k in um if runs_at(k.place(), test.marks)]
    chosen = others if is_chosen else others[test.kernels]
    newest = others[NEWEST]
    if um and is_for_um(test, um[0].place()) and newest[0] in chosen:
        chosen = [k for k in chosen if k not in newest] + um
    return [k for k in chosen if runs_at(k.place(), test.marks)]


def limits_s(job):
    """How long its programs may take: those that take long say so."""
    return sum(test.marks["timeout"] for test in job.tests)


def is_in_real_time(job):
    return dict(job.wants)["--smp"] > 1


def divide(jobs, parts):
    """Divides larger jobs in virtual time, each part for another guest."""
    for job in jobs:
        if parts < 2 or is_in_real_time(job) or limits_s(job) < DIVIDED_LIMITS_S:
            yield job
            continue
        for part in range(parts):
            yield job._replace(tests=job.tests[part::parts], number=f"{job.number}{'abcd'[part]}")


def make_plan(tests, kernels, is_chosen, at_a_time):
    """Jobs for all kernels. @is_chosen: the user named the tests, so they run
    on every kernel; @at_a_time: how many guests run side by side."""
    guests = collections.defaultdict(lambda: collections.defaultdict(list))
    for test in tests:
        for kernel in share(test, kernels, is_chosen):
            guests[test.guest()][kernel].append(test)
    order = sorted(guests, key=lambda wants: dict(wants)["--smp"])
    jobs = [Job(kernel, wants, own, str(number))
            for number, wants in enumerate(order, 1) for kernel, own in guests[wants].items()]
    jobs = divide(jobs, min(at_a_time, PARTS_MAX))
    # Guests in real time last: their times suffer least from others then. The longest ones
    # first: no CPU must be idle while one long guest runs to its end.
    return sorted(jobs, key=lambda job: (is_in_real_time(job), -limits_s(job)))


def show(plan):
    """The plan as text: each guest, and below it its programs in their order."""
    for job in plan:
        guest = Guest(job.kernel, job.wants, job.tests, job.number)
        say(f"{job.kernel.release} guest {job.number}: "
            f"{' '.join(guest.options() + guest.environment())}")
        for test in job.tests:
            say(f"  {test.name:28} {guest.limit_s(test.name)} s: {test.command()}")
