package pluginhost

import "runtime"

// launcher starts processes from one operating system thread that lives as
// long as the host. Linux delivers a child's parent-death signal when the
// *thread* that made it ends, and the Go runtime ends threads at will.
type launcher struct {
	work chan func()
	done chan struct{}
}

func newLauncher() *launcher {
	l := &launcher{work: make(chan func()), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *launcher) run() {
	defer close(l.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for f := range l.work {
		f()
	}
}

// do runs f on the thread. It must not be called after stop.
func (l *launcher) do(f func()) {
	finished := make(chan struct{})
	l.work <- func() {
		defer close(finished)
		f()
	}
	<-finished
}

// stop ends the thread's work; all children must have ended before.
func (l *launcher) stop() {
	close(l.work)
	<-l.done
}
