package capability

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

type limitTable struct {
	Name     string
	Policies []json.RawMessage
	Refused  string
	Steps    []struct {
		AdvanceUS int64 `json:"advance_us"`
		Policy    int
		Key       string
		Cost      uint32
		Status    string
		// Windows are remaining, and milliseconds until reset and retry.
		Windows [][3]uint32
	}
}

// The kit's own limiter runs the same table.
func TestLimitVectors(t *testing.T) {
	text, err := os.ReadFile(vectors + "limit.json")
	if err != nil {
		t.Fatal(err)
	}
	var tables []limitTable
	if err := json.Unmarshal(text, &tables); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		t.Run(table.Name, func(t *testing.T) { runLimitTable(t, &table) })
	}
}

func runLimitTable(t *testing.T, table *limitTable) {
	now := time.Duration(0)
	l := NewLimiter(LimiterOptions{Now: func() time.Duration { return now }})
	if table.Refused != "" {
		// What a shared limit may be is asked only where there is a store.
		l = NewLimiter(LimiterOptions{Store: noStore{}})
	}
	var policies []*LimitPolicy
	for i, text := range table.Policies {
		p, err := l.Policy("f", text)
		switch {
		case table.Refused != "":
			if err == nil || !strings.HasPrefix(err.Error(), table.Refused) {
				t.Errorf("error %v, want %q", err, table.Refused)
			}
		case err != nil:
			t.Fatalf("policy %d: %v", i, err)
		}
		policies = append(policies, p)
	}
	for i, s := range table.Steps {
		now += time.Duration(s.AdvanceUS) * time.Microsecond
		states := make([]Limit, policies[s.Policy].Windows())
		if status := l.Take(t.Context(), policies[s.Policy], []byte(s.Key), s.Cost, states); status.String() != s.Status {
			t.Errorf("step %d: %s, want %s", i, status, s.Status)
		}
		if len(states) != len(s.Windows) {
			t.Fatalf("step %d: %d windows", i, len(states))
		}
		for j, want := range s.Windows {
			if have := [3]uint32{states[j].Remaining, inMilliseconds(states[j].Reset), inMilliseconds(states[j].Retry)}; have != want {
				t.Errorf("step %d, window %d: %v, want %v", i, j, have, want)
			}
			if states[j].Allowed != (want[2] == 0) {
				t.Errorf("step %d, window %d: allowed %v", i, j, states[j].Allowed)
			}
		}
	}
}

// inMilliseconds is what limit_take writes.
func inMilliseconds(d time.Duration) uint32 {
	return uint32(min(math.Ceil(float64(d)/1e6), math.MaxUint32))
}

// noStore is a store that is never asked.
type noStore struct{ LimitStore }
