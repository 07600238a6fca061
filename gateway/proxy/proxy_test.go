package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/identity"
)

func newUpstream(t *testing.T, change func(*config.Upstream), urls ...string) *Upstream {
	t.Helper()
	c := config.Upstream{
		Name: "u", Balance: config.RoundRobin, MaxIdleConnections: 8,
		Timeouts: config.Timeouts{Connect: time.Second, Header: 300 * time.Millisecond, Idle: 300 * time.Millisecond},
	}
	for _, url := range urls {
		address := strings.TrimPrefix(url, "http://")
		c.Targets = append(c.Targets, config.Target{Address: address, Host: address})
	}
	if change != nil {
		change(&c)
	}
	u, err := New(Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// forward sends a request and returns status and body.
func forward(u *Upstream, method, body string, timeout time.Duration) (int, string, error) {
	var ex exchange.Exchange
	ex.Request.Method, ex.Request.RawPath, ex.Request.Path, ex.Request.Host = method, "/x", "/x", "gate"
	if body != "" {
		ex.Request.Body.SetBytes([]byte(body))
	}
	if err := u.Forward(&ex, timeout); err != nil {
		return 0, "", err
	}
	defer ex.Response.Body.Close()
	if ex.Response.Body.Stream == nil {
		return ex.Response.Status, string(ex.Response.Body.Bytes), nil
	}
	data, err := io.ReadAll(ex.Response.Body.Stream)
	return ex.Response.Status, string(data), err
}

// script is an upstream that speaks by hand: each connection gets the next
// function.
func script(t *testing.T, connections ...func(net.Conn, *bufio.Reader)) (url string, accepted *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = new(atomic.Int32)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			n := int(accepted.Add(1))
			all.Go(func() {
				defer c.Close()
				if n <= len(connections) {
					connections[n-1](c, bufio.NewReader(c))
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return "http://" + ln.Addr().String(), accepted
}

func readRequest(br *bufio.Reader) {
	if r, err := http.ReadRequest(br); err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

func say(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, br *bufio.Reader) {
		readRequest(br)
		_, _ = io.WriteString(c, text)
	}
}

func TestAnswers(t *testing.T) {
	for _, row := range []struct {
		name, says string
		status     int
		body       string
		err        error
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", nil},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nT: 1\r\n\r\n", 200, "hi!", nil},
		{"until close", "HTTP/1.1 200 OK\r\n\r\nhi", 200, "hi", nil},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhi", 200, "hi", nil},
		{"informational first", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, "", nil},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", nil},
		{"garbage", "\x00\x01\x02\r\n\r\n", 0, "", ErrAnswer},
		{"nothing", "", 0, "", ErrAnswer},
		{"half a head", "HTTP/1.1 200 OK\r\nA: b\r\n", 0, "", ErrAnswer},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi", 200, "hi", io.ErrUnexpectedEOF},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi", 200, "hi", io.ErrUnexpectedEOF},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", 0, "", ErrAnswer},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, "", ErrAnswer},
		{"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0, "", ErrAnswer},
		{"folding", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 0, "", ErrAnswer},
		{"bare line feed", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", 0, "", ErrAnswer},
		{"switching protocols", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, "", ErrAnswer},
		{"endless head", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 70<<10), 0, "", ErrAnswer},
		{"endless informational", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), 0, "", ErrAnswer},
	} {
		t.Run(row.name, func(t *testing.T) {
			url, _ := script(t, say(row.says))
			status, body, err := forward(newUpstream(t, nil, url), "GET", "", 0)
			if status != row.status || body != row.body || !errors.Is(err, row.err) {
				t.Errorf("%d %q %v", status, body, err)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	hang := func(says string) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, br *bufio.Reader) {
			readRequest(br)
			_, _ = io.WriteString(c, says)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	t.Run("head", func(t *testing.T) {
		url, _ := script(t, hang(""))
		began := time.Now()
		if _, _, err := forward(newUpstream(t, nil, url), "GET", "", 0); !errors.Is(err, ErrTimeout) || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
	t.Run("body stands still", func(t *testing.T) {
		url, _ := script(t, hang("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"))
		if _, body, err := forward(newUpstream(t, nil, url), "GET", "", 0); err == nil || body != "hi" {
			t.Errorf("%q %v", body, err)
		}
	})
	t.Run("total", func(t *testing.T) {
		url, _ := script(t, hang(""))
		began := time.Now()
		if _, _, err := forward(newUpstream(t, nil, url), "GET", "", 50*time.Millisecond); !errors.Is(err, ErrTimeout) || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		if _, _, err := forward(newUpstream(t, nil, "http://127.0.0.1:1"), "GET", "", 0); !errors.Is(err, ErrUnreachable) {
			t.Error(err)
		}
	})
}

// TestStaleConnection: the upstream answers once per connection and closes it
// only when the next request comes, so the gateway cannot have known.
func TestStaleConnection(t *testing.T) {
	treacherous := func(c net.Conn, br *bufio.Reader) {
		readRequest(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		readRequest(br)
	}
	for _, row := range []struct {
		method, body string
		ok           bool
	}{
		{"GET", "", true}, {"PUT", "body", true}, {"POST", "body", false}, {"PATCH", "body", false},
	} {
		url, accepted := script(t, treacherous, treacherous, treacherous)
		u := newUpstream(t, nil, url)
		if _, _, err := forward(u, "GET", "", 0); err != nil {
			t.Fatal(err)
		}
		_, _, err := forward(u, row.method, row.body, 0)
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.method, err)
		}
		if want := map[bool]int32{true: 2, false: 1}[row.ok]; accepted.Load() != want {
			t.Errorf("%s: %d connections, want %d", row.method, accepted.Load(), want)
		}
	}
	t.Run("a fresh connection is no reason to try again", func(t *testing.T) {
		url, accepted := script(t, func(_ net.Conn, br *bufio.Reader) { readRequest(br) })
		if _, _, err := forward(newUpstream(t, nil, url), "GET", "", 0); !errors.Is(err, ErrAnswer) || accepted.Load() != 1 {
			t.Errorf("%v, %d connections", err, accepted.Load())
		}
	})
	t.Run("a closed one is seen before a POST is sent", func(t *testing.T) {
		once := say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		url, accepted := script(t, once, once)
		u := newUpstream(t, nil, url)
		for range 2 {
			if _, _, err := forward(u, "POST", "x", 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if accepted.Load() != 2 {
			t.Errorf("%d connections", accepted.Load())
		}
	})
}

func TestConnectionsAreReused(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == "PUT" {
			_ = http.NewResponseController(w).Flush() // chunked
		}
		fmt.Fprint(w, "hello")
	}))
	var accepted atomic.Int32
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	u := newUpstream(t, nil, s.URL)
	for _, method := range []string{"GET", "POST", "PUT", "HEAD", "DELETE", "GET"} {
		status, body, err := forward(u, method, map[string]string{"POST": "x", "PUT": "y"}[method], 0)
		if err != nil || status != 200 || (method != "HEAD" && body != "hello") {
			t.Errorf("%s: %d %q %v", method, status, body, err)
		}
	}
	if accepted.Load() != 1 {
		t.Errorf("%d connections", accepted.Load())
	}
}

func TestBalanceAndEjection(t *testing.T) {
	server := func(name string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
		t.Cleanup(s.Close)
		return s
	}
	a, b := server("a"), server("b")
	u := newUpstream(t, nil, a.URL, b.URL)
	seen := map[string]int{}
	for range 10 {
		_, body, err := forward(u, "GET", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		seen[body]++
	}
	if seen["a"] != 5 || seen["b"] != 5 {
		t.Errorf("%v", seen)
	}
	b.Close()
	for range 10 { // a POST too: it was never sent to b
		if _, body, err := forward(u, "POST", "x", 0); err != nil || body != "a" {
			t.Fatalf("%q %v", body, err)
		}
	}
}

func TestActiveHealth(t *testing.T) {
	var sick atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && sick.Load() {
			w.WriteHeader(500)
		}
	}))
	defer s.Close()
	u := newUpstream(t, func(c *config.Upstream) {
		c.Health = &config.Health{Path: "/healthz", Interval: 10 * time.Millisecond}
	}, s.URL)
	for _, want := range []bool{true, false, true} {
		sick.Store(!want)
		for deadline := time.Now().Add(2 * time.Second); u.targets[0].healthy(time.Now()) != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("health is not %v", want)
			}
		}
	}
}

func TestRequestsThatCannotBeWritten(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	u := newUpstream(t, nil, s.URL)
	for name, change := range map[string]func(*exchange.Request){
		"line break in a value": func(r *exchange.Request) { r.Header.Add("A", "b\r\nC: d") },
		"space in a name":       func(r *exchange.Request) { r.Header.Add("A B", "c") },
		"method":                func(r *exchange.Request) { r.Method = "GET /y HTTP/1.1\r\n" },
		"CONNECT":               func(r *exchange.Request) { r.Method = "CONNECT" },
		"short body": func(r *exchange.Request) {
			r.Method = "POST"
			r.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader("x")), Length: 5}
		},
	} {
		var ex exchange.Exchange
		ex.Request.Method, ex.Request.RawPath, ex.Request.Host = "GET", "/x", "gate"
		change(&ex.Request)
		if err := u.Forward(&ex, 0); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancel(t *testing.T) {
	url, _ := script(t, func(_ net.Conn, br *bufio.Reader) { readRequest(br); _, _ = br.ReadByte() })
	u := newUpstream(t, func(c *config.Upstream) { c.Timeouts.Header = time.Minute }, url)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	var ex exchange.Exchange
	ex.SetContext(ctx)
	ex.Request.Method, ex.Request.RawPath, ex.Request.Host = "GET", "/x", "gate"
	if err := u.Forward(&ex, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := u.targets[0].inflight.Load(); n != 0 {
		t.Errorf("%d in flight", n)
	}
}

type countingMinter struct{ minted int }

func (c *countingMinter) Mint(p identity.Principal, audience string) (string, time.Time, error) {
	c.minted++
	return fmt.Sprintf("%s for %s %d", p.Subject, audience, c.minted), time.Unix(1060, 0), nil
}

func TestTokens(t *testing.T) {
	now := time.Unix(1000, 0)
	m := &countingMinter{}
	tokens := NewTokens(m, func() time.Time { return now })
	get := func(credential byte, audience string, p identity.Principal) string {
		token, err := tokens.Get([32]byte{credential}, p, audience)
		if err != nil {
			return err.Error()
		}
		return token
	}
	ada := identity.Principal{Kind: identity.KindUser, Subject: "ada", Scopes: []string{"a"}, Expires: time.Unix(1090, 0)}
	steps := []struct {
		name, want string
		after      time.Duration
		credential byte
		audience   string
		change     func(*identity.Principal)
	}{
		{"first", "ada for gatehouse 1", 0, 1, "gatehouse", nil},
		{"again", "ada for gatehouse 1", 30 * time.Second, 1, "gatehouse", nil},
		{"other audience", "ada for shop 2", 0, 1, "shop", nil},
		{"other credential", "ada for gatehouse 3", 0, 2, "gatehouse", nil},
		{"other rights", "ada for gatehouse 4", 0, 1, "gatehouse", func(p *identity.Principal) { p.Scopes = []string{"b"} }},
		{"no credential", "ada for gatehouse 5", 0, 0, "gatehouse", nil},
		{"no credential again", "ada for gatehouse 6", 0, 0, "gatehouse", nil},
		{"nearly run out", "ada for shop 7", 25 * time.Second, 1, "shop", nil},
		{"expired", ErrCredential.Error(), 35 * time.Second, 1, "shop", nil},
	}
	for _, s := range steps {
		now = now.Add(s.after)
		p := ada
		if s.change != nil {
			s.change(&p)
		}
		if got := get(s.credential, s.audience, p); got != s.want {
			t.Errorf("%s: %q, want %q", s.name, got, s.want)
		}
	}
}
