package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/wasm/abi"
	"github.com/troupe-actors/troupe/wasm/guest"
)

func policyInitCommand(c *console) *cobra.Command {
	var language, dir string
	languages := strings.Join(guest.Languages(), ", ")
	cmd := &cobra.Command{
		Use: "init NAME", Short: "begin a policy of your own", Args: cobra.ExactArgs(1),
		Long: `Makes a folder with a policy that builds and passes its tests as it is: a rule of ten lines, its manifest, unit tests, a fixture for
troupe policy test, a Makefile with the exact commands, and the SDK itself, so that it needs nothing but a compiler.

Languages: ` + languages,
		Example: `  troupe policy init --lang rust spot-keeper
  cd spot-keeper && make test`,
	}
	f := cmd.Flags()
	f.StringVar(&language, "lang", "go", "the `language`: "+languages)
	f.StringVar(&dir, "dir", "", "the `folder` to make; default: the policy's name")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(guest.Languages(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if !slices.Contains(guest.Languages(), language) {
			return usage("--lang is %q; must be one of %s", language, languages)
		}
		files, err := guest.Scaffold(language, args[0])
		if err != nil {
			return usage("%w", err)
		}
		return c.beginProject(dir, args[0], files)
	}
	return cmd
}

// writeProject writes files into a folder that is new or empty: what somebody has written stays.
func writeProject(dir string, files []guest.File) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; name a new folder with --dir", dir)
	}
	for _, file := range files {
		path := filepath.Join(dir, filepath.FromSlash(file.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.Text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func policyPackCommand(c *console) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "pack MODULE MANIFEST", Short: "put a manifest into a module", Args: cobra.ExactArgs(2),
		Long: `Checks a manifest and puts it into a module as its custom section policy.manifest, in place of any that is there. Modules of C and Rust
bring theirs along from the compiler; those of Go and AssemblyScript get it here.`,
		Example: `  troupe policy pack policy.wasm manifest.json`,
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to this `file` and leave MODULE as it is")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		packed, err := pack(args[0], args[1], out, abi.WithManifest)
		if err != nil {
			return err
		}
		m, err := abi.FindManifest(packed)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s: policy %s %s, %d bytes\n", outOr(out, args[0]), m.Name, m.Version, len(packed))
		return nil
	}
	return cmd
}
