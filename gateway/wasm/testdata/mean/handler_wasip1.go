package main

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport http_handler get_uri
func getURI(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport http_handler get_uri
func getURIAt(address, limit uint32) uint32

//go:wasmimport http_handler set_header_value
func setHeaderValue(kind uint32, name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32)

//go:wasmimport http_handler log
func logLine(level int32, p unsafe.Pointer, n uint32)

//go:wasmimport gatehouse_v1 jwt_verify
func tokenVerify(policy int32, token unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 jwt_policy
func tokenPolicy(p unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 key_verify
func keyVerify(policy int32, key unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 limit_take
func limitTake(policy int32, key unsafe.Pointer, keyLen, cost uint32, result unsafe.Pointer) int32

//go:wasmimport gatehouse_v1 apply
func apply(p unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 limit_policy
func limitPolicy(p unsafe.Pointer, n uint32) int32

//go:wasmimport wasi_snapshot_preview1 fd_write
func fdWrite(fd int32, vectors unsafe.Pointer, count uint32, written unsafe.Pointer) uint32

//go:wasmimport gatehouse_v1 request_snapshot
func requestSnapshot(p unsafe.Pointer, n uint32) uint32

//go:wasmimport http_handler read_body
func readBody(kind uint32, p unsafe.Pointer, n uint32) uint64

var (
	buf    [4096]byte
	served int
	hoard  [][]byte
	large  = make([]byte, 1<<20)
)

// burn uses several slices of fuel.
func burn() {
	for range 50_000 {
		served++
	}
}

func set(name, value string) {
	setHeaderValue(1, unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(unsafe.StringData(value)), uint32(len(value)))
}

func recurse(n int) int {
	var pad [256]byte
	pad[n%256] = byte(n)
	return recurse(n+1) + int(pad[(n+1)%256])
}

//go:wasmexport handle_request
func handleRequest() uint64 {
	served++
	set("X-Served", strconv.Itoa(served))
	status := func(n int32) { set("X-Status", strconv.Itoa(int(n))) }
	p := unsafe.Pointer(&buf)
	path, query, _ := strings.Cut(string(buf[:getURI(p, uint32(len(buf)))]), "?")
	told := func(value string, err error) {
		if err != nil {
			value = "error " + err.Error()
		}
		set("X-Status", value)
	}
	switch path {
	case "/env":
		told(os.Getenv(query), nil)
	case "/file":
		content, err := os.ReadFile(query)
		told(string(content), err)
	case "/write":
		told("written", os.WriteFile(query, nil, 0o600))
	case "/dial":
		_, err := net.Dial("tcp", query)
		told("connected", err)
	case "/vectors":
		// Vectors without bytes are work for the host all the same.
		for {
			fdWrite(1, unsafe.Pointer(&large[0]), uint32(len(large)/8), p)
		}
	case "/panic":
		panic("on purpose")
	case "/exit":
		os.Exit(3)
	case "/nil":
		var n *int
		*n = 1
	case "/recurse":
		return uint64(recurse(0))
	case "/hoard":
		for {
			hoard = append(hoard, make([]byte, 1<<20))
		}
	case "/burn":
		burn()
	case "/slow-body":
		burn()
		readBody(0, p, uint32(len(buf)))
	case "/spin":
		for {
		}
	case "/random":
		// The host makes the numbers, at the guest's word.
		for {
			_, _ = rand.Read(large)
		}
	case "/cross":
		for {
			getURI(p, uint32(len(buf)))
		}
	case "/snapshot":
		for {
			requestSnapshot(p, uint32(len(buf)))
		}
	case "/hash":
		for sum := large; ; {
			h := sha256.Sum256(sum)
			copy(sum, h[:])
		}
	case "/map":
		for m := map[int]int{}; ; {
			m[len(m)]++
		}
	case "/fill":
		for {
			clear(large)
		}
	case "/time":
		for {
			_ = time.Now()
		}
	case "/pointer":
		getURIAt(0xfffffff0, 1<<16)
	case "/crlf":
		set("X-Bad", "a\r\nSet-Cookie: b")
	case "/name":
		set("X Bad", "a")
	case "/logs":
		line := make([]byte, 10<<10)
		for range 1000 {
			logLine(1, unsafe.Pointer(&line[0]), uint32(len(line)))
		}
	case "/token":
		status(tokenVerify(0, nil, 0))
	case "/policy":
		status(tokenPolicy(p, 0))
	case "/late-limit":
		status(limitPolicy(p, 1))
	case "/key":
		status(keyVerify(0, nil, 0))
	case "/limit":
		status(limitTake(99, p, 1, 1, p))
	case "/garbage":
		for i := range buf {
			buf[i] = 0xff
		}
		status(apply(p, uint32(len(buf))))
	}
	return 1
}

//go:wasmexport handle_response
func handleResponse(_, _ uint32) {}
