package cluster

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// kindred is what the rules of kinds.go say in the plainest way: the versions of one kind, and which it uses.
type kindred struct {
	next             uint32
	versions         map[uint32]KindVersion
	active, previous uint32
}

// keep drops the versions that are not kept.
func (k *kindred) keep() {
	newest := slices.Max(slices.Collect(maps.Keys(k.versions)))
	maps.DeleteFunc(k.versions, func(number uint32, _ KindVersion) bool {
		return number != k.active && number != k.previous && number != newest
	})
}

// TestRandomKinds plays commands about kinds of actors against a model. What holds of every state and step is checked by apply.
func TestRandomKinds(t *testing.T) {
	seed := seeds(t)
	used := 0
	for run := range *runsFlag {
		w := newWorld(t, rand.New(rand.NewPCG(seed, uint64(run)+7)))
		m := map[string]*kindred{}
		var codes [][]byte
		for i := range 6 {
			codes = append(codes, content(uint64(run*6+i)+99, 1+w.rand.IntN(2000)))
		}
		for step := range 120 {
			w.step = fmt.Sprintf("run %d step %d", run, step)
			code := pick(w.rand, codes)
			if w.rand.IntN(20) == 0 {
				w.play() // members die, return and are forgotten
				continue
			}
			if w.state.Module(DigestOf(code)) == nil {
				w.must(pushes(code)[0])
			}
			used += w.playKind(m, pick(w.rand, []string{"a", "b", "c"}), DigestOf(code))
			w.compareKinds(m)
		}
	}
	if used < *runsFlag {
		t.Errorf("%d versions were used in %d worlds: the mix is wrong", used, *runsFlag)
	}
}

func (w *world) playKind(models map[string]*kindred, name string, digest Digest) (used int) {
	k := models[name]
	switch w.rand.IntN(10) {
	case 0, 1, 2, 3:
		w.readyFor(digest)
	case 4, 5:
		if k == nil {
			k = &kindred{next: 1, versions: map[uint32]KindVersion{}}
			models[name] = k
		}
		data := 1 + w.rand.IntN(2)
		w.must(&Command{RegisterKind: &RegisterKind{Name: name, Keyspace: "actors", Digest: digest, Label: "1.0", Data: data, At: 5}})
		if !slices.ContainsFunc(slices.Collect(maps.Values(k.versions)), func(v KindVersion) bool { return v.Digest == digest }) {
			k.versions[k.next] = KindVersion{k.next, digest, "1.0", data, 5}
			k.next++
			k.keep()
		}
	case 6:
		if w.rand.IntN(4) > 0 {
			return 0
		}
		if o := w.apply(&Command{ForgetKind: &ForgetKind{Name: name}}); (o.Err == nil) != (k != nil) {
			w.Fatalf("%s: forgetting %s, which is there: %t: %v", w.step, name, k != nil, o.Err)
		}
		delete(models, name)
	default:
		return w.useKind(k, name)
	}
	return 0
}

// useKind has a kind use a version that it may have, and says whether it should have been allowed.
func (w *world) useKind(k *kindred, name string) (used int) {
	c := &UseKind{Name: name, Number: uint32(w.rand.IntN(6)), If: uint32(w.rand.IntN(3)), Older: w.rand.IntN(2) == 0, At: 9}
	wanted := c.Number
	allowed := k != nil
	if allowed {
		if wanted == 0 {
			wanted = slices.Max(slices.Collect(maps.Keys(k.versions)))
		}
		v, known := k.versions[wanted]
		allowed = known && (c.If == 0 || c.If == k.active)
		if allowed && wanted != k.active {
			cannot, waiting := w.state.UnreadyForKind(w.state.Module(v.Digest))
			allowed = len(cannot)+len(waiting) == 0 && (k.active == 0 || c.Older || v.Data >= k.versions[k.active].Data)
		}
	}
	edition := uint64(0)
	if now := w.state.Kind(name); now != nil {
		edition = now.Edition
	}
	o := w.apply(&Command{UseKind: c})
	if (o.Err == nil) != allowed {
		w.Fatalf("%s: using version %d of %s (%+v), which is allowed: %t: %v", w.step, wanted, name, c, allowed, o.Err)
	}
	if allowed && wanted != k.active {
		k.previous, k.active = k.active, wanted
		k.keep()
		if now := w.state.Kind(name).Edition; now <= edition {
			w.Fatalf("%s: the edition of %s went from %d to %d", w.step, name, edition, now)
		}
		return 1
	}
	return 0
}

// readyFor has all members say that they can run a module, or all but one.
func (w *world) readyFor(digest Digest) {
	for _, n := range w.state.Members {
		if !n.Down && w.rand.IntN(8) > 0 {
			w.apply(&Command{Stage: &StageReport{Node: n.ID, Epoch: n.Epoch, Modules: []StagedModule{{Digest: digest}}}})
		}
	}
}

func (w *world) compareKinds(models map[string]*kindred) {
	w.Helper()
	if len(models) != len(w.state.Kinds) {
		w.Fatalf("%s: %d kinds, and the model has %d", w.step, len(w.state.Kinds), len(models))
	}
	for name, m := range models {
		k := w.state.Kind(name)
		var want []KindVersion
		for _, number := range slices.Sorted(maps.Keys(m.versions)) {
			want = append(want, m.versions[number])
		}
		if k == nil || k.Active != m.active || k.Previous != m.previous || k.Next != m.next || !slices.Equal(k.Versions, want) {
			w.Fatalf("%s: kind %s is %+v, and the model has %+v", w.step, name, k, m)
		}
	}
}

func TestShortReason(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"as it is":                           "as it is",
		"\xff and \xc3":                      "? and ?",
		strings.Repeat("é", MaxReason):       strings.Repeat("é", MaxReason/2),
		"a" + strings.Repeat("é", MaxReason): "a" + strings.Repeat("é", MaxReason/2-1),
	} {
		if got := ShortReason(text); got != want {
			t.Errorf("%d bytes become %d: %.20q, not %.20q", len(text), len(got), got, want)
		}
	}
}
