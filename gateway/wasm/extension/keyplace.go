package extension

import (
	"net/url"
	"strings"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/capability"
)

// presented is what a request's places hold of a key.
type presented struct {
	key   string
	found bool
	// ambiguous is whether there is no single key: an empty one, two in one
	// place, or different ones.
	ambiguous bool
}

func (p *presented) add(value string, count int) {
	if count == 0 {
		return
	}
	if count > 1 || value == "" || p.found && value != p.key {
		p.ambiguous = true
	}
	p.key, p.found = value, true
}

// takeKey takes the key out of the places of the request, whatever it is worth:
// nobody behind needs it, and a filter or an upstream that logs what it sees
// must not have it.
func takeKey(ex *exchange.Exchange, policy *capability.KeyPolicy) presented {
	var p presented
	r := &ex.Request
	if policy.Header != "" {
		value, count := only(&r.Header, policy.Header)
		p.add(value, count)
		if count > 0 {
			r.Header.Del(policy.Header)
		}
	}
	if policy.Cookie != "" {
		p.add(takeCookie(&r.Header, policy.Cookie))
	}
	if policy.Query != "" {
		// The access log shows the query as the client has sent it.
		ex.HideQueryParameter(policy.Query)
		rest, value, count := cutQuery(r.Query, policy.Query)
		p.add(value, count)
		if count > 0 {
			r.Query = rest
		}
	}
	return p
}

// takeCookie removes the cookies of that name, and leaves the others as they
// are. Several Cookie fields become one then (RFC 9113 §8.2.3).
func takeCookie(h *exchange.Header, name string) (value string, count int) {
	var rest []string
	for i := range h.Len() {
		f := h.At(i)
		if !strings.EqualFold(f.Name, "Cookie") {
			continue
		}
		kept, v, n := cutCookie(f.Value, name)
		if n > 0 {
			value, count = v, count+n
		}
		if kept != "" {
			rest = append(rest, kept)
		}
	}
	switch {
	case count == 0:
	case len(rest) == 0:
		h.Del("Cookie")
	default:
		h.Set("Cookie", strings.Join(rest, "; "))
	}
	return value, count
}

// cutCookie is cut for a Cookie field (RFC 6265 §4.2.1).
func cutCookie(field, name string) (rest, value string, count int) {
	return cut(field, ';', func(pair string) (string, bool) {
		n, v, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !ok || strings.TrimRight(n, " \t") != name {
			return "", false
		}
		v = strings.Trim(v, " \t")
		if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		return v, true
	})
}

// cutQuery is cut for a query as forms write it. A value that cannot be decoded
// counts as it is: it is no key.
func cutQuery(query, name string) (rest, value string, count int) {
	return cut(query, '&', func(pair string) (string, bool) {
		n, v, _ := strings.Cut(pair, "=")
		if n != name {
			if !strings.ContainsAny(n, "%+") {
				return "", false
			}
			if plain, err := url.QueryUnescape(n); err != nil || plain != name {
				return "", false
			}
		}
		if plain, err := url.QueryUnescape(v); err == nil {
			v = plain
		}
		return v, true
	})
}

// cut removes the parts of list that match, each with one separator, and
// returns the value of the last. What stays is the same byte by byte.
func cut(list string, separator byte, match func(part string) (value string, ok bool)) (rest, value string, count int) {
	var kept strings.Builder
	start, at := 0, 0 // of what was not copied yet, and of the part
	for at <= len(list) {
		end, next := len(list), len(list)+1
		if i := strings.IndexByte(list[at:], separator); i >= 0 {
			end, next = at+i, at+i+1
		}
		if v, ok := match(list[at:end]); ok {
			value = v
			count++
			kept.WriteString(list[start:at])
			start = min(next, len(list))
		}
		at = next
	}
	if count == 0 {
		return list, "", 0
	}
	kept.WriteString(list[start:])
	rest = kept.String()
	if start == len(list) && rest != "" && rest[len(rest)-1] == separator && list[len(list)-1] != separator {
		rest = rest[:len(rest)-1] // the last part took none of its own
	}
	if separator == ';' {
		rest = strings.Trim(rest, " \t")
	}
	return rest, value, count
}
