package pluginhost

import "syscall"

// sysProcAttr gives the child a process group of its own and lets the kernel
// end it with the thread that made it, see [launcher].
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
