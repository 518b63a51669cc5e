// Command replay measures how fast a node that was killed reads its log back:
//
//	go run ./integration/bench/replay -bytes 1073741824
//
// It writes that many bytes of keys and values with snapshots put off, kills the node with SIGKILL, starts it again, and
// prints the time until it answers and the rate. The log lies in the page cache, so that the rate is the node's and not the disk's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

func main() {
	bytes := flag.Int64("bytes", 1<<30, "keys and values to write")
	value := flag.Int("value", 1000, "bytes of one value")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *bytes, *value); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bytes int64, value int) (err error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, err := harness.Build(ctx, dir, false)
	if err != nil {
		return err
	}
	config := &harness.NodeConfig{Program: program, Data: filepath.Join(dir, "data"), Args: []string{"--snapshot-bytes", "1tb"}}
	node, err := harness.StartNode(ctx, config)
	if err != nil {
		return err
	}
	keys, err := write(ctx, node.RESP, bytes, value)
	node.Kill()
	if err != nil {
		return err
	}
	began := time.Now()
	node, err = harness.StartNode(ctx, config)
	if err != nil {
		return err
	}
	defer node.Kill()
	took := time.Since(began)
	if err := count(ctx, node.RESP, keys); err != nil {
		return err
	}
	fmt.Printf("%d keys, %.0f MiB replayed in %.2f s: %.0f MiB/s, %.0f keys/s\n", keys, float64(bytes)/(1<<20), took.Seconds(),
		float64(bytes)/(1<<20)/took.Seconds(), float64(keys)/took.Seconds())
	return nil
}

// write fills the node through one connection, a batch at a time, and returns the number of keys.
func write(ctx context.Context, addr string, bytes int64, value int) (keys int64, err error) {
	c, err := harness.Dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	const batch = 500
	body := strings.Repeat("v", value)
	for written := int64(0); written < bytes; {
		for range batch {
			key := "key:" + strconv.FormatInt(keys, 10)
			c.Send("SET", key, body)
			written += int64(len(key) + value)
			keys++
		}
		if err := c.Flush(); err != nil {
			return 0, err
		}
		for range batch {
			if _, err := c.Receive(); err != nil {
				return 0, err
			}
		}
	}
	return keys, ctx.Err()
}

// count compares the number of keys with what was written.
func count(ctx context.Context, addr string, want int64) error {
	c, err := harness.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	got, err := c.Do("DBSIZE")
	if err == nil && got != want {
		err = fmt.Errorf("the node holds %v keys of %d", got, want)
	}
	return err
}
