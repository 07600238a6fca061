package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	socialv1 "gatehouse.example/pluginspec/social/v1"
	"gatehouse.example/sdk/social"
	"gatehouse.example/sdk/social/socialrpc"
)

// KindSocial is pluginspec/social/v1.
const KindSocial Kind = "social"

func socialContract() contract {
	return contract{
		handshake: socialrpc.Handshake(),
		plugins:   socialrpc.Plugins(),
		name:      socialrpc.Name,
		configure: func(ctx context.Context, dispensed any, config json.RawMessage) error {
			return dispensed.(*socialrpc.Client).Configure(ctx, config)
		},
	}
}

// SocialProvider signs people in through a plugin of [KindSocial]. What the
// plugin answers is checked against the limits of the contract. It is safe for
// concurrent use.
type SocialProvider struct{ plugin *Plugin }

// SocialProvider returns the plugin as a provider of social sign-in.
func (p *Plugin) SocialProvider() (*SocialProvider, error) {
	if p.spec.Kind != KindSocial {
		return nil, fmt.Errorf("plugin %q is of kind %q, not %q", p.spec.Name, p.spec.Kind, KindSocial)
	}
	return &SocialProvider{plugin: p}, nil
}

// Name is the plugin's name in the host.
func (s *SocialProvider) Name() string { return s.plugin.Name() }

// AuthorizationURL returns where the browser is sent, within the host's call
// timeout. While the plugin is being started again it waits.
//
// # Errors
//
// [social.KindOf] tells the kind. A dead or slow plugin is temporary; an answer
// outside the contract is a wrong configuration.
func (s *SocialProvider) AuthorizationURL(ctx context.Context, a social.Authorization) (target string, err error) {
	err = s.plugin.call(ctx, func(ctx context.Context, dispensed any) error {
		target, err = dispensed.(*socialrpc.Client).AuthorizationURL(ctx, a)
		return err
	})
	if err == nil {
		err = social.Misconfigured(checkTarget(target, a.State))
	}
	if err != nil {
		return "", fmt.Errorf("provider %s: %w", s.plugin.Name(), err)
	}
	return target, nil
}

// Exchange turns what came back with the browser into an identity, within the
// host's call timeout.
//
// # Errors
//
// As of [SocialProvider.AuthorizationURL]; an identity outside the contract is
// invalid.
func (s *SocialProvider) Exchange(ctx context.Context, c social.Callback) (who social.Identity, err error) {
	err = s.plugin.call(ctx, func(ctx context.Context, dispensed any) error {
		who, err = dispensed.(*socialrpc.Client).Exchange(ctx, c)
		return err
	})
	if err == nil {
		err = social.Invalid(checkIdentity(&who))
	}
	if err != nil {
		return social.Identity{}, fmt.Errorf("provider %s: %w", s.plugin.Name(), err)
	}
	return who, nil
}

// checkTarget refuses what is no place to send a browser to: it would end up
// in a Location field.
func checkTarget(target, state string) error {
	if len(target) > socialv1.MaxURLBytes || !isText(target) {
		return errors.New("the plugin's authorization URL is too long or not text")
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("the plugin's authorization URL is not an absolute URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return fmt.Errorf("the plugin's authorization URL is of scheme %q, want https", u.Scheme)
	}
	// Without a state in it the request was pushed (RFC 9126).
	if query := u.Query(); query.Has("state") && query.Get("state") != state {
		return errors.New("the plugin's authorization URL carries another state")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// checkIdentity refuses an identity that can't be told from others, and drops
// what is only decoration where it does not fit. An address that is none makes
// the person one without an address.
func checkIdentity(who *social.Identity) error {
	switch {
	case who.Issuer == "" || len(who.Issuer) > socialv1.MaxIssuerBytes || !isText(who.Issuer):
		return errors.New("the plugin's identity has no usable issuer")
	case who.Subject == "" || len(who.Subject) > socialv1.MaxSubjectBytes || !isText(who.Subject):
		return errors.New("the plugin's identity has no usable subject")
	case len(who.Claims) > socialv1.MaxClaimsBytes:
		return errors.New("the plugin's identity has too many claims")
	}
	parsed, err := mail.ParseAddress(who.Email)
	if err != nil || parsed.Address != who.Email || len(who.Email) > socialv1.MaxEmailBytes || !isText(who.Email) {
		who.Email, who.EmailVerified = "", false
	}
	for _, text := range []*string{&who.Name, &who.GivenName, &who.FamilyName, &who.PreferredUsername, &who.Locale} {
		if len(*text) > socialv1.MaxTextBytes || !isText(*text) {
			*text = ""
		}
	}
	picture, err := url.Parse(who.Picture)
	if err != nil || picture.Scheme != "https" || picture.Host == "" || len(who.Picture) > socialv1.MaxPictureBytes || !isText(who.Picture) {
		who.Picture = ""
	}
	if !json.Valid(who.Claims) {
		who.Claims = nil
	}
	return nil
}

// isText reports whether s is what a person could have written on one line.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
