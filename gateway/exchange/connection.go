package exchange

import "strings"

// RemoveConnectionFields removes the fields that concern one connection only,
// and those that Connection names (RFC 9110 §7.6.1).
func (h *Header) RemoveConnectionFields() {
	var named []string
	for i := range h.Len() {
		if f := h.At(i); len(f.Name) == 10 && strings.EqualFold(f.Name, "Connection") {
			for token := range strings.SplitSeq(f.Value, ",") {
				if token = strings.TrimSpace(token); token != "" {
					named = append(named, token)
				}
			}
		}
	}
	var many map[string]bool // names that a client chose, in fields that it chose
	if len(named) > fewFields {
		many = make(map[string]bool, len(named))
		for _, name := range named {
			many[strings.ToLower(name)] = true
		}
		named = nil
	}
	h.DelFunc(func(f Field) bool {
		if isConnectionField(f.Name) || (many != nil && many[strings.ToLower(f.Name)]) {
			return true
		}
		for _, name := range named {
			if EqualName(name, f.Name) {
				return true
			}
		}
		return false
	})
}

func isConnectionField(name string) bool {
	switch len(name) {
	case 2:
		return strings.EqualFold(name, "TE")
	case 7:
		return strings.EqualFold(name, "Upgrade") || strings.EqualFold(name, "Trailer")
	case 10:
		return strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Keep-Alive")
	case 16:
		return strings.EqualFold(name, "Proxy-Connection")
	case 17:
		return strings.EqualFold(name, "Transfer-Encoding")
	case 18:
		return strings.EqualFold(name, "Proxy-Authenticate")
	case 19:
		return strings.EqualFold(name, "Proxy-Authorization")
	}
	return false
}
