package filtertest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter"
)

// vectors is where the gateway's own tests find the same tables.
const vectors = "../../../pluginspec/filter/v1/testdata/"

func readVectors(t *testing.T, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(vectors + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// user is a filter that lends its services to a test.
type user struct {
	kv   *filter.KV
	http *filter.HTTP
}

func (*user) HandleRequest(*filter.Request) filter.Action { return filter.Next }

func newUser(s *filter.Setup, _ struct{}) (*user, error) {
	kv, err := s.KV()
	if err != nil {
		return nil, err
	}
	h, err := s.HTTP()
	return &user{kv, h}, err
}

func startUser(t *testing.T, options ...Option) (*user, *gateway) {
	t.Helper()
	var u *user
	f := New(t, func(s *filter.Setup, c struct{}) (*user, error) {
		var err error
		u, err = newUser(s, c)
		return u, err
	}, "", append(options, Grant(filterv1.GrantKV, filterv1.GrantHTTP))...)
	return u, f.gateway
}

type kvStep struct {
	AdvanceMS  int64 `json:"advance_ms"`
	Do         string
	Key        string
	KeyBytes   int `json:"key_bytes"`
	Value      string
	ValueBytes int   `json:"value_bytes"`
	TTL        int64 `json:"ttl_ms"`
	Delta, Sum int64
	Status     string
}

func (s *kvStep) texts() (key, value string) {
	key, value = s.Key, s.Value
	if s.KeyBytes > 0 {
		key = strings.Repeat(key, s.KeyBytes)
	}
	if s.ValueBytes > 0 {
		value = strings.Repeat(value, s.ValueBytes)
	}
	return key, value
}

func TestKVVectors(t *testing.T) {
	var tables []struct {
		Name  string
		Bytes int
		Steps []kvStep
	}
	readVectors(t, "kv.json", &tables)
	for _, table := range tables {
		t.Run(table.Name, func(t *testing.T) {
			_, g := startUser(t, KVBytes(table.Bytes))
			for i, s := range table.Steps {
				g.now += time.Duration(s.AdvanceMS) * time.Millisecond
				key, value := s.texts()
				var status filterv1.Status
				switch s.Do {
				case "get":
					buf := make([]byte, filterv1.MaxKVValueBytes)
					n := g.KVGet(key, buf)
					if status = filterv1.Status(max(-n, 0)); n >= 0 && string(buf[:n]) != value {
						t.Errorf("step %d: value %.40q of %d bytes", i, buf[:n], n)
					}
				case "put":
					status = g.KVPut(key, []byte(value), s.TTL)
				case "delete":
					status = g.KVDelete(key)
				case "incr":
					var sum int64
					if sum, status = g.KVIncr(key, s.Delta, s.TTL); sum != s.Sum {
						t.Errorf("step %d: sum %d", i, sum)
					}
				}
				if status.String() != s.Status {
					t.Errorf("step %d, %s %.20q: %s, want %s", i, s.Do, key, status, s.Status)
				}
			}
		})
	}
}

func TestHTTPAllowVectors(t *testing.T) {
	var tables []struct {
		Name, Allow, URL   string
		Allowed, Malformed bool
	}
	readVectors(t, "http_allow.json", &tables)
	for _, c := range tables {
		t.Run(c.Name, func(t *testing.T) {
			u, _ := startUser(t, Remote(c.Allow, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			_, err := u.http.Do(filter.HTTPRequest{URL: c.URL})
			want := filter.StatusNotGranted
			if c.Malformed {
				want = filter.StatusBadArgument
			}
			var refused *filter.HTTPError
			if c.Allowed != (err == nil) || errors.As(err, &refused) && refused.Status != want {
				t.Errorf("%s: error %v", c.URL, err)
			}
		})
	}
}

func TestKVOfTheKit(t *testing.T) {
	u, _ := startUser(t)
	if u.kv.Key("seen/", "ada") != "seen/ada" || u.kv.Key() != "" {
		t.Error("Key does not join")
	}
	large := strings.Repeat("v", 50_000)
	if s := u.kv.Put("a", []byte(large), time.Nanosecond); s != filter.StatusOK {
		t.Fatal(s)
	}
	if v, ok := u.kv.Get("a"); !ok || string(v) != large {
		t.Errorf("%d bytes, %v: less than a millisecond is not without end, nor nothing", len(v), ok)
	}
	if s := u.kv.Put("a", nil, -time.Nanosecond); s != filter.StatusBadArgument {
		t.Errorf("a negative time to live: %s", s)
	}
	n := testing.AllocsPerRun(100, func() {
		if v, ok := u.kv.Get("a"); !ok || len(v) != len(large) {
			t.Error("gone")
		}
	})
	if n > 0 {
		t.Errorf("Get allocates %v times", n)
	}
}

func TestHTTPOfTheKit(t *testing.T) {
	u, g := startUser(t, Remote("https://api.example/v1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/v1/large":
			_, _ = w.Write(make([]byte, 1<<20+1))
		case "/v1/slow":
			<-r.Context().Done()
		default:
			w.Header().Set("X-Got", r.Method+" "+r.URL.String()+" "+r.Header.Get("X-One")+" "+string(body))
			w.WriteHeader(http.StatusFound)
			_, _ = w.Write(make([]byte, 10_000))
		}
	})))
	answer, err := u.http.Do(filter.HTTPRequest{
		Method: "POST", URL: "https://api.example/v1/x?q=1", Header: []filter.HeaderField{{Name: "X-One", Value: "1"}}, Body: []byte("hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header("x-GOT"); answer.Status != 302 || len(answer.Body) != 10_000 || got != "POST https://api.example/v1/x?q=1 1 hello" {
		t.Errorf("%d, %d bytes, %q", answer.Status, len(answer.Body), got)
	}
	for name, c := range map[string]struct {
		request filter.HTTPRequest
		want    filter.Status
	}{
		"too large":      {filter.HTTPRequest{URL: "https://api.example/v1/large"}, filter.StatusTooLarge},
		"too late":       {filter.HTTPRequest{URL: "https://api.example/v1/slow", Timeout: time.Millisecond}, filter.StatusUnavailable},
		"a line break":   {filter.HTTPRequest{URL: "https://api.example/v1", Header: []filter.HeaderField{{Name: "X", Value: "a\r\nb"}}}, filter.StatusBadArgument},
		"Host":           {filter.HTTPRequest{URL: "https://api.example/v1", Header: []filter.HeaderField{{Name: "host", Value: "a"}}}, filter.StatusBadArgument},
		"not a method":   {filter.HTTPRequest{URL: "https://api.example/v1", Method: "A B"}, filter.StatusBadArgument},
		"CONNECT":        {filter.HTTPRequest{URL: "https://api.example/v1", Method: "CONNECT"}, filter.StatusBadArgument},
		"somewhere else": {filter.HTTPRequest{URL: "https://other.example/"}, filter.StatusNotGranted},
	} {
		_, err := u.http.Do(c.request)
		var refused *filter.HTTPError
		if !errors.As(err, &refused) || refused.Status != c.want || refused.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if g.HTTPResponse(nil) != int(filterv1.Absent) {
		t.Error("there is an answer after a call that had none")
	}
}

func TestCountersOfTheKit(t *testing.T) {
	f := New(t, func(s *filter.Setup, _ struct{}) (counting, error) {
		c, err := s.Counter("seen_total")
		return counting{c}, err
	}, "", Grant(filterv1.GrantMetrics))
	if n := f.Counter("seen_total"); n != 0 {
		t.Errorf("%v before the first request", n)
	}
	f.Do(Request{})
	f.Do(Request{})
	if n := f.Counter("seen_total"); n != 3 {
		t.Errorf("counted %v", n)
	}
	g := f.gateway
	for _, name := range []string{"", "A", "a-b", "ä", strings.Repeat("a", 65)} {
		if s := g.MetricAdd(name, 1); s != filterv1.StatusBadArgument {
			t.Errorf("name %q: %s", name, s)
		}
	}
	for i := range 63 {
		if s := g.MetricAdd("n"+strings.Repeat("x", i), 1); s != filterv1.StatusOK {
			t.Fatal(s)
		}
	}
	if s := g.MetricAdd("one_more", 1); s != filterv1.StatusTooLarge {
		t.Errorf("counter 65: %s", s)
	}
}

type counting struct{ c *filter.Counter }

func (c counting) HandleRequest(*filter.Request) filter.Action { c.c.Add(1.5); return filter.Next }

func TestServicesNeedGrants(t *testing.T) {
	for grant, make := range map[string]func(*filter.Setup) error{
		filterv1.GrantKV:      func(s *filter.Setup) error { _, err := s.KV(); return err },
		filterv1.GrantMetrics: func(s *filter.Setup) error { _, err := s.Counter("a"); return err },
		filterv1.GrantHTTP:    func(s *filter.Setup) error { _, err := s.HTTP(); return err },
	} {
		newFilter := func(s *filter.Setup, _ struct{}) (*user, error) { return &user{}, make(s) }
		if _, err := Start(t, filter.Define("f", newFilter), ""); err == nil || !strings.Contains(err.Error(), "not granted: "+grant) {
			t.Errorf("without %s: %v", grant, err)
		}
		if _, err := Start(t, filter.Define("f", newFilter), "", Grant(grant)); err != nil {
			t.Errorf("with %s: %v", grant, err)
		}
	}
}
