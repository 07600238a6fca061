package guest

import (
	"context"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
)

// What was made for the guest costs it, whether or not it had room for it.
func TestPutCharges(t *testing.T) {
	in := newTestInstance(time.Second)
	mem := NewMemory(in, nil)
	for _, row := range []struct {
		name string
		put  func() uint32
	}{
		{"bytes", func() uint32 { return mem.Put(0, 0, make([]byte, 4096)) }},
		{"string", func() uint32 { return mem.PutString(0, 4095, string(make([]byte, 4096))) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			in.Refuel(1<<30, 1)
			if n := row.put(); n != 4096 {
				t.Errorf("length %d", n)
			}
			if burnt, _ := in.Burnt(); burnt != 4096/BytesPerUnit {
				t.Errorf("burnt %d units", burnt)
			}
		})
	}
}

// One unusual request does not make an instance large for ever.
func TestScratchShrinks(t *testing.T) {
	in := newTestInstance(time.Second)
	in.Begin(context.Background(), &exchange.Exchange{})
	in.Scratch = append(in.Scratch, make([]byte, maxScratchBytes+1)...)
	in.End()
	if kept := cap(in.Scratch); kept > maxScratchBytes {
		t.Errorf("keeps %d bytes", kept)
	}
}
