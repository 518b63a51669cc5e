package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the console shows as a command line is one: verb, flags and number of arguments are as the program takes them.
func TestConsoleShowsCommandLinesThatExist(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "admin", "console", "web", "*.js"))
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	shown := regexp.MustCompile("(?:[`'(]|<code>)(troupe [a-z][^`<]*?)(?:[`<]|' \\+)")
	hole := regexp.MustCompile(`\$\{[^}]*\}`)
	lines := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range shown.FindAllStringSubmatch(string(text), -1) {
			lines++
			args := strings.Fields(hole.ReplaceAllString(m[1], "1"))[1:]
			root := rootCommand(&console{in: strings.NewReader(""), out: io.Discard, err: io.Discard, env: func(string) (string, bool) { return "", false }})
			cmd, rest, err := root.Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil && strings.HasSuffix(page, "settings.js") && len(cmd.Flags().Args()) == 0 {
				continue // the page goes on with names and values
			}
			if err == nil && cmd.Args != nil {
				err = cmd.Args(cmd, cmd.Flags().Args())
			}
			if err == nil && !cmd.Runnable() {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				t.Errorf("%s shows %q, which the program does not take: %v", filepath.Base(page), m[1], err)
			}
		}
	}
	if lines < 15 {
		t.Errorf("only %d command lines were found; does the test still know how pages are written?", lines)
	}
}
