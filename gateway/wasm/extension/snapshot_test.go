package extension

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
)

// plainSnapshot is the encoding as pluginspec/filter/v1 words it.
func plainSnapshot(ex *exchange.Exchange, hidden ...string) []byte {
	r := &ex.Request
	address := ""
	var ip [16]byte
	if a := r.Source.Addr().Unmap(); a.IsValid() {
		address, ip = a.String(), a.As16()
	}
	b := []byte{filterv1.SnapshotVersion}
	for _, s := range []string{r.Method, r.URI(), r.Scheme, r.Host, r.Path, r.Query, r.Proto, address} {
		b = filterv1.AppendString(b, s)
	}
	b = append(filterv1.AppendUint32(b, uint32(r.Source.Port())), ip[:]...)
	b = filterv1.AppendString(filterv1.AppendString(b, ex.Route), ex.RequestID)
	count, fields := uint32(0), []byte(nil)
	for i := range r.Header.Len() {
		f := r.Header.At(i)
		if !slices.Contains(hidden, strings.ToLower(f.Name)) {
			fields = filterv1.AppendString(filterv1.AppendLower(fields, f.Name), f.Value)
			count++
		}
	}
	return append(filterv1.AppendUint32(b, count), fields...)
}

func TestSnapshotIsAsSpecified(t *testing.T) {
	empty := &exchange.Exchange{}
	scoped := benchExchange()
	scoped.Request.Source = netip.MustParseAddrPort("[fe80::1%" + strings.Repeat("long", 500) + "]:1")
	mapped := benchExchange()
	mapped.Request.Source = netip.MustParseAddrPort("[::ffff:192.0.2.1]:65535")
	large := benchExchange()
	large.Request.Query, large.Request.RawPath = strings.Repeat("q", 9000), "/"+strings.Repeat("p", 9000)
	odd := &exchange.Exchange{}
	for _, name := range []string{"A", "AZ", "@[`{", "ABCDEFGH", "X-ABCDEFGH-z", "aBcDeFgHiJkLmNoPqRsTuVwXyZ", "\xc1\xda\xe1\xfaABZ[@", ""} {
		odd.Request.Header.Add(name, name)
	}
	for name, ex := range map[string]*exchange.Exchange{
		"empty": empty, "usual": benchExchange(), "scoped address": scoped, "mapped address": mapped, "large": large, "odd names": odd,
	} {
		t.Run(name, func(t *testing.T) {
			want := plainSnapshot(ex, "cookie", "authorization")
			if got := appendSnapshot(nil, newInstance(), ex); !bytes.Equal(got, want) {
				t.Errorf("hidden fields left out:\n%q, want\n%q", got, want)
			}
			if got := appendSnapshot(nil, newInstance(filterv1.GrantSensitiveHeaders), ex); !bytes.Equal(got, plainSnapshot(ex)) {
				t.Errorf("%q, want\n%q", got, plainSnapshot(ex))
			}
		})
	}
}

func TestLower8(t *testing.T) {
	for c := range 256 {
		for at := range 8 {
			in := []byte("xxxxxxxx")
			in[at] = byte(c)
			got := appendLower(make([]byte, 0, 16), string(in))[4:]
			want := filterv1.AppendLower(nil, string(in))[4:]
			if !bytes.Equal(got, want) {
				t.Fatalf("%q: %q, want %q", in, got, want)
			}
		}
	}
}
