package user

import (
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zoneinfo is checked on machines without the database too
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// Profile is what a person says of itself: the claims of OpenID Connect Core
// §5.1, under their names there, without those that belong to the account
// (sub, email, email_verified, updated_at). An empty value is an absent claim.
type Profile struct {
	Name              string `json:"name,omitempty" doc:"Full name in displayable form"`
	GivenName         string `json:"given_name,omitempty"`
	FamilyName        string `json:"family_name,omitempty"`
	MiddleName        string `json:"middle_name,omitempty"`
	Nickname          string `json:"nickname,omitempty"`
	PreferredUsername string `json:"preferred_username,omitempty" doc:"Shorthand name; not unique, not the login"`
	ProfileURL        string `json:"profile,omitempty" doc:"http(s) URL of the profile page"`
	Picture           string `json:"picture,omitempty" doc:"http(s) URL of the picture"`
	Website           string `json:"website,omitempty" doc:"http(s) URL"`
	Gender            string `json:"gender,omitempty"`
	Birthdate         string `json:"birthdate,omitempty" doc:"YYYY-MM-DD, YYYY, or 0000-MM-DD without the year" example:"1815-12-10"`
	Zoneinfo          string `json:"zoneinfo,omitempty" doc:"IANA time zone" example:"Europe/London"`
	Locale            string `json:"locale,omitempty" doc:"BCP 47 language tag" example:"en-GB"`
	// PhoneNumber is in E.164 form; it is also the user's "phone".
	PhoneNumber string   `json:"phone_number,omitempty" doc:"E.164" example:"+442071838750"`
	Address     *Address `json:"address,omitempty"`
	// Attributes are the operator's own; they are no claims.
	Attributes Document `json:"attributes,omitempty" doc:"Custom attributes, as the operator's JSON Schema allows; at most 16 KiB"`
}

// Address is the address claim (OpenID Connect Core §5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

const (
	maxNameRunes    = 200
	maxURLBytes     = 2048
	maxAddressRunes = 500
)

var (
	phonePattern     = regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`)
	phonePunctuation = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "")
)

func (p Profile) clone() Profile {
	if p.Address != nil {
		a := *p.Address
		p.Address = &a
	}
	p.Attributes = p.Attributes.clone()
	return p
}

func (p Profile) equal(q Profile) bool {
	if !p.Attributes.equal(q.Attributes) {
		return false
	}
	p.Attributes, q.Attributes = nil, nil
	return reflect.DeepEqual(p, q)
}

// check normalises the claims and notes what is unacceptable below prefix.
func (p *Profile) check(prefix string, bad *Invalid) {
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"name", &p.Name}, {"given_name", &p.GivenName}, {"family_name", &p.FamilyName},
		{"middle_name", &p.MiddleName}, {"nickname", &p.Nickname},
		{"preferred_username", &p.PreferredUsername}, {"gender", &p.Gender},
	} {
		checkLine(prefix+"/"+f.name, f.value, maxNameRunes, bad)
	}
	for _, f := range []struct{ name, value string }{
		{"profile", p.ProfileURL}, {"picture", p.Picture}, {"website", p.Website},
	} {
		if f.value != "" && !webURL(f.value) {
			bad.Add(prefix+"/"+f.name, "must be an absolute http or https URL of at most 2048 bytes")
		}
	}
	if p.Birthdate != "" && !birthdate(p.Birthdate) {
		bad.Add(prefix+"/birthdate", "must be YYYY-MM-DD, YYYY, or 0000-MM-DD")
	}
	if p.Zoneinfo != "" && !zone(p.Zoneinfo) {
		bad.Add(prefix+"/zoneinfo", "must be a time zone such as Europe/Berlin")
	}
	if p.Locale != "" {
		// OpenID Connect Core §5.1: some write an underscore.
		if tag, err := language.Parse(strings.ReplaceAll(p.Locale, "_", "-")); err != nil || len(p.Locale) > 64 {
			bad.Add(prefix+"/locale", "must be a language tag such as en or de-AT")
		} else {
			p.Locale = tag.String()
		}
	}
	if p.PhoneNumber != "" {
		if digits := phonePunctuation.Replace(p.PhoneNumber); phonePattern.MatchString(digits) {
			p.PhoneNumber = digits
		} else {
			bad.Add(prefix+"/phone_number", "must be an international number such as +442071838750")
		}
	}
	p.checkAddress(prefix+"/address", bad)
}

func (p *Profile) checkAddress(prefix string, bad *Invalid) {
	if p.Address == nil {
		return
	}
	a := p.Address
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"locality", &a.Locality}, {"region", &a.Region}, {"postal_code", &a.PostalCode}, {"country", &a.Country},
	} {
		checkLine(prefix+"/"+f.name, f.value, maxNameRunes, bad)
	}
	// These two may have several lines.
	checkText(prefix+"/formatted", a.Formatted, bad)
	checkText(prefix+"/street_address", a.StreetAddress, bad)
	if *a == (Address{}) {
		p.Address = nil
	}
}

func checkLine(pointer string, value *string, maxRunes int, bad *Invalid) {
	*value = strings.TrimSpace(*value)
	switch {
	case utf8.RuneCountInString(*value) > maxRunes:
		bad.Add(pointer, "must be at most "+strconv.Itoa(maxRunes)+" characters")
	case strings.ContainsFunc(*value, unicode.IsControl):
		bad.Add(pointer, "must be one line without control characters")
	}
}

func checkText(pointer, value string, bad *Invalid) {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' }
	switch {
	case utf8.RuneCountInString(value) > maxAddressRunes:
		bad.Add(pointer, "must be at most "+strconv.Itoa(maxAddressRunes)+" characters")
	case strings.ContainsFunc(value, control):
		bad.Add(pointer, "must not have control characters")
	}
}

func webURL(s string) bool {
	if len(s) > maxURLBytes || strings.ContainsFunc(s, unicode.IsControl) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// birthdate checks ISO 8601-1 as OpenID Connect Core §5.1 narrows it: the year
// may be 0000 (withheld) or stand alone.
func birthdate(s string) bool {
	if len(s) == len("2006") {
		_, err := time.Parse("2006", s)
		return err == nil && s != "0000"
	}
	// 0000 is a leap year of the proleptic calendar, so that 29 February passes.
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func zone(s string) bool {
	// LoadLocation takes "Local" for the server's own zone.
	if s == "Local" || len(s) > 64 {
		return false
	}
	_, err := time.LoadLocation(s)
	return err == nil
}
