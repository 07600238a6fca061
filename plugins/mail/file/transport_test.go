package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse.example/sdk/mail"
	"gatehouse.example/sdk/mail/mailtest"
)

// TestConformance runs the kit against the compiled plugin.
func TestConformance(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "mail-file")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	directory := filepath.Join(t.TempDir(), "new", "mails")
	config, err := json.Marshal(map[string]string{"directory": directory})
	if err != nil {
		t.Fatal(err)
	}
	mailtest.Run(t, mailtest.Options{
		New:    func(t *testing.T) mail.Transport { return mailtest.Start(t, binary) },
		Config: config,
		Delivered: func(_ *testing.T, key string) ([]byte, bool) {
			raw, err := os.ReadFile(filepath.Join(directory, key+".eml"))
			return raw, err == nil
		},
	})
	info, err := os.Stat(directory)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info, err)
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o600 || filepath.Ext(entry.Name()) != ".eml" {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
	}
}

func TestRefuses(t *testing.T) {
	transport := &transport{}
	for _, config := range []string{`{}`, `{"directory":"relative"}`, `{"directory":"/dev/null/x"}`, `[]`} {
		if err := transport.Configure(t.Context(), json.RawMessage(config)); err == nil {
			t.Errorf("configuration %s was accepted", config)
		}
	}
	transport.directory = t.TempDir()
	for _, key := range []string{"", "../x", "a/b", ".hidden", strings.Repeat("x", 200)} {
		if _, err := transport.Send(t.Context(), mail.Message{IdempotencyKey: key}); !mail.IsPermanent(err) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestWriteErrorIsTemporary(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	transport := &transport{directory: blocked}
	_, err := transport.Send(t.Context(), mailtest.Message("key", "ada@example.com"))
	if err == nil || mail.IsPermanent(err) {
		t.Errorf("Send into a folder that is a file: %v", err)
	}
}
