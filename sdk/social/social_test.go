package social_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"gatehouse.example/sdk/social"
)

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		name string
		err  error
		want social.Kind
	}{
		{"denied", social.Denied(cause), social.KindDenied},
		{"wrapped", fmt.Errorf("exchange: %w", social.Invalid(cause)), social.KindInvalid},
		{"misconfigured", social.Misconfigured(cause), social.KindMisconfigured},
		{"temporary", social.Temporary(cause), social.KindTemporary},
		{"unmarked", cause, social.KindTemporary},
		{"outermost mark counts", social.Temporary(social.Denied(cause)), social.KindTemporary},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := social.KindOf(test.err); got != test.want || !errors.Is(test.err, cause) {
				t.Errorf("KindOf = %v, want %v; cause kept %t", got, test.want, errors.Is(test.err, cause))
			}
		})
	}
	for _, mark := range []func(error) error{social.Temporary, social.Denied, social.Invalid, social.Misconfigured} {
		if mark(nil) != nil {
			t.Error("a mark on nil is an error")
		}
	}
}

func TestDecodeConfig(t *testing.T) {
	var config struct {
		Issuer string `json:"issuer"`
	}
	if err := social.DecodeConfig(json.RawMessage(`{"issuer":"i"}`), &config); err != nil || config.Issuer != "i" {
		t.Errorf("%+v, %v", config, err)
	}
	if err := social.DecodeConfig(nil, &config); err != nil {
		t.Errorf("no configuration: %v", err)
	}
	for _, wrong := range []string{`{"isuer":"i"}`, `{"issuer":1}`, `[]`, `{`} {
		if err := social.DecodeConfig(json.RawMessage(wrong), &config); err == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}
