package exchange

import (
	"bytes"
	"io"
)

// Buffer reads a body that streams into memory, at most limit bytes. It loses
// nothing: after an error the stream still gives all bytes, those that were
// read first.
//
// # Errors
//
// [ErrBodyTooLarge] past limit, [io.ErrUnexpectedEOF] for a body that is
// shorter than declared, or the stream's own.
func (b *Body) Buffer(limit int64) error {
	if b.Stream == nil {
		return nil
	}
	if b.Length > limit {
		return ErrBodyTooLarge
	}
	data, err := b.readAll(limit)
	switch {
	case err != nil:
		b.putBack(data, broken{err})
		return err
	case int64(len(data)) > limit:
		b.putBack(data, b.Stream)
		return ErrBodyTooLarge
	case b.Length >= 0 && int64(len(data)) < b.Length:
		b.putBack(data, broken{io.ErrUnexpectedEOF})
		return io.ErrUnexpectedEOF
	}
	b.SetBytes(data)
	return nil
}

// readAll reads up to the stream's end or one byte past limit. A declared
// length is believed up to a mebibyte: who declares more has to send it.
func (b *Body) readAll(limit int64) ([]byte, error) {
	const believed = 1 << 20
	data := make([]byte, 0, min(max(b.Length+1, 512), believed))
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := b.Stream.Read(data[len(data):min(int64(cap(data)), limit+1)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil || int64(len(data)) > limit {
			return data, err
		}
	}
}

func (b *Body) putBack(read []byte, rest io.Reader) {
	b.Stream = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), rest), b.Stream}
}

// broken is what is left of a stream that failed.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
