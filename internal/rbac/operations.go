package rbac

import (
	_ "embed" // for the table
	"fmt"
	"slices"
	"strings"
)

// Operation is one line of the table of operations and who may call them.
type Operation struct {
	// Service is who answers: "auth", "user", "email", "graph".
	Service string
	// Method and Path are the operation's, such as "GET" and "/v1/users/{id}".
	// {self} in a path stands for the id of whoever calls.
	Method, Path string
	// Answers say for each of [Callers] what it gets: "401", "403", or "ok" for
	// whatever else its request deserves.
	Answers map[string]string
}

// Callers returns the kinds of caller that the table knows, in the order of
// its columns:
//
//   - nobody: no credential
//   - person: somebody with the role user, by a token that has every scope
//   - reader: somebody with a role that permits all reading, likewise
//   - admin: somebody with the role admin, likewise
//   - bare: a client by a token without scopes
//   - client: a client with the scope admin
func Callers() []string { return []string{"nobody", "person", "reader", "admin", "bare", "client"} }

//go:embed operations.txt
var operations string

// Operations returns the table of all operations of the APIs and pages, which
// tests hold against what the services mount, and walk through the gateway.
//
// # Errors
//
// A line that is malformed or there twice, with its number.
func Operations() ([]Operation, error) {
	var all []Operation
	seen := map[string]bool{}
	for i, line := range strings.Split(operations, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		callers := Callers()
		if len(fields) != 3+len(callers) {
			return nil, fmt.Errorf("operations.txt:%d: %d columns, want %d", i+1, len(fields), 3+len(callers))
		}
		o := Operation{Service: fields[0], Method: fields[1], Path: fields[2], Answers: map[string]string{}}
		for j, caller := range callers {
			answer := fields[3+j]
			if !slices.Contains([]string{"401", "403", "ok"}, answer) {
				return nil, fmt.Errorf("operations.txt:%d: %s gets %q, want 401, 403 or ok", i+1, caller, answer)
			}
			o.Answers[caller] = answer
		}
		name := o.Method + " " + o.Path
		if seen[name] {
			return nil, fmt.Errorf("operations.txt:%d: %s is there twice", i+1, name)
		}
		seen[name] = true
		all = append(all, o)
	}
	return all, nil
}

// Mounted returns the operations of a service as it mounts them: "GET /v1/me".
// Lines about {self} are another's special case and left out.
func Mounted(all []Operation, service string) []string {
	var names []string
	for _, o := range all {
		if o.Service == service && !strings.Contains(o.Path, "{self}") {
			names = append(names, o.Method+" "+o.Path)
		}
	}
	slices.Sort(names)
	return names
}
