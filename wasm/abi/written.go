package abi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Written is the way back from a configuration, which is all that a record of a plan keeps: the policy's own settings as people would set them, so
// that Configuration makes the same bytes of them, with the cluster's beside them. What is at its default is left out: that need not be a value which
// can be set.
//
//	{"every":90000,"lands":[]}, "keyspaces":{"orders":{"lands":["de"]}} ──► every=1m30s, "lands=,", lands@orders=de
func (m *Manifest) Written(configuration []byte) (map[string]string, error) {
	defaults, err := m.Configuration(nil, nil)
	if err != nil {
		return nil, err
	}
	var plain, given configured
	if err := json.Unmarshal(defaults, &plain); err != nil {
		return nil, fmt.Errorf("%w: defaults of policy %s: %w", ErrSetting, m.Name, err)
	}
	if err := json.Unmarshal(configuration, &given); err != nil {
		return nil, fmt.Errorf("%w: what policy %s was given: %w", ErrSetting, m.Name, err)
	}
	out := map[string]string{}
	for name, value := range given.Settings {
		if bytes.Equal(value, plain.Settings[name]) {
			continue
		}
		if err := m.write(out, name, name, value); err != nil {
			return nil, err
		}
	}
	for keyspace, values := range given.Keyspaces {
		for name, value := range values {
			if err := m.write(out, name, name+"@"+keyspace, value); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// configured is what Configuration makes.
type configured struct {
	Settings  map[string]json.RawMessage            `json:"settings"`
	Keyspaces map[string]map[string]json.RawMessage `json:"keyspaces"`
}

// write adds a value to texts, unless it is the cluster's.
func (m *Manifest) write(into map[string]string, name, as string, value json.RawMessage) error {
	if strings.HasPrefix(name, "cluster.") {
		return nil
	}
	s := m.rule(name)
	if s == nil {
		return m.unknown(name)
	}
	text, err := s.written(value)
	if err != nil {
		return fmt.Errorf("%w: %s of policy %s was %s: %w", ErrSetting, as, m.Name, value, err)
	}
	into[as] = text
	return nil
}

// written is the text that Parse makes a value of.
func (s *Setting) written(value json.RawMessage) (string, error) {
	switch s.Type {
	case TypeDuration:
		return string(value) + "ms", nil
	case TypeList:
		var items []string
		err := json.Unmarshal(value, &items)
		if len(items) == 0 {
			return ",", err // an empty text would be the default
		}
		return strings.Join(items, ","), err
	case TypeString:
		var text string
		err := json.Unmarshal(value, &text)
		return text, err
	}
	return string(value), nil
}
