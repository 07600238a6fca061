// Command gatehouse is user management and OAuth for a company's own
// applications: a gateway, an auth, a user and an email service in one binary.
package main

import (
	"os"

	"gatehouse.example/internal/cli"
)

func main() {
	os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr))
}
