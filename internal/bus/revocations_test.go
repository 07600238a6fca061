package bus_test

import (
	"context"
	"testing"
	"time"

	"gatehouse.example/internal/bus"
)

func TestRevocations(t *testing.T) {
	br := newBroker(t)
	auth, gateway := connect(t, br), connect(t, br)
	later := time.Now().Add(time.Hour)
	revoke := func(kind, id string, until time.Time) {
		t.Helper()
		if err := auth.Revoke(t.Context(), kind, id, until); err != nil {
			t.Fatal(err)
		}
	}
	revoke(bus.KindSession, "before", later)
	revoke(bus.KindJTI, "any / text * >", later)
	revoke(bus.KindSession, "past", time.Now().Add(-time.Second))
	revoke(bus.KindKey, "forever", time.Time{})

	r, err := bus.FollowRevocations(t.Context(), gateway)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Connected() {
		t.Error("not connected after FollowRevocations returned")
	}
	for _, tt := range []struct {
		kind, id string
		want     bool
	}{
		{bus.KindSession, "before", true},
		{bus.KindKey, "before", false},
		{bus.KindSession, "other", false},
		{bus.KindJTI, "any / text * >", true},
		{bus.KindSession, "past", false},
		{bus.KindKey, "forever", true},
	} {
		if got := r.Revoked(tt.kind, tt.id); got != tt.want {
			t.Errorf("Revoked(%q, %q) = %t", tt.kind, tt.id, got)
		}
	}
	begun := time.Now()
	revoke(bus.KindSession, "live", later)
	eventually(t, "live revocation", func() bool { return r.Revoked(bus.KindSession, "live") })
	t.Logf("seen after %s", time.Since(begun))

	revoke(bus.KindJTI, "short", time.Now().Add(1500*time.Millisecond))
	eventually(t, "short revocation", func() bool { return r.Revoked(bus.KindJTI, "short") })
	eventually(t, "end of it", func() bool { return !r.Revoked(bus.KindJTI, "short") })
}

func TestRevocationsReloadAfterLostConnection(t *testing.T) {
	br := newBroker(t)
	gateway := connect(t, br)
	r, err := bus.FollowRevocations(t.Context(), gateway)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := gateway.Revoke(t.Context(), bus.KindSession, "one", later); err != nil {
		t.Fatal(err)
	}
	eventually(t, "first", func() bool { return r.Revoked(bus.KindSession, "one") })

	br.s.Stop()
	eventually(t, "the loss to be seen", func() bool { return !r.Connected() })
	if !r.Revoked(bus.KindSession, "one") {
		t.Error("forgot what was revoked while disconnected")
	}
	br.start()
	auth := connect(t, br)
	if err := auth.Revoke(t.Context(), bus.KindSession, "two", later); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connected again", r.Connected)
	eventually(t, "what came meanwhile", func() bool { return r.Revoked(bus.KindSession, "two") })
	if !r.Revoked(bus.KindSession, "one") {
		t.Error("forgot what was revoked before")
	}
}

func TestFollowRevocationsWaitsForTheList(t *testing.T) {
	br := newBroker(t)
	b := connect(t, br)
	br.s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := bus.FollowRevocations(ctx, b); err == nil {
		t.Fatal("a list without a broker")
	}
}
