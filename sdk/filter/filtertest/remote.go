package filtertest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// maxAnswerBytes bounds the body of an answer, as the gateway does.
const maxAnswerBytes = 1 << 20

type remote struct {
	allow   *url.URL
	handler http.Handler
}

// Remote grants "http" and lets h answer the requests that the filter sends to
// prefix and below, as if the operator had listed prefix under http.allow. A
// request to anywhere else is refused. Where the filter gives a timeout, the
// request's context ends then, and so does the call.
func Remote(prefix string, h http.Handler) Option {
	return func(g *gateway) {
		u, err := parseURL(prefix)
		if err != nil {
			g.t.Fatalf("remote %q: %v", prefix, err)
		}
		g.grants[filterv1.GrantHTTP] = true
		g.remotes = append(g.remotes, remote{u, h})
	}
}

// HTTPCall implements host.Services.
func (g *gateway) HTTPCall(request []byte, timeout uint32) int {
	g.answer = nil
	if !g.granted(filterv1.GrantHTTP) {
		return -int(filterv1.StatusNotGranted)
	}
	r, err := readRequest(request)
	if err != nil {
		return -int(g.refuse(filterv1.StatusBadArgument, err.Error()))
	}
	i := slices.IndexFunc(g.remotes, func(o remote) bool { return covers(o.allow, r.URL) })
	if i < 0 {
		return -int(g.refuse(filterv1.StatusNotGranted, r.URL.Scheme+"://"+r.URL.Host+r.URL.Path+" is not listed under http.allow"))
	}
	ctx, cancel := context.WithCancel(context.Background())
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(timeout)*time.Millisecond)
	}
	defer cancel()
	recorder := httptest.NewRecorder()
	g.remotes[i].handler.ServeHTTP(recorder, r.WithContext(ctx))
	if ctx.Err() != nil {
		return -int(g.refuse(filterv1.StatusUnavailable, ctx.Err().Error()))
	}
	answer := recorder.Result()
	if recorder.Body.Len() > maxAnswerBytes {
		return -int(g.refuse(filterv1.StatusTooLarge, "answer is too large"))
	}
	b := filterv1.AppendUint32(nil, uint32(answer.StatusCode))
	var fields []byte
	count := uint32(0)
	for name, values := range answer.Header {
		for _, v := range values {
			fields = filterv1.AppendString(filterv1.AppendLower(fields, name), v)
			count++
		}
	}
	b = append(filterv1.AppendUint32(b, count), fields...)
	g.answer = filterv1.AppendBytes(b, recorder.Body.Bytes())
	return len(g.answer)
}

// HTTPResponse implements host.Services.
func (g *gateway) HTTPResponse(buf []byte) int {
	if g.answer == nil {
		return int(filterv1.Absent)
	}
	return put(buf, string(g.answer))
}

// ownFields are the fields that a filter may not set.
var ownFields = []string{
	"host", "content-length", "connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding",
	"upgrade", "expect", "proxy-authorization", "proxy-authenticate", "http2-settings",
}

func readRequest(p []byte) (*http.Request, error) {
	d := filterv1.NewReader(p)
	method, address, count := string(d.Bytes()), string(d.Bytes()), d.Uint32()
	if !d.OK() || !isToken(method) || method == http.MethodConnect || method == http.MethodTrace {
		return nil, errors.New("the method is no token, or CONNECT or TRACE")
	}
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for range count {
		name, value := string(d.Bytes()), string(d.Bytes())
		if !d.OK() {
			break
		}
		if !isToken(name) || slices.Contains(ownFields, strings.ToLower(name)) || strings.ContainsFunc(value, control) {
			return nil, errors.New("header field " + name + " is malformed, or the host's")
		}
		header.Add(name, value)
	}
	body := bytes.Clone(d.Bytes())
	if !d.OK() || d.Len() > 0 {
		return nil, errors.New("the request is malformed")
	}
	r := httptest.NewRequest(method, u.String(), bytes.NewReader(body))
	r.Header = header
	return r, nil
}

func control(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// parseURL reads a URL that can be read in one way only.
func parseURL(text string) (*url.URL, error) {
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' || c == '#' }) {
		return nil, errors.New("the URL holds a byte that must be encoded, or a fragment")
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil || strings.HasSuffix(u.Host, ":") {
		return nil, errors.New("the URL is not https://HOST/PATH")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return nil, errors.New("the URL holds a dot segment")
		}
	}
	if escaped := strings.ToLower(u.EscapedPath()); strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") || strings.Contains(escaped, "//") {
		return nil, errors.New("the URL holds an encoded slash or an empty segment")
	}
	return u, nil
}

func covers(allow, u *url.URL) bool {
	port := func(u *url.URL) string {
		if u.Port() == "" {
			return map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		return u.Port()
	}
	rest, below := strings.CutPrefix(u.Path, allow.Path)
	return u.Scheme == allow.Scheme && strings.EqualFold(u.Hostname(), allow.Hostname()) && port(u) == port(allow) &&
		below && (rest == "" || rest[0] == '/' || strings.HasSuffix(allow.Path, "/"))
}
