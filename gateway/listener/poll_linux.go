package listener

import "golang.org/x/sys/unix"

// hangUpEvent is reported when the client has closed its half of the
// connection, however many bytes are still to be read.
const hangUpEvent = unix.POLLRDHUP
