package listener

import (
	"strings"

	"github.com/valyala/fasthttp"

	"gatehouse.example/gateway/exchange"
)

// readTrailers takes the trailers of a request whose chunked body has ended.
func (s *session) readTrailers(h *fasthttp.RequestHeader) error {
	const none = "\r\n"
	block := string(h.TrailerHeader())
	if block == none {
		return nil
	}
	trailer := &s.ex.Request.Trailer
	if err := exchange.ParseTrailers(block, trailer); err != nil {
		return err
	}
	trailer.DelFunc(func(f exchange.Field) bool { return s.listener.options.DropTrailer(f.Name) })
	return nil
}

// announceTrailers says in the head which trailers will follow. A name that is
// in the head as well is left out: fasthttp would move that field behind the
// body.
func (s *session) announceTrailers(out *fasthttp.Response, names string) {
	if names == "" || s.ex.Request.Proto != "HTTP/1.1" {
		return
	}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); s.trailerFits(name) {
			// What fasthttp does not allow as a trailer is not sent.
			_ = out.Header.AddTrailer(name)
		}
	}
}

// addTrailers gives fasthttp the trailers; it writes them after the last chunk.
func (s *session) addTrailers(out *fasthttp.Response) {
	if s.ex.Request.Proto != "HTTP/1.1" {
		return
	}
	trailer := &s.ex.Response.Trailer
	for i := range trailer.Len() {
		f := trailer.At(i)
		if s.trailerFits(f.Name) && exchange.ValidFieldValue(f.Value) && out.Header.AddTrailer(f.Name) == nil {
			out.Header.Add(f.Name, f.Value)
		}
	}
}

func (s *session) trailerFits(name string) bool {
	return exchange.ValidFieldName(name) && !exchange.ForbiddenTrailer(name) && !s.ex.Response.Header.Has(name)
}
