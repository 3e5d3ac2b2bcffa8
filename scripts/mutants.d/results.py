# SPDX-License-Identifier: GPL-2.0
"""What became of each mutant, in a file to which each outcome is added at once; and the
mutants that nothing can tell from the module."""

import collections
import os
import threading
import typing

from common import TOP, die

RESULTS = os.path.join(TOP, "build", "mutants", "results")
EQUIVALENT = "selftests/mutants-equivalent"

KILLED, SURVIVED, INVALID, SAME = "KILLED", "SURVIVED", "INVALID", "SAME"


class Result(typing.NamedTuple):
    """One line of the file; the fields are divided by tabs."""
    key: str            # of the mutant
    outcome: str
    by: str             # the program and its test, or "N of M programs" that passed
    seconds: str
    digest: str         # of the M programs
    name: str           # of the mutant, for people


class Results:
    """The file."""

    def __init__(self):
        self.lock = threading.Lock()
        self.by_key = {}
        os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
        if os.path.exists(RESULTS):
            with open(RESULTS) as f:
                for line in f:
                    fields = line.rstrip("\n").split("\t")
                    # The last line may be half a line.
                    if line.endswith("\n") and len(fields) == len(Result._fields):
                        self.by_key[fields[0]] = Result(*fields)

    def kills(self):
        """(file, function, program) of each mutant that was killed."""
        return [(*result.name.split(": ")[0].split(" "), result.by.split(":")[0])
                for result in self.by_key.values() if result.outcome == KILLED]

    def add(self, result):
        with self.lock:
            self.by_key[result.key] = result
            with open(RESULTS, "a") as f:
                f.write("\t".join(result) + "\n")

    def known(self, mutant, digest, everything):
        """Its result, unless it has survived and programs have changed, others came, or all are
        to run and have not."""
        result = self.by_key.get(mutant.key)
        if result and result.outcome == SURVIVED:
            ran, _, there = result.by.split()[:3]
            if result.digest != digest or (everything and ran != there):
                return None
        return result


def equivalents():
    """The names of the mutants that are excused, with the number of the line."""
    names = {}
    with open(os.path.join(TOP, EQUIVALENT)) as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, mark, why = line.strip().rpartition(" # ")
            if not mark or not why:
                die(f"{EQUIVALENT}:{number}: no ' # why'")
            names[name] = number
    return names


def table(mutants, outcome_of):
    """Lines with the numbers of each file. @outcome_of: None for a mutant that was not run."""
    counts = collections.defaultdict(collections.Counter)
    for mutant in mutants:
        outcome = outcome_of(mutant)
        if outcome:
            counts[mutant.file][outcome] += 1
    for file in sorted(counts):
        numbers = counts[file]
        yield (f"{file:30} {sum(numbers.values()):4} mutants: {numbers[KILLED]} killed, "
               f"{numbers[SURVIVED]} survived, {numbers[SAME]} the same, {numbers[INVALID]} invalid")
