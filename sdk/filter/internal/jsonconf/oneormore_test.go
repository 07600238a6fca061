package jsonconf

import (
	"reflect"
	"strings"
	"testing"
)

type names []string

func (names) OneOrMore() {}

type withNames struct {
	Key names `json:"key" enum:"a,b,aaa" max:"2"`
}

func TestOneStringStandsForAList(t *testing.T) {
	for text, want := range map[string]names{
		`{"key":"aaa"}`: {"aaa"}, `{"key":["a","b"]}`: {"a", "b"}, `{"key":[]}`: {}, `{}`: nil,
	} {
		var v withNames
		if err := Decode([]byte(text), &v); err != nil || !reflect.DeepEqual(v.Key, want) {
			t.Errorf("%s: %q, %v", text, v.Key, err)
		}
	}
	for text, want := range map[string]string{
		`{"key":1}`: "/key: want a list, have a number", `{"key":"c"}`: "/key/0: want one of a, b, aaa", `{"key":["a",1]}`: "/key/1: want a string",
	} {
		var v withNames
		if err := Decode([]byte(text), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	if schema := string(Schema(reflect.TypeFor[withNames]())); !strings.Contains(schema, `"type":["string","array"],"items":{"type":"string","enum":["a","b","aaa"]},"maxItems":2`) {
		t.Errorf("schema %s", schema)
	}
}
