package main

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/shards"
)

// measureSleepers tells how many bytes of heap an actor takes that is not in memory: its state alone, and with the reply that is
// kept for ten minutes after its last call.
func measureSleepers(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	node, err := runtime.Start(ctx, runtime.Config{Keyspaces: []shards.Keyspace{{Name: "actors", Shards: 16, Durability: shards.DurabilityMemory, Replicas: shards.NoReplicas}}})
	if err != nil {
		return err
	}
	if err := node.Register(ctx, counters()); err != nil {
		return errors.Join(err, node.Close())
	}
	before, begin := heap(), time.Now()
	for i := range n {
		if _, err := virtual.Call[int, int](ctx, node.Actors(), virtual.ID{Kind: "counter", Name: fmt.Sprintf("%07d", i)}, "add", 1); err != nil {
			return errors.Join(err, node.Close())
		}
	}
	took := time.Since(begin)
	sleep := time.NewTicker(time.Second)
	defer sleep.Stop()
	for node.Actors().Active() > 0 {
		<-sleep.C
	}
	asleep := heap()
	each := func(bytes uint64) uint64 { return bytes / uint64(n) }
	fmt.Printf("\n%d actors, made by one call each in %v (%v each)\n", n, took.Round(time.Millisecond), took/time.Duration(n))
	const state = len("s/{counter/0000000}") + 8 + len(`{"Count":1}`)
	fmt.Printf("asleep, with the reply to the last call: %d bytes each, %d beside the state's key and value\n", each(asleep-before), int(each(asleep-before))-state)
	if err := node.Close(); err != nil {
		return err
	}
	return measureStates(ctx, n, state)
}

// measureStates keeps what is left of n actors when their replies have expired.
func measureStates(ctx context.Context, n, state int) error {
	node, err := runtime.Start(ctx, runtime.Config{Keyspaces: []shards.Keyspace{{Name: "actors", Shards: 16, Durability: shards.DurabilityMemory, Replicas: shards.NoReplicas}}})
	if err != nil {
		return err
	}
	store, err := node.Store("actors")
	if err != nil {
		return errors.Join(err, node.Close())
	}
	before := heap()
	for i := range n {
		if _, err := store.Put(ctx, fmt.Sprintf("s/{counter/%07d}", i), []byte("\x01\x00\x00\x00\x00\x00\x00\x00{\"Count\":1}")); err != nil {
			return errors.Join(err, node.Close())
		}
	}
	bytes := (heap() - before) / uint64(n)
	fmt.Printf("asleep, state only: %d bytes each, %d beside the key and value (target: under 200)\n", bytes, int(bytes)-state)
	return node.Close()
}

// heap is what is live.
func heap() uint64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}
