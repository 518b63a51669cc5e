//go:build !amd64 && !arm64

package radix

// Elsewhere a walk waits for its blocks one by one.

func prefetchBlocks([][]byte, []byte) {}

func prefetch([]byte) {}
