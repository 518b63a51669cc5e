package hosted

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// guest is one instance of a version, and what lies in its memory:
//
//	│ its own │ settings │ image ·········· room │ row │ scores │ text │
//
// Everything is asked of pol_alloc once and used again; an image that has outgrown its room gets another guest.
type guest struct {
	v        *Version
	instance *wasm.Instance
	asks     [abi.Score + 1]*wasm.Func
	meter    *wasm.Func
	explain  *wasm.Func
	delta    *wasm.Func

	voice    *voice
	purse    *purse
	settings string // that it was configured with
	config   area
	image    area
	row      area
	scores   area
	text     area
	changes  area

	part   *abi.Part // what the image is
	epoch  uint64
	layout uint64 // of the board, when the part was made; 0: there is none
	logged uint64 // when the board's lists of changes began
	noted  int    // changes, when they were read
	read   []int  // by place in the version's needs: how much of that column's list was
	heard  int    // how much of the list of all
	blank  []byte // a row of YES
	clean  bool   // the row in the guest's memory is one
	stack  [8]uint64
	spent  uint64 // fuel of the last call
	burnt  uint64 // fuel of all calls since somebody asked; see Burnt
	total  uint64 // fuel of all calls
}

// area is a piece of the guest's memory that the host may write.
type area struct{ at, size uint32 }

// Fuel of the calls that are no questions.
const (
	configureFuel = 50_000_000
	allocFuel     = 5_000_000  // to grow the memory takes 1024 for each page that there may be
	stateFuel     = 20_000_000 // and stateFuelPerRow for each row of a table
	stateRowFuel  = 200
	deltaRowFuel  = 10_000
	explainFuel   = 10_000_000
)

func (v *Version) instantiate(h wasm.Host, p *purse) (*guest, *Fault) {
	i, err := v.module.Instantiate(background, h)
	if err != nil {
		return nil, v.trapped(abi.ExportInitialize, err)
	}
	g := &guest{v: v, instance: i, purse: p, meter: i.Func(abi.ExportMeter), explain: i.Func(abi.ExportExplain), delta: i.Func(abi.ExportDelta)}
	for _, c := range abi.Capabilities() {
		g.asks[c] = i.Func(c.Export())
	}
	return g, nil
}

func (g *guest) close() { _ = g.instance.Close() }

// call calls an export that gives a number.
func (g *guest) call(export string, fuel uint64, args ...uint64) (uint32, *Fault) {
	f := g.instance.Func(export)
	copy(g.stack[:], args)
	if fault := g.run(f, export, fuel); fault != nil {
		return 0, fault
	}
	return uint32(g.stack[0]), nil
}

// run calls a function with what is on the stack. What that may use, and what it used, is a matter of the purse.
func (g *guest) run(f *wasm.Func, export string, fuel uint64) *Fault {
	planned := export != abi.ExportAlloc && export != abi.ExportConfigure && export != abi.ExportExplain
	if fuel = g.purse.most(fuel, planned); fuel == 0 { // to a Func it would mean its default
		return g.v.faulty(export, string(wasm.Fuel), "no fuel is left for it")
	}
	err := f.Call(fuel, g.stack[:])
	g.spent = g.instance.FuelUsed()
	g.purse.pay(g.spent, planned)
	if export == abi.ExportExplain {
		g.purse.words -= min(g.purse.words, g.spent)
	}
	g.burnt += g.spent
	g.total += g.spent
	if err != nil {
		return g.v.trapped(export, err)
	}
	return nil
}

// room sees to it that an area has so many bytes, at a multiple of 64: what a guest gives need not lie at one.
func (g *guest) room(a *area, size int) *Fault {
	if uint32(size) <= a.size {
		return nil
	}
	if size > math.MaxInt32-abi.Alignment {
		return g.v.faulty(abi.ExportAlloc, NoImage, "%d bytes are more than a guest can address", size)
	}
	at, fault := g.call(abi.ExportAlloc, allocFuel+uint64(size), uint64(size+abi.Alignment-1))
	if fault != nil {
		return fault
	}
	if _, err := g.instance.View(at, uint32(size+abi.Alignment-1)); err != nil || at == 0 {
		return g.v.faulty(abi.ExportAlloc, BadPointer, "asked for %d bytes it gave address %d of a memory of %d bytes; give what is yours, or raise limits.pages of the manifest, which are %d pages of 64 KiB",
			size+abi.Alignment-1, at, len(g.instance.Memory()), g.v.Manifest.Limits.Pages)
	}
	*a = area{(at + abi.Alignment - 1) &^ (abi.Alignment - 1), uint32(size)}
	return nil
}

// memory is the bytes of an area, of which size are wanted.
func (g *guest) memory(a area, size int) []byte {
	return g.instance.Memory()[a.at : a.at+a.size][:size]
}

// configure gives the guest its settings, if they are others than it has.
func (g *guest) configure(settings []byte) *Fault {
	if g.instance.Func(abi.ExportConfigure) == nil || g.settings == string(settings) {
		return nil
	}
	if fault := g.room(&g.config, len(settings)); fault != nil {
		return fault
	}
	copy(g.memory(g.config, len(settings)), settings)
	refused, fault := g.call(abi.ExportConfigure, configureFuel, uint64(g.config.at), uint64(len(settings)))
	if fault != nil {
		return fault
	}
	if refused != 0 {
		return g.v.faulty(abi.ExportConfigure, Refused, "it refuses the settings %.300s with %d: %s", settings, refused, g.said())
	}
	g.settings = string(settings)
	return nil
}

// said is why the guest refused.
func (g *guest) said() string {
	if s := g.instance.Said(); s != "" {
		return s
	}
	return "it does not say why; host.error is for that"
}

// outgrown says whether the image does not fit the room that the guest has for one.
func (g *guest) outgrown(size int) bool { return g.image.size > 0 && uint32(size) > g.image.size }

// see gives the guest its part of the board's image. The room for an image is larger than the first one: most
// clusters grow slowly.
func (g *guest) see(b *board, part *abi.Part) *Fault {
	if g.image.size == 0 {
		if fault := g.room(&g.image, part.Size()+part.Size()/8); fault != nil {
			return fault
		}
	}
	g.part = part
	g.whole()
	if fault := g.shown(b); fault != nil {
		return fault
	}
	g.layout = b.layout
	return g.furnish(b.image.Counts().Nodes)
}

// furnish has room for answers about so many nodes.
func (g *guest) furnish(nodes int) *Fault {
	nodes = (nodes + 255) &^ 255
	if fault := g.room(&g.row, nodes); fault != nil {
		return fault
	}
	if g.v.scores {
		if fault := g.room(&g.scores, 8*nodes); fault != nil {
			return fault
		}
	}
	if len(g.blank) < nodes {
		g.blank = make([]byte, nodes)
	}
	return nil
}

// look shows the guest an image in which only some values are others than in the one that it has. It need not be called for that where a plan's own
// moves might have changed them: those it reads anew at each question, unless it exports pol_delta. One of the house is not (quietly); what
// others do then is charged to the plan, which must cost the same for who draws the image.
func (g *guest) look(b *board, quietly bool) *Fault {
	memory := g.memory(g.image, g.part.Size())
	if g.logged != b.logged || changeCost*g.behind(b) > len(memory) {
		g.whole()
	} else {
		g.copy(b, memory)
		g.part.Stamp(memory)
	}
	if quietly && g.delta == nil && !g.stirred(b) {
		g.seen(b)
		return nil
	}
	return g.shown(b)
}

// stirred says whether a value has changed since the guest was shown an image that no move changes.
func (g *guest) stirred(b *board) bool {
	return slices.ContainsFunc(g.v.needs, func(c abi.Column) bool { return b.stirred[c] > g.epoch && !spec(c).Moves })
}

// seen says that the guest knows the image.
func (g *guest) seen(b *board) {
	g.epoch, g.logged, g.noted, g.heard = b.epoch, b.logged, b.noted, len(b.all)
	b.told = b.told || g.delta != nil
	g.read = g.read[:0]
	for _, c := range g.v.needs {
		g.read = append(g.read, len(b.rows[c]))
	}
}

// behind counts the changes of its columns that the guest has not read.
func (g *guest) behind(b *board) (n int) {
	for i, c := range g.v.needs {
		n += len(b.rows[c]) - g.read[i]
	}
	return n
}

// copy copies the values of its columns that have changed.
func (g *guest) copy(b *board, memory []byte) {
	for i, c := range g.v.needs {
		if rows := b.rows[c]; g.read[i] < len(rows) {
			g.part.Copy(memory, c, rows[g.read[i]:])
			g.read[i] = len(rows)
		}
	}
	g.noted = b.noted
}

// changeCost is how many bytes are copied in one piece in the time that one listed value takes.
const changeCost = 64

// whole writes all of the image.
func (g *guest) whole() { g.part.Write(g.memory(g.image, g.part.Size())) }

// shown tells the guest of the board's image, which has been written.
func (g *guest) shown(b *board) *Fault {
	if fault := g.state(g.part.Size(), b.image.Counts()); fault != nil {
		return fault
	}
	g.seen(b)
	g.clean = false
	return nil
}

// state tells the guest of an image of so many bytes, with tables of these lengths, that has been written.
func (g *guest) state(size int, c abi.Counts) *Fault {
	fuel := stateFuel + stateRowFuel*uint64(c.Nodes*(1+c.Keyspaces)+c.Shards*(1+c.Slots))
	refused, fault := g.call(abi.ExportState, fuel, uint64(g.image.at), uint64(size))
	if fault != nil {
		return fault
	}
	if refused != 0 {
		return g.v.faulty(abi.ExportState, Refused, "it refuses the state with %d: %s", refused, g.said())
	}
	return nil
}

// catchUp pokes what has changed since the guest was asked last.
func (g *guest) catchUp(b *board) *Fault {
	if g.noted == b.noted {
		return nil
	}
	g.copy(b, g.memory(g.image, int(g.image.size)))
	if g.delta == nil {
		return nil
	}
	var mine []abi.Change
	for _, c := range b.all[g.heard:] {
		if g.part.Has(c.Column) {
			mine = append(mine, c)
		}
	}
	g.heard = len(b.all)
	if len(mine) == 0 {
		return nil
	}
	list := abi.AppendChanges(nil, mine)
	if len(list) > int(g.changes.size) {
		if fault := g.room(&g.changes, 2*len(list)); fault != nil {
			return fault
		}
	}
	copy(g.memory(g.changes, len(list)), list)
	_, fault := g.call(abi.ExportDelta, g.budget(0)+deltaRowFuel*uint64(len(mine)), uint64(g.changes.at), uint64(len(list)))
	return fault
}

// budget is the fuel of a question about so many nodes.
func (g *guest) budget(nodes int) uint64 { return uint64(g.v.Manifest.Limits.Budget(nodes)) }

// ask puts a question, and gives the row in the guest's memory, or nil if it is all YES: most are. It holds until the next
// call. Every byte has been looked at.
func (g *guest) ask(c abi.Capability, q asked, nodes int) ([]byte, *Fault) {
	if !g.clean {
		clear(g.memory(g.row, int(g.row.size)))
	}
	f := g.asks[c]
	g.stack[0], g.stack[1], g.stack[2], g.stack[3] = uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(g.row.at)
	if fault := g.run(f, c.Export(), g.budget(nodes)); fault != nil {
		return nil, fault
	}
	row := g.memory(g.row, nodes) // it may have grown, and moved
	if g.clean = bytes.Equal(row, g.blank[:nodes]); g.clean {
		return nil, nil
	}
	if at := g.v.wrong(row); at >= 0 {
		return nil, g.v.faulty(c.Export(), BadByte, "byte %d of the row is %#02x: verdict %d with reason code %d, and its manifest has %s",
			at, row[at], abi.Verdict(row[at]), abi.Reason(row[at]), g.v.codes())
	}
	return row, nil
}

// beyond is the fault of a question whose row was written behind its last byte. The area is cleared whole, and nobody else writes there.
func (g *guest) beyond(c abi.Capability, nodes int) *Fault {
	for n, x := range g.memory(g.row, int(g.row.size))[nodes:] {
		if x != 0 {
			return g.v.faulty(c.Export(), BadByte, "it wrote %#02x at byte %d of a row of %d, beyond its end; a row has a byte for each node and no more", x, nodes+n, nodes)
		}
	}
	return nil
}

// codes says which reason codes there are. Index 0 of the manifest's list is none.
func (v *Version) codes() string {
	if len(v.Manifest.Reasons) < 2 {
		return "no reasons: code 1 is the sentence at index 1 of its list"
	}
	return fmt.Sprintf("reasons 1 to %d", len(v.Manifest.Reasons)-1)
}

// wrong finds the first byte that no row may hold, or -1. Words that repeat, as in a row of one answer, are looked at once.
func (v *Version) wrong(row []byte) int {
	seen := uint64(0)
	at := 0
	for ; at+8 <= len(row); at += 8 {
		word := binary.LittleEndian.Uint64(row[at:])
		if word == 0 || word == seen {
			continue
		}
		for i, x := range row[at : at+8] {
			if !v.known[x] {
				return at + i
			}
		}
		seen = word
	}
	for ; at < len(row); at++ {
		if !v.known[row[at]] {
			return at
		}
	}
	return -1
}
