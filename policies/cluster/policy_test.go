package cluster

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// content makes a module's bytes, of any size, that nothing else has.
func content(seed uint64, size int) []byte {
	code := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(code)
	return code
}

// pushes are the commands that bring a module.
func pushes(code []byte) (list []*Command) {
	digest := DigestOf(code)
	for part := range Parts(len(code)) {
		chunk := code[part*ChunkBytes : min(len(code), (part+1)*ChunkBytes)]
		list = append(list, &Command{Push: &PushChunk{Digest: digest, Size: len(code), Part: part, Bytes: chunk, At: int64(part)}})
	}
	return list
}

// A cluster that uses nothing new writes what the releases before read, byte for byte: their nodes go on while others are newer.
func TestOlderFormatsAreReadAndWritten(t *testing.T) {
	for _, file := range []string{"testdata/format1.hex", "testdata/format2.hex"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(string(text))
		for i, line := range lines {
			frame, err := hex.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			var again []byte
			if i == len(lines)-1 {
				s, err := DecodeState(frame)
				if err != nil || len(s.Shards) == 0 {
					t.Fatalf("%s, line %d: %v", file, i+1, err)
				}
				again = s.Encode()
			} else {
				c, err := DecodeCommand(frame)
				if err != nil {
					t.Fatalf("%s, line %d: %v", file, i+1, err)
				}
				again = c.Encode()
			}
			if !bytes.Equal(again, frame) {
				t.Errorf("%s, line %d is written in another way now", file, i+1)
			}
		}
	}
	for _, x := range []struct {
		c      *Command
		format byte
	}{
		{&Command{Push: &PushChunk{Digest: DigestOf(nil), Size: 1, Bytes: []byte{1}}}, FormatPolicies},
		{&Command{Drain: &DrainChange{At: 1}}, FormatHistory},
		{&Command{Settings: &SettingsChange{By: "somebody"}}, FormatHistory},
		{&Command{RegisterKind: &RegisterKind{Name: "vote", Digest: DigestOf(nil)}}, FormatKinds},
		{&Command{UseKind: &UseKind{Name: "vote", Number: 1, If: 2, Older: true, At: 3}}, FormatKinds},
		{&Command{ForgetKind: &ForgetKind{Name: "vote"}}, FormatKinds},
		{&Command{Reroute: &Reroute{Rebalances: []Rebalance{{Shard: 1, At: 2, Bytes: 3}}}}, FormatBudget},
		{&Command{Moves: &BeginMoves{Record: []byte{1}}}, FormatMoves},
		{&Command{Strike: &StrikeModule{Digest: DigestOf(nil), Strikes: 1, Last: "a trap"}}, FormatStrikes},
		{&Command{Activate: &ActivatePolicy{Name: "spot", Version: 1}}, FormatPolicies},
		{&Command{Activate: &ActivatePolicy{Name: "spot", Version: 1, If: &PolicyUse{}}}, FormatIf},
		{&Command{Activate: &ActivatePolicy{Name: "spot", Version: 1, If: &PolicyUse{1, `{"a":1}`}}}, FormatIf},
		{&Command{Keyspace: &KeyspaceChange{Keyspace: shards.Keyspace{Name: "a", Shards: 1}, After: new(uint64(0))}}, FormatAfter},
		{&Command{Keyspace: &KeyspaceChange{Keyspace: shards.Keyspace{Name: "a", Shards: 1}, After: new(uint64(300))}}, FormatAfter},
		{&Command{Join: &Join{Loose: []shards.KeyspaceID{0, 300}}}, FormatLoose},
		{&Command{Retire: &RetirePolicy{Name: "spot", How: RetreatRollback, Leave: &PolicyUse{1, `{"a":1}`}}}, FormatLoose},
	} {
		frame := x.c.Encode()
		if frame[1] != x.format || x.c.Format() != uint32(x.format) {
			t.Errorf("%+v is written in format %d", x.c, frame[1])
		}
		frame[1] = 1
		if _, err := DecodeCommand(frame); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("belongs to %d", x.format)) {
			t.Errorf("%+v in format 1: %v", x.c, err)
		}
	}
}

func TestModuleComesInChunks(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	code := content(7, 2*ChunkBytes+5)
	all, digest := pushes(code), DigestOf(code)
	if o := w.apply(all[1]); o.Err == nil || o.Err.Why != WhyStale {
		t.Errorf("the second before the first: %v", o.Err)
	}
	w.must(all[0])
	if o := w.apply(all[0]); o.Err != nil || o.Changed {
		t.Errorf("a chunk again: %+v", o)
	}
	other := *all[0].Push
	other.Bytes = content(8, ChunkBytes)
	if o := w.apply(&Command{Push: &other}); o.Err == nil || !strings.Contains(o.Err.Text, "with other bytes") {
		t.Errorf("another chunk in its place: %v", o.Err)
	}
	if o := w.apply(&Command{Register: &RegisterPolicy{Name: "rule", Digest: digest}}); o.Err == nil || !strings.Contains(o.Err.Text, "1 of its 3 chunks") {
		t.Errorf("half a module as a policy: %v", o.Err)
	}
	w.must(all[1])
	damaged := *all[2].Push
	damaged.Bytes = []byte("wrong")
	if o := w.apply(&Command{Push: &damaged}); o.Err == nil || !strings.Contains(o.Err.Text, "damaged") {
		t.Errorf("a module that is not what it is called: %v", o.Err)
	}
	w.must(all[2])
	if m := w.state.Module(digest); !m.Whole() || !bytes.Equal(m.Bytes(), code) || m.Pushed != 2 {
		t.Errorf("module %s is not what was pushed", digest.Short())
	}
	w.must(&Command{Forget: &ForgetPolicies{Modules: []Digest{digest}}})
	if len(w.state.Modules) != 0 {
		t.Error("it was not forgotten")
	}
}

func TestModulesAreBounded(t *testing.T) {
	s := newWorld(t, rand.New(rand.NewPCG(1, 2))).state
	big := func(seed uint64, size int) *Command {
		return &Command{Push: &PushChunk{Digest: DigestOf([]byte{byte(seed)}), Size: size, Bytes: make([]byte, min(size, ChunkBytes))}}
	}
	if _, o := s.Apply(big(0, MaxModule+1)); o.Err == nil || !strings.Contains(o.Err.Text, "must be 1 to 4194304") {
		t.Errorf("a module beyond the limit: %v", o.Err)
	}
	for i := range uint64(MaxModules / MaxModule) {
		after, o := s.Apply(big(i, MaxModule))
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		s = after
	}
	if _, o := s.Apply(big(100, 1)); o.Err == nil || !strings.Contains(o.Err.Text, "at most 33554432 (33554432 of them are uploads that have not ended") {
		t.Errorf("more than all modules may be: %v", o.Err)
	}
}

// DESIGN.md section 5: "a module that needs what the host lacks is refused with a sentence"; older releases have no policies.
func TestOldReleasesKeepPoliciesOut(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	old := testMember(3, 2)
	old.Format, old.Release = 1, "0.3.1"
	w.must(&Command{Join: &Join{Member: old}})
	push := pushes([]byte("code"))[0]
	if o := w.apply(push); o.Err == nil || !strings.Contains(o.Err.Text, "node N3 runs release 0.3.1") {
		t.Errorf("pushed beside an old release: %v", o.Err)
	}
	old.Epoch, old.Format = 3, Format
	w.must(&Command{Join: &Join{Member: old}})
	w.must(push)
	old.Epoch, old.Format = 4, 1
	if o := w.apply(&Command{Join: &Join{Member: old}}); o.Err == nil || !strings.Contains(o.Err.Text, "upgrade it first") {
		t.Errorf("an old release came back to a cluster with policies: %v", o.Err)
	}
}

// What commands about other things cost must not depend on modules: their bytes are shared, never copied.
func TestModulesAreSharedBetweenStates(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	for _, c := range pushes(content(9, ChunkBytes+1)) {
		w.must(c)
	}
	after, o := w.state.Apply(&Command{Settings: &SettingsChange{Set: []Setting{{"a", "b"}}}})
	if o.Err != nil || &after.Modules[0] != &w.state.Modules[0] {
		t.Error("a command about settings copied the list of modules")
	}
	after, o = after.Apply(&Command{Stage: &StageReport{Node: node(1), Epoch: 1, Modules: []StagedModule{{Digest: after.Modules[0].Digest}}}})
	if o.Err != nil || &after.Modules[0].Chunks[0][0] != &w.state.Modules[0].Chunks[0][0] {
		t.Error("a word about a module copied its bytes")
	}
}

// ruled is what a model believes of policies, in maps and without a rule in common with Apply.
type ruled struct {
	versions    map[string]map[uint32]Digest
	active      map[string]PolicyUse
	previous    map[string]PolicyUse
	earlier     map[string]PolicyUse
	shadow      map[string]PolicyUse
	quarantined map[Digest]bool
	strikes     map[Digest]uint32
	ready       map[Digest]map[shards.NodeID]shards.Epoch
}

// TestRandomPolicies plays commands about policies against a model: what is in force is always whole, not quarantined, and was
// ready on every node that might have led when it was activated; a quarantine goes back to what was before.
func TestRandomPolicies(t *testing.T) {
	seed := seeds(t)
	activated := 0
	for run := range *runsFlag {
		w := newWorld(t, rand.New(rand.NewPCG(seed, uint64(run))))
		m := &ruled{map[string]map[uint32]Digest{}, map[string]PolicyUse{}, map[string]PolicyUse{}, map[string]PolicyUse{}, map[string]PolicyUse{}, map[Digest]bool{}, map[Digest]uint32{}, map[Digest]map[shards.NodeID]shards.Epoch{}}
		var digests []Digest
		code := map[Digest][]byte{}
		for i := range 5 {
			bytes := content(uint64(run*5+i), 1+w.rand.IntN(2000))
			digests = append(digests, DigestOf(bytes))
			code[digests[i]] = bytes
		}
		for step := range 240 { // some four activations a world
			w.step = fmt.Sprintf("run %d step %d", run, step)
			if w.rand.IntN(20) == 0 {
				w.play() // members die, return and are forgotten
				continue
			}
			digest := pick(w.rand, digests)
			if w.state.Module(digest) == nil { // it was forgotten: somebody pushes it again
				w.must(pushes(code[digest])[0])
			}
			activated += w.playPolicy(m, pick(w.rand, []string{"a", "b", "c"}), digest)
			w.compare(m)
		}
	}
	if activated < *runsFlag {
		t.Errorf("%d activations in %d worlds: the mix is wrong", activated, *runsFlag)
	}
	t.Logf("%d activations", activated)
}

func (w *world) playPolicy(m *ruled, name string, digest Digest) (activated int) {
	p := w.state.Policy(name)
	number := uint32(w.rand.IntN(5))
	if p != nil && number == 0 {
		number = pick(w.rand, p.Versions).Number
	}
	of, known := m.versions[name][number]
	bad := !known || m.quarantined[of]
	use := PolicyUse{number, pick(w.rand, []string{"", `{"x":1}`})}
	switch w.rand.IntN(11) {
	case 0, 1, 2:
		m.stage(w, digest)
	case 3:
		o := w.apply(&Command{Register: &RegisterPolicy{Name: name, Digest: digest, Label: "1.0", At: 5}})
		if o.Err == nil && o.Changed {
			if m.versions[name] == nil {
				m.versions[name] = map[uint32]Digest{}
			}
			m.versions[name][w.state.Policy(name).Of(digest).Number] = digest
		}
	case 4, 5:
		all := true
		for _, n := range w.state.Members {
			epoch, said := m.ready[of][n.ID]
			all = all && (n.Down || !n.Has(RoleMeta) || said && epoch == n.Epoch)
		}
		if o := w.apply(&Command{Activate: &ActivatePolicy{Name: name, Version: number, Settings: use.Settings}}); (o.Err == nil) != (known && !bad && all && number != 0) && number != 0 {
			w.Fatalf("%s: version %d of %s: known %t, bad %t, ready %t, and yet %v", w.step, number, name, known, bad, all, o.Err)
		} else if o.Changed {
			activated++
			if m.active[name].Version != 0 {
				if m.active[name].Version == number && m.previous[name].Version < number { // other settings
					m.earlier[name] = m.previous[name]
				}
				m.previous[name] = m.active[name]
			}
			m.active[name] = use
			if m.shadow[name] == use {
				delete(m.shadow, name)
			}
		}
	case 6:
		if o := w.apply(&Command{Shadow: &ShadowPolicy{Name: name, Version: number, Settings: use.Settings}}); o.Err == nil {
			m.shadow[name] = use
			if number == 0 {
				delete(m.shadow, name)
			}
		} else if known && !bad && use != m.active[name] {
			w.Fatalf("%s: no shadow of version %d of %s: %v", w.step, number, name, o.Err)
		}
	case 7:
		how := Retreat(1 + w.rand.IntN(3))
		o := w.apply(&Command{Retire: &RetirePolicy{Name: name, How: how}})
		switch {
		case o.Err != nil:
			if p != nil && (how != RetreatRollback || m.previous[name].Version != 0 || m.active[name].Version != 0) {
				w.Fatalf("%s: no way back for %s: %v", w.step, name, o.Err)
			}
		case how == RetreatRollback:
			m.active[name], m.previous[name] = m.previous[name], m.active[name]
		case how == RetreatDeactivate && m.active[name].Version != 0:
			m.active[name], m.previous[name] = PolicyUse{}, m.active[name]
		case how == RetreatReset:
			delete(m.active, name)
			delete(m.previous, name)
			delete(m.shadow, name)
			delete(m.earlier, name)
		}
	case 8:
		m.lockUp(digest, w.rand.IntN(3) == 0)
		w.must(&Command{Quarantine: &QuarantineModule{Digest: digest, Policy: name, Reason: "it trapped", Lift: !m.quarantined[digest]}})
	case 9:
		m.forget(w, name)
	case 10:
		m.strike(w, name, digest)
	}
	for name, use := range m.earlier { // it is kept while one version is in force and was before, and it is another one
		if m.active[name].Version != m.previous[name].Version || m.active[name].Version == use.Version {
			delete(m.earlier, name)
		}
	}
	return activated
}

// stage lets members say whether they can run a module: mostly all, and mostly yes.
func (m *ruled) stage(w *world, digest Digest) {
	for _, n := range w.state.Members {
		if w.rand.IntN(8) == 0 {
			continue
		}
		problem := ""
		if w.rand.IntN(12) == 0 {
			problem = "too many pages"
		}
		w.must(&Command{Stage: &StageReport{Node: n.ID, Epoch: n.Epoch, Modules: []StagedModule{{digest, problem}}}})
		if m.ready[digest] == nil {
			m.ready[digest] = map[shards.NodeID]shards.Epoch{}
		}
		m.ready[digest][n.ID] = n.Epoch
		if problem != "" {
			delete(m.ready[digest], n.ID)
		}
	}
}

// strike notes that a module has failed: what is not in quarantine has the most that was ever said of it since.
func (m *ruled) strike(w *world, name string, digest Digest) {
	n := 1 + uint32(w.rand.IntN(3))
	o := w.apply(&Command{Strike: &StrikeModule{Digest: digest, Policy: name, Strikes: n, Last: "a trap", At: 7}})
	if more := !m.quarantined[digest] && n > m.strikes[digest]; o.Err != nil || o.Changed != more {
		w.Fatalf("%s: %d strikes after %d, quarantined %t: %+v", w.step, n, m.strikes[digest], m.quarantined[digest], o)
	} else if more {
		m.strikes[digest] = n
	}
}

// lockUp quarantines a module in the model, or lifts that; either forgets its strikes.
func (m *ruled) lockUp(digest Digest, lift bool) {
	delete(m.strikes, digest)
	if lift {
		delete(m.quarantined, digest)
		return
	}
	m.quarantined[digest] = true
	for name, versions := range m.versions {
		for number, of := range versions {
			if of != digest {
				continue
			}
			if m.shadow[name].Version == number {
				delete(m.shadow, name)
			}
			if m.previous[name].Version == number {
				delete(m.previous, name)
			}
			if m.earlier[name].Version == number {
				delete(m.earlier, name)
			}
			if m.active[name].Version == number {
				m.active[name] = cmp.Or(m.previous[name], m.earlier[name])
				delete(m.previous, name)
			}
		}
	}
}

func (m *ruled) forget(w *world, name string) {
	if o := w.apply(&Command{Forget: &ForgetPolicies{Name: name}}); o.Err != nil {
		return
	}
	for number, digest := range m.versions[name] {
		if !slices.Contains([]uint32{m.active[name].Version, m.previous[name].Version, m.earlier[name].Version, m.shadow[name].Version}, number) {
			delete(m.versions[name], number)
			if !w.state.Used(digest) {
				delete(m.ready, digest)
			}
		}
	}
}

func (w *world) compare(m *ruled) {
	w.Helper()
	strikes := map[Digest]uint32{}
	for _, x := range w.state.Struck {
		strikes[x.Digest] = x.Strikes
	}
	if !maps.Equal(strikes, m.strikes) {
		w.Fatalf("%s: strikes %v, and the model has %v", w.step, strikes, m.strikes)
	}
	for _, name := range []string{"a", "b", "c"} {
		p := w.state.Policy(name)
		if p == nil {
			if len(m.versions[name]) > 0 {
				w.Fatalf("%s: policy %s is gone", w.step, name)
			}
			continue
		}
		got := map[uint32]Digest{}
		for _, v := range p.Versions {
			got[v.Number] = v.Digest
		}
		if !reflect.DeepEqual(got, m.versions[name]) || p.Active != m.active[name] || p.Previous != m.previous[name] || p.Earlier != m.earlier[name] || p.Shadow != m.shadow[name] {
			w.Fatalf("%s: policy %+v, and the model has versions %v, active %v, previous %v, earlier %v, shadow %v", w.step, p, m.versions[name], m.active[name], m.previous[name], m.earlier[name], m.shadow[name])
		}
	}
}
