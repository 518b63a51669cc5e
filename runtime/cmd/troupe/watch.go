package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards/store"
)

func watchCommand(c *console) *cobra.Command {
	var from, under string
	cmd := &cobra.Command{
		Use: "watch [PREFIX]", Short: "print changes as they happen", Args: cobra.MaximumNArgs(1),
		Long: "Prints each change of the keys that start with PREFIX until Ctrl-C. A line \"resync\" says that changes were too many\nto be kept: scan, then go on watching. With one of the commands below it is the cluster that is watched.",
		Example: `  troupe watch
  troupe watch orders/ --json
  troupe watch --from 0:120,1:98
  troupe watch health`,
	}
	cmd.AddCommand(watchHealthCommand(c), watchRoutingCommand(c))
	cmd.Flags().StringVar(&under, "prefix", "", "the `text` that keys start with, if it is health or routing")
	cmd.Flags().StringVar(&from, "from", "", "begin at these sequence `numbers`: SHARD:SEQ,... as the changes print them")
	r := withRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		prefix := under
		if len(args) > 0 {
			prefix = args[0]
		}
		return r.watch(cmd.Context(), prefix, from)
	}
	return cmd
}

func (r *remote) watch(ctx context.Context, prefix, from string) error {
	client, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for change, err := range client.Watch(ctx, r.keyspace, []byte(prefix), from) {
		if ctx.Err() != nil {
			return nil // Ctrl-C is how a watch ends
		}
		if err != nil {
			return r.explain(mistaken(err))
		}
		if err := r.printChange(&change); err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) printChange(change *admin.Changed) (err error) {
	kind := change.Kind.String()
	if r.json {
		value := jsonValue(nil)
		if change.Kind == store.ChangePut {
			value = present(change.Value)
		}
		return printJSON(r.c.out, struct {
			Seq   uint64 `json:"seq"`
			Shard int    `json:"shard"`
			Kind  string `json:"kind"`
			jsonKey
			Value    jsonValue `json:"value,omitzero"`
			ExpireAt int64     `json:"expire_at,omitempty"`
		}{uint64(change.Seq), change.Shard, kind, keyJSON(change.Key), value, change.ExpireAt})
	}
	if change.Kind == store.ChangeResync {
		_, err = fmt.Fprintf(r.c.out, "%d:%d  resync\n", change.Shard, change.Seq)
		return err
	}
	text := valueText(change.Kind == store.ChangePut, change.Value)
	if len(change.Value) > 200 {
		text = fmt.Sprintf("  (%d bytes)", len(change.Value))
	}
	_, err = fmt.Fprintf(r.c.out, "%d:%d  %-6s  %s%s\n", change.Shard, change.Seq, kind, keyText(change.Key), text)
	return err
}
