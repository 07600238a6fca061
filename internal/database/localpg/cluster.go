package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// sharedDir holds the clusters of data folders that the unprivileged user
// cannot reach.
const sharedDir = "/var/lib/gatehouse"

// cluster is where the data is, without symbolic links, and whose it is.
type cluster struct {
	path    string
	account account
}

// locate finds or decides where the cluster of a data folder is.
func locate(dir string) (cluster, error) {
	entry := filepath.Join(dir, "postgres")
	if _, err := os.Lstat(entry); err == nil {
		return existing(dir, entry)
	} else if !errors.Is(err, os.ErrNotExist) {
		return cluster{}, err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return cluster{}, err
	}
	c := cluster{path: filepath.Join(real, "postgres"), account: currentAccount()}
	if os.Geteuid() != 0 {
		return c, nil
	}
	if c.account, err = unprivileged(); err != nil {
		return cluster{}, err
	}
	if c.account.closedParent(c.path) == "" {
		return c, nil
	}
	c.path = filepath.Join(sharedDir, uuid.NewString())
	if err := os.MkdirAll(sharedDir, 0o711); err != nil {
		return cluster{}, err
	}
	if err := os.Symlink(c.path, entry); err != nil {
		return cluster{}, err
	}
	return c, nil
}

// existing is the cluster that a data folder has, or the one that a link
// names and that is not made yet.
func existing(dir, entry string) (cluster, error) {
	c := cluster{account: currentAccount()}
	info, err := os.Stat(entry)
	switch {
	case errors.Is(err, os.ErrNotExist): // a link whose target an interrupted start did not make
		if c.path, err = os.Readlink(entry); err != nil {
			return cluster{}, err
		}
		if !filepath.IsAbs(c.path) {
			c.path = filepath.Join(dir, c.path)
		}
		if err := os.MkdirAll(filepath.Dir(c.path), 0o711); err != nil {
			return cluster{}, err
		}
		if os.Geteuid() == 0 {
			c.account, err = unprivileged()
		}
		return c, err
	case err != nil:
		return cluster{}, err
	case !info.IsDir():
		return cluster{}, fmt.Errorf("%s is not a folder: move it away", entry)
	}
	if c.path, err = filepath.EvalSymlinks(entry); err != nil {
		return cluster{}, err
	}
	owner, err := ownerOf(info)
	if err != nil {
		return cluster{}, err
	}
	if os.Geteuid() == 0 {
		c.account = owner
		if closed := owner.closedParent(c.path); closed != "" {
			return cluster{}, fmt.Errorf("%s, whose data is in %s, may not pass %s: run \"chmod a+x %s\", or choose another data folder than %s",
				owner, c.path, closed, closed, dir)
		}
		return c, nil
	}
	if owner.uid != c.account.uid {
		return cluster{}, fmt.Errorf("the data in %s belongs to %s: start as root or as that user, or choose another data folder than %s",
			c.path, owner, dir)
	}
	return c, nil
}

// major returns the version that made the cluster; 0 if there is none.
func (c cluster) major() (int, error) {
	file := filepath.Join(c.path, "PG_VERSION")
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	}
	version := strings.TrimSpace(string(text))
	major, err := strconv.Atoi(version)
	if err != nil {
		return 0, fmt.Errorf("%s says %q, which is no version: restore %s, or move it away to start empty", file, version, c.path)
	}
	return major, nil
}
