package databasetest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
)

func things() database.MigrationSet {
	return database.MigrationSet{Service: "things", Role: "gatehouse_test_things", FS: fstest.MapFS{
		"0001_init.up.sql": {Data: []byte("CREATE TABLE things (name text PRIMARY KEY);")},
	}}
}

func TestSchemaPerTest(t *testing.T) {
	for _, name := range []string{"one", "other", "third"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := databasetest.New(t, things())
			if _, err := db.Pool.Exec(t.Context(), "INSERT INTO things VALUES ('thing')"); err != nil {
				t.Fatal(err) // the second of two schemas that are one would fail
			}
			if _, err := db.Pool.Exec(t.Context(), "CREATE TABLE more ()"); err == nil {
				t.Error("the role of a service may create tables")
			}
		})
	}
}

func TestSchemaIsDropped(t *testing.T) {
	var schema string
	t.Run("one test", func(t *testing.T) { schema = databasetest.New(t, things()).Schema() })
	db := databasetest.New(t, database.MigrationSet{})
	var left bool
	if err := db.Pool.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left || schema == "" {
		t.Errorf("schema %q is left", schema)
	}
}

// TestVictim is the test binary that TestNothingIsLeft lets end in a bad way.
func TestVictim(t *testing.T) {
	if os.Getenv("DATABASETEST_VICTIM") == "" {
		return // only in the process that TestNothingIsLeft starts
	}
	s := databasetest.NewServer(t)
	fmt.Println("victim", s.PID(), strings.ReplaceAll(s.AdminURL(), " ", ""))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // waits until the other process looked
	panic("as a test may")
}

func TestNothingIsLeft(t *testing.T) {
	for _, end := range []string{"panic", "kill"} {
		t.Run(end, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
			cmd.Env = append(os.Environ(), "DATABASETEST_VICTIM="+end)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			var pid int
			var url string
			if _, err := fmt.Sscanf(line, "victim %d %s", &pid, &url); err != nil {
				t.Fatal(line)
			}
			folder := dataFolder(t, pid)
			if end == "kill" {
				_ = cmd.Process.Kill()
			}
			_ = in.Close()
			_ = cmd.Wait()
			for limit := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				_, err := os.Stat(folder)
				if syscall.Kill(pid, 0) != nil && os.IsNotExist(err) {
					return
				}
				if time.Now().After(limit) {
					t.Fatalf("left: process %d (%v), folder %s (%v)", pid, syscall.Kill(pid, 0), folder, err)
				}
			}
		})
	}
}

// dataFolder finds the folder of a running server.
func dataFolder(t *testing.T, pid int) string {
	t.Helper()
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", fmt.Sprint(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(out), " -D ")
	cluster, _, _ := strings.Cut(rest, " ")
	if filepath.Base(cluster) != "postgres" {
		t.Fatalf("process %d is %q", pid, out)
	}
	return filepath.Dir(cluster)
}
