package masterkey_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gatehouse.example/services/auth/masterkey"
)

func always() error { return nil }

// TestNotAFirstStart: where a key was in use already no other takes its place.
func TestNotAFirstStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys", "master.key")
	inUse := errors.New("in use")
	if key, err := masterkey.LoadOrCreate(file, func() error { return inUse }); key != nil || !errors.Is(err, inUse) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, %v", key, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// Another process may have made file and signing key meanwhile.
	key, err := masterkey.LoadOrCreate(file, func() error {
		if _, err := masterkey.LoadOrCreate(file, always); err != nil {
			t.Error(err)
		}
		return inUse
	})
	if key == nil || err != nil {
		t.Errorf("the key of the process that was first: %v, %v", key, err)
	}
}

func TestFirstStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys", "master.key")
	sealed := make([][]byte, 16)
	keys := make([]*masterkey.Key, len(sealed))
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			var err error
			if keys[i], err = masterkey.LoadOrCreate(file, always); err != nil {
				t.Error(err)
				return
			}
			sealed[i], err = keys[i].Seal("purpose", []byte("plain"))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	for i := range keys {
		plain, err := keys[0].Open("purpose", sealed[i])
		if err != nil || string(plain) != "plain" {
			t.Errorf("processes that started at once have different keys: %v", err)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", keys[0], keys[0], keys[0], keys[0]); strings.Count(text, "[redacted]") != 4 {
		t.Errorf("the key prints as %s", text)
	}
}

func TestRefusedFiles(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"open to others": {strings.Repeat("A", 43) + "=", 0o644, "chmod 600"},
		"too short":      {"QUFB", 0o600, "damaged"},
		"empty":          {"", 0o600, "damaged"},
		"no base64":      {"!", 0o600, "damaged"},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := masterkey.LoadOrCreate(file, always); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != test.text {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, err := masterkey.LoadOrCreate(filepath.Join(dir, "empty", "key"), always); err == nil {
		t.Error("a file in the place of the folder is no error")
	}
}

func TestSeal(t *testing.T) {
	key, err := masterkey.New(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal("signing key 1", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := masterkey.New(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another key":     func() ([]byte, error) { return other.Open("signing key 1", sealed) },
		"another purpose": func() ([]byte, error) { return key.Open("signing key 2", sealed) },
		"altered":         func() ([]byte, error) { return key.Open("signing key 1", altered) },
		"cut":             func() ([]byte, error) { return key.Open("signing key 1", sealed[:5]) },
	} {
		if _, err := open(); !errors.Is(err, masterkey.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, _ := key.Derive("a"); bytes.Equal(a, bytes.Repeat([]byte{1}, 32)) {
		t.Error("a derived key is the master key")
	}
}
