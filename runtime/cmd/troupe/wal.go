package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

func walCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "wal", Short: "look into the log of a stopped node", Args: cobra.NoArgs,
		Long: "Reads the log in a data folder without changing it. The node must not be running.",
	}
	cmd.AddCommand(walDumpCommand(c), walVerifyCommand(c))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

func walDumpCommand(c *console) *cobra.Command {
	var data, shard string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "dump", Short: "print the log's records and their operations", Args: cobra.NoArgs,
		Long:    "Prints a line per record: shard, sequence numbers, term, size, operations. Damage is printed with its place, and makes\nthe exit code 1; a --shard of which there is no record makes it 3.",
		Example: "  troupe wal dump --data ./data\n  troupe wal dump --data ./data --shard 0/7 --json",
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&data, "data", "./data", "data `folder` of the node")
	f.StringVar(&shard, "shard", "", "only this `shard`: number of the keyspace / index, as the records print it")
	f.BoolVar(&asJSON, "json", false, "print a JSON object a line")
	cmd.RunE = func(*cobra.Command, []string) error {
		o := wal.DumpOptions{JSON: asJSON, Decode: operations}
		var id shards.ShardID
		found := map[shards.ShardID]bool{}
		if shard != "" {
			var err error
			if id, err = shardID(shard); err != nil {
				return err
			}
			o.Shard = func(other shards.ShardID) bool {
				found[other] = true
				return other == id
			}
		}
		out := bufio.NewWriter(c.out)
		err := errors.Join(wal.Dump(out, data, o), out.Flush())
		if err == nil && shard != "" && !found[id] {
			return noRecords(shard, found)
		}
		return stopped(data, err)
	}
	return cmd
}

// noRecords says that a log has nothing of a shard, and of which it has.
func noRecords(shard string, found map[shards.ShardID]bool) error {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if id.Keyspace() != shards.ReservedKeyspace {
			names = append(names, id.String())
		}
	}
	there := "of no shard"
	if len(names) > 0 {
		there = "of " + shorten(names)
	}
	return &failure{exitNotFound, fmt.Errorf("the log has no records of shard %s: the node has no copy of it, or all is in its snapshot; there are records %s", shard, there)}
}

func walVerifyCommand(c *console) *cobra.Command {
	var data string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "check every byte of the log", Args: cobra.NoArgs,
		Long:    "Reads the whole log, checks every checksum and every operation, and prints how many records there are. Damage is\nprinted with its place, and makes the exit code 1.",
		Example: "  troupe wal verify --data ./data\n  troupe wal verify --data ./data --json",
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&data, "data", "./data", "data `folder` of the node")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		var damage bytes.Buffer
		lines := &lineCounter{damage: c.out}
		if asJSON {
			lines.damage = &damage
		}
		o := wal.DumpOptions{Decode: func(id shards.ShardID, payload []byte) string {
			if id.Keyspace() == shards.ReservedKeyspace {
				return "" // of the metadata group: the checksum is all there is to check here
			}
			if err := eachTxn(payload, func(*store.Txn) {}); err != nil {
				lines.undecodable++
			}
			return ""
		}}
		err := wal.Dump(lines, data, o)
		if asJSON && (err == nil || damage.Len() > 0) { // else the log could not be read at all
			err = errors.Join(err, printJSON(c.out, checkedLog{lines.records, lines.undecodable, strings.FieldsFunc(damage.String(), func(r rune) bool { return r == '\n' })}))
		}
		switch {
		case err != nil:
			return stopped(data, err)
		case lines.undecodable > 0:
			return fmt.Errorf("%d records hold no operations that can be read; troupe wal dump names them", lines.undecodable)
		case asJSON:
			return nil
		}
		_, err = fmt.Fprintf(c.out, "records: %d, no damage\n", lines.records)
		return err
	}
	return cmd
}

// checkedLog is what verify found in JSON.
type checkedLog struct {
	Records    int      `json:"records"`
	Unreadable int      `json:"unreadable"` // records without operations that can be read
	Damage     []string `json:"damage"`     // a sentence each
}

// lineCounter counts what Dump prints, and passes on only the damage.
type lineCounter struct {
	damage               io.Writer
	records, undecodable int
	rest                 []byte
}

func (l *lineCounter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.rest = rest
		if !bytes.HasPrefix(line, []byte("CORRUPT")) {
			l.records++
			continue
		}
		if _, err := fmt.Fprintf(l.damage, "%s\n", line); err != nil {
			return 0, err
		}
	}
}

// stopped explains why a log cannot be read.
func stopped(data string, err error) error {
	if errors.Is(err, wal.ErrLocked) {
		return fmt.Errorf("%w: a node is running on %s: stop it first", err, data)
	}
	return damaged("", err)
}

// damaged says of damage in a data folder what is to be done about it. node is whose it is; empty: it is not known.
func damaged(node string, err error) error {
	if _, is := errors.AsType[*wal.CorruptError](err); !is {
		return err
	}
	return fmt.Errorf("%w\n  what is damaged is never served. Where the cluster has other copies of this node's shards (troupe health says so): troupe forget %s, "+
		"and start the node with an empty data folder and --join; else put back a backup of the folder. troupe wal dump shows what can still be read", err, cmp.Or(node, "NODE"))
}

// shardID reads a shard's number as records print it.
func shardID(text string) (shards.ShardID, error) {
	left, right, _ := strings.Cut(text, "/")
	keyspace, err := strconv.ParseUint(left, 10, 16)
	index, errIndex := strconv.ParseUint(right, 10, 16)
	if err != nil || errIndex != nil || index >= shards.Slots {
		return 0, usage("--shard %q is no shard; write number of the keyspace / index, such as 0/7", text)
	}
	return shards.NewShardID(shards.KeyspaceID(keyspace), int(index)), nil
}

// eachTxn decodes the transactions of a record.
func eachTxn(payload []byte, visit func(t *store.Txn)) error {
	var t store.Txn
	for len(payload) > 0 {
		rest, err := store.DecodeTxn(payload, &t)
		if err != nil {
			return err
		}
		visit(&t)
		payload = rest
	}
	return nil
}

// operations prints a record's payload: "put a (3 bytes); delete b".
func operations(id shards.ShardID, payload []byte) string {
	if id.Keyspace() == shards.ReservedKeyspace {
		return fmt.Sprintf("an entry of the metadata group (%d bytes)", len(payload))
	}
	var parts []string
	err := eachTxn(payload, func(t *store.Txn) {
		for i := range t.Ops {
			parts = append(parts, opText(&t.Ops[i]))
		}
	})
	if err != nil {
		parts = append(parts, "UNREADABLE: "+err.Error())
	}
	return strings.Join(parts, "; ")
}

// opNames are the operations as they are printed.
var opNames = map[store.OpKind]string{
	store.OpGet: "get", store.OpSet: "put", store.OpDelete: "delete", store.OpDeletePrefix: "delete-prefix", store.OpIncrement: "increment",
	store.OpIncrementFloat: "increment", store.OpAppend: "append", store.OpSetRange: "set-range", store.OpExpireAt: "expire-at",
	store.OpRename: "rename", store.OpCopy: "copy", store.OpExpireDue: "expire-due", store.OpEvict: "evict", store.OpRequire: "require",
}

func opText(o *store.Op) string {
	name := opNames[o.Kind]
	if o.Kind == store.OpExpireDue {
		return fmt.Sprintf("%s at most %d", name, o.Int)
	}
	text := name + " " + keyText(o.Key)
	switch o.Kind {
	case store.OpSet, store.OpAppend:
		text += fmt.Sprintf(" (%d bytes)", len(o.Value))
	case store.OpSetRange:
		text += fmt.Sprintf(" at %d (%d bytes)", o.Int, len(o.Value))
	case store.OpIncrement:
		text += fmt.Sprintf(" by %d", o.Int)
	case store.OpIncrementFloat:
		text += fmt.Sprintf(" by %g", o.Float)
	case store.OpRename, store.OpCopy:
		text += " to " + keyText(o.Value)
	}
	if o.ExpireAt != 0 {
		text += " until " + time.UnixMilli(o.ExpireAt).UTC().Format(time.RFC3339Nano)
	}
	return text
}
