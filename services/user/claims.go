package user

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Claims returns the profile as the claims of the profile, phone and address
// scopes (OpenID Connect Core §5.4), for userinfo and id_token.
func (u User) Claims() map[string]any {
	p := u.Profile
	p.Attributes = nil
	data, _ := json.Marshal(p) // strings always encode
	claims := map[string]any{}
	_ = json.Unmarshal(data, &claims)
	if u.Username != "" {
		if _, ok := claims["preferred_username"]; !ok {
			claims["preferred_username"] = u.Username
		}
	}
	if u.Profile.PhoneNumber != "" {
		// No flow proves a number yet.
		claims["phone_number_verified"] = false
	}
	claims["updated_at"] = u.UpdatedAt.Unix()
	return claims
}

// ProfileFromClaims reads a profile out of claims. An unknown claim or one of
// the wrong type is an [Invalid].
func ProfileFromClaims(claims map[string]any) (Profile, error) {
	var p Profile
	if len(claims) == 0 {
		return p, nil
	}
	data, err := json.Marshal(claims)
	if err != nil {
		return p, fmt.Errorf("encode claims: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return Profile{}, &Invalid{Violations: []Violation{{Pointer: "/profile", Detail: err.Error()}}}
	}
	return p, nil
}
