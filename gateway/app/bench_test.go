package app_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"gatehouse.example/gateway/app"
)

// BenchmarkForward sends requests over one connection through the gateway to
// an upstream in the same process, so that its figures hold client and
// upstream too: compare them with each other only.
func BenchmarkForward(b *testing.B) {
	response := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for skipHead(br) == nil {
					_, _ = c.Write(response)
				}
			}()
		}
	}()
	file := filepath.Join(b.TempDir(), "gateway.yaml")
	yaml := `listeners: [{address: "127.0.0.1:0"}]
filters: {token: {module: "builtin:token", grants: [jwt]}}
upstreams: {u: {targets: ["http://` + ln.Addr().String() + `"]}}
routes: [{name: x, match: {path: "/x/{id}"}, filters: [token], require: {authenticated: true}, upstream: u}]
`
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		b.Fatal(err)
	}
	a, err := app.New(b.Context(), app.Options{
		ConfigFile: file, Filters: &builder{built: map[string]int{}}, Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(b.Context()) }()
	c, err := net.Dial("tcp", a.Addresses().HTTP)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET /x/1?a=b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer ada\r\n\r\n")
	br := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if err := skipHead(br); err != nil {
			b.Fatal(err)
		}
		if _, err := br.Discard(5); err != nil {
			b.Fatal(err)
		}
	}
}

func skipHead(br *bufio.Reader) error {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil || len(line) <= 2 {
			return err
		}
	}
}
