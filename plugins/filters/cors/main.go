// Command cors is the built-in filter for cross-origin requests (Fetch
// standard, "HTTP extensions").
//
// It answers preflights and adds header fields to responses, whoever answers;
// what an upstream says about origins is replaced. It is no access control: a
// request from a foreign origin passes, and the browser keeps the response from
// the page.
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
	Origins             []string         `json:"origins" doc:"allowed origins: exact (scheme://host[:port]); https://*.example.com for all names below example.com, not itself; \"~\" and a regular expression, which must match the whole origin; \"null\"; \"*\" for any, where credentials is false"`
	Methods             []string         `json:"methods" doc:"methods that a preflight allows; \"*\" allows what is asked for"`
	Headers             []string         `json:"headers" doc:"request header fields that a preflight allows; \"*\" allows what is asked for"`
	ExposedHeaders      []string         `json:"exposed_headers" doc:"response header fields that pages may read; \"*\" for all where credentials is false"`
	Credentials         bool             `json:"credentials" doc:"whether pages may send cookies and read the response"`
	MaxAge              *filter.Duration `json:"max_age" doc:"how long a browser may keep a preflight's answer; default 10m, 0s forbids it"`
	AllowPrivateNetwork bool             `json:"allow_private_network" doc:"whether pages of public sites may reach this gateway in a private network"`
}

type cors struct {
	origins                        *origins
	anyMethod, anyHeader           bool
	credentials, privateNetwork    bool
	methods, headers, exposed, age string
}

var (
	defaultMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	defaultHeaders = []string{"API-Version", "Authorization", "Content-Type", "DPoP", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-API-Key", "X-Request-Id"}
	defaultExposed = []string{"API-Version", "ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id"}
)

func newFilter(_ *filter.Setup, c Config) (*cors, error) {
	f := &cors{credentials: c.Credentials, privateNetwork: c.AllowPrivateNetwork, age: "600"}
	var err error
	if f.origins, err = readOrigins(c.Origins, c.Credentials); err != nil {
		return nil, err
	}
	if c.AllowPrivateNetwork && f.origins.any {
		return nil, errors.New(`config/allow_private_network: "*" under origins would let every page reach the private network; list the origins`)
	}
	if f.methods, f.anyMethod, err = readNames("methods", c.Methods, defaultMethods, checkMethod); err != nil {
		return nil, err
	}
	if f.headers, f.anyHeader, err = readNames("headers", c.Headers, defaultHeaders, nil); err != nil {
		return nil, err
	}
	var anyExposed bool
	if f.exposed, anyExposed, err = readNames("exposed_headers", c.ExposedHeaders, defaultExposed, nil); err != nil {
		return nil, err
	}
	switch {
	case anyExposed && c.Credentials:
		return nil, errors.New(`config/exposed_headers: with credentials, "*" is a field of that name to browsers; list the names`)
	case anyExposed:
		f.exposed = "*"
	}
	if c.MaxAge != nil {
		if *c.MaxAge < 0 {
			return nil, errors.New("config/max_age: want 0s or more")
		}
		f.age = strconv.FormatInt(int64(time.Duration(*c.MaxAge)/time.Second), 10)
	}
	return f, nil
}

// readNames joins names and says whether "*" is among them.
func readNames(field string, names, otherwise []string, check func(string) error) (list string, any bool, err error) {
	if names == nil {
		names = otherwise
	}
	for i, name := range names {
		err := error(nil)
		switch {
		case !isToken(name):
			err = errors.New("want a name")
		case check != nil:
			err = check(name)
		}
		if err != nil {
			return "", false, errors.New("config/" + field + "/" + strconv.Itoa(i) + ": " + err.Error())
		}
	}
	return strings.Join(names, ", "), slices.Contains(names, "*"), nil
}

// checkMethod refuses what browsers never send, and what they compare in
// another case (Fetch §2.2.1).
func checkMethod(name string) error {
	switch upper := strings.ToUpper(name); upper {
	case "CONNECT", "TRACE", "TRACK":
		return errors.New("browsers never send " + upper)
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY":
		if name != upper {
			return errors.New("want " + upper + ": methods are compared with their case")
		}
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
// request. Vary is there in every branch where the answer depends on the
// origin, also without one: a cache must not serve one origin's answer to
// another. Where any origin is allowed, all get the same.
func (f *cors) HandleRequest(r *filter.Request) filter.Action {
	origin, cross := r.LookupHeader("Origin")
	if !f.origins.any {
		r.MergeResponseHeader("Vary", "Origin")
	}
	if r.Method() == "OPTIONS" {
		// Whether it is a preflight depends on these.
		if f.origins.any {
			r.MergeResponseHeader("Vary", "Origin")
		}
		r.MergeResponseHeader("Vary", "Access-Control-Request-Method")
		if method, asks := r.LookupHeader("Access-Control-Request-Method"); cross && asks && method != "" {
			return f.preflight(r, origin, method)
		}
	}
	if f.allow(r, origin, cross) && f.exposed != "" {
		r.SetResponseHeader("Access-Control-Expose-Headers", f.exposed)
	} else {
		r.RemoveResponseHeader("Access-Control-Expose-Headers")
	}
	return filter.Next
}

// allow says that the origin may read the response, if it may. What the
// upstream says of its own would open what is closed here, so it goes.
func (f *cors) allow(r *filter.Request, origin string, cross bool) bool {
	allowed := true
	switch {
	case f.origins.any:
		// Without Origin as well, so that a cache may keep one answer for all.
		r.SetResponseHeader("Access-Control-Allow-Origin", "*")
	case cross && f.origins.allows(origin):
		r.SetResponseHeader("Access-Control-Allow-Origin", origin)
	default:
		r.RemoveResponseHeader("Access-Control-Allow-Origin")
		allowed = false
	}
	if allowed && f.credentials {
		r.SetResponseHeader("Access-Control-Allow-Credentials", "true")
	} else {
		r.RemoveResponseHeader("Access-Control-Allow-Credentials")
	}
	return allowed
}

func (f *cors) preflight(r *filter.Request, origin, method string) filter.Action {
	r.MergeResponseHeader("Vary", "Access-Control-Request-Headers")
	if f.privateNetwork {
		r.MergeResponseHeader("Vary", requestPrivateNetwork)
		r.MergeResponseHeader("Vary", requestLocalNetwork)
	}
	if !f.allow(r, origin, true) {
		return r.Problem(403, "Forbidden", "origin_not_allowed", "This origin is not allowed.")
	}
	// Never "*", which is literal where there are credentials, and means
	// anything but Authorization where there are none (Fetch, "CORS protocol and
	// credentials").
	methods, headers := f.methods, f.headers
	if f.anyMethod {
		methods = method
	}
	if f.anyHeader {
		headers = r.Header("Access-Control-Request-Headers")
	}
	if methods != "" {
		r.SetResponseHeader("Access-Control-Allow-Methods", methods)
	}
	if headers != "" {
		r.SetResponseHeader("Access-Control-Allow-Headers", headers)
	}
	if f.privateNetwork {
		allowNetwork(r)
	}
	r.SetResponseHeader("Access-Control-Max-Age", f.age)
	return r.Reply(204, "", nil)
}

// The fields by which a browser asks whether a page of a public site may reach
// a private network: that of Private Network Access, which Chromium has sent,
// and the name that the draft gave it later. Local Network Access as it is now
// asks the visitor and has no field.
const (
	requestPrivateNetwork = "Access-Control-Request-Private-Network"
	requestLocalNetwork   = "Access-Control-Request-Local-Network"
)

func allowNetwork(r *filter.Request) {
	if r.Header(requestPrivateNetwork) == "true" {
		r.SetResponseHeader("Access-Control-Allow-Private-Network", "true")
	}
	if r.Header(requestLocalNetwork) == "true" {
		r.SetResponseHeader("Access-Control-Allow-Local-Network", "true")
	}
}

var registration = filter.Register("cors", newFilter)

func main() {}
