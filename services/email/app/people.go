package app

import (
	"context"
	"errors"
	"net/http"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email"
)

// accounts asks user.
type accounts struct{ users *userapi.Client }

var _ email.Accounts = accounts{}

// Account implements [email.Accounts].
func (a accounts) Account(ctx context.Context, id string) (email.Account, error) {
	account, err := a.users.AccountByID(ctx, id)
	// A 404 without the code comes from a wrong address: the mail must wait.
	if answer, ok := errors.AsType[*problem.Problem](err); ok && answer.Status == http.StatusNotFound && answer.Code == userapi.CodeNotFound {
		return email.Account{}, email.ErrNoAccount
	}
	if err != nil {
		return email.Account{}, err
	}
	if account.Status == userapi.StatusDeleted {
		return email.Account{}, email.ErrNoAccount
	}
	return email.Account{Email: account.Email, Locale: account.Locale, Suspended: account.Status == userapi.StatusSuspended}, nil
}
