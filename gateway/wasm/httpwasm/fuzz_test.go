package httpwasm

import (
	"context"
	"encoding/binary"
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// FuzzFunctions calls the host functions with arguments, memory and order that
// the fuzzer chooses. A call returns or traps; what it leaves of the exchange
// can be written as HTTP.
func FuzzFunctions(f *testing.F) {
	f.Add([]byte("X-Name\x00value\x00/uri?x=1"), []byte{12, 0, 0, 0, 6, 0, 7, 0, 5, 0})
	f.Add([]byte("\r\n\r\nGET / HTTP/1.1"), []byte{7, 0, 0, 0, 19, 0, 5, 0, 0, 0, 19, 0, 18, 1, 100, 0})
	f.Add([]byte("Transfer-Encoding\x00chunked"), []byte{12, 2, 2, 0, 0, 0, 17, 0, 18, 0, 7, 0})
	f.Add([]byte("body"), []byte{15, 1, 0, 0, 0, 0, 4, 0, 16, 3, 1, 0, 0, 0, 4, 0})
	c := newCaller(f, filterv1.GrantBody, filterv1.GrantSensitiveHeaders)
	list := functions()
	f.Fuzz(func(t *testing.T, memory, program []byte) {
		c.ex = newExchange()
		c.in.Refuel(1<<40, 100)
		c.in.BaseFeatures = 0
		c.in.Begin(context.Background(), c.ex)
		c.mem.Write(0, memory[:min(len(memory), 1<<16)])
		for len(program) >= 2 {
			function, mode := list[int(program[0])%len(list)], program[1]
			program = program[2:]
			if mode&1 != 0 && c.in.Phase == guest.Requesting {
				c.ex.Response.Status = 200
				c.in.Respond(context.Background())
			}
			c.in.Features |= uint32(mode>>1) & allFeatures
			stack := make([]uint64, 6)
			for i := range function.Params {
				if len(program) < 2 {
					break
				}
				// Sign extended: small numbers are likely, huge ones possible.
				stack[i] = uint64(uint32(int32(int16(binary.LittleEndian.Uint16(program)))))
				program = program[2:]
			}
			if _, err := invoke(function, c.in, c.mem, stack); err != nil {
				break // a guest that has trapped is not called again
			}
		}
		checkExchange(t, c.ex)
	})
}

func checkExchange(t *testing.T, ex *exchange.Exchange) {
	t.Helper()
	r := &ex.Request
	var again exchange.Request
	if !exchange.ValidFieldName(r.Method) || again.SetURI(r.URI()) != nil || again.SetHost(r.Host) != nil {
		t.Errorf("%q %q, host %q", r.Method, r.URI(), r.Host)
	}
	if s := ex.Response.Status; s != 0 && (s < 200 || s > 999) {
		t.Errorf("status %d", s)
	}
	for i, h := range []*exchange.Header{&r.Header, &ex.Response.Header, &r.Trailer, &ex.Response.Trailer} {
		for j := range h.Len() {
			f := h.At(j)
			if !exchange.ValidFieldName(f.Name) || !exchange.ValidFieldValue(f.Value) || i > 1 && exchange.ForbiddenTrailer(f.Name) {
				t.Errorf("field %q: %q", f.Name, f.Value)
			}
		}
	}
}
