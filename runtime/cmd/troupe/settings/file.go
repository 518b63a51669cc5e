package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/misread"
)

// ErrFile is wrapped by every error about a configuration file.
var ErrFile = errors.New("configuration file")

// fromFile is what a file says about one setting.
type fromFile struct {
	texts []string
	line  int
}

// fileError puts name and line before the reason, as compilers do.
type fileError struct {
	name   string
	line   int
	reason string
}

func (e *fileError) Error() string { return fmt.Sprintf("%s:%d: %s", e.name, e.line, e.reason) }
func (e *fileError) Unwrap() error { return ErrFile }

// readFile takes a YAML mapping of setting names apart. Values are kept as they are written.
func readFile(name string, content []byte) (map[string]fromFile, error) {
	document, err := onlyDocument(name, content)
	if err != nil {
		return nil, err
	}
	found := map[string]fromFile{}
	if len(document.Content) == 0 {
		return found, nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, &fileError{name, root.Line, "the file must be a list of settings such as \"data: ./data\""}
	}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		setting, ok := find(key.Value)
		if !ok {
			return nil, &fileError{name, key.Line, unknownKey(key.Value)}
		}
		if earlier, twice := found[key.Value]; twice {
			return nil, &fileError{name, key.Line, fmt.Sprintf("%q is there twice, first in line %d; leave one out", key.Value, earlier.line)}
		}
		texts, bad := textsOf(setting, value)
		if bad != "" {
			return nil, &fileError{name, value.Line, key.Value + ": " + bad}
		}
		found[key.Value] = fromFile{texts, key.Line}
	}
	return found, nil
}

// onlyDocument parses a file, which is empty or one document: what stands in a second one, such as a token, would be passed over.
func onlyDocument(name string, content []byte) (document yaml.Node, err error) {
	documents := yaml.NewDecoder(bytes.NewReader(content))
	var more yaml.Node
	for _, d := range []*yaml.Node{&document, &more} {
		if err := documents.Decode(d); err != nil && err != io.EOF {
			line, reason := misread.Of(err.Error(), content)
			if line == 0 {
				return document, fmt.Errorf("%w %s: %s", ErrFile, name, reason)
			}
			return document, &fileError{name, line, reason}
		}
	}
	if len(more.Content) > 0 && more.Content[0].Tag != "!!null" {
		return document, &fileError{name, more.Content[0].Line, "a second document begins here, behind \"---\"; the settings of a node are one: leave that line out"}
	}
	return document, nil
}

// textsOf gives a value's texts, or says why it has none.
func textsOf(s Setting, value *yaml.Node) (texts []string, bad string) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag != "!!null":
		return []string{value.Value}, ""
	case value.Kind == yaml.ScalarNode:
		return nil, "there is no value; give one, or leave the line out"
	case !s.List:
		return nil, "one value is expected, not a list"
	case value.Kind != yaml.SequenceNode:
		return nil, "a list is expected, such as \"- " + exampleOf(s) + "\""
	}
	for _, item := range value.Content {
		switch {
		case item.Kind == yaml.ScalarNode:
			texts = append(texts, item.Value)
		case item.Kind == yaml.MappingNode && s.Name == "keyspace":
			texts = append(texts, specOf(item))
		default:
			return nil, fmt.Sprintf("line %d: a text is expected, such as %q", item.Line, exampleOf(s))
		}
	}
	return texts, ""
}

// exampleOf is an element of a list setting.
func exampleOf(s Setting) string {
	switch s.Name {
	case "keyspace":
		return "orders:shards=64"
	case "attr":
		return "zone=a"
	}
	return "10.0.0.1:7300"
}

// specOf turns {name: orders, shards: 64} into orders:shards=64.
func specOf(item *yaml.Node) string {
	var name string
	var options []string
	for i := 0; i < len(item.Content); i += 2 {
		key, value := item.Content[i].Value, item.Content[i+1].Value
		if key == "name" {
			name = value
		} else {
			options = append(options, key+"="+value)
		}
	}
	if len(options) == 0 {
		return name
	}
	return name + ":" + strings.Join(options, ",")
}

// unknownKey suggests the setting that was probably meant.
func unknownKey(key string) string {
	var names []string
	for _, s := range All {
		names = append(names, s.Name)
	}
	if best := nearest(key, names); best != "" {
		return fmt.Sprintf("unknown key %q; did you mean %q?", key, best)
	}
	return fmt.Sprintf("unknown key %q; known are %s", key, strings.Join(names, ", "))
}

// editDistance is Levenshtein's: how many bytes must be put in, taken out or changed. An underscore counts as a hyphen.
func editDistance(a, b string) int {
	a = strings.ReplaceAll(strings.ToLower(a), "_", "-")
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
