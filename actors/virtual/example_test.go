package virtual_test

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// account is what an actor of the kind below keeps.
type account struct{ Cents int }

// A kind is a state and its methods. A node runs it: see runtime.Node.Register.
func ExampleHandle() {
	accounts := virtual.NewKind[account]("account")
	virtual.Handle(accounts, "deposit", func(c *virtual.Context[account], cents int) (int, error) {
		if cents <= 0 {
			return 0, errors.New("a deposit is above 0") // then nothing has changed
		}
		c.State.Cents += cents
		return c.State.Cents, c.Tell(virtual.ID{Kind: "statistics", Name: "deposits"}, "add", cents)
	})
	id, err := virtual.ParseID("account/anna")
	fmt.Println(accounts.Name(), accounts.Keyspace(), id.Name, err)
	// Output: account actors anna <nil>
}
