package capability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// decodePolicy reads the JSON of a policy. A field that is unknown is an error:
// a typo in what a credential needs must not accept all of them.
func decodePolicy(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("read policy: unexpected end of JSON input")
	case err != nil:
		return fmt.Errorf("read policy: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read policy: there is more behind the policy")
	}
	return nil
}
