package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// TestKill ends the real process with SIGKILL under writing load, again and again on the same data, and holds what it finds
// afterwards to what was acknowledged:
//
//	a key whose write was acknowledged is there, with its value        nothing is lost
//	a key that is there was sent, and has the value that was sent      nothing is invented
//	of a transaction all keys are there or none                        nothing is torn
//	a counter lies between its acknowledged and its sent increments    nothing is applied twice
//
// The moment of each kill is a number of acknowledgements, so that it falls in the middle of work however slow the machine is.
// Some starts are killed as well, before they are ready. TROUPE_KILLS says how often.
func TestKill(t *testing.T) {
	kills := number(t, "TROUPE_KILLS", 5)
	random := dice(t)
	config := newNode(t)
	var writers []*writer
	for i := range 8 {
		writers = append(writers, &writer{id: i, random: rand.New(rand.NewPCG(random.Uint64(), uint64(i)))})
	}
	for range kills {
		if random.IntN(4) == 0 {
			killEarly(t, config, time.Duration(random.IntN(60))*time.Millisecond)
		}
		n := start(t, config)
		checkAll(t, n.RESP, writers)
		writeUntilKilled(t, n, writers, 1+random.Int64N(4000))
	}
	n := start(t, config)
	checkAll(t, n.RESP, writers)
	checkNothingInvented(t, n.RESP, writers)
	var acked, sent int
	for _, w := range writers {
		acked += w.acked
		sent += len(w.sent)
	}
	t.Logf("%d kills, %d transactions acknowledged of %d sent, none lost or invented", kills, acked, sent)
}

// killEarly starts a node and kills it some time after, ready or not.
func killEarly(t *testing.T, config *harness.NodeConfig, after time.Duration) {
	t.Helper()
	n, err := harness.Launch(config)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Kill()
	select {
	case <-n.Exited():
		t.Fatalf("the node ended by itself with code %d\n%s", n.ExitCode(), n.Output())
	case <-time.After(after):
	}
}

// writeUntilKilled lets all writers write and kills the node at the given number of acknowledgements.
func writeUntilKilled(t *testing.T, n *harness.Node, writers []*writer, acknowledgements int64) {
	t.Helper()
	var left atomic.Int64
	left.Store(acknowledgements)
	kill := sync.OnceFunc(n.Kill)
	watch := context.AfterFunc(soon(t), kill) // a node that acknowledges nothing ends, too
	defer watch()
	var running sync.WaitGroup
	errs := make([]error, len(writers))
	for i, w := range writers {
		running.Go(func() {
			errs[i] = w.run(n.RESP, func() {
				if left.Add(-1) == 0 {
					go kill()
				}
			})
		})
	}
	running.Wait()
	kill()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if left.Load() > 0 {
		t.Fatalf("the node acknowledged %d of %d transactions within %v\n%s", acknowledgements-left.Load(), acknowledgements, patience, n.Output())
	}
}

// writer is one client. It writes transactions of one or more keys that nobody writes again, and counts them in the node.
type writer struct {
	id     int
	random *rand.Rand
	sent   []transaction
	acked  int // how many of sent were
	seen   int // of sent, those before were compared with the node's content after the last kill
	sentIncr,
	ackedIncr int64
}

// transaction is so many keys under one tag, written at once.
type transaction struct {
	keys  int
	acked bool
}

func (w *writer) key(number, i int) string {
	return fmt.Sprintf("{w%d:%d}:%d", w.id, number, i)
}

// value is longer than any checksum and says whose it is; now and then it fills several blocks of the log.
func (w *writer) value(number, i int) string {
	times := 1
	if number%97 == 0 {
		times = 2000
	}
	return strings.Repeat(fmt.Sprintf("value of transaction %d, key %d, writer %d;", number, i, w.id), times)
}

func (w *writer) counter() string { return fmt.Sprintf("counter:%d", w.id) }

// run writes until the connection breaks. Any error but a broken connection is a finding.
func (w *writer) run(addr string, acknowledged func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := harness.Dial(ctx, addr)
	if err != nil {
		return nil // killed before this one came
	}
	defer c.Close()
	for {
		batch := 1 + w.random.IntN(4)
		var counted []bool
		for range batch {
			counted = append(counted, w.send(c))
		}
		if c.Flush() != nil {
			return nil
		}
		first := len(w.sent) - batch
		for i := range batch {
			ended, err := w.receive(c, first+i, counted[i])
			if ended {
				return err
			}
			acknowledged()
		}
	}
}

// send queues one transaction, with or without an increment of the counter behind it.
func (w *writer) send(c *harness.Conn) (counted bool) {
	t := transaction{keys: 1}
	number := len(w.sent)
	if w.random.IntN(3) > 0 {
		c.Send("SET", w.key(number, 0), w.value(number, 0))
	} else {
		t.keys = 2 + w.random.IntN(3)
		c.Send("MULTI")
		for i := range t.keys {
			c.Send("SET", w.key(number, i), w.value(number, i))
		}
		c.Send("EXEC")
	}
	w.sent = append(w.sent, t)
	if counted = w.random.IntN(2) == 0; counted {
		c.Send("INCR", w.counter())
		w.sentIncr++
	}
	return counted
}

// receive takes the replies of one transaction. ended says that the connection is of no more use, err that this is a finding.
func (w *writer) receive(c *harness.Conn, number int, counted bool) (ended bool, err error) {
	replies := 1
	if keys := w.sent[number].keys; keys > 1 {
		replies = keys + 2
	}
	var last any
	for range replies {
		if last, err = c.Receive(); err != nil {
			return true, refusal(err)
		}
	}
	if list, isList := last.([]any); last != "OK" && (!isList || len(list) != w.sent[number].keys) {
		return true, fmt.Errorf("transaction %d of writer %d was answered %v", number, w.id, last)
	}
	w.sent[number].acked = true
	w.acked++
	if counted {
		if _, err := c.Receive(); err != nil {
			return true, refusal(err)
		}
		w.ackedIncr++
	}
	return false, nil
}

// refusal tells an answer of the living from the silence of the dead.
func refusal(err error) error {
	var r harness.ReplyError
	if errors.As(err, &r) {
		return fmt.Errorf("a write was refused: %w", err)
	}
	return nil
}

// checkAll compares what the node holds with what was sent since the last check, and every counter.
func checkAll(t *testing.T, addr string, writers []*writer) {
	t.Helper()
	c := connect(t, addr)
	for _, w := range writers {
		for ; w.seen < len(w.sent); w.seen++ {
			w.check(t, c, w.seen)
		}
		w.checkCounter(t, c)
	}
}

func (w *writer) check(t *testing.T, c *harness.Conn, number int) {
	t.Helper()
	tx := &w.sent[number]
	there := 0
	for i := range tx.keys {
		switch got := do(t, c, "GET", w.key(number, i)); got {
		case w.value(number, i):
			there++
		case nil:
		default:
			t.Fatalf("%s is %.100q, which nobody wrote", w.key(number, i), got)
		}
	}
	if tx.acked && there != tx.keys {
		t.Fatalf("transaction %d of writer %d was acknowledged; %d of its %d keys are there", number, w.id, there, tx.keys)
	}
	if there != 0 && there != tx.keys {
		t.Fatalf("transaction %d of writer %d is torn: %d of its %d keys are there", number, w.id, there, tx.keys)
	}
	tx.acked = there > 0 // from now on, what is there stays, and what is not there never comes
	if !tx.acked {
		tx.keys = 0
	}
}

func (w *writer) checkCounter(t *testing.T, c *harness.Conn) {
	t.Helper()
	var count int64
	if v, ok := do(t, c, "GET", w.counter()).(string); ok {
		var err error
		if count, err = strconv.ParseInt(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if count < w.ackedIncr || count > w.sentIncr {
		t.Fatalf("%s is %d; %d increments were acknowledged and %d sent", w.counter(), count, w.ackedIncr, w.sentIncr)
	}
	w.ackedIncr, w.sentIncr = count, count
}

// checkNothingInvented walks all keys of the node: each was sent, and those of all writes that survived are all there.
func checkNothingInvented(t *testing.T, addr string, writers []*writer) {
	t.Helper()
	type place struct {
		w         *writer
		number, i int
	}
	want := map[string]place{}
	for _, w := range writers {
		for number, tx := range w.sent {
			for i := range tx.keys {
				want[w.key(number, i)] = place{w, number, i}
			}
		}
	}
	c := connect(t, addr)
	found := map[string]bool{}
	for cursor := "0"; ; {
		must(t, c.SetDeadline(time.Now().Add(patience))) // of a page: after many kills all of them take longer
		page := do(t, c, "SCAN", cursor, "COUNT", "1000").([]any)
		cursor = page[0].(string)
		for _, k := range page[1].([]any) {
			key := k.(string)
			p, sent := want[key]
			if strings.HasPrefix(key, "counter:") {
				continue // checkAll has looked at them
			}
			if !sent {
				t.Fatalf("the node holds %q, which nobody sent", key)
			}
			expect(t, c, p.w.value(p.number, p.i), "GET", key)
			found[key] = true
		}
		if cursor == "0" {
			break
		}
	}
	if len(found) != len(want) {
		t.Fatalf("%d of %d keys that survived their kill were lost by a later one", len(want)-len(found), len(want))
	}
}
