package capability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"gatehouse.example/internal/jose"
)

const (
	// maxDocumentBytes bounds key sets, metadata and introspection answers.
	maxDocumentBytes = 1 << 20
	// metadataAge is how long an issuer's word about where its keys are counts.
	metadataAge = time.Hour
	// A file is looked at again after fileAge: reading it costs little.
	fileAge, fileMinAge = 2 * time.Second, time.Second
)

// keySource is where the keys of an issuer are. Policies of the same source
// share it.
type keySource struct{ set *jose.RemoteSet }

var _ jose.Set = (*keySource)(nil)

// Key implements [jose.Set].
func (s *keySource) Key(ctx context.Context, kid, alg string) (jose.Key, error) {
	return s.set.Key(ctx, kid, alg)
}

// keysAt returns the keys behind a URL.
func (v *TokenVerifier) keysAt(address string) *keySource {
	return v.sources.get("uri "+address, func() *keySource {
		return &keySource{jose.NewRemoteSet(jose.RemoteOptions{URL: address, Client: v.options.OperatorClient, Now: v.options.Now})}
	})
}

// keysIn returns the keys in a file.
func (v *TokenVerifier) keysIn(file string) *keySource {
	return v.sources.get("file "+file, func() *keySource {
		return &keySource{jose.NewRemoteSet(jose.RemoteOptions{
			URL: file, Now: v.options.Now, Refresh: fileAge, MinRefresh: fileMinAge,
			Fetch: func(context.Context) ([]byte, error) { return readSmall(file) },
		})}
	})
}

// keysOf returns the keys that an issuer's metadata names.
func (v *TokenVerifier) keysOf(issuer string) *keySource {
	return v.sources.get("issuer "+issuer, func() *keySource {
		d := &discovery{issuer: issuer, operator: v.options.OperatorClient, public: v.options.PublicClient, now: v.options.Now}
		return &keySource{jose.NewRemoteSet(jose.RemoteOptions{URL: issuer, Fetch: d.fetch, Now: v.options.Now})}
	})
}

// readSmall reads a file that an operator named.
func readSmall(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocumentBytes+1))
	if err == nil && len(data) > maxDocumentBytes {
		err = fmt.Errorf("longer than %d bytes", maxDocumentBytes)
	}
	return data, err
}

// discovery follows an issuer's metadata (OpenID Connect Discovery §4, RFC 8414
// §3) to its keys.
type discovery struct {
	issuer           string
	operator, public *http.Client
	now              func() time.Time

	mu      sync.Mutex
	jwksURI string
	at      time.Time
}

// fetch gets the key set. It is called by one goroutine at a time.
func (d *discovery) fetch(ctx context.Context) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.jwksURI == "" || d.now().Sub(d.at) > metadataAge {
		address, err := d.discover(ctx)
		if err != nil {
			return nil, err
		}
		d.jwksURI, d.at = address, d.now()
	}
	// The operator named the issuer and not this: elsewhere it must be public.
	client := d.public
	if sameOrigin(d.issuer, d.jwksURI) {
		client = d.operator
	}
	data, err := getDocument(ctx, client, d.jwksURI)
	if err != nil {
		d.jwksURI = "" // it may have moved
	}
	return data, err
}

func (d *discovery) discover(ctx context.Context) (string, error) {
	var errs []error
	for _, address := range metadataAddresses(d.issuer) {
		data, err := getDocument(ctx, d.operator, address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var metadata struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(data, &metadata); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", address, err))
			continue
		}
		// RFC 8414 §3.3: another's metadata must not be used.
		if metadata.Issuer != d.issuer {
			errs = append(errs, fmt.Errorf("%s is the metadata of %q", address, metadata.Issuer))
			continue
		}
		if err := checkAddress(metadata.JWKSURI); err != nil {
			errs = append(errs, fmt.Errorf("%s: jwks_uri: %w", address, err))
			continue
		}
		return metadata.JWKSURI, nil
	}
	return "", fmt.Errorf("discover keys: %w", errors.Join(errs...))
}

// metadataAddresses are where an issuer's metadata may be: OpenID Connect
// appends to the issuer, RFC 8414 §3.1 inserts before its path.
func metadataAddresses(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	return []string{
		origin + path + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-authorization-server" + path,
	}
}

func sameOrigin(a, b string) bool {
	x, err1 := url.Parse(a)
	y, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

func getDocument(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: status %s", address, response.Status)
	}
	data, err := readBounded(response.Body)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", address, err)
	}
	return data, nil
}

// checkAddress reports why nobody fetches from address.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname())) {
		return fmt.Errorf("%q: want https://HOST/PATH (http for the machine itself alone), without user and fragment", address)
	}
	return nil
}

func loopbackHost(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
