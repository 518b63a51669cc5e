package abi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ErrManifest is wrapped by every error about a manifest.
var ErrManifest = errors.New("abi: invalid manifest")

// Kinds of policies: what a fault of the module means for the row that it was asked for.
const (
	Hard = "hard" // NO for every node: better no move than a forbidden one
	Soft = "soft" // ignored
)

// Scopes of an answer: what shards it may be shared by.
const (
	PerClass = "class" // shards of one keyspace get the same row for the same flags
	PerShard = "shard" // the row depends on the shard itself, or on its copies
)

// Bounds of a manifest.
const (
	MaxManifest = 64 << 10 // bytes
	MaxSettings = 64
	MaxName     = 64
	MaxPages    = 1024 // of 64 KiB, that a module may ask for

	MaxFuelPerRow  = 50_000_000
	MaxFuelPerNode = 100_000
	MaxFuelPerCall = 150_000_000 // whatever the two say: some 100 ms of a loop, for which nothing else can stop the world

	DefaultPages       = 256
	DefaultFuelPerRow  = 2_000_000
	DefaultFuelPerNode = 20_000
)

// Manifest is what a module says about itself, as JSON in its custom section policy.manifest. Fields whose names begin with
// "x-" are passed over; any other field that is not here is refused, since it could be a limit misspelt.
type Manifest struct {
	Name     string    `json:"name"`              // a-z 0-9 _ -, up to 64, beginning with a letter
	Version  string    `json:"version"`           // of the module; for people
	ABI      int       `json:"abi"`               // 1
	Kind     string    `json:"kind"`              // hard or soft
	Per      string    `json:"per"`               // class or shard
	Doc      string    `json:"doc,omitempty"`     // one sentence for listings
	Needs    []string  `json:"needs"`             // columns; the image has these and what belongs to them
	Reasons  []string  `json:"reasons,omitempty"` // by reason code; index 0 is not used. {node}, {shard} and {keyspace} are filled in
	Scale    float64   `json:"scale,omitempty"`   // of a scorer: what a difference of one copy on a node is worth
	Limits   Limits    `json:"limits"`            //
	Settings []Setting `json:"settings,omitempty"`
}

// Limits are what a module may use, each with a default for 0.
type Limits struct {
	Pages       int   `json:"pages,omitempty"`         // of memory, 64 KiB each; default 256
	FuelPerRow  int64 `json:"fuel_per_row,omitempty"`  // instructions for one call, default 2,000,000, up to MaxFuelPerRow …
	FuelPerNode int64 `json:"fuel_per_node,omitempty"` // … and for each node of the row, default 20,000, up to MaxFuelPerNode
}

// Budget is the fuel of one call over a row of so many nodes, MaxFuelPerCall at most.
func (l Limits) Budget(nodes int) int64 {
	return min(MaxFuelPerCall, l.FuelPerRow+l.FuelPerNode*int64(nodes))
}

// ParseManifest reads a manifest, fills the defaults and refuses what no host could follow.
func ParseManifest(text []byte) (*Manifest, error) {
	var m Manifest
	if err := DecodeManifest(text, &m); err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return &m, err
	}
	if err := cmp.Or(twice(text), m.strict()); err != nil {
		return &m, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return &m, nil
}

// DecodeManifest reads JSON as ParseManifest does into whatever a manifest of another sort of module looks like: fields that begin
// with "x-" are passed over, others that into does not have are refused. Errors wrap ErrManifest.
func DecodeManifest(text []byte, into any) error {
	if len(text) > MaxManifest {
		return fmt.Errorf("%w: %d bytes, over %d", ErrManifest, len(text), MaxManifest)
	}
	known, err := withoutExtras(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrManifest, misread(text, into, err))
	}
	d := json.NewDecoder(bytes.NewReader(known))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrManifest, misread(text, into, err))
	}
	return nil
}

// withoutExtras drops the top-level fields that begin with "x-".
func withoutExtras(text []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for name := range fields {
		if strings.HasPrefix(name, "x-") {
			delete(fields, name)
		}
	}
	return json.Marshal(fields)
}

// Validate fills the defaults and reports the first field that cannot be used; the error wraps ErrManifest.
func (m *Manifest) Validate() error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return nil
}

func (m *Manifest) validate() error {
	switch {
	case !IsName(m.Name):
		return fmt.Errorf("name is %q; must be 1 to %d of a-z 0-9 _ -, beginning with a letter", m.Name, MaxName)
	case m.Version == "" || len(m.Version) > MaxName:
		return fmt.Errorf("version of %s is %q; must be 1 to %d bytes", m.Name, m.Version, MaxName)
	case m.ABI != Version:
		return fmt.Errorf("abi of %s is %d; this host speaks %d", m.Name, m.ABI, Version)
	case m.Kind != Hard && m.Kind != Soft:
		return fmt.Errorf("kind of %s is %q; must be %s (a fault says NO) or %s (a fault is ignored)", m.Name, m.Kind, Hard, Soft)
	case m.Per != PerClass && m.Per != PerShard:
		return fmt.Errorf("per of %s is %q; must be %s (shards of a keyspace share answers) or %s (answers depend on the shard)", m.Name, m.Per, PerClass, PerShard)
	case m.Scale < 0 || math.IsNaN(m.Scale) || math.IsInf(m.Scale, 0):
		return fmt.Errorf("scale of %s is %v; must be a positive number, and is for scorers alone", m.Name, m.Scale)
	case len(m.Reasons) > MaxReason:
		return fmt.Errorf("%s has %d reasons; codes go from 1 to %d, and the next is the host's", m.Name, len(m.Reasons)-1, MaxReason-1)
	case len(m.Settings) > MaxSettings:
		return fmt.Errorf("%s has %d settings, over %d", m.Name, len(m.Settings), MaxSettings)
	}
	if _, err := m.Columns(); err != nil {
		return err
	}
	for code, text := range m.Reasons {
		if code > 0 && text == "" {
			return fmt.Errorf("reason %d of %s is empty; say why the answer is what it is", code, m.Name)
		}
	}
	for i := range m.Settings {
		s := &m.Settings[i]
		if err := s.validate(); err != nil {
			return err
		}
		if slices.ContainsFunc(m.Settings[:i], func(t Setting) bool { return t.Name == s.Name }) {
			return fmt.Errorf("%s has setting %s twice", m.Name, s.Name)
		}
	}
	return m.Limits.validate()
}

func (l *Limits) validate() error {
	if l.Pages == 0 {
		l.Pages = DefaultPages
	}
	if l.FuelPerRow == 0 {
		l.FuelPerRow = DefaultFuelPerRow
	}
	if l.FuelPerNode == 0 {
		l.FuelPerNode = DefaultFuelPerNode
	}
	switch {
	case l.Pages < 1 || l.Pages > MaxPages:
		return fmt.Errorf("limits.pages is %d; must be from 1 to %d pages of 64 KiB", l.Pages, MaxPages)
	case l.FuelPerRow < 1 || l.FuelPerRow > MaxFuelPerRow:
		return fmt.Errorf("limits.fuel_per_row is %d; must be from 1 to %d", l.FuelPerRow, MaxFuelPerRow)
	case l.FuelPerNode < 1 || l.FuelPerNode > MaxFuelPerNode:
		return fmt.Errorf("limits.fuel_per_node is %d; must be from 1 to %d", l.FuelPerNode, MaxFuelPerNode)
	}
	return nil
}

// IsName says whether s can name a policy or a kind of actors: 1 to MaxName of a-z 0-9 _ -, beginning with a letter.
func IsName(s string) bool {
	if s == "" || len(s) > MaxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// Columns are the numbers of the columns that the module needs.
func (m *Manifest) Columns() ([]Column, error) {
	out := []Column{}
	for _, name := range m.Needs {
		c, known := Lookup(name)
		if !known {
			return nil, fmt.Errorf("%s needs column %q, which this host does not have; ABI.md lists what there is", m.Name, name)
		}
		if slices.Contains(out, c) {
			return nil, fmt.Errorf("%s needs column %q twice", m.Name, name)
		}
		out = append(out, c)
	}
	return out, nil
}

// Reason is the sentence for a reason code, with the names filled in; known is false for a code that the manifest does not
// have, which in a row is a fault of the module. Code 0 is known and has no sentence.
func (m *Manifest) Reason(code uint8, node, shard, keyspace string) (text string, known bool) {
	if code == 0 {
		return "", true
	}
	if int(code) >= len(m.Reasons) {
		return "", false
	}
	return strings.NewReplacer("{node}", node, "{shard}", shard, "{keyspace}", keyspace).Replace(m.Reasons[code]), true
}

// JSON is the manifest as a module carries it.
func (m *Manifest) JSON() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("abi: a manifest that is no JSON: %v", err)) // only a NaN could do that, and Validate refuses it
	}
	return text
}
