package integration

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Who reads a node's log through a pipe may end, and be started again, by itself: the node goes on, and stops cleanly when it is asked to.
func TestANodeOutlivesWhoReadsItsLog(t *testing.T) {
	binary, err := program()
	must(t, err)
	out, in, err := os.Pipe()
	must(t, err)
	cmd := exec.CommandContext(soon(t), binary, "node", "--data", "off", "--peer", "off", "--resp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "json")
	cmd.Stdout, cmd.Stderr = in, in
	must(t, cmd.Start())
	in.Close()
	var ready struct{ HTTP string }
	for lines := bufio.NewScanner(out); ready.HTTP == "" && lines.Scan(); {
		must(t, json.Unmarshal(lines.Bytes(), &ready))
	}
	out.Close()
	must(t, exec.CommandContext(soon(t), binary, "keyspace", "create", "orders:durability=memory", "--addr", ready.HTTP).Run()) // it logs the plan
	must(t, cmd.Process.Signal(syscall.SIGTERM))                                                                                // and that it stops
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
