package filter

import (
	"errors"
	"time"
)

// Duration is a duration in a configuration, written "1.5s", "10m", "1h30m".
type Duration time.Duration

// UnmarshalText reads "1s".
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New(`want a duration like "1s", "5m" or "1h30m"`)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes "1s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
