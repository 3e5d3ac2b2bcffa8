#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""names.py: compare the names in the documents with those that the sources have.

  scripts/lint.d/names.py     prints the differences

By kind, where each name must have an entry, and what names it:

  knobs        user/sysctl.c          knobs.rst and xtcp(7)
  counters     observe/stats.h        counters.rst
  options      uapi/linux/xtcp.h,     xtcp(7)
               user/sockopt.c
  tracepoints  observe/trace.h        observing.rst
  files        user/*.c               no entry: those of /proc/net
  events       lifecycle.h            lifecycle.rst
  commands     scripts/xtcptool       xtcp(1), with all their options
  launcher     scripts/xtcp-run.c     xtcp-run(1): its options
  targets      Makefile               no entry
  differences  hostile/differ         wire.rst
  functions    selftests/coverage-unreachable
                                      module/: each that is no pattern

No document names one of these that does not exist. A word xtcp_... may also be any other
identifier of the sources, of their code and not of their comments.
"""

import importlib
import os
import re
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))
tool = importlib.import_module("xtcptool.main")

MAN_1, MAN_7 = "Documentation/man/xtcp.1", "Documentation/man/xtcp.7"
MAN_RUN, LAUNCHER = "Documentation/man/xtcp-run.1", "scripts/xtcp-run.c"
# CHANGELOG.md is history: it may name what is gone.
DOCUMENTS = ("*.md", "*.rst", "*/README", "Documentation/man/*.[1-8]")
SOURCES = ("module/*", "include/*", "selftests/*", "scripts/*", "fuzz/*", "contrib/*", "Makefile", ".ci/run",
           "Documentation/examples/*", "Documentation/hacking/*")
# Counters of Linux that documents name because xtcp has none, and lines of /proc.
FOREIGN_COUNTERS = {"TcpExt"}
# What the synopsis of xtcp(7) calls a file descriptor.
VARIABLES = {"xtcp_socket"}
# Not an option of its own but one of TCP_REPAIR's, which xtcp(7) has as a group.
REPAIR = re.compile(r"TCP_REPAIR_\w+|TCP_QUEUE_SEQ")


def files(*patterns):
    text = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                          cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted({f for f in text.splitlines() if os.path.exists(os.path.join(TOP, f))})


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def plain(text):
    """A manual page's words as a reader sees them."""
    text = re.sub(r"\\f[A-Z]|\\\(..|\\\||\\&", " ", text.replace("\\-", "-").replace("\\(dq", '"'))
    return re.sub(r'^\.(?:BR|IR|RB|RI|BI|IB|B|I|OP|SY|TP|TQ)\b\s*', "", text, flags=re.M)


def documents():
    """By name: the text of each document. Pages of the manual are in plain words."""
    names = [f for f in files(*DOCUMENTS) if f != "CHANGELOG.md"]
    return {name: plain(read(name)) if re.search(r"\.[1-8]$", name) else read(name) for name in names}


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def missing(names, kind, place, there):
    return [f"{place}: has no entry for the {kind} {name}" for name in sorted(set(names) - set(there))]


def unknown(texts, pattern, known, kind):
    """Matches of @pattern whose group is not one of @known."""
    return [f"{name}:{line_of(text, m.start(1))}: there is no {kind} {m.group(1)}"
            for name, text in texts.items() for m in re.finditer(pattern, text, re.M) if m.group(1) not in known]


def abbreviated(words):
    """"TCPAckedThis, ...That": that is TCPAckedThat, with as much of the first word as a capital letter follows."""
    first = next(iter(words))
    starts = [first[:m.start()] for m in re.finditer(r"(?<!^)[A-Z]", first)]
    for word in words:
        yield from (start + word[3:] for start in starts) if word.startswith("...") else (word,)


# --- what the sources have ----------------------------------------------------

def knobs_of_sources():
    text = read("module/user/sysctl.c")
    rows = text[text.index("xtcp_knob_rows[] = {"):text.index("#define KNOBS")]
    names = re.findall(r"^\tKNOB_(?!TEXT\b)\w+\((\w+)", rows, re.M) + re.findall(r'KNOB_TEXT\("(\w+)"', rows)
    names += re.findall(r'\.procname\s*= "xtcp_(\w+)"', rows)
    return {"xtcp_" + name for name in names}


def code_words():
    """Identifiers of the sources, without comments, and names of files and modules."""
    found = set()
    for name in files(*SOURCES):
        if name.endswith((".rst", ".md", "README")):
            continue
        text = re.sub(r"/\*.*?\*/", "", read(name), flags=re.S) if name.endswith((".c", ".h")) else read(name)
        found.update(re.findall(r"\bxtcp_\w+", text))
        found.add(os.path.splitext(os.path.basename(name))[0])
    # Names that macros make.
    sources = read("module/user/metrics.c")
    for metric in re.findall(r'(?:head|gauge)_show\(m, "(\w+)"', sources):
        found.update(f"xtcp_{metric}{end}" for end in ("", "_total", "_bucket", "_sum", "_count"))
    found.update(re.findall(r"^(xtcp_\w+)-", read("Kbuild"), re.M))
    found.update(os.path.splitext(os.path.basename(f))[0] for f in files("module/congestion/*.c"))
    found.update("xtcp_cc_" + os.path.basename(f)[:-2] for f in files("module/congestion/*.c"))
    return found


def counters_of_sources():
    """By line of /proc: names, without and with the word that nstat puts before them."""
    text = read("module/observe/stats.h")
    names = set(re.findall(r'^\tX\(\w+,\s*"(\w+)"\)', text, re.M))
    if not names:
        sys.exit("names: observe/stats.h has no counters")
    return names


def options_of_sources():
    ours = re.findall(r"^#define (XTCP_\w+)\t+\d+$", read("include/uapi/linux/xtcp.h"), re.M)
    theirs = set(re.findall(r"\bcase (TCP_\w+):", read("module/user/sockopt.c")))
    return set(ours), {name for name in theirs if not REPAIR.fullmatch(name)}


def targets_of_makefile():
    found = set()
    for line in re.findall(r"^([a-z][a-z -]*):(?!=)", read("Makefile"), re.M):
        found.update(line.split())
    return found


# --- the steps ------------------------------------------------------------------

def knobs(texts):
    known, words = knobs_of_sources(), code_words()
    entries = re.findall(r"^(xtcp_\w+(?:, xtcp_\w+)*) - ", texts["Documentation/knobs.rst"], re.M)
    said = missing(known, "knob", "Documentation/knobs.rst", {word for line in entries for word in line.split(", ")})
    section = re.search(r"^\.SS Knobs$.*?^\.SS ", texts[MAN_7], re.M | re.S).group(0)
    in_man = set(re.findall(r"\bxtcp_\w+", section))
    # "xtcp_keepalive_time", then ", _intvl": the page writes each in full.
    said += missing(known, "knob", MAN_7, in_man)
    said += unknown({"Documentation/knobs.rst": texts["Documentation/knobs.rst"]}, r"^(xtcp_\w+)(?:, xtcp_\w+)* - ", known, "knob")
    said += unknown(texts, r"\bnet[./]ipv4[./](xtcp_[a-z0-9_]+\b)", known, "knob")
    for name, text in texts.items():
        for m in re.finditer(r"(?<![\w.-])xtcp_[a-z0-9_]+\b(?!\w)", text):
            word = m.group(0)
            # "xtcp_cc_NAME", "xtcp_echo_*()"
            if word in known or word in words | VARIABLES or (word.endswith("_") and any(w.startswith(word) for w in words | known)):
                continue
            said.append(f"{name}:{line_of(text, m.start())}: neither a knob nor any other name of the sources: {word}")
    return said


def counters(texts):
    page, known = "Documentation/counters.rst", counters_of_sources()
    terms = [re.split(r",\s", line) for line in re.findall(r"^([A-Z]\w+(?:,[ \n](?:\.\.\.)?\w+)*)\n(?=\t)", texts[page], re.M)]
    there = {name for words in terms for name in abbreviated(words)} | set(re.findall(r"\w+", texts[page]))
    said = missing(known, "counter", page, there)
    constant = {"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"}
    full = {word for words in terms for word in words if not word.startswith("...")}
    said += [f"{page}: there is no counter {word}" for word in sorted(full - known - constant)]
    spelled = known | constant | FOREIGN_COUNTERS | {line + name for line in ("Tcp", "TcpExt") for name in known | constant}
    for name, text in texts.items():
        # Words that can only be counters: in double backquotes, or in a line of nstat.
        words = re.finditer(r"\b(Xtcp[A-Z]\w+)\b|(?<!`)``((?:TcpExt|Tcp|TCP|TW|PAWS|Listen|Syncookies)[A-Z][A-Za-z0-9]*[a-z]\w*)``", text)
        said += [f"{name}:{line_of(text, m.start())}: there is no counter {m.group(m.lastindex)}"
                 for m in words if m.group(m.lastindex) not in spelled]
    return said


def options(texts):
    ours, theirs = options_of_sources()
    section = re.search(r"^\.SS Socket options$.*?^\.SS ", texts[MAN_7], re.M | re.S).group(0)
    said = missing(ours | theirs, "socket option", MAN_7, set(re.findall(r"\bX?TCP_\w+", section)))
    header = set(re.findall(r"\bXTCP_\w+", read("include/uapi/linux/xtcp.h")))
    words = set()
    for name in files(*SOURCES):
        words.update(re.findall(r"\bXTCP_[A-Z0-9_]+\b", read(name)))
    for name, text in texts.items():
        for m in re.finditer(r"\bXTCP_[A-Z0-9_]+\b", text):
            word = m.group(0)
            if word not in header and word not in words and not any(w.startswith(word) for w in words if word.endswith("_")):
                said.append(f"{name}:{line_of(text, m.start())}: there is no {word}")
    return said


def tracepoints(texts):
    known = set(re.findall(r"^TRACE_EVENT\((\w+),", read("module/observe/trace.h"), re.M))
    page = "Documentation/observing.rst"
    said = missing(known, "tracepoint", page, set(re.findall(r"\bxtcp_\w+", texts[page])))
    return said + unknown(texts, r"\bxtcp:(xtcp_\w+)", known, "tracepoint")


def proc_files(texts):
    known = set()
    for name in files("module/user/*.c"):
        known.update(re.findall(r'(?:\bproc_create\w*\(|\.name =)\s*"(xtcp\w*)"', read(name)))
    return unknown(texts, r"/proc/net/(xtcp\w*)", known, "file of /proc/net")


def events(texts):
    known = set(re.findall(r'^\tX\(\w+,\s*"([^"]+)"\)', read("module/lifecycle.h"), re.M))
    page = "Documentation/lifecycle.rst"
    part = texts[page]
    part = part[part.index("\nEvents\n"):part.index("\nReading the table\n")]
    table = set(re.findall(r"^([^\s=]\S*) +\S", part[part.index("=====\nevent "):], re.M)) - {"event"}
    prose = set(re.findall(r"``([A-Za-z][A-Za-z2,-]+)``", part[:part.index("=====\nevent ")]))
    said = missing(known, "event", page, table | prose)
    return said + [f"{page}: there is no event {name}" for name in sorted(table - known)]


# --- the command xtcp -------------------------------------------------------------

def options_of(parser):
    return {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}


def commands(texts):
    parsers = {name: tool.parser_of(name, tool.load(name)) for name in tool.names()}
    taken = {name: options_of(parser) for name, parser in parsers.items()}
    page = read(MAN_1)
    synopsis = page[page.index(".SH SYNOPSIS"):page.index(".SH DESCRIPTION")]
    section, said = {}, []
    for m in re.finditer(r"^\.SS (xtcp \w+(?:, xtcp \w+)*)\n(.*?)(?=^\.S[SH] )", page, re.M | re.S):
        for name in re.findall(r"xtcp (\w+)", m.group(1)):
            section[name] = plain(m.group(2))
    common = plain(page[page.index(".SH OPTIONS"):page.index(".SH JSON")])
    for name in sorted(taken):
        blocks = "".join(re.findall(rf"^\.SY xtcp\\ {name}\n(.*?)(?=^\.S[YH]|^\.YS)", synopsis, re.M | re.S))
        if not blocks:
            said.append(f"{MAN_1}: the synopsis has no xtcp {name}")
        if name not in section:
            said.append(f"{MAN_1}: there is no section xtcp {name}")
        # Filters are those of ls, sort and order of top, too.
        places = plain(blocks) + section.get(name, "") + common + (section.get("ls", "") if name in ("top", "kill") else "")
        words = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", places))
        said += [f"{MAN_1}: xtcp {name} does not have its option {option}" for option in sorted(taken[name] - words)]
        strange = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", section.get(name, "") + plain(blocks)))
        everywhere = set().union(*taken.values()) | {"--cgroup", "-w", "-i", "-h", "--help"}
        said += [f"{MAN_1}: xtcp {name} names an option that no subcommand has: {option}"
                 for option in sorted(strange - everywhere)]
    for name, text in texts.items():
        for line, call in calls(name, text, "xtcp"):
            words = call.split()
            if not words or not re.fullmatch(r"[a-z]+", words[0]):
                continue
            if words[0] not in taken:
                if words[0] != "help":
                    said.append(f"{name}:{line}: there is no xtcp {words[0]}")
                continue
            used = {w.split("=")[0] for w in words[1:] if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", w)}
            said += [f"{name}:{line}: xtcp {words[0]} has no option {option}"
                     for option in sorted(used - taken[words[0]] - {"--help"})]
    return said


def options_in(text):
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text))


def launcher(texts):
    """The options of xtcp-run: its table for getopt_long(), its usage, its page, and what calls it."""
    source, page = read(LAUNCHER), read(MAN_RUN)
    table = re.findall(r"""\{ "([a-z-]+)", (no|required)_argument, NULL, (?:'(\w)'|\w+) \},""", source)
    shorts = re.search(r'getopt_long\(argc, argv, "\+([\w:]+)"', source).group(1)
    known = {f"--{name}" for name, _, _ in table} | {f"-{short}" for _, _, short in table if short}
    taking = {option for name, kind, short in table if kind == "required" for option in (f"--{name}", f"-{short}")}
    synopsis = page[page.index(".SH SYNOPSIS"):page.index(".SH DESCRIPTION")]
    section = page[page.index(".SH OPTIONS"):page.index(".SH EXIT STATUS")]
    heads = options_in(plain("\n".join(re.findall(r"^\.TP\n(.*)$", section, re.M))))
    # It has the short ones alone, some of them as one word.
    shown = {f"-{c}" for word in re.findall(r"^\.OP \\-(\w+)", synopsis, re.M) for c in word}
    # Alternatives: [-l|-c].
    shown |= {f"-{c}" for words in re.findall(r"^\.RB \[ (.*) \]$", synopsis, re.M) for c in re.findall(r"\\-(\w)", words)}
    shown |= {option for option in options_in(plain(synopsis)) if option.startswith("--")}
    wanted = {f"-{short}" if short else f"--{name}" for name, _, short in table} - {"-h", "-V"}
    usage = re.search(r"usage_text\[\] =\n(.*?);\n", source, re.S).group(1)
    said = missing(known, "option", MAN_RUN, heads) + missing(wanted, "option", f"{MAN_RUN}: the synopsis", shown)
    said += missing(known - {"-h"}, "option", f"{LAUNCHER}: the usage", options_in(usage.replace('"', " ")))
    for place, words in ((MAN_RUN, options_in(plain(section)) | shown), (f"{LAUNCHER}: the usage", options_in(usage.replace('"', " ")))):
        said += [f"{place}: xtcp-run has no option {word}" for word in sorted(words - known)]
    if sorted(re.findall(r"\w:?", shorts)) != sorted(short + ":" * (kind == "required") for _, kind, short in table if short):
        said.append(f"{LAUNCHER}: the letters and the table of getopt_long() differ")
    for name, text in texts.items():
        for line, call in calls(name, text, "xtcp-run"):
            words = iter(call.split())
            for word in words:
                if not word.startswith("-") or word == "--":
                    break
                word, _, value = word.partition("=")
                # "-lp 443": letters as one word.
                used = [word] if word.startswith("--") else [f"-{c}" for c in word[1:]]
                said += [f"{name}:{line}: xtcp-run has no option {option}" for option in used if option not in known]
                if used[-1] in taking and not value:
                    next(words, None)
    return said if table else [f"{LAUNCHER}: has no table of options"]


def literal_lines(text):
    """Numbers of the lines of literal blocks, which a paragraph that ends in "::" announces."""
    found, outer, announced = set(), None, None
    for number, line in enumerate(text.expandtabs().splitlines(), 1):
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if announced is not None:
            outer, announced = (announced if indent > announced else None), None
        if outer is not None and indent > outer:
            found.add(number)
            continue
        outer = None
        if line.rstrip().endswith("::"):
            announced = indent
    return found


def calls(name, text, program):
    """The line and the arguments of each call of @program: in backquotes, behind a prompt, and at the start of a
    line of a literal block."""
    quoted = rf"`(?:sudo )?{program} ([^`]*)`"
    typed = rf"^[ \t]*(\w*[#$] )?(?:\w+=\S+ )*{program} ([^\n]*)"
    literal = literal_lines(text) if name.endswith(".rst") else ()
    for m in re.finditer(f"{quoted}|{typed}", text, re.M):
        line = line_of(text, m.start())
        indented = name.endswith(".md") and text.startswith("    ", m.start())
        if m.group(1) is None and not (m.group(2) or indented or line in literal):
            continue
        call = re.split(r" [|;&>#]| {3,}|\\$", m.group(1) or m.group(3) or "")[0].replace("\n", " ")
        # "make run: every check passed" is what a command prints.
        if not re.match(r"\S*:( |$)", call):
            yield line, call


def targets(texts):
    known, said = targets_of_makefile(), []
    for name, text in texts.items():
        for line, call in calls(name, text, "make"):
            try:
                words = shlex.split(call)
            except ValueError:
                words = call.split()
            if any(w.startswith(("-C", "-f")) for w in words):
                continue
            said += [f"{name}:{line}: there is no make {word}" for word in words
                     if re.fullmatch(r"[a-z][a-z-]*", word) and word not in known]
    return said


def differences(texts):
    """What hostile/differ excuses stands in wire.rst, "Differences from Linux"."""
    rows = re.findall(r'^\t\{ "([^"]+)",', read("selftests/hostile/differ.c").split("meant[] = {")[1], re.M)
    wire = texts["Documentation/wire.rst"]
    return [f"Documentation/wire.rst: has no entry for the difference {row}"
            for row in rows if not re.search(rf"^{re.escape(row)}\n\t", wire, re.M)] or \
           ([] if rows else ["selftests/hostile/differ.c: has no table of differences"])


def functions(_texts):
    """What the packet fuzzer can't reach has not got another name since."""
    name = "selftests/coverage-unreachable"
    # The module's loader gives module_exit()'s function this name.
    known = {"cleanup_module"}.union(*(re.findall(r"\w+", read(f)) for f in files("module/*.[ch]")))
    return [f"{name}:{line}: module/ has no function {words[0]}" for line, words in
            enumerate(map(str.split, read(name).splitlines()), 1)
            if words and re.fullmatch(r"\w+", words[0]) and words[0] not in known]


def main():
    texts = documents()
    for step in (knobs, counters, options, tracepoints, proc_files, events, commands, launcher, targets, differences,
                 functions):
        for line in step(texts):
            print(line)


if __name__ == "__main__":
    main()
