#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2317,SC2154 # inner shells expand; tests are called by name
#
# prometheus: a real Prometheus scrapes `xtcp metrics --listen`; what it answers by its
# HTTP API is what /proc/net/xtcp_metrics has. Its configuration is that of metrics.rst.
# And the command by itself: its text, its JSON, its HTTP.
# vm: timeout=300 busy with=python3 with=prometheus newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

documents=${XTCP_DOCUMENTS:-/xtcp/Documentation}
exporter=127.0.0.1:9253
prometheus=127.0.0.1:9090

# Twenty connections that were open for 0.1 s each, and three that stay.
scene() {
	local i
	on $server sysctl -qw net.ipv4.xtcp_histograms=1
	start $server "$run" socat tcp4-listen:5001,reuseaddr,fork exec:cat
	await_row $server xtcp 5001 0A || return
	for ((i = 0; i < 3; i++)); do
		start $client "$run" bash -c 'exec 3<>/dev/tcp/10.9.0.2/5001; sleep 1000'
	done
	on $client "$run" bash -c 'for ((i = 0; i < 20; i++)); do
		exec 3<>/dev/tcp/10.9.0.2/5001 && sleep .1 && exec 3>&-; done' &&
		expect_soon 3 connections established
}

established() {
	value_of 'xtcp_connections{state="ESTABLISHED"}'
}

value_of() { # SAMPLE; its value in /proc
	on $server grep -v '^#' /proc/net/xtcp_metrics | grep -F "$1 " | sed 's/.* //'
}

exports() {
	start $server xtcp metrics --listen $exporter
	exporting=${pids[-1]}
	expect_soon "serving http://$exporter/metrics" 'the line at the start' cat "$dir/out.$((${#pids[@]} - 1))"
}

starts_prometheus() {
	{
		echo 'global: { scrape_interval: 1s }'
		sed -n '/^	scrape_configs:/,/^[^	]/{ s/^	//p }' "$documents/metrics.rst"
	} >"$dir/prometheus.yml"
	start $server env GOMAXPROCS=1 prometheus --config.file="$dir/prometheus.yml" --log.level=warn \
		--storage.tsdb.path="$dir/tsdb" --web.listen-address=$prometheus
}

# A number as JSON has it: /proc writes 2.080, Prometheus answers 2.08.
number() {
	awk -v n="$1" 'BEGIN { printf "%.9g", n }'
}

# The value of a query; empty: none.
asked() { # QUERY
	on $server curl -s --data-urlencode "query=$1" http://$prometheus/api/v1/query |
		python3 -c 'import json, sys
r = json.load(sys.stdin)["data"]["result"]
print(*(s["value"][1] for s in r))' 2>/dev/null
}

# The estimate of histogram_quantile(): linear within the bucket.
quantile() { # QUANTILE SERIES-PREFIX
	on $server grep -F "$2" /proc/net/xtcp_metrics | python3 -c '
import re, sys
q, buckets = float(sys.argv[1]), []
for line in sys.stdin:
    le, count = re.search(r"le=\"(.*?)\".* (\S+)$", line).groups()
    buckets.append((float(le), float(count)))
rank, low, before = q * buckets[-1][1], 0.0, 0.0
for le, count in buckets:
    if count >= rank:
        print(f"{low + (le - low) * (rank - before) / (count - before):.9g}")
        break
    low, before = le, count' "$1"
}

# Once, on a newer kernel than Debian 12's own, is enough: it is the longest test here.
case $(uname -r) in
6.1.*) ;;
*) program_test prometheus_scrapes ;;
esac
prometheus_scrapes() {
	local i wait='xtcp_state_seconds' row='from="ESTABLISHED",event="rcv-FIN",to="CLOSE-WAIT"'
	scene && exports && starts_prometheus || return
	for ((i = 0; i < 60; i++)); do
		[ "$(asked 'up{job="xtcp"}')" != 1 ] || break
		sleep 1
	done
	expect_equal 1 "$(asked 'up{job="xtcp"}')" up || { cat "$dir/out.$((${#pids[@]} - 1))"; return 1; }
	# Of a scrape that began after the last connection.
	sleep 3
	expect_equal 23 "$(asked 'xtcp_events_total{name="PassiveOpens"}')" 'a counter' &&
		expect_equal 23 "$(value_of 'xtcp_events_total{name="PassiveOpens"}')" 'the counter in /proc' &&
		expect_equal 3 "$(asked 'xtcp_connections{state="ESTABLISHED"}')" 'a gauge' &&
		expect_equal "$(value_of 'xtcp_time_wait_records_limit')" "$(asked xtcp_time_wait_records_limit)" 'another gauge' &&
		[ -n "$(asked xtcp_time_wait_records_limit)" ] || { echo 'no such gauge'; return 1; }
	expect_equal 20 "$(asked "${wait}_count{$row}")" 'a count of a histogram' &&
		expect_equal "$(number "$(value_of "${wait}_sum{$row}")")" "$(number "$(asked "${wait}_sum{$row}")")" 'its sum' || return
	i=$(asked "histogram_quantile(0.5, ${wait}_bucket{$row})")
	# 0.1 s are between 64 and 128 ms.
	awk -v got="$i" 'BEGIN { exit !(got > .064 && got < .128) }' || { echo "a median of $i s"; return 1; }
	expect_equal "$(quantile .5 "${wait}_bucket{$row")" "$(printf %.9g "$i")" 'the median' || return
	# Each sample of the file became a series.
	expect_equal "$(on $server grep -c '^xtcp_' /proc/net/xtcp_metrics)" "$(asked 'count({__name__=~"xtcp_.*"})')" series || return
	# Each scrape reads anew.
	start $client "$run" bash -c 'exec 3<>/dev/tcp/10.9.0.2/5001; sleep 1000'
	expect_soon 4 connections established && sleep 3 || return
	expect_equal '24 4' "$(asked 'xtcp_events_total{name="PassiveOpens"}') $(
		asked 'xtcp_connections{state="ESTABLISHED"}')" 'after one more connection' || return
	# The exporter goes: up falls.
	kill -INT "$exporting"
	sleep 3
	expect_equal 0 "$(asked 'up{job="xtcp"}')" 'up without the exporter'
}

program_test metrics_prints_the_file
metrics_prints_the_file() {
	scene && expect_status 0 on $server xtcp metrics &&
		on $server cat /proc/net/xtcp_metrics >"$dir/file" && cmp "$dir/file" "$dir/out" || return
	expect_status 0 on $server xtcp metrics --json || return
	expect_equal "3.0 $(grep -c '^xtcp_' "$dir/file")" "$(python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
print([s["value"] for s in j if s["labels"] == {"state": "ESTABLISHED"}][0], len(j))' "$dir/out")" JSON
}

# Of $server, by the kernel's TCP.
get() { # OPTION... URL
	on $server curl -s "$@"
}

program_test metrics_by_http
metrics_by_http() {
	local i
	exports || return
	get -D "$dir/head" http://$exporter/metrics >"$dir/got" || return
	on $server cat /proc/net/xtcp_metrics | cmp - "$dir/got" &&
		expect_equal 'application/openmetrics-text; version=1.0.0; charset=utf-8' \
			"$(tr -d '\r' <"$dir/head" | sed -n 's/^Content-Type: //p')" 'content type' &&
		expect_equal 200 "$(get -I -o /dev/null -w '%{http_code}' http://$exporter/metrics)" HEAD &&
		expect_equal 404 "$(get -o /dev/null -w '%{http_code}' http://$exporter/)" 'another page' || return
	# A client that says nothing keeps nobody else waiting.
	start $server bash -c 'exec 3<>/dev/tcp/127.0.0.1/9253; sleep 1000'
	sleep .2
	expect_equal 200 "$(get -m 5 -o /dev/null -w '%{http_code}' http://$exporter/metrics)" 'beside a silent client' || return
	# Clients that send a byte a second are left after 3 s, and 16 of them are served at once.
	for ((i = 0; i < 20; i++)); do
		start $server bash -c "exec 3<>/dev/tcp/127.0.0.1/9253; while printf G >&3; do sleep 1; done"
	done
	sleep 2
	expect_equal 33 "$(ls "/proc/$exporting/task" | wc -l)" 'threads at the most' &&
		expect_equal 200 "$(get -m 10 -o /dev/null -w '%{http_code}' http://$exporter/metrics)" 'beside slow clients' || return
	sleep 10
	expect_equal 1 "$(ls "/proc/$exporting/task" | wc -l)" 'threads afterwards' || return
	expect_status 1 on $server xtcp metrics --listen $exporter && expect_error 'Address already in use' || return
	kill -INT "${pids[0]}"
	wait "${pids[0]}"
	expect_equal 130 $? 'status after Ctrl-C' && expect_equal 1 "$(wc -l <"$dir/out.0")" 'lines of output' || return
	expect_status 2 on $server xtcp metrics --listen 9253 && expect_error 'not ADDRESS:PORT' || return
	start $server xtcp metrics --listen '[::1]:0'
	expect_soon 1 'an IPv6 server' grep -c '^serving http://\[::1\]:[1-9][0-9]*/metrics$' "$dir/out.$((${#pids[@]} - 1))"
}

program_tests_run
