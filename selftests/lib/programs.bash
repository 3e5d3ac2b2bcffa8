# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034,SC2086 # for those who source this
#
# programs: the base of tests of real programs. Each has two namespaces,
# $client (10.9.0.1, fd09::1) and $server (10.9.0.2, fd09::2), joined by a veth
# pair whose ends are both $wire; TAP, a line for each function named by
# program_test.
#
# A test sources this, calls program_test before each of its functions, and
# program_tests_run at its end. A test function prints what went wrong and
# returns non-zero; programs that it started with start are ended after it.

if [ -n "${XTCP_TEST_STOCK:-}" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP needs xtcp"
	exit
fi

run=${XTCP_RUN:-xtcp-run}
dir=$(mktemp -d)
client=client-$$ server=server-$$ wire=veth0
inside=
pids=() tests=() number=0
family=4 # IP's version, for what is below as servers and clients; a test's to set

# A command of ip for all lines: starting it is most of the work.
open_namespaces() {
	local ns n=1
	ip -batch - <<-EOF || { echo "Bail out! no namespaces"; exit 1; }
		netns add $client
		netns add $server
		link add $wire netns $client type veth peer name $wire netns $server
	EOF
	for ns in $client $server; do
		ip -n $ns -batch - <<-EOF
			link set lo up
			link set $wire up
			addr add 10.9.0.$n/24 dev $wire
			addr add fd09::$n/64 dev $wire nodad
		EOF
		n=$((n + 1))
	done
}

# A folder that `xtcp enable --root` takes for a machine has xtcp's tools.
tools_in() { # FOLDER
	local library launcher
	library=$("$run" --library) && launcher=$(command -v "$run") && mkdir -p "$1${library%/*}" "$1${launcher%/*}" &&
		cp "$library" "$1$library" && cp "$launcher" "$1$launcher"
}

# Rows taken are kept for the run as a whole.
lifecycle_log() {
	[ -n "${XTCP_LIFECYCLE_LOG:-}" ] || return 0
	{
		on $client cat /proc/net/xtcp_lifecycle
		on $server cat /proc/net/xtcp_lifecycle
	} >>"$XTCP_LIFECYCLE_LOG" 2>/dev/null
}

# Also when a test was left by exit or a signal.
close_namespaces() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	wait 2>/dev/null
	pids=()
	lifecycle_log
	printf 'netns del %s\n' $client $server $inside | ip -force -batch - 2>/dev/null
	inside=
}
trap 'close_namespaces; rm -rf "$dir"' EXIT

program_test() { # NAME
	tests+=("$1")
}

report() { # NAME
	number=$((number + 1))
	open_namespaces
	if "$1" >"$dir/.said" 2>&1; then
		echo "ok $number $1"
	else
		sed 's/^/# /' "$dir/.said"
		echo "not ok $number $1"
		failed=1
	fi
	close_namespaces
}

on() { # NAMESPACE COMMAND...
	ip netns exec "$@"
}

tcp_wire() { # NAMESPACE...
	local ns
	for ns; do
		on $ns sysctl -qw net.ipv4.xtcp_wire=6 || return
	done
}

# The TCP wire, unless both programs are xtcp's.
choose_wire() { # SERVER-PROGRAM CLIENT-PROGRAM
	[ -n "$1" ] && [ -n "$2" ] || tcp_wire $client $server
}

# A namespace $inside (192.168.7.2, fd07::2) whose router, 192.168.7.1 and
# fd07::1 on veth1, is $client.
open_inside() {
	inside=inside-$$
	ip -batch - <<-EOF || return
		netns add $inside
		link add veth1 netns $client type veth peer name veth0 netns $inside
	EOF
	ip -n $client -batch - <<-EOF
		link set veth1 up
		addr add 192.168.7.1/24 dev veth1
		addr add fd07::1/64 dev veth1 nodad
	EOF
	ip -n $inside -batch - <<-EOF
		link set veth0 up
		link set lo up
		addr add 192.168.7.2/24 dev veth0
		addr add fd07::2/64 dev veth0 nodad
		route add default via 192.168.7.1
		route add default via fd07::1
	EOF
	on $client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

rules() { # NAMESPACE, rules on stdin
	on "$1" nft -f -
}

# The packets of a named counter of nft.
counted() { # NAMESPACE COUNTER
	on "$1" nft list counters | sed -n "/counter $2 {/,/}/s/.*packets \([0-9]*\) .*/\1/p"
}

# Without such a counter, no number, and not the same text twice.
xtcp_count() { # NAMESPACE NAME
	on "$1" env PROC_NET_SNMP=/proc/net/xtcp_snmp PROC_NET_NETSTAT=/proc/net/xtcp_netstat \
		nstat -asz "$2" | sed -n "s/^$2 *\([0-9]*\) .*/\1/p" | grep . ||
		echo "no counter $2 ($BASHPID)"
}

kernel_count() { # NAMESPACE NAME
	on "$1" nstat -asz "$2" | sed -n "s/^$2 *\([0-9]*\) .*/\1/p" | grep . ||
		echo "no counter $2 ($BASHPID)"
}

# So many connections were opened at the ends that are xtcp's, and none of xtcp at another end.
expect_opened() { # COUNT SERVER-PROGRAM CLIENT-PROGRAM
	expect_equal "$([ -z "$2" ] && echo 0 || echo $1)" "$(xtcp_count $server TcpPassiveOpens)" "xtcp's connections at the server" &&
		expect_equal "$([ -z "$3" ] && echo 0 || echo $1)" "$(xtcp_count $client TcpActiveOpens)" "xtcp's connections at the client"
}

# All connections that clients in NAMESPACE have opened are xtcp's, at least one; without PROGRAM all
# are the kernel's. A server's TCP does not tell which stack its client has.
expect_client() { # PROGRAM [NAMESPACE]
	local ns=${2:-$client} ours stocks
	ours=$(xtcp_count $ns TcpActiveOpens)
	stocks=$(kernel_count $ns TcpActiveOpens)
	[ -n "$1" ] || { expect_equal 0 "$ours" "xtcp's connections of a client of the kernel's TCP"; return; }
	[ "$ours" -gt 0 ] && [ "$stocks" = 0 ] && return
	echo "the client under '$1' opened $ours connections by xtcp and $stocks by the kernel's TCP"
	return 1
}

# Waits for a socket in state STATE (hex) on PORT in TABLE (xtcp, xtcp6, tcp, tcp6).
await_row() { # NAMESPACE TABLE PORT STATE
	local i
	for ((i = 0; i < 40; i++)); do
		! has_row "$@" || return 0
		sleep .05
	done
	echo "no row $3 in state $4 in /proc/net/$2 of $1:"
	on "$1" cat "/proc/net/$2"
	return 1
}

has_row() { # NAMESPACE TABLE PORT STATE
	on "$1" grep -qsi ": [0-9A-F]*:$(printf %04X "$3") [0-9A-F:]* $4 " "/proc/net/$2"
}

no_row() { # NAMESPACE TABLE PORT
	! has_row "$1" "$2" "$3" '..' || { echo "a row in /proc/net/$2"; return 1; }
}

# Its output goes to $dir/out.N, N counting from 0 in each test. No function
# in between: the process in pids is to be the command, not a shell.
start() { # NAMESPACE COMMAND...
	ip netns exec "$@" >"$dir/out.${#pids[@]}" 2>&1 </dev/null &
	pids+=($!)
}

kernel_tcp() {
	on $client grep ^Tcp: /proc/net/snmp
	on $server grep ^Tcp: /proc/net/snmp
}

unmoved() { # BEFORE
	local after
	after=$(kernel_tcp)
	[ "$1" = "$after" ] || { printf "the kernel's TCP moved:\n%s\n%s\n" "$1" "$after"; return 1; }
}

expect_status() { # STATUS COMMAND...
	local want=$1 got
	shift
	"$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ $got = "$want" ] && return
	echo "exit status $got, wanted $want: $*"
	cat "$dir/out" "$dir/err"
	return 1
}

expect_error() { # PATTERN; on exactly one line of stderr
	[ "$(grep -c "$1" "$dir/err")" = 1 ] && return
	echo "wanted one line with: $1; got:"
	cat "$dir/err"
	return 1
}

expect_equal() { # WANTED GOT WHAT
	[ "$1" = "$2" ] || { printf '%s: wanted\n%s\ngot\n%s\n' "$3" "$1" "$2"; return 1; }
}

expect_same() { # FILE FILE; by their hashes
	expect_equal "$(sha256sum <"$1")" "$(sha256sum <"$2")" "hash of $2"
}

# Waits until COMMAND prints WANT: programs have only just been started.
expect_soon() { # WANT WHAT COMMAND...
	local want=$1 what=$2 i
	shift 2
	for ((i = 0; i < 40; i++)); do
		[ "$("$@")" != "$want" ] || return 0
		sleep .05
	done
	expect_equal "$want" "$("$@")" "$what"
}

# Both ways, segments sent one by one: one in a hundred is lost, one is duplicated,
# five overtake the others.
bad_path() { # DELAY
	local ns
	for ns in $client $server; do
		ip -n $ns link set $wire gso_max_segs 1 &&
			tc -n $ns qdisc add dev $wire root netem delay $1 loss 1% duplicate 1% \
				reorder 5% limit 10000 || return
	done
}

# Some segments sent in $1 were lost, and retransmitted.
retransmitted() { # NAMESPACE PROGRAM
	local count
	if [ -n "$2" ]; then
		count=$(xtcp_count $1 TcpRetransSegs)
	else
		count=$(kernel_count $1 TcpRetransSegs)
	fi
	[ "$count" -gt 0 ] || { echo "nothing was sent again: $count"; return 1; }
}

# Numbers, one after the other: no two blocks of it are alike.
numbers() { # BYTES
	seq 1 $1 2>/dev/null | head -c $1
}

# /proc/net's table of a program's sockets; PROGRAM is xtcp-run, or empty for the kernel's TCP.
table_of() { # PROGRAM
	echo "${1:+x}tcp${family#4}"
}

# For socat.
peer_at() { # ADDRESS PORT
	case $family in
	4) echo "tcp4:$1:$2" ;;
	6) echo "tcp6:[$1]:$2" ;;
	esac
}

server_address() {
	case $family in
	4) echo 10.9.0.2 ;;
	6) echo fd09::2 ;;
	esac
}

# A server that echoes its input.
echo_server() { # NAMESPACE PORT PROGRAM
	start $1 $3 socat tcp$family-listen:$2,reuseaddr,fork exec:cat
	await_row $1 "$(table_of "$3")" $2 0A
}

say() { # NAMESPACE PROGRAM ADDRESS PORT [OPTION]
	echo hello | on $1 timeout 20 $2 socat -t 10 - "$(peer_at $3 $4)${5:+,$5}"
}

# With PROGRAM the connection is xtcp's.
expect_echo() { # NAMESPACE PROGRAM ADDRESS PORT [OPTION]
	local before=
	[ -z "$2" ] || before=$(xtcp_count $1 TcpActiveOpens)
	expect_equal hello "$(say "$@" 2>&1)" "echo of $(peer_at $3 $4) to '$2'" || return
	[ -z "$2" ] || expect_equal $((before + 1)) "$(xtcp_count $1 TcpActiveOpens)" "xtcp's connections of '$2'"
}

# The states of a connection to a port of $server, as conntrack saw them.
states_of() { # PORT CLIENT SERVER (xtcp-run or empty)
	local tracker
	on $server conntrack -f ipv$family -E -p tcp --dport $1 >$dir/events 2>/dev/null &
	tracker=$!
	sleep 0.5
	start $server $3 socat -U tcp$family-listen:$1,reuseaddr exec:'echo done'
	await_row $server "$(table_of "$3")" $1 0A || return
	on $client timeout 10 $2 socat -u "$(peer_at "$(server_address)" $1)" - >/dev/null
	sleep 1
	kill $tracker
	wait $tracker 2>/dev/null
	# CLOSE_WAIT is one only if the client's ACK of the FIN leaves before its own FIN does.
	grep -o 'SYN_SENT\|SYN_RECV\|ESTABLISHED\|FIN_WAIT\|CLOSE_WAIT\|LAST_ACK\|TIME_WAIT\|CLOSE' $dir/events |
		grep -v CLOSE_WAIT | tr '\n' ' '
}

# Each state in order, the same for either end, and TIME_WAIT at last.
conntrack_sees_every_state() {
	local whole='SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT LAST_ACK TIME_WAIT '
	tcp_wire $client $server || return
	# It tracks connections only if a rule uses it.
	rules $server <<<'table inet t { chain in { type filter hook input priority 0; ct state invalid drop; }; }'
	expect_equal "$whole" "$(states_of 5021 '' '')" 'states between two of stock' &&
		expect_equal "$whole" "$(states_of 5022 '' "$run")" 'states of our server' &&
		expect_equal "$whole" "$(states_of 5023 "$run" '')" 'states of our client' &&
		expect_equal "$whole" "$(states_of 5024 "$run" "$run")" 'states of both'
}

# nginx on PORT, serving $dir/www; over IPv6 alone if that is [::]:PORT; the
# kernel's if $run is empty.
start_nginx() { # PORT [DIRECTIVE...]
	local listen=$1 port=${1##*:} table=${run:+x}tcp
	[ "$listen" = "$port" ] || table=${table}6
	shift
	mkdir -p "$dir/www"
	cat >"$dir/nginx.conf" <<-END
		user root; daemon off; pid $dir/pid; error_log stderr;
		events { }
		http { access_log off; client_body_temp_path $dir/t; proxy_temp_path $dir/t;
		fastcgi_temp_path $dir/t; uwsgi_temp_path $dir/t; scgi_temp_path $dir/t;
		$*
		server { listen $listen; root $dir/www; } }
	END
	start $server $run nginx -e stderr -c "$dir/nginx.conf"
	await_row $server $table "$port" 0A || { cat "$dir/out.$((${#pids[@]} - 1))"; return 1; }
}

program_tests_run() {
	local t
	failed=0
	echo "TAP version 13"
	echo "1..${#tests[@]}"
	for t in "${tests[@]}"; do
		report "$t"
	done
	exit $failed
}
