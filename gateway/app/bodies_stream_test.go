package app_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBodiesStream shows that a body which no filter reads is not held back,
// though there are filters with a response phase: each side waits for what the
// other has sent only in part.
func TestBodiesStream(t *testing.T) {
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		if r.URL.Path == "/stream/events" {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = io.WriteString(w, "<"+lines.Text()+">\n")
			_ = c.Flush()
		}
	})
	g := startWasm(t, `limits: {max_body: 1GiB}
filters:
  one: {module: "file:`+wild(t, "ignore")+`", grants: [body]}
  two: {module: "file:`+wild(t, "ignore")+`"}
upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: s, match: {path: "/stream/*"}, filters: [one, two], upstream: u}]
`)
	for _, path := range []string{"/stream/", "/stream/events"} {
		body, send := io.Pipe()
		req, err := http.NewRequest("POST", g.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan *http.Response, 1)
		go func() {
			resp, err := g.client.Do(req)
			if err != nil {
				t.Error(err)
				body.CloseWithError(err)
			}
			answered <- resp
		}()
		var lines *bufio.Scanner
		for _, word := range []string{"one", "two", strings.Repeat("three", 5000)} {
			if _, err := io.WriteString(send, word+"\n"); err != nil {
				t.Fatal(err)
			}
			if lines == nil {
				select {
				case resp := <-answered:
					defer resp.Body.Close()
					lines = bufio.NewScanner(resp.Body)
				case <-time.After(5 * time.Second):
					t.Fatalf("%s: no answer before the body's end", path)
				}
			}
			if !lines.Scan() || lines.Text() != "<"+word+">" {
				t.Fatalf("%s: %.50q %v", path, lines.Text(), lines.Err())
			}
		}
		if err := send.Close(); err != nil {
			t.Fatal(err)
		}
		if lines.Scan() {
			t.Errorf("%s: more: %q", path, lines.Text())
		}
	}
}
