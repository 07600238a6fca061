package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// profileOutput is an answer with one profile.
type profileOutput struct {
	ETag string `header:"ETag"`
	Body user.Profile
}

// ProfilePatch is a merge patch for a profile; null removes a member.
type ProfilePatch user.Profile

func profileBody(a *api, patch bool) *huma.RequestBody {
	if patch {
		return body[ProfilePatch](a, true)
	}
	return body[user.Profile](a, false)
}

func (a *api) profileOperations() {
	register(a, huma.Operation{
		OperationID: "getProfile", Method: http.MethodGet, Path: "/v1/users/{id}/profile", Tags: []string{"profiles"},
		Summary: "Read a profile",
	}, func(ctx context.Context, in *userInput) (*profileOutput, error) { return a.getProfile(ctx, in.ID) })
	register(a, huma.Operation{
		OperationID: "updateProfile", Method: http.MethodPatch, Path: "/v1/users/{id}/profile", Tags: []string{"profiles"},
		Summary: "Change a profile by merge patch", RequestBody: profileBody(a, true),
	}, func(ctx context.Context, in *changeInput) (*profileOutput, error) {
		return a.patchProfile(ctx, in.ID, in.IfMatch, in.RawBody)
	})
	register(a, huma.Operation{
		OperationID: "replaceProfile", Method: http.MethodPut, Path: "/v1/users/{id}/profile", Tags: []string{"profiles"},
		Summary: "Replace a profile", RequestBody: profileBody(a, false),
	}, func(ctx context.Context, in *changeInput) (*profileOutput, error) {
		return a.putProfile(ctx, in.ID, in.IfMatch, in.RawBody)
	})
}

func (a *api) getProfile(ctx context.Context, id string) (*profileOutput, error) {
	u, err := a.load(ctx, id)
	if err != nil {
		return nil, err
	}
	return &profileOutput{ETag: etag(u), Body: u.Profile}, nil
}

func (a *api) patchProfile(ctx context.Context, id, ifMatch string, raw []byte) (*profileOutput, error) {
	return a.editProfile(ctx, id, ifMatch, func(p user.Profile) (user.Profile, error) {
		return merge[ProfilePatch](a, p, raw)
	})
}

func (a *api) putProfile(ctx context.Context, id, ifMatch string, raw []byte) (*profileOutput, error) {
	return a.editProfile(ctx, id, ifMatch, func(user.Profile) (user.Profile, error) {
		return decode[user.Profile](a, raw)
	})
}

func (a *api) editProfile(ctx context.Context, id, ifMatch string, edit func(user.Profile) (user.Profile, error)) (*profileOutput, error) {
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
		p, err := edit(u.Profile)
		u.Profile = p
		return err
	})
	if err != nil {
		return nil, below("/profile", err)
	}
	return &profileOutput{ETag: etag(u), Body: u.Profile}, nil
}

// below makes the pointers of violations relative to the resource that the
// body describes.
func below(prefix string, err error) error {
	var bad *user.Invalid
	if !errors.As(err, &bad) {
		return err
	}
	relative := &user.Invalid{}
	for _, v := range bad.Violations {
		relative.Add(strings.TrimPrefix(v.Pointer, prefix), v.Detail)
	}
	return relative
}
