# SPDX-License-Identifier: GPL-2.0
"""main: finds the subcommand, parses its arguments, turns exceptions into exit statuses."""

import argparse
import errno
import importlib
import os
import signal
import sys

from xtcptool import VERSION, Failure, Usage, complete
from xtcptool.text import printable

COMMANDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "commands")


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument, in place of the usage and a line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def names():
    """The subcommands, in alphabetical order."""
    return sorted(f[:-len(".py")] for f in os.listdir(COMMANDS)
                  if f.endswith(".py") and not f.startswith("_"))


def load(name):
    return importlib.import_module(f"xtcptool.commands.{name}")


def summary(module):
    """What the first line of its docstring says behind the name."""
    return module.__doc__.partition("\n")[0].partition(": ")[2]


def overview():
    rows = "".join(f"  {name:<8} {summary(load(name))}\n" for name in names())
    return ("usage: xtcp COMMAND [ARGUMENT]...\n\n"
            "Shows, explains and ends the connections of the kernel module xtcp.\n\n"
            f"{rows}\n"
            "`xtcp COMMAND --help` lists its arguments. Each command takes --json. "
            "The manual is xtcp(1).\n")


def versions():
    """Those of the commands and of the loaded module, which may be older."""
    try:
        with open("/sys/module/xtcp/version", encoding="ascii") as f:
            loaded = f.read().strip()
    except FileNotFoundError:
        loaded = "not loaded"
    return f"xtcp {VERSION}\nmodule: {loaded}\n"


def parser_of(name, module):
    parser = Parser(prog=f"xtcp {name}", description=module.__doc__.partition(": ")[2],
                    formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print JSON, see xtcp(1)")
    module.add_arguments(parser)
    return parser


def completions(typed):
    """Prints what may follow the words that were typed behind "xtcp"."""
    found = names() + ["--help", "--version"]
    if typed:
        found = complete.words(parser_of(typed[0], load(typed[0])), typed[1:]) if typed[0] in names() else []
    print("\n".join(found))


def interrupted():
    """Ends as by Ctrl-C, so that a shell that runs a script stops, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 128 + signal.SIGINT


def nowhere():
    """Output can't be written: Python's flush at exit shall not complain, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reason(e):
    """What an OSError is about, for a line."""
    return f"{e.filename}: {e.strerror}" if e.filename else e.strerror


def run(name, module, argv):
    def complain(text):
        print(f"xtcp {name}: {printable(str(text))}", file=sys.stderr)

    try:
        args = parser_of(name, module).parse_args(argv)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = module.run(args)
        sys.stdout.flush()
        return status or 0
    except Failure as e:
        complain(e)
        return 1
    except Usage as e:
        complain(f"{e} (see xtcp {name} --help)")
        return 2
    except KeyboardInterrupt:
        return interrupted()
    except BrokenPipeError:
        nowhere()
        return 128 + signal.SIGPIPE
    except OSError as e:
        if e.errno == errno.ENOSPC:
            nowhere()
        complain(reason(e))
        return 1


def main(argv):
    """Runs `xtcp ARGV...`. Returns the exit status."""
    try:
        try:
            return dispatch(argv)
        finally:
            # Here, and not when Python ends: --help leaves by SystemExit.
            sys.stdout.flush()
    except BrokenPipeError:
        nowhere()
        return 128 + signal.SIGPIPE
    except OSError as e:
        # The help, or a list for the shell's completion, on a full disk.
        nowhere()
        print(f"xtcp: {printable(reason(e))}", file=sys.stderr)
        return 1


def dispatch(argv):
    if argv and argv[0] in ("-h", "--help", "help"):
        print(overview(), end="")
        return 0
    if argv and argv[0] in ("-V", "--version"):
        print(versions(), end="")
        return 0
    if argv and argv[0] == "--complete":
        completions(argv[1:])
        return 0
    if not argv:
        print(overview(), end="", file=sys.stderr)
        return 2
    if argv[0] not in names():
        print(f"xtcp: no command is called '{argv[0]}': {' '.join(names())}", file=sys.stderr)
        return 2
    return run(argv[0], load(argv[0]), argv[1:])
