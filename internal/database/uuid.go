package database

import "github.com/google/uuid"

// IsUUID reports whether an id that came from outside is a UUID in its canonical
// form (RFC 9562 §4), so that PostgreSQL is not asked to parse anything else:
// google/uuid takes URNs and other forms as well, which PostgreSQL refuses.
func IsUUID(id string) bool { return len(id) == 36 && uuid.Validate(id) == nil }
