package guest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
)

func newTestInstance(hostTime time.Duration) *Instance {
	return New(&Filter{Name: "f", HostTime: hostTime, Log: NewLog(slog.New(slog.DiscardHandler), 1, time.Now)})
}

// What waits in one call shares one deadline, and ends with request and call.
func TestHostContext(t *testing.T) {
	in := newTestInstance(time.Hour)
	request, cancel := context.WithCancel(context.Background())
	in.Begin(request, &exchange.Exchange{})
	first := in.HostContext()
	deadline, ok := first.Deadline()
	if !ok || time.Until(deadline) > time.Hour {
		t.Errorf("deadline %v %v", deadline, ok)
	}
	if again, _ := in.HostContext().Deadline(); !again.Equal(deadline) {
		t.Error("a second wait has a deadline of its own")
	}
	derived, stop := context.WithTimeout(first, time.Minute)
	defer stop()
	cancel()
	<-derived.Done()
	if !errors.Is(first.Err(), context.Canceled) {
		t.Errorf("after the request: %v", first.Err())
	}
	in.End()
	in.Begin(context.Background(), &exchange.Exchange{})
	if in.HostContext().Err() != nil {
		t.Error("the next call begins with a context that has ended")
	}
	held := in.HostContext()
	_ = held.Done()
	in.End()
	if held.Err() == nil {
		t.Error("a context outlives its call")
	}
}

func TestHostContextRunsOut(t *testing.T) {
	in := newTestInstance(time.Millisecond)
	in.Begin(context.Background(), &exchange.Exchange{})
	ctx := in.HostContext()
	<-ctx.Done()
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error(ctx.Err())
	}
}

// Who does not wait pays nothing.
func TestHostContextCostsNothingUnarmed(t *testing.T) {
	in := newTestInstance(time.Hour)
	ex := &exchange.Exchange{}
	in.HostContext()
	if n := testing.AllocsPerRun(100, func() {
		in.Begin(context.Background(), ex)
		if in.HostContext().Err() != nil {
			t.Error("ended")
		}
		in.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRestoreForgetsTheRequest(t *testing.T) {
	in := newTestInstance(0)
	in.BaseFeatures = 1
	s := in.Save()
	in.Begin(context.Background(), &exchange.Exchange{})
	in.BaseFeatures, in.Answered, in.Failure, in.LastError = 7, true, "x", "y"
	in.HTTPAnswer = []byte("z")
	_, _ = in.Output.Write([]byte("panic"))
	in.Restore(s)
	if in.BaseFeatures != 1 || in.Features != 1 || in.Answered || in.Failure != "" || in.LastError != "" || in.Exchange != nil ||
		in.HTTPAnswer != nil || in.Output.FirstLine() != "" {
		t.Errorf("%+v", in)
	}
}
