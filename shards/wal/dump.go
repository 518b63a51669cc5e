package wal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

// DumpOptions say what Dump prints. The zero value prints everything as text.
type DumpOptions struct {
	FS     vfs.FS                                            // nil: the disk
	Shard  func(shards.ShardID) bool                         // nil: every shard, and the node's own records
	Decode func(shard shards.ShardID, payload []byte) string // what a payload says, on the record's line; nil: its size only
	JSON   bool                                              // one JSON object a line
}

// Dump prints the log in dir/log, one line per record, without changing it. No process may have it open (ErrLocked). Damage
// is printed with its place, and the walk goes on behind it where it can; the first damage is then returned, a *CorruptError.
func Dump(w io.Writer, dir string, o DumpOptions) error {
	options := Options{FS: o.FS, Fatal: func(error) {}}
	path := logPath(o.FS, dir)
	if err := options.validate(path); err != nil {
		return err
	}
	if _, err := options.FS.Stat(path); err != nil {
		return fmt.Errorf("wal: no log: %w", err)
	}
	lock, err := lockFolder(path, options.FS)
	if err != nil {
		return err
	}
	d := dumper{out: w, options: o, log: &Log{dir: path, lock: lock, fatal: options.Fatal, space: newSpace(0, options.FreeBytes)}}
	return errors.Join(d.run(options), lock.Close())
}

type dumper struct {
	out     io.Writer
	options DumpOptions
	log     *Log
	first   error           // the first damage
	told    map[string]bool // what was printed of damage: one place may be met on several ways
}

func (d *dumper) run(options Options) error {
	if err := d.report(verifyFiles(options.FS, d.log.dir)); err != nil {
		return err
	}
	db, err := openPebble(d.log.dir, d.log.pebbleOptions(options, true))
	if err != nil {
		return errors.Join(d.report(err), d.first)
	}
	if d.options.Shard == nil {
		err = d.walk(db, []byte{metaPrefix}, []byte{metaPrefix + 1}, d.node)
	}
	if err == nil {
		err = d.walk(db, []byte{recordPrefix}, []byte{recordPrefix + 1}, d.record)
	}
	return errors.Join(err, d.first, db.Close())
}

// walk prints what lies between two keys. Damage that the iterator itself meets ends the shard that it is in.
func (d *dumper) walk(db *pebble.DB, from, to []byte, print func(key, value []byte) error) error {
	for {
		var last []byte
		err := iterate(db, d.log.dir, from, to, func(it *pebble.Iterator) error {
			for ok := it.First(); ok; ok = it.Next() {
				last = append(last[:0], it.Key()...)
				value, err := it.ValueAndErr()
				if err == nil {
					err = d.report(print(it.Key(), value))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil || d.report(err) != nil || len(last) != keySize {
			return d.report(err)
		}
		r, _ := decodeRecord(last, nil) // the shard; the value was the trouble
		from = afterShard(r.Shard)
	}
}

// report prints damage and swallows it; it returns every other error.
func (d *dumper) report(err error) error {
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	if d.first == nil {
		d.first, d.told = corrupt, map[string]bool{}
	}
	text := corrupt.Error()
	if d.told[text] {
		return nil
	}
	d.told[text] = true
	if d.options.JSON {
		return d.json(dumpLine{Corrupt: text})
	}
	_, err = fmt.Fprintln(d.out, "CORRUPT", text)
	return err
}

// dumpLine is a line of JSON.
type dumpLine struct {
	Node    string       `json:"node,omitempty"` // name of a node record
	Shard   string       `json:"shard,omitempty"`
	First   shards.SeqNo `json:"first,omitempty"`
	Last    shards.SeqNo `json:"last,omitempty"`
	Term    shards.Term  `json:"term,omitempty"`
	Bytes   int          `json:"bytes,omitempty"`
	Shrinks bool         `json:"shrinks,omitempty"`
	Text    string       `json:"text,omitempty"` // the decoded payload
	Corrupt string       `json:"corrupt,omitempty"`
}

func (d *dumper) json(line dumpLine) error {
	encoded, err := json.Marshal(line)
	if err == nil {
		_, err = fmt.Fprintf(d.out, "%s\n", encoded)
	}
	return err
}

func (d *dumper) node(key, value []byte) error {
	opened, err := openMeta(key, value)
	if err != nil {
		return err
	}
	if d.options.JSON {
		return d.json(dumpLine{Node: string(key[1:]), Bytes: len(opened)})
	}
	_, err = fmt.Fprintf(d.out, "node    %-12s %8d B\n", key[1:], len(opened))
	return err
}

func (d *dumper) record(key, value []byte) error {
	r, err := decodeRecord(key, value)
	if d.options.Shard != nil && len(key) == keySize && !d.options.Shard(r.Shard) {
		return nil
	}
	if err != nil {
		return err
	}
	text := ""
	if d.options.Decode != nil {
		text = d.options.Decode(r.Shard, r.Payload)
	}
	if d.options.JSON {
		return d.json(dumpLine{
			Shard: r.Shard.String(), First: r.First, Last: r.Last, Term: r.Term, Bytes: len(r.Payload), Shrinks: r.Shrinks, Text: text,
		})
	}
	mark := ""
	if r.Shrinks {
		mark = "  shrinks"
	}
	if text != "" {
		text = "  " + text
	}
	_, err = fmt.Fprintf(d.out, "shard %-8v %10d..%-10d term %-4d %8d B%s%s\n", r.Shard, r.First, r.Last, r.Term, len(r.Payload), mark, text)
	return err
}
