# SPDX-License-Identifier: GPL-2.0
"""TAP: from a program's output to its results."""

import re

# Lines that the harness prints for every test.
NOISE = re.compile(r"TAP version|# Starting \d|#\s+(RUN|OK|FAIL)\s")
# The exit status of a program that skips all its tests.
SKIPPED = 4
# How much of a failed test's output is reported: its end says why the test failed.
OUTPUT_LINES = 30


class Outcome:
    """The results of one program on one kernel."""

    def __init__(self, name):
        self.name = name
        self.passed, self.skipped, self.failed = [], [], []     # failed: (name, lines)
        self.wall_s = self.guest_ms = 0
        self.kept = None        # the file that has all output
        self.is_final = False   # no second run can excuse what failed

    def fail(self, what, lines=()):
        self.failed.append((what, list(lines)))

    def fail_after(self, what, output):
        """Fails after a program's output, of which the report shows the end."""
        lines = [line for line in output if line.strip()]
        before = len(lines) - OUTPUT_LINES
        if before > 0:
            lines[:before] = [f"... {before} lines before, see {self.kept or 'build/check/'}"]
        self.fail(what, lines)

    def describe(self):
        """The results as lines for people."""
        counts = [f"{len(self.passed)} passed"]
        if self.failed:
            counts.append(f"{len(self.failed)} failed")
        if self.skipped:
            counts.append(f"{len(self.skipped)} skipped")
        word = "FAIL" if self.failed else "ok" if self.passed else "skip"
        times = f"{self.wall_s:.1f} s"
        if self.guest_ms:
            times += f", guest {self.guest_ms / 1000:.1f} s"
        text = [f"{word:4} {self.name:28} {', '.join(counts)} ({times})"]
        for name, lines in self.failed:
            text.append(f"      not ok {self.name}: {name}")
            text += ["        " + line for line in lines if line.strip()]
        return "\n".join(text)


def read_tap(outcome, lines, status):
    """Sorts a program's lines into results. Status None: it did not end."""
    since, plan, count = [], None, 0
    for line in lines:
        m = re.match(r"1\.\.(\d+)\s*(#\s*SKIP\b.*)?$", line, re.I)
        if m:
            plan = int(m.group(1))
            if plan == 0:
                outcome.skipped.append((outcome.name, (m.group(2) or "").lstrip("# ")))
            continue
        m = re.match(r"(not )?ok\b\s*(\d+)?\s*(?:-\s+)?(.*)$", line)
        if not m:
            since.append(line)
            if line.startswith("Bail out!"):
                outcome.fail_after("bailed out", since)
            continue
        count += 1
        name, _, directive = m.group(3).partition(" # ")
        read_result(outcome, bool(m.group(1)), name.strip() or f"result {count}",
                    directive.strip(), since, line)
        since = []
    if status is not None:
        check_end(outcome, plan, count, since, status)


def read_result(outcome, is_bad, name, directive, since, line):
    """One result, and the program's output since the one before."""
    if is_bad:
        outcome.fail_after(name, [s for s in since if not NOISE.match(s)] + [line])
    elif re.match(r"(SKIP|XFAIL|TODO)\b", directive, re.I):
        outcome.skipped.append((name, directive))
    elif re.match(r"XPASS\b", directive, re.I):
        outcome.fail_after(name, since + [line])
    else:
        outcome.passed.append(name)


def check_end(outcome, plan, count, since, status):
    """Checks that all planned results are there, and that the exit status fits them."""
    if plan is None and not count:
        if status == SKIPPED:
            outcome.skipped.append((outcome.name, " ".join(since[-1:])))
        else:
            outcome.fail_after(f"no results, exit status {status}", since)
    elif plan is not None and plan != count:
        outcome.fail_after(f"{plan} results were planned, {count} came, exit status {status}", since)
    elif plan is None:
        outcome.fail_after("results without a plan (1..N)", since)
    elif status not in (0, SKIPPED) and not outcome.failed:
        outcome.fail_after(f"all results are good, but the exit status is {status}", since)
