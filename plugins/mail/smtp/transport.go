package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"gatehouse.example/sdk/mail"
)

// transport opens one connection per message.
type transport struct {
	config  config
	tls     *tls.Config
	options []gomail.Option
}

var (
	_ mail.Transport = (*transport)(nil)
	_ mail.Describer = (*transport)(nil)
)

// Describe implements [mail.Describer].
func (t *transport) Describe() mail.Description {
	return mail.Description{Name: "smtp", Version: "1"}
}

// Configure implements [mail.Transport]. It does not connect: the server may
// be down for a while.
func (t *transport) Configure(_ context.Context, raw json.RawMessage) error {
	c, err := decodeConfig(raw)
	if err != nil {
		return err
	}
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return err
	}
	t.config, t.tls, t.options = c, tlsConfig, c.options(tlsConfig)
	if _, err := gomail.NewClient(c.Host, t.options...); err != nil {
		return err
	}
	return nil
}

// Send implements [mail.Transport].
func (t *transport) Send(ctx context.Context, m mail.Message) (mail.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(t.config.SendTimeout))
	defer cancel()
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := t.dial(dialing, network, address)
		if err != nil {
			return nil, err
		}
		// Commands know no context, and go-mail leaves the connection open on
		// some errors: the end of Send closes it in any case.
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		return conn, nil
	}
	client, err := gomail.NewClient(t.config.Host, append(t.options[:len(t.options):len(t.options)], gomail.WithDialContextFunc(dial))...)
	if err != nil {
		return mail.Receipt{}, err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		// Greeting, TLS and sign-in tell about server and configuration, not
		// about this message: the operator can mend it, so the mail waits.
		return mail.Receipt{}, mail.Temporary(fmt.Errorf("connect to %s: %w", client.ServerAddr(), err))
	}
	if err := session.UpdateDeadline(time.Duration(t.config.SendTimeout)); err != nil {
		return mail.Receipt{}, mail.Temporary(err)
	}
	receipt, err := transact(session, m)
	if err != nil && ctx.Err() != nil {
		return mail.Receipt{}, mail.Temporary(fmt.Errorf("gave up: %w", context.Cause(ctx)))
	}
	return receipt, classify(err)
}

func (t *transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{}
	if t.config.TLS == tlsImplicit {
		return (&tls.Dialer{NetDialer: dialer, Config: t.tls}).DialContext(ctx, network, address)
	}
	return dialer.DialContext(ctx, network, address)
}

// transact is one mail transaction (RFC 5321 §3.3). The message is accepted
// when the reply to its end is; what comes after can't change that.
func transact(session *smtp.Client, m mail.Message) (mail.Receipt, error) {
	if err := session.Mail("<" + m.Envelope.From + ">"); err != nil {
		return mail.Receipt{}, fmt.Errorf("sender %s: %w", m.Envelope.From, err)
	}
	for _, to := range m.Envelope.To {
		if err := session.Rcpt("<" + to + ">"); err != nil {
			return mail.Receipt{}, recipientError(fmt.Errorf("recipient %s: %w", to, err))
		}
	}
	body, err := session.Data()
	if err != nil {
		return mail.Receipt{}, fmt.Errorf("data: %w", err)
	}
	if _, err := body.Write(m.Raw); err != nil {
		return mail.Receipt{}, fmt.Errorf("write message: %w", err)
	}
	if err := body.Close(); err != nil {
		return mail.Receipt{}, fmt.Errorf("message: %w", err)
	}
	var receipt mail.Receipt
	if closer, ok := body.(*smtp.DataCloser); ok {
		receipt.ProviderID = closer.ServerResponse()
	}
	_ = session.Quit()
	return receipt, nil
}

// noMailbox are the enhanced status codes that say that the address does not
// exist (RFC 3463 §3.2): bad mailbox, mailbox moved without a new address, recipient
// with a null MX (RFC 7505 §4.1). Without one, a 550 may as well mean that the sender is not
// liked.
var noMailbox = regexp.MustCompile(`^5\.1\.(1|6|10)\b`)

// recipientError marks the refusal of a recipient that does not exist.
func recipientError(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) && (reply.Code == 550 || reply.Code == 551 || reply.Code == 553) && noMailbox.MatchString(reply.Msg) {
		return mail.RecipientRefused(err)
	}
	return err
}

// classify tells permanent from temporary by the reply code (RFC 5321 §4.2.1).
// Replies about signing in (RFC 4954 §6) are the operator's to mend, so they
// stay temporary, as does everything without a reply.
func classify(err error) error {
	if err == nil || mail.IsRecipientRefused(err) {
		return err
	}
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return mail.Temporary(err)
	}
	switch reply.Code {
	case 530, 534, 535, 538:
		return mail.Temporary(err)
	}
	if reply.Code >= 500 && reply.Code <= 599 {
		return mail.Permanent(err)
	}
	return mail.Temporary(err)
}
