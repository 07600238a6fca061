package filtertest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	kitv1 "gatehouse.example/pluginspec/filter/kit/v1"
)

// Compiled runs the filter as the gateway does: it builds the package under
// test, which has to be the filter's package main, as WebAssembly and executes
// it with `gatehouse filter test`. The command is found in $GATEHOUSE_BIN, in
// $PATH, or in bin beside the folder of the SDK. The process ends with the test.
//
// What is called then is what the package registers, whatever was handed to
// [New]. [Filter.KV], [Filter.SetKV], [KVBytes], [Remote] and [StoreDown] work
// natively only; with Compiled they fail the test.
func Compiled() Option { return func(g *gateway) { g.compiled = true } }

// answerTime is how long the process may take for one answer. The host bounds
// what a filter does by fuel; this is for a process that hangs.
const answerTime = time.Minute

// process is a running `gatehouse filter test`.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
	events chan []byte
	ended  sync.WaitGroup
	broken error
}

// launch starts the process; it is gone when the test is over.
func launch(t testing.TB) *process {
	t.Helper()
	name, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(name, "filter", "test", moduleFile(t), "--protocol"), events: make(chan []byte)}
	p.cmd.Stderr = &p.stderr
	in, errIn := p.cmd.StdinPipe()
	out, errOut := p.cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 64<<10)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p.ended.Go(func() {
		defer close(p.events)
		for {
			line, err := p.out.ReadBytes('\n')
			if err != nil {
				return
			}
			p.events <- line
		}
	})
	t.Cleanup(p.end)
	return p
}

// end closes the process's input, which ends it, and kills it where that does
// not.
func (p *process) end() {
	p.in.Close()
	kill := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	for range p.events { // the reader may be about to hand over
	}
	p.ended.Wait()
	err := p.cmd.Wait()
	if !kill.Stop() {
		p.t.Errorf("gatehouse filter test did not end by itself")
	} else if err != nil && p.broken == nil {
		p.t.Errorf("gatehouse filter test: %v\n%s", err, p.stderr.Bytes())
	}
}

// call sends a command and returns the answer.
func (p *process) call(c kitv1.Command) (kitv1.Event, error) {
	line, err := json.Marshal(c)
	if err != nil {
		return kitv1.Event{}, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return kitv1.Event{}, p.fail(err)
	}
	select {
	case answer, ok := <-p.events:
		if !ok {
			return kitv1.Event{}, p.fail(io.ErrUnexpectedEOF)
		}
		var e kitv1.Event
		if err := json.Unmarshal(answer, &e); err != nil {
			return kitv1.Event{}, p.fail(fmt.Errorf("answer %.200q: %w", answer, err))
		}
		if e.Error != "" {
			return kitv1.Event{}, p.fail(errors.New(e.Error))
		}
		return e, nil
	case <-time.After(answerTime):
		_ = p.cmd.Process.Kill()
		return kitv1.Event{}, p.fail(errors.New("no answer within a minute"))
	}
}

func (p *process) fail(err error) error {
	p.broken = fmt.Errorf("gatehouse filter test: %w", err)
	return p.broken
}

// nativeOnly fails the test where the filter runs compiled: what the native
// gateway knows would say nothing about it.
func (g *gateway) nativeOnly(what string) {
	g.t.Helper()
	if g.compiled {
		g.t.Fatalf("%s is for a native filter only: leave out Compiled", what)
	}
}

// startCompiled starts the filter with what the options say.
func (g *gateway) startCompiled(needs bool) error {
	g.t.Helper()
	for option, used := range map[string]bool{"Remote": len(g.remotes) > 0, "KVBytes": g.kvBytes > 0, "StoreDown": g.storeDown} {
		if used {
			g.nativeOnly("filtertest." + option)
		}
	}
	g.process = launch(g.t)
	start := kitv1.Start{
		Config: json.RawMessage(g.config), GrantNeeds: needs, Grants: slices.Sorted(maps.Keys(g.grants)),
		Tokens: credentials(g.tokens), Keys: credentials(g.keys),
	}
	e, err := g.process.call(kitv1.Command{Protocol: kitv1.Version, Start: &start})
	switch {
	case err != nil:
		g.t.Fatal(err)
	case e.Refused != "":
		return errors.New(e.Refused)
	case e.Started == nil:
		g.t.Fatal("gatehouse filter test: no answer to start")
	}
	return nil
}

func credentials(all map[string]verdict) []kitv1.Credential {
	var out []kitv1.Credential
	for _, value := range slices.Sorted(maps.Keys(all)) {
		v := all[value]
		out = append(out, kitv1.Credential{Value: value, Status: v.status, Principal: principalOut(v.who), Claims: v.claims})
	}
	return out
}

// doCompiled is one request through the process.
func (g *gateway) doCompiled(r Request) (Result, error) {
	in := kitv1.Request{
		Method: r.Method, URI: r.URI, Route: r.Route, Header: r.Header, Body: []byte(r.Body),
		Principal: principalOut(r.Principal), Attributes: r.Attributes,
		Response: &kitv1.Response{Status: r.Response.Status, Header: r.Response.Header, Body: []byte(r.Response.Body)},
	}
	if r.Source.IsValid() {
		in.Source = r.Source.String()
	}
	e, err := g.process.call(kitv1.Command{Request: &in})
	if err != nil {
		return Result{}, err
	}
	if e.Result == nil {
		return Result{}, g.process.fail(errors.New("no answer to a request"))
	}
	out := e.Result
	g.logs = append(g.logs, out.Logs...)
	if out.Counters != nil {
		g.counters = out.Counters
	}
	result := Result{
		Answered: out.Answered, Fuel: out.Fuel, Request: requestIn(out.Request),
		Response: Response{Status: out.Response.Status, Header: headerIn(out.Response.Header), Body: string(out.Response.Body)},
	}
	result.Request.Response = r.Response
	if out.Trap != "" {
		return result, &TrapError{Reason: out.Trap}
	}
	return result, nil
}

func (g *gateway) advanceCompiled(d time.Duration) error {
	_, err := g.process.call(kitv1.Command{AdvanceNS: int64(d)})
	return err
}

func requestIn(r kitv1.Request) Request {
	out := Request{
		Method: r.Method, URI: r.URI, Header: headerIn(r.Header), Body: string(r.Body), Route: r.Route,
		Principal: Principal(r.Principal), Attributes: r.Attributes,
	}
	out.Source, _ = netip.ParseAddr(cmp.Or(r.Source, "192.0.2.1"))
	if out.Attributes == nil {
		out.Attributes = map[string]string{}
	}
	return out
}

func headerIn(h map[string][]string) http.Header {
	if h == nil {
		return http.Header{}
	}
	return h
}

func principalOut(p Principal) kitv1.Principal { return kitv1.Principal(p) }
