# SPDX-License-Identifier: GPL-2.0
"""Paths, settings of the environment, and output."""

import os
import sys
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(TOP, "scripts")


def flag(name):
    """Is a switch of the environment on? Empty and 0 are off."""
    return os.environ.get(name, "") not in ("", "0")


# XTCP_TEST_STOCK: the kernel's TCP is tested, not xtcp.
STOCK = bool(os.environ.get("XTCP_TEST_STOCK"))
# The CPUs of each guest. With more than one it runs in real time.
SMP = int(os.environ.get("SMP") or 1)

print_lock = threading.Lock()


def say(text=""):
    with print_lock:
        print(text, flush=True)


def die(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")
