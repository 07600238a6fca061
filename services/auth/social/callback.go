package social

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"gatehouse.example/sdk/social"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/page"
)

const (
	// maxParameters and maxCallbackBytes bound what a callback may carry.
	maxParameters    = 32
	maxCallbackBytes = 12 << 10
)

// Posted answers POST /login/callback/{provider} (response_mode=form_post). The
// form comes from the provider's site, so the browser sends no cookie of ours
// with it; it does with the GET that it is sent on to. Tokens stay behind: they
// have no place in an address and none of them is used.
func (e *Endpoint) Posted(w http.ResponseWriter, r *http.Request) {
	entry, ok := e.Catalogue.Find(r.PathValue("provider"))
	if !ok {
		e.unknown(w, r)
		return
	}
	form, err := oauth.ParseForm(w, r)
	if err != nil {
		e.stale(w, r)
		return
	}
	for _, name := range []string{"id_token", "access_token", "refresh_token"} {
		form = form.Without(name)
	}
	query := form.Encode()
	if len(query) > maxCallbackBytes {
		e.stale(w, r)
		return
	}
	page.Redirect(w, "/login/callback/"+entry.Name+"?"+query)
}

// Callback answers GET /login/callback/{provider}.
func (e *Endpoint) Callback(w http.ResponseWriter, r *http.Request) {
	entry, ok := e.Catalogue.Find(r.PathValue("provider"))
	if !ok {
		e.unknown(w, r)
		return
	}
	parameters, err := readCallback(r.URL.RawQuery)
	if err != nil {
		e.stale(w, r)
		return
	}
	state, secret := parameters["state"], e.secret(r)
	if state == "" || secret == "" {
		e.stale(w, r)
		return
	}
	flow, err := e.Flows.TakeFlow(r.Context(), opaque.Hash(state), opaque.Hash(secret), e.Now())
	if isNotFound(err) || (err == nil && (flow.Provider != entry.Name || flow.Kind == auth.SocialProve)) {
		e.stale(w, r)
		return
	}
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	who, err := e.exchange(r, entry, parameters, state, secret)
	if err != nil {
		e.failed(w, r, entry, err)
		return
	}
	if flow.Kind == auth.SocialLink {
		e.link(w, r, entry, who, flow)
		return
	}
	e.resolve(w, r, entry, who, flow)
}

// readCallback returns the parameters, each once.
func readCallback(query string) (map[string]string, error) {
	if len(query) > maxCallbackBytes {
		return nil, errors.New("too long")
	}
	// A parameter that occurs twice or is no text refuses the whole.
	if _, err := oauth.ParseQuery(query); err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(query)
	if err != nil || len(values) > maxParameters {
		return nil, errors.New("too many parameters")
	}
	parameters := make(map[string]string, len(values))
	for name, all := range values {
		parameters[name] = all[0]
	}
	return parameters, nil
}

// exchange asks the provider who came back.
func (e *Endpoint) exchange(r *http.Request, entry Entry, parameters map[string]string, state, secret string) (social.Identity, error) {
	if code, ok := parameters["error"]; ok {
		return social.Identity{}, refusal(code)
	}
	if parameters["code"] == "" {
		return social.Identity{}, social.Invalid(errors.New("the callback has no code"))
	}
	delete(parameters, "state")
	who, err := entry.Provider.Exchange(r.Context(), social.Callback{
		Code: parameters["code"], CodeVerifier: derive(secret, "verifier", state), Nonce: derive(secret, "nonce", state),
		RedirectURI: e.callback(entry), Parameters: parameters,
	})
	if err != nil {
		return social.Identity{}, err
	}
	// RFC 9207 §2.4, also where a plugin forgets it.
	if iss, ok := parameters["iss"]; ok && iss != who.Issuer {
		return social.Identity{}, social.Invalid(errors.New("the callback names another issuer than the identity"))
	}
	return who, nil
}

// refusal tells what an error response means (RFC 6749 §4.1.2.1, OpenID Connect
// Core §3.1.2.6). The code is the provider's word or that of whoever made the
// link; it goes to the log alone, quoted.
func refusal(code string) error {
	if len(code) > 64 {
		code = code[:64]
	}
	err := fmt.Errorf("the provider answered %q", code)
	switch code {
	case "access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required":
		return social.Denied(err)
	case "server_error", "temporarily_unavailable":
		return social.Temporary(err)
	case "unauthorized_client", "invalid_scope", "unsupported_response_type", "invalid_client":
		return social.Misconfigured(err)
	}
	if strings.Contains(code, "cancel") { // user_cancelled_login and the like
		return social.Denied(err)
	}
	return social.Invalid(err)
}

// stale is the one answer to every callback that this browser did not ask for.
func (e *Endpoint) stale(w http.ResponseWriter, r *http.Request) {
	e.Pages.Message(w, r, http.StatusBadRequest, page.Message{
		Title: "Not signed in",
		Text:  "This sign-in was not begun in this browser, took too long, or is over already. Please begin again.",
		Link:  "/login", LinkText: "Back to sign-in",
	})
}
