package tracing_test

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards/wire"
	"github.com/troupe-actors/troupe/tracing"
)

// later makes the type of a struct as another release may have it: without the last fields, or with more.
func later(t reflect.Type, change func(list []reflect.StructField) []reflect.StructField) reflect.Type {
	switch {
	case t.Kind() == reflect.Slice:
		return reflect.SliceOf(later(t.Elem(), change))
	case t.Kind() != reflect.Struct:
		return t
	}
	var list []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		list = append(list, reflect.StructField{Name: f.Name, Type: later(f.Type, change)})
	}
	return reflect.StructOf(change(list))
}

// give copies the fields that both have.
func give(to, from reflect.Value) {
	switch {
	case to.Kind() == reflect.Slice && !from.IsNil():
		to.Set(reflect.MakeSlice(to.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			give(to.Index(i), from.Index(i))
		}
	case to.Kind() == reflect.Struct:
		for i := range to.NumField() {
			if f := from.FieldByName(to.Type().Field(i).Name); f.IsValid() {
				give(to.Field(i), f)
			}
		}
	case to.Kind() != reflect.Slice:
		to.Set(from)
	}
}

func packed(plain []byte) []byte {
	b := bytes.NewBuffer([]byte{1})
	w, _ := flate.NewWriter(b, flate.BestCompression)
	w.Write(plain)
	w.Close()
	return b.Bytes()
}

// record.go: "append to these structs, and never reorder". Then records of releases before and after are read, as far as both know of it.
func TestRecordsOfOtherReleases(t *testing.T) {
	f := death()
	f.Shards[0].Candidates[0].Scores = []tracing.Score{{Scorer: "spread", Score: 1.25}}
	for what, change := range map[string]func(list []reflect.StructField) []reflect.StructField{
		"a later one": func(list []reflect.StructField) []reflect.StructField {
			return append(list, reflect.StructField{Name: "More", Type: reflect.TypeFor[[]struct{ A, B string }]()}, reflect.StructField{Name: "Most", Type: reflect.TypeFor[uint64]()})
		},
		"one before": func(list []reflect.StructField) []reflect.StructField {
			if len(list) > 8 { // but for the small ones
				return list[:len(list)-1]
			}
			return list
		},
		"this one": func(list []reflect.StructField) []reflect.StructField { return list },
	} {
		other := reflect.New(later(reflect.TypeFor[tracing.Failover](), change)).Elem()
		give(other, reflect.ValueOf(*f))
		got, err := tracing.DecodeFailover(packed(wire.Marshal(other.Interface())))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		want := &tracing.Failover{}
		give(reflect.ValueOf(want).Elem(), other)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read as\n%+v, not\n%+v", what, got, want)
		}
	}
}

// The golden record is of the release of 26 November 2026, before decisions were kept: it is never written anew.
func TestRecordOfAReleaseBefore(t *testing.T) {
	text, err := os.ReadFile("testdata/record-1.hex")
	if err != nil {
		t.Fatal(err)
	}
	record, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	f, err := tracing.DecodeFailover(record)
	if err != nil {
		t.Fatal(err)
	}
	want := "n2@7 recovered: 2 shards, writes back after 230ms (detected in 161ms by n1)"
	var why bytes.Buffer
	if err := f.Why(&why, "orders/17"); err != nil || f.Summary() != want || !strings.Contains(why.String(), "limit 3 of n3 is used up") || len(f.Spans()) != 17 {
		t.Errorf("%v; it is read as %s with %d spans\n%s", err, f.Summary(), len(f.Spans()), why.String())
	}
}

func TestDamagedRecordsAreRefused(t *testing.T) {
	plain := wire.Marshal(*death())
	for what, bytes := range map[string][]byte{
		"cut short": plain[:len(plain)/2], "followed by more": append(bytes.Clone(plain), 0xc0), "a text where a number belongs": append([]byte{0x91}, wire.Marshal("x")...),
		"a kind beyond a byte": append([]byte{0x91}, wire.Marshal(uint64(300))...), "no list": wire.Marshal(7), "nothing": nil,
	} {
		if f, err := tracing.DecodeFailover(packed(bytes)); err == nil || !strings.Contains(err.Error(), "a record: wire: ") {
			t.Errorf("%s: %v, %v", what, f, err)
		}
	}
}
