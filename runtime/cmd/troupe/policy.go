package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm/abi"
)

func policyCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Args: cobra.NoArgs, RunE: showHelp, Short: "push, watch, activate and take back the rules of placement",
		Long: `A policy is a WebAssembly module that decides where copies live. What it would change shows in the shadow before it is in force:

  push ──► shadow ──► activate ──► rollback
           │ computed beside       │ in force from one plan to the next, with its settings
           └ nothing moves         └ the leader takes it back by itself if it fails three times, stalls or moves shards for ever

Every node has the deciders of the house; a policy of the same name stands in the place of one.`,
		Example: `  troupe policy push spare.wasm
  troupe policy shadow spare --set nodes=n3 --watch
  troupe policy activate spare --set nodes=n3
  troupe policy rollback spare`,
	}
	for _, verb := range []func(*console) *cobra.Command{
		policyInitCommand, policyPackCommand, policyPushCommand, policyListCommand, policyInspectCommand, policyDiffCommand, policyShadowCommand, policyActivateCommand, policyDeactivateCommand,
		policyTestCommand, policyWatchCommand, policyRollbackCommand, policyResetCommand, policyQuarantineCommand, policyForgetCommand, policyLogsCommand,
	} {
		cmd.AddCommand(verb(c))
	}
	return cmd
}

func policyListCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "list policies, and what is in force", Args: cobra.NoArgs, Example: "  troupe policy list\n  troupe policy list --json",
		Long: "Lists the policies that were pushed, then the deciders of the house. READY counts the nodes that may lead and can run what is\nin force, or else the newest version. A version that nothing has used for thirty days is forgotten by itself, unless it is active,\nprevious, in the shadow, the newest, or a recorded plan of the leader was made with it.",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			l, err := client.Policies(ctx)
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, l)
			}
			return r.printPolicies(&l)
		})
	}
	return cmd
}

func (r *remote) printPolicies(l *admin.PolicyList) error {
	rows := [][]string{}
	for i := range l.Policies {
		p := &l.Policies[i]
		v := p.Find(0)
		if p.Active != nil {
			v = p.Find(p.Active.Version)
		}
		rows = append(rows, []string{p.Name, useText(p.Active), useText(p.Shadow), fmt.Sprint(len(p.Versions)), readyText(v), brief(noteText(p))})
	}
	for _, h := range l.House {
		state := "house"
		if h.Replaced != 0 {
			state = fmt.Sprintf("replaced by version %d", h.Replaced)
		}
		rows = append(rows, []string{h.Name, state, "-", "-", "-", "-"})
	}
	if err := writeTable(r.c.out, []string{"POLICY", "IN FORCE", "SHADOW", "VERSIONS", "READY", "NOTE"}, rows); err != nil {
		return err
	}
	for _, q := range l.Quarantine {
		fmt.Fprintf(r.c.out, "quarantined: module %.12s of %s since %s: %s\n", q.Digest, q.Policy, time.Unix(q.At, 0).Format(time.DateTime), brief(q.Reason))
	}
	for _, u := range l.Uploads {
		fmt.Fprintf(r.c.out, "module %.12s belongs to no policy: %s of %s have come\n", u.Digest, byteText(int64(u.Have)), byteText(int64(u.Size)))
	}
	if l.Gate != "" {
		fmt.Fprintf(r.c.out, "no version is activated but through the gate (%s): %s\n", cluster.SettingPolicyGate, l.Gate)
	}
	_, err := fmt.Fprintf(r.c.out, "%s of modules; at most %s\n", byteText(int64(l.Bytes)), byteText(int64(l.MaxBytes)))
	return err
}

// noteText is how the last change of a policy came about, behind what is wrong with its versions: that in force has failed, the newest must not be
// in force.
func noteText(p *admin.PolicyInfo) string {
	var words []string
	if p.Active != nil {
		if v := p.Find(p.Active.Version); v.Strikes > 0 {
			words = append(words, fmt.Sprintf("version %d %s", v.Version, strikesText(v)))
		}
	}
	if v := p.Find(0); v.Quarantined != "" && !strings.HasPrefix(p.Note, fmt.Sprintf("version %d was quarantined", v.Version)) {
		words = append(words, fmt.Sprintf("version %d is quarantined", v.Version))
	}
	if p.Note != "" {
		words = append(words, p.Note)
	}
	return strings.Join(words, "; ")
}

// strikesText is how near to quarantine a version is.
func strikesText(v *admin.PolicyVersion) string {
	return fmt.Sprintf("has failed %d of %d times: %s", v.Strikes, hosted.Strikes, v.Fault)
}

// brief is as much of a note as a table has room for; inspect prints all of it.
func brief(note string) string {
	const most = 70
	if text := []rune(note); len(text) > most {
		note = string(text[:most-1]) + "…"
	}
	if note == "" {
		return "-"
	}
	return note
}

// useText prints a version in use, as in "2 (1.0.1) nodes=n3".
func useText(u *admin.PolicyUse) string {
	if u == nil {
		return "-"
	}
	text := fmt.Sprintf("%d (%s)", u.Version, u.Label)
	for _, name := range slices.Sorted(maps.Keys(u.Settings)) {
		text += fmt.Sprintf(" %s=%s", name, u.Settings[name])
	}
	return text
}

// readyText counts the nodes that can run a version: also one that is quarantined, and runs nowhere.
func readyText(v *admin.PolicyVersion) string {
	ready := 0
	for _, n := range v.Ready {
		if n.Ready {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, len(v.Ready))
}

func policyInspectCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "inspect NAME|FILE", Short: "say what a policy, or a module on this machine, is and takes", Args: cobra.ExactArgs(1),
		Long: `Prints what a module says about itself: what it is asked, what it reads, its reasons and settings, and how many golden vectors it
carries. Of a policy of the cluster also its versions and who can run them. A FILE is what has a '.' or a '/' in its name; exit code 1
says why it could not be a policy, also since it answers a golden vector otherwise than recorded.`,
		Example: "  troupe policy inspect ./spare.wasm\n  troupe policy inspect spare --json",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.ContainsAny(args[0], "./") {
			return r.inspectFile(cmd.Context(), args[0])
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			p, err := client.Policy(ctx, args[0])
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, p)
			}
			return r.printPolicy(&p)
		})
	}
	return cmd
}

// readModule reads a file that shall be a module, and loads it and plays its golden vectors as every node would.
func readModule(ctx context.Context, path string) ([]byte, *inspected, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > cluster.MaxModule {
		return nil, nil, fmt.Errorf("%s has %s; a module has at most %s: build it smaller, without debug information", path, byteText(info.Size()), byteText(cluster.MaxModule))
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	i, err := inspect(ctx, code, true)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return code, i, nil
}

// inspected is what can be said of a module by itself.
type inspected struct {
	Digest   string        `json:"digest"`
	Size     int           `json:"size"`
	Answers  []string      `json:"answers"` // what it is asked
	Vectors  int           `json:"vectors"` // golden vectors that it carries
	Manifest *abi.Manifest `json:"manifest"`
}

// inspect looks at a module. play: its golden vectors are played to it as well, and the error says which is answered otherwise than recorded.
func inspect(ctx context.Context, code []byte, play bool) (*inspected, error) {
	if _, err := abi.FindManifest(code); err != nil { // a host takes more from those that it has had for long
		return nil, err
	}
	if err := abi.CheckMemory(code); err != nil {
		return nil, err
	}
	vectors, err := abi.FindVectors(code)
	if err != nil {
		return nil, err
	}
	engine, err := hosted.NewEngine(hosted.EngineConfig{})
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	v, err := hosted.Load(ctx, engine, code)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if vectors != nil && play {
		if err := v.Prove(ctx, vectors); err != nil {
			return nil, err
		}
	}
	i := &inspected{Digest: v.Digest(), Size: v.Size(), Answers: []string{}, Vectors: vectors.Count(), Manifest: v.Manifest}
	for q := policies.Allocate; q <= policies.Start; q++ {
		if v.Decides(q) {
			i.Answers = append(i.Answers, q.String())
		}
	}
	if v.Scores() {
		i.Answers = append(i.Answers, "score")
	}
	return i, nil
}

func (r *remote) inspectFile(ctx context.Context, path string) error {
	_, i, err := readModule(ctx, path)
	if err != nil {
		return err
	}
	if r.json {
		return printJSON(r.c.out, i)
	}
	fmt.Fprintf(r.c.out, "%s: module %.12s, %s, answers %s\n", path, i.Digest, byteText(int64(i.Size)), strings.Join(i.Answers, ", "))
	if i.Vectors > 0 {
		fmt.Fprintf(r.c.out, "carries %s, and answers as recorded\n", plural(i.Vectors, "golden vector"))
	}
	return r.printManifest(i.Manifest)
}

func (r *remote) printPolicy(p *admin.PolicyInfo) error {
	fmt.Fprintf(r.c.out, "policy %s, in force: %s, before: %s, in the shadow: %s\n", p.Name, useText(p.Active), useText(p.Previous), useText(p.Shadow))
	if p.Note != "" {
		fmt.Fprintln(r.c.out, p.Note)
	}
	rows := [][]string{}
	for i := range p.Versions {
		v := &p.Versions[i]
		word := readyText(v)
		for _, n := range v.Ready {
			if n.Reason != "" {
				word += fmt.Sprintf("; %s: %s", n.Node, n.Reason)
			}
		}
		if v.Quarantined != "" {
			word += "; quarantined: " + v.Quarantined
		}
		if v.Strikes > 0 {
			word += "; " + strikesText(v)
		}
		rows = append(rows, []string{fmt.Sprint(v.Version), v.Label, v.Digest[:12], byteText(int64(v.Size)), time.Unix(v.Pushed, 0).Format(time.DateTime), word})
	}
	if err := writeTable(r.c.out, []string{"VERSION", "LABEL", "MODULE", "SIZE", "PUSHED", "READY"}, rows); err != nil {
		return err
	}
	v := p.Find(0)
	if p.Active != nil {
		v = p.Find(p.Active.Version)
	}
	if v.Manifest == nil {
		return nil
	}
	fmt.Fprintf(r.c.out, "\nversion %d:\n", v.Version)
	if v.Vectors > 0 {
		fmt.Fprintf(r.c.out, "carries %s\n", plural(v.Vectors, "golden vector"))
	}
	return r.printManifest(v.Manifest)
}

func (r *remote) printManifest(m *abi.Manifest) error {
	fmt.Fprintf(r.c.out, "%s %s, %s, per %s: %s\nreads %s\n", m.Name, m.Version, m.Kind, m.Per, m.Doc, strings.Join(m.Needs, ", "))
	for code, reason := range m.Reasons {
		if code > 0 {
			fmt.Fprintf(r.c.out, "reason %d: %s\n", code, reason)
		}
	}
	if len(m.Settings) == 0 {
		return nil
	}
	rows := [][]string{}
	for i := range m.Settings {
		s := &m.Settings[i]
		name, own := s.Name, "-"
		if s.Prefix {
			name += "*"
		}
		if s.Keyspace {
			own = "yes"
		}
		rows = append(rows, []string{name, s.Takes(), fmt.Sprint(orNone(fmt.Sprint(defaultOf(s)))), own, s.Doc})
	}
	return writeTable(r.c.out, []string{"SETTING", "TYPE", "DEFAULT", "@KEYSPACE", "ABOUT"}, rows)
}

func defaultOf(s *abi.Setting) any {
	if s.Default == nil {
		return ""
	}
	return s.Default
}
