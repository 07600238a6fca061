package localpg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Remove removes the cluster of a data folder, also where it lives in
// /var/lib/gatehouse, with the password. A folder without a cluster is no
// error; one that a running Gatehouse uses is.
func Remove(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	entry := filepath.Join(dir, "postgres")
	if _, err := os.Lstat(entry); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	c, err := locate(dir)
	if err != nil {
		return explainErrno(dir, err)
	}
	lock, err := lockFile(c.path+".lock", dir)
	if err != nil {
		return explainErrno(dir, err)
	}
	defer lock.Close()
	targets := []string{entry, filepath.Join(dir, "postgres.password")}
	if strings.HasPrefix(c.path, sharedDir+"/") { // and no other place that a link may lead to
		targets = append([]string{c.path, c.path + ".lock"}, targets...)
	} else {
		targets = append(targets, entry+".lock")
	}
	for _, t := range targets {
		err = errors.Join(err, os.RemoveAll(t))
	}
	return err
}
