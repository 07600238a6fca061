// Package email is the domain of the email service: what a message is, which
// states it goes through, how a cause becomes a message, and how a message is
// sent, tried again, given up.
//
// Adapters live below it: postgres stores messages, render makes mails of
// templates, rest and mailbox show them over HTTP, app assembles the service.
// Transports are plugins behind internal/pluginhost. People and challenges
// belong to other services; of them this one knows ids and addresses only, and
// asks auth for a link at the moment of sending.
package email
