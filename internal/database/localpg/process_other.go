//go:build unix && !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// stopWithParent can do nothing here: the kernel has no such signal. The next
// start stops a server that was left behind.
func stopWithParent(*syscall.SysProcAttr) {}

// isPostmaster reports whether the process is a postgres that was started for
// the cluster: process ids are used again.
func isPostmaster(pid int, cluster string) bool {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), "postgres") && strings.Contains(string(out), cluster)
}
