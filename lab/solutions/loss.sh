# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
# The receiver tells by SACK which segments it has, and RACK takes the one before them for lost after a
# quarter of a round trip, however few they are. The loss probe is for the last segment of all.
for host in client server; do
	on "$host" sysctl -w net.ipv4.xtcp_sack=1 net.ipv4.xtcp_recovery=1 net.ipv4.xtcp_early_retrans=3
done
