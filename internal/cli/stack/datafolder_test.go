package stack

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestAdviseData(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"permission", &os.PathError{Op: "open", Path: "/v/master.key", Err: fs.ErrPermission}, "/v/master.key: permission denied: give everything in /v to this user (chown -R)"},
		{"full disk", &os.PathError{Op: "write", Path: "/v/x", Err: syscall.ENOSPC}, "free some space"},
		{"read-only", &os.PathError{Op: "open", Path: "/v/x", Err: syscall.EROFS}, "--data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := adviseData("/v", tt.err)
			if !strings.Contains(got.Error(), tt.want) || !errors.Is(got, tt.err) {
				t.Errorf("%v, want %q", got, tt.want)
			}
		})
	}
	other := errors.New("other")
	if adviseData("/v", other) != other || adviseData("/v", nil) != nil { //nolint:errorlint // the very same
		t.Error("an error that has nothing to do with the folder was changed")
	}
}
