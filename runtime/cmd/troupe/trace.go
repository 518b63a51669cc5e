package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/tracing"
)

// traceOptions say what is shown of a failover.
type traceOptions struct {
	why, otlp, jaeger string
	watch, wide       bool
	width             int
}

func traceCommand(c *console) *cobra.Command {
	var o traceOptions
	cmd := &cobra.Command{
		Use: "trace [FAILOVER]", Short: "show failovers: what died, who noticed, what was decided, when writes came back", Args: cobra.MaximumNArgs(1),
		Long: `Lists the failovers that the cluster remembers, or draws one as a waterfall. FAILOVER is what the list calls it: a node with
its epoch, such as n2@7, for a death; drain-n2@41, relocation@41 or spare@41 (a policy) for what was asked for, with the version of the cluster
state; suspicion-n2@7; copies-n2@7 for when all copies that died with a node had been replaced, or were back with it. Or a node's name for its
newest, or a trace id, or how that begins. Every node knows the same history, also of nodes that are gone: the newest 256 failovers, or the
newest MiB of them, which is 64 where each was of hundreds of shards; and the newest 64 of all else. Suspicions that
were refuted, and deaths of nodes that led no shard, only the placement leader knows: the newest 64, for as long as it runs.

--why shows for one shard what every decider said about every candidate, at each decision. --otlp and --jaeger write the trace to a
file ("-": standard output): any collector takes the first on its OTLP/HTTP port, the upload of Jaeger's search page opens the second.
Files say service.name=troupe: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES do not count there.
To have each failover sent to a collector as it happens, start the nodes with OTEL_EXPORTER_OTLP_ENDPOINT set.

Exit codes: 0 shown · 3 nothing is known of that failover · 4 several are called so, and are listed`,
		Example: `  troupe trace
  troupe trace n2
  troupe trace n2@7 --why orders/17
  troupe trace n2@7 --jaeger failover.json
  troupe trace --watch`,
	}
	f := cmd.Flags()
	f.StringVar(&o.why, "why", "", "show what the deciders said about `SHARD`, such as orders/17")
	f.StringVar(&o.otlp, "otlp", "", "write the trace to `FILE` as an OTLP/JSON request")
	f.StringVar(&o.jaeger, "jaeger", "", "write the trace to `FILE` for the upload of Jaeger's search page")
	f.BoolVar(&o.watch, "watch", false, "go on, and show each failover as soon as it has ended; nodes that are lost are waited for")
	f.BoolVar(&o.wide, "wide", false, "list whole trace ids, as a collector is asked for")
	f.IntVar(&o.width, "width", 0, "columns of the waterfall (default: the terminal's, or 120)")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(args); err != nil {
			return err
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			switch {
			case o.watch:
				return r.watchFailovers(ctx, client, &o)
			case len(args) == 0:
				return r.listFailovers(ctx, client, o.wide)
			}
			f, err := client.Failover(ctx, args[0])
			if err != nil {
				return err
			}
			return r.showFailover(ctx, client, f, &o)
		})
	}
	return cmd
}

func (o *traceOptions) check(args []string) error {
	files := o.otlp != "" || o.jaeger != ""
	switch {
	case len(args) == 0 && (o.why != "" || files):
		return usage("--why, --otlp and --jaeger are about one failover: name it, as in troupe trace n2@7; troupe trace lists them")
	case o.why != "" && files:
		return usage("--why is a table for people, and --otlp and --jaeger are the whole trace: ask for one of them")
	case o.otlp != "" && o.otlp == o.jaeger:
		return usage("--otlp and --jaeger cannot both go to %s", o.otlp)
	case o.wide && (len(args) > 0 || o.watch):
		return usage("--wide is about the list: one failover is shown with its whole trace id")
	case len(args) > 0 && o.watch:
		return usage("--watch shows the failovers to come; leave %s out", args[0])
	case o.width != 0 && o.width < 60:
		return usage("--width %d is too narrow; 60 columns are the least", o.width)
	}
	return nil
}

// shownTrace is how many digits of a trace id are listed: as many as name a failover.
const shownTrace = 8

func (r *remote) listFailovers(ctx context.Context, client *admin.Client, wide bool) error {
	list, err := client.Failovers(ctx)
	if err != nil {
		return err
	}
	if r.json {
		return printJSON(r.c.out, list)
	}
	if list.Missing != "" {
		fmt.Fprintln(r.c.err, "note:", list.Missing)
	}
	if len(list.Failovers) == 0 {
		fmt.Fprintln(r.c.out, "no failover is remembered")
		return nil
	}
	t := tabwriter.NewWriter(r.c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FAILOVER\tWHEN\tKIND\tOUTCOME\tSHARDS\tWRITES BACK AFTER\tTOOK\tTRACE")
	for _, f := range list.Failovers {
		back, took, trace := "-", "-", f.Trace
		if !wide {
			trace = trace[:min(shownTrace, len(trace))]
		}
		if f.Kind == "failover" && f.Shards > 0 && f.Outcome != "open" && f.Outcome != "red" && f.Outcome != "given_up" {
			if back = millis(f.Unavailable); f.Unseen {
				back = "not known"
			}
		}
		if f.Took > 0 {
			took = millis(f.Took)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", f.ID, time.UnixMilli(f.At).Format(time.DateTime), f.Kind, f.Outcome, f.Shards, back, took, trace)
	}
	return t.Flush()
}

// millis prints milliseconds as people read them.
func millis(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(100 * time.Microsecond).String()
}

func (r *remote) showFailover(ctx context.Context, client *admin.Client, f *tracing.Failover, o *traceOptions) error {
	switch {
	case o.otlp != "" || o.jaeger != "":
		return r.writeTraces(ctx, client, f, o)
	case o.why != "" && r.json:
		if s := tracing.NewShardAnswer(f, o.why); s != nil {
			return printJSON(r.c.out, s)
		}
		return &failure{exitNotFound, fmt.Errorf("failover %s has no shard %q", f.ID(), o.why)}
	case o.why != "":
		if err := f.Why(r.c.out, o.why); err != nil {
			return &failure{exitNotFound, err}
		}
		return nil
	case r.json:
		return printJSON(r.c.out, tracing.NewAnswer(f))
	}
	fmt.Fprintln(r.c.out, f.Summary())
	if felt := f.Felt(); felt != "" {
		fmt.Fprintln(r.c.out, felt)
	}
	fmt.Fprintf(r.c.out, "trace %s\n\n", f.Trace())
	if f.Omitted > 0 {
		fmt.Fprintf(r.c.out, "%d of %d shards were too many to be kept one by one; they are in the groups\n", f.Omitted, len(f.Shards)+f.Omitted)
	}
	if f.OmittedPlans > 0 {
		fmt.Fprintf(r.c.out, "%d of %d plans were too many to be kept\n", f.OmittedPlans, len(f.Plans)+f.OmittedPlans)
	}
	return tracing.Waterfall(r.c.out, f.Spans(), r.columns(o.width))
}

// columns is how wide the output is.
func (r *remote) columns(wanted int) int {
	if wanted != 0 {
		return wanted
	}
	if file, ok := r.c.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width >= 60 {
			return width
		}
	}
	return 120
}

// writeTraces writes the files that are asked for.
func (r *remote) writeTraces(ctx context.Context, client *admin.Client, f *tracing.Failover, o *traceOptions) error {
	node, err := client.Banner(ctx)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		path string
		form func(io.Writer, tracing.Origin, []tracing.Span) error
	}{{o.otlp, tracing.WriteOTLP}, {o.jaeger, tracing.WriteJaeger}} {
		write := func(w io.Writer) error {
			return file.form(w, tracing.Origin{Service: "troupe", Namespace: node.Cluster}, f.Spans())
		}
		switch file.path {
		case "":
			continue
		case "-":
			err = write(r.c.out)
		default:
			err = r.writeFile(file.path, write)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(r.c.err, "written to %s\n", path)
	return nil
}

// traceWatchPause is how often a watch asks again.
const traceWatchPause = 500 * time.Millisecond

// watchFailovers shows each failover that ends from now on, until ctx does. Nodes that are lost meanwhile are waited for, however long: what
// ended in that time is shown when one answers again.
func (r *remote) watchFailovers(ctx context.Context, client *admin.Client, o *traceOptions) error {
	w := &traceWatch{remote: r, client: client, options: o}
	pause := time.NewTicker(traceWatchPause)
	defer pause.Stop()
	for {
		err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && w.lost:
			w.lost = false
			fmt.Fprintln(r.c.err, "troupe: a node answers again")
		case err != nil && (w.seen == nil || !temporary(err)):
			return err
		case err != nil && !w.lost:
			w.lost = true
			why, _, _ := strings.Cut(err.Error(), "\n")
			fmt.Fprintf(r.c.err, "troupe: no node answers; waiting until one does (%s)\n", why)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// traceWatch is what a watch knows.
type traceWatch struct {
	*remote
	client  *admin.Client
	options *traceOptions
	seen    map[string]string // outcome by trace, of what is not to be shown any more; nil before the first answer
	lost    bool              // no node has answered since
}

// look shows what has ended since the last look; the first time it only learns what there is.
func (w *traceWatch) look(ctx context.Context) error {
	list, err := w.client.Failovers(ctx)
	if err != nil {
		return err
	}
	first := w.seen == nil
	if first {
		w.seen = map[string]string{}
	}
	for i := len(list.Failovers) - 1; i >= 0; i-- {
		f := &list.Failovers[i]
		if !first && w.seen[f.Trace] != f.Outcome && f.Outcome != "open" {
			if err := w.show(ctx, f.Trace); err != nil {
				return err
			}
		}
		w.seen[f.Trace] = f.Outcome
	}
	return nil
}

func (w *traceWatch) show(ctx context.Context, trace string) error {
	record, err := w.client.Failover(ctx, trace)
	if admin.NotFound(err) { // another leads by now, who does not know of suspicions
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.showFailover(ctx, w.client, record, w.options); err != nil {
		return err
	}
	if !w.json {
		fmt.Fprintln(w.c.out)
	}
	return nil
}
