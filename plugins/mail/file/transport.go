package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"gatehouse.example/sdk/mail"
)

// config is the plugin's configuration.
type config struct {
	// Directory receives the messages. An absolute path; it is made with mode
	// 0700 if it does not exist.
	Directory string `json:"directory"`
}

type transport struct{ directory string }

var (
	_ mail.Transport = (*transport)(nil)
	_ mail.Describer = (*transport)(nil)
)

// Keys become file names, so nothing that a path could be built of.
var safeKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Describe implements [mail.Describer].
func (t *transport) Describe() mail.Description {
	return mail.Description{Name: "file", Version: "1"}
}

// Configure implements [mail.Transport].
func (t *transport) Configure(_ context.Context, raw json.RawMessage) error {
	var c config
	if err := mail.DecodeConfig(raw, &c); err != nil {
		return err
	}
	if !filepath.IsAbs(c.Directory) {
		return fmt.Errorf("directory %q: an absolute path is required", c.Directory)
	}
	if err := os.MkdirAll(c.Directory, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	t.directory = c.Directory
	return nil
}

// Send implements [mail.Transport].
func (t *transport) Send(ctx context.Context, m mail.Message) (mail.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return mail.Receipt{}, mail.Temporary(err)
	}
	if !safeKey.MatchString(m.IdempotencyKey) {
		return mail.Receipt{}, mail.Permanent(fmt.Errorf("idempotency key %q can't be a file name", m.IdempotencyKey))
	}
	name := m.IdempotencyKey + ".eml"
	if err := t.write(name, m.Raw); err != nil {
		return mail.Receipt{}, mail.Temporary(fmt.Errorf("write %s: %w", name, err))
	}
	return mail.Receipt{ProviderID: name}, nil
}

// write makes the file appear complete or not at all, also after a crash.
func (t *transport) write(name string, data []byte) (err error) {
	if err := os.MkdirAll(t.directory, 0o700); err != nil {
		return err
	}
	// CreateTemp gives mode 0600; readers look at *.eml only.
	file, err := os.CreateTemp(t.directory, ".incoming-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err := file.Write(data); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(t.directory, name))
}
