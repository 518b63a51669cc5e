package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/settings"
)

// settingFlag is a node's setting on the command line: it collects texts, which settings.Merge reads.
type settingFlag struct {
	setting settings.Setting
	texts   []string
}

// String is the value before any flag is given, as help shows it.
func (f *settingFlag) String() string {
	if len(f.texts) > 0 {
		return strings.Join(f.texts, " ")
	}
	return f.setting.Default
}

// Set takes one occurrence; of a setting that is no list the last one counts.
func (f *settingFlag) Set(text string) error {
	if !f.setting.List {
		f.texts = f.texts[:0]
	}
	f.texts = append(f.texts, text)
	return nil
}

// Type is the placeholder in help texts.
func (f *settingFlag) Type() string { return f.setting.Hint }

// nodeFlags are a node's settings as a verb's flags say them.
type nodeFlags struct {
	c      *console
	config string
	flags  map[string]*settingFlag
}

func withSettings(c *console, cmd *cobra.Command) *nodeFlags {
	n := &nodeFlags{c: c, flags: map[string]*settingFlag{}}
	f := cmd.Flags()
	for _, s := range settings.All {
		flag := &settingFlag{setting: s}
		n.flags[s.Name] = flag
		f.Var(flag, s.Name, s.Usage)
		if s.Switch {
			f.Lookup(s.Name).NoOptDefVal = "true"
		}
	}
	f.StringVar(&n.config, "config", "", "YAML `file` with these names as keys (TROUPE_CONFIG)")
	return n
}

// merge reads the file and merges flags, environment and file.
func (n *nodeFlags) merge() (*settings.Merged, error) {
	places := settings.Places{Env: n.c.env, Flag: func(name string) ([]string, bool) {
		texts := n.flags[name].texts
		return texts, len(texts) > 0
	}}
	if places.FileName = n.c.setting(n.config, "TROUPE_CONFIG", ""); places.FileName != "" {
		var err error
		if places.File, err = os.ReadFile(places.FileName); err != nil {
			return nil, usage("configuration file: %w", err)
		}
	}
	merged, err := settings.Merge(places)
	if err != nil {
		return nil, &failure{exitUsage, err}
	}
	return merged, nil
}

// strange are sentences about variables that look like settings and are none.
func (c *console) strange() []string {
	if c.set == nil {
		return nil
	}
	return settings.Strange(c.set())
}

// sayStrange warns of them: a misspelt password is none.
func (c *console) sayStrange(s *settings.Node) {
	for _, sentence := range c.strange() {
		if s.LogFormat == "json" {
			newLogger(c.err, s).Warn("environment: " + sentence)
			continue
		}
		fmt.Fprintf(c.err, "environment: %s\n", sentence)
	}
}
