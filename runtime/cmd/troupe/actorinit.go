package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/wasm/abi/act"
	"github.com/troupe-actors/troupe/wasm/guest"
)

func actorInitCommand(c *console) *cobra.Command {
	var language, dir string
	languages := strings.Join(guest.Languages(), ", ")
	cmd := &cobra.Command{
		Use: "init NAME", Short: "begin a kind of your own, as a WebAssembly module", Args: cobra.ExactArgs(1),
		Long: `Makes a folder with a kind of actors that builds and passes its tests as it is: three methods, a manifest, unit tests with all actors
in memory, messages for troupe actor test, a Makefile with the exact commands, and the SDK itself, so that it needs nothing but a compiler.

Languages: ` + languages,
		Example: `  troupe actor init --lang rust counter
  cd counter && make test`,
	}
	f := cmd.Flags()
	f.StringVar(&language, "lang", "go", "the `language`: "+languages)
	f.StringVar(&dir, "dir", "", "the `folder` to make; default: the kind's name")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(guest.Languages(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if !slices.Contains(guest.Languages(), language) {
			return usage("--lang is %q; must be one of %s", language, languages)
		}
		files, err := guest.ScaffoldActor(language, args[0])
		if err != nil {
			return usage("%w", err)
		}
		return c.beginProject(dir, args[0], files)
	}
	return cmd
}

// beginProject writes a project's files, lists them, and says what to do next.
func (c *console) beginProject(dir, name string, files []guest.File) error {
	if dir == "" {
		dir = name
	}
	if err := writeProject(dir, files); err != nil {
		return err
	}
	for _, file := range files {
		fmt.Fprintln(c.out, filepath.Join(dir, filepath.FromSlash(file.Path)))
	}
	fmt.Fprintf(c.out, "\nnext: cd %s && make test\n", dir)
	return nil
}

func actorPackCommand(c *console) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "pack MODULE MANIFEST", Short: "put a manifest into a module", Args: cobra.ExactArgs(2),
		Long: `Checks a manifest and puts it into a module as its custom section troupe.actor, in place of any that is there. Modules of C and Rust
bring theirs along from the compiler; those of Go and AssemblyScript get it here.`,
		Example: `  troupe actor pack actor.wasm manifest.json`,
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to this `file` and leave MODULE as it is")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		packed, err := pack(args[0], args[1], out, act.WithManifest)
		if err != nil {
			return err
		}
		m, err := act.FindManifest(packed)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s: kind %s %s, %d bytes\n", outOr(out, args[0]), m.Kind, m.Version, len(packed))
		return nil
	}
	return cmd
}

// pack puts a manifest into a module, and writes it to out, or where the module is.
func pack(module, manifest, out string, with func(module, manifest []byte) ([]byte, error)) ([]byte, error) {
	code, err := os.ReadFile(module)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(manifest)
	if err != nil {
		return nil, err
	}
	packed, err := with(code, text)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", module, manifest, err)
	}
	return packed, os.WriteFile(outOr(out, module), packed, 0o644)
}

func outOr(out, module string) string {
	if out == "" {
		return module
	}
	return out
}
