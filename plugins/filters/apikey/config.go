package main

import (
	"strings"
	"time"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/networks"
)

// Config is the configuration of the filter.
type Config struct {
	Header        *string  `json:"header" doc:"header field with the key; default: X-API-Key. Empty looks at no header."`
	Cookie        string   `json:"cookie" doc:"cookie with the key; default: none"`
	Query         string   `json:"query" doc:"query parameter with the key; default: none, since addresses end up in histories and logs of others, and filters that run earlier see them"`
	Scopes        []string `json:"scopes" max:"32" doc:"scopes that every key must have here"`
	Addresses     []string `json:"addresses" max:"256" doc:"networks (CIDR) or addresses that keys may be used from; default: everywhere"`
	Quota         []Quota  `json:"quota" max:"8" doc:"how often one key may be used; all of them apply"`
	Store         string   `json:"store" enum:"local,redis" default:"local" doc:"where the quota is counted: local in each gateway, redis in all together (gateway.redis_url)"`
	OnUnavailable string   `json:"on_unavailable" enum:"local,allow,deny" default:"local" doc:"what counts while redis cannot be reached: local counts in each gateway, deny answers 503"`
}

// Quota is one quota of a key.
type Quota struct {
	Name  string          `json:"name" max:"64" doc:"name in RateLimit; default: key, key-2, ..."`
	Rate  int64           `json:"rate" required:"true" min:"1" doc:"requests in each period on average"`
	Per   filter.Duration `json:"per" default:"24h" doc:"the period"`
	Burst int64           `json:"burst" min:"1" max:"1000000000" doc:"requests at once; default: rate"`
}

func newFilter(s *filter.Setup, c Config) (*apikey, error) {
	policy := filter.KeyPolicy{Header: "X-API-Key", Cookie: c.Cookie, Query: c.Query, Scopes: c.Scopes}
	if c.Header != nil {
		policy.Header = *c.Header
	}
	f := &apikey{
		scopes: strings.Join(c.Scopes, " "),
		buf:    make([]byte, 0, 128),
	}
	var err error
	if f.keys, err = s.Keys(policy); err != nil {
		return nil, err
	}
	if f.addresses, err = networks.Parse("addresses", c.Addresses); err != nil {
		return nil, err
	}
	if len(c.Quota) > 0 {
		f.quota, err = s.Limits(c.policy())
	}
	return f, err
}

func (c *Config) policy() filter.LimitPolicy {
	p := filter.LimitPolicy{Field: "quota", Name: "key", Store: c.Store, OnUnavailable: c.OnUnavailable}
	for _, q := range c.Quota {
		p.Windows = append(p.Windows, filter.Window{Name: q.Name, Rate: q.Rate, Period: time.Duration(q.Per), Burst: q.Burst})
	}
	return p
}
