package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Types of settings, with what the guest gets for each:
const (
	TypeString   = "string"   // a JSON string
	TypeNumber   = "number"   // a JSON number
	TypeBool     = "bool"     // true or false
	TypeDuration = "duration" // written as in "1m30s"; the guest gets milliseconds, a JSON number
	TypeList     = "list"     // written with commas; the guest gets a JSON array of strings
)

// ErrSetting is wrapped by every error about a setting's value.
var ErrSetting = errors.New("abi: invalid setting")

// Setting is the schema of one of a module's settings. One whose name begins with "cluster." is read from the cluster's
// dynamic settings, any other from those that the policy was activated with.
type Setting struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Default  any      `json:"default,omitempty"`  // of its type, a duration as text; without one: "", 0, false, 0 or []
	Values   []string `json:"values,omitempty"`   // string and list: all that is taken
	Min      *float64 `json:"min,omitempty"`      // number; and duration, in milliseconds
	Max      *float64 `json:"max,omitempty"`      //
	Keyspace bool     `json:"keyspace,omitempty"` // keyspaces may have a value of their own
	Prefix   bool     `json:"prefix,omitempty"`   // stands for every setting whose name is this one with more behind it, as a filter's attributes are
	Doc      string   `json:"doc,omitempty"`
}

const maxSettingName = 128

func (s *Setting) validate() error {
	switch {
	case s.Name == "" || len(s.Name) > maxSettingName || strings.ContainsFunc(s.Name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}):
		return fmt.Errorf("setting %q; a name is 1 to %d of a-z 0-9 . _ -", s.Name, maxSettingName)
	case !slices.Contains([]string{TypeString, TypeNumber, TypeBool, TypeDuration, TypeList}, s.Type):
		return fmt.Errorf("type of setting %s is %q; must be string, number, bool, duration or list", s.Name, s.Type)
	case len(s.Values) > 0 && s.Type != TypeString && s.Type != TypeList:
		return fmt.Errorf("setting %s is a %s and has values; only a string or a list chooses among values", s.Name, s.Type)
	case (s.Min != nil || s.Max != nil) && s.Type != TypeNumber && s.Type != TypeDuration:
		return fmt.Errorf("setting %s is a %s and has a min or a max; only a number or a duration does", s.Name, s.Type)
	case s.Prefix && s.Default != nil:
		return fmt.Errorf("setting %s is a prefix and has a default; what is not set has no name", s.Name)
	}
	if s.Default == nil {
		return nil
	}
	if err := s.bounded(); err != nil {
		return err // and not the default, which it is not the fault of
	}
	text, err := s.defaultText()
	if err == nil {
		_, err = s.Parse(text)
	}
	if err != nil {
		return fmt.Errorf("default of setting %s: %w", s.Name, err)
	}
	return nil
}

// defaultText is the default as a person would set it.
func (s *Setting) defaultText() (string, error) {
	switch v := s.Default.(type) {
	case string:
		if s.Type == TypeString || s.Type == TypeDuration {
			return v, nil
		}
	case bool:
		if s.Type == TypeBool {
			return strconv.FormatBool(v), nil
		}
	case float64:
		if s.Type == TypeNumber {
			return strconv.FormatFloat(v, 'g', -1, 64), nil
		}
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			part, ok := v[i].(string)
			if !ok {
				return "", fmt.Errorf("%w: item %d is no string", ErrSetting, i)
			}
			parts[i] = part
		}
		if s.Type == TypeList {
			return strings.Join(parts, ","), nil
		}
	}
	return "", fmt.Errorf("%w: %v is no %s", ErrSetting, s.Default, s.Type)
}

// Parse reads a value as a person sets it, and gives the JSON that the guest gets.
func (s *Setting) Parse(text string) (json.RawMessage, error) {
	switch s.Type {
	case TypeNumber:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || s.beyond(v) {
			return nil, fmt.Errorf("%w: %s is %q; must be a number%s", ErrSetting, s.Name, text, s.between())
		}
		return marshal(v), nil
	case TypeBool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%w: %s is %q; must be true or false", ErrSetting, s.Name, text)
		}
		return json.RawMessage(text), nil
	case TypeDuration:
		v, err := time.ParseDuration(text)
		if err != nil || s.beyond(float64(v.Milliseconds())) {
			return nil, fmt.Errorf("%w: %s is %q; must be a duration as in \"1m30s\"%s", ErrSetting, s.Name, text, s.between())
		}
		return marshal(v.Milliseconds()), nil
	case TypeList:
		items := []string{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if err := s.among(item); err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return marshal(items), nil
	}
	if err := s.among(text); err != nil {
		return nil, err
	}
	return marshal(text), nil
}

func (s *Setting) beyond(v float64) bool {
	return s.Min != nil && v < *s.Min || s.Max != nil && v > *s.Max
}

// Takes says what may be set, in a few words: its type or its values, and its bounds.
func (s *Setting) Takes() string {
	text := s.Type
	if len(s.Values) > 0 {
		text = strings.Join(s.Values, "|")
	}
	return text + s.between()
}

func (s *Setting) between() string {
	text, unit := "", ""
	if s.Type == TypeDuration {
		unit = " ms"
	}
	if s.Min != nil {
		text += fmt.Sprintf(", at least %v%s", *s.Min, unit)
	}
	if s.Max != nil {
		text += fmt.Sprintf(", at most %v%s", *s.Max, unit)
	}
	return text
}

func (s *Setting) among(v string) error {
	if len(s.Values) > 0 && !slices.Contains(s.Values, v) {
		return fmt.Errorf("%w: %s is %q; must be one of %s", ErrSetting, s.Name, v, strings.Join(s.Values, ", "))
	}
	return nil
}

// rule finds the schema of a name.
func (m *Manifest) rule(name string) *Setting {
	for i := range m.Settings {
		s := &m.Settings[i]
		if s.Name == name && !s.Prefix || s.Prefix && len(name) > len(s.Name) && strings.HasPrefix(name, s.Name) {
			return s
		}
	}
	return nil
}

// HasSetting says whether the module has a setting of this name, which may end with "@KEYSPACE".
func (m *Manifest) HasSetting(name string) bool {
	name, _ = SplitSetting(name)
	return m.rule(name) != nil
}

// SplitSetting is the name of a setting, and the keyspace that it is set for as NAME@KEYSPACE; empty: for all.
func SplitSetting(text string) (name, keyspace string) {
	name, keyspace, _ = strings.Cut(text, "@")
	return name, keyspace
}

// CheckSetting refuses a name that the module does not have, or a value that it could not read. A name may end with "@KEYSPACE", where there can be
// a keyspace of that name.
func (m *Manifest) CheckSetting(text, value string) error {
	name, keyspace, own := strings.Cut(text, "@")
	switch {
	case m.rule(name) == nil:
		return m.unknown(name)
	case own && !isKeyspace(keyspace):
		return fmt.Errorf("%w: %s is to be set for keyspace %q, as no keyspace can be called: a name is 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit", ErrSetting, name, keyspace)
	}
	return m.put(map[string]json.RawMessage{}, map[string]string{name: value}, own)
}

// isKeyspace says whether a keyspace can be called so: as shards.Keyspace has it.
func isKeyspace(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsRune("._-", rune(name[0])) && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}

// unknown refuses a name, with those that there are.
func (m *Manifest) unknown(name string) error {
	var names []string
	for i := range m.Settings {
		if !strings.HasPrefix(m.Settings[i].Name, "cluster.") {
			names = append(names, m.Settings[i].Name)
		}
	}
	has := "none of its own"
	if len(names) > 0 {
		has = strings.Join(names, ", ")
	}
	return fmt.Errorf("%w: policy %s has no setting %s; it has %s", ErrSetting, m.Name, name, has)
}

// Configuration is what pol_configure gets: every setting of the manifest with the value in force, and for each keyspace
// those that it has of its own.
//
//	{"settings":{NAME:value,…},"keyspaces":{KEYSPACE:{NAME:value,…},…}}
//
// Values are given as text, as people set them; one that is empty or missing stands for the default. A policy's own setting for
// one keyspace is set as NAME@KEYSPACE. Names and keyspaces are sorted, so that the same settings are the same bytes.
func (m *Manifest) Configuration(values map[string]string, keyspaces map[string]map[string]string) ([]byte, error) {
	inForce := map[string]json.RawMessage{}
	for i := range m.Settings {
		s := &m.Settings[i]
		if s.Prefix {
			continue
		}
		text, err := s.defaultText()
		if s.Default == nil {
			text, err = map[string]string{TypeNumber: "0", TypeBool: "false", TypeDuration: "0s"}[s.Type], nil
		}
		if err != nil {
			return nil, err
		}
		inForce[s.Name], err = (&Setting{Name: s.Name, Type: s.Type}).Parse(text)
		if err != nil {
			return nil, err
		}
	}
	own := map[string]map[string]json.RawMessage{}
	everybodys, keyspaces := bySpace(values, keyspaces)
	if err := m.put(inForce, everybodys, false); err != nil {
		return nil, err
	}
	for keyspace, values := range keyspaces {
		of := map[string]json.RawMessage{}
		if err := m.put(of, values, true); err != nil {
			return nil, fmt.Errorf("keyspace %s: %w", keyspace, err)
		}
		if len(of) > 0 {
			own[keyspace] = of
		}
	}
	return marshal(struct {
		Settings  map[string]json.RawMessage            `json:"settings"`
		Keyspaces map[string]map[string]json.RawMessage `json:"keyspaces"`
	}{inForce, own}), nil
}

// bySpace moves the values of NAME@KEYSPACE to their keyspaces.
func bySpace(values map[string]string, keyspaces map[string]map[string]string) (map[string]string, map[string]map[string]string) {
	everybodys, own := map[string]string{}, map[string]map[string]string{}
	for keyspace, values := range keyspaces {
		own[keyspace] = maps.Clone(values)
	}
	for name, value := range values {
		name, keyspace, scoped := strings.Cut(name, "@")
		if !scoped {
			everybodys[name] = value
			continue
		}
		if own[keyspace] == nil {
			own[keyspace] = map[string]string{}
		}
		own[keyspace][name] = value
	}
	return everybodys, own
}

func (m *Manifest) put(into map[string]json.RawMessage, values map[string]string, keyspace bool) error {
	for name, text := range values {
		if text == "" {
			continue
		}
		s := m.rule(name)
		switch {
		case s == nil:
			return m.unknown(name)
		case keyspace && !s.Keyspace:
			return fmt.Errorf("%w: %s of policy %s is one for all keyspaces", ErrSetting, name, m.Name)
		}
		value, err := s.Parse(text)
		if err != nil {
			return err
		}
		into[name] = value
	}
	return nil
}

// marshal is JSON without the escapes that are for web pages.
func marshal(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("abi: settings that are no JSON: %v", err)) // strings, numbers and flags always are
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
