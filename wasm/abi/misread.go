package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// misread says of a manifest that could not be decoded where and why, in the words of manifests. into is what it was to become.
func misread(text []byte, into any, err error) error {
	var broken *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		_ = errors.As(json.Unmarshal(text, reflect.New(reflect.TypeOf(into).Elem()).Interface()), &wrong) // again, for the place in this text
	}
	unknown := strings.HasPrefix(err.Error(), "json: unknown field ")
	switch {
	case errors.As(err, &broken):
		return fmt.Errorf("line %d: %v", lineAt(text, broken.Offset), err)
	case wrong != nil && wrong.Field == "":
		return fmt.Errorf("line %d: a manifest is an object, as in {\"name\": …}, and here is %s", lineAt(text, wrong.Offset), article(wrong.Value))
	case wrong != nil:
		return fmt.Errorf("line %d: %s is %s; must be %s", lineAt(text, wrong.Offset), wrong.Field, article(wrong.Value), kindText(wrong.Type))
	case !unknown:
		return err
	}
	w := strays{decoder: json.NewDecoder(bytes.NewReader(text))}
	if !w.value(reflect.TypeOf(into).Elem(), "", true) {
		return err
	}
	return fmt.Errorf("line %d: unknown field %q%s; there are %s", lineAt(text, w.at), w.name, w.within, w.known)
}

// article puts one before what a value in JSON is, "array" or "number 300" say.
func article(value string) string {
	if strings.HasPrefix(value, "array") || strings.HasPrefix(value, "object") {
		return "an " + value
	}
	return "a " + value
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset, 0), int64(len(text)))], []byte("\n"))
}

// strays looks for the first field that what a text is to become does not have. The text is whole JSON.
type strays struct {
	decoder *json.Decoder
	name    string
	at      int64  // behind its name
	within  string // as in " in limits", or empty
	known   string // what there is instead
}

// value goes through a value that is to become a t, which is nil if anything may be there, and says whether there is a stray in it. outermost:
// it is the whole text, of which fields that begin with "x-" are passed over.
func (w *strays) value(t reflect.Type, within string, outermost bool) (found bool) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, _ := w.decoder.Token()
	switch token {
	case json.Delim('['):
		for w.decoder.More() {
			if w.value(elem(t, reflect.Slice), within, false) {
				return true
			}
		}
	case json.Delim('{'):
		for w.decoder.More() {
			key, _ := w.decoder.Token()
			name, _ := key.(string)
			inner, known := field(t, name)
			if !known && !(outermost && strings.HasPrefix(name, "x-")) {
				w.name, w.at, w.known = name, w.decoder.InputOffset(), strings.Join(fieldsOf(t), ", ")
				if within != "" {
					w.within = " in " + within
				}
				return true
			}
			if w.value(inner, name, false) {
				return true
			}
		}
	default:
		return false
	}
	_, _ = w.decoder.Token() // what closes it
	return false
}

// field is what a field of a t becomes; nil: anything may be there.
func field(t reflect.Type, name string) (inner reflect.Type, known bool) {
	if t == nil || t.Kind() != reflect.Struct {
		return elem(t, reflect.Map), true
	}
	for i := range t.NumField() {
		if own := jsonName(t.Field(i)); own != "" && own != "-" && strings.EqualFold(own, name) { // as encoding/json does
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

// elem is what elements of a t of this kind become, or nil.
func elem(t reflect.Type, kind reflect.Kind) reflect.Type {
	if t == nil || t.Kind() != kind {
		return nil
	}
	return t.Elem()
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func fieldsOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		if name := jsonName(t.Field(i)); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func kindText(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	}
	return "a number"
}
