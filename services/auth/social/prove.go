package social

import (
	"errors"
	"net/http"
	"net/url"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/sdk/social"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/challenge"
	"gatehouse.example/services/auth/opaque"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/signedin"
)

// LinkPath is where a sign-in leads that proves the account of an identity.
const LinkPath = "/login/link"

// mail sends the link that proves the address of a pending account; the
// identity is linked with it.
func (e *Endpoint) mail(w http.ResponseWriter, r *http.Request, v visit, account userapi.Account) error {
	return e.challenge(w, r, v, account, true)
}

// challenge asks for a mail with a link. link says that the identity waits for
// it; without, it is linked already.
func (e *Endpoint) challenge(w http.ResponseWriter, r *http.Request, v visit, account userapi.Account, link bool) error {
	c, err := challenge.New(auth.PurposeVerifyEmail, account, "", e.Now(), e.VerificationLifetime)
	if err != nil {
		return err
	}
	c.ReturnTo = v.flow.ReturnTo
	if link {
		c.ProviderName = v.entry.DisplayName
		if err := e.Identities.AwaitProof(r.Context(), auth.PendingIdentity{
			ChallengeID: c.ID, UserID: account.ID, Provider: v.entry.Name, Issuer: v.who.Issuer, Subject: v.who.Subject, Email: v.who.Email,
			CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt,
		}); err != nil {
			return err
		}
	}
	sent, err := e.Mailer.RequestChallenge(r.Context(), c, nil, auth.DefaultMailLimit())
	if err != nil {
		return err
	}
	m := page.Message{
		Title: "Check your mail",
		Text:  "We sent a mail to " + account.Email + ". Follow the link in it, then sign in through " + v.entry.DisplayName + " again.",
		Link:  browser.WithReturnTo("/login", v.flow.ReturnTo), LinkText: "Back to sign-in",
	}
	if !sent && link {
		// The mail of a moment ago may have been asked for by somebody else:
		// its link would finish that one's registration.
		m.Text = "Mails were sent to " + account.Email + " a moment ago. If you did not ask for them, leave them alone: wait a minute, and sign in through " + v.entry.DisplayName + " again to get one of your own."
	}
	status := http.StatusForbidden
	if link {
		status = http.StatusOK // a registration has begun
	}
	e.Pages.Message(w, r, status, m)
	return nil
}

// prove asks the person to sign in to the account with the identity's address.
func (e *Endpoint) prove(w http.ResponseWriter, r *http.Request, v visit, account userapi.Account) error {
	token, secret := opaque.New(), e.secret(r)
	f := auth.SocialFlow{
		Kind: auth.SocialProve, Provider: v.entry.Name, UserID: account.ID, ReturnTo: v.flow.ReturnTo,
		Issuer: v.who.Issuer, Subject: v.who.Subject, Email: v.who.Email,
	}
	if err := e.begin(r, f, token, secret, proveFor); err != nil {
		return err
	}
	e.setSecret(w, secret) // for as long as the flow may take
	e.Pages.Message(w, r, http.StatusForbidden, page.Message{
		Title: "You have an account already",
		Text: "There is an account with the address " + account.Email + ". Sign in to it the way you did until now; " +
			v.entry.DisplayName + " is linked to it then and signs you in as well.",
		Link: signIn(token, account.Email), LinkText: "Sign in",
	})
	return nil
}

func signIn(token, loginHint string) string {
	query := url.Values{"return_to": {LinkPath + "?" + url.Values{"flow": {token}}.Encode()}}
	if loginHint != "" {
		query.Set("login_hint", loginHint)
	}
	return "/login?" + query.Encode()
}

// Prove answers GET /login/link with the parameter flow: who has signed in to
// the account since the flow began has proven it. A session from before does
// not count, it may be anybody who uses the browser.
func (e *Endpoint) Prove(w http.ResponseWriter, r *http.Request) {
	token, secret := r.URL.Query().Get("flow"), e.secret(r)
	if token == "" || secret == "" {
		e.stale(w, r)
		return
	}
	stateHash, browserHash := opaque.Hash(token), opaque.Hash(secret)
	flow, err := e.Flows.Flow(r.Context(), stateHash, browserHash, e.Now())
	entry, known := e.Catalogue.Find(flow.Provider)
	if isNotFound(err) || (err == nil && (!known || flow.Kind != auth.SocialProve)) {
		e.stale(w, r)
		return
	}
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	session, err := e.Sessions.Current(r)
	if err != nil && !isNotFound(err) {
		e.Pages.Error(w, r, err)
		return
	}
	if err != nil || session.UserID != flow.UserID || session.AuthTime.Before(flow.CreatedAt) {
		e.Pages.Message(w, r, http.StatusForbidden, page.Message{
			Title: "Sign in to your account",
			Text:  "To link " + entry.DisplayName + ", sign in to the account with the address " + flow.Email + ".",
			Link:  signIn(token, flow.Email), LinkText: "Sign in",
		})
		return
	}
	if flow, err = e.Flows.TakeFlow(r.Context(), stateHash, browserHash, e.Now()); err != nil {
		e.stale(w, r)
		return
	}
	who := social.Identity{Issuer: flow.Issuer, Subject: flow.Subject, Email: flow.Email}
	e.finishLink(w, r, visit{entry, who, flow}, session)
}

// link ends a flow that the page of the account began. The session must be the
// one that asked: nobody else's identity ends up in the account, nor this one in
// somebody else's.
func (e *Endpoint) link(w http.ResponseWriter, r *http.Request, entry Entry, who social.Identity, flow auth.SocialFlow) {
	session, err := e.Sessions.Current(r)
	if isNotFound(err) || (err == nil && (session.ID != flow.SessionID || session.UserID != flow.UserID)) {
		e.stale(w, r)
		return
	}
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	e.finishLink(w, r, visit{entry, who, flow}, session)
}

func (e *Endpoint) finishLink(w http.ResponseWriter, r *http.Request, v visit, session auth.Session) {
	account, err := e.Accounts.AccountByID(r.Context(), session.UserID)
	if problem.HasStatus(err, http.StatusNotFound) || (err == nil && account.Status != userapi.StatusActive) {
		signedin.Refuse(e.Pages, w, r)
		return
	}
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	_, err = e.linkTo(signedin.WithPerson(r.Context(), session), v, session.UserID)
	if errors.Is(err, auth.ErrMismatch) {
		e.Pages.Message(w, r, http.StatusConflict, page.Message{
			Title: "Not linked", Text: "You are known at " + v.entry.DisplayName + " as somebody who has another account here.", Link: "/account", LinkText: "Your account",
		})
		return
	}
	if err != nil {
		e.Pages.Error(w, r, err)
		return
	}
	target := v.flow.ReturnTo
	if target == "" {
		target = "/account"
	}
	page.Redirect(w, target)
}
