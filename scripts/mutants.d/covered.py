# SPDX-License-Identifier: GPL-2.0
"""Which programs execute which statements of the module.

A copy of the sources gets a mark in each condition, return, call and assignment: a byte of
an array that it sets. When the module is unloaded it prints the array to the kernel's log.
Each program runs once on that module, which is unloaded behind it and loaded anew before the
next. KCOV would not do: it sees task context only, and most of the module runs in softirq.
"""

import concurrent.futures
import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import threading

import mutations
from common import SCRIPTS, TOP, say
from guest import Guest
from source import HEADS, Source
from trial import how_busy

FOLDER = os.path.join(TOP, "build", "mutants")
TREE = os.path.join(FOLDER, "covered-tree")
CACHE = os.path.join(FOLDER, "covered.json")
HEADER = """\
#ifndef COVERED_H
#define COVERED_H
extern unsigned char xtcp_covered[];
#define COVERED(n) (xtcp_covered[n] = 1)
#endif
"""
# What main.c gets. A line of the log has 900 characters at most.
PRINTER = """
unsigned char xtcp_covered[{bytes}];
EXPORT_SYMBOL(xtcp_covered);

static void covered_print(void)
{{
	static char digits[801];
	int at, i;

	for (at = 0; at < {bytes}; at += 3200) {{
		for (i = 0; i < 800 && at + 4 * i < {bytes}; i++) {{
			const unsigned char *c = xtcp_covered + at + 4 * i;

			digits[i] = "0123456789abcdef"[c[0] << 3 | c[1] << 2 | c[2] << 1 | c[3]];
		}}
		digits[i] = 0;
		printk(KERN_INFO "xtcp-covered: %d %s\\n", at, digits);
	}}
}}
"""
PRINTED = re.compile(r"xtcp-covered: (\d+) ([0-9a-f]+)$")
# Words that look like a call, and words that look like one and declare something.
NO_CALL = (*HEADS, *mutations.KEYWORDS)
DECLARES = re.compile(r"DE(?:FINE|CLARE)_\w+|static_assert|BUILD_BUG\w*")


class Point:
    """A place in a function: its tokens' positions, and its number in the array."""

    def __init__(self, start, end, pieces):
        self.start, self.end = start, end
        self.pieces = pieces        # (position, text that is put there, with the number as %d)
        self.number = None


def points_of(file, text):
    """The points of one file, by function. The first of a function stands for its entry."""
    source = Source(file, text)
    finder = mutations.Finder(source, set())
    found = []
    for function in source.functions:
        points = []
        for i in range(function.first + 1, function.last):
            word = source.word(i)
            if word in ("if", "while", "switch") and source.word(i + 1) == "(":
                last = source.pairs[i + 1]
                points.append(Point(source.tokens[i].start, source.tokens[last].end,
                                    [(source.tokens[i + 1].end, "COVERED(%d), ("),
                                     (source.tokens[last].start, ")")]))
            elif word == "return" and source.word(i + 1) != ";":
                end = i
                while source.word(end) != ";":
                    end = source.pairs.get(end, end) + 1 if source.word(end) == "(" else end + 1
                points.append(Point(source.tokens[i].start, source.tokens[end].end,
                                    [(source.tokens[i].end, " COVERED(%d),")]))
        for first, last in source.statements(function):
            if source.word(first) in NO_CALL or DECLARES.match(source.word(first)):
                continue
            if finder.is_call(first, last) or finder.is_assignment(first, last):
                points.append(Point(source.tokens[first].start, source.tokens[last].end,
                                    [(source.tokens[first].start, "{ COVERED(%d); "),
                                     (source.tokens[last].end, " }")]))
        found.append((function, sorted(points, key=lambda point: point.start)))
    return source, found


class Map:
    """All points of the module, numbered."""

    def __init__(self, texts):
        self.files, self.count = {}, 0
        for file in sorted(texts):
            self.files[file] = points_of(file, texts[file])
            for _, points in self.files[file][1]:
                for point in points:
                    point.number = self.count
                    self.count += 1
        whole = hashlib.sha1()
        for file in sorted(texts):
            whole.update(f"{file}\0{texts[file]}\0".encode())
        self.digest = whole.hexdigest()[:12]

    def instrument(self, file):
        source, functions = self.files[file]
        pieces = sorted((at, text % point.number if "%" in text else text)
                        for _, points in functions for point in points for at, text in point.pieces)
        out, before = [], 0
        for at, text in pieces:
            out += [source.text[before:at], text]
            before = at
        return "".join(out) + source.text[before:]

    def point(self, mutant):
        """The number of the smallest point around a mutant, or of the first one of its function; None:
        its function has none."""
        for function, points in self.files[mutant.file][1]:
            tokens = self.files[mutant.file][0].tokens
            if not points or not tokens[function.first].start < mutant.start < tokens[function.last].start:
                continue
            around = [p for p in points if p.start <= mutant.start < p.end]
            return (min(around, key=lambda p: p.end - p.start) if around else points[0]).number
        return None


def is_marked(folder, name, numbered):
    """Is this one of the files that get marks?"""
    return os.path.relpath(os.path.join(folder, name), os.path.join(TOP, "module")) in numbered.files


def build(release, numbered):
    """Builds the module with marks. Returns its path."""
    headers = subprocess.run([os.path.join(SCRIPTS, "kver"), "--build", release],
                             stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    shutil.copytree(os.path.join(TOP, "include"), os.path.join(TREE, "include"), dirs_exist_ok=True)
    shutil.copytree(os.path.join(TOP, "module"), os.path.join(TREE, "module"), dirs_exist_ok=True,
                    ignore=lambda folder, names: [name for name in names if is_marked(folder, name, numbered)])
    shutil.copy2(os.path.join(TOP, "dkms.conf"), TREE)
    with open(os.path.join(TOP, "Kbuild")) as f:
        replace(os.path.join(TREE, "Kbuild"), f.read() + "ccflags-y += -include $(src)/covered.h\n")
    replace(os.path.join(TREE, "covered.h"), HEADER)
    for file in numbered.files:
        text = numbered.instrument(file)
        if file == "main.c":
            text = with_printer(text, numbered.count)
        replace(os.path.join(TREE, "module", file), text)
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", headers, f"M={TREE}", "modules"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))})
    with open(TREE + ".log", "w") as f:
        f.write(done.stdout)
    if done.returncode != 0:
        say(f"mutants: the module with marks was not built ({os.path.relpath(TREE, TOP)}.log)")
        return None
    return os.path.join(TREE, "xtcp.ko")


def replace(path, text):
    """Writes a file, if that changes it: what is as before is not compiled again."""
    if os.path.exists(path):
        with open(path) as f:
            if f.read() == text:
                return
    with open(path, "w") as f:
        f.write(text)


def with_printer(text, count):
    """main.c, with the function that prints, called at the end of the module's exit."""
    name = re.search(r"^module_exit\((\w+)\);", text, re.M).group(1)
    source = Source("main.c", text)
    leaves = next(function for function in source.functions if function.name == name)
    at = source.tokens[leaves.last].start
    text = text[:at] + "\tcovered_print();\n" + text[at:]
    after = [m.end() for m in re.finditer(r"^#include .*\n", text, re.M)][-1]
    return text[:after] + PRINTER.format(bytes=-(-count // 4) * 4) + text[after:]


class Walk(Guest):
    """A guest that runs programs on the module with marks."""

    def __init__(self, machine, wants, tests, number, save):
        super().__init__(machine, wants, tests, f"covered-{number}")
        self.save, self.busy = save, how_busy()

    def limit_s(self, name):
        return super().limit_s(name) * self.busy

    def bury(self):
        super().bury()
        # Another time it would die again.
        if self.current in self.by_name:
            self.save(self.current, [], self.kernel.outcomes[-1].wall_s)

    def environment(self):
        return super().environment() + ["XTCP_TEST_UNLOAD=1"]

    def end(self, name, status, guest_ms):
        outcome = self.outcome
        super().end(name, status, guest_ms)
        if name in self.by_name:
            self.save(name, numbers(self.log.section(name, wait=True)), outcome.wall_s)


def numbers(lines):
    """The points that a section of the kernel's log names."""
    seen = set()
    for line in lines:
        match = PRINTED.search(line)
        if match:
            at = int(match.group(1))
            for i, digit in enumerate(match.group(2)):
                value = int(digit, 16)
                seen.update(at + 4 * i + bit for bit in range(4) if value & 8 >> bit)
    return sorted(seen)


class Covered:
    """What each program executes, from the cache or by running it."""

    def __init__(self, texts):
        self.map = Map(texts)
        self.programs = {}          # name: (digest of its source, points)
        self.by_point = {}
        self.lock = threading.Lock()
        try:
            with open(CACHE, encoding="ascii") as f:
                stored = json.load(f)
            if stored["module"] == self.map.digest:
                self.programs = stored["programs"]
        except (OSError, ValueError, KeyError):
            pass

    def save(self):
        with open(CACHE + ".new", "w", encoding="ascii") as f:
            json.dump({"module": self.map.digest, "programs": self.programs}, f)
        os.replace(CACHE + ".new", CACHE)

    def missing(self, tests, digest_of):
        return [test for test in tests
                if self.programs.get(test.name, [None])[0] != digest_of(test.source)]

    def measure(self, release, machines, groups, digest_of, took, stopping):
        """Runs programs that are not known. @groups: (wants, tests) of each guest; @took: is told
        the seconds of each."""
        module = build(release, self.map)
        if not module:
            return False
        sources = {test.name: test.source for _, tests in groups for test in tests}

        def save(name, points, seconds):
            with self.lock:
                self.programs[name] = [digest_of(sources[name]), points]
                self.save()
                took(name, seconds)
                say(f"mutants: {name} executes {len(points)} of {self.map.count} places")

        free = queue.Queue()
        for machine in machines:
            free.put(machine)

        def one(number, wants, tests):
            machine, left = free.get(), tests
            try:
                machine.module = module
                for attempt in range(1 + len(tests)):
                    if not left or stopping.is_set():
                        break
                    left = Walk(machine, wants, left, f"{number}.{attempt}", save).run()
            finally:
                free.put(machine)

        with concurrent.futures.ThreadPoolExecutor(len(machines)) as pool:
            for future in [pool.submit(one, i, *group) for i, group in enumerate(groups)]:
                future.result()
        return True

    def index(self):
        self.by_point = {}
        for name, (_, points) in self.programs.items():
            for point in points:
                self.by_point.setdefault(point, set()).add(name)

    def covering(self, mutant):
        """The names of the programs that execute a mutant's place."""
        return self.by_point.get(self.map.point(mutant), set())
