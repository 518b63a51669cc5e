package harness

import (
	"context"
	"net"
)

// StartRedis starts a redis-server on a free port of the loopback, with its files in dir, without snapshots, and with more
// settings such as "--appendonly", "yes". It waits until the server answers.
func StartRedis(ctx context.Context, dir string, settings ...string) (*Process, string, error) {
	addr, err := FreeAddress()
	if err != nil {
		return nil, "", err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	args := append([]string{"--bind", host, "--port", port, "--dir", dir, "--save", ""}, settings...)
	p, err := Start(dir, nil, "redis-server", args...)
	if err != nil {
		return nil, "", err
	}
	err = p.Until(ctx, func(ctx context.Context) error {
		c, err := Dial(ctx, addr)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Do("PING")
		return err
	})
	if err != nil {
		p.Kill()
		return nil, "", err
	}
	return p, addr, nil
}
