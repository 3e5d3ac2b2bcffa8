# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# connect() may take over a port that has been in TIME-WAIT for a second: timestamps tell the new
# connection's segments from those of the old one.
on client sysctl -w net.ipv4.xtcp_tw_reuse=1
