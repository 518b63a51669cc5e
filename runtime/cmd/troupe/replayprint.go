package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/simulate"
)

// parseModule reads FILE[:SETTING=VALUE,...]. What has no = is another value of the list before it.
func parseModule(text string) (m simulate.Module, err error) {
	m = simulate.Module{Path: text, Settings: map[string]string{}}
	at := strings.LastIndex(text, ".wasm:")
	if at < 0 {
		return m, nil
	}
	m.Path = text[:at+len(".wasm")]
	list := ""
	for pair := range strings.SplitSeq(text[at+len(".wasm:"):], ",") {
		name, value, found := strings.Cut(pair, "=")
		switch {
		case found:
			list, m.Settings[name] = name, value
		case list != "":
			m.Settings[list] += "," + pair
		default:
			return m, usage("--policy %q: %q is no SETTING=VALUE", text, pair)
		}
	}
	return m, nil
}

// module finds a module that was in force: among those of the command line, those shipped, and those of the cluster.
func (p *replayer) module(ctx context.Context, x records.Policy) (*hosted.Version, error) {
	for _, path := range p.o.modules {
		v, err := p.shop.read(ctx, path)
		if err != nil {
			return nil, err
		}
		if v.Digest() == x.Digest {
			return v, nil
		}
	}
	shipped, err := p.shop.house(ctx, func(b hosted.BuiltIn) bool { return string(cluster.DigestOf(b.Binary)) == x.Digest })
	if err != nil {
		return nil, err
	}
	if len(shipped) > 0 {
		return shipped[0], nil
	}
	code, err := p.fromCluster(ctx, x.Digest)
	if err != nil {
		return nil, &lacking{Policy: x.Name, Digest: x.Digest, why: err}
	}
	return p.shop.load(ctx, code)
}

// fromCluster fetches a module that was pushed.
func (p *replayer) fromCluster(ctx context.Context, digest string) (code []byte, err error) {
	err = p.r.with(ctx, func(ctx context.Context, client *admin.Client) error {
		list, err := client.Policies(ctx)
		if err != nil {
			return err
		}
		for i := range list.Policies {
			for _, v := range list.Policies[i].Versions {
				if v.Digest == digest {
					code, err = client.PolicyModule(ctx, list.Policies[i].Name, int(v.Version))
					return err
				}
			}
		}
		return fmt.Errorf("the cluster does not have it any more")
	})
	if err == nil && string(cluster.DigestOf(code)) != digest {
		err = fmt.Errorf("the cluster gives another module, %.12s", cluster.DigestOf(code))
	}
	return code, err
}

// print writes the sum for people.
func (p *replayer) print() error {
	s, out := &p.sum, p.r.c.out
	engine := "compiled"
	if p.o.interpreter {
		engine = "interpreted"
	}
	fmt.Fprintf(out, "%s, %d the same bit for bit (modules %s, %d µs a plan)\n", plural(s.Plans, "plan"), s.Same, engine, s.Micros)
	for i, text := range s.Others {
		if i == 10 {
			fmt.Fprintf(out, "  and %d more\n", len(s.Others)-i)
			break
		}
		fmt.Fprintf(out, "  %s\n", text)
	}
	for _, b := range s.Builds {
		if !b.Own {
			fmt.Fprintf(out, "%s by %v; this is %v\n", plural(b.Plans, "plan"), records.Software{Release: b.Release, Build: b.Build}, runtime.Software())
		}
	}
	if !s.Compared || s.Plans == 0 {
		return nil
	}
	fmt.Fprintf(out, "\nUnder the other rules %s %s, and %s %s decided differently.\n",
		plural(s.Differ, "plan"), verb(s.Differ, "differs", "differ"), plural(s.Shards, "shard"), verb(s.Shards, "is", "are"))
	rows := [][]string{
		{"moves", fmt.Sprint(s.Was.Total()), fmt.Sprint(s.Is.Total())},
		{"  created", fmt.Sprint(s.Was.Creations), fmt.Sprint(s.Is.Creations)},
		{"  allocated", fmt.Sprint(s.Was.Allocations), fmt.Sprint(s.Is.Allocations)},
		{"  relocated", fmt.Sprint(s.Was.Relocations), fmt.Sprint(s.Is.Relocations)},
		{"  promoted", fmt.Sprint(s.Was.Promotions), fmt.Sprint(s.Is.Promotions)},
		{"  handed over", fmt.Sprint(s.Was.Handovers), fmt.Sprint(s.Is.Handovers)},
		{"  dropped", fmt.Sprint(s.Was.Drops), fmt.Sprint(s.Is.Drops)},
		{"bytes", simulate.SizeText(s.WasBytes), simulate.SizeText(s.IsBytes)},
	}
	for _, name := range slices.Sorted(maps.Keys(s.Balance)) {
		b := s.Balance[name]
		rows = append(rows, []string{"balance of " + name + ", at the last", fmt.Sprintf("%.3f", b[0]), fmt.Sprintf("%.3f", b[1])})
	}
	if err := writeTable(out, []string{"", "RECORDED", "INSTEAD"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "verdicts: %d of %d stricter, %d milder\n", s.Stricter, s.Asked, s.Milder)
	if s.FirstFlip != "" {
		_, err = fmt.Fprintf(out, "  as in %s\n", s.FirstFlip)
	}
	return err
}
