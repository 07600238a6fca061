package jsonconf

import (
	"reflect"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	type inner struct {
		Rate int `json:"rate" min:"one"`
	}
	for _, row := range []struct {
		name string
		of   any
		want string // "" is none
	}{
		{"fine", struct {
			A string   `default:"x" enum:"x,y" min:"1" max:"9"`
			B []string `default:"[\"x\"]" enum:"x,y" pattern:"^x" required:"false"`
			C float64  `default:"1.5" min:"-1.5"`
			D *int     `default:"3"`
			E map[string][]struct{ F bool }
			G chan int `json:"-"`
			h chan int
		}{}, ""},
		{"text for a number", struct {
			A int `default:"abc"`
		}{}, `A: default "abc": `},
		{"a fraction for a whole number", struct {
			A int `default:"1.5"`
		}{}, `A: default "1.5": want a whole number`},
		{"a default out of bounds", struct {
			A int `default:"3" max:"2"`
		}{}, `A: default "3": want at most 2`},
		{"a default that is no choice", struct {
			A string `default:"z" enum:"x,y"`
		}{}, `A: default "z": want one of x, y`},
		{"a default that is not true or false", struct {
			A bool `default:"yes"`
		}{}, `A: default "yes": `},
		{"a bound of a list's elements", struct{ A []inner }{}, `A.Rate: min "one": want a number`},
		{"a negative length", struct {
			A string `min:"-1"`
		}{}, `A: min "-1": want a whole number that is not negative`},
		{"bounds the wrong way round", struct {
			A int `min:"3" max:"2"`
		}{}, `A: min "3": it is more than max`},
		{"a bound of a bool", struct {
			A bool `min:"1"`
		}{}, `A: min "1": it is for numbers`},
		{"choices of a number", struct {
			A int `enum:"1,2"`
		}{}, `A: enum "1,2": it is for strings`},
		{"a pattern of a map", struct {
			A map[string]string `pattern:"^x"`
		}{}, `A: pattern "^x": it is for strings`},
		{"required by another word", struct {
			A int `required:"yes"`
		}{}, `A: required "yes": want true or false`},
		{"a field that cannot be read", struct{ A any }{}, "A: a configuration cannot be read into a interface {}"},
		{"a map by numbers", struct{ A map[int]string }{}, "A: the keys of a map have to be strings"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := Check(reflect.TypeOf(row.of))
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.HasPrefix(err.Error(), row.want)) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}
