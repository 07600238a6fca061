package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// CopyFolder is the name that the folder of copies has within a cache. [Prune]
// of the cache leaves it alone: what is compiled must not push out what cannot
// be made again without a network.
const CopyFolder = "modules"

const (
	temporarySuffix = ".tmp"
	// abandoned is when a temporary file has lost its writer.
	abandoned = time.Hour
)

// Prune removes the files below dir that were not used for the longest time
// until the rest has at most maxBytes, and temporary files whose writer has
// died. A folder that does not exist is empty.
//
// Several processes may share the folder: a file that one of them misses is
// made or fetched again, one that is open stays readable to who has it open,
// and one that another has removed meanwhile counts as removed.
func Prune(dir string, maxBytes int64) error {
	type entry struct {
		path string
		size int64
		used time.Time
	}
	var files []entry
	var total int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() && d.Name() == CopyFolder && path != dir {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, temporarySuffix) {
			if time.Since(info.ModTime()) > abandoned {
				return remove(path)
			}
			return nil
		}
		files = append(files, entry{path, info.Size(), lastUse(info)})
		total += info.Size()
		return nil
	})
	slices.SortFunc(files, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if err != nil || total <= maxBytes {
			break
		}
		err = remove(f.path)
		total -= f.size
	}
	if err != nil {
		return fmt.Errorf("prune %q: %w", dir, err)
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
