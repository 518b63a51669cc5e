package troupe

import (
	"strconv"
	"strings"
)

// json is a value as the host and the manifest write it. This is a small reader and not encoding/json, whose reflection would be
// a quarter of the module.
type json struct {
	kind   byte // 's' text, 'n' number, 'b' true or false, 'a' array, 'o' object; 0: there is none
	text   string
	number float64
	names  []string // of an object, one for each item
	items  []json
	list   []string // of an array: the text of each item
}

// settings are those that pol_configure brought last: everybody's, and those of keyspaces.
var settings struct{ everybodys, keyspaces *json }

// nothing is what is not there.
var nothing json

// configure takes new settings.
func configure(data []byte) int32 {
	v, ok := parse(data)
	if !ok || v.get("settings").kind != 'o' {
		return refused("the settings are not the JSON of ABI version 1")
	}
	settings.everybodys, settings.keyspaces = v.get("settings"), v.get("keyspaces")
	return prepare()
}

// Setting is a value in force: the module's own default, or what the operator set.
type Setting struct{ value *json }

// SettingOf is the setting of that name; a keyspace's own, if it has one, or else everybody's. "" asks for everybody's.
func SettingOf(keyspace, name string) Setting {
	if keyspace != "" {
		if v := settings.keyspaces.get(keyspace).get(name); v != &nothing {
			return Setting{v}
		}
	}
	return Setting{settings.everybodys.get(name)}
}

// SettingNamed is everybody's setting of that name.
func SettingNamed(name string) Setting { return SettingOf("", name) }

// SettingsBelow gives all of everybody's settings whose names begin with prefix, as the manifest's "prefix": true has them.
func SettingsBelow(prefix string) func(yield func(name string, s Setting) bool) {
	return func(yield func(string, Setting) bool) {
		all := settings.everybodys
		if all == nil {
			return
		}
		for i, name := range all.names {
			if strings.HasPrefix(name, prefix) && !yield(name, Setting{&all.items[i]}) {
				return
			}
		}
	}
}

// Text is a string's value.
func (s Setting) Text() string { return s.value.text }

// Number is a number's value; of a duration, milliseconds.
func (s Setting) Number() float64 { return s.value.number }

// Flag is a bool's value.
func (s Setting) Flag() bool { return s.value.number != 0 }

// List is a list's items. They are not to be changed.
func (s Setting) List() []string { return s.value.list }

// get finds a field; of nil, or where there is none, nothing.
func (v *json) get(name string) *json {
	if v == nil {
		return &nothing
	}
	for i := range v.names {
		if v.names[i] == name {
			return &v.items[i]
		}
	}
	return &nothing
}

// reader walks through JSON.
type reader struct {
	rest  []byte
	depth int
}

func parse(data []byte) (*json, bool) {
	r := reader{rest: data}
	v, ok := r.value()
	r.blanks()
	return &v, ok && len(r.rest) == 0
}

func (r *reader) blanks() {
	for len(r.rest) > 0 && strings.IndexByte(" \t\r\n", r.rest[0]) >= 0 {
		r.rest = r.rest[1:]
	}
}

// skip takes a character, if it comes next.
func (r *reader) skip(c byte) bool {
	r.blanks()
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *reader) value() (json, bool) {
	if r.depth++; r.depth > 16 {
		return json{}, false
	}
	defer func() { r.depth-- }()
	r.blanks()
	switch {
	case len(r.rest) == 0:
		return json{}, false
	case r.rest[0] == '"':
		text, ok := r.text()
		return json{kind: 's', text: text}, ok
	case r.rest[0] == '{' || r.rest[0] == '[':
		return r.list()
	}
	end := 0
	for end < len(r.rest) && strings.IndexByte(",]} \t\r\n", r.rest[end]) < 0 {
		end++
	}
	word := string(r.rest[:end])
	r.rest = r.rest[end:]
	switch word {
	case "true":
		return json{kind: 'b', number: 1}, true
	case "false", "null":
		return json{kind: 'b'}, true
	}
	n, err := strconv.ParseFloat(word, 64)
	return json{kind: 'n', number: n}, err == nil
}

// list reads an array or an object.
func (r *reader) list() (json, bool) {
	v, end := json{kind: 'a'}, byte(']')
	if r.skip('{') {
		v.kind, end = 'o', '}'
	} else {
		r.skip('[')
	}
	for first := true; !r.skip(end); first = false {
		if !first && !r.skip(',') {
			return v, false
		}
		if v.kind == 'o' {
			r.blanks()
			name, ok := r.text()
			if !ok || !r.skip(':') {
				return v, false
			}
			v.names = append(v.names, name)
		}
		item, ok := r.value()
		if !ok {
			return v, false
		}
		v.items = append(v.items, item)
		if v.kind == 'a' {
			v.list = append(v.list, item.text)
		}
	}
	return v, true
}

// text reads a string: its escapes are those of Go, but for \/ and for halves of a rune.
func (r *reader) text() (string, bool) {
	if len(r.rest) == 0 || r.rest[0] != '"' {
		return "", false
	}
	end := 1
	for end < len(r.rest) && r.rest[end] != '"' {
		if r.rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(r.rest) {
		return "", false
	}
	raw := string(r.rest[1:end])
	r.rest = r.rest[end+1:]
	if strings.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	return unescape(raw)
}

func unescape(raw string) (string, bool) {
	var out []rune
	for raw != "" {
		if strings.HasPrefix(raw, `\/`) {
			out, raw = append(out, '/'), raw[2:]
			continue
		}
		if strings.HasPrefix(raw, `\u`) && len(raw) >= 12 && raw[6:8] == `\u` {
			high, err1 := strconv.ParseUint(raw[2:6], 16, 16)
			low, err2 := strconv.ParseUint(raw[8:12], 16, 16)
			if err1 == nil && err2 == nil && high>>10 == 0xd800>>10 && low>>10 == 0xdc00>>10 {
				out, raw = append(out, rune(0x10000+(high-0xd800)<<10+(low-0xdc00))), raw[12:]
				continue
			}
		}
		c, _, tail, err := strconv.UnquoteChar(raw, '"')
		if err != nil {
			return "", false
		}
		out, raw = append(out, c), tail
	}
	return string(out), true
}
