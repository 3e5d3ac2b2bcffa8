# SPDX-License-Identifier: GPL-2.0
"""states: the state machine with the number of times that each change was taken

From /proc/net/xtcp_lifecycle of this network namespace, or from FILEs with its content,
whose counts are added. With --interval only what happens meanwhile, as a rate. --dot prints a
graph, --svg and --png have graphviz draw it. DWELL is the mean time in the state
that the event ended, if the module measures it (/proc/net/xtcp_metrics).
"""

import os
import re
import shutil
import subprocess
import sys
import time

from xtcptool import SYSTEM_PATH, Failure, Usage, choose, laddersvg, procfs, text
from xtcptool.output import Output

BESIDE = "\u00a0\u00a0"	# between arrows and their words
TABLE, METRICS = "xtcp_lifecycle", "xtcp_metrics"
DWELL = re.compile(r'xtcp_state_seconds_(sum|count)\{from="(.*)",event="(.*)",to="(.*)"\} ([0-9.]+)$', re.M)


def add_arguments(parser):
    parser.add_argument("files", nargs="*", metavar="FILE", help="saved tables, in place of /proc's")
    parser.add_argument("--all", action="store_true", help="also rows that were never taken")
    parser.add_argument("--stays", action="store_true", help="also events that keep the state")
    parser.add_argument("--interval", type=choose.seconds, metavar="SECONDS",
                        help="the changes of this time, and their rates")
    parser.add_argument("--dot", action="store_true", help="print a graph in graphviz's language")
    parser.add_argument("--svg", type=choose.word, metavar="FILE", help="draw the graph (needs graphviz)")
    parser.add_argument("--png", type=choose.word, metavar="FILE", help="the same as PNG")


def parse(content, name):
    """The rows of a table: {(from, event, to): count}, in the table's order."""
    found, header = {}, False
    for line in content.splitlines():
        words = line.split()
        if words[:2] == ["from", "event"]:
            header = True
        elif words:
            if not header or len(words) < 4 or not re.fullmatch(r"[0-9]{1,20}", words[-1]):
                raise Failure(f"{name}: not a row of the table: {text.printable(line[:60])}")
            key = words[0], " ".join(words[1:-2]), words[-2]
            found[key] = found.get(key, 0) + int(words[-1])
    if not header:
        raise Failure(f"{name}: no table")
    return found


def read(files):
    """The counts of /proc, or the sum of @files."""
    if not files:
        return parse(procfs.read(TABLE), procfs.NET + TABLE)
    total = {}
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as f:
            for key, count in parse(f.read(), path).items():
                total[key] = total.get(key, 0) + count
    return total


def parse_dwell(content):
    """Times in states, of the metrics: {(from, event, to): [sum in seconds, count]}."""
    found = {}
    for kind, *key, value in DWELL.findall(content):
        found.setdefault(tuple(key), [0.0, 0.0])[kind == "count"] = float(value)
    return found


def read_dwell(files):
    if files or not procfs.exists(METRICS):
        return {}
    return parse_dwell(procfs.read(METRICS))


class Measured:
    """Rows of the table with their counts, the seconds that they took, and mean times in states."""

    def __init__(self, args):
        self.counts, self.length, dwell = read(args.files), None, read_dwell(args.files)
        if args.interval:
            before, before_dwell, start = self.counts, dwell, time.monotonic()
            time.sleep(args.interval)
            after, dwell = read([]), read_dwell([])
            self.length = time.monotonic() - start
            if any(count > after.get(key, 0) for key, count in before.items()):
                raise Failure("the counts began anew: was the module loaded again?")
            self.counts = {key: count - before.get(key, 0) for key, count in after.items()}
            for key, (total, count) in before_dwell.items():
                now = dwell.get(key, [total, count])
                dwell[key] = [now[0] - total, now[1] - count]
        self.dwell = {key: total / count for key, (total, count) in dwell.items() if count > 0}
        self.has_dwell = not args.files and procfs.exists(METRICS)

    def rate(self, count):
        return f"{count / self.length:.1f}/s" if self.length else ""


def chosen(args, counts):
    """The rows to show, each ((from, event, to), count)."""
    return [(key, count) for key, count in counts.items()
            if (count or args.all) and (args.stays or key[0] != key[2])]


# --- output -----------------------------------------------------------------

def table(rows, measured):
    more = ([">RATE"] if measured.length else []) + ([">DWELL"] if measured.has_dwell else [])
    listing = text.Table("FROM", "EVENT", "TO", ">COUNT", *more)
    for key, count in rows:
        before, event, after = key
        cells = [before, event, "stays" if before == after else after, count]
        if measured.length:
            cells.append(measured.rate(count))
        if measured.has_dwell:
            cells.append(text.duration(measured.dwell.get(key)))
        listing.add(*cells, state=before)
    return listing


def colour(share):
    """From grey (never) by blue to red (the most)."""
    return "grey" if not share else "#3b6ea8" if share < .1 else "#8a4fa3" if share < .5 else "#c0392b"


def quoted(word):
    """For a string in quotes of graphviz's language."""
    return text.printable(word).replace("\\", "\\\\").replace('"', '\\"')


def graph(rows, measured):
    """Events between the same two states share an arrow. The most taken are the thickest."""
    ways = {}
    for key, count in rows:
        dwell = measured.dwell.get(key)
        words = f"{quoted(key[1])} {measured.rate(count) or count}" + (f", after {text.duration(dwell)}" if dwell else "")
        ways.setdefault((key[0], key[2]), []).append((words, count))
    most = max((sum(c for _, c in way) for way in ways.values()), default=0) or 1
    out = ["digraph xtcp_lifecycle {",
           '\tnode [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];',
           '\tedge [fontname="sans-serif", fontsize=10];']
    for state in dict.fromkeys(s for way in ways for s in way):
        tint = laddersvg.COLOURS.get(state, "#667085")
        out.append(f'\t"{quoted(state)}" [color="{tint}", penwidth=2];')
    for (before, after), events in ways.items():
        total = sum(count for _, count in events)
        label = "".join(f"{BESIDE}{words}{BESIDE}\\l" for words, _ in events)
        tint = colour(total / most)
        # Arrows to CLOSED do not affect the layout: CLOSED stays at the top.
        loose = ", constraint=false" if after == "CLOSED" else ""
        out.append(f'\t"{quoted(before)}" -> "{quoted(after)}" [label="{label}", color="{tint}", fontcolor="{tint}", '
                   f"penwidth={1 + 3 * total / most:.1f}{loose}];")
    return "\n".join(out + ["}"]) + "\n"


def draw(dot, kind, path):
    """Has graphviz write @path, "-" is standard output."""
    program = shutil.which("dot", path=None if os.geteuid() else SYSTEM_PATH)
    if not program:
        raise Failure("no program dot: install graphviz, or use --dot")
    output = None if path == "-" else Output(path)
    done = subprocess.run([program, "-T" + kind], input=dot.encode("utf-8", "replace"), check=False, capture_output=True)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Failure(f"dot: {text.printable(said[-1]) if said else 'failed'}")
    if output:
        output.write(done.stdout)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(done.stdout)


def as_dict(key, count, measured):
    return {"from": key[0], "event": key[1], "to": key[2], "count": count,
            "per_s": count / measured.length if measured.length else None,
            "mean_dwell_s": measured.dwell.get(key)}


def run(args):
    if args.interval is not None and (args.files or not args.interval):
        raise Usage("--interval is more than 0 and not for files")
    if args.json and (args.dot or args.svg or args.png):
        raise Usage("either --json or a graph")
    measured = Measured(args)
    rows = chosen(args, measured.counts)
    if args.json:
        text.print_json(as_dict(key, count, measured) for key, count in rows)
        return
    if args.dot:
        print(graph(rows, measured), end="")
    for kind, path in (("svg", args.svg), ("png", args.png)):
        if path:
            draw(graph(rows, measured), kind, path)
    if not (args.dot or args.svg or args.png):
        table(rows, measured).print()
