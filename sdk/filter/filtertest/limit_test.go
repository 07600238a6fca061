package filtertest

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter"
)

type limitTable struct {
	Name     string
	Policies []json.RawMessage
	Refused  string
	Steps    []struct {
		AdvanceUS int64 `json:"advance_us"`
		Policy    int32
		Key       string
		Cost      uint32
		Status    string
		// Windows are remaining, and milliseconds until reset and retry.
		Windows [][3]uint32
	}
}

// The gateway's own limiter runs the same table.
func TestLimitVectors(t *testing.T) {
	var tables []limitTable
	readVectors(t, "limit.json", &tables)
	for _, table := range tables {
		t.Run(table.Name, func(t *testing.T) {
			g := newGateway(t, "")
			for i, text := range table.Policies {
				n := g.LimitPolicy(text)
				if table.Refused != "" {
					if n != -int32(filterv1.StatusBadArgument) || !strings.HasPrefix(g.lastError, table.Refused) {
						t.Errorf("%d: %s", n, g.lastError)
					}
				} else if n != int32(i) {
					t.Fatalf("policy %d: %d: %s", i, n, g.lastError)
				}
			}
			for i, s := range table.Steps {
				g.now += time.Duration(s.AdvanceUS) * time.Microsecond
				result := make([]byte, len(s.Windows)*filterv1.LimitResultSize)
				if status := g.LimitTake(s.Policy, []byte(s.Key), s.Cost, result); status.String() != s.Status {
					t.Errorf("step %d: %s, want %s", i, status, s.Status)
				}
				for j, want := range s.Windows {
					at := result[j*filterv1.LimitResultSize:]
					have := [3]uint32{binary.LittleEndian.Uint32(at), binary.LittleEndian.Uint32(at[4:]), binary.LittleEndian.Uint32(at[8:])}
					if have != want {
						t.Errorf("step %d, window %d: %v, want %v", i, j, have, want)
					}
				}
			}
		})
	}
}

func TestLimitHandles(t *testing.T) {
	g := newGateway(t, "")
	policy := []byte(`{"windows":[{"rate":1,"per_ns":1000000000,"burst":1}]}`)
	for i := range maxPolicies {
		if n := g.LimitPolicy(policy); n != int32(i) {
			t.Fatal(n, g.lastError)
		}
	}
	if n := g.LimitPolicy(policy); n != -int32(filterv1.StatusBadArgument) {
		t.Errorf("policy 65: %d", n)
	}
	for _, handle := range []int32{-1, maxPolicies} {
		if s := g.LimitTake(handle, nil, 1, make([]byte, filterv1.LimitResultSize)); s != filterv1.StatusBadArgument {
			t.Errorf("handle %d: %s", handle, s)
		}
	}
	g = newGateway(t, "")
	g.started = true
	if n := g.LimitPolicy(policy); n != -int32(filterv1.StatusBadArgument) {
		t.Errorf("after the start: %d", n)
	}
}

// A policy's errors lead into the configuration, wherever its windows stand.
func TestLimitErrors(t *testing.T) {
	good := filter.Window{Rate: 1, Period: time.Second}
	for _, c := range []struct {
		name, want string
		policy     filter.LimitPolicy
	}{
		{"a field of a window", "config/limits/1/rate: want at least 1", filter.LimitPolicy{Field: "limits", Windows: []filter.Window{good, {Name: "b", Period: time.Second, Burst: 1}}}},
		{"without a field", "config/windows/0/per: want more than 0s", filter.LimitPolicy{Windows: []filter.Window{{Rate: 1}}}},
		{"a deep field", "config/plans/0/limits/0/burst: want 1 to", filter.LimitPolicy{Field: "plans/0/limits", Windows: []filter.Window{{Rate: 1, Period: time.Second, Burst: -1}}}},
		{"all windows", "config/quota: want 1 to 8, have 0", filter.LimitPolicy{Field: "quota"}},
		{"the store", "config/store: want local or redis", filter.LimitPolicy{Field: "quota", Windows: []filter.Window{good}, Store: "x"}},
		{"the way out", "config/on_unavailable: want", filter.LimitPolicy{Windows: []filter.Window{good}, OnUnavailable: "x"}},
		{"equal names", "config/quota/1/name: that of quota/0 too", filter.LimitPolicy{Field: "quota", Name: "a", Windows: []filter.Window{{Name: "a-2", Rate: 1, Period: 1}, good}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			newFilter := func(s *filter.Setup, _ struct{}) (*user, error) { _, err := s.Limits(c.policy); return &user{}, err }
			if _, err := Start(t, filter.Define("f", newFilter), ""); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
