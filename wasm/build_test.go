package wasm

// Small pieces of the binary format, from which tests put modules together.

// moduleOf is a module of sections, in order.
func moduleOf(sections ...[]byte) []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		out = append(out, s...)
	}
	return out
}

// sectionOf is a section with raw content.
func sectionOf(id byte, payload []byte) []byte {
	return append(appendU32([]byte{id}, uint32(len(payload))), payload...)
}

// listOf is a section that holds a list.
func listOf(id byte, items ...[]byte) []byte {
	payload := appendU32(nil, uint32(len(items)))
	for _, i := range items {
		payload = append(payload, i...)
	}
	return sectionOf(id, payload)
}

func typeOf(params, results string) []byte {
	out := append(appendU32([]byte{0x60}, uint32(len(params))), valueTypes(params)...)
	return append(appendU32(out, uint32(len(results))), valueTypes(results)...)
}

// valueTypes spells types with letters: i i32, I i64, f f32, F f64, v v128, r funcref.
func valueTypes(letters string) []byte {
	var out []byte
	for _, l := range letters {
		out = append(out, map[rune]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c, 'v': 0x7b, 'r': 0x70}[l])
	}
	return out
}

func importOf(module, name string, description ...byte) []byte {
	return append(appendName(appendName(nil, module), name), description...)
}

func exportOf(name string, kind byte, index uint32) []byte {
	return appendU32(append(appendName(nil, name), kind), index)
}

// bodyOf is a body without locals, its end included.
func bodyOf(code ...byte) []byte {
	b := append(append([]byte{0}, code...), opEnd)
	return append(appendU32(nil, uint32(len(b))), b...)
}

// oneFunction is a module that exports run, of type () -> () and with that code.
func oneFunction(code ...byte) []byte {
	return moduleOf(listOf(typeSection, typeOf("", "")), listOf(functionSection, []byte{0}),
		listOf(exportSection, exportOf("run", functionKind, 0)), listOf(codeSection, bodyOf(code...)))
}
