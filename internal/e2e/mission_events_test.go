package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
	spec "gatehouse.example/pluginspec/event"
)

// missionEvents reads everything that was told until now, as an application of
// the company would, and holds it against the schemas that it was given.
func missionEvents(t *testing.T, m *mission) {
	text, err := os.ReadFile(filepath.Join(m.data, "nats.json"))
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ URL string }
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatal(err)
	}
	b, err := bus.Connect(t.Context(), bus.Options{URL: at.URL, Name: "shop", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	schemas := eventSchemas(t)
	var mu sync.Mutex
	seen := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Consume(ctx, bus.Consumer{Name: "shop", Handle: func(_ context.Context, e event.Event) error {
			mu.Lock()
			defer mu.Unlock()
			seen[e.Type]++
			schema := schemas[e.Type]
			if schema == nil {
				t.Errorf("no schema for %s", e.Type)
				return nil
			}
			data, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data))
			if err == nil {
				err = schema.Validate(data)
			}
			if err != nil {
				t.Errorf("%s %s: %v", e.Type, e.Data, err)
			}
			return nil
		}})
	}()
	await(t, 30*time.Second, "each type of event", func() error {
		mu.Lock()
		defer mu.Unlock()
		for _, typ := range []string{
			event.TypeUserRegistered, event.TypeUserVerified, event.TypeUserUpdated, event.TypeUserSuspended, event.TypeUserDeleted, event.TypeUserRestored,
			event.TypeUserEmailChanged, event.TypeUserRolesChanged, event.TypeRoleChanged, event.TypeSessionRevoked, event.TypeKeyRevoked,
			event.TypePasswordChanged, event.TypeEmailChangeRequested, event.TypeNewDevice, event.TypeIdentityLinked, event.TypeVerificationRequested,
			event.TypeAuditRecorded,
		} {
			if seen[typ] == 0 {
				return fmt.Errorf("%s was not told; of the others: %v", typ, seen)
			}
		}
		return nil
	})
	cancel()
	<-done
	stdout, stderr, exit := command(t, environment(), "events", "dead", "--data", m.data, "--output", "json")
	if exit != 0 || !bytes.Contains([]byte(stdout), []byte(`"items"`)) {
		t.Errorf("events dead: %d %s %s", exit, stdout, stderr)
	}
}

// eventSchemas are those of pluginspec/event, by type.
func eventSchemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	files, err := fs.Glob(spec.Schemas, "gatehouse.*.json")
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*jsonschema.Schema{}
	for _, file := range files {
		text, err := fs.ReadFile(spec.Schemas, file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(file, doc); err != nil {
			t.Fatal(err)
		}
		if schemas[file[:len(file)-len(".json")]], err = c.Compile(file); err != nil {
			t.Fatal(err)
		}
	}
	return schemas
}

// missionAtOnce does one thing many times at the same moment.
func missionAtOnce(t *testing.T, m *mission) {
	t.Run("100 registrations of one address", func(t *testing.T) {
		simultaneously(100, func(i int) {
			address := "many@example.com"
			if i%2 == 1 {
				address = "Many@Example.com"
			}
			await(t, 60*time.Second, "registration", func() error {
				_, err := m.tryRegister(t, address)
				return err
			})
		})
		if got := names(m.want(t, http.StatusOK, "GET", "/v1/users?email=many@", m.admin, "")["items"], "id"); len(got) != 1 {
			t.Errorf("%d accounts", len(got))
		}
		m.awaitMail(t, "many@example.com", 1)
		if all := append(m.mails(t, "many@example.com"), m.mails(t, "Many@example.com")...); len(all) > 2 {
			t.Errorf("%d mails", len(all))
		}
	})
	t.Run("200 refreshes of one token", func(t *testing.T) {
		first := m.tokensFor(t, m.ada, m.app, "openid offline_access")
		var mu sync.Mutex
		successors := map[string]bool{}
		simultaneously(200, func(int) {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "client_id": {m.app}}
			status, _, body := call(t, http.DefaultClient, http.MethodPost, m.issuer+"/oauth2/token", "", form)
			var got tokens
			if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
				t.Errorf("refresh: %d %s", status, body)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			successors[got.RefreshToken] = true
		})
		if len(successors) != 1 {
			t.Errorf("%d successors", len(successors))
		}
	})
}

// simultaneously calls fn n times at once and waits.
func simultaneously(n int, fn func(i int)) {
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			fn(i)
		})
	}
	close(begin)
	all.Wait()
}
