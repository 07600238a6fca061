//go:build !linux

package pluginhost

import "syscall"

// sysProcAttr gives the child a process group of its own. Without a
// parent-death signal the SDK's own look at its parent ends an orphan.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
