//go:build race

package fuel_test

// raceDetector says that compiling takes ten times as long.
const raceDetector = true
