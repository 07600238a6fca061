package stack

import (
	"context"
	"fmt"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/mtls"
	graph "gatehouse.example/services/graph/app"
)

// startGraph assembles the GraphQL service and serves it on the listener that
// was bound for it. It needs neither database nor bus.
func (s *Stack) startGraph(ctx context.Context) error {
	bundle, tele, err := s.identityOf(ctx, PartGraph)
	if err != nil {
		return err
	}
	svc, err := graph.New(graph.Options{
		Config: s.cfg.Graph, Verifier: s.verifier(bundle), Logger: tele.Logger, Registry: tele.Registry,
		User: s.neighbour(bundle, PartUser), Auth: s.neighbour(bundle, PartAuth), Email: s.neighbour(bundle, PartEmail),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", PartGraph, err)
	}
	s.apps = append(s.apps, named{PartGraph, svc.Ready})
	s.serve(PartGraph, svc, s.services[PartGraph], bundle, tele)
	return nil
}

// neighbour is how a service is reached with mutual TLS.
func (s *Stack) neighbour(b *mtls.Bundle, service string) api.Options {
	address, _ := s.reach(service)
	client, _ := s.peer(b, service)
	return api.Options{Base: base(address), HTTP: client}
}
