//go:build amd64 || arm64

package radix

// Go has no way to ask for memory without waiting for it. These two do so, and nothing else: they change nothing, they cannot fault, and
// what they ask for may be written by others meanwhile.

// farEnd is where the second line of a block is asked for: of the smallest nodes and of leaves with a short key and value, the last bytes.
//
//lint:ignore U1000 the assembly uses it
const farEnd = 40

// prefetchBlocks asks for the blocks of refs, of which there is one at least. Behind refs there is room for what a multiple of four would take.
//
//go:noescape
func prefetchBlocks(chunks [][]byte, refs []byte)

// prefetch asks for b, which is not empty.
//
//go:noescape
func prefetch(b []byte)
