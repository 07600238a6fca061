package jose

import (
	"encoding/json"
	"errors"
)

var errNotObject = errors.New("is not an object")

// members splits a JSON object into its members, whose values are parts of
// data. Of members with the same name the last counts (RFC 7519 §4). It does
// what json.Unmarshal does into a map, without copying each value twice: a
// token's header and claims are read so, on every first sight of it.
func members(data []byte) (map[string]json.RawMessage, error) {
	if !json.Valid(data) {
		var v any
		return nil, json.Unmarshal(data, &v) // says where
	}
	// What follows relies on that.
	s := scanner{data: data}
	if s.next() != '{' {
		return nil, errNotObject
	}
	s.at++
	all := make(map[string]json.RawMessage, 12)
	for s.next() != '}' {
		if data[s.at] == ',' {
			s.at++
			s.next()
		}
		raw := s.value()
		name := commonName(raw)
		if name == "" {
			if err := json.Unmarshal(raw, &name); err != nil {
				return nil, err
			}
		}
		s.next()
		s.at++ // the colon
		s.next()
		all[name] = s.value()
	}
	return all, nil
}

// commonName returns a member's name where reading it costs nothing, or is not
// worth asking json; "" otherwise. The names of most tokens are these.
func commonName(raw json.RawMessage) string {
	switch string(raw[1 : len(raw)-1]) {
	case "alg":
		return "alg"
	case "typ":
		return "typ"
	case "kid":
		return "kid"
	case "iss":
		return "iss"
	case "sub":
		return "sub"
	case "aud":
		return "aud"
	case "exp":
		return "exp"
	case "iat":
		return "iat"
	case "nbf":
		return "nbf"
	case "jti":
		return "jti"
	case "sid":
		return "sid"
	case "scope":
		return "scope"
	case "roles":
		return "roles"
	case "client_id":
		return "client_id"
	case "auth_time":
		return "auth_time"
	case "permissions":
		return "permissions"
	}
	name, _ := plain(raw)
	return name
}

// scanner walks through valid JSON.
type scanner struct {
	data []byte
	at   int
}

// next goes to the next byte that is no white space and returns it.
func (s *scanner) next() byte {
	for {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
}

// value returns the value that begins here and goes behind it.
func (s *scanner) value() json.RawMessage {
	start, depth := s.at, 0
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case '"':
			s.text()
			if depth == 0 {
				return s.data[start:s.at:s.at]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // of what is around a number or a word
				return s.data[start:s.at:s.at]
			}
			if depth--; depth == 0 {
				s.at++
				return s.data[start:s.at:s.at]
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.data[start:s.at:s.at]
			}
		}
		s.at++
	}
	return s.data[start:s.at:s.at]
}

// text goes behind the string that begins here.
func (s *scanner) text() {
	for s.at++; s.data[s.at] != '"'; s.at++ {
		if s.data[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
}
