package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
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
	name, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case errors.As(err, &broken):
		return fmt.Errorf("line %d: %v", lineAt(text, broken.Offset), err)
	case wrong != nil && wrong.Field == "":
		return fmt.Errorf("line %d: a manifest is an object, as in {\"name\": …}, and here is a %s", lineAt(text, wrong.Offset), wrong.Value)
	case wrong != nil:
		return fmt.Errorf("line %d: %s is a %s; must be %s", lineAt(text, wrong.Offset), wrong.Field, wrong.Value, kindText(wrong.Type))
	case !unknown:
		return err
	}
	within, known := surroundings(text, strings.Trim(name, `"`), reflect.TypeOf(into).Elem())
	at := regexp.MustCompile(regexp.QuoteMeta(name) + `\s*:`).FindIndex(text)
	if at == nil {
		return fmt.Errorf("unknown field %s%s; there are %s", name, within, known)
	}
	return fmt.Errorf("line %d: unknown field %s%s; there are %s", lineAt(text, int64(at[0])), name, within, known)
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset, 0), int64(len(text)))], []byte("\n"))
}

// surroundings finds the field in which an unknown one is, and lists those that there are.
func surroundings(text []byte, name string, t reflect.Type) (within, known string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields[name] != nil {
		return "", strings.Join(fieldsOf(t), ", ")
	}
	for i := range t.NumField() {
		outer := jsonName(t.Field(i))
		if !bytes.Contains(fields[outer], []byte(`"`+name+`"`)) {
			continue
		}
		inner := t.Field(i).Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			return " in " + outer, strings.Join(fieldsOf(inner), ", ")
		}
	}
	return "", strings.Join(fieldsOf(t), ", ")
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
