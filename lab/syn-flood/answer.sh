# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Exercise 1: a SYN flood shuts the visitors out.
#
# The server's SYN queue is full of half-open connections from hosts that don't exist. Change a
# knob of the server, so that visitors get their pages while the flood goes on. The service
# and its backlog stay as they are.
#
# Write shell commands here. They run before the flood, as root. For example:
#
#	on server sysctl -w net.ipv4.xtcp_synack_retries=3
