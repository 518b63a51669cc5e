package wire

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// Marshal encodes a struct as a msgpack array of its fields, numbers in their shortest form: equal values are equal bytes.
// It is for messages off the hot path. v must not hold maps or interfaces, at any depth: Marshal panics on such a type, as
// on any other that a program cannot send.
func Marshal(v any) []byte {
	mustBeOrdered(reflect.TypeOf(v), nil)
	var buf bytes.Buffer
	e := msgpack.NewEncoder(&buf)
	e.UseArrayEncodedStructs(true)
	e.UseCompactInts(true)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("wire: %T cannot be encoded: %v", v, err))
	}
	return buf.Bytes()
}

// Unmarshal decodes what Marshal wrote into v, a pointer to a struct without maps or interfaces. The frame is checked
// first; errors wrap ErrMalformed. Slices in v own their bytes.
func Unmarshal(frame []byte, l Limits, v any) error {
	mustBeOrdered(reflect.TypeOf(v), nil)
	if err := Check(frame, l); err != nil {
		return err
	}
	r := bytes.NewReader(frame)
	if err := msgpack.NewDecoder(r).Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if r.Len() != 0 {
		return &SyntaxError{Offset: len(frame) - r.Len(), Reason: "fewer values expected"}
	}
	return nil
}

// mustBeOrdered panics if a type could be encoded differently from one time to the next, or decoded into whatever the
// sender likes. path holds the structs above, so that a recursive type ends.
func mustBeOrdered(t reflect.Type, path []reflect.Type) {
	switch t.Kind() {
	case reflect.Map, reflect.Interface:
		panic(fmt.Sprintf("wire: messages hold no %s: %v", t.Kind(), t))
	case reflect.Pointer, reflect.Slice, reflect.Array:
		mustBeOrdered(t.Elem(), path)
	case reflect.Struct:
		for _, above := range path {
			if above == t {
				return
			}
		}
		for i := range t.NumField() {
			mustBeOrdered(t.Field(i).Type, append(path, t))
		}
	}
}
