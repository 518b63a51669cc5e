package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// splitJSON takes key and value from an object. A string stands for its content, a number for its digits as written; the
// value may be anything, and stays as written unless it is a string.
func splitJSON(line []byte, keyField, valueField string) (Item, error) {
	if !utf8.Valid(line) {
		return Item{}, fmt.Errorf("%w: not valid UTF-8, which JSON must be", ErrRecord)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		return Item{}, fmt.Errorf("%w: not a JSON object: %w", ErrRecord, err)
	}
	raw, ok := object[keyField]
	if !ok {
		return Item{}, fmt.Errorf("%w: it has no field %q", ErrRecord, keyField)
	}
	key, err := scalar(raw)
	if err != nil || !isKey(raw) {
		return Item{}, fmt.Errorf("%w: field %q is %.40s; a key must be a string or a number", ErrRecord, keyField, raw)
	}
	if valueField == "" {
		return Item{Key: key, Value: line}, nil
	}
	if raw, ok = object[valueField]; !ok {
		return Item{}, fmt.Errorf("%w: it has no field %q", ErrRecord, valueField)
	}
	value, err := scalar(raw)
	return Item{Key: key, Value: value}, err
}

func isKey(raw json.RawMessage) bool {
	return raw[0] == '"' || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'
}

// scalar unquotes a string and leaves everything else as it is.
func scalar(raw json.RawMessage) ([]byte, error) {
	if raw[0] != '"' {
		return raw, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return []byte(s), nil
}

// rowJSON writes a row as an object with the header's names in the header's order, all values strings.
func rowJSON(header []string, fields [][]byte) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, name := range header {
		if !utf8.Valid(fields[i]) {
			return nil, fmt.Errorf("%w: column %q is not valid UTF-8, which JSON must be; --value-column takes it as it is", ErrRecord, name)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		for j, text := range []string{name, string(fields[i])} {
			if j == 1 {
				b.WriteByte(':')
			}
			if err := e.Encode(text); err != nil {
				return nil, err
			}
			b.Truncate(b.Len() - 1) // the encoder's line feed
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
