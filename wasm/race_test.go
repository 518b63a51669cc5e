//go:build race

package wasm

// raceDetector says whether the test was built with it.
const raceDetector = true
