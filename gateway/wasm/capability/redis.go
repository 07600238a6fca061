package capability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	defaultStoreTimeout = 50 * time.Millisecond
	// storeFailures in a row open the breaker.
	storeFailures = 3
	// Pauses between probes double from the first to the last.
	firstProbePause = 100 * time.Millisecond
	lastProbePause  = 2 * time.Second
	probeTimeout    = time.Second
)

// quiet turns the client's own log off, which is one for all clients: it is no
// JSON, and Take returns every failure anyway.
var quiet = sync.OnceFunc(logging.Disable)

var errStoreDown = errors.New("the store of limits is not reachable")

// RedisOptions are the options of [RedisLimits].
type RedisOptions struct {
	// URL is redis://user:password@host:6379/0, or rediss:// for TLS: one
	// server, of Redis 6, Valkey 7 or newer. Its query may hold the client's
	// options, for example pool_size.
	URL string
	// Namespace keeps the counts of installations apart that share a server; it
	// is part of every key: gatehouse:limit:NAMESPACE:HASH. The hash is keyed by
	// the URL's password and this name, so gateways count together that have both
	// in common, and another password counts anew. Without a password whoever
	// reads the store can find out addresses of clients by trying all.
	Namespace string
	// Timeout bounds one Take; zero means 50 ms.
	Timeout time.Duration
	// Logger hears when the store is lost and found; nil means slog.Default.
	Logger *slog.Logger
	// Registry takes the metrics; nil means none.
	Registry prometheus.Registerer
}

// RedisLimits counts requests in Redis or Valkey. It never blocks longer than
// its timeout: after some failures in a row it answers at once that the store
// is not reachable, and looks in the background whether it is again. It is safe
// for concurrent use.
type RedisLimits struct {
	client *redis.Client
	prefix string
	// secret keys the names in the store.
	secret  []byte
	timeout time.Duration
	log     *slog.Logger
	metrics *storeMetrics

	// told is when the log last heard of a count that is none, in Unix seconds.
	told     atomic.Int64
	down     atomic.Bool
	failures atomic.Int32
	// lost wakes the probe.
	lost chan struct{}
	stop context.CancelFunc
	done sync.WaitGroup
}

var _ LimitStore = (*RedisLimits)(nil)

// NewRedisLimits connects to the store. That it cannot be reached yet is no
// error, but a line in the log; the caller closes what it returns.
//
// # Errors
//
// A malformed URL, which is not repeated since it may hold a password, or
// metrics that are registered already.
func NewRedisLimits(ctx context.Context, o RedisOptions) (*RedisLimits, error) {
	options, err := redis.ParseURL(o.URL)
	if err != nil {
		if bad := (*url.Error)(nil); errors.As(err, &bad) {
			err = bad.Err
		}
		return nil, fmt.Errorf("store of limits: %w", err)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultStoreTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	r := &RedisLimits{
		prefix:  "gatehouse:limit:" + o.Namespace + ":",
		timeout: o.Timeout,
		log:     o.Logger.With("store", options.Addr),
		lost:    make(chan struct{}, 1),
	}
	if options.Password == "" {
		r.log.Warn("store of limits has no password, so who reads its keys can find out clients' addresses by trying all: set one in gateway.redis_url")
	}
	if r.secret, err = nameSecret(options.Password, o.Namespace); err != nil {
		return nil, err
	}
	if r.metrics, err = newStoreMetrics(o.Registry); err != nil {
		return nil, err
	}
	bound(options, o.Timeout)
	r.client = redis.NewClient(options)

	probing, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	if err := r.probe(ctx); err != nil {
		r.open(err)
	} else {
		r.metrics.up.Set(1)
	}
	r.done.Go(func() { r.watch(probing) })
	return r, nil
}

// bound makes the client one that does not retry and does not wait.
func bound(o *redis.Options, timeout time.Duration) {
	quiet()
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.DialTimeout = probeTimeout
	o.ReadTimeout, o.WriteTimeout = probeTimeout, probeTimeout
	o.PoolTimeout = timeout
	// What is not needed costs round trips on every new connection.
	o.Protocol = 2
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if o.MinIdleConns == 0 {
		o.MinIdleConns = 2
	}
}

// Close ends the connections and waits for the probe.
func (r *RedisLimits) Close() error {
	r.stop()
	r.done.Wait()
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close store of limits: %w", err)
	}
	return nil
}

// Take implements [LimitStore].
func (r *RedisLimits) Take(ctx context.Context, p *LimitPolicy, key []byte, cost uint32, states []Limit) error {
	if r.down.Load() {
		r.metrics.skipped.Inc()
		return errStoreDown
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	begin := time.Now()
	used, err := r.run(limited, p, key, cost)
	if err != nil {
		// That the client has hung up, or the call has no time left, says
		// nothing about the store.
		switch {
		case isCountError(err):
			r.broken(err)
		case ctx.Err() == nil:
			r.failed(err)
		}
		return fmt.Errorf("store of limits: %w", err)
	}
	r.metrics.duration.Observe(time.Since(begin).Seconds())
	r.failures.Store(0)
	fillShared(p, used, cost, states)
	return nil
}

// fillShared repeats the script's decision, with the same whole numbers.
func fillShared(p *LimitPolicy, used []int64, cost uint32, states []Limit) {
	allowed := true
	for i := range p.windows {
		w := &p.windows[i]
		states[i], _ = w.shared.state(used[i], cost, w.burst)
		allowed = allowed && states[i].Allowed
	}
	if !allowed {
		return
	}
	for i := range p.windows {
		w := &p.windows[i]
		after := used[i] + w.shared.unit*int64(cost)
		states[i], _ = w.shared.state(after, 0, w.burst)
	}
}

// run runs the script, and sends its text where the server does not know it.
func (r *RedisLimits) run(ctx context.Context, p *LimitPolicy, key []byte, cost uint32) ([]int64, error) {
	args := make([]any, 1, 1+3*len(p.windows))
	args[0] = cost
	for i := range p.windows {
		w := &p.windows[i].shared
		args = append(args, w.leak, w.unit, w.room)
	}
	used, err := takeScript.Run(ctx, r.client, []string{r.name(p, key)}, args...).Int64Slice()
	if err != nil {
		return nil, err
	}
	if len(used) != len(p.windows) {
		return nil, fmt.Errorf("%d windows in the answer, want %d", len(used), len(p.windows))
	}
	return used, nil
}

func (r *RedisLimits) failed(err error) {
	r.metrics.errors.Inc()
	if r.failures.Add(1) >= storeFailures {
		r.open(err)
	}
}

// open makes every Take fail at once until a probe succeeds.
func (r *RedisLimits) open(err error) {
	if r.down.Swap(true) {
		return
	}
	r.metrics.up.Set(0)
	r.log.Warn("store of limits cannot be reached; limits follow their on_unavailable", "error", err.Error())
	select {
	case r.lost <- struct{}{}:
	default:
	}
}

// watch looks for the store whenever it was lost.
func (r *RedisLimits) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.lost:
		}
		pause := firstProbePause
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if r.probe(ctx) == nil {
				break
			}
			pause = min(2*pause, lastProbePause)
		}
		r.failures.Store(0)
		r.metrics.up.Set(1)
		r.down.Store(false)
		r.log.Info("store of limits is reached again")
	}
}

// probe takes from a limit of its own: a server that is loading its data, or
// cannot write, answers a PING too.
func (r *RedisLimits) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	second := shareWindow(1, time.Second, maxBurst/1000)
	_, err := r.run(ctx, &LimitPolicy{windows: []limitWindow{{shared: second}}}, []byte("probe"), 1)
	if isCountError(err) {
		return nil // the server has run the script
	}
	return err
}
