// Package refusals owns noting in the audit log whom a service refused what: a
// middleware around its API, and the work that records beside the answers.
//
// What is refused, and how that is answered, is the service's; where a record is
// kept, that of the recorder it brings.
package refusals
