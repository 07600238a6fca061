package database_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"gatehouse.example/internal/database"
)

func TestIsUUID(t *testing.T) {
	id := uuid.NewString()
	for text, want := range map[string]bool{
		id: true, strings.ToUpper(id): true, uuid.Nil.String(): true,
		"": false, "urn:uuid:" + id: false, "{" + id + "}": false, "x" + id + "x": false, strings.ReplaceAll(id, "-", ""): false, id[:35] + "g": false,
	} {
		if database.IsUUID(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}
