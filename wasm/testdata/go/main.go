//go:build wasip1

// The same as row.c, in Go. The tests build it: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w".
package main

import (
	"fmt"
	"os"
	"unsafe"
)

const most = 1024

var (
	used, capacity [most]float64
	zone, copies   [most]uint32
	flags, verdict [most]uint8
	count          uint32
)

func main() {}

//go:wasmexport fill
func fill(n uint32) {
	x := uint64(88172645463325252)
	count = min(n, most)
	for i := range count {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		capacity[i] = 1000
		used[i] = float64(x % 1000)
		zone[i] = uint32(x>>20) % 3
		copies[i] = uint32(x>>30) % 50
		flags[i] = 0
		if x>>40%8 == 0 {
			flags[i] = 1
		}
	}
}

//go:wasmexport row_at
func rowAt() unsafe.Pointer { return unsafe.Pointer(&verdict) }

//go:wasmexport row
func row(shard uint32) {
	home := shard % 3
	for i := range count {
		v := uint8(0)
		if flags[i] != 0 {
			v = max(v, 0xc1)
		}
		if used[i] > capacity[i]*0.95 {
			v = max(v, 0xc2)
		} else if used[i] > capacity[i]*0.85 {
			v = max(v, 0x82)
		}
		if zone[i] == home {
			v = max(v, 0x43)
		}
		if copies[i]+shard%7 > 45 {
			v = max(v, 0xc4)
		}
		verdict[i] = v
	}
}

//go:wasmexport hash
func hash() uint32 {
	h := uint32(2166136261)
	for _, v := range verdict[:count] {
		h = (h ^ uint32(v)) * 16777619
	}
	return h
}

//go:wasmexport fib
func fib(n uint32) uint32 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:wasmexport spin
func spin(n uint32) uint32 {
	h := n
	for range n {
		h ^= h << 13
		h ^= h >> 17
		h ^= h << 5
	}
	return h
}

// churn makes garbage, so that the collector runs inside of a call.
//
//go:wasmexport churn
func churn(n uint32) uint32 {
	kept := map[string][]byte{}
	for i := range n {
		kept[fmt.Sprint(i%97)] = make([]byte, i%4096)
	}
	return uint32(len(kept))
}

// fail panics, and its words go to standard error.
//
//go:wasmexport fail
func fail() {
	fmt.Fprintln(os.Stderr, "about to fail")
	panic("as asked")
}
