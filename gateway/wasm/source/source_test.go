package source_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/source"
	"gatehouse.example/internal/outbound"
)

func module(n int) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Repeat([]byte{7}, n)...)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// network is an https server of modules, and a loader that trusts it.
type network struct {
	*httptest.Server
	*source.Loader
	dir      string
	requests atomic.Int64
	log      bytes.Buffer
}

func newNetwork(t *testing.T, handler http.HandlerFunc, change ...func(*source.Options)) *network {
	t.Helper()
	n := &network{dir: filepath.Join(t.TempDir(), "cache", "modules")}
	n.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(n.Server.Close)
	o := source.Options{
		CopyDir: n.dir, Timeout: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(&n.log, nil)),
		Outbound: outbound.Options{TLS: &tls.Config{RootCAs: x509.NewCertPool()}},
	}
	o.Outbound.TLS.RootCAs.AddCert(n.Certificate())
	for _, f := range change {
		f(&o)
	}
	n.Loader = source.New(o)
	t.Cleanup(n.Loader.Close)
	return n
}

func (n *network) spec(binary []byte) *filter.Spec {
	return &filter.Spec{Module: n.URL + "/a.wasm", SHA256: digest(binary)}
}

func serve(binary []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(binary) }
}

func TestCopySufficesWithoutANetwork(t *testing.T) {
	want := module(100)
	n := newNetwork(t, serve(want))
	for range 3 {
		have, err := n.Load(t.Context(), n.spec(want))
		if err != nil || !bytes.Equal(have, want) {
			t.Fatalf("%d bytes, error %v", len(have), err)
		}
	}
	if r := n.requests.Load(); r != 1 {
		t.Errorf("%d requests, want 1", r)
	}
	n.Server.Close()
	if have, err := n.Load(t.Context(), n.spec(want)); err != nil || !bytes.Equal(have, want) {
		t.Errorf("without a network: %d bytes, error %v", len(have), err)
	}
	for path, mode := range map[string]os.FileMode{n.dir: 0o700 | os.ModeDir, filepath.Join(n.dir, digest(want)+".wasm"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, error %v, want %v", path, info.Mode(), err, mode)
		}
	}
	if files, _ := os.ReadDir(n.dir); len(files) != 1 {
		t.Errorf("%d files in the folder of copies, want 1", len(files))
	}
}

func TestDamagedCopyIsFetchedAgain(t *testing.T) {
	want := module(100)
	for name, damage := range map[string]func(path string) error{
		"changed":   func(path string) error { return os.WriteFile(path, module(99), 0o600) },
		"cut":       func(path string) error { return os.Truncate(path, 10) },
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"too large": func(path string) error { return os.Truncate(path, 64<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, serve(want))
			if _, err := n.Load(t.Context(), n.spec(want)); err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(n.dir, digest(want)+".wasm")); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if have, err := n.Load(t.Context(), n.spec(want)); err != nil || !bytes.Equal(have, want) {
					t.Fatalf("%d bytes, error %v", len(have), err)
				}
			}
			if r := n.requests.Load(); r != 2 {
				t.Errorf("%d requests, want 2", r)
			}
			if !strings.Contains(n.log.String(), "is not used") {
				t.Errorf("the log says nothing of it: %s", n.log.String())
			}
		})
	}
}

func TestCopyThatCannotBeKept(t *testing.T) {
	want := module(10)
	n := newNetwork(t, serve(want))
	if err := errors.Join(os.MkdirAll(n.dir, 0o700), os.Chmod(n.dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Load(t.Context(), n.spec(want)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(n.log.String(), "others may write to it: chmod 700") {
		t.Errorf("log: %s", n.log.String())
	}
}

func TestRemoteErrors(t *testing.T) {
	good := module(1000)
	slow := make(chan struct{})
	other := httptest.NewTLSServer(serve(good))
	defer other.Close()
	defer close(slow)
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		change  func(*filter.Spec)
		want    string
	}{
		{"wrong pin", serve(module(5)), nil, "sha256: the module's is " + digest(module(5)) + ", the configuration wants " + digest(good)},
		{"no pin", serve(good), func(s *filter.Spec) { s.SHA256 = "" }, "comes from the network: pin it"},
		{"not found", http.NotFound, nil, "the server answers 404 Not Found"},
		{"too large", serve(good), func(s *filter.Spec) { s.Limits.ModuleBytes = 1007 }, "limits/module: the module's 1008 bytes are more than the allowed 1007"},
		{"too large, streamed", func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				_, _ = w.Write(good)
				w.(http.Flusher).Flush()
			}
		}, func(s *filter.Spec) { s.Limits.ModuleBytes = 1008 }, "sends more than the allowed 1008 bytes"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1008")
			_, _ = w.Write(good[:500])
		}, nil, "unexpected EOF (there is no copy of it here)"},
		{"slow head", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-slow:
			case <-r.Context().Done():
			}
		}, nil, "no whole answer within 300ms"},
		{"slow body", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte{0})
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, nil, "no whole answer within 300ms"},
		{"redirect to plain http", redirect("http://127.0.0.1:1/a.wasm"), nil, `redirect to scheme "http"`},
		{"redirect to a private network", redirect("https://10.0.0.1/a.wasm"), nil, "outbound request refused"},
		{"redirect to another port of this machine", redirect(other.URL), nil, "outbound request refused"},
		{"redirect to metadata", redirect("https://169.254.169.254/"), nil, "outbound request refused"},
		{"redirect for ever", redirect("/again"), nil, "more than 4 redirects"},
		{"redirect to nowhere", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }, nil, "without a new address"},
		{"no server", serve(good), func(s *filter.Spec) { s.Module = "https://127.0.0.1:1/a.wasm" }, "connection refused (there is no copy of it here)"},
		{"unknown authority", serve(good), func(s *filter.Spec) { s.Module = other.URL }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNetwork(t, row.handler, func(o *source.Options) { o.Timeout = 300 * time.Millisecond })
			spec := n.spec(good)
			if row.change != nil {
				row.change(spec)
			}
			if row.name == "unknown authority" {
				n.Loader = source.New(source.Options{})
				row.want = "certificate signed by unknown authority"
			}
			_, err := n.Load(t.Context(), spec)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v\nwant  %s", err, row.want)
			}
			if files, _ := os.ReadDir(n.dir); len(files) > 0 {
				t.Errorf("%d files are left", len(files))
			}
		})
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func TestRedirectWithinTheHost(t *testing.T) {
	want := module(10)
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/there" {
			http.Redirect(w, r, "/there", http.StatusFound)
			return
		}
		_, _ = w.Write(want)
	})
	if have, err := n.Load(t.Context(), n.spec(want)); err != nil || !bytes.Equal(have, want) {
		t.Errorf("%d bytes, error %v", len(have), err)
	}
}

func TestFilesAndBuiltins(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.wasm")
	if err := os.WriteFile(file, module(1000), 0o600); err != nil {
		t.Fatal(err)
	}
	l := source.New(source.Options{Builtin: func(name string) ([]byte, error) {
		if name != "a" {
			return nil, fmt.Errorf("no built-in filter %q; there are a", name)
		}
		return module(1000), nil
	}})
	for _, row := range []struct {
		name string
		spec filter.Spec
		want string
	}{
		{"file", filter.Spec{Module: "file:" + file}, ""},
		{"builtin", filter.Spec{Module: "builtin:a"}, ""},
		{"file with pin", filter.Spec{Module: "file:" + file, SHA256: digest(module(1000))}, ""},
		{"upper case pin", filter.Spec{Module: "file:" + file, SHA256: strings.ToUpper(digest(module(1000)))}, ""},
		{"wrong pin", filter.Spec{Module: "builtin:a", SHA256: digest(nil)}, "sha256: the module's is "},
		{"no file", filter.Spec{Module: "file:" + file + "x"}, "module: " + file + "x: there is no such file"},
		{"folder", filter.Spec{Module: "file:" + dir}, "not a regular file"},
		{"large file", filter.Spec{Module: "file:" + file, Limits: filter.Limits{ModuleBytes: 1000}}, "limits/module: the module's 1008 bytes"},
		{"large builtin", filter.Spec{Module: "builtin:a", Limits: filter.Limits{ModuleBytes: 1000}}, "limits/module: the module's 1008 bytes"},
		{"no builtin", filter.Spec{Module: "builtin:b"}, `module: no built-in filter "b"`},
		{"unknown scheme", filter.Spec{Module: "ftp://a"}, "want builtin:NAME, file:PATH or https://HOST/PATH"},
		{"nothing", filter.Spec{}, "want builtin:NAME"},
	} {
		t.Run(row.name, func(t *testing.T) {
			have, err := l.Load(t.Context(), &row.spec)
			if row.want == "" {
				if err != nil || !bytes.Equal(have, module(1000)) {
					t.Errorf("%d bytes, error %v", len(have), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v\nwant  %s", err, row.want)
			}
		})
	}
}

func TestSignature(t *testing.T) {
	seed := bytes.Repeat([]byte{1}, ed25519.SeedSize)
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
	good := module(10)
	dir := t.TempDir()
	raw, text, short := filepath.Join(dir, "raw"), filepath.Join(dir, "text"), filepath.Join(dir, "short")
	signature := ed25519.Sign(private, good)
	err := errors.Join(
		os.WriteFile(raw, signature, 0o600),
		os.WriteFile(text, []byte(base64.StdEncoding.EncodeToString(signature)+"\n"), 0o600),
		os.WriteFile(short, signature[:60], 0o600))
	if err != nil {
		t.Fatal(err)
	}
	l := source.New(source.Options{Builtin: func(string) ([]byte, error) { return good, nil }})
	refused := "signature: it is not one of key " + base64.StdEncoding.EncodeToString(public) + " over this module"
	for _, row := range []struct {
		name string
		sig  filter.Signature
		want string
	}{
		{"value", filter.Signature{PublicKey: public, Value: signature}, ""},
		{"file", filter.Signature{PublicKey: public, File: raw}, ""},
		{"file in base64", filter.Signature{PublicKey: public, File: text}, ""},
		{"another key", filter.Signature{PublicKey: public, Value: ed25519.Sign(stranger, good)}, refused},
		{"another module", filter.Signature{PublicKey: public, Value: ed25519.Sign(private, module(11))}, refused},
		{"none", filter.Signature{PublicKey: public}, refused},
		{"no file", filter.Signature{PublicKey: public, File: raw + "x"}, "signature/file: "},
		{"short file", filter.Signature{PublicKey: public, File: short}, "want the 64 bytes of an Ed25519 signature"},
		{"short key", filter.Signature{PublicKey: public[:5], Value: signature}, "signature/public_key: want the 32 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := l.Load(t.Context(), &filter.Spec{Module: "builtin:a", Signature: &row.sig})
			if (err == nil) != (row.want == "") || (err != nil && !strings.Contains(err.Error(), row.want)) {
				t.Errorf("error %v\nwant  %s", err, row.want)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	write := func(name string, size int, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, size), 0o600),
			os.Chtimes(path, now.Add(-age), now.Add(-age)))
		if err != nil {
			t.Fatal(err)
		}
	}
	write("version/old", 100, 3*time.Hour)
	write("version/middle", 100, 2*time.Hour)
	write("version/new", 100, time.Hour)
	write("version/dead.123.tmp", 100, 2*time.Hour)
	write("version/alive.123.tmp", 100, time.Minute)
	write(source.CopyFolder+"/copy", 100, 9*time.Hour)
	for range 2 {
		if err := source.Prune(dir, 200); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{
		"version/old": false, "version/middle": true, "version/new": true, "version/dead.123.tmp": false,
		"version/alive.123.tmp": true, source.CopyFolder + "/copy": true,
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: is there %v, want %v", name, err == nil, want)
		}
	}
	if err := source.Prune(filepath.Join(dir, "none"), 1); err != nil {
		t.Errorf("no folder: %v", err)
	}
}

// TestCopiesAreBounded: what was used last stays, with several loaders at once.
func TestCopiesAreBounded(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		var size int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &size)
		_, _ = w.Write(module(size))
	}, func(o *source.Options) { o.MaxCopyBytes = 10_000 })
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 25 {
				size := 1000 + worker*25 + i
				s := &filter.Spec{Module: fmt.Sprintf("%s/%d", n.URL, size), SHA256: digest(module(size))}
				if _, err := n.Load(context.Background(), s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	files, err := os.ReadDir(n.dir)
	if err != nil || len(files) == 0 || len(files) > 10 {
		t.Errorf("%d copies, error %v, want at most 10", len(files), err)
	}
	if n.log.Len() > 0 {
		t.Errorf("log: %s", n.log.String())
	}
}
