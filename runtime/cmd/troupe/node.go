package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/settings"
	"github.com/troupe-actors/troupe/tracing"
)

func nodeCommand(c *console) *cobra.Command {
	var check, skip, withInput bool
	cmd := &cobra.Command{
		Use: "node", Short: "run a node", Args: cobra.NoArgs,
		Long: `Runs a node until Ctrl-C (SIGINT), SIGTERM or SIGHUP, which stop it cleanly: another node leads, writes under way end, snapshots
are written. A second one ends it at once, and the next start then replays the log. SIGHUP comes when the node's terminal is
closed, and is not heard by a node that nohup began; nothing is read again at it. Certificates and --peers-file are, by
themselves, when they change; what else is here is read at the start.

Each flag is also a variable, --disk-reserve is TROUPE_DISK_RESERVE, and a key of the YAML file: a flag counts more
than a variable, a variable more than the file. Sizes are bytes, or have kb, mb, gb (1024s) behind them.

First come the checks of troupe preflight, but for those of configuration, data folder and members, which the start itself makes.

Exit codes: 0 stopped cleanly · 1 could not start, or failed · 2 the configuration is wrong`,
		Example: `  troupe node --data ./data
  troupe node --data off --keyspace cache:durability=memory,max-memory=1gb,eviction=allkeys-lru
  troupe node --data ./n2 --name n2 --join 127.0.0.1:7300 --resp 127.0.0.1:7402 --http 127.0.0.1:7502 --peer 127.0.0.1:7302
  TROUPE_PASSWORD=secret TROUPE_TOKEN=secret troupe node --resp 0.0.0.0:7400 --http 0.0.0.0:7500
  troupe node --config troupe.yaml --check`,
	}
	n := withSettings(c, cmd)
	cmd.Flags().BoolVar(&check, "check", false, "print the merged configuration and where each value comes from, then exit: 2 if no node can run with it")
	cmd.Flags().BoolVar(&skip, "skip-preflight", false, "start even if the preflight check would refuse")
	cmd.Flags().BoolVar(&withInput, "stop-with-stdin", false, "stop when standard input ends, so that the node does not outlive what started it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		merged, err := n.merge()
		if err != nil {
			return err
		}
		c.sayStrange(&merged.Node)
		if check {
			return errors.Join(merged.WriteYAML(c.out), checkConfig(&merged.Node))
		}
		if err := checkConfig(&merged.Node); err != nil {
			return err
		}
		if withInput {
			cmd.SetContext(c.untilInputEnds(cmd.Context()))
		}
		if !skip {
			if err := c.mustBeFit(cmd.Context(), &merged.Node); err != nil {
				return err
			}
		}
		return c.serve(cmd.Context(), &merged.Node)
	}
	return cmd
}

// lastWord is how long a node may take to stop after its standard input has ended; nobody may be there any more to kill it.
const lastWord = 30 * time.Second

// untilInputEnds ends when standard input does. What reads it runs as long as the process.
func (c *console) untilInputEnds(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, c.in) // a failure is an end, too
		cancel()
		time.AfterFunc(lastWord, func() { os.Exit(exitKilled) })
	}()
	return ctx
}

// configOf turns the merged settings into the runtime's.
func configOf(s *settings.Node, logger *slog.Logger, progress func(runtime.Progress)) runtime.Config {
	return runtime.Config{
		Name: s.Name, ClusterName: s.ClusterName, Data: s.Data, RESP: s.RESP, HTTP: s.HTTP, Peer: s.Peer, Keyspaces: s.Keyspaces,
		Replicas: s.Replicas, Join: s.Join, Initial: s.Initial, PeersFile: s.PeersFile, Roles: s.Roles, Attributes: s.Attributes,
		Host: s.Host, Advertise: s.Advertise, TLSCert: s.TLSCert, TLSKey: s.TLSKey, TLSCA: s.TLSCA,
		ClientTLSCert: s.ClientCert, ClientTLSKey: s.ClientKey,
		Tick: s.Tick, Heartbeat: s.Heartbeat, Election: s.Election, Lease: s.Lease, NoProof: s.NoProof, Patience: s.Patience, Redirect: s.Redirect, Guests: s.Guests, Dev: s.Dev,
		Password: s.Password, Token: s.Token, Insecure: s.Insecure, SnapshotBytes: s.SnapshotSize, DiskReserve: s.DiskReserve,
		SyncInterval: s.SyncInterval, MaxClients: s.MaxClients, Redis: s.Redis, TraceMessages: s.Traced, Pprof: s.Pprof, Logger: logger, Progress: progress,
	}
}

func newLogger(w io.Writer, s *settings.Node) *slog.Logger {
	o := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(tracing.LogHandler(slog.NewJSONHandler(w, o)))
	}
	return slog.New(tracing.LogHandler(slog.NewTextHandler(w, o)))
}

// serve runs a node until ctx ends or the node fails.
func (c *console) serve(ctx context.Context, s *settings.Node) error {
	signal.Ignore(syscall.SIGPIPE) // a node whose log is read by nobody any more goes on
	logger := newLogger(c.err, s)
	p := &startProgress{out: c.err, terminal: interactive(c.err), begun: time.Now()}
	if s.LogFormat == "json" { // a collector reads the lines: each is one of the log's
		p.log, p.terminal = logger, false
	}
	node, err := runtime.Start(ctx, configOf(s, logger, p.show))
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("stopped before the node was ready: %w", err)
	case err != nil:
		return refusedConfig(damaged(s.Name, err))
	}
	p.end("recovered")
	if p.log != nil {
		p.log.Info("the node is ready", "version", runtime.Version(), "node", node.Name(), "data", s.Data, "resp", node.RESPAddr(), "http", node.HTTPAddr())
	} else {
		c.greet(node, s)
	}
	idle, busy := context.WithCancel(ctx)
	var heap sync.WaitGroup
	heap.Go(func() { keepIdleHeapSmall(idle) })
	select {
	case <-ctx.Done():
	case <-node.Done():
	}
	busy()
	heap.Wait()
	p.say("stopping; Ctrl-C once more ends the node at once")
	p.restart()
	if err := node.Close(); err != nil {
		return damaged(node.Name(), err)
	}
	p.end("saved")
	if s.Data == "" {
		p.say("stopped cleanly: what was in memory is gone")
	} else {
		p.say("stopped cleanly: the next start replays nothing")
	}
	return nil
}

// checkConfig is why a node with these settings is refused wherever it is; a start says the same.
func checkConfig(s *settings.Node) error { return refusedConfig(configOf(s, nil, nil).Check()) }

// refusedConfig gives errors about the configuration the exit code that says so.
func refusedConfig(err error) error {
	switch {
	case errors.Is(err, runtime.ErrExposed):
		return &failure{exitUsage, fmt.Errorf("%w\n  a password is --password or TROUPE_PASSWORD, a token --token or TROUPE_TOKEN, certificates are --tls-cert, --tls-key and --tls-ca; --insecure allows everybody", err)}
	case errors.Is(err, runtime.ErrConfig):
		return &failure{exitUsage, err}
	}
	return err
}

// greet says where the node listens and what to type next.
func (c *console) greet(node *runtime.Node, s *settings.Node) {
	data := "in memory only"
	if s.Data != "" {
		data = "data in " + s.Data
	}
	fmt.Fprintf(c.out, "troupe %s: node %s is ready, %s\n", runtime.Version(), node.Name(), data)
	if addr := node.RESPAddr(); addr != "" {
		host, port, _ := net.SplitHostPort(addr)
		secured := ""
		if s.ClientCert != "" {
			secured = " --tls"
		}
		fmt.Fprintf(c.out, "  Redis  %-22s try: redis-cli%s -h %s -p %s SET hello world\n", addr, secured, host, port)
	}
	if addr := node.HTTPAddr(); addr != "" {
		flag := ""
		switch {
		case s.ClientCert != "":
			flag = " --addr https://" + addr
		case addr != defaultAddr:
			flag = " --addr " + addr
		}
		fmt.Fprintf(c.out, "  HTTP   %-22s try: troupe scan%s\n", addr, flag)
		fmt.Fprintf(c.out, "  %-29s      troupe load%s --dir FOLDER\n", "", flag)
	}
	fmt.Fprintln(c.out, "  Ctrl-C stops it.")
}

// startProgress shows how far a start or stop is, once that takes longer than a moment. Called concurrently.
type startProgress struct {
	out      io.Writer
	terminal bool
	log      *slog.Logger // nil: lines go to out

	mu    sync.Mutex
	begun time.Time
	shown time.Time // zero: nothing yet
	last  runtime.Progress
}

// quiet is how long nothing is shown.
const quiet = time.Second

func (p *startProgress) show(now runtime.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = now
	period := plainPeriod
	if p.terminal {
		period = 200 * time.Millisecond
	}
	since := p.shown
	if since.IsZero() {
		since, period = p.begun, quiet
	}
	if time.Since(since) < period {
		return
	}
	p.shown = time.Now()
	line := progressText(now, time.Since(p.begun))
	if p.terminal {
		fmt.Fprintf(p.out, "\r%-78s", line)
		return
	}
	p.say(line)
}

// say prints a line for people, or for who reads the log.
func (p *startProgress) say(line string) {
	if p.log != nil {
		p.log.Info(line)
		return
	}
	fmt.Fprintln(p.out, line)
}

func progressText(now runtime.Progress, elapsed time.Duration) string {
	line := fmt.Sprintf("%s: %d of %d shards", now.Phase, now.Shards, now.Of)
	if now.Bytes > 0 {
		line += fmt.Sprintf(", %s", byteText(now.Bytes))
		if now.Total >= now.Bytes {
			line += fmt.Sprintf(" of %s", byteText(now.Total))
		}
		line += fmt.Sprintf(", %s/s", byteText(int64(float64(now.Bytes)/elapsed.Seconds())))
	}
	return line
}

// restart begins another phase.
func (p *startProgress) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun, p.shown, p.last = time.Now(), time.Time{}, runtime.Progress{}
}

// end sums up a phase, if it took long enough to be worth a line or read anything.
func (p *startProgress) end(verb string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && !p.shown.IsZero() {
		fmt.Fprintf(p.out, "\r%78s\r", "")
	}
	elapsed := time.Since(p.begun)
	if p.last.Bytes == 0 && p.shown.IsZero() {
		return
	}
	line := fmt.Sprintf("%s %d shards", verb, p.last.Shards)
	if p.last.Bytes > 0 {
		rate := int64(float64(p.last.Bytes) / max(elapsed.Seconds(), 1e-9))
		line += fmt.Sprintf(", %s, %s/s", byteText(p.last.Bytes), byteText(rate))
	}
	p.say(fmt.Sprintf("%s in %.2f s", line, elapsed.Seconds()))
}
