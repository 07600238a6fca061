package guest

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A runtime writes a line in pieces; the log has it whole.
func TestOutputIsLoggedByLines(t *testing.T) {
	var text strings.Builder
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := Output{log: NewLog(logger, 100, time.Now)}
	for _, piece := range []string{"goroutine", " ", "1", " [running]:\n\nmain.", "main()\n\t/x", "/main.go", ":39", "\nlast"} {
		if n, err := o.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	o.Reset()
	for _, want := range []string{`msg="goroutine 1 [running]:"`, `msg=main.main()`, `msg=/x/main.go:39`, `msg=last`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
	if n := strings.Count(text.String(), "\n"); n != 4 {
		t.Errorf("%d lines", n)
	}
}

func TestFirstLineNamesThePlace(t *testing.T) {
	o := Output{log: NewLog(slog.New(slog.DiscardHandler), 1, time.Now)}
	_, _ = o.Write([]byte("panic: boom\n\ngoroutine 1 [running]:\nruntime.x(...)\n\truntime/panic.go:7 +0x1\nmain.(*handler).HandleRequest(0x1)\n\texample.com/hello/main.go:39 +0x12\nmore\n"))
	if got := o.FirstLine(); got != "panic: boom (example.com/hello/main.go:39)" {
		t.Errorf("%q", got)
	}
	o.Reset()
	_, _ = o.Write([]byte("plain\nmain.\n"))
	if got := o.FirstLine(); got != "plain" {
		t.Errorf("%q", got)
	}
}
