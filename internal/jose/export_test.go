package jose

// Settle waits for the request under way, if there is one.
func (s *RemoteSet) Settle() {
	s.mu.Lock()
	flight := s.flight
	s.mu.Unlock()
	if flight != nil {
		<-flight
	}
}
