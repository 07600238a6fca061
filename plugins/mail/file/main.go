// Command file is a mail transport plugin that writes each message into a
// folder as NAME.eml, for development and for sites without a mail server.
//
// It owns the folder's layout: one complete RFC 5322 message per file, named by
// its idempotency key, so that a repeated attempt replaces the first. Reading
// the folder and emptying it is up to others.
package main

import "gatehouse.example/sdk/mail"

func main() { mail.Serve(&transport{}) }
