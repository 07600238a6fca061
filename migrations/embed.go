// Package migrations owns the SQL migrations of the services: one folder per
// service, files NNNN_name.up.sql, embedded in the binary. Names in the files
// are unqualified; the first file of each service contains the text of
// internal/outbox/schema.sql.
//
// It leaves running them to internal/database.
package migrations

import (
	"embed"
	"io/fs"
)

// The pattern takes the whole folder, so that a new file needs no change here.
//
//go:embed *
var files embed.FS

// The migrations of each service: the files of its folder, at the root of the
// file system. They are never assigned again.
var (
	Auth  = sub("auth")
	User  = sub("user")
	Email = sub("email")
)

func sub(service string) fs.FS {
	f, err := fs.Sub(files, service)
	if err != nil {
		panic(err) // only for an invalid name, which is constant here
	}
	return f
}
