package app_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHangUpCancelsUpstream(t *testing.T) {
	gone := make(chan string, 4)
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
		}
		if r.Method == "POST" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		<-r.Context().Done()
		gone <- r.URL.Path
	})
	g := start(t, `limits: {max_body: 1MiB}
upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: x, match: {path: "/*"}, upstream: u}]
`)
	for name, request := range map[string]string{
		"waiting":   "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
		"streaming": "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
		"body sent": "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20000),
	} {
		c, err := net.Dial("tcp", g.Addresses().HTTP)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		select {
		case path := <-gone:
			t.Fatalf("%s: %s was given up too early", name, path)
		case <-time.After(200 * time.Millisecond):
		}
		c.Close()
		select {
		case <-gone:
		case <-time.After(2 * time.Second):
			t.Errorf("%s: the upstream still works", name)
		}
	}
	eventually(t, "end of requests", func() bool {
		return g.metric("gatehouse_gateway_requests_total", map[string]string{"status": "499"}) == 3 &&
			g.metric("gatehouse_gateway_requests_in_flight", nil) == 0
	})
}

func TestEventsComeAtOnce(t *testing.T) {
	next := make(chan struct{})
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for range next {
			fmt.Fprint(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	})
	g := start(t, `upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: x, match: {path: "/*"}, upstream: u}]
`)
	resp, err := g.client.Get(g.url + "/events") // returns with the head
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for range 3 {
		next <- struct{}{}
		if !lines.Scan() || lines.Text() != "data: x" || !lines.Scan() {
			t.Fatalf("%q %v", lines.Text(), lines.Err())
		}
	}
	close(next)
	if lines.Scan() {
		t.Errorf("more: %q", lines.Text())
	}
}

func TestLargeBodiesStream(t *testing.T) {
	const size = 64 << 20
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo": // answers while it reads
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.Copy(w, r.Body)
		case "/sum":
			h := sha256.New()
			n, _ := io.Copy(h, r.Body)
			fmt.Fprintf(w, "%d %x", n, h.Sum(nil))
		case "/refuse":
			w.WriteHeader(http.StatusForbidden)
		}
	})
	g := start(t, `limits: {max_body: 1GiB}
upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: x, match: {path: "/*"}, upstream: u}]
`)
	h := sha256.New()
	_, _ = io.CopyN(h, zeros{}, size)
	want := fmt.Sprintf("%x", h.Sum(nil))
	for _, length := range []int64{size, -1} {
		for _, path := range []string{"/sum", "/echo"} {
			req, _ := http.NewRequest("POST", g.url+path, io.LimitReader(zeros{}, size))
			req.ContentLength = length
			resp, err := g.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if path == "/sum" {
				data, _ := io.ReadAll(resp.Body)
				if string(data) != fmt.Sprintf("%d %s", size, want) {
					t.Errorf("sum: %s", data)
				}
			} else {
				h := sha256.New()
				if n, err := io.Copy(h, resp.Body); n != size || err != nil || fmt.Sprintf("%x", h.Sum(nil)) != want {
					t.Errorf("echo: %d %v", n, err)
				}
			}
			resp.Body.Close()
		}
	}
	req, _ := http.NewRequest("POST", g.url+"/refuse", io.LimitReader(zeros{}, size))
	resp, err := g.client.Do(req)
	if err != nil {
		t.Fatalf("an early answer is lost: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("early answer: %d", resp.StatusCode)
	}
}
