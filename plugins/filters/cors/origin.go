package main

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// maxOriginBytes is more than an origin can have: a host name of 253 bytes, a
// scheme and a port.
const maxOriginBytes = 512

// origins says which origins are allowed. Exact ones are looked at first.
type origins struct {
	any, null bool
	exact     []string
	wildcards []wildcard
	patterns  []*regexp.Regexp
}

// wildcard stands for all names below one: "https://*.example.com:8443" is
// "https://" and ".example.com:8443".
type wildcard struct{ before, after string }

// allows reports whether an origin other than "*" is allowed. It allocates
// nothing where no regular expression is asked.
func (o *origins) allows(origin string) bool {
	for _, e := range o.exact {
		if e == origin {
			return true
		}
	}
	if origin == "null" {
		return o.null
	}
	if len(origin) > maxOriginBytes {
		return false
	}
	for i := range o.wildcards {
		if o.wildcards[i].covers(origin) {
			return true
		}
	}
	for _, p := range o.patterns {
		if p.MatchString(origin) {
			return true
		}
	}
	return false
}

func (w *wildcard) covers(origin string) bool {
	rest, ok := strings.CutPrefix(origin, w.before)
	if !ok {
		return false
	}
	labels, ok := strings.CutSuffix(rest, w.after)
	return ok && isHostName(labels)
}

// isHostName reports whether s is one or more labels: nothing that could hide
// another host, a port or a path.
func isHostName(s string) bool {
	empty := true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && empty:
			return false
		case c == '.':
			empty = true
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			empty = false
		default:
			return false
		}
	}
	return !empty
}

// readOrigins reads the list. Its errors begin with the element's place below
// config.
func readOrigins(list []string, credentials bool) (*origins, error) {
	if len(list) == 0 {
		return nil, errors.New("config/origins: name at least one origin")
	}
	o := &origins{}
	for i, text := range list {
		if err := o.add(text, credentials); err != nil {
			return nil, errors.New("config/origins/" + strconv.Itoa(i) + ": " + err.Error())
		}
	}
	return o, nil
}

func (o *origins) add(text string, credentials bool) error {
	expression, isPattern := strings.CutPrefix(text, "~")
	switch {
	case isPattern:
		return o.addPattern(expression, credentials)
	case text == "*" && credentials:
		return errors.New(`"*" together with credentials would let every page act as its visitor; list the origins`)
	case text == "*":
		o.any = true
		return nil
	case text == "null" && credentials:
		return errors.New(`"null" together with credentials would let every sandboxed page act as its visitor`)
	case text == "null":
		o.null = true
		return nil
	case strings.Contains(text, "*"):
		return o.addWildcard(text)
	}
	if err := checkOrigin(text); err != nil {
		return err
	}
	o.exact = append(o.exact, text)
	return nil
}

func (o *origins) addWildcard(text string) error {
	before, after, _ := strings.Cut(text, "*")
	if !strings.HasSuffix(before, "://") || !strings.HasPrefix(after, ".") || strings.Contains(after, "*") {
		return errors.New(`want "*" as the first label of the host, as in https://*.example.com`)
	}
	if err := checkOrigin(before + "x" + after); err != nil {
		return err
	}
	host, _, _ := strings.Cut(after[1:], ":")
	if !strings.Contains(host, ".") && host != "localhost" {
		return errors.New("names everything below " + host + ": want a domain of your own")
	}
	o.wildcards = append(o.wildcards, wildcard{before, after})
	return nil
}

// foreign are origins that nobody can have asked for.
var foreign = []string{"https://gatehouse-cors-probe.invalid", "https://gatehouse-cors-probe.invalid:8443", "http://gatehouse-cors-probe.invalid"}

func (o *origins) addPattern(expression string, credentials bool) error {
	// By itself first: put into the group, "a)|(b" would be whole again.
	if _, err := regexp.Compile(expression); err != nil {
		return err
	}
	p, err := regexp.Compile(`\A(?:` + expression + `)\z`)
	if err != nil {
		return err
	}
	if credentials {
		for _, origin := range foreign {
			if p.MatchString(origin) {
				return errors.New("matches every origin, which together with credentials would let every page act as its visitor")
			}
		}
	}
	o.patterns = append(o.patterns, p)
	return nil
}

// checkOrigin wants an origin as browsers serialise it (RFC 6454 §6.2), for it
// is compared byte by byte.
func checkOrigin(origin string) error {
	scheme, authority, ok := strings.Cut(origin, "://")
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return errors.New("want a port of 1 to 65535 behind the colon")
		}
	}
	switch {
	case !ok || scheme == "" || host == "":
		return errors.New("want scheme://host[:port]")
	case strings.ContainsAny(authority, "/?#"):
		return errors.New("want scheme://host[:port] without a path, not even a slash")
	case origin != strings.ToLower(origin):
		return errors.New("want lower case, as browsers send it")
	case host[0] != '[' && !isHostName(host):
		return errors.New("the host holds a byte that no host has; names of other scripts begin with xn--, as browsers send them")
	case scheme == "http" && port == "80", scheme == "https" && port == "443":
		return errors.New("leave out the default port, as browsers do")
	}
	return nil
}
