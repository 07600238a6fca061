package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/internal/outbound"
)

const (
	maxRedirects = 4
	// touchAfter is how old the time of a copy becomes before a use renews it.
	touchAfter = time.Hour
)

// newClient returns a client that follows no redirect by itself, since the
// next address may be one that the operator did not write.
func newClient(o Options, operatorNamed bool) *http.Client {
	out := o.Outbound
	out.OperatorNamed = operatorNamed
	out.Timeout = 2 * o.Timeout // the context ends earlier
	// What one filter may have is bounded where the answer is read.
	out.MaxResponseBytes = 1 << 40
	client := outbound.NewClient(out)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}

// remote returns a module of the network: its copy, if there is a sound one.
func (l *Loader) remote(ctx context.Context, s *filter.Spec, limit int64) ([]byte, error) {
	if len(s.SHA256) != 64 {
		return nil, fmt.Errorf("sha256: %s comes from the network: pin it", s.Module)
	}
	binary, damage := l.readCopy(s.SHA256, limit)
	if binary != nil {
		return binary, nil
	}
	if damage != nil {
		l.options.Logger.LogAttrs(ctx, slog.LevelWarn, "copy of a filter's module is not used, fetching it again",
			slog.String("module", s.Module), slog.Any("error", damage))
	}
	binary, err := l.fetch(ctx, s.Module, limit)
	if err != nil {
		return nil, err
	}
	if err := checkDigest(binary, s.SHA256); err != nil {
		return nil, err
	}
	if err := l.keepCopy(s.SHA256, binary); err != nil {
		// The module is good; it is the next start without a network that
		// will miss the copy.
		l.options.Logger.LogAttrs(ctx, slog.LevelWarn, "copy of a filter's module cannot be kept",
			slog.String("module", s.Module), slog.Any("error", err))
	}
	return binary, nil
}

// readCopy returns the copy of that digest; nil where there is none. The error
// says what is wrong with one that is there.
func (l *Loader) readCopy(digest string, limit int64) ([]byte, error) {
	if l.options.CopyDir == "" {
		return nil, nil
	}
	path := l.copyFile(digest)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	binary, err := ReadFile(path, limit)
	if err != nil {
		return nil, err
	}
	if have := digestOf(binary); have != digest {
		return nil, fmt.Errorf("%s: damaged: its sha256 is %s", path, have)
	}
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > touchAfter {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // only the order of pruning depends on it
	}
	return binary, nil
}

// keepCopy writes a copy that is complete whenever it can be seen.
func (l *Loader) keepCopy(digest string, binary []byte) (err error) {
	dir := l.options.CopyDir
	if dir == "" {
		return nil
	}
	if err := privateFolder(dir); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, digest+".*"+temporarySuffix) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		file.Close()
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	if _, err = file.Write(binary); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), l.copyFile(digest)); err != nil {
		return err
	}
	return Prune(dir, l.options.MaxCopyBytes)
}

func privateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s: others may write to it: chmod 700 %s", dir, filepath.Clean(dir))
	}
	return nil
}

// fetch downloads a module.
func (l *Loader) fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	response, err := l.follow(ctx, address)
	if err != nil {
		return nil, l.explain(ctx, address, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("module: fetch %s: the server answers %s: correct the address", address, response.Status)
	}
	if err := checkSize(response.ContentLength, limit); err != nil {
		return nil, err
	}
	binary, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, l.explain(ctx, address, err)
	}
	if int64(len(binary)) > limit {
		return nil, fmt.Errorf("limits/module: %s sends more than the allowed %d bytes: raise limits.module if it is meant to be so large", address, limit)
	}
	return binary, nil
}

// follow requests address. A redirect leads to the same host, which the
// operator named, or to a public network; never away from https.
func (l *Loader) follow(ctx context.Context, address string) (*http.Response, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	named := at.Host
	for range maxRedirects + 1 {
		if at.Scheme != "https" {
			return nil, fmt.Errorf("%w: redirect to scheme %q", outbound.ErrRefused, at.Scheme)
		}
		client := l.public
		if at.Host == named {
			client = l.named
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Accept", "application/wasm, application/octet-stream")
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		if response.StatusCode < 300 || response.StatusCode > 399 {
			return response, nil
		}
		next, err := response.Location()
		_ = response.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("%s without a new address: %w", response.Status, err)
		}
		at = next
	}
	return nil, fmt.Errorf("%w: more than %d redirects", outbound.ErrRefused, maxRedirects)
}

// explain says what became of a fetch, and what would have helped.
func (l *Loader) explain(ctx context.Context, address string, err error) error {
	// The address stands in front already.
	if in, ok := errors.AsType[*url.Error](err); ok {
		err = in.Err
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no whole answer within %s", l.options.Timeout)
	}
	return fmt.Errorf("module: fetch %s: %w (there is no copy of it here)", address, err)
}

// Close ends idle connections.
func (l *Loader) Close() {
	l.named.CloseIdleConnections()
	l.public.CloseIdleConnections()
}
