package console

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

// vendored is what others wrote, unchanged.
var vendored = map[string]string{
	"web/vendor/preact-htm.js": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7",
}

func ask(t *testing.T, method, name, tag string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, Path+name, nil)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestEveryFileIsServed(t *testing.T) {
	err := fs.WalkDir(files, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		w := ask(t, http.MethodGet, strings.TrimPrefix(name, "web/"), "")
		want, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if w.Code != http.StatusOK || w.Body.String() != string(want) || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d, %q", name, w.Code, w.Header().Get("Content-Type"))
		}
		if again := ask(t, http.MethodGet, strings.TrimPrefix(name, "web/"), w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s asked for again: %d with %d bytes", name, again.Code, again.Body.Len())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	index := ask(t, http.MethodGet, "", "")
	if !strings.Contains(index.Body.String(), "app.js") || !strings.Contains(index.Header().Get("Content-Security-Policy"), "script-src 'self'") {
		t.Error("the console's address does not lead to its page, or it may run what others send")
	}
	if w := ask(t, http.MethodHead, "app.js", ""); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
	for _, c := range []struct {
		method, name string
		want         int
	}{{http.MethodGet, "../console.go", 404}, {http.MethodGet, "none.js", 404}, {http.MethodPost, "app.js", 405}} {
		if w := ask(t, c.method, c.name, ""); w.Code != c.want {
			t.Errorf("%s %s: %d", c.method, c.name, w.Code)
		}
	}
}

// The page works without a network: it imports what is here, asks nobody else, and sets no style or script inline, which its own
// policy would refuse.
func TestPagesStandAlone(t *testing.T) {
	imports := regexp.MustCompile(`(?m)^import .* from '([^']+)';$`)
	elsewhere := regexp.MustCompile(`https?://`)
	inline := regexp.MustCompile(`\sstyle=|\son[a-z]+="|javascript:`)
	err := fs.WalkDir(files, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(name, "vendor") {
			return err
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range imports.FindAllStringSubmatch(string(content), -1) {
			if _, err := files.Open(path.Join(path.Dir(name), m[1])); err != nil {
				t.Errorf("%s imports %s: %v", name, m[1], err)
			}
		}
		if at := inline.FindString(string(content)); at != "" {
			t.Errorf("%s has %q, which its policy refuses", name, at)
		}
		if path.Ext(name) != ".svg" && elsewhere.Match(content) {
			t.Errorf("%s names another site", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVendoredFilesAreUnchanged(t *testing.T) {
	for name, want := range vendored {
		content, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is not what was published", name)
		}
	}
}
