# SPDX-License-Identifier: GPL-2.0
"""Paths, settings of the environment, and output."""

import fcntl
import os
import subprocess
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


def run_vm(*words):
    """What scripts/vm prints, in bytes, and its exit status. ^C reaches it, too, and it has to end its
    guest: subprocess.run() would kill it a quarter of a second later."""
    with subprocess.Popen([os.path.join(SCRIPTS, "vm"), *words], stdout=subprocess.PIPE) as vm:
        try:
            return vm.communicate()[0], vm.returncode
        except KeyboardInterrupt:
            vm.wait()
            raise


def take_turn(name, waiting=None):
    """Wait until no other process holds build/NAME.lock, and print a line if one does: as
    scripts/turn. The returned file holds the lock until it is closed, or this process ends."""
    path = os.path.join(TOP, "build", name + ".lock")
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        lock = open(path, "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(waiting or f"{name}: another make {name} is at work here; waiting for its end",
                  file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock.fileno()).st_nlink:
            return lock
        # make clean has removed it meanwhile.
        lock.close()
