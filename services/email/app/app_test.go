package app_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/identity"
)

func TestVerificationMail(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	started := time.Now()
	f.request(t, "c1", "ada@example.com")
	item := f.mailTo(t, "ada@example.com")
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("the mail took %v", took)
	}
	if item.Subject != "Confirm your email address" || len(item.Links) == 0 || item.Links[0] != linkOf("c1") || !strings.Contains(item.HTML, "<a href=") {
		t.Errorf("mail %+v", item)
	}
	f.waitState(t, "sent")
	for _, table := range []string{"messages", "dead_letters", "outbox", "consumed_events"} {
		if rows := strings.Join(f.rows(t, table), "\n"); strings.Contains(rows, "very-secret-code") {
			t.Errorf("%s holds the link: %s", table, rows)
		}
	}
	if err := f.app.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	// Another event for the same challenge is the same cause.
	f.request(t, "c1", "ada@example.com")
	f.request(t, "c2", "bob@example.com")
	f.mailTo(t, "bob@example.com")
	if n := len(f.mails(t, "ada@example.com")); n != 1 {
		t.Errorf("%d mails for one event", n)
	}
}

func TestMalformedEventHoldsUpNothing(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	for i := range 10 { // more than are at work at once
		f.request(t, fmt.Sprint("bad", i), "not an address")
	}
	f.request(t, "c1", "ada@example.com")
	f.mailTo(t, "ada@example.com")
	if rows := f.rows(t, "messages"); len(rows) != 1 {
		t.Errorf("messages %v", rows)
	}
}

func TestObsoleteChallenge(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"over":    answerProblem(http.StatusGone, authapi.CodeChallengeOver),
		"unknown": answerProblem(http.StatusNotFound, authapi.CodeChallengeNotFound),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.auth(answer)
			f.run(t)
			f.request(t, "c1", "ada@example.com")
			f.waitState(t, "obsolete")
			if n := len(f.mails(t, "")); n != 0 {
				t.Errorf("%d mails", n)
			}
		})
	}
}

func TestAuthComesBack(t *testing.T) {
	f := newFixture(t)
	// A 404 that is not auth's own must not drop the mail either.
	f.auth(http.NotFound)
	f.run(t)
	f.request(t, "c1", "ada@example.com")
	eventually(t, "a first attempt", func() bool {
		return strings.Contains(strings.Join(f.rows(t, "messages"), ""), "ask auth for the link")
	})
	f.auth(answerLink)
	f.mailTo(t, "ada@example.com")
}

func TestPluginDies(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	f.request(t, "c1", "ada@example.com")
	f.mailTo(t, "ada@example.com")
	for i := range 3 {
		signalPlugins(t, syscall.SIGKILL)
		to := fmt.Sprintf("after%d@example.com", i)
		f.request(t, "k"+to, to)
		f.mailTo(t, to)
	}
}

// signalPlugins signals the children of this process that run the plugin.
func signalPlugins(t *testing.T, s syscall.Signal) {
	t.Helper()
	dir, err := plugins()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pgrep", "-P", fmt.Sprint(os.Getpid()), "-f", filepath.Join(dir, "mail-file")).Output()
	if err != nil {
		t.Fatalf("no plugin runs: %v", err)
	}
	for _, line := range strings.Fields(string(out)) {
		var pid int
		if _, err := fmt.Sscan(line, &pid); err != nil || pid <= 1 {
			t.Fatalf("process number %q", line)
		}
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeadLetter(t *testing.T) {
	f := newFixture(t)
	dir := filepath.Join(f.data, "mailbox")
	// The folder becomes a file, so that nothing can be written, not by root.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.run(t)
	f.request(t, "c1", "ada@example.com")
	f.waitState(t, "failed")
	letters := f.rows(t, "dead_letters")
	if len(letters) != 1 || !strings.Contains(letters[0], "not a directory") || !strings.Contains(letters[0], `"attempts":3`) {
		t.Errorf("dead letters %v", letters)
	}
	reader := identity.Principal{Kind: identity.KindClient, Subject: "c", ClientID: "c", Scopes: []string{"admin"}}
	status, body := f.get(t, "/v1/messages?state=failed", f.token(reader))
	if status != http.StatusOK || !strings.Contains(string(body), "not a directory") {
		t.Errorf("list: %d %s", status, body)
	}
}

func TestEdge(t *testing.T) {
	f := newFixture(t)
	if status, _ := f.get(t, "/v1/messages", ""); status != http.StatusUnauthorized {
		t.Errorf("nobody: %d", status)
	}
	if status, _ := f.get(t, "/v1/notifications", ""); status != http.StatusUnauthorized {
		t.Errorf("nobody: %d", status)
	}
	if status, _ := f.get(t, "/dev/mailbox", "not-a-token"); status != http.StatusOK {
		t.Errorf("mailbox with a credential of no concern: %d", status)
	}
	if status, _ := f.get(t, "/", ""); status != http.StatusNotFound {
		t.Errorf("elsewhere: %d", status)
	}
}
