package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/settings"
	"github.com/troupe-actors/troupe/runtime/preflight"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

func preflightCommand(c *console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "preflight", Short: "check what would stop a node on this machine", Args: cobra.NoArgs,
		Long:    "Checks configuration, addresses, data folder, disk space, fsync time, limits, memory and clock for a node with these settings,\nand what the members have against it that it would ask to let it in: those of --join and --peers-file, or of --initial where the folder\nhas been in a cluster.\nExit code 1 says that the node would not start, or not join. Warnings stop nothing.",
		Example: "  troupe preflight --data ./data\n  troupe preflight --config troupe.yaml --json\n  troupe preflight --data ./data --peer 10.0.0.5:7300 --join 10.0.0.4:7300",
	}
	n := withSettings(c, cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		merged, err := n.merge()
		if err != nil {
			return err
		}
		in := inputOf(&merged.Node)
		in.Strange = c.strange()
		in.Config = func() error { return checkConfig(&merged.Node) }
		in.Identity, in.Initial, in.Join = ownerOf, merged.Node.Initial, merged.Node.Join // a node that starts waits for its members, and need not be told
		if merged.Node.PeersFile != "" {
			in.Seeds = runtime.Config{PeersFile: merged.Node.PeersFile}.Seeds
		}
		in.Ask, in.Format = visitorOf(&merged.Node), runtime.WireFormat
		results := preflight.Run(cmd.Context(), in)
		if asJSON {
			err = preflight.JSON(c.out, results)
		} else {
			err = preflight.Table(c.out, results)
		}
		if err == nil && preflight.ExitCode(results) != 0 {
			err = errors.New("a node would not start here, or not join")
		}
		return err
	}
	return cmd
}

// inputOf is what a node with these settings would use.
func inputOf(s *settings.Node) preflight.Input {
	in := preflight.Input{RESP: s.RESP, HTTP: s.HTTP, Peer: s.Peer, Advertise: s.Advertise, Data: s.Data, Reserve: s.DiskReserve, Connections: s.MaxClients}
	for _, k := range s.Keyspaces {
		in.Memory += k.MaxMemory
	}
	return in
}

// ownerOf reads whose a data folder is. It opens the log as a node does, so that a folder that a node could not read is
// found out here; a node's own start need not do this twice.
func ownerOf(data string) (id preflight.Identity, found bool, err error) {
	if entries, err := os.ReadDir(data); err != nil || len(entries) == 0 {
		return id, false, err
	}
	node, cluster, found, err := runtime.Owner(data)
	if errors.Is(err, wal.ErrLocked) {
		return id, false, preflight.ErrLocked
	}
	return preflight.Identity{Node: string(node), Cluster: cluster}, found, err
}

// visitorOf asks members who they are, as a node with these settings would. One of a format from the future refuses to talk,
// and has said enough.
func visitorOf(s *settings.Node) func(context.Context, string, preflight.Identity) (preflight.Peer, error) {
	config := configOf(s, nil, nil)
	return func(ctx context.Context, address string, own preflight.Identity) (preflight.Peer, error) {
		v, err := runtime.Visit(ctx, config, shards.NodeID(own.Node), own.Cluster, address)
		switch {
		case v.Format > runtime.WireFormat:
			err = nil
		case errors.Is(err, transport.ErrRefused):
			err = fmt.Errorf("%w: nobody listens on %s", preflight.ErrRefused, address)
		}
		return preflight.Peer(v), err
	}
}

// mustBeFit makes the checks before a node starts: what fails is printed, and what only warns is printed, too.
func (c *console) mustBeFit(ctx context.Context, s *settings.Node) error {
	awaitAddresses(ctx, s)
	results := preflight.Run(ctx, inputOf(s))
	if preflight.ExitCode(results) != 0 {
		if err := preflight.Table(c.err, results); err != nil {
			return err
		}
		return errors.New("the preflight check refuses to start the node here; --skip-preflight starts it all the same")
	}
	for _, r := range results {
		switch {
		case r.Level != preflight.Warn:
		case s.LogFormat == "json":
			newLogger(c.err, s).Warn("preflight", "check", r.Name, "found", r.Found, "want", r.Want, "fix", r.Fix)
		default:
			fmt.Fprintf(c.err, "preflight: %s is %s, better %s: %s\n", r.Name, r.Found, r.Want, r.Fix)
		}
	}
	return nil
}

// handOver is how long a node waits for its addresses: one that was just killed may still hold them.
const handOver = 2 * time.Second

// awaitAddresses returns when the addresses are free, or handOver has passed.
func awaitAddresses(ctx context.Context, s *settings.Node) {
	ctx, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for preflight.ExitCode(preflight.Run(ctx, preflight.Input{RESP: s.RESP, HTTP: s.HTTP, Peer: s.Peer})) != 0 {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}
