package admin

import (
	"net/http"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// putKind makes a module the newest version of a kind: the body, or with digest one that has come in chunks. No message is handled
// by it before it is used.
func (s *Server) putKind(x *exchange, q *query) error {
	if err := q.only("digest"); err != nil {
		return err
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	code, err := x.body(cluster.MaxModule)
	if err != nil {
		return err
	}
	digest := cluster.Digest(q.values.Get("digest"))
	if (digest == "") == (len(code) == 0) {
		return invalid("send a module as the body, or name one that has come in chunks with digest; one of both")
	}
	if digest != "" {
		m := state.Module(digest)
		if m == nil || !m.Whole() {
			return notFound("there is no whole module %s: send its chunks first, to /_module/%s", clip(string(digest)), clip(string(digest)))
		}
		code = m.Bytes()
	}
	manifest, err := act.FindManifest(code)
	if err != nil {
		return invalid("the module cannot be a kind of actors: %v", err)
	}
	if name := x.r.PathValue("kind"); manifest.Kind != name {
		return invalid("the module's manifest says that its kind is %s, and the path says %q", manifest.Kind, clip(name))
	}
	if err := actors.Prepare(x.r.Context(), manifest.Keyspace); err != nil {
		return err
	}
	if digest == "" {
		if digest, err = s.pushModule(x.r.Context(), c, code); err != nil {
			return err
		}
	}
	return s.registerKind(x, c, &cluster.RegisterKind{Name: manifest.Kind, Keyspace: manifest.Keyspace, Digest: digest, Label: manifest.Version, Data: manifest.Data, At: s.now().Unix()})
}

func (s *Server) registerKind(x *exchange, c Cluster, r *cluster.RegisterKind) error {
	outcome, err := c.Propose(x.r.Context(), &cluster.Command{RegisterKind: r})
	if err == nil {
		err = outcome.Error()
	}
	if err != nil {
		return err
	}
	answer := KindPushed{Acknowledged: Acknowledged{Acknowledged: true, Changed: outcome.Changed, Version: outcome.Version}, Kind: r.Name, Digest: string(r.Digest), Label: r.Label}
	state, _ := c.State()
	if k := state.Kind(r.Name); k != nil {
		if v := k.Of(r.Digest); v != nil {
			answer.Number = v.Number
		}
	}
	x.json(http.StatusOK, answer)
	return nil
}

// useKind has messages handled by a version.
func (s *Server) useKind(x *exchange, _ *query) error {
	var body KindUse
	if err := x.document(&body); err != nil {
		return err
	}
	c, _, k, err := s.namedKind(x)
	if err != nil {
		return err
	}
	return s.propose(x, c, &cluster.Command{UseKind: &cluster.UseKind{Name: k.Name, Number: body.Version, If: body.If, Older: body.Older, At: s.now().Unix()}})
}

// rollbackKind has messages handled by the version from before.
func (s *Server) rollbackKind(x *exchange, _ *query) error {
	var body KindUse
	if err := x.document(&body); err != nil {
		return err
	}
	c, state, k, err := s.namedKind(x)
	if err != nil {
		return err
	}
	if body.Version != 0 {
		return invalid("a rollback goes to the version before; another one is used with /_kind/%s/use", k.Name)
	}
	back, err := state.RollbackOf(&cluster.UseKind{Name: k.Name, If: body.If, Older: body.Older, At: s.now().Unix()})
	if err != nil {
		return err
	}
	return s.propose(x, c, &cluster.Command{UseKind: back})
}

// forgetKind drops a kind with its modules.
func (s *Server) forgetKind(x *exchange, q *query) error {
	if err := q.only(); err != nil {
		return err
	}
	c, _, k, err := s.namedKind(x)
	if err != nil {
		return err
	}
	return s.remove(x, c, &cluster.Command{ForgetKind: &cluster.ForgetKind{Name: k.Name}})
}
