package wasm

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// WASI preview 1, granting nothing. Compilers that have no other target (Go's, for one) import it whether the program
// uses it or not, so it is here to be imported:
//
//	arguments, environment, preopened directories   there are none
//	clocks                                          start at the same instant in each instance, a millisecond on at each read
//	random                                          the same bytes in each instance
//	standard output and error                       lines of the host's log
//	sleeping and waiting                            over at once; the clock goes on by the time asked for
//	proc_exit                                       a Trap of kind Exit
//	all else                                        errno 8 (no such descriptor) or 52 (no such function)
const wasiModule = "wasi_snapshot_preview1"

// Errno values of WASI.
const (
	wasiOK    = 0
	wasiBadf  = 8
	wasiFault = 21
	wasiInval = 28
	wasiNosys = 52
)

// fakeClock is nanoseconds since 2022-01-01, the instant that each instance begins at.
type fakeClock uint64

const clockEpoch = 1_640_995_200_000_000_000

func (c *fakeClock) read() uint64 {
	*c += 1_000_000
	return clockEpoch + uint64(*c)
}

// wasiFunction answers a call; its result is the errno. "i" is an i32 parameter, "I" an i64.
type wasiFunction struct {
	params string
	run    func(i *Instance, p []uint64) uint32
}

func refuse(errno uint32) func(*Instance, []uint64) uint32 {
	return func(*Instance, []uint64) uint32 { return errno }
}

var wasiFunctions = map[string]wasiFunction{
	"args_get":              {"ii", refuse(wasiOK)},
	"args_sizes_get":        {"ii", wasiNone},
	"environ_get":           {"ii", refuse(wasiOK)},
	"environ_sizes_get":     {"ii", wasiNone},
	"clock_res_get":         {"ii", func(i *Instance, p []uint64) uint32 { return i.put64(p[1], 1_000_000) }},
	"clock_time_get":        {"iIi", func(i *Instance, p []uint64) uint32 { return i.put64(p[2], i.clock.read()) }},
	"random_get":            {"ii", wasiRandom},
	"fd_write":              {"iiii", wasiWrite},
	"poll_oneoff":           {"iiii", wasiPoll},
	"sched_yield":           {"", refuse(wasiOK)},
	"fd_advise":             {"iIIi", refuse(wasiBadf)},
	"fd_allocate":           {"iII", refuse(wasiBadf)},
	"fd_close":              {"i", refuse(wasiBadf)},
	"fd_datasync":           {"i", refuse(wasiBadf)},
	"fd_fdstat_get":         {"ii", refuse(wasiBadf)},
	"fd_fdstat_set_flags":   {"ii", refuse(wasiBadf)},
	"fd_fdstat_set_rights":  {"iII", refuse(wasiBadf)},
	"fd_filestat_get":       {"ii", refuse(wasiBadf)},
	"fd_filestat_set_size":  {"iI", refuse(wasiBadf)},
	"fd_filestat_set_times": {"iIIi", refuse(wasiBadf)},
	"fd_pread":              {"iiiIi", refuse(wasiBadf)},
	"fd_prestat_get":        {"ii", refuse(wasiBadf)},
	"fd_prestat_dir_name":   {"iii", refuse(wasiBadf)},
	"fd_pwrite":             {"iiiIi", refuse(wasiBadf)},
	"fd_read":               {"iiii", refuse(wasiBadf)},
	"fd_readdir":            {"iiiIi", refuse(wasiBadf)},
	"fd_renumber":           {"ii", refuse(wasiBadf)},
	"fd_seek":               {"iIii", refuse(wasiBadf)},
	"fd_sync":               {"i", refuse(wasiBadf)},
	"fd_tell":               {"ii", refuse(wasiBadf)},

	"path_create_directory":   {"iii", refuse(wasiNosys)},
	"path_filestat_get":       {"iiiii", refuse(wasiNosys)},
	"path_filestat_set_times": {"iiiiIIi", refuse(wasiNosys)},
	"path_link":               {"iiiiiii", refuse(wasiNosys)},
	"path_open":               {"iiiiiIIii", refuse(wasiNosys)},
	"path_readlink":           {"iiiiii", refuse(wasiNosys)},
	"path_remove_directory":   {"iii", refuse(wasiNosys)},
	"path_rename":             {"iiiiii", refuse(wasiNosys)},
	"path_symlink":            {"iiiii", refuse(wasiNosys)},
	"path_unlink_file":        {"iii", refuse(wasiNosys)},
	"proc_raise":              {"i", refuse(wasiNosys)},
	"sock_accept":             {"iii", refuse(wasiNosys)},
	"sock_recv":               {"iiiiii", refuse(wasiNosys)},
	"sock_send":               {"iiiii", refuse(wasiNosys)},
	"sock_shutdown":           {"ii", refuse(wasiNosys)},
}

// wasiHost is the functions as the engine wants them, proc_exit among them.
func wasiHost() map[string]hostFunction {
	out := map[string]hostFunction{
		"proc_exit": {[]api.ValueType{i32}, nil, func(_ context.Context, _ api.Module, stack []uint64) {
			panic(&exit{uint32(stack[0])})
		}},
	}
	for name, f := range wasiFunctions {
		var params []api.ValueType
		for _, p := range f.params {
			params = append(params, map[rune]api.ValueType{'i': i32, 'I': i64}[p])
		}
		out[name] = hostFunction{params, []api.ValueType{i32}, func(ctx context.Context, guest api.Module, stack []uint64) {
			i := caller(ctx, guest)
			i.charge(hostCost)
			for n, t := range params {
				if t == i32 { // the compiler leaves what it likes in the upper half
					stack[n] = uint64(uint32(stack[n]))
				}
			}
			stack[0] = uint64(f.run(i, stack[:len(params)]))
		}}
	}
	return out
}

// wasiNone says that there are no strings, of no length.
func wasiNone(i *Instance, p []uint64) uint32 {
	return max(i.put32(p[0], 0), i.put32(p[1], 0))
}

// wasiRandom gives the bytes of a fixed sequence (splitmix64), going on where the instance's last request ended.
func wasiRandom(i *Instance, p []uint64) uint32 {
	i.charge(p[1])
	view, err := i.View(uint32(p[0]), uint32(p[1]))
	if err != nil {
		return wasiFault
	}
	for at := range view {
		if at%8 == 0 {
			i.dice += 0x9e3779b97f4a7c15
		}
		z := i.dice
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		view[at] = byte((z ^ z>>31) >> (8 * (at % 8)))
	}
	return wasiOK
}

// wasiWrite turns writes to standard output and error into lines of the log, and remembers how a call's errors begin: a
// runtime that gives up says there why, and then where.
func wasiWrite(i *Instance, p []uint64) uint32 {
	if p[0] != 1 && p[0] != 2 {
		return wasiBadf
	}
	var text strings.Builder
	var total uint32
	for n := range uint32(min(p[2], 64)) {
		iovec, err := i.View(uint32(p[1])+8*n, 8)
		if err != nil {
			return wasiFault
		}
		ptr, length := binary.LittleEndian.Uint32(iovec), binary.LittleEndian.Uint32(iovec[4:])
		if _, err := i.View(ptr, length); err != nil {
			return wasiFault
		}
		text.WriteString(i.text(uint64(ptr), uint64(length)))
		total += length
	}
	level := Level(0)
	if p[0] == 2 {
		level = 4
		i.said = (i.said + text.String())[:min(len(i.said)+text.Len(), lineBytes)]
	}
	if line := strings.TrimRight(text.String(), "\r\n"); line != "" {
		i.log(level, line)
	}
	return i.put32(p[3], total)
}

// wasiPoll lets each wait for a clock end at once, with the clock moved on; other events never come.
//
//	subscription, 48 bytes: userdata u64, tag u8 (0 clock), …, at 24 timeout u64, at 40 flags u16 (1 absolute)
//	event, 32 bytes: userdata u64, error u16, type u8
func wasiPoll(i *Instance, p []uint64) uint32 {
	count := uint32(p[2])
	if count == 0 || count > 64 {
		return wasiInval
	}
	in, err := i.View(uint32(p[0]), count*48)
	if err != nil {
		return wasiFault
	}
	out, err := i.View(uint32(p[1]), count*32)
	if err != nil {
		return wasiFault
	}
	events := uint32(0)
	for n := range count {
		s, e := in[n*48:n*48+48], out[events*32:events*32+32]
		if s[8] != 0 {
			continue
		}
		wait := binary.LittleEndian.Uint64(s[24:])
		if now := clockEpoch + uint64(i.clock); s[40]&1 != 0 {
			wait -= min(now, wait)
		}
		i.clock += fakeClock(min(wait, 1<<50)) // twelve days: a wait for ever must not turn the clock around
		userdata := binary.LittleEndian.Uint64(s)
		clear(e)
		binary.LittleEndian.PutUint64(e, userdata)
		events++
	}
	return i.put32(p[3], events)
}

func (i *Instance) put32(ptr uint64, v uint32) uint32 {
	view, err := i.View(uint32(ptr), 4)
	if err != nil {
		return wasiFault
	}
	binary.LittleEndian.PutUint32(view, v)
	return wasiOK
}

func (i *Instance) put64(ptr, v uint64) uint32 {
	view, err := i.View(uint32(ptr), 8)
	if err != nil {
		return wasiFault
	}
	binary.LittleEndian.PutUint64(view, v)
	return wasiOK
}
