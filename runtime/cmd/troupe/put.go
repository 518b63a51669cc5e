package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards/store"
)

// putFlags are what put is told apart from key and value.
type putFlags struct {
	file              string
	ttl               time.Duration
	ifAbsent, present bool
	version           uint64
}

func putCommand(c *console) *cobra.Command {
	var o putFlags
	cmd := &cobra.Command{
		Use: "put KEY [VALUE|-]", Short: "write a key", Args: cobra.RangeArgs(1, 2),
		Long: "Writes a value given as argument, in a file (--file), or on standard input (-, or when it is no terminal).\nReturns when the write is as durable as the keyspace asks. Exit code 4 says that a condition did not hold.",
		Example: `  troupe put greeting hello
  troupe put logo.png --file logo.png
  date | troupe put now - --ttl 1h
  troupe put lock me --if-absent --ttl 30s`,
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "take the value from this `file`")
	f.DurationVar(&o.ttl, "ttl", 0, "let the key expire after this `time`, such as 90s or 24h")
	f.BoolVar(&o.ifAbsent, "if-absent", false, "only if the key is not there")
	f.BoolVar(&o.present, "if-present", false, "only if the key is there")
	f.Uint64Var(&o.version, "if-version", 0, "only if the key has this version `number` (0: is not there)")
	cmd.MarkFlagsMutuallyExclusive("if-absent", "if-present", "if-version")
	r := withRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		value, err := c.valueOf(args[1:], o.file)
		if err != nil {
			return err
		}
		client, err := r.open(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		version, err := client.Put(cmd.Context(), r.keyspace, []byte(args[0]), value, o.options(cmd.Flags().Changed("if-version")))
		if err != nil {
			return r.explain(mistaken(err))
		}
		if r.json {
			return printJSON(c.out, map[string]uint64{"version": version})
		}
		_, err = fmt.Fprintf(c.out, "version %d\n", version)
		return err
	}
	return cmd
}

func (o *putFlags) options(versioned bool) admin.PutOptions {
	p := admin.PutOptions{TTL: o.ttl, Version: o.version}
	switch {
	case o.ifAbsent:
		p.If = store.IfAbsent
	case o.present:
		p.If = store.IfPresent
	case versioned:
		p.If = store.IfVersion
	}
	return p
}

// valueOf finds the value: argument, file or standard input.
func (c *console) valueOf(args []string, file string) ([]byte, error) {
	switch {
	case file != "" && len(args) > 0:
		return nil, usage("give the value as argument or with --file, not both")
	case file != "":
		return os.ReadFile(file)
	case len(args) > 0 && args[0] != "-":
		return []byte(args[0]), nil
	case len(args) == 0 && interactive(c.in):
		return nil, usage("the value is missing: give it as argument, with --file, or on standard input")
	}
	value, err := io.ReadAll(io.LimitReader(c.in, store.MaxValue+1))
	if err == nil && len(value) > store.MaxValue {
		err = fmt.Errorf("the value on standard input exceeds the limit of %d bytes", store.MaxValue)
	}
	return value, err
}
