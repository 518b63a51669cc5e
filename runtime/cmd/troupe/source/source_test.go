package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards/store"
)

// drain reads a source to its end: "key=value" per item, and the errors of single items.
func drain(t *testing.T, s Source) (items []string, bad []error) {
	t.Helper()
	for {
		item, err := s.Next()
		var one *ItemError
		switch {
		case err == io.EOF:
			return items, bad
		case errors.As(err, &one):
			bad = append(bad, err)
		case err != nil:
			t.Fatal(err)
		default:
			items = append(items, string(item.Key)+"="+string(item.Value))
		}
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTreeComesInTheOrderOfItsKeys(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a/b", "a-b", "a.b", "a0", "a/b-c/x", "a/b.c", "ab", "z/é/ü", "z/\xff", "empty/of/files/.keep"} {
		write(t, filepath.Join(root, name), "v "+name)
	}
	if err := os.Mkdir(filepath.Join(root, "hollow"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "a-b", "dirlink": "z", "broken": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skip("this system makes no symbolic links:", err)
		}
	}
	s, err := OpenTree(root, "p/", -1)
	if err != nil {
		t.Fatal(err)
	}
	items, bad := drain(t, s)
	sorted := slices.IsSortedFunc(items, func(a, b string) int {
		return strings.Compare(a[:strings.Index(a, "=")], b[:strings.Index(b, "=")])
	})
	if len(items) != 10 || len(bad) != 0 || !sorted {
		t.Errorf("items %q (sorted %v), errors %v", items, sorted, bad)
	}
	if items[0] != "p/a-b=v a-b" || s.Skipped() != (Skipped{Symlinks: 3}) {
		t.Errorf("first %q, skipped %+v", items[0], s.Skipped())
	}
	files, size, err := Measure(root)
	if err != nil || files != 10 || size != int64(len("v a/bv a-bv a.bv a0v a/b-c/xv a/b.cv abv z/é/üv z/\xffv empty/of/files/.keep")) {
		t.Errorf("measured %d files, %d bytes, %v", files, size, err)
	}
}

func TestTreeRefusesWhatCannotBeAValue(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "ok"), "1")
	if err := os.Truncate(write(t, filepath.Join(root, "huge"), ""), store.MaxValue+1); err != nil {
		t.Fatal(err)
	}
	s, err := OpenTree(root, "", -1)
	if err != nil {
		t.Fatal(err)
	}
	items, bad := drain(t, s)
	if len(items) != 1 || len(bad) != 1 || !errors.Is(bad[0], ErrTooLarge) || !strings.Contains(bad[0].Error(), "huge") {
		t.Errorf("items %q, errors %v", items, bad)
	}
	if _, err := OpenTree(filepath.Join(root, "ok"), "", -1); err == nil || !strings.Contains(err.Error(), "--lines") {
		t.Errorf("a file as a tree gave %v", err)
	}
	if _, err := OpenTree(filepath.Join(root, "none"), "", -1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent folder gave %v", err)
	}
}

func TestAFileThatGrewIsReadWhole(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "log"), "one")
	f := File{Key: []byte("log"), Path: path, Size: 3}
	write(t, path, strings.Repeat("grown ", 1000))
	if item, err := f.Item(); err != nil || len(item.Value) != 6000 {
		t.Errorf("%d bytes, %v", len(item.Value), err)
	}
}

func TestRecords(t *testing.T) {
	for name, c := range map[string]struct {
		format Format
		input  string
		items  []string
		bad    []string // what each error's text must contain
	}{
		"lines":                                {Format{Kind: Lines}, "a\t1\nb\t2\t3\n\nc\t", []string{"a=1", "b=2\t3", "c="}, nil},
		"lines with a mark, CRLF and a prefix": {Format{Kind: Lines, Prefix: "p:"}, "\xef\xbb\xbfa\t1\r\nb\t2\r\n", []string{"p:a=1", "p:b=2"}, nil},
		"lines keep bytes that are no text":    {Format{Kind: Lines}, "\xff\x00\t\xfe\n", []string{"\xff\x00=\xfe"}, nil},
		"lines that cannot be used":            {Format{Kind: Lines}, "no tab\n\tno key\nk\tv\n", []string{"k=v"}, []string{":1: ", ":2: "}},
		"lines numbered":                       {Format{Kind: Lines, AutoKey: true}, "x\ty\n\nz", []string{"000000000001=x\ty", "000000000003=z"}, nil},
		"csv":                                  {Format{Kind: CSV}, "id,name\n1,Ann\n2,\"O\"\"Neil, Jr\"\n", []string{`1={"id":"1","name":"Ann"}`, `2={"id":"2","name":"O\"Neil, Jr"}`}, nil},
		"csv with a mark, CRLF, empty lines": {
			Format{Kind: CSV, KeyColumn: "name", ValueCol: "id"}, "\xef\xbb\xbfid,name\r\n\r\n1,Ann\r\n\r\n2,\"a\r\nb\"\r\n", []string{"Ann=1", "a\r\nb=2"}, nil},
		"csv with a line feed in quotes":  {Format{Kind: CSV, ValueCol: "v"}, "k,v\n1,\"a\nb\n\"\n2,\n3,\"\"", []string{"1=a\nb\n", "2=", "3="}, nil},
		"csv of the wrong width":          {Format{Kind: CSV}, "k,v\n1\n2,b,c\n3,d\n", []string{`3={"k":"3","v":"d"}`}, []string{":2: ", "it has 3 columns, the header 2"}},
		"csv with stray quotes":           {Format{Kind: CSV}, "k,v\n1,a\"b\"\n2,\"x\"y\n3,z\n", []string{`3={"k":"3","v":"z"}`}, []string{":2: ", ":3: "}},
		"csv that ends in a quote":        {Format{Kind: CSV}, "k,v\n1,\"abc\n\n", nil, []string{"the file ends inside it"}},
		"csv that is no text":             {Format{Kind: CSV}, "k,v\n1,\xff\n", nil, []string{`column "v" is not valid UTF-8`}},
		"csv that is no text, as a value": {Format{Kind: CSV, ValueCol: "v"}, "k,v\n1,\xff\n", []string{"1=\xff"}, nil},
		"csv markup is not escaped":       {Format{Kind: CSV}, "k\n<&>\n", []string{`<&>={"k":"<&>"}`}, nil},
		"jsonl":                           {Format{Kind: JSONL, KeyField: "id"}, `{"id":7,"a":[1]}` + "\n" + `{"id":"x\u0041"}`, []string{`7={"id":7,"a":[1]}`, `xA={"id":"x\u0041"}`}, nil},
		"jsonl with a value field": {
			Format{Kind: JSONL, KeyField: "k", ValueField: "v"}, `{"k":"a","v":"text"}` + "\r\n" + `{"k":"b","v":{"n":1.50}}` + "\n\n" + `{"k":"c","v":null}`,
			[]string{"a=text", `b={"n":1.50}`, "c=null"}, nil},
		"jsonl that cannot be used": {
			Format{Kind: JSONL, KeyField: "k"}, "{\"k\":true}\n{\"k\":null}\n{}\n[1]\nnope\n{\"k\":\"\"}\n{\"k\":\"\xff\"}\n{\"k\":1}\n", []string{`1={"k":1}`},
			[]string{":1: ", ":2: ", `no field "k"`, ":4: ", ":5: ", ErrKeySize.Error(), "UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "in"), c.input)
			s, err := OpenRecords(path, nil, c.format, Place{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			items, bad := drain(t, s)
			if !slices.Equal(items, c.items) {
				t.Errorf("items %q, want %q", items, c.items)
			}
			if len(bad) != len(c.bad) {
				t.Fatalf("errors %v, want %d", bad, len(c.bad))
			}
			for i, want := range c.bad {
				if !strings.Contains(bad[i].Error(), want) {
					t.Errorf("error %q does not say %q", bad[i], want)
				}
			}
		})
	}
}

func TestRecordsContinueBehindAnyPlace(t *testing.T) {
	for _, c := range []struct {
		format Format
		input  string
	}{
		{Format{Kind: Lines}, "\xef\xbb\xbfa\t1\r\n\nb\t2\nc\t3"},
		{Format{Kind: Lines, AutoKey: true}, "x\n\ny\nz\n"},
		{Format{Kind: CSV, KeyColumn: "k"}, "v,k\n1,\"a\nb\"\n\n2,c\n3,d\n"},
		{Format{Kind: JSONL, KeyField: "k"}, "{\"k\":1}\n\n{\"k\":2}\n"},
	} {
		path := write(t, filepath.Join(t.TempDir(), "in"), c.input)
		open := func(from Place) *Records {
			s, err := OpenRecords(path, nil, c.format, from)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		whole := open(Place{})
		all, _ := drain(t, open(Place{}))
		for i := range all {
			item, err := whole.Next()
			if err != nil {
				t.Fatal(err)
			}
			rest, _ := drain(t, open(item.Place))
			if !slices.Equal(rest, all[i+1:]) {
				t.Errorf("%s behind item %d: %q, want %q", c.format.Kind, i, rest, all[i+1:])
			}
		}
	}
}

func TestFormatsThatCannotWork(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "in"), "a,a\n")
	for want, f := range map[string]Format{
		"--key-field":   {Kind: JSONL},
		"twice":         {Kind: CSV},
		`no column "z"`: {Kind: CSV, KeyColumn: "z"},
	} {
		if want == `no column "z"` {
			path = write(t, path, "a,b\n")
		} else {
			path = write(t, path, "a,a\n")
		}
		if _, err := OpenRecords(path, nil, f, Place{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gave %v", f, err)
		}
	}
	write(t, path, "")
	if _, err := OpenRecords(path, nil, Format{Kind: CSV}, Place{}); err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("an empty CSV file gave %v", err)
	}
	if _, err := OpenRecords(filepath.Dir(path), nil, Format{Kind: Lines}, Place{}); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("a folder gave %v", err)
	}
}

// endless gives n bytes of filler, then tail.
func endless(head string, n int64, tail string) io.Reader {
	return io.MultiReader(strings.NewReader(head), io.LimitReader(filler{}, n), strings.NewReader(tail))
}

type filler struct{}

var fill = bytes.Repeat([]byte{'x'}, 1<<20)

func (filler) Read(p []byte) (int, error) { return copy(p, fill), nil }

func TestHugeRecordsAreRefusedAndTheNextOnesRead(t *testing.T) {
	for _, c := range []struct {
		format Format
		head   string
		tail   string
	}{
		{Format{Kind: Lines}, "big\t", "\nsmall\t1\n"},
		{Format{Kind: JSONL, KeyField: "k"}, `{"k":"`, "\"}\n{\"k\":\"small\"}\n"},
		{Format{Kind: CSV, ValueCol: "v"}, "k,v\nbig,", "\nsmall,1\n"},
	} {
		s, err := OpenRecords("-", endless(c.head, 8<<20, c.tail), c.format, Place{})
		if err != nil {
			t.Fatal(err)
		}
		s.limit = 6 << 20
		items, bad := drain(t, s)
		if len(items) != 1 || !strings.HasPrefix(items[0], "small=") || len(bad) != 1 || !errors.Is(bad[0], ErrTooLarge) {
			t.Errorf("%s: items %q, errors %v", c.format.Kind, items, bad)
		}
	}
}

func TestALostQuoteDoesNotSwallowTheFile(t *testing.T) {
	line := append(bytes.Repeat([]byte{'x'}, 1<<20), '\n')
	in := io.MultiReader(strings.NewReader("k,v\n1,\"lost\n"), bytes.NewReader(bytes.Repeat(line, 7)), strings.NewReader("2,found\n"))
	s, err := OpenRecords("-", in, Format{Kind: CSV, ValueCol: "v"}, Place{})
	if err != nil {
		t.Fatal(err)
	}
	s.limit = 6 << 20
	items, bad := drain(t, s)
	if len(bad) == 0 || !errors.Is(bad[0], ErrTooLarge) || len(items) != 1 || items[0] != "2=found" {
		t.Errorf("%d items, errors %.200v", len(items), bad)
	}
}

func TestSortedKeepsTheLastOfEachKey(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "in"), "b\t1\na\t1\nb\t2\n\xff\t0\nbad\na\t3\n")
	s, err := OpenRecords(path, nil, Format{Kind: Lines}, Place{})
	if err != nil {
		t.Fatal(err)
	}
	sums, bad, err := Sorted(s, func(int64) {})
	if err != nil || len(bad) != 1 || len(sums) != 3 {
		t.Fatalf("%d keys, errors %v, %v", len(sums), bad, err)
	}
	for i, want := range []string{"a=3", "b=2", "\xff=0"} {
		key, value, _ := strings.Cut(want, "=")
		if got := sums[i]; string(got.Key) != key || got.SHA256 != sumOf([]byte(value)) || got.Size != int64(len(value)) {
			t.Errorf("%d: %q", i, fmt.Sprint(got))
		}
	}
}

func TestSumsOfATreeComeInOrder(t *testing.T) {
	root := t.TempDir()
	for i := range 300 {
		write(t, filepath.Join(root, fmt.Sprint(i%7), fmt.Sprint(i)), strings.Repeat("x", i*13%997))
	}
	serial, err := OpenTree(root, "p/", -1)
	if err != nil {
		t.Fatal(err)
	}
	parallel, err := OpenTree(root, "p/", -1)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for got, err := range Sums(parallel, 5) {
		item, errWant := serial.Next()
		if want := Summed(item); err != nil || errWant != nil || !bytes.Equal(got.Key, want.Key) || got.SHA256 != want.SHA256 || got.Size != want.Size {
			t.Fatalf("%d: %q %v, want %q %v", n, got.Key, err, want.Key, errWant)
		}
		n++
	}
	if n != 300 {
		t.Errorf("%d sums", n)
	}
	early, err := OpenTree(root, "", -1)
	if err != nil {
		t.Fatal(err)
	}
	for range Sums(early, 2) {
		break
	}
}

// An end record counts what is before it. Without one, or behind the last, nobody knows whether the file is whole.
func TestScannedEnds(t *testing.T) {
	a, b, end := `{"key":"a","value":"YQ=="}`, `{"key":"b","value":"YQ=="}`, `{"end":true,"count":%d}`
	for name, c := range map[string]struct {
		lines []string
		items int
		bad   string // what the only error says
		whole bool
	}{
		"whole":               {[]string{a, b, fmt.Sprintf(end, 2)}, 2, "", true},
		"of no keys":          {[]string{fmt.Sprintf(end, 0)}, 0, "", true},
		"with empty lines":    {[]string{a, "", b, fmt.Sprintf(end, 2), ""}, 2, "", true},
		"two in one":          {[]string{a, fmt.Sprintf(end, 1), a, b, fmt.Sprintf(end, 2)}, 3, "", true},
		"of a release before": {[]string{a, b}, 2, "", false},
		"empty":               {nil, 0, "", false},
		"cut in the middle":   {[]string{a, fmt.Sprintf(end, 2)}, 1, "in:2: the file is cut, or was edited: the scan ended with 2 keys, and 1 are here", true},
		"with more":           {[]string{a, a, b, fmt.Sprintf(end, 2)}, 3, "ended with 2 keys, and 3 are here", true},
		"the second one cut":  {[]string{a, b, fmt.Sprintf(end, 2), a}, 3, "", false},
		"with a bad one":      {[]string{a, "nonsense", fmt.Sprintf(end, 2)}, 1, "in:2: record cannot be used", true},
	} {
		path := write(t, filepath.Join(t.TempDir(), "in"), strings.Join(c.lines, "\n")+"\n")
		r, err := OpenRecords(path, nil, Format{Kind: Scanned}, Place{})
		if err != nil {
			t.Fatal(err)
		}
		items, bad := drain(t, r)
		if len(items) != c.items || (len(bad) > 0) != (c.bad != "") || len(bad) > 1 || c.bad != "" && !strings.Contains(bad[0].Error(), c.bad) || r.Whole() != c.whole {
			t.Errorf("%s: %q, whole %v, errors %v", name, items, r.Whole(), bad)
		}
		r.Close()
	}
}

// A load that goes on in the middle does not know how many of the lines before were empty: only what is certainly missing counts.
func TestScannedEndsInTheMiddle(t *testing.T) {
	content := "\n" + `{"key":"a","value":"YQ=="}` + "\n"
	for count, cut := range map[int]bool{1: false, 2: false, 3: true} {
		path := write(t, filepath.Join(t.TempDir(), "in"), content+fmt.Sprintf(`{"end":true,"count":%d}`, count)+"\n")
		r, err := OpenRecords(path, nil, Format{Kind: Scanned}, Place{Offset: int64(len(content)), Line: 2})
		if err != nil {
			t.Fatal(err)
		}
		if _, bad := drain(t, r); (len(bad) > 0) != cut || !r.Whole() {
			t.Errorf("an end of %d keys: %v, whole %v", count, bad, r.Whole())
		}
		r.Close()
	}
}

// What a scan prints comes back byte for byte.
func TestScannedLines(t *testing.T) {
	for line, want := range map[string]string{
		`{"key":"a","version":1,"expire_at":77,"size":5,"value":"aGVsbG8="}`: `"a"="hello" until 77`,
		`{"key64":"/wA=","version":1,"size":0,"value":""}`:                   `"\xff\x00"="" until 0`,
		`{"key":"a","version":1,"size":0}`:                                   `"a"="" until 0`,
		`{"key":"a"}`:                                                        "scan with --values",
		`{"key":"a","version":1,"size":5}`:                                   "scan with --values",
		`{"key":"","value":"YQ=="}`:                                          `""="a" until 0`, // as redis-cli SET "" a makes it
		`{"key64":"","value":"YQ=="}`:                                        `""="a" until 0`,
		`{"value":"YQ=="}`:                                                   "it has no key",
		`{"key":null,"value":"YQ=="}`:                                        "it has no key",
		`nonsense`:                                                           "not what troupe scan --values --json prints",
	} {
		r, err := OpenRecords("-", strings.NewReader(line+"\n"), Format{Kind: Scanned}, Place{})
		if err != nil {
			t.Fatal(err)
		}
		item, err := r.Next()
		got := fmt.Sprintf("%q=%q until %d", item.Key, item.Value, item.ExpireAt)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
