#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""knobs.py: each knob of module/user/sysctl.c is set by a test outside of user/knobs.c.

  scripts/lint.d/knobs.py

user/knobs.c tests the files only, and hostile/ writes values into all of them: they do
not count. Nor do files that cannot be written. Prints the knobs that no other test sets.
Whether a test looks at what the knob does is left to its reader: any value counts.
"""

import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROWS = re.compile(r"struct ctl_table xtcp_\w+_rows\[\] = \{\n(.*?)\n\};", re.S)
# A row is a macro with its name or a text, or braces with a procname.
ROW = re.compile(r'^\t(?:KNOB_TEXT\("(?P<text>\w+)".*?(?P<mode>0\d+)|KNOB_\w+\((?P<field>\w+)|'
                 r'\t\.procname\s*= "xtcp_(?P<braces>\w+)")', re.M | re.S)
SET = re.compile(r'\bknob_set(?:_text)?\(\s*"(\w+)"')


def read(name):
    with open(os.path.join(TOP, name), errors="replace") as f:
        return f.read()


def knobs():
    for rows in ROWS.findall(read("module/user/sysctl.c")):
        for row in ROW.finditer(rows):
            if row["mode"] != "0444":
                yield (row["text"] or row["field"] or row["braces"])


def main():
    done = set()
    for name in glob.glob("selftests/*/*.c", root_dir=TOP):
        if name != "selftests/user/knobs.c" and name.split("/")[1] not in ("hostile", "bench", "contention", "lib"):
            text = read(name)
            done |= set(SET.findall(text)) | ({"mem"} if "knob_mem_set(" in text else set())
    wanted = list(knobs())
    lacking = [k for k in wanted if k not in done]
    for knob in lacking:
        print(f"module/user/sysctl.c: no test of its effect sets xtcp_{knob}")
    if not wanted:
        print("module/user/sysctl.c: no rows found")
    return 1 if lacking or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
