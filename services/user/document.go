package user

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// Document is a JSON object whose form is not ours: custom attributes, or the
// preferences of one namespace. Its values are those of encoding/json, with
// [json.Number] for numbers, so that no digit is lost. A Document is not changed
// once somebody else has it.
type Document map[string]any

const (
	// maxAttributesBytes bounds a profile's attributes.
	maxAttributesBytes = 16 << 10
	// maxDocumentDepth is far below what a parser's stack minds.
	maxDocumentDepth = 32
	maxNumberBytes   = 64
)

var errNotOneValue = errors.New("not one JSON value")

// UnmarshalJSON implements [json.Unmarshaler]; null is an empty document.
func (d *Document) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var value map[string]any
	if err := dec.Decode(&value); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errNotOneValue
	}
	*d = value
	return nil
}

// Patch returns the document with the merge patch applied (RFC 7396 §2).
func (d Document) Patch(patch Document) Document {
	merged, _ := mergePatch(map[string]any(d), map[string]any(patch)).(map[string]any)
	return merged
}

func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	before, _ := target.(map[string]any)
	after := make(map[string]any, len(before)+len(changes))
	for name, value := range before {
		after[name] = value
	}
	for name, value := range changes {
		if value == nil {
			delete(after, name)
		} else {
			after[name] = mergePatch(after[name], value)
		}
	}
	return after
}

// equal reports whether both say the same; absent and empty are the same.
func (d Document) equal(other Document) bool {
	return len(d) == 0 && len(other) == 0 || reflect.DeepEqual(d, other)
}

// clone copies the outermost level, which is all that callers may change.
func (d Document) clone() Document {
	if d == nil {
		return nil
	}
	c := make(Document, len(d))
	for name, value := range d {
		c[name] = value
	}
	return c
}

// check notes below prefix what the store could not hold.
func (d Document) check(prefix string, maxBytes int, bad *Invalid) {
	data, err := json.Marshal(d)
	if err != nil {
		bad.Add(prefix, "must be a JSON object")
		return
	}
	if len(data) > maxBytes {
		bad.Add(prefix, "must be at most "+strconv.Itoa(maxBytes)+" bytes of JSON")
		return
	}
	checkValue(prefix, map[string]any(d), 1, bad)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func checkValue(at string, value any, depth int, bad *Invalid) {
	if depth > maxDocumentDepth {
		bad.Add(at, "must not nest deeper than "+strconv.Itoa(maxDocumentDepth)+" levels")
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			here := at + "/" + pointerEscapes.Replace(name)
			checkString(here, name, bad)
			checkValue(here, member, depth+1, bad)
		}
	case []any:
		for i, item := range v {
			checkValue(at+"/"+strconv.Itoa(i), item, depth+1, bad)
		}
	case string:
		checkString(at, v, bad)
	case json.Number:
		checkNumber(at, v.String(), bad)
	}
}

func checkString(at, s string, bad *Invalid) {
	if strings.ContainsRune(s, 0) {
		bad.Add(at, "must not have the character U+0000")
	}
}

// checkNumber refuses what a double cannot hold even roughly (RFC 8259 §6), and
// with it what PostgreSQL's numeric refuses.
func checkNumber(at, s string, bad *Invalid) {
	f, err := strconv.ParseFloat(s, 64)
	mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
	if err != nil || len(s) > maxNumberBytes || f == 0 && strings.ContainsAny(mantissa, "123456789") {
		bad.Add(at, "must be a number of usual size")
	}
}
