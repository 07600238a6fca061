package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// step is a block of commands and what the README prints below it.
type step struct{ commands, output string }

// steps reads the code blocks of the README from "First five minutes" on, up to
// "Configuration".
func steps(t *testing.T) []step {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## First five minutes\n")
	if !ok {
		t.Fatal("README.md has no section First five minutes")
	}
	section, _, ok = strings.Cut(section, "\n## Configuration\n")
	if !ok {
		t.Fatal("README.md has no section Configuration")
	}
	pair := regexp.MustCompile("(?s)```sh\n(.*?)```\n```\n(.*?)```")
	var all []step
	for _, m := range pair.FindAllStringSubmatch(section, -1) {
		all = append(all, step{m[1], m[2]})
	}
	if blocks := strings.Count(section, "```sh\n"); blocks != len(all) || blocks < 20 {
		t.Fatalf("%d blocks of commands, %d with their output", blocks, len(all))
	}
	return all
}

// matches compares what was printed with the README's words, in which "…"
// stands for anything on one line.
func matches(printed, wanted string) bool {
	parts := strings.Split(wanted, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".+") + "$").MatchString(printed)
}

// TestReadme pastes the README's commands into a shell, in a folder that looks
// like the repository, with only the ports changed.
func TestReadme(t *testing.T) {
	folder := filepath.Dir(dataFolder(t))
	if err := os.Mkdir(filepath.Join(folder, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(folder, "bin/gatehouse")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(folder, "configs"), os.DirFS(filepath.Join(repository, "configs"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sdk", "pluginspec"} {
		if err := os.Symlink(filepath.Join(repository, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	in := dev(t, filepath.Join(folder, "var"), "--config", filepath.Join(folder, "configs"))
	port := in.issuer[strings.LastIndex(in.issuer, ":")+1:]
	here := func(s string) string {
		return strings.NewReplacer("localhost:8080", "localhost:"+port, "localhost%3A8080", "localhost%3A"+port, "127.0.0.1:9901", in.admin).Replace(s)
	}
	const mark = "-- end of step --"
	var script strings.Builder
	all := steps(t)
	for _, s := range all {
		script.WriteString(here(s.commands) + "echo; echo '" + mark + "'\n")
	}
	shell := exec.CommandContext(t.Context(), "bash")
	shell.Dir, shell.Env = folder, environment()
	shell.Stdin = strings.NewReader(script.String())
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := strings.Split(string(out), mark+"\n")
	for i, s := range all {
		if i >= len(printed)-1 {
			t.Fatalf("step %d printed nothing:\n%s\n%s", i+1, s.commands, out)
		}
		if got, wanted := squeeze(printed[i]), squeeze(here(s.output)); !matches(got, wanted) {
			t.Errorf("step %d:\n%s\nprinted:\n%s\nREADME.md says:\n%s", i+1, s.commands, got, wanted)
		}
	}
}

// squeeze drops empty lines: answers end with or without one.
func squeeze(s string) string {
	var kept []string
	for line := range strings.SplitSeq(s, "\n") {
		if strings.TrimSpace(line) != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
