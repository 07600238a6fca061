package exchange

// Saved is what a part that may fail can change of an exchange, as it was
// before: see [Exchange.Save].
type Saved struct {
	request         Request
	response        Response
	attributes      []attribute
	deferred        []HeaderChange
	requestHeader   []Field
	responseHeader  []Field
	requestTrailer  []Field
	responseTrailer []Field
}

// Save returns the exchange as it is, without its principal, which only the
// host sets, and the trailers of a body that streams, which come with it. It
// copies the heads; a body is kept by [Body.Replace].
func (e *Exchange) Save() *Saved {
	return &Saved{
		request: e.Request, response: e.Response,
		attributes: append([]attribute(nil), e.attributes...), deferred: append([]HeaderChange(nil), e.deferred...),
		requestHeader: fields(&e.Request.Header), responseHeader: fields(&e.Response.Header),
		requestTrailer: trailers(&e.Request.Body, &e.Request.Trailer), responseTrailer: trailers(&e.Response.Body, &e.Response.Trailer),
	}
}

// Restore puts the exchange back to what it was, and undoes what became of its
// bodies since.
func (e *Exchange) Restore(s *Saved) {
	e.Request.Body.Undo()
	e.Response.Body.Undo()
	r, was := &e.Request, &s.request
	r.Method, r.Scheme, r.Host = was.Method, was.Scheme, was.Host
	r.Path, r.RawPath, r.Query = was.Path, was.RawPath, was.Query
	e.Response.Status = s.response.Status
	setFields(&r.Header, s.requestHeader)
	setFields(&e.Response.Header, s.responseHeader)
	if s.requestTrailer != nil {
		setFields(&r.Trailer, s.requestTrailer)
	}
	if s.responseTrailer != nil {
		setFields(&e.Response.Trailer, s.responseTrailer)
	}
	e.attributes = append(e.attributes[:0], s.attributes...)
	e.deferred = append(e.deferred[:0], s.deferred...)
}

// trailers returns the trailers of a body that is there; those of one that
// streams are not known yet.
func trailers(b *Body, h *Header) []Field {
	if b.Stream != nil {
		return nil
	}
	return fields(h)
}

func fields(h *Header) []Field {
	all := make([]Field, h.Len())
	for i := range all {
		all[i] = h.At(i)
	}
	return all
}

func setFields(h *Header, all []Field) {
	h.Reset()
	for _, f := range all {
		h.Add(f.Name, f.Value)
	}
}

// Replace makes the body empty and keeps what it was, until Commit or Undo.
func (b *Body) Replace() {
	if b.was == nil {
		was := *b
		b.was = &was
		b.Stream = nil
	}
	b.SetBytes(nil)
}

// Commit gives up what Replace has kept.
func (b *Body) Commit() {
	if b.was != nil {
		b.was.Close()
		b.was = nil
	}
}

// Undo puts the body back to what it was before Replace.
func (b *Body) Undo() {
	if b.was != nil {
		b.Close()
		*b = *b.was
	}
}
