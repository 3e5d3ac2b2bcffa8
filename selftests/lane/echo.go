// SPDX-License-Identifier: GPL-2.0

// echo: a server that echoes, and a client that sends a megabyte, half-closes and compares. Without
// cgo it is a static program, which no preloaded library reaches; go.sh runs it.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address string) {
	listener, err := net.Listen("tcp", address)
	check(err)
	for {
		connection, err := listener.Accept()
		check(err)
		go func() {
			io.Copy(connection, connection)
			connection.Close()
		}()
	}
}

func ask(address string) {
	var sent bytes.Buffer
	for i := 0; sent.Len() < 1<<20; i++ {
		fmt.Fprintf(&sent, "%d ", i)
	}
	connection, err := net.Dial("tcp", address)
	check(err)
	go func() {
		_, err := connection.Write(sent.Bytes())
		check(err)
		check(connection.(*net.TCPConn).CloseWrite())
	}()
	echo, err := io.ReadAll(connection)
	check(err)
	fmt.Println(len(echo), bytes.Equal(echo, sent.Bytes()))
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		serve(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "ask":
		ask(os.Args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: echo serve|ask ADDRESS:PORT")
		os.Exit(2)
	}
}
