package keyring_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/migrations"
	"gatehouse.example/services/auth/keyring"
	"gatehouse.example/services/auth/masterkey"
	"gatehouse.example/services/auth/postgres"
)

func key(t *testing.T, b byte) *masterkey.Key {
	t.Helper()
	k, err := masterkey.New(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestFirstKey starts several replicas at once: they agree on one key.
func TestFirstKey(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "auth", Schema: "auth", Role: "gatehouse_auth", FS: migrations.Auth})
	options := keyring.Options{Store: postgres.NewSigningKeys(db), Master: key(t, 1), MasterKeyFile: "the file"}
	rings := make([]*keyring.Ring, 8)
	var wait sync.WaitGroup
	for i := range rings {
		wait.Go(func() {
			var err error
			if rings[i], err = keyring.Open(context.Background(), options); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	for _, r := range rings {
		if r.Active().KID != rings[0].Active().KID || len(r.JWKS().Keys) != 1 {
			t.Errorf("replicas have different keys: %s, %d published", r.Active().KID, len(r.JWKS().Keys))
		}
	}
	if err := rings[0].Reload(t.Context()); err != nil {
		t.Error(err)
	}
	options.Master = key(t, 2)
	if _, err := keyring.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "the file") || !strings.Contains(err.Error(), "restore") {
		t.Errorf("another master key: %v", err)
	}
}
