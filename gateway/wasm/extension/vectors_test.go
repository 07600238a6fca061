package extension

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
)

// operations are the names of operations in apply.json.
func operations() map[string]filterv1.Op {
	return map[string]filterv1.Op{
		"set_header": filterv1.OpSetHeader, "add_header": filterv1.OpAddHeader, "remove_header": filterv1.OpRemoveHeader,
		"set_method": filterv1.OpSetMethod, "set_uri": filterv1.OpSetURI, "set_attribute": filterv1.OpSetAttribute,
		"set_response_header": filterv1.OpSetResponseHeader, "add_response_header": filterv1.OpAddResponseHeader,
		"remove_response_header": filterv1.OpRemoveResponseHeader, "merge_response_header": filterv1.OpMergeResponseHeader,
		"reply": filterv1.OpReply, "unknown": 200,
	}
}

type applyVector struct {
	Name       string
	Grants     []string
	Operations []struct {
		Op, Name, Value string
		Status          uint32
	}
	Status, Why string
}

func (v *applyVector) encode() []byte {
	var b []byte
	for _, o := range v.Operations {
		op := operations()[o.Op]
		b = append(b, byte(op))
		switch op {
		case filterv1.OpReply:
			b = filterv1.AppendUint32(b, o.Status)
			b = filterv1.AppendString(filterv1.AppendString(b, o.Name), o.Value)
		case filterv1.OpRemoveHeader, filterv1.OpRemoveResponseHeader, filterv1.OpSetMethod, filterv1.OpSetURI:
			b = filterv1.AppendString(b, o.Name)
		case filterv1.OpSetHeader, filterv1.OpAddHeader, filterv1.OpSetAttribute, filterv1.OpSetResponseHeader,
			filterv1.OpAddResponseHeader, filterv1.OpMergeResponseHeader:
			b = filterv1.AppendString(filterv1.AppendString(b, o.Name), o.Value)
		}
	}
	return b
}

// TestApplyVectors: sdk/filter/filtertest runs the same file, so that a filter is
// refused natively what it will be refused here.
func TestApplyVectors(t *testing.T) {
	text, err := os.ReadFile("../../../pluginspec/filter/v1/testdata/apply.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []applyVector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			in, ex := newInstance(v.Grants...), &exchange.Exchange{}
			status := applyAll(in, ex, v.encode())
			if status.String() != v.Status || !strings.Contains(in.LastError, v.Why) {
				t.Errorf("%s, %q; want %s, %q", status, in.LastError, v.Status, v.Why)
			}
			if status != filterv1.StatusOK && (ex.Request.Header.Len() > 0 || in.Answered) {
				t.Error("a part was made")
			}
		})
	}
}
