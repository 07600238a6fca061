package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// connection speaks HTTP/1.1 by hand: the client must cost little.
type connection struct {
	net.Conn
	reader *bufio.Reader
	buffer []byte
}

func dial(address string) (*connection, error) {
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, reader: bufio.NewReaderSize(c, 4<<10)}, nil
}

// send sends a GET with twelve header fields.
func (c *connection) send(path, token string) error {
	b := c.buffer[:0]
	b = append(b, "GET "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: gateway.example\r\n"+
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) rig\r\nAccept: application/json\r\nAccept-Encoding: gzip, br\r\nAccept-Language: en\r\n"+
		"Origin: http://localhost:3000\r\nReferer: http://localhost:3000/people\r\nCache-Control: no-cache\r\nX-Kind: bench\r\n"+
		"Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-site\r\n"...)
	if token != "" {
		b = append(b, "Authorization: Bearer "...)
		b = append(b, token...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	c.buffer = b
	_, err := c.Write(c.buffer)
	return err
}

// receive reads a response and returns its status and the field X-Stamp.
func (c *connection) receive() (status int, stamp string, err error) {
	length := int64(0)
	for first := true; ; first = false {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return 0, "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); {
		case first && len(line) >= 12:
			status, err = strconv.Atoi(line[9:12])
		case strings.EqualFold(name, "Content-Length"):
			length, err = strconv.ParseInt(value, 10, 64)
		case strings.EqualFold(name, "Transfer-Encoding"):
			err = errors.New("chunks are not expected here")
		case strings.EqualFold(name, "X-Stamp"):
			stamp = value
		}
		if err != nil {
			return 0, "", err
		}
	}
	_, err = c.reader.Discard(int(length))
	return status, stamp, err
}

func readTokens(file string) ([]string, error) {
	if file == "" {
		return []string{""}, nil
	}
	text, err := os.ReadFile(file)
	return strings.Fields(string(text)), err
}

// result is what a client says at its end.
type result struct {
	Requests int            `json:"requests"`
	Failures int            `json:"failures"`
	First    string         `json:"first_failure,omitempty"`
	Statuses map[int]int    `json:"statuses"`
	Stamps   map[string]int `json:"stamps"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Max      float64        `json:"max_ms"`

	mu   sync.Mutex
	took []time.Duration
}

func newResult() *result { return &result{Statuses: map[int]int{}, Stamps: map[string]int{}} }

func (r *result) add(status int, stamp string, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Requests++
	r.Statuses[status]++
	if stamp != "" {
		r.Stamps[stamp]++
	}
	r.took = append(r.took, took)
	if err == nil && status == 200 {
		return
	}
	r.Failures++
	if r.First == "" {
		r.First = fmt.Sprintf("status %d: %v", status, err)
	}
}

func (r *result) say() error {
	slices.Sort(r.took)
	at := func(part float64) float64 {
		if len(r.took) == 0 {
			return 0
		}
		return float64(r.took[min(len(r.took)-1, int(part*float64(len(r.took))))].Microseconds()) / 1000
	}
	r.P50, r.P99, r.Max = at(0.5), at(0.99), at(1)
	return say(r)
}

// hold sends one request on each of many connections and waits for all
// answers.
func hold(_ context.Context, flags *flag.FlagSet, args []string) error {
	address := flags.String("address", "", "host:port")
	path := flags.String("path", "/slow", "path")
	file := flags.String("tokens", "", "file of access tokens")
	count := flags.Int("connections", 1, "connections")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tokens, err := readTokens(*file)
	if err != nil {
		return err
	}
	r := newResult()
	var group sync.WaitGroup
	dialling := make(chan struct{}, 64)
	for i := range *count {
		dialling <- struct{}{}
		group.Go(func() {
			start := time.Now()
			c, err := dial(*address)
			if err == nil {
				defer c.Close()
				err = c.send(*path, tokens[i%len(tokens)])
			}
			<-dialling
			status := 0
			if err == nil {
				c.buffer = nil
				status, _, err = c.receive()
			}
			r.add(status, "", time.Since(start), err)
		})
	}
	group.Wait()
	return r.say()
}

// load sends requests on a few connections until it is stopped.
func load(ctx context.Context, flags *flag.FlagSet, args []string) error {
	address := flags.String("address", "", "host:port")
	path := flags.String("path", "/", "path")
	file := flags.String("tokens", "", "file of access tokens")
	count := flags.Int("connections", 1, "connections")
	pause := flags.Duration("pause", 0, "pause between requests")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tokens, err := readTokens(*file)
	if err != nil {
		return err
	}
	r := newResult()
	var group sync.WaitGroup
	for i := range *count {
		group.Go(func() {
			c, err := dial(*address)
			for n := i; ctx.Err() == nil; n += *count {
				start, status, stamp := time.Now(), 0, ""
				if err == nil {
					err = c.send(*path, tokens[n%len(tokens)])
				}
				if err == nil {
					status, stamp, err = c.receive()
				}
				r.add(status, stamp, time.Since(start), err)
				if err != nil {
					if c != nil {
						_ = c.Close()
					}
					time.Sleep(10 * time.Millisecond)
					c, err = dial(*address)
				}
				time.Sleep(*pause)
			}
		})
	}
	if err := say(map[string]string{"state": "running"}); err != nil {
		return err
	}
	group.Wait()
	return r.say()
}
