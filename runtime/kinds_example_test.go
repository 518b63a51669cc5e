package runtime_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// A program operates its cluster through its node: here it makes a keyspace, and sees that it is served.
func ExampleNode_Cluster() {
	ctx := context.Background()
	node, err := runtime.Start(ctx, runtime.Config{Name: "n1", Replicas: shards.NoReplicas})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	operate := node.Cluster()
	if err := operate.CreateKeyspace(ctx, shards.Keyspace{Name: "orders", Shards: 4, Replicas: shards.NoReplicas, Durability: shards.DurabilityMemory}); err != nil {
		log.Fatal(err)
	}
	orders, err := node.Store("orders")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.Put(ctx, "7", []byte("a book")); err != nil { // waits until its shard is served
		log.Fatal(err)
	}
	for _, m := range operate.Members() {
		fmt.Printf("%s with roles %v, draining: %v\n", m.Name, m.Roles, m.Draining)
	}
	for _, k := range operate.Keyspaces() {
		fmt.Printf("%s has %d shards\n", k.Name, k.Shards)
	}
	// Before a node stops for good its copies go elsewhere, where there are others: operate.Drain(ctx, node.Name())
	// Output:
	// n1 with roles [meta data], draining: false
	// default has 16 shards
	// orders has 4 shards
}

// A kind may be a WebAssembly module. A program pushes it through its node, and from then on every node of the cluster knows it; the
// next version takes its place while actors are called.
func ExampleNode_Kinds() {
	ctx := context.Background()
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	page := virtual.ID{Kind: "counter", Name: "page-7"}
	for _, file := range []string{"counter.wasm", "counter2.wasm"} {
		module, err := os.ReadFile("../actors/guest/testdata/" + file)
		if err != nil {
			log.Fatal(err)
		}
		pushed, err := node.Kinds().Push(ctx, module, runtime.PushOptions{})
		if err != nil {
			log.Fatal(err)
		}
		count, err := virtual.Call[int, int](ctx, node.Actors(), page, "add", 5)
		fmt.Printf("%s version %d (%s): %d %v\n", pushed.Kind, pushed.Version, pushed.Label, count, err)
	}
	fmt.Println(node.Kinds().Rollback(ctx, "counter", admin.KindUse{}))
	for _, k := range node.Kinds().List() {
		fmt.Printf("%s in keyspace %s: version %d of %d is in use\n", k.Kind, k.Keyspace, k.Active, len(k.Versions))
	}
	if err := node.Kinds().Forget(ctx, "counter"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(node.Kinds().List()), "kinds are left")
	// Output:
	// counter version 1 (1.0.0): 5 <nil>
	// counter version 2 (2.0.0): 10 <nil>
	// version 1 of kind counter keeps data in layout 1, and version 2, which is active, in layout 2: actors whose data has been migrated would refuse all messages until a module comes that reads it
	// counter in keyspace actors: version 2 of 2 is in use
	// 0 kinds are left
}
