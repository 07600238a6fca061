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

type ruled struct {
	Name  string   `json:"name" required:"true" pattern:"^[a-z]+$" max:"4"`
	Mode  string   `json:"mode" enum:"a,b" default:"b"`
	Rate  int      `json:"rate" min:"1" max:"9" default:"3"`
	Tags  []string `json:"tags" enum:"x,y" min:"1" default:"[\"x\"]"`
	Count *uint8   `json:"count" default:"7"`
	Under struct {
		Deep float64 `json:"deep" default:"0.5"`
		Must string  `json:"must" required:"true"`
	} `json:"under"`
}

func TestDecodeFollowsTags(t *testing.T) {
	var v ruled
	if err := Decode([]byte(`{"name":"ab","rate":null}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.Mode != "b" || v.Rate != 3 || len(v.Tags) != 1 || v.Tags[0] != "x" || *v.Count != 7 || v.Under.Deep != 0.5 {
		t.Errorf("defaults are missing: %+v", v)
	}
	for text, want := range map[string]string{
		``:                          "/name: is missing",
		`null`:                      "/name: is missing",
		`[]`:                        ": want an object, have a list",
		`{"name":"abcde"}`:          "/name: want at most 4 characters",
		`{"name":"a","mode":"c"}`:   "/mode: want one of a, b",
		`{"name":"a","rate":0}`:     "/rate: want at least 1",
		`{"name":"a","rate":10}`:    "/rate: want at most 9",
		`{"name":"a","rate":"1"}`:   "/rate: want a whole number, have a string",
		`{"name":"a","tags":[]}`:    "/tags: want at least 1 elements, have 0",
		`{"name":"a","tags":["z"]}`: "/tags/0: want one of x, y",
		`{"name":"a","under":{}}`:   "/under/must: is missing",
		`{"name":"a","a/b~":1}`:     "/a~1b~0: unknown field",
	} {
		var v ruled
		if err := Decode([]byte(text), &v); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestSchemaFollowsTags(t *testing.T) {
	const want = `{"type":"object","additionalProperties":false,"properties":{` +
		`"name":{"type":"string","maxLength":4,"pattern":"^[a-z]+$"},` +
		`"mode":{"default":"b","type":"string","enum":["a","b"]},` +
		`"rate":{"default":3,"type":"integer","minimum":1,"maximum":9},` +
		`"tags":{"default":["x"],"type":"array","items":{"type":"string","enum":["x","y"]},"minItems":1},` +
		`"count":{"default":7,"type":"integer","minimum":0},` +
		`"under":{"type":"object","additionalProperties":false,"properties":{"deep":{"default":0.5,"type":"number"},"must":{"type":"string"}},"required":["must"]}` +
		`},"required":["name"]}`
	if got := string(Schema(reflect.TypeFor[ruled]())); got != want {
		t.Errorf("schema\n%s\nwant\n%s", got, want)
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
