package guest

// Body is how far a guest is with one of the two bodies of its exchange, within
// one call. Reading and writing are two streams: a guest may read a part, write
// a part, and so on, and never reads what it writes in between.
type Body struct {
	// Reading is set by the first read, Written by the first write.
	Reading, Written bool
	// Source is the body as the first read found it, Read how much of it the
	// guest has.
	Source []byte
	Read   int
}
