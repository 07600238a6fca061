package filterrun

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	kitv1 "gatehouse.example/pluginspec/filter/kit/v1"
)

// maxCommand bounds one line of the protocol: a body of 8 MiB in base64 and
// more.
const maxCommand = 64 << 20

// Serve speaks the protocol of pluginspec/filter/kit/v1 about the module until
// the input ends.
//
// # Errors
//
// What was wrong with the protocol itself; it was written to out as well.
func Serve(ctx context.Context, module string, in io.Reader, out io.Writer, o Options) error {
	s := server{module: module, options: o, out: json.NewEncoder(out)}
	s.out.SetEscapeHTML(false)
	err := s.run(ctx, in)
	if err != nil {
		_ = s.out.Encode(kitv1.Event{Error: err.Error()})
	}
	if s.session != nil {
		// Its context may be over; what is freed must be.
		err = errors.Join(err, s.session.Close(context.WithoutCancel(ctx)))
	}
	return err
}

type server struct {
	module  string
	options Options
	out     *json.Encoder
	session *Session
}

func (s *server) run(ctx context.Context, in io.Reader) error {
	input := bufio.NewScanner(in)
	input.Buffer(nil, maxCommand)
	for input.Scan() {
		var c kitv1.Command
		if err := json.Unmarshal(input.Bytes(), &c); err != nil {
			return fmt.Errorf("read command: %w", err)
		}
		event, err := s.obey(ctx, c)
		if err != nil {
			return err
		}
		if err := s.out.Encode(event); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
	}
	return input.Err()
}

func (s *server) obey(ctx context.Context, c kitv1.Command) (kitv1.Event, error) {
	switch {
	case c.Start != nil:
		return s.start(ctx, c)
	case s.session == nil:
		return kitv1.Event{}, errors.New("the filter is not started")
	case c.Request != nil:
		result, err := s.session.Do(ctx, *c.Request)
		return kitv1.Event{Result: &result}, err
	case c.AdvanceNS > 0:
		s.session.Advance(time.Duration(c.AdvanceNS))
	}
	return kitv1.Event{}, nil
}

func (s *server) start(ctx context.Context, c kitv1.Command) (kitv1.Event, error) {
	if c.Protocol != kitv1.Version {
		return kitv1.Event{}, fmt.Errorf("protocol %d: this gatehouse speaks %d; use the SDK of the same version", c.Protocol, kitv1.Version)
	}
	if s.session != nil {
		return kitv1.Event{}, errors.New("the filter is started already")
	}
	session, err := Open(ctx, s.module, *c.Start, s.options)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return kitv1.Event{Refused: refused.Error()}, nil
	}
	if err != nil {
		return kitv1.Event{}, err
	}
	s.session = session
	started := session.Started()
	return kitv1.Event{Started: &started}, nil
}
