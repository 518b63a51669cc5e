// Command plan measures the planner, beside three others that it is compared with and that nothing else uses:
//
//	go run ./integration/bench/plan                          the table: 100,000 copies on 1000 nodes
//	go run ./integration/bench/plan -copies 1000000 -nodes 2000 -town=false -rivals=false
//
// The world: three zones of which each has a copy of every shard, a quarter of the nodes of double size, a tenth of the tables on
// the 40 % of the nodes that have a tag, log-normal loads in cpu, memory and disk that fill 60 %, no node above 92 %. The first
// table is about the solvers alone; each planner begins with the world as it has itself placed and settled it. The second is about
// the whole allocator over a real cluster state, with all built-in
// deciders asked about everything, once in Go and once as the WebAssembly modules that are shipped.
//
// The third is about what cannot wait: a rack and a zone that die, from the evidence until every copy has a place, with ten deciders and
// with all.
//
//	max/mean   use of the hottest node over what its class of nodes must carry, by dimension
//	x bound    bytes moved over the least that any planner must move to bring every disk within 5 % of its share
//	cpu        time of the processor, collector included: the machine may have other things to do
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator/fit"
)

func main() {
	var shape Shape
	flag.IntVar(&shape.Copies, "copies", 100000, "copies of shards, three of each")
	flag.IntVar(&shape.Nodes, "nodes", 1000, "nodes")
	flag.Uint64Var(&shape.Seed, "seed", 1, "seed of the world")
	patience := flag.Duration("patience", 5*time.Second, "time of the processor that a rival may balance for")
	others := flag.Bool("rivals", true, "measure the rivals too")
	whole := flag.Bool("town", true, "measure the whole allocator too")
	guests := flag.Bool("wasm", true, "measure the whole allocator with the deciders as WebAssembly too")
	times := flag.Int("times", 5, "how often each death is measured")
	which := flag.String("deaths", "", "measure only the deaths whose names begin with this: rack or zone")
	tours := flag.Bool("tours", true, "print the second table, and not only that of deaths")
	profile := flag.String("profile", "", "write a profile of the cpu of the second and third table to this file")
	flag.Parse()
	solvers(shape, *others, *patience)
	if !*whole {
		return
	}
	if *profile != "" {
		f, err := os.Create(filepath.Clean(*profile))
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "plan:", err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	t := newTown(shape)
	for _, minds := range []string{"native Go", "WebAssembly"} {
		if minds == "WebAssembly" {
			if !*guests {
				return
			}
			if err := t.host(); err != nil {
				fmt.Fprintln(os.Stderr, "plan:", err)
				os.Exit(1)
			}
		}
		if *tours {
			t.tour(shape, minds)
		}
		u := t.settled()
		u.only(ten).deaths(*times, minds, *which)
		u.only(nil).deaths(*times, minds, *which)
		footprint()
	}
}

// clock is time by the wall and of the processor.
type clock struct {
	wall time.Time
	cpu  time.Duration
}

func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func start() clock {
	goruntime.GC()
	return clock{time.Now(), processor()}
}

// since gives milliseconds.
func (c clock) since() (wall, cpu float64) {
	return float64(time.Since(c.wall).Microseconds()) / 1000, float64((processor() - c.cpu).Microseconds()) / 1000
}

// solvers prints the first table.
func solvers(shape Shape, others bool, patience time.Duration) {
	fmt.Printf("solvers: %d copies on %d nodes, seed %d\n\n", shape.Copies, shape.Nodes, shape.Seed)
	fmt.Printf("%-18s %-20s %9s %9s %8s %8s %8s   %-18s %8s %10s\n", "what", "planner", "wall ms", "cpu ms", "x ours", "moves", "x bound", "max/mean c m d", "unplaced", "violations")
	settled := map[string]*fit.Problem{}
	list := rivals()
	if !others {
		list = list[:1]
	}
	ours := 0.0
	for i, r := range list {
		p := solverWorld(shape)
		c := start()
		r.place(&p)
		wall, cpu := c.since()
		if i == 0 {
			ours = cpu
		}
		row("cold", r.name, wall, cpu, ours, "placed", "", judge(&p), true)
		if r.settle != nil && i > 0 {
			c = start()
			moves, done := r.settle(&p, processor()+patience)
			wall, cpu = c.since()
			row("", r.name, wall, cpu, ours, fmt.Sprint(len(moves)), "", judge(&p), done)
		}
		settled[r.name] = &p
	}
	footprint()
	for _, e := range events() {
		settling := 0.0
		for i, r := range list {
			p := fork(settled[r.name])
			e.happen(p)
			least := leastBytes(p, 1.05)
			c := start()
			r.place(p)
			wall, cpu := c.since()
			if i == 0 {
				ours = cpu
			}
			row(e.name, r.name, wall, cpu, ours, "placed", "", judge(p), true)
			if r.settle == nil || !e.moves {
				continue
			}
			if e.name != "+10 % nodes" {
				least = 0
			}
			c = start()
			moves, done := r.settle(p, processor()+patience)
			wall, cpu = c.since()
			if i == 0 {
				settling = cpu
			}
			bytes := 0.0
			for _, m := range moves {
				bytes += p.Shards[m.shard].Bytes
			}
			bound := ""
			if least > 0 {
				bound = fmt.Sprintf("%.2f", bytes/least)
			}
			row("", r.name, wall, cpu, settling, fmt.Sprint(len(moves)), bound, judge(p), done)
			if b := fit.NewSearch(*fork(p)).Bounds(); i == 0 && b.Shard >= 0 {
				fmt.Printf("%-18s shard %d alone makes a node as hot as %.3f in dimension %d: nobody can do better\n", "", b.Shard, b.Heat, b.Dim)
			}
		}
	}
	fmt.Println()
}

func row(what, planner string, wall, cpu, ours float64, moves, bound string, j judged, done bool) {
	note := ""
	if !done {
		note = "  not done"
	}
	fmt.Printf("%-18s %-20s %9.1f %9.1f %8.1f %8s %8s   %.3f %.3f %.3f  %8d %10d%s\n", what, planner, wall, cpu, cpu/ours, moves, bound, j.heat[0], j.heat[1], j.heat[2], j.missing, j.violations, note)
}

func footprint() {
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	fmt.Printf("%-18s %.0f MB from the operating system so far\n", "memory", float64(m.Sys)/(1<<20))
}
