package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// The deepest nesting of multipart bodies that Content follows.
const maxDepth = 8

// Content is what a person sees of a message.
type Content struct {
	// MessageID is the Message-ID field without its angle brackets.
	MessageID string
	// From and To are the fields as written, with encoded words decoded.
	From, To string
	// Subject is the decoded subject.
	Subject string
	// Date is the zero time if the field is missing or malformed.
	Date time.Time
	// Text and HTML are the first text/plain and the first text/html part,
	// decoded. Each may be empty.
	Text, HTML string
}

// Content takes the message apart, for receivers that want subject and body
// rather than a complete message. Attachments are left out.
func (m Message) Content() (Content, error) { return ParseContent(bytes.NewReader(m.Raw)) }

// ParseContent reads a message (RFC 5322, MIME) and returns what a person sees
// of it.
func ParseContent(r io.Reader) (Content, error) {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return Content{}, fmt.Errorf("parse message: %w", err)
	}
	words := new(mime.WordDecoder)
	field := func(name string) string {
		value := message.Header.Get(name)
		if decoded, err := words.DecodeHeader(value); err == nil {
			return decoded
		}
		return value
	}
	c := Content{
		MessageID: strings.Trim(message.Header.Get("Message-Id"), "<> "),
		From:      field("From"),
		To:        field("To"),
		Subject:   field("Subject"),
	}
	if date, err := message.Header.Date(); err == nil {
		c.Date = date
	}
	part := bodyPart{
		contentType: message.Header.Get("Content-Type"),
		encoding:    message.Header.Get("Content-Transfer-Encoding"),
		body:        message.Body,
	}
	if err := c.read(part, 0); err != nil {
		return Content{}, fmt.Errorf("parse message body: %w", err)
	}
	return c, nil
}

type bodyPart struct {
	contentType, encoding string
	body                  io.Reader
}

func (c *Content) read(p bodyPart, depth int) error {
	if depth > maxDepth {
		return errors.New("multipart bodies nested too deeply")
	}
	if p.contentType == "" {
		p.contentType = "text/plain" // RFC 2045 §5.2
	}
	mediaType, params, err := mime.ParseMediaType(p.contentType)
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		return c.readMultipart(p.body, params["boundary"], depth)
	}
	text, err := decode(p)
	if err != nil {
		return err
	}
	switch {
	case mediaType == "text/plain" && c.Text == "":
		c.Text = text
	case mediaType == "text/html" && c.HTML == "":
		c.HTML = text
	}
	return nil
}

func (c *Content) readMultipart(body io.Reader, boundary string, depth int) error {
	reader := multipart.NewReader(body, boundary)
	for {
		// NextRawPart leaves the transfer encoding to decode, as at the top.
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if disposition, _, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition")); disposition == "attachment" {
			continue
		}
		err = c.read(bodyPart{
			contentType: part.Header.Get("Content-Type"),
			encoding:    part.Header.Get("Content-Transfer-Encoding"),
			body:        part,
		}, depth+1)
		if err != nil {
			return err
		}
	}
}

func decode(p bodyPart) (string, error) {
	body := p.body
	switch strings.ToLower(strings.TrimSpace(p.encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n"), nil
}
