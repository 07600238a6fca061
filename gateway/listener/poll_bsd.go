//go:build unix && !linux

package listener

// hangUpEvent asks for nothing: these systems always report POLLHUP when the
// client has closed its half of the connection.
const hangUpEvent = 0
