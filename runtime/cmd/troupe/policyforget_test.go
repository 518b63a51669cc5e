package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// Whoever has a module forgotten is told of the plans that cannot be made again without its file.
func TestForgettingTellsOfPlans(t *testing.T) {
	node := startNode(t, t.TempDir(), "--name", "n1")
	module := variant(t, "one")
	node.at(t, 0, "", "policy", "push", module, "--name", "spare")
	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{"http://" + node.addr}, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // plans are recorded when there is time for it
		node.at(t, 0, "", "policy", "activate", "spare", "--set", fmt.Sprintf("nodes=x%d", i))
		list, err := client.Plans(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Plans) > 0 && len(list.Plans[0].Modules) == 1 {
			break
		}
	}
	node.at(t, 0, "", "policy", "reset", "spare")
	if out, errs := node.at(t, 0, "", "policy", "forget", "spare"); out != "policy spare: forgotten, with version 1\n" ||
		!strings.Contains(errs, " made with what is forgotten: troupe replay leaves them out from now on, unless --module gives its file") {
		t.Errorf("%s%s", out, errs)
	}
	if out, errs := node.at(t, 0, "", "replay", "--last", "0", "--module", module); !strings.Contains(out, " the same bit for bit") {
		t.Errorf("%s%s", out, errs)
	}
}
