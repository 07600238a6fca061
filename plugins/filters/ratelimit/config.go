package main

import (
	"time"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/networks"
)

// shadowAttribute is "limited" where shadow mode has let a request pass, and
// shadowCounter counts those.
const (
	shadowAttribute = "ratelimit.shadow"
	shadowCounter   = "would_limit"
)

// Config is the configuration of the filter.
type Config struct {
	Key           filter.OneOrMore `json:"key" max:"8" doc:"who is counted: source_address (the default), api_key, claim:NAME, header:NAME or route, or a list of these, which count together. What a request lacks of them is replaced by its source address."`
	IPv6Prefix    int              `json:"ipv6_prefix" min:"1" max:"128" default:"64" doc:"length of the IPv6 prefix that counts as one client"`
	Limits        []Rate           `json:"limits" required:"true" min:"1" max:"8" doc:"all of them apply; what one refuses is taken from none"`
	Cost          uint32           `json:"cost" min:"1" default:"1" doc:"what a request takes from each limit"`
	Costs         []Cost           `json:"costs" max:"64" doc:"other costs; the first that matches counts"`
	Exempt        []string         `json:"exempt" max:"256" doc:"networks (CIDR) or addresses that are not counted"`
	Store         string           `json:"store" enum:"local,redis" default:"local" doc:"local counts in each gateway, redis in all together (gateway.redis_url)"`
	OnUnavailable string           `json:"on_unavailable" enum:"local,allow,deny" default:"local" doc:"what counts while redis cannot be reached: local counts in each gateway, deny answers 503"`
	Shadow        bool             `json:"shadow" doc:"count, but refuse nobody: who would be is the attribute ratelimit.shadow and, with the grant metrics, the counter would_limit"`
	Headers       *bool            `json:"headers" doc:"send RateLimit and RateLimit-Policy; default: true, in shadow mode false"`
	PartitionKey  bool             `json:"partition_key" doc:"say in pk, hashed, what a client is counted by"`
}

// Rate is one limit.
type Rate struct {
	Name  string          `json:"name" max:"64" doc:"name in RateLimit; default: default, default-2, ..."`
	Rate  int64           `json:"rate" required:"true" min:"1" doc:"requests in each period on average"`
	Per   filter.Duration `json:"per" default:"1s" doc:"the period"`
	Burst int64           `json:"burst" min:"1" max:"1000000000" doc:"requests at once; default: rate"`
}

// Cost is what some requests take.
type Cost struct {
	Methods []string `json:"methods" doc:"methods; default: all"`
	Paths   []string `json:"paths" doc:"paths, or beginnings of paths with * at the end; default: all"`
	Cost    uint32   `json:"cost" required:"true" doc:"what such a request takes; 0 counts it not at all"`
}

func newFilter(s *filter.Setup, c Config) (*ratelimit, error) {
	f := &ratelimit{
		partition: c.PartitionKey, shadow: c.Shadow, silent: c.Shadow,
		buf: make([]byte, 0, 512),
	}
	if c.Headers != nil {
		f.silent = !*c.Headers
	}
	var err error
	if f.key, err = parseKey(c); err != nil {
		return nil, err
	}
	if f.exempt, err = networks.Parse("exempt", c.Exempt); err != nil {
		return nil, err
	}
	if f.limit, err = s.Limits(c.policy()); err != nil {
		return nil, err
	}
	if f.costs, err = parseCosts(c, f.limit); err != nil {
		return nil, err
	}
	if c.Shadow {
		// Without the grant there is the attribute alone.
		f.counter, _ = s.Counter(shadowCounter)
	}
	return f, nil
}

func (c *Config) policy() filter.LimitPolicy {
	p := filter.LimitPolicy{Field: "limits", Store: c.Store, OnUnavailable: c.OnUnavailable}
	for _, l := range c.Limits {
		p.Windows = append(p.Windows, filter.Window{Name: l.Name, Rate: l.Rate, Period: time.Duration(l.Per), Burst: l.Burst})
	}
	return p
}
