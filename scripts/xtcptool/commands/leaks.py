# SPDX-License-Identifier: GPL-2.0
"""leaks: list connections that a program forgot to close, by program and age

After the peer has closed, a connection stays in CLOSE-WAIT until the program closes it,
too; no timer ends that state unless the program has set SO_KEEPALIVE or the peer does
not acknowledge data. `xtcp leaks` counts, for each process, the connections that have
been in CLOSE-WAIT for at least SECONDS. --each lists them instead, the oldest first.
"""

import collections

from xtcptool import choose, procfs, text


def add_arguments(parser):
    parser.add_argument("-s", "--state", type=choose.state, default="CLOSE-WAIT",
                        help="another state than CLOSE-WAIT, as fin-wait-2").words = choose.STATE_WORDS
    parser.add_argument("-e", "--each", action="store_true", help="list each connection")
    parser.add_argument("seconds", type=choose.seconds, nargs="?", default=60, metavar="SECONDS",
                        help="only those in that state for at least this long (default: 60)")


def each(found):
    listing = text.Table(">SECONDS", "LOCAL", "REMOTE", "WIRE", "UID", "PID/PROGRAM/FD")
    for c in found:
        holders = " ".join(f"{p.pid}/{p.name}/{p.fd}" for p in c.processes) or "-"
        listing.add(f"{c.age_s:.3f}", c.local, c.remote, c.wire, c.uid, holders, state=c.state)
    return listing


def by_process(found):
    """The connections of each process, those with the oldest connection first.

    One that several processes hold belongs to each. The key of those that none is seen
    to hold has no pid."""
    groups = collections.defaultdict(list)
    for c in found:
        for pid, name in sorted({(p.pid, p.name) for p in c.processes}) or [(None, None)]:
            groups[pid, name].append(c)
    return groups


def summary(groups):
    listing = text.Table("PROGRAM", ">PID", ">CONNECTIONS", ">OLDEST", ">YOUNGEST", ">UNREAD")
    for (pid, name), found in groups.items():
        listing.add(name or "-", pid or "-", len(found), text.duration(found[0].age_s),
                    text.duration(found[-1].age_s), text.amount(sum(c.recv_q or 0 for c in found)))
    return listing


def as_dict(pid, name, found):
    return {"program": name, "pid": pid, "connections": len(found), "oldest_s": found[0].age_s,
            "youngest_s": found[-1].age_s, "unread_bytes": sum(c.recv_q or 0 for c in found),
            "each": [c.as_dict() for c in found]}


def run(args):
    found = sorted((c for c in procfs.connections()
                    if c.state == args.state and c.age_s >= args.seconds), key=lambda c: -c.age_s)
    if args.each and args.json:
        text.print_json(c.as_dict() for c in found)
    elif args.each:
        each(found).print()
    elif args.json:
        text.print_json(as_dict(*who, held) for who, held in by_process(found).items())
    else:
        summary(by_process(found)).print()
