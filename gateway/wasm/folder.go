package wasm

import (
	"io/fs"
	"maps"
	"os"
	"slices"

	"gatehouse.example/gateway/wasm/guest"
)

const (
	// maxOpenFiles bounds the files that one instance has open.
	maxOpenFiles = 16
	// openUnits is what opening a file costs in fuel.
	openUnits = 10_000
)

type openFiles struct{ n int }

// folder is a folder that a guest may read. Nothing in it leads out of it.
type folder struct {
	root fs.FS
	in   *guest.Instance
	open *openFiles
}

var _ fs.FS = (*folder)(nil)

// Open implements fs.FS.
func (f *folder) Open(name string) (fs.File, error) {
	f.in.Charge(openUnits)
	if f.open.n >= maxOpenFiles {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	opened, ok := file.(*os.File)
	if !ok {
		_ = file.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f.open.n++
	return &guestFile{File: opened, in: f.in, open: f.open}, nil
}

// guestFile charges its guest for what it reads.
type guestFile struct {
	*os.File
	in   *guest.Instance
	open *openFiles
}

// Read implements io.Reader.
func (f *guestFile) Read(p []byte) (int, error) {
	f.in.Charge(int64(len(p)) / guest.BytesPerUnit)
	return f.File.Read(p)
}

// ReadAt implements io.ReaderAt.
func (f *guestFile) ReadAt(p []byte, at int64) (int, error) {
	f.in.Charge(int64(len(p)) / guest.BytesPerUnit)
	return f.File.ReadAt(p, at)
}

// ReadDir implements fs.ReadDirFile.
func (f *guestFile) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := f.File.ReadDir(n)
	f.in.Charge(int64(len(entries)) * guest.CrossingUnits)
	return entries, err
}

// Close implements io.Closer.
func (f *guestFile) Close() error {
	f.open.n--
	return f.File.Close()
}

// openFolders opens the folders that a filter may read.
func openFolders(directories map[string]string) (map[string]*os.Root, error) {
	opened := make(map[string]*os.Root, len(directories))
	for _, at := range slices.Sorted(maps.Keys(directories)) {
		root, err := os.OpenRoot(directories[at])
		if err != nil {
			closeFolders(opened)
			return nil, err
		}
		opened[at] = root
	}
	return opened, nil
}

func closeFolders(opened map[string]*os.Root) {
	for _, root := range opened {
		_ = root.Close()
	}
}
