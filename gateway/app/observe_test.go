package app

import (
	"testing"

	"gatehouse.example/gateway/exchange"
)

func TestQueryInLog(t *testing.T) {
	for _, c := range []struct{ name, query, hidden, want string }{
		{"nothing secret", "a=1&b=%20", "", "a=1&b=%20"},
		{"by its name", "code=x&A=1&Api_Key=y", "", "code=[redacted]&A=1&Api_Key=[redacted]"},
		{"named by the exchange", "t=x&tt=1&T=y", "t", "t=[redacted]&tt=1&T=[redacted]"},
		{"encoded name", "%74=x", "t", "%74=[redacted]"},
		{"not decodable", "%zz=x&a=1", "", "%zz=[redacted]&a=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ex := &exchange.Exchange{}
			if c.hidden != "" {
				ex.HideQueryParameter(c.hidden)
			}
			if got := redactQuery(c.query, ex.QueryParameterHidden); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			ex.Reset()
			if ex.QueryParameterHidden("t") {
				t.Error("Reset keeps what is hidden")
			}
		})
	}
}
