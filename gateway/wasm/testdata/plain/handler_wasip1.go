package main

import (
	"strings"
	"unsafe"
)

var buf [8192]byte

func ptr(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func text(get func(unsafe.Pointer, uint32) uint32) string {
	n := get(unsafe.Pointer(&buf), uint32(len(buf)))
	return string(buf[:n])
}

func set(kind uint32, name, value string) {
	n, nl := ptr(name)
	v, vl := ptr(value)
	setHeaderValue(kind, n, nl, v, vl)
}

// list turns count<<32|length and NUL terminated texts into a list.
func list(r uint64) []string {
	all := strings.Split(string(buf[:uint32(r)]), "\x00")
	return all[:r>>32]
}

func values(kind uint32, name string) []string {
	n, nl := ptr(name)
	return list(getHeaderValues(kind, n, nl, unsafe.Pointer(&buf), uint32(len(buf))))
}

func body(kind uint32) string {
	var all []byte
	for {
		var part [1000]byte
		r := readBody(kind, unsafe.Pointer(&part), uint32(len(part)))
		all = append(all, part[:uint32(r)]...)
		if r>>32 != 0 {
			return string(all)
		}
	}
}

func write(kind uint32, s string) {
	p, n := ptr(s)
	writeBody(kind, p, n)
}

var features = enableFeatures(1 | 2 | 4)

//go:wasmexport handle_request
func handleRequest() uint64 {
	mode := ""
	if v := values(0, "X-Mode"); len(v) == 1 {
		mode = v[0]
	}
	p, n := ptr("plain handles " + mode)
	logLine(0, p, n)
	switch mode {
	case "echo":
		set(1, "X-Method", text(getMethod))
		set(1, "X-Uri", text(getURI))
		set(1, "X-Protocol", text(getProtocolVersion))
		set(1, "X-Source", text(getSourceAddr))
		set(1, "X-Config", text(getConfig))
		set(1, "X-Names", strings.Join(list(getHeaderNames(0, unsafe.Pointer(&buf), uint32(len(buf)))), ","))
		set(1, "X-Multi", strings.Join(values(0, "multi"), ","))
		set(1, "X-Secret", strings.Join(values(0, "Authorization"), ","))
		set(1, "X-Features", string(rune('0'+features)))
		setStatusCode(201)
		write(1, "body: ")
		write(1, body(0))
		return 0
	case "change":
		p, n := ptr("POST")
		setMethod(p, n)
		p, n = ptr("/changed%20path?x=1")
		setURI(p, n)
		set(0, "existing", "new")
		name, nl := ptr("multi")
		value, vl := ptr("third")
		addHeaderValue(0, name, nl, value, vl)
		name, nl = ptr("gone")
		removeHeader(0, name, nl)
		set(1, "X-Early", "set before next")
		write(0, strings.ToUpper(body(0)))
		return 7<<32 | 1
	case "read":
		set(1, "X-Length", string(rune('0'+len(body(0)))))
	case "early":
		write(1, "early, ")
	case "late":
		return 9<<32 | 1
	}
	return 1
}

//go:wasmexport handle_response
func handleResponse(context, failed uint32) {
	switch context {
	case 7:
		set(1, "X-Context", "seven")
		if failed != 0 {
			set(1, "X-Failed", "yes")
		}
		if getStatusCode() == 200 {
			setStatusCode(202)
			write(1, "<"+body(1)+">")
		}
	case 9:
		set(0, "too", "late")
	}
}
