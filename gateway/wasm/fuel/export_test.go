package fuel

// EffectOf and EffectOfVector are what operators do to the height of the stack.
func EffectOf(op byte) int       { return effectOf(op) }
func EffectOfVector(op byte) int { return effectOfVector(op) }
