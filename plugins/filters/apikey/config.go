package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"gatehouse.example/sdk/filter"
)

// Config is the configuration of the filter.
type Config struct {
	Header        *string  `json:"header" doc:"header field with the key; default: X-API-Key. Empty looks at no header."`
	Cookie        string   `json:"cookie" doc:"cookie with the key; default: none"`
	Query         string   `json:"query" doc:"query parameter with the key; default: none, since addresses end up in histories and logs of others"`
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
		buf:    make([]byte, 0, 128), state: make([]byte, 0, 512),
	}
	var err error
	if f.keys, err = s.Keys(policy); err != nil {
		return nil, errors.New("config/" + err.Error())
	}
	if f.addresses, err = filter.ParseNetworks("addresses", c.Addresses); err != nil {
		return nil, err
	}
	if len(c.Quota) > 0 {
		err = f.count(s, c)
	}
	return f, err
}

// count makes the limit behind the quota.
func (f *apikey) count(s *filter.Setup, c Config) error {
	p := filter.LimitPolicy{Store: c.Store, OnUnavailable: c.OnUnavailable}
	for i, q := range c.Quota {
		at := "config/quota/" + strconv.Itoa(i)
		if err := q.complete(i); err != nil {
			return errors.New(at + err.Error())
		}
		name := strconv.Quote(q.Name)
		for j, other := range f.names {
			if other == name {
				return errors.New(at + "/name: the name of quota " + strconv.Itoa(j) + " too; want another")
			}
		}
		f.names = append(f.names, name)
		if i > 0 {
			f.policies += ", "
		}
		f.policies += q.policy()
		p.Windows = append(p.Windows, filter.Window{Rate: q.Rate, Period: time.Duration(q.Per), Burst: q.Burst})
	}
	var err error
	if f.quota, err = s.Limits(p); err != nil {
		// The gateway's path is within the policy, whose windows are the quota.
		at := err.Error()
		if rest, ok := strings.CutPrefix(at, "windows"); ok {
			at = "quota" + rest
		}
		return errors.New("config/" + at)
	}
	return nil
}

func (q *Quota) complete(i int) error {
	if q.Per <= 0 {
		return errors.New("/per: want more than 0s")
	}
	if q.Burst == 0 {
		q.Burst = q.Rate
	}
	if q.Name == "" {
		q.Name = "key"
		if i > 0 {
			q.Name += "-" + strconv.Itoa(i+1)
		}
	}
	for j := range len(q.Name) {
		if c := q.Name[j]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return errors.New("/name: want printable ASCII without quotes")
		}
	}
	return nil
}

// policy is an item of RateLimit-Policy.
func (q *Quota) policy() string {
	window := math.Ceil(time.Duration(q.Per).Seconds() * float64(q.Burst) / float64(q.Rate))
	return strconv.Quote(q.Name) + ";q=" + strconv.FormatInt(q.Burst, 10) + ";w=" + strconv.FormatInt(max(1, int64(window)), 10)
}
