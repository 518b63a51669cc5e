package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies/hosted"
	records "github.com/troupe-actors/troupe/policies/record"
)

// lacking is a rule that plans were made with and that is not here: a module that nobody gives, or one of the house of another build.
type lacking struct {
	Policy string `json:"policy"`
	Digest string `json:"digest,omitempty"` // of the module
	Plans  int    `json:"plans"`            // that cannot be made again for it
	why    error
}

// Error says of one plan's rule that it is not here.
func (l *lacking) Error() string {
	if l.Digest == "" {
		return fmt.Sprintf("rule %q is none that this build has", l.Policy)
	}
	return fmt.Sprintf("policy %s was the module %.12s; give its file with --module: %v", l.Policy, l.Digest, l.why)
}

// found gives the module that a rule was, and looks for it once.
func (p *replayer) found(ctx context.Context, x records.Policy) (*hosted.Version, error) {
	if l := p.lacks[x.Digest]; l != nil {
		return nil, l
	}
	v, err := p.module(ctx, x)
	return v, p.lack(ctx, err)
}

// lack remembers an error that says what is not here.
func (p *replayer) lack(ctx context.Context, err error) error {
	var l *lacking
	if ctx.Err() != nil || !errors.As(err, &l) {
		return err
	}
	if p.lacks == nil {
		p.lacks = map[string]*lacking{}
	}
	key := l.Digest
	if key == "" {
		key = "rule " + l.Policy
	}
	if known := p.lacks[key]; known != nil {
		return known
	}
	p.lacks[key] = l
	return l
}

// skip counts a plan that cannot be made again, if that is why there is an error; else the error is the caller's.
func (p *replayer) skip(ctx context.Context, r *records.Record, err error) error {
	var l *lacking
	if ctx.Err() != nil || !errors.As(err, &l) {
		return err
	}
	p.meet(r, p.o.without)
	p.sum.Skipped++
	if l.Plans++; l.Plans == 1 {
		p.sum.Lacking = append(p.sum.Lacking, l)
	}
	return nil
}

// meet notes which of the rules that are left out a plan was made with.
func (p *replayer) meet(r *records.Record, without []string) {
	for _, name := range without {
		if slices.ContainsFunc(slices.Concat(r.Policies.Deciders, r.Policies.Scorers), func(x records.Policy) bool { return x.Name == name }) {
			p.met[name] = true
		}
	}
}

// skipped says which plans were left out, and what to give for them.
func (p *replayer) skipped() string {
	var files, rules []string
	for _, l := range p.sum.Lacking {
		if l.Digest == "" {
			rules = append(rules, fmt.Sprintf("rule %s, which this build does not have (%s)", l.Policy, plural(l.Plans, "plan")))
			continue
		}
		files = append(files, fmt.Sprintf("policy %s, %.12s (%s: %v)", l.Policy, l.Digest, plural(l.Plans, "plan"), l.why))
	}
	text := fmt.Sprintf("%s left out", plural(p.sum.Skipped, "plan"))
	if len(files) > 0 {
		text += "; give with --module the file of " + strings.Join(files, ", of ")
	}
	if len(rules) > 0 {
		text += "; made with " + strings.Join(rules, ", ")
	}
	return text
}

// verdict is the error of plans that came out differently, of those that were left out, and of modules that failed.
func (p *replayer) verdict(failed []string) error {
	var words []string
	if n := len(p.sum.Others); n > 0 {
		words = append(words, fmt.Sprintf("%d of %s came out differently", n, plural(p.sum.Plans, "plan")))
	}
	if p.sum.Skipped > 0 {
		words = append(words, p.skipped())
	}
	if err := p.faulty(failed); err != nil {
		words = append(words, err.Error())
	}
	if len(words) == 0 {
		return nil
	}
	return &failure{exitDifferent, errors.New(strings.Join(words, "; "))}
}
