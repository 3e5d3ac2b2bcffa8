# SPDX-License-Identifier: GPL-2.0
"""ls: list connections and listeners: state, age, what each waits for, process, queues

A line for each connection, half-open, TIME-WAIT record and listener of the network
namespace. WAITING is what it waits for, in the words of xtcp(7). RECV-Q and SEND-Q are
bytes; of a listener, connections that wait for accept() and their limit. RATE is
payload in both directions per second, the mean since the connection was established.
"""

from xtcptool import choose, procfs, text


def add_arguments(parser):
    choose.add_filters(parser)
    choose.add_order(parser, "state")


def table(connections):
    listing = text.Table("STATE", ">AGE", "WAITING", "PROCESS", "LOCAL", "REMOTE", ">RECV-Q",
                         ">SEND-Q", "TIMER", "WIRE", ">RATE")
    for c in connections:
        timer = f"{c.timer} {text.duration(c.timer_ms / 1000)}" if c.timer else ""
        listing.add(c.state, text.duration(c.age_s), ",".join(c.waiting), c.owner(), c.local,
                    "*" if c.is_listener() else c.remote, text.amount(c.recv_q),
                    text.amount(c.send_q), timer, c.wire,
                    "" if c.rate is None else f"{text.amount(c.rate)}B/s", state=c.state)
    return listing


def run(args):
    found = choose.in_order(args, [c for c in procfs.connections() if choose.fits(args, c)])
    if args.json:
        text.print_json(c.as_dict() for c in found)
    else:
        table(found).print()
