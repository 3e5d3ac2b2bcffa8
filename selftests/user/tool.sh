#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2015,SC2016,SC2086,SC2317,SC2154 # inner shells expand; tests are called by name
#
# tool: the command xtcp (scripts/xtcp) beside real connections: what each subcommand
# prints and does, wrong arguments, a machine without the module.
# vm: timeout=900 busy with=python3 newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

documents=${XTCP_DOCUMENTS:-/xtcp/Documentation}

# A command on $server; its output is in $dir/out and $dir/err.
tool() { # STATUS ARGUMENT...
	local status=$1
	shift
	expect_status $status on $server xtcp "$@"
}

# An expression of the JSON that the last command printed, which is j.
json() { # EXPRESSION
	python3 -c 'import json, sys; j = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1" <"$dir/out"
}

# A connection from 10.9.0.1:40000 to an echo server on 5001, over which 6 bytes went
# each way, and one from 40001 to a program on 5003 that never closes it. The servers of
# the connections are $echoer and $leaker.
scene() {
	start $server "$run" socat tcp4-listen:5001,reuseaddr,fork exec:cat
	echoer=${pids[-1]}
	start $server "$run" socat -t 100000 tcp4-listen:5003,reuseaddr exec:'sleep 100000'
	leaker=${pids[-1]}
	await_row $server xtcp 5001 0A && await_row $server xtcp 5003 0A || return
	start $client "$run" bash -c '(echo hello; sleep 1000) | socat - tcp4:10.9.0.2:5001,sourceport=40000'
	expect_status 0 on $client timeout 20 "$run" socat -u /dev/null tcp4:10.9.0.2:5003,sourceport=40001 &&
		await_row $server xtcp 5003 08 && await_row $server xtcp 5001 01 || return
	expect_soon 6 'bytes of the echo' echoed
}

echoed() {
	on $client xtcp ls --json -p 40000 >"$dir/out"
	json 'j[0]["received_bytes"]'
}

program_test ls_columns
ls_columns() {
	scene && tool 0 ls || return
	expect_equal 'STATE AGE WAITING PROCESS LOCAL REMOTE RECV-Q SEND-Q TIMER WIRE RATE' \
		"$(head -n 1 "$dir/out" | xargs)" header || return
	expect_equal "LISTEN peer-syn socat/$echoer 0.0.0.0:5001 * 0 5 native
ESTABLISHED app-write,peer-data 10.9.0.2:5001 10.9.0.1:40000 0 0 native
CLOSE-WAIT app-close socat/$leaker 10.9.0.2:5003 10.9.0.1:40001 0 0 native" \
		"$(sed -E '1d; s/ [0-9.]+s / /; s/ [^ ]+B\/s$//; /^EST/s/ socat.[0-9]+//; s/ +/ /g; s/ $//' "$dir/out")" rows
}

program_test ls_json
ls_json() {
	scene && tool 0 ls --json --port 40000 || return
	expect_equal "1 ESTABLISHED native 10.9.0.2 5001 10.9.0.1 40000 None ['app-write', 'peer-data'] None 6 6" \
		"$(json '" ".join(str(x) for x in [len(j)] + [j[0][k] for k in (
			"state", "wire", "local_address", "local_port", "remote_address", "remote_port",
			"device", "waiting_for", "timer", "received_bytes", "acked_bytes")])')" 'a connection' || return
	expect_equal "[True] float 0 socat" "$(json 'f"""{[0 < j[0]["age_s"] < 60]} {type(j[0]["age_s"]).__name__
		} {j[0]["uid"]} {j[0]["processes"][0]["name"]}"""')" 'its age and owner' || return
	tool 0 ls --json -s listen -p 5001 || return
	expect_equal "None None 0 5 $echoer" "$(json '" ".join(str(x) for x in (j[0]["remote_address"],
		j[0]["remote_port"], j[0]["accept_queue_connections"],
		j[0]["accept_queue_limit_connections"], j[0]["processes"][0]["pid"]))')" 'a listener'
}

found() { # ARGUMENT...; the local ports of the rows
	tool 0 ls "$@" && awk 'NR > 1 { sub(/.*:/, "", $5); print $5 }' "$dir/out" | xargs
}

program_test ls_filters_and_order
ls_filters_and_order() {
	scene || return
	expect_equal 5003 "$(found -s close-wait)" state &&
		expect_equal '5001 5003' "$(found -s CLOSE-WAIT,established --sort local)" states &&
		expect_equal '5003 5001' "$(found -s CLOSE-WAIT,established --sort local -r)" reversed &&
		expect_equal '5001 5001' "$(found --port 5001)" port &&
		expect_equal 5001 "$(found -p 40000)" 'port of the peer' &&
		expect_equal '5001 5003' "$(found --addr 10.9.0.1)" address &&
		expect_equal '5001 5003' "$(found --addr ::ffff:10.9.0.1)" 'IPv4-mapped address' &&
		expect_equal '5001 5003' "$(found --addr 10.9.0.0/28)" network &&
		expect_equal '' "$(found --addr fd09::/64)" 'another network' &&
		expect_equal '5001 5001 5003' "$(found --process socat)" program &&
		expect_equal 5003 "$(found --process $leaker)" process &&
		expect_equal '' "$(found --wire tcp)" wire &&
		expect_equal 5003 "$(found --waiting app-close)" waiting &&
		expect_equal '' "$(found --older 1000)" 'young ones' &&
		expect_equal '5001 5001 5003' "$(found --older 0 --sort local)" 'of any age'
}

program_test ls_sorts_by_age
ls_sorts_by_age() {
	local port
	for port in 5002 5003 5001; do
		start $server "$run" socat tcp4-listen:$port,reuseaddr -
		await_row $server xtcp $port 0A && sleep 1 || return
	done
	expect_equal '5002 5003 5001' "$(found --sort age)" 'the oldest first' &&
		expect_equal '5001 5003 5002' "$(found --sort age -r)" 'the youngest first'
}

program_test ls_of_the_unprivileged_has_no_process
ls_of_the_unprivileged_has_no_process() {
	scene && expect_status 0 on $server su nobody -c 'xtcp ls -p 40000 --json' || return
	expect_equal '[] ESTABLISHED 6' "$(json 'f"""{j[0]["processes"]} {j[0]["state"]} {j[0]["received_bytes"]}"""')" row
}

program_test ls_of_nginx_on_both_wires
ls_of_nginx_on_both_wires() {
	start_nginx 80 && tcp_wire $server $client && run_nginx_on_tcp_wire || return
	tool 0 ls -P nginx -s listen --sort wire || return
	expect_equal 'native tcp' "$(awk 'NR > 1 { print $NF }' "$dir/out" | xargs)" wires
}

run_nginx_on_tcp_wire() {
	sed "s,pid $dir/pid,pid $dir/pid2," "$dir/nginx.conf" >"$dir/nginx2.conf"
	start $server "$run" nginx -e stderr -c "$dir/nginx2.conf"
	expect_soon 2 'listeners of nginx' nginx_listeners
}

nginx_listeners() {
	on $server xtcp ls -P nginx -s listen | grep -c ^LISTEN
}

program_test colours_on_a_terminal_only
colours_on_a_terminal_only() {
	scene && tool 0 ls || return
	! grep -q $'\033' "$dir/out" || { echo 'colours in a pipe'; return 1; }
	on $server socat -t 5 - exec:'xtcp ls',pty,stderr </dev/null >"$dir/out"
	grep -q $'^\033\[31mCLOSE-WAIT.*\033\[0m' "$dir/out" || { echo 'no colours'; cat -v "$dir/out"; return 1; }
	on $server env NO_COLOR=1 socat -t 5 - exec:'xtcp ls',pty,stderr </dev/null >"$dir/out"
	grep -q '^CLOSE-WAIT' "$dir/out" || { echo 'colours with NO_COLOR'; cat -v "$dir/out"; return 1; }
}

# The backlog is 5, and nobody answers the SYN-ACKs.
program_test listen_names_the_sources
listen_names_the_sources() {
	tcp_wire $server
	start $server "$run" socat tcp4-listen:5001,reuseaddr,fork exec:cat
	await_row $server xtcp 5001 0A || return
	on $client hping3 -q -c 3 -i u1000 -a 10.9.0.77 -S -s 3000 -p 5001 10.9.0.2 >/dev/null 2>&1
	on $client hping3 -q -c 1 -i u1000 -a 10.9.0.78 -S -s 3000 -p 5001 10.9.0.2 >/dev/null 2>&1
	tool 0 listen || return
	expect_equal "0.0.0.0:5001 tcp socat/${pids[0]} 4/5/4 0/5/0 0/0 0 0/0/0 10.9.0.77 (3), 10.9.0.78 (1)" \
		"$(sed -n '2s/ \+/ /gp' "$dir/out")" row || return
	tool 0 listen --json -p 5001 -w tcp || return
	expect_equal "1 4 4 [{'address': '10.9.0.77', 'connections': 3}, {'address': '10.9.0.78', 'connections': 1}]" \
		"$(json 'f"""{len(j)} {j[0]["syn_queue_connections"]} {j[0]["syn_queue_peak_connections"]} {
		j[0]["half_open_from"]}"""')" JSON || return
	tool 0 listen --json -w native && expect_equal '[]' "$(<"$dir/out")" 'of the other wire'
}

program_test leaks_by_program
leaks_by_program() {
	scene && tool 0 leaks && expect_equal 1 "$(wc -l <"$dir/out")" 'lines for 60 s' || return
	tool 0 leaks 0 || return
	expect_equal "socat $leaker 1" "$(awk 'NR == 2 { print $1, $2, $3 }' "$dir/out")" row || return
	tool 0 leaks 0 --json || return
	expect_equal "socat $leaker 1 40001" \
		"$(json 'f"""{j[0]["program"]} {j[0]["pid"]} {j[0]["connections"]} {j[0]["each"][0]["remote_port"]}"""')" JSON
}

program_test why_tells_of_unread_data
why_tells_of_unread_data() {
	start $server "$run" bash -c 'socat tcp4-listen:5001 exec:"sleep 1000"'
	await_row $server xtcp 5001 0A || return
	start $client "$run" bash -c '(head -c 10000000 /dev/zero; sleep 1000) | socat -u - tcp4:10.9.0.2:5001'
	await_row $server xtcp 5001 01 && sleep 2 && tool 0 why :5001 || return
	grep -q '^  ESTABLISHED for .*: both ends may send\.$' "$dir/out" &&
		grep -q '^  It waits .*for the program to read' "$dir/out" &&
		grep -qE '^  The program has not read [0-9]{5,} bytes; ' "$dir/out" || { cat "$dir/out"; return 1; }
	expect_status 0 on $client xtcp why 10.9.0.1 10.9.0.2:5001 || return
	grep -q "^  It waits .*for the peer's receive window to open" "$dir/out" &&
		grep -q "^  The peer's receive window is closed; " "$dir/out" &&
		grep -q '^  The closed window is probed in ' "$dir/out" || { cat "$dir/out"; return 1; }
}

program_test why_patterns
why_patterns() {
	scene && tool 0 why 10.9.0.2:5003 10.9.0.1:40001 || return
	expect_equal '10.9.0.2:5003 with 10.9.0.1:40001, native wire:' "$(head -n 1 "$dir/out")" title || return
	grep -q '^  CLOSE-WAIT for .*: the peer has closed, and the program has not\.$' "$dir/out" &&
		grep -q "^  socat (process $leaker, descriptor [0-9]*) holds the socket\.\$" "$dir/out" ||
		{ cat "$dir/out"; return 1; }
	tool 0 why 10.9.0.1:40001 10.9.0.2:5003 --json && expect_equal '1 False 40001' \
		"$(json 'f"""{len(j)} {j[0]["dead"]} {j[0]["remote_port"]}"""')" 'ends in the other order' || return
	tool 0 why :5001 --json && expect_equal 'ESTABLISHED LISTEN' \
		"$(json '" ".join(sorted(c["state"] for c in j))')" 'of a port' || return
	tool 1 why 10.9.0.2:5003 10.9.0.1:40000 && expect_error 'no connection or listener has such an end'
}

program_test kill_ends_one
kill_ends_one() {
	scene && tool 0 kill 10.9.0.2:5003 10.9.0.1:40001 || return
	expect_equal '' "$(cat "$dir/out" "$dir/err")" output && no_row $server xtcp 5003 || return
	tool 1 kill 10.9.0.2:5003 10.9.0.1:40001 &&
		expect_equal 'xtcp kill: 10.9.0.2:5003 10.9.0.1:40001: no such connection' \
			"$(<"$dir/err")" error || return
	tool 1 kill 10.9.0.2:5001 10.9.0.1:40000 tcp && has_row $server xtcp 5001 01 || return
	expect_status 1 on $server su nobody -c 'xtcp kill 10.9.0.2:5001 10.9.0.1:40000' &&
		expect_error 'not permitted' && has_row $server xtcp 5001 01 || return
	tool 0 kill 10.9.0.2:5001 10.9.0.1:40000 native --json &&
		expect_equal '1 40000' "$(json 'f"""{len(j)} {j[0]["remote_port"]}"""')" JSON || return
	! has_row $server xtcp 5001 01 && tool 0 kill 0.0.0.0:5001 '*' && no_row $server xtcp 5001
}

program_test kill_by_filters
kill_by_filters() {
	scene && tool 1 kill -s close-wait -p 5001 && expect_equal 'xtcp kill: no connection fits' "$(<"$dir/err")" error &&
		tool 1 kill -o 1000 -p 5001 && expect_error 'no connection fits' || return
	tool 0 kill --dry-run -p 5001 &&
		expect_equal 'ESTABLISHED 10.9.0.1:40000' "$(awk 'NR > 1 { print $1, $6 }' "$dir/out")" 'dry run' || return
	expect_status 1 on $server su nobody -c 'xtcp kill -p 5001' && expect_error 'not permitted' || return
	has_row $server xtcp 5001 01 && tool 0 kill -p 5001 &&
		expect_equal 'ended 1 connection' "$(<"$dir/out")" output && ! has_row $server xtcp 5001 01 || return
	# The listener stays until it is named.
	has_row $server xtcp 5001 0A && tool 0 kill -s listen,close-wait --json &&
		expect_equal 'CLOSE-WAIT LISTEN' "$(json '" ".join(sorted(c["state"] for c in j))')" JSON &&
		no_row $server xtcp 5001 && no_row $server xtcp 5003
}

# While the tool looks for the processes, the connection of 40000 ends, and another one gets both ends.
program_test kill_by_filters_ends_no_other
kill_by_filters_ends_no_other() {
	cat >"$dir/script" <<-'END'
		import argparse, socket, struct, sys
		from xtcptool import procfs
		from xtcptool.commands import kill

		def connection():
		    client = socket.socket()
		    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		    client.bind(("127.0.0.1", 40000))
		    client.connect(("127.0.0.1", 5005))
		    return client, listener.accept()[0]

		def holders(inodes):
		    global ends
		    for end in ends:
		        end.close()
		    ends = connection()
		    return found(inodes)

		listener, parser = socket.create_server(("127.0.0.1", 5005)), argparse.ArgumentParser()
		kill.add_arguments(parser)
		ends = connection()
		found, procfs.holders = procfs.holders, holders
		kill.run(parser.parse_args(["--port", "40000"], argparse.Namespace(json=False)))
		ends[0].send(b"x")
		print(ends[1].recv(1))
		procfs.holders = found
		kill.run(parser.parse_args(["--port", "40000"], argparse.Namespace(json=False)))
	END
	expect_status 0 on $server env PYTHONPATH=/usr/lib/xtcp "$run" python3 "$dir/script" &&
		expect_equal "ended 0 connections b'x' ended 1 connection" "$(sed -n 'H; ${x; s/\n/ /g; s/^ //p}' "$dir/out")" output
}

program_test kill_of_listeners_that_share_a_port
kill_of_listeners_that_share_a_port() {
	local one
	start $server "$run" socat tcp4-listen:5004,reuseport,fork exec:cat
	one=${pids[-1]}
	await_row $server xtcp 5004 0A || return
	start $server "$run" socat tcp4-listen:5004,reuseport,fork exec:cat
	expect_soon 2 listeners listeners_of 5004 || return
	tool 1 kill -s listen -P $one && expect_error "socat/${pids[-1]}" &&
		expect_equal 2 "$(listeners_of 5004)" 'listeners that stay' || return
	tool 0 kill -s listen -p 5004 && expect_equal 'ended 2 connections' "$(<"$dir/out")" output &&
		no_row $server xtcp 5004
}

listeners_of() { # PORT
	on $server xtcp ls --json -s listen -p $1 >"$dir/out"
	json 'len(j)'
}

# A device behind the address would be taken for no condition at all.
program_test an_address_has_no_scope
an_address_has_no_scope() {
	local text
	for text in '[fe80::1%eth0]:443' 'fe80::1%eth0' '[fe80::1'; do
		tool 2 kill -n --addr "$text" && expect_error "'${text//[/\\[}' is not ADDRESS" || return
	done
}

# As of a script whose variable is not set: without the filter all connections would fit.
program_test an_empty_word_is_refused
an_empty_word_is_refused() {
	local call
	scene || return
	for call in 'kill -s close-wait --process' 'kill -s close-wait --waiting' 'ls -P' 'top -n 1 -W' \
		'record --seconds 1 --script --from' 'plot --seconds 1 --from' 'plot --seconds 1 --beside' 'states --svg' \
		'states --png'; do
		tool 2 $call '' && expect_error 'the word is empty' && expect_equal '' "$(<"$dir/out")" "output of $call" || return
	done
	has_row $server xtcp 5003 08
}

program_test top_counts_samples
top_counts_samples() {
	scene && tool 0 top -n 2 -d 0.5 || return
	expect_equal 2 "$(grep -c '^xtcp top [0-9:]*: 1 LISTEN, 1 ESTABLISHED, 1 CLOSE-WAIT$' "$dir/out")" samples &&
		expect_equal 2 "$(grep -c '^ESTABLISHED' "$dir/out")" rows &&
		expect_equal '0B/s' "$(awk '/^ESTABLISHED/ { rate = $NF } END { print rate }' "$dir/out")" rate || return
	tool 0 top -n 2 -d 0.1 --json -s established || return
	expect_equal '1 1' "$(python3 -c 'import json, sys
print(*(len(json.loads(line)) for line in sys.stdin))' <"$dir/out")" 'rows of JSON' || return
	expect_status 2 on $server xtcp top </dev/null && expect_error 'needs --count'
}

# The module was loaded again between the second sample and the third.
program_test top_of_counters_that_began_anew
top_of_counters_that_began_anew() {
	expect_status 0 env PYTHONPATH=/usr/lib/xtcp python3 -c 'import argparse
from xtcptool import procfs
from xtcptool.commands import top
parser = argparse.ArgumentParser()
top.add_arguments(parser)
procfs.connections = list
sampler = top.Sampler(parser.parse_args([]))
for count in 1000, 3000, 10, 20:
    procfs.counters = lambda: {name: count for name, _ in top.EVENTS}
    sampler.take()
    print(any(c.isdigit() for c in list(sampler.head())[1]))' &&
		expect_equal 'False True False True' "$(xargs <"$dir/out")" 'whether there are rates'
}

program_test top_quits_with_q
top_quits_with_q() {
	scene || return
	printf '#!/bin/sh\nxtcp top -d 1\necho status $?\n' >"$dir/live"
	chmod 755 "$dir/live"
	{ sleep 3; printf q; } |
		on $server socat -t 5 - exec:"$dir/live",pty,setsid,ctty,stderr >"$dir/out"
	grep -q 'status 0' "$dir/out" && grep -q $'\033\[?1049h' "$dir/out" && grep -q $'\033\[?1049l' "$dir/out" &&
		[ "$(grep -c 'xtcp top [0-9:]*: 1 LISTEN' "$dir/out")" -ge 2 ] || { cat -v "$dir/out"; return 1; }
}

# As a shell does: xtcp top in a process group of its own gets SIGTSTP, then SIGCONT.
program_test top_pauses_with_ctrl_z
top_pauses_with_ctrl_z() {
	scene || return
	cat >"$dir/live" <<-'END'
		#!/bin/bash
		stty -a | grep -o -- ' -\?echo ' >$1.before
		xtcp top -d 1 </dev/tty &
		sleep 3
		kill -TSTP $!
		sleep 1
		grep State: /proc/$!/status >$1.state
		stty -a </dev/tty | grep -o -- ' -\?echo ' >$1.after
		kill -CONT $!
		sleep 3
		stty -a </dev/tty | grep -o -- ' -\?echo ' >$1.again
		kill $!
	END
	chmod 755 "$dir/live"
	sleep 10 | on $server socat -t 5 - exec:"$dir/live $dir/tty",pty,setsid,ctty,stderr >"$dir/out"
	expect_equal 'State: T (stopped)' "$(xargs <"$dir/tty.state")" state &&
		expect_equal ' echo ' "$(<"$dir/tty.before")" 'echo before' &&
		expect_equal ' echo ' "$(<"$dir/tty.after")" 'echo while it is stopped' &&
		expect_equal ' -echo ' "$(<"$dir/tty.again")" 'echo when it goes on' &&
		expect_equal 2 "$(grep -o $'\033\[?1049h' "$dir/out" | wc -l)" 'screens taken' || { cat -v "$dir/out"; return 1; }
}

# No traceback in either case.
program_test ends_quietly
ends_quietly() {
	scene || return
	on $server sh -c "{ xtcp ls; echo \$? >$dir/status; } 2>$dir/err | :"
	expect_soon 141 'status of a broken pipe' cat "$dir/status" && expect_equal '' "$(<"$dir/err")" error || return
	start $server sh -c "exec xtcp top -n 20 2>$dir/err"
	sleep 2
	kill -INT ${pids[-1]}
	wait ${pids[-1]}
	expect_equal 130 $? 'status of SIGINT' && expect_equal '' "$(<"$dir/err")" error || return
	local call
	for call in ls --help 'ls --help' '--complete l'; do
		on $server sh -c "xtcp $call >/dev/full" 2>"$dir/err"
		expect_equal 1 $? "status of $call on a full device" && expect_error 'No space left on device' &&
			expect_equal 1 "$(wc -l <"$dir/err")" "lines of $call" || return
	done
}

program_test wrong_calls
wrong_calls() {
	local call
	while read -r call; do
		tool 2 $call || return
		expect_equal '' "$(<"$dir/out")" "output of $call" &&
			expect_equal 1 "$(wc -l <"$dir/err")" "lines of $call" || { cat "$dir/err"; return 1; }
	done <<-END
		nosuch
		--nosuch
		ls x
		ls -s NOSUCH
		ls -s established,
		ls -p 0
		ls -p 65536
		ls -p x
		ls -a 10.9.0
		ls -a 10.9.0.1/33
		ls -w 6
		ls --sort nosuch
		top -n 0
		top -n x
		top -d 0 -n 1
		top -d nan -n 1
		why
		why x
		why 1 2 3
		why 10.9.0.2:65536
		why fd09::1:80:
		listen -p -1
		leaks x
		leaks -1
		leaks 1 2
		leaks -s NOSUCH
		kill
		kill --dry-run
		kill 10.9.0.2:1 10.9.0.1:2 -p 1
		kill 10.9.0.2:1 10.9.0.1:2 -n
		kill -o -1
		kill 10.9.0.2:1
		kill 10.9.0.2:1 10.9.0.1
		kill 10.9.0.2:1 [fd09::1]:1
		kill 10.9.0.2:1 10.9.0.1:2 udp
		kill 10.9.0.2%:1 10.9.0.1:2
	END
	tool 2 && tool 0 --help && for call in ls top why listen leaks kill record plot ladder states metrics enable disable; do
		grep -q "^  $call  " "$dir/out" && on $server xtcp $call --help >/dev/null || return
	done
}

program_test tells_its_version
tells_its_version() {
	local version
	version=$(cat /sys/module/xtcp/version) && tool 0 --version &&
		[ "$(cat "$dir/out")" = "$(printf 'xtcp %s\nmodule: %s' "$version" "$version")" ]
}

# Of a machine whose root is $dir/root; what the drop-in says is then used to start a program.
program_test enable_and_disable
enable_and_disable() {
	local units=$dir/root/etc/systemd/system files
	mkdir -p "$dir/root/lib/systemd/system" "$dir/root/bin" "$units/other.service.d" "$dir/root/etc/sysctl.d"
	cp "$(command -v busybox)" "$dir/root/bin/static" && cp "$(command -v socat)" "$dir/root/bin/socat"
	printf '[Service]\nExecStart=-/bin/socat -\n' | tee "$dir/root/lib/systemd/system/one.service" >"$dir/root/lib/systemd/system/two@.service"
	printf '[Service]\nExecStart=/bin/static\n' >"$units/static.service"
	echo '# mine' | tee "$units/other.service.d/xtcp.conf" >"$units/other.service"
	expect_status 1 xtcp enable one --root "$dir/root" && expect_error 'xtcp-preload.so: no such library below' &&
		tools_in "$dir/root" || return
	expect_status 0 xtcp enable one --root "$dir/root" --wire tcp -l --port 5001 --port 5002 &&
		expect_equal 0 "$(grep -c xtcp_wire "$dir/out")" 'hints beside --wire' &&
		expect_status 0 xtcp enable two@x.service --root "$dir/root" &&
		expect_equal 1 "$(grep -c '^while net.ipv4.xtcp_wire is 253,.* with --wire tcp' "$dir/out")" hints &&
		expect_status 0 xtcp enable two@x.service --root "$dir/root" --json &&
		expect_equal /etc/systemd/system/two@x.service.d/xtcp.conf "$(json 'j[0]["files"][0]')" 'file of an instance' || return
	files=$(cd "$dir/root/etc" && find . -name '*xtcp.conf' | sort | xargs)
	expect_equal './modules-load.d/xtcp.conf ./sysctl.d/90-xtcp.conf ./systemd/system/one.service.d/xtcp.conf '"\
./systemd/system/other.service.d/xtcp.conf ./systemd/system/two@x.service.d/xtcp.conf" "$files" files &&
		expect_equal xtcp "$(grep -v '^#' "$dir/root/etc/modules-load.d/xtcp.conf")" 'module to load' &&
		expect_status 0 on $client sysctl -p "$dir/root/etc/sysctl.d/90-xtcp.conf" || return
	start $server env $(sed -nE 's/^Environment="(.*)"$/\1/p' "$units/one.service.d/xtcp.conf") \
		socat tcp4-listen:5002,reuseaddr - && await_row $server xtcp 5002 0A &&
		expect_equal tcp "$(on $server xtcp ls -p 5002 --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["wire"])')" wire || return
	expect_status 0 xtcp disable one --root "$dir/root" && [ -e "$dir/root/etc/modules-load.d/xtcp.conf" ] &&
		[ ! -e "$units/one.service.d" ] && expect_status 0 xtcp disable two@x --root "$dir/root" &&
		expect_equal ./systemd/system/other.service.d/xtcp.conf "$(cd "$dir/root/etc" && find . -name '*xtcp.conf')" 'files that stay' || return
	expect_status 1 xtcp disable one --root "$dir/root" && expect_error 'one.service is not enabled' &&
		expect_status 1 xtcp disable other --root "$dir/root" && expect_error 'other.service is not enabled' &&
		expect_status 1 xtcp enable other --root "$dir/root" && expect_error 'xtcp.conf is not of xtcp enable' &&
		expect_status 1 xtcp enable static --root "$dir/root" && expect_error '/bin/static is statically linked' &&
		expect_status 1 xtcp enable none --root "$dir/root" && expect_error 'no unit none.service' &&
		expect_status 1 xtcp enable ../one --root "$dir/root" && expect_error 'no name of a service' &&
		expect_status 2 xtcp enable one -l -c && expect_status 2 xtcp enable one -p 65536 && expect_status 2 xtcp enable one -w udp &&
		expect_equal '# mine' "$(<"$units/other.service.d/xtcp.conf")" 'file of another'
}

# A copy of socat with other bytes from an offset on.
changed() { # COPY OFFSET BYTES
	cp "$(command -v socat)" "$1" && printf %b "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Programs that the dynamic linker starts without the library, or with another C library: where they are named in a
# unit or in its drop-ins, whose last ExecStart= counts.
program_test enable_looks_at_the_program
enable_looks_at_the_program() {
	local image=$dir/programs units=$dir/programs/etc/systemd/system linker
	local runtime=$image/run/systemd/system/two.service.d
	tools_in "$image" && mkdir -p "$units"/{two,a-}.service.d "$runtime" "$image/my bin" &&
		cp "$(command -v busybox)" "$image/my bin/static" && cp "$(command -v socat)" "$image/my bin/socat" &&
		changed "$image/arm" 18 '\0267\0000' || return
	# A program of 32 bits: the header, and a program header with the name of a dynamic linker.
	python3 -c 'import struct
head = struct.pack("<4s12BHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, *[0] * 9, 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
print((head + struct.pack("<8I", 3, 84, 0, 0, 14, 14, 4, 1)).decode("latin1") + "/lib/ld-x.so.2", end="\0")' >"$image/narrow" || return
	linker=$(LC_ALL=C grep -abom 1 '/lib64/ld-linux-x86-64.so.2' "$image/my bin/socat" | cut -d : -f 1)
	changed "$image/musl" "${linker:-0}" /lib64/ld-musl--x86_64.so.1 && chmod +x "$image"/* || return
	refused() { # UNIT ExecStart TEXT
		printf '[Service]\nExecStart=%b\n' "$2" >"$units/$1.service"
		expect_status 1 xtcp enable "$1" --root "$image" && expect_error "$3" || return
		[ -z "$(find "$image/etc" -name '*xtcp*')" ] || { find "$image/etc" -name '*xtcp*'; return 1; }
	}
	refused one /arm '/arm is of another machine type than the library: start it by xtcp-run --cgroup' &&
		refused one -/narrow '/narrow is of another machine type' &&
		refused one '@/musl name' '/musl has another C library (/lib64/ld-musl--x86_64.so.1): start it by' &&
		refused one '"/my bin/static" -v' '/my bin/static is statically linked' &&
		refused one -/usr/bin/true 'one.service starts no program' &&
		refused one '/bin/socat\nRootDirectory = /srv' 'one.service has a root of its own (RootDirectory=)' || return
	# An alias, as systemctl makes it, and an alternative, as Debian does: absolute links, within the image.
	mkdir -p "$image/lib/systemd/system" && ln -s /lib/systemd/system/real.service "$units/alias.service" && ln -s /arm "$image/alternative" &&
		ln -s /dev/null "$units/masked.service" && printf '[Service]\nExecStart=/alternative\n' |
		tee "$image/lib/systemd/system/masked.service" >"$image/lib/systemd/system/real.service" || return
	expect_status 1 xtcp enable alias --root "$image" && expect_error '/alternative is of another machine type' &&
		expect_status 1 xtcp enable masked --root "$image" && expect_error 'masked.service is masked' || return
	printf '[Service]\nExecStart=/arm\n' | tee "$runtime/b.conf" >"$units/a-.service.d/b.conf"
	refused two '"/my bin/socat"' '/arm is of another machine type' && refused a-b /bin/socat '/arm is of another' || return
	printf '[Service]\n# ExecStart=/narrow\nExecStart=\nExecStart=/musl\n' >"$units/two.service.d/c.conf"
	refused two /arm '/musl has another C library' || return
	printf '[Service]\nExecStart=\nExecStart="/my bin/socat" \\\nExecStart=/arm "\n' >"$units/two.service.d/c.conf"
	echo 'ExecStart=/narrow' >"$runtime/d.conf"
	refused two /arm '/narrow is of another machine type' || return
	# A generator has made this one.
	mkdir -p "$image/run/systemd/generator.late" &&
		printf '[Service]\nExecStart=/arm\n' >"$image/run/systemd/generator.late/made.service" &&
		expect_status 1 xtcp enable made --root "$image" && expect_error '/arm is of another' || return
	# In place of the one with that name.
	: >"$units/two.service.d/d.conf"
	expect_status 0 xtcp enable two --root "$image" || return
	# Absolute links, also of a whole folder, lead to files of the image. One that leads nowhere there changes nothing,
	# although this machine has such a file.
	mkdir -p "$units/three.service.d" "$image$dir/of-image" "$dir/of-image" "$image/srv/four.service.d" &&
		ln -s "$dir/of-image/e.conf" "$units/three.service.d/e.conf" &&
		ln -s /nowhere.conf "$units/three.service.d/f.conf" && ln -s /srv/four.service.d "$units/four.service.d" &&
		printf '[Service]\nExecStart=/narrow\n' >"$dir/of-image/e.conf" &&
		printf '[Service]\nExecStart="/my bin/socat"\n' | tee "$units/three.service" >"$units/four.service" || return
	expect_status 0 xtcp enable three --root "$image" && expect_status 0 xtcp disable three --root "$image" &&
		expect_status 0 xtcp disable two --root "$image" || return
	printf '[Service]\nExecStart=/arm\n' | tee "$image$dir/of-image/e.conf" >"$image/srv/four.service.d/g.conf"
	refused three '"/my bin/socat"' '/arm is of another machine type' &&
		refused four '"/my bin/socat"' '/arm is of another machine type'
}

# The user of the service may choose what root opens. systemd would not start these.
program_test enable_opens_programs_only
enable_opens_programs_only() {
	local image=$dir/fifos units=$dir/fifos/etc/systemd/system name
	tools_in "$image" && mkdir -p "$units" && mkfifo -m 755 "$image/fifo" && printf '#!/fifo\n' >"$image/script" &&
		chmod +x "$image/script" || return
	for name in fifo script; do
		printf '[Service]\nExecStart=/%s\n' $name >"$units/$name.service"
		expect_status 0 timeout 20 xtcp enable $name --root "$image" &&
			expect_status 0 xtcp disable $name --root "$image" || return
	done
}

# Programs that systemd finds although the unit names no path, or one with escape sequences, and what runs a script.
program_test enable_looks_where_systemd_does
enable_looks_where_systemd_does() {
	local image=$dir/words units=$dir/words/etc/systemd/system line
	tools_in "$image" && mkdir -p "$units" "$image"/usr/{local/bin,sbin,bin,lib/systemd/system} && ln -s usr/bin "$image/bin" &&
		cp "$(command -v busybox)" "$image/usr/bin/static" && cp "$(command -v socat)" "$image/usr/bin/socat" &&
		ln -s /bin/static "$image/usr/local/bin/here" && ln -s static "$image/usr/bin/is at" && ln -s static "$image/usr/bin/ä" || return
	script() { # NAME LINE
		printf '%s\nexit\n' "$2" >"$image/usr/bin/$1" && chmod +x "$image/usr/bin/$1"
	}
	script plain '#!/bin/static' && script by-env '#! /usr/bin/env -S static -e' && script twice '#!/usr/bin/plain' &&
		script good '#!/usr/bin/env socat' && script empty '#!' || return
	while read -r line; do
		printf '[Service]\n%b' "$line" >"$units/one.service"
		expect_status 1 xtcp enable one --root "$image" && expect_error 'is statically linked' ||
			{ cat "$units/one.service"; return 1; }
	done <<-'END'
		ExecStart=static\n
		ExecStart=-here -v\n
		ExecStart=/usr/bin/plain\n
		ExecStart=by-env\n
		ExecStart=@twice name\n
		ExecStart=/usr/bin/stat\\x69c\n
		ExecStart="/usr/\\x62in/is at"\n
		ExecStart=/usr/bin/is\\sat\n
		ExecStart=/usr/bin/is\\040at x\n
		ExecStart='/usr/bin/'\\u0073tatic\n
		ExecStart=/usr/bin/\\xc3\\xa4\n
		# \\\nExecStart=/bin/static\n
		; x\\\nExecStart=/bin/static\n
		ExecStart=\\\n # x\n;y\n /bin/static\n
	END
	while read -r line; do
		printf '[Service]\n%b' "$line" >"$units/one.service"
		expect_status 0 xtcp enable one --root "$image" && expect_status 0 xtcp disable one --root "$image" ||
			{ cat "$units/one.service"; return 1; }
	done <<-'END'
		ExecStart=socat -\n
		ExecStart=good\n
		ExecStart=/usr/bin/empty\n
		ExecStart=/nowhere\n
		ExecStart=/\\x00\\ud800\\U99999999\\777/static\n
		ExecStart="/bin/static\n
		#ExecStart=static\nExecStart=socat\n
	END
}

# An alias is the unit to which the link leads, and has its drop-ins; a link to another folder is none.
program_test enable_follows_an_alias
enable_follows_an_alias() {
	local image=$dir/alias units=$dir/alias/etc/systemd/system lib=$dir/alias/lib/systemd/system
	tools_in "$image" && mkdir -p "$units/real.service.d" "$lib" "$image/opt" "$image/bin" &&
		cp "$(command -v busybox)" "$image/bin/static" && cp "$(command -v socat)" "$image/bin/socat" &&
		printf '[Service]\nExecStart=/bin/socat\n' | tee "$lib/real.service" "$lib/real@.service" >"$image/opt/real.service" &&
		ln -s /lib/systemd/system/real.service "$units/al.service" && ln -s /lib/systemd/system/real@.service "$units/al@.service" &&
		ln -s /opt/real.service "$units/linked.service" || return
	enabled() {
		(cd "$units" && find . -name 'xtcp.conf' | sort | xargs)
	}
	expect_status 0 xtcp enable al --root "$image" && grep -q '^real.service uses xtcp' "$dir/out" &&
		expect_equal ./real.service.d/xtcp.conf "$(enabled)" 'file of an alias' &&
		expect_status 0 xtcp disable real --root "$image" && mkdir "$units/real.service.d" &&
		expect_status 0 xtcp enable real --root "$image" && expect_status 0 xtcp disable al --root "$image" &&
		expect_status 0 xtcp enable al@x --root "$image" &&
		expect_equal ./real@x.service.d/xtcp.conf "$(enabled)" 'file of an instance' &&
		expect_status 0 xtcp disable al@x --root "$image" && expect_status 0 xtcp enable linked --root "$image" &&
		expect_equal ./linked.service.d/xtcp.conf "$(enabled)" 'file of a linked unit' &&
		expect_status 0 xtcp disable linked --root "$image" || return
	# As xtcp has written it before.
	expect_status 0 xtcp enable real --root "$image" && mv "$units/real.service.d" "$units/al.service.d" &&
		expect_status 0 xtcp disable real --root "$image" && expect_equal '' "$(enabled)" 'files that stay' || return
	mkdir -p "$units/real.service.d" && printf '[Service]\nExecStart=\nExecStart=/bin/static\n' >"$units/real.service.d/o.conf" || return
	expect_status 1 xtcp enable al --root "$image" && expect_error '/bin/static is statically linked'
}

# A service that gets its listener from systemd would keep the kernel's TCP. Only a socket counts that something starts,
# that is of TCP, and that is given to this service.
program_test enable_looks_at_the_sockets
enable_looks_at_the_sockets() {
	local image=$dir/sockets units=$dir/sockets/etc/systemd/system lib=$dir/sockets/usr/lib/systemd/system
	tools_in "$image" && mkdir -p "$units"/{sockets.target.wants,one.service.requires,one.socket.d} "$lib" &&
		printf '[Service]\nExecStart=/bin/sh\n' | tee "$units/one@.service" "$units/two.service" >"$units/one.service" || return
	refused() { # SOCKET, OPTIONS...
		expect_status 1 xtcp enable "${@:2}" --root "$image" &&
			expect_error "systemd opens the sockets of ${2%.service}.service ($1), and these stay the kernel's" &&
			expect_equal '' "$(find "$image/etc" -name '*xtcp*')" 'files that stay'
	}
	passed() { # OPTIONS...
		expect_status 0 xtcp enable "$@" --root "$image" && expect_status 0 xtcp disable "$1" --root "$image"
	}
	# Debian has such a file for ssh, and nothing that starts it.
	printf '[Socket]\nListenStream=22\n' >"$lib/one.socket"
	passed one && ln -s /usr/lib/systemd/system/one.socket "$units/one.service.requires/" && refused one.socket one &&
		passed one --connect-only && passed two || return
	ln -s /dev/null "$units/one.socket" && passed one && rm "$units/one.socket" || return
	# A drop-in takes back the port, or names it anew.
	printf '[Socket]\nListenStream=\n' >"$units/one.socket.d/a.conf" && passed one &&
		printf '[Socket]\nListenStream=/run/one\nListenStream=@one\nListenStream=%%t/one\nListenStream=vsock::22\n' \
			>>"$units/one.socket.d/a.conf" && passed one && printf 'ListenDatagram=53\n' >>"$units/one.socket.d/a.conf" && passed one &&
		printf 'ListenStream=[::]:22\n' >"$units/one.socket.d/b.conf" && refused one.socket one &&
		rm -r "$units/one.socket.d" "$units/one.service.requires/one.socket" && passed one || return
	# Which service is it for?
	printf '[Socket]\nListenStream=127.0.0.1:80\nService=two.service\n' >"$units/three.socket" &&
		ln -s ../three.socket "$units/sockets.target.wants/" && refused three.socket two && passed one || return
	printf 'Sockets=four.socket three.socket\n' >>"$units/one.service" && refused three.socket one &&
		rm "$units/sockets.target.wants/three.socket" && refused three.socket one && passed two || return
	printf '[Service]\nExecStart=/bin/sh\n' >"$units/one.service"
	ln -s ../one.socket "$units/sockets.target.wants/" && printf 'Accept=yes\n' >>"$lib/one.socket" &&
		refused one.socket one@ && passed one && rm "$units/sockets.target.wants/one.socket" && passed one@ || return
	# An instance of a template, and another name of a socket.
	printf '[Socket]\nListenStream=[::]:80\n' | tee "$units/two.socket" >"$units/one@.socket" &&
		ln -s ../one@.socket "$units/sockets.target.wants/one@1.socket" && refused one@1.socket one@1 &&
		refused one@1.socket one@ && passed one@2 && passed two || return
	ln -s two.socket "$units/al.socket" && ln -s ../al.socket "$units/sockets.target.wants/" && refused al.socket two || return
	# Other ports are for xtcp.
	refused al.socket two --port 80 && passed two --port 8080
}

# The file is written whole or not at all, and the one on which the service depends last.
program_test enable_on_a_full_disk
enable_on_a_full_disk() {
	local image=$dir/full
	tools_in "$image" && mkdir -p "$image/etc/systemd/system" || return
	printf '[Service]\nExecStart=/bin/sh\n' >"$image/etc/systemd/system/one.service"
	# The disk of one of the shared files is full.
	expect_status 1 unshare -m sh -c "mkdir '$image/etc/sysctl.d' && mount -t tmpfs -o size=16k none '$image/etc/sysctl.d' &&
		{ cat /dev/zero >'$image/etc/sysctl.d/full' 2>/dev/null
		xtcp enable one --root '$image'; status=\$?; ls -A '$image/etc/sysctl.d' >'$dir/left'; exit \$status; }" &&
		expect_error 'No space left on device' && expect_equal full "$(<"$dir/left")" 'files in sysctl.d' &&
		[ ! -e "$image/etc/systemd/system/one.service.d" ] && expect_status 0 xtcp enable one --root "$image" &&
		expect_equal '' "$(find "$image" -name '.xtcp*')" 'files of other names' &&
		expect_equal 644 "$(stat -c %a "$image/etc/systemd/system/one.service.d/xtcp.conf")" mode
}

# Of an enable that fails at the drop-in nothing stays, unless another unit needs it.
program_test enable_that_fails
enable_that_fails() {
	local image=$dir/half etc=$dir/half/etc
	tools_in "$image" && mkdir -p "$etc/systemd/system" &&
		printf '[Service]\nExecStart=/bin/sh\n' | tee "$etc/systemd/system/one.service" >"$etc/systemd/system/two.service" &&
		: >"$etc/systemd/system/one.service.d" || return
	expect_status 1 xtcp enable one --root "$image" && expect_error 'one.service.d' &&
		expect_equal '' "$(find "$image/etc" -name '*xtcp*')" 'files that stay' &&
		expect_status 1 xtcp disable one --root "$image" && expect_error 'one.service is not enabled' &&
		expect_status 0 xtcp enable two --root "$image" && expect_status 1 xtcp enable one --root "$image" &&
		expect_equal 3 "$(find "$image" -name '*xtcp.conf' | wc -l)" 'files of two.service'
}

# Two at once: disable of the last unit would remove the shared files that the other one has just found.
program_test enable_and_disable_one_at_a_time
enable_and_disable_one_at_a_time() {
	local image=$dir/turn call
	tools_in "$image" && mkdir -p "$image/etc/systemd/system" || return
	printf '[Service]\nExecStart=/bin/sh\n' >"$image/etc/systemd/system/one.service"
	for call in enable disable; do
		python3 - "$image" $call <<-'END' || return
			import fcntl, os, subprocess, sys, time
			image, call = sys.argv[1:]
			drop_in = os.path.join(image, "etc/systemd/system/one.service.d/xtcp.conf")
			folder = os.open(image, os.O_RDONLY)
			fcntl.flock(folder, fcntl.LOCK_EX)
			with subprocess.Popen(["xtcp", call, "one", "--root", image]) as other:
			    time.sleep(3)
			    waits = other.poll() is None and os.path.exists(drop_in) == (call == "disable")
			    fcntl.flock(folder, fcntl.LOCK_UN)
			    status = other.wait()
			if not waits or status or os.path.exists(drop_in) != (call == "enable"):
			    sys.exit(f"{call}: waits {waits}, status {status}")
		END
	done
}

# An image with links to this machine's files, and a program into which nothing is preloaded.
program_test enable_refuses
enable_refuses() {
	local units=$dir/image/etc/systemd/system
	tools_in "$dir/image" || return
	mkdir -p "$units" "$dir/image/bin" "$dir/elsewhere" "$dir/image/etc/modules-load.d" "$dir/clone"
	ln -s "$dir/elsewhere" "$dir/image/etc/sysctl.d"
	cp "$(command -v socat)" "$dir/image/bin/socat" && cp "$dir/image/bin/socat" "$dir/image/bin/setuid" &&
		chmod u+s "$dir/image/bin/setuid" || return
	printf '[Service]\nExecStart=/bin/socat -\n' >"$units/one.service"
	printf '[Service]\nExecStart=/bin/setuid -\n' >"$units/two.service"
	expect_status 1 xtcp enable one --root "$dir/image" && expect_error 'leads out of' &&
		expect_equal '' "$(ls "$dir/elsewhere")" "files of this machine" &&
		expect_status 1 xtcp enable two --root "$dir/image" && expect_error '/bin/setuid is setuid'
}

# What a service loads: others must be able to read it, and not to change it. Modes of the folders and of the file.
program_test enable_looks_at_the_library
enable_looks_at_the_library() {
	local modes text
	mkdir -p /opt/lib/xtcp && cp "$("$run" --library)" /opt/lib/xtcp/xtcp-preload.so || return
	while read -r modes text; do
		IFS=, read -r -a modes <<<"$modes"
		chmod ${modes[0]} /opt/lib && chmod ${modes[1]} /opt/lib/xtcp && chmod ${modes[2]} /opt/lib/xtcp/xtcp-preload.so || return
		expect_equal "$text" "$(PYTHONPATH=/usr/lib/xtcp python3 -c 'from xtcptool import Failure, units
try:
    units.check_library("/opt/lib/xtcp/xtcp-preload.so")
except Failure as e:
    print(str(e).split(" (")[0])' 2>&1)" "complaint at ${modes[*]}" || return
	done <<-END
		755,755,644
		711,711,444
		700,755,644 services of other users than root can't read /opt/lib
		755,750,644 services of other users than root can't read /opt/lib/xtcp
		755,755,640 services of other users than root can't read /opt/lib/xtcp/xtcp-preload.so
		755,757,644 others than root may change /opt/lib/xtcp
	END
	rm -r /opt/lib
}

# The guest has no systemd: what enable could not do on the machine is said, and the status tells scripts.
program_test enable_and_disable_without_systemd
enable_and_disable_without_systemd() {
	local etc=$dir/machine unit=/etc/systemd/system/xtcp-test.service
	mkdir -p "$etc" && cp -r /etc/. "$etc" && mkdir -p "$etc/systemd/system" "$etc/sysctl.d" "$etc/modules-load.d" &&
		printf '[Service]\nExecStart=/bin/sh\n' >"$etc/${unit#/etc/}" || return
	local -a there=(unshare -m sh -c "mount --bind '$etc' /etc && exec \"\$@\"" sh)
	expect_status 1 "${there[@]}" xtcp enable xtcp-test && expect_error 'systemctl: No such file or directory' &&
		expect_error 'the files are written; mend this before xtcp-test.service is started next' &&
		expect_equal 0 "$(grep -c 'uses xtcp' "$dir/out")" 'promises' &&
		expect_status 1 "${there[@]}" xtcp disable xtcp-test && expect_error 'systemctl: No such file or directory' &&
		expect_equal 0 "$(grep -c 'uses the kernel' "$dir/out")" 'promises' &&
		expect_equal 0 "$(find "$etc/systemd" "$etc/modules-load.d" "$etc/sysctl.d" -name '*xtcp.conf' | wc -l)" 'files that stay' ||
		return
	# A root shell may have the PATH of a user, whose programs are not run.
	mkdir "$dir/bin" && printf '#!/bin/sh\necho "$0" >>%q\n' "$dir/ran" | tee "$dir/bin/modprobe" >"$dir/bin/systemctl" &&
		chmod 755 "$dir"/bin/* || return
	PATH=$dir/bin:$PATH expect_status 1 "${there[@]}" xtcp enable xtcp-test && expect_error 'systemctl: No such file or directory' &&
		PATH=$dir/bin:$PATH expect_status 1 "${there[@]}" xtcp disable xtcp-test && [ ! -e "$dir/ran" ] ||
		{ echo "the user's programs that ran:"; cat "$dir/ran"; return 1; }
}

program_test without_the_module
without_the_module() {
	local call
	while read -r call; do
		expect_status 1 unshare -m sh -c "mount -t tmpfs none /proc && xtcp $call" || return
		expect_equal '' "$(<"$dir/out")" "output of $call" && expect_equal 1 "$(wc -l <"$dir/err")" lines &&
			expect_error 'is the module xtcp loaded?' || return
	done <<-END
		ls
		ls --json
		top -n 1
		why :80
		listen
		leaks
		kill 10.9.0.2:1 10.9.0.1:2
		kill -p 80
		metrics --listen 127.0.0.1:9253
	END
}

program_test completion
completion() {
	expect_equal 'listen' "$(completed li | sort | xargs)" subcommands &&
		expect_equal '--sort --state' "$(completed ls --s | sort | xargs)" options &&
		expect_equal client "$(completed record --of c)" ends &&
		expect_equal 'close-wait closing' "$(completed leaks -s clos | sort | xargs)" states
}

completed() { # WORD...
	bash -c '. /usr/share/bash-completion/completions/xtcp
		COMP_WORDS=(xtcp "$@") COMP_CWORD=$#
		_xtcp
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

# Each key of the objects and of the objects in them, but not those of two tables whose keys are data.
keys() {
	python3 -c 'import json, sys
def walk(value):
    if isinstance(value, dict):
        yield from value
        for key, inner in value.items():
            yield from walk(inner) if key not in ("labels", "retransmissions") else ()
    for inner in value if isinstance(value, list) else ():
        yield from walk(inner)
print("\n".join(set(walk(json.load(sys.stdin)))))'
}

add_keys() { # COMMAND...; it succeeds, and its keys are added to $dir/all
	expect_status 0 "$@" && keys <"$dir/out" >"$dir/some" || return
	[ -s "$dir/some" ] || { echo "no key: $*"; return 1; }
	cat "$dir/some" >>"$dir/all"
}

program_test manual_has_each_key
manual_has_each_key() {
	local key
	[ -r "$documents/man/xtcp.1" ] || { echo 'no manual'; return 1; }
	scene || return
	python3 "$PWD/capture.py" make pcap ethernet 4 6 >"$dir/file" <<-END
		1.0 > S -1 0 0 64240 mss=1460
		1.01 < SA 5000 0 0 65160 mss=1460
		1.02 > A 0 5001 0 502
		1.03 > PA 0 5001 1000 502
		1.04 < A 5001 1000 0 509
		1.05 > FA 1000 5001 0 502
		1.06 < FA 5001 1001 0 509
		1.07 > A 1001 5002 0 502
	END
	tools_in "$dir/other" && mkdir -p "$dir/other/lib/systemd/system" || return
	printf '[Service]\nExecStart=/bin/one\n' >"$dir/other/lib/systemd/system/one.service"
	: >"$dir/all" &&
		add_keys xtcp ladder "$dir/file" --json &&
		add_keys xtcp plot --from "$dir/file" -o "$dir/svg" --json &&
		add_keys xtcp record --from "$dir/file" --script -o "$dir/recorded" --json &&
		add_keys xtcp enable one --root "$dir/other" --json &&
		add_keys xtcp disable one --root "$dir/other" --json &&
		add_keys on $server xtcp states --json &&
		add_keys on $server xtcp metrics --json &&
		add_keys on $server xtcp ls --json &&
		add_keys on $server xtcp listen --json &&
		add_keys on $server xtcp leaks 0 --json &&
		add_keys on $server xtcp why :5001 --json || return
	sort -u "$dir/all" >"$dir/keys"
	[ "$(wc -l <"$dir/keys")" -gt 50 ] || { cat "$dir/keys"; return 1; }
	while read -r key; do
		grep -qE "^\.(BR|TP|B) .*\b$key\b" "$documents/man/xtcp.1" || { echo "not in xtcp(1): $key"; return 1; }
	done <"$dir/keys"
}

# Numbers, times and widths differ from one run to the next.
shape() {
	sed -E 's/[0-9]+([.:][0-9]+)*/N/g; s/Ne-N/N/g; s/ +/ /g; s/ $//'
}

# The sessions of xtcp.rst are of this scene: each line "# xtcp ..." is run, and prints
# lines of the same shape as those that follow there.
program_test sessions_of_the_document
sessions_of_the_document() {
	local line output='' number=0
	scene || return
	while IFS= read -r line; do
		case $line in
		'    # xtcp '*)
			number=$((number + 1))
			# shellcheck disable=SC2086 # words of a command line
			on $server bash -c "${line#    # }" >"$dir/session.$number" 2>&1 ||
				{ echo "failed: $line"; cat "$dir/session.$number"; return 1; }
			echo "$line" >>"$dir/session.$number.wanted"
			output=1 ;;
		'    '*) [ -z "$output" ] || echo "${line#    }" >>"$dir/session.$number.wanted" ;;
		*) output='' ;;
		esac
	done <"$documents/xtcp.rst"
	[ $number -ge 7 ] || { echo "only $number sessions"; return 1; }
	while [ $number -gt 0 ]; do
		expect_equal "$(sed 1d "$dir/session.$number.wanted" | shape)" "$(shape <"$dir/session.$number")" \
			"$(head -n 1 "$dir/session.$number.wanted")" || { cat "$dir/session.$number"; return 1; }
		number=$((number - 1))
	done
}

program_tests_run
