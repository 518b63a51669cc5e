//go:build wasip1

package actor

import (
	goruntime "runtime"
	"unsafe"
)

// inbox is where the host writes envelopes.
var inbox []byte

//go:wasmexport act_abi_1
func marker() {}

//go:wasmexport act_inbox
func room(size int32) unsafe.Pointer {
	if size <= 0 {
		return nil
	}
	if int(size) > len(inbox) {
		inbox = make([]byte, size)
	}
	return unsafe.Pointer(&inbox[0])
}

// An envelope is read as a copy: methods may keep parts of it until they end, and the next one comes over it.
//
//go:wasmexport act_handle
func actHandle(event, length int32) int32 {
	code := handle(Event(event), append([]byte(nil), inbox[:length]...))
	goruntime.Gosched() // lets the collector's goroutines run: nothing else in a guest ever yields to them, and garbage would pile up
	return code
}

//go:wasmexport act_migrate
func actMigrate(from, length int32) int32 {
	return migrated(from, append([]byte(nil), inbox[:length]...))
}

//go:wasmimport host error
func importError(at unsafe.Pointer, length int32)

//go:wasmimport host log
func importLog(level int32, at unsafe.Pointer, length int32)

//go:wasmimport host log_enabled
func importLogEnabled(level int32) int32

//go:wasmimport act get
func importGet(key unsafe.Pointer, keyLength int32, out unsafe.Pointer, room int32) int32

//go:wasmimport act put
func importPut(key unsafe.Pointer, keyLength int32, value unsafe.Pointer, length int32)

//go:wasmimport act del
func importDelete(key unsafe.Pointer, keyLength int32)

//go:wasmimport act scan
func importScan(prefix unsafe.Pointer, length int32) int32

//go:wasmimport act next
func importNext(cursor int32, out unsafe.Pointer, room int32) int32

//go:wasmimport act reply
func importReply(value unsafe.Pointer, length int32)

//go:wasmimport act tell
func importTell(to unsafe.Pointer, toLength int32, method unsafe.Pointer, methodLength int32, payload unsafe.Pointer, length int32)

//go:wasmimport act ask
func importAsk(to unsafe.Pointer, toLength int32, method unsafe.Pointer, methodLength int32, payload unsafe.Pointer, length int32) int64

//go:wasmimport act remind
func importRemind(name unsafe.Pointer, nameLength int32, after, every int64, method unsafe.Pointer, methodLength int32, payload unsafe.Pointer, length int32)

//go:wasmimport act forget
func importForget(name unsafe.Pointer, length int32)

//go:wasmimport act random
func importRandom(out unsafe.Pointer, length int32)

//go:wasmimport act reason
func importReason(word unsafe.Pointer, length int32)

func text(s string) (unsafe.Pointer, int32) {
	return unsafe.Pointer(unsafe.StringData(s)), int32(len(s))
}
func data(b []byte) (unsafe.Pointer, int32) {
	return unsafe.Pointer(unsafe.SliceData(b)), int32(len(b))
}

func hostError(why string) { importError(text(why)) }

func hostReason(word string) { importReason(text(word)) }

func hostLog(level int32, line string) {
	at, n := text(line)
	importLog(level, at, n)
}

func hostLogEnabled(level int32) bool { return importLogEnabled(level) != 0 }

func hostGet(key string, out []byte) int32 {
	k, kn := text(key)
	o, on := data(out)
	return importGet(k, kn, o, on)
}

func hostPut(key string, value []byte) {
	k, kn := text(key)
	v, vn := data(value)
	importPut(k, kn, v, vn)
}

func hostDelete(key string) { importDelete(text(key)) }

func hostScan(prefix string) int32 { return importScan(text(prefix)) }

func hostNext(cursor int32, out []byte) int32 {
	o, on := data(out)
	return importNext(cursor, o, on)
}

func hostReply(value []byte) { importReply(data(value)) }

func hostTell(to, method string, payload []byte) {
	t, tn := text(to)
	m, mn := text(method)
	p, pn := data(payload)
	importTell(t, tn, m, mn, p, pn)
}

func hostAsk(to, method string, payload []byte) uint64 {
	t, tn := text(to)
	m, mn := text(method)
	p, pn := data(payload)
	return uint64(importAsk(t, tn, m, mn, p, pn))
}

func hostRemind(name string, after, every int64, method string, payload []byte) {
	n, nn := text(name)
	m, mn := text(method)
	p, pn := data(payload)
	importRemind(n, nn, after, every, m, mn, p, pn)
}

func hostForget(name string) { importForget(text(name)) }

func hostRandom(out []byte) { importRandom(data(out)) }
