package capability

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
)

const (
	maxHTTPFields   = 256
	maxHTTPURLBytes = 8 << 10
)

// readRequest decodes what a filter hands to http_call. What it returns shares
// no memory with p.
func readRequest(p []byte) (*http.Request, error) {
	r := filterv1.NewReader(p)
	method, address, count := string(r.Bytes()), string(r.Bytes()), r.Uint32()
	if !r.OK() || count > maxHTTPFields {
		return nil, errors.New("the request is malformed, or has more than 256 header fields")
	}
	if !exchange.ValidFieldName(method) || method == http.MethodConnect || method == http.MethodTrace {
		return nil, errors.New("the method is no token, or CONNECT or TRACE")
	}
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	header := http.Header{"User-Agent": {"Gatehouse"}}
	seen := false
	for range count {
		name, value := string(r.Bytes()), string(r.Bytes())
		if !r.OK() {
			return nil, errors.New("the request is malformed")
		}
		if err := checkRequestField(name, value); err != nil {
			return nil, err
		}
		if !seen && strings.EqualFold(name, "User-Agent") {
			seen = true
			header.Del(name)
		}
		header.Add(name, value)
	}
	body := bytes.Clone(r.Bytes())
	if !r.OK() || r.Len() > 0 {
		return nil, errors.New("the request is malformed")
	}
	// With a reader of bytes, the length is known and the body can be sent
	// again where an idle connection turns out to be closed.
	request, err := http.NewRequest(method, "http://invalid/", bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request is malformed")
	}
	request.URL, request.Host, request.Header = u, u.Host, header
	return request, nil
}

func checkRequestField(name, value string) error {
	if !exchange.ValidFieldName(name) || !exchange.ValidFieldValue(value) {
		return errors.New("a header field's name is no token, or its value holds a control byte")
	}
	switch strings.ToLower(name) {
	case "host", "content-length", "connection", "proxy-connection", "keep-alive", "te", "trailer",
		"transfer-encoding", "upgrade", "expect", "proxy-authorization", "proxy-authenticate", "http2-settings":
		return fmt.Errorf("header field %s is the host's", name)
	}
	return nil
}

// parseAddress reads a URL that can be read in one way only.
func parseAddress(text string) (*url.URL, error) {
	if len(text) > maxHTTPURLBytes {
		return nil, errors.New("the URL is longer than 8 KiB")
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return nil, errors.New("the URL holds a byte that must be encoded")
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the URL is malformed")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.Opaque != "":
		return nil, errors.New("the URL is not https://HOST/PATH")
	case u.User != nil || strings.Contains(text, "#"):
		return nil, errors.New("the URL holds a user or a fragment")
	case strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("the URL holds an empty port")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if _, err := exchange.CleanPath(u.EscapedPath()); err != nil {
		return nil, fmt.Errorf("the URL: %w", err)
	}
	return u, nil
}

// allowed is an address that the operator has listed: everything below its
// path may be called.
type allowed struct{ scheme, host, port, path string }

func parseAllowed(text string) (allowed, error) {
	u, err := parseAddress(text)
	if err != nil {
		return allowed{}, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return allowed{}, errors.New("the URL holds a query")
	}
	a := allowed{scheme: u.Scheme, path: u.Path}
	a.host, a.port = hostPort(u)
	if ip := net.ParseIP(a.host); a.scheme == "http" && a.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return allowed{}, errors.New("http is for the machine itself alone: use https")
	}
	return a, nil
}

func hostPort(u *url.URL) (host, port string) {
	host, port = strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return host, port
}

// covers reports whether u begins with a, whole segments of the path compared.
func (a *allowed) covers(u *url.URL) bool {
	host, port := hostPort(u)
	if u.Scheme != a.scheme || host != a.host || port != a.port {
		return false
	}
	rest, ok := strings.CutPrefix(u.Path, a.path)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(a.path, "/"))
}
