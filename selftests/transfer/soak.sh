#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Unmodified programs, for minutes or hours, over a path that loses, delays, duplicates and
# reorders: nginx and curl, iperf3, socat with a hash, redis; both wires and both families at the
# same time, xtcp at both ends. After each round all connections have ended, and memory is
# measured. It must not grow from the end of the warm-up to the last round.
# XTCP_SOAK_MINUTES=60 is an hour of real time; without it, five rounds.
# vm: smp=2 timeout=900 grows=XTCP_SOAK_MINUTES:90 newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"
exec 3>&1

minutes=${XTCP_SOAK_MINUTES:-0}
warm_up=2 # rounds
rounds_min=5
size=262144
failures=

fail() { # TEXT
	echo "$*"
	failures=1
}

# --- the programs ---------------------------------------------------------

# Ports of a wire, to which the family is added where a program serves one client at a time.
port_of() { # PROGRAM WIRE
	local port
	case $1 in nginx) port=5100 ;; redis) port=5110 ;; hash) port=5120 ;; iperf3) port=5130 ;; esac
	case $2 in native) echo $port ;; tcp) echo $((port + 100)) ;; esac
}

start_servers() { # WIRE
	local run="$run --wire $1" nginx redis hash iperf3 family
	nginx=$(port_of nginx $1) redis=$(port_of redis $1) hash=$(port_of hash $1) iperf3=$(port_of iperf3 $1)
	cat >"$dir/nginx-$1.conf" <<-END
		user root; daemon off; pid $dir/pid-$1; error_log stderr;
		events { }
		http { access_log off; client_body_temp_path $dir/t; proxy_temp_path $dir/t;
		fastcgi_temp_path $dir/t; uwsgi_temp_path $dir/t; scgi_temp_path $dir/t;
		server { listen $nginx; listen [::]:$nginx; root $dir/www; } }
	END
	start $server $run nginx -e stderr -c "$dir/nginx-$1.conf"
	start $server $run redis-server --port $redis --bind 10.9.0.2 fd09::2 --save '' --appendonly no \
		--protected-mode no --dir "$dir" --daemonize no
	await_row $server xtcp $nginx 0A && await_row $server xtcp6 $nginx 0A &&
		await_row $server xtcp6 $redis 0A || return
	for family in 4 6; do
		start $server $run socat -t 60 tcp$family-listen:$((hash + family)),reuseaddr,fork exec:sha256sum
		start $server $run iperf3 -s -$family -p $((iperf3 + family))
		await_row $server "$(table_of "$run")" $((hash + family)) 0A &&
			await_row $server "$(table_of "$run")" $((iperf3 + family)) 0A || return
	done
}

# What one client moves by each program, there and back; each byte is compared by hashes.
exchange() { # WIRE FAMILY ROUND
	local run="$run --wire $1" family=$2 own="$dir/$1-$2" address host sum way="$1 wire, IPv$2"
	local reverse=
	[ $(($3 % 2)) = 0 ] || reverse=1
	address=$(server_address)
	case $2 in 4) host=$address ;; 6) host="[$address]" ;; esac

	on $client timeout 300 $run curl -gsS -o "$own" "http://$host:$(port_of nginx $1)/file" &&
		expect_same "$dir/www/file" "$own" || { echo "$way: curl"; return 1; }
	sum=$(on $client timeout 300 $run socat -b 65536 -t 60 - "$(peer_at $address $(($(port_of hash $1) + $2)))" \
		<"$dir/www/file") && expect_equal "$(sha256sum <"$dir/www/file")" "$sum" 'hash from socat' ||
		{ echo "$way: socat"; return 1; }
	# Another value in each round.
	{ head -c $((size - 8)) "$dir/text"; printf %08d $3; } >"$own.value"
	on $client timeout 300 $run redis-cli -h $address -p "$(port_of redis $1)" -x set "round$2" \
		<"$own.value" >"$own" &&
		on $client timeout 300 $run redis-cli -h $address -p "$(port_of redis $1)" --raw get "round$2" |
		head -c $size >"$own" && expect_same "$own.value" "$own" || { echo "$way: redis"; return 1; }
	on $client timeout 300 $run iperf3 -$2 -c $address -p $(($(port_of iperf3 $1) + $2)) -n 512K -P 2 \
		${reverse:+-R} >"$own" || { cat "$own"; echo "$way: iperf3"; return 1; }
}

# All four ways at the same time.
round() { # NUMBER
	local wire family clients=() pid failed=
	for wire in native tcp; do
		for family in 4 6; do
			exchange $wire $family $1 >"$dir/exchange-$wire-$family" 2>&1 &
			clients+=($!)
		done
	done
	for pid in "${clients[@]}"; do
		wait $pid || failed=1
	done
	[ -z "$failed" ] || { cat "$dir"/exchange-*; return 1; }
}

# --- memory ---------------------------------------------------------------

connections() { # NAMESPACE
	on $1 awk 'FNR > 1 && $4 != "0A"' /proc/net/xtcp /proc/net/xtcp6
}

# No connection is left, in no state.
quiet() {
	local i
	for ((i = 0; i < 120; i++)); do
		[ -n "$(connections $client)$(connections $server)" ] || return 0
		sleep 1
	done
	echo "connections are left:"
	connections $client
	connections $server
	return 1
}

# Bytes in use of the caches whose names begin so. Free objects count as used until the cache shrinks.
slab_bytes() { # NAME
	local cache objects bytes=0
	for cache in /sys/kernel/slab/$1*; do
		[ ! -L "$cache" ] || continue
		echo 1 >"$cache/shrink"
		read -r objects _ <"$cache/objects"
		bytes=$((bytes + objects * $(<"$cache/slab_size")))
	done
	echo $bytes
}

# xtcp's sockets in both namespaces, and pages of their memory, which is counted for the whole machine.
protocols() {
	{
		on $client cat /proc/net/protocols
		on $server cat /proc/net/protocols
	} | awk 'tolower($1) ~ /^xtcp/ { sockets += $3; if ($4 > pages) pages = $4 }
		END { print sockets + 0, pages + 0 }'
}

# Into the array "measured".
measure() {
	local sockets pages available
	sync
	read -r sockets pages <<<"$(protocols)"
	available=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
	measured=([slab]=$(slab_bytes xtcp) [skbs]=$(slab_bytes skbuff) [sockets]=$sockets [pages]=$pages
		[available]=$available)
}

measured_text() {
	echo "xtcp's caches ${measured[slab]} bytes, skbs ${measured[skbs]} bytes," \
		"${measured[sockets]} sockets, ${measured[pages]} pages of xtcp_mem," \
		"MemAvailable ${measured[available]} kB"
}

# At most 1 % more than after the warm-up. Of the pages a CPU keeps up to 256 to itself, which /proc
# counts or not, as they come and go.
expect_flat() {
	local what
	[ ${measured[pages]} -le $((${base[pages]} + 256 * $(nproc))) ] ||
		fail "pages: ${base[pages]} after the warm-up, ${measured[pages]} in the end"
	for what in slab skbs sockets; do
		[ ${measured[$what]} -le $((${base[$what]} + ${base[$what]} / 100)) ] ||
			fail "$what: ${base[$what]} after the warm-up, ${measured[$what]} in the end"
	done
	[ ${measured[available]} -ge $((${base[available]} - ${base[available]} / 100)) ] ||
		fail "MemAvailable: ${base[available]} kB after the warm-up, ${measured[available]} kB in the end"
}

# --- the test -------------------------------------------------------------

program_test lc_100_soak
lc_100_soak() {
	local -A measured base
	local n=0 end what
	mkdir -p "$dir/www" && head -c $size /dev/urandom >"$dir/www/file" || return
	head -c $size /dev/urandom | od -An -v -tx1 | tr -d ' \n' | head -c $size >"$dir/text"
	on $client sysctl -qw net.ipv4.xtcp_tw_timeout=2
	on $server sysctl -qw net.ipv4.xtcp_tw_timeout=2
	bad_path 5ms || return
	start_servers native && start_servers tcp || return
	end=$((SECONDS + 60 * minutes))
	while [ $n -lt $rounds_min ] || [ $SECONDS -lt $end ]; do
		n=$((n + 1))
		round $n && quiet || { echo "in round $n"; return 1; }
		measure
		echo "# round $n, $SECONDS s: $(measured_text)" >&3
		[ $n != $warm_up ] || for what in "${!measured[@]}"; do base[$what]=${measured[$what]}; done
	done
	expect_flat
	retransmitted $client "$run" && retransmitted $server "$run" || failures=1
	echo "# $n rounds, $(xtcp_count $client TcpActiveOpens) connections," \
		"$(xtcp_count $client TcpInSegs) and $(xtcp_count $server TcpInSegs) segments, of which" \
		"$(xtcp_count $client TcpRetransSegs) and $(xtcp_count $server TcpRetransSegs) sent again" >&3
	[ -z "$failures" ]
}

program_tests_run
