package email

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// SenderOptions configures a [Sender]. Zero values mean the default.
type SenderOptions struct {
	// Queue, Links, Accounts, Catalog, Suppressions, Renderer and Transport are
	// required.
	Queue        Outbound
	Links        Links
	Accounts     Accounts
	Catalog      Catalog
	Suppressions Suppressions
	Renderer     Renderer
	Transport    Transport
	// Preferences are asked about mails that are not about security; nil allows
	// all.
	Preferences Preferences
	// TransportName is recorded with each sent message.
	TransportName string
	// MaxAttempts is after how many attempts a message is given up; 8.
	MaxAttempts int
	// Backoff is the wait after the first attempt; it doubles with each, up to
	// MaxBackoff; 5 s and 1 h.
	Backoff, MaxBackoff time.Duration
	// AttemptTimeout bounds one attempt; 45 s. The lease on a message lasts
	// twice as long, so a sender that hangs is not mistaken for a dead one.
	AttemptTimeout time.Duration
	// Poll is the time between two looks at the queue; 1 s. A message queued
	// in this process is seen at once, see [Sender.Wake].
	Poll time.Duration
	// Concurrency is how many attempts run at a time; 4.
	Concurrency int
	// Finished, if set, is told of every attempt's end, for metrics.
	Finished func(m Message, o Outcome)
	// Now is the clock; time.Now.
	Now func() time.Time
	// Logger takes what goes wrong; slog.Default.
	Logger *slog.Logger
}

// Sender sends queued messages. Several may work on one queue: a message is
// claimed by one of them, with a lease of twice AttemptTimeout.
//
// # Notes
//
// A mail goes out at least once. Between the moment at which the transport has
// taken it and the one at which [Outbound.Finish] is stored lies a window of
// one database write. A process that is killed within it, or a database that
// stays away for longer than the lease, leaves the message in state sending,
// and when its lease ends it is sent again, under the same idempotency key and
// Message-ID, by which transports and readers can tell the copy. A process that
// is killed before it has handed the mail over causes a delay of at most the
// lease and no copy.
type Sender struct {
	o    SenderOptions
	wake chan struct{}
}

// NewSender returns a sender that does nothing before [Sender.Run].
func NewSender(o SenderOptions) *Sender {
	fill(&o.MaxAttempts, 8)
	fill(&o.Backoff, 5*time.Second)
	fill(&o.MaxBackoff, time.Hour)
	fill(&o.AttemptTimeout, 45*time.Second)
	fill(&o.Poll, time.Second)
	fill(&o.Concurrency, 4)
	if o.Finished == nil {
		o.Finished = func(Message, Outcome) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Sender{o: o, wake: make(chan struct{}, 1)}
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Wake makes the sender look at the queue now. It never blocks.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx is done, then lets the attempts under way end and
// returns nil.
func (s *Sender) Run(ctx context.Context) error {
	free := make(chan struct{}, s.o.Concurrency)
	for range s.o.Concurrency {
		free <- struct{}{}
	}
	var attempts sync.WaitGroup
	defer attempts.Wait()
	for {
		claimed := s.claim(ctx, len(free))
		for _, m := range claimed {
			<-free
			attempts.Go(func() {
				defer func() { free <- struct{}{}; s.Wake() }()
				s.attempt(ctx, m)
			})
		}
		// Ends of attempts wake as well, so a full queue flows without a pause.
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-time.After(s.o.Poll):
		}
	}
}

func (s *Sender) claim(ctx context.Context, limit int) []Message {
	if limit == 0 || ctx.Err() != nil {
		return nil
	}
	now := s.o.Now()
	messages, err := s.o.Queue.Claim(ctx, limit, now, now.Add(2*s.o.AttemptTimeout))
	if err != nil && ctx.Err() == nil {
		s.o.Logger.ErrorContext(ctx, "claim messages", "error", err)
	}
	return messages
}

// attempt makes one attempt and records its outcome, also when the service is
// being stopped meanwhile: a mail that went out must not go out again.
func (s *Sender) attempt(ctx context.Context, m Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.AttemptTimeout)
	defer cancel()
	outcome := s.send(ctx, m)
	record, cancelRecord := context.WithTimeout(context.WithoutCancel(ctx), s.o.AttemptTimeout/2)
	defer cancelRecord()
	logger := s.o.Logger.With("message", m.ID, "template", m.Template, "attempt", m.Attempts)
	if err := s.o.Queue.Finish(record, m, outcome); err != nil {
		// When the lease ends, the attempt is made again.
		logger.ErrorContext(ctx, "record outcome of an attempt", "outcome", outcome.State, "error", err)
		return
	}
	s.o.Finished(m, outcome)
	switch outcome.State {
	case StateFailed:
		logger.ErrorContext(ctx, "mail given up", "reason", outcome.Reason)
	case StateDeferred:
		logger.WarnContext(ctx, "mail deferred", "reason", outcome.Reason, "due_at", outcome.DueAt)
	case StateSuppressed:
		logger.InfoContext(ctx, "mail suppressed", "reason", outcome.Reason)
	default:
		logger.InfoContext(ctx, "mail "+string(outcome.State))
	}
}

// pause is the wait after the nth attempt: exponential, with its second half
// random, so that what failed together does not come back together.
func (s *Sender) pause(attempt int) time.Duration {
	pause := s.o.MaxBackoff
	if shift := attempt - 1; shift < 30 && s.o.Backoff<<shift < s.o.MaxBackoff {
		pause = s.o.Backoff << shift
	}
	return pause/2 + rand.N(pause/2+1)
}
