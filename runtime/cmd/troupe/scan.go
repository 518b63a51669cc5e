package main

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// scanFlags are what scan is told apart from the prefix.
type scanFlags struct {
	after, to string
	limit     int
	reverse   bool
	values    bool
	keysOnly  bool
}

func scanCommand(c *console) *cobra.Command {
	var o scanFlags
	cmd := &cobra.Command{
		Use: "scan [PREFIX]", Short: "list keys in order", Args: cobra.MaximumNArgs(1),
		Long: "Lists keys in byte order across all shards: size, version, expiry, key. Keys that are no printable text are quoted;\n--json gives them exactly, and values (--values) in base64; its last line is {\"end\":true,\"count\":N}, by which load and verify see\nwhether a backup is whole. A reader of the keys alone passes over it: jq 'select(.end|not)'.",
		Example: `  troupe scan net/http/ --limit 20
  troupe scan --keys-only | wc -l
  troupe scan user: --values --json
  troupe scan --after user:1000 --to user:2000`,
	}
	f := cmd.Flags()
	f.StringVar(&o.after, "after", "", "begin behind this `key`")
	f.StringVar(&o.to, "to", "", "end before this `key`")
	f.IntVar(&o.limit, "limit", 0, "at most this `number` of keys (0: all)")
	f.BoolVar(&o.reverse, "reverse", false, "from the last key to the first")
	f.BoolVar(&o.values, "values", false, "print the values, too")
	f.BoolVar(&o.keysOnly, "keys-only", false, "print the keys alone")
	cmd.MarkFlagsMutuallyExclusive("values", "keys-only")
	r := withRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.limit < 0 {
			return usage("--limit %d is negative", o.limit)
		}
		s := admin.ScanOptions{Limit: o.limit, Reverse: o.reverse, Values: o.values}
		if len(args) > 0 {
			s.Prefix = []byte(args[0])
		}
		if cmd.Flags().Changed("after") {
			s.After = []byte(o.after)
		}
		if cmd.Flags().Changed("to") {
			s.To = []byte(o.to)
		}
		return r.scan(cmd.Context(), s, o.keysOnly)
	}
	return cmd
}

func (r *remote) scan(ctx context.Context, o admin.ScanOptions, keysOnly bool) error {
	client, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	out := bufio.NewWriter(r.c.out)
	defer out.Flush()
	count := int64(0)
	for found, err := range client.Scan(ctx, r.keyspace, o) {
		if err != nil {
			return r.explain(err)
		}
		switch {
		case r.json:
			value := jsonValue(nil)
			if o.Values {
				value = present(found.Value)
			}
			err = printJSON(out, entryJSON(found.Key, value, found.Size, found.Version, found.ExpireAt))
		case keysOnly:
			_, err = fmt.Fprintln(out, keyText(found.Key))
		default:
			_, err = fmt.Fprintf(out, "%10d  %10d  %-20s  %s%s\n", found.Size, found.Version, expiryText(found.ExpireAt), keyText(found.Key), valueText(o.Values, found.Value))
		}
		if err != nil {
			return err
		}
		count++
	}
	if r.json {
		if err := printJSON(out, scanEnd{true, count}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// scanEnd ends a scan in JSON, as it does over HTTP: what lacks it, or has fewer records, is cut.
type scanEnd struct {
	End   bool  `json:"end"`
	Count int64 `json:"count"`
}

// expiryText is a time in UTC, to the second.
func expiryText(at int64) string {
	if at == 0 {
		return "-"
	}
	return time.UnixMilli(at).UTC().Format(time.RFC3339)
}

func valueText(wanted bool, value []byte) string {
	if !wanted {
		return ""
	}
	if printable(value, false) {
		return "  " + string(value)
	}
	return fmt.Sprintf("  %q", value)
}
