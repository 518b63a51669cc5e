package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/shards"
)

// The zero Config keeps one keyspace in memory and listens nowhere.
func Example() {
	ctx := context.Background()
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	orders, err := node.Store("default")
	if err != nil {
		log.Fatal(err)
	}
	version, err := orders.Put(ctx, "order/7", []byte("two shirts"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.CompareAndSet(ctx, "order/7", version, []byte("one shirt")); err != nil {
		log.Fatal(err)
	}
	_, err = orders.CompareAndSet(ctx, "order/7", version, []byte("no shirt"))
	fmt.Println("too late:", errors.Is(err, runtime.ErrConflict))

	value, err := orders.Get(ctx, "order/7")
	fmt.Printf("%s %v\n", value.Bytes, err)
	// Output:
	// too late: true
	// one shirt <nil>
}

// A data folder makes a node durable: what was acknowledged is there after a restart.
func ExampleStart() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "troupe")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	for _, life := range []string{"first", "second"} {
		node, err := runtime.Start(ctx, runtime.Config{
			Data: folder,
			Keyspaces: []shards.Keyspace{
				{Name: "default"},
				{Name: "sessions", Durability: shards.DurabilityMemory, MaxMemory: 64 << 20, Eviction: shards.EvictAllKeysLRU},
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		lives, err := node.Store("default")
		if err != nil {
			log.Fatal(err)
		}
		count, err := lives.Increment(ctx, "lives", 1)
		fmt.Println(life, count, err)
		if err := node.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// first 1 <nil>
	// second 2 <nil>
}

// The operations of a batch happen together or not at all. Their keys share a {tag}, so that they live in one shard.
func ExampleStore_Batch() {
	ctx := context.Background()
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	bank, err := node.Store("default")
	if err != nil {
		log.Fatal(err)
	}
	transfer := func(amount int64) error {
		_, err := bank.Batch(ctx,
			runtime.Increment("{bank}:ann", -amount),
			runtime.Increment("{bank}:bob", amount),
			runtime.Put("{bank}:last", fmt.Append(nil, amount), runtime.IfAbsent()),
		)
		return err
	}
	fmt.Println(transfer(30))
	fmt.Println(errors.Is(transfer(50), runtime.ErrConflict)) // "last" is there already: no money moves
	ann, err := bank.Get(ctx, "{bank}:ann")
	fmt.Printf("%s %v\n", ann.Bytes, err)
	// Output:
	// <nil>
	// true
	// -30 <nil>
}

// A scan visits keys in order, across all shards, as they were when it began.
func ExampleStore_Scan() {
	ctx := context.Background()
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	files, err := node.Store("default")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"net/http/server.go", "net/dial.go", "os/file.go", "net/http/client.go"} {
		if _, err := files.Put(ctx, name, nil); err != nil {
			log.Fatal(err)
		}
	}
	for entry, err := range files.Scan(ctx, runtime.ScanOptions{Prefix: "net/"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", entry.Key)
	}
	// Output:
	// net/dial.go
	// net/http/client.go
	// net/http/server.go
}

// A list, and then every change to it: nothing falls in between.
func ExampleStore_Position() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	jobs, err := node.Store("default")
	if err != nil {
		log.Fatal(err)
	}
	list := func() {
		for entry, err := range jobs.Scan(ctx, runtime.ScanOptions{Prefix: "job/"}) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("there is %s: %s\n", entry.Key, entry.Value)
		}
	}
	if _, err := jobs.Put(ctx, "job/1", []byte("queued")); err != nil {
		log.Fatal(err)
	}
	position, err := jobs.Position(ctx)
	if err != nil {
		log.Fatal(err)
	}
	list()
	if _, err := jobs.Put(ctx, "job/1", []byte("done")); err != nil { // after the list, before the watch
		log.Fatal(err)
	}
	for change, err := range jobs.Watch(ctx, "job/", position) {
		if err != nil {
			log.Fatal(err)
		}
		if change.Kind == runtime.ChangeResync { // too much has changed meanwhile: read afresh, and go on
			list()
			continue
		}
		fmt.Printf("%v %s: %s\n", change.Kind, change.Key, change.Value)
		break
	}
	// Output:
	// there is job/1: queued
	// put job/1: done
}

// A watch sees every change under a prefix.
func ExampleStore_Watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	node, err := runtime.Start(ctx, runtime.Config{Keyspaces: []shards.Keyspace{{Name: "jobs", Shards: 1, Durability: shards.DurabilityMemory}}})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	jobs, err := node.Store("jobs")
	if err != nil {
		log.Fatal(err)
	}
	version, err := jobs.Put(ctx, "job/1", []byte("queued")) // the first transaction of the keyspace's only shard
	if err != nil {
		log.Fatal(err)
	}
	changes := jobs.Watch(ctx, "job/", runtime.Position{shards.SeqNo(version)}) // all that comes after it
	if _, err := jobs.Put(ctx, "job/1", []byte("done")); err != nil {
		log.Fatal(err)
	}
	go func() { _, _ = jobs.Put(ctx, "job/2", []byte("queued")) }() // the reader below waits for it
	for change, err := range changes {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s\n", change.Key, change.Value)
		if change.Key == "job/2" {
			break
		}
	}
}

// A program that has a server already answers there what a monitor and an orchestrator ask of its node.
func ExampleNode_Handler() {
	node, err := runtime.Start(context.Background(), runtime.Config{Name: "n1"})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	mux := http.NewServeMux()
	for _, path := range []string{"GET /metrics", "GET /livez", "GET /readyz"} {
		mux.Handle(path, node.Handler())
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })

	for _, path := range []string{"/readyz", "/", "/default/scan"} { // what is not in the mux is the program's own
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		fmt.Print(answer.Code, " ", answer.Body)
	}
	// Output:
	// 200 ready
	// 200 hello
	// 200 hello
}
