package router

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var table = []Route{
	0:  {Path: "/v1/users/*", Methods: []string{"GET"}},
	1:  {Path: "/v1/users/*"},
	2:  {Path: "/v1/users/{id}/roles", Methods: []string{"PUT"}},
	3:  {Path: "/v1/users/me"},
	4:  {Path: "/v1/*"},
	5:  {Path: "/", Methods: []string{"GET"}},
	6:  {Path: "/v1/users/*", Host: "Shop.example"},
	7:  {Path: "/only/post", Methods: []string{"POST"}},
	8:  {Path: "/x/{a}/y/{b}", Methods: []string{"GET", "DELETE"}},
	9:  {Path: "/x/1/*"},
	10: {Path: "/v1/users", Methods: []string{"POST"}},
}

func TestLookup(t *testing.T) {
	r, err := New(table)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		host, method, path string
		want               int
	}{
		{"a", "GET", "/v1/users", 0},
		{"a", "HEAD", "/v1/users/1", 0},
		{"a", "POST", "/v1/users", 10},
		{"a", "POST", "/v1/users/1", 1},
		{"a", "GET", "/v1/users/", 0},
		{"a", "PUT", "/v1/users/7/roles", 2},
		{"a", "GET", "/v1/users/7/roles", 0},
		{"a", "DELETE", "/v1/users/7/roles", 1},
		{"a", "PUT", "/v1/users//roles", 1},
		{"a", "GET", "/v1/users/me", 3},
		{"a", "GET", "/v1/users/me/x", 0},
		{"a", "GET", "/v1/usersx", 4},
		{"a", "GET", "/v1", 4},
		{"a", "GET", "/v1/", 4},
		{"a", "GET", "/v2", None},
		{"a", "GET", "/", 5},
		{"a", "POST", "/", None},
		{"shop.example", "GET", "/v1/users/1", 6},
		{"shop.example", "GET", "/v1/other", 4},
		{"a", "GET", "/only/post", None},
		{"a", "GET", "/x/1/y/2", 9},
		{"a", "GET", "/x/2/y/3", 8},
		{"a", "POST", "/x/2/y/3", None},
	} {
		if got := r.Lookup(row.host, row.method, row.path); got != row.want {
			t.Errorf("%s %s %s: route %d, want %d", row.host, row.method, row.path, got, row.want)
		}
	}
	if diff := cmp.Diff([]string{"DELETE", "GET", "HEAD"}, r.Allowed("a", "/x/2/y/3")); diff != "" {
		t.Error(diff)
	}
	if got := r.Allowed("a", "/nothing"); got != nil {
		t.Errorf("unknown path allows %v", got)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	r, err := New(table)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { r.Lookup("shop.example", "GET", "/x/2/y/3") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConflicts(t *testing.T) {
	for name, routes := range map[string][]Route{
		"same":           {{Path: "/a"}, {Path: "/a"}},
		"other names":    {{Path: "/a/{x}"}, {Path: "/a/{y}"}},
		"one method":     {{Path: "/a", Methods: []string{"GET", "PUT"}}, {Path: "/a", Methods: []string{"PUT"}}},
		"host, any case": {{Path: "/a/*", Host: "X.y"}, {Path: "/a/*", Host: "x.Y"}},
	} {
		_, err := New(routes)
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.First != 0 || conflict.Second != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New([]Route{{Path: "/a"}, {Path: "/a", Methods: []string{"GET"}}, {Path: "/a/*"}, {Path: "/a", Host: "h"}}); err != nil {
		t.Errorf("no conflict: %v", err)
	}
}

func TestPatternsRefused(t *testing.T) {
	for _, path := range []string{"", "a", "/a//b", "/a/../b", "/a*", "/*/a", "/a/{}", "/a/{x", "/a/b{x}", "/a?b", "/a%20b", "/a b", "/{a/b}"} {
		_, err := New([]Route{{Path: "/ok"}, {Path: path}})
		var p *PatternError
		if !errors.As(err, &p) || p.Index != 1 {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// FuzzLookup compares the tree with trying each route in turn.
func FuzzLookup(f *testing.F) {
	r, err := New(table)
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range []string{"/v1/users/7/roles", "/", "//", "/x/1/y/2/", "", "/v1/users/"} {
		f.Add("GET", p)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		i := r.Lookup("shop.example", method, path)
		if i == None {
			return
		}
		p, err := parsePattern(table[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
		if len(segments) < len(p.segments) || (!p.prefix && len(segments) != len(p.segments)) {
			t.Fatalf("%q matches %q", path, table[i].Path)
		}
		for j, want := range p.segments {
			if want != anySegment && segments[j] != want || want == anySegment && segments[j] == "" {
				t.Fatalf("%q matches %q", path, table[i].Path)
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 10000} {
		routes := make([]Route, n)
		for i := range routes {
			routes[i] = Route{Path: fmt.Sprintf("/v1/r%d/{id}/parts/*", i), Methods: []string{"GET"}}
		}
		r, err := New(routes)
		if err != nil {
			b.Fatal(err)
		}
		path := fmt.Sprintf("/v1/r%d/17/parts/4", n/2)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r.Lookup("h", "GET", path) == None {
					b.Fatal("no route")
				}
			}
		})
	}
}
