package wasm

import (
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/gateway/wasm/guest"
)

// services are what the host keeps for filters by their names, longer than any
// one of them lives.
type services struct {
	kv       *capability.KVStores
	counters *capability.CounterSets
	http     *capability.HTTPCallers
	// keyFields are those of all filters that live.
	keyFields *guest.KeyFields
}

func newServices(o *Options) services {
	return services{
		kv:        capability.NewKVStores(o.Now),
		counters:  capability.NewCounterSets(o.Registry),
		http:      capability.NewHTTPCallers(capability.HTTPOptions{Registry: o.Registry, TLS: o.OutboundTLS}),
		keyFields: &guest.KeyFields{},
	}
}

// lend gives a filter its part of the services. What may be used of it, grants
// say.
func (s *services) lend(f *guest.Filter, spec *filter.Spec, l filter.Limits) error {
	var err error
	f.KV = s.kv.Of(spec.Name, l.KV)
	f.Counters = s.counters.Of(spec.Name)
	f.KeyFields = s.keyFields
	f.HTTP, err = s.http.Of(spec.Name, spec.HTTP.Allow, f.MaxBodyBytes)
	return err
}

func (s *services) close() {
	if s.http != nil {
		s.http.Close()
	}
}
