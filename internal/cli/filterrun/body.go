package filterrun

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"gatehouse.example/gateway/exchange"
)

// watchedBody finds out whether a filter writes a body anew: by what was there
// and what is, for a filter that only reads a stream leaves it in memory, too.
type watchedBody struct {
	body *exchange.Body
	read *readBody
}

// readBody keeps count of what is read of a body.
type readBody struct {
	io.ReadCloser
	sum hash.Hash
	n   int
}

// Read implements io.Reader.
func (r *readBody) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.sum.Write(p[:n])
	r.n += n
	return n, err
}

func watchBody(b *exchange.Body) watchedBody {
	r := &readBody{ReadCloser: b.Stream, sum: sha256.New(), n: len(b.Bytes)}
	r.sum.Write(b.Bytes)
	if b.Stream != nil {
		b.Stream = r
	}
	return watchedBody{b, r}
}

// changes says what became of the body, if anything, and takes the watch off.
func (w watchedBody) changes() []string {
	if w.body.Stream != nil {
		if w.body.Stream == io.ReadCloser(w.read) {
			w.body.Stream = w.read.ReadCloser
		}
		return nil
	}
	if sha256.Sum256(w.body.Bytes) == [sha256.Size]byte(w.read.sum.Sum(nil)) {
		return nil
	}
	return []string{fmt.Sprintf("body rewritten: %d bytes, was %d", len(w.body.Bytes), w.read.n)}
}
