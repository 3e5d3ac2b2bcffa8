# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Exercise 2: TIME-WAIT uses up the ports.
#
# After 20 visits each of the client's ports is in TIME-WAIT for a minute, and connect() fails.
# Change a knob of the client, so that all visits succeed. A firewall lets only these 20 ports
# pass, and TIME-WAIT shall still last a minute: net.ipv4.ip_local_port_range and
# net.ipv4.xtcp_tw_timeout stay as they are.
#
# Write shell commands here. They run before the first visit, as root. For example:
#
#	on client sysctl -w net.ipv4.xtcp_fin_timeout=30
