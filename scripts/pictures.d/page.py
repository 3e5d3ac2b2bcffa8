# SPDX-License-Identifier: GPL-2.0
"""page: xtcptool's pages and panels, for the programs of this folder."""

import os
import sys

sys.dont_write_bytecode = True
SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOP = os.path.dirname(SCRIPTS)
sys.path.insert(0, SCRIPTS)

from xtcptool.page import Page, Panel, step_of  # noqa: E402, after the path is set

__all__ = ("TOP", "Page", "Panel", "step_of")
