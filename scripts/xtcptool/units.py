# SPDX-License-Identifier: GPL-2.0
"""units: systemd units whose programs run on xtcp: the files of `xtcp enable` and `xtcp disable`.

A unit gets a drop-in that preloads xtcp-run's library. All such units share two files: one loads the
module at boot, the other lets all groups open xtcp sockets. A file of one of these names that
somebody else wrote is left alone.
"""

import contextlib
import fcntl
import glob
import itertools
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

from xtcptool import SYSTEM_PATH, Failure, elf

MARK = "# Written by `xtcp enable`; `xtcp disable` removes it.\n"
DROP_IN = "xtcp.conf"
LOCK = "/run/xtcp-enable.lock"
SETTINGS = "etc/systemd/system"
PLACES = (SETTINGS, "run/systemd/system", "run/systemd/generator", "usr/local/lib/systemd/system", "usr/lib/systemd/system",
          "lib/systemd/system", "run/systemd/generator.late")
SHARED = {
    "etc/modules-load.d/xtcp.conf": "xtcp\n",
    "etc/sysctl.d/90-xtcp.conf": "net.ipv4.xtcp_gid_range = 0 4294967294\n",
}
STEM = r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?"
NAME = re.compile(STEM + r"\.service")
SERVICE_OR_SOCKET = re.compile(STEM + r"\.(service|socket)")
LONGEST_WAY = 1000	# steps of a path, through links
PREFIXES = "@-:+!|"	# of a command in ExecStart=
UNIT_PATH = ("/usr/local/sbin", "/usr/local/bin", *SYSTEM_PATH.split(":"))	# of a program without a path
INTERPRETERS = 4	# of a script, which may be a script; as in xtcp-run
COMMENT = re.compile(r"^[ \t]*[#;].*\n?", re.M)
# A word of a command, in pieces: quoted by one of two signs, or not.
PIECE = re.compile(r'''"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|((?:[^\s"'\\]|\\.)+)''')
ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{3}|.)")
ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "s": " ", "t": "\t", "v": "\v"}
ROOTS = ("RootDirectory", "RootImage")
PULLS = ("Sockets", "Requires", "BindsTo", "Wants")	# with which a service starts a socket
SETTING = re.compile(rf"^[ \t]*(ExecStart|{'|'.join(ROOTS + PULLS)}|ListenStream|Service|Accept)[ \t]*=[ \t]*(.*?)[ \t]*$", re.M)
# What ListenStream= says of the kernel's TCP: a port, or an address and a port. Others are paths, names and vsock.
TCP_ADDRESS = re.compile(r"[0-9[]|%[iIjJ]")


def full_name(word):
    name = word if word.endswith(".service") else word + ".service"
    if not NAME.fullmatch(name):
        raise Failure(f"'{word}' is no name of a service")
    return name


def library():
    """The path of xtcp-run's library, installed or of the clone."""
    above = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for path in (os.path.join(above, "xtcp-preload.so"), os.path.join(os.path.dirname(above), "build", "xtcp-preload.so")):
        if os.path.isfile(path):
            return path
    raise Failure(f"no xtcp-preload.so in {above}: install xtcp, or run xtcp-run once")


def check_library(path):
    """Services of root load it, and those of other users must be able to read it."""
    if path.startswith(("/home/", "/root/", "/tmp/", "/run/user/")):
        raise Failure(f"{path} is no place for what a service loads: install xtcp first")
    needed = stat.S_IROTH
    while path != "/":
        found = os.stat(path)
        rights = (f"{path} (owner {found.st_uid}, group {found.st_gid}, mode {found.st_mode & 0o7777:o}): mend that, "
                  "or install xtcp elsewhere")
        if found.st_uid != 0 or found.st_mode & 0o022:
            raise Failure(f"others than root may change {rights}")
        if not found.st_mode & needed:
            raise Failure(f"services of other users than root can't read {rights}")
        path, needed = os.path.dirname(path), stat.S_IXOTH


class NoUnit(Failure):
    """There is none of that name, or systemd must not start it."""


class Units:
    """The units below a root folder."""

    def __init__(self, root):
        self.root = root

    def path(self, name):
        return os.path.join(self.root, name)

    @contextlib.contextmanager
    def alone(self):
        """For one `xtcp enable` or `xtcp disable` at a time: the last unit's disable removes the shared files. An image
        is locked itself; the lock of this machine is a file that root alone can open, and so hold."""
        lock = None
        with contextlib.suppress(OSError):	# who may not have the lock may not write either
            if os.path.realpath(self.root) == "/":
                lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            else:
                lock = os.open(self.root, os.O_RDONLY)
        try:
            if lock is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print("xtcp: waits for another xtcp enable or disable", file=sys.stderr)
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            if lock is not None:
                os.close(lock)

    def shown(self, path):
        """@path as the machine with this root names it."""
        return "/" + os.path.relpath(path, self.root)

    def followed(self, name):
        """Where a path of the machine with this root leads, whose links may be absolute."""
        done, rest = "", name.strip("/").split("/")
        for _ in range(LONGEST_WAY):
            if not rest:
                break
            word = rest.pop(0)
            if word in ("", "."):
                continue
            path = os.path.dirname(done) if word == ".." else os.path.join(done, word)
            try:
                target = os.readlink(self.path(path)) if word != ".." else None
            except OSError:
                target = None
            if target is None:
                done = path
                continue
            done = "" if target.startswith("/") else done
            rest = target.split("/") + rest
        return self.path(done)

    def program(self, word):
        """The file of a program: of a path, or of a word that systemd, or env, looks for in folders."""
        if "/" not in word:
            for folder in UNIT_PATH:
                path = self.followed(os.path.join(folder, word))
                if os.path.isfile(path):
                    return path
        return self.followed(word)

    def programs_of(self, word):
        """The program and, of a script, what runs it: words and their files; as xtcp-run's find_obstacle()."""
        for _ in range(INTERPRETERS):
            file = self.program(word)
            yield word, file
            word = interpreter(file)
            if not word:
                return

    def real_name(self, name):
        """The unit @name, which may be an alias: a link to another unit. A link to a file outside systemd's folders
        is none."""
        try:
            folder, found = os.path.split(self.unit_file(name))
        except Failure:
            return name
        if folder not in map(self.followed, PLACES) or not SERVICE_OR_SOCKET.fullmatch(found):
            return name
        kind = os.path.splitext(name)[1]
        stem, template, _ = found.partition("@" + kind)
        instance = name[:-len(kind)].partition("@")[2]
        if template:
            return f"{stem}@{instance}{kind}" if instance else name
        return found

    def unit_file(self, name):
        plain = re.sub(r"@.+(\.[a-z]+)$", r"@\1", name)
        for place in PLACES:
            for candidate in dict.fromkeys((name, plain)):
                path = self.followed(os.path.join(place, candidate))
                if path == self.path("dev/null"):
                    raise NoUnit(f"{name} is masked")
                if os.path.isfile(path):
                    return path
        raise NoUnit(f"no unit {name}")

    def drop_in(self, name):
        return self.path(os.path.join(SETTINGS, name + ".d", DROP_IN))

    def drop_ins(self, name):
        """Files that change the unit @name, in systemd's order: by their names. Of one name the first counts, also
        if it is a link that leads nowhere or to /dev/null."""
        found = {}
        for owner in owners(name):
            for place in PLACES:
                folder = self.followed(os.path.join(place, owner + ".d"))
                for path in glob.glob(os.path.join(glob.escape(folder), "*.conf")):
                    found.setdefault(os.path.basename(path), self.followed(os.path.relpath(path, self.root)))
        return [found[name] for name in sorted(found) if os.path.isfile(found[name])]

    def settings(self, name):
        """Of the unit @name: key and value, in systemd's order."""
        for path in [self.unit_file(name)] + self.drop_ins(name):
            with open(path, encoding="utf-8", errors="replace") as f:
                yield from SETTING.findall(COMMENT.sub("", f.read()).replace("\\\n", " "))

    def programs(self, name):
        """Those that the unit @name starts. An empty ExecStart= takes back those before it."""
        found = []
        for key, value in self.settings(name):
            if key == "ExecStart":
                found = [*found, first_word(value)] if value else []
        return found

    def check_root(self, name):
        """Complains of a unit with a root of its own: the library is not there. The last setting counts."""
        for key, value in dict(self.settings(name)).items():
            if key in ROOTS and value not in ("", "/"):
                raise Failure(f"{name} has a root of its own ({key}=), and the library is not there")

    def started_sockets(self, name):
        """The sockets that systemd starts by itself or with the unit @name."""
        pulled = {word for key, value in self.settings(name) if key in PULLS for word in value.split()}
        for place in PLACES:
            folder = glob.escape(self.followed(place))
            for kind in ("wants", "requires"):
                pulled.update(map(os.path.basename, glob.glob(os.path.join(folder, f"*.{kind}", "*.socket"))))
        return sorted(word for word in pulled if word.endswith(".socket"))

    def gives(self, socket, name, ports):
        """Whether systemd opens @socket with the kernel's TCP, on one of @ports if there are any, and gives it to the unit
        @name, or to one that is made of the template @name."""
        stem, addresses, service, accepts = self.real_name(socket)[:-len(".socket")], [], "", False
        for key, value in self.settings(socket):
            if key == "ListenStream":
                addresses = [*addresses, value] if value else []
            elif key == "Service":
                service = value
            elif key == "Accept":
                accepts = value.lower() in ("1", "yes", "y", "true", "t", "on")
        if not any(TCP_ADDRESS.match(a) and (not ports or a.rpartition(":")[2] in map(str, ports)) for a in addresses):
            return False
        if accepts:	# an instance for each connection
            return name.startswith(stem + "@")
        named = [word for key, value in self.settings(name) if key == "Sockets" for word in value.split()]
        given = self.real_name(service or stem + ".service")
        return socket in named or name in (given, re.sub(r"@.+$", "@.service", given))

    def check_sockets(self, name, ports):
        """Complains of a unit that gets its sockets from systemd: they are the kernel's. @ports: only these count."""
        for socket in self.started_sockets(name):
            with contextlib.suppress(NoUnit):
                if self.gives(socket, name, ports):
                    raise Failure(f"systemd opens the sockets of {name} ({socket}), and these stay the kernel's: "
                                  f"systemctl disable --now {socket}, if the service can open them itself, "
                                  "or --connect-only")

    def check_program(self, name, path):
        """Complains of a program into which the library @path can't be preloaded: it would use the kernel's TCP."""
        library = self.followed(path)
        if not os.path.isfile(library):
            raise Failure(f"{path}: no such library below {self.root}: install xtcp's tools there first")
        self.check_root(name)
        programs = self.programs(name)
        if programs and all(os.path.basename(program) == "true" for program in programs):
            raise Failure(f"{name} starts no program: enable the unit that does (of Debian's postgresql that is "
                          "postgresql@VERSION-main)")
        for program, file in itertools.chain.from_iterable(map(self.programs_of, programs)):
            why = obstacle(file, library)
            if why:
                raise Failure(f"{program} {why}: start it by xtcp-run --cgroup")
            if gains_rights(file):
                raise Failure(f"{program} is setuid, setgid or has capabilities: the dynamic linker preloads "
                              "nothing into it")

    def may_write(self, path):
        """Whether there is no such file, or it is ours."""
        self.check_inside(path)
        return not os.path.lexists(path) or is_ours(path)

    def write(self, path, content):
        """A file of ours, whole or not at all. Returns whether it is written: not over somebody else's."""
        if not self.may_write(path):
            return False
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # systemd and its helpers take only names that end in .conf.
        descriptor, new = tempfile.mkstemp(prefix=".xtcp.", dir=os.path.dirname(path))
        try:
            with open(descriptor, "w", encoding="utf-8") as f:
                f.write(MARK + content)
            os.chmod(new, 0o644)
            os.replace(new, path)
        except BaseException:
            os.remove(new)
            raise
        return True

    def check_inside(self, path):
        """A link in an image must not lead to the files of this machine."""
        root = os.path.realpath(self.root)
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            raise Failure(f"{path} leads out of {self.root}")

    def remove(self, path):
        self.check_inside(path)
        if not is_ours(path):
            return False
        os.remove(path)
        return True

    def remove_shared(self):
        """The files that all units share, if there is no unit left. Returns their paths."""
        return [] if self.enabled() else [p for p in map(self.path, SHARED) if self.remove(p)]

    def drop_ins_of_ours(self, name):
        """What `xtcp enable` wrote for the unit @name, also by an alias."""
        return [p for p in self.enabled()
                if self.real_name(os.path.basename(os.path.dirname(p))[:-len(".d")]) == self.real_name(name)]

    def enabled(self):
        """The drop-ins of all units."""
        return [p for p in glob.glob(os.path.join(glob.escape(self.root), SETTINGS, "*.service.d", DROP_IN)) if is_ours(p)]


def is_ours(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.readline() == MARK
    except (FileNotFoundError, NotADirectoryError):
        return False


def gains_rights(path):
    """Whether a program has more rights than its user. What root starts gains none by a capability, but a unit
    may have User=."""
    try:
        mode = os.stat(path).st_mode
        return bool(mode & (stat.S_ISUID | stat.S_ISGID)) or "security.capability" in os.listxattr(path)
    except OSError:
        return False


def owners(name):
    """The units whose drop-ins count for @name, the most specific first: as systemd.unit(5) says, a-b@c.service,
    a-b@.service, a-.service and all services. For a socket alike."""
    stem, kind = os.path.splitext(name)
    plain = stem.partition("@")[0]
    found = [name, plain + "@" + kind] if "@" in stem else [name]
    while "-" in plain.rstrip("-"):
        plain = plain.rstrip("-").rpartition("-")[0] + "-"
        found.append(plain + kind)
    return found + [kind[1:]]


def first_word(command):
    """The program of a command, which may be quoted, without systemd's prefixes."""
    word, at = "", 0
    while at < len(command) and not command[at].isspace():
        piece = PIECE.match(command, at)
        if not piece:	# a quote without an end, which systemd refuses
            return ""
        word += ESCAPE.sub(unescaped, piece[piece.lastindex])
        at = piece.end()
    return word.lstrip(PREFIXES)


def unescaped(escape):
    """A character of which systemd's files have an escape sequence, as re.sub() found it."""
    code = escape[1]
    if len(code) == 1:
        return ESCAPED.get(code, code)
    number = int(code, 8) if code.isdigit() else int(code[1:], 16)
    try:
        # One of a byte may be a part of a character; systemd refuses these others.
        return os.fsdecode((chr(number).encode() if code[0] in "uU" else bytes([number])) if number else b"?")
    except (ValueError, OverflowError):
        return "?"


def interpreter(path):
    """The program that runs a script, of its first line; of env what it is told to look for. None: it is no script."""
    try:
        with elf.open_program(path) as f:
            line = os.fsdecode(f.read(256).partition(b"\n")[0])
    except OSError:
        return None
    words = line[2:].split()
    if not line.startswith("#!") or not words:
        return None
    if os.path.basename(words[0]) == "env":
        words = words[2:] if words[1:2] == ["-S"] else words[1:]
    return words[0] if words else "env"


def obstacle(program, library):
    """Why a program, if it is an ELF file, cannot have the library; as xtcp-run's find_obstacle() and in its words."""
    its, ours = elf.read(program), elf.read(library)
    if its and not its.interpreter:
        return "is statically linked"
    if its and ours and its.machine != ours.machine:
        return "is of another machine type than the library"
    # A library names no dynamic linker. xtcp-run has the one for which both were built.
    above = os.path.dirname(library)
    for launcher in (os.path.join(above, "xtcp-run"), os.path.join(above, "..", "..", "bin", "xtcp-run")):
        linker = elf.read(launcher)
        if its and linker and os.path.basename(linker.interpreter) not in ("", os.path.basename(its.interpreter)):
            return f"has another C library ({its.interpreter})"
    return None


def apply_knob():
    """The command that sets the knob as a boot does: a later file of sysctl.d overrides ours. (`sysctl --system
    --pattern` of procps 4.0.2 sets all other knobs, too.)"""
    program = shutil.which("systemd-sysctl", path="/usr/lib/systemd:/lib/systemd") or "systemd-sysctl"
    return [program, "--strict", "--prefix=net.ipv4.xtcp_gid_range"]


def tell_machine(*commands):
    """Runs @commands, which make the new files count now. Returns a line for each that failed; the others run."""
    said = []
    env = os.environ | {"PATH": SYSTEM_PATH}
    for command in commands:
        try:
            done = subprocess.run(command, check=False, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  encoding="utf-8", errors="replace")
        except OSError as e:
            said.append(f"{command[0]}: {e.strerror}")
            continue
        if done.returncode:
            said.append(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    return said
