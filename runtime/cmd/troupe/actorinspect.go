package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

func actorInspectCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "inspect KIND/NAME|KIND|FILE", Short: "say what an actor keeps, or what a kind or module is", Args: cobra.ExactArgs(1),
		Long: `Of an actor prints where it lives, what it keeps, its reminders and the messages that it has on their way; nothing is changed and nobody
woken. Of a kind that was pushed prints its versions, who can run them, and what the one in use says about itself. A FILE is one that is
there and ends with .wasm; exit code 1 says why it could not be a kind.

Exit codes: 0 · 1 nobody answers · 3 no such kind was pushed, or no node knows the actor's and nothing is kept under its name`,
		Example: "  troupe actor inspect counter/page-7\n  troupe actor inspect counter --json\n  troupe actor inspect ./counter.wasm",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := os.Stat(args[0]); err == nil && strings.HasSuffix(args[0], ".wasm") {
			return r.inspectGuest(cmd.Context(), args[0])
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if kind, name, is := strings.Cut(args[0], "/"); is {
				i, err := client.Actor(ctx, admin.ActorName{Kind: kind, Name: name})
				if err != nil {
					return err
				}
				if r.json {
					return printJSON(c.out, i)
				}
				return r.printActor(&i)
			}
			k, err := client.Kind(ctx, args[0])
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, k)
			}
			return r.printKind(&k)
		})
	}
	return cmd
}

// inspectGuest says what a module on this machine is.
func (r *remote) inspectGuest(ctx context.Context, path string) error {
	_, g, err := readGuest(ctx, path)
	if err != nil {
		return err
	}
	if r.json {
		err = printJSON(r.c.out, struct {
			Digest   string        `json:"digest"`
			Size     int           `json:"size"`
			Exports  []string      `json:"exports"`
			Manifest *act.Manifest `json:"manifest"`
		}{g.Digest(), g.Size(), g.Exports(), g.Manifest})
	} else {
		fmt.Fprintf(r.c.out, "%s: module %.12s, %s\n", path, g.Digest(), byteText(int64(g.Size())))
		err = r.printKindManifest(g.Manifest)
	}
	return cmp.Or(err, g.close())
}

func (r *remote) printKind(k *admin.KindInfo) error {
	fmt.Fprintf(r.c.out, "kind %s in keyspace %s, in use: %s, before: %s\n", k.Kind, k.Keyspace, kindUseText(k, k.Active), kindUseText(k, k.Previous))
	rows := [][]string{}
	for i := range k.Versions {
		v := &k.Versions[i]
		word := kindReadyText(v)
		for _, n := range v.Ready {
			if n.Reason != "" {
				word += fmt.Sprintf("; %s: %s", n.Node, keyText([]byte(n.Reason)))
			}
		}
		rows = append(rows, []string{fmt.Sprint(v.Version), lineText(v.Label), fmt.Sprint(v.Data), v.Digest[:12], byteText(int64(v.Size)), time.Unix(v.Pushed, 0).Format(time.DateTime), word})
	}
	if err := writeTable(r.c.out, []string{"VERSION", "LABEL", "DATA", "MODULE", "SIZE", "PUSHED", "READY"}, rows); err != nil {
		return err
	}
	v := k.Find(k.Active) // with 0 the newest
	if v == nil || v.Manifest == nil {
		return nil
	}
	fmt.Fprintf(r.c.out, "\nversion %d:\n", v.Version)
	return r.printKindManifest(v.Manifest)
}

// printActor prints what an actor keeps, for people. What a terminal might choke on is quoted.
func (r *remote) printActor(i *admin.ActorInside) error {
	where := "asleep"
	if i.Active {
		where = fmt.Sprintf("in memory, %s waiting", plural(i.Waiting, "message"))
	}
	if i.Handling != "" {
		where += ", handles " + keyText([]byte(i.Handling))
	}
	fmt.Fprintf(r.c.out, "%s lives in shard %s on node %s: %s\n", keyText([]byte(i.Actor)), i.Shard, i.Node, where)
	if i.Version != 0 {
		fmt.Fprintf(r.c.out, "version %d of the kind handles its messages\n", i.Version)
	}
	fmt.Fprintf(r.c.out, "state: %s\n", orNone(string(i.State)))
	rows := [][]string{}
	for _, d := range i.Data {
		value := datumText(d.Value, d.Value64)
		if shown := len(d.Value) + base64.StdEncoding.DecodedLen(len(d.Value64)); shown < d.Size {
			value += fmt.Sprintf(" … of %s", byteText(int64(d.Size)))
		}
		rows = append(rows, []string{datumText(d.Key, d.Key64), value})
	}
	if err := r.printSection([]string{"KEY", "VALUE"}, rows); err != nil {
		return err
	}
	rows = [][]string{}
	for _, m := range i.Reminders {
		every := "once"
		if m.Every > 0 {
			every = (time.Duration(m.Every) * time.Millisecond).String()
		}
		rows = append(rows, []string{keyText([]byte(m.Name)), time.UnixMilli(m.Due).Format(time.DateTime), every, keyText([]byte(m.Method))})
	}
	if err := r.printSection([]string{"REMINDER", "DUE", "EVERY", "METHOD"}, rows); err != nil {
		return err
	}
	rows = [][]string{}
	for _, s := range i.Outbox {
		what := "told"
		if s.Asked {
			what = "asked"
		}
		rows = append(rows, []string{fmt.Sprint(s.Number), what, keyText([]byte(s.To)), keyText([]byte(s.Method)), brief(string(s.Body))})
	}
	if err := r.printSection([]string{"NUMBER", "SENT", "TO", "METHOD", "REQUEST"}, rows); err != nil || !i.More {
		return err
	}
	_, err := fmt.Fprintf(r.c.out, "and more than these %d\n", max(len(i.Data), len(i.Reminders), len(i.Outbox)))
	return err
}

// printSection prints a table with an empty line above; nothing if it has no rows.
func (r *remote) printSection(header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(r.c.out); err != nil {
		return err
	}
	return writeTable(r.c.out, header, rows)
}

// datumText is a key or value of an actor for people.
func datumText(text, text64 string) string {
	if text64 == "" {
		return keyText([]byte(text))
	}
	raw, err := base64.StdEncoding.DecodeString(text64)
	if err != nil {
		return text64
	}
	return keyText(raw)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
