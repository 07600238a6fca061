// Package cli owns the gatehouse command: its subcommands, flags and exit
// codes. With its subpackage stack it is the only composition root: nothing
// else imports services, gateway and plugins together.
//
// A command reads the configuration, calls one package that does the work and
// prints; what the work is stands in that package.
package cli
