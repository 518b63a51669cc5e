package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	goruntime "runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/bench"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/verify"
)

// verifying is one run of the verb verify.
type verifying struct {
	*remote
	from  *from
	extra bool
	limit int
	found []found
	cut   error // why the source may not be whole
}

// found is one difference in JSON.
type found struct {
	Kind verify.Kind `json:"kind"`
	jsonKey
	Local  int64 `json:"local_size"`  // bytes; -1: not there
	Remote int64 `json:"remote_size"` // likewise
}

func verifyCommand(c *console) *cobra.Command {
	v := &verifying{found: []found{}}
	cmd := &cobra.Command{
		Use: "verify", Short: "compare a source with what is stored", Args: cobra.NoArgs,
		Long: `Compares every item of a source with the keyspace, by SHA-256 of the values. Keys and values come from the source as
they do in load. Exit code 4 says that keys are missing or different, 1 that nothing of what is in the source is, but that some of
it cannot be compared, or that it is a backup without an end, which may be cut.
Folders are compared as they are read; the keys of files are sorted in memory first (about 100 bytes a key).`,
		Example: `  troupe verify --dir ./site --prefix www/
  troupe verify --dir ./site --prefix www/ --extra
  troupe verify --csv users.csv --key-column id --prefix user: --json`,
	}
	v.from = withSource(cmd)
	cmd.Flags().BoolVar(&v.extra, "extra", false, "keys under --prefix that the source does not have are differences, too")
	cmd.Flags().IntVar(&v.limit, "limit", 20, "name at most this `number` of differences (0: all); all are counted")
	v.remote = withRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := v.open(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		return v.run(cmd.Context(), client)
	}
	return cmd
}

func (v *verifying) run(ctx context.Context, client *admin.Client) error {
	if _, err := v.identity(ctx, client); err != nil {
		return err
	}
	local, total, err := v.local()
	if err != nil {
		return err
	}
	start := time.Now()
	m := newMeter(v.c, "verify", total)
	stored := v.stored(ctx, client)
	counts, err := verify.Compare(local, stored, verify.Options{
		Extra: v.extra, Found: func(d verify.Difference) { v.note(m, d) }, Progress: m.show,
		Refused: func(e *source.ItemError) { m.say("verify: %v", e) },
		Expired: func(at int64) bool { return !time.UnixMilli(at).After(time.Now()) },
	})
	m.end()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return v.explain(err)
	}
	return v.finish(counts, time.Since(start))
}

// local is the source in key order, and its size in bytes (-1: unknown).
func (v *verifying) local() (iter.Seq2[source.Sum, error], int64, error) {
	if v.from.dir != "" {
		_, total, err := source.Measure(v.from.dir)
		if err != nil {
			return nil, 0, err
		}
		tree, err := source.OpenTree(v.from.dir, v.from.format.Prefix, total)
		if err != nil {
			return nil, 0, err
		}
		return source.Sums(tree, goruntime.GOMAXPROCS(0)), total, nil
	}
	records, err := source.OpenRecords(v.from.file(), v.c.in, v.from.format, source.Place{})
	if err != nil {
		return nil, 0, err
	}
	defer records.Close()
	sums, bad, err := source.Sorted(records, func(int64) {})
	if err != nil {
		return nil, 0, err
	}
	v.cut = v.from.whole(records)
	return func(yield func(source.Sum, error) bool) {
		for _, e := range bad {
			if !yield(source.Sum{}, e) {
				return
			}
		}
		for _, sum := range sums {
			if !yield(sum, nil) {
				return
			}
		}
	}, -1, nil
}

// stored is what the keyspace holds under the prefix, in key order.
func (v *verifying) stored(ctx context.Context, client *admin.Client) iter.Seq2[source.Sum, error] {
	return func(yield func(source.Sum, error) bool) {
		for f, err := range client.Scan(ctx, v.keyspace, admin.ScanOptions{Prefix: []byte(v.from.format.Prefix), Digests: true}) {
			if err == nil && len(f.SHA256) != sha256.Size {
				err = fmt.Errorf("the node sent no digest of %s", keyText(f.Key))
			}
			sum := source.Sum{Key: f.Key, Size: f.Size}
			copy(sum.SHA256[:], f.SHA256)
			if !yield(sum, err) {
				return
			}
		}
	}
}

// note names a difference, unless there are too many.
func (v *verifying) note(m *meter, d verify.Difference) {
	if v.limit > 0 && len(v.found) >= v.limit {
		return
	}
	v.found = append(v.found, found{d.Kind, keyJSON(d.Key), d.Local, d.Remote})
	if v.json {
		return
	}
	sizes := ""
	if d.Kind == verify.Different {
		sizes = fmt.Sprintf("  (%d bytes here, %d stored)", d.Local, d.Remote)
	}
	m.say("%-9s  %s%s", d.Kind, keyText(d.Key), sizes)
}

func (v *verifying) finish(counts verify.Counts, elapsed time.Duration) error {
	if v.json {
		err := printJSON(v.c.out, struct {
			verify.Counts
			Seconds float64 `json:"seconds"`
			Found   []found `json:"differences"`
		}{counts, elapsed.Seconds(), v.found})
		if err != nil {
			return err
		}
	} else {
		rate := int64(float64(counts.Bytes) / max(elapsed.Seconds(), 1e-9))
		fmt.Fprintf(v.c.out, "verified: %s keys the same, %s in %.1f s (%s/s); %s missing, %s different", bench.Thousands(counts.Same),
			byteText(counts.Bytes), elapsed.Seconds(), byteText(rate), bench.Thousands(counts.Missing), bench.Thousands(counts.Different))
		if v.extra {
			fmt.Fprintf(v.c.out, ", %s extra", bench.Thousands(counts.Extra))
		}
		if counts.Expired > 0 {
			fmt.Fprintf(v.c.out, ", %s expired", bench.Thousands(counts.Expired))
		}
		fmt.Fprintln(v.c.out)
	}
	var err error
	switch {
	case counts.Differences() > 0:
		err = &failure{exitDifferent, fmt.Errorf("%s differences", bench.Thousands(counts.Differences()))}
	case counts.Refused > 0:
		err = fmt.Errorf("%s items of the source cannot be compared", bench.Thousands(counts.Refused))
	}
	return errors.Join(err, v.cut)
}
