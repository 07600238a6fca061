package pluginhost

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ChecksumFile is the file in the plugins' folder that pins their checksums,
// in the format of sha256sum.
const ChecksumFile = "SHA256SUMS"

// verify returns the path of the plugin's binary after comparing it with the
// pinned checksum. It is done anew before each start.
func (h *Host) verify(spec Spec) (string, error) {
	path := spec.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(h.options.Directory, path)
	}
	got, err := hashFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s does not exist: run \"make plugins\"", path)
	}
	if err != nil {
		return "", fmt.Errorf("read binary: %w", err)
	}
	want, source, err := h.pinned(spec)
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return "", fmt.Errorf("%s has checksum %x, but %s pins %x: run \"make plugins\" if you changed it, else replace the binary",
			path, got, source, want)
	}
	return path, nil
}

func (h *Host) pinned(spec Spec) (sum []byte, source string, err error) {
	text, source := spec.SHA256, "the configuration"
	if text == "" {
		source = filepath.Join(h.options.Directory, ChecksumFile)
		if text, err = lookup(source, filepath.Base(spec.Path)); err != nil {
			return nil, source, err
		}
	}
	sum, err = hex.DecodeString(text)
	if err != nil || len(sum) != sha256.Size {
		return nil, source, fmt.Errorf("checksum %q in %s is not a SHA-256 in hexadecimal", text, source)
	}
	return sum, source, nil
}

func lookup(file, name string) (string, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no checksum: %s does not exist: run \"make plugins\" or configure sha256", file)
	}
	if err != nil {
		return "", fmt.Errorf("read checksums: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		sum, rest, _ := strings.Cut(lines.Text(), " ")
		// A second space or an asterisk tells text from binary mode.
		if strings.TrimLeft(rest, " *") == name {
			return sum, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return "", fmt.Errorf("no checksum of %s in %s: run \"make plugins\" or configure sha256", name, file)
}

func hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}
