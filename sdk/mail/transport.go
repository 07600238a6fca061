package mail

import (
	"context"
	"encoding/json"

	"gatehouse.example/sdk/internal/process"
)

// Transport delivers messages. [Serve] makes it a plugin.
type Transport interface {
	// Configure is called once, before the first Send, with one JSON object.
	// An error ends the plugin; its text is shown to the operator and must not
	// contain a secret.
	Configure(ctx context.Context, config json.RawMessage) error

	// Send hands one message over. It is called concurrently. When ctx is done
	// it should return soon; the host has stopped waiting.
	//
	// # Errors
	//
	// An error made by [Permanent] says that no attempt will succeed, one made
	// by [RecipientRefused] that none to this address will; every other error,
	// [Temporary] or not, is tried again later. The text is stored and shown to
	// administrators.
	Send(ctx context.Context, m Message) (Receipt, error)
}

// Describer is an optional interface of a [Transport].
type Describer interface {
	// Describe says what the transport is. It is called at any time, also
	// before Configure.
	Describe() Description
}

// Description says what a transport is.
type Description struct {
	// Name of the transport, such as "smtp".
	Name string
	// Version of the plugin, free text.
	Version string
}

// Message is one mail, ready to be handed on. It is read only.
type Message struct {
	// IdempotencyKey is the same for every attempt to send this message. It is
	// safe as a file name.
	IdempotencyKey string
	// Envelope is what delivery goes by.
	Envelope Envelope
	// Raw is the complete message (RFC 5322) with CRLF line ends. Hand it on
	// unchanged, or use [Message.Content] where the receiver wants its parts.
	Raw []byte
}

// Envelope is sender and recipients of the delivery (RFC 5321 §2.3.1), as bare
// addresses. The header of the message may name others.
type Envelope struct {
	// From is the reverse-path.
	From string
	// To are the forward-paths, at least one.
	To []string
}

// Receipt says that a message was accepted for delivery.
type Receipt struct {
	// ProviderID is the receiver's name for the message; empty if it has none.
	ProviderID string
}

// DecodeConfig decodes a configuration into v, which is a pointer to a struct
// with json tags. Unknown members are an error, so that an operator's typing
// error is found.
func DecodeConfig(config json.RawMessage, v any) error { return process.DecodeConfig(config, v) }
