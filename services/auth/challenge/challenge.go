// Package challenge owns the links that are mailed to people: their code, and
// the internal endpoint at which the email service asks for one when it sends.
//
// The code is an HMAC of the challenge's id under a key that is not in the
// database, so it is stored nowhere and can be made again. Who asks for a
// challenge is left to services/auth/register, login, social, reset and
// changeemail, who meets it to services/auth/verify and reset.
package challenge

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
)

// New returns a challenge that a mail brings to the account's address, in its
// language or, if the account has none, in locale.
func New(p auth.Purpose, account userapi.Account, locale string, now time.Time, lifetime time.Duration) (auth.Challenge, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return auth.Challenge{}, fmt.Errorf("make challenge id: %w", err)
	}
	if account.Locale != "" {
		locale = account.Locale
	}
	return auth.Challenge{
		ID: id.String(), Purpose: p, UserID: account.ID, Email: account.Email, Locale: locale, CreatedAt: now, ExpiresAt: now.Add(lifetime),
	}, nil
}

// Links makes and checks the codes of links. It is safe for concurrent use.
type Links struct {
	issuer string
	key    []byte
}

// NewLinks returns the maker of links that start with the issuer.
func NewLinks(issuer string, key []byte) *Links { return &Links{issuer: issuer, key: key} }

// URL returns the link of a challenge. It is as secret as the challenge's code.
func (l *Links) URL(c auth.Challenge) string {
	if c.Purpose == auth.PurposeExistingAccount {
		return l.issuer + "/login"
	}
	path := "/verify?"
	if c.Purpose == auth.PurposeResetPassword {
		path = "/reset?"
	}
	query := url.Values{"challenge": {c.ID}, "code": {l.code(c.Purpose, c.ID)}}
	return l.issuer + path + query.Encode()
}

// Check reports whether code is that of the challenge.
func (l *Links) Check(p auth.Purpose, id, code string) bool {
	return hmac.Equal([]byte(code), []byte(l.code(p, id)))
}

func (l *Links) code(p auth.Purpose, id string) string {
	h := hmac.New(sha256.New, l.key)
	h.Write([]byte(p))
	h.Write([]byte{0})
	h.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Finder finds challenges, or returns [auth.ErrNotFound].
type Finder interface {
	Challenge(ctx context.Context, id string) (auth.Challenge, error)
}

// Handler answers GET /internal/v1/challenges/{id}/link: 404 for a challenge
// that never was, 410 for one that is no longer pending.
func Handler(finder Finder, links *Links, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := finder.Challenge(r.Context(), r.PathValue("id"))
		if err == nil {
			err = c.Pending(now())
		}
		switch {
		case errors.Is(err, auth.ErrNotFound):
			problem.Write(w, r, problem.New(http.StatusNotFound, authapi.CodeChallengeNotFound, "there is no such challenge"))
		case errors.Is(err, auth.ErrConsumed), errors.Is(err, auth.ErrExpired):
			problem.Write(w, r, problem.New(http.StatusGone, authapi.CodeChallengeOver, "the challenge is no longer pending"))
		case err != nil:
			problem.Write(w, r, err)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			// Nobody is left to tell of an error.
			_ = json.NewEncoder(w).Encode(authapi.Link{Link: links.URL(c), Purpose: string(c.Purpose), ExpiresAt: c.ExpiresAt})
		}
	})
}
