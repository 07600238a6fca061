package extension

import (
	"net/netip"
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
)

// benchExchange is a request of a browser with 13 fields.
func benchExchange() *exchange.Exchange {
	ex := &exchange.Exchange{Route: "users-read", RequestID: "0197a0aa-0000-7000-8000-000000000001"}
	r := &ex.Request
	r.Method, r.Scheme, r.Host, r.Proto = "GET", "https", "localhost:8443", "HTTP/2.0"
	r.Path, r.RawPath, r.Query = "/v1/users/1", "/v1/users/1", "fields=name"
	r.Source = netip.MustParseAddrPort("10.0.3.7:40000")
	for _, f := range [][2]string{
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"},
		{"Accept", "application/json"}, {"Accept-Encoding", "gzip, deflate, br"}, {"Accept-Language", "en-GB,en;q=0.9"},
		{"Origin", "http://localhost:3000"}, {"Referer", "http://localhost:3000/people"}, {"Cache-Control", "no-cache"},
		{"X-Request-Id", "0197a0aa-0000-7000-8000-000000000001"}, {"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		{"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Site", "same-site"}, {"Cookie", "a=b"}, {"Authorization", "Bearer x"},
	} {
		r.Header.Add(f[0], f[1])
	}
	return ex
}

func BenchmarkSnapshot(b *testing.B) {
	in, ex := newInstance(), benchExchange()
	b.ReportAllocs()
	for b.Loop() {
		in.Scratch = appendSnapshot(in.Scratch[:0], in, ex)
	}
}

func BenchmarkApply(b *testing.B) {
	in, ex := newInstance(), benchExchange()
	ops := op(filterv1.OpMergeResponseHeader, "Vary", "Origin")
	ops = append(ops, op(filterv1.OpSetResponseHeader, "Access-Control-Allow-Origin", "http://localhost:3000")...)
	ops = append(ops, op(filterv1.OpRemoveResponseHeader, "Access-Control-Allow-Credentials")...)
	ops = append(ops, op(filterv1.OpSetResponseHeader, "Access-Control-Expose-Headers", "ETag, Location, RateLimit, RateLimit-Policy, Retry-After")...)
	b.ReportAllocs()
	for b.Loop() {
		if s := applyAll(in, ex, ops); s != filterv1.StatusOK {
			b.Fatal(s)
		}
		ex.ApplyDeferred()
		ex.Response.Header.Reset()
	}
}
