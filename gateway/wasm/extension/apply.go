package extension

import (
	"fmt"
	"strings"
	"unsafe"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// maxOperations bounds one apply; a request has at most a few hundred fields.
const maxOperations = 4096

// keptOperations is how many decoded operations are kept from checking to
// performing; what is more than most filters have is decoded again.
const keptOperations = 12

// apply makes all changes or none: the list is decoded and checked as a whole
// first.
func apply(in *guest.Instance, mem guest.Memory, stack []uint64) {
	ex := in.MustExchange()
	if in.Phase != guest.Requesting {
		answer(stack, int32(in.Refuse(filterv1.StatusBadArgument, "apply is for the request phase")))
		return
	}
	answer(stack, int32(applyAll(in, ex, mem.Bytes(uint32(stack[0]), uint32(stack[1])))))
}

func applyAll(in *guest.Instance, ex *exchange.Exchange, operations []byte) filterv1.Status {
	var kept [keptOperations]filterv1.Operation
	r := filterv1.NewReader(operations)
	rest := r
	count, replies, room := 0, 0, exchange.Room{}
	for ; r.Len() > 0; count++ {
		o := r.Operation()
		if !r.OK() || count == maxOperations {
			return in.Refuse(filterv1.StatusBadArgument, fmt.Sprintf("operation %d is malformed", count))
		}
		if o.Op == filterv1.OpReply {
			replies++
		}
		// Before its bytes are looked at.
		if err := takes(&o, &room, ex); err != nil {
			return in.Refuse(filterv1.StatusTooLarge, fmt.Sprintf("operation %d: %v", count, err))
		}
		in.Charge(checkUnits(&o, ex))
		if status, why := check(in, &o, replies); status == filterv1.StatusNotGranted {
			return in.NotGranted(why)
		} else if status != filterv1.StatusOK {
			return in.Refuse(status, fmt.Sprintf("operation %d: %s", count, why))
		}
		if count < keptOperations {
			kept[count] = o
			rest = r
		}
	}
	if err := ex.Take(room); err != nil {
		return in.Refuse(filterv1.StatusTooLarge, err.Error())
	}
	for i := range min(count, keptOperations) {
		perform(in, ex, &kept[i])
	}
	for rest.Len() > 0 {
		o := rest.Operation()
		perform(in, ex, &o)
	}
	return filterv1.StatusOK
}

// takes adds to room what o takes of it.
func takes(o *filterv1.Operation, room *exchange.Room, ex *exchange.Exchange) error {
	switch o.Op {
	case filterv1.OpReply:
		room.ChangeBytes += len(o.Name) // the content type
	case filterv1.OpSetMethod, filterv1.OpSetURI:
		room.ChangeBytes += len(o.Name)
	case filterv1.OpSetAttribute:
		room.Attributes++
		room.AttributeBytes += len(o.Name) + len(o.Value)
	case filterv1.OpRemoveHeader:
		// It takes nothing, and leaves less.
	default:
		room.Changes++
		room.ChangeBytes += len(o.Name) + len(o.Value)
	}
	return ex.Fits(*room)
}

// Every byte of an operation is looked at by itself, those of a URI several
// times: what that costs, besides copying.
const (
	bytesPerCheckUnit = 2
	uriUnitsPerByte   = 1
)

// checkUnits is what check and perform cost.
func checkUnits(o *filterv1.Operation, ex *exchange.Exchange) int64 {
	size := int64(len(o.Name) + len(o.Value))
	scan := int64(1 + len(o.Name)/guest.BytesPerUnit)
	switch o.Op {
	case filterv1.OpSetURI:
		return size * uriUnitsPerByte
	case filterv1.OpReply:
		return int64(len(o.Name)) / bytesPerCheckUnit
	case filterv1.OpSetAttribute:
		return int64(ex.AttributeCount())
	case filterv1.OpSetHeader, filterv1.OpAddHeader, filterv1.OpRemoveHeader:
		return size/bytesPerCheckUnit + scan*int64(ex.Request.Header.Len())
	}
	return size/bytesPerCheckUnit + scan*int64(ex.DeferredCount())
}

// check says whether o may be performed: why not, or the grant that it lacks.
// replies is how many replies there are up to o.
func check(in *guest.Instance, o *filterv1.Operation, replies int) (status filterv1.Status, why string) {
	switch o.Op {
	case filterv1.OpSetHeader, filterv1.OpAddHeader, filterv1.OpRemoveHeader:
		why = checkField(o.Name, o.Value)
		switch name := view(o.Name); {
		case why != "":
		case !in.Visible(name):
			return filterv1.StatusNotGranted, in.Filter.CredentialGrant(name)
		case strings.EqualFold(name, "Host"):
			why = "Host is not a header field to change"
		}
	case filterv1.OpSetResponseHeader, filterv1.OpAddResponseHeader, filterv1.OpRemoveResponseHeader, filterv1.OpMergeResponseHeader:
		why = checkField(o.Name, o.Value)
	case filterv1.OpSetAttribute:
		if name := view(o.Name); name == "" || name[0] == 0 || strings.HasPrefix(name, "claim.") {
			why = "attributes without a name and claim.* are the host's"
		}
	case filterv1.OpSetMethod:
		if !exchange.ValidFieldName(view(o.Name)) {
			why = "the method is not a token"
		}
	case filterv1.OpSetURI:
		// On a copy: the request itself must not change yet.
		probe := exchange.Request{}
		if err := probe.SetURI(string(o.Name)); err != nil {
			why = err.Error()
		}
	case filterv1.OpReply:
		why = checkReply(in, o, replies)
	}
	if why != "" {
		return filterv1.StatusBadArgument, why
	}
	return filterv1.StatusOK, ""
}

// view is p as a string, which must not outlive the call of the host function.
func view(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

func checkField(name, value []byte) string {
	if len(name) == 0 {
		return "a header without a name"
	}
	for _, c := range name {
		if !tokenByte[c] {
			return "the header's name is not a token"
		}
	}
	return checkValue(value)
}

func checkValue(value []byte) string {
	for _, c := range value {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return "the header's value holds a control byte"
		}
	}
	return ""
}

func checkReply(in *guest.Instance, o *filterv1.Operation, replies int) string {
	switch {
	case replies > 1 || in.Answered:
		return "the request is answered already"
	case o.Status < 200 || o.Status > 599:
		return "a reply's status is 200 to 599"
	case int64(len(o.Value)) > in.Filter.MaxBodyBytes:
		return "the reply's body is too large"
	}
	return checkValue(o.Name)
}

// tokenByte holds the bytes of a token (RFC 9110 §5.6.2).
var tokenByte = func() (table [256]bool) {
	for c := range table {
		table[c] = exchange.ValidFieldName(string([]byte{byte(c)}))
	}
	return table
}()

func perform(in *guest.Instance, ex *exchange.Exchange, o *filterv1.Operation) {
	deferred := func(op exchange.HeaderOp) {
		ex.DeferResponseHeader(exchange.HeaderChange{Op: op, Name: in.Intern(o.Name), Value: in.Intern(o.Value)})
	}
	switch o.Op {
	case filterv1.OpSetHeader:
		ex.Request.Header.Set(in.Intern(o.Name), in.Intern(o.Value))
	case filterv1.OpAddHeader:
		ex.Request.Header.Add(in.Intern(o.Name), in.Intern(o.Value))
	case filterv1.OpRemoveHeader:
		ex.Request.Header.Del(in.Intern(o.Name))
	case filterv1.OpSetMethod:
		ex.Request.Method = in.Intern(o.Name)
	case filterv1.OpSetURI:
		_ = ex.Request.SetURI(string(o.Name)) // check has tried it
	case filterv1.OpSetAttribute:
		ex.SetAttribute(in.Intern(o.Name), in.Intern(o.Value))
	case filterv1.OpSetResponseHeader:
		deferred(exchange.HeaderSet)
	case filterv1.OpAddResponseHeader:
		deferred(exchange.HeaderAdd)
	case filterv1.OpRemoveResponseHeader:
		deferred(exchange.HeaderRemove)
	case filterv1.OpMergeResponseHeader:
		deferred(exchange.HeaderMerge)
	case filterv1.OpReply:
		reply(in, ex, o)
	}
}

func reply(in *guest.Instance, ex *exchange.Exchange, o *filterv1.Operation) {
	in.Answered = true
	ex.Response.Status = int(o.Status)
	ex.Response.Header.Reset()
	if len(o.Name) > 0 {
		ex.Response.Header.Set("Content-Type", in.Intern(o.Name))
	}
	ex.Response.Body.SetBytes(append([]byte(nil), o.Value...))
}
