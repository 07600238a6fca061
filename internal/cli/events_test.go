package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/cli/stack"
	"gatehouse.example/internal/event"
)

// TestEventsCommands lists events that a consumer gave up, and sends them again
// to the one that can handle them by now.
func TestEventsCommands(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	data := t.TempDir()
	broker, err := embedded.Start(embedded.Options{Dir: filepath.Join(data, "nats"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)
	b, err := bus.Connect(t.Context(), bus.Options{URL: broker.URL(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := command("events", "dead", "--nats-url", broker.URL()); code != ExitDone || strings.Count(stdout, "\n") != 1 {
		t.Errorf("before anything died: exit code %d: %s%s", code, stdout, stderr)
	}
	handled := make(chan string, 10)
	refuse := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var consuming sync.WaitGroup
	consuming.Go(func() {
		if err := b.Consume(ctx, bus.Consumer{Name: "mails", Logger: quiet, Handle: func(_ context.Context, e event.Event) error {
			select {
			case <-refuse:
				handled <- e.Subject
				return nil
			default:
				return bus.Permanent(os.ErrInvalid)
			}
		}}); err != nil {
			t.Error(err)
		}
	})
	defer consuming.Wait()
	defer cancel()
	for _, person := range []string{"ada", "bob", "eve"} {
		e, err := event.New(event.SourceUser, event.TypeUserDeleted, person, event.UserDeleted{UserID: person}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if dead, err := b.Dead(t.Context(), 0, 10); err == nil && len(dead) == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the events are not dead in time")
		}
	}
	run := func(args ...string) (int, string, string) { return command(append(args, "--data", data)...) }
	if code, _, stderr := run("events", "dead"); code != ExitFailed || !strings.Contains(stderr, "nats.json does not exist") {
		t.Errorf("without a running dev: exit code %d: %s", code, stderr)
	}
	address, err := json.Marshal(stack.BusAddress{URL: broker.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, stack.BusFile), address, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run("events", "dead")
	if code != ExitDone || !regexp.MustCompile(`(?m)^1 +\S+Z +mails +gatehouse\.user\.deleted\.v1 +ada +invalid argument$`).MatchString(stdout) {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	var list struct {
		Items []bus.DeadEvent `json:"items"`
	}
	code, stdout, _ = run("events", "dead", "list", "--consumer", "mails", "--from", "2", "--limit", "1", "--output", "json")
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != ExitDone || len(list.Items) != 1 || list.Items[0].Event.Subject != "bob" {
		t.Errorf("%v: %s", err, stdout)
	}
	if code, stdout, _ = run("events", "dead", "--consumer", "others"); code != ExitDone || strings.Count(stdout, "\n") != 1 {
		t.Errorf("of another consumer: exit code %d: %s", code, stdout)
	}
	close(refuse)
	if code, stdout, stderr = command("events", "replay", "2", "--nats-url", broker.URL()); code != ExitDone || stdout != "replayed  2\n" {
		t.Fatalf("replay: exit code %d: %s%s", code, stdout, stderr)
	}
	if got := <-handled; got != "bob" {
		t.Errorf("%q came again", got)
	}
	if code, stdout, stderr = run("events", "replay", "--all", "--consumer", "mails", "--output", "json"); code != ExitDone || !regexp.MustCompile(`"replayed": \[\s+1,\s+3\s+\]`).MatchString(stdout) {
		t.Fatalf("replay of all: exit code %d: %s%s", code, stdout, stderr)
	}
	if a, e := <-handled, <-handled; a != "ada" || e != "eve" {
		t.Errorf("%q and %q came again", a, e)
	}
	if code, stdout, _ = run("events", "dead"); code != ExitDone || strings.Count(stdout, "\n") != 1 {
		t.Errorf("afterwards: exit code %d: %s", code, stdout)
	}
	check(t, run, []wrong{
		{[]string{"events", "replay", "2"}, ExitFailed, "replay dead event 2: there is no such dead event"},
		{[]string{"events", "replay", "99"}, ExitFailed, "replay dead event 99: there is no such dead event"},
		{[]string{"events", "drop", "99"}, ExitFailed, "drop dead event 99: there is no such dead event"},
		{[]string{"events", "drop", "2"}, ExitFailed, "drop dead event 2: there is no such dead event"},
		{[]string{"events", "drop"}, ExitUsage, "want the sequence of one dead event"},
		{[]string{"events", "drop", "1", "2"}, ExitUsage, "want the sequence of one dead event"},
		{[]string{"events", "drop", "x"}, ExitUsage, `"x" is no sequence`},
		{[]string{"events", "replay"}, ExitUsage, "want the sequence of a dead event"},
		{[]string{"events", "replay", "x"}, ExitUsage, `"x" is no sequence`},
		{[]string{"events", "replay", "0"}, ExitUsage, `"0" is no sequence`},
		{[]string{"events", "replay", "1", "--all"}, ExitUsage, "not both"},
		{[]string{"events", "replay", "1", "--consumer", "x"}, ExitUsage, "--consumer needs --all"},
		{[]string{"events", "dead", "x"}, ExitUsage, "unexpected argument"},
		{[]string{"events", "dead", "--limit", "0"}, ExitUsage, "--limit"},
		{[]string{"events", "dead", "--nats-url", "no url"}, ExitFailed, "--nats-url"},
		{[]string{"events", "dead", "--help"}, ExitDone, "gatehouse events dead --consumer auth-audit"},
	})
	checkUnreplayable(t, b, run)
	if err := os.WriteFile(filepath.Join(data, stack.BusFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run("events", "dead"); code != ExitFailed || !strings.Contains(stderr, "damaged") {
		t.Errorf("damaged file: exit code %d: %s", code, stderr)
	}
}

// checkUnreplayable has something among the dead that is no event: it is told,
// not sent, and can be removed.
func checkUnreplayable(t *testing.T, b *bus.Bus, run func(args ...string) (int, string, string)) {
	t.Helper()
	e, err := event.New(event.SourceUser, event.TypeUserDeleted, "zoe", event.UserDeleted{UserID: "zoe"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{[]byte("{"), good} {
		if err := b.Notify(t.Context(), "gatehouse.dead.mails", data); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if dead, err := b.Dead(t.Context(), 0, 10); err == nil && len(dead) == 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the dead events are not there in time")
		}
	}
	if code, stdout, stderr := run("events", "replay", "4"); code != ExitFailed || stdout != "" || !strings.Contains(stderr, "replay dead event 4: its data is no event") {
		t.Errorf("replay: exit code %d: %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := run("events", "replay", "--all"); code != ExitFailed || stdout != "replayed  5\nskipped   4\n1 replayed, 1 skipped\n" || !strings.Contains(stderr, "gatehouse events drop") {
		t.Errorf("replay of all: exit code %d: %s%s", code, stdout, stderr)
	}
	code, stdout, _ := run("events", "replay", "--all", "--output", "json")
	if code != ExitFailed || !regexp.MustCompile(`(?s)"replayed": \[\].*"skipped": \[\s+4\s+\]`).MatchString(stdout) {
		t.Errorf("replay of all as JSON: exit code %d: %s", code, stdout)
	}
	if code, stdout, stderr := run("events", "drop", "4"); code != ExitDone || stdout != "dropped  4\n" {
		t.Errorf("drop: exit code %d: %s%s", code, stdout, stderr)
	}
	if code, stdout, _ := run("events", "replay", "--all"); code != ExitDone || stdout != "0 replayed, 0 skipped\n" {
		t.Errorf("afterwards: exit code %d: %s", code, stdout)
	}
}
