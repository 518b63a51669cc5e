package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/bench"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/load"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
	"github.com/troupe-actors/troupe/shards"
)

// loading is one run of the verb load.
type loading struct {
	*remote
	from        *from
	ttl         time.Duration
	batch       int
	concurrency int
	patience    time.Duration
	journalPath string
	restart     bool

	client  *admin.Client
	journal *load.Journal // nil: standard input
	tree    *load.Unfinished
	records *source.Records // nil: a folder
	meter   *meter
	refused int
	expired tally // keys of the source whose time has passed
}

// tally counts keys and the bytes of their values, for workers that run at once.
type tally struct{ items, bytes atomic.Int64 }

func (t *tally) add(item *source.Item) {
	t.items.Add(1)
	t.bytes.Add(int64(len(item.Value)))
}

func loadCommand(c *console) *cobra.Command {
	l := &loading{}
	cmd := &cobra.Command{
		Use: "load", Short: "write a folder, lines, CSV, JSON lines or a backup", Args: cobra.NoArgs,
		Long: `Writes every item of a source as a key. A load that was interrupted continues when the same command is run again: a
journal remembers what the node acknowledged. Files that have changed since are written again.
Symbolic links are left out. What cannot be written (over 64 MiB, no key) is reported, and the exit code is then 1.
So it is after a backup without an end, which may be cut: what it holds is written.`,
		Example: `  troupe load --dir ./site --prefix www/
  troupe load --lines words.tsv
  troupe load --csv users.csv --key-column id --prefix user:
  zcat events.gz | troupe load --jsonl - --key-field id --ttl 720h
  troupe scan --values --json > backup.jsonl; troupe load --scanned backup.jsonl`,
	}
	l.from = withSource(cmd)
	f := cmd.Flags()
	f.DurationVar(&l.ttl, "ttl", 0, "let the keys expire after this `time`")
	f.IntVar(&l.batch, "batch", 512, "`keys` per request")
	f.IntVar(&l.concurrency, "concurrency", 4, "`requests` at a time")
	f.DurationVar(&l.patience, "patience", 30*time.Second, "keep trying for this `time` when the node does not answer")
	f.StringVar(&l.journalPath, "resume", "", "journal `file` (default: in the user's cache folder, one for each source and target)")
	f.BoolVar(&l.restart, "restart", false, "ignore the journal of an earlier run")
	l.remote = withRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if l.ttl < 0 {
			return usage("--ttl %v is negative", l.ttl)
		}
		l.remote.patience = min(patience, l.patience)
		if l.client, err = l.open(cmd.Context()); err != nil {
			return err
		}
		defer l.client.Close()
		return l.run(cmd.Context())
	}
	return cmd
}

func (l *loading) run(ctx context.Context) error {
	target, err := l.identity(ctx, l.client)
	if err != nil {
		return err
	}
	if err := l.openJournal(target); err != nil {
		return err
	}
	s, err := l.openSource()
	if err != nil {
		l.closeJournal(err)
		return err
	}
	defer s.Close()
	start := time.Now()
	l.meter = newMeter(l.c, "load", s.Total())
	sum, err := load.Run(ctx, s, load.Options{
		Put: l.put, Temporary: temporary, Patience: l.patience, Workers: l.concurrency, BatchItems: l.batch, Journal: l.journal,
		Progress: func(items, bytes int64) { l.meter.show(items, bytes+l.already()) },
		Refused:  l.refuse,
		Retrying: func(err error, in time.Duration) { l.meter.say("load: trying again in %v: %v", in, err) },
	})
	l.meter.end()
	err = errors.Join(err, l.closeJournal(err))
	return l.finish(ctx, sum, s.Skipped(), time.Since(start), err)
}

// openJournal finds out what an earlier run has done. Standard input has no journal: it cannot be read again.
func (l *loading) openJournal(target string) error {
	if l.from.dir == "" && l.from.file() == "-" {
		return nil
	}
	job, err := l.from.job(target)
	if err != nil {
		return err
	}
	path := l.journalPath
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no place for the journal: %w; name one with --resume FILE", err)
		}
		name := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s", job.Source, job.Options, job.Target))
		path = filepath.Join(cache, "troupe", "load", fmt.Sprintf("%x.journal", name[:12]))
	}
	if l.journal, err = load.OpenJournal(path, job, l.restart); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if l.journal.Changed != "" {
		fmt.Fprintf(l.c.err, "load: the journal %s is not continued: %s\n", path, l.journal.Changed)
	}
	if l.journal.Continues() {
		fmt.Fprintf(l.c.err, "load: continuing an interrupted load; --restart begins anew\n")
	}
	return nil
}

// closeJournal removes the journal of a load that is done, and keeps it otherwise.
func (l *loading) closeJournal(failed error) error {
	if l.journal == nil {
		return nil
	}
	if failed != nil {
		return l.journal.Close()
	}
	return l.journal.Finish()
}

func (l *loading) openSource() (source.Source, error) {
	if l.from.dir == "" {
		at := source.Place{}
		if l.journal != nil {
			at = l.journal.From
			for _, text := range l.journal.Refused {
				l.report(text)
			}
		}
		var err error
		l.records, err = source.OpenRecords(l.from.file(), l.c.in, l.from.format, at)
		return l.records, err
	}
	_, total, err := source.Measure(l.from.dir)
	if err != nil {
		return nil, err
	}
	tree, err := source.OpenTree(l.from.dir, l.from.format.Prefix, total)
	if err != nil {
		return nil, err
	}
	l.tree = &load.Unfinished{Tree: tree, Journal: l.journal}
	return l.tree, nil
}

// already is how many bytes of the source earlier runs have loaded.
func (l *loading) already() int64 {
	switch {
	case l.tree != nil:
		return l.tree.Bytes()
	case l.journal != nil:
		return l.journal.From.Offset
	}
	return 0
}

// maxFrame bounds a bulk request, in bytes; a larger item travels alone.
const maxFrame = 8 << 20

func (l *loading) put(ctx context.Context, items []source.Item) error {
	w := l.client.Bulk(ctx, l.keyspace, admin.BulkOptions{Parallel: 1, FrameBytes: maxFrame})
	var failed error
	var expired []*source.Item
	for i := range items {
		item := &items[i]
		life, over := l.life(item, time.Now())
		if over {
			expired = append(expired, item)
		}
		if failed = w.Add(item.Key, item.Value, life); failed != nil {
			break
		}
	}
	result, err := w.Close()
	if err == nil && failed == nil && result.Items != int64(len(items)) {
		err = fmt.Errorf("%d keys were sent, %d acknowledged", len(items), result.Items)
	}
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	for _, item := range expired {
		l.expired.add(item)
	}
	return nil
}

// life is how long a key shall live: until the time that it had when it was scanned, if that is said; 0 is for ever. One whose time has
// passed is over: it lives for the shortest time that there is, so that it is not there as before, whatever the keyspace holds.
func (l *loading) life(item *source.Item, now time.Time) (life time.Duration, over bool) {
	if item.ExpireAt == 0 || l.ttl != 0 {
		return l.ttl, false
	}
	life = time.UnixMilli(item.ExpireAt).Sub(now)
	return max(time.Millisecond, life), life <= 0
}

// temporary says whether a request may work later by itself: the node was not reached, starts, or is busy.
func temporary(err error) bool {
	var e *admin.Error
	return errors.As(err, &e) && e.Kind != admin.KindReadOnly && (e.ErrorKind() == shards.KindUnavailable || e.ErrorKind() == shards.KindOutcomeUnknown)
}

func (l *loading) refuse(e *source.ItemError) { l.report(e.Error()) }

// maxReports bounds how many refused items are named; all are counted.
const maxReports = 100

func (l *loading) report(text string) {
	l.refused++
	switch {
	case l.refused > maxReports+1:
	case l.refused > maxReports:
		text = "more items cannot be loaded; they are counted only"
		fallthrough
	case l.meter != nil:
		l.meter.say("load: %s", text)
	default:
		fmt.Fprintf(l.c.err, "load: %s\n", text)
	}
}

// loaded is the summary in JSON.
type loaded struct {
	Items   int64          `json:"items"`
	Bytes   int64          `json:"bytes"`   // of values
	Expired int64          `json:"expired"` // meanwhile: not among the items
	Earlier int            `json:"earlier"`
	Refused int            `json:"refused"`
	Skipped source.Skipped `json:"skipped"`
	Seconds float64        `json:"seconds"`
}

func (l *loading) finish(ctx context.Context, sum load.Summary, skipped source.Skipped, elapsed time.Duration, err error) error {
	expired := l.expired.items.Load()
	report := loaded{
		Items: sum.Items - expired, Bytes: sum.Bytes - l.expired.bytes.Load(), Expired: expired, Refused: l.refused, Skipped: skipped, Seconds: elapsed.Seconds(),
	}
	if l.tree != nil {
		report.Earlier = l.tree.Files()
	}
	if l.json {
		err = errors.Join(err, printJSON(l.c.out, report))
	} else {
		fmt.Fprintln(l.c.out, report.String())
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; run the same command again to go on")
	case err != nil && l.journal != nil:
		return fmt.Errorf("%w\n  what was acknowledged is noted: run the same command again to go on", l.explain(err))
	case err != nil:
		return l.explain(err)
	case l.refused > 0:
		err = fmt.Errorf("%d items could not be loaded", l.refused)
	}
	return errors.Join(err, l.from.whole(l.records))
}

// String is the summary for people.
func (r *loaded) String() string {
	perSecond := func(n int64) int64 { return int64(float64(n) / max(r.Seconds, 1e-9)) }
	text := fmt.Sprintf("loaded %s keys, %s in %.1f s: %s keys/s, %s/s", bench.Thousands(r.Items), byteText(r.Bytes), r.Seconds,
		bench.Thousands(perSecond(r.Items)), byteText(perSecond(r.Bytes)))
	for _, extra := range []struct {
		n    int
		what string
	}{
		{int(r.Expired), "expired meanwhile"}, {r.Earlier, "loaded earlier"}, {r.Refused, "refused"}, {r.Skipped.Symlinks, "symbolic links left out"},
		{r.Skipped.Special, "special files left out"}, {r.Skipped.Blank, "empty lines"},
	} {
		if extra.n > 0 {
			text += fmt.Sprintf("; %s %s", bench.Thousands(int64(extra.n)), extra.what)
		}
	}
	return text
}
