package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

// Preferences are the use cases behind the preferences; [user.Preferences] is
// the real one.
type Preferences interface {
	List(ctx context.Context, id uuid.UUID, check func(user.User) error) ([]user.Preference, error)
	Get(ctx context.Context, id uuid.UUID, namespace string, check func(user.User) error) (user.Preference, error)
	Change(ctx context.Context, id uuid.UUID, namespace string,
		edit func(u user.User, current *user.Preference) (user.Document, error)) (user.Preference, error)
	Remove(ctx context.Context, id uuid.UUID, namespace string, check func(user.User, user.Preference) error) error
}

var _ Preferences = (*user.Preferences)(nil)

// Preference is one namespace in the list of preferences.
type Preference struct {
	Namespace string        `json:"namespace"`
	Value     user.Document `json:"value"`
	UpdatedAt time.Time     `json:"updated_at"`
}

// PreferenceList is all preferences of a person, sorted by namespace.
type PreferenceList struct {
	Items []Preference `json:"items" nullable:"false"`
	// NextCursor is there because every list has one; there is one page.
	NextCursor *string `json:"next_cursor" nullable:"true" doc:"Always null: there are at most 64 namespaces"`
}

type preferencesOutput struct{ Body PreferenceList }

type preferenceOutput struct {
	ETag string `header:"ETag"`
	Body user.Document
}

// huma finds no parameters in embedded structs that are not exported: each
// input lists its own.
type (
	myPreferenceInput struct {
		Namespace string `path:"namespace" pattern:"^[a-z0-9][a-z0-9._-]{0,63}$" maxLength:"64" doc:"Whose preferences these are, such as an application's name" example:"ui"`
	}
	preferenceInput struct {
		ID        string `path:"id" doc:"The user's id, or me"`
		Namespace string `path:"namespace" pattern:"^[a-z0-9][a-z0-9._-]{0,63}$" maxLength:"64" doc:"Whose preferences these are, such as an application's name" example:"ui"`
	}
	changeMyPreferenceInput struct {
		Namespace   string `path:"namespace" pattern:"^[a-z0-9][a-z0-9._-]{0,63}$" maxLength:"64" doc:"Whose preferences these are, such as an application's name" example:"ui"`
		IfMatch     string `header:"If-Match" doc:"The ETag that the change is based on"`
		IfNoneMatch string `header:"If-None-Match" doc:"*: only if the namespace is unset"`
		RawBody     []byte
	}
	changePreferenceInput struct {
		ID          string `path:"id" doc:"The user's id, or me"`
		Namespace   string `path:"namespace" pattern:"^[a-z0-9][a-z0-9._-]{0,63}$" maxLength:"64" doc:"Whose preferences these are, such as an application's name" example:"ui"`
		IfMatch     string `header:"If-Match" doc:"The ETag that the change is based on"`
		IfNoneMatch string `header:"If-None-Match" doc:"*: only if the namespace is unset"`
		RawBody     []byte
	}
	deleteMyPreferenceInput struct {
		Namespace string `path:"namespace" pattern:"^[a-z0-9][a-z0-9._-]{0,63}$" maxLength:"64" doc:"Whose preferences these are, such as an application's name" example:"ui"`
		IfMatch   string `header:"If-Match" doc:"The ETag that the removal is based on"`
	}
	deletePreferenceInput struct {
		ID        string `path:"id" doc:"The user's id, or me"`
		Namespace string `path:"namespace" pattern:"^[a-z0-9][a-z0-9._-]{0,63}$" maxLength:"64" doc:"Whose preferences these are, such as an application's name" example:"ui"`
		IfMatch   string `header:"If-Match" doc:"The ETag that the removal is based on"`
	}
)

// mine is the change of the caller's own.
func (in *changeMyPreferenceInput) mine() changePreferenceInput {
	return changePreferenceInput{"me", in.Namespace, in.IfMatch, in.IfNoneMatch, in.RawBody}
}

func (a *api) preferenceOperations() {
	const list, item = "/v1/users/{id}/preferences", "/v1/users/{id}/preferences/{namespace}"
	register(a, huma.Operation{
		OperationID: "listPreferences", Method: http.MethodGet, Path: list, Tags: []string{"preferences"},
		Summary: "Read all preferences of a user",
	}, func(ctx context.Context, in *userInput) (*preferencesOutput, error) {
		return a.listPreferences(ctx, in.ID)
	})
	register(a, huma.Operation{
		OperationID: "getPreferences", Method: http.MethodGet, Path: item, Tags: []string{"preferences"},
		Summary: "Read the preferences of one namespace",
	}, func(ctx context.Context, in *preferenceInput) (*preferenceOutput, error) {
		return a.getPreference(ctx, in.ID, in.Namespace)
	})
	register(a, huma.Operation{
		OperationID: "replacePreferences", Method: http.MethodPut, Path: item, Tags: []string{"preferences"},
		Summary: "Set the preferences of one namespace", RequestBody: body[user.Document](a, false),
	}, func(ctx context.Context, in *changePreferenceInput) (*preferenceOutput, error) {
		return a.putPreference(ctx, *in)
	})
	register(a, huma.Operation{
		OperationID: "updatePreferences", Method: http.MethodPatch, Path: item, Tags: []string{"preferences"},
		Summary: "Change the preferences of one namespace by merge patch", RequestBody: body[user.Document](a, true),
	}, func(ctx context.Context, in *changePreferenceInput) (*preferenceOutput, error) {
		return a.patchPreference(ctx, *in)
	})
	register(a, huma.Operation{
		OperationID: "deletePreferences", Method: http.MethodDelete, Path: item, Tags: []string{"preferences"},
		Summary: "Remove the preferences of one namespace", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *deletePreferenceInput) (*struct{}, error) {
		return nil, a.deletePreference(ctx, *in)
	})
}

// myPreferenceOperations are the same for the caller.
func (a *api) myPreferenceOperations() {
	const list, item = "/v1/me/preferences", "/v1/me/preferences/{namespace}"
	register(a, huma.Operation{
		OperationID: "listMyPreferences", Method: http.MethodGet, Path: list, Tags: []string{"me"},
		Summary: "Read all the caller's preferences",
	}, func(ctx context.Context, _ *nothing) (*preferencesOutput, error) { return a.listPreferences(ctx, "me") })
	register(a, huma.Operation{
		OperationID: "getMyPreferences", Method: http.MethodGet, Path: item, Tags: []string{"me"},
		Summary: "Read the caller's preferences of one namespace",
	}, func(ctx context.Context, in *myPreferenceInput) (*preferenceOutput, error) {
		return a.getPreference(ctx, "me", in.Namespace)
	})
	register(a, huma.Operation{
		OperationID: "replaceMyPreferences", Method: http.MethodPut, Path: item, Tags: []string{"me"},
		Summary: "Set the caller's preferences of one namespace", RequestBody: body[user.Document](a, false),
	}, func(ctx context.Context, in *changeMyPreferenceInput) (*preferenceOutput, error) {
		return a.putPreference(ctx, in.mine())
	})
	register(a, huma.Operation{
		OperationID: "updateMyPreferences", Method: http.MethodPatch, Path: item, Tags: []string{"me"},
		Summary: "Change the caller's preferences of one namespace by merge patch", RequestBody: body[user.Document](a, true),
	}, func(ctx context.Context, in *changeMyPreferenceInput) (*preferenceOutput, error) {
		return a.patchPreference(ctx, in.mine())
	})
	register(a, huma.Operation{
		OperationID: "deleteMyPreferences", Method: http.MethodDelete, Path: item, Tags: []string{"me"},
		Summary: "Remove the caller's preferences of one namespace", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *deleteMyPreferenceInput) (*struct{}, error) {
		return nil, a.deletePreference(ctx, deletePreferenceInput{"me", in.Namespace, in.IfMatch})
	})
}

func (a *api) listPreferences(ctx context.Context, id string) (*preferencesOutput, error) {
	who, err := reach(ctx, id, rbac.UsersRead)
	if err != nil {
		return nil, err
	}
	list, err := a.preferences.List(ctx, who.id, who.own)
	if err != nil {
		return nil, err
	}
	out := &preferencesOutput{Body: PreferenceList{Items: make([]Preference, 0, len(list))}}
	for _, p := range list {
		out.Body.Items = append(out.Body.Items, Preference{Namespace: p.Namespace, Value: p.Value, UpdatedAt: p.UpdatedAt})
	}
	return out, nil
}

func (a *api) getPreference(ctx context.Context, id, namespace string) (*preferenceOutput, error) {
	who, err := reach(ctx, id, rbac.UsersRead)
	if err != nil {
		return nil, err
	}
	p, err := a.preferences.Get(ctx, who.id, namespace, who.own)
	if err != nil {
		return nil, err
	}
	return &preferenceOutput{ETag: preferenceTag(p), Body: p.Value}, nil
}

func (a *api) putPreference(ctx context.Context, in changePreferenceInput) (*preferenceOutput, error) {
	return a.editPreference(ctx, in, func(user.Document) (user.Document, error) {
		return document(in.RawBody)
	})
}

func (a *api) patchPreference(ctx context.Context, in changePreferenceInput) (*preferenceOutput, error) {
	return a.editPreference(ctx, in, func(current user.Document) (user.Document, error) {
		patch, err := document(in.RawBody)
		return current.Patch(patch), err
	})
}

func (a *api) editPreference(ctx context.Context, in changePreferenceInput,
	edit func(user.Document) (user.Document, error),
) (*preferenceOutput, error) {
	who, err := reach(ctx, in.ID, rbac.UsersWrite)
	if err != nil {
		return nil, err
	}
	p, err := a.preferences.Change(ctx, who.id, in.Namespace, func(u user.User, current *user.Preference) (user.Document, error) {
		if err := who.own(u); err != nil {
			return nil, err
		}
		if err := preferencePrecondition(in.IfMatch, in.IfNoneMatch, current); err != nil {
			return nil, err
		}
		if current == nil {
			return edit(nil)
		}
		return edit(current.Value)
	})
	if err != nil {
		return nil, err
	}
	return &preferenceOutput{ETag: preferenceTag(p), Body: p.Value}, nil
}

func (a *api) deletePreference(ctx context.Context, in deletePreferenceInput) error {
	who, err := reach(ctx, in.ID, rbac.UsersWrite)
	if err != nil {
		return err
	}
	return a.preferences.Remove(ctx, who.id, in.Namespace, func(u user.User, p user.Preference) error {
		if err := who.own(u); err != nil {
			return err
		}
		return preferencePrecondition(in.IfMatch, "", &p)
	})
}

// document reads an object of any form.
func document(raw []byte) (user.Document, error) {
	var d user.Document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, problem.New(http.StatusBadRequest, "malformed", "the body is not JSON")
	}
	return d, nil
}

// preferenceTag is the validator of one namespace. The time of its making is
// part of it: the version begins anew when it was removed in between.
func preferenceTag(p user.Preference) string {
	return `"` + strconv.FormatInt(p.CreatedAt.UnixMicro(), 36) + "-" + strconv.FormatInt(p.Version, 10) + `"`
}

// preferencePrecondition evaluates If-Match and If-None-Match of a change
// (RFC 9110 §13.2.2); current is nil where nothing is set.
func preferencePrecondition(ifMatch, ifNoneMatch string, current *user.Preference) error {
	tag := ""
	if current != nil {
		tag = preferenceTag(*current)
	}
	if ifMatch != "" && !matches(ifMatch, tag) || ifNoneMatch != "" && matches(strings.ReplaceAll(ifNoneMatch, `W/"`, `"`), tag) {
		return problem.New(http.StatusPreconditionFailed, codePrecondition, "the preferences were changed since they were read; read them again")
	}
	return nil
}
