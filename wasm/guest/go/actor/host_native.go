//go:build !wasip1

package actor

import (
	"encoding/json"
	"fmt"
	"strings"
)

// In a native test the host is the World that was made last.
var world *World

// check panics where a host would end the message.
func check(holds bool, format string, args ...any) {
	if !holds {
		panic("trap: " + fmt.Sprintf(format, args...))
	}
}

func checkNames(names ...string) {
	for _, name := range names {
		check(len(name) >= 1 && len(name) <= 64, "a method's or reminder's name of no or more than 64 bytes: %q", name)
	}
}

func checkJSON(payload []byte) []byte {
	check(len(payload) == 0 || json.Valid(payload), "a payload that is no JSON: %s", payload)
	return append([]byte(nil), payload...)
}

func hostError(why string) { world.said = why }

func hostReason(word string) {
	check(len(word) >= 1 && len(word) <= 64, "a reason of no or more than 64 bytes: %q", word)
	world.reason = word
}

func hostLog(level int32, line string) { println("log", level, line) }

func hostLogEnabled(level int32) bool { return level >= 0 }

func hostGet(key string, out []byte) int32 {
	value, found := world.data[world.self][key]
	if !found {
		return -1
	}
	if len(value) <= len(out) {
		copy(out, value)
	}
	return int32(len(value))
}

func hostPut(key string, value []byte) {
	check(len(key) >= 1 && len(key) <= 1024, "a key of no or more than 1024 bytes")
	if world.data[world.self] == nil {
		world.data[world.self] = map[string]string{}
	}
	world.data[world.self][key] = string(value)
}

func hostDelete(key string) { delete(world.data[world.self], key) }

func hostScan(prefix string) int32 {
	check(len(world.cursors) < 16, "more than 16 scans in a message")
	world.cursors = append(world.cursors, cursor{prefix: prefix})
	return int32(len(world.cursors) - 1)
}

func hostNext(number int32, out []byte) int32 {
	at := &world.cursors[number]
	for _, key := range world.keys(world.self) {
		if !strings.HasPrefix(key, at.prefix) || at.begun && key <= at.last {
			continue
		}
		n := len(key)
		entry := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, key...)
		entry = append(entry, world.data[world.self][key]...)
		if len(entry) <= len(out) {
			copy(out, entry)
			at.last, at.begun = key, true
		}
		return int32(len(entry))
	}
	return -1
}

func hostReply(value []byte) { world.reply = string(checkJSON(value)) }

func hostTell(to, method string, payload []byte) { send(Told, 0, to, method, payload) }

func hostAsk(to, method string, payload []byte) uint64 {
	world.token++
	send(Called, world.token, to, method, payload)
	return world.token
}

func send(event Event, token uint64, to, method string, payload []byte) {
	check(strings.Contains(to, "/"), "a message to what is no KIND/NAME: %q", to)
	checkNames(method)
	world.pending = append(world.pending, Sent{To: to, From: world.self, Method: method, Payload: string(checkJSON(payload)), event: event, token: token})
}

func hostRemind(name string, after, every int64, method string, payload []byte) {
	checkNames(name, method)
	check(every == 0 || every >= 1000, "a reminder that comes more often than each second")
	world.reminders[reminderKey{world.self, name}] = reminder{world.now + after, every, method, string(checkJSON(payload))}
}

func hostForget(name string) { delete(world.reminders, reminderKey{world.self, name}) }

// hostRandom is splitmix64 from the envelope's seed.
func hostRandom(out []byte) {
	for i := range out {
		if world.left == 0 {
			world.dice += 0x9e3779b97f4a7c15
			v := world.dice
			v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
			v = (v ^ v>>27) * 0x94d049bb133111eb
			world.word, world.left = v^v>>31, 8
		}
		out[i] = byte(world.word)
		world.word >>= 8
		world.left--
	}
}
