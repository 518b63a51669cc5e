package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func actorCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "actor", Args: cobra.NoArgs, RunE: showHelp, Short: "call virtual actors, see where they are, and bring their code into the cluster",
		Long: `An actor is a kind and a name; it is there when it is called, on the node that leads its shard, and what a message changed is durable
when the reply comes. A kind is registered by the programs that embed Troupe, or pushed to the cluster as a WebAssembly module.`,
		Example: `  troupe actor push counter.wasm
  troupe actor call counter/page-7 add 1
  troupe actor list`,
	}
	cmd.AddCommand(actorInitCommand(c), actorPackCommand(c), actorTestCommand(c), actorPushCommand(c), actorUseCommand(c), actorRollbackCommand(c), actorForgetCommand(c),
		actorListCommand(c), actorInspectCommand(c), actorCallCommand(c), actorTellCommand(c), actorAsideCommand(c), actorRedriveCommand(c), actorDropCommand(c))
	return cmd
}

// belowZero puts the request of call or tell behind all flags if it is a number below zero, which would be taken for flags.
func belowZero(args []string) []string {
	if len(args) < 2 || args[0] != "actor" || args[1] != "call" && args[1] != "tell" || slices.Contains(args, "--") {
		return args
	}
	i := slices.IndexFunc(args, func(a string) bool { return len(a) > 1 && a[0] == '-' && json.Valid([]byte(a)) })
	if i < 0 {
		return args
	}
	return append(slices.Delete(slices.Clone(args), i, i+1), "--", args[i])
}

// message is what call and tell have in common: to whom, which method, and the request.
type message struct {
	to     admin.ActorName
	method string
	body   []byte
}

func (c *console) message(args []string) (m message, err error) {
	kind, name, found := strings.Cut(args[0], "/")
	if !found || kind == "" {
		return m, usage("%q is no actor: write KIND/NAME, such as counter/page-7", args[0])
	}
	if method := args[1]; len(args) == 2 && strings.ContainsAny(method[:min(1, len(method))], "{[\"") && json.Valid([]byte(method)) {
		return m, usage("%.80s is a request; say which method takes it: %s METHOD '%.80s'", method, args[0], method)
	}
	m.to, m.method = admin.ActorName{Kind: kind, Name: name}, args[1]
	if len(args) == 3 {
		m.body = []byte(args[2])
	}
	if string(m.body) == "-" {
		if m.body, err = io.ReadAll(io.LimitReader(c.in, admin.MaxActorBody+1)); err != nil {
			return m, fmt.Errorf("read the request: %w", err)
		}
	}
	if len(m.body) > 0 && !json.Valid(m.body) {
		return m, usage("the request %.80q is no JSON: quote it for the shell, as in '{\"amount\":1}' or '\"text\"'", m.body)
	}
	return m, nil
}

func actorCallCommand(c *console) *cobra.Command {
	var limit time.Duration
	var id string
	cmd := &cobra.Command{
		Use: "call KIND/NAME METHOD [JSON]", Short: "have an actor handle a message, and print its reply", Args: cobra.RangeArgs(2, 3),
		Long: `Prints the reply, indented, or as one line with --json. The request is JSON; "-" reads it from standard input.

A call whose outcome is not known (a node died, the time was over) is repeated without harm if it has an id: within ten minutes the actor
handles one message of an --id, and all calls with it get the same answer. Another request takes another id.

Exit codes: 0 handled · 1 the actor refused, or nobody answers · 3 no such kind or method`,
		Example: `  troupe actor call counter/page-7 add 1
  troupe actor call account/anna transfer '{"To":"ben","Amount":5}'
  troupe actor call account/anna deposit 5 --id order-4711
  troupe actor call page/docs/intro show --json`,
	}
	cmd.Flags().DurationVar(&limit, "timeout", 10*time.Second, "how long to wait for the reply")
	cmd.Flags().StringVar(&id, "id", "", "the request's `ID`, which the actor handles once")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m, err := c.message(args)
		if err != nil {
			return err
		}
		if limit <= 0 {
			return usage("--timeout is %v; it must be above 0", limit)
		}
		if id == "" && cmd.Flags().Changed("id") {
			return usage("--id is empty: is the variable set that it comes from?")
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), limit)
		defer cancel()
		return r.with(ctx, func(ctx context.Context, client *admin.Client) error {
			send := func() (json.RawMessage, error) { return client.CallActor(ctx, m.to, m.method, m.body) }
			if id != "" {
				send = func() (json.RawMessage, error) { return client.CallActorOnce(ctx, m.to, id, m.method, m.body) }
			}
			reply, err := send()
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if r.json {
				err = json.Compact(&text, reply)
			} else {
				err = json.Indent(&text, reply, "", "  ")
			}
			if err == nil {
				_, err = fmt.Fprintln(c.out, text.String())
			}
			return err
		})
	}
	return cmd
}

func actorTellCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "tell KIND/NAME METHOD [JSON]", Short: "send an actor a message, and wait for nothing", Args: cobra.RangeArgs(2, 3),
		Long: `Returns as soon as a node has the message. If that node dies before it is handled it is lost, and what comes of it is told
in the node's log only: use call where that matters. The request is JSON; "-" reads it from standard input.`,
		Example: "  troupe actor tell journal/today note '\"rain\"'",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m, err := c.message(args)
		if err != nil {
			return err
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if err := client.TellActor(ctx, m.to, m.method, m.body); err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, map[string]bool{"accepted": true})
			}
			_, err := fmt.Fprintf(c.out, "%s/%s has been sent %s\n", m.to.Kind, m.to.Name, m.method)
			return err
		})
	}
	return cmd
}

func actorListCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list [KIND]", Short: "list the kinds of actors, and how many are in memory on each node; or the actors of one kind", Args: cobra.MaximumNArgs(1),
		Long: `Lists the kinds that were pushed with their versions, then what is in memory: an actor that nobody has called for a while sleeps in its
shard, and is not counted. It says which kinds of programs some nodes lack, as while a release is rolled out. Then the messages between actors that were refused so often that they were set aside (troupe actor aside), at most 100 of each node.

With a KIND, lists its actors by name, asleep or not: those that have ever kept something.

Exit codes: 0 · 1 nobody answers · 3 no node knows that kind`,
		Example: "  troupe actor list\n  troupe actor list --json\n  troupe actor list counter --limit 1000",
	}
	p := pageFlags(cmd)
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkPage(p); err != nil {
			return err
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if len(args) == 1 {
				return r.listNames(ctx, client, args[0], *p)
			}
			l, err := client.Actors(ctx)
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, l)
			}
			return r.printActors(&l)
		})
	}
	return cmd
}

// listNames prints the names of a kind's actors, one a line.
func (r *remote) listNames(ctx context.Context, client *admin.Client, kind string, p admin.Page) error {
	l, err := client.ActorNames(ctx, kind, p)
	if err != nil {
		return err
	}
	if r.json {
		return printJSON(r.c.out, l)
	}
	last := ""
	for _, last = range l.Names {
		if _, err := fmt.Fprintln(r.c.out, keyText([]byte(kind+"/"+last))); err != nil {
			return err
		}
	}
	return r.printPart(&l.Part, last)
}

func (r *remote) printActors(l *admin.ActorList) error {
	rows := [][]string{}
	for i := range l.Pushed {
		k := &l.Pushed[i]
		rows = append(rows, []string{k.Kind, k.Keyspace, kindUseText(k, k.Active), kindUseText(k, k.Previous), kindUseText(k, k.Find(0).Version), kindReadyText(k.Find(0))})
	}
	if len(rows) > 0 {
		if err := writeTable(r.c.out, []string{"PUSHED", "KEYSPACE", "IN USE", "BEFORE", "NEWEST", "READY"}, rows); err != nil {
			return err
		}
		fmt.Fprintln(r.c.out)
	}
	var silent []string
	rows = nil
	for i := range l.Nodes {
		n := &l.Nodes[i]
		switch {
		case n.Error != "":
			why := n.Error
			if !strings.HasPrefix(why, "node "+n.Node) {
				why = n.Node + ": " + why
			}
			silent = append(silent, why)
		case len(n.Kinds) == 0:
			rows = append(rows, []string{n.Node, "no kinds", "-", "-", "-"})
		}
		for _, k := range n.Kinds {
			version := "-" // it comes with the program
			if k.Version != 0 {
				version = fmt.Sprint(k.Version)
			}
			rows = append(rows, []string{n.Node, k.Kind, k.Keyspace, fmt.Sprint(k.Active), version})
		}
	}
	if err := writeTable(r.c.out, []string{"NODE", "KIND", "KEYSPACE", "ACTIVE", "VERSION"}, rows); err != nil {
		return err
	}
	for _, why := range silent {
		fmt.Fprintln(r.c.err, "not counted:", why)
	}
	for _, lack := range l.Lacking {
		fmt.Fprintf(r.c.err, "kind %s is not registered on %s: in shards that are led there its messages are refused\n", lack.Kind, strings.Join(lack.Nodes, ", "))
	}
	if len(l.Aside) == 0 {
		return nil
	}
	fmt.Fprintln(r.c.out, "\nset aside:")
	if err := r.printAside(l.Aside); err != nil || !l.MoreAside {
		return err
	}
	_, err := fmt.Fprintln(r.c.err, "there are more: troupe actor aside lists them all")
	return err
}
