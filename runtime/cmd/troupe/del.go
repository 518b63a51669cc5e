package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func delCommand(c *console) *cobra.Command {
	var prefix string
	var all, yes bool
	cmd := &cobra.Command{
		Use: "del KEY... | --prefix P | --all", Short: "delete keys",
		Long: "Deletes the keys given, or all that start with a prefix. Exit code 3 says that a key given was not there.",
		Example: `  troupe del greeting lock
  troupe del --prefix session: --yes`,
	}
	f := cmd.Flags()
	f.StringVar(&prefix, "prefix", "", "delete every key that starts with this `text`")
	f.BoolVar(&all, "all", false, "delete every key of the keyspace")
	f.BoolVar(&yes, "yes", false, "do not ask")
	cmd.MarkFlagsMutuallyExclusive("prefix", "all")
	r := withRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		many := all || cmd.Flags().Changed("prefix")
		switch {
		case many && len(args) > 0:
			return usage("give keys, --prefix or --all, not several of them")
		case !many && len(args) == 0:
			return usage("which keys? give some, or --prefix")
		case many && prefix == "" && !all:
			return usage("an empty --prefix means every key: say --all if that is meant")
		}
		client, err := r.open(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		if !many {
			return r.deleteKeys(cmd.Context(), client, args)
		}
		if !yes && !c.confirmed(r.keyspace, prefix) {
			return usage("nothing was deleted: answer y, or give --yes")
		}
		return r.deleteMany(cmd.Context(), client, prefix, all)
	}
	return cmd
}

// confirmed asks on a terminal; without one the answer is no.
func (c *console) confirmed(keyspace, prefix string) bool {
	if !interactive(c.in) {
		return false
	}
	fmt.Fprintf(c.err, "delete every key of keyspace %q that starts with %q? [y/N] ", keyspace, prefix)
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}

func (r *remote) deleteMany(ctx context.Context, client *admin.Client, prefix string, all bool) (err error) {
	var deleted int64
	if all {
		deleted, err = client.DeleteAll(ctx, r.keyspace)
	} else {
		deleted, err = client.DeletePrefix(ctx, r.keyspace, []byte(prefix))
	}
	if err != nil {
		return r.explain(err)
	}
	return r.printDeleted(deleted)
}

func (r *remote) deleteKeys(ctx context.Context, client *admin.Client, keys []string) error {
	var deleted int64
	var absent []string
	for _, key := range keys {
		found, err := client.Delete(ctx, r.keyspace, []byte(key), 0)
		if err != nil {
			return r.explain(fmt.Errorf("%s: %w", keyText([]byte(key)), err))
		}
		if found {
			deleted++
		} else {
			absent = append(absent, keyText([]byte(key)))
		}
	}
	if err := r.printDeleted(deleted); err != nil {
		return err
	}
	if len(absent) > 0 {
		return &failure{exitNotFound, fmt.Errorf("not there: %s", strings.Join(absent, ", "))}
	}
	return nil
}

func (r *remote) printDeleted(n int64) (err error) {
	if r.json {
		return printJSON(r.c.out, map[string]int64{"deleted": n})
	}
	_, err = fmt.Fprintf(r.c.out, "deleted %d\n", n)
	return err
}
