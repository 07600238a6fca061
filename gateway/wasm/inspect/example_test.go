package inspect

import (
	"encoding/json"
	"testing"
)

func TestExample(t *testing.T) {
	for _, row := range []struct{ name, schema, want string }{
		{"nothing required", `{"type":"object","properties":{"a":{"type":"string"}}}`, `{}`},
		{"each type", `{"type":"object","required":["s","p","l","i","f","b","o"],"properties":{
			"s":{"type":"string","minLength":2},"p":{"type":"string","pattern":"^/"},
			"l":{"type":"array","minItems":1,"items":{"type":"object","required":["rate"],"properties":{"rate":{"type":"integer","minimum":1}}}},
			"i":{"type":"integer"},"f":{"type":"number","minimum":0.5},"b":{"type":"boolean"},"o":{"type":"object"}}}`,
			`{"s": "xx", "p": "/", "l": [{"rate": 1}], "i": 1, "f": 0.5, "b": false, "o": {}}`},
		{"what the schema offers", `{"required":["c","d","e"],"properties":{"c":{"type":"string","enum":["x","y"]},"d":{"default":"5s"},"e":{"examples":[7]}}}`,
			`{"c": "x", "d": "5s", "e": 7}`},
		{"one or more", `{"required":["a"],"properties":{"a":{"type":["string","array"]}}}`, `{"a": ""}`},
		{"many items", `{"type":"array","minItems":1000000000,"items":{"type":"boolean"}}`, `[false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false]`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := example([]byte(row.schema))
			if got != row.want || !json.Valid([]byte(got)) {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}
