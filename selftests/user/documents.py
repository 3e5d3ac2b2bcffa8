#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""documents.py: the commands that README.md and the manual pages print, and what they must print.

  documents.py run FOLDER DOCUMENT CLIENT SERVER [NAME=VALUE...]
                          runs those of DOCUMENT, which is below FOLDER, in two network namespaces
  documents.py check TOP  compares the documents of the source tree TOP with documents.list, and its
                          tests with those that exist (scripts/lint documents)

documents.list has an entry for each command, as the document prints it, below the document's
name: a line with the command, and lines that begin with a tab:

  apart REASON        it is not run
  block REASON        it is the first line of a block that is not run
  proved WHERE NAME   with apart or block: the test that shows in its place that it works. WHERE is
                      FOLDER/PROGRAM, or scripts/... with a function NAME
  before COMMAND      a command that is run first; on the server, as all that follow
  put TEXT TEXT       the second text takes the place of the first
  type TEXT           the standard input
  terminal            it has a terminal, where q is pressed after 3 s
  until SECONDS       it ends by ^C after so many seconds
  stays               it runs in the background until the block ends
  then COMMAND        a command that is run after it; what that prints counts, too
  fails STATUS        its exit status, if not 0
  prints REGEXP       a line of the output matches; each such line of the entry must
  nothing             the output is empty

A word VARIABLE in capitals after a dollar sign is one of the run's NAME=VALUE. The last section
has the entries of README's "What it doesn't do": below each, "test FOLDER/PROGRAM NAME" names a
test that shows the limit, and "apart REASON" says why there is none.
"""

import os
import pty
import re
import select
import shlex
import signal
import string
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIST = os.path.join(HERE, "documents.list")
LIMITS = "What it doesn't do"
README = "README.md"
PROMPT = re.compile(r"(?:(server|client)?([#$])) (?=\S)")
WORDS = {"apart", "block", "proved", "before", "put", "type", "terminal", "until", "stays", "then", "fails", "prints",
         "nothing", "test"}
# On the guest's clock.
LIMIT_S = 120


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


# --- what the documents have --------------------------------------------------

def blocks_of_markdown(text):
    """Indented blocks, and those between fences, as lists of lines."""
    found, block, fenced = [], [], False
    for line in text.splitlines() + [""]:
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            block.append(line if fenced else line[4:])
            continue
        if block:
            found.append(block)
            block = []
    return found


def blocks_of_manual(text):
    """What is between .EX and .EE."""
    found = re.findall(r"^\.EX\n(.*?)^\.EE$", text, re.M | re.S)
    return [re.sub(r"\\e", r"\\", block.replace(r"\-", "-")).splitlines() for block in found]


def blocks_of(document, text):
    return (blocks_of_markdown if document.endswith(".md") else blocks_of_manual)(text)


def commands_of(block):
    """The commands of a block: (namespace, first line, command). Lines after a prompt belong to its command."""
    found, prompts = [], any(PROMPT.match(line) for line in block)
    for line in block:
        m = PROMPT.match(line)
        if m or not prompts:
            line = re.sub(r"\s{2,}# .*$", "", line).rstrip()
            found.append((m.group(1) or "server" if m else "server", line, line[m.end():] if m else line))
        elif found:
            where, shown, command = found[-1]
            found[-1] = (where, shown, command + "\n" + line)
    return found


def limits_of(text):
    """The names of README's limits."""
    part = text[text.index(f"## {LIMITS}"):]
    return re.findall(r"^- \*\*(.*?)\*\*", part[:part.index("\n## ")], re.M)


# --- documents.list -----------------------------------------------------------

def read_list():
    """By document: {command: [(word, argument)]}."""
    found, entry = {}, None
    for number, line in enumerate(read(LIST).splitlines(), 1):
        if not line.strip() or line.lstrip("\t").startswith("; "):
            continue
        if line.startswith("== "):
            section = found.setdefault(line[3:], {})
        elif line.startswith("\t"):
            word, _, argument = line.strip().partition(" ")
            if word not in WORDS:
                sys.exit(f"documents.list:{number}: no word {word}")
            entry.append((word, argument))
        else:
            if line in section:
                sys.exit(f"documents.list:{number}: a second entry")
            entry = section[line] = []
    return found


def check_document(top, document, entries):
    said, used = check_proofs(top, entries), set()
    for block in blocks_of(document, read(top, document)):
        first = block[0]
        if any(word == "block" for word, _ in entries.get(first, ())):
            used.add(first)
            continue
        for _, shown, _ in commands_of(block):
            used.add(shown)
            if shown not in entries:
                said.append(f"{document}: selftests/user/documents.list has no entry for: {shown}")
            elif not {"prints", "nothing", "apart", "stays"} & {word for word, _ in entries[shown]}:
                said.append(f"{document}: nothing says what this prints: {shown}")
    return said + [f"{document}: documents.list: this is not there: {shown}" for shown in entries if shown not in used]


def check_proofs(top, entries):
    """What is not run is proved by a test, and that exists."""
    said = []
    for shown, rows in entries.items():
        words = {word for word, _ in rows}
        if words & {"apart", "block"} and "proved" not in words:
            said.append(f"documents.list: no test proves what is not run: {shown}")
        for program, _, test in (text.partition(" ") for word, text in rows if word == "proved"):
            if test not in tests_of(top, program):
                said.append(f"documents.list: there is no test {test} in {program}")
    return said


def tests_of(top, program):
    if program.startswith("scripts/"):
        text = read(top, program) if os.path.isfile(os.path.join(top, program)) else ""
        return set(re.findall(r"^(?:def )?(\w+)\(", text, re.M))
    for suffix in (".sh", ".c"):
        if os.path.exists(os.path.join(top, "selftests", program + suffix)):
            text = read(top, "selftests", program + suffix)
            return set(re.findall(r"^(?:program_test |TEST(?:_F)?\((?:\w+, )?)(\w+)", text, re.M))
    return set()


def check_limits(top, entries):
    limits, said = limits_of(read(top, README)), []
    for name in limits:
        rows = entries.get(name, [])
        if not rows:
            said.append(f"{README}: {LIMITS}: documents.list names no test of: {name}")
        for word, argument in rows:
            program, _, test = argument.partition(" ")
            if word == "test" and test not in tests_of(top, program):
                said.append(f"documents.list: there is no test {test} in selftests/{program}")
    return said + [f"documents.list: {LIMITS}: README does not say: {name}" for name in entries if name not in limits]


def check(top):
    """Print what differs between documents, list and tests."""
    found, said = read_list(), []
    said += check_limits(top, found.pop(LIMITS, {}))
    pages = sorted(f for f in os.listdir(os.path.join(top, "Documentation/man")) if re.search(r"\.[1-8]$", f))
    for document in [README] + [f"Documentation/man/{page}" for page in pages]:
        said += check_document(top, document, found.pop(document, {}))
    said += [f"documents.list: no document {name}" for name in found]
    for line in said:
        print(line)
    return 1 if said else 0


# --- in a guest -----------------------------------------------------------------

class Run:
    """The commands of one document."""

    def __init__(self, spaces, variables):
        self.spaces, self.variables = spaces, variables
        self.background = []

    def start(self, where, command, **how):
        # Not ip netns exec, which hides what is mounted below /sys: xtcp ladder and bpftrace need tracefs.
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{self.spaces[where]}", "bash", "-c", command],
                                start_new_session=True, **how)

    def finish(self, child, after_s):
        """The output of @child, which ends by ^C after so many seconds, if any; None: it does not end."""
        try:
            return child.communicate(timeout=after_s or LIMIT_S)[0]
        except subprocess.TimeoutExpired:
            pass
        os.killpg(child.pid, signal.SIGINT)
        try:
            said = child.communicate(timeout=LIMIT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return None
        return said if after_s else None

    def simple(self, where, command, typed=None, after_s=None):
        """Output and exit status."""
        child = self.start(where, command, stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if typed:
            child.stdin.write(typed + "\n")
            child.stdin.flush()
        said = self.finish(child, after_s)
        if said is None:
            return "", f"no end after {LIMIT_S} s"
        # ^C is how such a command is meant to end.
        return said, 0 if after_s and child.returncode in (-signal.SIGINT, 128 + signal.SIGINT) else child.returncode

    def at_terminal(self, where, command):
        master, slave = pty.openpty()
        child = self.start(where, "stty rows 24 cols 120; TERM=vt100 " + command, stdin=slave, stdout=slave,
                           stderr=slave)
        os.close(slave)
        said, began, pressed = b"", time.monotonic(), False
        while time.monotonic() - began < LIMIT_S:
            if select.select([master], [], [], 0.5)[0]:
                try:
                    said += os.read(master, 65536)
                except OSError:
                    break
            if not pressed and time.monotonic() - began > 3:
                os.write(master, b"q")
                pressed = True
        os.close(master)
        if child.poll() is None and time.monotonic() - began >= LIMIT_S:
            os.killpg(child.pid, signal.SIGKILL)
        return said.decode(errors="replace").replace("\r", ""), child.wait()

    def one(self, where, command, rows):
        """Run a command as its entry says. Returns what is wrong, or None."""
        words = dict(rows)
        rows = [(word, string.Template(text).safe_substitute(self.variables) if word != "prints" else text)
                for word, text in rows]
        for text in (text for word, text in rows if word == "put"):
            old, new = shlex.split(text)
            if old not in command:
                return f"has no {old}"
            command = command.replace(old, new)
        for text in (text for word, text in rows if word == "before"):
            # A wait may be long: the clock is virtual.
            child = self.start("server", text, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
            said = child.communicate()[0]
            if child.returncode:
                return f"{text}: exit status {child.returncode}\n{said}"
        wanted = int(words.get("fails", 0))
        if "stays" in words:
            child = self.start(where, command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
            self.background.append(child)
            time.sleep(2)
            said, status = "", wanted if child.poll() is None else f"{child.returncode}, too early"
        elif "terminal" in words:
            said, status = self.at_terminal(where, command)
        else:
            said, status = self.simple(where, command, words.get("type"), float(words.get("until", 0)))
        for text in (text for word, text in rows if word == "then"):
            more, _ = self.simple("server", text)
            said += more
        if status != wanted:
            return f"exit status {status}, wanted {wanted}\n{said}"
        for word, text in rows:
            if word == "prints" and not re.search(text, said, re.M):
                return f"prints no {text}:\n{said}"
        if "nothing" in words and said:
            return f"prints:\n{said}"
        return None

    def end_block(self):
        """What a block has started ends with it. A knob stays as the block has set it, as it does for a reader."""
        for child in self.background:
            try:
                os.killpg(child.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            child.wait()
        self.background = []
        self.simple("server", "[ ! -e /run/nginx.pid ] || nginx -s quit; sleep 1")


def run(folder, document, spaces, variables):
    entries = read_list()[document]
    path = os.path.join(folder, document if document == README else document.removeprefix("Documentation/"))
    runner, number, wrong = Run(spaces, variables), 0, 0
    for block in blocks_of(document, read(path)):
        if any(word == "block" for word, _ in entries.get(block[0], ())):
            continue
        for where, shown, command in commands_of(block):
            rows = entries.get(shown, [("apart", "")])
            if any(word == "apart" for word, _ in rows):
                continue
            number += 1
            said = runner.one(where, command, rows)
            if said:
                wrong += 1
                print(f"{document}: {shown}: {said}")
        runner.end_block()
    print(f"{number} commands, {wrong} wrong")
    return 1 if wrong or not number else 0


def main():
    words = sys.argv[1:]
    if len(words) == 2 and words[0] == "check":
        return check(words[1])
    if len(words) < 5 or words[0] != "run":
        print(__doc__)
        return 2
    _, folder, document, client, server, *more = words
    return run(folder, document, {"client": client, "server": server}, dict(w.split("=", 1) for w in more))


if __name__ == "__main__":
    sys.exit(main())
