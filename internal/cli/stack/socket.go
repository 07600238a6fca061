package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// maxSocketPath is the longest path of a socket that every system of ours
// takes (macOS 103 bytes, Linux 107), less what the gateway appends while it
// makes one: "/.s", ten digits and "/s" instead of the name.
const maxSocketPath = 103 - len("/.s0123456789/s")

// bindable returns a path of the socket file that is short enough to bind: on
// Linux, where a long one is below a data folder that lies deep, through the
// folder's descriptor, which release closes. "" stays "".
//
// # Errors
//
// A folder that cannot be opened, or elsewhere than on Linux a path that is too
// long.
func bindable(file string) (path string, release func(context.Context) error, err error) {
	release = func(context.Context) error { return nil }
	dir := filepath.Dir(file)
	if file == "" || max(len(dir), len(file)-len("/.s0123456789/s")) <= maxSocketPath {
		return file, release, nil
	}
	if runtime.GOOS != "linux" {
		return "", release, fmt.Errorf("gateway.admin_socket: %s is too long for a Unix socket: choose a shorter path, or a data folder that lies less deep", file)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return "", release, fmt.Errorf("gateway.admin_socket: %w", err)
	}
	short := filepath.Join("/proc/self/fd", fmt.Sprint(folder.Fd()), filepath.Base(file))
	return short, func(context.Context) error { return folder.Close() }, nil
}
