# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A cookie needs no record, so the server can answer while its queue is full.
on server sysctl -w net.ipv4.xtcp_syncookies=1
