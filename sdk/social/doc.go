// Package social owns what an author of a social sign-in provider for Gatehouse
// writes against: one interface, plain structs, four kinds of error, and
// [Serve]. A provider is a program of its own that Gatehouse runs as a plugin
// process.
//
//	type provider struct{ config struct {
//		ClientID string `json:"client_id"`
//	} }
//
//	func (p *provider) Configure(_ context.Context, config json.RawMessage) error {
//		return social.DecodeConfig(config, &p.config)
//	}
//
//	func (p *provider) AuthorizationURL(_ context.Context, a social.Authorization) (string, error) {
//		return "https://login.example/authorize?" + url.Values{
//			"response_type": {"code"}, "client_id": {p.config.ClientID}, "redirect_uri": {a.RedirectURI},
//			"state": {a.State}, "code_challenge": {a.CodeChallenge}, "code_challenge_method": {"S256"},
//		}.Encode(), nil
//	}
//
//	func (p *provider) Exchange(ctx context.Context, c social.Callback) (social.Identity, error) {
//		person, err := p.redeem(ctx, c.Code, c.CodeVerifier, c.RedirectURI)
//		if errors.Is(err, errCodeRefused) {
//			return social.Identity{}, social.Invalid(err)
//		}
//		return social.Identity{Issuer: "https://login.example", Subject: person.ID, Email: person.Email}, err
//	}
//
//	func main() { social.Serve(&provider{}) }
//
// A provider keeps nothing of a sign-in between the two calls: they may come to
// two processes. Gatehouse makes state, nonce and code verifier and has checked
// that the browser is the one that it sent away before it calls Exchange.
//
// A program writes its log with log/slog's default logger, or to standard
// error; the host forwards it. It must not log codes, tokens, verifiers or whom
// it has signed in. It has no environment but what the operator gave it, and no
// terminal; everything it needs comes through Configure.
//
// The wire lies in the package socialrpc, the conformance kit in socialtest.
// Which account an identity leads to is Gatehouse's business, not a provider's.
package social
