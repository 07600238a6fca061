package reload

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/proxy"
	"gatehouse.example/gateway/router"
	"gatehouse.example/gateway/validate"
	"gatehouse.example/gateway/version"
)

// Snapshot is a configuration that runs. It is immutable; whoever has acquired
// it may use everything in it until it releases it.
type Snapshot struct {
	// Config is what it was made from.
	Config *config.Gateway
	// Router finds positions in Routes.
	Router *router.Router
	// Versions finds out which version of an API a request means.
	Versions version.Versions
	// Routes are in the order of the file.
	Routes []Route
	// Upstreams are in the order of Config.Upstreams.
	Upstreams []*proxy.Upstream
	// Loaded is when it was built.
	Loaded time.Time

	refs    atomic.Int64
	parts   []*part
	manager *Manager
}

// Route is one route with its parts ready for use.
type Route struct {
	// Config is what the file says.
	Config *config.Route
	// Chain is the route's filters.
	Chain filter.Chain
	// Body checks bodies.
	Body *validate.Body
	// Upstream is nil where the route has a fixed answer.
	Upstream *proxy.Upstream
}

// acquire fails once the snapshot is drained.
func (s *Snapshot) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives the snapshot back. The last one to do so after a reload frees
// what no newer snapshot uses.
func (s *Snapshot) Release() {
	if s.refs.Add(-1) == 0 {
		s.manager.free(s.parts)
	}
}

// part is a filter or upstream that snapshots share as long as its part of the
// configuration is the same.
type part struct {
	key    partKey
	users  int // guarded by Manager.mu
	filter filter.Filter
	proxy  *proxy.Upstream
}

type partKey struct {
	kind   string
	digest [32]byte
}

// build makes a snapshot; parts that did not change are taken over.
func (m *Manager) build(ctx context.Context, g *config.Gateway) (*Snapshot, error) {
	s := &Snapshot{Config: g, Loaded: m.options.Now(), manager: m}
	if err := m.assemble(ctx, s); err != nil {
		m.free(s.parts)
		return nil, err
	}
	s.refs.Store(1)
	return s, nil
}

// assemble fills s. It goes on after an error, so that one run shows all of
// them.
func (m *Manager) assemble(ctx context.Context, s *Snapshot) error {
	g := s.Config
	var err error
	if s.Router, err = router.New(g.RouterRoutes()); err != nil {
		return fmt.Errorf("%s: %w", g.File, err)
	}
	s.Versions = version.New(g.Versions)
	filters, err := m.assembleFilters(ctx, s)
	all := []error{err}
	upstreams := map[string]*proxy.Upstream{}
	for i := range g.Upstreams {
		u := &g.Upstreams[i]
		p, err := m.upstreamPart(u)
		if err != nil {
			all = append(all, g.ErrorAt("upstreams."+u.Name, err))
			continue
		}
		s.parts = append(s.parts, p)
		s.Upstreams = append(s.Upstreams, p.proxy)
		upstreams[u.Name] = p.proxy
	}
	for i := range g.Routes {
		r := &g.Routes[i]
		route := Route{Config: r, Upstream: upstreams[r.Upstream]}
		for _, name := range r.Filters {
			route.Chain = append(route.Chain, filters[name])
		}
		if route.Body, err = validate.New(r.Body); err != nil {
			all = append(all, g.ErrorAt(fmt.Sprintf("routes[%d].body.schema", i), fmt.Errorf("route %q: %w", r.Name, err)))
		}
		s.Routes = append(s.Routes, route)
	}
	return config.Join(all...)
}

func (m *Manager) assembleFilters(ctx context.Context, s *Snapshot) (map[string]filter.Filter, error) {
	var all []error
	filters := map[string]filter.Filter{}
	for _, spec := range s.Config.Filters {
		p, err := m.filterPart(ctx, spec)
		if err != nil {
			all = append(all, s.Config.FilterError(spec.Name, err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		s.parts = append(s.parts, p)
		filters[spec.Name] = p.filter
	}
	return filters, config.Join(all...)
}

// filterPart returns the filter of spec, a copy that gets the module's bytes:
// they belong to the configuration as much as its path does, and those that
// are compared are those that run.
func (m *Manager) filterPart(ctx context.Context, spec filter.Spec) (*part, error) {
	key, err := digest("filter", spec)
	if err != nil {
		return nil, err
	}
	if loader, ok := m.options.Filters.(filter.Loader); ok {
		if spec.Binary, err = loader.Load(ctx, &spec); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(spec.Binary)
		key.digest = sha256.Sum256(append(key.digest[:], sum[:]...))
	}
	return m.share(key, func(p *part) (err error) {
		p.filter, err = m.options.Filters.Build(ctx, spec)
		return err
	})
}

func (m *Manager) upstreamPart(u *config.Upstream) (*part, error) {
	key, err := digest("upstream", u)
	if err != nil {
		return nil, err
	}
	return m.share(key, func(p *part) (err error) {
		p.proxy, err = m.options.NewUpstream(*u)
		return err
	})
}

func digest(kind string, v any) (partKey, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return partKey{}, fmt.Errorf("digest: %w", err)
	}
	return partKey{kind, sha256.Sum256(data)}, nil
}

// share returns the part of that key, made if there is none. Only the one
// builder at a time calls it.
func (m *Manager) share(key partKey, make func(*part) error) (*part, error) {
	m.mu.Lock()
	p := m.parts[key]
	if p != nil {
		p.users++
	}
	m.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p = &part{key: key, users: 1}
	if err := make(p); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.parts[key] = p
	m.mu.Unlock()
	return p, nil
}

// closeTimeout bounds the end of one filter.
const closeTimeout = 10 * time.Second

// free gives parts up and closes those that nobody uses any more.
func (m *Manager) free(parts []*part) {
	var unused []*part
	m.mu.Lock()
	for _, p := range parts {
		p.users--
		if p.users == 0 {
			delete(m.parts, p.key)
			unused = append(unused, p)
		}
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for _, p := range unused {
		if p.filter == nil {
			if p.proxy != nil { // a check makes none
				p.proxy.Close()
			}
			continue
		}
		if err := p.filter.Close(ctx); err != nil {
			m.options.Logger.Warn("filter did not close", "filter", p.filter.Name(), "error", err)
		}
	}
}
