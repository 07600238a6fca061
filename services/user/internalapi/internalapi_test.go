package internalapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/problem"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user"
	"gatehouse.example/services/user/internalapi"
	"gatehouse.example/services/user/postgres"
)

// TestBadInput: another service may be broken too; it gets a 4xx that says so.
// What the operations do is tested through the typed client in services/user/app.
func TestBadInput(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	store := postgres.New(db)
	accounts := user.NewAccounts(store, user.Options{})
	mux := http.NewServeMux()
	for _, op := range internalapi.Operations(accounts, accounts, user.NewRoles(store, user.Options{})) {
		mux.Handle(op.Pattern, op.Handler)
	}
	id := uuid.Must(uuid.NewV7())
	if _, err := accounts.Ensure(t.Context(), user.New{ID: id, Email: "ada@example.com", Origin: user.OriginRegistration}); err != nil {
		t.Fatal(err)
	}
	bodies := map[string]struct {
		body, contentType string
		want              int
	}{
		"empty":         {"", "application/json", 400},
		"truncated":     {`{"email":"a`, "application/json", 400},
		"wrong type":    {`{"email":1}`, "application/json", 422},
		"array":         {`[]`, "application/json", 422},
		"invalid UTF-8": {"{\"email\":\"\xff\"}", "application/json", 400},
		"too large":     {`"` + strings.Repeat("x", 10<<20) + `"`, "application/json", 413},
		"text":          {`{}`, "text/plain", 415},
		"no type":       {`{}`, "", 415},
	}
	for _, endpoint := range [][2]string{
		{"PUT", "/internal/v1/accounts/" + uuid.NewString()},
		{"POST", "/internal/v1/accounts/" + id.String() + "/verify-email"},
		{"POST", "/internal/v1/accounts/" + id.String() + "/change-email"},
	} {
		for name, c := range bodies {
			t.Run(endpoint[0]+" "+name, func(t *testing.T) {
				r := httptest.NewRequestWithContext(t.Context(), endpoint[0], endpoint[1], strings.NewReader(c.body))
				if c.contentType != "" {
					r.Header.Set("Content-Type", c.contentType)
				}
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				var p problem.Problem
				if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.want || p.Status != c.want {
					t.Errorf("status %d, want %d: %s", w.Code, c.want, w.Body)
				}
			})
		}
	}
	if u, err := accounts.ByID(t.Context(), id); err != nil || u.Version != 1 || u.EmailVerified {
		t.Errorf("bad input changed %+v, %v", u, err)
	}
}
