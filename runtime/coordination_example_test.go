package runtime_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/recipes"
	"github.com/troupe-actors/troupe/actors/topics"
	"github.com/troupe-actors/troupe/runtime"
)

// Services coordinate by actors of the house: a lock that a session holds, with a token that rises, and a topic that is read from an offset.
func Example_coordination() {
	ctx := context.Background()
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	for _, k := range slices.Concat(recipes.Kinds(), topics.Kinds()) {
		if err := node.Register(ctx, k); err != nil {
			log.Fatal(err)
		}
	}

	session, err := recipes.Open(ctx, node.Actors(), 10*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	lock := recipes.NewLock(node.Actors(), "ledger")
	for range 2 {
		token, err := lock.Acquire(ctx, session) // what is written under the lock carries the token
		fmt.Println("the lock's token:", token, err)
		if err := lock.Release(ctx, session); err != nil {
			log.Fatal(err)
		}
	}
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}

	client := topics.NewClient(node.Actors())
	if _, err := client.Create(ctx, "orders", topics.Config{Partitions: 1}); err != nil {
		log.Fatal(err)
	}
	for _, item := range []string{"a book", "a lamp"} {
		if _, err := client.Publish(ctx, "orders", topics.Record{Key: "anna", Value: []byte(item)}, topics.Once{}); err != nil {
			log.Fatal(err)
		}
	}
	batch, err := client.Poll(ctx, "orders", 0, 0, 10, 0)
	for _, m := range batch.Messages {
		fmt.Println(m.Offset, m.Key, string(m.Value))
	}
	fmt.Println(err)
	// Output:
	// the lock's token: 1 <nil>
	// the lock's token: 2 <nil>
	// 0 anna a book
	// 1 anna a lamp
	// <nil>
}
