package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes. In a file it is a number or a text with a unit:
// 123, "16MiB", "1KB".
type Bytes int64

var byteUnits = [...]struct {
	name string
	size int64
}{
	// Largest first, so that String finds the largest that divides.
	{"TiB", 1 << 40}, {"TB", 1e12},
	{"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6},
	{"KiB", 1 << 10}, {"KB", 1e3}, {"kB", 1e3},
	{"B", 1},
}

// ParseBytes reads a size such as "16MiB". A size has no sign and no fraction.
func ParseBytes(text string) (Bytes, error) {
	digits := strings.TrimSpace(text)
	size := int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(digits, u.name); ok {
			digits, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/size {
		return 0, fmt.Errorf("%q is not a size such as 4096 or \"16MiB\"", text)
	}
	return Bytes(int64(n) * size), nil
}

// String returns the size with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if strings.HasSuffix(u.name, "iB") && b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// UnmarshalText reads what [ParseBytes] reads.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := ParseBytes(string(text))
	if err != nil {
		return err
	}
	*b = v
	return nil
}

// MarshalText writes what [Bytes.String] returns.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalYAML reads a number or a text.
func (b *Bytes) UnmarshalYAML(unmarshal func(any) error) error {
	var v any
	if err := unmarshal(&v); err != nil {
		return err
	}
	return b.UnmarshalText(fmt.Append(nil, v))
}

// MarshalYAML writes what [Bytes.String] returns.
func (b Bytes) MarshalYAML() (any, error) { return b.String(), nil }
