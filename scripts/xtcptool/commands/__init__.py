# SPDX-License-Identifier: GPL-2.0
"""commands: a module for each subcommand; xtcptool/__init__.py has the interface."""
