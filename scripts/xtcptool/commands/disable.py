# SPDX-License-Identifier: GPL-2.0
"""disable: let a systemd service use the kernel's TCP again

Removes what `xtcp enable UNIT` wrote; with the last such service also the files that load the module
at boot and let all groups open xtcp sockets. The service changes when it is restarted, and may need
the knob until then, so that stays as it is.
"""

import contextlib
import os
import sys

from xtcptool import Failure, Usage, text, units


def add_arguments(parser):
    parser.add_argument("unit", metavar="UNIT", help="a service of systemd")
    parser.add_argument("--root", metavar="DIR", help="remove below DIR, and leave this machine as it is")


def run(args):
    if args.root == "":
        raise Usage("--root is empty")
    here = units.Units(args.root or "/")
    name = here.real_name(units.full_name(args.unit))
    with here.alone():
        removed = []
        for path in dict.fromkeys([here.drop_in(name)] + here.drop_ins_of_ours(name)):
            removed += [path] if here.remove(path) else []
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))	# it may have other drop-ins
        # Also if somebody else has removed the drop-in, or an earlier call ended before this.
        shared = here.remove_shared()
        removed += shared
    if not removed:
        raise Failure(f"{name} is not enabled")
    said = [] if args.root else units.tell_machine(["systemctl", "daemon-reload"])
    for line in said:
        print(f"xtcp disable: {text.printable(line)}", file=sys.stderr)
    if args.json:
        text.print_json([{"unit": name, "files": [here.shown(p) for p in removed]}])
        return 1 if said else 0
    for p in removed:
        print(f"removed {here.shown(p)}")
    if said:
        print(f"xtcp disable: systemd may still start {name} with xtcp until systemctl daemon-reload", file=sys.stderr)
        return 1
    print(f"{name} uses the kernel's TCP when it is started next: systemctl restart {name}")
    if shared and not args.root:
        print("until the next boot all groups may open xtcp sockets, unless you close that after the restart: "
              "sysctl -w net.ipv4.xtcp_gid_range='1 0'")
    return 0
