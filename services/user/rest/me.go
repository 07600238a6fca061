package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type nothing struct{}

type changeMeInput struct {
	IfMatch string `header:"If-Match" doc:"The ETag that the change is based on"`
	RawBody []byte
}

type deleteMeInput struct {
	IfMatch string `header:"If-Match"`
}

// meOperations are /v1/me: the caller's own user, the same as /v1/users/me.
func (a *api) meOperations() {
	register(a, huma.Operation{
		OperationID: "getMe", Method: http.MethodGet, Path: "/v1/me", Tags: []string{"me"},
		Summary: "Read the caller's own user",
	}, func(ctx context.Context, _ *nothing) (*userOutput, error) { return a.get(ctx, "me") })
	register(a, huma.Operation{
		OperationID: "updateMe", Method: http.MethodPatch, Path: "/v1/me", Tags: []string{"me"},
		Summary: "Change the caller's own user by merge patch", RequestBody: body[UserPatch](a, true),
	}, func(ctx context.Context, in *changeMeInput) (*userOutput, error) {
		return a.patch(ctx, "me", in.IfMatch, in.RawBody)
	})
	register(a, huma.Operation{
		OperationID: "deleteMe", Method: http.MethodDelete, Path: "/v1/me", Tags: []string{"me"},
		Summary: "Delete the caller's own user", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *deleteMeInput) (*struct{}, error) {
		return nil, a.remove(ctx, "me", in.IfMatch)
	})
	register(a, huma.Operation{
		OperationID: "getMyProfile", Method: http.MethodGet, Path: "/v1/me/profile", Tags: []string{"me"},
		Summary: "Read the caller's own profile",
	}, func(ctx context.Context, _ *nothing) (*profileOutput, error) { return a.getProfile(ctx, "me") })
	register(a, huma.Operation{
		OperationID: "updateMyProfile", Method: http.MethodPatch, Path: "/v1/me/profile", Tags: []string{"me"},
		Summary: "Change the caller's own profile by merge patch", RequestBody: profileBody(a, true),
	}, func(ctx context.Context, in *changeMeInput) (*profileOutput, error) {
		return a.patchProfile(ctx, "me", in.IfMatch, in.RawBody)
	})
	register(a, huma.Operation{
		OperationID: "replaceMyProfile", Method: http.MethodPut, Path: "/v1/me/profile", Tags: []string{"me"},
		Summary: "Replace the caller's own profile", RequestBody: profileBody(a, false),
	}, func(ctx context.Context, in *changeMeInput) (*profileOutput, error) {
		return a.putProfile(ctx, "me", in.IfMatch, in.RawBody)
	})
}
