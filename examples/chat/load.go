package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// load is many clients that talk, and check what they get.
type load struct {
	gateways []string // addresses
	clients  int
	talkers  int // in a conversation
	messages int // of each client
	every    time.Duration
	run      string // names of users and conversations begin with it

	joined sync.WaitGroup
	start  chan struct{} // closed when all have joined
	said   atomic.Int64
	half   func() // called once, when half is said; nil: nothing

	mu     sync.Mutex
	report report
}

// report is what the clients have seen.
type report struct {
	Clients, Said, Arrived         int
	Lost, Duplicated, Disordered   int
	SentAgain                      int // events that came again with a new connection: a client knows them by their position
	Broken                         int // connections that ended before their time
	SlowestReturn, Median, Percent time.Duration
	delays                         []time.Duration
}

// String is for people.
func (r *report) String() string {
	slices.Sort(r.delays)
	if n := len(r.delays); n > 0 {
		r.Median, r.Percent = r.delays[n/2], r.delays[n*99/100]
	}
	return fmt.Sprintf("clients %d, messages said %d, deliveries %d\nlost %d, duplicated %d, out of order %d\n"+
		"connections broken %d, slowest return %v, events sent again %d\nfrom said to arrived: half within %v, 99 of 100 within %v\n",
		r.Clients, r.Said, r.Arrived, r.Lost, r.Duplicated, r.Disordered,
		r.Broken, r.SlowestReturn.Round(time.Millisecond), r.SentAgain, r.Median.Round(time.Millisecond), r.Percent.Round(time.Millisecond))
}

// talk runs all clients until each has seen everything, or ctx ends: what is missing then is lost.
func (l *load) talk(ctx context.Context) *report {
	l.start = make(chan struct{})
	l.report = report{Clients: l.clients}
	l.joined.Add(l.clients)
	var all sync.WaitGroup
	dialing := make(chan struct{}, 64) // at once
	for i := range l.clients {
		p := &talker{load: l, number: i, name: fmt.Sprintf("%s-u%d", l.run, i), place: fmt.Sprintf("%s-c%d", l.run, i/l.talkers), seen: map[string]uint64{}}
		first := i / l.talkers * l.talkers
		p.expected = uint64(min(l.talkers, l.clients-first) * l.messages)
		all.Go(func() { p.live(ctx, dialing) })
	}
	go func() { l.joined.Wait(); close(l.start) }()
	all.Wait()
	l.report.Said = int(l.said.Load())
	return &l.report
}

// talker is one client: a user in one conversation.
type talker struct {
	load        *load
	number      int
	name, place string
	expected    uint64 // messages that it is to see

	joined  bool
	pos     uint64 // of the last event that it has
	last    uint64 // number of the last message
	said    uint64 // own messages that are known to be in the conversation
	seen    map[string]uint64
	arrived int
	wrong   report
	gone    time.Time // when its connection broke; zero: it has one
}

// live connects, again and again, until all has been seen.
func (p *talker) live(ctx context.Context, dialing chan struct{}) {
	for at := p.number; ctx.Err() == nil && !p.done(); at++ {
		dialing <- struct{}{}
		dial, cancel := context.WithTimeout(ctx, 10*time.Second)
		address := p.load.gateways[at%len(p.load.gateways)]
		conn, _, err := websocket.Dial(dial, fmt.Sprintf("ws://%s/ws?user=%s&after=%d", address, p.name, p.pos), nil)
		cancel()
		<-dialing
		if err == nil {
			conn.SetReadLimit(8 << 20)
			p.serve(ctx, conn)
			conn.CloseNow()
			if p.gone.IsZero() && !p.done() {
				p.gone = time.Now()
				p.wrong.Broken++
			}
		}
		if p.done() {
			break
		}
		p.pause(ctx, time.Duration(20+p.number%80)*time.Millisecond)
	}
	if !p.joined {
		p.load.joined.Done()
	}
	p.load.mu.Lock()
	defer p.load.mu.Unlock()
	r := &p.load.report
	r.Arrived += p.arrived
	r.Lost += int(p.expected-min(p.expected, p.last)) + p.wrong.Lost
	r.Duplicated += p.wrong.Duplicated
	r.Disordered += p.wrong.Disordered
	r.SentAgain += p.wrong.SentAgain
	r.Broken += p.wrong.Broken
	r.SlowestReturn = max(r.SlowestReturn, p.wrong.SlowestReturn)
	r.delays = append(r.delays, p.wrong.delays...)
}

func (p *talker) done() bool {
	return p.joined && p.last >= p.expected && p.said >= uint64(p.load.messages)
}

// serve works with one connection.
func (p *talker) serve(ctx context.Context, conn *websocket.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	var saying sync.WaitGroup
	defer saying.Wait()
	defer cancel()
	acked := make(chan uint64, 1)
	if p.joined {
		next := p.said + 1
		saying.Go(func() { p.sayAll(ctx, conn, next, acked) })
	} else if wsjson.Write(ctx, conn, fromClient{Join: p.place}) != nil {
		return
	}
	for !p.done() {
		var f toClient
		if wsjson.Read(ctx, conn, &f) != nil || f.Bye || f.Failed != "" {
			return
		}
		if !p.gone.IsZero() {
			p.wrong.SlowestReturn = max(p.wrong.SlowestReturn, time.Since(p.gone))
			p.gone = time.Time{}
		}
		switch {
		case f.Joined != "" && !p.joined:
			p.joined = true
			p.load.joined.Done()
			saying.Go(func() { p.sayAll(ctx, conn, 1, acked) })
		case f.Said != nil && f.Said.Ref > p.said:
			p.said = f.Said.Ref
			if p.load.said.Add(1) == int64(p.load.clients*p.load.messages/2) && p.load.half != nil {
				p.load.half()
			}
			acked <- f.Said.Ref
		case len(f.Events) > 0:
			for i := range f.Events {
				p.check(&f.Events[i])
			}
			if wsjson.Write(ctx, conn, fromClient{Ack: p.pos}) != nil {
				return
			}
		}
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// sayAll says what is still to be said, one after the other.
func (p *talker) sayAll(ctx context.Context, conn *websocket.Conn, next uint64, acked <-chan uint64) {
	select {
	case <-p.load.start:
	case <-ctx.Done():
		return
	}
	if next == 1 && !p.pause(ctx, p.load.every*time.Duration(p.number)/time.Duration(p.load.clients)) { // not all at the same moment
		return
	}
	for ; next <= uint64(p.load.messages); next++ {
		s := saying{Conversation: p.place, Ref: next, Text: strings.Repeat("hello ", 10)}
		if wsjson.Write(ctx, conn, fromClient{Say: &s}) != nil {
			return
		}
		select {
		case <-acked:
		case <-ctx.Done():
			return
		}
		if !p.pause(ctx, p.load.every) {
			return
		}
	}
}

// pause waits, and says whether ctx goes on.
func (p *talker) pause(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// check holds an event to what was promised: each once, in order, and none left out.
func (p *talker) check(e *Event) {
	if e.Pos <= p.pos {
		p.wrong.SentAgain++
		return
	}
	p.pos = e.Pos
	if e.Kind != "message" {
		return
	}
	p.arrived++
	p.wrong.delays = append(p.wrong.delays, time.Since(e.At))
	switch {
	case e.Seq > p.last+1:
		p.wrong.Lost += int(e.Seq - p.last - 1)
		p.last = e.Seq
	case e.Seq <= p.last:
		p.wrong.Disordered++
	default:
		p.last = e.Seq
	}
	switch ref := p.seen[e.From]; {
	case e.Ref == ref+1:
		p.seen[e.From] = e.Ref
	case e.Ref <= ref:
		p.wrong.Duplicated++
	default:
		p.wrong.Disordered++
		p.seen[e.From] = e.Ref
	}
}
