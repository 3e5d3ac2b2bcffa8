# SPDX-License-Identifier: GPL-2.0
"""xtcptool: the subcommands of the command xtcp.

A subcommand NAME is the module commands/NAME.py; nothing else lists it. Such a module has

    a docstring             its first line, "name: what it does", is the help's summary,
                            and the rest is the description in `xtcp NAME --help`
    add_arguments(parser)   adds arguments to an argparse parser, which has --json already
    run(args)               does the work; returns the exit status, None for 0

run() raises Failure for what the user can't mend by another argument (the module is not
loaded, no such connection): one line on stderr, exit status 1; and Usage for a wrong
argument: exit status 2. The reports that several subcommands need are in procfs
(readers of /proc), choose (filters) and text (tables, colours, JSON).
"""

VERSION = "0.2.0"	# of these commands, see dkms.conf
# Where root's children are looked for: the PATH of a shell that `su` or sudo has opened may be a user's.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Failure(Exception):
    """What went wrong, in one line; exit status 1."""


class Usage(Exception):
    """Which argument is wrong, in one line; exit status 2."""
