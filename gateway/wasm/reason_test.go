package wasm

import (
	"strings"
	"testing"
)

// TestLengthsInOneWording: filters of the SDK say the same where they check
// for themselves.
func TestLengthsInOneWording(t *testing.T) {
	const schema = `{"type":"object","minProperties":1,"properties":{"s":{"type":"string","minLength":1,"maxLength":2},"l":{"type":"array","minItems":1,"maxItems":1}}}`
	for config, want := range map[string]string{
		`{"s":""}`:    "config/s: want at least 1 characters, have 0",
		`{"s":"abc"}`: "config/s: want at most 2 characters, have 3",
		`{"l":[]}`:    "config/l: want at least 1 elements, have 0",
		`{"l":[1,2]}`: "config/l: want at most 1 elements, have 2",
		`{}`:          "config: want at least 1 members, have 0",
	} {
		if err := checkConfig([]byte(config), []byte(schema)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
}
