// Command cors is the built-in filter for cross-origin requests (Fetch
// standard, "HTTP extensions").
//
// It answers preflights and adds header fields to responses, whoever answers.
// It is no access control: a request from a foreign origin passes, and the
// browser keeps the response from the page.
package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse.example/sdk/filter"
)

// Config is the configuration of the filter.
type Config struct {
	Origins        []string         `json:"origins" doc:"allowed origins, exact: scheme://host[:port]; \"*\" allows any where credentials is false"`
	Methods        []string         `json:"methods" doc:"methods that a preflight allows"`
	Headers        []string         `json:"headers" doc:"request header fields that a preflight allows; \"*\" allows what is asked for"`
	ExposedHeaders []string         `json:"exposed_headers" doc:"response header fields that pages may read"`
	Credentials    bool             `json:"credentials" doc:"whether pages may send cookies and read the response"`
	MaxAge         *filter.Duration `json:"max_age" doc:"how long a browser may keep a preflight's answer; default 10m"`
}

type cors struct {
	origins                          []string
	anyOrigin, anyHeader, credential bool
	methods, headers, exposed, age   string
}

func newFilter(_ *filter.Setup, c Config) (*cors, error) {
	f := &cors{credential: c.Credentials, age: "600"}
	if len(c.Origins) == 0 {
		return nil, errors.New("config/origins: name at least one origin")
	}
	for i, origin := range c.Origins {
		if origin == "*" {
			f.anyOrigin = true
			continue
		}
		if err := checkOrigin(origin); err != nil {
			return nil, errors.New("config/origins/" + strconv.Itoa(i) + ": " + err.Error())
		}
		f.origins = append(f.origins, origin)
	}
	if f.anyOrigin && c.Credentials {
		return nil, errors.New(`config/origins: "*" together with credentials would let every page act as its visitor; list the origins`)
	}
	if c.Methods == nil {
		c.Methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	}
	if c.Headers == nil {
		c.Headers = []string{"API-Version", "Authorization", "Content-Type", "DPoP", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-API-Key", "X-Request-Id"}
	}
	if c.ExposedHeaders == nil {
		c.ExposedHeaders = []string{"API-Version", "ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id"}
	}
	if c.MaxAge != nil {
		f.age = strconv.FormatInt(int64(time.Duration(*c.MaxAge)/time.Second), 10)
	}
	f.anyHeader = slices.Contains(c.Headers, "*")
	for field, list := range map[string][]string{"methods": c.Methods, "headers": c.Headers, "exposed_headers": c.ExposedHeaders} {
		for i, name := range list {
			if !isToken(name) {
				return nil, errors.New("config/" + field + "/" + strconv.Itoa(i) + ": want a name")
			}
		}
	}
	f.methods = strings.Join(c.Methods, ", ")
	f.headers = strings.Join(c.Headers, ", ")
	f.exposed = strings.Join(c.ExposedHeaders, ", ")
	return f, nil
}

// checkOrigin wants an origin as browsers serialise it (RFC 6454 §6.2), for it
// is compared byte by byte.
func checkOrigin(origin string) error {
	scheme, host, ok := strings.Cut(origin, "://")
	switch {
	case origin == "null":
		return errors.New(`"null" is every sandboxed page and cannot be allowed`)
	case !ok || scheme == "" || host == "" || strings.ContainsAny(host, "/?#@*\" \t\r\n"):
		return errors.New("want scheme://host[:port] without a path")
	case origin != strings.ToLower(origin):
		return errors.New("want lower case, as browsers send it")
	case scheme == "http" && strings.HasSuffix(host, ":80"), scheme == "https" && strings.HasSuffix(host, ":443"):
		return errors.New("leave out the default port, as browsers do")
	}
	return nil
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// HandleRequest answers a preflight and prepares the response of any other
// request. Vary is there in every branch, also without Origin: a cache must
// not serve one origin's answer to another.
func (f *cors) HandleRequest(r *filter.Request) filter.Action {
	if !f.anyOrigin {
		r.MergeResponseHeader("Vary", "Origin")
	}
	origin, cross := r.LookupHeader("Origin")
	method, asks := r.LookupHeader("Access-Control-Request-Method")
	if cross && asks && method != "" && r.Method() == "OPTIONS" {
		return f.preflight(r, origin)
	}
	if cross && f.allow(r, origin) && f.exposed != "" {
		r.SetResponseHeader("Access-Control-Expose-Headers", f.exposed)
	}
	return filter.Next
}

// allow says that the origin may read the response, if it may.
func (f *cors) allow(r *filter.Request, origin string) bool {
	switch {
	case slices.Contains(f.origins, origin) && !f.anyOrigin:
		r.SetResponseHeader("Access-Control-Allow-Origin", origin)
	case f.anyOrigin:
		r.SetResponseHeader("Access-Control-Allow-Origin", "*")
	default:
		// What the upstream may say of its own would open what is closed here.
		r.RemoveResponseHeader("Access-Control-Allow-Origin")
		r.RemoveResponseHeader("Access-Control-Allow-Credentials")
		return false
	}
	if f.credential {
		r.SetResponseHeader("Access-Control-Allow-Credentials", "true")
	} else {
		r.RemoveResponseHeader("Access-Control-Allow-Credentials")
	}
	return true
}

func (f *cors) preflight(r *filter.Request, origin string) filter.Action {
	r.MergeResponseHeader("Vary", "Access-Control-Request-Method")
	r.MergeResponseHeader("Vary", "Access-Control-Request-Headers")
	if !f.allow(r, origin) {
		return r.Problem(403, "Forbidden", "origin_not_allowed", "This origin is not allowed.")
	}
	r.SetResponseHeader("Access-Control-Allow-Methods", f.methods)
	if !f.anyHeader {
		r.SetResponseHeader("Access-Control-Allow-Headers", f.headers)
	} else if asked := r.Header("Access-Control-Request-Headers"); asked != "" {
		r.SetResponseHeader("Access-Control-Allow-Headers", asked)
	}
	r.SetResponseHeader("Access-Control-Max-Age", f.age)
	return r.Reply(204, "", nil)
}

var _ = filter.Register("cors", newFilter)

func main() {}
