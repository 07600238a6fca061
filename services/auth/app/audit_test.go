package app_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth/postgres"
)

type auditRecord struct {
	ID          string            `json:"id"`
	Time        time.Time         `json:"time"`
	Service     string            `json:"service"`
	ActorKind   string            `json:"actor_kind"`
	ActorID     string            `json:"actor_id"`
	ClientID    string            `json:"client_id"`
	Action      string            `json:"action"`
	SubjectKind string            `json:"subject_kind"`
	SubjectID   string            `json:"subject_id"`
	Outcome     string            `json:"outcome"`
	Details     map[string]string `json:"details"`
}

// log reads the whole audit log that fits the query, page by page.
func (s *system) log(query string) []auditRecord {
	s.t.Helper()
	all, cursor := []auditRecord{}, ""
	for {
		var page struct {
			Items      []auditRecord `json:"items"`
			NextCursor *string       `json:"next_cursor"`
		}
		s.call(operator(), "GET", "/v1/audit?limit=2&cursor="+cursor+"&"+query, "").want(s.t, 200).into(s.t, &page)
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all
		}
		cursor = *page.NextCursor
	}
}

func actions(all []auditRecord) []string {
	got := []string{}
	for _, r := range all {
		got = append(got, r.Action+" "+r.SubjectID)
	}
	return got
}

// record makes one of another service.
func recordOf(t *testing.T, action, actor, subject string, at time.Time, outcome audit.Outcome) audit.Record {
	t.Helper()
	r, err := audit.New(t.Context(), "user", action, "user", subject, at)
	if err != nil {
		t.Fatal(err)
	}
	r.Outcome = outcome
	return r.By(identity.KindUser, actor)
}

// TestAuditFilters selects by each filter, the newest first.
func TestAuditFilters(t *testing.T) {
	s := start(t)
	store := postgres.NewAudit(s.db)
	at := time.Now().UTC().Truncate(time.Second)
	for _, r := range []audit.Record{
		recordOf(t, "user.created", "ada", "bob", at.Add(-3*time.Hour), audit.Success),
		recordOf(t, "user.suspended", "ada", "bob", at.Add(-2*time.Hour), audit.Success),
		recordOf(t, "user.suspended", "eve", "ada", at.Add(-time.Hour), audit.Denied),
		recordOf(t, "users.counted", "ada", "", at, audit.Success),
	} {
		for range 2 { // a repeated event
			if err := store.KeepAuditRecord(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	stamp := func(ago time.Duration) string { return url.QueryEscape(at.Add(-ago).Format(time.RFC3339)) }
	for query, want := range map[string][]string{
		"":                            {"users.counted ", "user.suspended ada", "user.suspended bob", "user.created bob"},
		"actor_id=eve":                {"user.suspended ada"},
		"subject_id=bob":              {"user.suspended bob", "user.created bob"},
		"action=user.suspended":       {"user.suspended ada", "user.suspended bob"},
		"action=user.*":               {"user.suspended ada", "user.suspended bob", "user.created bob"},
		"outcome=denied":              {"user.suspended ada"},
		"service=user&actor_id=ada":   {"users.counted ", "user.suspended bob", "user.created bob"},
		"service=auth":                {},
		"since=" + stamp(2*time.Hour): {"users.counted ", "user.suspended ada", "user.suspended bob"},
		"until=" + stamp(2*time.Hour): {"user.suspended bob", "user.created bob"},
		"since=" + stamp(2*time.Hour) + "&until=" + stamp(time.Hour): {"user.suspended ada", "user.suspended bob"},
		"actor_id=": {"users.counted ", "user.suspended ada", "user.suspended bob", "user.created bob"},
	} {
		if diff := cmp.Diff(want, actions(s.log(query))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	one := s.log("outcome=denied")[0]
	var read auditRecord
	s.call(operator(), "GET", "/v1/audit/"+one.ID, "").want(t, 200).into(t, &read)
	if diff := cmp.Diff(one, read); diff != "" {
		t.Errorf("read alone (-list +alone):\n%s", diff)
	}
}

// TestAuditRequests refuses what does not fit and who may not.
func TestAuditRequests(t *testing.T) {
	s := start(t)
	for query, name := range map[string]string{
		"actor=ada": "actor", "outcome=good": "outcome", "action=*": "action", "action=User.x": "action", "action=user.*.x": "action",
		"since=yesterday": "since", "until=2026-13-01T00:00:00Z": "until", "actor_id=%00": "actor_id", "subject_id=%ff": "subject_id",
		"service=a&service=b": "service", "actor_id=" + strings.Repeat("x", 201): "actor_id",
		"since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z": "until", "since=0000-01-01T00:00:00Z": "since",
	} {
		got := s.call(operator(), "GET", "/v1/audit?"+query, "").want(t, 400)
		if !strings.Contains(got.body, `"in":"query","name":"`+name+`"`) {
			t.Errorf("%s: %s", query, got.body)
		}
	}
	s.call(operator(), "GET", "/v1/audit?limit=201", "").want(t, 400)
	s.call(operator(), "GET", "/v1/audit?cursor=%21", "").want(t, 400)
	s.call(operator(), "GET", "/v1/audit?a=%zz", "").want(t, 400)
	s.call(operator(), "GET", "/v1/audit/x", "").want(t, 404)
	s.call(operator(), "GET", "/v1/audit/01890000-0000-7000-8000-000000000000", "").want(t, 404)
	s.call(operator(), "DELETE", "/v1/audit/01890000-0000-7000-8000-000000000000", "").want(t, 405)
	scopeAlone := user("01890000-0000-7000-8000-000000000001", "audit:read")
	permitted := scopeAlone
	permitted.Permissions = []string{"audit:read"}
	for path, status := range map[string]int{"/v1/audit": 200, "/v1/audit/01890000-0000-7000-8000-000000000000": 404} {
		s.call(permitted, "GET", path, "").want(t, status)
		s.call(scopeAlone, "GET", path, "").want(t, 403)
		s.call(user("01890000-0000-7000-8000-000000000001", "openid"), "GET", path, "").want(t, 403)
		s.call(identity.Principal{Kind: identity.KindClient, Subject: "c", ClientID: "c", Scopes: []string{"users:read"}}, "GET", path, "").want(t, 403)
		s.call(identity.Principal{}, "GET", path, "").want(t, 401)
	}
}

// TestAuditOfAll keeps what other services recorded, gives up what is no
// record, and has its own records once.
func TestAuditOfAll(t *testing.T) {
	b := connect(t)
	s := start(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := s.app.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	defer wait.Wait()
	defer cancel()
	publish := func(r audit.Record) {
		t.Helper()
		e, err := r.Event()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	bad := recordOf(t, "user.created", "ada", "a\x00b", time.Now(), audit.Success)
	worse := recordOf(t, "user.created", "ada", "worse", time.Now(), "splendid")
	good := recordOf(t, "user.suspended", "ada", "bob", time.Now(), audit.Success).With("reason", "spam")
	publish(bad)
	publish(worse)
	publish(good)
	empty, err := event.New(event.SourceUser, event.TypeAuditRecorded, "x", map[string]string{"id": "x"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), empty); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record of another service", func() bool { return len(s.log("subject_id=bob")) == 1 })
	if got := s.log("subject_id=bob")[0]; got.ID != good.ID || got.Details["reason"] != "spam" || got.Service != "user" {
		t.Errorf("kept: %+v", got)
	}
	eventually(t, "three dead events", func() bool {
		dead, err := b.Dead(t.Context(), 0, 10)
		return err == nil && len(dead) == 3 && dead[0].Consumer == "auth-audit"
	})
	s.publicClient()
	var got tokens
	s.browser().post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"users:read"}}, "Authorization", basic("bootstrap", "bootstrap-secret")).want(t, 200).into(t, &got)
	eventually(t, "the grant", func() bool { return len(s.log("action=token.issued")) == 1 })
	_, payload := claims(t, got.AccessToken)
	if r := s.log("action=token.issued")[0]; r.SubjectID != payload["jti"] || r.ActorKind != "client" || r.ActorID != "bootstrap" || r.ClientID != "bootstrap" || r.Details["scope"] != "users:read" {
		t.Errorf("grant: %+v", r)
	}
	if n := s.column(`SELECT count(*)::text FROM outbox WHERE event->'data'->>'action' = 'token.issued'`); !slices.Equal(n, []string{"0"}) {
		t.Errorf("a grant wrote to the database %v times", n)
	}
	if n := s.column(`SELECT count(*)::text FROM audit_log WHERE action = 'client.created'`); !slices.Equal(n, []string{"1"}) {
		t.Errorf("own record is there %v times", n)
	}
	s.call(user("01890000-0000-7000-8000-000000000001", "openid"), "GET", "/v1/audit/01890000-0000-7000-8000-000000000000", "").want(t, 403)
	s.call(user("01890000-0000-7000-8000-000000000001", "openid"), "GET", "/v1/audit/01890000-0000-7000-8000-000000000001", "").want(t, 403)
	eventually(t, "the refusal", func() bool { return len(s.log("outcome=denied")) > 0 })
	if r := s.log("outcome=denied"); len(r) != 1 || r[0].Action != "request.denied" || r[0].SubjectID != "GET /v1/audit/{id}" || r[0].ActorID != "01890000-0000-7000-8000-000000000001" {
		t.Errorf("refusals: %+v", r)
	}
}

// TestGrantWhileTheBrokerIsAway is recorded in the database instead.
func TestGrantWhileTheBrokerIsAway(t *testing.T) {
	b := connect(t)
	s := start(t, b)
	b.Close()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"users:read"}}
	s.browser().post("/oauth2/token", form, "Authorization", basic("bootstrap", "bootstrap-secret")).want(t, http.StatusOK)
	if r := s.records("token.issued"); len(r) != 1 || r[0].Actor != "bootstrap" {
		t.Errorf("records: %+v", r)
	}
}
