# SPDX-License-Identifier: GPL-2.0
"""One guest: its options, its programs, their output."""

import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from common import SCRIPTS, STOCK, TOP
from kernellog import KernelLog
from lifecycle import rows_are_counted
from tap import Outcome, read_tap
from variants import DEFAULT_TIMEOUT_S

# Ten times what a boot takes. On a host with ten busy processes, one with a large image (node) took
# more than 90.
BOOT_TIMEOUT_S = 180
# A trace after a hang: NMI, panic, reboot.
DEATH_TIMEOUT_S = 30
# No guest ends by itself before its tests do: a month.
GUEST_TIMEOUT_S = 30 * 24 * 3600
# The status of scripts/vm after a signal, and the time in which the main thread ends an interrupted run.
INTERRUPTED, INTERRUPTED_S = 130, 5
# The lines to print of a guest that died.
DEATH_LINES = 15
# The time that slow checks, or real time on a busy host, may add to an answer.
DEBUG_SLACK_MS = 8
REAL_TIME_SLACK_MS = 500
STRESS_S = 4
LIFECYCLE_LOG = "/tmp/lifecycle.log"
# The wall time that XTCP_TEST_LARGE may add to a test.
LARGE_S = int(os.environ.get("XTCP_TEST_LARGE") or 0) * 8 >> 20
# Variables of the user that tests read.
PASSED_ON = ("XTCP_FUZZ_SEED", "XTCP_FUZZ_ROUNDS", "XTCP_FUZZ_SHRINK", "XTCP_DIFFER_EXPLAIN",
             "XTCP_DIFFER_UNDECIDED",
             "XTCP_TEST_LARGE", "XTCP_SOAK_MINUTES", "XTCP_TEST_OUTSIDE")

# Guests to end and folders to remove when a run is interrupted.
running = set()
folders = set()


def end_all():
    for vm in list(running):
        vm.terminate()
    for folder in list(folders):
        shutil.rmtree(folder, ignore_errors=True)


class Guest:
    """One boot: runs tests until all are done or the guest is dead."""

    def __init__(self, kernel, wants, tests, name):
        self.kernel, self.wants, self.tests = kernel, wants, tests
        self.by_name = {t.name: t for t in tests}
        self.log = KernelLog(os.path.join(kernel.folder, f"guest-{name}.log"))
        self.lines = queue.Queue()
        self.current = self.outcome = None
        self.began = time.monotonic()
        self.said = []
        self.finished = self.complained = False
        self.done = set()
        self.wall_s = self.status = 0

    def options(self):
        """The tests' wishes as options of scripts/vm."""
        words = []
        for option, value in self.wants:
            if option == "--mem":
                value = self.kernel.memory(value)
            if isinstance(value, bool):
                words += [option] if value else []
                continue
            for one in value if isinstance(value, tuple) else [str(value)]:
                words += [option, one] if one else []
        return words

    def environment(self):
        """The tests' environment, as NAME=VALUE."""
        slack_ms = DEBUG_SLACK_MS if self.kernel.slowness > 1 else 0
        values = []
        if dict(self.wants)["--smp"] > 1:
            slack_ms += REAL_TIME_SLACK_MS
            values.append("XTCP_TEST_REAL_TIME=1")
        values.append(f"XTCP_TEST_SLACK_MS={slack_ms}")
        stress_s = os.environ.get("XTCP_STRESS_S") or STRESS_S * self.kernel.slowness
        values.append(f"XTCP_STRESS_S={stress_s}")
        if self.kernel.debug:
            values.append("XTCP_TEST_DEBUG=1")
        # Not in every run: two more readings of the table would be a tenth of a short test.
        if rows_are_counted():
            values.append(f"XTCP_LIFECYCLE_LOG={LIFECYCLE_LOG}")
        values += [f"{name}={os.environ[name]}" for name in PASSED_ON if os.environ.get(name)]
        if STOCK:
            values.append("XTCP_TEST_STOCK=1")
        return values

    def limit_s(self, name):
        """The wall time that a program may take; name None: the guest's boot."""
        if name in self.by_name:
            marks = self.by_name[name].marks
            limit = marks["timeout"] + LARGE_S + sum(int(os.environ.get(variable) or 0) * seconds
                                                     for variable, seconds in marks["grows"])
        else:
            limit = DEFAULT_TIMEOUT_S if name else BOOT_TIMEOUT_S
        return limit * self.kernel.patience

    def run(self):
        """Runs the guest. Returns the tests that another guest has to run; None: none."""
        with tempfile.TemporaryDirectory(prefix="xtcp-check.") as folder:
            folders.add(folder)
            self.pack(folder)
            self.watch(self.start(folder))
            folders.discard(folder)
        if self.finished:
            # The loop of scripts/check-guest may have ended early.
            for test in self.tests:
                if test.name not in self.done:
                    outcome = Outcome(test.name)
                    outcome.fail("the guest did not run it")
                    self.kernel.report(outcome)
            trace = self.log.find(self.log.outside())
            if trace:
                outcome = Outcome("vm/kernel-log")
                outcome.fail("the kernel complained while no test ran", trace)
                self.kernel.report(outcome)
            return None
        self.kernel.whole = False
        self.bury()
        return [t for t in self.tests if t.name not in self.done]

    def pack(self, folder):
        tree = os.path.join(folder, "selftests")
        # Scripts, and data that the programs read; not sources.
        shutil.copytree(os.path.join(TOP, "selftests"), tree,
                        ignore=shutil.ignore_patterns("*.c", "*.h", ".*"))
        with open(os.path.join(folder, "jobs"), "w") as jobs:
            for test in self.tests:
                for stem, program in test.programs(self.kernel.cross):
                    shutil.copy(os.path.join(TOP, program), os.path.join(tree, stem))
                jobs.write(f"{test.name}\t{test.command()}\n")

    def start(self, folder):
        command = [os.path.join(SCRIPTS, "vm"), "--kver", self.kernel.release, "--no-netns",
                   "--warn-ok", "--no-trace", *self.options(),
                   "--timeout", str(GUEST_TIMEOUT_S), "--log", self.log.path,
                   "--add", os.path.join(folder, "selftests") + ":/xtcp/selftests",
                   "--add", os.path.join(folder, "jobs") + ":/xtcp/jobs",
                   # Some tests run commands of these documents.
                   "--add", os.path.join(TOP, "Documentation") + ":/xtcp/Documentation",
                   "--add", os.path.join(TOP, "README.md") + ":/xtcp/Documentation/README.md",
                   "--add", os.path.join(TOP, "contrib") + ":/xtcp/contrib"]
        for value in self.environment():
            command += ["--env", value]
        if self.kernel.module:
            command += ["--module", self.kernel.module]
        if STOCK:
            command.append("--no-module")
        command += ["--script", os.path.join(SCRIPTS, "check-guest")]
        vm = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        running.add(vm)
        threading.Thread(target=self.listen, args=(vm,), daemon=True).start()
        return vm

    def listen(self, vm):
        for line in vm.stdout:
            self.lines.put(line.rstrip("\r\n"))
        self.lines.put(None)

    def watch(self, vm):
        asked = False
        while True:
            limit = self.limit_s(self.current)
            if asked:
                limit = DEATH_TIMEOUT_S * self.kernel.patience
            try:
                line = self.lines.get(timeout=max(0.0, self.began + limit - time.monotonic()))
            except queue.Empty:
                if asked:
                    vm.kill()
                    break
                asked = True
                # What the kernel says from here on is the trace that we ask for.
                self.complained = bool(self.current and
                                       self.log.find(self.log.section(self.current, wait=False)))
                self.wall_s = limit
                self.began = time.monotonic()
                self.said.append(f"# no end after {limit} s of wall time")
                vm.send_signal(signal.SIGUSR1)
                continue
            if line is None:
                break
            self.take(line)
        self.status = vm.wait()
        running.discard(vm)

    def take(self, line):
        """Handles one line of the guest: lines of scripts/check-guest begin with @@."""
        if not line.startswith("@@ "):
            self.said.append(line)
            return
        word, _, rest = line[3:].partition(" ")
        if word == "begin":
            self.current, self.outcome = rest, Outcome(rest)
            self.said, self.began = [], time.monotonic()
        elif word == "end":
            name, status, guest_ms = rest.split()
            self.end(name, int(status), int(guest_ms))
        elif word == "taken":
            row, _, count = rest.rpartition(" ")
            self.kernel.count_row(row, int(count))
        elif word == "row":
            self.kernel.count_row(rest)

    def keep(self, name):
        """Writes a program's output to a file, which the report names."""
        path = os.path.join(self.kernel.folder, name.replace("/", ".") + ".tap")
        with open(path, "w") as f:
            f.write("\n".join(self.said) + "\n")
        self.outcome.kept = os.path.relpath(path, TOP)

    def end(self, name, status, guest_ms):
        """A program has ended."""
        outcome = self.outcome
        outcome.wall_s, outcome.guest_ms = time.monotonic() - self.began, guest_ms
        self.keep(name)
        read_tap(outcome, self.said, status)
        trace = self.log.find(self.log.section(name, wait=True))
        if trace:
            outcome.fail("the kernel complained", trace)
            outcome.is_final = True
        self.done.add(name)
        if name == "vm/unload":
            self.finished = True
        self.kernel.report(outcome)
        self.current, self.outcome, self.said = None, None, []
        self.began = time.monotonic()

    def is_of_emulator(self, trace):
        """The emulator's own death: a jump label patched while another CPU ran it (testing.rst)."""
        # A trace begins some lines before the one that counts.
        first = next((line for line in trace if self.log.trouble.search(line)), "")
        return (dict(self.wants)["--smp"] > 1 and "int3: " in first and
                not any("[xtcp" in line for line in trace if "RIP" in line))

    def bury(self):
        """The guest died: blame what was running, unless ^C ended it, which reaches scripts/vm, too."""
        if self.status == INTERRUPTED:
            time.sleep(INTERRUPTED_S)
        name = self.current or "vm/guest"
        outcome = self.outcome or Outcome(name)
        outcome.wall_s = self.wall_s or time.monotonic() - self.began
        if self.current:
            self.keep(name)
            read_tap(outcome, self.said, None)
            section = self.log.section(name, wait=False)
        else:
            section = self.log.lines()
        trace = self.log.find(section) or section[-DEATH_LINES:]
        hung = [s for s in self.said if s.startswith("# no end after")]
        outcome.fail("the guest hung" if hung else "the guest died",
                     self.said[-DEATH_LINES:] + ["the kernel's log:"] + trace)
        outcome.is_final = self.complained if hung else not self.is_of_emulator(trace)
        self.done.add(name)
        self.kernel.report(outcome)
