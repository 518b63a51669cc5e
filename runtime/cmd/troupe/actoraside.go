package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// mailOf says of which senders, to which receivers.
type mailOf struct{ from, to string }

func mailFlags(cmd *cobra.Command) *mailOf {
	m := &mailOf{}
	cmd.Flags().StringVar(&m.from, "from", "", "only what these have sent: `KIND or KIND/NAME`")
	cmd.Flags().StringVar(&m.to, "to", "", "only what is for these: `KIND or KIND/NAME`")
	return m
}

func actorAsideCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "aside", Short: "list the messages between actors that were set aside", Args: cobra.NoArgs,
		Long: `A message of one actor to another, an answer or a reminder that its receiver refuses again and again is set aside with its reason, so that
what comes behind it is handled. It is kept for seven days, in which it can be sent again (troupe actor redrive) or dropped
(troupe actor drop).

Exit codes: 0 · 1 nobody answers`,
		Example: "  troupe actor aside\n  troupe actor aside --to counter --json",
	}
	of, p := mailFlags(cmd), pageFlags(cmd)
	cmd.Flags().Lookup("after").Usage = "list what comes after this `ID`"
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkPage(p); err != nil {
			return err
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			l, err := client.Aside(ctx, admin.AsideQuery{From: of.from, To: of.to, Page: *p})
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, l)
			}
			last := l.Next
			if len(l.Aside) > 0 {
				last = cmp.Or(last, l.Aside[len(l.Aside)-1].ID) // of an earlier release
				if err := r.printAside(l.Aside); err != nil {
					return err
				}
			}
			return r.printPart(&l.Part, last)
		})
	}
	return cmd
}

// printAside prints messages that were set aside.
func (r *remote) printAside(list []admin.ActorMail) error {
	rows := [][]string{}
	for i := range list {
		m := &list[i]
		rows = append(rows, []string{keyText([]byte(m.ID)), time.UnixMilli(m.At).Format(time.DateTime), keyText([]byte(m.From)), keyText([]byte(m.To)), keyText([]byte(m.Method)), fmt.Sprint(m.Tries), keyText([]byte(m.Reason))})
	}
	return writeTable(r.c.out, []string{"ID", "WHEN", "FROM", "TO", "METHOD", "TRIES", "REASON"}, rows)
}

func actorRedriveCommand(c *console) *cobra.Command {
	return mendCommand(c, &cobra.Command{
		Use: "redrive ID... | --all", Short: "send messages again that were set aside",
		Long: `Once what they were refused for is mended: a version with a fault is rolled back, say. What an actor had told another goes behind
all that it has told it since; it is set aside again if it is refused as often again. A reminder comes at once, and an answer is handled at
once. IDs are those of troupe actor aside; --all takes all that are there when it begins, or those of --from and --to.

Each is sent once, however often that is asked for: if the command is cut off, run it again.

Exit codes: 0 all were sent, or are gone already · 1 some were not, and are where they were, or nobody knows; or nobody answers`,
		Example: "  troupe actor redrive '{account/anna}/000642a1c0ffee00'\n  troupe actor redrive --all --to counter",
	}, false)
}

func actorDropCommand(c *console) *cobra.Command {
	return mendCommand(c, &cobra.Command{
		Use: "drop ID... | --all", Short: "drop messages that were set aside",
		Long: `They never come then, and nobody is told. IDs are those of troupe actor aside; --all takes all that are there when it begins, or those of
--from and --to.

Exit codes: 0 all are gone · 1 some are not, or nobody knows; or nobody answers`,
		Example: "  troupe actor drop '{account/anna}/000642a1c0ffee00'\n  troupe actor drop --all --from account/anna",
	}, true)
}

// mendCommand is a verb that sends messages again that were set aside, or drops them.
func mendCommand(c *console, cmd *cobra.Command, drop bool) *cobra.Command {
	all := false
	cmd.Flags().BoolVar(&all, "all", false, "all that are set aside")
	of := mailFlags(cmd)
	r := withCluster(c, cmd)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case all && len(args) > 0:
			return usage("write IDs or --all, not both")
		case !all && len(args) == 0:
			return usage("say which: IDs as troupe actor aside lists them, or --all")
		case !all && *of != mailOf{}:
			return usage("--from and --to say which of --all")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if all {
				var err error
				if ids, err = everyAside(ctx, client, of); err != nil {
					return err
				}
			}
			return r.mend(ctx, client, ids, drop)
		})
	}
	return cmd
}

// everyAside lists the IDs of all that are set aside now: what is sent again may be set aside again before the last of them is sent.
func everyAside(ctx context.Context, client *admin.Client, of *mailOf) (ids []string, err error) {
	q := admin.AsideQuery{From: of.from, To: of.to, NoBodies: true, Page: admin.Page{Limit: admin.MaxPage}}
	for {
		l, err := client.Aside(ctx, q)
		switch {
		case err != nil:
			return nil, err
		case len(l.Unseen) > 0:
			return nil, fmt.Errorf("nobody could look into %d shards, %s first; nothing was done: troupe health says why", len(l.Unseen), l.Unseen[0])
		}
		for i := range l.Aside {
			ids = append(ids, l.Aside[i].ID)
		}
		next := l.Next
		if next == "" && len(l.Aside) > 0 { // an earlier release
			next = l.Aside[len(l.Aside)-1].ID
		}
		switch {
		case !l.More || next == "":
			return ids, nil
		case next == q.After: // an earlier release, which does not find some names again
			return nil, fmt.Errorf("the list does not go on after %s; nothing was done: ask a node of this release", keyText([]byte(next)))
		}
		q.After = next
	}
}

// mend has messages sent again, or dropped, and says what became of them.
func (r *remote) mend(ctx context.Context, client *admin.Client, ids []string, drop bool) error {
	all := admin.MendedList{Results: []admin.Mended{}}
	failed, gone := 0, 0 // what is gone is where who asks wants it: it was sent again before, or dropped
	for len(ids) > 0 {
		n := min(len(ids), admin.MaxMending)
		l, err := client.Mend(ctx, admin.Mending{IDs: ids[:n], Drop: drop})
		if err != nil {
			return fmt.Errorf("after %d messages: %w", len(all.Results), err)
		}
		ids, all.Results = ids[n:], append(all.Results, l.Results...)
	}
	for _, m := range all.Results {
		if m.Problem == "" {
			continue
		}
		if m.Gone {
			gone++
		} else {
			failed++
		}
		if !r.json && !(m.Gone && drop) {
			fmt.Fprintf(r.c.err, "%s: %s\n", keyText([]byte(m.ID)), m.Problem)
		}
	}
	done := "sent again"
	if drop {
		done = "dropped"
	}
	var err error
	if r.json {
		err = printJSON(r.c.out, all)
	} else {
		n := len(all.Results) - failed - gone
		_, err = fmt.Fprintf(r.c.out, "%d %s %s\n", n, verb(n, "message was", "messages were"), done)
		if err == nil && gone > 0 {
			_, err = fmt.Fprintf(r.c.out, "%d %s gone already\n", gone, verb(gone, "was", "were"))
		}
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d messages were not %s", failed, len(all.Results), done)
	}
	return err
}
