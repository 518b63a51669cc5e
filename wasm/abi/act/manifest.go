package act

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/wasm/abi"
)

// Manifest is what a module says about itself, as JSON in its custom section troupe.actor. Fields whose names begin with "x-" are
// passed over; any other field that is not here is refused, since it could be a limit misspelt.
type Manifest struct {
	Kind        string            `json:"kind"`                  // a-z 0-9 _ -, up to 64, beginning with a letter
	Version     string            `json:"version"`               // of the module; for people
	ABI         int               `json:"abi"`                   // 1
	Data        int               `json:"data,omitempty"`        // version of the layout of what actors keep, from 1; default 1
	Keyspace    string            `json:"keyspace,omitempty"`    // where the actors live; default "actors"
	Reuse       bool              `json:"reuse,omitempty"`       // memory is kept from a message to the next, whoever's it is. Default: it is put back
	Methods     map[string]string `json:"methods"`               // each with a sentence; messages with other methods are refused
	Description string            `json:"description,omitempty"` // one sentence for listings
	Limits      Limits            `json:"limits"`
}

// Limits are what one message may use. A field that is 0 means its default.
type Limits struct {
	Fuel  uint64 `json:"fuel,omitempty"`         // instructions; 10,000,000, at most 1,000,000,000
	Ops   int    `json:"ops,omitempty"`          // calls of get, put, del, scan and next; 1000, at most 4000
	Bytes int    `json:"bytes,omitempty"`        // of keys and values that are put, of payloads that are sent, and of the reply, together; 256 KiB, at most 4 MiB
	Sends int    `json:"sends,omitempty"`        // calls of tell, ask, remind and forget; 64, at most 1000
	Pages int    `json:"memory_pages,omitempty"` // of 64 KiB; 32, at most 256. Go guests need 64
}

// The defaults and the maxima of Limits.
var (
	DefaultLimits = Limits{Fuel: 10_000_000, Ops: 1000, Bytes: 256 << 10, Sends: 64, Pages: 32}
	MaxLimits     = Limits{Fuel: 1_000_000_000, Ops: 4000, Bytes: 4 << 20, Sends: 1000, Pages: 256}
)

// Defaults and bounds of a manifest.
const (
	DefaultKeyspace = "actors"
	MaxMethods      = 256
	MaxData         = 1 << 30
	maxSentence     = 1024
)

// ParseManifest reads a manifest, fills the defaults and refuses what no host could follow. Errors wrap abi.ErrManifest.
func ParseManifest(text []byte) (*Manifest, error) {
	var m Manifest
	if err := abi.DecodeManifest(text, &m); err != nil {
		return nil, err
	}
	return &m, m.Validate()
}

// FindManifest reads the manifest of a module.
func FindManifest(module []byte) (*Manifest, error) {
	text, err := abi.Custom(module, SectionName)
	switch {
	case err != nil:
		return nil, err
	case text == nil:
		return nil, fmt.Errorf("%w: the module has no section %s, so that it is no kind of actors; append one with: troupe actor pack MODULE MANIFEST", abi.ErrManifest, SectionName)
	}
	return ParseManifest(text)
}

// IsKind says whether a module has the manifest of a kind of actors, be it right or wrong. What has none is a policy, or nothing.
func IsKind(module []byte) bool {
	manifest, err := abi.Custom(module, SectionName)
	return err == nil && manifest != nil
}

// WithManifest gives a copy of the module with this manifest in place of any that it has. The text is kept as it is.
func WithManifest(module, manifest []byte) ([]byte, error) {
	if _, err := ParseManifest(manifest); err != nil {
		return nil, err
	}
	return abi.WithCustom(module, SectionName, manifest)
}

// Validate fills the defaults and reports the first field that cannot be used; the error wraps abi.ErrManifest.
func (m *Manifest) Validate() error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("%w: %w", abi.ErrManifest, err)
	}
	return nil
}

func (m *Manifest) validate() error {
	if m.Data == 0 {
		m.Data = 1
	}
	if m.Keyspace == "" {
		m.Keyspace = DefaultKeyspace
	}
	switch {
	case !abi.IsName(m.Kind):
		return fmt.Errorf("kind is %q; must be 1 to %d of a-z 0-9 _ -, beginning with a letter", m.Kind, abi.MaxName)
	case m.Version == "" || len(m.Version) > abi.MaxName:
		return fmt.Errorf("version of %s is %q; must be 1 to %d bytes", m.Kind, m.Version, abi.MaxName)
	case m.ABI != Version:
		return fmt.Errorf("abi of %s is %d; this host speaks %d", m.Kind, m.ABI, Version)
	case m.Data < 1 || m.Data > MaxData:
		return fmt.Errorf("data of %s is %d; the layouts of what its actors keep are numbered from 1", m.Kind, m.Data)
	case len(m.Keyspace) > 255:
		return fmt.Errorf("keyspace of %s has %d bytes; at most 255", m.Kind, len(m.Keyspace))
	case len(m.Methods) == 0 || len(m.Methods) > MaxMethods:
		return fmt.Errorf("%s has %d methods; must be 1 to %d, each with a sentence that says what it does", m.Kind, len(m.Methods), MaxMethods)
	case len(m.Description) > maxSentence:
		return fmt.Errorf("description of %s has %d bytes; at most %d", m.Kind, len(m.Description), maxSentence)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Methods)) {
		if !isMethod(name) {
			return fmt.Errorf("method %q of %s: a name is 1 to %d of letters, digits, dots, _ and -", name, m.Kind, MaxMethod)
		}
		if len(m.Methods[name]) > maxSentence {
			return fmt.Errorf("the sentence of method %s has %d bytes; at most %d", name, len(m.Methods[name]), maxSentence)
		}
	}
	return m.Limits.validate()
}

// isMethod says whether s fits into a path without being escaped.
func isMethod(s string) bool {
	return s != "" && len(s) <= MaxMethod && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
}

func (l *Limits) validate() error {
	for _, f := range []struct {
		name       string
		value      *int
		usual, top int
	}{
		{"ops", &l.Ops, DefaultLimits.Ops, MaxLimits.Ops},
		{"bytes", &l.Bytes, DefaultLimits.Bytes, MaxLimits.Bytes},
		{"sends", &l.Sends, DefaultLimits.Sends, MaxLimits.Sends},
		{"memory_pages", &l.Pages, DefaultLimits.Pages, MaxLimits.Pages},
	} {
		if *f.value == 0 {
			*f.value = f.usual
		}
		if *f.value < 1 || *f.value > f.top {
			return fmt.Errorf("limits.%s is %d; must be from 1 to %d", f.name, *f.value, f.top)
		}
	}
	if l.Fuel == 0 {
		l.Fuel = DefaultLimits.Fuel
	}
	if l.Fuel > MaxLimits.Fuel {
		return fmt.Errorf("limits.fuel is %d; must be from 1 to %d", l.Fuel, MaxLimits.Fuel)
	}
	return nil
}

// JSON is the manifest as a module carries it.
func (m *Manifest) JSON() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("act: a manifest that is no JSON: %v", err)) // it has nothing that JSON could not hold
	}
	return text
}
