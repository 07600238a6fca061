package pluginhost

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLogForwarding(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"slog", `{"time":"2026-01-02T03:04:05Z","level":"ERROR","msg":"no space","disk":"a"}`, []string{"level=ERROR", `msg="no space"`, "disk=a"}},
		{"hclog", `{"@level":"warn","@message":"slow","@timestamp":"x"}`, []string{"level=WARN", "msg=slow"}},
		{"plain text", "panic: oh no", []string{"level=WARN", `msg="panic: oh no"`}},
		// go-plugin's own parser panics on this one.
		{"wrong types", `{"@message":1,"@level":[],"@timestamp":{}}`, []string{"level=INFO", "@message=1"}},
		{"not an object", `null`, []string{"msg=null"}},
		{"empty lines", "\n\n  \nhello", []string{"msg=hello"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			reader := &logReader{logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
			reader.read(strings.NewReader(test.in + "\n"))
			if n := strings.Count(out.String(), "\n"); n != 1 {
				t.Errorf("%d records: %s", n, out.String())
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in %s", want, out.String())
				}
			}
		})
	}
}

func TestLogLineIsBounded(t *testing.T) {
	var out bytes.Buffer
	reader := &logReader{logger: slog.New(slog.NewTextHandler(&out, nil))}
	reader.read(strings.NewReader(strings.Repeat("x", 1<<20) + "\nafter\n"))
	if out.Len() > 2*maxLogLineBytes || !strings.Contains(out.String(), "msg=after") || reader.last() != "after" {
		t.Errorf("%d bytes logged, last line %.20q", out.Len(), reader.last())
	}
}

func FuzzLogForwarding(f *testing.F) {
	f.Add([]byte(`{"@message":1}`))
	f.Add([]byte("a\nb\x00"))
	f.Fuzz(func(_ *testing.T, line []byte) {
		reader := &logReader{logger: slog.New(slog.DiscardHandler)}
		reader.read(bytes.NewReader(line))
	})
}
