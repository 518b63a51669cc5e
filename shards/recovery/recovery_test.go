package recovery

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wire"
)

var (
	worlds = flag.Int("worlds", 400, "random worlds to run in each test")
	first  = flag.Uint64("seed", 1, "seed of the first world")
)

// world is one source and one target over a net that loses, doubles and reorders. The snapshot is a list of letters, each a
// chunk and a key.
type world struct {
	chance  *rand.Rand
	rough   bool
	letters string
	base    replica.Position
	stream  uint64

	source *Source
	open   bool
	next   int // of letters, to be read
	target *Target

	loader    []byte
	loading   *chunk
	install   bool
	installed string
	done      bool
	failed    []string
	mail      []Message
	wrong     error
}

func (w *world) config() Config {
	return Config{Shard: 3, Window: 3, WindowBytes: 5, BytesPerTick: 2, ResendTicks: 3, SilenceTicks: 25}
}

func newWorld(seed uint64) *world {
	w := &world{chance: rand.New(rand.NewPCG(seed, 3)), rough: true, base: replica.Position{Term: 2, Seq: 40}}
	w.letters = "!#$%&()*+,-./0123456"[:1+w.chance.IntN(20)]
	w.target, _ = NewTarget(w.config())
	w.target.Configure(9, 5, true)
	w.begin()
	return w
}

// begin starts another stream; sometimes of a newer snapshot.
func (w *world) begin() {
	w.stream++
	if w.chance.IntN(3) == 0 {
		w.base.Seq++
		w.letters += string(rune(w.letters[len(w.letters)-1] + 1))
	}
	w.source, _ = NewSource(w.config(), 5, 4, 9, w.stream, w.base)
	w.open = false
	w.carryOut()
}

func (w *world) carryOut() {
	for more := true; more && w.wrong == nil; {
		more = w.carrySource() || w.carryTarget()
		w.wrong = errors.Join(w.wrong, w.source.Check(), w.target.Check())
	}
}

func (w *world) carrySource() bool {
	r := w.source.Ready()
	w.mail = append(w.mail, r.Messages...)
	if r.Open {
		w.open, w.next = true, 0
		for r.After != nil && w.next < len(w.letters) && w.letters[w.next] <= r.After[0] {
			w.next++
		}
	}
	if r.Read > 0 {
		if w.next == len(w.letters) {
			w.source.Chunk(nil, true) // nothing is missing but the end itself
		} else {
			w.source.Chunk([]byte{w.letters[w.next]}, w.next == len(w.letters)-1)
			w.next++
		}
	}
	w.done = w.done || r.Done
	if r.Failed != "" {
		w.failed = append(w.failed, "source: "+r.Failed)
	}
	return len(r.Messages) > 0 || r.Read > 0
}

func (w *world) carryTarget() bool {
	r := w.target.Ready()
	w.mail = append(w.mail, r.Messages...)
	if r.Begin || r.Forget {
		w.loader = nil
	}
	if r.Load != nil {
		if w.loading != nil {
			w.wrong = errors.New("two chunks are being loaded")
		}
		w.loading = &chunk{r.Load, r.Last}
	}
	w.install = w.install || r.Install
	if r.Failed != "" {
		w.failed = append(w.failed, "target: "+r.Failed)
	}
	return len(r.Messages) > 0
}

// step lets one thing happen.
func (w *world) step() {
	switch dice := w.chance.IntN(20); {
	case dice < 10:
		w.deliver()
		for i := 0; i < 4 && !w.rough; i++ {
			w.deliver()
		}
	case dice < 14 && w.loading != nil:
		c := w.loading
		w.loading = nil
		w.loader = append(w.loader, c.data...)
		w.target.Loaded(w.loader[len(w.loader)-1:], c.end, nil)
	case dice < 16 && w.install:
		w.install = false
		w.installed = string(w.loader)
		w.target.Installed(nil)
	case dice < 19:
		w.source.Tick()
		w.target.Tick()
	case w.rough && w.chance.IntN(8) == 0:
		w.source.Stop("the reign is over")
	}
	w.carryOut()
	if w.source.Ended() && !w.done {
		w.begin()
	}
}

func (w *world) deliver() {
	if len(w.mail) == 0 {
		return
	}
	i := 0
	if w.rough {
		i = w.chance.IntN(min(4, len(w.mail)))
	}
	m := w.mail[i]
	if !w.rough || w.chance.IntN(10) > 0 {
		w.mail = slices.Delete(w.mail, i, i+1)
	}
	if w.rough && w.chance.IntN(6) == 0 {
		return
	}
	got, err := Decode(Append(nil, &m))
	if err != nil {
		w.wrong = err
		return
	}
	if m.To == 9 {
		w.target.Step(&got)
	} else {
		w.source.Step(&got)
	}
}

// TestRandomStreams: DESIGN.md section 4, "O(1) snapshot of the tree at a sequence number, streamed with a bandwidth budget":
// whatever is lost on the way, what is installed is a snapshot that was sent, whole.
func TestRandomStreams(t *testing.T) {
	for seed := *first; seed < *first+uint64(*worlds); seed++ {
		w := newWorld(seed)
		for n := 0; !w.done && w.wrong == nil; n++ {
			if w.rough = n < 300; n > 5000 {
				w.wrong = fmt.Errorf("never done: %v", w.failed)
				break
			}
			w.step()
		}
		if w.wrong == nil && w.installed != w.letters {
			w.wrong = fmt.Errorf("installed %q, want %q", w.installed, w.letters)
		}
		if w.wrong != nil {
			t.Fatalf("seed %d: %v\nrepeat: go test ./shards/recovery -run TestRandomStreams -seed %d -worlds 1", seed, w.wrong, seed)
		}
	}
}

// TestBudget: a source sends no more in a tick than it may, and no more ahead than the window.
func TestBudget(t *testing.T) {
	s, err := NewSource(Config{Shard: 1, Window: 3, BytesPerTick: 100, WindowBytes: 1 << 20}, 1, 1, 2, 1, replica.Position{Term: 1, Seq: 9})
	if err != nil {
		t.Fatal(err)
	}
	s.Step(&Message{Kind: KindAccept, From: 2, To: 1, Term: 1, Stream: 1})
	read := func() (n int) {
		for s.Ready().Read > 0 {
			s.Chunk(make([]byte, 60), false)
			n++
		}
		return n
	}
	if n := read(); n != 2 {
		t.Fatalf("%d chunks of 60 bytes with a budget of 100: the second overdraws it, and no more", n)
	}
	s.Tick()
	if n := read(); n != 1 {
		t.Fatalf("%d chunks in the next tick, the window has room for one", n)
	}
	s.Tick()
	s.Tick()
	if n := read(); n != 0 {
		t.Fatalf("%d chunks beyond the window", n)
	}
	s.Step(&Message{Kind: KindGot, From: 2, To: 1, Term: 1, Stream: 1, Index: 1})
	if n := read(); n != 1 {
		t.Fatalf("%d chunks for one that was loaded", n)
	}
}

// TestHandOver: DESIGN.md section 4, "a hand-over with a pause bounded in milliseconds and no failed request".
func TestHandOver(t *testing.T) {
	h, err := NewHandOver(Config{PauseTicks: 3, BackoffTicks: 5}, 2)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when string, want HandOverReady) {
		t.Helper()
		if got := h.Ready(); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	h.Step(false, false)
	expect("the copy is not in sync", HandOverReady{})
	h.Step(true, false)
	expect("it is", HandOverReady{Pause: true})
	for range 3 {
		h.Tick()
		h.Step(true, false)
	}
	expect("it lacks something for too long", HandOverReady{Resume: "it took too long"})
	h.Tick()
	h.Step(true, true)
	expect("too soon after that", HandOverReady{})
	for range 5 {
		h.Tick()
	}
	h.Step(true, true)
	expect("all there", HandOverReady{Pause: true, Propose: true})
	h.Refused("the row has changed")
	expect("refused", HandOverReady{Resume: "it was refused: the row has changed"})
	for range 5 {
		h.Tick()
	}
	h.Step(true, false)
	expect("again", HandOverReady{Pause: true})
	h.Step(false, false)
	expect("the copy lagged and was removed", HandOverReady{Resume: "the copy left the in-sync set"})
}

// A disk takes so long for an fsync that what was under way when the writes were stopped is not there in the time of the first try.
func TestHandOverFromASlowDisk(t *testing.T) {
	h, err := NewHandOver(Config{PauseTicks: 3, MostPauseTicks: 10, BackoffTicks: 5}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{3, 6, 10, 10} {
		h.Step(true, false)
		if got := h.Ready(); got != (HandOverReady{Pause: true}) {
			t.Fatalf("a try begins with %+v", got)
		}
		for tick := 1; h.Paused(); tick++ {
			h.Tick()
			h.Step(true, false)
			if h.Paused() != (tick < most) {
				t.Fatalf("after %d ticks of %d it is paused: %v", tick, most, h.Paused())
			}
		}
		if got := h.Ready(); got.Resume != "it took too long" {
			t.Fatalf("it ends with %+v", got)
		}
		for range 5 {
			h.Tick()
		}
	}
	h.Step(true, false)
	for range 8 {
		h.Tick()
		h.Step(true, false)
	}
	h.Step(true, true)
	if got := h.Ready(); got != (HandOverReady{Pause: true, Propose: true}) {
		t.Errorf("after 8 ticks all is there: %+v", got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []Message{
		{Shard: 1, Kind: KindOffer, From: 1, To: 2, Term: 3, Stream: 4, Base: replica.Position{Term: 2, Seq: 9}, Data: []byte{}},
		{Shard: 1, Kind: KindAccept, From: 2, To: 1, Term: 3, Stream: 4, HasAfter: true, After: []byte("k"), Data: []byte{}},
		{Shard: 1, Kind: KindChunk, From: 1, To: 2, Term: 3, Stream: 4, Index: 7, Data: []byte("data"), End: true},
		{Shard: 1, Kind: KindFail, From: 1, To: 2, Term: 3, Stream: 4, Reason: "enough", Data: []byte{}},
	} {
		body := Append(nil, &m)
		if got, err := Decode(body); err != nil || !reflect.DeepEqual(got, m) {
			f.Fatalf("%+v came back as %+v, %v", m, got, err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := Decode(body)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if again, err := Decode(Append(nil, &m)); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v came back as %+v, %v", m, again, err)
		}
	})
}
