//go:build race

package integration

// raceDetector: under go test -race the node is built with the race detector as well.
const raceDetector = true
