// Package wire is how Troupe's structures become bytes: the house's only door to msgpack, and the frame that carries a
// payload through a socket or a file.
//
//	frame ──NextFrame/FrameReader──► payload ──Check──► bounded msgpack ──Decoder / Unmarshal──► typed values
//
// Two rules keep hostile bytes harmless. No length that was read is ever used as an amount to allocate: it is compared
// with the bytes that are really there first. And nothing is decoded into interface{}: github.com/vmihailenco/msgpack/v5
// asks for 28.9 GB when it decodes the seven bytes dd 6b d3 3b f1 .. into one (its issues 376 and 401), so decoding is
// either the typed Decoder, or Unmarshal into a struct after Check.
//
// Clients that speak JSON and those that speak msgpack meet in AppendJSON and AppendMsgpack, which write one from the other without a
// value in between.
//
// Wire structs hold no maps: the same value must always be the same bytes, since digests are computed over them.
//
// # Why Encoder and Decoder do not call msgpack/v5
//
// An operation is a dozen fields, encoded and decoded on the path of every durable write. Through msgpack.Encoder (compact
// numbers on, reusable buffer) the eleven fields of an operation cost 84 ns, appended directly 26 ns; decoding 218 ns and
// 46 ns (BenchmarkEncode, BenchmarkDecode, one core of a 2-core VM). So the few formats that operations need are appended and read
// here, always in their shortest form, and fuzz tests hold both directions equal to msgpack/v5. Marshal and Unmarshal, for
// messages that are not on that path, are msgpack/v5 itself.
package wire
