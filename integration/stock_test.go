package integration

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/troupe-actors/troupe/integration/harness"
)

// stock is a writer's store by way of go-redis as its users have it, with one setting of runtime/resp/COMMANDS.md, "Clients that read the
// map again in time". It is made once, and has to find its way through a failover by itself.
type stock struct {
	client *redis.ClusterClient
	beside string // a key of another shard, on a node that lives
}

// Put sets a key and reads it back, after a look at another shard's.
func (s stock) Put(ctx context.Context, key, value string) error {
	if err := s.client.Get(ctx, s.beside).Err(); err != nil && err != redis.Nil {
		return err
	}
	if err := s.client.Set(ctx, key, value, 0).Err(); err != nil {
		return err
	}
	got, err := s.client.Get(ctx, key).Result()
	if err == nil && got != value {
		err = fmt.Errorf("%s reads %q after it was set", key, got)
	}
	return err
}

// Missing is asked of another client, when all is over.
func (s stock) Missing(context.Context, []string) ([]string, error) {
	return nil, fmt.Errorf("a stock client is not asked what is missing")
}

func (s stock) Close() error { return s.client.Close() }

// stockClients start go-redis with each setting that has it follow a failover. They write to shards of a member that is to
// die, and read one of a member that is not.
func (p *town) stockClients(dies, lives *harness.Member) {
	p.t.Helper()
	for name, options := range map[string]redis.ClusterOptions{
		"reload": {ClusterStateReloadInterval: 500 * time.Millisecond},
		"push":   {MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeAuto}},
	} {
		options.Addrs = p.RESP()
		store := stock{redis.NewClusterClient(&options), "{" + p.tag(lives) + "}"}
		tag := p.tag(dies)
		w := &writing{harness.StartWriter(store, tag, name), tag}
		p.writers = append(p.writers, w)
		p.t.Cleanup(func() { w.Stop(); store.Close() })
	}
	p.writing(time.Time{})
}
