//go:build !linux

package source

import (
	"io/fs"
	"time"
)

// lastUse is a file's last change.
func lastUse(info fs.FileInfo) time.Time { return info.ModTime() }
