package filtertest

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// The gateway's bounds, by default.
const (
	maxOperations = 4096
	maxBody       = 8 << 20
)

// check says which grant an operation lacks, or else what is wrong with it. The
// rules are those of the gateway: pluginspec/filter/v1/testdata/apply.json holds
// both to them.
func (g *gateway) check(o *filterv1.Operation, replies int) (grant, why string) {
	name := string(o.Name)
	switch o.Op {
	case filterv1.OpSetHeader, filterv1.OpAddHeader, filterv1.OpRemoveHeader:
		switch why = checkField(name, string(o.Value)); {
		case why != "":
		case g.hidden(name):
			return g.grantOf(name), ""
		case strings.EqualFold(name, "Host"):
			why = "Host is not a header field to change"
		}
	case filterv1.OpSetResponseHeader, filterv1.OpAddResponseHeader, filterv1.OpRemoveResponseHeader, filterv1.OpMergeResponseHeader:
		why = checkField(name, string(o.Value))
	case filterv1.OpSetAttribute:
		if name == "" || name[0] == 0 || strings.HasPrefix(name, "claim.") {
			why = "attributes without a name and claim.* are the host's"
		}
	case filterv1.OpSetMethod:
		if !isToken(name) {
			why = "the method is not a token"
		}
	case filterv1.OpSetURI:
		if _, _, err := target(name); err != nil {
			why = err.Error()
		}
	case filterv1.OpReply:
		switch {
		case replies > 1 || g.answered:
			why = "the request is answered already"
		case o.Status < 200 || o.Status > 599:
			why = "a reply's status is 200 to 599"
		case len(o.Value) > maxBody:
			why = "the reply's body is too large"
		case strings.ContainsFunc(name, control):
			why = "the header's value holds a control byte"
		}
	}
	return "", why
}

func checkField(name, value string) string {
	switch {
	case name == "":
		return "a header without a name"
	case !isToken(name):
		return "the header's name is not a token"
	case strings.ContainsFunc(value, control):
		return "the header's value holds a control byte"
	}
	return ""
}

// target reads a request target in origin form, and refuses what gateway and
// upstream could read differently, as the gateway does.
func target(uri string) (path, query string, err error) {
	raw, query, _ := strings.Cut(uri, "?")
	if raw == "" || raw[0] != '/' {
		return "", "", errors.New("path does not start with a slash")
	}
	if path, err = url.PathUnescape(raw); err != nil {
		return "", "", errors.New("path holds a broken escape")
	}
	switch escaped := strings.ToLower(raw); {
	case strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") || strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "", "", errors.New("path holds an encoded slash or control byte")
	case strings.ContainsFunc(raw, func(c rune) bool { return strings.ContainsRune(" \\#\"<>", c) }):
		return "", "", errors.New("path holds a byte that must be encoded")
	case !utf8.ValidString(path):
		return "", "", errors.New("path is not UTF-8")
	case strings.Contains(path, "//"):
		return "", "", errors.New("path holds an empty segment")
	case strings.ContainsFunc(query, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }):
		return "", "", errors.New("query holds a space, a control byte or a fragment")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return "", "", errors.New("path holds a dot segment")
		}
	}
	return path, query, nil
}
