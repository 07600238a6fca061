package app_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The number of requests of TestBodies: some by default, all where the
// environment has GATEHOUSE_FULL=1.
const (
	someBodies = 5_000
	allBodies  = 100_000
)

// TestBodies sends bodies of many sizes and framings through filters that
// ignore, read and rewrite them, and chains of these. The upstream compares
// what it gets with the SHA-256 that the client announces, and sends it back.
func TestBodies(t *testing.T) {
	var mismatches atomic.Int64
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		if err != nil || hex.EncodeToString(sum[:]) != r.Header.Get("Want") {
			mismatches.Add(1)
			http.Error(w, fmt.Sprintf("got %d bytes, %v", len(body), err), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(body)
	})
	const limits = ", grants: [body], limits: {instances: 32, fuel: 1000000000}"
	g := startWasm(t, `limits: {max_body: 1MiB}
filters:
  ignore: {module: "file:`+wild(t, "ignore")+`"`+limits+`}
  read: {module: "file:`+wild(t, "read")+`"`+limits+`}
  again: {module: "file:`+wild(t, "read")+`"`+limits+`}
  rewrite: {module: "file:`+wild(t, "rewrite")+`"`+limits+`}
upstreams: {u: {targets: ["`+target+`"]}}
routes:
  - {name: plain, match: {path: /plain}, upstream: u}
  - {name: ignore, match: {path: /ignore}, filters: [ignore], upstream: u}
  - {name: read, match: {path: /read}, filters: [read], upstream: u}
  - {name: rewrite, match: {path: /rewrite}, filters: [rewrite], upstream: u}
  - {name: chain, match: {path: /chain}, filters: [read, rewrite, ignore, again], upstream: u}
`)
	count := someBodies
	if os.Getenv("GATEHOUSE_FULL") == "1" {
		count = allBodies
	}
	s := newBodySender(g)
	started := time.Now()
	const workers = 16
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(4, uint64(worker)))
			for i := worker; i < count && !t.Failed(); i += workers {
				if err := s.send(random); err != nil {
					t.Errorf("request %d: %v\n%s", i, err, errorLines(g))
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d bodies, %d MiB each way, %v, %d connections", count, s.bytes.Load()>>20, time.Since(started).Round(time.Millisecond), s.dialed.Load())
	if n := mismatches.Load(); n > 0 {
		t.Errorf("%d bodies were not what was sent", n)
	}
	// Whatever a filter does with a body, the client's connection stays good.
	if n := s.dialed.Load(); n > int64(2*workers+count/1000) {
		t.Errorf("%d connections for %d clients", n, workers)
	}
}

// bodySender sends random parts of a store of random bytes.
type bodySender struct {
	url    string
	client *http.Client
	// store and zipped are what is sent, the others what rewrite makes of them.
	store, storeInverted   []byte
	zipped, zippedInverted []byte
	dialed                 atomic.Int64
	bytes                  atomic.Int64
}

func newBodySender(g *gateway) *bodySender {
	s := &bodySender{url: g.url, store: make([]byte, 1<<20)}
	random := rand.NewChaCha8([32]byte{4})
	_, _ = random.Read(s.store)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(bytes.Repeat([]byte("opaque to filters "), 10_000))
	_ = w.Close()
	s.zipped = zipped.Bytes()
	s.storeInverted, s.zippedInverted = inverted(s.store), inverted(s.zipped)
	transport := &http.Transport{
		MaxIdleConnsPerHost: 64, DisableCompression: true, ExpectContinueTimeout: 5 * time.Second,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			s.dialed.Add(1)
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	g.t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport}
	return s
}

func inverted(p []byte) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = ^b
	}
	return out
}

// size is mostly small, sometimes at the edge of what the listener reads ahead.
func size(random *rand.Rand) int {
	switch n := random.IntN(100); {
	case n < 5:
		return 0
	case n < 30:
		return random.IntN(100)
	case n < 65:
		return random.IntN(8 << 10)
	case n < 72:
		return 8<<10 - 2 + random.IntN(5)
	case n < 92:
		return random.IntN(64 << 10)
	}
	return random.IntN(400 << 10)
}

func (s *bodySender) send(random *rand.Rand) error {
	n := size(random)
	from := random.IntN(len(s.store) - n + 1)
	body, rewritten := s.store[from:from+n], s.storeInverted[from:from+n]
	zipped := random.IntN(10) == 0
	if zipped {
		body, rewritten = s.zipped, s.zippedInverted
	}
	path := []string{"/plain", "/ignore", "/read", "/rewrite", "/chain"}[random.IntN(5)]
	sum := sha256.Sum256(body)
	if path == "/rewrite" || path == "/chain" {
		sum = sha256.Sum256(rewritten)
	}
	req, err := http.NewRequest(http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if random.IntN(2) == 0 {
		req.Body = io.NopCloser(&pieces{bytes.NewReader(body), 1 + random.IntN(20_000)})
		req.ContentLength = -1
	}
	if random.IntN(4) == 0 {
		req.Header.Set("Expect", "100-continue")
	}
	if zipped {
		req.Header.Set("Content-Encoding", "gzip")
	}
	req.Header.Set("Want", hex.EncodeToString(sum[:]))
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s, %d bytes, declared %d: %w", path, len(body), req.ContentLength, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("status %d: %.200s", resp.StatusCode, got))
	} else if !bytes.Equal(got, body) {
		err = errors.Join(err, fmt.Errorf("%d bytes came back, or others", len(got)))
	}
	if err != nil {
		return fmt.Errorf("%s, %d bytes, declared %d: %w", path, len(body), req.ContentLength, err)
	}
	s.bytes.Add(int64(len(body)))
	return nil
}

// pieces reads at most so many bytes at once, so that chunks differ in size.
type pieces struct {
	io.Reader
	most int
}

func (p *pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.most)]) }
