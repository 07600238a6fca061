package jsonconf

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

type inner struct {
	N    int8              `json:"n"`
	U    uint16            `json:"u"`
	F    float64           `json:"f"`
	B    bool              `json:"b"`
	P    *string           `json:"p"`
	List []string          `json:"list"`
	Map  map[string]int    `json:"map"`
	Skip string            `json:"-"`
	Deep []map[string]bool `json:"deep"`
}

func TestDecodeAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range []string{
		`{"n":-128,"u":65535,"f":1e3,"b":true,"p":"x","list":["a","é\n\"\\\/"],"map":{"a":1},"deep":[{"x":false}]}`,
		"\n { \"f\" : 0.5 , \"list\" : [ ] }\t",
		`{"p":null,"list":null}`,
		`{"p":"\ud83d\ude00"}`,
		`null`,
	} {
		var have, want inner
		if err := Decode([]byte(text), &have); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s: %+v, want %+v", text, have, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"n":128}`:                   "/n: want a whole number in range",
		`{"n":1.5}`:                   "/n: want a whole number in range",
		`{"u":-1}`:                    "/u: want a whole number in range, not negative",
		`{"b":"true"}`:                "/b: want true or false, have a string",
		`{"list":["a",2]}`:            "/list/1: want a string, have a number",
		`{"map":{"a":"b"}}`:           "/map/a: want a whole number, have a string",
		`{"Skip":"x"}`:                "/Skip: unknown field",
		`{"n":1}{"n":2}`:              "not valid JSON at byte 7",
		`{"n":01x}`:                   "not valid JSON",
		`{"n"`:                        "not valid JSON",
		"\"\x01\"":                    "not valid JSON",
		strings.Repeat("[", 1000):     "not valid JSON",
		`{"n":1,"n":1}`:               "/n: given twice",
		`{"p":"\ud83d"}` + "\x00":     "not valid JSON",
		`{"list":["` + "\xff" + `"]}`: "not valid JSON",
	} {
		var v inner
		if err := Decode([]byte(text), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestSchemaIsJSON(t *testing.T) {
	var v any
	if err := json.Unmarshal(Schema(reflect.TypeFor[inner]()), &v); err != nil {
		t.Error(err)
	}
}

// FuzzDecode looks for a panic, and for JSON that this parser takes and
// encoding/json does not.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"n":1,"list":["\u00e9"],"map":{"a":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parse(data); err == nil && !json.Valid(data) {
			t.Errorf("%q is not JSON", data)
		}
		var v inner
		_ = Decode(data, &v)
	})
}
