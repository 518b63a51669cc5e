package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// The verbs about what services coordinate by: topics, consumer groups and sessions. All of them only read, but delete.

// pageFlags adds the flags of a verb that lists names.
func pageFlags(cmd *cobra.Command) *admin.Page {
	p := &admin.Page{}
	cmd.Flags().StringVar(&p.After, "after", "", "list what comes after this `name`")
	cmd.Flags().IntVar(&p.Limit, "limit", admin.DefaultPage, fmt.Sprintf("list at most so many, up to %d", admin.MaxPage))
	return p
}

// listVerb is a verb that lists things by name, with a table for people.
func listVerb[T any](c *console, what, long, example string, read func(*admin.Client, context.Context, admin.Page) (T, error), show func(*remote, *T) error) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "list " + what, Long: long, Args: cobra.NoArgs, Example: example}
	p := pageFlags(cmd)
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkPage(p); err != nil {
			return err
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			l, err := read(client, ctx, *p)
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, l)
			}
			return show(r, &l)
		})
	}
	return cmd
}

func checkPage(p *admin.Page) error {
	if p.Limit < 1 || p.Limit > admin.MaxPage {
		return usage("--limit is %d; from 1 to %d", p.Limit, admin.MaxPage)
	}
	return nil
}

// showVerb is a verb that tells about one thing.
func showVerb[T any](c *console, what, name, long, example string, read func(*admin.Client, context.Context, string) (T, error), show func(*remote, *T) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show " + name, Short: what, Args: cobra.ExactArgs(1), Example: example,
		Long: long + "\n\nExit codes: 0 · 1 nobody answers · 3 there is none of that name",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			i, err := read(client, ctx, args[0])
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, i)
			}
			return show(r, &i)
		})
	}
	return cmd
}

// deleteVerb is a verb that removes one thing.
func deleteVerb(c *console, what, noun, name, long, codes, example string, remove func(*admin.Client, context.Context, string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete " + name, Short: what, Args: cobra.ExactArgs(1), Example: example,
		Long: long + "\n\nExit codes: 0 deleted · 1 nobody answers, or nobody knows whether it was deleted: try again · 3 there is none of that name, or not any more" + codes,
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if err := remove(client, ctx, args[0]); err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, admin.Deleted{Deleted: true})
			}
			_, err := fmt.Fprintf(c.out, "%s %s is deleted\n", noun, keyText([]byte(args[0])))
			return err
		})
	}
	return cmd
}

func topicCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "topic", Args: cobra.NoArgs, RunE: showHelp, Short: "say what topics there are, and who lags behind",
		Long: `A topic is a log in partitions that many write and many read, each at its own pace. Programs that embed Troupe make and use them
(package topics); here it is seen how they stand, and what nobody needs any more is deleted.`,
		Example: "  troupe topic list\n  troupe topic show orders\n  troupe topic delete orders",
	}
	cmd.AddCommand(
		listVerb(c, "topics, with what is in them", `Lists topics by name: their partitions, the messages that are there and how many were ever published, when the last one came, what
retention keeps, and the groups that have members which consume them.`,
			"  troupe topic list\n  troupe topic list --after orders --limit 20 --json", (*admin.Client).Topics, (*remote).printTopics),
		showVerb(c, "say how a topic's partitions stand, and how far subscribers and groups have come", "TOPIC",
			`Prints where each partition lives and its offsets; then for each subscriber and group how far it has come. The lag is how many messages
are there that it is not done with: what retention has removed does not count. A group without members is shown, too: nobody shortens its lag.`,
			"  troupe topic show orders\n  troupe topic show orders --json", (*admin.Client).Topic, (*remote).printTopic),
		deleteVerb(c, "remove a topic with all of its messages", "topic", "TOPIC",
			`Removes a topic with its messages, and what subscribers and groups have committed of it. Programs that go on with it are refused: their calls say
that there is no such topic, and actors that are pushed to are told once that it has ended. A topic of that name may be made at once, and begins
with nothing. There is no way back.`, "", "  troupe topic delete orders", (*admin.Client).DeleteTopic))
	return cmd
}

func groupCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "group", Args: cobra.NoArgs, RunE: showHelp, Short: "say who takes part in consumer groups, and who works on what",
		Long: `A consumer group shares the partitions of topics out among its members. Programs that embed Troupe join them (package topics); here it is
seen who does what, and a group that nobody belongs to is deleted.`,
		Example: "  troupe group list\n  troupe group show billing\n  troupe group delete billing",
	}
	cmd.AddCommand(
		listVerb(c, "consumer groups, with their members and lag", `Lists groups by name: members, topics, partitions and how many of those nobody works on, and the lag over all of them.`,
			"  troupe group list\n  troupe group list --json", (*admin.Client).Groups, (*remote).printGroups),
		showVerb(c, "say who is in a group, and who works on what", "GROUP",
			`Prints the members with the time by which they must be heard again, and each partition with its member, what the group has committed,
and the lag. A partition that is to go to another member says so: it waits until the one that has it gives it up, or is not heard any more.`,
			"  troupe group show billing\n  troupe group show billing --json", (*admin.Client).Group, (*remote).printGroup),
		deleteVerb(c, "remove a group that has no members, with all that it has committed", "group", "GROUP",
			`Removes a consumer group with what it has committed: who joins one of that name begins with the oldest messages. A group that has members is not
removed, since they would make it again: stop them first, or wait until they have not been heard for their timeouts.`,
			" · 4 it has members", "  troupe group delete billing", (*admin.Client).DeleteGroup))
	return cmd
}

func sessionCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "session", Args: cobra.NoArgs, RunE: showHelp, Short: "say what sessions are open, and what they hold",
		Long: `A session is a process that holds locks, leads, has keys in registries or waits for them, for as long as it renews its session (package
recipes). Here it is seen who holds what. Nothing is changed.`,
		Example: "  troupe session list\n  troupe session show HMJJKEGX6RGFD5YW4T3UPFP7NA",
	}
	cmd.AddCommand(
		listVerb(c, "open sessions", `Lists sessions that are open by name, with the time by which they must be renewed and how many things they hold or wait for.`,
			"  troupe session list\n  troupe session list --json", (*admin.Client).Sessions, (*remote).printSessions),
		showVerb(c, "say what a session holds, and what it waits for", "SESSION",
			`Prints each lock, election, registry and barrier that is told when the session ends: whether the session holds it, and with which fencing
token, or how many are before it.`,
			"  troupe session show HMJJKEGX6RGFD5YW4T3UPFP7NA", (*admin.Client).Session, (*remote).printSession))
	return cmd
}

// unseenShown is how many shards that nobody could look into are named.
const unseenShown = 5

// printPart says what of a list is not in it. last is the last name in it.
func (r *remote) printPart(p *admin.Part, last string) error {
	if p.Problem != "" {
		_, err := fmt.Fprintln(r.c.err, p.Problem)
		return err
	}
	if p.More {
		if _, err := fmt.Fprintf(r.c.err, "there are more: --after %s\n", keyText([]byte(last))); err != nil {
			return err
		}
	}
	if len(p.Unseen) == 0 {
		return nil
	}
	names := p.Unseen
	more := ""
	if len(names) > unseenShown {
		names, more = names[:unseenShown], fmt.Sprintf(" and %d more", len(p.Unseen)-unseenShown)
	}
	_, err := fmt.Fprintf(r.c.err, "not listed: what lies in %s %s%s, since nobody could look into %s now; troupe health says why\n",
		verb(len(p.Unseen), "shard", "shards"), strings.Join(names, ", "), more, verb(len(p.Unseen), "it", "them"))
	return err
}

// ago says how long a moment in Unix milliseconds is past, in one unit.
func ago(ms int64) string {
	if ms == 0 {
		return "-"
	}
	d := max(0, time.Since(time.UnixMilli(ms)))
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if d >= u.unit {
			return fmt.Sprintf("%d %s ago", d/u.unit, u.name)
		}
	}
	return "now"
}

// within says how long it is until a moment in Unix milliseconds.
func within(ms int64) string {
	d := time.Until(time.UnixMilli(ms)).Round(100 * time.Millisecond)
	if d <= 0 {
		return "due"
	}
	return "in " + d.String()
}

func keepText(messages uint64, ms int64) string {
	var parts []string
	if messages > 0 {
		parts = append(parts, fmt.Sprintf("%d a partition", messages))
	}
	if ms > 0 {
		parts = append(parts, strings.TrimSuffix(strings.TrimSuffix((time.Duration(ms)*time.Millisecond).String(), "0s"), "0m"))
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

// namesText is a list of names in a table; "-" if it is empty.
func namesText(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	list := make([]string, len(names))
	for i := range names {
		list[i] = keyText([]byte(names[i]))
	}
	return strings.Join(list, ", ")
}

// nameText is a name in a table that may be missing.
func nameText(name string) string {
	if name == "" {
		return "-"
	}
	return keyText([]byte(name))
}
