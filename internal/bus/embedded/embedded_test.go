package embedded_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"gatehouse.example/internal/bus/embedded"
)

func TestRestartKeepsMessages(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Start(embedded.Options{Dir: dir, SyncAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	conn, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	url, addr := s.URL(), s.Addr()
	s.Stop()
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		c.Close()
		t.Error("the port is open after Stop")
	}

	s, err = embedded.Start(embedded.Options{Dir: dir, SyncAlways: true, Listen: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if s.URL() != url {
		t.Error("clients cannot reconnect: another URL")
	}
	again, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if js, err = jetstream.New(again); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if string(msg.Data) != "kept" {
		t.Errorf("kept %q", msg.Data)
	}
}

func TestTokenIsNeeded(t *testing.T) {
	s, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for _, url := range []string{"nats://" + s.Addr(), "nats://wrong@" + s.Addr()} {
		if conn, err := nats.Connect(url); err == nil {
			conn.Close()
			t.Errorf("connected to %s without the token", url)
		}
	}
}

func TestErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, tt := range []struct{ name, listen, want string }{
		{"not loopback", "0.0.0.0:4222", "only loopback"},
		{"no port", "127.0.0.1", "missing port"},
		{"port out of range", "127.0.0.1:99999", "no such port"},
		{"port in use", busy.Addr().String(), "address already in use"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Listen: tt.listen})
			if err == nil {
				s.Stop()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not mention %q", err, tt.want)
			}
		})
	}
}
