package filter_test

import (
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/internal/host"
)

// still is a gateway that does nothing, so that what is measured is the kit.
type still struct {
	host.Host
	snapshot []byte
	applied  int
}

func (*still) Config([]byte) int { return 0 }
func (s *still) Snapshot(buf []byte) int {
	return copy(buf, s.snapshot)
}

func (s *still) Apply(ops []byte) filterv1.Status {
	s.applied += len(ops)
	return filterv1.StatusOK
}

func newStill() *still {
	b := []byte{filterv1.SnapshotVersion}
	for _, s := range []string{"GET", "/v1/users/1?a=b", "http", "localhost:8080", "/v1/users/1", "a=b", "HTTP/1.1", "192.0.2.1"} {
		b = filterv1.AppendString(b, s)
	}
	b = filterv1.AppendUint32(b, 40000)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1)
	b = filterv1.AppendString(filterv1.AppendString(b, "users-read"), "id-1")
	fields := []string{
		"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "accept", "application/json",
		"accept-encoding", "gzip, deflate, br", "origin", "http://localhost:3000", "x-request-id", "id-1", "x-empty", "",
	}
	b = filterv1.AppendUint32(b, uint32(len(fields)/2))
	for _, s := range fields {
		b = filterv1.AppendString(b, s)
	}
	return &still{snapshot: b}
}

// busy does what filters do.
type busy struct{ t testing.TB }

func (f busy) HandleRequest(r *filter.Request) filter.Action {
	for _, have := range [][2]string{
		{r.Method(), "GET"}, {r.URI(), "/v1/users/1?a=b"}, {r.Scheme(), "http"}, {r.Host(), "localhost:8080"},
		{r.Path(), "/v1/users/1"}, {r.Query(), "a=b"}, {r.Protocol(), "HTTP/1.1"}, {r.SourceAddress(), "192.0.2.1"},
		{r.Route(), "users-read"}, {r.ID(), "id-1"}, {r.Header("Origin"), "http://localhost:3000"}, {r.Header("X-Absent"), ""},
	} {
		if have[0] != have[1] {
			f.t.Errorf("%q, want %q", have[0], have[1])
		}
	}
	if v, ok := r.LookupHeader("X-Empty"); !ok || v != "" {
		f.t.Error("the last field is not found")
	}
	if n := r.HeaderLen(); n != 6 {
		f.t.Errorf("%d fields", n)
	}
	if name, value := r.HeaderAt(3); name != "origin" || value != "http://localhost:3000" {
		f.t.Errorf("field 3 is %s: %s", name, value)
	}
	if ip := r.SourceIP(); ip[15] != 1 || ip[10] != 0xff || r.SourcePort() != 40000 {
		f.t.Errorf("source %v port %d", ip, r.SourcePort())
	}
	r.SetHeader("X-Seen", r.Path())
	r.MergeResponseHeader("Vary", "Origin")
	return r.Problem(429, "Too Many Requests", "rate_limited", "Slow down.")
}

func newBusy(t testing.TB) (*filter.Instance, *still) {
	t.Helper()
	h := newStill()
	i, err := filter.Start(h, filter.Define("busy", func(*filter.Setup, struct{}) (busy, error) { return busy{t}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	return i, h
}

func TestHotPathAllocatesNothing(t *testing.T) {
	i, h := newBusy(t)
	if n := testing.AllocsPerRun(100, func() { i.HandleRequest() }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
	if h.applied == 0 {
		t.Error("nothing was applied")
	}
}

func BenchmarkRequest(b *testing.B) {
	i, _ := newBusy(b)
	b.ReportAllocs()
	for b.Loop() {
		i.HandleRequest()
	}
}
