// Package internalapi is the user service's API for other services, as
// internal/api/userapi describes it: create, look up and verify accounts,
// and change their address.
//
// Which service may call which operation is decided before, by the table of
// internal/identity that services/user/app applies to each [Operation].
package internalapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/user"
)

// Accounts are the use cases behind the API; [user.Accounts] is the real one.
type Accounts interface {
	Ensure(ctx context.Context, n user.New) (user.User, error)
	VerifyEmail(ctx context.Context, id uuid.UUID, address string) (user.User, error)
	ChangeEmail(ctx context.Context, id uuid.UUID, from, address string) (user.User, error)
}

// Finder reads users.
type Finder interface {
	ByID(ctx context.Context, id uuid.UUID) (user.User, error)
	ByLogin(ctx context.Context, login string) (user.User, error)
}

// Rights says what a user may do; [user.Roles] is the real one.
type Rights interface {
	Rights(ctx context.Context, id uuid.UUID) (user.Rights, error)
}

var (
	_ Accounts = (*user.Accounts)(nil)
	_ Finder   = (*user.Accounts)(nil)
	_ Rights   = (*user.Roles)(nil)
)

// Operation is one endpoint of the API with its name in the allow-table.
type Operation struct {
	// Pattern is the endpoint's method and path, for [http.ServeMux].
	Pattern string
	// Name is the operation in the allow-table of internal/identity.
	Name string
	// Handler does the work.
	Handler http.Handler
}

// Operations returns the endpoints. The caller wraps each in the check of its
// name.
func Operations(accounts Accounts, finder Finder, rights Rights) []Operation {
	a := &api{accounts: accounts, finder: finder, rights: rights}
	return []Operation{
		{"PUT " + userapi.PathAccount, identity.OperationAccountsCreate, a.answer(a.create)},
		{"GET " + userapi.PathAccount, identity.OperationAccountsLookup, a.answer(a.byID)},
		{"GET " + userapi.PathAccounts, identity.OperationAccountsLookup, a.answer(a.byLogin)},
		{"POST " + userapi.PathVerifyEmail, identity.OperationAccountsUpdate, a.answer(a.verifyEmail)},
		{"POST " + userapi.PathChangeEmail, identity.OperationAccountsUpdate, a.answer(a.changeEmail)},
	}
}

type api struct {
	accounts Accounts
	finder   Finder
	rights   Rights
}

func (a *api) create(r *http.Request) (user.User, error) {
	id, err := pathID(r)
	if err != nil {
		return user.User{}, err
	}
	var n userapi.NewAccount
	if err := read(r, &n); err != nil {
		return user.User{}, err
	}
	profile, err := user.ProfileFromClaims(n.Profile)
	if err != nil {
		return user.User{}, err
	}
	if profile.Locale == "" {
		profile.Locale = n.Locale
	}
	return a.accounts.Ensure(r.Context(), user.New{
		ID: id, Email: n.Email, EmailVerified: n.EmailVerified, Username: n.Username,
		Status: user.Status(n.Status), Roles: n.Roles, Profile: profile, Origin: user.OriginRegistration,
	})
}

func (a *api) byID(r *http.Request) (user.User, error) {
	id, err := pathID(r)
	if err != nil {
		return user.User{}, err
	}
	return a.finder.ByID(r.Context(), id)
}

func (a *api) byLogin(r *http.Request) (user.User, error) {
	login := r.URL.Query().Get("login")
	if login == "" {
		return user.User{}, problem.New(http.StatusBadRequest, "malformed", "the query must have a login")
	}
	return a.finder.ByLogin(r.Context(), login)
}

func (a *api) verifyEmail(r *http.Request) (user.User, error) {
	id, err := pathID(r)
	if err != nil {
		return user.User{}, err
	}
	var proof userapi.EmailProof
	if err := read(r, &proof); err != nil {
		return user.User{}, err
	}
	return a.accounts.VerifyEmail(r.Context(), id, proof.Email)
}

func (a *api) changeEmail(r *http.Request) (user.User, error) {
	id, err := pathID(r)
	if err != nil {
		return user.User{}, err
	}
	var change userapi.EmailChange
	if err := read(r, &change); err != nil {
		return user.User{}, err
	}
	return a.accounts.ChangeEmail(r.Context(), id, change.From, change.Email)
}

// answer writes the account that work returns, or its error as a problem.
func (a *api) answer(work func(*http.Request) (user.User, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := work(r)
		var rights user.Rights
		if err == nil {
			rights, err = a.rights.Rights(r.Context(), u.ID)
		}
		if err != nil {
			problem.Write(w, r, problemOf(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		// The connection is gone if this fails; there is no one to tell.
		_ = json.NewEncoder(w).Encode(account(u, rights))
	})
}

func account(u user.User, rights user.Rights) userapi.Account {
	return userapi.Account{
		ID: u.ID.String(), Email: u.Email, EmailVerified: u.EmailVerified, Username: u.Username,
		Status: string(u.Status), Roles: rights.Roles, Permissions: rights.Permissions,
		Locale: u.Profile.Locale, Name: u.Profile.Name, Profile: u.Claims(),
	}
}

func pathID(r *http.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil || id == uuid.Nil {
		return uuid.Nil, problem.New(http.StatusBadRequest, "malformed", "the id must be a UUID")
	}
	return id, nil
}

const maxBodyBytes = 64 << 10

func read(r *http.Request, into any) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "send application/json")
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	switch {
	case err != nil:
		return problem.New(http.StatusBadRequest, "malformed", "the body ended early")
	case len(data) > maxBodyBytes:
		return problem.Newf(http.StatusRequestEntityTooLarge, "too_large", "the body has more than %d bytes", maxBodyBytes)
	case !utf8.Valid(data) || !json.Valid(data):
		return problem.New(http.StatusBadRequest, "malformed", "the body is not JSON in UTF-8")
	}
	// Unknown members pass: a newer caller may know more.
	if err := json.Unmarshal(data, into); err != nil {
		return problem.New(http.StatusUnprocessableEntity, "invalid", "the body has a value of the wrong type")
	}
	return nil
}

// problemOf is the one table of this API. Other errors are unexpected and
// returned as they are.
func problemOf(err error) error {
	var invalid *user.Invalid
	var transition *user.IllegalTransition
	var unknown *user.UnknownRoles
	switch {
	case errors.As(err, &invalid):
		p := problem.New(http.StatusUnprocessableEntity, "invalid", "some values are not acceptable")
		for _, v := range invalid.Violations {
			p = p.With(problem.Violation{Pointer: v.Pointer, Detail: v.Detail})
		}
		return p
	case errors.As(err, &unknown):
		return problem.New(http.StatusUnprocessableEntity, "invalid", unknown.Error())
	case errors.As(err, &transition):
		return problem.New(http.StatusConflict, "illegal_transition", transition.Error())
	case errors.Is(err, user.ErrNotFound):
		return problem.New(http.StatusNotFound, userapi.CodeNotFound, "there is no such user")
	case errors.Is(err, user.ErrEmailTaken):
		return problem.New(http.StatusConflict, userapi.CodeEmailTaken, "another user has this e-mail address")
	case errors.Is(err, user.ErrUsernameTaken):
		return problem.New(http.StatusConflict, userapi.CodeUsernameTaken, "another user has this username")
	case errors.Is(err, user.ErrIDTaken):
		return problem.New(http.StatusConflict, userapi.CodeIDTaken, "another user has this id")
	case errors.Is(err, user.ErrEmailChanged):
		return problem.New(http.StatusConflict, userapi.CodeEmailChanged, "the account has another e-mail address")
	}
	return err
}
