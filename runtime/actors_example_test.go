package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// account is what each actor of the kind keeps.
type account struct{ Cents int }

func accounts() *virtual.Kind {
	k := virtual.NewKind[account]("account")
	virtual.Handle(k, "add", func(c *virtual.Context[account], cents int) (int, error) {
		c.State.Cents += cents
		if c.State.Cents < 0 {
			return 0, errors.New("there is not so much") // then nothing has changed
		}
		return c.State.Cents, nil
	})
	virtual.HandleRead(k, "balance", func(c *virtual.Reading[account], _ struct{}) (int, error) { return c.State.Cents, nil })
	return k.Kind
}

// An actor is there when it is called. What a call changed is kept when it returns; a handler that fails has changed nothing.
func ExampleNode_Register() {
	ctx := context.Background()
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Register(ctx, accounts()); err != nil {
		log.Fatal(err)
	}
	anna := virtual.ID{Kind: "account", Name: "anna"}
	for _, cents := range []int{500, -900} {
		balance, err := virtual.Call[int, int](ctx, node.Actors(), anna, "add", cents)
		fmt.Println(balance, err)
	}
	balance, err := virtual.Call[struct{}, int](ctx, node.Actors(), anna, "balance", struct{}{})
	fmt.Println(balance, err)
	// Output:
	// 500 <nil>
	// 0 actor account/anna, method add: failed: there is not so much
	// 500 <nil>
}

// Three nodes that begin together with one list are a cluster, here in one process. Every one of them reaches every actor; when one
// stops, the others go on with what it kept.
func ExampleNode_Actors() {
	ctx := context.Background()
	nodes := threeNodes(ctx)
	anna := virtual.ID{Kind: "account", Name: "anna"}
	for _, node := range nodes {
		balance, err := virtual.Call[int, int](ctx, node.Actors(), anna, "add", 100)
		fmt.Println(balance, err)
	}
	if err := nodes[0].Close(); err != nil {
		log.Fatal(err)
	}
	for _, node := range nodes[1:] {
		balance, err := virtual.Call[int, int](ctx, node.Actors(), anna, "add", 1)
		fmt.Println(balance, err)
		defer node.Close()
	}
	// Output:
	// 100 <nil>
	// 200 <nil>
	// 300 <nil>
	// 301 <nil>
	// 302 <nil>
}

func threeNodes(ctx context.Context) [3]*runtime.Node {
	var initial []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a free address; on machines of their own, nodes have fixed ones
		if err != nil {
			log.Fatal(err)
		}
		initial = append(initial, l.Addr().String())
		l.Close()
	}
	var nodes [3]*runtime.Node
	var starting sync.WaitGroup
	for i, peer := range initial {
		starting.Go(func() {
			node, err := runtime.Start(ctx, runtime.Config{Name: fmt.Sprint("n", i+1), Peer: peer, Initial: initial, HTTP: "127.0.0.1:0", Dev: true})
			if err != nil {
				log.Fatal(err)
			}
			if err := node.Register(ctx, accounts()); err != nil {
				log.Fatal(err)
			}
			nodes[i] = node
		})
	}
	starting.Wait()
	if err := together(ctx, nodes[2]); err != nil {
		log.Fatal(err)
	}
	return nodes
}

// together waits until a cluster of three survives the loss of one: all vote, and every shard has its copies.
func together(ctx context.Context, node *runtime.Node) error {
	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{node.HTTPAddr()}})
	if err != nil {
		return err
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for range again.C {
		nodes, err := client.Nodes(ctx)
		if err != nil {
			return err
		}
		if len(nodes) == 3 && !slices.ContainsFunc(nodes, func(n admin.Node) bool { return !n.Voter }) {
			break
		}
	}
	_, err = client.Health(ctx, "green", time.Minute)
	return err
}

// order is what an order keeps: the state of a small conversation.
type order struct{ Says string }

// An actor asks another without waiting: its own messages are handled meanwhile, and the answer comes as one of them. Question, state
// and answer are kept like everything else, so that the conversation goes on when its node dies.
func ExampleNode_Actors_ask() {
	ctx := context.Background()
	stock := virtual.NewKind[int]("stock")
	virtual.Handle(stock, "take", func(c *virtual.Context[int], n int) (int, error) {
		if *c.State += n; *c.State > 10 {
			return 0, errors.New("sold out")
		}
		return *c.State, nil
	})
	answered := make(chan struct{}, 1)
	orders := virtual.NewKind[order]("order")
	virtual.Handle(orders, "place", func(c *virtual.Context[order], shirts int) (string, error) {
		c.State.Says = "asked for shirts"
		_, err := c.Ask(virtual.ID{Kind: "stock", Name: "shirts"}, "take", shirts, "taken")
		return c.State.Says, err
	})
	virtual.HandleAnswer(orders, "taken", func(c *virtual.Context[order], a virtual.Answer[int]) error {
		if c.State.Says = "on its way"; a.Refused != nil {
			c.State.Says = a.Refused.Text
		}
		answered <- struct{}{} // so that this example knows; handlers have no other business outside
		return nil
	})
	virtual.Handle(orders, "state", func(c *virtual.Context[order], _ struct{}) (string, error) { return c.State.Says, nil })

	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := errors.Join(node.Register(ctx, stock.Kind), node.Register(ctx, orders.Kind)); err != nil {
		log.Fatal(err)
	}
	for name, shirts := range []int{2, 99} {
		id := virtual.ID{Kind: "order", Name: fmt.Sprint(name)}
		says, err := virtual.Call[int, string](ctx, node.Actors(), id, "place", shirts)
		fmt.Println(says, err)
		<-answered
		says, err = virtual.Call[struct{}, string](ctx, node.Actors(), id, "state", struct{}{})
		fmt.Println(says, err)
	}
	// Output:
	// asked for shirts <nil>
	// on its way <nil>
	// asked for shirts <nil>
	// sold out <nil>
}
