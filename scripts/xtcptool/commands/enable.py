# SPDX-License-Identifier: GPL-2.0
"""enable: let a systemd service use xtcp, from its next start on

Writes a drop-in for UNIT that preloads the library of xtcp-run, and files that load the module at
boot and let all groups open xtcp sockets. The service changes when it is restarted. With --wire,
--listen-only, --connect-only and --port as in xtcp-run(1); the native wire, which is the default of
the knob xtcp_wire, reaches only hosts with xtcp. `xtcp disable UNIT` undoes it.
"""

import contextlib
import sys

from xtcptool import Failure, Usage, text, units


def port(word):
    number = int(word)
    if not 0 < number < 65536:
        raise ValueError
    return number


def add_arguments(parser):
    parser.add_argument("unit", metavar="UNIT", help="a service of systemd")
    parser.add_argument("-w", "--wire", choices=("tcp", "native"), help="of its sockets (default: the knob xtcp_wire)")
    role = parser.add_mutually_exclusive_group()
    role.add_argument("-l", "--listen-only", action="store_true", help="only sockets that listen")
    role.add_argument("-c", "--connect-only", action="store_true", help="only sockets that connect")
    parser.add_argument("-p", "--port", type=port, action="append", default=[], metavar="N",
                        help="only sockets that listen on port N or connect to it (repeatable)")
    parser.add_argument("--root", metavar="DIR", help="write below DIR, and leave this machine as it is")


def content(args, library):
    """The drop-in, without the mark."""
    role = "listen" if args.listen_only else "connect" if args.connect_only else ""
    variables = {"LD_PRELOAD": library, "XTCP_RUN_LIBRARY": library, "XTCP_RUN_WIRE": args.wire or "",
                 "XTCP_RUN_ROLE": role, "XTCP_RUN_PORTS": ",".join(map(str, args.port))}
    return ("[Unit]\nAfter=systemd-modules-load.service systemd-sysctl.service\n\n[Service]\n" +
            "".join(f'Environment="{name}={value}"\n' for name, value in variables.items() if value))


def write(here, drop_in, what):
    """Returns the shared files that are written, too."""
    if not here.may_write(drop_in):
        raise Failure(f"{here.shown(drop_in)} is not of xtcp enable")
    try:
        # The drop-in last: with it alone the service would not start after a boot.
        shared = [here.path(path) for path, of_all in units.SHARED.items() if here.write(here.path(path), of_all)]
        here.write(drop_in, what)
    except BaseException:
        # Without a drop-in `xtcp disable` would not find them, and the next boot would let all groups in.
        with contextlib.suppress(OSError, Failure):
            here.remove_shared()
        raise
    return shared


def run(args):
    name, library = units.full_name(args.unit), units.library()
    if any(c in library for c in " :\"\\%"):
        raise Failure(f"{library}: the dynamic linker and systemd take no such path")
    if args.root == "":
        raise Usage("--root is empty")
    if not args.root:
        units.check_library(library)
    here = units.Units(args.root or "/")
    name = here.real_name(name)
    here.check_program(name, library)
    if not args.connect_only:
        here.check_sockets(name, args.port)
    drop_in = here.drop_in(name)
    with here.alone():
        shared = write(here, drop_in, content(args, library))
    written = [here.shown(path) for path in [drop_in] + shared]
    said = [] if args.root else units.tell_machine(
        ["modprobe", "xtcp"], units.apply_knob(), ["systemctl", "daemon-reload"])
    for line in said:
        print(f"xtcp enable: {text.printable(line)}", file=sys.stderr)
    if args.json:
        text.print_json([{"unit": name, "files": written}])
        return 1 if said else 0
    for path in written:
        print(path)
    if said:
        print(f"xtcp enable: the files are written; mend this before {name} is started next", file=sys.stderr)
        return 1
    print(f"{name} uses xtcp when it is started next: systemctl restart {name}")
    if not args.wire:
        print(f"while net.ipv4.xtcp_wire is 253, as by default, {name} reaches only hosts with xtcp; "
              "enable it with --wire tcp to reach all")
    return 0
