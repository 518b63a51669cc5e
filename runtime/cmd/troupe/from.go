package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/load"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
	"github.com/troupe-actors/troupe/shards"
)

// from is where load and verify take keys and values: exactly one of five.
type from struct {
	dir, lines, csv, jsonl, scanned string
	format                          source.Format
	noEnd                           bool
}

func withSource(cmd *cobra.Command) *from {
	s := &from{}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "`folder`: key = path below it with slashes, value = the file's bytes")
	f.StringVar(&s.lines, "lines", "", "`file` of lines: key TAB value (- is standard input, here and below)")
	f.StringVar(&s.csv, "csv", "", "CSV `file` with a header: value = the row as JSON")
	f.StringVar(&s.jsonl, "jsonl", "", "`file` of JSON objects, one a line: value = the line")
	f.StringVar(&s.scanned, "scanned", "", "`file` that troupe scan --values --json has printed: a backup, with the expiries")
	f.BoolVar(&s.noEnd, "no-end", false, "--scanned: take a file without an end, as of early releases, for whole")
	f.BoolVar(&s.format.AutoKey, "auto-key", false, "--lines: key = number of the line in twelve digits, value = the line")
	f.StringVar(&s.format.KeyColumn, "key-column", "", "--csv: `column` that is the key (default: the first)")
	f.StringVar(&s.format.ValueCol, "value-column", "", "--csv: `column` that is the value")
	f.StringVar(&s.format.KeyField, "key-field", "", "--jsonl: `field` that is the key (required)")
	f.StringVar(&s.format.ValueField, "value-field", "", "--jsonl: `field` that is the value")
	f.StringVar(&s.format.Prefix, "prefix", "", "`text` before each key")
	cmd.MarkFlagsMutuallyExclusive("dir", "lines", "csv", "jsonl", "scanned")
	cmd.MarkFlagsOneRequired("dir", "lines", "csv", "jsonl", "scanned")
	return s
}

// file is the file of records; empty for a folder.
func (s *from) file() string {
	switch {
	case s.lines != "":
		s.format.Kind = source.Lines
		return s.lines
	case s.csv != "":
		s.format.Kind = source.CSV
		return s.csv
	case s.jsonl != "":
		s.format.Kind = source.JSONL
		return s.jsonl
	case s.scanned != "":
		s.format.Kind = source.Scanned
		return s.scanned
	}
	return ""
}

// errNoEnd is how a backup ends that may not be whole. Scans of early releases look as those that were cut at a line's end, so that
// only who made the file can tell.
var errNoEnd = errors.New(`the file does not end as troupe scan --json does, with a count of its keys: it is of an earlier release, or cut
  if it is of an earlier release, --no-end takes it for whole`)

// whole is errNoEnd for a backup that was read to its end and may not be whole; r is nil for a folder.
func (s *from) whole(r *source.Records) error {
	if r == nil || s.noEnd || r.Whole() {
		return nil
	}
	return errNoEnd
}

// job describes the source and the target, so that only the same load is continued.
func (s *from) job(target string) (load.Job, error) {
	path := s.dir
	if path == "" {
		path = s.file()
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return load.Job{}, err
	}
	job := load.Job{Source: absolute, Options: fmt.Sprintf("%+v", s.format), Target: target}
	if s.dir == "" {
		info, err := os.Stat(path)
		if err != nil {
			return load.Job{}, err
		}
		job.Size, job.Mtime = info.Size(), info.ModTime().UnixNano()
	}
	return job, nil
}

// identity names the keyspace that a client reaches, so that a journal is not taken for what another one holds. Of a
// keyspace in memory, what is there after any node has started again counts as another: it may be less.
func (r *remote) identity(ctx context.Context, client *admin.Client) (string, error) {
	keyspaces, err := client.Keyspaces(ctx)
	if err != nil {
		return "", r.explain(err)
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return "", r.explain(err)
	}
	banner, err := client.Banner(ctx)
	if err != nil {
		return "", r.explain(err)
	}
	for _, k := range keyspaces {
		if k.Name != r.keyspace || len(nodes) == 0 {
			continue
		}
		id := fmt.Sprintf("%s/%s/%s", banner.Cluster, cmp.Or(banner.ClusterID, banner.ID), k.Name)
		if k.Durability == shards.DurabilityMemory.String() {
			lives := uint64(0)
			for _, n := range nodes {
				lives += uint64(n.Epoch)
			}
			id += fmt.Sprintf("@%d", lives)
		}
		return id, nil
	}
	var names []string
	for _, k := range keyspaces {
		names = append(names, k.Name)
	}
	return "", &failure{exitNotFound, fmt.Errorf("there is no keyspace %q; the node has %q", r.keyspace, names)}
}
