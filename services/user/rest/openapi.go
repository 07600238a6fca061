package rest

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/problem"
)

// documentProblems documents which problems an operation answers with; default
// stands for those of the server, such as 503.
func (a *api) documentProblems(op *huma.Operation, input reflect.Type) {
	content := map[string]*huma.MediaType{
		problem.ContentType: {Schema: a.schemas.Schema(reflect.TypeFor[problem.Problem](), true, "Problem")},
	}
	op.Responses["default"] = &huma.Response{Description: "Problem", Content: content}
	for _, status := range problemStatuses(op, input) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: content}
	}
}

func problemStatuses(op *huma.Operation, input reflect.Type) []int {
	statuses := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}
	if strings.ContainsRune(op.Path, '{') || strings.HasPrefix(op.Path, "/v1/me") {
		statuses = append(statuses, http.StatusNotFound)
	}
	if conflicts(op) {
		statuses = append(statuses, http.StatusConflict)
	}
	if _, ok := input.FieldByName("IfMatch"); ok {
		statuses = append(statuses, http.StatusPreconditionFailed)
	}
	if op.RequestBody != nil {
		statuses = append(statuses, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if op.RequestBody != nil || strings.Contains(op.Path, "{namespace}") {
		statuses = append(statuses, http.StatusUnprocessableEntity)
	}
	return statuses
}

// conflicts reports whether the operation can meet something that stands in its
// way: a change, but for those of what nobody else has a say in.
func conflicts(op *huma.Operation) bool {
	switch {
	case op.Method == http.MethodGet, op.Path == "/v1/authorize", strings.HasSuffix(op.Path, "/profile"):
		return false
	}
	return op.Method != http.MethodDelete || !strings.Contains(op.Path, "/preferences")
}

// documentValidator documents what [conditional] does for a GET with an ETag.
func documentValidator(op *huma.Operation, output reflect.Type) {
	if _, ok := output.FieldByName("ETag"); !ok || op.Method != http.MethodGet {
		return
	}
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "If-None-Match", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "The ETag of what the client has; if it is the same, the answer is 304",
	})
	op.Responses["304"] = &huma.Response{Description: http.StatusText(http.StatusNotModified)}
}

// documentRemoval documents which members of the merge patches null removes
// (RFC 7396 §2), which a struct's tags cannot say of objects.
func (a *api) documentRemoval() {
	a.removable(a.resolve(a.bodies["ProfilePatch"]))
	a.removable(a.resolve(a.bodies["UserPatch"]), "username", "phone", "status_reason", "profile")
	a.removable(a.resolve(a.bodies["RolePatch"]), "description", "permissions", "inherits")
}

// removable lets the named members of an object be null, all of them where none
// is named.
func (a *api) removable(object *huma.Schema, names ...string) {
	for name, member := range object.Properties {
		if len(names) == 0 || slices.Contains(names, name) {
			object.Properties[name] = a.nullable(member)
		}
	}
}

// nullable returns the schema, or null. What a reference leads to is written
// out, because others refer to it too.
func (a *api) nullable(s *huma.Schema) *huma.Schema {
	n := *a.resolve(s)
	n.Nullable = true
	if len(n.Properties) > 0 {
		n.Properties = maps.Clone(n.Properties)
		a.removable(&n)
	}
	return &n
}

// resolve follows references.
func (a *api) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = a.schemas.SchemaFromRef(s.Ref)
	}
	return s
}
