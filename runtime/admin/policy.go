package admin

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// PolicyList is the answer of /_policy.
type PolicyList struct {
	Version    uint64            `json:"version"` // of the cluster state
	Policies   []PolicyInfo      `json:"policies"`
	House      []HousePolicy     `json:"house"` // the deciders that every node has
	Quarantine []QuarantinedInfo `json:"quarantine"`
	Uploads    []UploadInfo      `json:"uploads"` // modules that have become no policy
	Bytes      int               `json:"bytes"`   // of all modules
	MaxBytes   int               `json:"max_bytes"`
	Gate       string            `json:"gate,omitempty"` // what must hold before a version is activated: setting cluster.policies.gate
}

// PolicyInfo is a policy that was pushed.
type PolicyInfo struct {
	Name     string          `json:"name"`
	Order    int             `json:"order"`
	Active   *PolicyUse      `json:"active"`   // null: nothing is in force
	Previous *PolicyUse      `json:"previous"` // what a rollback brings back
	Shadow   *PolicyUse      `json:"shadow"`
	Since    int64           `json:"since,omitempty"` // Unix seconds: when active became what it is
	Note     string          `json:"note,omitempty"`  // how the last change came about
	Versions []PolicyVersion `json:"versions"`
}

// PolicyUse is a version with the settings that it runs under.
type PolicyUse struct {
	Version  uint32            `json:"version"`
	Digest   string            `json:"digest"`
	Label    string            `json:"label"` // the version that its manifest says
	Settings map[string]string `json:"settings"`
}

// PolicyVersion is one module of a policy.
type PolicyVersion struct {
	Version     uint32        `json:"version"`
	Digest      string        `json:"digest"`
	Label       string        `json:"label"`
	Size        int           `json:"size"`
	Pushed      int64         `json:"pushed"`                // Unix seconds
	Quarantined string        `json:"quarantined,omitempty"` // why
	Strikes     int           `json:"strikes,omitempty"`     // how often it has failed, if it is not quarantined for it
	Fault       string        `json:"fault,omitempty"`       // what it did the last time
	Ready       []PolicyReady `json:"ready"`                 // of every member that may lead
	Manifest    *abi.Manifest `json:"manifest,omitempty"`    // of /_policy/{name} alone
	Vectors     int           `json:"vectors,omitempty"`     // golden vectors that it carries; of /_policy/{name} alone
}

// PolicyReady says whether a node can run a module.
type PolicyReady struct {
	Node   string `json:"node"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why not; empty and not ready: it has not said yet
}

// HousePolicy is a decider of the house.
type HousePolicy struct {
	Name     string `json:"name"`
	Replaced uint32 `json:"replaced,omitempty"` // the version of the policy of this name that is in force in its place
}

// QuarantinedInfo is a module that must not be in force.
type QuarantinedInfo struct {
	Digest string `json:"digest"`
	Policy string `json:"policy"`
	Reason string `json:"reason"`
	At     int64  `json:"at"` // Unix seconds
}

// UploadInfo is a module without a policy.
type UploadInfo struct {
	Digest string `json:"digest"`
	Size   int    `json:"size"`
	Have   int    `json:"have"` // bytes that have come
}

// Unready lists the nodes that have said that they cannot run the version; waiting counts those that have said nothing.
func (v *PolicyVersion) Unready() (cannot []PolicyReady, waiting int) {
	for _, r := range v.Ready {
		switch {
		case r.Ready:
		case r.Reason == "":
			waiting++
		default:
			cannot = append(cannot, r)
		}
	}
	return cannot, waiting
}

// Find is the version with a number, or with 0 the newest; nil if there is none.
func (p *PolicyInfo) Find(number uint32) *PolicyVersion {
	for i := len(p.Versions) - 1; i >= 0; i-- {
		if number == 0 || p.Versions[i].Version == number {
			return &p.Versions[i]
		}
	}
	return nil
}

// policyRoutes lists the paths about policies.
func policyRoutes() []route {
	post := func(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }
	return []route{
		{pattern: "/_policy", methods: get((*Server).policies)},
		{
			pattern: "/_policy/{policy}", params: []string{"order", "digest", "version"},
			methods: map[string]handler{http.MethodGet: (*Server).policy, http.MethodPut: (*Server).putPolicy, http.MethodDelete: (*Server).forgetPolicy},
		},
		{pattern: "/_policy/{policy}/module", methods: get((*Server).policyModule), params: []string{"version"}},
		{pattern: "/_policy/{policy}/activate", methods: post((*Server).activatePolicy)},
		{pattern: "/_policy/{policy}/shadow", methods: post((*Server).shadowPolicy)},
		{pattern: "/_policy/{policy}/rollback", methods: post(retirePolicy(cluster.RetreatRollback))},
		{pattern: "/_policy/{policy}/deactivate", methods: post(retirePolicy(cluster.RetreatDeactivate))},
		{pattern: "/_policy/{policy}/reset", methods: post(retirePolicy(cluster.RetreatReset))},
		{pattern: "/_policy/{policy}/quarantine", methods: post((*Server).quarantinePolicy)},
		{pattern: "/_policy/{policy}/comparisons", methods: get((*Server).policyComparisons), params: []string{"follow"}, streams: true},
		{pattern: "/_policy/{policy}/logs", methods: get((*Server).policyLogs), params: []string{"follow"}, streams: true},
		{pattern: "/_module/{digest}", methods: map[string]handler{http.MethodPut: (*Server).putChunk}, params: []string{"size", "part"}},
	}
}

// ofPolicies says whether a path, or the pattern of one, is below those of policies, modules and kinds of actors.
func ofPolicies(path string) bool {
	return strings.HasPrefix(path, "/_policy/") || strings.HasPrefix(path, "/_module/") || strings.HasPrefix(path, "/_kind/")
}

// policies lists all.
func (s *Server) policies(x *exchange, _ *query) error {
	_, state, err := s.agreed()
	if err != nil {
		return err
	}
	list := PolicyList{Version: state.Version, Policies: []PolicyInfo{}, House: []HousePolicy{}, Quarantine: []QuarantinedInfo{}, Uploads: []UploadInfo{}, MaxBytes: cluster.MaxModules, Gate: state.Value(cluster.SettingPolicyGate)}
	for i := range state.Policies {
		list.Policies = append(list.Policies, policyInfo(state, &state.Policies[i], false))
	}
	for _, d := range deciders.All() {
		house := HousePolicy{Name: d.Name()}
		if p := state.Policy(d.Name()); p != nil {
			house.Replaced = p.Active.Version
		}
		list.House = append(list.House, house)
	}
	for _, q := range state.Quarantine {
		list.Quarantine = append(list.Quarantine, QuarantinedInfo{Digest: string(q.Digest), Policy: q.Policy, Reason: q.Reason, At: q.At})
	}
	for i := range state.Modules {
		m := &state.Modules[i]
		list.Bytes += m.Size
		if !state.Used(m.Digest) {
			list.Uploads = append(list.Uploads, UploadInfo{Digest: string(m.Digest), Size: m.Size, Have: min(m.Size, len(m.Chunks)*cluster.ChunkBytes)})
		}
	}
	x.json(http.StatusOK, list)
	return nil
}

// policy tells all about one.
func (s *Server) policy(x *exchange, q *query) error {
	if err := q.only(); err != nil {
		return err
	}
	_, state, p, err := s.namedPolicy(x)
	if err != nil {
		return err
	}
	x.json(http.StatusOK, policyInfo(state, p, true))
	return nil
}

// only refuses parameters where the path takes some, but this method none.
func (q *query) only(names ...string) error {
	for name := range q.values {
		if name != "pretty" && !slices.Contains(names, name) {
			return invalid("parameter %q is not for this method", clip(name))
		}
	}
	return q.err
}

// namedPolicy is the policy that the path names.
func (s *Server) namedPolicy(x *exchange) (Cluster, *cluster.State, *cluster.Policy, error) {
	c, state, err := s.agreed()
	if err != nil {
		return nil, nil, nil, err
	}
	name := x.r.PathValue("policy")
	if p := state.Policy(name); p != nil {
		return c, state, p, nil
	}
	var names []string
	for i := range state.Policies {
		names = append(names, state.Policies[i].Name)
	}
	if ofTheHouse(name) {
		return nil, nil, nil, notFound("policy %q is one of the house, and nothing was pushed in its place; push a module under its name to do that", name)
	}
	if len(names) == 0 {
		return nil, nil, nil, notFound("no policy %q; none was pushed", clip(name))
	}
	return nil, nil, nil, notFound("no policy %q; there are %s", clip(name), shorten(names))
}

// ofTheHouse says whether a name is that of a decider that is there without a push.
func ofTheHouse(name string) bool {
	return slices.ContainsFunc(deciders.All(), func(d policies.Decider) bool { return d.Name() == name })
}

// versionOf is a version of a policy; 0 is the newest.
func versionOf(p *cluster.Policy, number int) (*cluster.PolicyVersion, error) {
	if number == 0 {
		return &p.Versions[len(p.Versions)-1], nil
	}
	if exact, err := versionNumber(number); err != nil {
		return nil, err
	} else if v := p.At(exact); v != nil {
		return v, nil
	}
	var numbers []string
	for _, v := range p.Versions {
		numbers = append(numbers, strconv.Itoa(int(v.Number)))
	}
	return nil, notFound("policy %s has no version %d; there are %s", p.Name, number, shorten(numbers))
}

// versionNumber is the number of a version as states have it.
func versionNumber(n int) (uint32, error) {
	if n < 0 || int64(n) > math.MaxUint32 {
		return 0, invalid("version %d; must be a number from 0 to %d", n, uint32(math.MaxUint32))
	}
	return uint32(n), nil
}

func policyInfo(state *cluster.State, p *cluster.Policy, manifests bool) PolicyInfo {
	info := PolicyInfo{Name: p.Name, Order: p.Order, Since: p.Since, Note: state.NoteOf(p), Active: policyUse(p, p.Active), Previous: policyUse(p, p.Previous), Shadow: policyUse(p, p.Shadow), Versions: []PolicyVersion{}}
	for i := range p.Versions {
		v := &p.Versions[i]
		m := state.Module(v.Digest)
		one := PolicyVersion{Version: v.Number, Digest: string(v.Digest), Label: v.Label, Size: m.Size, Pushed: v.Pushed, Ready: readiness(state, m, cluster.RoleMeta)}
		if q := state.Quarantined(v.Digest); q != nil {
			one.Quarantined = q.Reason
		}
		if x := state.StruckModule(v.Digest); x != nil {
			one.Strikes, one.Fault = int(x.Strikes), x.Last
		}
		if manifests {
			code := m.Bytes()
			one.Manifest, _ = abi.StoredManifest(code) // it was looked at when it was pushed
			vectors, _ := abi.FindVectors(code)        // as well
			one.Vectors = vectors.Count()
		}
		info.Versions = append(info.Versions, one)
	}
	return info
}

func policyUse(p *cluster.Policy, use cluster.PolicyUse) *PolicyUse {
	v := p.At(use.Version)
	if v == nil {
		return nil
	}
	return &PolicyUse{Version: v.Number, Digest: string(v.Digest), Label: v.Label, Settings: settingsIn(use.Settings)}
}

// settingsIn reads the settings of a use. They were written by settingsText.
func settingsIn(text string) map[string]string {
	values := map[string]string{}
	if text != "" && json.Unmarshal([]byte(text), &values) != nil {
		values = map[string]string{}
	}
	return values
}

// settingsText is what the state holds of settings: sorted, and nothing for none.
func settingsText(values map[string]string) string {
	if len(values) == 0 {
		return ""
	}
	text, _ := json.Marshal(values) // strings always can be
	return string(text)
}

// policyModule gives the bytes of a version.
func (s *Server) policyModule(x *exchange, q *query) error {
	number := q.count("version")
	if q.err != nil {
		return q.err
	}
	_, state, p, err := s.namedPolicy(x)
	if err != nil {
		return err
	}
	v, err := versionOf(p, number)
	if err != nil {
		return err
	}
	return x.module(state.Module(v.Digest))
}

// module answers with the bytes of a module.
func (x *exchange) module(m *cluster.Module) error {
	code := m.Bytes()
	x.Header().Set("Content-Type", "application/wasm")
	x.Header().Set("Content-Length", strconv.Itoa(len(code)))
	x.Header().Set("ETag", `"`+string(m.Digest)+`"`)
	_, err := x.Write(code)
	return err
}
