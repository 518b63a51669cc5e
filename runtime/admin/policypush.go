package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// Pushed is the answer to a module that has become a version of a policy.
type Pushed struct {
	Acknowledged
	Policy string `json:"policy"`
	Number uint32 `json:"policy_version"`
	Digest string `json:"digest"`
	Label  string `json:"label"`
}

// putChunk takes a chunk of a module. One that is there already is no error.
func (s *Server) putChunk(x *exchange, q *query) error {
	c, _, err := s.agreed()
	if err != nil {
		return err
	}
	chunk := &cluster.PushChunk{Digest: cluster.Digest(x.r.PathValue("digest")), Size: q.count("size"), Part: q.count("part"), At: s.now().Unix()}
	if q.err != nil {
		return q.err
	}
	if chunk.Bytes, err = x.body(cluster.ChunkBytes); err != nil {
		return err
	}
	return s.propose(x, c, &cluster.Command{Push: chunk})
}

// putPolicy makes a module a version of a policy: the body, or with digest one that has come in chunks.
func (s *Server) putPolicy(x *exchange, q *query) error {
	if err := q.only("order", "digest"); err != nil {
		return err
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	r := &cluster.RegisterPolicy{Name: x.r.PathValue("policy"), Digest: cluster.Digest(q.values.Get("digest")), At: s.now().Unix()}
	known := state.Policy(r.Name)
	if known != nil {
		r.Order = known.Order
	}
	if q.values.Has("order") {
		if r.Order = q.count("order"); q.err != nil {
			return q.err
		}
	}
	if known == nil && !abi.IsName(r.Name) { // one with a dot may be there from before
		return invalid("a policy cannot be called %q: a name has 1 to 64 of a-z, 0-9, '_' and '-', and begins with a letter", clip(r.Name))
	}
	code, err := x.body(cluster.MaxModule)
	if err != nil {
		return err
	}
	switch {
	case r.Digest == "" && len(code) == 0:
		return invalid("send a module as the body, or name one that has come in chunks with digest")
	case r.Digest != "" && len(code) > 0:
		return invalid("send a module as the body, or name one with digest; not both")
	case r.Digest == "":
		if _, err := manifestOf(code); err != nil {
			return err
		}
		if r.Digest, err = s.pushModule(x.r.Context(), c, code); err != nil {
			return err
		}
	}
	return s.register(x, c, r)
}

// manifestOf is the manifest of a module that somebody brings. One whose golden vectors cannot be read is refused: no node would be ready for it.
func manifestOf(code []byte) (*abi.Manifest, error) {
	m, err := abi.FindManifest(code)
	if err == nil {
		_, err = abi.FindVectors(code)
	}
	if err == nil {
		err = abi.CheckMemory(code)
	}
	if err != nil {
		return nil, invalid("the module cannot be a policy: %v", err)
	}
	return m, nil
}

// pushModule proposes the chunks of a module that the state does not have.
func (s *Server) pushModule(ctx context.Context, c Cluster, code []byte) (cluster.Digest, error) {
	digest := cluster.DigestOf(code)
	state, _ := c.State()
	for _, push := range state.PushesOf(code, s.now().Unix()) {
		outcome, err := c.Propose(ctx, push)
		if err == nil {
			err = outcome.Error()
		}
		if err != nil {
			return digest, err
		}
	}
	return digest, nil
}

// register makes a whole module the newest version of a policy.
func (s *Server) register(x *exchange, c Cluster, r *cluster.RegisterPolicy) error {
	state, _ := c.State()
	var warnings []string
	if m := state.Module(r.Digest); m != nil && m.Whole() {
		manifest, err := manifestOf(m.Bytes())
		if err != nil {
			return err
		}
		r.Label, warnings = manifest.Version, unheard(manifest)
	}
	outcome, err := c.Propose(x.r.Context(), &cluster.Command{Register: r})
	if err == nil {
		err = outcome.Error()
	}
	if err != nil {
		return err
	}
	answer := Pushed{Acknowledged: Acknowledged{Acknowledged: true, Changed: outcome.Changed, Version: outcome.Version, Warnings: warnings}, Policy: r.Name, Digest: string(r.Digest), Label: r.Label}
	state, _ = c.State()
	if p := state.Policy(r.Name); p != nil {
		if v := p.Of(r.Digest); v != nil {
			answer.Number = v.Number
		}
	}
	x.json(http.StatusOK, answer)
	return nil
}

// now is the wall clock by the node.
func (s *Server) now() time.Time { return time.UnixMilli(s.backend.Now()) }
