package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/user"
)

const (
	// requestsEach is how many requests each operation gets at least, and
	// requestsMost how many until one of them succeeded.
	requestsEach = 100
	requestsMost = 1000
)

// TestRequestsFromTheDocument sends each operation of the OpenAPI document
// requests that are made out of its schemas, good and bad, and holds every
// answer against the document: no answer is a 5xx, what is not a success is a
// problem, and every body is of the documented form.
func TestRequestsFromTheDocument(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	attributes, err := user.CompileSchema("any", []byte("true"))
	if err != nil {
		t.Fatal(err)
	}
	f := setUp(t, user.Options{Attributes: attributes})
	d := readDocument(t, f)
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), document: d, known: map[string][]string{}}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sent := 0
	for round, op := range d.operations {
		succeeded := false
		for i := 0; i < requestsEach || !succeeded; i++ {
			if i%requestsEach == 0 {
				f.populate(t, g, fmt.Sprintf("p%d-%d", round, i))
			}
			if i == requestsMost {
				t.Errorf("%s: none of %d requests succeeded", op.id, i)
				break
			}
			status, ok := f.probe(t, client, g, op)
			if !ok {
				return
			}
			succeeded = succeeded || status < 300
			sent++
		}
	}
	t.Logf("%d requests to %d operations", sent, len(d.operations))
}

// populate sees to it that there is somebody for each operation: the caller
// "self", somebody else, somebody deleted, a role and a permission of its own.
func (f *fixture) populate(t *testing.T, g *generator, name string) {
	t.Helper()
	self := f.person(t, name, "users:read", "users:write", "roles:read")
	f.callers["self"] = f.callers[name]
	other, gone := f.person(t, name+"-o"), f.person(t, name+"-d")
	if err := f.accounts.Delete(t.Context(), gone.ID, nil); err != nil {
		t.Fatal(err)
	}
	for _, u := range []user.User{self, other, gone, other} {
		g.known["id"] = append(g.known["id"], u.ID.String())
		f.call(t, "client", "PUT", "/v1/users/"+u.ID.String()+"/preferences/ui", `{"colour":"mauve"}`)
	}
	g.known["username"] = append(g.known["username"], other.Username)
	f.call(t, "client", "POST", "/v1/roles", `{"name":"`+name+`","permissions":["articles:read"]}`).want(t, 201)
	f.call(t, "client", "POST", "/v1/permissions", `{"name":"`+name+`:read","description":""}`).want(t, 201)
	g.known["name"] = append(g.known["name"], name, name+":read")
}

// probe sends one request and checks its answer. ok is false when the test
// should end.
func (f *fixture) probe(t *testing.T, client *http.Client, g *generator, op operation) (status int, ok bool) {
	t.Helper()
	r := g.request(op)
	as := []string{"client", "client", "client", "admin", "admin", "self", "self", "self", "reader", ""}[g.IntN(10)]
	req, err := http.NewRequestWithContext(t.Context(), r.method, f.url+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(asHeader, as)
	for i := 0; i < len(r.headers); i += 2 {
		req.Header.Set(r.headers[i], r.headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.holds(g, op, resp, body); err != nil {
		t.Errorf("%s as %q: %s %s\nheaders %q\nbody %.2000s\nanswer %d %s %.2000s\n%v",
			op.id, as, r.method, r.path, r.headers, r.body, resp.StatusCode, resp.Header.Get("Content-Type"), body, err)
		return resp.StatusCode, false
	}
	return resp.StatusCode, true
}

// holds reports in what an answer differs from the document.
func (f *fixture) holds(g *generator, op operation, resp *http.Response, body []byte) error {
	status := resp.StatusCode
	documented := fmt.Sprint(status)
	switch {
	case status >= 500:
		return errors.New("a bad request is not an error of the server")
	case status >= 400:
		if got := resp.Header.Get("Content-Type"); got != problem.ContentType {
			return fmt.Errorf("an error is a problem, not %s", got)
		}
		// Every status of a client's error is named; default is for the rest.
	}
	schema, ok := op.answers[documented]
	switch {
	case !ok:
		return errors.New("the status is not documented")
	case schema == nil && len(body) > 0:
		return errors.New("the answer has a body")
	case schema == nil:
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("the answer is not of the documented form: %w", err)
	}
	if status >= 400 {
		var p problem.Problem
		if err := json.Unmarshal(body, &p); err != nil {
			return err
		}
		if p.Status != status || p.Code == "" {
			return errors.New("the problem is incomplete")
		}
		return nil
	}
	if tag := resp.Header.Get("ETag"); tag != "" {
		g.known["etag"] = append(g.known["etag"], tag)
	}
	g.learn(value)
	return nil
}
