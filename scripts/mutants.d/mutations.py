# SPDX-License-Identifier: GPL-2.0
"""Which changes of one token or one statement a file allows.

A mutation stays within its lines, so the numbers of all lines are as before.
"""

import collections
import hashlib
import re
import typing

from source import OPENING, Source

# Instead of an operator; the first of two is its negation.
OPERATORS = {
    "<": (">=", "<="), ">": ("<=", ">="), "<=": (">", "<"), ">=": ("<", ">"),
    "==": ("!=",), "!=": ("==",),
    "&&": ("||",), "||": ("&&",),
    "+": ("-",), "-": ("+",), "/": ("*",), "<<": (">>",), ">>": ("<<",),
    "&": ("|",), "|": ("&",),
    "+=": ("-=",), "-=": ("+=",), "|=": ("&=",), "&=": ("|=",), "<<=": (">>=",), ">>=": ("<<=",),
    "++": ("--",), "--": ("++",),
}
# These may also have one operand.
TWO_OPERANDS = {"+", "-", "&"}
NAMES = {
    "min": ("max",), "max": ("min",), "min_t": ("max_t",), "max_t": ("min_t",),
    "min3": ("max3",), "max3": ("min3",),
    "true": ("false",), "false": ("true",),
    "seq_before": ("seq_after_eq", "seq_before_eq"), "seq_after": ("seq_before_eq", "seq_after_eq"),
    "seq_before_eq": ("seq_after", "seq_before"), "seq_after_eq": ("seq_before", "seq_after"),
    "seq_add": ("seq_sub",), "seq_sub": ("seq_add",),
}
# What these have in their parentheses only checks, or is no code.
CHECKS = re.compile(r"\w*assert\w*|lockdep_\w+|DEBUG_\w+|BUILD_BUG\w*|WARN\w*|pr_debug|might_\w+|"
                    r"net_dbg_\w+|sizeof|offsetof|container_of|typeof|alignof")
# Nothing shows the absence of these on a machine with one CPU, or at all.
NO_EFFECT = re.compile(r"smp_\w+|prefetch\w*|cond_resched|cpu_relax|barrier")
NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$")
ASSIGNMENTS = ("=", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "<<=", ">>=", "%=")
BINARY_AFTER = ("name", "number")
KEYWORDS = ("return", "case", "else", "do", "goto", "sizeof")


class Mutant(typing.NamedTuple):
    """One change of one file."""
    file: str           # below module/
    function: str
    line: int
    text: str           # the line, or the first one of a statement
    label: str          # "< -> <="; with a number if the line has it more than once
    start: int          # what is replaced
    end: int
    new: str
    key: str            # changes if the function does
    body: str           # of the function

    def place(self):
        return f"{self.file}:{self.line}"

    def name(self):
        """How selftests/mutants-equivalent names it."""
        return f"{self.file} {self.function}: {self.text}: {self.label}"

    def apply(self, text):
        """The file's text with the change. Lines keep their numbers, and what stands behind
        the change its column, if there is room."""
        old = text[self.start:self.end]
        new = self.new + "\n" * (old.count("\n") - self.new.count("\n"))
        if "\n" not in old:
            new = new.ljust(len(old))
        return text[:self.start] + new + text[self.end:]


class Finder:
    """Finds the mutants of one file."""

    def __init__(self, source, constants):
        self.source, self.constants = source, constants
        self.found = []
        self.function = None

    def run(self):
        source = self.source
        for function in source.functions:
            self.function = function
            checks = self.checks(function)
            before = len(self.found)
            for i in range(function.first + 1, function.last):
                if i not in checks:
                    self.token(i)
            self.statements(checks)
            self.initializers(checks)
            self.found[before:] = self.name(self.found[before:])
        return self.found

    def checks(self, function):
        """The tokens that are no code, or code that only checks."""
        source, inside = self.source, set()
        for i in range(function.first + 1, function.last):
            if source.word(i + 1) == "(" and CHECKS.fullmatch(source.word(i)):
                inside.update(range(i, source.pairs[i + 1] + 1))
        return inside

    def add(self, first, last, label, new):
        tokens = self.source.tokens
        self.found.append((tokens[first].start, tokens[last].end, label, new))

    def name(self, found):
        """Mutants of the function, with labels that differ in each line."""
        source, function = self.source, self.function
        body = source.between(function.first, function.last)
        base = source.tokens[function.first].start
        seen = collections.Counter()
        for start, end, label, new in sorted(found):
            text = source.line_text(start)
            seen[text, label] += 1
            if seen[text, label] > 1:
                label = f"{label} ({seen[text, label]})"
            key = "\0".join((source.name, function.name, body, str(start - base), label))
            yield Mutant(source.name, function.name, source.line_of(start), text, label, start, end,
                         new, hashlib.sha1(key.encode()).hexdigest()[:12], body)

    def token(self, i):
        """What else one token can be."""
        source = self.source
        word, kind, before = source.word(i), source.kind(i), source.word(i - 1)
        if kind == "number" and before != "case":
            self.number(i)
        elif kind == "name" and word in NAMES:
            for new in NAMES[word]:
                self.add(i, i, f"{word} -> {new}", new)
        elif kind == "name" and word in self.constants:
            for sign in "+-":
                self.add(i, i, f"{word} -> {word} {sign} 1", f"({word} {sign} 1)")
        elif kind == "sign" and word in OPERATORS:
            if word not in TWO_OPERANDS or self.has_left_operand(i):
                for new in OPERATORS[word]:
                    self.add(i, i, f"{word} -> {new}", new)
        elif word == "!" and kind == "sign":
            self.add(i, i, "! removed", "")
        elif word in ("if", "while") and source.word(i + 1) == "(":
            self.condition(i, word)
        elif word == "return":
            self.returned(i)

    def has_left_operand(self, i):
        source = self.source
        before = source.word(i - 1)
        if before in KEYWORDS:
            return False
        if before == ")":
            # Behind "(void *)" or "(u8)" it has none.
            return source.word(i - 2) != "*" and not re.fullmatch(
                r"\(([us](8|16|32|64)|int|long|size_t|__be(16|32))\)",
                source.between(source.pairs[i - 1], i - 1))
        return source.kind(i - 1) in BINARY_AFTER or before == "]"

    def number(self, i):
        match = NUMBER.match(self.source.word(i))
        if not match:
            return
        digits, suffix = match.groups()
        value = int(digits, 8 if re.fullmatch("0[0-7]+", digits) else 0)
        for new in sorted({value + 1, value - 1, 0} - {value, -1}):
            self.add(i, i, f"{match.group()} -> {new}{suffix}", f"{new}{suffix}")

    def condition(self, i, word):
        """Both ways for an if, only the way out for a loop. What it computes is still computed."""
        source = self.source
        last = source.pairs[i + 1]
        inner = source.between(i + 2, last - 1)
        for value in ("true", "false"):
            if value == "false" or word == "if":
                self.add(i + 1, last, f"{word} ({value})", f"(({inner}), {value})")

    def returned(self, i):
        source, returns = self.source, self.function.returns
        end = i
        while source.word(end) != ";":
            end = source.pairs.get(end, end) + 1 if source.word(end) in OPENING else end + 1
        if end == i + 1 or source.word(i + 1) in ("true", "false", "0") or returns in ("*", ""):
            return
        value = source.between(i + 1, end - 1)
        new = f"return !({value});" if returns == "bool" else f"return -({value});"
        self.add(i, end, "returned value negated", new)

    def statements(self, checks):
        source = self.source
        for first, last in source.statements(self.function):
            if first in checks or source.word(first) in KEYWORDS:
                continue
            if self.is_call(first, last) and not NO_EFFECT.fullmatch(source.word(first)):
                self.add(first, last, "call removed", "{ }")
            elif self.is_assignment(first, last):
                self.add(first, last, "assignment removed", "{ }")

    def is_call(self, first, last):
        source = self.source
        at = first + 1
        while source.word(at) in ("->", ".") and source.kind(at + 1) == "name":
            at += 2
        return (source.kind(first) == "name" and source.word(at) == "(" and
                source.pairs[at] == last - 1)

    def is_assignment(self, first, last):
        """An lvalue, and what it gets; no declaration."""
        source = self.source
        i = first
        while source.word(i) == "*":
            i += 1
        if source.kind(i) != "name":
            return False
        i += 1
        while source.word(i) in ("->", ".", "["):
            i = source.pairs[i] + 1 if source.word(i) == "[" else i + 2
        return source.word(i) in ASSIGNMENTS or (source.word(i) in ("++", "--") and i + 1 == last)

    def initializers(self, checks):
        """A structure's .member = value, with its comma."""
        source, function = self.source, self.function
        for i in range(function.first + 1, function.last):
            if (i in checks or source.word(i) != "." or source.word(i - 1) not in ("{", ",") or
                    source.word(i + 2) != "="):
                continue
            end = i
            while source.word(end) not in (",", "}"):
                end = source.pairs[end] + 1 if source.word(end) in OPENING else end + 1
            if source.word(end) == ",":
                self.add(i, end, "assignment removed", "")


def find(name, text):
    """All mutants of the file @name."""
    constants = set(re.findall(r"^#define\s+([A-Z][A-Z0-9_]+)\s+\(?\d\w*\)?\s*(?:/\*|$)", text, re.M))
    return list(Finder(Source(name, text), constants).run())


def order(mutants, seed):
    """The mutants in an order that @seed draws; another function's change leaves it as it is."""
    return sorted(mutants, key=lambda m: hashlib.sha1(f"{seed} {m.key}".encode()).digest())
