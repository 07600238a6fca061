// Command services is a test filter that does with its memory, its counter and
// its outgoing requests what a request's header fields say.
package main

import (
	"strconv"
	"strings"
	"time"

	"gatehouse.example/sdk/filter"
)

// Config is its configuration.
type Config struct {
	Use []string `json:"use" doc:"what it asks for while it is made: kv, metrics, http"`
}

type services struct {
	kv      *filter.KV
	counter *filter.Counter
	http    *filter.HTTP
	key     []byte
}

func newFilter(s *filter.Setup, c Config) (*services, error) {
	f := &services{}
	for _, use := range c.Use {
		var err error
		switch use {
		case "kv":
			f.kv, err = s.KV()
		case "metrics":
			f.counter, err = s.Counter("seen_total")
		case "http":
			f.http, err = s.HTTP()
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// repeated is a field's value, as often as another says.
func repeated(r *filter.Request, name string) string {
	value := r.Header(name)
	if n := number(r, name+"-Bytes"); n > 0 {
		value = strings.Repeat(value, int(n))
	}
	return value
}

func number(r *filter.Request, name string) int64 {
	text := r.Header(name)
	if text == "" {
		return 0 // ParseInt's error allocates
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// HandleRequest answers with what came of it.
func (f *services) HandleRequest(r *filter.Request) filter.Action {
	key, value := repeated(r, "X-Key"), repeated(r, "X-Value")
	ttl := time.Duration(number(r, "X-TTL")) * time.Millisecond
	switch r.Header("X-Do") {
	case "get":
		value, ok := f.kv.Get(key)
		if !ok {
			return answer(r, filter.StatusAbsent, nil)
		}
		return answer(r, filter.StatusOK, value)
	case "put":
		return answer(r, f.kv.Put(key, []byte(value), ttl), nil)
	case "delete":
		return answer(r, f.kv.Delete(key), nil)
	case "incr":
		sum, status := f.kv.Incr(key, number(r, "X-Delta"), ttl)
		return answer(r, status, strconv.AppendInt(nil, sum, 10))
	case "count":
		f.counter.Add(2.5)
	case "call":
		return f.call(r)
	case "speed":
		// What a filter does that remembers who came: nothing is allocated.
		f.key = append(append(f.key[:0], "seen/"...), r.SourceAddress()...)
		if _, ok := f.kv.Get(r.Path()); !ok {
			f.kv.Put(r.Path(), f.key, 0)
		}
		_, _ = f.kv.Incr(f.kv.Key("n/", r.SourceAddress()), 1, time.Hour)
		f.counter.Add(1)
	}
	return filter.Next
}

func (f *services) call(r *filter.Request) filter.Action {
	response, err := f.http.Do(filter.HTTPRequest{
		Method: r.Header("X-Method"), URL: r.Header("X-URL"), Body: []byte(repeated(r, "X-Value")),
		Header:  []filter.HeaderField{{Name: "X-From", Value: "filter"}},
		Timeout: time.Duration(number(r, "X-TTL")) * time.Millisecond,
	})
	if err != nil {
		return r.Reply(500, "text/plain", []byte(err.Error()))
	}
	r.SetResponseHeader("X-Upstream", response.Header("X-Upstream"))
	return r.Reply(response.Status, "text/plain", response.Body)
}

func answer(r *filter.Request, status filter.Status, body []byte) filter.Action {
	r.SetResponseHeader("X-Status", status.String())
	return r.Reply(200, "text/plain", body)
}

var _ = filter.Register("services", newFilter)

func main() {}
