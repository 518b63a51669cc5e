package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	agreed "github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/dev"
)

// devFlags are those of dev itself.
type devFlags struct {
	nodes, base int
	data        string
	attributes  []string
}

// byNode reads NODE:NAME=VALUE.
func (o *devFlags) byNode() (map[string][]string, error) {
	all := map[string][]string{}
	for _, text := range o.attributes {
		node, attribute, found := strings.Cut(text, ":")
		number, err := strconv.Atoi(strings.TrimPrefix(node, "n"))
		switch name, _, valued := strings.Cut(attribute, "="); {
		case !found || !valued || name == "":
			return nil, usage("--attr %q must be NODE:NAME=VALUE, as in n3:class=spot; for all nodes alike: troupe dev -- --attr class=spot", text)
		case err != nil || number < 1 || number > o.nodes || node != fmt.Sprintf("n%d", number):
			return nil, usage("--attr %q: there are nodes n1 to n%d", text, o.nodes)
		}
		all[node] = append(all[node], attribute)
	}
	return all, nil
}

const defaultBase = 7300

func devCommand(c *console) *cobra.Command {
	var o devFlags
	cmd := &cobra.Command{
		Use: "dev [-- FLAGS OF NODE]", Short: "run a cluster on this machine, for trying things out",
		Args: func(cmd *cobra.Command, args []string) error {
			if before := cmd.ArgsLenAtDash(); before > 0 || before < 0 && len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q; flags for the nodes come after --", args[0], cmd.CommandPath())
			}
			return nil
		},
		Long: `Runs several nodes as processes of their own until Ctrl-C, which stops all. Node i listens on port 730i for the others, on
740i for Redis clients and on 750i for HTTP; the client verbs find them by themselves. The nodes are in zones a, b and c in turn
(attribute zone, for settings and rehearsals). Data goes to a temporary folder that is removed at the end, or to --data, which is
kept. All nodes have one disk, so how full it is decides nothing: cluster.routing.allocation.disk.threshold_enabled is set to false
unless it is set already. From another terminal nodes can be killed, paused, cut off, and started again with the commands below.`,
		Example: `  troupe dev
  troupe dev --nodes 5 --data ./devdata
  troupe dev -- --keyspace orders:shards=64,replicas=2,min-in-sync=2
  troupe dev --attr n3:class=spot
  troupe dev kill n2`,
	}
	cmd.Flags().IntVar(&o.nodes, "nodes", 3, fmt.Sprintf("`number` of nodes, 1 to %d", dev.MaxNodes))
	cmd.Flags().StringVar(&o.data, "data", "", "`folder` for data and logs, which is kept (default: a temporary one)")
	cmd.Flags().StringArrayVar(&o.attributes, "attr", nil, "what policies may ask for of one node: `NODE:NAME=VALUE`, such as n3:class=spot; repeatable")
	cmd.PersistentFlags().IntVar(&o.base, "base-port", defaultBase, "`port` to count from")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case o.nodes < 1 || o.nodes > dev.MaxNodes:
			return usage("--nodes %d: must be 1 to %d", o.nodes, dev.MaxNodes)
		case o.base < 1 || o.base > 65535-200-dev.MaxNodes:
			return usage("--base-port %d: must be 1 to %d", o.base, 65535-200-dev.MaxNodes)
		}
		return c.runDev(cmd.Context(), &o, args)
	}
	for _, v := range []struct{ verb, short, long string }{
		{"kill", "kill a node: it has no chance to tidy up", "Ends the node's process at once, as a crash or kill -9 does."},
		{"pause", "stop a node where it is", "The node does not run until it is resumed, and does not know that time passes: the worst that a machine can do."},
		{"resume", "let a paused node go on", "The node goes on where it was paused."},
		{"stop", "stop a node in order", "The node hands over what it can and ends."},
		{"start", "start a node again", "Starts a node that was killed, stopped or ended by itself, with the data that it had."},
	} {
		cmd.AddCommand(c.devVerb(&o, v.verb+" NODE", v.short, v.long, cobra.ExactArgs(1), func(args []string) dev.Request {
			return dev.Request{Action: v.verb, Node: args[0]}
		}))
	}
	cmd.AddCommand(c.devCutCommand(&o))
	cmd.AddCommand(c.devVerb(&o, "heal [NODE]", "end cuts", "Lets a node hear the others again, or all nodes.", cobra.MaximumNArgs(1), func(args []string) dev.Request {
		return dev.Request{Action: "heal", Node: strings.Join(args, "")}
	}))
	cmd.AddCommand(c.devVerb(&o, "status", "list the nodes and what was done to them", "Lists the nodes, their processes and addresses.", cobra.NoArgs, func([]string) dev.Request {
		return dev.Request{Action: "status"}
	}))
	return cmd
}

func (c *console) devCutCommand(o *devFlags) *cobra.Command {
	var from []string
	var oneWay bool
	cut := c.devVerb(o, "cut NODE", "cut a node off from others", "The node loses what others send, and they what it sends; with --one-way they still hear it. Its clients still reach it.",
		cobra.ExactArgs(1), func(args []string) dev.Request {
			return dev.Request{Action: "cut", Node: args[0], From: from, OneWay: oneWay}
		})
	cut.Flags().StringSliceVar(&from, "from", nil, "only from these `nodes`, comma separated (default: all)")
	cut.Flags().BoolVar(&oneWay, "one-way", false, "only what comes to the node is lost")
	cut.Example += "\n  troupe dev cut n2 --from n1 --one-way"
	return cut
}

// devVerb is a verb that asks the running dev cluster for something.
func (c *console) devVerb(o *devFlags, use, short, long string, args cobra.PositionalArgs, request func([]string) dev.Request) *cobra.Command {
	name, rest, _ := strings.Cut(use, " ")
	example := "  troupe dev " + name
	if rest != "" {
		example += " n2"
	}
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: args, Example: example}
	var asJSON bool
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		base := 0
		if cmd.Flags().Changed("base-port") {
			base = o.base
		}
		answer, err := dev.Ask(cmd.Context(), dev.Folder(c.env), base, request(args))
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(c.out, answer.Nodes)
		}
		return writeDevNodes(c.out, answer.Nodes)
	}
	return cmd
}

// writeDevNodes prints the table of nodes.
func writeDevNodes(w io.Writer, nodes []dev.Node) error {
	rows := [][]string{}
	for _, n := range nodes {
		state, pid := string(n.State), "-"
		if n.Cut != "" {
			state += ", cut off from " + n.Cut
		}
		if n.PID != 0 {
			pid = fmt.Sprint(n.PID)
		}
		rows = append(rows, []string{n.Name, n.RESP, n.HTTP, n.Peer, pid, n.Log, state})
	}
	return writeTable(w, []string{"NODE", "REDIS", "HTTP", "PEER", "PROCESS", "LOG", "STATE"}, rows)
}

// runDev runs a dev cluster until ctx ends.
func (c *console) runDev(ctx context.Context, o *devFlags, flags []string) (err error) {
	attributes, err := o.byNode()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	data, temporary := o.data, o.data == ""
	if temporary {
		data, err = os.MkdirTemp("", "troupe-dev-")
	} else {
		data, err = filepath.Abs(data)
	}
	if err != nil {
		return err
	}
	if temporary {
		defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	}
	line := &liveLine{out: c.out, terminal: interactive(c.out)}
	cluster, err := dev.New(dev.Config{Program: program, Args: flags, Attributes: attributes, Nodes: o.nodes, Base: o.base, Data: data, Show: line.say})
	if errors.Is(err, dev.ErrPort) {
		return &failure{exitFailed, err}
	}
	if err != nil {
		return err
	}
	control, err := dev.Listen(cluster, dev.Folder(c.env))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	if err := cluster.Start(); err != nil {
		return err
	}
	if err := c.greetDev(cluster, data, temporary); err != nil {
		return errors.Join(err, cluster.Close())
	}
	c.followDev(ctx, cluster, line)
	line.say("stopping all nodes; Ctrl-C once more ends them at once")
	return cluster.Close()
}

// greetDev says where the nodes listen and what to type next.
func (c *console) greetDev(cluster *dev.Cluster, data string, temporary bool) error {
	nodes := cluster.Nodes()
	if err := writeDevNodes(c.out, nodes); err != nil {
		return err
	}
	kept := "kept"
	if temporary {
		kept = "removed at the end"
	}
	_, port, _ := strings.Cut(nodes[0].RESP, ":")
	last := nodes[len(nodes)-1].Name
	addr := ""
	if nodes[0].HTTP != devAddrs[0] {
		addr = " --addr " + nodes[0].HTTP
	}
	_, err := fmt.Fprintf(c.out, `Data and logs are in %s, %s. From another terminal:
  redis-cli -c -p %s SET hello world
  troupe load%s --dir FOLDER
  troupe nodes%s
  troupe dev kill %s        (or pause, cut, ...: see troupe dev --help)
Ctrl-C stops all.
`, data, kept, port, addr, addr, last)
	return err
}

// devPause is how often the health is looked at.
const devPause = 200 * time.Millisecond

// followDev keeps the line of health until ctx ends.
func (c *console) followDev(ctx context.Context, cluster *dev.Cluster, line *liveLine) {
	var addresses []string
	for _, n := range cluster.Nodes() {
		addresses = append(addresses, n.HTTP)
	}
	client, err := admin.NewClient(admin.ClientConfig{Addresses: addresses, Token: c.setting("", "TROUPE_TOKEN", ""), Attempt: time.Second})
	if err != nil {
		panic("dev: own addresses are refused: " + err.Error())
	}
	defer client.Close()
	again := time.NewTicker(devPause)
	defer again.Stop()
	answered, shared := false, false
	for {
		h, err := client.Health(ctx, "", 0)
		answered = answered || err == nil
		if err == nil && !shared {
			shared = shareDisk(ctx, client) == nil // else there is no leader yet: again
		}
		text := "starting"
		switch {
		case err == nil:
			text = healthLine(&h)
		case answered:
			text = "no node answers"
		}
		line.set(text + devStates(cluster.Nodes()))
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// shareDisk has placement look past the disk, on which all nodes are: at 85 % of a laptop's, no shard would get its second copy. What somebody has
// set stays.
func shareDisk(ctx context.Context, client *admin.Client) error {
	s, err := client.Settings(ctx, false)
	if _, set := s.Persistent[agreed.SettingDiskEnabled]; err != nil || set {
		return err
	}
	off := "false"
	_, err = client.SetSettings(ctx, map[string]*string{agreed.SettingDiskEnabled: &off})
	return err
}

// devStates tells of the nodes that do not run as they should.
func devStates(nodes []dev.Node) string {
	var states []string
	for _, n := range nodes {
		switch {
		case n.State != dev.Running:
			states = append(states, fmt.Sprintf("%s %s", n.Name, n.State))
		case n.Cut != "":
			states = append(states, fmt.Sprintf("%s cut off from %s", n.Name, n.Cut))
		}
	}
	if states == nil {
		return ""
	}
	return " · " + strings.Join(states, ", ")
}

// liveLine is a line that is kept up to date in place on a terminal; elsewhere each change is a line of its own. Its methods may
// be called concurrently.
type liveLine struct {
	out      io.Writer
	terminal bool

	mu   sync.Mutex
	text string
}

// set changes the line.
func (l *liveLine) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == l.text {
		return
	}
	l.text = text
	if l.terminal {
		l.draw()
		return
	}
	fmt.Fprintf(l.out, "%s  %s\n", time.Now().Format("15:04:05.000"), text)
}

// say prints lines above it.
func (l *liveLine) say(lines string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminal && l.text != "" {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
	fmt.Fprintln(l.out, lines)
	if l.terminal && l.text != "" {
		l.draw()
	}
}

// draw writes the line over what is there, cut to the terminal's width: what wraps could not be written over. mu is held.
func (l *liveLine) draw() {
	text := []rune(time.Now().Format("15:04:05") + "  " + l.text)
	if width := widthOf(l.out); len(text) >= width {
		text = append(text[:width-2], '…')
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", string(text))
}

// narrow is the width that a terminal has at least.
const narrow = 40

// widthOf is how many characters a line of the terminal has; 80 if it does not say.
func widthOf(stream any) int {
	width := 80
	if file, ok := stream.(*os.File); ok {
		if w, _, err := term.GetSize(int(file.Fd())); err == nil {
			width = w
		}
	}
	return max(width, narrow)
}
