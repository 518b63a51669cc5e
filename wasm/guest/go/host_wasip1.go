//go:build wasip1

package troupe

import (
	goruntime "runtime"
	"unsafe"
)

// kept are the buffers that the host was given: what it owns the collector must not take.
var kept [][]byte

//go:wasmexport pol_abi_1
func marker() {}

//go:wasmexport pol_alloc
func alloc(size int32) unsafe.Pointer {
	if size <= 0 {
		return nil
	}
	b := make([]byte, size)
	kept = append(kept, b)
	return unsafe.Pointer(&b[0])
}

//go:wasmexport pol_state
func state(at unsafe.Pointer, length int32) int32 { return see(unsafe.Slice((*byte)(at), length)) }

//go:wasmexport pol_configure
func configuration(at unsafe.Pointer, length int32) int32 {
	return configure(unsafe.Slice((*byte)(at), length))
}

//go:wasmimport host error
func hostError(at unsafe.Pointer, length int32)

//go:wasmimport host log
func hostLog(level int32, at unsafe.Pointer, length int32)

//go:wasmimport host log_enabled
func hostLogEnabled(level int32) int32

func tell(text string) { hostError(unsafe.Pointer(unsafe.StringData(text)), int32(len(text))) }

// Log writes a line to the host's log, in slog's levels: -4 debug, 0 info, 4 warn, 8 error. Ask LogEnabled before making one
// that costs.
func Log(level int32, line string) {
	hostLog(level, unsafe.Pointer(unsafe.StringData(line)), int32(len(line)))
}

// LogEnabled says whether the host keeps lines of that level.
func LogEnabled(level int32) bool { return hostLogEnabled(level) != 0 }

// rest lets the collector's goroutines run: nothing else in a guest ever yields to them, and garbage would pile up.
func rest() { goruntime.Gosched() }
