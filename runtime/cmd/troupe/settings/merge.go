package settings

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/troupe-actors/troupe/runtime"
)

// Places are where values come from, highest first.
type Places struct {
	Flag     func(name string) (values []string, given bool)
	Env      func(variable string) (value string, set bool)
	File     []byte // content; nil = none
	FileName string
}

// Value is one setting's text and where it came from.
type Value struct {
	Setting Setting
	Texts   []string
	From    string // "flag --name", "env TROUPE_NAME", "troupe.yaml:3", "default"
}

// Merged is the configuration and the origin of each of its values, in the order of All.
type Merged struct {
	Node   Node
	Values []Value
}

// Merge takes each setting from the highest place that has it. An error names the place and the fix.
func Merge(p Places) (*Merged, error) {
	file, err := readFile(p.FileName, p.File)
	if err != nil {
		return nil, err
	}
	m := &Merged{}
	for _, s := range All {
		v := pick(s, p, file)
		for _, text := range v.Texts {
			if err := s.set(&m.Node, text); err != nil {
				return nil, refused(s, v, err, file)
			}
		}
		m.Values = append(m.Values, v)
	}
	if m.Node.Name == "" {
		m.Node.Name = runtime.DefaultName(m.Node.Peer)
		m.Values[0] = Value{Setting: All[0], Texts: []string{m.Node.Name}, From: "default: the host name, and the port if that is not 7300"}
	}
	return m, m.fillTimes()
}

// fillTimes gives the times that were not set the defaults that belong to dev or to the other way of running.
func (m *Merged) fillTimes() error {
	texts, from := map[string]string{"tick": "50ms", "election": "400ms"}, "default"
	if m.Node.Dev {
		texts, from = map[string]string{"tick": "20ms", "election": "300ms"}, "default with dev"
	}
	for i := range m.Values {
		v := &m.Values[i]
		text, ours := texts[v.Setting.Name]
		if !ours || len(v.Texts) > 0 {
			continue
		}
		v.Texts, v.From = []string{text}, from
		if err := v.Setting.set(&m.Node, text); err != nil {
			return err
		}
	}
	return nil
}

func pick(s Setting, p Places, file map[string]fromFile) Value {
	if texts, given := p.Flag(s.Name); given {
		return Value{s, texts, "flag --" + s.Name}
	}
	if text, set := p.Env(s.Variable()); set {
		texts := []string{text}
		if s.List {
			texts = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ';' })
		}
		return Value{s, texts, "env " + s.Variable()}
	}
	if f, ok := file[s.Name]; ok {
		return Value{s, f.texts, fmt.Sprintf("%s:%d", p.FileName, f.line)}
	}
	if s.Default != "" {
		return Value{s, []string{s.Default}, "default"}
	}
	return Value{s, nil, "default"}
}

// refused says which place holds the bad value.
func refused(s Setting, v Value, cause error, file map[string]fromFile) error {
	if f, ok := file[s.Name]; ok && !strings.HasPrefix(v.From, "flag ") && !strings.HasPrefix(v.From, "env ") {
		name := strings.TrimSuffix(v.From, fmt.Sprintf(":%d", f.line))
		return &fileError{name, f.line, fmt.Sprintf("%s: %v", s.Name, cause)}
	}
	place := strings.TrimPrefix(strings.TrimPrefix(v.From, "flag "), "env ")
	return fmt.Errorf("%s: %w", place, cause)
}

// masked stands for a secret.
const masked = "********"

// WriteYAML prints the merged configuration as a file that says the same, with each value's origin. Secrets are masked.
func (m *Merged) WriteYAML(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, v := range m.Values {
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: v.Setting.Name}
		root.Content = append(root.Content, key, m.valueNode(v, key))
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return err
	}
	return e.Close()
}

func (m *Merged) valueNode(v Value, key *yaml.Node) *yaml.Node {
	if v.Setting.List {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		key.LineComment = v.From
		for _, text := range v.Setting.list(&m.Node) {
			list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: text})
		}
		if len(list.Content) == 0 {
			list.Style, list.LineComment, key.LineComment = yaml.FlowStyle, v.From, ""
		}
		return list
	}
	text := strings.Join(v.Texts, "")
	if v.Setting.Secret && text != "" {
		text = masked
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: text, LineComment: v.From}
	if text == "" || v.Setting.Secret {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
