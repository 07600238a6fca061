package exchange

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRoom(t *testing.T) {
	for _, row := range []struct {
		name        string
		one, excess Room
		times       int
		want        error
	}{
		{"fields", Room{Changes: 1, ChangeBytes: 10}, Room{Changes: 1}, MaxChanges, errChanges},
		{"bytes", Room{Changes: 1, ChangeBytes: MaxChangeBytes / 4}, Room{ChangeBytes: 1}, 4, errChanges},
		{"attributes", Room{Attributes: 1}, Room{Attributes: 1}, MaxAttributes, errAttributes},
		{"bytes of attributes", Room{AttributeBytes: MaxAttributeBytes / 2}, Room{AttributeBytes: 1}, 2, errAttributes},
	} {
		t.Run(row.name, func(t *testing.T) {
			var ex Exchange
			for range row.times {
				if err := ex.Take(row.one); err != nil {
					t.Fatal(err)
				}
			}
			if err := ex.Take(row.excess); !errors.Is(err, row.want) {
				t.Errorf("past the limit: %v", err)
			}
			if err := ex.Take(Room{}); err != nil {
				t.Errorf("what was refused was taken: %v", err)
			}
			ex.Reset()
			if err := ex.Take(row.one); err != nil {
				t.Errorf("after Reset: %v", err)
			}
		})
	}
}

// A head is larger by its fields than by its bytes: each is looked at by each
// filter.
func TestTooManyFields(t *testing.T) {
	var h Header
	if err := ParseFields(strings.Repeat("a:\r\n", MaxFields), &h); err != nil || h.Len() != MaxFields {
		t.Errorf("%d fields: %v", h.Len(), err)
	}
	h.Reset()
	err := ParseFields(strings.Repeat("a:\r\n", MaxFields+1), &h)
	if !errors.Is(err, ErrTooManyFields) || !errors.Is(err, ErrField) {
		t.Errorf("one more: %v", err)
	}
}

func TestEqualName(t *testing.T) {
	for c := range 256 {
		for _, name := range []string{"a%c", "abcdefg%c", "abcdefgh%c", "%cbcdefghijklmnop"} {
			a := strings.Replace(name, "%c", string([]byte{byte(c)}), 1)
			for d := range 256 {
				b := strings.Replace(strings.ToUpper(name), "%C", string([]byte{byte(d)}), 1)
				want := lower(byte(c)) == lower(byte(d))
				if EqualName(a, b) != want {
					t.Fatalf("EqualName(%q, %q) = %v", a, b, !want)
				}
			}
		}
	}
	if EqualName("Cookie", "Coo\u212aie") || EqualName("a", "ab") {
		t.Error("names of other lengths are equal")
	}
}

func TestRepeats(t *testing.T) {
	for _, count := range []int{5, fewFields, fewFields + 1, 500} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			var h Header
			for i := range count {
				h.Add(fmt.Sprintf("%c-%d", 'A'+byte(i%2)*32, i%7), "")
			}
			repeats := h.Repeats()
			for i := range count {
				want := false
				for j := range i {
					want = want || strings.EqualFold(h.At(j).Name, h.At(i).Name)
				}
				if repeats.At(i) != want {
					t.Errorf("field %d: %v", i, !want)
				}
			}
		})
	}
}

// A long list is not searched again and again.
func TestMergeIntoALongList(t *testing.T) {
	var h Header
	h.Add("Vary", "a, b")
	h.merge("vary", "B")
	h.merge("vary", "c")
	h.Add("Accept", strings.Repeat("a,", maxMergeBytes))
	h.merge("Accept", "b")
	if got := h.Names(); got != "Vary, Accept, Accept" || h.Get("Vary") != "a, b, c" || h.At(2).Value != "b" {
		t.Errorf("%s %q", got, h.Get("Vary"))
	}
}

// A client chooses the fields and the names in Connection.
func TestConnectionNamesManyFields(t *testing.T) {
	var h Header
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("X-%d", i))
		h.Add(fmt.Sprintf("x-%d", i), "")
	}
	h.Add("Kept", "")
	h.Add("Connection", strings.Join(names, ","))
	h.RemoveConnectionFields()
	if h.Names() != "Kept" {
		t.Error(h.Names())
	}
}
