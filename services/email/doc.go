// Package email is the domain of the email service: what a message is, which
// states it goes through, how a cause becomes a message, whom it may not go to,
// and how it is sent, tried again, given up.
//
// A cause is an event ([Receiver]) or a client's wish ([Desk]). The [Sender]
// asks at the moment of sending for everything that may have changed since:
// the account's address and language, the person's preferences, suppressed
// addresses, the link of a challenge.
//
// Adapters live below it: postgres stores messages, render makes mails of
// templates, rest and mailbox show them over HTTP, app assembles the service.
// Transports are plugins behind internal/pluginhost. People and challenges
// belong to other services; of them this one knows ids and addresses only. What
// a person is told within the application is services/email/notification's.
package email
