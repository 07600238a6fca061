package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gatehouse.example/internal/config"
	"gatehouse.example/services/user"
)

const schemaSuffix = ".json"

// schemas compiles the operator's JSON Schemas. A schema that cannot be used is
// an error that names its file: what it should keep out would come in.
func schemas(c config.User) (attributes *user.Schema, preferences map[string]*user.Schema, err error) {
	if c.ProfileSchema != "" {
		if attributes, err = schema(c.ProfileSchema); err != nil {
			return nil, nil, fmt.Errorf("user.profile_schema: %w", err)
		}
	}
	if c.PreferenceSchemas == "" {
		return attributes, nil, nil
	}
	entries, err := os.ReadDir(c.PreferenceSchemas)
	if err != nil {
		return nil, nil, fmt.Errorf("user.preference_schemas: %w", err)
	}
	preferences = map[string]*user.Schema{}
	for _, entry := range entries {
		file := filepath.Join(c.PreferenceSchemas, entry.Name())
		namespace, ok := strings.CutSuffix(entry.Name(), schemaSuffix)
		if entry.IsDir() || !ok {
			continue
		}
		if !user.ValidNamespace(namespace) {
			return nil, nil, fmt.Errorf("user.preference_schemas: %s: %q cannot be a namespace", file, namespace)
		}
		if preferences[namespace], err = schema(file); err != nil {
			return nil, nil, fmt.Errorf("user.preference_schemas: %w", err)
		}
	}
	return attributes, preferences, nil
}

func schema(file string) (*user.Schema, error) {
	data, err := os.ReadFile(file) //nolint:gosec // G304: the operator names the file.
	if err != nil {
		return nil, err
	}
	return user.CompileSchema(file, data)
}
