// Package console is the web console: the cluster as a map and why it is not green, failovers as waterfalls, policies, actors, settings and
// keys, in a browser.
//
// It is files and nothing else. They are served as they are written, without a build step, and all that they show comes from
// the HTTP API of the node that served them: what the console can do, curl can, and a token guards both alike.
//
//	web/app.js       shell, routes (#/failovers/TRACE is an address that can be passed on)
//	web/live.js      the shard table as /_watch/routing streams it, with its past since the page was opened; the health beside it
//	web/metrics.js   the node's metrics as /_metrics/recent keeps them, so that the page begins with what has been
//	web/dialog.js    every action asks first, and shows its command line
//	web/vendor/      Preact and htm, unchanged
package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Path is where the console is served.
const Path = "/_console/"

//go:embed web
var files embed.FS

// policy is what the page may load and run: its own files only.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// types are those of the files that there are; the system's own table differs from machine to machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".md": "text/plain; charset=utf-8", ".txt": "text/plain; charset=utf-8",
}

// Handler serves the files below Path. They hold no data, so no token is asked for.
func Handler() http.Handler {
	tags := map[string]string{}
	pages := map[string][]byte{}
	err := fs.WalkDir(files, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		sum := sha256.Sum256(content)
		name = strings.TrimPrefix(name, "web/")
		pages[name], tags[name] = content, `"`+hex.EncodeToString(sum[:8])+`"`
		return err
	})
	if err != nil {
		panic("console: an embedded file cannot be read: " + err.Error())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, Path)
		if name == "" {
			name = "index.html"
		}
		content, known := pages[name]
		switch {
		case !known:
			http.Error(w, "the console has no file "+name, http.StatusNotFound)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the console's files are only read", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", types[path.Ext(name)])
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // asked for again each time, answered 304 while it is the same
		h.Set("ETag", tags[name])
		if r.Header.Get("If-None-Match") == tags[name] {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if r.Method == http.MethodGet {
			_, _ = w.Write(content) // a browser that went away needs no answer
		}
	})
}
