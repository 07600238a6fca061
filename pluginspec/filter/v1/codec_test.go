package filterv1

import (
	"bytes"
	"testing"
)

func TestCodecRoundTrip(t *testing.T) {
	b := AppendUint32(nil, 0xdeadbeef)
	b = AppendString(b, "text")
	b = AppendBytes(b, []byte{0, 1, 2})
	b = AppendLower(b, "Content-TYPE")
	r := NewReader(b)
	if v := r.Uint32(); v != 0xdeadbeef {
		t.Errorf("integer %x", v)
	}
	if v := r.Bytes(); string(v) != "text" {
		t.Errorf("string %q", v)
	}
	if v := r.Bytes(); !bytes.Equal(v, []byte{0, 1, 2}) {
		t.Errorf("bytes %v", v)
	}
	if v := r.Bytes(); string(v) != "content-type" {
		t.Errorf("lower case %q", v)
	}
	if !r.OK() || r.Len() != 0 {
		t.Errorf("OK %v, %d bytes left", r.OK(), r.Len())
	}
	if r.Uint8(); r.OK() {
		t.Error("reading past the end is OK")
	}
}

func TestReaderStopsAtShortInput(t *testing.T) {
	whole := AppendString([]byte{byte(OpSetHeader)}, "name")
	whole = AppendString(whole, "value")
	for n := 1; n < len(whole); n++ {
		r := NewReader(whole[:n])
		if r.Operation(); r.OK() {
			t.Errorf("%d of %d bytes are a whole operation", n, len(whole))
		}
	}
	r := NewReader(whole)
	if o := r.Operation(); !r.OK() || string(o.Name) != "name" || string(o.Value) != "value" {
		t.Errorf("operation %+v", o)
	}
}

func TestStatusNames(t *testing.T) {
	if StatusOK.String() != "ok" || StatusBadArgument.String() != "bad argument" || Status(99).String() != "unknown status" || Status(-1).String() != "unknown status" {
		t.Error("the names of statuses are wrong")
	}
}

// FuzzOperations decodes hostile bytes: no panic, and what decodes encodes to
// the same bytes.
func FuzzOperations(f *testing.F) {
	seed := AppendString(AppendString([]byte{byte(OpAddHeader)}, "a"), "b")
	seed = AppendString(append(seed, byte(OpSetURI)), "/x")
	seed = AppendString(AppendString(AppendUint32(append(seed, byte(OpReply)), 204), ""), "body")
	f.Add(seed)
	f.Add([]byte{byte(OpReply), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(data)
		var out []byte
		for r.Len() > 0 {
			o := r.Operation()
			if !r.OK() {
				if r.Len() != 0 {
					t.Error("a failed reader still has bytes")
				}
				return
			}
			out = append(out, byte(o.Op))
			switch o.Op {
			case OpReply:
				out = AppendBytes(AppendBytes(AppendUint32(out, o.Status), o.Name), o.Value)
			case OpRemoveHeader, OpRemoveResponseHeader, OpSetMethod, OpSetURI:
				out = AppendBytes(out, o.Name)
			default:
				out = AppendBytes(AppendBytes(out, o.Name), o.Value)
			}
		}
		if !bytes.Equal(out, data) {
			t.Errorf("%x decodes and encodes to %x", data, out)
		}
	})
}
