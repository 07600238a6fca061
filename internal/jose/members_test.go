package jose

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzMembers compares with encoding/json, whose word counts.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,"b":[1,{"c":"}]"}],"a":"last"}`, "{\"\\u0061\" : \"\\\"\\\\\" , \"x\":null\n}", `{"a":{"b":{}},"c":-1.5e3,"d":true}`,
		`[]`, `"a"`, `null`, `1`, `{"a"`, `{"a":}`, ``, `{"a":1}x`, `{"":""}`, `{"a":"` + "\xff" + `"}`, `{"` + "\xff" + `":1}`, `{"a":[],"b":{ } }`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(data, &want)
		if wantErr == nil && want == nil { // null
			wantErr = errNotObject
		}
		got, err := members(data)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, encoding/json says %v", data, err, wantErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", data, diff)
		}
	})
}
