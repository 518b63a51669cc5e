package abi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What a manifest that somebody brings may not have, and one that was accepted once may: a policy that is in force must not go out of it with an
// upgrade. None of it can be meant.

// placeholder is a name in braces in a reason.
var placeholder = regexp.MustCompile(`\{[a-zA-Z0-9_]+\}`)

// placeholders are those that are filled in.
var placeholders = []string{"{node}", "{shard}", "{keyspace}"}

// strict refuses a sentence for code 0, which is none, a reason with a name in braces that nothing is filled in for, and a setting whose bounds
// leave no value.
func (m *Manifest) strict() error {
	if len(m.Reasons) > 0 && m.Reasons[0] != "" {
		return fmt.Errorf("reason 0 of %s is %q, and code 0 is none; codes begin at 1, so the list begins with \"\"", m.Name, m.Reasons[0])
	}
	for code, text := range m.Reasons {
		for _, found := range placeholder.FindAllString(text, -1) {
			if !slices.Contains(placeholders, found) {
				return fmt.Errorf("reason %d of %s has %s; %s are filled in", code, m.Name, found, strings.Join(placeholders, ", "))
			}
		}
	}
	for i := range m.Settings {
		if err := m.Settings[i].bounded(); err != nil {
			return err
		}
	}
	return nil
}

// bounded refuses bounds that leave no value.
func (s *Setting) bounded() error {
	if s.Min != nil && s.Max != nil && *s.Min > *s.Max {
		return fmt.Errorf("setting %s has min %v and max %v, and can have no value", s.Name, *s.Min, *s.Max)
	}
	return nil
}

// exportSection and exportedMemory are kinds of the binary format.
const (
	exportSection  = 7
	exportedMemory = 2
)

// CheckMemory refuses a module that somebody brings and that does not export its memory, as ABI.md has it.
func CheckMemory(module []byte) error {
	all, err := sections(module)
	if err != nil {
		return err
	}
	for _, s := range all {
		if module[s.from] != exportSection {
			continue
		}
		_, n := readLEB(module[s.from+1:])
		at := module[s.from+1+n : s.to]
		count, n := readLEB(at)
		for at = at[n:]; count > 0; count-- {
			size, n := readLEB(at)
			if n == 0 || uint64(size) >= uint64(len(at)-n) {
				return fmt.Errorf("%w: its exports are cut off", ErrModule)
			}
			name, kind := string(at[n:][:size]), at[n+int(size)]
			if name == ExportMemory && kind == exportedMemory {
				return nil
			}
			at = at[n+int(size)+1:]
			_, n = readLEB(at)
			at = at[n:]
		}
	}
	return fmt.Errorf("%w: it does not export its memory as %q, which ABI version %d requires", ErrModule, ExportMemory, Version)
}

// twice refuses a field that is there twice in one object: the last one would count, and the others be passed over without a word. The text is whole JSON.
func twice(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var seen []map[string]bool // by the objects and lists around; nil: a list
	name := false              // a field's name is next
	for {
		token, err := d.Token()
		if err != nil {
			return nil // its end
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			var fields map[string]bool
			if token == json.Delim('{') {
				fields = map[string]bool{}
			}
			seen = append(seen, fields)
		case json.Delim('}'), json.Delim(']'):
			seen = seen[:len(seen)-1]
		default:
			if field, is := token.(string); is && name {
				if len(seen) == 1 && strings.HasPrefix(field, "x-") { // it is passed over
					if err := d.Decode(new(json.RawMessage)); err != nil {
						return nil
					}
					continue
				}
				fields, key := seen[len(seen)-1], strings.ToLower(field) // as encoding/json reads names
				if fields[key] {
					return fmt.Errorf("line %d: field %q is there twice", lineAt(text, d.InputOffset()), field)
				}
				fields[key] = true
				name = false
				continue
			}
		}
		name = len(seen) > 0 && seen[len(seen)-1] != nil
	}
}
