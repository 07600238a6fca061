package localpg

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the server runs as. PostgreSQL refuses to run as root.
type account struct {
	name     string
	uid, gid int
	switches bool // we are root and become the account
}

func (a account) String() string { return fmt.Sprintf("user %q", a.name) }

// currentAccount is for everybody but root.
func currentAccount() account {
	a := account{uid: os.Geteuid(), gid: os.Getegid()}
	a.name = strconv.Itoa(a.uid)
	if u, err := user.Current(); err == nil {
		a.name = u.Username
	}
	return a
}

// unprivileged is the account that root gives a new cluster to.
func unprivileged() (account, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		return accountOf(u)
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root, and there is neither a user postgres nor nobody: create one, or start as another user")
}

// ownerOf is the account that root runs an existing cluster as.
func ownerOf(info os.FileInfo) (account, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return unprivileged()
	}
	id := strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(id); err == nil {
		return accountOf(u)
	}
	return account{name: id, uid: int(st.Uid), gid: int(st.Gid), switches: true}, nil
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("user %q: %w", u.Username, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("user %q: %w", u.Username, err)
	}
	return account{name: u.Username, uid: uid, gid: gid, switches: true}, nil
}

// attributes start a process as the account, in a group of its own.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.switches {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// own gives a file that we made to the account.
func (a account) own(path string) error {
	if !a.switches {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// usable gives a folder to the account and checks that it can get there.
func (a account) usable(dir string) error {
	if err := a.own(dir); err != nil {
		return err
	}
	if closed := a.closedParent(dir); closed != "" {
		return fmt.Errorf("%s may not pass %s", a, closed)
	}
	return nil
}

// closedParent returns the folder on the way to path that the account may not
// pass, or "". It looks at mode bits; a member of a supplementary group may
// pass more.
func (a account) closedParent(path string) string {
	if !a.switches {
		return ""
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return dir
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return dir
		}
		need := os.FileMode(0o001)
		switch {
		case int(st.Uid) == a.uid:
			need = 0o100
		case int(st.Gid) == a.gid:
			need = 0o010
		}
		if info.Mode().Perm()&need == 0 {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
