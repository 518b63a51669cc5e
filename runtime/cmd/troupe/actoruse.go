package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func actorUseCommand(c *console) *cobra.Command {
	var u admin.KindUse
	cmd := &cobra.Command{
		Use: "use KIND", Short: "have the messages of a kind handled by another version", Args: cobra.ExactArgs(1),
		Long: `Each shard changes to the version at one place of its log, with the first message that comes. Every node that may hold actors must be
ready for it.

Exit codes: 0 in use · 4 refused: a node cannot run it, or it reads only older data`,
		Example: "  troupe actor use counter\n  troupe actor use counter --version 1 --older",
	}
	cmd.Flags().Uint32Var(&u.Version, "version", 0, "version `N` (default: the newest)")
	cmd.Flags().Uint32Var(&u.If, "if", 0, "only if version `N` is in use (default: whichever is)")
	cmd.Flags().BoolVar(&u.Older, "older", false, olderUsage)
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			done, err := client.UseKind(ctx, args[0], u)
			if err != nil {
				return olderRefused(err)
			}
			return r.acknowledgeKind(ctx, client, &done, args[0])
		})
	}
	return cmd
}

func actorRollbackCommand(c *console) *cobra.Command {
	var u admin.KindUse
	cmd := &cobra.Command{
		Use: "rollback KIND", Short: "go back to the version of a kind that was used before", Args: cobra.ExactArgs(1),
		Long: `Has messages handled by the version before, shard by shard as ever; another rollback goes forth again. Data stays as it is: if the version
before reads only an older layout than the one in use writes, actors whose data has moved would refuse all messages, and it takes --older.
Nothing is lost by that: the newer version reads them again. Meanwhile calls of these actors fail, and what other actors send them waits.

Exit codes: 0 in use · 4 refused`,
		Example: "  troupe actor rollback counter\n  troupe actor rollback counter --older",
	}
	cmd.Flags().BoolVar(&u.Older, "older", false, olderUsage)
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			k, err := client.Kind(ctx, args[0])
			if err != nil {
				return err
			}
			u.If = k.Active
			done, err := client.RollbackKind(ctx, args[0], u)
			if err != nil {
				return olderRefused(err)
			}
			return r.acknowledgeKind(ctx, client, &done, args[0])
		})
	}
	return cmd
}

// acknowledgeKind waits until the nodes have heard of a change, and prints what is in use.
func (r *remote) acknowledgeKind(ctx context.Context, client *admin.Client, a *admin.Acknowledged, name string) error {
	k, err := client.Kind(ctx, name)
	if err == nil {
		err = r.awaitKindUsed(ctx, client, name, k.Active)
	}
	if err != nil {
		return err
	}
	text := fmt.Sprintf("kind %s: version %s is in use", name, kindUseText(&k, k.Active))
	if k.Previous != 0 {
		text += fmt.Sprintf("; before it was version %s", kindUseText(&k, k.Previous))
	}
	return r.acknowledge(a, text)
}

// kindUseText prints a version, as in "2 (1.0.1)".
func kindUseText(k *admin.KindInfo, number uint32) string {
	if number == 0 {
		return "-"
	}
	if v := k.Find(number); v != nil {
		return fmt.Sprintf("%d (%s)", number, lineText(v.Label))
	}
	return fmt.Sprint(number)
}

func actorForgetCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "forget KIND", Short: "drop a kind that was pushed, with its modules", Args: cobra.ExactArgs(1),
		Long: `Messages for its actors are refused from then on. What they keep stays in their shards: pushed again, the kind finds it.

Exit codes: 0 forgotten · 3 no such kind was pushed`,
		Example: "  troupe actor forget counter",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			done, err := client.ForgetKind(ctx, args[0])
			if err != nil {
				return err
			}
			return r.acknowledge(&done, fmt.Sprintf("kind %s is forgotten; what its actors keep stays", args[0]))
		})
	}
	return cmd
}
