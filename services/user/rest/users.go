package rest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

type createInput struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"Makes repeating the request safe for 24 hours; 1 to 255 visible ASCII characters"`
	RawBody        []byte
}

type createOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     User
}

type userInput struct {
	ID string `path:"id" doc:"The user's id, or me"`
}

type changeInput struct {
	ID      string `path:"id" doc:"The user's id, or me"`
	IfMatch string `header:"If-Match" doc:"The ETag that the change is based on"`
	RawBody []byte
}

type deleteInput struct {
	ID      string `path:"id" doc:"The user's id, or me"`
	IfMatch string `header:"If-Match"`
}

func (a *api) userOperations() {
	register(a, huma.Operation{
		OperationID: "createUser", Method: http.MethodPost, Path: "/v1/users", Tags: []string{"users"},
		Summary: "Create a user", DefaultStatus: http.StatusCreated, RequestBody: body[NewUser](a, false),
	}, a.create)
	register(a, huma.Operation{
		OperationID: "listUsers", Method: http.MethodGet, Path: "/v1/users", Tags: []string{"users"},
		Summary: "List users", Description: "Deleted users are listed by status=deleted alone.",
	}, a.list)
	register(a, huma.Operation{
		OperationID: "getUser", Method: http.MethodGet, Path: "/v1/users/{id}", Tags: []string{"users"},
		Summary: "Read a user",
	}, func(ctx context.Context, in *userInput) (*userOutput, error) { return a.get(ctx, in.ID) })
	register(a, huma.Operation{
		OperationID: "updateUser", Method: http.MethodPatch, Path: "/v1/users/{id}", Tags: []string{"users"},
		Summary: "Change a user by merge patch", RequestBody: body[UserPatch](a, true),
		Description: "With users:write everything that is not read-only; a new address is unproven then. A person changes its own " +
			"username and profile; its address, even with users:write, only at /account/email (403, code email_flow). The status goes from pending to active " +
			"or suspended, from active to suspended, from suspended to active (else 409, code illegal_transition); a suspension may " +
			"have a status_reason, which its end removes.",
	}, func(ctx context.Context, in *changeInput) (*userOutput, error) {
		return a.patch(ctx, in.ID, in.IfMatch, in.RawBody)
	})
	register(a, huma.Operation{
		OperationID: "deleteUser", Method: http.MethodDelete, Path: "/v1/users/{id}", Tags: []string{"users"},
		Summary: "Delete a user", DefaultStatus: http.StatusNoContent,
		Description: "The account is shut at once and can be restored until it is erased after the retention time.",
	}, func(ctx context.Context, in *deleteInput) (*struct{}, error) {
		return nil, a.remove(ctx, in.ID, in.IfMatch)
	})
	register(a, huma.Operation{
		OperationID: "restoreUser", Method: http.MethodPost, Path: "/v1/users/{id}/restore", Tags: []string{"users"},
		Summary: "Restore a deleted user", DefaultStatus: http.StatusOK, RequestBody: optional(body[nothing](a, false)),
		Description: "The account is back in the status that it was deleted in. 409 not_deleted where it is not; 409 (email_taken, " +
			"username_taken) where its address or username belongs to another account by now. The body may be absent.",
	}, a.restore)
}

var keyPattern = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`)

func (a *api) create(ctx context.Context, in *createInput) (*createOutput, error) {
	if err := require(ctx, rbac.UsersWrite); err != nil {
		return nil, err
	}
	n, err := decode[NewUser](a, in.RawBody)
	if err != nil {
		return nil, err
	}
	if n.Phone != "" {
		if n.Profile.PhoneNumber != "" && n.Profile.PhoneNumber != n.Phone {
			return nil, invalid("/phone", "must be the same as profile.phone_number where both are given")
		}
		n.Profile.PhoneNumber = n.Phone
	}
	key, err := idempotencyKey(ctx, in.IdempotencyKey, in.RawBody)
	if err != nil {
		return nil, err
	}
	u, _, err := a.accounts.Create(ctx, user.New{
		Email: n.Email, Username: n.Username, Status: user.Status(n.Status), Profile: n.Profile,
		Origin: user.OriginAdministration, Key: key,
	})
	if err != nil {
		return nil, asSent(in.RawBody, err)
	}
	return &createOutput{ETag: etag(u), Location: "/v1/users/" + u.ID.String(), Body: represent(u)}, nil
}

func idempotencyKey(ctx context.Context, key string, raw []byte) (*user.IdempotencyKey, error) {
	if key == "" {
		return nil, nil
	}
	if !keyPattern.MatchString(key) {
		return nil, badParameter("header", "Idempotency-Key", "must be 1 to 255 visible ASCII characters")
	}
	p := identity.PrincipalFrom(ctx)
	sum := sha256.Sum256(raw)
	return &user.IdempotencyKey{Actor: string(p.Kind) + ":" + p.Subject, Key: key, Fingerprint: sum[:]}, nil
}

func (a *api) get(ctx context.Context, id string) (*userOutput, error) {
	u, err := a.load(ctx, id)
	if err != nil {
		return nil, err
	}
	return output(u), nil
}

// load returns the user that the caller may read.
func (a *api) load(ctx context.Context, id string) (user.User, error) {
	who, err := reach(ctx, id, rbac.UsersRead)
	if err != nil {
		return user.User{}, err
	}
	u, err := a.accounts.ByID(ctx, who.id)
	if err != nil {
		return user.User{}, err
	}
	return u, who.own(u)
}

func (a *api) patch(ctx context.Context, id, ifMatch string, raw []byte) (*userOutput, error) {
	who, err := reach(ctx, id, rbac.UsersWrite)
	if err != nil {
		return nil, err
	}
	u, err := a.accounts.Update(ctx, who.id, func(u *user.User) error {
		if err := who.own(*u); err != nil {
			return err
		}
		if err := precondition(ifMatch, *u); err != nil {
			return err
		}
		before := represent(*u)
		after, err := merge[UserPatch](a, before, raw)
		if err != nil {
			return err
		}
		if err := mayChange(who, before, after); err != nil {
			return err
		}
		return apply(u, before, after)
	})
	if err != nil {
		return nil, asSent(raw, err)
	}
	return output(u), nil
}

// asSent makes the pointers of violations lead to what was sent: the phone may
// have come as /phone.
func asSent(raw []byte, err error) error {
	var bad *user.Invalid
	var sent struct{ Phone *string }
	if !errors.As(err, &bad) || json.Unmarshal(raw, &sent) != nil || sent.Phone == nil {
		return err
	}
	there := &user.Invalid{}
	for _, v := range bad.Violations {
		if v.Pointer == "/profile/phone_number" {
			v.Pointer = "/phone"
		}
		there.Add(v.Pointer, v.Detail)
	}
	return there
}

// mayChange refuses what the caller may not change: read-only members, and for
// the person itself what others rely on.
func mayChange(who access, before, after User) error {
	if found := readOnly(before, after); len(found) > 0 {
		return problem.New(http.StatusUnprocessableEntity, codeInvalid, "some members cannot be changed here").With(found...)
	}
	// Also with users:write: whoever holds a person's credential for a moment
	// must not get its account for good, and /account/email asks the password.
	if who.self && after.Email != before.Email {
		return problem.New(http.StatusForbidden, codeAddressFlow,
			"a person changes its address at /account/email, where the new one is proven").
			With(problem.Violation{Pointer: "/email", Detail: "is changed at /account/email"})
	}
	if who.permitted {
		return nil
	}
	if after.Status != before.Status || after.StatusReason != before.StatusReason {
		return problem.New(http.StatusForbidden, codeForbidden, "only an administrator changes the status").
			With(problem.Violation{Pointer: "/status", Detail: "is changed by an administrator"})
	}
	return nil
}

func apply(u *user.User, before, after User) error {
	if user.Status(after.Status) == user.StatusDeleted {
		return invalid("/status", "becomes deleted by DELETE")
	}
	if after.StatusReason != before.StatusReason && after.StatusReason != "" && user.Status(after.Status) != user.StatusSuspended {
		return invalid("/status_reason", "belongs to the status suspended")
	}
	u.Email, u.Username, u.Status = after.Email, after.Username, user.Status(after.Status)
	u.StatusReason = after.StatusReason
	u.Profile = after.Profile
	if after.Phone != before.Phone {
		// phone and profile.phone_number are one value; the one that was
		// changed counts.
		if after.Profile.PhoneNumber != before.Profile.PhoneNumber && after.Profile.PhoneNumber != after.Phone {
			return invalid("/phone", "must be the same as profile.phone_number where both are changed")
		}
		u.Profile.PhoneNumber = after.Phone
	}
	return nil
}

func (a *api) remove(ctx context.Context, id, ifMatch string) error {
	who, err := reach(ctx, id, rbac.UsersWrite)
	if err != nil {
		return err
	}
	// Everyone may end its own account, but not every application on its behalf.
	if !who.permitted && !identity.PrincipalFrom(ctx).HasScope(rbac.UsersWrite) {
		return problem.Newf(http.StatusForbidden, "insufficient_scope", "this needs the scope %s", rbac.UsersWrite)
	}
	return a.accounts.Delete(ctx, who.id, func(u user.User) error {
		if err := who.own(u); err != nil {
			return err
		}
		return precondition(ifMatch, u)
	})
}

func (a *api) restore(ctx context.Context, in *changeInput) (*userOutput, error) {
	// Not by reach: nobody restores itself, for nobody signs in to a deleted
	// account.
	if err := require(ctx, rbac.UsersWrite); err != nil {
		return nil, err
	}
	who, err := reach(ctx, in.ID, rbac.UsersWrite)
	if err != nil {
		return nil, err
	}
	if len(in.RawBody) > 0 {
		if _, err := decode[nothing](a, in.RawBody); err != nil {
			return nil, err
		}
	}
	u, err := a.accounts.Restore(ctx, who.id, func(u user.User) error { return precondition(in.IfMatch, u) })
	if err != nil {
		return nil, err
	}
	return output(u), nil
}

func invalid(pointer, detail string) error {
	return &user.Invalid{Violations: []user.Violation{{Pointer: pointer, Detail: detail}}}
}
