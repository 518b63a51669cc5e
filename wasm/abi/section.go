package abi

import (
	"bytes"
	"errors"
	"fmt"
)

// SectionName is the name of the custom section that holds the manifest.
const SectionName = "policy.manifest"

// ErrModule is wrapped by every error about the frame of a module.
var ErrModule = errors.New("abi: not a WebAssembly module")

// wasmHeader is how every module of the binary format begins: "\0asm", version 1.
var wasmHeader = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// section is one of a module's sections, a kind, a length and a payload:
//
//	id u8 │ length uLEB128 │ payload
//	 0    │                │ name length uLEB128 │ name │ content      a custom section
type section struct {
	from, to int // in the module, frame included
	name     string
	content  []byte // of a custom section
}

// FindManifest reads the manifest of a module that somebody brings.
func FindManifest(module []byte) (*Manifest, error) {
	text, err := manifestIn(module)
	if err != nil {
		return nil, err
	}
	return ParseManifest(text)
}

// StoredManifest reads the manifest of a module that was accepted once, perhaps by a host with higher bounds. Limits above the present ones are
// taken for these, as a policy that is in force must not go out of it with an upgrade.
func StoredManifest(module []byte) (*Manifest, error) {
	text, err := manifestIn(module)
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := DecodeManifest(text, &m); err != nil {
		return nil, err
	}
	l := &m.Limits
	l.Pages, l.FuelPerRow, l.FuelPerNode = min(l.Pages, MaxPages), min(l.FuelPerRow, MaxFuelPerRow), min(l.FuelPerNode, MaxFuelPerNode)
	return &m, m.Validate()
}

func manifestIn(module []byte) ([]byte, error) {
	text, err := Custom(module, SectionName)
	if err == nil && text == nil {
		err = fmt.Errorf("%w: the module has no section %s; append one with: troupe policy pack MODULE MANIFEST", ErrManifest, SectionName)
	}
	return text, err
}

// WithManifest gives a copy of the module with this manifest in place of any that it has. The text is kept as it is.
func WithManifest(module, manifest []byte) ([]byte, error) {
	if _, err := ParseManifest(manifest); err != nil {
		return nil, err
	}
	return WithCustom(module, SectionName, manifest)
}

// Custom is the content of a module's custom section of that name; nil if it has none. Two of them are an error.
func Custom(module []byte, name string) ([]byte, error) {
	content, found, err := custom(module, name)
	if err == nil && found > 1 {
		return nil, fmt.Errorf("%w: the module has %d sections %s, and must have one", ErrManifest, found, name)
	}
	return content, err
}

// custom is the content of the last custom section of that name, and how many there are.
func custom(module []byte, name string) (content []byte, found int, err error) {
	all, err := sections(module)
	for _, s := range all {
		if s.name == name {
			content = s.content
			found++
		}
	}
	return content, found, err
}

// WithCustom gives a copy of the module with one custom section of that name, at its end.
func WithCustom(module []byte, name string, content []byte) ([]byte, error) {
	all, err := sections(module)
	if err != nil {
		return nil, err
	}
	out := bytes.Clone(wasmHeader)
	for _, s := range all {
		if s.name != name {
			out = append(out, module[s.from:s.to]...)
		}
	}
	payload := append(appendLEB(nil, uint32(len(name))), name...)
	payload = append(payload, content...)
	out = appendLEB(append(out, 0), uint32(len(payload)))
	return append(out, payload...), nil
}

// sections walks the frame of a module, which may be any bytes.
func sections(module []byte) ([]section, error) {
	if !bytes.HasPrefix(module, wasmHeader) {
		return nil, fmt.Errorf("%w: it does not begin with \\0asm and version 1", ErrModule)
	}
	var out []section
	for at := len(wasmHeader); at < len(module); {
		s := section{from: at}
		length, n := readLEB(module[at+1:])
		if n == 0 || uint64(length) > uint64(len(module)-at-1-n) {
			return nil, fmt.Errorf("%w: the section at byte %d is cut off", ErrModule, at)
		}
		payload := module[at+1+n:][:length]
		if module[at] == 0 {
			size, n := readLEB(payload)
			if n == 0 || uint64(size) > uint64(len(payload)-n) {
				return nil, fmt.Errorf("%w: the custom section at byte %d has no name", ErrModule, at)
			}
			s.name, s.content = string(payload[n:][:size]), payload[n+int(size):]
		}
		at += 1 + n + int(length)
		s.to = at
		out = append(out, s)
	}
	return out, nil
}

// readLEB reads an unsigned number of up to 32 bits, and says how many bytes it took; 0: it is none.
func readLEB(data []byte) (v uint32, n int) {
	for n < len(data) && n < 5 {
		b := data[n]
		if n == 4 && b > 0x0f {
			return 0, 0
		}
		v |= uint32(b&0x7f) << (7 * n)
		n++
		if b < 0x80 {
			return v, n
		}
	}
	return 0, 0
}

func appendLEB(out []byte, v uint32) []byte {
	for ; v >= 0x80; v >>= 7 {
		out = append(out, byte(v)|0x80)
	}
	return append(out, byte(v))
}
