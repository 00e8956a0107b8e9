package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wal is the journal's files: facts and the marks that they were applied, appended to segments that are deleted from the oldest on.
// It knows nothing of the database. Its owner locks.
//
// A record is its length and CRC-32C, four bytes each, little endian, and a payload whose first byte is its type. A process that is
// killed between two writes leaves at most a torn record at the end of the newest segment.
type wal struct {
	dir      string
	limit    int64 // size at which a segment is sealed
	segments []*segment
	current  *segment // the newest, if it may be written to: a segment of an earlier process may end torn
	number   int      // of the newest segment
	dirty    bool
	failed   error // the last append's
}

// segment is one file. Only the last of the wal's segments is written to.
type segment struct {
	file    *os.File
	size    int64
	pending int // facts in it that were not applied yet
}

// place is where a record's payload stands.
type place struct {
	seg  *segment
	off  int64
	size int
}

const (
	recordFact    = 'F' // seq (8 bytes), fact as JSON
	recordApplied = 'A' // seqs (8 bytes each)
	recordHeader  = 8
	recordMax     = 16 << 20
	segmentSuffix = ".facts"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn is a record that was not written to its end; errDamaged one that was, and changed since.
var (
	errTorn    = errors.New("torn record")
	errDamaged = errors.New("damaged record")
)

// openWAL opens the folder's segments without reading them, and begins a new one.
func openWAL(dir string, limit int64) (*wal, []*segment, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(names)
	w := &wal{dir: dir, limit: limit}
	for _, name := range names {
		if _, err := fmt.Sscanf(filepath.Base(name), "%d"+segmentSuffix, &w.number); err != nil {
			return nil, nil, fmt.Errorf("%s is no segment of a journal", name)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return nil, nil, errors.Join(err, w.close())
		}
		w.segments = append(w.segments, &segment{file: f})
	}
	return w, slices.Clone(w.segments), nil
}

// read calls fn for each payload of a segment, in order. What stands behind a record that cannot be read is not looked at; a copy of
// a damaged segment is kept beside it.
func (s *segment) read(fn func(p place, payload []byte) error) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, info.Size()), 1<<16)
	for {
		payload, err := readRecord(r)
		if err == io.EOF || errors.Is(err, errTorn) {
			return nil
		}
		if errors.Is(err, errDamaged) {
			return fmt.Errorf("%s, at byte %d: %w", s.file.Name(), s.size, errors.Join(err, s.keepCopy()))
		}
		if err != nil {
			return err
		}
		if err := fn(place{s, s.size + recordHeader, len(payload)}, payload); err != nil {
			return err
		}
		s.size += int64(recordHeader + len(payload))
	}
}

func readRecord(r io.Reader) ([]byte, error) {
	var head [recordHeader]byte
	if _, err := io.ReadFull(r, head[:]); err == io.ErrUnexpectedEOF {
		return nil, errTorn
	} else if err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size == 0 || size > recordMax {
		return nil, errDamaged
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errTorn
	} else if err != nil {
		return nil, err
	}
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errDamaged
	}
	return payload, nil
}

func (s *segment) keepCopy() error {
	name := strings.TrimSuffix(s.file.Name(), segmentSuffix) + ".damaged"
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	data, err := os.ReadFile(s.file.Name())
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}

// append writes one record. When it fails, nothing of it stays in the file.
func (w *wal) append(kind byte, body []byte) (place, error) {
	p, err := w.tryAppend(kind, body)
	w.failed = err
	return p, err
}

func (w *wal) tryAppend(kind byte, body []byte) (place, error) {
	if 1+len(body) > recordMax {
		return place{}, fmt.Errorf("a record of %d bytes is too large for the journal", len(body))
	}
	s, err := w.active()
	if err != nil {
		return place{}, err
	}
	record := make([]byte, recordHeader+1+len(body))
	record[recordHeader] = kind
	copy(record[recordHeader+1:], body)
	binary.LittleEndian.PutUint32(record, uint32(1+len(body)))
	binary.LittleEndian.PutUint32(record[4:], crc32.Checksum(record[recordHeader:], castagnoli))
	if _, err := s.file.WriteAt(record, s.size); err != nil {
		// A torn record in the middle would hide what follows it.
		return place{}, errors.Join(err, s.file.Truncate(s.size))
	}
	p := place{s, s.size + recordHeader, 1 + len(body)}
	s.size += int64(len(record))
	w.dirty = true
	return p, nil
}

// active returns the segment to append to.
func (w *wal) active() (*segment, error) {
	if w.current != nil && w.current.size < w.limit {
		return w.current, nil
	}
	return w.rotate()
}

// rotate begins a new segment.
func (w *wal) rotate() (*segment, error) {
	name := filepath.Join(w.dir, fmt.Sprintf("%012d%s", w.number+1, segmentSuffix))
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w.number++
	w.current = &segment{file: f}
	w.segments = append(w.segments, w.current)
	return w.current, nil
}

// load reads a payload again.
func (p place) load() ([]byte, error) {
	payload := make([]byte, p.size)
	_, err := p.seg.file.ReadAt(payload, p.off)
	return payload, err
}

// compact deletes segments of which nothing is pending, from the oldest on: the marks in a segment speak of it and older ones only.
// When nothing at all is pending, the newest is emptied too once it has grown.
func (w *wal) compact() error {
	for len(w.segments) > 0 && w.segments[0] != w.current && w.segments[0].pending == 0 {
		if err := w.segments[0].remove(); err != nil {
			return err
		}
		w.segments = w.segments[1:]
	}
	if len(w.segments) != 1 || w.current == nil || w.current.pending != 0 || w.current.size < w.limit/64 {
		return nil
	}
	if err := w.current.file.Truncate(0); err != nil {
		return err
	}
	w.current.size = 0
	return nil
}

func (s *segment) remove() error {
	return errors.Join(os.Remove(s.file.Name()), s.file.Close())
}

// unsynced returns the file whose content may not have reached the disk, or nil.
func (w *wal) unsynced() *os.File {
	if !w.dirty || w.current == nil {
		return nil
	}
	w.dirty = false
	return w.current.file
}

func (w *wal) close() error {
	var err error
	for _, s := range w.segments {
		err = errors.Join(err, s.file.Close())
	}
	w.segments, w.current = nil, nil
	return err
}
