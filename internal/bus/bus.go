package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	connectTimeout = 30 * time.Second
	requestTimeout = 5 * time.Second
	readyTimeout   = 2 * time.Second
)

// ErrDisconnected is the error of what needs the broker while there is no
// connection; it is being made again.
var ErrDisconnected = errors.New("bus: not connected")

// InProcess is a broker in the same process, reached without a network.
type InProcess interface {
	// InProcessConn returns a new connection.
	InProcessConn() (net.Conn, error)
}

// Options says how to reach the broker.
type Options struct {
	// URL is one or several nats:// or tls:// URLs, separated by commas, with
	// user and password or a token.
	URL string
	// Name shows in the broker's list of connections.
	Name string
	// TLS is the client configuration; nil uses TLS only for tls:// URLs.
	TLS *tls.Config
	// InProcess, if set, is used instead of the network; the token of URL
	// counts all the same.
	InProcess InProcess
	// Replicas of streams and buckets; 0 means 1 for new ones and leaves
	// existing ones as they are. A cluster wants 3.
	Replicas int
	// Logger receives lost and regained connections; nil means slog.Default.
	Logger *slog.Logger
}

// Bus is a connection to the broker, made again endlessly when it is lost. It
// is safe for concurrent use.
type Bus struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	logger   *slog.Logger
	replicas int
	workers  sync.WaitGroup
	stop     context.CancelFunc // ends the workers
	life     context.Context
}

// Connect connects, waiting for the broker for at most 30 seconds or until ctx
// is done. Close ends the connection.
//
// # Errors
//
// A URL that is none, refused credentials (at once), or the last error of the
// attempts.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	for _, u := range strings.Split(o.URL, ",") {
		// Neither we nor the library may quote a URL that contains a secret.
		if p, err := url.Parse(strings.TrimSpace(u)); err != nil || p.Host == "" && o.InProcess == nil {
			return nil, errors.New("bus URL: want nats://host:port, several of them separated by commas")
		}
	}
	b := &Bus{logger: o.Logger, replicas: o.Replicas}
	if b.logger == nil {
		b.logger = slog.Default()
	}
	b.life, b.stop = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var err error
	if b.conn, err = b.dial(ctx, o); err != nil {
		b.stop()
		return nil, fmt.Errorf("connect to the bus at %s: %w: start that NATS server, or mend bus.url", hosts(o.URL), err)
	}
	if b.js, err = jetstream.New(b.conn); err != nil {
		b.stop()
		b.conn.Close()
		return nil, fmt.Errorf("connect to bus: %w", err)
	}
	return b, nil
}

// hosts returns the addresses of a list of URLs, without what proves who we are.
func hosts(urls string) string {
	var all []string
	for _, text := range strings.Split(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil {
			all = append(all, u.Host)
		}
	}
	return strings.Join(all, ", ")
}

func (b *Bus) dial(ctx context.Context, o Options) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name(o.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.IgnoreAuthErrorAbort(), // credentials may be changed under way, in either order
		nats.Timeout(2 * time.Second),
		nats.PingInterval(5 * time.Second), // a connection that died silently is noticed in 15 s
		nats.MaxPingsOutstanding(2),
		nats.ReconnectBufSize(-1), // what cannot be sent now is an error, not a surprise later
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if b.life.Err() == nil { // else it is closed on purpose
				b.logger.Warn("bus disconnected, connecting again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.logger.Info("bus connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.logger.Warn("bus", "error", err)
		}),
	}
	if o.TLS != nil {
		options = append(options, nats.Secure(o.TLS))
	}
	if o.InProcess != nil {
		options = append(options, nats.InProcessServer(o.InProcess))
	}
	for {
		conn, err := nats.Connect(o.URL, options...)
		if err == nil || errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Ready reports whether the broker and its JetStream answer within two seconds.
func (b *Bus) Ready(ctx context.Context) error {
	if !b.conn.IsConnected() {
		return ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if _, err := b.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return nil
}

// Connected reports whether there is a connection to the broker at the moment.
func (b *Bus) Connected() bool { return b.conn.IsConnected() }

// Close ends subscriptions and followers, waits for them, and ends the
// connection. Consume is ended by its context, before.
func (b *Bus) Close() {
	b.stop()
	b.workers.Wait()
	if b.conn.IsConnected() {
		_ = b.conn.FlushTimeout(time.Second) // what was sent last
	}
	b.conn.Close()
}

// Notify sends a notice to those who subscribe right now; nobody keeps it.
func (b *Bus) Notify(_ context.Context, subject string, data []byte) error {
	if err := b.conn.Publish(subject, data); err != nil {
		return fmt.Errorf("notify %q: %w", subject, err)
	}
	return nil
}

// Subscribe calls fn for each notice on the subject (wildcards * and > work)
// until ctx is done or the bus is closed, one at a time. It returns when the
// broker knows of the subscription; after a lost connection it is made again,
// but notices of the time between are lost.
func (b *Bus) Subscribe(ctx context.Context, subject string, fn func(data []byte)) error {
	if b.life.Err() != nil {
		return ErrDisconnected
	}
	notices := make(chan *nats.Msg, 256)
	sub, err := b.conn.ChanSubscribe(subject, notices)
	if err != nil {
		return fmt.Errorf("subscribe to %q: %w", subject, err)
	}
	if err := b.conn.FlushTimeout(requestTimeout); err != nil {
		return errors.Join(fmt.Errorf("subscribe to %q: %w", subject, err), sub.Unsubscribe())
	}
	b.workers.Go(func() {
		defer func() { _ = sub.Unsubscribe() }()
		for {
			select {
			case <-ctx.Done():
				return
			case <-b.life.Done():
				return
			case m := <-notices:
				fn(m.Data)
			}
		}
	})
	return nil
}
