# SPDX-License-Identifier: GPL-2.0
"""A copy of build/RELEASE, in which a file of the module is changed, compiled and linked."""

import os
import re
import shutil
import subprocess

from common import SCRIPTS, TOP


def files_below(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(path, name)


class Tree:
    """One copy. A worker has it alone."""

    def __init__(self, release, number):
        self.built = os.path.join(TOP, "build", release)
        # A path as long as that of the original: then the same source makes the same object,
        # but for the path in it.
        digits = len(release) - len("mutants/")
        self.folder = os.path.join(TOP, "build", "mutants", str(number).rjust(digits, "0"))
        self.module = os.path.join(self.folder, "xtcp.ko")
        self.headers = subprocess.run([os.path.join(SCRIPTS, "kver"), "--build", release],
                                      stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self.copy()

    def copy(self):
        """Copies sources and objects, and puts the paths right in the commands that kbuild has
        used, and in its lists of objects."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.built, self.folder)
        for path in files_below(self.folder):
            if path.endswith((".cmd", ".mod")):
                with open(path) as f:
                    text = f.read()
                with open(path, "w") as f:
                    f.write(text.replace(self.built + "/", self.folder + "/"))

    def again(self, target):
        """Runs the command by which kbuild has made @target: all of kbuild would take longer than
        the compiler. Returns false if it fails."""
        folder, name = os.path.split(target)
        with open(os.path.join(folder, f".{name}.cmd")) as f:
            command = re.match(r"(?:saved)?cmd_\S+ := (.*)", f.readline()).group(1)
        return subprocess.run(["sh", "-c", command.replace("$$", "$")], cwd=self.headers,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def path(self, mutant, suffix=".c"):
        return os.path.join(self.folder, "module", mutant.file[:-len(".c")] + suffix)

    def original(self, mutant):
        """The object of the unchanged file, as it would be here."""
        name = os.path.join("module", mutant.file[:-len(".c")] + ".o")
        with open(os.path.join(self.built, name), "rb") as f:
            return f.read().replace(self.built.encode() + b"/", self.folder.encode() + b"/")

    def link(self, mutant):
        """Links the kernel object that has the mutant's file. Its symbols are as before."""
        wanted = self.path(mutant, ".o")
        for name in os.listdir(self.folder):
            if name.endswith(".mod"):
                with open(os.path.join(self.folder, name)) as f:
                    if wanted in f.read().split():
                        stem = os.path.join(self.folder, name[:-len(".mod")])
                        return self.again(stem + ".o") and self.again(stem + ".ko")
        return False

    def apply(self, mutant):
        """Builds the module with a mutant. Returns "INVALID" if that fails, "SAME" if the
        compiler makes the same of it, and otherwise None."""
        target = self.path(mutant, ".o")
        with open(os.path.join(TOP, "module", mutant.file)) as f:
            text = f.read()
        with open(self.path(mutant), "w") as f:
            f.write(mutant.apply(text))
        if not self.again(target):
            return "INVALID"
        with open(target, "rb") as f:
            if f.read() == self.original(mutant):
                return "SAME"
        return None if self.link(mutant) else "INVALID"

    def restore(self, mutant):
        """Takes the mutant back."""
        shutil.copyfile(os.path.join(TOP, "module", mutant.file), self.path(mutant))
        with open(self.path(mutant, ".o"), "wb") as f:
            f.write(self.original(mutant))
        self.link(mutant)
