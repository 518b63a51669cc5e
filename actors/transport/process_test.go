package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const childVariable = "TROUPE_TRANSPORT_CHILD"

// TestMain runs the tests, or in a child process a node that serves until its standard input ends.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	node, err := Listen(Config{
		Self: Hello{Format: 1, Cluster: "c", Node: "b", Epoch: 1}, Listen: "127.0.0.1:0",
		Receive: func(Hello, Class, Kind, []byte) {},
		Serve: func(ctx context.Context, _ Hello, kind Kind, _ []byte) ([]byte, error) {
			if kind == KindQuery {
				return nil, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(node.Address())
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// A killed process is noticed by the break of its connection, and not by its silence: calls fail, the change is told, and a redial proves its
// death.
func TestKillOfAProcess(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	var noticed, proven []time.Duration
	for range rounds {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childVariable+"=1")
		in, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		addr := strings.TrimSpace(line)
		a := sockets.start(t, "a", 1)
		a.SetPeers([]Address{{"b", 1, addr}})
		if c := a.next(t); !c.Up {
			t.Fatalf("%+v", c)
		}
		const calls = 50
		failed := make(chan error, calls)
		for range calls {
			go func() {
				_, err := a.Call(soon(t), "b", KindForward, nil)
				failed <- err
			}()
		}
		for range 10 { // behind the calls on the same stream
			if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil {
				t.Fatal(err)
			}
		}
		killed := time.Now()
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for range calls {
			if err := <-failed; !errors.Is(err, ErrPeerGone) && !errors.Is(err, ErrNoPeer) {
				t.Fatalf("a call in flight: %v", err)
			}
		}
		if c := a.next(t); c.Up || !regexp.MustCompile("EOF|reset by peer|broken pipe").MatchString(c.Cause.Error()) {
			t.Fatalf("%+v", c)
		}
		noticed = append(noticed, time.Since(killed))
		if _, err := a.Probe(soon(t), addr); !errors.Is(err, ErrRefused) {
			t.Errorf("a probe after the connection broke: %v", err)
		}
		proven = append(proven, time.Since(killed))
		child.Wait()
		a.Close()
	}
	slices.Sort(noticed)
	slices.Sort(proven)
	t.Logf("%d kills: noticed after %v, proven after %v; at worst %v and %v", rounds, noticed[rounds/2], proven[rounds/2], noticed[rounds-1], proven[rounds-1])
}
