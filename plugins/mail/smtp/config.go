package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	gomail "github.com/wneessen/go-mail"

	"gatehouse.example/sdk/mail"
)

// config is the plugin's configuration.
type config struct {
	// Host is the mail server's name, also the name in its certificate.
	Host string `json:"host"`
	// Port defaults to 587 (starttls), 465 (implicit) or 25 (none).
	Port int `json:"port"`
	// TLS is "starttls" (the default; RFC 3207, required, never skipped),
	// "implicit" (RFC 8314 §3.3) or "none".
	TLS string `json:"tls"`
	// CAFile is a PEM file of authorities instead of the system's.
	CAFile string `json:"ca_file"`
	// Username and Password sign in with the strongest mechanism that the
	// server offers; empty means no sign-in. Never sent without TLS.
	Username string `json:"username"`
	Password string `json:"password"`
	// Hello is the name in EHLO; the default is the machine's.
	Hello string `json:"hello"`
	// ConnectTimeout bounds connection, TLS and sign-in ("10s").
	ConnectTimeout duration `json:"connect_timeout"`
	// SendTimeout bounds a whole delivery ("30s").
	SendTimeout duration `json:"send_timeout"`
}

// duration is written as Go writes it, such as "10s".
type duration time.Duration

// UnmarshalJSON implements [json.Unmarshaler].
func (d *duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("duration %s: want a string such as \"10s\"", data)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("duration %q: want a positive value such as \"10s\"", text)
	}
	*d = duration(parsed)
	return nil
}

const (
	tlsStart    = "starttls"
	tlsImplicit = "implicit"
	tlsNone     = "none"
)

func decodeConfig(raw json.RawMessage) (config, error) {
	c := config{
		TLS:            tlsStart,
		ConnectTimeout: duration(10 * time.Second),
		SendTimeout:    duration(30 * time.Second),
	}
	if err := mail.DecodeConfig(raw, &c); err != nil {
		return config{}, err
	}
	defaultPort := map[string]int{tlsStart: 587, tlsImplicit: 465, tlsNone: 25}[c.TLS]
	switch {
	case c.Host == "":
		return config{}, errors.New("host is missing")
	case defaultPort == 0:
		return config{}, fmt.Errorf("tls %q: want starttls, implicit or none", c.TLS)
	case c.Username != "" && c.TLS == tlsNone:
		return config{}, errors.New("username without tls: the password would be sent in the clear")
	case (c.Username == "") != (c.Password == ""):
		return config{}, errors.New("username and password go together")
	}
	if c.Port == 0 {
		c.Port = defaultPort
	}
	return c, nil
}

func (c config) tlsConfig() (*tls.Config, error) {
	out := &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return out, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	out.RootCAs = x509.NewCertPool()
	if !out.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s: no certificate in it", c.CAFile)
	}
	return out, nil
}

// options are go-mail's. For implicit TLS the transport's own dialer makes the
// TLS connection; the opportunistic policy then only looks at what it got.
func (c config) options(tlsConfig *tls.Config) []gomail.Option {
	policy := map[string]gomail.TLSPolicy{
		tlsStart:    gomail.TLSMandatory,
		tlsImplicit: gomail.TLSOpportunistic,
		tlsNone:     gomail.NoTLS,
	}[c.TLS]
	out := []gomail.Option{
		gomail.WithPort(c.Port),
		gomail.WithTLSPolicy(policy),
		gomail.WithTLSConfig(tlsConfig),
		gomail.WithTimeout(time.Duration(c.ConnectTimeout)),
		gomail.WithoutSMTPUTF8(),
	}
	if c.Hello != "" {
		out = append(out, gomail.WithHELO(c.Hello))
	}
	if c.Username != "" {
		out = append(out, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(c.Username), gomail.WithPassword(c.Password))
	}
	return out
}
