package placement

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// DESIGN.md section 5: "a gate (golden vectors, …) can be required". A node that answers a vector otherwise than recorded is not ready for the
// module, with a sentence that names the vector, and no node activates it; one that is answered as recorded is no obstacle.
func TestVectorsAreStaged(t *testing.T) {
	code, err := os.ReadFile("../../policies/modules/draining/draining.wasm")
	if err != nil {
		t.Fatal(err)
	}
	view, err := tck.Parse("drain", "node N1\nnode N2 +draining\nkeyspace orders shards=1\n")
	if err != nil {
		t.Fatal(err)
	}
	version, err := hosted.Load(t.Context(), engine(t), code)
	if err != nil {
		t.Fatal(err)
	}
	v := view.View()
	q := policies.Question{Keyspace: &v.State.Keyspaces[0], Shard: &v.State.Shards[0]}
	f, err := version.Record(t.Context(), "drain.yaml", v, nil, []hosted.Asked{{Question: q, Line: 8, Name: "allocate orders/0"}})
	if err != nil {
		t.Fatal(err)
	}
	with := func() []byte {
		module, err := abi.WithVectors(code, &abi.Vectors{Format: abi.VectorsFormat, Fixtures: []abi.Fixture{*f}})
		if err != nil {
			t.Fatal(err)
		}
		return module
	}
	right := with()
	f.Cases[0].Row[1] = 0
	wrong := with()
	governed(t, 3, nil, func(w *town) {
		for _, module := range [][]byte{right, wrong} {
			w.must(&cluster.Command{Push: &cluster.PushChunk{Digest: cluster.DigestOf(module), Size: len(module), Bytes: module, At: time.Now().Unix()}})
			w.must(&cluster.Command{Register: &cluster.RegisterPolicy{Name: "drain", Digest: cluster.DigestOf(module)}})
		}
		w.until("every node has said something", func(s *cluster.State) bool { return len(s.Modules[0].Staged)+len(s.Modules[1].Staged) == 6 })
		_, o := citizen{w, ""}.State().Apply(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: "drain", Version: 2}})
		if want := "node N1 cannot run it: hosted: a golden vector is not answered as recorded: drain.yaml:8: allocate orders/0: node N2: expected YES, answered NO (node N2 is draining)"; o.Err == nil || !strings.Contains(o.Err.Text, want) {
			t.Errorf("activated: %v, want %q", o.Err, want)
		}
		w.activate("drain", 1, nil)
	})
}
