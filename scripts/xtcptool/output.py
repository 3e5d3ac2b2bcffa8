# SPDX-License-Identifier: GPL-2.0
"""output: a file that a subcommand writes. It is never written over another user's file, nor through a link: in a folder
to which others may write, as /tmp, somebody may have put one there in advance."""

import os
import stat

from xtcptool import Failure


class Output:
    """A file to write. @replaces: one that exists may be replaced; the user chose its name. @private: for its owner alone."""

    def __init__(self, path, replaces=True, private=False):
        self.path, self.replaces, self.private = path, replaces, private
        self.check()

    def check(self):
        """Complains at once of what open() would complain of when there is something to write."""
        if not self.replaces and os.path.lexists(self.path):
            raise Failure(f"{self.path} exists: move it, or choose a name with -o")
        if not self.path:
            raise Failure("the name of the file is empty")
        if os.path.isdir(self.path):
            raise Failure(f"{self.path}: is a directory")
        if os.path.islink(self.path):
            raise Failure(f"{self.path}: is a link")
        if os.path.lexists(self.path):
            self.check_owner(os.lstat(self.path))
        if not os.access(self.path if os.path.exists(self.path) else os.path.dirname(self.path) or ".", os.W_OK):
            raise Failure(f"{self.path}: can't be written")

    def check_owner(self, status):
        if status.st_uid != os.geteuid() and not stat.S_ISCHR(status.st_mode):
            raise Failure(f"{self.path} belongs to another user")

    def open(self):
        """For bytes."""
        mode = 0o600 if self.private else 0o666
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (0 if self.replaces else os.O_EXCL), mode)
        status = os.fstat(fd)
        self.check_owner(status)
        if stat.S_ISREG(status.st_mode):
            if self.private:
                os.fchmod(fd, mode)    # one that is replaced may have had another mode
            os.ftruncate(fd, 0)
        return os.fdopen(fd, "wb")

    def write(self, data):
        with self.open() as f:
            f.write(data)
