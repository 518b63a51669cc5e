package abi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// VectorsSection is the name of the custom section that holds golden vectors. A module need not have one.
const VectorsSection = "policy.vectors"

// VectorsFormat is the version of what is in it.
const VectorsFormat = 1

// Bounds of the section.
const (
	MaxVectorsText = 256 << 10 // bytes
	MaxFixtures    = 64
	MaxVectors     = 1024 // cases of all fixtures
	MaxLabel       = 256  // bytes of the name of a fixture, a node or a case
)

// ErrVectors is wrapped by every error about golden vectors.
var ErrVectors = errors.New("abi: invalid golden vectors")

// Vectors are questions that a module carries with the answers that it must give, as JSON in its custom section policy.vectors:
//
//	fixture   settings │ image │ names of its nodes        a cluster as the module sees it
//	└ case    export, shard, copy, flags ─► row, or points  a golden vector
//
// The answers are bytes of rows, and no sentences: what is said may be said better, what is decided may not be decided otherwise.
type Vectors struct {
	Format   int       `json:"format"` // VectorsFormat
	Fixtures []Fixture `json:"fixtures"`
}

// Fixture is a cluster with the questions about it. They are put in their order to one instance, which is asked nothing else.
type Fixture struct {
	Name     string          `json:"name"`     // of the file that it was recorded from, for people
	Nodes    []string        `json:"nodes"`    // names, for people, in the order of the image's rows
	Settings json.RawMessage `json:"settings"` // what pol_configure is given, byte for byte
	Image    []byte          `json:"image"`    // what pol_state is given: see Image
	Cases    []Case          `json:"cases"`
}

// Case is a golden vector: one question and its answer.
type Case struct {
	Line   int       `json:"line,omitempty"` // of the file, for people
	Name   string    `json:"name"`           // for people, as in "allocate orders/1"
	Export string    `json:"export"`         // that is called: of a Capability
	Shard  int       `json:"shard"`          // a row of the table of shards
	Copy   int       `json:"copy"`           // a row of the table of copies, or NoCopy
	Flags  uint32    `json:"flags"`          // FlagPrimary, FlagNew
	Row    Row       `json:"row,omitempty"`  // one byte for each node; not of score
	Points []float64 `json:"points,omitempty"`
}

// Row is bytes of an answer, which are written in hexadecimal.
type Row []byte

// MarshalText writes two digits for each node.
func (r Row) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, r), nil }

// UnmarshalText reads them.
func (r *Row) UnmarshalText(text []byte) (err error) {
	if *r, err = hex.AppendDecode(nil, text); err != nil {
		return fmt.Errorf("row %.40q: %w", text, err)
	}
	return nil
}

// Count is how many vectors there are; of nil, none.
func (v *Vectors) Count() (n int) {
	if v != nil {
		for i := range v.Fixtures {
			n += len(v.Fixtures[i].Cases)
		}
	}
	return n
}

// Question is the kind of the case's question.
func (c *Case) Question() (q Capability, known bool) {
	for _, q := range Capabilities() {
		if q.Export() == c.Export {
			return q, true
		}
	}
	return 0, false
}

// Label names a case of the fixture as people find it, as in "drain.yaml:8: allocate orders/1".
func (f *Fixture) Label(c *Case) string {
	if c.Line == 0 {
		return f.Name + ": " + c.Name
	}
	return fmt.Sprintf("%s:%d: %s", f.Name, c.Line, c.Name)
}

// FindVectors reads the golden vectors of a module; nil if it carries none.
func FindVectors(module []byte) (*Vectors, error) {
	text, found, err := custom(module, VectorsSection)
	switch {
	case err != nil || found == 0:
		return nil, err
	case found > 1:
		return nil, badVectors("the module has %d sections %s, and may have one", found, VectorsSection)
	}
	return ParseVectors(text)
}

// WithVectors gives a copy of the module with these vectors in place of any that it has.
func WithVectors(module []byte, v *Vectors) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrVectors, err)
	}
	if _, err := ParseVectors(text); err != nil {
		return nil, err
	}
	return WithCustom(module, VectorsSection, text)
}

// badVectors refuses a section, and says how one is made that is good.
func badVectors(format string, args ...any) error {
	return fmt.Errorf("%w: "+format+"; record them anew with: troupe policy test FIXTURES --policy MODULE --embed MODULE", append([]any{ErrVectors}, args...)...)
}

// ParseVectors reads the content of the section, which may be anything, and looks at every length and reference in it.
func ParseVectors(text []byte) (*Vectors, error) {
	if len(text) > MaxVectorsText {
		return nil, badVectors("%d bytes of section %s, and at most %d are read: leave out fixtures, or shards and nodes that they do not need", len(text), VectorsSection, MaxVectorsText)
	}
	v := &Vectors{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return nil, badVectors("section %s: %w", VectorsSection, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badVectors("section %s goes on at byte %d, behind its end", VectorsSection, d.InputOffset())
	}
	if v.Format != VectorsFormat {
		return nil, badVectors("they are of format %d; this release reads %d", v.Format, VectorsFormat)
	}
	if n := len(v.Fixtures); n < 1 || n > MaxFixtures {
		return nil, badVectors("%d fixtures; must be 1 to %d", n, MaxFixtures)
	}
	if n := v.Count(); n > MaxVectors {
		return nil, badVectors("%d cases; at most %d", n, MaxVectors)
	}
	for i := range v.Fixtures {
		if err := v.Fixtures[i].check(); err != nil {
			return nil, badVectors("fixture %d (%.80s): %w", i+1, v.Fixtures[i].Name, err)
		}
	}
	return v, nil
}

func (f *Fixture) check() error {
	if !isLabel(f.Name) {
		return fmt.Errorf("its name must be a text of 1 to %d bytes", MaxLabel)
	}
	image, err := Read(f.Image)
	if err != nil {
		return err
	}
	counts := image.Counts()
	if len(f.Nodes) != counts.Nodes {
		return fmt.Errorf("%d names of nodes, and its image has %d nodes", len(f.Nodes), counts.Nodes)
	}
	for _, name := range f.Nodes {
		if !isLabel(name) {
			return fmt.Errorf("the name of a node must be a text of 1 to %d bytes", MaxLabel)
		}
	}
	if len(f.Settings) == 0 || f.Settings[0] != '{' {
		return errors.New("settings must be an object, as in {\"settings\":{},\"keyspaces\":{}}")
	}
	if len(f.Cases) == 0 {
		return errors.New("it has no cases; a cluster that nothing is asked about is no vector")
	}
	for i := range f.Cases {
		if err := f.Cases[i].check(&counts); err != nil {
			return fmt.Errorf("case %d (%.80s): %w", i+1, f.Cases[i].Name, err)
		}
	}
	return nil
}

func (c *Case) check(of *Counts) error {
	q, known := c.Question()
	switch {
	case !isLabel(c.Name) || c.Line < 0:
		return fmt.Errorf("its name must be a text of 1 to %d bytes, and its line a number from 0 on", MaxLabel)
	case !known:
		return fmt.Errorf("%.40q is no export that is asked", c.Export)
	case c.Shard < 0 || c.Shard >= of.Shards:
		return fmt.Errorf("shard %d, and there are %d", c.Shard, of.Shards)
	case c.Copy != NoCopy && (c.Copy < 0 || c.Copy >= of.Shards*of.Slots):
		return fmt.Errorf("copy %d, and there is room for %d", c.Copy, of.Shards*of.Slots)
	case c.Flags&^(FlagPrimary|FlagNew) != 0:
		return fmt.Errorf("flags %#x; there are %d and %d", c.Flags, FlagPrimary, FlagNew)
	case q == Score && (len(c.Points) != of.Nodes || c.Row != nil):
		return fmt.Errorf("%d points; score gives one for each of %d nodes, and no row", len(c.Points), of.Nodes)
	case q != Score && (len(c.Row) != of.Nodes || c.Points != nil):
		return fmt.Errorf("a row of %d bytes; %s gives one for each of %d nodes, and no points", len(c.Row), c.Export, of.Nodes)
	}
	for _, x := range c.Points {
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return errors.New("points must be finite numbers")
		}
	}
	return nil
}

// isLabel says whether people can be shown a name.
func isLabel(name string) bool { return name != "" && len(name) <= MaxLabel && utf8.ValidString(name) }
