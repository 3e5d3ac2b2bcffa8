#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# PostgreSQL and pgbench: four clients' transactions add up, and a result of a megabyte is the same
# as over a Unix socket. On xtcp's TCP wire one end is the kernel's TCP; on the native wire both
# ends are xtcp. Run by `make programs`.
# vm: timeout=1800 mem=2G with=postgresql newest
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

port=5432
# Before /usr/bin, whose psql is a script for Perl. The guest has one version.
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export LC_ALL=C PGUSER=postgres

as_postgres() { # WORDS; PostgreSQL refuses to run as root
	su -s /bin/bash postgres -c "PATH=$PATH LC_ALL=C $*"
}

# One cluster for all tests: to make it takes longer than they do.
make_cluster() {
	[ ! -e "$dir/pg/PG_VERSION" ] || return 0
	grep -q ^postgres: /etc/passwd || echo 'postgres:x:105:105::/tmp:/bin/bash' >>/etc/passwd
	grep -q ^postgres: /etc/group || echo 'postgres:x:105:' >>/etc/group
	chmod 755 "$dir"
	mkdir -p "$dir/pg" && chown postgres:postgres "$dir/pg" && chmod 700 "$dir/pg" || return
	as_postgres initdb -D "$dir/pg" -A trust -U postgres --no-sync --no-locale >"$dir/initdb" 2>&1 ||
		{ cat "$dir/initdb"; return 1; }
	cat >>"$dir/pg/postgresql.conf" <<-END
		listen_addresses = '10.9.0.2'
		unix_socket_directories = '$dir/pg'
		fsync = off
		autovacuum = off
	END
	echo 'host all all 10.9.0.0/24 trust' >>"$dir/pg/pg_hba.conf"
}

start_postgres() { # PROGRAM
	make_cluster && on $server sysctl -qw net.ipv4.xtcp_gid_range='0 4294967294' || return
	rm -f "$dir/pg/postmaster.pid"
	start $server su -s /bin/bash postgres -c "PATH=$PATH LC_ALL=C exec $1 postgres -D $dir/pg"
	for _ in {1..200}; do
		! has_row $server "${1:+x}tcp" $port 0A || return 0
		sleep .1
	done
	cat "$dir/out.0"
	return 1
}

stop_postgres() {
	as_postgres pg_ctl -D "$dir/pg" -m fast stop >"$dir/stop" 2>&1 || { cat "$dir/stop"; return 1; }
}

# Connections: one to fill the tables; one to look at them and four clients; two for queries.
postgres_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local text="select string_agg(md5(i::text), '') from generate_series(1, 32768) i"
	choose_wire "$@" && start_postgres "$1" || return
	expect_status 0 on $client timeout 300 $2 pgbench -h 10.9.0.2 -i -q postgres &&
		expect_status 0 on $client timeout 300 $2 pgbench -h 10.9.0.2 -c 4 -t 50 -n postgres &&
		expect_status 0 on $client timeout 60 $2 psql -h 10.9.0.2 -At postgres -c \
			"select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts),
			 sum(delta) = (select sum(bbalance) from pgbench_branches) from pgbench_history" &&
		expect_equal '200|t|t' "$(<"$dir/out")" 'transactions, and whether they add up' || return
	expect_status 0 on $client timeout 60 $2 psql -h 10.9.0.2 -At postgres -c "$text" &&
		mv "$dir/out" "$dir/text" &&
		expect_status 0 psql -h "$dir/pg" -At postgres -c "$text" &&
		expect_equal 1048577 "$(stat -c %s "$dir/out")" 'bytes of the text' &&
		expect_same "$dir/out" "$dir/text" &&
		expect_opened 8 "$@" && stop_postgres
}

program_test postgresql_serves
postgresql_serves() {
	postgres_moves "$run" ''
}

program_test postgresql_connects
postgresql_connects() {
	postgres_moves '' "$run"
}

program_test postgresql_native
postgresql_native() {
	postgres_moves "$run" "$run"
}

program_tests_run
