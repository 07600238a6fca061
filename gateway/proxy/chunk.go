package proxy

import (
	"bufio"
	"io"
	"strconv"

	"gatehouse.example/gateway/exchange"
)

// writeBytes writes a body that is there as a whole, in one chunk where
// trailers follow it.
func (rt *roundTrip) writeBytes() error {
	bw, r := rt.conn.bw, &rt.ex.Request
	if r.Trailer.Len() == 0 {
		_, err := bw.Write(r.Body.Bytes)
		return err
	}
	if len(r.Body.Bytes) > 0 {
		writeChunk(bw, r.Body.Bytes)
	}
	writeLastChunk(bw, &r.Trailer)
	return nil
}

// writeChunk writes a chunk that is not the last (RFC 9112 §7.1). bufio keeps
// the first error; Flush returns it.
func writeChunk(bw *bufio.Writer, p []byte) {
	_, _ = bw.WriteString(strconv.FormatInt(int64(len(p)), 16))
	_, _ = bw.WriteString("\r\n")
	_, _ = bw.Write(p)
	_, _ = bw.WriteString("\r\n")
}

// writeLastChunk ends a chunked body. A trailer that could not have been read
// from a message is not written into one.
func writeLastChunk(bw *bufio.Writer, trailer *exchange.Header) {
	_, _ = bw.WriteString("0\r\n")
	for i := range trailer.Len() {
		f := trailer.At(i)
		if !exchange.ValidFieldName(f.Name) || !exchange.ValidFieldValue(f.Value) || exchange.ForbiddenTrailer(f.Name) {
			continue
		}
		_, _ = bw.WriteString(f.Name)
		_, _ = bw.WriteString(": ")
		_, _ = bw.WriteString(f.Value)
		_, _ = bw.WriteString("\r\n")
	}
	_, _ = bw.WriteString("\r\n")
}

// maxTrailerLines bounds what an upstream can make the gateway keep after a
// body; a line has the size of the read buffer at most.
const maxTrailerLines = 64

// readTrailers reads the trailer section, which the chunk reader stops before
// (RFC 9112 §7.1.2).
func (b *responseBody) readTrailers() error {
	for range maxTrailerLines {
		line, err := b.conn.br.ReadSlice('\n')
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		if len(line) <= 2 {
			return nil
		}
		if err := exchange.ParseTrailers(string(line), &b.ex.Response.Trailer); err != nil {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}
