// Package templates owns the texts of the mails that Gatehouse sends, as
// LOCALE/NAME/{subject.txt,body.txt,body.html}, and embeds them, so that the
// binary has them without its configuration folder.
//
// What the placeholders mean and how a locale is chosen is
// services/email/render's business.
package templates

import (
	"embed"
	"io/fs"
)

//go:embed en de
var files embed.FS

// FS returns the templates, with the locales at its root.
func FS() fs.FS { return files }
