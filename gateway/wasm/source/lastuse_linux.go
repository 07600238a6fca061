package source

import (
	"io/fs"
	"syscall"
	"time"
)

// lastUse is the later of a file's last change and its last reading, which
// file systems note once a day at least where they note it at all.
func lastUse(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		if read := time.Unix(s.Atim.Unix()); read.After(info.ModTime()) {
			return read
		}
	}
	return info.ModTime()
}
