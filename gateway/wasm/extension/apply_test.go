package extension

import (
	"bytes"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

func newInstance(grants ...string) *guest.Instance {
	f := &guest.Filter{Name: "f", Grants: grants, MaxBodyBytes: 1 << 10, Log: guest.NewLog(slog.New(slog.DiscardHandler), 1, time.Now)}
	in := guest.New(f)
	in.Refuel(1<<40, 1)
	return in
}

func op(o filterv1.Op, operands ...string) []byte {
	b := []byte{byte(o)}
	for _, s := range operands {
		b = filterv1.AppendString(b, s)
	}
	return b
}

func reply200(status uint32, contentType, body string) []byte {
	b := filterv1.AppendUint32([]byte{byte(filterv1.OpReply)}, status)
	return filterv1.AppendString(filterv1.AppendString(b, contentType), body)
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []byte
		want filterv1.Status
	}{
		{"good", op(filterv1.OpSetHeader, "X-A", "b"), filterv1.StatusOK},
		{"line break", op(filterv1.OpSetHeader, "X-A", "b\r\nX-C: d"), filterv1.StatusBadArgument},
		{"line break in a response", op(filterv1.OpAddResponseHeader, "X-A", "b\n"), filterv1.StatusBadArgument},
		{"name", op(filterv1.OpSetHeader, "X A", "b"), filterv1.StatusBadArgument},
		{"no name", op(filterv1.OpSetResponseHeader, "", "b"), filterv1.StatusBadArgument},
		{"host", op(filterv1.OpSetHeader, "Host", "evil"), filterv1.StatusBadArgument},
		{"authorization", op(filterv1.OpSetHeader, "authorization", "Bearer x"), filterv1.StatusNotGranted},
		{"remove cookie", op(filterv1.OpRemoveHeader, "Cookie"), filterv1.StatusNotGranted},
		{"method", op(filterv1.OpSetMethod, "GET /"), filterv1.StatusBadArgument},
		{"URI", op(filterv1.OpSetURI, "/a/../b"), filterv1.StatusBadArgument},
		{"host's attribute", op(filterv1.OpSetAttribute, "claim.sub", "admin"), filterv1.StatusBadArgument},
		{"hidden attribute", op(filterv1.OpSetAttribute, "\x00credential", "key"), filterv1.StatusBadArgument},
		{"reply", reply200(204, "", ""), filterv1.StatusOK},
		{"status 1xx", reply200(101, "", ""), filterv1.StatusBadArgument},
		{"status 999", reply200(999, "", ""), filterv1.StatusBadArgument},
		{"content type", reply200(200, "a\r\nb", ""), filterv1.StatusBadArgument},
		{"large body", reply200(200, "", string(make([]byte, 2<<10))), filterv1.StatusBadArgument},
		{"two replies", append(reply200(200, "", ""), reply200(200, "", "")...), filterv1.StatusBadArgument},
		{"unknown operation", []byte{200}, filterv1.StatusBadArgument},
		{"cut off", op(filterv1.OpSetHeader, "X-A"), filterv1.StatusBadArgument},
	} {
		in, ex := newInstance(), &exchange.Exchange{}
		in.Begin(t.Context(), ex)
		if got := applyAll(in, ex, c.ops); got != c.want {
			t.Errorf("%s: %s, want %s (%s)", c.name, got, c.want, in.LastError)
		}
		if c.want != filterv1.StatusOK && in.LastError == "" {
			t.Errorf("%s: no explanation", c.name)
		}
	}
	in, ex := newInstance(filterv1.GrantSensitiveHeaders), &exchange.Exchange{}
	in.Begin(t.Context(), ex)
	if got := applyAll(in, ex, op(filterv1.OpSetHeader, "Authorization", "Bearer x")); got != filterv1.StatusOK {
		t.Errorf("with the grant: %s", got)
	}
}

// TestApplyIsAllOrNone puts what is refused behind more than is kept decoded.
func TestApplyIsAllOrNone(t *testing.T) {
	for _, n := range []int{0, 1, keptOperations - 1, keptOperations, keptOperations + 1, 3 * keptOperations} {
		var ops []byte
		for range n {
			ops = append(ops, op(filterv1.OpAddHeader, "X-A", "b")...)
		}
		in, ex := newInstance(), &exchange.Exchange{}
		in.Begin(t.Context(), ex)
		if s := applyAll(in, ex, append(ops[:len(ops):len(ops)], op(filterv1.OpAddHeader, "X-A", "\n")...)); s != filterv1.StatusBadArgument || ex.Request.Header.Len() != 0 {
			t.Errorf("%d good ones before: %s, %d made", n, s, ex.Request.Header.Len())
		}
		if s := applyAll(in, ex, append(ops, op(filterv1.OpSetMethod, "PUT")...)); s != filterv1.StatusOK || ex.Request.Header.Len() != n || ex.Request.Method != "PUT" {
			t.Errorf("%d: %s, %d made", n, s, ex.Request.Header.Len())
		}
	}
}

// What filters add to a request is bounded, and a list that adds too much adds
// nothing.
func TestApplyHasRoomForSoMuch(t *testing.T) {
	half := strings.Repeat("v", exchange.MaxChangeBytes/2)
	for _, row := range []struct {
		name string
		one  []byte
		fits int
	}{
		{"header", op(filterv1.OpAddHeader, "X-A", "b"), exchange.MaxChanges},
		{"bytes of a header", op(filterv1.OpAddHeader, "X", half[1:]), 2},
		{"response", op(filterv1.OpMergeResponseHeader, "X-A", "b"), exchange.MaxChanges},
		{"removing of the response", op(filterv1.OpRemoveResponseHeader, "X-A"), exchange.MaxChanges},
		{"attributes", op(filterv1.OpSetAttribute, "a", "b"), exchange.MaxAttributes},
		{"bytes of attributes", op(filterv1.OpSetAttribute, "a", half[:exchange.MaxAttributeBytes/2-1]), 2},
		{"URI", op(filterv1.OpSetURI, "/"+half[1:]), 2},
		{"method", op(filterv1.OpSetMethod, half), 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			in, ex := newInstance(), &exchange.Exchange{}
			in.Begin(t.Context(), ex)
			all := bytes.Repeat(row.one, row.fits)
			if s := applyAll(in, ex, append(slices.Clip(all), row.one...)); s != filterv1.StatusTooLarge || !strings.Contains(in.LastError, "than filters may") {
				t.Errorf("one too many: %s %s", s, in.LastError)
			}
			if ex.Request.Header.Len()+ex.DeferredCount()+ex.AttributeCount() > 0 || ex.Request.Method != "" {
				t.Error("a part of it was made")
			}
			if s := applyAll(in, ex, all); s != filterv1.StatusOK {
				t.Errorf("what fits: %s %s", s, in.LastError)
			}
			if s := applyAll(in, ex, row.one); s != filterv1.StatusTooLarge {
				t.Errorf("more in another call: %s", s)
			}
		})
	}
}

// FuzzApply checks hostile lists of changes: no panic, and a request that is
// changed only by what was checked as a whole.
func FuzzApply(f *testing.F) {
	f.Add(op(filterv1.OpSetHeader, "X-A", "b"))
	f.Add(append(op(filterv1.OpSetURI, "/x?y"), reply200(204, "text/plain", "b")...))
	f.Add(op(filterv1.OpMergeResponseHeader, "Vary", "Origin"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, ex := newInstance(), &exchange.Exchange{}
		ex.Request.Header.Add("Authorization", "Bearer secret")
		in.Begin(t.Context(), ex)
		if applyAll(in, ex, data) != filterv1.StatusOK {
			if !reflect.DeepEqual(ex.Response, exchange.Response{}) || ex.Request.Header.Len() != 1 {
				t.Error("a refused list has changed the exchange")
			}
			return
		}
		ex.ApplyDeferred()
		if ex.Request.Header.Get("Authorization") != "Bearer secret" {
			t.Error("a credential was changed without the grant")
		}
		for _, h := range []*exchange.Header{&ex.Request.Header, &ex.Response.Header} {
			for i := range h.Len() {
				if f := h.At(i); !exchange.ValidFieldName(f.Name) || !exchange.ValidFieldValue(f.Value) {
					t.Errorf("malformed field %q: %q", f.Name, f.Value)
				}
			}
		}
	})
}
