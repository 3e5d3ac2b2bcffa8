# SPDX-License-Identifier: GPL-2.0
"""kill: end a connection, a listener, or all connections that filters choose

The peer gets a RST, except in SYN-SENT, CLOSING and LAST-ACK, and the program
ECONNABORTED. For half-open, FIN-WAIT-2 and TIME-WAIT records nothing is sent. LOCAL and
REMOTE are written as `xtcp ls` prints them, * is the remote end of a listener. Without a
wire, sockets of both wires are meant. Filters in place of LOCAL and REMOTE choose as in
`xtcp ls`; listeners only with --state LISTEN. Then a connection that its program accepts or
closes meanwhile is not ended. Needs CAP_NET_ADMIN.
"""

import argparse
import errno
import sys
import time

from xtcptool import Failure, Usage, choose, procfs, text
from xtcptool.commands import ls

PATIENCE_S = 1      # then the user is told how far it is

WHY = {errno.ENOENT: "no such connection", errno.EINVAL: "the module does not take it",
       errno.EPERM: "not permitted: this needs CAP_NET_ADMIN",
       errno.EAGAIN: "its owner opens ever more listeners"}


def remote(word):
    return None if word == "*" else choose.end(word)


def add_arguments(parser):
    # No choices=, which with nargs="?" would be compared with the default.
    parser.add_argument("local", type=choose.end, nargs="?", metavar="LOCAL",
                        help="ADDRESS:PORT of this end")
    parser.add_argument("remote", nargs="?", metavar="REMOTE", help="that of the peer, or *")
    parser.add_argument("on_wire", type=wire, nargs="?", metavar="native|tcp",
                        help="only on this wire").words = ("native", "tcp")
    choose.add_filters(parser)
    parser.add_argument("-n", "--dry-run", action="store_true",
                        help="with filters: print which, and end none")


def wire(word):
    if word not in procfs.WIRES.values():
        raise argparse.ArgumentTypeError(f"no wire is called '{word}': native tcp")
    return word


def listener_peer(local):
    return procfs.end("0.0.0.0:0" if local.address.version == 4 else "[::]:0")


def meant(args, peer):
    """The connections that will be ended, as they are now."""
    return [c for c in procfs.connections() if (c.local, c.remote) == (args.local, peer) and
            args.on_wire in (None, c.wire)]


def end(words):
    """Ends what @words name. Returns false if there is no such connection (any more)."""
    try:
        procfs.write("xtcp_kill", words)
    except OSError as e:
        if e.errno == errno.ENOENT:
            return False
        raise Failure(f"{words}: {WHY.get(e.errno, e.strerror)}") from None
    return True


def kill_one(args):
    try:
        peer = remote(args.remote) or listener_peer(args.local)
    except argparse.ArgumentTypeError as e:
        raise Usage(f"argument REMOTE: {e}") from None
    if peer.address.version != args.local.address.version:
        raise Usage(f"{args.local} and {peer} are of different IP versions")
    found = meant(args, peer) if args.json else ()
    words = f"{args.local} {peer} {args.on_wire or ''}".strip()
    if not end(words):
        raise Failure(f"{words}: {WHY[errno.ENOENT]}")
    if args.json:
        text.print_json(c.as_dict() for c in found)


def refuse_to_end_others(found, everything):
    """The module ends all listeners with the same ends at once: all of them have to fit."""
    ends = {c.ends() for c in found if c.is_listener()}
    for c in everything:
        if c.is_listener() and c.ends() in ends and c not in found:
            raise Failure(f"{c.ends()}: this listener shares its port with another one, "
                          f"which does not fit: {c.owner() or 'of an unknown process'}")


def end_all(connections, ended):
    """Appends to @ended those that were still there."""
    listeners = set()
    told_at = time.monotonic() + PATIENCE_S
    for done, c in enumerate(connections):
        if sys.stderr.isatty() and time.monotonic() > told_at:
            told_at = time.monotonic() + PATIENCE_S
            print(f"\r{done} of {len(connections)} ", end="", file=sys.stderr, flush=True)
        if c.ends() in listeners or end(c.name()):
            ended.append(c)
            if c.is_listener():
                listeners.add(c.ends())


def kill_chosen(args):
    listeners = args.state and "LISTEN" in args.state
    everything = procfs.connections()
    found = [c for c in everything
             if choose.fits(args, c) and (listeners or not c.is_listener())]
    if not found:
        raise Failure("no connection fits")
    refuse_to_end_others(found, everything)
    if args.dry_run and not args.json:
        ls.table(found).print()
        return
    ended = found if args.dry_run else []
    try:
        if not args.dry_run:
            end_all(found, ended)
    finally:
        # Also after Ctrl-C.
        if args.json:
            text.print_json(c.as_dict() for c in ended)
        else:
            print(f"ended {text.plural(len(ended), 'connection')}")


def run(args):
    if args.local:
        if not args.remote:
            raise Usage("REMOTE is missing")
        if choose.is_given(args) or args.dry_run:
            raise Usage("either LOCAL and REMOTE, or filters")
        kill_one(args)
    elif choose.is_given(args):
        kill_chosen(args)
    else:
        raise Usage("LOCAL and REMOTE, or a filter, are missing")
