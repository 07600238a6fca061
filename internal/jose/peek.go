package jose

// Header returns the JOSE header of a token that was NOT verified. It is for
// finding the key, by "x5c" or "jwk", and for choosing between token types;
// nothing in it may be trusted. The error is or wraps [ErrMalformed].
func Header(token string) (map[string]any, error) {
	p, err := parse(token)
	if err != nil {
		return nil, err
	}
	return p.header, nil
}
