package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/simulate"
)

// rehearseFlags say what is lost, and where from.
type rehearseFlags struct {
	lose    []string
	all     string
	at      string
	silent  bool
	horizon time.Duration
	parsed  []simulate.Part // lose, read
	replay  replayFlags     // modules that are looked for
}

func rehearseCommand(c *console) *cobra.Command {
	var o rehearseFlags
	cmd := &cobra.Command{
		Use: "rehearse [FILE]", Short: "lose a node, a rack, a zone, without losing it", Args: cobra.MaximumNArgs(1),
		Long: `Takes what the placement leader sees now, or saw when it made a recorded plan, loses a part of it in a copy on this machine,
and lets the planner and its rules go on to the end. The cluster is only asked, once. It prints what is not served any more,
which copies find no place and what forbids each node, how full the fullest node becomes, how much is copied and how long it takes.

With --all every node (or rack, zone, host, or other attribute) is lost in turn, and the score says how many of these losses the
cluster gets over by itself.

With --policy a module is tried that is not in force, and with --without a rule is left out.

Exit codes: 0 it gets over all of them · 4 shards are not served, or copies have no place, or a policy failed`,
		Example: `  troupe rehearse --lose node=n3
  troupe rehearse --lose rack=b1 --lose node=n7
  troupe rehearse --all zone
  troupe rehearse --all node --at 14:05
  troupe rehearse --all zone --policy spot.wasm:share=20
  troupe rehearse ./data/plans/7.153.plan --lose zone=z2`,
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.lose, "lose", nil, "what is lost: node, host or an attribute, `KIND=NAME`; several are lost one by one, each from the cluster as it is")
	f.StringVar(&o.all, "all", "", "lose each of this `kind` in turn: node, host, rack, zone or another attribute")
	f.StringVar(&o.at, "at", "", "begin with the cluster as it was at this `time`, or when this plan was made (7.153)")
	f.BoolVar(&o.silent, "silent", false, "they fall silent, and are waited for until they are declared dead")
	f.DurationVar(&o.horizon, "for", 24*time.Hour, "how long to go on at most, in the cluster's time")
	f.StringArrayVar(&o.replay.policies, "policy", nil, "as if this module were in force as well, or in place of the one of its name: `FILE[:SETTING=VALUE,...]`; what has no = is one more value of the list before it")
	f.StringArrayVar(&o.replay.without, "without", nil, "as if the rule of this `name` were not")
	f.StringArrayVar(&o.replay.modules, "module", nil, "a `file` with a module that is in force, if the cluster does not give it")
	cmd.MarkFlagsMutuallyExclusive("lose", "all")
	cmd.MarkFlagsOneRequired("lose", "all")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.horizon <= 0 {
			return usage("--for %v; more than nothing", o.horizon)
		}
		if err := o.read(); err != nil {
			return err
		}
		return o.run(cmd.Context(), r, args)
	}
	return cmd
}

// run loses one part after the other, each from the same beginning.
func (o *rehearseFlags) run(ctx context.Context, r *remote, args []string) error {
	shop := &workshop{}
	defer shop.close()
	p := &replayer{r: r, o: &o.replay, shop: shop, sets: map[string]*hosted.Set{}, met: map[string]bool{}}
	begin, err := r.beginning(ctx, args, o.at)
	if err != nil {
		return err
	}
	rules := p.inForce
	if len(o.replay.policies)+len(o.replay.without) > 0 {
		rules = p.otherwise
	}
	if _, err := rules(ctx, begin); err != nil { // before it is said that there is nothing to lose
		return err
	}
	parts, err := o.parts(begin)
	if err != nil {
		return err
	}
	var done []*simulate.Rehearsal
	for _, part := range parts {
		set, err := rules(ctx, begin)
		if err != nil {
			return err
		}
		one, err := simulate.Rehearse(begin.Input, &set.Set, part, o.silent, o.horizon, ctx.Err)
		if err != nil {
			return &failure{exitNotFound, err}
		}
		set.Close()
		clear(p.sets) // each loss is from the cluster as it is: a policy that is out of force by now is in it then
		done = append(done, one)
	}
	if err := p.missed(); err != nil {
		return err
	}
	failed := shop.tell(r.c)
	err, fault := r.printRehearsals(begin, done, o.all != ""), faults(failed)
	if err != nil && fault != nil {
		return fmt.Errorf("%w; %w", err, fault)
	}
	return cmp.Or(err, fault)
}

// parts lists what is to be lost.
func (o *rehearseFlags) parts(begin *records.Record) (parts []simulate.Part, err error) {
	if o.all == "" {
		return o.parsed, nil
	}
	for _, kind := range []string{o.all, strings.TrimSuffix(o.all, "s")} { // zones are zones, and a class is a class
		if parts = simulate.Parts(begin.Input.State, kind); len(parts) > 0 {
			return parts, nil
		}
	}
	return nil, &failure{exitNotFound, fmt.Errorf("no node has an attribute %q; there are %s. Give each node one: troupe node --attr %s=NAME", o.all, strings.Join(kindsOf(begin.Input.State), ", "), o.all)}
}

// kindsOf lists what there is to be lost: nodes, hosts, and the attributes of nodes.
func kindsOf(s *cluster.State) []string {
	var names []string
	for i := range s.Members {
		for _, a := range s.Members[i].Attributes {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return append([]string{"node", "host"}, slices.Compact(names)...)
}

// read parses what is to be lost.
func (o *rehearseFlags) read() error {
	for _, text := range o.lose {
		kind, name, found := strings.Cut(text, "=")
		if !found || kind == "" || name == "" {
			return usage("--lose %q; write KIND=NAME, such as node=n3 or zone=a", text)
		}
		o.parsed = append(o.parsed, simulate.Part{Kind: kind, Name: name})
	}
	return nil
}

// beginning is the cluster to begin with: of a file, of a recorded plan, or as it is now.
func (r *remote) beginning(ctx context.Context, args []string, at string) (begin *records.Record, err error) {
	if len(args) > 0 {
		if at != "" {
			return nil, usage("--at is for the plans of a cluster; the file is one plan")
		}
		data, err := os.ReadFile(args[0])
		if err != nil {
			return nil, err
		}
		begin, _, err = records.Next(data)
		if err != nil {
			err = fmt.Errorf("%s: %w", args[0], err)
		}
		return begin, err
	}
	err = r.with(ctx, func(ctx context.Context, client *admin.Client) error {
		if at != "" {
			begin, err = r.planAt(ctx, client, at)
			return err
		}
		begin, err = r.present(ctx, client)
		return err
	})
	return begin, err
}

func (r *remote) printRehearsals(begin *records.Record, done []*simulate.Rehearsal, all bool) (err error) {
	survived := 0
	for _, one := range done {
		if one.Survived() {
			survived++
		}
	}
	score := float64(survived) / float64(len(done))
	switch {
	case r.json:
		err = printJSON(r.c.out, struct {
			Version    uint64                `json:"version"` // of the state that it began with
			Taken      time.Time             `json:"taken"`
			Score      float64               `json:"score"` // share of the losses that the cluster gets over
			Rehearsals []*simulate.Rehearsal `json:"rehearsals"`
		}{begin.Input.State.Version, begin.Taken, score, done})
	case all:
		err = r.printScore(done, survived)
	default:
		for _, one := range done {
			if err = r.printRehearsal(one); err != nil {
				break
			}
		}
	}
	if err == nil && survived < len(done) {
		err = &failure{exitDifferent, errors.New("the cluster does not get over " + failedLosses(done))}
	}
	return err
}

func failedLosses(done []*simulate.Rehearsal) string {
	var names []string
	for _, one := range done {
		if !one.Survived() {
			names = append(names, "the loss of "+one.Lost)
		}
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

func (r *remote) printScore(done []*simulate.Rehearsal, survived int) error {
	rows := [][]string{}
	for _, one := range done {
		verdict := "survives"
		if !one.Survived() {
			verdict = "DOES NOT"
		}
		rows = append(rows, []string{one.Lost, verdict, fmt.Sprint(len(one.Gone)), fmt.Sprint(len(one.Unplaceable)), fmt.Sprint(one.Single), one.GreenText(),
			simulate.SizeText(one.Bytes), one.HottestText()})
	}
	if err := writeTable(r.c.out, []string{"LOST", "CLUSTER", "NOT SERVED", "NO PLACE", "ONE COPY LEFT", "GREEN AFTER", "COPIED", "FULLEST NODE"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(r.c.out, "score: %d of %d losses (%.0f%%)\n%s", survived, len(done), 100*float64(survived)/float64(len(done)), unmeasuredText(done[0]))
	return err
}

func unmeasuredText(one *simulate.Rehearsal) string {
	if one.Unmeasured == 0 {
		return ""
	}
	return fmt.Sprintf("the size of %s has not been measured: bytes and times lack them\n", plural(one.Unmeasured, "shard"))
}

func (r *remote) printRehearsal(one *simulate.Rehearsal) error {
	out := r.c.out
	fmt.Fprintf(out, "lose %s (%s)\n", one.Lost, strings.Join(one.Nodes, " "))
	fmt.Fprintf(out, "  at once     %s lose their primary, of %d one copy is left, of %d none\n", plural(one.Led, "shard"), one.Single, len(one.Gone))
	fmt.Fprintf(out, "  green       %s; unserved for %s at longest\n", one.GreenText(), simulate.DurationText(one.Unserved))
	fmt.Fprintf(out, "  moves       %d: %d promoted, %d allocated, %d relocated, %d handed over\n", one.Moves.Total(), one.Moves.Promotions, one.Moves.Allocations, one.Moves.Relocations, one.Moves.Handovers)
	fmt.Fprintf(out, "  copied      %s\n", simulate.SizeText(one.Bytes))
	fmt.Fprintf(out, "  fullest     %s\n%s", one.HottestText(), unmeasuredText(one))
	rows := [][]string{}
	for _, k := range one.Keyspaces {
		rows = append(rows, []string{"  " + k.Name, fmt.Sprint(k.Shards), fmt.Sprint(k.Red), fmt.Sprint(k.Yellow)})
	}
	if err := writeTable(out, []string{"  KEYSPACE", "SHARDS", "NOT SERVED", "LACKS COPIES"}, rows); err != nil {
		return err
	}
	for i, name := range one.Gone {
		if i == 10 {
			fmt.Fprintf(out, "  and %d more\n", len(one.Gone)-i)
			break
		}
		fmt.Fprintf(out, "  not served: %s, until a node that has it is back\n", name)
	}
	for i, u := range one.Unplaceable {
		if i == 10 {
			fmt.Fprintf(out, "  and %d more\n", len(one.Unplaceable)-i)
			break
		}
		fmt.Fprintf(out, "  no place: %s\n", u.Why)
		for _, rule := range u.InWay {
			fmt.Fprintf(out, "    in the way: %s\n", rule)
		}
		for _, w := range u.Words {
			fmt.Fprintf(out, "    %s\n", w)
		}
	}
	return nil
}
