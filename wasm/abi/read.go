package abi

import (
	"encoding/binary"
	"fmt"
)

// Read looks at every offset, length and reference of an image that may be anything, and refuses with the first that is
// wrong. Columns that are not known are passed over; the image is not copied.
func Read(data []byte) (*Image, error) {
	if len(data) < HeaderSize || len(data) > MaxImage {
		return nil, fmt.Errorf("%w: %d bytes; a header alone has %d, and the limit is %d", ErrImage, len(data), HeaderSize, MaxImage)
	}
	order := binary.LittleEndian
	if magic := order.Uint32(data); magic != Magic {
		return nil, fmt.Errorf("%w: begins with %#x, not with %#x", ErrImage, magic, Magic)
	}
	if v := order.Uint16(data[4:]); v != Version {
		return nil, fmt.Errorf("%w: it is of version %d", ErrImage, v)
	}
	header := int(order.Uint16(data[6:]))
	m := &Image{data: data, epoch: order.Uint64(data[8:]), counts: Counts{
		Nodes:     int(order.Uint32(data[16:])),
		Keyspaces: int(order.Uint32(data[20:])),
		Shards:    int(order.Uint32(data[24:])),
		Slots:     int(order.Uint32(data[28:])),
	}}
	if err := m.counts.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	entries := int(order.Uint32(data[32:]))
	if header < HeaderSize || header > len(data) || entries > (len(data)-header)/EntrySize {
		return nil, fmt.Errorf("%w: a header of %d bytes and %d columns do not fit %d bytes", ErrImage, header, entries, len(data))
	}
	for i := range entries {
		if err := m.enter(data[header+i*EntrySize:]); err != nil {
			return nil, err
		}
	}
	return m, m.check()
}

// enter takes one entry of the directory.
func (m *Image) enter(entry []byte) error {
	order := binary.LittleEndian
	c, kind := Column(order.Uint16(entry)), Type(entry[2])
	offset, values := order.Uint32(entry[4:]), order.Uint32(entry[8:])
	s := c.spec()
	if s == nil {
		return nil
	}
	if kind != s.Type {
		return fmt.Errorf("%w: column %v is of type %v; must be %v", ErrImage, c, kind, s.Type)
	}
	if m.Has(c) {
		return fmt.Errorf("%w: column %v is there twice", ErrImage, c)
	}
	if offset%Alignment != 0 || uint64(offset)+uint64(values)*uint64(kind.Size()) > uint64(len(m.data)) {
		return fmt.Errorf("%w: column %v has %d values at offset %d, which is not a multiple of %d or lies beyond %d bytes", ErrImage, c, values, offset, Alignment, len(m.data))
	}
	if n, known := m.counts.rows(s.Table); known && n != uint64(values) {
		return fmt.Errorf("%w: column %v has %d values; its table has %d rows", ErrImage, c, values, n)
	}
	m.places[c] = placed{offset, values, kind}
	return nil
}

// check follows every reference.
func (m *Image) check() error {
	if m.Has(TextStarts) != m.Has(TextContent) || m.Has(NodeAttributes) != m.Has(AttributeName) || m.Has(AttributeName) != m.Has(AttributeValue) {
		return fmt.Errorf("%w: strings or attributes have only some of their columns", ErrImage)
	}
	if err := m.ascending(TextStarts, m.Rows(TextContent)); err != nil {
		return err
	}
	if err := m.ascending(NodeAttributes, m.Rows(AttributeName)); err != nil {
		return err
	}
	if m.Rows(AttributeName) != m.Rows(AttributeValue) {
		return fmt.Errorf("%w: %d names of attributes and %d values", ErrImage, m.Rows(AttributeName), m.Rows(AttributeValue))
	}
	for i := range specs {
		s := &specs[i]
		if !m.Has(s.ID) || !s.Text && s.Points == 0 {
			continue
		}
		limit, _ := m.counts.rows(s.Points)
		if s.Text {
			limit = uint64(m.Words())
		}
		for row := range m.Rows(s.ID) {
			v := m.U32(s.ID, row)
			free := v == None && (s.Points == Nodes || s.Points == Copies)
			if uint64(v) >= limit && !free {
				return fmt.Errorf("%w: row %d of column %v is %d, and there are only %d to point to", ErrImage, row, s.ID, v, limit)
			}
		}
	}
	return nil
}

// ascending checks a column of offsets, which begins with 0 and ends where the values end.
func (m *Image) ascending(c Column, end int) error {
	if !m.Has(c) {
		return nil
	}
	last := uint32(0)
	for row := range m.Rows(c) {
		v := m.U32(c, row)
		if v < last || row == 0 && v != 0 {
			return fmt.Errorf("%w: row %d of column %v is %d, after %d", ErrImage, row, c, v, last)
		}
		last = v
	}
	if m.Rows(c) == 0 || int(last) != end {
		return fmt.Errorf("%w: column %v ends at %d, and what it points into has %d", ErrImage, c, last, end)
	}
	return nil
}
