package capability

import (
	"context"
	"errors"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// oneAsks is a context of which one may ask at a time.
type oneAsks struct {
	context.Context
	places chan struct{}
}

func (o oneAsks) Ask() (func(), bool) {
	select {
	case o.places <- struct{}{}:
		return func() { <-o.places }, true
	default:
		return nil, false
	}
}

// slowAuthority answers when it is told to.
type slowAuthority struct{ asked, answer chan struct{} }

func (s slowAuthority) VerifyAPIKey(context.Context, string) (APIKey, error) {
	s.asked <- struct{}{}
	<-s.answer
	return APIKey{ID: "1", OwnerKind: "client", OwnerID: "shop"}, nil
}

// While one waits, a key that is remembered passes, and another is refused at
// once; one who hangs up waits no longer, though the question still counts.
func TestKeysThatNeedAskingLeaveRoom(t *testing.T) {
	slow := slowAuthority{make(chan struct{}, 1), make(chan struct{})}
	v := NewKeyVerifier(KeyOptions{Authority: slow})
	p := &KeyPolicy{}
	key := keyText
	ask := oneAsks{context.Background(), make(chan struct{}, 1)}
	known, slowly := key("known"), key("slow")
	go func() { slow.answer <- struct{}{} }()
	if _, refusal := v.Verify(ask, p, known); refusal != nil {
		t.Fatal(refusal)
	}
	<-slow.asked

	gone, hangUp := context.WithCancel(context.Background())
	waiting := make(chan *Refusal)
	go func() {
		_, refusal := v.Verify(oneAsks{gone, ask.places}, p, slowly)
		waiting <- refusal
	}()
	<-slow.asked
	unavailable := func(when string) {
		t.Helper()
		_, refusal := v.Verify(ask, p, key("made-up"))
		if refusal == nil || refusal.Status != filterv1.StatusUnavailable || !errors.Is(refusal.Reason, errTooManyAsk) {
			t.Errorf("%s: %+v", when, refusal)
		}
	}
	unavailable("while one waits")
	if _, refusal := v.Verify(ask, p, known); refusal != nil {
		t.Errorf("a key that is remembered: %+v", refusal)
	}
	hangUp()
	if refusal := <-waiting; refusal == nil || refusal.Status != filterv1.StatusUnavailable {
		t.Errorf("who has hung up: %+v", refusal)
	}
	unavailable("while the question goes on")
	slow.answer <- struct{}{}
	for i := 0; len(ask.places) > 0 && i < 1000; i++ {
		time.Sleep(time.Millisecond)
	}
	if _, refusal := v.Verify(ask, p, slowly); refusal != nil {
		t.Errorf("what was answered after the hanging up: %+v", refusal)
	}
	if len(slow.asked) != 0 || len(ask.places) != 0 {
		t.Error("asked again, or a place is lost")
	}
}

func TestTokensThatNeedAskingLeaveRoom(t *testing.T) {
	a := newAsking(t, "")
	p := a.policy("%s", a.text)
	a.answers(200, `{"active":true,"aud":"shop","sub":"ada"}`)
	ask := oneAsks{context.Background(), make(chan struct{}, 1)}
	if _, refusal := a.Verify(ask, p, opaque); refusal != nil {
		t.Fatal(refusal)
	}
	ask.places <- struct{}{}
	if _, refusal := a.Verify(ask, p, opaque); refusal != nil {
		t.Errorf("a token that is remembered: %+v", refusal)
	}
	if _, refusal := a.Verify(ask, p, "made-up"); refusal == nil || refusal.Status != filterv1.StatusUnavailable {
		t.Errorf("another: %+v", refusal)
	}
	a.wantAsked(1)
	<-ask.places
	if _, refusal := a.Verify(ask, p, "made-up"); refusal != nil || len(ask.places) != 0 {
		t.Errorf("afterwards: %+v, %d places are lost", refusal, len(ask.places))
	}
}
