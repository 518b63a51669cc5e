package main

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build says what this binary was made from.
type build struct {
	Version  string `json:"version"` // of the module; "(devel)" when built from a checkout
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified"` // the checkout had uncommitted changes
	Time     string `json:"time,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func thisBuild() build {
	b := build{Version: "(unknown)", Go: goruntime.Version(), OS: goruntime.GOOS, Arch: goruntime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}

func versionCommand(c *console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "version", Short: "print version, commit and platform", Args: cobra.NoArgs, Example: "  troupe version --json"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		b := thisBuild()
		if asJSON {
			return printJSON(c.out, b)
		}
		commit := b.Commit
		if commit == "" {
			commit = "unknown commit"
		}
		if b.Modified {
			commit += " (modified)"
		}
		_, err := fmt.Fprintf(c.out, "troupe %s\n%s %s\n%s, %s/%s\n", b.Version, commit, b.Time, b.Go, b.OS, b.Arch)
		return err
	}
	return cmd
}
