package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// embedded is a module that has been written with golden vectors.
type embedded struct {
	File     string   `json:"embedded"`
	Digest   string   `json:"digest"` // another module than before
	Size     int      `json:"size"`
	Bytes    int      `json:"vector_bytes"` // of the section
	Vectors  int      `json:"vectors"`
	Fixtures int      `json:"fixtures"`
	Left     []string `json:"left_out,omitempty"` // cases on which the module has no word, and that are no vectors
}

// embed records fixtures that have passed as golden vectors of the module, and writes it with them.
func (t *tester) embed(ctx context.Context, files []string) (*embedded, error) {
	code, err := os.ReadFile(t.o.policy)
	if err != nil {
		return nil, err
	}
	v, err := t.compiled.load(ctx, code)
	if err != nil {
		return nil, err
	}
	all := &abi.Vectors{Format: abi.VectorsFormat}
	e := &embedded{File: t.o.embed}
	for _, path := range files {
		f, err := e.record(ctx, v, path)
		if err != nil {
			return nil, err
		}
		if len(f.Cases) > 0 {
			all.Fixtures = append(all.Fixtures, *f)
		}
	}
	if e.Vectors, e.Fixtures = all.Count(), len(all.Fixtures); e.Vectors == 0 {
		return nil, usage("no case asks what module %s has a word on, so that nothing can be recorded", t.o.policy)
	}
	with, err := abi.WithVectors(code, all)
	if err != nil {
		return nil, err
	}
	for _, shop := range []*workshop{t.compiled, t.interpreted} { // as nodes do, one way or the other
		v, err := shop.load(ctx, with)
		if err == nil {
			err = v.Prove(ctx, all)
		}
		if err != nil {
			return nil, fmt.Errorf("asked again, with new guests: %w", err)
		}
	}
	section, err := abi.Custom(with, abi.VectorsSection)
	if err != nil {
		return nil, err
	}
	e.Digest, e.Size, e.Bytes = string(cluster.DigestOf(with)), len(with), len(section)
	if e.Size > cluster.MaxModule {
		return nil, fmt.Errorf("with its vectors module %s has %s; a module has at most %s: leave out fixtures, or build it smaller", t.o.policy, byteText(int64(e.Size)), byteText(cluster.MaxModule))
	}
	return e, os.WriteFile(t.o.embed, with, 0o644)
}

// record records one fixture.
func (e *embedded) record(ctx context.Context, v *hosted.Version, path string) (*abi.Fixture, error) {
	f, w, err := readFixture(path)
	if err != nil {
		return nil, err
	}
	questions, err := f.Questions(w)
	if err != nil {
		return nil, &failure{exitUsage, err}
	}
	var asked []hosted.Asked
	for i := range questions {
		q := &questions[i]
		if q.Score && !v.Scores() || !q.Score && !v.Decides(q.Capability) {
			e.Left = append(e.Left, fmt.Sprintf("%s:%d: %s", path, q.Line, q.Title))
			continue
		}
		asked = append(asked, hosted.Asked{Question: q.Question, Score: q.Score, Line: q.Line, Name: q.Title})
	}
	return v.Record(ctx, filepath.Base(path), policies.NewView(w.State, w.Facts), w.Own, asked)
}

func (c *console) printEmbedded(e *embedded, asJSON bool) error {
	if asJSON {
		return printJSON(c.out, e)
	}
	for _, left := range e.Left {
		fmt.Fprintf(c.out, "%s: the module has no word on it, and it is no vector\n", left)
	}
	_, err := fmt.Fprintf(c.out, "%s: %s of %s in %s; module %.12s, %s\n", e.File, plural(e.Vectors, "golden vector"), plural(e.Fixtures, "fixture"), byteText(int64(e.Bytes)), e.Digest, byteText(int64(e.Size)))
	return err
}
