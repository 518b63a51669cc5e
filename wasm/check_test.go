package wasm

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// Each refusal names the section, the name, the value, the limit and the fix.
func TestRefusals(t *testing.T) {
	void := listOf(typeSection, typeOf("", ""))
	one := listOf(functionSection, []byte{0})
	empty := listOf(codeSection, bodyOf())
	cases := map[string]struct {
		binary []byte
		limits Limits
		want   []string
	}{
		"text":           {[]byte("(module)"), Limits{}, []string{"no WebAssembly", "not its source"}},
		"component":      {[]byte("\x00asm\x0d\x00\x01\x00"), Limits{}, []string{"version 1", "component"}},
		"cut off":        {fixture(t, "guest.wasm")[:400], Limits{}, []string{"malformed", "ends too early"}},
		"size":           {fixture(t, "guest.wasm"), Limits{Bytes: 500}, []string{"module", "too large", "(877, limit 500)", "strip"}},
		"functions":      {fixture(t, "guest.wasm"), Limits{Functions: 5}, []string{"function", "too many functions", "limit 5"}},
		"exports":        {fixture(t, "guest.wasm"), Limits{Exports: 3}, []string{"export", "limit 3"}},
		"body":           {fixture(t, "guest.wasm"), Limits{Body: 20}, []string{"code sum", "limit 20"}},
		"locals":         {moduleOf(void, one, listOf(codeSection, []byte{7, 1, 0xff, 0xff, 0xff, 0x7f, 0x7f, opEnd})), Limits{}, []string{"too many locals", "limit 4096"}},
		"parameters":     {moduleOf(listOf(typeSection, typeOf(strings.Repeat("i", 65), ""))), Limits{}, []string{"type 0", "parameters", "(65, limit 64)"}},
		"results":        {moduleOf(listOf(typeSection, typeOf("", strings.Repeat("i", 65)))), Limits{}, []string{"type 0", "results", "(65, limit 64)"}},
		"pages":          {moduleOf(listOf(memorySection, []byte{0, 17})), Limits{Pages: 16}, []string{"memory", "(17, limit 16)"}},
		"two memories":   {moduleOf(listOf(memorySection, []byte{0, 1}, []byte{0, 1})), Limits{}, []string{"memory", "(2, limit 1)", "multi-memory"}},
		"shared memory":  {moduleOf(listOf(memorySection, []byte{3, 1, 2})), Limits{}, []string{"memory", "shared"}},
		"64-bit memory":  {moduleOf(listOf(memorySection, []byte{4, 1})), Limits{}, []string{"memory", "64 bits"}},
		"table":          {moduleOf(listOf(tableSection, []byte{0x70, 0, 0x91, 0x4e})), Limits{}, []string{"table", "(10001, limit 10000)"}},
		"segments":       {moduleOf(sectionOf(elementSection, append([]byte{0xe9, 7}, bytes.Repeat([]byte{1, 0, 0}, 1001)...))), Limits{}, []string{"element", "(1001, limit 1000)"}},
		"entries":        {moduleOf(sectionOf(elementSection, append([]byte{1, 1, 0, 5}, make([]byte, 5)...))), Limits{Table: 4}, []string{"table", "(5, limit 4)"}},
		"data":           {moduleOf(sectionOf(dataSection, append([]byte{0xa1, 0x8d, 6}, bytes.Repeat([]byte{1, 0}, 100_001)...))), Limits{}, []string{"data", "(100001, limit 100000)"}},
		"globals":        {moduleOf(sectionOf(globalSection, append([]byte{3}, bytes.Repeat([]byte{0x7f, 0, opI32Const, 0, opEnd}, 3)...))), Limits{Globals: 2}, []string{"global", "(3, limit 2)"}},
		"unknown import": {moduleOf(void, listOf(importSection, importOf("env", "open", 0, 0))), Limits{}, []string{"import env.open", "not on the list", "link"}},
		"abort":          {moduleOf(void, listOf(importSection, importOf("env", "abort", 0, 0))), Limits{}, []string{"import env.abort", "--use abort="}},
		"import's type":  {moduleOf(void, listOf(importSection, importOf("host", "log", 0, 0))), Limits{}, []string{"import host.log", "()", "(i32, i32, i32)"}},
		"memory import":  {moduleOf(listOf(importSection, importOf("env", "memory", 2, 0, 1))), Limits{}, []string{"import env.memory", "no function"}},
		"start":          {moduleOf(void, one, sectionOf(startSection, []byte{0}), empty), Limits{}, []string{"start", "_initialize"}},
		"reserved name":  {moduleOf(void, one, listOf(exportSection, exportOf("__troupe.fuel", 0, 0)), empty), Limits{}, []string{"export __troupe.fuel", "reserved"}},
		"bodies":         {moduleOf(void, one), Limits{}, []string{"code", "0 bodies for 1"}},
		"section twice":  {moduleOf(void, void), Limits{}, []string{"type", "twice"}},
		"tail call":      {oneFunction(0x12, 0), Limits{}, []string{"code run", "opcode 0x12", "without tail calls"}},
		"exceptions":     {oneFunction(0x08, 0), Limits{}, []string{"code run", "opcode 0x08"}},
		"threads":        {oneFunction(0xfe, 0x03, 0), Limits{}, []string{"code run", "opcode 0xfe"}},
		"relaxed vector": {oneFunction(opVector, 0x80, 0x02), Limits{}, []string{"code run", "opcode 0xfd 256"}},
		"long opcode":    {oneFunction(opMisc, 0x8a, 0x00, 0, 0), Limits{}, []string{"code run", "longer form"}},
		"fuel's number":  {oneFunction(opGlobalGet, 0, 0x1a), Limits{}, []string{"code run", "global 0 of 0"}},
		"wrapper's type": {oneFunction(opBlock, 1, opEnd), Limits{}, []string{"code run", "type 1 of 1"}},
		"outer label":    {oneFunction(opCall, 0, opBr, 1), Limits{}, []string{"code run", "label 1 of 1"}},
		"scratch local":  {oneFunction(opLocalGet, 0, 0x1a), Limits{}, []string{"code run", "local 0 of 0"}},
		"after the end":  {oneFunction(opEnd, opNop), Limits{}, []string{"code run", "after the end"}},
		"nested blocks":  {oneFunction(around([]byte{opBlock, 0x40}, 1000)...), Limits{}, []string{"code run", "blocks nested", "(1001, limit 1000)"}},
		"nested loops":   {oneFunction(around([]byte{opLoop, 0x40}, 65)...), Limits{}, []string{"code run", "loops nested", "(65, limit 64)"}},
		"many blocks":    {oneFunction(bytes.Repeat([]byte{opBlock, 0x40, opEnd}, 4001)...), Limits{}, []string{"code run", "blocks and branches", "(4001, limit 4000)"}},
		"branch table":   {oneFunction(append([]byte{opI32Const, 0, opBrTable, 0x90, 0x4e}, make([]byte, 10_001)...)...), Limits{}, []string{"code run", "targets", "(10001, limit 10000)"}},
		"tangle":         {tangled(1001, 400), Limits{}, []string{"too many blocks for its locals", "(400400, limit 400000)"}},
		"wrong types":    {oneFunction(opI32Const, 0), Limits{}, []string{"no valid WebAssembly", "run"}},
		"exported fuel":  {moduleOf(listOf(exportSection, exportOf("mine", globalKind, 0))), Limits{}, []string{"export", "mine is global 0 of 0"}},
	}
	for name, c := range cases {
		_, err := fastest().Compile(context.Background(), c.binary, c.limits)
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v, want a refusal", name, err)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", name, err, part)
			}
		}
		if refusal.Fix == "" {
			t.Errorf("%s: %q does not say what to do", name, err)
		}
	}
}

// around is n blocks within one another.
func around(open []byte, n int) []byte {
	return append(bytes.Repeat(open, n), bytes.Repeat([]byte{opEnd}, n)...)
}

// tangled is a function of so many locals and blocks.
func tangled(locals, blocks int) []byte {
	b := append(appendU32([]byte{1}, uint32(locals)), 0x7f)
	b = append(append(b, bytes.Repeat([]byte{opBlock, 0x40, opEnd}, blocks)...), opEnd)
	return moduleOf(listOf(typeSection, typeOf("", "")), listOf(functionSection, []byte{0}), listOf(codeSection, append(appendU32(nil, uint32(len(b))), b...)))
}

// Names that only look reserved are the linkers' and pass.
func TestLinkersNamesPass(t *testing.T) {
	m := compile(t, fastest(), fixture(t, "row_rust.wasm"), Limits{})
	var names []string
	for _, f := range m.Exports() {
		names = append(names, f.String())
	}
	if got := strings.Join(names, "; "); got != "fib(i32) -> i32; fill(i32); hash() -> i32; row(i32); row_at() -> i32; spin(i32) -> i32" {
		t.Errorf("exports %s", got)
	}
}

func TestModuleTellsOfItself(t *testing.T) {
	binary := append(fixture(t, "guest.wasm"), sectionOf(customSection, append(appendName(nil, "policy.manifest"), `{"name":"x"}`...))...)
	m := compile(t, engines()["interpreter"], binary, Limits{})
	if string(m.Custom("policy.manifest")) != `{"name":"x"}` || m.Custom("missing") != nil {
		t.Errorf("custom section %q", m.Custom("policy.manifest"))
	}
	if m.Size() != len(binary) || len(m.Digest().String()) != 64 || !strings.HasPrefix(m.Digest().String(), m.Digest().Short()) {
		t.Errorf("size %d, digest %s", m.Size(), m.Digest())
	}
	imports := m.Imports()
	if len(imports) != 3 || imports[0].String() != "host.log(i32, i32, i32)" || imports[1].String() != "host.log_enabled(i32) -> i32" {
		t.Errorf("imports %v", imports)
	}
}

// A compilation ends when its context does.
func TestCompileStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := fastest().Compile(ctx, append(fixture(t, "row_c.wasm"), sectionOf(customSection, appendName(nil, "stopped"))...), Limits{Depth: 77})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}
