package password_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/services/auth/password"
)

var quick = password.Parameters{MemoryKiB: 64, Passes: 1, Lanes: 1}

func TestHashAndVerify(t *testing.T) {
	h := password.NewHasher(password.Options{})
	phc, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", phc)
	}
	for given, want := range map[string]bool{"correct horse": true, "correct horse ": false, "": false} {
		if ok, err := h.Verify(t.Context(), phc, given); err != nil || ok != want {
			t.Errorf("%q: %v, %v", given, ok, err)
		}
	}
	if ok, err := h.Verify(t.Context(), "", "anything"); err != nil || ok {
		t.Errorf("no hash: %v, %v", ok, err)
	}
	weak, err := password.NewHasher(password.Options{Parameters: quick}).Hash(t.Context(), "x")
	if err != nil || !h.Stale(weak) || h.Stale(phc) {
		t.Errorf("stale: %v", err)
	}
	if ok, err := h.Verify(t.Context(), weak, "x"); err != nil || !ok {
		t.Errorf("a hash of other parameters: %v, %v", ok, err)
	}
}

// BenchmarkVerify shows that an account that does not exist costs as much time
// as one that does.
func BenchmarkVerify(b *testing.B) {
	h := password.NewHasher(password.Options{MaxConcurrent: 1})
	known, err := h.Hash(b.Context(), "correct horse")
	if err != nil {
		b.Fatal(err)
	}
	for name, phc := range map[string]string{"known": known, "unknown": ""} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Verify(b.Context(), phc, "guess"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestForeignHashes(t *testing.T) {
	h := password.NewHasher(password.Options{Parameters: quick})
	for _, phc := range []string{
		"x", "$2a$10$abc", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=16$m=64,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=0$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=1,p=1$AAAA$", "$argon2id$v=19$m=64,t=1,p=1$!$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		if ok, err := h.Verify(t.Context(), phc, "x"); err == nil || ok {
			t.Errorf("%s: %v, %v", phc, ok, err)
		}
	}
}

// TestFlood sheds what the queue cannot hold, and lets a caller give up.
func TestFlood(t *testing.T) {
	h := password.NewHasher(password.Options{MaxConcurrent: 1, MaxWaiting: 4})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var done, busy, other atomic.Int64
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			_, err := h.Hash(ctx, "x")
			switch {
			case err == nil:
				done.Add(1)
			case errors.Is(err, password.ErrBusy):
				busy.Add(1)
			default:
				other.Add(1)
			}
		})
	}
	wait.Wait()
	if done.Load() == 0 || busy.Load() == 0 || other.Load() != 0 || h.Waiting() != 0 {
		t.Errorf("done %d, shed %d, other %d, still waiting %d", done.Load(), busy.Load(), other.Load(), h.Waiting())
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 20 { // a free slot is taken even so
		if _, err := h.Hash(gone, "x"); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who left: %v", err)
		}
	}
}

func TestComplaint(t *testing.T) {
	for given, fine := range map[string]bool{
		"correct horse": true, "süßes Pferd": true, "長いパスワードです": true, "1234567": false, "ÄÖÜäöü1": false, "PASSWORD": false, "aaaaaaaaaa": false,
		"abababababab": false, "ada@example.com": false, strings.Repeat("ab!d", 32): true, strings.Repeat("ab!d", 32) + "x": false, "\xff\xfe12345678": false,
	} {
		if complaint := password.Complaint(given, "ada@example.com"); (complaint == "") != fine {
			t.Errorf("%q: %q", given, complaint)
		}
	}
}
