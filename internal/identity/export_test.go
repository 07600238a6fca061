package identity

// CachedLeaves returns how many verified certificates v keeps.
func CachedLeaves(v *Verifier) int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.leaves)
}
