package tracing

import (
	"fmt"
	"reflect"

	"github.com/troupe-actors/troupe/shards/wire"
)

// read fills a record from msgpack. Fields have places and no names, and releases append some: what a release before did not write stays zero, and
// what a later one wrote beside is skipped. So histories are read across upgrades, in both directions
// from this release on: those before refused what has not just their own fields.
//
//	[kind cluster node … [shard …] …]   a struct is an array of its fields, a list an array of its elements, nil where it is empty
func (f *Failover) read(plain []byte) error {
	if err := wire.Check(plain, recordLimits); err != nil {
		return err
	}
	r := &reading{wire.NewDecoder(plain)}
	r.value(reflect.ValueOf(f).Elem())
	return r.Finish()
}

type reading struct{ wire.Decoder }

func (r *reading) value(v reflect.Value) {
	if r.Err() != nil || r.Nil() {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		r.fields(v)
	case reflect.Slice:
		for range r.Array() { // what it grows to is bounded by what was read, and not by what was announced
			element := reflect.New(v.Type().Elem()).Elem()
			if r.value(element); r.Err() != nil {
				return
			}
			v.Set(reflect.Append(v, element))
		}
	case reflect.String:
		v.SetString(r.Str())
	case reflect.Bool:
		v.SetBool(r.Bool())
	case reflect.Float32:
		v.SetFloat(r.Float())
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int())
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		n := r.Uint()
		if v.OverflowUint(n) {
			r.Refuse(fmt.Sprintf("%d where no number of that size may be", n))
			return
		}
		v.SetUint(n)
	default:
		panic(fmt.Sprintf("tracing: a record has a field of type %v, which is not read", v.Type()))
	}
}

func (r *reading) fields(v reflect.Value) {
	n := r.Array()
	for i := range min(n, v.NumField()) {
		r.value(v.Field(i))
	}
	for i := v.NumField(); i < n && r.Err() == nil; i++ {
		length, err := wire.Scan(r.Rest(), recordLimits)
		if err != nil {
			r.Refuse(err.Error()) // it was checked before, as a part of the whole
			return
		}
		r.Decoder = wire.NewDecoder(r.Rest()[length:])
	}
}
