// Command counter is hello for virtual actors: one node, one kind, three calls.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
)

// counter is what each actor of the kind keeps.
type counter struct{ Count int }

func counters() *virtual.Kind {
	k := virtual.NewKind[counter]("counter")
	virtual.Handle(k, "add", func(c *virtual.Context[counter], n int) (int, error) {
		c.State.Count += n
		if c.State.Count < 0 {
			return 0, fmt.Errorf("%s would be below zero", c.Self()) // then nothing has changed
		}
		return c.State.Count, nil
	})
	return k.Kind
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		return err
	}
	defer node.Close()
	if err := node.Register(ctx, counters()); err != nil {
		return err
	}
	page := virtual.ID{Kind: "counter", Name: "page-7"}
	for _, n := range []int{1, 2, -9} {
		count, err := virtual.Call[int, int](ctx, node.Actors(), page, "add", n)
		fmt.Fprintln(out, n, "->", count, err)
	}
	return nil
}
