# SPDX-License-Identifier: GPL-2.0
"""C as tokens, and the functions of a file with their statements.

No parser of C, but of how this module is written: it knows the tokens, pairs of
brackets, where a function begins, and where a statement does.
"""

import bisect
import re
import typing

TOKEN = re.compile(r"""
    (?P<blank>(?:\s|\\\n|//[^\n]*|/\*.*?\*/)+)
  | (?P<directive>\#(?:[^\\\n]|\\.)*)
  | (?P<text>L?"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<sign><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
""", re.X | re.S)

OPENING = {"(": ")", "[": "]", "{": "}"}
# Their parentheses have a statement behind them.
HEADS = ("if", "while", "for", "switch")
NO_TYPE = {"static", "inline", "noinline", "__always_inline", "noinline_for_stack",
           "__init", "__exit", "__cold", "__net_init", "__net_exit", "const"}


class Token(typing.NamedTuple):
    """One token; for a bracket .pair is the index of the other one."""
    kind: str
    text: str
    start: int
    end: int


class Function(typing.NamedTuple):
    """A function's definition: indices of tokens."""
    name: str
    returns: str        # "bool", "void", "*" or another type
    first: int          # the opening brace
    last: int           # the closing brace


class Source:
    """A C file."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        self.tokens = [Token(m.lastgroup, m.group(), m.start(), m.end())
                       for m in TOKEN.finditer(text)
                       if m.lastgroup not in ("blank", "directive")]
        self.pairs, self.around = self.find_pairs()
        self.line_starts = [0] + [m.end() for m in re.finditer("\n", text)]
        self.functions = list(self.find_functions())

    def find_pairs(self):
        """The index of each bracket's other one, and of the opening one around each token."""
        pairs, around, open_ones = {}, [], []
        for i, token in enumerate(self.tokens):
            closes = token.kind == "sign" and token.text in OPENING.values() and open_ones
            if closes:
                pairs[i] = open_ones.pop()
                pairs[pairs[i]] = i
            around.append(open_ones[-1] if open_ones else -1)
            if token.kind == "sign" and token.text in OPENING:
                open_ones.append(i)
        return pairs, around

    def word(self, i):
        """The text of token @i; empty outside of the file."""
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def kind(self, i):
        return self.tokens[i].kind if 0 <= i < len(self.tokens) else ""

    def line_of(self, at):
        """The number of the line that contains position @at."""
        return bisect.bisect_right(self.line_starts, at)

    def line_text(self, at):
        """That line, without the blanks around it."""
        number = self.line_of(at)
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[self.line_starts[number - 1]:end].strip()

    def between(self, first, last):
        """The text of the tokens @first to @last."""
        return self.text[self.tokens[first].start:self.tokens[last].end]

    def find_functions(self):
        """What stands outside of all braces, ends in braces, and has parentheses but no "="."""
        i = begin = 0
        while i < len(self.tokens):
            word = self.word(i)
            if word == ";":
                begin = i + 1
            elif word == "{":
                last = self.pairs.get(i, len(self.tokens))
                function = self.function(begin, i, last)
                if function:
                    yield function
                i = last
                # A structure or a table goes on to its semicolon.
                if function:
                    begin = i + 1
            elif word in OPENING:
                i = self.pairs.get(i, i)
            i += 1

    def function(self, begin, brace, last):
        depth, name = 0, None
        for i in range(begin, brace):
            word = self.word(i)
            if depth == 0 and word == "=":
                return None
            if depth == 0 and word == "(" and name is None and self.kind(i - 1) == "name":
                name = i - 1
            depth += (word in OPENING) - (word in OPENING.values())
        if name is None or name < begin:
            return None
        words = [self.word(i) for i in range(begin, name) if self.word(i) not in NO_TYPE]
        returns = "*" if "*" in words else " ".join(words)
        return Function(self.word(name), returns, brace, last)

    def statements(self, function):
        """(first, last) of each simple statement: up to its semicolon."""
        for i in range(function.first + 1, function.last):
            if not self.begins_statement(i):
                continue
            end = i
            while end < function.last and self.word(end) not in (";", "{", "}"):
                end = self.pairs.get(end, end) + 1 if self.word(end) in ("(", "[") else end + 1
            if self.word(end) == ";" and end > i:
                yield i, end

    def begins_statement(self, i):
        before = self.word(i - 1)
        if before in (";", "{", "}"):
            # Not in the head of a for.
            return self.word(self.around[i]) == "{"
        if before in ("else", "do"):
            return True
        if before == ":":
            # Behind a label, not within a ?: or behind a case, which has its own line.
            return self.kind(i - 2) == "name" and self.word(i - 3) in (";", "{", "}")
        if before == ")":
            head = self.word(self.pairs.get(i - 1, i) - 1)
            return head in HEADS or "for_each" in head
        return False
