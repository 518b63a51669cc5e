package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// promised are the golden vectors that ABI.md shows: what section 9 says of the module that is written by hand.
func promised(t testing.TB) *Vectors {
	t.Helper()
	return &Vectors{Format: VectorsFormat, Fixtures: []Fixture{{Name: "first.yaml", Nodes: []string{"n1", "n2", "n3"}, Settings: json.RawMessage(`{"settings":{},"keyspaces":{}}`),
		Image: firstImage(t).Bytes(), Cases: []Case{{Line: 5, Name: "allocate orders/0", Export: ExportAllocate, Copy: NoCopy, Row: Row{0, 0xc1, 0}}}}}}
}

// promisedText is their section, in lines.
func promisedText(t testing.TB) string {
	t.Helper()
	text, err := json.MarshalIndent(promised(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// TestVectorVectors publishes a section with golden vectors.
func TestVectorVectors(t *testing.T) { golden(t, "testdata/vectors.json", []byte(promisedText(t))) }

func TestVectorsTravelInTheModule(t *testing.T) {
	if v, err := FindVectors(empty(t)); v != nil || err != nil || v.Count() != 0 {
		t.Errorf("a module without: %+v, %v", v, err)
	}
	module, err := os.ReadFile("testdata/first.wasm")
	if err != nil {
		t.Fatal(err)
	}
	with, err := WithVectors(module, promised(t))
	if err != nil {
		t.Fatal(err)
	}
	again, err := WithVectors(with, promised(t))
	if err != nil || !bytes.Equal(with, again) || !bytes.HasPrefix(with, module) {
		t.Errorf("embedding them a second time changes the module: %v", err)
	}
	v, err := FindVectors(with)
	if err != nil || v.Count() != 1 {
		t.Fatalf("%d vectors, %v", v.Count(), err)
	}
	f := &v.Fixtures[0]
	if c := &f.Cases[0]; f.Label(c) != "first.yaml:5: allocate orders/0" || !bytes.Equal(c.Row, []byte{0, 0xc1, 0}) || !bytes.Equal(f.Image, promised(t).Fixtures[0].Image) || string(f.Settings) != `{"settings":{},"keyspaces":{}}` {
		t.Errorf("it came back as %+v", f)
	}
	section, err := Custom(with, VectorsSection)
	if err != nil {
		t.Fatal(err)
	}
	twice := append(bytes.Clone(with), with[len(module):]...)
	if _, err := FindVectors(twice); !errors.Is(err, ErrVectors) || !strings.Contains(err.Error(), "2 sections policy.vectors, and may have one") {
		t.Errorf("a module with two: %v", err)
	}
	for cut := range section {
		if _, err := ParseVectors(section[:cut]); !errors.Is(err, ErrVectors) {
			t.Errorf("cut to %d bytes: %v", cut, err)
		}
	}
}

func TestVectorsAreRefused(t *testing.T) {
	scored := func(v *Vectors, points ...float64) {
		v.Fixtures[0].Cases[0] = Case{Name: "score orders/0", Export: ExportScore, Copy: NoCopy, Points: points}
	}
	many := func(v *Vectors, n int) {
		for range n {
			v.Fixtures[0].Cases = append(v.Fixtures[0].Cases, v.Fixtures[0].Cases[0])
		}
	}
	for want, spoil := range map[string]func(v *Vectors){
		"they are of format 2; this release reads 1":                   func(v *Vectors) { v.Format = 2 },
		"0 fixtures; must be 1 to 64":                                  func(v *Vectors) { v.Fixtures = nil },
		"65 fixtures":                                                  func(v *Vectors) { v.Fixtures = make([]Fixture, 65) },
		"1025 cases; at most 1024":                                     func(v *Vectors) { many(v, 1024) },
		"fixture 1 (): its name must be a text":                        func(v *Vectors) { v.Fixtures[0].Name = "" },
		"not an image of version 1":                                    func(v *Vectors) { v.Fixtures[0].Image[3]++ },
		"2 names of nodes, and its image has 3 nodes":                  func(v *Vectors) { v.Fixtures[0].Nodes = v.Fixtures[0].Nodes[1:] },
		"the name of a node must be a text of 1 to 256":                func(v *Vectors) { v.Fixtures[0].Nodes[2] = strings.Repeat("n", 257) },
		"settings must be an object":                                   func(v *Vectors) { v.Fixtures[0].Settings = json.RawMessage("[]") },
		"it has no cases":                                              func(v *Vectors) { v.Fixtures[0].Cases = nil },
		"case 1 (): its name must be":                                  func(v *Vectors) { v.Fixtures[0].Cases[0].Name = "" },
		`"can_fly" is no export that is asked`:                         func(v *Vectors) { v.Fixtures[0].Cases[0].Export = "can_fly" },
		"shard 1, and there are 1":                                     func(v *Vectors) { v.Fixtures[0].Cases[0].Shard = 1 },
		"copy 8, and there is room for 8":                              func(v *Vectors) { v.Fixtures[0].Cases[0].Copy = 8 },
		"copy -2":                                                      func(v *Vectors) { v.Fixtures[0].Cases[0].Copy = -2 },
		"flags 0x4":                                                    func(v *Vectors) { v.Fixtures[0].Cases[0].Flags = 4 },
		"a row of 2 bytes; can_allocate gives one for each of 3 nodes": func(v *Vectors) { v.Fixtures[0].Cases[0].Row = Row{0, 0} },
		"2 points; score gives one for each of 3 nodes":                func(v *Vectors) { scored(v, 1, 2) },
		"case 1 (allocate orders/0): a row of 3 bytes; can_allocate":   func(v *Vectors) { v.Fixtures[0].Cases[0].Points = []float64{1} },
		"bytes of section policy.vectors, and at most 262144 are read": func(v *Vectors) {
			v.Fixtures[0].Settings = json.RawMessage(`{"a":"` + strings.Repeat("a", MaxVectorsText) + `"}`)
		},
	} {
		v := promised(t)
		spoil(v)
		_, err := WithVectors(empty(t), v)
		if !errors.Is(err, ErrVectors) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "record them anew with: troupe policy test") {
			t.Errorf("%v; want %q", err, want)
		}
	}
	good := promised(t)
	scored(good, 1, -0.25, 1e300)
	if _, err := WithVectors(empty(t), good); err != nil {
		t.Errorf("points: %v", err)
	}
	text := promisedText(t)
	for want, text := range map[string]string{
		"section policy.vectors: EOF":              "",
		`unknown field "colour"`:                   strings.Replace(text, `"line"`, `"colour"`, 1),
		`row "00c1g0": encoding/hex: invalid byte`: strings.Replace(text, "00c100", "00c1g0", 1),
		"behind its end":                           text + "{}",
		"illegal base64":                           strings.Replace(text, "VElN", "!!!!", 1),
	} {
		if _, err := ParseVectors([]byte(text)); !errors.Is(err, ErrVectors) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func FuzzVectors(f *testing.F) {
	f.Add([]byte(promisedText(f)))
	f.Add([]byte(strings.NewReplacer("can_allocate", "score", `"row": "00c100"`, `"points": [1, -0.25, 1e300]`).Replace(promisedText(f))))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseVectors(text)
		if err != nil {
			if !errors.Is(err, ErrVectors) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		module, err := WithVectors(append(bytes.Clone(wasmHeader), 0, 2, 1, 'a'), v)
		if err != nil && len(text) < MaxVectorsText/8 { // written it may be longer: < becomes six bytes
			t.Fatalf("%s is taken, and written anew refused: %v", text, err)
		}
		if again, err2 := FindVectors(module); err == nil && (err2 != nil || again.Count() != v.Count()) {
			t.Errorf("%s is taken, and read again it is %+v, %v", text, again, err2)
		}
	})
}
