package hosted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// vectorFuel bounds what all golden vectors of a module may use together: as much as a plan. A fixture's guest has to begin beside that, within
// bounds of its own.
const vectorFuel = planFuel

// ErrVector is wrapped by what Prove says of a golden vector that is not answered as recorded.
var ErrVector = errors.New("hosted: a golden vector is not answered as recorded")

// Prove plays golden vectors to the module, each fixture to a guest of its own, and compares byte for byte. The error names the first vector
// that is answered otherwise, or not at all, with what was recorded and what was answered. Vectors are bounded together in fuel, which is the
// same everywhere, and by the context between two of them. They are as abi.ParseVectors gives them: it has looked at every length.
// It may be called concurrently, also while sets ask the module, until Close.
func (v *Version) Prove(ctx context.Context, all *abi.Vectors) error {
	p := &purse{spare: vectorFuel}
	for i := range all.Fixtures {
		f := &all.Fixtures[i]
		err := v.play(ctx, f, p, func(c *abi.Case, row []byte, points []float64) error {
			return v.compare(f, c, row, points)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// play has a new guest look at a fixture, puts its cases to it, and gives each the bytes of a row, or points, to look at until the next one.
func (v *Version) play(ctx context.Context, f *abi.Fixture, p *purse, look func(c *abi.Case, row []byte, points []float64) error) error {
	image, err := abi.Read(f.Image)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	for _, c := range v.needs {
		if !image.Has(c) {
			return fmt.Errorf("%w: %s was recorded without column %v, which the manifest of policy %s needs: record it anew", ErrVector, f.Name, c, v.Name())
		}
	}
	g, fault := v.witness(f, image, p)
	if g != nil {
		defer g.close()
	}
	if fault != nil {
		return failed(f.Name, fault, p.spare == 0)
	}
	nodes := image.Counts().Nodes
	var points []float64
	for i := range f.Cases {
		c := &f.Cases[i]
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("hosted: the golden vectors of policy %s were not played to their end, and %s not at all: %w", v.Name(), f.Label(c), err)
		}
		q, known := c.Question()
		if !known || g.asks[q] == nil {
			return fmt.Errorf("%w: %s asks %s, which policy %s does not export", ErrVector, f.Label(c), c.Export, v.Name())
		}
		var row []byte
		a := asked{c.Shard, c.Copy, c.Flags}
		if q == abi.Score {
			points, fault = g.score(a, points[:0], nodes)
		} else if row, fault = g.ask(q, a, nodes); row == nil {
			row = g.blank[:nodes]
		}
		if fault != nil {
			return failed(f.Label(c), fault, p.spare == 0)
		}
		if err := look(c, row, points); err != nil {
			return err
		}
	}
	return nil
}

// witness is a new guest that has seen a fixture. It may be there, and have to be closed, also with a fault.
func (v *Version) witness(f *abi.Fixture, image *abi.Image, p *purse) (*guest, *Fault) {
	g, fault := v.instantiate(wasm.Host{}, p)
	if fault != nil {
		return nil, fault
	}
	if fault = g.configure(f.Settings); fault != nil {
		return g, fault
	}
	if fault = g.room(&g.image, len(f.Image)); fault != nil {
		return g, fault
	}
	copy(g.memory(g.image, len(f.Image)), f.Image)
	if fault = g.state(len(f.Image), image.Counts()); fault != nil {
		return g, fault
	}
	return g, g.furnish(image.Counts().Nodes)
}

// failed says that there is no answer. spent: nothing is left of what vectors may use together.
func failed(label string, f *Fault, spent bool) error {
	if spent && starved(f) {
		return fmt.Errorf("%w: with %s the vectors have used the %d instructions that they may use together: carry fewer, or of smaller clusters", ErrVector, label, vectorFuel)
	}
	return fmt.Errorf("%w: %s: %s", ErrVector, label, f.Text)
}

// compare finds the first node about which a case is answered otherwise.
func (v *Version) compare(f *abi.Fixture, c *abi.Case, row []byte, points []float64) error {
	if c.Points == nil {
		if bytes.Equal(row, c.Row) {
			return nil
		}
		n := 0
		for row[n] == c.Row[n] {
			n++
		}
		return fmt.Errorf("%w: %s: node %s: expected %s, answered %s", ErrVector, f.Label(c), f.Nodes[n], v.spell(c.Row[n], f.Nodes[n]), v.spell(row[n], f.Nodes[n]))
	}
	for n, x := range points {
		if x != c.Points[n] {
			return fmt.Errorf("%w: %s: node %s: expected %v points, answered %v", ErrVector, f.Label(c), f.Nodes[n], c.Points[n], x)
		}
	}
	return nil
}

// spell is a byte of a row in words. A case does not have the names that some reasons want.
func (v *Version) spell(answer byte, node string) string {
	text, known := v.Manifest.Reason(abi.Reason(answer), node, "{shard}", "{keyspace}")
	verdict := policies.Answer(answer).Verdict()
	switch {
	case !known:
		return fmt.Sprintf("%v with reason %d, which its manifest does not have", verdict, abi.Reason(answer))
	case text == "":
		return verdict.String()
	}
	return fmt.Sprintf("%v (%s)", verdict, text)
}

// Asked is a question that is to be recorded.
type Asked struct {
	policies.Question
	Score bool   // for points, and not for a row
	Line  int    // of the file where it is written; 0: of none
	Name  string // for people, as in "allocate orders/1"
}

// Record puts questions about a view to the module, with settings of its own as people set them, and keeps what it was given and what it
// answered as a fixture of golden vectors. Questions on which it has no word are left out, so that there may be no case. The error is what Prove
// would say. The view must not change meanwhile.
func (v *Version) Record(ctx context.Context, name string, view *policies.View, own map[string]string, questions []Asked) (*abi.Fixture, error) {
	b := &board{needs: slices.Clone(v.needs)}
	slices.Sort(b.needs)
	if err := b.look(view); err != nil {
		return nil, err
	}
	settings, fault := (&inForce{own: own}).of(v, view.State)
	if fault != nil {
		return nil, failed(name, fault, false)
	}
	part, err := b.image.Part(v.needs)
	if err != nil {
		return nil, err
	}
	f := &abi.Fixture{Name: name, Settings: settings, Image: make([]byte, part.Size())}
	part.Write(f.Image)
	for n := range view.Nodes {
		f.Nodes = append(f.Nodes, view.Nodes[n].Name)
	}
	m := mind{v: v, board: b}
	for i := range questions {
		q := &questions[i]
		kind := abi.Capability(q.Capability)
		if q.Score {
			kind = abi.Score
		}
		if kind == abi.Score && !v.scores || kind != abi.Score && !v.answers[kind] {
			continue
		}
		a := m.asked(&q.Question)
		f.Cases = append(f.Cases, abi.Case{Line: q.Line, Name: q.Name, Export: kind.Export(), Shard: a.shard, Copy: a.copy, Flags: a.flags})
	}
	return f, v.play(ctx, f, &purse{spare: vectorFuel}, func(c *abi.Case, row []byte, points []float64) error {
		if c.Export == abi.ExportScore {
			c.Points = slices.Clone(points)
		} else {
			c.Row = slices.Clone(row)
		}
		return nil
	})
}
