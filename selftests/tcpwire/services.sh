#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# More unmodified programs, with checked content: TLS and HTTP/2 by nginx and curl, rsync with its
# daemon, Python's asyncio. On xtcp's TCP wire one end is the kernel's TCP; on the native wire
# both ends are xtcp.
# vm: timeout=300 busy with=python3 with=rsync newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# --- TLS and HTTP/2 -------------------------------------------------------

# A page of 1 MiB and ten small ones, all over one connection.
tls_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local i client_run=$2
	choose_wire "$@" && mkdir -p "$dir/www" && numbers 1048576 >"$dir/www/file" || return
	printf '[req]\ndistinguished_name = name\n[name]\n' >"$dir/ssl.conf"
	openssl req -config "$dir/ssl.conf" -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj /CN=xtcp.test -addext subjectAltName=IP:10.9.0.2 -keyout "$dir/key" -out "$dir/cert" \
		2>"$dir/openssl" || { cat "$dir/openssl"; return 1; }
	cat >"$dir/nginx.conf" <<-END
		user root; daemon off; pid $dir/pid; error_log stderr;
		events { }
		http { access_log off; client_body_temp_path $dir/t; proxy_temp_path $dir/t;
		fastcgi_temp_path $dir/t; uwsgi_temp_path $dir/t; scgi_temp_path $dir/t;
		server { listen 5040 ssl http2; ssl_certificate $dir/cert; ssl_certificate_key $dir/key;
		root $dir/www; } }
	END
	start $server $1 nginx -e stderr -c "$dir/nginx.conf"
	await_row $server "${1:+x}tcp" 5040 0A || { cat "$dir/out.0"; return 1; }
	set -- $2 curl -sS --http2 --cacert "$dir/cert" -w '%{http_version} %{num_connects} ' \
		-o "$dir/file" https://10.9.0.2:5040/file
	for i in 1 2 3 4 5; do
		echo "page $i" >"$dir/www/$i"
		set -- "$@" -o "$dir/page$i" https://10.9.0.2:5040/$i
	done
	expect_status 0 on $client timeout 60 "$@" &&
		expect_equal '2 1 2 0 2 0 2 0 2 0 2 0 ' "$(<"$dir/out")" 'version and new connections of each page' &&
		cmp "$dir/www/file" "$dir/file" && cmp "$dir/www/5" "$dir/page5" && expect_client "$client_run"
}

program_test tls_http2_serves
tls_http2_serves() {
	tls_moves "$run" ''
}

program_test tls_http2_connects
tls_http2_connects() {
	tls_moves '' "$run"
}

program_test tls_http2_native
tls_http2_native() {
	tls_moves "$run" "$run"
}

# --- rsync ----------------------------------------------------------------

# A tree down and, with a change in the middle of its file, up again.
rsync_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local i
	choose_wire "$@" && mkdir -p "$dir/tree/a/b" "$dir/copy" && numbers 1048576 >"$dir/tree/a/file" || return
	for ((i = 0; i < 50; i++)); do
		echo "file $i" >"$dir/tree/a/b/$i"
	done
	printf 'use chroot = no\nuid = root\ngid = root\n[tree]\npath = %s\nread only = no\n' "$dir/tree" >"$dir/rsyncd.conf"
	start $server $1 rsync --daemon --no-detach --config="$dir/rsyncd.conf" --port=5041 --address=10.9.0.2
	await_row $server "${1:+x}tcp" 5041 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 60 $2 rsync -a rsync://10.9.0.2:5041/tree/ "$dir/copy" &&
		diff -r "$dir/tree" "$dir/copy" || return
	{ head -c 500000 "$dir/copy/a/file" && echo changed && tail -c 500000 "$dir/copy/a/file"; } >"$dir/new" &&
		mv "$dir/new" "$dir/copy/a/file" && rm "$dir/copy/a/b/7" || return
	expect_status 0 on $client timeout 60 $2 rsync -a --delete --no-whole-file --stats "$dir/copy/" \
		rsync://10.9.0.2:5041/tree && diff -r "$dir/tree" "$dir/copy" &&
		awk '/Literal data/ { gsub(",", ""); exit !($3 < 200000) }' "$dir/out" || { cat "$dir/out"; return 1; }
	expect_client "$2"
}

program_test rsync_serves
rsync_serves() {
	rsync_moves "$run" ''
}

program_test rsync_connects
rsync_connects() {
	rsync_moves '' "$run"
}

program_test rsync_native
rsync_native() {
	rsync_moves "$run" "$run"
}

# --- asyncio --------------------------------------------------------------

# Twenty connections at once send 50 kB each and get back their hash and as much.
asyncio_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	choose_wire "$@" || return
	cat >"$dir/ends.py" <<-'END'
		import asyncio, hashlib, sys

		SIZE, CLIENTS = 50000, 20

		async def serve(reader, writer):
		    data = await reader.readexactly(SIZE)
		    writer.write(hashlib.sha256(data).digest())
		    writer.write(data)
		    await writer.drain()
		    # The end of the client's data, half-closed.
		    assert await reader.read() == b""
		    writer.close()

		async def ask(number):
		    reader, writer = await asyncio.open_connection("10.9.0.2", 5042)
		    data = bytes([number]) * SIZE
		    writer.write(data)
		    writer.write_eof()
		    back = await reader.read()
		    assert back == hashlib.sha256(data).digest() + data, len(back)
		    writer.close()
		    await writer.wait_closed()

		async def main():
		    if sys.argv[1] == "serve":
		        server = await asyncio.start_server(serve, "10.9.0.2", 5042)
		        await server.serve_forever()
		    await asyncio.gather(*(ask(n) for n in range(CLIENTS)))
		    print(CLIENTS)

		asyncio.run(main())
	END
	start $server $1 python3 "$dir/ends.py" serve
	await_row $server "${1:+x}tcp" 5042 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 60 $2 python3 "$dir/ends.py" ask && expect_equal 20 "$(<"$dir/out")" connections &&
		expect_equal '' "$(<"$dir/out.0")" 'what the server complains of' && expect_client "$2"
}

program_test asyncio_serves
asyncio_serves() {
	asyncio_moves "$run" ''
}

program_test asyncio_connects
asyncio_connects() {
	asyncio_moves '' "$run"
}

program_test asyncio_native
asyncio_native() {
	asyncio_moves "$run" "$run"
}

program_tests_run
