package source

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"gatehouse.example/gateway/filter"
)

// maxSignatureFile is more than base64 with line ends needs.
const maxSignatureFile = 256

// checkSignature verifies s over a module's bytes (RFC 8032, pure Ed25519).
func checkSignature(binary []byte, s *filter.Signature) error {
	if s == nil {
		return nil
	}
	key := base64.StdEncoding.EncodeToString(s.PublicKey)
	if len(s.PublicKey) != ed25519.PublicKeySize {
		return fmt.Errorf("signature/public_key: want the 32 bytes of an Ed25519 key in base64")
	}
	value := s.Value
	if s.File != "" {
		var err error
		if value, err = readSignature(s.File); err != nil {
			return err
		}
	}
	if !ed25519.Verify(s.PublicKey, binary, value) {
		return fmt.Errorf("signature: it is not one of key %s over this module: sign the module again, or name the key that signed it", key)
	}
	return nil
}

// readSignature reads a detached signature: 64 bytes, or those in base64.
func readSignature(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("signature/file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSignatureFile))
	if err != nil {
		return nil, fmt.Errorf("signature/file: %w", err)
	}
	if len(data) == ed25519.SignatureSize {
		return data, nil
	}
	value, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data)))
	if err != nil || len(value) != ed25519.SignatureSize {
		return nil, fmt.Errorf("signature/file: %s: want the 64 bytes of an Ed25519 signature, or those in base64", path)
	}
	return value, nil
}
