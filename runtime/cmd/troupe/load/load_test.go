package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
)

// keyspace takes what is loaded. limit, if not 0, is how many batches it takes before it fails.
type keyspace struct {
	mu      sync.Mutex
	keys    map[string]string
	puts    int // items, every write counted
	batches int
	limit   int
}

var errDown = errors.New("down")

func (k *keyspace) put(_ context.Context, items []source.Item) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.limit > 0 && k.batches >= k.limit {
		return errDown
	}
	k.batches++
	for _, item := range items {
		k.keys[string(item.Key)] = string(item.Value)
		k.puts++
	}
	return nil
}

func newKeyspace(limit int) *keyspace { return &keyspace{keys: map[string]string{}, limit: limit} }

func lines(t *testing.T, content string, from source.Place) source.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.tsv")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return records(t, path, from)
}

func records(t *testing.T, path string, from source.Place) source.Source {
	t.Helper()
	s, err := source.OpenRecords(path, nil, source.Format{Kind: source.Lines}, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestTheLastValueOfAKeyWins(t *testing.T) {
	var content strings.Builder
	want := map[string]string{}
	for i := range 5000 {
		key, value := fmt.Sprint("k", i%37), fmt.Sprint(i)
		fmt.Fprintf(&content, "%s\t%s\n", key, value)
		want[key] = value
	}
	k := newKeyspace(0)
	sum, err := Run(t.Context(), lines(t, content.String(), source.Place{}), Options{Put: k.put, Workers: 7, BatchItems: 3})
	if err != nil || sum.Items != 5000 || sum.Read != int64(content.Len()) || sum.Refused != 0 {
		t.Fatalf("%+v, %v", sum, err)
	}
	for key, value := range want {
		if k.keys[key] != value {
			t.Errorf("%s = %s, want %s", key, k.keys[key], value)
		}
	}
}

func TestLargeItemsTravelAlone(t *testing.T) {
	big := strings.Repeat("x", 1000)
	var sizes []int
	put := func(_ context.Context, items []source.Item) error {
		sizes = append(sizes, len(items))
		return nil
	}
	content := "a\t1\nb\t1\nc\t" + big + "\nd\t1\n"
	if _, err := Run(t.Context(), lines(t, content, source.Place{}), Options{Put: put, Workers: 1, BatchBytes: 500}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(sizes) != "[2 1 1]" {
		t.Errorf("batches of %v items", sizes)
	}
}

// interrupted is a keyspace that fails as soon as a run has got well ahead: all lines up to from+stride are acknowledged.
type interrupted struct {
	mu    sync.Mutex
	lines map[string]int // by key, counted from 1
	from  int            // the line that the run began behind
	acked map[int]bool   // lines of this run
	last  int            // the last line with a key
}

// stride is how many lines a run gets ahead before it is interrupted.
const stride = 40

// prefix is the last acknowledged line before the first that is not. Lines without a key are not waited for.
func (k *interrupted) prefix() int {
	reached := k.from
	keyed := map[int]bool{}
	for _, line := range k.lines {
		keyed[line] = true
	}
	for line := k.from + 1; line <= k.last && (k.acked[line] || !keyed[line]); line++ {
		if k.acked[line] {
			reached = line
		}
	}
	return reached
}

func (k *interrupted) put(_ context.Context, items []source.Item) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if reached := k.prefix(); reached >= k.from+stride && reached < k.last {
		return errDown
	}
	for _, item := range items {
		k.acked[k.lines[string(item.Key)]] = true
	}
	return nil
}

// An interrupted load of records, repeated until it ends, loads everything. However its workers took turns, the next run begins
// behind the last line up to which all were acknowledged, and what was refused stays known.
func TestRecordsContinueAfterEveryInterruption(t *testing.T) {
	var content strings.Builder
	k := interrupted{lines: map[string]int{}}
	line, wantRefused := 0, 0
	for i := range 400 {
		if i%50 == 7 {
			content.WriteString("refused\n")
			line, wantRefused = line+1, wantRefused+1
		}
		line++
		k.lines[fmt.Sprint("k", i)] = line
		fmt.Fprintf(&content, "k%d\t%d\n", i, i)
	}
	k.last = line
	dir := t.TempDir()
	path, in := filepath.Join(dir, "journal"), filepath.Join(dir, "in.tsv")
	if err := os.WriteFile(in, []byte(content.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	job := Job{Source: in, Options: "lines", Target: "c", Size: int64(content.Len())}
	ever, refused := map[int]bool{}, map[string]bool{}
	for runs, done := 0, false; !done; runs++ {
		j, err := OpenJournal(path, job, false)
		if err != nil || j.Changed != "" {
			t.Fatalf("run %d: %v, begins anew: %q", runs, err, j.Changed)
		}
		if at := int(j.From.Line); at < k.prefix() || runs > 0 && at < k.from+stride {
			t.Fatalf("run %d begins behind line %d; all up to %d were acknowledged, from %d on", runs, at, k.prefix(), k.from)
		}
		for _, text := range j.Refused {
			refused[text] = true
		}
		k.from, k.acked = int(j.From.Line), map[int]bool{}
		_, err = Run(t.Context(), records(t, in, j.From), Options{
			Put: k.put, Workers: 4, BatchItems: 5, Journal: j, Refused: func(e *source.ItemError) { refused[e.Error()] = true },
		})
		maps.Copy(ever, k.acked)
		if done = err == nil; done {
			err = j.Finish()
		} else if errors.Is(err, errDown) {
			err = j.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if done && runs < 2 {
			t.Errorf("only %d interruptions", runs)
		}
	}
	if len(ever) != 400 || len(refused) != wantRefused {
		t.Errorf("%d of 400 keys, %d of %d refused", len(ever), len(refused), wantRefused)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is still there: %v", err)
	}
}

func TestATreeContinuesAndReloadsWhatChanged(t *testing.T) {
	root, path := t.TempDir(), filepath.Join(t.TempDir(), "deep", "journal")
	write := func(i int, content string) {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("f%03d", i)), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		write(i, fmt.Sprint("first ", i))
	}
	job := Job{Source: root, Options: "dir", Target: "c"}
	k := newKeyspace(12)
	run := func() (*Unfinished, error) {
		j, err := OpenJournal(path, job, false)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := source.OpenTree(root, "", -1)
		if err != nil {
			t.Fatal(err)
		}
		u := &Unfinished{Tree: tree, Journal: j}
		_, err = Run(t.Context(), u, Options{Put: k.put, Workers: 3, BatchItems: 4, Journal: j})
		j.Close()
		return u, err
	}
	if _, err := run(); !errors.Is(err, errDown) {
		t.Fatalf("the first run gave %v", err)
	}
	acknowledged := k.puts
	write(0, "changed since") // f000 was in the first batch of its worker
	k.limit = 0
	u, err := run()
	if err != nil {
		t.Fatal(err)
	}
	if len(k.keys) != 100 || k.keys["f000"] != "changed since" {
		t.Errorf("%d keys, f000 = %q", len(k.keys), k.keys["f000"])
	}
	if u.Files() != acknowledged-1 && u.Files() != acknowledged {
		t.Errorf("%d files were acknowledged, %d passed over", acknowledged, u.Files())
	}
}

func TestJournalsOfSomethingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	job := Job{Source: "/a", Options: "o", Target: "t", Size: 5, Mtime: 6}
	begin := func(job Job, restart bool) *Journal {
		t.Helper()
		j, err := OpenJournal(path, job, restart)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	for want, change := range map[string]func(*Job){
		"another source":  func(j *Job) { j.Source = "/b" },
		"other options":   func(j *Job) { j.Options = "p" },
		"another cluster": func(j *Job) { j.Target = "u" },
		"has changed":     func(j *Job) { j.Mtime++ },
	} {
		j := begin(job, true)
		if err := j.through(source.Place{Offset: 3, Line: 1}); err != nil {
			t.Fatal(err)
		}
		j.Close()
		other := job
		change(&other)
		j = begin(other, false)
		if j.Continues() || !strings.Contains(j.Changed, want) {
			t.Errorf("%s: continues %v, changed %q", want, j.Continues(), j.Changed)
		}
		j.Close()
	}
	if err := os.WriteFile(path, []byte("dear diary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(path, job, true); !errors.Is(err, ErrNoJournal) {
		t.Errorf("somebody's file gave %v", err)
	}
}

// However a crash cuts a journal short, what remains of it is true.
func TestATornJournalNeverClaimsMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	job := Job{Source: "/a"}
	j, err := OpenJournal(path, job, false)
	if err != nil {
		t.Fatal(err)
	}
	places := []source.Place{{Offset: 10, Line: 1}, {Offset: 2500, Line: 20}, {Offset: 31000, Line: 300}}
	items := []source.Item{{Key: []byte("a b\n\"c\""), Place: source.Place{Size: 120, Mtime: 99}}}
	for _, p := range places {
		if err := errors.Join(j.through(p), j.files(items), j.refuse(&source.ItemError{Where: "w", Err: errDown, Place: p})); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := strings.Index(string(whole), "\n") + 1
	for cut := head; cut <= len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := OpenJournal(path, job, false)
		if err != nil {
			t.Fatal(err)
		}
		known := j.From == source.Place{}
		for _, p := range places {
			known = known || p == j.From
		}
		if stamp, ok := j.Done[string(items[0].Key)]; !known || len(j.Done) > 1 || ok && stamp != (Stamp{120, 99}) {
			t.Fatalf("cut at %d: from %+v, done %v", cut, j.From, j.Done)
		}
		if err := errors.Join(j.through(source.Place{Offset: 99999, Line: 999}), j.Close()); err != nil {
			t.Fatal(err)
		}
		if j, err = OpenJournal(path, job, false); err != nil || j.From.Offset != 99999 {
			t.Fatalf("cut at %d: what was added after the cut is lost: %+v, %v", cut, j, err)
		}
		j.Close()
	}
}

func TestTemporaryErrorsAreRetriedWithPatience(t *testing.T) {
	content := "a\t1\n"
	s := lines(t, content, source.Place{})
	again := lines(t, content, source.Place{})
	synctest.Test(t, func(t *testing.T) {
		tries, pauses := 0, 0
		o := Options{
			Temporary: func(err error) bool { return errors.Is(err, errDown) },
			Patience:  30 * time.Second,
			Retrying:  func(error, time.Duration) { pauses++ },
			Put: func(context.Context, []source.Item) error {
				if tries++; tries < 5 {
					return errDown
				}
				return nil
			},
		}
		if sum, err := Run(t.Context(), s, o); err != nil || sum.Items != 1 || pauses != 4 {
			t.Errorf("%+v, %v after %d pauses", sum, err, pauses)
		}
		start := time.Now()
		o.Put = func(context.Context, []source.Item) error { return errDown }
		_, err := Run(t.Context(), again, o)
		if waited := time.Since(start); !errors.Is(err, errDown) || waited > o.Patience || waited < o.Patience-lastPause {
			t.Errorf("gave up after %v with %v", waited, err)
		}
	})
}

func TestFailuresEndTheLoad(t *testing.T) {
	var content strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&content, "k%d\tv\n", i)
	}
	k := newKeyspace(3)
	if _, err := Run(t.Context(), lines(t, content.String(), source.Place{}), Options{Put: k.put, BatchItems: 2}); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	put := func(context.Context, []source.Item) error { cancel(); return nil }
	if _, err := Run(ctx, lines(t, content.String(), source.Place{}), Options{Put: put, BatchItems: 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled load gave %v", err)
	}
	if _, err := Run(t.Context(), broken{}, Options{Put: k.put}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken source gave %v", err)
	}
}

type broken struct{}

func (broken) Next() (source.Item, error) { return source.Item{}, io.ErrUnexpectedEOF }
func (broken) Total() int64               { return -1 }
func (broken) Skipped() source.Skipped    { return source.Skipped{} }
func (broken) Close() error               { return nil }
