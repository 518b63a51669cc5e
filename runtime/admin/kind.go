package admin

import (
	"cmp"
	"net/http"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// KindList is the answer of /_kind: the kinds of actors whose code was pushed.
type KindList struct {
	Version  uint64     `json:"version"` // of the cluster state
	Kinds    []KindInfo `json:"kinds"`
	Bytes    int        `json:"bytes"` // of all modules, those of policies included
	MaxBytes int        `json:"max_bytes"`
}

// KindInfo is a kind of actors whose code was pushed.
type KindInfo struct {
	Kind     string        `json:"kind"`
	Keyspace string        `json:"keyspace"`
	Active   uint32        `json:"active"`          // the version that messages are handled by; 0: none yet
	Previous uint32        `json:"previous"`        // what a rollback brings back; 0: nothing
	Since    int64         `json:"since,omitempty"` // Unix seconds: when active became what it is
	Versions []KindVersion `json:"versions"`
}

// KindVersion is one module of a kind.
type KindVersion struct {
	Version  uint32        `json:"version"`
	Digest   string        `json:"digest"`
	Label    string        `json:"label"`              // the version that its manifest says
	Data     int           `json:"data"`               // the layout that it keeps data in
	Size     int           `json:"size"`               // bytes
	Pushed   int64         `json:"pushed"`             // Unix seconds
	Ready    []PolicyReady `json:"ready"`              // of every member that may hold actors
	Manifest *act.Manifest `json:"manifest,omitempty"` // of /_kind/{kind} alone
}

// Unready lists the nodes that have said that they cannot run the version; waiting counts those that have said nothing.
func (v *KindVersion) Unready() (cannot []PolicyReady, waiting int) {
	return (&PolicyVersion{Ready: v.Ready}).Unready()
}

// Find is the version with a number, or with 0 the newest; nil if there is none.
func (k *KindInfo) Find(number uint32) *KindVersion {
	for i := len(k.Versions) - 1; i >= 0; i-- {
		if number == 0 || k.Versions[i].Version == number {
			return &k.Versions[i]
		}
	}
	return nil
}

// KindPushed is the answer to a module that has become a version of a kind.
type KindPushed struct {
	Acknowledged
	Kind   string `json:"kind"`
	Number uint32 `json:"kind_version"`
	Digest string `json:"digest"`
	Label  string `json:"label"`
}

// KindUse is the body of /_kind/{kind}/use, and without a version that of /rollback.
type KindUse struct {
	Version uint32 `json:"version,omitempty"` // 0: the newest
	If      uint32 `json:"if,omitempty"`      // only if this version is active; 0: whichever
	Older   bool   `json:"older,omitempty"`   // also one that cannot read what the active one writes
}

// kindRoutes lists the paths about kinds of actors.
func kindRoutes() []route {
	post := func(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }
	return []route{
		{pattern: "/_kind", methods: get((*Server).kinds)},
		{
			pattern: "/_kind/{kind}", params: []string{"digest"},
			methods: map[string]handler{http.MethodGet: (*Server).kind, http.MethodPut: (*Server).putKind, http.MethodDelete: (*Server).forgetKind},
		},
		{pattern: "/_kind/{kind}/module", methods: get((*Server).kindModule), params: []string{"version"}},
		{pattern: "/_kind/{kind}/use", methods: post((*Server).useKind)},
		{pattern: "/_kind/{kind}/rollback", methods: post((*Server).rollbackKind)},
	}
}

// kinds lists all.
func (s *Server) kinds(x *exchange, _ *query) error {
	_, state, err := s.agreed()
	if err != nil {
		return err
	}
	list := KindList{Version: state.Version, Kinds: KindsOf(state), MaxBytes: cluster.MaxModules}
	for i := range state.Modules {
		list.Bytes += state.Modules[i].Size
	}
	x.json(http.StatusOK, list)
	return nil
}

// kind tells all about one.
func (s *Server) kind(x *exchange, q *query) error {
	if err := q.only(); err != nil {
		return err
	}
	_, state, k, err := s.namedKind(x)
	if err != nil {
		return err
	}
	x.json(http.StatusOK, kindInfo(state, k, true))
	return nil
}

// namedKind is the kind that the path names.
func (s *Server) namedKind(x *exchange) (Cluster, *cluster.State, *cluster.ActorKind, error) {
	c, state, err := s.agreed()
	if err != nil {
		return nil, nil, nil, err
	}
	name := x.r.PathValue("kind")
	if k := state.Kind(name); k != nil {
		return c, state, k, nil
	}
	if len(state.Kinds) == 0 {
		return nil, nil, nil, notFound("no kind %q was pushed, nor any other; kinds that programs register are listed by /_actors", clip(name))
	}
	var names []string
	for i := range state.Kinds {
		names = append(names, state.Kinds[i].Name)
	}
	return nil, nil, nil, notFound("no kind %q was pushed; there are %s, and those that programs register (/_actors)", clip(name), shorten(names))
}

// KindsOf lists the kinds that were pushed, as a cluster state has them. Manifests are left out.
func KindsOf(state *cluster.State) []KindInfo {
	list := make([]KindInfo, 0, len(state.Kinds))
	for i := range state.Kinds {
		list = append(list, kindInfo(state, &state.Kinds[i], false))
	}
	return list
}

func kindInfo(state *cluster.State, k *cluster.ActorKind, manifests bool) KindInfo {
	info := KindInfo{Kind: k.Name, Keyspace: k.Keyspace, Active: k.Active, Previous: k.Previous, Since: k.Since, Versions: []KindVersion{}}
	for i := range k.Versions {
		v := &k.Versions[i]
		m := state.Module(v.Digest)
		one := KindVersion{
			Version: v.Number, Digest: string(v.Digest), Label: v.Label, Data: v.Data, Size: m.Size, Pushed: v.Pushed, Ready: readiness(state, m, cluster.RoleData),
		}
		if manifests {
			one.Manifest, _ = act.FindManifest(m.Bytes()) // it was looked at when it was pushed
		}
		info.Versions = append(info.Versions, one)
	}
	return info
}

// readiness is what members with a role say of a module.
func readiness(state *cluster.State, m *cluster.Module, role cluster.Roles) []PolicyReady {
	list := []PolicyReady{}
	for n := range state.Members {
		if member := &state.Members[n]; member.Has(role) && !member.Down {
			problem, known := m.ReadyOn(member.ID, member.Epoch)
			list = append(list, PolicyReady{Node: member.Name, Ready: known && problem == "", Reason: problem})
		}
	}
	return list
}

// kindModule gives the bytes of a version.
func (s *Server) kindModule(x *exchange, q *query) error {
	number, err := versionNumber(q.count("version"))
	if err = cmp.Or(q.err, err); err != nil {
		return err
	}
	_, state, k, err := s.namedKind(x)
	if err != nil {
		return err
	}
	v := k.At(number)
	if number == 0 {
		v = k.Newest()
	}
	if v == nil {
		return notFound("kind %s has no version %d", k.Name, number)
	}
	return x.module(state.Module(v.Digest))
}
