// Package notification is the domain of the notifications that a person finds
// in an application rather than in its mail: what one is, which events cause
// one, in which words it is told, and what a person may switch off.
//
// Texts of built-in types are not stored. A notification keeps its type and
// data, and [Notification.Text] makes title and body of them in the language
// of who reads, so that a person that changes its language reads all of them in
// the new one. What API clients create has the client's own words.
//
// Adapters live below: postgres stores, rest answers, stream tells live. Mails,
// their templates and delivery belong to the parent, package email, which asks
// [Preferences] whether a mail is wanted.
package notification
