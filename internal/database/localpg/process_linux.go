package localpg

import (
	"fmt"
	"os"
	"syscall"
)

// stopWithParent lets the kernel shut the child down (fast, as Stop does)
// when the thread that starts it ends; see supervise.
func stopWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGINT }

// isPostmaster reports whether the process works in the cluster: a postmaster
// changes to its data folder, and process ids are used again.
func isPostmaster(pid int, cluster string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && cwd == cluster
}
