package localpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minMajor is the oldest version that Gatehouse's SQL is written for.
const minMajor = 14

// binaries is a folder with initdb and postgres of one version.
type binaries struct {
	dir   string
	major int
	full  string // "15.8"
}

// findBinaries returns the binaries that the cluster needs, or those of the
// first folder (PATH), else of the highest version, if there is none yet.
func findBinaries(dir string, c cluster) (binaries, error) {
	if dir == "" {
		return findIn(candidateFolders(), dir, c)
	}
	return findIn([]string{dir}, dir, c)
}

// findIn looks into the folders; dir is the one that was asked for, or "".
func findIn(folders []string, dir string, c cluster) (binaries, error) {
	want, err := c.major()
	if err != nil {
		return binaries{}, err
	}
	var found []binaries
	for _, f := range folders {
		b, err := inspect(f)
		if err != nil {
			continue
		}
		found = append(found, b)
		if want == 0 && b.major >= minMajor || b.major == want {
			return b, nil
		}
	}
	switch {
	case len(found) == 0 && dir != "":
		return binaries{}, fmt.Errorf("no PostgreSQL in %s: it has no initdb and postgres that run", dir)
	case len(found) == 0:
		return binaries{}, errors.New("PostgreSQL is not installed (no initdb and postgres in PATH or the usual folders): " +
			"run \"apt-get install postgresql\" (Debian, Ubuntu) or \"brew install postgresql@17\" (Homebrew), or give --database-url")
	case want == 0:
		return binaries{}, fmt.Errorf("PostgreSQL %s in %s is too old: install version %d or later, or give --database-url",
			found[0].full, found[0].dir, minMajor)
	}
	return binaries{}, fmt.Errorf("the data in %s is of PostgreSQL %d, but installed is %s: install postgresql-%d, or move %s away to start empty",
		c.path, want, versions(found), want, c.path)
}

func versions(found []binaries) string {
	var all []string
	for _, b := range found {
		all = append(all, b.full)
	}
	return strings.Join(slices.Compact(all), ", ")
}

// candidateFolders are where packages of PostgreSQL put it, in the order of
// preference: PATH, then by version.
func candidateFolders() []string {
	var folders []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(dir) {
			folders = append(folders, dir)
		}
	}
	var versioned []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                          // Debian
		"/usr/pgsql-*/bin",                                   // Red Hat
		"/usr/libexec/postgresql*",                           // Alpine
		"/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",    // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	} {
		matches, _ := filepath.Glob(pattern) // fails only for a bad pattern
		versioned = append(versioned, matches...)
	}
	number := regexp.MustCompile(`\d+`)
	of := func(dir string) int {
		n, _ := strconv.Atoi(number.FindString(dir))
		return n
	}
	slices.SortStableFunc(versioned, func(a, b string) int { return of(b) - of(a) })
	return append(folders, versioned...)
}

// inspect checks that the folder has both programs and asks for the version.
func inspect(dir string) (binaries, error) {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return binaries{}, err
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return binaries{}, fmt.Errorf("%s is no program", filepath.Join(dir, name))
		}
	}
	// PATH may hold links; initdb looks for its neighbours beside itself.
	if real, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil {
		dir = filepath.Dir(real)
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("%s --version: %w", filepath.Join(dir, "postgres"), err)
	}
	m := regexp.MustCompile(`\(PostgreSQL\) ((\d+)[^\s]*)`).FindStringSubmatch(string(out))
	if m == nil {
		return binaries{}, fmt.Errorf("%s --version: unexpected %q", filepath.Join(dir, "postgres"), out)
	}
	major, err := strconv.Atoi(m[2])
	if err != nil {
		return binaries{}, err
	}
	return binaries{dir: dir, major: major, full: m[1]}, nil
}

// Version returns the version ("15.8") that a new cluster would be of; dir is
// as [Options.BinDir].
func Version(dir string) (string, error) {
	b, err := findBinaries(dir, cluster{})
	return b.full, err
}
