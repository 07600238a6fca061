package httpwasm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// oneMemory is a module that exports a memory of one page, and nothing else.
const oneMemory = "\x00asm\x01\x00\x00\x00\x05\x03\x01\x00\x01\x07\x0a\x01\x06memory\x02\x00"

func newMemory(t testing.TB) api.Memory {
	t.Helper()
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { _ = runtime.Close(ctx) })
	mod, err := runtime.Instantiate(ctx, []byte(oneMemory))
	if err != nil {
		t.Fatal(err)
	}
	return mod.Memory()
}

// caller calls the host functions as a guest would.
type caller struct {
	t   testing.TB
	in  *guest.Instance
	mem guest.Memory
	ex  *exchange.Exchange
	log *bytes.Buffer
}

func newCaller(t testing.TB, grants ...string) *caller {
	t.Helper()
	c := &caller{t: t, ex: newExchange(), log: new(bytes.Buffer)}
	logger := slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	c.in = guest.New(&guest.Filter{
		Name: "test", Grants: grants, MaxBodyBytes: 1000, Log: guest.NewLog(logger, 100, time.Now),
	})
	c.in.Refuel(1<<40, 100)
	c.mem = guest.NewMemory(c.in, newMemory(t))
	c.in.Begin(context.Background(), c.ex)
	return c
}

func newExchange() *exchange.Exchange {
	ex := &exchange.Exchange{}
	r := &ex.Request
	r.Method, r.Scheme, r.Host, r.Proto = "POST", "http", "example.com", "HTTP/1.1"
	r.RawPath, r.Path, r.Query = "/a%20b", "/a b", "c=%26"
	r.Source = netip.MustParseAddrPort("[2001:db8::1]:4711")
	for _, f := range []exchange.Field{{Name: "Accept", Value: "a"}, {Name: "X-Multi", Value: "1"}, {Name: "x-multi", Value: ""}, {Name: "Authorization", Value: "secret"}} {
		r.Header.Add(f.Name, f.Value)
	}
	r.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader("the body")), Length: -1}
	return ex
}

// call calls a host function: text goes into memory from 1000 on, and stands
// for its address and length.
func (c *caller) call(name string, args ...any) (result uint64, err error) {
	c.t.Helper()
	stack := make([]uint64, 0, 8)
	at := uint32(1000)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			c.mem.WriteString(at, a)
			stack = append(stack, uint64(at), uint64(len(a)))
			at += uint32(len(a))
		case int:
			stack = append(stack, uint64(uint32(a)))
		}
	}
	stack = append(stack, 0)
	for _, f := range functions() {
		if f.Name == name {
			return invoke(f, c.in, c.mem, stack)
		}
	}
	c.t.Fatalf("no function %q", name)
	return 0, nil
}

// invoke calls f and returns the trap that it made.
func invoke(f guest.Function, in *guest.Instance, mem guest.Memory, stack []uint64) (result uint64, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case guest.Trap:
			err = r
		case error:
			if !errors.Is(r, exchange.ErrBodyTooLarge) && !errors.Is(r, io.ErrUnexpectedEOF) {
				panic(r)
			}
			err = r
		default:
			panic(r)
		}
	}()
	f.Call(in, mem, stack)
	if len(f.Results) > 0 {
		result = stack[0]
	}
	return result, nil
}

// must is call for what does not trap.
func (c *caller) must(name string, args ...any) uint64 {
	c.t.Helper()
	result, err := c.call(name, args...)
	if err != nil {
		c.t.Errorf("%s%v: %v", name, args, err)
	}
	return result
}

// text returns the n bytes at address 0.
func (c *caller) text(n uint64) string {
	p, _ := c.mem.Read(0, uint32(n))
	return string(p)
}

const all = 500 // bytes from address 0 on that results may take

func TestReading(t *testing.T) {
	c := newCaller(t)
	c.in.Filter.Config = json.RawMessage(`{"a": 1}`)
	for _, row := range []struct {
		name string
		args []any
		want string
	}{
		{"get_method", nil, "POST"},
		{"get_uri", nil, "/a%20b?c=%26"},
		{"get_protocol_version", nil, "HTTP/1.1"},
		{"get_source_addr", nil, "[2001:db8::1]:4711"},
		{"get_config", nil, `{"a": 1}`},
		{"get_header_names", []any{0}, "host\x00accept\x00x-multi\x00"},
		{"get_header_names", []any{1}, ""},
		{"get_header_names", []any{2}, ""},
		{"get_header_names", []any{3}, ""},
		{"get_header_values", []any{0, "x-MULTI"}, "1\x00\x00"},
		{"get_header_values", []any{0, "hOST"}, "example.com\x00"},
		{"get_header_values", []any{1, "Host"}, ""},
		{"get_header_values", []any{0, "authorization"}, ""},
		{"get_header_values", []any{0, "no token"}, ""},
		{"get_header_values", []any{2, "X-Multi"}, ""},
	} {
		exact := len(row.want)
		n := c.must(row.name, append(row.args, 0, exact)...)
		if got := c.text(n & 0xffffffff); got != row.want || n>>32 != uint64(strings.Count(row.want, "\x00")) {
			t.Errorf("%s%v: %q, count %d", row.name, row.args, got, n>>32)
		}
		// Too small a buffer, in whatever place, is never written.
		for _, limit := range []int{0, exact - 1} {
			if exact == 0 {
				continue
			}
			if short := c.must(row.name, append(row.args, 1<<30, limit)...); short != n {
				t.Errorf("%s%v with %d bytes: %#x, want %#x", row.name, row.args, limit, short, n)
			}
		}
		// A limit is unsigned: -1 is large, not wrong.
		if large := c.must(row.name, append(row.args, 0, -1)...); large != n {
			t.Errorf("%s%v with -1 bytes: %#x, want %#x", row.name, row.args, large, n)
		}
		if _, err := c.call(row.name, append(row.args, 65536-exact+1, exact)...); (err == nil) != (exact == 0) {
			t.Errorf("%s%v past the memory: %v", row.name, row.args, err)
		}
	}
	c.ex.Request.RawPath, c.ex.Request.Query = "", ""
	c.ex.Request.Source = netip.MustParseAddrPort("[::ffff:192.0.2.1]:80")
	c.in.Filter.Config = json.RawMessage(`"a\u0000\n\"text\""`)
	for name, want := range map[string]string{"get_uri": "/", "get_source_addr": "192.0.2.1:80", "get_config": "a\x00\n\"text\""} {
		if got := c.text(c.must(name, 0, all)); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, kind := range []int{4, -1} {
		if _, err := c.call("get_header_names", kind, 0, all); err == nil {
			t.Errorf("header names of kind %d", kind)
		}
	}
	if _, err := c.call("get_header_values", 0, "", 0, all); err == nil {
		t.Error("values of an empty name")
	}
}

func TestFeatures(t *testing.T) {
	c := newCaller(t)
	c.in.Phase, c.in.BaseFeatures, c.in.Features = guest.Starting, 0, 0
	for _, row := range [][2]int{{0, 0}, {1, 1}, {8, 1}, {-1, 7}} {
		if got := c.must("enable_features", row[0]); got != uint64(row[1]) {
			t.Errorf("enable %d while starting: %d", row[0], got)
		}
	}
	c.in.BaseFeatures = FeatureBufferRequest
	c.in.Begin(context.Background(), c.ex)
	if got := c.must("enable_features", 2); got != 3 || c.in.BaseFeatures != 1 {
		t.Errorf("enable for one request: %d, %d for all", got, c.in.BaseFeatures)
	}
	c.in.Begin(context.Background(), c.ex)
	if got := c.must("enable_features", 0); got != 1 {
		t.Errorf("the next request has %d", got)
	}
}

func TestLog(t *testing.T) {
	c := newCaller(t)
	for level, enabled := range map[int]uint64{-2: 0, -1: 0, 0: 1, 1: 1, 2: 1, 3: 0, 4: 0} {
		if got := c.must("log_enabled", level); got != enabled {
			t.Errorf("log_enabled(%d) = %d", level, got)
		}
		c.must("log", level, fmt.Sprintf("level%d", level))
	}
	c.must("log", 0, "")
	c.must("log", 0, 2000, 60000) // cut to what is kept of a line
	for _, want := range []string{"INFO msg=level0", "WARN msg=level1", "ERROR msg=level2"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("no %q in %s", want, c.log)
		}
	}
	if strings.Contains(c.log.String(), "level3") || strings.Contains(c.log.String(), "level-") {
		t.Error(c.log)
	}
}

func TestBodyIsAStream(t *testing.T) {
	c := newCaller(t, filterv1.GrantRequestBody)
	var seen []string
	for {
		r := c.must("read_body", 0, 0, 3)
		seen = append(seen, c.text(r&0xffffffff))
		c.must("write_body", 0, "<"+seen[len(seen)-1]+">")
		if r>>32 == 1 {
			break
		}
	}
	if want := []string{"the", " bo", "dy"}; !cmp.Equal(seen, want) {
		t.Errorf("read %q", seen)
	}
	if r := c.must("read_body", 0, 0, 3); r != 1<<32 {
		t.Errorf("after the end: %#x", r)
	}
	if got := string(c.ex.Request.Body.Bytes); got != "<the>< bo><dy>" {
		t.Errorf("body %q", got)
	}
	if r := c.must("read_body", 1, 0, 3); r != 1<<32 {
		t.Errorf("own answer: %#x", r)
	}
	for name, args := range map[string][]any{
		"empty buffer":       {0, 0, 0},
		"past the memory":    {0, 65530, 7},
		"around the memory":  {0, -1, 2},
		"no such kind":       {2, 0, 3},
		"another such kind":  {-1, 0, 3},
		"limit of the space": {0, 1, -1},
	} {
		if _, err := c.call("read_body", args...); err == nil {
			t.Errorf("read_body, %s", name)
		}
	}
	// In handle_response the guest reads, from the start, what the upstream got;
	// what it writes replaces.
	c.in.Features = FeatureBufferRequest | FeatureBufferResponse
	c.in.Filter.Grants = []string{filterv1.GrantBody}
	c.ex.Response = exchange.Response{Status: 200, Body: exchange.Body{Stream: io.NopCloser(strings.NewReader("theirs")), Length: 6}}
	c.in.Respond(context.Background())
	if r := c.must("read_body", 0, 0, all); c.text(r&0xffffffff) != "<the>< bo><dy>" || r>>32 != 1 {
		t.Errorf("request's body afterwards: %#x", r)
	}
	if r := c.must("read_body", 1, 0, 5); c.text(r) != "their" {
		t.Errorf("response's body: %#x", r)
	}
	c.must("write_body", 1, "")
	if r := c.must("read_body", 1, 0, 6); c.text(r&0xffffffff) != "s" || len(c.ex.Response.Body.Bytes) != 0 {
		t.Errorf("response's body: %#x, %q is left", r, c.ex.Response.Body.Bytes)
	}
}

// TestBodyIsNeverLost breaks off the reading of bodies: too large, cut off.
func TestBodyIsNeverLost(t *testing.T) {
	large := strings.Repeat("x", 1001)
	for _, row := range []struct {
		name, body string
		length     int64
		want       error
	}{
		{"declared too large", large, 1001, exchange.ErrBodyTooLarge},
		{"too large", large, -1, exchange.ErrBodyTooLarge},
		{"cut off", "half", 8, io.ErrUnexpectedEOF},
	} {
		c := newCaller(t, filterv1.GrantBody)
		c.ex.Request.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader(row.body)), Length: row.length}
		if _, err := c.call("read_body", 0, 0, 10); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
		left, err := io.ReadAll(c.ex.Request.Body.Stream)
		if string(left) != row.body || (err != nil) != (errors.Is(row.want, io.ErrUnexpectedEOF)) {
			t.Errorf("%s: %d bytes are left, %v", row.name, len(left), err)
		}
	}
}

func TestGrants(t *testing.T) {
	for _, row := range []struct {
		name, function string
		args           []any
		phase          guest.Phase
		want           string
	}{
		{"read", "read_body", []any{0, 0, 1}, guest.Requesting, "read_body needs the grant body.request: add it under grants"},
		{"write", "write_body", []any{0, "x"}, guest.Requesting, "write_body needs the grant body.request: add it under grants"},
		{"read response", "read_body", []any{1, 0, 1}, guest.Responding, "read_body needs the grant body.response: add it under grants"},
		{"write response", "write_body", []any{1, "x"}, guest.Responding, "write_body needs the grant body.response: add it under grants"},
		{"set", "set_header_value", []any{0, "AUTHORIZATION", "x"}, guest.Requesting, "changing AUTHORIZATION needs the grant headers.authorization: add it under grants"},
		{"remove", "remove_header", []any{0, "Cookie"}, guest.Requesting, "changing Cookie needs the grant headers.cookie: add it under grants"},
		{"own answer", "write_body", []any{1, "x"}, guest.Requesting, ""},
		{"own cookie", "add_header_value", []any{1, "Set-Cookie", "a=b"}, guest.Requesting, ""},
	} {
		refused := 0
		c := newCaller(t, filterv1.GrantKV)
		c.in.Filter.Refused = func(string) { refused++ }
		c.in.Phase, c.in.Features = row.phase, allFeatures
		_, err := c.call(row.function, row.args...)
		if (row.want == "") != (err == nil) || err != nil && err.Error() != row.want || refused != len(row.want[:min(1, len(row.want))]) {
			t.Errorf("%s: %v, %d refusals", row.name, err, refused)
		}
	}
}

// TestPhases demands each change in the phase, and with the feature, that the
// ABI demands.
func TestPhases(t *testing.T) {
	for _, row := range []struct {
		function string
		args     []any
		features uint32
		phase    guest.Phase
		traps    bool
	}{
		{"set_method", []any{"GET"}, allFeatures, guest.Responding, true},
		{"set_uri", []any{"/"}, allFeatures, guest.Responding, true},
		{"write_body", []any{0, "x"}, allFeatures, guest.Responding, true},
		{"remove_header", []any{0, "A"}, allFeatures, guest.Responding, true},
		{"set_header_value", []any{2, "A", "1"}, allFeatures, guest.Responding, true},
		{"set_header_value", []any{1, "A", "1"}, FeatureBufferRequest, guest.Responding, true},
		{"set_header_value", []any{1, "A", "1"}, FeatureBufferResponse, guest.Responding, false},
		{"set_status_code", []any{200}, 0, guest.Responding, true},
		{"set_status_code", []any{200}, FeatureBufferResponse, guest.Responding, false},
		{"set_status_code", []any{200}, 0, guest.Requesting, false},
		{"set_status_code", []any{199}, 0, guest.Requesting, true},
		{"set_status_code", []any{-1}, 0, guest.Requesting, true},
		{"read_body", []any{1, 0, 1}, 0, guest.Responding, true},
		{"read_body", []any{0, 0, 1}, 0, guest.Responding, true},
		{"get_header_names", []any{1, 0, 0}, 0, guest.Responding, false},
		{"get_status_code", nil, 0, guest.Responding, false},
		{"set_header_value", []any{2, "A", "1"}, 0, guest.Requesting, true},
		{"set_header_value", []any{3, "A", "1"}, 0, guest.Requesting, true},
		{"remove_header", []any{3, "A"}, 0, guest.Requesting, true},
		{"set_header_value", []any{2, "A", "1"}, FeatureTrailers, guest.Requesting, false},
		{"set_header_value", []any{2, "Transfer-Encoding", "1"}, FeatureTrailers, guest.Requesting, true},
		{"set_header_value", []any{3, "A", "1"}, FeatureTrailers, guest.Responding, true},
		{"set_header_value", []any{3, "A", "1"}, FeatureTrailers | FeatureBufferResponse, guest.Responding, false},
		{"get_method", []any{0, 0}, 0, guest.Starting, true},
		{"get_config", []any{0, 0}, 0, guest.Starting, false},
	} {
		c := newCaller(t, filterv1.GrantBody)
		c.in.Phase, c.in.Features = row.phase, row.features
		if row.phase == guest.Starting {
			c.in.Exchange = nil
		}
		if _, err := c.call(row.function, row.args...); (err != nil) != row.traps {
			t.Errorf("%s%v in phase %d with features %d: %v", row.function, row.args, row.phase, row.features, err)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	c := newCaller(t)
	c.mem.WriteString(1000, "X-Multi")
	stack := make([]uint64, 6)
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range []func(*guest.Instance, guest.Memory, []uint64){getMethod, getURI, getProtocolVersion, getSourceAddr} {
			stack[0], stack[1] = 0, all
			f(c.in, c.mem, stack)
		}
		stack[0], stack[1], stack[2] = 0, 0, all
		getHeaderNames(c.in, c.mem, stack)
		stack[0], stack[1], stack[2], stack[3], stack[4] = 0, 1000, 7, 0, all
		getHeaderValues(c.in, c.mem, stack)
		stack[0], stack[1], stack[2], stack[3], stack[4] = 0, 1000, 7, 1000, 1
		setHeaderValue(c.in, c.mem, stack)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBufferRequest(t *testing.T) {
	for _, row := range []struct {
		name     string
		features uint32
		grant    string
		body     string
		length   int64
		buffered bool
		fails    bool
	}{
		{"wanted and granted", FeatureBufferRequest, filterv1.GrantBody, "body", -1, true, false},
		{"not wanted", FeatureBufferResponse, filterv1.GrantBody, "body", -1, false, false},
		{"not granted", FeatureBufferRequest, filterv1.GrantResponseBody, "body", -1, false, false},
		{"too large", FeatureBufferRequest, filterv1.GrantRequestBody, strings.Repeat("x", 1001), -1, false, false},
		{"cut off", FeatureBufferRequest, filterv1.GrantRequestBody, "body", 5, false, true},
	} {
		c := newCaller(t, row.grant)
		b := &c.ex.Request.Body
		*b = exchange.Body{Stream: io.NopCloser(strings.NewReader(row.body)), Length: row.length}
		err := BufferRequest(c.in.Filter, row.features, c.ex)
		if (err != nil) != row.fails || (b.Stream == nil) != row.buffered {
			t.Errorf("%s: %v, buffered %v", row.name, err, b.Stream == nil)
		}
	}
}
