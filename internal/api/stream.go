package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxEventBytes bounds one line of a stream.
const maxEventBytes = 256 << 10

// ServerEvent is one of the server-sent events of a stream.
type ServerEvent struct {
	// ID is the last one that the stream named.
	ID string
	// Name is what kind it is: "message" where the stream does not say.
	Name string
	Data string
}

// EventStream is an open stream of server-sent events. It belongs to one
// goroutine.
type EventStream struct {
	ctx  context.Context // the request's, which says why the stream broke off
	path string
	body io.ReadCloser
	end  context.CancelFunc
}

// Events asks for the server-sent events at path, which starts with a slash and
// may have a query. Nothing is tried again. The answer must begin within the
// client's timeout; how long it goes on is ctx's. The caller calls
// [EventStream.Each].
//
// # Errors
//
// As [Client.Do]'s.
func (c *Client) Events(ctx context.Context, path string) (*EventStream, error) {
	within, end := context.WithCancel(ctx)
	late := time.AfterFunc(c.timeout, end)
	body, err := c.open(within, path)
	if err == nil && !late.Stop() {
		body.Close()
		err = unavailable(http.MethodGet, path, context.DeadlineExceeded)
	}
	if err != nil {
		end()
		return nil, err
	}
	return &EventStream{ctx: ctx, path: path, body: body, end: end}, nil
}

func (c *Client) open(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream, application/problem+json")
	endless := *c.http
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		return nil, unavailable(http.MethodGet, path, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes)) // the status says enough
		return nil, problemOf(resp, answer)
	}
	return resp.Body, nil
}

// Each calls handle with each event until the stream ends, which is nil, or
// handle returns an error, which is returned; and closes the stream. One that
// breaks off is [ErrUnavailable], or the error of the request's context.
func (s *EventStream) Each(handle func(ServerEvent) error) error {
	defer s.body.Close()
	defer s.end()
	err := readEvents(s.body, handle)
	if err != nil && s.ctx.Err() != nil {
		return fmt.Errorf("follow %s: %w", s.path, s.ctx.Err())
	}
	return err
}

// readEvents interprets an event stream (HTML Living Standard §9.2.6). A stream
// that ends within an event drops it.
func readEvents(r io.Reader, each func(ServerEvent) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxEventBytes)
	var event ServerEvent
	var data []string
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if data != nil {
				event.Data = strings.Join(data, "\n")
				if event.Name == "" {
					event.Name = "message"
				}
				if err := each(event); err != nil {
					return err
				}
			}
			event.Name, data = "", nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event.Name = value
		case "data":
			data = append(data, value)
		case "id":
			event.ID = value
		}
	}
	err := lines.Err()
	if err == nil {
		return nil
	}
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("an event of more than %d bytes: %w", maxEventBytes, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
