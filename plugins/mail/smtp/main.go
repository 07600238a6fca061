// Command smtp is a mail transport plugin that hands messages to a mail server
// (RFC 5321) with go-mail.
//
// It owns connection, TLS, authentication and the meaning of reply codes. When
// a message is tried again is the host's decision.
package main

import "gatehouse.example/sdk/mail"

func main() { mail.Serve(&transport{}) }
